//! The demo in a real browser: what a visitor sees, step by step.
//!
//! On SQLite, where a test does not say otherwise. Needs `chromium` and `chromedriver`. With `CLOAKROOM_SCREENSHOTS=FOLDER` a picture of each page is kept there.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod browser {
    mod attacker;
    mod csrf;
    mod devices;
    mod race;
    pub mod site;
    pub mod window;
}

use browser::site::Site;
use browser::window::Window;

#[tokio::test]
async fn the_walk_through_finds_fred_at_the_second_visit() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/walk-through").await;
    assert_eq!(window.text("#answer").await, "Fred was not in the session");
    window.go("/walk-through").await;
    assert_eq!(window.text("#answer").await, "Fred was in the session");
    window.close().await;
}

#[tokio::test]
async fn a_flash_message_is_shown_once_after_the_redirect() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/flash").await;
    window.fill("#push", &[("message", "Saved <b>&</b> sound")]).await;
    assert_eq!(window.path().await, "/flash");
    assert_eq!(window.texts(".messages li").await, ["Saved <b>&</b> sound"]);
    window.go("/flash").await;
    assert!(window.texts(".messages li").await.is_empty());

    window.fill("#push", &[("message", "late"), ("queue", "errors")]).await;
    window.fill("#push", &[("message", "late"), ("queue", "errors")]).await;
    assert_eq!(window.texts(".queues ol li").await, ["late", "late"]);
    window.click(".queues button").await;
    assert_eq!(window.texts("#shown li").await, ["late", "late"]);
    assert_eq!(window.text("#waiting").await, "No queue holds anything.");
    window.close().await;
}

#[tokio::test]
async fn the_counter_outlives_a_restart_of_the_server() {
    for factory in ["sqlite", "signed-cookie"] {
        let mut site = Site::start_with(factory).await;
        let window = Window::open(&site).await;
        for visits in ["1", "2"] {
            window.go("/").await;
            assert_eq!(window.text("#visits").await, visits);
        }
        assert!(site.stop().await.success(), "SIGTERM did not end it cleanly");
        site.start_again().await;
        window.go("/").await;
        assert_eq!(window.text("#visits").await, "3");
        window.close().await;
    }
}

#[tokio::test]
async fn a_full_signed_cookie_is_refused_with_a_readable_page_and_the_session_stays() {
    let site = Site::start_with("signed-cookie").await;
    let window = Window::open(&site).await;
    window.go("/walk-through").await;
    window.go("/full").await;
    window.click("#fill").await;
    assert_eq!(window.text("h1").await, "This session was not kept");
    let detail = window.text("#detail").await;
    assert!(detail.contains("for a cookie of at most 4,064"), "{detail}");
    assert!(detail.contains("Largest: \"a long story\" 5,002 bytes, \"abc\" 5 bytes."), "{detail}");
    window.picture("refused").await;
    window.go("/values").await;
    assert_eq!(window.texts("td:first-child").await, ["abc"]);
    window.close().await;
}

#[tokio::test]
async fn what_is_too_much_for_a_cookie_fits_on_the_server() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/walk-through").await;
    window.go("/full").await;
    window.click("#fill").await;
    assert_eq!(window.texts("td:first-child").await, ["abc", "a long story"]);
    assert_eq!(window.cookies().await[0].value().len(), 64);
    window.close().await;
}

#[tokio::test]
async fn values_are_set_replaced_and_deleted() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/values").await;
    window.fill("#set", &[("key", "colour"), ("value", "blue & <green>")]).await;
    assert_eq!(window.texts(".messages li").await, ["Set “colour”"]);
    window.fill("#set", &[("key", "colour"), ("value", "[1, 2]")]).await;
    assert_eq!(window.texts(".messages li").await, ["Replaced “colour”"]);
    assert_eq!(window.texts("td code").await, ["colour", "[1, 2]"]);
    window.click("[aria-label='Delete colour']").await;
    assert_eq!(window.texts(".messages li").await, ["Deleted “colour”"]);
    window.fill("#set", &[("key", "a"), ("value", "1")]).await;
    assert!(!window.cookies().await.is_empty());
    window.click("#invalidate").await;
    assert!(window.texts("td code").await.is_empty());
    assert!(window.cookies().await.is_empty(), "S14: the browser's jar is empty");
    window.close().await;
}

#[tokio::test]
async fn the_page_of_a_signed_cookie_shows_what_anyone_can_read() {
    let site = Site::start_with("signed-cookie").await;
    let window = Window::open(&site).await;
    window.go("/cookie").await;
    assert!(window.text("#none").await.contains("no cookie yet"));
    window.go("/walk-through").await;
    window.go("/cookie").await;
    assert!(window.text("#decoded").await.contains("\"abc\": \"123\""));
    let cookies = window.cookies().await;
    assert_eq!(window.text("#text").await, cookies[0].value());
    assert_eq!((cookies[0].http_only(), cookies[0].same_site().is_some()), (Some(true), true));
    assert!(window.texts("#who").await.is_empty(), "nobody can sign in");
    window.close().await;
}

#[tokio::test]
async fn the_page_of_a_ticket_shows_that_the_browser_has_nothing_else() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/cookie").await;
    assert!(window.text("#none").await.contains("no cookie yet"));
    window.go("/walk-through").await;
    window.go("/cookie").await;
    let cookies = window.cookies().await;
    assert_eq!((cookies.len(), cookies[0].value().len()), (1, 64));
    assert_eq!(window.text("#text").await, cookies[0].value());
    assert_eq!((cookies[0].http_only(), cookies[0].same_site().is_some()), (Some(true), true));
    assert_eq!(window.text("#id").await.len(), 32);
    assert_eq!(window.text("#keys").await, "abc");
    window.close().await;
}

#[tokio::test]
async fn every_page_fits_a_phone_and_a_desk() {
    let always = ["/", "/walk-through", "/values", "/flash", "/cookie", "/full", "/race", "/csrf"];
    for (factory, others) in [("sqlite", &["/sign-in", "/devices"][..]), ("signed-cookie", &[])] {
        let site = Site::start_with(factory).await;
        let window = Window::open(&site).await;
        fill_with_long_texts(&window, factory).await;
        for (width, height) in [(360, 740), (1200, 800)] {
            window.resize(width, height).await;
            for page in always.iter().chain(others) {
                window.go(page).await;
                if *page == "/flash" {
                    window.fill("#push", &[("message", "3 left"), ("queue", "notices")]).await;
                    window.fill("#push", &[("message", &long_text())]).await;
                }
                let [inner, content] = window.widths().await;
                assert!(content <= inner, "{page} is {content} wide in a window of {inner}");
                let name = page.trim_matches('/');
                window.picture(&format!("{name}-{width}-{factory}")).await;
            }
        }
        window.close().await;
    }
}

fn long_text() -> String {
    "a-long-value-without-any-space-".repeat(6)
}

/// What is shown on pages that would otherwise be empty.
async fn fill_with_long_texts(window: &Window, factory: &str) {
    window.go("/values").await;
    let long = long_text();
    window.fill("#set", &[("key", "an-even-longer-key-without-any-space"), ("value", &long)]).await;
    window.go("/race").await;
    window.click("#race").await;
    if factory == "sqlite" {
        window.go("/sign-in").await;
        window.fill("#sign-in", &[("name", &"Wilhelmina".repeat(4))]).await;
    }
}
