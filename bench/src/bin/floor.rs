//! What the steps cost that a request cannot do without, each by itself: the floor under the goals.

use std::hint::black_box;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cloakroom::time::{Clock, SystemClock};
use cloakroom_bench::measure::{Request, costs};
use cloakroom_bench::session::{bare, request};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

const KILOBYTE: usize = 1075;

fn main() {
    let (mut names, mut requests): (Vec<_>, Vec<_>) = steps().into_iter().unzip();
    names.push("(a bare request, which every figure elsewhere leaves out)");
    requests.push(bare(true));
    println!("| step | ns | allocations |\n|---|---|---|");
    for (name, cost) in names.iter().zip(costs(&mut requests)) {
        println!("| {name} | {:.0} ±{:.0} | {} |", cost.ns(), cost.spread(), cost.allocations);
    }
    println!();
}

fn steps() -> Vec<(&'static str, Request)> {
    vec![
        ("a place for the session in the request: an `Arc` in `Extensions`", Box::new(place())),
        ("the clock", Box::new(|| _ = black_box(SystemClock.now()))),
        ("a lock, taken and given back", Box::new(lock())),
        ("a ticket's 64 characters to bytes", Box::new(ticket_bytes())),
        ("a ticket's SHA-256", Box::new(ticket_hash())),
        ("two hashes compared in constant time", Box::new(compare())),
        ("the checksum of a small record", Box::new(|| _ = black_box(crc32fast::hash(&[7; 85])))),
        ("48 random bytes from the operating system", Box::new(random())),
        ("HMAC-SHA-512 of 1 KB, the key taken in before", Box::new(mac::<Hmac<Sha512>>())),
        ("HMAC-SHA-256 of 1 KB, the key taken in before", Box::new(mac::<Hmac<Sha256>>())),
        ("two tags of HMAC-SHA-256 of short texts", Box::new(tags())),
        ("1 KB from base64", Box::new(from_base64())),
        ("1 KB to base64", Box::new(to_base64())),
        ("1 KB of JSON in ten keys, read as far as where each value ends", Box::new(json())),
    ]
}

fn place() -> impl FnMut() {
    // The difference to a request without is what it costs; a request is built either way.
    let mut request = request(None);
    move || {
        let place = Arc::new(Mutex::new(0_u64));
        request.extensions_mut().insert(place.clone());
        drop(request.extensions_mut().remove::<Arc<Mutex<u64>>>());
        drop(black_box(place));
    }
}

fn lock() -> impl FnMut() {
    let shared = Mutex::new(0_u64);
    move || *shared.lock().expect("no panic") += 1
}

fn ticket_bytes() -> impl FnMut() {
    let text = BASE64_URL_SAFE_NO_PAD.encode([7; 48]);
    move || {
        let mut bytes = [0; 48];
        let read = BASE64_URL_SAFE_NO_PAD.decode_slice_unchecked(black_box(&text), &mut bytes);
        let _ = black_box((read, bytes));
    }
}

fn ticket_hash() -> impl FnMut() {
    || _ = black_box(Sha256::digest(black_box([7_u8; 55])))
}

fn compare() -> impl FnMut() {
    || _ = black_box(black_box([7_u8; 32]).ct_eq(&black_box([7_u8; 32])))
}

fn random() -> impl FnMut() {
    || {
        let mut bytes = [0; 48];
        getrandom::fill(&mut bytes).expect("randomness");
        black_box(bytes);
    }
}

fn mac<M: Mac + KeyInit + Clone>() -> impl FnMut() {
    let (key, message) = (<M as KeyInit>::new_from_slice(&[7; 64]).expect("a key"), [7; KILOBYTE]);
    move || {
        let mut mac = key.clone();
        mac.update(black_box(&message));
        black_box(mac.finalize());
    }
}

fn tags() -> impl FnMut() {
    let key = Hmac::<Sha256>::new_from_slice(&[7; 32]).expect("a key");
    move || {
        for length in [24, 43] {
            let mut mac = key.clone();
            mac.update(black_box(&[7; 43][..length]));
            black_box(mac.finalize());
        }
    }
}

fn from_base64() -> impl FnMut() {
    let text = BASE64_URL_SAFE_NO_PAD.encode([7; KILOBYTE]);
    move || _ = black_box(BASE64_URL_SAFE_NO_PAD.decode(black_box(&text)))
}

fn to_base64() -> impl FnMut() {
    || _ = black_box(BASE64_URL_SAFE_NO_PAD.encode(black_box([7; KILOBYTE])))
}

fn json() -> impl FnMut() {
    let pairs: Vec<String> =
        (0..10).map(|at| format!(r#""text-{at}":"{}""#, "x".repeat(96))).collect();
    let text = format!("{{{}}}", pairs.join(","));
    move || {
        type Pairs<'a> = std::collections::BTreeMap<&'a str, &'a serde_json::value::RawValue>;
        black_box(serde_json::from_str::<Pairs<'_>>(black_box(&text)).expect("JSON").len());
    }
}
