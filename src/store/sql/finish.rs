//! A call that its caller may give up, and that goes on until the server has answered.
//!
//! Dropped in its middle, a driver has read a part of an answer and does not know which: the next call on that connection
//! would take the rest for its own, somebody else's session (S69). Closing the connection instead would leave the server
//! at work for nobody, with one connection more for each call that is given up.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::LIMIT;

/// How old a call becomes that nobody waits for: a little older than it is when the server gives it up. After that its
/// connection is closed. One that was forgotten on the way takes a place in the pool until then.
const PATIENCE: Duration = LIMIT.saturating_add(Duration::from_millis(250));

/// What somebody waits for, perhaps not to its end.
pub(super) struct Finish<T: Send + 'static> {
    call: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    began: Instant,
}

impl<T: Send + 'static> Finish<T> {
    pub(super) fn new(call: impl Future<Output = T> + Send + 'static) -> Self {
        Self { call: Some(Box::pin(call)), began: Instant::now() }
    }
}

impl<T: Send + 'static> Future for Finish<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(call) = &mut self.call else { return Poll::Pending };
        let answer = call.as_mut().poll(context);
        if answer.is_ready() {
            self.call = None;
        }
        answer
    }
}

impl<T: Send + 'static> Drop for Finish<T> {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        let end = self.began + PATIENCE;
        // Without a runtime, everything is coming to its end.
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(async move { drop(timeout_at(end, call).await) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::sync::Arc;

    use tokio::sync::Notify;

    use super::*;

    async fn poll_once<T: Send>(call: &mut Finish<T>) {
        let is_pending =
            poll_fn(|context| Poll::Ready(Pin::new(&mut *call).poll(context).is_pending()));
        assert!(is_pending.await);
    }

    #[tokio::test(start_paused = true)]
    async fn s69_a_call_that_is_given_up_goes_on_to_its_end() {
        let (answered, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (answer, end) = (answered.clone(), ended.clone());
        let mut call = Finish::new(async move {
            answer.notified().await;
            end.notify_one();
        });
        poll_once(&mut call).await;
        drop(call);
        answered.notify_one();
        ended.notified().await;
    }

    #[tokio::test(start_paused = true)]
    async fn s75_a_call_that_is_given_up_does_not_go_on_for_ever() {
        let held = Arc::new(());
        let inside = held.clone();
        let mut call = Finish::new(async move {
            pending::<()>().await;
            drop(inside);
        });
        poll_once(&mut call).await;
        let before = Duration::from_millis(500);
        tokio::time::sleep(before).await;
        drop(call);
        // Of its age, not of how long nobody has waited.
        tokio::time::sleep(PATIENCE - before + Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
