//! The cookie scanner against its attacks, and the settings that no browser would keep.

use std::time::Duration;

use cloakroom::cookie::{Candidates, CookieHeader, CookieSettings, SameSite, SetCookies};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

fn headers(fields: &[&[u8]]) -> HeaderMap {
    let values = fields.iter().map(|field| (COOKIE, HeaderValue::from_bytes(field).unwrap()));
    let mut headers = HeaderMap::new();
    values.for_each(|(name, value)| {
        headers.append(name, value);
    });
    headers
}

#[test]
fn s11_no_other_spelling_passes_for_our_name() {
    let name = "__Host-Http-id";
    for header in [
        &b"%5F%5FHost-Http-id=x"[..],
        b"__host-http-id=x",
        b"=__Host-Http-id=x",
        b"\xc2\x85__Host-Http-id=x",
        b"\xc2\xa0__Host-Http-id=x",
        b"\xe2\x80\x80__Host-Http-id=x",
        b"\xe3\x80\x80__Host-Http-id=x",
        b"\"__Host-Http-id\"=x",
        b"$Version=1,__Host-Http-id=x",
        b"a=\"b, __Host-Http-id=x\"",
        b"__Host-Http-id",
        b"__Host-Http-id =x",
        b"x__Host-Http-id=x",
        b"__Host-Http-idx=x",
    ] {
        let found = headers(&[header]);
        let shown = header.escape_ascii().to_string();
        assert_eq!(CookieHeader::new(&found).named(name), Candidates::None, "{shown}");
    }
}

#[test]
fn s12_junk_beside_it_never_hides_our_cookie() {
    let long = [b"junk=".to_vec(), vec![b'x'; 8192], b"; session=ours".to_vec()].concat();
    for fields in [
        &[&b"\xff\xfe; session=ours"[..]][..],
        &[b"no-equals-sign; ; ;;session=ours;"],
        &[b"a=1", b"\"=\"", b"session=ours"],
        &[b"a=\"; session=ours; b=\""],
        &[b" \t session=ours\t "],
        &[&*long],
    ] {
        assert_eq!(CookieHeader::new(&headers(fields)).named("session"), Candidates::One(b"ours"));
    }
}

#[test]
fn s13_equal_values_are_one_and_more_than_two_are_too_many() {
    let named = |header: &'static [u8]| {
        let headers = Box::leak(Box::new(headers(&[header])));
        CookieHeader::new(headers).named("s")
    };
    assert_eq!(named(b"s=a; s=a"), Candidates::One(b"a"));
    assert_eq!(named(b"s=a; s=b; s=a"), Candidates::Two(b"a", b"b"));
    assert_eq!(named(b"s=a; s=b; s=c"), Candidates::TooMany);
    assert_eq!(named(b"s="), Candidates::One(b""));
}

#[test]
fn r56_a_pair_of_quotes_is_no_part_of_a_value() {
    let named = |header: &'static [u8]| {
        let headers = Box::leak(Box::new(headers(&[header])));
        CookieHeader::new(headers).named("s")
    };
    assert_eq!(named(b"s=\"a\"; s=a"), Candidates::One(b"a"));
    assert_eq!(named(b"s=\"a\"; s=b; s=a; s=\"b\""), Candidates::Two(b"a", b"b"));
    assert_eq!(named(b"s=\"\""), Candidates::One(b""));
    for part in [&b"\""[..], b"\"a", b"a\"", b"a\"b\""] {
        let header = [b"s=", part].concat();
        assert_eq!(named(Box::leak(header.into_boxed_slice())), Candidates::One(part));
    }
    assert_eq!(named(b"s=\"\"a\"\""), Candidates::One(b"\"a\""), "one pair only");
}

/// The plain way to say what the scanner does, for comparison.
fn reference(header: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let mut found = Vec::new();
    for pair in header.split(|byte| *byte == b';') {
        let start = pair.iter().position(|byte| !is_blank(byte)).unwrap_or(pair.len());
        let end = pair.iter().rposition(|byte| !is_blank(byte)).map_or(start, |at| at + 1);
        let mut halves = pair[start..end].splitn(2, |byte| *byte == b'=');
        if let (Some(left), Some(right)) = (halves.next(), halves.next())
            && left == name
        {
            let is_quoted = right.len() >= 2 && right.starts_with(b"\"") && right.ends_with(b"\"");
            let value = if is_quoted { &right[1..right.len() - 1] } else { right };
            if !found.contains(&value.to_vec()) {
                found.push(value.to_vec());
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn s12_the_scanner_agrees_with_the_plain_way(
        header in proptest::collection::vec(
            prop_oneof![
                Just(b"s".to_vec()), Just(b"=".to_vec()), Just(b";".to_vec()), Just(b" ".to_vec()),
                Just(b"\t".to_vec()), Just(b"s=v".to_vec()), Just(b"\"".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..4),
            ],
            0..24,
        )
    ) {
        let header = header.concat();
        let Ok(value) = HeaderValue::from_bytes(&header) else { return Ok(()) };
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, value);
        let found = match CookieHeader::new(&headers).named("s") {
            Candidates::None => vec![],
            Candidates::One(one) => vec![one.to_vec()],
            Candidates::Two(one, two) => vec![one.to_vec(), two.to_vec()],
            Candidates::TooMany => reference(&header, b"s"),
        };
        let expected = reference(&header, b"s");
        prop_assert_eq!(found.len().min(3), expected.len().min(3));
        if expected.len() <= 2 { prop_assert_eq!(found, expected); }
    }
}

#[test]
fn s9_what_browsers_would_drop_or_change_is_refused_when_built() {
    let new = CookieSettings::new;
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    for (settings, complaint) in [
        (new(""), "token"),
        (new("a b"), "token"),
        (new("a;b"), "token"),
        (new("é"), "token"),
        (new("Host__x"), ""),
        (new("__Host__x"), "protects nothing"),
        (new("__Host-x").domain("a.example"), "no Domain"),
        (new("__Host-x").path("/shop"), "Path=/"),
        (new("__Host-Http-x").secure(false), "Secure"),
        (new("__host-x").secure(false), "Secure"),
        (new("__Secure-x").secure(false), "Secure"),
        (new("__Http-x").http_only(false), "HttpOnly"),
        (new("__Host-Http-x").http_only(false), "HttpOnly"),
        (new("x").same_site(SameSite::None).secure(false), "Secure"),
        (new("x").max_age(days(401)), "400 days"),
        (new("x").max_age(Duration::ZERO), "delete"),
        (new("x").path("shop"), "begin with `/`"),
        (new("x").path("/;HttpOnly"), "`;`"),
        (new("x").path("/\r\n"), "control"),
        (new("x").max_age(Duration::MAX), "400 days"),
        (new("x").max_age(Duration::from_millis(1500)), "whole seconds"),
        (new("x").path(format!("/{}", "p".repeat(1023))), ""),
        (new("x").path(format!("/{}", "p".repeat(1024))), "1024 bytes"),
        (new("x").domain("a;b"), "host name"),
        (new("x").domain(""), "host name"),
        (new("x").domain("."), "host name"),
        (new("x").domain("a..example"), "host name"),
        (new("x").domain("https://a.example"), "host name"),
        (new("x").domain("a.example:8080"), "host name"),
        (new("x").domain("a.example/shop"), "host name"),
        (new("x").domain("bücher.example"), "host name"),
        (new("x").domain("a".repeat(64)), "host name"),
        (new("x").domain(".a-1.example"), ""),
        (new("x").domain("127.0.0.1"), ""),
    ] {
        match settings.build() {
            Ok(_) => assert_eq!(complaint, "", "accepted {settings:?}"),
            Err(error) => {
                assert!(!complaint.is_empty() && error.to_string().contains(complaint), "{error}");
            }
        }
    }
}

#[test]
fn s16_same_site_is_always_said_and_attributes_keep_their_order() {
    let cookie = CookieSettings::new("n")
        .domain("example.org")
        .max_age(Duration::from_secs(90))
        .path("/p")
        .same_site(SameSite::Strict)
        .build()
        .unwrap();
    let attributes = "; Path=/p; Secure; HttpOnly; SameSite=Strict";
    assert_eq!(
        cookie.set("v").unwrap().as_str(),
        format!("n=v; Domain=example.org; Max-Age=90{attributes}")
    );
    assert_eq!(
        cookie.remove().unwrap().as_str(),
        format!("n=; Domain=example.org; Max-Age=0{attributes}"),
        "S14: a removal repeats what makes it the same cookie"
    );
    let plain = CookieSettings::new("n").secure(false).http_only(false).build().unwrap();
    assert_eq!(plain.set("v").unwrap().as_str(), "n=v; Path=/; SameSite=Lax");
}

#[test]
fn s10_name_and_value_fit_in_4096_bytes() {
    let cookie = CookieSettings::new("name").build().unwrap();
    assert!(cookie.set(&"v".repeat(4092)).is_ok());
    let error = cookie.set(&"v".repeat(4093)).unwrap_err();
    assert!(error.to_string().contains("4,097 bytes for a cookie of at most 4,096"), "{error}");
}

#[test]
fn s18_a_value_that_needs_encoding_is_refused() {
    let cookie = CookieSettings::new("n").build().unwrap();
    for value in ["a b", "a;b", "a,b", "a\"b", "a\\b", "é", "a\r\nb", "\0"] {
        assert!(cookie.set(value).is_err(), "{value:?}");
    }
}

#[test]
fn s14_of_one_cookie_a_response_has_one_line_and_setting_it_beats_removing_it() {
    let cookie = |settings: CookieSettings| settings.build().unwrap();
    let plain = || CookieSettings::new("n");
    let same = [cookie(plain()), cookie(plain().secure(false).http_only(false))];
    let others = [
        cookie(plain().path("/p")),
        cookie(plain().domain("example.org")),
        cookie(CookieSettings::new("N")),
    ];
    let lines = |cookies: SetCookies| -> Vec<String> {
        cookies.into_iter().map(|cookie| cookie.as_str().to_owned()).collect()
    };
    for other in &same {
        let (set, removal) = (same[0].set("v").unwrap(), other.remove().unwrap());
        let expected = [set.as_str().to_owned()];
        assert_eq!(lines(SetCookies::one(set.clone()).and(removal.clone())), expected);
        assert_eq!(lines(SetCookies::one(removal.clone()).and(set.clone())), expected);
        assert_eq!(lines(SetCookies::none().and(removal.clone()).and(removal)).len(), 1);
        let later = other.set("w").unwrap();
        assert_eq!(lines(SetCookies::one(set).and(later.clone())), [later.as_str()]);
    }
    for other in &others {
        let both = SetCookies::one(same[0].set("v").unwrap()).and(other.remove().unwrap());
        assert_eq!(lines(both).len(), 2, "{other:?}");
    }
    let dotted = cookie(plain().domain(".Example.ORG")).remove().unwrap();
    let both = SetCookies::one(others[1].set("v").unwrap()).and(dotted);
    assert_eq!(lines(both), [others[1].set("v").unwrap().as_str()], "one domain to a browser");
}

#[test]
fn s22_a_cookie_is_not_removed_in_the_last_second_of_its_session() {
    let cookie = CookieSettings::new("n").build().unwrap();
    for (millis, seconds) in [(1, 1), (999, 1), (1_000, 1), (1_001, 2), (90_000, 90)] {
        let line = cookie.set_for("v", Duration::from_millis(millis)).unwrap();
        let expected = format!("; Max-Age={seconds}; ");
        assert!(line.as_str().contains(&expected), "{millis}: {}", line.as_str());
    }
    let longest = cookie.set_for("v", Duration::MAX).unwrap();
    assert!(longest.as_str().contains("; Max-Age=34560000; "), "{}", longest.as_str());
}
