//! The program `cloakroom`, as an operator runs it.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use cloakroom::store::{AnyStore, Record, Store, StoreKey};
use cloakroom::{Secret, Session, SessionLayer, StoredFactory, Timestamp};
use cloakroom_engines::Redis;
use http::{Request, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::{Layer, ServiceExt, service_fn};

/// In the year 2100.
const FAR: i64 = 4_102_444_800;

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
    let sessions = StoredFactory::builder("shop", store).absolute_limit(None).insecure_plain_http();
    let service = SessionLayer::new(sessions.build().unwrap()).layer(service_fn(
        async |request: Request<()>| {
            let session = Session::of(&request).await?;
            session.set_owner(owner)?;
            session.insert("colour", "a value of the session\u{9b}31m")?;
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
        assert_eq!(lines(&out)[0]["values"]["colour"], json!("a value of the session\u{9b}31m"));
        assert!(!out.contains('\u{9b}'), "what a terminal obeys is not printed");
        assert_eq!(lines(&ask(&["count"]).0), [json!({"count": 3, "unreadable": 0})]);
        assert_eq!(
            lines(&ask(&["count", "--owner", "bob"]).0),
            [json!({"count": 1, "unreadable": 0})]
        );
        assert_eq!(ask(&["revoke", "--owner", "bob", "--id", &ids[0]]).2, 1, "it is ada's");
        let (out, ..) = ask(&["revoke", "--owner", "ada", "--id", &ids[0]]);
        assert_eq!(lines(&out), [json!({"revoked": 1})]);
        assert_eq!(lines(&ask(&["revoke", "--owner", "ada"]).0), [json!({"revoked": 1})]);
        assert_eq!(lines(&ask(&["revoke", "--id", &ids[2]]).0), [json!({"revoked": 1})]);
        let (out, error, status) = ask(&["show", &ids[2]]);
        assert!(out.is_empty() && error.contains("no such session") && status == 1, "{error}");
        assert_eq!(ask(&["revoke", "--id", &ids[2]]).2, 1);
        for owner in ["ada", "bob"] {
            begin(&url, owner).await;
        }
        let (out, error, status) = ask(&["revoke", "--everybody"]);
        assert!(out.is_empty() && error.contains("--yes") && status == 3, "{error}");
        assert_eq!(lines(&ask(&["revoke", "--everybody", "--yes"]).0), [json!({"revoked": 2})]);
        assert_eq!(lines(&ask(&["count"]).0), [json!({"count": 0, "unreadable": 0})]);
    }
}

/// A record that is no session, until the second `end`.
async fn put_unreadable(url: &str, number: u8, end: i64, owner: Option<&str>) -> String {
    let (store, key) = (AnyStore::open(url).await.unwrap(), StoreKey::from_bytes([number; 16]));
    let record = Record::new(&b"unreadable"[..], Timestamp::from_secs(end), owner.map(Into::into));
    let _ = store.create(&key, &record).await.unwrap();
    key.to_string()
}

#[tokio::test]
async fn what_has_expired_is_swept_and_not_listed() {
    let (_folder, url) = sqlite();
    begin(&url, "ada").await;
    for number in 0..250_u8 {
        put_unreadable(&url, number, 1, None).await;
    }
    assert_eq!(run(&["sessions", "count", "--store", &url]).0, "1\n");
    let (out, error, status) = run(&["sessions", "sweep", "--progress", "--store", &url]);
    assert_eq!((&*out, status), ("250\n", 0), "{error}");
    assert_eq!(error, "200 swept\n250 swept\n");
    let (out, error, _) = run(&["sessions", "sweep", "--store", &url]);
    assert_eq!((&*out, &*error), ("0\n", ""), "nobody watches");
}

#[tokio::test]
async fn s29_a_record_that_cannot_be_read_is_listed_counted_and_can_be_ended() {
    let (_folder, file) = sqlite();
    let redis = Redis::start().unwrap();
    for url in [file, redis.url()] {
        let good = begin(&url, "ada").await.0;
        let hers = put_unreadable(&url, 1, FAR, Some("ada")).await;
        let nobody_s = put_unreadable(&url, 2, FAR, None).await;
        let ask = |words: &[&str]| run(&[&["sessions"], words, &["--store", &url]].concat());
        let facts = |text: &str, id: &str| {
            let found = lines(text).into_iter().find(|line| line["id"] == id).unwrap();
            [&found["readable"], &found["created"], &found["keys"]].map(Value::is_null)
        };
        let (out, error, status) = ask(&["list", "--json"]);
        assert_eq!((lines(&out).len(), status), (3, 0), "{error}");
        assert_eq!(facts(&out, &good), [false, false, false]);
        assert_eq!(facts(&out, &nobody_s), [false, true, true]);
        let (out, ..) = ask(&["list", "--owner", "ada"]);
        let marked = out.lines().find(|line| line.starts_with(&hers)).unwrap();
        assert!(marked.contains("unreadable") && marked.ends_with("\"ada\""), "{out}");
        assert!(out.lines().any(|line| line.starts_with(&good)), "{out}");

        let (out, _, status) = ask(&["show", &hers, "--json"]);
        assert_eq!((&lines(&out)[0]["readable"], status), (&json!(false), 0), "{out}");
        let (out, error, _) = ask(&["count"]);
        assert_eq!((&*out, &*error), ("3\n", "2 of them cannot be read\n"));
        let counted = json!({"count": 2, "unreadable": 1});
        assert_eq!(lines(&ask(&["count", "--owner", "ada", "--json"]).0), [counted]);

        assert_eq!(ask(&["revoke", "--id", &hers]).0, "1\n");
        put_unreadable(&url, 3, FAR, Some("ada")).await;
        assert_eq!(ask(&["revoke", "--owner", "ada"]).0, "2\n");
        let (out, error, _) = ask(&["revoke", "--everybody", "--yes"]);
        assert_eq!(out, "1\n", "{error}");
        assert_eq!(ask(&["count"]).0, "0\n");
    }
}

#[tokio::test]
async fn s87_no_output_shows_what_opens_a_session() {
    let (_folder, url) = sqlite();
    let (id, ticket) = begin(&url, "ada").await;
    let mut shown = String::new();
    for (words, expected) in [
        (&["sessions", "list"][..], 0),
        (&["sessions", "list", "--owner", "ada"], 0),
        (&["sessions", "show", &id], 0),
        (&["sessions", "show", &ticket], 1),
        (&["sessions", "show", &id, &ticket], 2),
        (&["sessions", &ticket], 2),
        (&["sessions", "list", &format!("--json={ticket}")], 2),
        (&["sessions", "count"], 0),
        (&["sessions", "sweep"], 0),
        (&["sessions", "revoke", "--id", &ticket], 1),
        (&["sessions", "revoke", "--owner", "ada"], 0),
    ] {
        for more in [&["--store", &url][..], &["--store", &url, "--json"]] {
            let (out, error, status) = run(&[words, more].concat());
            assert_eq!(status, expected, "{words:?} {error}");
            shown.push_str(&(out + &error));
        }
    }
    for more in [&[][..], &["--json"]] {
        let (out, error, status) = run(&[&["cookie", "show", &ticket], more].concat());
        assert!(out.contains(&id) && status == 0, "{out} {error}");
        shown.push_str(&(out + &error));
    }
    for secret in secrets_of(&ticket) {
        assert!(!shown.contains(&secret), "{secret} in {shown}");
    }
}

/// What must not be seen of a ticket: its second part, and what records keep of it, in each spelling that they could
/// have.
fn secrets_of(ticket: &str) -> Vec<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(ticket).unwrap();
    let namespace = Sha256::new()
        .chain_update("cloakroom ticket 1 of namespace:")
        .chain_update(Sha256::digest("shop"));
    let hash = namespace.chain_update(&bytes).finalize().to_vec();
    let secret = bytes[16..].to_vec();
    let spellings = |bytes: Vec<u8>| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{bytes:?}");
        [hex.to_uppercase(), hex, list, BASE64_STANDARD.encode(&bytes), {
            BASE64_URL_SAFE_NO_PAD.encode(&bytes)
        }]
    };
    let mut secrets = [spellings(secret), spellings(hash)].concat();
    secrets.push(ticket[22..].to_owned());
    secrets
}

#[tokio::test]
async fn s87_the_hash_that_is_looked_for_is_the_one_in_the_store() {
    let (_folder, url) = sqlite();
    let (id, ticket) = begin(&url, "ada").await;
    let store = AnyStore::open(&url).await.unwrap();
    let stored = store.load(&StoreKey::parse(&id).unwrap()).await.unwrap().unwrap();
    let data: String = stored.record.data.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(secrets_of(&ticket).iter().any(|secret| data.contains(secret)), "no hash in {data}");
}

#[test]
fn s87_no_output_shows_a_password() {
    for url in [
        "redis://ada:hunter2@127.0.0.1:1",
        "redis://ada:hunter2@[",
        "postgres://ada:hunter2@127.0.0.1:x/db",
        "postgres://ada:hunter/2@127.0.0.1/db?sslmode=hunter2",
        "mysql://ada:hunter2@127.0.0.1:x/db",
        "nosuch://ada:hunter2@h/db",
    ] {
        let list = |word: &str| run(&["sessions", "list", word, url]);
        for ((out, error, status), expected) in
            [(list("--store"), 3), (list("--json"), 2), (run(&["schema", url]), 2)]
        {
            assert_eq!(status, expected, "{error}");
            assert!(!error.is_empty() && !(out + &error).contains("hunter"), "{error}");
        }
    }
    let mut help = program(&["sessions", "list", "--help"]);
    help.env("CLOAKROOM_STORE", "redis://a:hunter2@h");
    assert!(!said(help.output().unwrap()).0.contains("hunter2"));
}

#[tokio::test]
async fn nobody_has_to_listen() {
    let (_folder, url) = sqlite();
    begin(&url, "ada").await;
    let nobody = || Stdio::from(std::io::pipe().unwrap().1);
    for (words, expected) in [
        (&["sessions", "list", "--store", &url][..], 0),
        (&["sessions", "list", "--store", &url, "--json"], 0),
        (&["schema", "--store", "mysql://h/db"], 0),
        (&["secret", "new"], 0),
        (&["--help"], 0),
        (&["sessions", "sweep", "--store", &url, "--progress"], 0),
        (&["sessions", "list", "--store", "sqlite:/nowhere/at-all.db"], 3),
        (&["sesions"], 2),
    ] {
        let (_, error, status) = said(program(words).stdout(nobody()).output().unwrap());
        assert_eq!(status, expected, "{words:?} {error}");
        assert!(!error.contains("panicked") && !error.contains("pipe"), "{error}");
        let (_, _, status) = said(program(words).stderr(nobody()).output().unwrap());
        assert_eq!(status, expected, "{words:?}, stderr closed");
    }
}

/// One of the cookies that Pyramid wrote.
fn vector() -> Value {
    let text = std::fs::read_to_string("tests/vectors/pyramid_signed_cookie.json").unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    vectors[0].clone()
}

/// More digits than a float has.
const EXACT: &str = "1234567890.12345678901234567890";

#[test]
fn a_signed_cookie_is_shown_with_its_secret_only() {
    let secret = Secret::generate().unwrap();
    let clock = cloakroom::testing::FakeClock::at(1_700_000_000.0);
    let sessions = cloakroom::SignedCookieFactory::builder(&secret).clock(clock);
    let sessions = sessions.timeout(Duration::from_secs(60)).insecure_plain_http().build().unwrap();
    let service = SessionLayer::new(sessions).layer(service_fn(async |request: Request<()>| {
        let session = Session::of(&request).await?;
        session.insert("n", 7)?;
        session.insert("exact", cloakroom::Value::from_json(EXACT))?;
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
    assert_eq!(lines(&out)[0]["values"]["n"], json!(7));
    assert!(out.contains(EXACT), "{out}");
    assert_eq!(lines(&out)[0]["created"], json!(1_700_000_000.0));
    let (out, ..) = show(secret.reveal(), &[value]);
    assert!(out.contains(EXACT), "{out}");
    assert!(out.contains("created 2023-11-14T22:13:20Z"), "{out}");
    assert!(out.contains("expired 2023-11-14T22:33:20Z"), "twenty minutes are the default: {out}");
    for (timeout, end, is_expired) in [
        ("60", json!(1_700_000_060.0), true),
        ("3000000000", json!(4_700_000_000.0), false),
        ("never", Value::Null, false),
    ] {
        let facts = lines(&show(secret.reveal(), &[value, "--json", "--timeout", timeout]).0);
        assert_eq!((&facts[0]["expires_at"], &facts[0]["expired"]), (&end, &json!(is_expired)));
    }
    assert!(show(secret.reveal(), &[value, "--timeout", "never"]).0.contains("expires never"));
    assert_eq!(show(secret.reveal(), &[value, "--timeout", "soon"]).2, 2);

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
    let (_, error, status) = run(&["schema", "--store", "postgress://h/db"]);
    assert!(error.contains("known are") && status == 3, "{error}");
}

#[test]
fn wrong_usage_says_so() {
    for words in [
        &["sessions", "revoke", "--store", "memory:"][..],
        &["sessions", "revoke", "--store", "memory:", "--everybody", "--owner", "ada"],
        &["sesions"],
        &["cookie"],
    ] {
        let (out, error, status) = run(words);
        assert!(out.is_empty() && !error.is_empty() && status == 2, "{words:?}: {error}");
    }
    let (_, error, status) = run(&["sessions", "list", "--store", "sqlite:/nowhere/at-all.db"]);
    assert!(error.contains("no such file") && status == 3, "{error}");
    let (_, error, status) = run(&["sessions", "list", "--store", "reddis://localhost"]);
    assert!(error.contains("known are") && status == 3, "{error}");
}
