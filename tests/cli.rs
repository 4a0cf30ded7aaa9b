//! The program `cloakroom`, as an operator runs it.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cloakroom::store::{AnyStore, Record, Store, StoreKey};
use cloakroom::{Secret, Session, SessionLayer, StoredFactory, Timestamp};
use cloakroom_engines::Redis;
use http::{Request, Response};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

/// Runs it, and gives what it said, and its status.
fn run(words: &[&str]) -> (String, String, i32) {
    said(program(words).output().unwrap())
}

fn program(words: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
    program.args(words).env_remove("CLOAKROOM_STORE").env_remove("CLOAKROOM_SECRET");
    program.stdin(Stdio::null());
    program
}

fn said(output: Output) -> (String, String, i32) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Begins a session of this owner, and gives its id and its ticket.
async fn begin(url: &str, owner: &str) -> (String, String) {
    let store = AnyStore::open(url).await.unwrap();
    let sessions = StoredFactory::builder(store).absolute_limit(None).insecure_plain_http();
    let service = SessionLayer::new(sessions.build().unwrap()).layer(service_fn(
        async |request: Request<()>| {
            let session = Session::of(&request).await?;
            session.set_owner(owner)?;
            session.insert("colour", "a value of the session")?;
            Ok::<_, cloakroom::Error>(Response::new(String::new()))
        },
    ));
    let response = service.oneshot(Request::new(())).await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    let ticket = cookie.split([';', '=']).nth(1).unwrap().to_owned();
    (StoredFactory::<AnyStore>::id_in_cookie(&ticket).unwrap(), ticket)
}

fn sqlite() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("sessions.db").display());
    (folder, url)
}

#[tokio::test]
async fn sessions_are_listed_shown_counted_and_revoked() {
    let (_folder, file) = sqlite();
    let redis = Redis::start().unwrap();
    for url in [file, redis.url()] {
        let mut ids = Vec::new();
        for owner in ["ada", "ada", "bob"] {
            ids.push(begin(&url, owner).await.0);
        }
        let ask =
            |words: &[&str]| run(&[&["sessions"], words, &["--store", &url, "--json"]].concat());
        let (out, _, status) = ask(&["list"]);
        assert_eq!((lines(&out).len(), status), (3, 0), "{out}");
        assert!(!out.contains("a value of the session"), "a list shows no values");
        let (out, ..) = ask(&["list", "--owner", "ada"]);
        let listed = lines(&out);
        assert!(listed.len() == 2 && listed.iter().all(|it| it["owner"] == "ada"), "{out}");
        let (out, ..) = ask(&["show", &ids[2]]);
        assert_eq!(lines(&out)[0]["values"], json!({"colour": "a value of the session"}));
        assert_eq!(lines(&ask(&["count"]).0), [json!({"count": 3})]);
        assert_eq!(lines(&ask(&["count", "--owner", "bob"]).0), [json!({"count": 1})]);
        assert_eq!(lines(&ask(&["revoke", "--owner", "ada"]).0), [json!({"revoked": 2})]);
        assert_eq!(lines(&ask(&["revoke", "--id", &ids[2]]).0), [json!({"revoked": 1})]);
        let (out, error, status) = ask(&["show", &ids[2]]);
        assert!(out.is_empty() && error.contains("no live session") && status == 1, "{error}");
        assert_eq!(ask(&["revoke", "--id", &ids[2]]).2, 1);
        for owner in ["ada", "bob"] {
            begin(&url, owner).await;
        }
        assert_eq!(lines(&ask(&["revoke", "--everybody"]).0), [json!({"revoked": 2})]);
        assert_eq!(lines(&ask(&["count"]).0), [json!({"count": 0})]);
    }
}

#[tokio::test]
async fn what_has_expired_is_swept_and_not_listed() {
    let (_folder, url) = sqlite();
    begin(&url, "ada").await;
    let store = AnyStore::open(&url).await.unwrap();
    for number in 0..250_u8 {
        let expired = Record::new(&b""[..], Timestamp::from_secs(1), None);
        let _ = store.create(&StoreKey::from_bytes([number; 16]), &expired).await.unwrap();
    }
    let (out, error, status) = run(&["sessions", "sweep", "--store", &url]);
    assert_eq!((&*out, status), ("250\n", 0), "{error}");
    assert_eq!(run(&["sessions", "count", "--store", &url]).0, "1\n");
}

#[tokio::test]
async fn s87_no_output_shows_what_opens_a_session() {
    let (_folder, url) = sqlite();
    let (id, ticket) = begin(&url, "ada").await;
    let mut shown = String::new();
    for words in [
        &["sessions", "list"][..],
        &["sessions", "show", &id],
        &["sessions", "list", "--json"],
        &["sessions", "show", &id, "--json"],
    ] {
        let (out, error, status) = run(&[words, &["--store", &url]].concat());
        assert_eq!(status, 0, "{error}");
        shown.push_str(&(out + &error));
    }
    for more in [&[][..], &["--json"]] {
        let (out, error, status) = run(&[&["cookie", "show", &ticket], more].concat());
        assert!(out.contains(&id) && status == 0, "{out} {error}");
        shown.push_str(&(out + &error));
    }
    // The half after the locator, in each spelling that it could have.
    let secret = &ticket[ticket.len() / 2..];
    assert!(!shown.contains(secret) && !shown.contains(&ticket), "{shown}");
    let (out, error, status) =
        run(&["sessions", "list", "--store", "redis://ada:hunter2@127.0.0.1:1"]);
    assert!(out.is_empty() || !out.contains("hunter2"));
    assert!(!error.contains("hunter2") && status == 3, "{error}");
    let mut help = program(&["sessions", "list", "--help"]);
    help.env("CLOAKROOM_STORE", "redis://a:hunter2@h");
    assert!(!said(help.output().unwrap()).0.contains("hunter2"));
}

/// One of the cookies that Pyramid wrote.
fn vector() -> Value {
    let text = std::fs::read_to_string("tests/vectors/pyramid_signed_cookie.json").unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    vectors[0].clone()
}

#[test]
fn a_signed_cookie_is_shown_with_its_secret_only() {
    let secret = Secret::generate().unwrap();
    let clock = cloakroom::testing::FakeClock::at(1_700_000_000.0);
    let sessions = cloakroom::SignedCookieFactory::builder(&secret).clock(clock);
    let sessions = sessions.timeout(Duration::from_secs(60)).insecure_plain_http().build().unwrap();
    let service = SessionLayer::new(sessions).layer(service_fn(async |request: Request<()>| {
        Session::of(&request).await?.insert("n", 7)?;
        Ok::<_, cloakroom::Error>(Response::new(String::new()))
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let response = runtime.block_on(service.oneshot(Request::new(()))).unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    let value = cookie.split([';', '=']).nth(1).unwrap();

    // It has expired long ago, and is shown all the same.
    let show = |secret: &str, words: &[&str]| {
        let mut program = program(&[&["cookie", "show"], words].concat());
        said(program.env("CLOAKROOM_SECRET", secret).output().unwrap())
    };
    let (out, error, status) = show(secret.reveal(), &[value, "--json"]);
    assert_eq!(status, 0, "{error}");
    assert_eq!(lines(&out)[0]["values"], json!({"n": 7}));
    assert_eq!(lines(&out)[0]["created"], json!(1_700_000_000.0));
    assert!(show(secret.reveal(), &[value]).0.contains("created 2023-11-14T22:13:20Z"));

    let other = Secret::generate().unwrap();
    let (out, error, status) = show(other.reveal(), &[value]);
    assert!(out.is_empty() && error.contains("not valid: forged") && status == 1, "{error}");
    let (_, error, status) = run(&["cookie", "show", value]);
    assert!(error.contains("CLOAKROOM_SECRET") && status == 1, "{error}");
}

#[test]
fn a_cookie_that_pyramid_wrote_is_read_from_stdin() {
    let vector = vector();
    let mut folder = tempfile::NamedTempFile::new().unwrap();
    writeln!(folder, "{}", vector["secret"].as_str().unwrap()).unwrap();
    let path = folder.path().display().to_string();
    let mut words = vec!["cookie", "show", "--json", "--secret-file", &path];
    if let Some(salt) = vector["salt"].as_str() {
        words.extend(["--salt", salt]);
    }
    let mut program = program(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let cookie = vector["cookie_value"].as_str().unwrap();
    program.stdin.take().unwrap().write_all(cookie.as_bytes()).unwrap();
    let (out, _, status) = said(program.wait_with_output().unwrap());
    assert_eq!(status, 0);
    assert!(lines(&out)[0]["values"].is_object(), "{out}");
}

#[test]
fn a_new_secret_is_strong_and_another_each_time() {
    let [one, two] = [(); 2].map(|()| run(&["secret", "new"]).0);
    assert_ne!(one, two);
    Secret::new(one.trim_end()).unwrap();
}

#[test]
fn a_schema_is_printed_without_a_server() {
    let (out, _, status) =
        run(&["schema", "--store", "postgres://nowhere.invalid/db", "--table", "app.sessions"]);
    assert!(out.contains("CREATE TABLE IF NOT EXISTS app.sessions (") && status == 0, "{out}");
    let (out, ..) = run(&["schema", "--store", "mysql://nowhere.invalid/db"]);
    assert!(out.contains("ENGINE = InnoDB"), "{out}");
    assert_eq!(run(&["schema", "--store", "redis://nowhere.invalid"]).2, 1);
    assert_eq!(run(&["schema", "--store", "mysql://h/db", "--table", "a;b"]).2, 3);
}

#[test]
fn wrong_usage_says_so() {
    for words in [&["sessions", "revoke", "--store", "memory:"][..], &["sesions"], &["cookie"]] {
        let (out, error, status) = run(words);
        assert!(out.is_empty() && !error.is_empty() && status == 2, "{words:?}: {error}");
    }
    let (_, error, status) = run(&["sessions", "list", "--store", "sqlite:/nowhere/at-all.db"]);
    assert!(error.contains("no such file") && status == 3, "{error}");
    let (_, error, status) = run(&["sessions", "list", "--store", "reddis://localhost"]);
    assert!(error.contains("known are") && status == 3, "{error}");
}
