//! The session's CSRF token. Checking one is not built yet.

use serde_json::{Value, json};

use super::visitor;

fn token(answer: &cloakroom_testbed::Answer) -> String {
    let Value::String(token) = answer.json()["token"].clone() else { panic!("{}", answer.text) };
    token
}

#[test]
fn the_token_is_40_lower_case_hexadecimal_digits_and_each_sessions_own() {
    let tokens = [(); 8].map(|()| token(&visitor("").get("/csrf/token")));
    for (at, token) in tokens.iter().enumerate() {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        assert!(token.len() == 40 && token.bytes().all(digit), "{token}");
        assert!(!tokens[..at].contains(token), "{token} twice");
    }
}

#[test]
fn the_token_stays_until_a_new_one_is_made() {
    let mut visitor = visitor("");
    let first = token(&visitor.get("/csrf/token"));
    assert_eq!(token(&visitor.get("/csrf/token")), first);
    let second = token(&visitor.post("/csrf/new", &json!({})));
    assert_ne!(second, first);
    assert_eq!(token(&visitor.get("/csrf/token")), second);
}

#[test]
fn reading_the_token_again_writes_nothing() {
    let mut visitor = visitor("");
    assert!(visitor.get("/csrf/token").set_cookie().is_some());
    assert_eq!(visitor.get("/csrf/token").set_cookie(), None);
}

#[test]
fn a_stored_null_is_no_token_and_a_stored_empty_text_is_one() {
    let mut visitor = visitor("");
    visitor.post("/set", &json!({"key": "_csrft_", "value": null}));
    assert_eq!(token(&visitor.get("/csrf/token")).len(), 40);
    visitor.post("/set", &json!({"key": "_csrft_", "value": ""}));
    assert_eq!(token(&visitor.get("/csrf/token")), "");
}

#[test]
fn the_token_goes_with_invalidate() {
    let mut visitor = visitor("");
    let first = token(&visitor.get("/csrf/token"));
    visitor.post("/invalidate", &json!({}));
    assert_ne!(token(&visitor.get("/csrf/token")), first);
}
