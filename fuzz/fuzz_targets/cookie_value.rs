//! Any bytes as the value of our cookie: no panic, and nobody's session.

#![no_main]

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    let header = [b"a=1; session=", value].concat();
    assert!(!cloakroom_fuzz::brings_a_session(&header, value.len() % 2 == 0));
});
