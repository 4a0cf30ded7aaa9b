//! Flash messages, as a later request sees them.

use std::cell::RefCell;
use std::future::Future;
use std::task::{Context, Poll, Waker};

use cloakroom::session::MAX_DEPTH;
use cloakroom::{Queue, Session};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::site::{Site, Stored};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Notice {
    level: String,
    text: String,
}

const NOTICES: Queue<Notice> = Queue::new("notices");
const ONCE: Queue<String> = Queue::new("once").unique();

#[tokio::test]
async fn r28_to_r35_messages_wait_in_order_and_leave_together() {
    let session = Session::detached();
    session.flash("one").unwrap();
    session.flash(2).unwrap();
    session.flash("one").unwrap();
    session.flash_to("other", "x").unwrap();
    let waiting = [json!("one"), json!(2), json!("one")];
    assert_eq!(session.peek_flash::<serde_json::Value>("").unwrap(), waiting);
    assert_eq!(session.peek_flash::<serde_json::Value>("").unwrap(), waiting);
    assert_eq!(session.flash_queues(), ["", "other"]);
    assert_eq!(session.pop_flash::<serde_json::Value>("").await.unwrap(), waiting);
    assert!(session.pop_flash::<String>("").await.unwrap().is_empty());
    assert_eq!(session.keys(), ["_f_other"], "R32: the queue is gone, not emptied");
}

#[tokio::test]
async fn r31_a_unique_queue_refuses_what_waits_in_it_now() {
    let session = Session::detached();
    session.flash_to("other", "x").unwrap();
    assert!(session.flash_unique("once", "x").unwrap());
    assert!(!session.flash_unique("once", "x").unwrap());
    session.flash_to(ONCE, "x").unwrap();
    assert_eq!(session.peek_flash(ONCE).unwrap(), ["x"]);
    assert!(session.flash_unique("once", 1).unwrap() && session.flash_unique("once", 1.0).unwrap());
    session.pop_flash::<serde_json::Value>("once").await.unwrap();
    assert!(session.flash_unique("once", "x").unwrap(), "what was shown may come again");
    assert!(session.flash_unique("map", json!({"a": 1, "b": 2})).unwrap());
    assert!(!session.flash_unique("map", json!({"b": 2, "a": 1})).unwrap(), "equal as JSON");
}

#[tokio::test]
async fn r29_any_serialisable_message_comes_back_as_it_was() {
    let session = Session::detached();
    let notice = Notice { level: "info".into(), text: "<b>3</b> left\r\n\0😀".into() };
    session.flash_to(NOTICES, &notice).unwrap();
    assert_eq!(session.pop_flash(NOTICES).await.unwrap(), [notice]);
}

#[tokio::test]
async fn a_message_of_another_type_is_an_error_and_stays() {
    let session = Session::detached();
    session.flash("text").unwrap();
    let error = session.pop_flash::<Notice>("").await.unwrap_err();
    assert_eq!(error.kind(), "wrong_type");
    assert_eq!(session.pop_flash::<String>("").await.unwrap(), ["text"]);
}

#[tokio::test]
async fn r37_a_queue_that_is_no_list_is_an_empty_one() {
    let session = Session::detached();
    session.insert("_f_x", "not a list").unwrap();
    assert!(session.peek_flash::<String>("x").unwrap().is_empty());
    assert!(session.pop_flash::<String>("x").await.unwrap().is_empty());
    assert_eq!(session.get::<String>("_f_x").unwrap().as_deref(), Some("not a list"));
    session.flash_to("x", "m").unwrap();
    assert_eq!(session.pop_flash::<String>("x").await.unwrap(), ["m"]);
}

#[tokio::test]
async fn r36_messages_survive_a_redirect_and_are_shown_once() {
    let (site, _) = Site::signed_at(1_700_000_000.0);
    let post = site.visit(None, async |session: Session| session.flash("Saved").unwrap()).await;
    let pop = async |session: Session| session.pop_flash::<String>("").await.unwrap();
    let shown = site.visit(post.cookie(), pop).await;
    assert_eq!(shown.result, ["Saved"]);
    let again = site.visit(shown.cookie(), pop).await;
    assert!(again.result.is_empty());
    let gone = site
        .visit(post.cookie(), async |session: Session| {
            session.invalidate().unwrap();
            session.pop_flash::<String>("").await.unwrap()
        })
        .await;
    assert!(gone.result.is_empty());
}

#[tokio::test]
async fn r32_a_layout_that_pops_on_every_page_writes_nothing() {
    let (site, _) = Site::signed_at(1_700_000_000.0);
    let page =
        site.visit(None, async |session: Session| session.pop_flash::<String>("").await).await;
    assert_eq!(page.cookie(), None);
}

#[tokio::test]
async fn s84_a_message_nested_as_deeply_as_allowed_comes_back_and_no_deeper_one_is_taken() {
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let (site, _) = Site::signed_at(1_700_000_000.0);
    let post = site
        .visit(None, async |session: Session| {
            let error = session.flash(nested(MAX_DEPTH)).unwrap_err();
            assert_eq!(error.kind(), "too_deep");
            session.flash(nested(MAX_DEPTH - 1)).unwrap();
        })
        .await;
    let pop = async |session: Session| session.pop_flash::<serde_json::Value>("").await.unwrap();
    assert_eq!(site.visit(post.cookie(), pop).await.result, [nested(MAX_DEPTH - 1)]);
}

/// A message that is read while somebody else pops the queue, as slow reading on two tasks would have it.
struct ReadWhilePopped;

thread_local! {
    static SOMEBODY: RefCell<Option<Session>> = const { RefCell::new(None) };
}

impl<'de> Deserialize<'de> for ReadWhilePopped {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if let Some(session) = SOMEBODY.take() {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let elsewhere = runtime.block_on(session.pop_flash::<String>("")).unwrap();
            assert_eq!(elsewhere, ["once"]);
            session.flash("meanwhile").unwrap();
        }
        String::deserialize(deserializer).map(|_| Self)
    }
}

#[test]
fn what_somebody_else_popped_meanwhile_is_not_shown_again() {
    let session = Session::detached();
    session.flash("once").unwrap();
    SOMEBODY.set(Some(session.clone()));
    // Polled by hand: a runtime would not let the inner pop start another.
    let mut pop = std::pin::pin!(session.pop_flash::<ReadWhilePopped>(""));
    let shown = match pop.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(shown) => shown.unwrap().len(),
        Poll::Pending => panic!("there is nothing to wait for"),
    };
    assert_eq!(shown, 1, "only the message that came meanwhile");
    assert!(session.is_empty());
}

#[test]
fn handles_in_several_threads_show_each_message_once() {
    let session = Session::detached();
    let shown = std::thread::scope(|scope| {
        let poppers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    let mut shown = Vec::new();
                    for number in 0..60 {
                        session.flash(number).unwrap();
                        shown.extend(runtime.block_on(session.pop_flash::<u32>("")).unwrap());
                    }
                    shown.len()
                })
            })
            .collect();
        poppers.into_iter().map(|popper| popper.join().unwrap()).sum::<usize>()
    });
    assert_eq!(shown, 240);
}

#[test]
fn r37_a_queue_that_is_none_is_not_listed() {
    let session = Session::detached();
    session.insert("_f_none", 5).unwrap();
    session.insert("_f_empty", json!([])).unwrap();
    session.flash_to("queue", "x").unwrap();
    assert_eq!(session.flash_queues(), ["queue"]);
}

/// The changes of a closure are made again when the session is kept, where those messages may be that others took.
#[tokio::test]
async fn r52_no_closure_works_on_a_queue() {
    let site = Site::signed_at(1_700_000_000.0).0;
    for site in [&site, &Stored::new().site] {
        let flash = async |session: Session| session.flash("one").unwrap();
        let cookie = site.visit(None, flash).await.cookie().unwrap().to_owned();
        let visit = site.visit(&*cookie, async |session: Session| {
            for key in ["_f_", "_f_other"] {
                let push = |queue: &mut Vec<String>| queue.push("two".into());
                let refused = [session.modify(key, push), session.modify_strict(key, push)];
                for refused in refused {
                    let error = refused.unwrap_err();
                    assert_eq!(error.kind(), "queue");
                    assert!(error.to_string().contains(key), "{error}");
                }
            }
            session.modify("f_", |n: &mut u32| *n += 1).unwrap();
            session.pop_flash::<String>("").await.unwrap()
        });
        assert_eq!(visit.await.result, ["one"]);
    }
}
