//! A response on its way out: first the handler works, then, if it asked for the session, the session is kept.
//!
//! Also when nobody waits any more: a request whose client went away, or whose handler panicked, is dropped, and
//! what has to take effect then does so in a task of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;

use super::ErrorResponse;
use crate::Error;
use crate::error::causes;
use crate::session::Gone;
use crate::slot::{Answer, Head, Keeping, Slot};

pin_project! {
    /// The future of a [`SessionService`](super::SessionService).
    pub struct ResponseFuture<F, B, E> {
        #[pin]
        handler: F,
        slot: Slot,
        is_head: bool,
        on_error: E,
        // Set while the handler is polled: whoever finds it set later finds a handler that panicked or failed.
        has_failed: bool,
        keeping: Option<(Keeping, Response<B>)>,
    }

    impl<F, B, E> PinnedDrop for ResponseFuture<F, B, E> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let keeping = match this.keeping.take() {
                Some((keeping, _)) => Some(keeping),
                None => unanswered(this.slot, *this.has_failed),
            };
            if let Some(keeping) = keeping {
                keep_in_background(keeping);
            }
        }
    }
}

impl<F, B, E> ResponseFuture<F, B, E> {
    pub(super) const fn new(handler: F, slot: Slot, is_head: bool, on_error: E) -> Self {
        Self { handler, slot, is_head, on_error, has_failed: false, keeping: None }
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
            *this.has_failed = true;
            let polled = this.handler.poll(context);
            *this.has_failed = matches!(polled, Poll::Ready(Err(_)));
            let response = ready!(polled)?;
            let answer = Answer::Response { status: response.status(), is_head: *this.is_head };
            match this.slot.close(answer) {
                None => return Poll::Ready(Ok(response)),
                Some(closed) => *this.keeping = Some((closed.commit(), response)),
            }
        }
        let Some((keeping, _)) = this.keeping else { return Poll::Pending };
        let kept = ready!(Pin::new(keeping).poll(context));
        let Some((_, mut response)) = this.keeping.take() else { return Poll::Pending };
        match kept {
            Ok(head) => {
                if head.is_gone() {
                    response.extensions_mut().insert(Gone);
                }
                head.apply(response.headers_mut());
            }
            Err(error) => {
                report(&error);
                response = this.on_error.respond(&error);
                Head::refuse(response.headers_mut());
            }
        }
        Poll::Ready(Ok(response))
    }
}

/// What is left to be kept of a request that got no response.
fn unanswered(slot: &Slot, has_failed: bool) -> Option<Keeping> {
    let closed = slot.close(if has_failed { Answer::Failure } else { Answer::Cancelled })?;
    closed.must_be_kept().then(|| closed.commit())
}

/// Keeps a session for which nobody waits.
fn keep_in_background(keeping: Keeping) {
    let keep = async {
        if let Err(error) = keeping.await {
            report(&error);
        }
    };
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(keep)),
        Err(_) => tracing::error!("session not kept: the request was dropped outside of a runtime"),
    }
}

fn report(error: &Error) {
    tracing::error!(kind = error.kind(), %error, cause = causes(error), "session not kept");
}
