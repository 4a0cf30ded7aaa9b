//! What Pyramid's own tests of its CSRF checks ask for, by their numbers: C of its unit tests, V of its guarded views.
//!
//! Where cloakroom is stricter, the test says so and why.

use cloakroom::csrf::{Csrf, Lookup};
use cloakroom::{CsrfLayer, Session};
use http::{HeaderMap, Method, Request, Uri};

use crate::shop::{Reply, Shop, post, post_form, with};

fn headers(name: &'static str, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    headers
}

fn session() -> (Session, String) {
    let session = Session::detached();
    let token = session.csrf_token().unwrap().plain().to_owned();
    (session, token)
}

mod tokens {
    use super::*;

    #[test]
    fn r73_c1_c5_c10_every_keeper_of_tokens_has_the_same_face() {
        fn face(csrf: &Csrf) -> [String; 3] {
            let first = csrf.token().unwrap().plain().to_owned();
            assert!(csrf.is_token(&first));
            [csrf.token(), csrf.new_token(), csrf.token()].map(|it| it.unwrap().plain().to_owned())
        }
        let [same, new, again] = face(&Csrf::from(&Session::detached()));
        assert!(same != new && new == again);
    }

    #[test]
    fn r39_r41_c2_c7_the_stored_token_is_given_until_a_new_one_is_made() {
        let (session, token) = session();
        assert_eq!(session.csrf_token().unwrap().plain(), token);
        let new = session.new_csrf_token().unwrap();
        assert_ne!(new.plain(), token);
        assert_eq!(session.csrf_token().unwrap().plain(), new.plain());
    }

    #[test]
    fn r44_c3_c8_equal_passes_and_different_fails() {
        let (session, token) = session();
        assert!(session.is_csrf_token(&token));
        assert!(!session.is_csrf_token("foo"));
    }

    #[test]
    fn r77_c4_c9_c17_what_is_not_latin_is_just_wrong() {
        let (session, _) = session();
        assert!(!session.is_csrf_token("😀"));
        assert!(cloakroom::csrf::check(&session, &headers("x-csrf-token", "ü😀"), None).is_err());
    }

    #[test]
    fn r48_c6_a_check_makes_no_token_where_there_is_none() {
        // Pyramid makes one: a refusal here is to leave no trace (S59).
        let session = Session::detached();
        assert!(!session.is_csrf_token("") && !session.is_csrf_token("foo"));
        assert!(session.is_empty());
        session.csrf_token().unwrap();
        assert!(session.contains_key("_csrft_"));
    }

    #[test]
    fn r74_c18_c19_c20_c21_the_session_is_asked_unless_there_is_another_keeper() {
        let (session, token) = session();
        assert_eq!(Csrf::from(&session).token().unwrap().plain(), token);
        let new = Csrf::from(&session).new_token().unwrap();
        assert_eq!(session.csrf_token().unwrap().plain(), new.plain());
    }
}

mod check {
    use super::*;

    fn is_valid(
        lookup: &Lookup,
        session: &Session,
        headers: &HeaderMap,
        form: Option<&str>,
    ) -> bool {
        lookup.is_valid(session, &Uri::default(), headers, form)
    }

    #[test]
    fn r79_c22_c23_field_and_header_have_the_names_that_they_are_given() {
        let (session, token) = session();
        let lookup = Lookup::default().header("X-Foo").unwrap().field("foo");
        assert!(is_valid(&lookup, &session, &HeaderMap::new(), Some(&token)));
        assert!(is_valid(&lookup, &session, &headers("x-foo", &token), None));
        assert!(!is_valid(&lookup, &session, &headers("x-csrf-token", &token), None));
    }

    #[test]
    fn r44_c24_c25_c28_the_default_field_and_header_pass() {
        let (session, token) = session();
        let lookup = Lookup::default();
        assert!(is_valid(&lookup, &session, &HeaderMap::new(), Some(&token)));
        assert!(is_valid(&lookup, &session, &headers("x-csrf-token", &token), None));
    }

    #[test]
    fn r45_c26_c29_a_miss_is_an_error_of_status_400() {
        let (session, _) = session();
        for form in [None, Some("junk")] {
            let error = cloakroom::csrf::check(&session, &HeaderMap::new(), form).unwrap_err();
            assert_eq!((error.status().as_u16(), error.kind()), (400, "csrf"));
        }
    }

    #[test]
    fn r46_c27_c30_or_an_answer() {
        let (session, token) = session();
        assert!(!cloakroom::csrf::is_valid(&session, &HeaderMap::new(), None));
        assert!(cloakroom::csrf::is_valid(&session, &HeaderMap::new(), Some(&token)));
    }

    #[test]
    fn r78_an_empty_header_is_none_a_wrong_one_decides_and_both_can_be_left_out() {
        let (session, token) = session();
        let form = Some(token.as_str());
        let lookup = Lookup::default();
        assert!(is_valid(&lookup, &session, &headers("x-csrf-token", ""), form));
        assert!(!is_valid(&lookup, &session, &headers("x-csrf-token", "junk"), form));
        let headed = headers("x-csrf-token", &token);
        assert!(!is_valid(&lookup.clone().no_header(), &session, &headed, None));
        assert!(is_valid(&lookup.no_header(), &session, &headed, form));
    }

    #[test]
    fn r47_by_the_chapter_the_query_comes_first_and_the_first_that_is_there_decides() {
        let (session, token) = session();
        let lookup = Lookup::parameter_then_header();
        let good = headers("x-csrf-token", &token);
        let in_query = |value: &str| Uri::try_from(format!("/?a=b&csrf_token={value}")).unwrap();
        for (uri, headers, form, passes) in [
            (in_query(&token), &HeaderMap::new(), Some("junk"), true),
            (in_query("junk"), &good, Some(token.as_str()), false),
            (in_query(""), &good, None, false),
            (Uri::default(), &good, Some("junk"), false),
            (Uri::default(), &good, Some(""), false),
            (Uri::default(), &good, None, true),
            (Uri::default(), &HeaderMap::new(), Some(token.as_str()), true),
        ] {
            assert_eq!(lookup.is_valid(&session, &uri, headers, form), passes, "{uri} {form:?}");
        }
    }
}

mod origin {
    use super::*;

    /// What a guard of `https://example.com` says to a request with a good token and these headers.
    async fn judge(layer: CsrfLayer, headers: &[(&'static str, &str)]) -> Reply {
        let shop = Shop::new(layer);
        let (cookie, token) = shop.enter().await;
        let request = with(with(post("/buy"), "cookie", &cookie), "x-csrf-token", &token);
        shop.send(headers.iter().fold(request, |it, (name, value)| with(it, name, value))).await
    }

    fn site(origin: &str) -> CsrfLayer {
        CsrfLayer::new().site(origin).unwrap()
    }

    #[tokio::test]
    async fn r81_c31_a_site_over_http_is_checked_too() {
        // Pyramid does not check one at all.
        assert!(
            judge(site("http://example.com"), &[("origin", "http://example.com")]).await.is_sold()
        );
        let reply = judge(site("http://example.com"), &[("origin", "http://evil.example")]).await;
        assert_eq!(reply.rule(), Some("origin"));
    }

    #[tokio::test]
    async fn r81_c32_the_own_referer_passes() {
        let own = [("referer", "https://example.com/login/")];
        assert!(judge(site("https://example.com"), &own).await.is_sold());
    }

    #[tokio::test]
    async fn r81_c33_the_own_origin_wins_over_a_foreign_referer() {
        let both = [("origin", "https://example.com"), ("referer", "https://not-example.com/")];
        assert!(judge(site("https://example.com"), &both).await.is_sold());
    }

    #[tokio::test]
    async fn r81_c34_a_trusted_origin_passes() {
        let layer = site("https://example.com").trust_origin("https://not-example.com").unwrap();
        assert!(judge(layer, &[("origin", "https://not-example.com")]).await.is_sold());
    }

    #[tokio::test]
    async fn r81_c35_c43_the_port_counts() {
        let referer = [("referer", "https://example.com:8080/login/")];
        assert!(judge(site("https://example.com:8080"), &referer).await.is_sold());
        assert_eq!(judge(site("https://example.com"), &referer).await.rule(), Some("referer"));
    }

    #[tokio::test]
    async fn r81_c36_c38_nothing_that_says_where_it_comes_from_is_refused_if_so_told() {
        assert!(judge(site("https://example.com"), &[]).await.is_sold());
        let reply = judge(site("https://example.com").require_origin(), &[]).await;
        assert_eq!((reply.status(), reply.rule()), (403, Some("no_origin")));
    }

    #[tokio::test]
    async fn r81_r82_c37_a_foreign_host_fails_and_says_so() {
        let reply =
            judge(site("https://example.com"), &[("origin", "https://not-example.com")]).await;
        assert_eq!((reply.status(), reply.rule()), (403, Some("origin")));
        assert!(String::from_utf8(reply.body).unwrap().contains("sent from another site"));
    }

    #[tokio::test]
    async fn r81_c39_c40_null_is_nobody_unless_it_is_trusted_by_name() {
        let null = [("origin", "null")];
        assert_eq!(judge(site("https://example.com"), &null).await.rule(), Some("origin"));
        let trusting = site("https://example.com").insecure_trust_null_origin();
        assert!(judge(trusting, &null).await.is_sold());
    }

    #[tokio::test]
    async fn r81_c41_several_origins_are_none() {
        // Pyramid takes the last one; no browser sends several.
        let several = [("origin", "https://google.com https://example.com")];
        assert_eq!(judge(site("https://example.com"), &several).await.rule(), Some("origin"));
    }

    #[tokio::test]
    async fn r81_c42_a_referer_over_http_fails_on_https() {
        let referer = [("referer", "http://example.com/evil/")];
        assert_eq!(judge(site("https://example.com"), &referer).await.rule(), Some("referer"));
    }

    #[tokio::test]
    async fn r81_an_empty_origin_is_one_and_does_not_give_way_to_the_referer() {
        let headers = [("origin", ""), ("referer", "https://example.com/")];
        assert_eq!(judge(site("https://example.com"), &headers).await.rule(), Some("origin"));
    }
}

mod views {
    use super::*;

    async fn judge(layer: CsrfLayer, request: Request<axum::body::Body>, token: bool) -> Reply {
        let shop = Shop::new(layer);
        let (cookie, good) = shop.enter().await;
        let request = with(request, "cookie", &cookie);
        let request = if token { with(request, "x-csrf-token", &good) } else { request };
        shop.send(request).await
    }

    fn request(method: Method) -> Request<axum::body::Body> {
        Request::builder().method(method).uri("/buy").body(axum::body::Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn v1_a_get_is_never_checked() {
        assert!(judge(CsrfLayer::new(), request(Method::GET), false).await.is_sold());
    }

    #[tokio::test]
    async fn r79_v2_v3_v9_v12_the_header_decides_on_post_and_put() {
        for method in [Method::POST, Method::PUT] {
            let bad = with(request(method.clone()), "x-csrf-token", "foo");
            assert_eq!(judge(CsrfLayer::new(), bad, false).await.rule(), Some("token_wrong"));
            assert!(judge(CsrfLayer::new(), request(method), true).await.is_sold());
        }
    }

    #[tokio::test]
    async fn r78_v4_v5_the_body_decides_where_there_is_no_header() {
        let shop = Shop::new(CsrfLayer::new());
        let (cookie, token) = shop.enter().await;
        for (token, is_sold) in [("foo", false), (token.as_str(), true)] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let mut form = post_form("/buy", &format!("csrf_token={token}"));
                *form.method_mut() = method;
                let reply = shop.send(with(form, "cookie", &cookie)).await;
                assert_eq!(reply.is_sold(), is_sold);
            }
        }
    }

    #[tokio::test]
    async fn r80_v6_v10_v11_the_origin_is_checked_before_the_token() {
        let site = || CsrfLayer::new().site("https://example.com").unwrap();
        let own = with(request(Method::POST), "referer", "https://example.com/login/");
        assert!(judge(site(), own, true).await.is_sold());
        for (name, value, rule) in [
            ("referer", "https://not-example.com/", "referer"),
            ("origin", "https://not-example.com", "origin"),
        ] {
            for token in [true, false] {
                let foreign = with(request(Method::POST), name, value);
                assert_eq!(judge(site(), foreign, token).await.rule(), Some(rule));
            }
        }
    }

    #[tokio::test]
    async fn r79_v7_v8_the_origin_need_not_be_checked() {
        let foreign = || with(request(Method::POST), "origin", "https://not-example.com");
        let layer = || CsrfLayer::new().insecure_skip_origin_check();
        assert!(judge(layer(), foreign(), true).await.is_sold());
        assert_eq!(judge(layer(), foreign(), false).await.rule(), Some("token_missing"));
        assert!(judge(CsrfLayer::new(), request(Method::POST), true).await.is_sold());
    }

    #[tokio::test]
    async fn r79_v13_v14_a_condition_says_which_requests_are_guarded() {
        for is_guarded in [true, false] {
            let layer = CsrfLayer::new().only_if(move |_| is_guarded);
            let reply = judge(layer, request(Method::POST), false).await;
            assert_eq!(reply.is_sold(), !is_guarded);
        }
    }

    #[tokio::test]
    async fn r79_v15_v16_names_can_be_one_s_own() {
        let lookup = || Lookup::default().header("X-Foo").unwrap().field("DUMMY");
        let shop = Shop::new(CsrfLayer::new().lookup(lookup()));
        let (cookie, token) = shop.enter().await;
        let field = post_form("/buy", &format!("DUMMY={token}"));
        assert!(shop.send(with(field, "cookie", &cookie)).await.is_sold());
        let header = with(request(Method::POST), "x-foo", &token);
        assert!(shop.send(with(header, "cookie", &cookie)).await.is_sold());
    }

    #[tokio::test]
    async fn s57_r79_v17_the_safe_methods_can_be_one_s_own() {
        let layer = || CsrfLayer::new().insecure_safe_methods([Method::PUT]);
        assert!(judge(layer(), request(Method::PUT), false).await.is_sold());
        for method in [Method::GET, Method::POST] {
            assert!(!judge(layer(), request(method), false).await.is_sold());
        }
        // TRACE is safe to Pyramid, and not here.
        assert!(!judge(CsrfLayer::new(), request(Method::TRACE), false).await.is_sold());
    }

    #[tokio::test]
    async fn v18_v19_a_route_can_be_left_out() {
        let layer = CsrfLayer::new().exempt("/buy");
        assert!(judge(layer, request(Method::POST), false).await.is_sold());
    }

    #[tokio::test]
    async fn v20_v21_an_error_page_of_one_s_own_is_not_guarded_again() {
        // The page that tells of a refusal is made by the guard itself, for any method.
        let page = |error: &cloakroom::Error| -> axum::response::Response {
            axum::response::IntoResponse::into_response((error.status(), "refused"))
        };
        let layer = CsrfLayer::new().on_error(page);
        let sessions =
            cloakroom::StoredFactory::new("shop", cloakroom::store::MemoryStore::default());
        let app = crate::shop::routes().layer(layer).layer(cloakroom::SessionLayer::new(sessions));
        let reply = crate::shop::ask(&app, with(post("/buy"), "cookie", "a=b")).await;
        assert_eq!((reply.status(), reply.body), (400, b"refused".to_vec()));
    }
}

mod companions {
    use super::*;

    #[tokio::test]
    async fn r79_what_is_said_later_holds() {
        let first = Lookup::default().field("first");
        let layer = CsrfLayer::new().lookup(first).lookup(Lookup::default().field("second"));
        let shop = Shop::new(layer);
        let (cookie, token) = shop.enter().await;
        for (field, is_sold) in [("first", false), ("second", true)] {
            let form = post_form("/buy", &format!("{field}={token}"));
            assert_eq!(shop.send(with(form, "cookie", &cookie)).await.is_sold(), is_sold);
        }
    }

    #[tokio::test]
    async fn r79_any_number_of_origins_can_be_trusted() {
        let origins = ["https://a.example", "https://b.example"];
        let layer = origins.into_iter().try_fold(CsrfLayer::new(), |it, one| it.trust_origin(one));
        let shop = Shop::new(layer.unwrap());
        let (cookie, token) = shop.enter().await;
        for (origin, is_sold) in
            [(origins[0], true), (origins[1], true), ("https://c.example", false)]
        {
            let request = with(with(post("/buy"), "origin", origin), "cookie", &cookie);
            let reply = shop.send(with(request, "x-csrf-token", &token)).await;
            assert_eq!(reply.is_sold(), is_sold, "{origin}");
        }
    }

    #[tokio::test]
    async fn r49_the_predicate_takes_a_field_of_its_own_or_the_header() {
        use axum::routing::{get, post};
        let own = CsrfLayer::predicate().lookup(Lookup::default().field("proof"));
        let token = get(async |session: Session| session.csrf_token().map(|it| it.to_string()));
        let routes = axum::Router::new()
            .route("/token", token)
            .route("/buy", post(async || "sold").layer(own));
        let shop = Shop::open(routes, CsrfLayer::new().only_if(|_| false), |it| it);
        let (cookie, token) = shop.enter().await;
        let header = with(crate::shop::post("/buy"), "x-csrf-token", &token);
        for (request, status) in [
            (post_form("/buy", &format!("proof={token}")), 200),
            (header, 200),
            (post_form("/buy", &format!("csrf_token={token}")), 404),
            (crate::shop::post("/buy"), 404),
        ] {
            assert_eq!(shop.send(with(request, "cookie", &cookie)).await.status(), status);
        }
    }

    #[test]
    fn r86_a_session_for_tests_has_a_token_too() {
        let session = Session::detached();
        let made = session.csrf_token().unwrap();
        assert_eq!(session.csrf_token().unwrap().plain(), made.plain());
        assert_ne!(session.new_csrf_token().unwrap().plain(), made.plain());
    }
}
