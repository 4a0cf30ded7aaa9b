//! The signed cookie on the wire: what it shows, what it withstands, how it is found.

use serde_json::json;

use cloakroom_testbed::Visitor;

use crate::{NOW, payload, testbed, visitor};

/// Somebody whose session holds `{"user": "ada"}`, and the cookie.
fn ada(options: &str) -> (Visitor<'static>, String) {
    let mut ada = visitor(options);
    ada.post("/set", &json!({"key": "user", "value": "ada"}));
    let cookie = ada.cookie().expect("a cookie was set").to_owned();
    (ada, cookie)
}

/// Who the testbed takes a request with these `Cookie` bytes for.
fn user(visitor: &Visitor<'_>, cookies: impl AsRef<[u8]>) -> serde_json::Value {
    visitor.get_with_cookie_header("/get?key=user", cookies.as_ref()).json()["value"].clone()
}

#[test]
fn r6_r66_anyone_can_read_the_json() {
    let (_, cookie) = ada(&format!("--now {NOW}.25"));
    assert_eq!(payload::text(&cookie), r#"[1700000000, 1700000000.25, {"user": "ada"}]"#);
}

#[test]
fn r66_after_changed_alone_the_time_keeps_its_fraction() {
    let mut visitor = visitor(&format!("--now {NOW}.5"));
    visitor.post("/changed", &json!({}));
    let cookie = visitor.cookie().expect("a cookie was set");
    assert_eq!(payload::text(cookie), "[1700000000.5, 1700000000.5, {}]");
}

#[test]
fn r40_r52_the_token_is_40_lower_case_hexadecimal_digits_under_its_key() {
    let mut visitor = visitor("");
    let token = visitor.get("/csrf/token").json()["token"].clone();
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    assert!(token.as_str().is_some_and(|it| it.len() == 40 && it.bytes().all(is_digit)), "{token}");
    assert_eq!(visitor.get("/all").json(), json!({"values": {"_csrft_": token}}));
}

#[test]
fn r39_a_stored_null_is_no_token_and_a_stored_empty_text_is_one() {
    let mut visitor = visitor("");
    visitor.post("/set", &json!({"key": "_csrft_", "value": null}));
    let made = visitor.get("/csrf/token").json()["token"].clone();
    assert_eq!(made.as_str().map(str::len), Some(40));
    visitor.post("/set", &json!({"key": "_csrft_", "value": ""}));
    assert_eq!(visitor.get("/csrf/token").json()["token"], "");
}

#[test]
fn r7_no_byte_can_be_changed() {
    let (visitor, cookie) = ada("");
    let bytes = payload::bytes(&cookie);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let cookies = format!("session={}", payload::cookie(&changed));
        assert_eq!(user(&visitor, cookies), json!(null), "byte {at}");
    }
    assert_eq!(user(&visitor, format!("session={cookie}")), json!("ada"), "the unchanged one");
}

#[test]
fn r7_nothing_can_be_cut_off_or_added() {
    let (visitor, cookie) = ada("");
    for kept in 0..cookie.len() {
        let cookies = format!("session={}", &cookie[..kept]);
        assert_eq!(user(&visitor, cookies), json!(null), "{kept} characters");
    }
    for added in ["A", "AA", "AAAA", "=", "==", "%", "."] {
        assert_eq!(user(&visitor, format!("session={cookie}{added}")), json!(null), "{added}");
    }
}

#[test]
fn r7_another_secret_is_another_house() {
    let (_, cookie) = ada("");
    let elsewhere = visitor("--secret another-1Kd8vWq3zXcN5bM7tYpL0sJhGfRaUeIo4");
    assert_eq!(user(&elsewhere, format!("session={cookie}")), json!(null));
}

#[test]
fn r61_refusals_are_counted_by_reason() {
    let visitor = Visitor::new(testbed(&format!("--now {NOW} --idle 61")));
    let (_, cookie) = ada(&format!("--now {NOW} --idle 61"));
    let mut forged = payload::bytes(&cookie);
    forged[0] ^= 1;
    let forged = payload::cookie(&forged);
    assert_eq!(user(&visitor, "session=%%%"), json!(null));
    assert_eq!(user(&visitor, "session=AAAA"), json!(null));
    assert_eq!(user(&visitor, format!("session={forged}")), json!(null));
    assert_eq!(user(&visitor, format!("session={cookie}")), json!("ada"));
    let stats = visitor.get_with_cookie_header("/stats", b"").json();
    assert_eq!(stats["refused"], json!({"malformed": 2, "forged": 1}));
}

#[test]
fn r10_s16_script_cannot_read_the_cookie_and_other_sites_do_not_send_it() {
    let answer = visitor("").post("/set", &json!({"key": "a", "value": 1}));
    let cookie = answer.set_cookie().expect("a cookie was set");
    // The testbed is plain http; `Secure` is the default, which this one had to turn off.
    assert_eq!(cookie.attributes, ["Path=/", "HttpOnly", "SameSite=Lax"]);
}

#[test]
fn r55_s13_two_different_valid_cookies_are_nobodys() {
    let (visitor, ada) = ada("");
    let mut other = crate::visitor("");
    other.post("/set", &json!({"key": "user", "value": "eve"}));
    let eve = other.cookie().expect("a cookie was set");
    for cookies in
        [format!("session={ada}; session={eve}"), format!("session={eve}; session={ada}")]
    {
        assert_eq!(user(&visitor, cookies), json!(null));
    }
}

#[test]
fn r55_s13_one_valid_cookie_among_others_is_found() {
    let (visitor, ada) = ada("");
    for cookies in [
        format!("session={ada}; session={ada}"),
        format!("session=rubbish; session={ada}"),
        format!("session={ada}; session="),
    ] {
        assert_eq!(user(&visitor, &cookies), json!("ada"), "{cookies}");
    }
}

#[test]
fn r56_s12_quotes_and_what_else_is_in_the_header_do_not_matter() {
    let (visitor, ada) = ada("");
    for cookies in [
        format!("session=\"{ada}\""),
        format!("a=1; session={ada}; b=2"),
        format!("a=1;session={ada};b=2"),
        format!("  session={ada}  ;"),
        format!("a; =; ;; b==; \"; session={ada}"),
        format!("Session=x; sessions=y; xsession=z; session={ada}"),
    ] {
        assert_eq!(user(&visitor, &cookies), json!("ada"), "{cookies}");
    }
    let bytes = [b"a=\xff\xfe\x80; session=", ada.as_bytes(), b"; b=\xc3("].concat();
    assert_eq!(user(&visitor, bytes), json!("ada"));
}

#[test]
fn s11_only_the_exact_name_is_the_name() {
    let (visitor, ada) = ada("");
    for name in
        ["Session", "SESSION", "%73ession", "session ", "\"session\"", "sess ion", "$session"]
    {
        assert_eq!(user(&visitor, format!("{name}={ada}")), json!(null), "{name}");
    }
}

#[test]
fn r5_one_cookie_keeps_all_of_it() {
    // No option at all: the secret is all that the factory is told.
    let mut visitor = crate::visitor("");
    visitor.post("/set", &json!({"key": "a", "value": [1, {"b": null}]}));
    visitor.post("/flash", &json!({"message": "hello"}));
    let token = visitor.get("/csrf/token").json()["token"].clone();
    let cookie = visitor.cookie().expect("a cookie was set").to_owned();

    let mut elsewhere = crate::visitor("--renew-after never");
    let all = elsewhere.set_cookie(cookie).get("/all").json();
    let expected = json!({"a": [1, {"b": null}], "_f_": ["hello"], "_csrft_": token});
    assert_eq!(all, json!({"values": expected}));
}

#[test]
fn r70_a_copied_cookie_opens_its_session_again() {
    let mut visitor = crate::visitor("");
    visitor.post("/flash", &json!({"message": "once"}));
    let copy = visitor.cookie().expect("a cookie was set").to_owned();
    visitor.post("/pop-flash", &json!({}));
    visitor.post("/invalidate", &json!({}));
    assert_eq!(visitor.cookie(), None);
    let again = visitor.set_cookie(copy).post("/pop-flash", &json!({}));
    assert_eq!(again.json(), json!({"messages": ["once"]}));
}
