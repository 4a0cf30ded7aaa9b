//! A million forged cookies: no panic, and never a session that was not signed here (S7, S32).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cloakroom::Session;

use crate::site::{Site, builder};

/// Small and fast numbers that are the same in every run, so that a failure can be seen again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// One attack on a rightly signed cookie value.
fn forge(numbers: &mut Numbers, valid: &str) -> Vec<u8> {
    let mut text = valid.as_bytes().to_vec();
    let at = numbers.below(text.len());
    match numbers.below(8) {
        0 => text[at] = ALPHABET[numbers.below(64)],
        1 => text[at] = 0x20 + numbers.below(0x5f) as u8,
        2 => text.truncate(at),
        3 => text.insert(at, ALPHABET[numbers.below(64)]),
        4 => {
            text.remove(at);
        }
        5 => text.swap(at, (at + 1) % valid.len()),
        6 => {
            let length = numbers.below(200);
            text = (0..length).map(|_| ALPHABET[numbers.below(64)]).collect();
        }
        _ => {
            let length = numbers.below(160);
            let mut frame: Vec<u8> = (0..64).map(|_| numbers.next() as u8).collect();
            frame.extend(br#"[1700000000, 1700000000.0, {"user": "admin"}]"#.iter().take(length));
            text = BASE64_URL_SAFE_NO_PAD.encode(frame).into_bytes();
        }
    }
    text
}

#[tokio::test]
async fn s32_a_million_forged_values_open_nothing() {
    let clock = cloakroom::testing::FakeClock::at(1_700_000_000.0);
    let factory = || builder().clock(clock.clone());
    let made = Site::new(factory().build().unwrap())
        .visit(None, async |session: Session| session.insert("user", "ada").map(drop))
        .await;
    let valid = made.cookie_value().unwrap();
    let sites =
        [Site::new(factory().build().unwrap()), Site::new(factory().lenient().build().unwrap())];
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut opened = 0;
    for round in 0..1_000_000 {
        let text = forge(&mut numbers, valid);
        let Ok(text) = String::from_utf8(text) else { continue };
        let lenient = round % 2 == 1;
        let header = format!("session={text}");
        let seen = sites[usize::from(lenient)]
            .visit(&*header, async |session: Session| {
                (session.is_new(), session.get::<String>("user"))
            })
            .await;
        let (is_new, user) = seen.result;
        if !is_new {
            // Only the very cookie, or, for the lenient reader, another spelling of the same bytes.
            assert_eq!(user.unwrap().as_deref(), Some("ada"), "{text}");
            assert!(lenient || text.trim_matches(['"', ' ']) == valid, "{text}");
            opened += 1;
        }
    }
    assert!(
        opened < 50_000,
        "{opened} forgeries were spelt like the original: the forger is broken"
    );
}

#[tokio::test]
async fn r7_no_character_of_a_cookie_can_be_changed() {
    let site = Site::new(builder().build().unwrap());
    let made = site.visit(None, async |s: Session| s.insert("user", "ada").map(drop)).await;
    let valid = made.cookie_value().unwrap();
    for at in 0..valid.len() {
        for other in ALPHABET.iter().filter(|other| **other != valid.as_bytes()[at]) {
            let mut text = valid.as_bytes().to_vec();
            text[at] = *other;
            let header = format!("session={}", String::from_utf8(text).unwrap());
            let seen = site.visit(&*header, async |session: Session| session.is_new()).await;
            assert!(seen.result, "{header}");
        }
    }
}
