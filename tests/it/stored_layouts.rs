//! Records that this version cannot read: of the next layout, as a later release would write it beside this one, or
//! damaged. Nothing of them is lost, and nobody is locked out.

use std::future::Future;
use std::pin::Pin;

use cloakroom::session::Limits;
use cloakroom::store::{MemoryStore, Record, Replaced, Store, StoreErrorKind, StoreKey, Stored};
use cloakroom::testing::FakeClock;
use cloakroom::{Error, Session, StoredFactory, Timestamp};
use http::Response;

use crate::broken::Broken;
use crate::site::Site;

/// What stands in the record's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    /// The next layout, under the visitor's ticket.
    Next,
    /// The next layout, after a process of the later release has renewed the ticket.
    NextRenewed,
    /// Damaged behind the hash of the ticket.
    Damaged,
    Garbage,
}

impl There {
    const ALL: [Self; 4] = [Self::Next, Self::NextRenewed, Self::Damaged, Self::Garbage];

    fn proves_the_ticket(self) -> bool {
        match self {
            Self::Next | Self::Damaged => true,
            Self::NextRenewed | Self::Garbage => false,
        }
    }

    fn made_of(self, record: &[u8]) -> Vec<u8> {
        let mut data = record[..record.len() - 4].to_vec();
        match self {
            Self::Next | Self::NextRenewed => {
                data[0] += 1;
                data.splice(50..50, *b"what only a later release knows");
                if self == Self::NextRenewed {
                    data[18..50].fill(7);
                }
                let sum = crc32fast::hash(&data);
                data.extend(sum.to_be_bytes());
            }
            Self::Damaged => {
                data.extend(&record[record.len() - 4..]);
                data[51] ^= 1;
            }
            Self::Garbage => data = b"garbage".to_vec(),
        }
        data
    }
}

/// What the browser is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cookie {
    None,
    Removed,
    /// One to a session that is somebody's, and one to nobody's.
    Owned,
    Nobodys,
}

type Done<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;
type Row = (&'static str, fn(&Session) -> Done<'_>, bool, u16, Cookie);

/// What a request does, whether the handler hears of it, and what the browser gets from a handler that heeds nothing.
const TABLE: [Row; 25] = [
    ("nothing", |_| now(Ok(())), true, 503, Cookie::None),
    ("asks whose it is", |it| noted(it.owner()), true, 503, Cookie::None),
    ("asks what is in it", |it| noted(it.entries()), true, 503, Cookie::None),
    ("reads", |it| now(it.get::<u32>("n").map(drop)), false, 503, Cookie::None),
    ("writes", |it| now(it.insert("n", 2).map(drop)), false, 503, Cookie::None),
    ("removes", |it| now(it.remove("n").map(drop)), false, 503, Cookie::None),
    ("modifies", |it| now(it.modify("n", |n: &mut u32| *n += 1)), false, 503, Cookie::None),
    ("flashes", |it| now(it.flash("hello")), false, 503, Cookie::None),
    ("peeks", |it| now(it.peek_flash::<String>("").map(drop)), false, 503, Cookie::None),
    (
        "pops",
        |it| Box::pin(async { it.pop_flash::<String>("").await.map(drop) }),
        false,
        503,
        Cookie::None,
    ),
    ("asks for a token", |it| now(it.csrf_token().map(drop)), false, 503, Cookie::None),
    ("makes a token", |it| now(it.new_csrf_token().map(drop)), true, 503, Cookie::None),
    ("takes a handle", |it| now(it.handle().map(drop)), false, 503, Cookie::None),
    ("forgets the owner", |it| now(it.forget_owner()), false, 503, Cookie::None),
    ("clears", |it| now(it.clear()), true, 503, Cookie::None),
    ("renews", |it| now(it.renew()), true, 503, Cookie::None),
    ("marks it", |it| now(it.changed()), true, 503, Cookie::None),
    ("sets limits", |it| now(it.set_limits(Limits::DEFAULT)), true, 503, Cookie::None),
    ("signs in", |it| now(it.set_owner("ada")), true, 200, Cookie::Owned),
    ("clears, renews, signs in and writes", clears_and_signs_in, true, 200, Cookie::Owned),
    ("signs in and takes a handle", signs_in_with_a_handle, true, 200, Cookie::Owned),
    ("signs in and out", signs_in_and_out, true, 200, Cookie::Removed),
    ("signs out", |it| now(it.invalidate()), true, 200, Cookie::Removed),
    ("signs out and writes", signs_out_and_writes, true, 200, Cookie::Nobodys),
    ("signs out and in", signs_out_and_in, true, 200, Cookie::Owned),
];

fn now<'a>(done: Result<(), Error>) -> Done<'a> {
    Box::pin(std::future::ready(done))
}

/// What no method says by an error.
fn noted<'a, T>(_: T) -> Done<'a> {
    now(Ok(()))
}

fn clears_and_signs_in(session: &Session) -> Done<'_> {
    Box::pin(async {
        session.clear()?;
        session.renew()?;
        session.set_owner("ada")?;
        assert_eq!(session.get::<u32>("n")?, None, "nothing came along");
        session.insert("n", 5)?;
        session.flash("welcome")?;
        session.csrf_token().map(drop)
    })
}

fn signs_in_with_a_handle(session: &Session) -> Done<'_> {
    Box::pin(async {
        session.set_owner("ada")?;
        assert_eq!(session.handle()?.get::<u32>("n")?, None);
        Ok(())
    })
}

fn signs_in_and_out(session: &Session) -> Done<'_> {
    Box::pin(async {
        session.set_owner("ada")?;
        session.invalidate()
    })
}

fn signs_out_and_writes(session: &Session) -> Done<'_> {
    Box::pin(async {
        session.invalidate()?;
        session.insert("n", 5).map(drop)
    })
}

fn signs_out_and_in(session: &Session) -> Done<'_> {
    Box::pin(async {
        session.invalidate()?;
        session.set_owner("ada")
    })
}

/// A site with one session of `ada`'s that holds `n: 1`, whose record was exchanged.
struct Met<S> {
    site: Site,
    store: S,
    clock: FakeClock,
    cookie: String,
    before: Stored,
    there: Stored,
}

impl<S: Store + Clone> Met<S> {
    async fn with(store: &S, there: There) -> Self {
        let clock = FakeClock::at(1_700_000_000.0);
        let factory = StoredFactory::builder("shop", store.clone()).clock(clock.clone()).build();
        let site = Site::new(factory.unwrap());
        let visit = site.visit(None, async |session| {
            session.set_owner("ada").unwrap();
            session.insert("n", 1).unwrap();
        });
        let cookie = visit.await.cookie().unwrap().to_owned();
        let before = store.load(&place(&cookie)).await.unwrap().unwrap();
        let data = there.made_of(&before.record.data);
        let mut met =
            Self { site, store: store.clone(), clock, cookie, there: before.clone(), before };
        met.put(data.into()).await;
        met
    }

    async fn put(&mut self, data: bytes::Bytes) {
        let record = Record::new(data, self.before.record.expires_at, Some("ada".into()));
        let key = place(&self.cookie);
        let put = self.store.replace(&key, self.there.version, &record).await.unwrap();
        assert!(matches!(put, Replaced::Done(_)), "{put:?}");
        self.there = self.record().await.unwrap();
    }

    async fn record(&self) -> Option<Stored> {
        self.store.load(&place(&self.cookie)).await.unwrap()
    }

    /// Nothing of it was lost to whoever can read it.
    async fn reads_on(&mut self, case: &str) {
        assert_eq!(self.record().await.as_ref(), Some(&self.there), "{case}: the record");
        self.put(self.before.record.data.clone()).await;
        let read = self.site.visit(&*self.cookie, async |session| {
            (session.owner().map(|owner| owner.to_string()), session.get::<u32>("n").unwrap())
        });
        assert_eq!(read.await.result, (Some("ada".into()), Some(1)), "{case}: read again");
    }
}

fn place(cookie: &str) -> StoreKey {
    let (_, ticket) = cookie.split_once('=').unwrap();
    StoreKey::parse(&StoredFactory::<MemoryStore>::id_in_cookie(ticket).unwrap()).unwrap()
}

/// By the time of these tests.
fn memory() -> MemoryStore {
    MemoryStore::builder().clock(FakeClock::at(1_700_000_000.0)).build()
}

fn is_unreadable(error: &Error) -> bool {
    matches!(error, Error::Store { source, .. } if source.kind() == StoreErrorKind::Corrupt)
}

async fn every_outcome<S: Store + Clone>(store: S) {
    for there in There::ALL {
        for (what, act, is_silent, status, cookie) in TABLE {
            let case = format!("{there:?}: {what}");
            let mut met = Met::with(&store, there).await;
            let visit = met.site.visit(&*met.cookie, async |session| act(&session).await).await;
            // A form may end what cannot be read, where the ticket is proved.
            let has_token = what == "asks for a token" && there.proves_the_ticket();
            let is_silent = is_silent || has_token;
            match &visit.result {
                Ok(()) => assert!(is_silent, "{case}: the handler was told nothing"),
                Err(error) => assert!(!is_silent && is_unreadable(error), "{case}: {error}"),
            }
            assert_eq!(visit.response.status(), status, "{case}");
            match (cookie, visit.cookie()) {
                (Cookie::None, None) => {}
                (Cookie::Removed, Some(_)) => {
                    assert!(visit.set_cookies()[0].contains("Max-Age=0"), "{case}");
                }
                (Cookie::Owned | Cookie::Nobodys, Some(new)) => {
                    assert_ne!(place(new), place(&met.cookie), "{case}: a place of its own");
                    let read = met.site.visit(new, async |session| {
                        assert!(!session.is_new(), "{case}");
                        (session.owner().is_some(), session.get::<u32>("n").unwrap() == Some(5))
                    });
                    let expected = (cookie == Cookie::Owned, what.contains("writes"));
                    assert_eq!(read.await.result, expected, "{case}");
                }
                (_, told) => panic!("{case}: {told:?}"),
            }
            if what.contains("out") && there.proves_the_ticket() {
                assert_eq!(met.record().await, None, "{case}: a logout holds");
            } else {
                met.reads_on(&case).await;
            }
        }
    }
}

#[tokio::test]
async fn s79_a_record_of_the_next_layout_is_neither_lost_nor_a_lock_in_memory() {
    every_outcome(memory()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn s79_a_record_of_the_next_layout_is_neither_lost_nor_a_lock_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = cloakroom::store::SqliteStore::open(folder.path().join("it.db")).unwrap();
    every_outcome(store).await;
}

#[tokio::test]
async fn s79_a_handler_that_passes_the_error_on_has_said_so() {
    let mut met = Met::with(&memory(), There::Next).await;
    let failed = Response::builder().status(500).body("the application's own page".to_owned());
    let visit = met.site.respond(&*met.cookie, failed.unwrap(), async |session| {
        session.get::<u32>("n").unwrap_err();
    });
    let visit = visit.await;
    assert_eq!(visit.response.status(), 500);
    assert_eq!(visit.response.body(), "the application's own page");
    met.reads_on("passed on").await;
}

#[tokio::test]
async fn s79_without_a_response_a_logout_holds_and_nothing_else_is_done() {
    for broken in Broken::ALL {
        let case = format!("{broken:?}");
        let mut met = Met::with(&memory(), There::Next).await;
        broken
            .visit(&met.site, &met.cookie, async |session| session.set_owner("eve").unwrap())
            .await;
        assert_eq!(met.store.counts().records, 1, "{case}: no session that nobody can open");
        met.reads_on(&case).await;
        let met = Met::with(&memory(), There::Next).await;
        broken.visit(&met.site, &met.cookie, async |session| session.invalidate().unwrap()).await;
        assert_eq!(met.record().await, None, "{case}: a logout holds");
    }
}

#[tokio::test]
async fn s79_a_ticket_of_the_same_place_and_another_secret_ends_nothing() {
    let mut met = Met::with(&memory(), There::Next).await;
    let (name, ticket) = met.cookie.split_once('=').unwrap();
    let forged = format!("{name}={}{}", &ticket[..22], "A".repeat(42));
    assert_eq!(place(&forged), place(&met.cookie));
    for signs_out in [false, true] {
        let visit = met.site.visit(&*forged, async |session| {
            if signs_out {
                session.invalidate().unwrap();
            }
        });
        let status = visit.await.response.status();
        assert_eq!(status, if signs_out { 200 } else { 503 });
    }
    met.reads_on("forged").await;
}

#[tokio::test]
async fn s79_a_record_that_is_over_is_over_whatever_is_in_it() {
    let met = Met::with(&memory(), There::Next).await;
    met.clock.advance(std::time::Duration::from_secs(20 * 60));
    assert!(met.record().await.unwrap().record.expires_at <= Timestamp::from_secs(1_700_001_200));
    let visit =
        met.site.visit(&*met.cookie, async |session| session.get::<u32>("n").unwrap()).await;
    assert_eq!((visit.response.status().as_u16(), visit.result), (200, None));
    let visit =
        met.site.visit(&*met.cookie, async |session| session.insert("n", 2).map(drop)).await;
    assert_ne!(place(visit.cookie().unwrap()), place(&met.cookie));
    assert_eq!(met.record().await, Some(met.there), "whoever sweeps removes it");
}

#[tokio::test]
async fn s79_beside_a_live_session_s_cookie_it_is_an_error_too() {
    let met = Met::with(&memory(), There::Next).await;
    let live = met.site.visit(None, async |session| session.insert("n", 3).map(drop)).await;
    let live = live.cookie().unwrap().to_owned();
    for both in [format!("{live}; {}", met.cookie), format!("{}; {live}", met.cookie)] {
        let visit = met.site.visit(&*both, async |session| session.get::<u32>("n")).await;
        assert!(is_unreadable(&visit.result.unwrap_err()));
        assert_eq!(visit.response.status(), 503);
    }
}

#[tokio::test]
async fn s79_a_form_with_a_token_ends_what_cannot_be_read() {
    for there in There::ALL {
        let mut met = Met::with(&memory(), there).await;
        let rendered = met.site.visit(&*met.cookie, async |session| session.csrf_token());
        let Ok(token) = rendered.await.result else {
            assert!(!there.proves_the_ticket(), "{there:?}");
            continue;
        };
        let visit = met.site.visit(&*met.cookie, async |session| {
            assert!(!session.is_csrf_token("another"), "{there:?}");
            assert!(session.is_csrf_token(&token.to_string()), "{there:?}");
            session.invalidate().unwrap();
        });
        let visit = visit.await;
        assert_eq!(visit.response.status(), 200, "{there:?}");
        assert!(visit.set_cookies()[0].contains("Max-Age=0"), "{there:?}");
        met.cookie.clear();
    }
}
