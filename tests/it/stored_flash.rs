//! Flash messages of server-side sessions: each one is shown once, whatever happens to requests on the way.

use std::time::Duration;

use cloakroom::{Queue, Session};
use http::{Method, Response, StatusCode};

use crate::site::{Site, Stored, with_cookie};

pub async fn pop(session: Session) -> Vec<String> {
    session.pop_flash("").await.unwrap()
}

pub async fn peek(stored: &Stored, cookie: &str) -> Vec<String> {
    stored.site.visit(cookie, async |session| session.peek_flash("").unwrap()).await.result
}

pub async fn with_message(stored: &Stored) -> String {
    let visit = stored.site.visit(None, async |session| session.flash("saved").unwrap()).await;
    visit.cookie().unwrap().to_owned()
}

#[tokio::test]
async fn s67_only_one_of_two_requests_shows_a_message() {
    let stored = Stored::new();
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        let waiting: Vec<String> = session.peek_flash("").unwrap();
        let other = stored.site.visit(&*cookie, pop).await.result;
        (waiting, other, pop(session).await)
    });
    let (waiting, other, own) = visit.await.result;
    assert_eq!((waiting.len(), other.len(), own.len()), (1, 1, 0));
    assert!(peek(&stored, &cookie).await.is_empty());
}

#[tokio::test]
async fn s67_what_is_pushed_after_a_pop_is_for_the_next_one() {
    let stored = Stored::new();
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        let first = pop(session.clone()).await;
        session.flash("own").unwrap();
        (first, pop(session).await)
    });
    assert_eq!(visit.await.result, (vec!["saved".to_owned()], vec!["own".to_owned()]));
    assert!(peek(&stored, &cookie).await.is_empty());
}

#[tokio::test]
async fn s67_between_claim_and_response_nobody_else_sees_the_message() {
    let stored = Stored::new();
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        let own = pop(session).await;
        (own, peek(&stored, &cookie).await, stored.site.visit(&*cookie, pop).await.result)
    });
    let (own, peeked, other) = visit.await.result;
    assert_eq!((own.len(), peeked.len(), other.len()), (1, 0, 0));
}

#[tokio::test]
async fn s67_a_message_pushed_meanwhile_is_not_lost() {
    let stored = Stored::new();
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.flash("own").unwrap();
        let shown = pop(session.clone()).await;
        let push = async |session: Session| session.flash("later").unwrap();
        stored.site.visit(&*cookie, push).await;
        session.flash("after").unwrap();
        shown
    });
    assert_eq!(visit.await.result, ["saved", "own"]);
    assert_eq!(peek(&stored, &cookie).await, ["later", "after"]);
}

#[tokio::test]
async fn s67_a_response_that_nobody_looks_at_gives_messages_back() {
    let prefetches = [
        "sec-purpose: prefetch",
        "sec-purpose: prefetch;prerender",
        "purpose: prefetch",
        "x-moz: prefetch",
    ];
    for how in ["500", "304", "302", "201", "204", "HEAD"].into_iter().chain(prefetches) {
        let stored = Stored::new();
        let signed = Site::signed_at(1_700_000_000.0).0;
        let flash = async |session: Session| session.flash("saved").unwrap();
        let in_cookie = signed.visit(None, flash).await.cookie().unwrap().to_owned();
        let in_store = with_message(&stored).await;
        for (site, cookie) in [(&signed, in_cookie), (&stored.site, in_store)] {
            let (mut request, mut response) = (with_cookie(&*cookie), Response::default());
            match how {
                "HEAD" => *request.method_mut() = Method::HEAD,
                how => match how.split_once(": ") {
                    Some((name, purpose)) => {
                        request.headers_mut().insert(name, purpose.parse().unwrap());
                    }
                    None => {
                        *response.status_mut() =
                            StatusCode::from_u16(how.parse().unwrap()).unwrap();
                        response.headers_mut().insert("location", "/next".parse().unwrap());
                    }
                },
            }
            let visit = site.send(request, response, async |session| {
                session.insert("kept", 1).unwrap();
                pop(session).await
            });
            let visit = visit.await;
            assert_eq!(visit.result, ["saved"], "{how}");
            let cookie = visit.cookie().map_or(cookie.clone(), str::to_owned);
            let next = site.visit(&*cookie, async |session| {
                (session.get::<u32>("kept").unwrap(), pop(session).await)
            });
            let next = next.await;
            assert_eq!(next.result, (Some(1), vec!["saved".to_owned()]), "{how}");
        }
    }
}

#[tokio::test]
async fn s67_removing_a_queue_throws_its_messages_away_whoever_sees_the_response() {
    let stored = Stored::new();
    let cookie = with_message(&stored).await;
    let mut elsewhere = Response::default();
    *elsewhere.status_mut() = StatusCode::SEE_OTHER;
    let remove = async |session: Session| session.remove("_f_").map(drop);
    stored.site.respond(&*cookie, elsewhere, remove).await.result.unwrap();
    assert!(peek(&stored, &cookie).await.is_empty());
}

#[tokio::test]
async fn s67_messages_come_back_before_those_that_came_later() {
    let stored = Stored::new();
    let cookie = with_message(&stored).await;
    let mut failed = Response::default();
    *failed.status_mut() = StatusCode::BAD_GATEWAY;
    let visit = stored.site.respond(&*cookie, failed, async |session| {
        pop(session.clone()).await;
        session.flash("own").unwrap();
        let push = async |session: Session| session.flash("later").unwrap();
        stored.site.visit(&*cookie, push).await;
    });
    visit.await;
    assert_eq!(peek(&stored, &cookie).await, ["saved", "later", "own"]);
}

#[tokio::test]
async fn s67_what_cannot_be_read_stays() {
    let stored = Stored::new();
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| session.pop_flash::<u32>("").await);
    assert!(visit.await.result.is_err());
    assert_eq!(peek(&stored, &cookie).await, ["saved"]);
}

#[tokio::test]
async fn s67_two_tasks_of_one_request_share_what_there_is() {
    let stored = Stored::new();
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.flash("own").unwrap();
        let (one, two) = tokio::join!(pop(session.clone()), pop(session.clone()));
        [one, two].concat()
    });
    let mut shown = visit.await.result;
    shown.sort();
    assert_eq!(shown, ["own", "saved"]);
    assert!(peek(&stored, &cookie).await.is_empty());
}

#[tokio::test]
async fn s64_a_message_of_a_session_that_was_ended_is_not_shown() {
    let stored = Stored::new();
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        let _ = session.len();
        stored.site.visit(&*cookie, async |session| session.invalidate().unwrap()).await;
        pop(session).await
    });
    assert!(visit.await.result.is_empty());
    assert_eq!(stored.store.counts().records, 0);
}

#[tokio::test]
async fn r36_messages_vanish_with_the_session_even_when_they_are_claimed() {
    let stored = Stored::new();
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        assert_eq!(pop(session.clone()).await.len(), 1);
        session.invalidate().unwrap();
        session.insert("a", 1).unwrap();
    });
    let visit = visit.await;
    assert_eq!(stored.look(visit.cookie().unwrap()).await, "a=1");
}

#[tokio::test]
async fn s67_a_login_that_overtakes_the_reader_does_not_show_the_message_again() {
    for is_shown in [true, false] {
        let stored = Stored::with(|builder| builder.flash_lease(Duration::from_secs(30)));
        let cookie = with_message(&stored).await;
        let mut response = Response::default();
        if !is_shown {
            *response.status_mut() = StatusCode::BAD_GATEWAY;
        }
        let visit = stored.site.respond(&*cookie, response, async |session| {
            assert_eq!(pop(session.clone()).await, ["saved"]);
            let login = async |session: Session| session.set_owner("ada").unwrap();
            let login = stored.site.visit(&*cookie, login).await;
            (session, login.cookie().unwrap().to_owned())
        });
        let (session, new) = visit.await.result;
        assert!(session.is_gone());
        let left = peek(&stored, &new).await.len();
        stored.clock.advance(Duration::from_secs(31));
        let later = peek(&stored, &new).await.len();
        let expected = usize::from(!is_shown);
        assert_eq!((left, later), (expected, expected), "settled or given back by its own claim");
    }
}

#[tokio::test]
async fn s67_a_node_whose_clock_is_ahead_leaves_the_message_to_who_has_it() {
    let stored = Stored::new();
    let ahead = || cloakroom::Timestamp::from_secs(1_700_000_000 + 60);
    let elsewhere =
        cloakroom::StoredFactory::builder("shop", stored.store.clone()).clock(ahead).build();
    let elsewhere = Site::new(elsewhere.unwrap());
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        (pop(session).await, elsewhere.visit(&*cookie, pop).await.result)
    });
    let (own, other) = visit.await.result;
    assert_eq!((own.len(), other.len()), (1, 0));
    assert!(elsewhere.visit(&*cookie, pop).await.result.is_empty());
}

#[tokio::test]
async fn s67_a_pop_that_the_end_of_its_request_overtakes_hides_nothing() {
    use crate::yielding::Yielding;
    let sessions =
        cloakroom::StoredFactory::new("shop", Yielding(cloakroom::store::MemoryStore::new()));
    let site = Site::new(sessions);
    for turns in 0..8 {
        let flash = async |session: Session| session.flash("saved").unwrap();
        let cookie = site.visit(None, flash).await.cookie().unwrap().to_owned();
        let visit = site.visit(&*cookie, async |session| {
            session.insert("n", 1).unwrap();
            let popping = tokio::spawn(async move { session.pop_flash::<String>("").await });
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            [popping]
        });
        let [popping] = visit.await.result;
        let popped = popping.await.unwrap().unwrap_or_default();
        let left = site.visit(&*cookie, pop).await.result;
        assert_eq!(popped.len() + left.len(), 1, "after {turns} turns: {popped:?} {left:?}");
    }
}

#[tokio::test]
async fn r36_messages_that_were_taken_and_cleared_do_not_come_back() {
    for pushes in [false, true] {
        let stored = Stored::new();
        let cookie = if pushes { stored.begin().await } else { with_message(&stored).await };
        let mut request = with_cookie(&*cookie);
        *request.method_mut() = Method::HEAD;
        let visit = stored.site.send(request, Response::default(), async |session| {
            if pushes {
                session.clear().unwrap();
                session.flash("saved").unwrap();
            }
            assert_eq!(pop(session.clone()).await, ["saved"]);
            session.clear().unwrap();
        });
        visit.await;
        assert!(peek(&stored, &cookie).await.is_empty(), "{pushes}");
    }
}

/// A unique queue has no equal messages, also where one was taken by a response that nobody saw.
#[tokio::test]
async fn r31_a_unique_message_that_comes_back_finds_no_equal_one() {
    const NOTICES: Queue<String> = Queue::new("notices").unique();
    for (name, site) in
        [("signed", Site::signed_at(1_700_000_000.0).0), ("stored", Stored::new().site)]
    {
        let flash = async |session: Session| session.flash_to(NOTICES, "saved").unwrap();
        let cookie = site.visit(None, flash).await.cookie().unwrap().to_owned();
        let mut redirect = Response::default();
        *redirect.status_mut() = StatusCode::FOUND;
        let visit = site.respond(&*cookie, redirect, async |session: Session| {
            assert_eq!(session.pop_flash(NOTICES).await.unwrap(), ["saved"]);
            session.flash_to(NOTICES, "saved").unwrap();
        });
        let visit = visit.await;
        let cookie = visit.cookie().unwrap_or(&cookie);
        let peek = async |session: Session| session.peek_flash(NOTICES).unwrap();
        assert_eq!(site.visit(cookie, peek).await.result, ["saved"], "{name}");
    }
}
