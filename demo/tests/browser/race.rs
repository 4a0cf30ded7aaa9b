//! Requests that race, and a database that cannot be written.

use rusqlite::Connection;

use super::site::Site;
use super::window::Window;

async fn number(window: &Window, css: &str) -> usize {
    window.text(css).await.parse().unwrap()
}

#[tokio::test]
async fn modify_keeps_what_get_then_insert_loses() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/race").await;
    window.click("#race").await;
    assert_eq!(number(&window, "#modified").await, 20, "nothing is lost");

    assert!(number(&window, "#inserted").await < 20, "the requests did not race");
    let overwritten = number(&window, "#overwritten").await;
    assert!((1..20).contains(&overwritten), "{overwritten} overwrites noticed");

    let refused = number(&window, "#refused").await;
    assert!(refused > 0, "the requests did not race");
    assert_eq!(number(&window, "#strict").await + refused, 20, "kept or refused, never lost");
    window.close().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_a_readable_page_and_nothing_is_lost() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/").await;
    let database = Connection::open(site.database()).unwrap();

    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    window.go("/").await;
    assert_eq!(window.text("h1").await, "This session was not kept");
    assert!(window.text("#detail").await.contains("locked by another program"));
    assert!(window.text("#advice").await.starts_with("Try again"));
    database.execute_batch("ROLLBACK").unwrap();

    database.execute_batch("ALTER TABLE sessions RENAME TO elsewhere").unwrap();
    window.go("/").await;
    assert_eq!(window.text("h1").await, "That did not work");
    assert!(window.text("#detail").await.starts_with("the session could not be opened"));
    assert!(window.text("#advice").await.starts_with("Try again"));
    window.picture("unavailable").await;
    database.execute_batch("ALTER TABLE elsewhere RENAME TO sessions").unwrap();

    window.go("/").await;
    assert_eq!(window.text("#visits").await, "2", "neither kept nor forgotten");
    window.close().await;
}
