//! What requests cost an engine: counted there, in whatever it counts.

use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::testing::FakeClock;
use cloakroom::{Error, Session, SessionLayer, StoredFactory};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

/// Untouched, read, written, renewed: none, one, two and two. `count` says how many there were since it was asked last.
pub async fn assert_of_requests<S: Store>(
    store: S,
    clock: FakeClock,
    mut count: impl AsyncFnMut() -> usize,
) {
    let factory = StoredFactory::builder("shop", store)
        .clock(clock.clone())
        .idle_limit(Duration::from_secs(1000))
        .renew_every(Duration::from_secs(500))
        .build();
    let service = SessionLayer::new(factory.unwrap()).layer(service_fn(handle));
    let ask = async |path: &str, cookie: &str| {
        let request = Request::get(path).header("cookie", cookie).body(()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        let cookie = response.headers().get("set-cookie").map(|set| set.to_str().unwrap());
        cookie.map(|set| set.split(';').next().unwrap().to_owned())
    };
    let mut cookie = ask("/write", "").await.unwrap();
    // What is made ready once has been after this.
    clock.advance(Duration::from_secs(101));
    assert_eq!(ask("/read", &cookie).await, None);
    count().await;
    for (path, seconds, expected) in [
        ("/untouched", 0, 0),
        ("/read", 0, 1),
        ("/write", 0, 2),
        ("/read", 101, 2),  // a tenth of the idle limit has passed: a touch
        ("/read", 301, 2),  // a new ticket is due: a replace
        ("/write", 501, 2), // the same, and something to write
    ] {
        clock.advance(Duration::from_secs(seconds));
        cookie = ask(path, &cookie).await.unwrap_or(cookie);
        assert_eq!(count().await, expected, "{path} after {seconds} s");
    }
}

async fn handle(request: Request<()>) -> Result<Response<String>, Error> {
    let text = match request.uri().path() {
        "/untouched" => String::new(),
        "/read" => format!("{:?}", Session::of(&request).await?.get::<u64>("n")?),
        _ => {
            let session = Session::of(&request).await?;
            session.modify("n", |n: &mut u64| *n += 1)?;
            String::new()
        }
    };
    Ok(Response::new(text))
}
