//! Looking into a signed cookie, as anybody can who has it (R6).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

/// SHA-512's.
const SIGNATURE_BYTES: usize = 64;

/// Signature and text.
pub(crate) fn bytes(cookie: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(cookie).expect("base64 for URLs, without padding")
}

/// A cookie of these bytes.
pub(crate) fn cookie(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The signed JSON text.
pub(crate) fn text(cookie: &str) -> String {
    let json = bytes(cookie).split_off(SIGNATURE_BYTES);
    String::from_utf8(json).expect("text")
}

/// Last use, creation and data.
pub(crate) fn triple(cookie: &str) -> (Value, Value, Value) {
    serde_json::from_str(&text(cookie)).expect("an array of three")
}
