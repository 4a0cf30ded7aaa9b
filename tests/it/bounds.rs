//! How much a session may hold: typed errors at the line that goes beyond, and a session that stays usable.

use cloakroom::session::{Bound, Bounds};
use cloakroom::{Error, Session};

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
