//! What counts as read and as overwritten, and when closures run: by effect, whichever method had it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cloakroom::{Key, Session};
use http::{Method, Response, StatusCode};

use crate::site::{Stored, Visit, with_cookie};

const N: Key<u32> = Key::new("n");
const SEAT: Key<u32> = Key::new("seat");

/// What a handler does to its session.
type Act = fn(&Session);

/// Has `slow` done while `fast` is done by another request in its middle, after `slow` has read and before it writes.
async fn race(
    stored: &Stored,
    cookie: &str,
    read: impl FnOnce(&Session),
    write: impl FnOnce(&Session),
    fast: impl FnOnce(&Session),
) -> Visit<()> {
    stored
        .site
        .visit(cookie, async |session| {
            read(&session);
            stored.site.visit(cookie, async |session| fast(&session)).await;
            write(&session);
        })
        .await
}

/// What another request does to `n`.
fn fast(session: &Session) {
    session.insert("n", 100).unwrap();
}

#[tokio::test]
async fn s62_whatever_gives_a_value_out_has_read_it() {
    let reads: [(&str, Act); 10] = [
        ("get", |session| assert_eq!(session.get(N).unwrap(), Some(0))),
        ("contains_key", |session| assert!(session.contains_key("n"))),
        ("get_or_insert_with", |session| {
            assert_eq!(session.get_or_insert_with(N, || 5).unwrap(), 0);
        }),
        ("entries", |session| drop(session.entries())),
        ("iteration", |session| session.entries().iter().for_each(drop)),
        ("len", |session| assert_eq!(session.len(), 1)),
        ("keys", |session| assert_eq!(session.keys(), ["n"])),
        ("modify", |session| assert_eq!(session.modify(N, |n| *n).unwrap(), 0)),
        ("handle", |session| assert!(session.handle().unwrap().get(N).unwrap().is_some())),
        ("remove", |session| drop(session.remove("n").unwrap())),
    ];
    for (way, read) in reads {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        race(&stored, &cookie, read, |session| drop(session.insert("n", 7).unwrap()), fast).await;
        let is_noticed = stored.events().contains(&r#"Overwritten("n")"#.to_owned());
        // What a handle of its own read, the request has not.
        assert_eq!(is_noticed, way != "handle", "{way}");
        assert_eq!(stored.look(&cookie).await, "n=7", "{way}");
    }
}

#[tokio::test]
async fn s62_what_takes_a_value_out_and_loses_another_s_is_noticed() {
    let takes: [(&str, Act); 4] = [
        ("remove", |session| assert!(session.remove("n").unwrap().is_some())),
        ("take", |session| assert!(session.take(N).unwrap().is_some())),
        ("pop_item", |session| assert!(session.pop_item().unwrap().is_some())),
        ("read, then clear", |session| {
            session.get(N).unwrap();
            session.clear().unwrap();
        }),
    ];
    for (way, take) in takes {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        race(&stored, &cookie, take, |_| (), fast).await;
        assert_eq!(stored.events(), ["Conflict", r#"Overwritten("n")"#], "{way}");
        assert_eq!(stored.look(&cookie).await, "", "{way}");
    }
}

#[tokio::test]
async fn s62_what_was_added_since_everything_was_read_is_overwritten_by_a_clear() {
    for (reads_all, noticed) in [(true, true), (false, false)] {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        let read = |session: &Session| {
            if reads_all {
                assert_eq!(session.entries().len(), 1);
            }
        };
        let add = |session: &Session| drop(session.insert("other", 1).unwrap());
        race(&stored, &cookie, read, |session| session.clear().unwrap(), add).await;
        let events = stored.events();
        assert_eq!(events.contains(&r#"Overwritten("other")"#.to_owned()), noticed, "{events:?}");
    }
}

#[tokio::test]
async fn s62_a_write_without_effect_overwrites_nothing() {
    let writes: [(&str, Act); 3] = [
        ("equal", |session| drop(session.insert("n", 0).unwrap())),
        ("equal, of several", |session| session.extend([("n", 0)]).unwrap()),
        ("of what is not there", |session| drop(session.remove("other").unwrap())),
    ];
    for (way, write) in writes {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        let read = |session: &Session| drop(session.entries());
        let write = |session: &Session| {
            write(session);
            session.flash("something to keep").unwrap();
        };
        race(&stored, &cookie, read, write, fast).await;
        assert_eq!(stored.events(), ["Conflict"], "{way}");
        assert!(stored.look(&cookie).await.contains("n=100"), "{way}");
    }
}

#[tokio::test]
async fn s62_changes_that_are_not_kept_overwrite_nothing() {
    let stored = Stored::with(|builder| builder.keep_on_error(false));
    let cookie = stored.begin().await;
    let mut failed = Response::default();
    *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let visit = stored.site.respond(&*cookie, failed, async |session| {
        session.get(N).unwrap();
        stored.site.visit(&*cookie, async |session| fast(&session)).await;
        session.insert("n", 7).unwrap();
        session.renew().unwrap();
    });
    let visit = visit.await;
    assert_eq!(stored.events(), ["Conflict"]);
    assert_eq!(stored.look(visit.cookie().unwrap()).await, "n=100");
}

#[tokio::test]
async fn s62_a_strict_key_is_strict_in_every_method_that_takes_it() {
    let ways: [(&str, Act, Act); 9] = [
        (
            "get, insert",
            |s| assert!(s.get(N).unwrap().is_some()),
            |s| drop(s.insert(N.strict(), 7).unwrap()),
        ),
        (
            "strict get, insert",
            |s| assert!(s.get(N.strict()).unwrap().is_some()),
            |s| drop(s.insert("n", 7).unwrap()),
        ),
        (
            "contains_key",
            |s| assert!(s.contains_key(N.strict())),
            |s| drop(s.insert("n", 7).unwrap()),
        ),
        ("remove", |_| (), |s| drop(s.remove(N.strict()).unwrap())),
        ("take", |_| (), |s| assert!(s.take(N.strict()).unwrap().is_some())),
        (
            "extend",
            |s| assert!(s.get(N).unwrap().is_some()),
            |s| s.extend([(N.strict(), 7)]).unwrap(),
        ),
        ("clear", |s| assert!(s.get(N.strict()).unwrap().is_some()), |s| s.clear().unwrap()),
        (
            "get_or_insert_with",
            |s| assert_eq!(s.get_or_insert_with(N.strict(), || 1).unwrap(), 0),
            |s| drop(s.insert("n", 7).unwrap()),
        ),
        ("modify", |s| s.modify(N.strict(), |_| ()).unwrap(), |s| drop(s.insert("n", 7).unwrap())),
    ];
    for (way, read, write) in ways {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        let takes = way == "remove" || way == "take";
        // What takes reads itself, so the other one comes after it.
        let (first, then): (Act, Act) = if takes { (write, |_| ()) } else { (read, write) };
        let visit = race(&stored, &cookie, first, then, fast).await;
        assert_eq!(visit.response.status(), 409, "{way}");
        assert_eq!(stored.look(&cookie).await, "n=100", "{way}");
    }
}

/// A closure that counts how often it runs, and panics from its `most`th run on.
fn counted(runs: &Arc<AtomicU32>, most: u32) -> impl FnMut(&mut u32) + Send + use<> {
    let runs = runs.clone();
    move |n| {
        assert!(runs.fetch_add(1, Ordering::SeqCst) < most, "ran too often");
        *n += 1;
    }
}

#[tokio::test]
async fn s69_a_closure_runs_once_where_nobody_else_writes_however_the_request_ends() {
    for how in ["200", "204", "302", "304", "404", "500", "HEAD", "panic", "dropped"] {
        let stored = Stored::new();
        let begun = stored.site.visit(None, async |session| {
            session.flash("saved").unwrap();
            session.insert("n", 0).unwrap();
        });
        let cookie = begun.await.cookie().unwrap().to_owned();
        let runs = Arc::new(AtomicU32::new(0));
        let act = async |session: Session| {
            assert_eq!(session.pop_flash::<String>("").await.unwrap(), ["saved"]);
            session.modify("n", counted(&runs, 1)).unwrap();
        };
        match how {
            "panic" | "dropped" => broken(&stored, &cookie, how == "panic", &runs).await,
            "HEAD" => {
                let mut request = with_cookie(&*cookie);
                *request.method_mut() = Method::HEAD;
                stored.site.send(request, Response::default(), act).await;
            }
            status => {
                let mut response = Response::default();
                *response.status_mut() = StatusCode::from_u16(status.parse().unwrap()).unwrap();
                stored.site.respond(&*cookie, response, act).await;
            }
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{how}");
        let n = if how == "dropped" { 0 } else { 1 };
        assert!(stored.look(&cookie).await.contains(&format!("n={n}")), "{how}");
    }
}

/// A request that takes a message, modifies with a closure that can run only once, and then panics or is given up.
async fn broken(stored: &Stored, cookie: &str, panics: bool, runs: &Arc<AtomicU32>) {
    let (request, runs) = (with_cookie(cookie), runs.clone());
    let handler = tower::service_fn(move |request: http::Request<()>| {
        let modify = counted(&runs, 1);
        async move {
            let session = Session::of(&request).await.unwrap();
            session.pop_flash::<String>("").await.unwrap();
            session.modify("n", modify).unwrap();
            assert!(!panics, "on purpose");
            std::future::pending::<Result<Response<String>, std::convert::Infallible>>().await
        }
    });
    let service = tower::Layer::layer(stored.site.layer(), handler);
    let task = tokio::spawn(tower::ServiceExt::oneshot(service, request));
    settle().await;
    task.abort();
    assert!(task.await.is_err());
    settle().await;
}

/// Lets other tasks work: the test's runtime has one thread.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn s27_a_closure_that_panics_in_a_replay_is_an_error_and_undoes_nothing_that_holds() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let runs = Arc::new(AtomicU32::new(0));
    let visit = stored.site.visit(&*cookie, async |session| {
        session.modify("n", counted(&runs, 1)).unwrap();
        session.renew().unwrap();
        stored.site.visit(&*cookie, async |session| fast(&session)).await;
    });
    let visit = visit.await;
    assert_eq!((visit.response.status().as_u16(), runs.load(Ordering::SeqCst)), (500, 2));
    assert_eq!(stored.look(visit.cookie().unwrap()).await, "n=100");
    assert_eq!(stored.look(&cookie).await, "");
}

#[tokio::test]
async fn s62_a_decision_that_does_not_hold_in_the_replay_is_told_to_nobody() {
    fn buy(left: &mut u32) -> bool {
        let is_there = *left > 0;
        *left = left.saturating_sub(1);
        is_there
    }
    let stored = Stored::new();
    let begun = stored.site.visit(None, async |session| session.insert("left", 1)).await;
    let cookie = begun.cookie().unwrap();
    let visit = stored.site.visit(cookie, async |session| {
        let slow = session.modify_strict("left", buy).unwrap();
        let fast = async |session: Session| session.modify_strict("left", buy).unwrap();
        (slow, stored.site.visit(cookie, fast).await)
    });
    let visit = visit.await;
    let (slow, fast) = (&visit.result.0, &visit.result.1);
    assert!(*slow && fast.result, "each was told yes");
    assert_eq!((fast.response.status().as_u16(), visit.response.status().as_u16()), (200, 409));
    assert_eq!(stored.look(cookie).await, "left=0");

    let holds = stored.site.visit(cookie, async |session| {
        session.modify_strict("left", |left: &mut u32| *left > 5).unwrap();
        session.insert("own", 1).unwrap();
        stored.site.visit(cookie, async |session| session.insert("other", 1).map(drop)).await;
    });
    assert_eq!(holds.await.response.status(), 200, "the same answer as before");
}

#[tokio::test]
async fn r22_a_modification_without_effect_writes_nothing() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.modify("n", |_: &mut u32| ()).unwrap();
        stored.site.visit(&*cookie, async |session| fast(&session)).await;
    });
    visit.await;
    assert!(stored.events().is_empty(), "no conflict, because nothing was written");
}

#[tokio::test]
async fn s62_a_strict_decision_that_changed_nothing_holds_too() {
    let stored = Stored::new();
    let begin = async |session: Session| session.insert("granted", true).map(drop);
    let cookie = stored.site.visit(None, begin).await.cookie().unwrap().to_owned();
    let visit = stored.site.visit(&*cookie, async |session| {
        let told = session.modify_strict("granted", |granted: &mut bool| *granted).unwrap();
        assert!(told);
        let revoke = async |session: Session| session.insert("granted", false).map(drop);
        stored.site.visit(&*cookie, revoke).await.result.unwrap();
        session.insert("log", "granted").unwrap();
    });
    assert_eq!(visit.await.response.status(), 409);
}

/// A strict default that another request was faster to set: what was given out is not what is kept.
#[tokio::test]
async fn s62_a_strict_default_that_is_not_kept_is_noticed() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        let fast =
            async |session: Session| session.get_or_insert_with(SEAT.strict(), || 1).unwrap();
        let mine = session.get_or_insert_with(SEAT.strict(), || 2).unwrap();
        let theirs = stored.site.visit(&*cookie, fast).await.result;
        (mine, theirs)
    });
    let visit = visit.await;
    assert_eq!(visit.result, (2, 1));
    assert_eq!(visit.response.status(), 409, "told 2, kept 1");
}
