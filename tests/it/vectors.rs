//! Cookies that the real Pyramid made and read, read and made here.
//!
//! What differs on purpose is said where it is checked: `new` is true after expiry; a session that was only read
//! while new is not written (R59); a vector marked `lenient` needs the switch; one marked `policy` is refused; a timeout
//! of zero cannot be set (R54).

use std::time::Duration;

use cloakroom::factory::SignedCookieBuilder;
use cloakroom::keyring::HashAlg;
use cloakroom::random::{Random, SystemRandom};
use cloakroom::testing::{FakeClock, FixedRandom};
use cloakroom::{Error, Session};
use serde_json::{Value as Json, json};

use crate::log::Log;
use crate::site::{Site, builder_with};

const VECTORS: &str = include_str!("../vectors/pyramid_signed_cookie.json");

fn vectors(direction: &str) -> Vec<Json> {
    let all: Vec<Json> = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(all.len(), 79, "a vector is missing");
    all.into_iter().filter(|vector| vector["direction"] == direction).collect()
}

fn builder(vector: &Json) -> SignedCookieBuilder {
    let seconds = |name: &str| vector[name].as_u64().map(Duration::from_secs);
    let hash = match vector["hashalg"].as_str().unwrap() {
        "md5" => HashAlg::Md5,
        "sha1" => HashAlg::Sha1,
        "sha256" => HashAlg::Sha256,
        "sha512" => HashAlg::Sha512,
        other => panic!("unknown hash {other}"),
    };
    builder_with(vector["secret"].as_str().unwrap())
        .salt(vector["salt"].as_str().unwrap())
        .hash(hash)
        .timeout(seconds("timeout"))
        .reissue_time(seconds("reissue_time"))
}

fn is_true(vector: &Json, field: &str) -> bool {
    vector[field] == true
}

/// What a session that refuses or reads a cookie shows, and the cookie that one read makes it send.
async fn read(vector: &Json, lenient: bool) -> (Json, Option<String>) {
    let clock = FakeClock::at(vector["now"].as_f64().unwrap());
    let builder = builder(vector).clock(clock);
    let builder = if lenient { builder.lenient() } else { builder };
    let site = Site::new(builder.build().unwrap());
    let header = format!("session={}", vector["cookie_value"].as_str().unwrap());
    let visit = site
        .visit(&*header, async |session: Session| {
            json!({
                "state": state(&session),
                "new": session.is_new(),
                "expired": session.was_expired(),
                "created": session.created().as_secs_f64(),
            })
        })
        .await;
    let cookie = visit.cookie_value().map(str::to_owned);
    (visit.result, cookie)
}

fn state(session: &Session) -> Json {
    let pairs = session.entries().into_iter();
    pairs.map(|(key, value)| (key, value.get::<Json>().unwrap())).collect()
}

fn nobody(seen: &Json) -> bool {
    seen["state"] == json!({}) && seen["new"] == true && seen["expired"] == false
}

#[tokio::test]
async fn r62_every_read_vector_is_read_as_pyramid_reads_it() {
    for vector in vectors("read") {
        let id = vector["id"].as_str().unwrap();
        if vector["timeout"] == 0 {
            assert!(builder(&vector).build().is_err(), "{id}");
            continue;
        }
        let refused_by_policy = vector.get("policy").is_some() && id != "r-salt-secret-boundary";
        let strictly = read(&vector, false).await;
        let leniently = read(&vector, true).await;
        if is_true(&vector, "lenient") || refused_by_policy {
            assert!(nobody(&strictly.0), "{id} strictly: {}", strictly.0);
        }
        if refused_by_policy {
            assert!(nobody(&leniently.0), "{id} leniently: {}", leniently.0);
            continue;
        }
        let expected = json!({
            "state": vector["session_state"],
            "new": is_true(&vector, "new") || is_true(&vector, "expired"),
            "expired": is_true(&vector, "expired"),
            "created": if is_true(&vector, "new") { &vector["now"] } else { &vector["created"] },
        });
        let as_floats = |mut seen: Json| {
            seen["created"] = json!(seen["created"].as_f64().unwrap());
            seen
        };
        let expected =
            (as_floats(expected), vector["reads"]["reissued_cookie"].as_str().map(str::to_owned));
        assert_eq!(leniently, expected, "{id} leniently");
        if !is_true(&vector, "lenient") {
            assert_eq!(strictly, expected, "{id} strictly");
        }
    }
}

/// Known bytes for tokens; their masks do not matter here.
struct Tokens(FixedRandom);

impl Random for Tokens {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
        if buffer.len() == 20 { self.0.fill(buffer) } else { SystemRandom.fill(buffer) }
    }
}

/// Does one step of a vector's script, and answers as Python does.
async fn step(session: &Session, step: &Json, clock: &FakeClock) -> Result<Json, Error> {
    let text = |at: usize| step[at].as_str().unwrap_or_default();
    Ok(match text(0) {
        "set" => session.insert(text(1), &step[2]).map(|_| Json::Null)?,
        "del" => session.remove(text(1)).map(|_| Json::Null)?,
        "pop" => session.take::<Json>(text(1))?.unwrap_or_default(),
        "get" => session.get::<Json>(text(1))?.unwrap_or_default(),
        "contains" => session.contains_key(text(1)).into(),
        "len" => session.len().into(),
        "clear" => session.clear().map(|()| Json::Null)?,
        "invalidate" => session.invalidate().map(|()| Json::Null)?,
        "changed" => session.changed().map(|()| Json::Null)?,
        "flash" if step[3] == false => {
            session.flash_unique(text(2), &step[1]).map(|_| Json::Null)?
        }
        "flash" => session.flash_to(text(2), &step[1]).map(|()| Json::Null)?,
        "pop_flash" => session.pop_flash::<Json>(text(1)).await?.into(),
        "peek_flash" => session.peek_flash::<Json>(text(1))?.into(),
        "get_csrf_token" => session.csrf_token()?.plain().into(),
        "new_csrf_token" => session.new_csrf_token()?.plain().into(),
        "advance" => {
            clock.advance(Duration::from_secs_f64(step[1].as_f64().unwrap()));
            Json::Null
        }
        other => panic!("unknown step {other}"),
    })
}

#[tokio::test]
async fn r66_every_write_vector_is_written_as_pyramid_writes_it() {
    for vector in vectors("write") {
        let id = vector["id"].as_str().unwrap();
        if id.starts_with("w-nested") {
            continue; // Python reaches into a value; see the next test
        }
        let clock = FakeClock::at(vector["start_now"].as_f64().unwrap());
        let random = hex(vector["random_hex"].as_str().unwrap_or_default());
        let builder =
            builder(&vector).clock(clock.clone()).random(Tokens(FixedRandom::new(random)));
        let header = vector["start_cookie"].as_str().map(|value| format!("session={value}"));
        let log = Log::default();
        let _guard = log.listen();
        let visit = Site::new(builder.build().unwrap())
            .visit(header.as_deref(), async |session: Session| {
                let mut results = Vec::new();
                for one in vector["ops"].as_array().unwrap() {
                    results.push(step(&session, one, &clock).await.unwrap());
                }
                // Compared without looking: a look would change what is written.
                let expected = Session::detached();
                for (key, value) in vector["session_state"].as_object().unwrap() {
                    expected.insert(key, value).unwrap();
                }
                (Json::from(results), session == expected, session.is_new())
            })
            .await;
        let expected = (vector["results"].clone(), true, vector["new"] == true);
        assert_eq!(visit.result, expected, "{id}");
        match id {
            // A new session that was only read is not written, however long the request takes (R59).
            "w-read-new-slow" => assert_eq!(visit.cookie_value(), None, "{id}"),
            "w-too-long" => {
                assert_eq!(visit.cookie_value(), None, "{id}");
                let said = log.take().join("");
                assert!(
                    said.contains("4,066 bytes for a cookie of at most 4,064, 2 too many"),
                    "{said}"
                );
            }
            _ => assert_eq!(visit.cookie_value(), vector["cookie_value"].as_str(), "{id}"),
        }
    }
}

/// What Python does by reaching into a list, which is lost unless `changed()` is called, is `modify` here: the
/// only way to the value, and never lost. A copy that was read stays a copy.
#[tokio::test]
async fn r21_a_nested_value_is_changed_by_modify_alone() {
    let all = vectors("write");
    let find = |id: &str| all.iter().find(|vector| vector["id"] == id).unwrap();
    let header = format!("session={}", find("w-nested-unseen")["start_cookie"].as_str().unwrap());
    let site = || {
        let clock = FakeClock::at(1_700_000_000.0);
        Site::new(builder(find("w-nested-unseen")).clock(clock).build().unwrap())
    };
    let unseen = site()
        .visit(&*header, async |session: Session| {
            let mut list: Vec<u32> = session.get("l").unwrap().unwrap();
            list.push(2);
            session.get::<Vec<u32>>("l").unwrap()
        })
        .await;
    assert_eq!(unseen.cookie_value(), None);
    assert_eq!(unseen.result, Some(vec![1]));
    let seen = site()
        .visit(&*header, async |session: Session| {
            session.modify("l", |list: &mut Vec<u32>| list.push(2)).unwrap();
        })
        .await;
    let pyramids =
        format!("session={}", find("w-nested-changed")["cookie_value"].as_str().unwrap());
    for cookie in [seen.cookie().unwrap(), &*pyramids] {
        let again = site().visit(cookie, async |session: Session| state(&session)).await;
        assert_eq!(again.result, json!({"l": [1, 2]}));
    }
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
