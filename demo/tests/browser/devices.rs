//! Signing in and out, on one device and on others.

use cloakroom::time::{Clock, SystemClock};

use super::site::Site;
use super::window::Window;

const DAY: i64 = 24 * 60 * 60;
const FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0";

async fn sign_in(window: &Window, name: &str) {
    window.go("/sign-in").await;
    window.fill("#sign-in", &[("name", name)]).await;
}

async fn is_signed_in(window: &Window) -> bool {
    window.go("/").await;
    window.text("#who").await != "Sign in"
}

#[tokio::test]
async fn every_page_says_who_is_signed_in_until_they_sign_out() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/walk-through").await;
    let before = window.cookies().await[0].value().to_owned();
    assert_eq!(window.text("#who").await, "Sign in");

    sign_in(&window, "  Ada <b>").await;
    assert_eq!(window.texts(".messages li").await, ["Signed in as Ada <b>"]);
    for page in [
        "/",
        "/walk-through",
        "/values",
        "/flash",
        "/cookie",
        "/full",
        "/race",
        "/csrf",
        "/devices",
    ] {
        window.go(page).await;
        assert_eq!(window.text("#who").await, "Ada <b>", "{page}");
    }
    assert_ne!(window.cookies().await[0].value(), before, "the ticket was renewed");
    window.go("/walk-through").await;
    assert_eq!(window.text("#answer").await, "Fred was in the session", "what it held stays");

    window.click("#sign-out").await;
    assert_eq!(window.texts(".messages li").await, ["Signed out"]);
    assert_eq!(window.text("#who").await, "Sign in");
    window.go("/walk-through").await;
    assert_eq!(window.text("#answer").await, "Fred was not in the session", "it is another one");
    window.close().await;
}

#[tokio::test]
async fn the_next_to_sign_in_finds_nothing_of_the_one_before() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    sign_in(&window, " ").await;
    assert_eq!(window.path().await, "/sign-in", "nobody has no name");
    sign_in(&window, "Ada").await;
    window.go("/walk-through").await;
    sign_in(&window, "Bob").await;
    assert_eq!(window.text("#who").await, "Bob");
    window.go("/walk-through").await;
    assert_eq!(window.text("#answer").await, "Fred was not in the session");
    window.close().await;
}

#[tokio::test]
async fn a_device_that_is_signed_out_from_another_is_anonymous_at_its_next_page() {
    let site = Site::start().await;
    let (here, there) = (Window::open(&site).await, Window::open_as(&site, Some(FIREFOX)).await);
    let bystander = Window::open(&site).await;
    sign_in(&bystander, "Bob").await;
    sign_in(&there, "ADA").await;
    sign_in(&here, "Ada").await;
    assert_eq!(here.texts(".devices strong").await, ["Chrome on Linux", "Firefox on Windows"]);
    assert_eq!(here.texts(".this strong").await, ["Chrome on Linux"]);
    here.picture("devices-two").await;

    here.click(".devices li:not(.this) button").await;
    assert_eq!(here.texts(".messages li").await, ["Signed out there"]);
    assert_eq!(here.texts(".devices strong").await, ["Chrome on Linux"]);
    assert!(!is_signed_in(&there).await);
    there.go("/devices").await;
    assert!(there.text("#nobody").await.contains("Nobody is signed in here"));
    assert!(is_signed_in(&here).await && is_signed_in(&bystander).await);
    for window in [here, there, bystander] {
        window.close().await;
    }
}

#[tokio::test]
async fn signing_out_everywhere_else_leaves_this_device_and_other_people() {
    let site = Site::start().await;
    let (here, there) = (Window::open(&site).await, Window::open(&site).await);
    let bystander = Window::open(&site).await;
    for (window, name) in [(&bystander, "Bob"), (&there, "Ada"), (&here, "Ada")] {
        sign_in(window, name).await;
    }
    here.click("#others").await;
    assert_eq!(here.texts(".messages li").await, ["Signed out on one other device"]);
    assert_eq!(here.texts(".devices strong").await.len(), 1);
    assert!(!is_signed_in(&there).await);
    assert!(is_signed_in(&here).await && is_signed_in(&bystander).await);
    for window in [here, there, bystander] {
        window.close().await;
    }
}

#[tokio::test]
async fn who_is_remembered_has_a_cookie_that_outlives_the_browser() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    sign_in(&window, "Ada").await;
    assert_eq!(window.cookies().await[0].expires_datetime(), None);

    window.go("/sign-in").await;
    window.tick("[name=remember]").await;
    window.fill("#sign-in", &[("name", "Ada")]).await;
    let expires = window.cookies().await[0].expires_datetime().unwrap().unix_timestamp();
    let left = expires - SystemClock.now().as_secs();
    // As long as the session can live at most; its record ends after 30 days without a visit.
    assert!((89 * DAY..=90 * DAY).contains(&left), "{left} s");
    window.go("/cookie").await;
    assert_eq!(window.text("#forgotten").await, "when the session ends");
    window.close().await;
}

#[tokio::test]
async fn who_is_signed_in_stays_so_when_the_server_starts_again() {
    let mut site = Site::start().await;
    let window = Window::open(&site).await;
    sign_in(&window, "Ada").await;
    assert!(site.stop().await.success(), "SIGTERM did not end it cleanly");
    site.start_again().await;
    window.go("/devices").await;
    assert_eq!(window.text("#who").await, "Ada");
    assert_eq!(window.texts(".this strong").await, ["Chrome on Linux"]);
    window.close().await;
}
