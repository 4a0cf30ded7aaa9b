//! A response on its way out: first the handler works, then, if it asked for the session, the session is kept.
//!
//! Also where there is no response, but the service's error: it waits until what has to take effect has done so. And
//! when nobody waits any more: a request whose client went away, or whose handler panicked, is dropped, and what has to
//! take effect then does so in a task of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::StatusCode;
use http::header::LOCATION;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;

use super::{Answer, Closed, Entry, Head, Keeping, Outgoing, Slot};
use crate::Error;
use crate::error::tell_not_kept;

/// What goes out where the session could not be kept.
pub(crate) trait InsteadOf<R> {
    /// In place of `response`.
    fn instead_of(&self, response: R, error: &Error) -> R;
}

/// How far the handler is.
#[derive(Clone, Copy)]
enum Handled {
    NotYet,
    Answered,
    /// With an error or a panic; so it stands too while the handler is polled, for whoever finds it after a panic.
    Failed,
}

impl Handled {
    const fn so_far<R, X>(polled: &Poll<Result<R, X>>) -> Self {
        match polled {
            Poll::Pending => Self::NotYet,
            Poll::Ready(Ok(_)) => Self::Answered,
            Poll::Ready(Err(_)) => Self::Failed,
        }
    }
}

pin_project! {
    /// A handler at work, and what becomes of its session.
    pub(crate) struct Answering<F, E>
    where
        F: Future,
    {
        #[pin]
        stage: Stage<F>,
        // `None` where a layer around this one keeps the session.
        slot: Option<Slot>,
        is_head: bool,
        on_error: E,
        handled: Handled,
    }

    impl<F, E> PinnedDrop for Answering<F, E>
    where
        F: Future,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let keeping = match (this.stage.project(), this.slot) {
                (AtStage::Keeping { kept }, _) => kept.take().map(|(keeping, _)| keeping),
                (AtStage::Handling { .. }, Some(slot)) => unanswered(slot, *this.handled),
                (AtStage::Handling { .. }, None) => None,
            };
            if let Some(keeping) = keeping {
                keep_in_background(keeping);
            }
        }
    }
}

pin_project! {
    // One after the other, so that both lie in the same place: the future is moved before it is polled.
    #[project = AtStage]
    enum Stage<F>
    where
        F: Future,
    {
        Handling { #[pin] handler: F },
        // `None` when it is over.
        Keeping { kept: Option<(Keeping, F::Output)> },
    }
}

impl<F: Future, E> Answering<F, E> {
    pub(crate) fn new(handler: F, entry: Entry, is_head: bool, on_error: E) -> Self {
        let slot = match entry {
            Entry::Own(slot) => Some(slot),
            Entry::Outer => None,
        };
        let stage = Stage::Handling { handler };
        Self { stage, slot, is_head, on_error, handled: Handled::NotYet }
    }
}

impl<F, R, X, E> Future for Answering<F, E>
where
    F: Future<Output = Result<R, X>>,
    R: Outgoing,
    E: InsteadOf<R>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let AtStage::Handling { handler } = this.stage.as_mut().project() {
            *this.handled = Handled::Failed;
            // Passed on where it lies: most responses have nothing to wait for, and are large to move.
            let mut polled = handler.poll(context);
            *this.handled = Handled::so_far(&polled);
            let Poll::Ready(answered) = &mut polled else { return Poll::Pending };
            let slot = this.slot.as_ref();
            let Some(keeping) = slot.and_then(|slot| close(slot, *this.is_head, answered)) else {
                return polled;
            };
            let kept = Some((keeping, ready!(polled)));
            this.stage.set(Stage::Keeping { kept });
        }
        let AtStage::Keeping { kept } = this.stage.project() else { return Poll::Pending };
        let Some((keeping, _)) = kept else { return Poll::Pending };
        let head = ready!(Pin::new(keeping).poll(context));
        let Some((_, mut answered)) = kept.take() else { return Poll::Pending };
        match (head, &mut answered) {
            (Ok(head), Ok(response)) => head.apply(response),
            (Ok(_), Err(_)) => {}
            (Err((error, cookies)), _) => {
                tell_not_kept(&error);
                answered = answered.map(|response| {
                    let mut response = this.on_error.instead_of(response, &error);
                    Head::refuse_with(cookies, &mut response);
                    response
                });
            }
        }
        Poll::Ready(answered)
    }
}

/// What is to be kept before the answer is passed on, be it a response or the service's own error (S27). Where nothing
/// is, the response has its head.
fn close<R: Outgoing, X>(
    slot: &Slot,
    is_head: bool,
    answered: &mut Result<R, X>,
) -> Option<Keeping> {
    let Ok(response) = answered else { return unanswered(slot, Handled::Failed) };
    let status = response.status();
    // Asked for only where it decides: most responses are another's, and their sessions were never opened.
    let has_location = status == StatusCode::CREATED && response.has(&LOCATION);
    match slot.close(Answer::Response { status, is_head, has_location })? {
        Closed::AtRest(head) => {
            head.apply(response);
            None
        }
        Closed::Changed(changed) => Some(changed.commit()),
    }
}

/// What is left to be kept of a request that got no response.
#[inline]
fn unanswered(slot: &Slot, handled: Handled) -> Option<Keeping> {
    let answer = match handled {
        Handled::Answered => return None,
        Handled::Failed => Answer::Failure,
        Handled::NotYet => Answer::Cancelled,
    };
    match slot.close(answer)? {
        Closed::AtRest(_) => None,
        Closed::Changed(changed) => changed.must_be_kept().then(|| changed.commit()),
    }
}

/// Keeps a session for which nobody waits.
fn keep_in_background(keeping: Keeping) {
    let keep = async {
        if let Err((error, _)) = keeping.await {
            tell_not_kept(&error);
        }
    };
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(keep)),
        Err(_) => tracing::error!("session not kept: the request was dropped outside of a runtime"),
    }
}
