//! `clear` and `retain`: what they remove of a session that others write to at the same time.

use cloakroom::{Key, Session};
use http::{Response, StatusCode};

use crate::site::Stored;

const N: Key<u32> = Key::new("n");

fn with_status(status: u16) -> Response<String> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[tokio::test]
async fn s21_a_sweep_without_effect_holds_at_a_login_too() {
    let sweeps: [fn(&Session); 2] =
        [|session| session.retain(&["n"]).unwrap(), |session| session.clear().unwrap()];
    for (at, sweep) in sweeps.into_iter().enumerate() {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        if at == 1 {
            stored.site.visit(&*cookie, async |session| session.remove("n").map(drop)).await;
        }
        let visit = stored.site.visit(&*cookie, async |session| {
            sweep(&session);
            let plant = async |session: Session| session.insert("planted", 1).map(drop);
            stored.site.visit(&*cookie, plant).await.result.unwrap();
            session.set_owner("ada").unwrap();
        });
        let left = stored.look(visit.await.cookie().unwrap()).await;
        assert_eq!(left, ["n=0", ""][at]);
    }
}

#[tokio::test]
async fn r22_a_sweep_without_effect_writes_nothing() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.retain(&["n"]).unwrap();
        let add = async |session: Session| session.insert("other", 1).map(drop);
        stored.site.visit(&*cookie, add).await.result.unwrap();
    });
    visit.await;
    assert!(stored.events().is_empty(), "no conflict, because nothing was written");
    assert_eq!(stored.look(&cookie).await, "n=0 other=1");
}

#[tokio::test]
async fn s62_a_sweep_overwrites_what_was_read_and_not_what_it_retains() {
    for (kept, events) in
        [("other", r#"["Conflict", "Overwritten(\"n\")"]"#), ("n", r#"["Conflict"]"#)]
    {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        let visit = stored.site.visit(&*cookie, async |session| {
            session.insert("gone", 1).unwrap();
            assert_eq!(session.entries().len(), 2);
            let fast = async |session: Session| session.insert("n", 100).map(drop);
            stored.site.visit(&*cookie, fast).await.result.unwrap();
            session.retain(&[kept]).unwrap();
            session.insert("after", 1).unwrap();
        });
        visit.await;
        assert_eq!(format!("{:?}", stored.events()), events);
        let left = if kept == "n" { "n=100 after=1" } else { "after=1" };
        assert_eq!(stored.look(&cookie).await, left);
    }
}

#[tokio::test]
async fn s62_a_sweep_over_what_this_request_itself_put_there_overwrites_nothing() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.insert("seat", 1).unwrap();
        assert_eq!(session.get(Key::<u32>::new("seat").strict()).unwrap(), Some(1));
        let fast = async |session: Session| session.insert("seat", 7).map(drop);
        stored.site.visit(&*cookie, fast).await.result.unwrap();
        session.clear().unwrap();
    });
    assert_eq!(visit.await.response.status(), 200);
    assert_eq!(stored.events(), ["Conflict"]);
}

/// `Key::strict` means the same in every method, `retain` included.
#[tokio::test]
async fn s62_retain_over_what_was_read_is_noticed() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        assert_eq!(session.get(N.strict()).unwrap(), Some(0));
        let fast = async |session: Session| session.insert("n", 100).map(drop);
        stored.site.visit(&*cookie, fast).await.result.unwrap();
        session.retain(&["other"]).unwrap();
    });
    assert_eq!(visit.await.response.status(), 409);
}

/// "Removes every key but these: what may survive a login, by name."
#[tokio::test]
async fn s21_what_is_set_beside_a_login_does_not_cross_it_unless_named() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.retain(&["cart"]).unwrap();
        // An anonymous request, perhaps of who planted the session.
        let plant = async |session: Session| session.insert("planted", 1).map(drop);
        stored.site.visit(&*cookie, plant).await.result.unwrap();
        session.set_owner("ada").unwrap();
    });
    let visit = visit.await;
    assert_eq!(stored.look(visit.cookie().unwrap()).await, "");
}

/// The same with a flash message that was taken by the request of the login, which redirects.
#[tokio::test]
async fn s21_a_message_that_was_taken_before_a_login_does_not_cross_it_unless_named() {
    let stored = Stored::new();
    let flash = async |session: Session| session.flash("for a stranger").unwrap();
    let cookie = stored.site.visit(None, flash).await.cookie().unwrap().to_owned();
    let visit = stored.site.respond(&*cookie, with_status(303), async |session: Session| {
        let shown: Vec<String> = session.pop_flash("").await.unwrap();
        assert_eq!(shown.len(), 1);
        session.retain(&["cart"]).unwrap();
        session.set_owner("ada").unwrap();
    });
    let visit = visit.await;
    assert_eq!(stored.look(visit.cookie().unwrap()).await, "");
}

/// A key that was read as absent and is then cleared away.
#[tokio::test]
async fn s62_a_clear_over_a_key_that_was_read_as_absent_is_noticed() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    const SEAT: Key<u32> = Key::new("seat");
    let visit = stored.site.visit(&*cookie, async |session| {
        assert_eq!(session.get(SEAT.strict()).unwrap(), None);
        let fast = async |session: Session| session.insert("seat", 7).map(drop);
        stored.site.visit(&*cookie, fast).await.result.unwrap();
        session.clear().unwrap();
    });
    assert_eq!(visit.await.response.status(), 409);
}
