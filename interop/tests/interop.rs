//! One session, two languages: a visitor goes back and forth between cloakroom and Pyramid, and neither loses what
//! the other wrote. Both run as real services; `cargo xtask test` prepares them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cloakroom_interop::{Documents, Model, Request, Script, Sides};
use cloakroom_testbed::{Answer, Visitor};
use serde_json::{Value, json};

static SIDES: LazyLock<Sides> = LazyLock::new(Sides::start);

/// The JSON text in the visitor's cookie, behind SHA-512's 64 bytes.
fn payload(visitor: &Visitor<'_>) -> String {
    let cookie = visitor.cookie().expect("there is a cookie");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cookie).expect("base64 for URLs, without padding");
    String::from_utf8(bytes[64..].to_vec()).expect("text")
}

fn send(visitor: &mut Visitor<'_>, request: &Request) -> Answer {
    if request.is_get() {
        visitor.get(request.path)
    } else {
        visitor.post(request.path, &request.body)
    }
}

/// The text of `/get`'s value, digit for digit.
fn value_text(answer: &Answer) -> String {
    let text = answer.text.strip_prefix(r#"{"value":"#).and_then(|rest| rest.strip_suffix('}'));
    text.unwrap_or_else(|| panic!("{}", answer.text)).trim().to_owned()
}

#[test]
fn a_visitor_alternates_for_100_requests_and_nothing_is_lost() {
    for seed in [1, 2, 3] {
        let (mut script, mut model) = (Script::new(seed), Model::default());
        let mut visitor = Visitor::new(&SIDES.rust);
        for number in 0..100 {
            let here = SIDES.both()[number % 2];
            let room = visitor.cookie().is_none_or(|cookie| cookie.len() < 2600);
            let request = script.next_request(room);
            let answer = send(visitor.at(here), &request).json();
            let context = format!("seed {seed}, request {number}: {request:?} at {here:?}");
            assert_eq!(answer, model.perform(&request, &answer), "{context}");
            // The side that was asked still sees everything, and then the other one.
            for side in [here, SIDES.both()[(number + 1) % 2]] {
                assert_eq!(visitor.at(side).get("/all").json(), model.values(), "{context}");
                assert_eq!(visitor.get("/info").json()["keys"], model.keys(), "{context}");
            }
        }
    }
}

#[test]
fn a_cookie_changed_in_any_character_is_nobodys_on_either_side() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for maker in SIDES.both() {
        let mut visitor = Visitor::new(maker);
        visitor.post("/set", &json!({"key": "user", "value": "ada"}));
        let good = visitor.cookie().expect("a cookie was set").to_owned();
        for side in SIDES.both() {
            visitor.at(side);
            let user = |cookie: &str| {
                let cookies = format!("session={cookie}");
                visitor.get_with_cookie_header("/get?key=user", cookies.as_bytes()).json()
            };
            assert_eq!(user(&good), json!({"value": "ada"}));
            for at in 0..good.len() {
                let mut changed = good.clone().into_bytes();
                let index = ALPHABET.iter().position(|letter| *letter == changed[at]);
                // The highest of a character's six bits counts everywhere, even in the last character.
                changed[at] = ALPHABET[index.expect("a letter of the alphabet") ^ 32];
                let changed = String::from_utf8(changed).expect("text");
                assert_eq!(user(&changed), json!({"value": null}), "character {at}, {side:?}");
            }
        }
    }
}

#[test]
fn a_session_of_exactly_4064_characters_crosses_and_a_larger_one_is_refused_by_both() {
    for (writer, reader) in SIDES.ways() {
        let mut visitor = Visitor::new(writer);
        visitor.post("/set", &json!({"key": "k", "value": ""}));
        let room = 4064 / 4 * 3 - 64 - payload(&visitor).len();
        let text = "x".repeat(room);
        assert_eq!(visitor.post("/set", &json!({"key": "k", "value": text})).status, 200);
        assert_eq!(visitor.cookie().map(str::len), Some(4064));
        assert_eq!(visitor.at(reader).get("/get?key=k").json(), json!({"value": text}));
        // Written again by the reader it has the same length.
        let same = json!({"key": "k", "value": text});
        assert_eq!(visitor.post("/set", &same).status, 200);
        assert_eq!(visitor.cookie().map(str::len), Some(4064));
        for side in SIDES.both() {
            let answer =
                visitor.at(side).post("/set", &json!({"key": "k", "value": text.clone() + "x"}));
            assert_eq!((answer.status, answer.set_cookie()), (500, None), "{side:?}");
        }
    }
}

#[test]
fn a_csrf_token_made_by_one_is_the_others_too() {
    for (maker, reader) in SIDES.ways() {
        let mut visitor = Visitor::new(maker);
        let token = visitor.get("/csrf/token").json();
        assert_eq!(visitor.at(reader).get("/csrf/token").json(), token);
        let new = visitor.post("/csrf/new", &json!({})).json();
        assert_ne!(new, token);
        assert_eq!(visitor.at(maker).get("/csrf/token").json(), new);
    }
}

/// Where the page's only form goes, and its hidden field.
fn form(page: &Answer) -> (&str, [(&str, &str); 1]) {
    let between = |start: &str| {
        let rest = page.text.split_once(start).unwrap_or_else(|| panic!("{}", page.text)).1;
        rest.split_once('"').expect("a closing quote").0
    };
    (between("action=\""), [(between("name=\""), between("value=\""))])
}

#[test]
fn a_form_rendered_by_one_posts_to_the_other_and_a_stale_one_to_neither() {
    for (maker, reader) in SIDES.ways() {
        let mut visitor = Visitor::new(maker);
        let page = visitor.get("/csrf/form");
        let (action, fields) = form(&page);
        for side in [reader, maker] {
            let answer = visitor.at(side).post_form(action, &fields, &[]);
            assert_eq!(answer.json()["body"], format!("csrf_token={}", fields[0].1), "{side:?}");
        }
        visitor.at(reader).post("/csrf/new", &json!({}));
        for side in SIDES.both() {
            let answer = visitor.at(side).post_form(action, &fields, &[]);
            assert_eq!(answer.status, 400, "{side:?}: {}", answer.text);
            assert_eq!(visitor.post_form(action, &[], &[]).status, 400, "{side:?}");
        }
    }
}

#[test]
fn a_flash_message_of_one_is_shown_by_the_other_once() {
    for (writer, reader) in SIDES.ways() {
        let mut visitor = Visitor::new(writer);
        for message in [json!("first"), json!({"second": "😀"})] {
            visitor.post("/flash", &json!({"message": message, "queue": "q"}));
        }
        let queue = json!({"queue": "q"});
        let all = json!({"messages": ["first", {"second": "😀"}]});
        assert_eq!(visitor.at(reader).get("/peek-flash?queue=q").json(), all);
        assert_eq!(visitor.post("/pop-flash", &queue).json(), all);
        assert_eq!(visitor.at(writer).post("/pop-flash", &queue).json(), json!({"messages": []}));
    }
}

#[test]
fn the_time_of_creation_is_kept_to_the_last_digit() {
    for (first, second) in SIDES.ways() {
        let created = |visitor: &Visitor<'_>| {
            let (_, created, _): (Value, Value, Value) =
                serde_json::from_str(&payload(visitor)).expect("an array of three");
            created.to_string()
        };
        let mut visitor = Visitor::new(first);
        visitor.post("/changed", &json!({}));
        let (exact, seconds) = (created(&visitor), visitor.get("/info").json()["created"].clone());
        for side in [second, first, second] {
            visitor.at(side).post("/changed", &json!({}));
            assert_eq!(created(&visitor), exact, "{side:?}");
            assert_eq!(visitor.get("/info").json()["created"], seconds, "{side:?}");
            assert_eq!(visitor.get("/info").json()["new"], json!(false), "{side:?}");
        }
    }
}

#[test]
fn numbers_keep_every_digit_in_pythons_spelling() {
    for (sent, kept) in [
        ("0", "0"),
        ("-1", "-1"),
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551616", "18446744073709551616"),
        ("-123456789012345678901234567890", "-123456789012345678901234567890"),
        ("0.1", "0.1"),
        ("1.0", "1.0"),
        ("-0.0", "-0.0"),
        ("1e22", "1e+22"),
        ("1E+16", "1e+16"),
        ("1e15", "1000000000000000.0"),
        ("1e-7", "1e-07"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("2.2250738585072014e-308", "2.2250738585072014e-308"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("123456789012345680.0", "1.2345678901234568e+17"),
    ] {
        for (writer, reader) in SIDES.ways() {
            let mut visitor = Visitor::new(writer);
            visitor.post_text("/set", &format!(r#"{{"key": "n", "value": {sent}}}"#));
            for side in [reader, writer] {
                let answer = visitor.at(side).get("/get?key=n");
                assert_eq!(value_text(&answer), kept, "{sent} at {side:?}");
                visitor.post("/changed", &json!({}));
            }
            assert!(payload(&visitor).contains(&format!(r#"{{"n": {kept}}}"#)), "{sent}");
        }
    }
}

#[test]
fn text_crosses_letter_by_letter() {
    let every_ascii: String = (0..=0x7f).map(char::from).collect();
    for text in
        [&*every_ascii, "ÿĀ߿ࠀ\u{ffff}\u{10000}\u{10ffff}", "e\u{301} ≠ é", "\u{feff}\u{2028}"]
    {
        for (writer, reader) in SIDES.ways() {
            let mut visitor = Visitor::new(writer);
            visitor.post("/set", &json!({"key": text, "value": text}));
            assert_eq!(visitor.at(reader).get("/all").json(), json!({"values": {text: text}}));
            visitor.post("/changed", &json!({}));
            assert_eq!(visitor.at(writer).get("/all").json(), json!({"values": {text: text}}));
        }
    }
}

#[test]
fn both_write_the_same_text_for_the_same_session() {
    let mut visitor = Visitor::new(&SIDES.python);
    let value = json!({"a": [1, 2.5, null, {"ü": "😀\u{7f}"}], "b": {}, "c": []});
    visitor.post("/set", &json!({"key": "v", "value": value}));
    // The time of the last use is the only thing that may differ.
    let rest =
        |visitor: &Visitor<'_>| payload(visitor).split_once(", ").map(|(_, rest)| rest.to_owned());
    let pythons = rest(&visitor);
    visitor.at(&SIDES.rust).post("/changed", &json!({}));
    assert_eq!(rest(&visitor), pythons);
}

#[test]
fn of_100_000_documents_both_write_the_same_text() {
    let mut documents = Documents::new(1);
    let mut written = 0;
    while written < 100_000 {
        let mut values = String::new();
        // A cookie holds about 3,000 bytes, of which an escape takes up to twelve for two.
        while values.len() < 700 {
            values += &format!(",\"{written:06}\":{}", documents.next_document());
            written += 1;
        }
        let body = format!(r#"{{"values": {{{}}}}}"#, &values[1..]);
        let texts = SIDES.both().map(|side| {
            let mut visitor = Visitor::new(side);
            let answer = visitor.post_text("/update", &body);
            assert_eq!(answer.status, 200, "{side:?}: {body}");
            payload(&visitor).split_once(", {").expect("values").1.to_owned()
        });
        assert_eq!(texts[0], texts[1], "{body}");
    }
}

#[test]
fn half_a_surrogate_pair_which_only_python_knows_does_no_harm() {
    let mut visitor = Visitor::new(&SIDES.python);
    visitor.post_text("/update", r#"{"values": {"half": "x\ud800", "whole": "y"}}"#);
    visitor.at(&SIDES.rust);
    assert_eq!(visitor.get("/get?key=whole").json(), json!({"value": "y"}));
    visitor.post("/set", &json!({"key": "more", "value": 1}));
    let text = value_text(&visitor.at(&SIDES.python).get("/get?key=half"));
    assert_eq!(text, r#""x\ud800""#);
}

#[test]
fn the_end_of_a_session_on_one_side_is_its_end_on_the_other() {
    for (first, second) in SIDES.ways() {
        let mut visitor = Visitor::new(first);
        visitor.post("/update", &json!({"values": {"user": "ada", "n": 1}}));
        visitor.at(second).post("/invalidate", &json!({}));
        assert_eq!(visitor.at(first).get("/all").json(), json!({"values": {}}));
    }
}
