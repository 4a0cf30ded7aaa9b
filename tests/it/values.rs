//! What is set is what is read, to the last bit; what could not be is refused where it is set.

use cloakroom::Session;
use proptest::prelude::*;

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
