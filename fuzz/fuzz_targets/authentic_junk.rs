//! Any bytes, rightly signed: what is no session is refused, what is one is read and written again, no panic.

#![no_main]

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let key = ["pyramid.session.", cloakroom_fuzz::SECRET].concat();
    let mut mac = Hmac::<sha2::Sha512>::new_from_slice(key.as_bytes()).expect("any key");
    mac.update(payload);
    let frame = [&mac.finalize().into_bytes(), payload].concat();
    let header = format!("session={}", BASE64_URL_SAFE_NO_PAD.encode(frame));
    cloakroom_fuzz::brings_a_session(header.as_bytes(), payload.len() % 2 == 0);
});
