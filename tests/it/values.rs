//! What is set is what is read, to the last bit; what could not be is refused where it is set.

use cloakroom::{Session, Value};
use proptest::prelude::*;
use serde_json::json;

/// What a later read gives of a value that was set.
fn back<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let session = Session::detached();
    session.insert("k", value).unwrap();
    session.get("k").unwrap().unwrap()
}

#[test]
fn r20_a_float_is_read_to_the_last_bit() {
    for float in [0.1, -0.0, 5e-324, 2.225_073_858_507_201e-308, f64::MAX, 0.3, 71_837.063_187_8] {
        assert_eq!(back(&float).to_bits(), float.to_bits(), "{float:e}");
    }
    proptest!(|(bits: u64, decimal in 0.0f64..100_000.0)| {
        for float in [f64::from_bits(bits), decimal].into_iter().filter(|float| float.is_finite()) {
            prop_assert_eq!(back(&float).to_bits(), float.to_bits());
            prop_assert_eq!(back(&vec![Some(float)])[0].unwrap().to_bits(), float.to_bits());
        }
        let short = f32::from_bits(bits as u32);
        if short.is_finite() {
            prop_assert_eq!(back(&short).to_bits(), short.to_bits());
        }
    });
}

#[test]
fn r13c_numbers_are_equal_only_if_they_are_the_same() {
    let same = |one: &str, other: &str| {
        let value = |json| Value::from_json(json).unwrap();
        let (inside, around) = (format!("[{{\"n\": {one}}}]"), format!("[{{\"n\":{other}}}]"));
        assert_eq!(value(one) == value(other), value(&inside) == value(&around), "{one}, {other}");
        value(one) == value(other)
    };
    assert!(!same("9007199254740993", "9007199254740992"), "one float, two integers");
    assert!(!same("123456789012345678901234567890", "123456789012345678901234567891"));
    assert!(!same("0.0", "-0.0") && !same("1", "1.0"));
    assert!(same("1.50", "15e-1"));
    let of = |value: serde_json::Value| {
        let session = Session::detached();
        session.insert("n", value).unwrap();
        session
    };
    assert_ne!(of(json!((1_u64 << 53) + 1)), of(json!(1_u64 << 53)));
    assert_ne!(of(json!(0.0)).entries(), of(json!(-0.0)).entries());
}

#[test]
fn r31_messages_that_only_a_float_cannot_tell_apart_are_two() {
    let session = Session::detached();
    for number in [1_u64 << 53, (1 << 53) + 1] {
        assert!(session.flash_unique("", &number).unwrap(), "{number}");
        assert!(!session.flash_unique("", &number).unwrap(), "{number}");
    }
    assert!(session.flash_unique("", &0.0).unwrap() && session.flash_unique("", &-0.0).unwrap());
}
