//! Moving from another library: visitors stay signed in, once, and the old cookie opens nothing any more.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod actix_session;
mod tower_sessions;

use cloakroom::{Session, SessionFactory, SessionLayer};
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

/// What one visit gave.
struct Visit {
    status: StatusCode,
    cookies: Vec<String>,
    body: String,
}

impl Visit {
    /// `name=value` of a cookie that was set.
    fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.cookies.iter().filter_map(|cookie| cookie.split(';').next());
        pairs.into_iter().find(|pair| pair.split('=').next() == Some(name))
    }

    fn forgets(&self, name: &str) -> bool {
        let begins = format!("{name}=;");
        self.cookies
            .iter()
            .any(|cookie| cookie.starts_with(&begins) && cookie.contains("Max-Age=0"))
    }
}

/// A site behind these sessions. `/look` shows who is signed in, `/logout` ends that, `/fail` answers 500, `/none` does
/// not ask.
struct Site(SessionLayer);

impl Site {
    fn new(sessions: impl SessionFactory) -> Self {
        Self(SessionLayer::new(sessions))
    }

    async fn visit(&self, path: &str, cookie: &str) -> Visit {
        let service = self.0.layer(service_fn(async |request: Request<()>| {
            let mut response = Response::new(String::new());
            match request.uri().path() {
                "/look" => {
                    let user = Session::of(&request).await?.get::<String>("user")?;
                    *response.body_mut() = user.unwrap_or_default();
                }
                "/logout" => Session::of(&request).await?.invalidate()?,
                "/fail" => {
                    Session::of(&request).await?.insert("n", 1)?;
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                }
                _ => {}
            }
            Ok::<_, cloakroom::Error>(response)
        }));
        let request = Request::get(path).header(COOKIE, cookie).body(()).unwrap();
        match service.oneshot(request).await {
            Ok(response) => {
                let cookies = response.headers().get_all(SET_COOKIE).into_iter();
                let cookies = cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect();
                Visit { status: response.status(), cookies, body: response.into_body() }
            }
            Err(error) => {
                Visit { status: error.status(), cookies: vec![], body: error.to_string() }
            }
        }
    }
}
