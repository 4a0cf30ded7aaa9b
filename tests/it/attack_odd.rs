//! Attacks with what is odd: depth, unique messages that come back, owners of any length, tasks of one request.

use std::time::Duration;

use cloakroom::session::{Bounds, Standing};
use cloakroom::{Key, Queue, Session};
use http::{Method, Response, StatusCode};

use crate::site::{Site, Stored, with_cookie};

fn with_status(status: u16) -> Response<String> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn nested(depth: usize) -> serde_json::Value {
    (1..depth).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]))
}

/// What is accepted is read by the next request, however deep, in a cookie as on a server.
#[tokio::test]
async fn r60_what_is_not_too_deep_to_be_set_is_not_too_deep_to_be_read() {
    for (name, site) in
        [("stored", Stored::new().site), ("signed", Site::signed_at(1_700_000_000.0).0)]
    {
        for depth in [60, 61, 62, 63, 64, 65, 66, 128] {
            let visit = site.visit(None, async |session| {
                session.insert("other", 1).unwrap();
                (session.insert("k", nested(depth)).is_ok(), session.flash(nested(depth)).is_ok())
            });
            let visit = visit.await;
            let accepted = visit.result;
            let look = async |session: Session| {
                let flash = session.pop_flash::<serde_json::Value>("").await.unwrap();
                let k = session.get::<serde_json::Value>("k").unwrap();
                (k.is_some(), !flash.is_empty(), session.contains_key("other"))
            };
            let (k, flash, other) = site.visit(visit.cookie().unwrap(), look).await.result;
            assert_eq!(((k, flash), other), (accepted, true), "{name} {depth}");
        }
    }
}

/// "To throw a queue's messages away, `remove` its key": also after they were taken.
#[tokio::test]
async fn s67_removing_a_queue_after_taking_it_throws_its_messages_away() {
    for (name, site) in
        [("signed", Site::signed_at(1_700_000_000.0).0), ("stored", Stored::new().site)]
    {
        let flash = async |session: Session| session.flash("saved").unwrap();
        let cookie = site.visit(None, flash).await.cookie().unwrap().to_owned();
        let visit = site.respond(&*cookie, with_status(302), async |session: Session| {
            session.pop_flash::<String>("").await.unwrap();
            session.remove("_f_").unwrap();
        });
        let visit = visit.await;
        let cookie = visit.cookie().unwrap_or(&cookie);
        let peek = async |session: Session| session.peek_flash::<String>("").unwrap();
        assert!(site.visit(cookie, peek).await.result.is_empty(), "{name}");
    }
}

/// What a session may hold bounds its record.
#[tokio::test]
async fn s84_an_owner_is_bounded_too() {
    let bounds = Bounds { bytes: 1_000, ..Bounds::DEFAULT };
    let stored = Stored::with(|builder| builder.bounds(bounds));
    let login = async |session: Session| session.set_owner("x".repeat(1 << 20)).is_err();
    assert!(stored.site.visit(None, login).await.result, "an owner of 1 MiB");
}

/// Many tasks of one request lose nothing of each other's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s62_tasks_of_one_request_lose_nothing() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session: Session| {
        session.flash("first").unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let session = session.clone();
                tokio::spawn(async move {
                    for n in 0..20 {
                        session.modify("n", |n: &mut u32| *n += 1).unwrap();
                        session.insert(format!("{task}"), n).unwrap();
                        let _ = session.take::<u32>("taken").unwrap();
                        session.insert("taken", n).unwrap();
                    }
                    session.pop_flash::<String>("").await.unwrap().len()
                })
            })
            .collect();
        let mut popped = 0;
        for task in tasks {
            popped += task.await.unwrap();
        }
        popped
    });
    assert_eq!(visit.await.result, 1);
    assert!(stored.look(&cookie).await.starts_with("n=160 "));
}

/// Handles of one session in many tasks add up.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s62_handles_in_many_tasks_add_up() {
    const N: Key<u32> = Key::new("n");
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let handle = async |session: Session| session.handle().unwrap();
        let mut handle = stored.site.visit(&*cookie, handle).await.result;
        tasks.push(tokio::spawn(async move {
            for _ in 0..20 {
                handle.modify(N, |n| *n += 1).unwrap();
                assert_eq!(handle.commit().await.unwrap(), Standing::Live);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(stored.look(&cookie).await, "n=120");
}

/// Prefetches of browsers that say it in the older ways.
#[tokio::test]
async fn s67_a_prefetch_of_any_spelling_shows_nothing() {
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-purpose", "preview"),
        ("x-moz", "prefetch"),
    ] {
        let stored = Stored::new();
        let flash = async |session: Session| session.flash("saved").unwrap();
        let cookie = stored.site.visit(None, flash).await.cookie().unwrap().to_owned();
        let mut request = with_cookie(&*cookie);
        *request.method_mut() = Method::GET;
        request.headers_mut().insert(name, value.parse().unwrap());
        let pop = async |session: Session| session.pop_flash::<String>("").await.unwrap();
        stored.site.send(request, Response::default(), pop).await;
        assert_eq!(stored.look(&cookie).await, "_f_=[\"saved\"]", "{name}: {value}");
    }
}

/// Logged out means logged out, also by a request whose browser has not got its login's ticket yet.
#[tokio::test]
async fn s27_a_logout_with_the_ticket_from_just_before_a_login_is_done_or_refused() {
    let stored = Stored::new();
    let old = stored.begin().await;
    let login = async |session: Session| session.set_owner("ada").unwrap();
    stored.site.visit(&*old, login).await;
    let logout = async |session: Session| session.invalidate().is_err();
    let visit = stored.site.visit(&*old, logout).await;
    let is_refused = visit.result || visit.response.status() != StatusCode::OK;
    assert!(is_refused || stored.sessions.sessions_of("ada").await.unwrap().is_empty());
}

/// What a task of a handle has shown is not shown again because the handle was dropped.
#[tokio::test]
async fn s67_what_a_handle_has_taken_counts_as_shown_when_it_is_dropped() {
    let stored = Stored::new();
    let flash = async |session: Session| session.flash("saved").unwrap();
    let cookie = stored.site.visit(None, flash).await.cookie().unwrap().to_owned();
    let handle = async |session: Session| session.handle().unwrap();
    let handle = stored.site.visit(&*cookie, handle).await.result;
    assert_eq!(handle.pop_flash::<String>("").await.unwrap(), ["saved"]);
    drop(handle);
    stored.clock.advance(Duration::from_secs(301));
    assert_eq!(stored.look(&cookie).await, "");
}

/// Nothing is said of what a session holds, whatever is printed.
#[tokio::test]
async fn s87_nothing_that_is_printed_shows_a_value() {
    let stored = Stored::new();
    let visit = stored.site.visit(None, async |session| {
        session.insert("pin", "hunter2").unwrap();
        session.flash("hunter2").unwrap();
        session.set_owner("ada").unwrap();
        let value = session.entries().get("pin").unwrap();
        let wrong = session.get::<u32>("pin").unwrap_err();
        let wrong_flash = session.pop_flash::<u32>("").await.unwrap_err();
        let wrong_modify = session.modify("pin", |_: &mut Vec<u8>| ()).unwrap_err();
        format!(
            "{session:?} {value:?} {:?} {wrong:?} {wrong} {wrong_flash} {wrong_modify} {:?}",
            session.entries(),
            session.csrf_token().unwrap()
        )
    });
    let visit = visit.await;
    let cookie = visit.cookie().unwrap().to_owned();
    let handle = async |session: Session| format!("{:?}", session.handle().unwrap());
    let printed = stored.site.visit(&*cookie, handle).await.result;
    let listed = format!("{:?}", stored.sessions.sessions_of("ada").await.unwrap());
    for text in [&visit.result, &printed, &listed] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// A queue is a value of the session, whichever method wrote it.
#[tokio::test]
async fn r18_a_message_that_was_put_by_modify_is_shown_or_waits() {
    for (name, site) in
        [("signed", Site::signed_at(1_700_000_000.0).0), ("stored", Stored::new().site)]
    {
        let flash = async |session: Session| session.flash("one").unwrap();
        let cookie = site.visit(None, flash).await.cookie().unwrap().to_owned();
        let visit = site.visit(&*cookie, async |session: Session| {
            session.modify("_f_", |queue: &mut Vec<String>| queue.push("two".into())).unwrap();
            session.pop_flash::<String>("").await.unwrap()
        });
        let visit = visit.await;
        let cookie = visit.cookie().unwrap_or(&cookie);
        let peek = async |session: Session| session.peek_flash::<String>("").unwrap();
        let left = site.visit(cookie, peek).await.result;
        let all: Vec<_> = visit.result.iter().chain(&left).cloned().collect();
        assert_eq!(all, ["one", "two"], "{name}");
    }
}
