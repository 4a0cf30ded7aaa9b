//! Requests that end without a response: their client goes away, their handler panics, or their service fails.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};

use cloakroom::Session;
use http::Response;
use tower::{Layer, Service, service_fn};

use crate::site::{Site, with_cookie};

/// How such a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    Dropped,
    Panics,
    Fails,
}

impl Broken {
    pub const ALL: [Self; 3] = [Self::Dropped, Self::Panics, Self::Fails];

    /// Sends a request that does this, which has to be done when it is polled once, and then ends so.
    pub async fn visit(self, site: &Site, cookie: &str, act: impl AsyncFnOnce(Session)) {
        let mut act = Some(act);
        let service = service_fn(|request| {
            let act = act.take().unwrap();
            async move {
                act(Session::of(&request).await.unwrap()).await;
                assert!(self != Self::Panics, "on purpose");
                if self == Self::Fails {
                    return Err("the service's own");
                }
                pending::<Result<Response<String>, &str>>().await
            }
        });
        let mut service = site.layer().layer(service);
        let mut response = Box::pin(service.call(with_cookie(cookie)));
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::from_waker(Waker::noop());
            response.as_mut().poll(&mut context).is_ready()
        }));
        assert_eq!(polled.ok(), (self != Self::Panics).then_some(self == Self::Fails));
        drop(response);
        // What is kept all the same is kept by a task: the test's runtime has one thread.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}
