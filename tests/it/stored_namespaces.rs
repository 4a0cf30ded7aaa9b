//! Two applications that share a store: a ticket of one proves nothing to the other.

use cloakroom::store::{Index, MemoryStore, Scan, Store, StoreKey, Stored};
use cloakroom::{Session, StoredFactory};

use crate::site::Site;

/// What a request of one application does with the other's ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Looks,
    Writes,
    Renews,
    SignsIn,
    SignsOut,
    SignsOutAndWrites,
    Flashes,
    MakesToken,
}

impl Deed {
    const ALL: [Self; 8] = [
        Self::Looks,
        Self::Writes,
        Self::Renews,
        Self::SignsIn,
        Self::SignsOut,
        Self::SignsOutAndWrites,
        Self::Flashes,
        Self::MakesToken,
    ];

    fn of(self, session: &Session) {
        match self {
            Self::Looks => assert_eq!(session.get::<u32>("n").unwrap(), None),
            Self::Writes => drop(session.insert("n", 2).unwrap()),
            Self::Renews => session.renew().unwrap(),
            Self::SignsIn => session.set_owner("admin").unwrap(),
            Self::SignsOut => session.invalidate().unwrap(),
            Self::SignsOutAndWrites => {
                session.invalidate().unwrap();
                session.insert("n", 2).unwrap();
            }
            Self::Flashes => session.flash("hello").unwrap(),
            Self::MakesToken => drop(session.csrf_token().unwrap()),
        }
    }

    /// Whether it begins a session where there is none.
    fn begins(self) -> bool {
        match self {
            Self::Looks | Self::Renews | Self::SignsOut => false,
            Self::Writes | Self::SignsIn | Self::SignsOutAndWrites | Self::Flashes => true,
            Self::MakesToken => true,
        }
    }
}

/// Two applications on one store.
struct Town<S> {
    store: S,
    shop: Site,
    forum: Site,
}

impl<S: Store + Clone + Index + Scan> Town<S> {
    fn new(store: S, shop: &str, forum: &str) -> Self {
        let site = |name| Site::new(StoredFactory::new(name, store.clone()));
        Self { shop: site(shop), forum: site(forum), store }
    }

    /// The cookie of somebody who is `admin` there, in a session that has had a ticket before.
    async fn admin_of(site: &Site) -> String {
        let visit = site.visit(None, async |session| session.insert("n", 1).unwrap()).await;
        let anonymous = visit.cookie().unwrap().to_owned();
        let visit = site.visit(&*anonymous, async |session| session.set_owner("admin").unwrap());
        visit.await.cookie().unwrap().to_owned()
    }

    async fn record(&self, cookie: &str) -> Option<Stored> {
        self.store.load(&place(cookie)).await.unwrap()
    }
}

fn place(cookie: &str) -> StoreKey {
    let (_, ticket) = cookie.split_once('=').unwrap();
    StoreKey::parse(&StoredFactory::<MemoryStore>::id_in_cookie(ticket).unwrap()).unwrap()
}

async fn owner(site: &Site, cookie: &str) -> Option<String> {
    let visit = site.visit(cookie, async |session| session.owner().map(|owner| owner.to_string()));
    visit.await.result
}

async fn a_ticket_of_one_proves_nothing_to_the_other<S>(store: S)
where
    S: Store + Clone + Index + Scan,
{
    for (one, other) in [("shop", "forum"), ("", "shop"), ("shop", "shop "), ("shop\0", "shop")] {
        for deed in Deed::ALL {
            for is_swapped in [false, true] {
                let case = format!("{deed:?} at {other:?} with a ticket of {one:?}, {is_swapped}");
                let town = Town::new(store.clone(), one, other);
                let (home, away) =
                    if is_swapped { (&town.forum, &town.shop) } else { (&town.shop, &town.forum) };
                let cookie = Town::<S>::admin_of(home).await;
                let before = town.record(&cookie).await;
                let visit = away.visit(&*cookie, async |session| {
                    assert!(session.is_new() && session.owner().is_none(), "{case}");
                    assert!(session.id().is_none() && !session.is_gone(), "{case}");
                    deed.of(&session);
                });
                let visit = visit.await;
                assert_eq!(visit.response.status(), 200, "{case}");
                assert_eq!(town.record(&cookie).await, before, "{case}: the record is untouched");
                assert_eq!(owner(home, &cookie).await.as_deref(), Some("admin"), "{case}");
                assert_eq!(visit.cookie().is_some(), deed.begins(), "{case}");
                let Some(own) = visit.cookie() else { continue };
                assert_ne!(place(own), place(&cookie), "{case}: a place of its own");
                let signed_in = (deed == Deed::SignsIn).then_some("admin");
                assert_eq!(owner(away, own).await.as_deref(), signed_in, "{case}");
                assert_eq!(owner(home, own).await, None, "{case}: nor does its own at the first");
            }
        }
    }
}

async fn one_name_is_one_application<S: Store + Clone + Index + Scan>(store: S) {
    for name in ["shop", "", "a name of any length, with ünïcode and \0"] {
        let town = Town::new(store.clone(), name, name);
        let cookie = Town::<S>::admin_of(&town.shop).await;
        assert_eq!(owner(&town.forum, &cookie).await.as_deref(), Some("admin"), "{name}");
        let wrote = town.forum.visit(&*cookie, async |session| session.insert("n", 7).unwrap());
        assert_eq!(wrote.await.cookie(), None, "{name}: the same session");
        let read = town.shop.visit(&*cookie, async |session| session.get::<u32>("n").unwrap());
        assert_eq!(read.await.result, Some(7), "{name}");
    }
}

#[tokio::test]
async fn s33_a_ticket_of_one_application_proves_nothing_to_another_in_memory() {
    a_ticket_of_one_proves_nothing_to_the_other(MemoryStore::new()).await;
}

#[tokio::test]
async fn s33_applications_of_one_name_share_their_sessions_in_memory() {
    one_name_is_one_application(MemoryStore::new()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn s33_a_ticket_of_one_application_proves_nothing_to_another_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = cloakroom::store::SqliteStore::open(folder.path().join("it.db")).unwrap();
    a_ticket_of_one_proves_nothing_to_the_other(store.clone()).await;
    one_name_is_one_application(store).await;
}

#[tokio::test]
async fn s33_an_owner_s_list_is_of_the_whole_store() {
    let store = MemoryStore::new();
    let town = Town::new(store.clone(), "shop", "forum");
    for site in [&town.shop, &town.forum] {
        Town::<MemoryStore>::admin_of(site).await;
    }
    let shop = StoredFactory::new("shop", store);
    assert_eq!(shop.sessions_of("admin").await.unwrap().len(), 2, "what the guide warns of");
    assert_eq!(shop.revoke_all("admin").await.unwrap(), 2);
}
