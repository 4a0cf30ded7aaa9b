//! What an owner's sessions can be asked, and which of them are ended.

use cloakroom::store::{Index, Record, Scan, Store, StoreKey};
use cloakroom::{Error, Session, StoredFactory, Timestamp};

use crate::site::{Site, Stored};

async fn sign_in(stored: &Stored) -> String {
    let visit = stored.site.visit(None, async |session| session.set_owner("ada").unwrap()).await;
    visit.cookie().unwrap().to_owned()
}

async fn others(stored: &Stored, session: &Session) -> usize {
    stored.sessions.revoke_others(session).await.unwrap()
}

#[tokio::test]
async fn s29_whoever_signs_in_can_sign_out_everywhere_else_in_the_same_request() {
    // Nothing of the new session is stored yet: all that are stored are others.
    for begins in ["none", "forged", "expired", "anonymous", "ada's", "ended"] {
        let stored = Stored::new();
        let cookie = match begins {
            "none" => String::new(),
            "forged" => format!("__Host-Http-session={}", "A".repeat(64)),
            "ada's" => sign_in(&stored).await,
            _ => stored.begin().await,
        };
        if begins == "expired" {
            stored.clock.advance(std::time::Duration::from_secs(24 * 60 * 60));
        }
        let before = [sign_in(&stored).await, sign_in(&stored).await];
        let visit = stored.site.visit(&*cookie, async |session| {
            if begins == "ended" {
                session.invalidate().unwrap();
            }
            session.set_owner("ada").unwrap();
            others(&stored, &session).await
        });
        let visit = visit.await;
        assert_eq!(visit.result, 2, "{begins}");
        for other in &before {
            let owner = stored.site.visit(&**other, async |session| session.owner()).await.result;
            assert_eq!(owner, None, "{begins}");
        }
        let owner = stored.site.visit(visit.cookie(), async |session| session.owner()).await;
        assert_eq!(owner.result.as_deref(), Some("ada"), "{begins}");
        assert_eq!(stored.sessions.sessions_of("ada").await.unwrap().len(), 1, "{begins}");
    }
}

#[tokio::test]
async fn s29_a_handle_signs_out_all_but_its_own_session() {
    let stored = Stored::new();
    let cookie = sign_in(&stored).await;
    sign_in(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| session.handle().unwrap()).await;
    assert_eq!(others(&stored, &visit.result).await, 1);
    // One from the request of the login, which knows its record once it has read it.
    sign_in(&stored).await;
    let visit = stored.site.visit(None, async |session| {
        session.set_owner("ada").unwrap();
        session.handle().unwrap()
    });
    let mut handle = visit.await.result;
    let _ = handle.reload().await.unwrap();
    assert_eq!(others(&stored, &handle).await, 2);
    let left = stored.sessions.sessions_of("ada").await.unwrap();
    assert_eq!(left.iter().map(|it| Some(it.id.clone())).collect::<Vec<_>>(), [handle.id()]);
}

#[tokio::test]
async fn s29_who_has_no_others_is_told_so() {
    let stored = Stored::new();
    sign_in(&stored).await;
    let anonymous = stored.begin().await;
    for cookie in [None, Some(&*anonymous)] {
        let ask = async |session: Session| stored.sessions.revoke_others(&session).await;
        let error = stored.site.visit(cookie, ask).await.result.unwrap_err();
        assert!(matches!(error, Error::NoOwner), "{error}");
        assert_eq!((error.kind(), error.status().as_u16()), ("no_owner", 403));
        assert!(error.to_string().contains("`set_owner`"), "{error}");
    }
    let signed = Site::signed_at(1_700_000_000.0).0;
    let ask = async |session: Session| stored.sessions.revoke_others(&session).await;
    let error = signed.visit(None, ask).await.result.unwrap_err();
    assert!(matches!(error, Error::NotSupported { .. }), "{error}");
    assert_eq!(stored.sessions.sessions_of("ada").await.unwrap().len(), 1, "nobody was signed out");
}

/// Puts a record that is no session beside the owner's.
async fn put_unreadable(store: &impl Store, owner: Option<&str>, number: u8, end: i64) -> String {
    let key = StoreKey::from_bytes([number; 16]);
    let end = Timestamp::from_secs(end);
    let record = Record::new(&b"unreadable"[..], end, owner.map(Into::into));
    let _ = store.create(&key, &record).await.unwrap();
    key.to_string()
}

const LATER: i64 = 1_700_000_900;

#[tokio::test]
async fn s29_a_record_that_cannot_be_read_is_listed_beside_the_others_and_can_be_ended() {
    let stored = Stored::new();
    let good = sign_in(&stored).await;
    unreadable_beside_good(&stored.sessions, &stored.store).await;
    assert_eq!(stored.look(&good).await, "", "it was ended");
    let first = put_unreadable(&stored.store, Some("ada"), 1, LATER).await;
    let second = put_unreadable(&stored.store, Some("ada"), 2, LATER).await;
    assert!(!stored.sessions.revoke("bob", &first).await.unwrap());
    assert!(stored.sessions.revoke("ada", &first).await.unwrap());
    assert!(stored.sessions.revoke_of_id(&second).await.unwrap());
    assert_eq!(stored.store.counts().records, 0);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn s29_a_record_that_cannot_be_read_is_listed_in_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = cloakroom::store::SqliteStore::open(folder.path().join("it.db")).unwrap();
    let clock = cloakroom::testing::FakeClock::at(1_700_000_000.0);
    let builder = StoredFactory::builder("shop", store.clone()).clock(clock);
    let sessions = builder.build().unwrap();
    let site = Site::new(sessions.clone());
    site.visit(None, async |session| session.set_owner("ada").unwrap()).await;
    unreadable_beside_good(&sessions, &store).await;
}

/// There is one session of ada's. In the end there is nothing.
async fn unreadable_beside_good<S>(sessions: &StoredFactory<S>, store: &S)
where
    S: Index + Scan,
{
    let bad = put_unreadable(store, Some("ada"), 7, LATER).await;
    let nobody_s = put_unreadable(store, None, 8, LATER).await;
    put_unreadable(store, Some("ada"), 9, 1_600_000_000).await; // and expired
    let listed = sessions.sessions_of("ada").await.unwrap();
    assert_eq!(listed.iter().map(|it| it.is_readable()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(listed[1].id, bad);
    assert_eq!(listed[1].owner.as_deref(), Some("ada"));
    assert_eq!((listed[1].created, listed[1].expires_at), (None, Timestamp::from_secs(LATER)));
    assert!(listed[1].entries.is_empty());

    let (page, _) = sessions.sessions_after(None, 10).await.unwrap();
    let mut unreadable: Vec<&str> =
        page.iter().filter(|it| !it.is_readable()).map(|it| &*it.id).collect();
    unreadable.sort_unstable();
    assert_eq!((page.len(), unreadable), (3, vec![&*bad, &*nobody_s]));
    let shown = sessions.session_of_id(&bad).await.unwrap().unwrap();
    assert!(!shown.is_readable());

    assert_eq!(sessions.revoke_all("ada").await.unwrap(), 3);
    assert_eq!(sessions.revoke_after(None, 10).await.unwrap().0, 1, "nobody's");
    assert!(sessions.sessions_after(None, 10).await.unwrap().0.is_empty());
}

fn owner(name: &'static str) -> impl AsyncFn(Session) {
    async move |session: Session| session.set_owner(name).unwrap()
}

type Act = fn(&Session);

/// What the session of this cookie holds after one visit for each of these acts.
async fn after(stored: &Stored, cookie: &str, acts: &[Act]) -> String {
    let mut cookie = cookie.to_owned();
    for act in acts {
        let visit = stored.site.visit(&*cookie, async |session: Session| act(&session)).await;
        cookie = visit.cookie().map_or(cookie, str::to_owned);
    }
    stored.look(&cookie).await
}

/// A session that was forgotten is nobody's, and what it holds is still the one's who left it.
#[tokio::test]
async fn s21_whoever_comes_after_a_forgotten_owner_begins_with_nothing_but_that_one() {
    let forget: Act = |it| it.forget_owner().unwrap();
    let ada: Act = |it| it.set_owner("ada").unwrap();
    let bob: Act = |it| it.set_owner("bob").unwrap();
    let at_once: Act = |it| {
        it.forget_owner().unwrap();
        it.set_owner("bob").unwrap();
        it.insert("bob's", 1).unwrap();
    };
    let bob_in_passing: Act = |it| {
        it.set_owner("bob").unwrap();
        it.insert("bob's", 1).unwrap();
        it.forget_owner().unwrap();
    };
    let write: Act = |it| drop(it.insert("later", 1).unwrap());
    let end: Act = |it| {
        it.invalidate().unwrap();
        it.insert("cart", 1).unwrap();
    };
    let cases: [(&[Act], &str); 12] = [
        (&[forget], "notes=1"),
        (&[forget, bob], ""),
        (&[forget, forget, bob], ""),
        (&[forget, write, bob], ""),
        (&[at_once], "bob's=1"),
        (&[forget, ada], "notes=1"),
        (&[forget, write, ada], "notes=1 later=1"),
        (&[forget, ada, forget, bob], ""),
        (&[bob_in_passing, bob], "bob's=1"),
        (&[bob_in_passing, ada], ""),
        (&[forget, bob, write, forget, ada], ""),
        (&[forget, end, bob], "cart=1"),
    ];
    for (index, (acts, holds)) in cases.into_iter().enumerate() {
        let stored = Stored::new();
        let cookie = sign_in(&stored).await;
        let notes = async |session: Session| session.insert("notes", 1).map(drop);
        stored.site.visit(&*cookie, notes).await.result.unwrap();
        assert_eq!(after(&stored, &cookie, acts).await, holds, "case {index}");
    }
}

/// Also where an anonymous visitor's session was given an owner only in passing.
#[tokio::test]
async fn s21_an_owner_in_passing_is_remembered_too() {
    let stored = Stored::new();
    let begun = stored.begin().await;
    let in_passing = async |session: Session| {
        session.set_owner("ada").unwrap();
        session.insert("ada's", 1).unwrap();
        session.forget_owner().unwrap();
    };
    for cookie in [None, Some(&*begun)] {
        let visit = stored.site.visit(cookie, in_passing).await;
        let cookie = visit.cookie().unwrap();
        let bob = stored.site.visit(cookie, owner("bob")).await;
        assert_eq!(stored.look(bob.cookie().unwrap()).await, "");
    }
}
