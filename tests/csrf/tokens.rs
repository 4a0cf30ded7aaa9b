//! Tokens of sessions, on a server and in signed cookies: made without a write, rotated at a login.

use std::time::Duration;

use cloakroom::{CsrfLayer, Secret, Session, SessionLayer, SignedCookieFactory};
use http::Method;

use crate::shop::{Shop, ask, get_page, post_form, routes, with};

#[tokio::test]
async fn r39_rendering_a_form_writes_nothing_to_a_session_that_is_there() {
    let shop = Shop::new(CsrfLayer::new());
    let (cookie, token) = shop.enter().await;
    for _ in 0..3 {
        let reply = shop.send(with(get_page("/token"), "cookie", &cookie)).await;
        assert_eq!((reply.cookie(), reply.text()), (None, token.clone()));
        let caching = &reply.response.headers()["cache-control"];
        assert_eq!(caching, "no-store", "no cache may keep a page with a token");
    }
}

#[tokio::test]
async fn r41_a_new_token_ends_the_old_one_at_once() {
    let shop = Shop::with(CsrfLayer::new(), |it| it.csrf_grace(Duration::from_secs(60)));
    let (cookie, old) = shop.enter().await;
    let new = shop.look("/new", &cookie).await;
    assert_ne!(old, new);
    assert_eq!(shop.look("/token", &cookie).await, new);
    let buy =
        |token: &str| with(post_form("/buy", &format!("csrf_token={token}")), "cookie", &cookie);
    assert_eq!(shop.send(buy(&old)).await.rule(), Some("token_wrong"), "whatever the grace");
    assert!(shop.send(buy(&new)).await.is_sold());
}

#[tokio::test]
async fn s51_a_token_from_before_a_login_is_dead_after_it() {
    let shop = Shop::new(CsrfLayer::new());
    let (cookie, old) = shop.enter().await;
    let renewed = shop.send(with(get_page("/renew"), "cookie", &cookie)).await.cookie().unwrap();
    let buy =
        |token: &str| with(post_form("/buy", &format!("csrf_token={token}")), "cookie", &renewed);
    assert_eq!(shop.send(buy(&old)).await.rule(), Some("token_wrong"));
    let new = shop.look("/token", &renewed).await;
    assert!(shop.send(buy(&new)).await.is_sold());
}

#[tokio::test]
async fn s51_a_setting_lets_an_old_tab_send_its_form_for_a_while_after_a_login() {
    let shop = Shop::with(CsrfLayer::new(), |it| it.csrf_grace(Duration::from_secs(60)));
    let (cookie, old) = shop.enter().await;
    let renewed = shop.send(with(get_page("/renew"), "cookie", &cookie)).await.cookie().unwrap();
    let buy = || with(post_form("/buy", &format!("csrf_token={old}")), "cookie", &renewed);
    assert!(shop.send(buy()).await.is_sold());
    shop.clock.advance(Duration::from_secs(59));
    assert!(shop.send(buy()).await.is_sold());
    shop.clock.advance(Duration::from_secs(1));
    assert_eq!(shop.send(buy()).await.rule(), Some("token_wrong"));
}

#[tokio::test]
async fn s51_a_page_made_after_the_renewal_in_the_same_request_has_the_new_token() {
    let login = async |session: Session| {
        let before = session.csrf_token()?.plain().to_owned();
        session.set_owner("ada")?;
        let after = session.csrf_token()?.plain().to_owned();
        assert_ne!(before, after);
        assert!(session.is_csrf_token(&after) && !session.is_csrf_token(&before));
        Ok::<_, cloakroom::Error>(after)
    };
    let routes = routes().route("/login", axum::routing::get(login));
    let app = Shop::open(routes, CsrfLayer::new(), |it| it).app;
    for begins in [None, Some(ask(&app, get_page("/token")).await.cookie().unwrap())] {
        let request = get_page("/login");
        let request = match &begins {
            Some(cookie) => with(request, "cookie", cookie),
            None => request,
        };
        let reply = ask(&app, request).await;
        let form = format!("csrf_token={}", reply.text());
        let buy = with(post_form("/buy", &form), "cookie", &reply.cookie().unwrap());
        assert!(ask(&app, buy).await.is_sold(), "with a session before: {}", begins.is_some());
    }
}

#[tokio::test]
async fn s53_a_token_for_one_form_buys_nothing_else() {
    let secret = || Secret::insecure("a-secret-for-tests-0123456789-ABCDEFGHIJ-abcdefghij");
    let signed = SignedCookieFactory::new(secret()).unwrap();
    let signed = routes().layer(CsrfLayer::new()).layer(SessionLayer::new(signed));
    for app in [Shop::new(CsrfLayer::new()).app, signed] {
        let reply = ask(&app, get_page("/form/1")).await;
        let (cookie, token) = (reply.cookie().unwrap(), reply.text());
        let send = async |method: Method, path: &str| {
            let mut request = post_form(path, &format!("csrf_token={token}"));
            *request.method_mut() = method;
            ask(&app, with(request, "cookie", &cookie)).await
        };
        assert!(send(Method::POST, "/buy/1").await.is_sold());
        assert!(send(Method::POST, "/buy/2").await.is_sold(), "the route is what counts");
        assert_eq!(send(Method::PUT, "/buy/1").await.rule(), Some("token_wrong"));
        assert_eq!(send(Method::POST, "/buy").await.rule(), Some("token_wrong"));
    }
}

#[tokio::test]
async fn s54_a_periodic_renewal_of_the_ticket_leaves_open_forms_good() {
    let shop = Shop::with(CsrfLayer::new(), |it| it.renew_every(Duration::from_secs(100)));
    // One whose token comes of its ticket, and one whose token was made.
    for first in ["/begin", "/token"] {
        let cookie = shop.send(get_page(first)).await.cookie().unwrap();
        let token = shop.look("/token", &cookie).await;
        shop.clock.advance(Duration::from_secs(100));
        let renewed = shop.send(with(get_page("/token"), "cookie", &cookie)).await;
        let (cookie, now) = (renewed.cookie().expect("a new ticket"), renewed.text());
        assert_eq!(now, token);
        let buy = with(post_form("/buy", &format!("csrf_token={token}")), "cookie", &cookie);
        assert!(shop.send(buy).await.is_sold());
    }
}

#[tokio::test]
async fn r41_a_new_token_after_a_renewal_ends_the_one_before_it_too() {
    let routes = routes().route(
        "/end-all",
        axum::routing::get(async |session: Session| {
            session.renew()?;
            session.new_csrf_token().map(|token| token.plain().to_owned())
        }),
    );
    let shop = Shop::open(routes, CsrfLayer::new(), |it| it.csrf_grace(Duration::from_secs(60)));
    let (cookie, old) = shop.enter().await;
    let ended = shop.send(with(get_page("/end-all"), "cookie", &cookie)).await;
    let buy = post_form("/buy", &format!("csrf_token={old}"));
    let reply = shop.send(with(buy, "cookie", &ended.cookie().unwrap())).await;
    assert_eq!(reply.rule(), Some("token_wrong"));
}

#[tokio::test]
async fn s53_a_form_s_token_survives_the_exchange_of_the_signing_secret() {
    let secret = |text: &str| Secret::insecure(format!("{text}-0123456789-ABCDEFGHIJ-abcdefghij"));
    let old = SignedCookieFactory::new(secret("the-old-one")).unwrap();
    let both =
        SignedCookieFactory::builder(secret("the-new-one")).also_verify(secret("the-old-one"));
    let new = SignedCookieFactory::new(secret("the-new-one")).unwrap();
    let [old, both, new] = [old, both.build().unwrap(), new]
        .map(|it| routes().layer(CsrfLayer::new()).layer(SessionLayer::new(it)));
    let reply = ask(&old, get_page("/form/1")).await;
    let buy = post_form("/buy/1", &format!("csrf_token={}", reply.text()));
    assert!(ask(&both, with(buy, "cookie", &reply.cookie().unwrap())).await.is_sold());
    let reply = ask(&both, get_page("/form/1")).await;
    let buy = post_form("/buy/1", &format!("csrf_token={}", reply.text()));
    let sold = ask(&new, with(buy, "cookie", &reply.cookie().unwrap())).await;
    assert!(sold.is_sold(), "forms are made with the newest secret");
}

#[tokio::test]
async fn s51_two_first_visits_at_once_each_get_a_token_of_their_own() {
    let shop = Shop::new(CsrfLayer::new());
    let ((one, first), (_, second)) = (shop.enter().await, shop.enter().await);
    assert_ne!(first, second);
    let buy = with(post_form("/buy", &format!("csrf_token={second}")), "cookie", &one);
    assert_eq!(shop.send(buy).await.rule(), Some("token_wrong"));
}

#[tokio::test]
async fn s53_a_form_s_token_can_be_checked_by_hand() {
    let check = async |session: Session| {
        let (post, put) = (&Method::POST, &Method::PUT);
        let token = session.csrf_token_for(post, "/a").unwrap();
        let own = session.csrf_token().unwrap();
        assert!(session.is_csrf_token_for(post, "/a", token.masked()));
        assert!(session.is_csrf_token_for(post, "/a", own.masked()));
        assert!(!session.is_csrf_token_for(put, "/a", token.masked()));
        assert!(!session.is_csrf_token_for(post, "/b", token.plain()));
        assert!(!session.is_csrf_token(token.plain()));
    };
    let routes = routes().route("/check", axum::routing::get(check));
    let reply = Shop::open(routes, CsrfLayer::new(), |it| it).send(get_page("/check")).await;
    assert_eq!(reply.status(), 200);
    assert!(matches!(
        Session::detached().csrf_token_for(&Method::POST, "/a"),
        Err(cloakroom::Error::NotSupported { .. })
    ));
}

#[test]
fn s87_nothing_shows_a_token() {
    let session = Session::detached();
    let token = session.csrf_token().unwrap();
    let shown = format!("{token:?} {:?} {session:?}", token.hidden_field());
    assert!(!shown.contains(token.plain()) && !shown.contains(token.masked()), "{shown}");
    let error = cloakroom::csrf::check(&session, &http::HeaderMap::new(), Some("sekret"));
    let error = error.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("sekret"));
}
