//! A response on its way out: first the handler works, then, if it asked for the session, the session is kept.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::ErrorResponse;
use crate::Error;
use crate::slot::{Head, Slot};

type Keeping = Pin<Box<dyn Future<Output = Result<Head, Error>> + Send>>;

pin_project! {
    /// The future of a [`SessionService`](super::SessionService).
    pub struct ResponseFuture<F, B, E> {
        #[pin]
        handler: F,
        slot: Slot,
        on_error: E,
        keeping: Option<(Keeping, Response<B>)>,
    }
}

impl<F, B, E> ResponseFuture<F, B, E> {
    pub(super) const fn new(handler: F, slot: Slot, on_error: E) -> Self {
        Self { handler, slot, on_error, keeping: None }
    }
}

impl<F, B, E, R> Future for ResponseFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, R>>,
    E: ErrorResponse<B>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.keeping.is_none() {
            let response = ready!(this.handler.poll(context))?;
            match this.slot.close(response.status().is_server_error()) {
                None => return Poll::Ready(Ok(response)),
                Some(closed) => *this.keeping = Some((Box::pin(closed.commit()), response)),
            }
        }
        let Some((keeping, _)) = this.keeping else { return Poll::Pending };
        let kept = ready!(keeping.as_mut().poll(context));
        let Some((_, mut response)) = this.keeping.take() else { return Poll::Pending };
        match kept {
            Ok(head) => head.apply(response.headers_mut()),
            Err(error) => {
                tracing::error!(kind = error.kind(), %error, "session not kept");
                response = this.on_error.respond(&error);
                Head::refuse(response.headers_mut());
            }
        }
        Poll::Ready(Ok(response))
    }
}
