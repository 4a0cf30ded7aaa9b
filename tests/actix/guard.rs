//! The guard of a whole site, where actix-web differs: routes that are known late, payloads that are streams.

use actix_web::App;
use actix_web::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Bytes, ServiceConfig};
use cloakroom::csrf::{Csrf, CsrfError, DoubleSubmit};
use cloakroom::{CsrfLayer, Error, Session};

use super::{Reply, ask, site};

async fn token(session: Session) -> Result<String, Error> {
    Ok(session.csrf_token()?.plain().to_owned())
}

fn hooks(routes: &mut ServiceConfig) {
    let named = |name: &'static str| web::post().to(move || async move { name });
    routes
        .route("/token", web::get().to(token))
        .service(web::resource("/hooks/admin").route(named("admin")))
        .service(web::resource("/hooks/{provider}").route(named("hook")))
        .service(
            web::scope("/shop").service(web::resource("/hooks/{provider}").route(named("shop"))),
        );
}

/// A request of a visitor with a session and without a token.
async fn post(layer: CsrfLayer, path: &str) -> Reply {
    let app = site(layer, hooks).await;
    let cookie = ask(&app, TestRequest::get().uri("/token")).await.cookie();
    ask(&app, TestRequest::post().uri(path).insert_header((COOKIE, cookie))).await
}

#[actix_web::test]
async fn s58_an_exemption_is_of_a_route_however_its_path_is_spelled() {
    let exempt = || CsrfLayer::new().exempt("/hooks/{provider}");
    assert_eq!(post(exempt(), "/hooks/pay").await.text(), "hook");
    assert_eq!(post(exempt(), "/hooks/p%61y").await.text(), "hook");
    // The router decodes a path before it compares: these are for `admin`.
    for path in
        ["/hooks/admin", "/hooks/%61dmin", "/hooks/admi%6E", "/shop/hooks/pay", "/hooks/a/b"]
    {
        let reply = post(exempt(), path).await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.text());
    }
    let scoped = CsrfLayer::new().exempt("/shop/hooks/{provider}");
    assert_eq!(post(scoped, "/shop/hooks/pay").await.text(), "shop");
}

#[actix_web::test]
async fn s55_a_stream_is_searched_and_reaches_the_handler_byte_for_byte() {
    async fn body(body: Bytes) -> Bytes {
        body
    }
    let app = site(CsrfLayer::new(), |routes| {
        routes.route("/token", web::get().to(token)).route("/", web::post().to(body));
    })
    .await;
    let page = ask(&app, TestRequest::get().uri("/token")).await;
    for length in [0, 1, 70_000, 200_000] {
        let form = format!("a=1&csrf_token={}&rest={}", page.text(), "x".repeat(length));
        let request = TestRequest::post()
            .insert_header((COOKIE, page.cookie()))
            .insert_header((CONTENT_TYPE, "application/x-www-form-urlencoded"))
            .set_payload(form.clone());
        let reply = ask(&app, request).await;
        assert!(reply.status == 200 && reply.body == form.as_bytes(), "{length}: {}", reply.status);
    }
}

#[actix_web::test]
async fn s45_a_refusal_names_its_rule_and_is_not_stored_by_caches() {
    let app = site(CsrfLayer::new(), hooks).await;
    let foreign = TestRequest::post()
        .uri("/hooks/pay")
        .insert_header(("sec-fetch-site", "cross-site"))
        .to_request();
    let response = actix_web::test::call_service(&app, foreign).await;
    assert_eq!(response.status().as_u16(), 403);
    let refused = response.response().extensions().get::<CsrfError>().copied();
    assert_eq!(refused.unwrap().rule().as_str(), "fetch_site");
    let reply = Reply::of(response).await;
    assert_eq!(reply.headers.get("cache-control").unwrap(), "no-store");
    let vary: Vec<_> = reply.headers.get_all("vary").collect();
    assert_eq!(vary, ["Cookie", "Origin, Sec-Fetch-Site"]);
}

#[actix_web::test]
async fn s50_without_sessions_the_token_has_a_cookie_of_its_own() {
    async fn form(csrf: Csrf) -> Result<String, Error> {
        Ok(csrf.token()?.plain().to_owned())
    }
    let keeper = DoubleSubmit::new(cloakroom::Secret::generate().unwrap()).unwrap();
    let app = init_service(
        App::new()
            .route("/", web::get().to(form))
            .route("/", web::post().to(|| async { "done" }))
            .wrap(CsrfLayer::new().without_sessions(keeper)),
    )
    .await;
    let page = ask(&app, TestRequest::get()).await;
    assert!(page.cookie().starts_with("__Host-csrf="), "{}", page.cookie());
    let post = || TestRequest::post().insert_header((COOKIE, page.cookie()));
    assert_eq!(ask(&app, post()).await.status, 400);
    let reply = ask(&app, post().insert_header(("x-csrf-token", page.text()))).await;
    assert_eq!((reply.status, reply.text()), (200, "done"));
    assert!(!reply.headers.contains_key(SET_COOKIE));
}
