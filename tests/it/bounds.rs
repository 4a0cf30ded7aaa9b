//! How much a session may hold: typed errors at the line that goes beyond, and a session that stays usable.

use cloakroom::session::{Bound, Bounds};
use cloakroom::store::MemoryStore;
use cloakroom::testing::FaultyStore;
use cloakroom::{Error, Key, Session, StoredFactory};
use http::{Response, StatusCode};

use crate::site::{Site, Stored};

fn bound(error: &Error) -> Bound {
    match error {
        Error::OutOfBounds { bound, largest, .. } => {
            assert!(!largest.is_empty() && largest.len() <= 3);
            *bound
        }
        other => panic!("{other}"),
    }
}

fn with_status(status: u16) -> Response<String> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn small() -> Stored {
    let bounds = Bounds { bytes: 200, keys: 5, key_bytes: 20, messages: 3 };
    Stored::with(|builder| builder.bounds(bounds))
}

#[tokio::test]
async fn s84_what_goes_beyond_is_refused_where_it_is_written_and_the_session_goes_on() {
    let stored = small();
    let long = "x".repeat(300);
    let visit = stored.site.visit(None, async |session| {
        session.insert("kept", 1).unwrap();
        let with = long.clone();
        for error in [
            session.insert("k", &*long).unwrap_err(),
            session.extend([("k", &*long)]).unwrap_err(),
            session.modify("k", move |k: &mut String| k.clone_from(&with)).unwrap_err(),
            session.get_or_insert_with("k", || long.clone()).unwrap_err(),
            session.flash(&long).unwrap_err(),
        ] {
            assert_eq!(bound(&error), Bound::Bytes);
        }
        assert_eq!(bound(&session.insert("x".repeat(21), 1).unwrap_err()), Bound::KeyBytes);
        for message in 0..3 {
            session.flash(message).unwrap();
        }
        assert_eq!(bound(&session.flash(3).unwrap_err()), Bound::Messages);
        for key in ["a", "b", "c"] {
            session.insert(key, 1).unwrap();
        }
        let error = session.insert("d", 1).unwrap_err();
        assert_eq!(bound(&error), Bound::Keys);
        assert!(error.to_string().contains("6 keys, at most 5"), "{error}");
        session.remove("a").unwrap();
        session.insert("d", 1).unwrap();
    });
    let visit = visit.await;
    assert_eq!(stored.look(visit.cookie().unwrap()).await, "kept=1 _f_=[0,1,2] b=1 c=1 d=1");
}

#[tokio::test]
async fn s84_requests_that_are_too_much_together_are_told_so() {
    let stored = small();
    let begun = stored.site.visit(None, async |session| session.insert("n", 1)).await;
    let cookie = begun.cookie().unwrap();
    let visit = stored.site.visit(cookie, async |session| {
        session.insert("slow", "x".repeat(100)).unwrap();
        let fast = async |session: Session| session.insert("fast", "x".repeat(100)).map(drop);
        stored.site.visit(cookie, fast).await.result.unwrap();
    });
    assert_eq!(visit.await.response.status(), 500);
    assert!(!stored.look(cookie).await.contains("slow"));
}

#[tokio::test]
async fn s84_every_session_is_bounded_unless_told_otherwise() {
    let (site, _) = Site::signed_at(1_700_000_000.0);
    let stored = Stored::new();
    for site in [&site, &stored.site] {
        site.visit(None, async |session| {
            let error = session.insert("large", "x".repeat(1 << 20)).unwrap_err();
            assert_eq!(bound(&error), Bound::Bytes);
            let insert = |n: usize| session.insert(n.to_string(), ()).map(drop);
            let error = (0..8_000).find_map(|n| insert(n).err()).unwrap();
            assert_eq!(bound(&error), Bound::Keys);
            session.clear().unwrap();
            let error = (0..8_000).find_map(|n| session.flash(n).err()).unwrap();
            assert_eq!(bound(&error), Bound::Messages);
        })
        .await;
    }
    let bounds = Bounds { keys: 2_000, ..Bounds::DEFAULT };
    let roomy = Stored::with(|builder| builder.bounds(bounds));
    let insert = async |session: Session| {
        session.extend((0..2_000).map(|n: usize| (n.to_string(), ()))).unwrap();
    };
    roomy.site.visit(None, insert).await;
}

/// What a queue and its claims take is bounded, however often messages are taken and given back.
#[tokio::test]
async fn s84_messages_that_are_taken_and_given_back_are_bounded() {
    let bounds = Bounds { bytes: 20_000, messages: 10, ..Bounds::DEFAULT };
    let stored = Stored::with(|builder| builder.bounds(bounds));
    let cookie = stored.begin().await;
    for _ in 0..20 {
        let _ = stored
            .site
            .respond(&*cookie, with_status(302), async |session: Session| {
                let _ = session.pop_flash::<String>("").await.unwrap();
                for _ in 0..10 {
                    let _ = session.flash("x".repeat(1_000));
                }
            })
            .await;
    }
    let peek = async |session: Session| session.peek_flash::<String>("").unwrap().len();
    let waiting = stored.site.visit(&*cookie, peek).await.result;
    assert_eq!(waiting, 10);
}

/// The same in many queues, by requests that fail.
#[tokio::test]
async fn s84_messages_that_wait_and_are_claimed_fit_the_bytes() {
    let bounds = Bounds { bytes: 20_000, messages: 10, ..Bounds::DEFAULT };
    let stored = Stored::with(|builder| builder.bounds(bounds));
    let cookie = stored.begin().await;
    for _ in 0..20 {
        // The handler takes, and its client goes away: the claim stays until the lease ends.
        let _ = stored
            .site
            .respond(&*cookie, with_status(500), async |session: Session| {
                for n in 0..20 {
                    let queue = format!("q{n}");
                    let _ = session.pop_flash::<String>(&*queue).await.unwrap();
                    let _ = session.flash_to(&*queue, "x".repeat(1_000));
                }
            })
            .await;
    }
    let entries = stored.site.visit(&*cookie, async |session| session.entries()).await.result;
    let bytes: usize =
        entries.iter().map(|(key, value)| key.len() + 8 + value.as_json().len()).sum();
    assert!(bytes <= 20_000, "{bytes} bytes of at most 20000");
}

/// Requests that race push no more into a queue than it may hold.
#[tokio::test]
async fn s84_messages_of_requests_that_race_are_bounded_together() {
    let bounds = Bounds { messages: 10, ..Bounds::DEFAULT };
    let stored = Stored::with(|builder| builder.bounds(bounds));
    let cookie = stored.begin().await;
    let fill = async |session: Session| (0..10).for_each(|n| session.flash(n).unwrap());
    let visit = stored.site.visit(&*cookie, async |session| {
        fill(session).await;
        stored.site.visit(&*cookie, fill).await;
    });
    let status = visit.await.response.status();
    let peek = async |session: Session| session.peek_flash::<u32>("").unwrap().len();
    let waiting = stored.site.visit(&*cookie, peek).await.result;
    assert!(
        waiting <= 10 || status != StatusCode::OK,
        "{waiting} of at most 10, answered {status}"
    );
}

/// A message that may come back has its place, in a cookie as on a server: no other one gets it before it is known.
#[tokio::test]
async fn s84_messages_that_were_taken_count_until_they_were_seen() {
    let bounds = Bounds { bytes: 10_000, messages: 3, ..Bounds::DEFAULT };
    let server = Stored::with(|builder| builder.bounds(bounds));
    let (cookie_site, _) = Site::signed_at(1_700_000_000.0);
    for (site, most) in [(&server.site, 3), (&cookie_site, Bounds::DEFAULT.messages)] {
        let fill = async |session: Session| (0..most).for_each(|_| session.flash(1).unwrap());
        let cookie = site.visit(None, fill).await.cookie().unwrap().to_owned();
        let visit = site.visit(&*cookie, async |session: Session| {
            assert_eq!(session.pop_flash::<u8>("").await.unwrap().len(), most);
            assert_eq!(bound(&session.flash(2).unwrap_err()), Bound::Messages);
            session.flash_to("other", 2).unwrap();
            session.clear().unwrap();
            session.flash(3).unwrap();
        });
        let visit = visit.await;
        let cookie = visit.cookie().unwrap_or(&cookie);
        let peek = async |session: Session| session.peek_flash::<u8>("").unwrap();
        assert_eq!(site.visit(cookie, peek).await.result, [3]);
    }
}

/// What is claimed counts to the bytes as well, by whichever request it is.
#[tokio::test]
async fn s84_what_others_have_claimed_counts_when_the_session_is_kept() {
    let bounds = Bounds { bytes: 1_000, ..Bounds::DEFAULT };
    let stored = Stored::with(|builder| builder.bounds(bounds));
    let flash = async |session: Session| session.flash("x".repeat(600)).unwrap();
    let cookie = stored.site.visit(None, flash).await.cookie().unwrap().to_owned();
    let visit = stored.site.visit(&*cookie, async |session: Session| {
        assert_eq!(session.pop_flash::<String>("").await.unwrap().len(), 1);
        let error = session.insert("own", "x".repeat(600)).unwrap_err();
        assert_eq!(bound(&error), Bound::Bytes);
        let add = async |session: Session| session.insert("other", "x".repeat(600)).map(drop);
        let other = stored.site.visit(&*cookie, add).await;
        (other.result.is_ok(), other.response.status().as_u16())
    });
    assert_eq!(visit.await.result, (true, 500));
    assert_eq!(stored.look(&cookie).await, "");
}

/// `extend`: "all of them, or none where one cannot be kept".
#[tokio::test]
async fn s84_extend_beyond_a_bound_sets_none_of_them() {
    let bounds = Bounds { keys: 3, ..Bounds::DEFAULT };
    let stored = Stored::with(|builder| builder.bounds(bounds));
    let visit = stored.site.visit(None, async |session| {
        session.insert("kept", 1).unwrap();
        session.extend([("a", 1), ("b", 1), ("c", 1)]).unwrap_err();
        session.keys()
    });
    assert_eq!(visit.await.result, ["kept"]);
}

/// What failed has not been written: an overwritten value is not noticed for it, nor is a strict key.
#[tokio::test]
async fn s84_extend_beyond_a_bound_overwrites_nothing() {
    const N: Key<u32> = Key::new("n");
    let bounds = Bounds { keys: 3, ..Bounds::DEFAULT };
    let stored = Stored::with(|builder| builder.bounds(bounds));
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.get(N).unwrap();
        let fast = async |session: Session| session.insert("n", 100).map(drop);
        stored.site.visit(&*cookie, fast).await.result.unwrap();
        let more = ["a", "b", "c"].map(|key| (Key::<u32>::new(key), 1));
        session.extend([(N.strict(), 7)].into_iter().chain(more)).unwrap_err();
        session.insert("own", 1).unwrap();
    });
    assert_eq!(visit.await.response.status(), 200);
    assert_eq!(stored.events(), ["Conflict"]);
    assert_eq!(stored.look(&cookie).await, "n=100 own=1");
}

/// Store calls are counted, because an owner that no session can have is nothing to ask a store for.
#[tokio::test]
async fn s84_an_owner_is_bounded_too() {
    let longest = "x".repeat(255);
    let long = longest.clone() + "x";
    let stored = Stored::new();
    let login = async |session: Session| session.set_owner(&*longest).unwrap();
    let cookie = stored.site.visit(None, login).await.cookie().unwrap().to_owned();
    let visit = stored.site.visit(&*cookie, async |session| {
        let error = session.set_owner(&*long).unwrap_err();
        let Error::OutOfBounds { bound, found, limit, .. } = &error else { panic!("{error}") };
        assert_eq!((*bound, *found, *limit), (Bound::OwnerBytes, 256, 255));
        assert_eq!(
            error.to_string(),
            "the owner's name would have 256 bytes, at most 255 are allowed. Give what names the account, such as its \
             number"
        );
        assert_eq!(session.owner().as_deref(), Some(&*longest), "nothing was changed");
    });
    assert!(visit.await.set_cookies().is_empty());
    assert_eq!(stored.sessions.sessions_of(&longest).await.unwrap().len(), 1);
    assert_eq!(stored.sessions.revoke_all(&longest).await.unwrap(), 1);

    let id = "0".repeat(32);
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = StoredFactory::new("shop", store.clone());
    assert!(sessions.sessions_of(&long).await.unwrap().is_empty());
    assert!(!sessions.revoke(&long, &id).await.unwrap());
    assert_eq!(sessions.revoke_all(&long).await.unwrap(), 0);
    assert_eq!(store.all_calls(), 0);
}
