//! Sessions taken over from another library, whose cookie may have the very name of ours.

use cloakroom::cookie::{Candidates, CookieHeader, CookieSettings, CookieWriter, SetCookie};
use cloakroom::factory::{Former, FormerSessions, MovingFactory};
use cloakroom::store::MemoryStore;
use cloakroom::{Error, Session, SessionFactory, StoredFactory, Value};

use crate::site::{Site, builder};

/// A library whose cookies hold the name of their visitor.
struct Names(CookieWriter);

impl FormerSessions for Names {
    type Id = ();

    async fn find(&self, cookies: CookieHeader<'_>) -> Result<Option<Former<()>>, Error> {
        let Candidates::One(name) = cookies.named(self.0.name()) else { return Ok(None) };
        let name = std::str::from_utf8(name).ok().filter(|name| name.len() < 10);
        let value = |name| Ok::<_, Error>(("user".to_owned(), Value::encode("user", &name)?));
        let values = name.map(value).transpose()?;
        Ok(values.map(|value| Former { id: (), values: vec![value] }))
    }

    async fn end(&self, (): &()) -> Result<SetCookie, Error> {
        self.0.remove()
    }
}

fn moving(factory: impl SessionFactory, former: CookieSettings) -> Site {
    Site::new(MovingFactory::new(factory, Names(former.build().unwrap())))
}

fn stored(cookie: CookieSettings) -> impl SessionFactory {
    StoredFactory::builder("shop", MemoryStore::new()).cookie(cookie).build().unwrap()
}

async fn user(session: Session) -> Option<String> {
    session.get("user").unwrap()
}

#[tokio::test]
async fn s14_a_cookie_that_was_just_set_is_not_removed_in_the_same_response() {
    let named = || CookieSettings::new("session");
    for site in [moving(builder().build().unwrap(), named()), moving(stored(named()), named())] {
        let first = site.visit("session=ada", user).await;
        assert_eq!(first.result.as_deref(), Some("ada"));
        let new = first.cookie().unwrap(); // fails where there is more than one
        assert_ne!(new, "session=");
        assert_eq!(site.visit(new, user).await.result.as_deref(), Some("ada"));
        let out = site.visit("session=ada", async |session: Session| session.invalidate()).await;
        assert_eq!(out.cookie(), Some("session="), "a logout removes it, once");
    }
}

#[tokio::test]
async fn s14_a_former_cookie_of_another_path_or_domain_goes_beside_the_new_one() {
    for former in [
        CookieSettings::new("session").path("/shop"),
        CookieSettings::new("session").domain("example.org"),
        CookieSettings::new("id"),
    ] {
        let site = moving(stored(CookieSettings::new("session")), former.clone());
        let header =
            if format!("{former:?}").contains("\"id\"") { "id=ada" } else { "session=ada" };
        let first = site.visit(header, user).await;
        let cookies = first.set_cookies();
        assert_eq!(cookies.len(), 2, "{former:?}: {cookies:?}");
        assert!(!cookies[0].contains("Max-Age=0") && cookies[1].contains("Max-Age=0"));
    }
}

/// A library whose session holds more than a session here may.
struct Large(String);

impl FormerSessions for Large {
    type Id = ();

    async fn find(&self, cookies: CookieHeader<'_>) -> Result<Option<Former<()>>, Error> {
        let has = matches!(cookies.named("old"), Candidates::One(_));
        let value = |json| Value::from_json(json).unwrap();
        let values = vec![("n".to_owned(), value("1")), (self.0.clone(), value("2"))];
        Ok(has.then_some(Former { id: (), values }))
    }

    async fn end(&self, (): &()) -> Result<SetCookie, Error> {
        CookieSettings::new("old").build().unwrap().remove()
    }
}

#[tokio::test]
async fn r22_values_that_do_not_fit_are_not_lost_while_moving() {
    let key = "k".repeat(300);
    let site =
        Site::new(MovingFactory::new(stored(CookieSettings::new("new")), Large(key.clone())));
    let visit = site.visit("old=1", async |session| session.keys()).await;
    assert_eq!(visit.result, ["n", &key]);
    let new = visit.set_cookies()[0].split(';').next().unwrap();
    let grow = async |session: Session| {
        session.insert("n", 3).unwrap();
        session.insert("l".repeat(300), 2).unwrap_err();
        session.keys()
    };
    assert_eq!(site.visit(new, grow).await.result, ["n", &key]);
}
