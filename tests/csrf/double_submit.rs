//! Tokens without sessions.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use cloakroom::cookie::{CookieSettings, SameSite};
use cloakroom::csrf::{Csrf, DoubleSubmit};
use cloakroom::{CsrfLayer, Error, Secret};

use crate::shop::{ask, get_page, post, post_form, routes, with};

fn keeper() -> DoubleSubmit {
    DoubleSubmit::new(Secret::insecure("a-secret-for-tests-0123456789-ABCDEFGHIJ")).unwrap()
}

fn app(keeper: DoubleSubmit) -> Router {
    routes().layer(CsrfLayer::new().without_sessions(keeper))
}

#[tokio::test]
async fn s50_c11_a_visitor_without_a_cookie_gets_one_with_the_first_token() {
    let reply = ask(&app(keeper()), get_page("/token")).await;
    let cookie = reply.response.headers()["set-cookie"].to_str().unwrap().to_owned();
    let (name, attributes) = cookie.split_once('=').unwrap();
    assert_eq!(name, "__Host-csrf");
    assert!(attributes.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{attributes}");
    assert_eq!(reply.response.headers()["cache-control"], "no-store");
    assert_eq!(reply.response.headers()["vary"], "Cookie");
    assert!(!cookie.contains(&reply.text()), "the cookie does not give the token away");
    let reply = ask(&app(keeper()), post("/hooks/x")).await;
    assert!(reply.response.headers().get("set-cookie").is_none(), "nobody asked for a token");
}

#[tokio::test]
async fn s50_a_guard_inside_of_itself_has_one_cookie_and_one_token() {
    async fn asks_too(request: Request, next: Next) -> Result<Response, Error> {
        let token = Csrf::of(&request).await?.token()?.to_string();
        let mut response = next.run(request).await;
        response.headers_mut().insert("token", token.parse().unwrap());
        Ok(response)
    }
    let layer = CsrfLayer::new().without_sessions(keeper());
    let app = routes().layer(layer.clone()).layer(from_fn(asks_too)).layer(layer);
    let reply = ask(&app, get_page("/token")).await;
    let cookie = reply.cookie().unwrap();
    let token = reply.response.headers()["token"].to_str().unwrap();
    for token in [token, &reply.text()] {
        let buy = post_form("/buy", &format!("csrf_token={token}"));
        assert!(ask(&app, with(buy, "cookie", &cookie)).await.is_sold());
    }
    assert_eq!(reply.response.headers().get_all("set-cookie").iter().count(), 1);
}

#[tokio::test]
async fn r76_c12_the_cookie_can_be_another() {
    let cookie = CookieSettings::new("token").same_site(SameSite::Strict).secure(false);
    let reply = ask(&app(keeper().cookie(&cookie).unwrap()), get_page("/token")).await;
    let cookie = reply.response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("token=") && cookie.ends_with("; HttpOnly; SameSite=Strict"));
    let plain = ask(&app(keeper().insecure_plain_http().unwrap()), get_page("/token")).await;
    assert!(plain.cookie().unwrap().starts_with("csrf="));
}

#[tokio::test]
async fn c13_who_has_a_cookie_keeps_it_and_its_token() {
    let app = app(keeper());
    let first = ask(&app, get_page("/token")).await;
    let again = with(get_page("/token"), "cookie", &first.cookie().unwrap());
    let again = ask(&app, again).await;
    assert_eq!((again.cookie(), again.text()), (None, first.text()));
    assert_eq!(again.response.headers()["cache-control"], "no-store", "a token stands in it");
}

#[tokio::test]
async fn c14_c15_a_new_token_comes_with_a_new_cookie_and_ends_the_old_one() {
    let app = app(keeper());
    let first = ask(&app, get_page("/token")).await;
    let new = ask(&app, with(get_page("/new"), "cookie", &first.cookie().unwrap())).await;
    let cookie = new.cookie().unwrap();
    assert_ne!((new.text(), &cookie), (first.text(), &first.cookie().unwrap()));
    let again = ask(&app, with(get_page("/token"), "cookie", &cookie)).await;
    assert_eq!(again.text(), new.text());
    let old = post_form("/buy", &format!("csrf_token={}", first.text()));
    assert_eq!(ask(&app, with(old, "cookie", &cookie)).await.rule(), Some("token_wrong"));
}

#[tokio::test]
async fn s50_c16_only_the_token_of_the_own_cookie_is_taken() {
    let app = app(keeper());
    let (mine, theirs) = (ask(&app, get_page("/token")).await, ask(&app, get_page("/token")).await);
    let buy = async |cookie: &str, token: &str| {
        let form = post_form("/buy", &format!("csrf_token={token}"));
        ask(&app, with(form, "cookie", cookie)).await
    };
    let cookie = mine.cookie().unwrap();
    assert!(buy(&cookie, &mine.text()).await.is_sold());
    assert_eq!(buy(&cookie, &theirs.text()).await.rule(), Some("token_wrong"));
    assert_eq!(buy(&cookie, "").await.rule(), Some("token_wrong"));
    assert_eq!(buy("theme=dark", &mine.text()).await.rule(), Some("token_missing"));
    let form = ask(&app, with(get_page("/form/1"), "cookie", &cookie)).await.text();
    assert_eq!(buy(&cookie, &form).await.rule(), Some("token_wrong"));
    let one = with(post_form("/buy/1", &format!("csrf_token={form}")), "cookie", &cookie);
    assert!(ask(&app, one).await.is_sold(), "S53");
}

#[tokio::test]
async fn s50_a_cookie_that_this_site_did_not_write_is_none() {
    let app = app(keeper());
    let first = ask(&app, get_page("/token")).await;
    let (cookie, token) = (first.cookie().unwrap(), first.text());
    let buy = async |cookie: &str| {
        let form = post_form("/buy", &format!("csrf_token={token}"));
        ask(&app, with(form, "cookie", cookie)).await
    };
    let start = cookie.find('=').unwrap() + 1;
    for at in start..cookie.len() - 1 {
        let mut changed = cookie.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(buy(&changed).await.rule(), Some("token_missing"), "character {at}");
    }
    let other = Secret::insecure("another-secret-0123456789-ABCDEFGHIJ");
    let elsewhere = self::app(DoubleSubmit::new(other).unwrap());
    let form = post_form("/buy", &format!("csrf_token={token}"));
    assert_eq!(ask(&elsewhere, with(form, "cookie", &cookie)).await.rule(), Some("token_missing"));
    let planted = ask(&app, get_page("/token")).await.cookie().unwrap();
    let both = format!("{planted}; {cookie}");
    assert_eq!(buy(&both).await.rule(), Some("token_missing"), "S13: two of them are nobody's");
}

#[tokio::test]
async fn s13_of_two_cookies_the_one_that_this_site_wrote_counts() {
    let app = app(keeper());
    let (ada, eve) = (ask(&app, get_page("/token")).await, ask(&app, get_page("/token")).await);
    let (ada, eve, token) = (ada.cookie().unwrap(), eve.cookie().unwrap(), ada.text());
    let quoted = |cookie: &str| cookie.replacen('=', "=\"", 1) + "\"";
    let mut forged = eve.clone();
    forged.replace_range(12..16, "AAAA");
    let cookies = [
        (ada.clone(), Some(true)),
        (quoted(&ada), Some(true)),
        (eve.clone(), Some(false)),
        (quoted(&eve), Some(false)),
        (forged.clone(), None),
        (quoted(&forged), None),
        ("__Host-csrf=junk".into(), None),
    ];
    for (one, of_one) in &cookies {
        for (two, of_two) in &cookies {
            let expected = match (of_one, of_two) {
                (Some(one), Some(two)) if one != two => Some("token_missing"),
                (Some(true), _) | (_, Some(true)) => None,
                (Some(false), _) | (_, Some(false)) => Some("token_wrong"),
                (None, None) => Some("token_missing"),
            };
            let form = post_form("/buy", &format!("csrf_token={token}"));
            let reply = ask(&app, with(form, "cookie", &format!("{one}; {two}"))).await;
            assert_eq!(reply.rule(), expected, "{one}; {two}");
            assert_eq!(reply.is_sold(), expected.is_none(), "{one}; {two}");
        }
    }
}

#[tokio::test]
async fn s50_a_login_from_elsewhere_is_refused_without_any_session() {
    let app = app(keeper());
    let from = |site: &str| with(post("/buy"), "sec-fetch-site", site);
    assert_eq!(ask(&app, from("cross-site")).await.rule(), Some("fetch_site"));
    let cookie = ask(&app, get_page("/token")).await.cookie().unwrap();
    let own = with(from("same-origin"), "cookie", &cookie);
    assert_eq!(ask(&app, own).await.rule(), Some("token_missing"));
}

#[tokio::test]
async fn a_token_that_is_asked_for_too_late_is_an_error() {
    let late = std::sync::Arc::new(std::sync::Mutex::new(None));
    let kept = late.clone();
    let keep = axum::routing::get(async move |csrf: cloakroom::csrf::Csrf| {
        *kept.lock().unwrap() = Some(csrf);
    });
    let layer = CsrfLayer::new().without_sessions(keeper());
    ask(&Router::new().route("/", keep).layer(layer), get_page("/")).await;
    let late = late.lock().unwrap().take().unwrap();
    assert!(matches!(late.token(), Err(cloakroom::Error::Closed)));
    assert!(matches!(late.new_token(), Err(cloakroom::Error::Closed)));
}

#[test]
fn s38_its_secret_is_checked() {
    assert!(DoubleSubmit::new("letmein").is_err());
    assert!(!format!("{:?}", keeper()).contains("a-secret"));
}
