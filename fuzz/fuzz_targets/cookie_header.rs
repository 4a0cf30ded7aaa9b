//! Any bytes as a `Cookie` header: no panic, and nobody's session.

#![no_main]

libfuzzer_sys::fuzz_target!(|header: &[u8]| {
    assert!(!cloakroom_fuzz::brings_a_session(header, header.len() % 2 == 0));
});
