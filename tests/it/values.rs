//! What is set is what is read, to the last bit; what could not be is refused where it is set.

use std::collections::{BTreeMap, HashMap, HashSet};

use cloakroom::session::{MAX_DEPTH, MAX_VALUE_BYTES};
use cloakroom::{Error, Key, Session, Value};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

/// What a later read gives of a value that was set.
fn back<T: Serialize + DeserializeOwned>(value: &T) -> T {
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
        assert!(session.flash_unique("", number).unwrap(), "{number}");
        assert!(!session.flash_unique("", number).unwrap(), "{number}");
    }
    assert!(session.flash_unique("", 0.0).unwrap() && session.flash_unique("", -0.0).unwrap());
}

/// Why a value is refused under a key of text, after it was seen that the old value is still there.
fn refusal<T: Serialize>(value: T) -> String {
    let session = Session::detached();
    session.insert("k", "old").unwrap();
    let error = session.insert("k", value).unwrap_err();
    assert_eq!(session.get::<String>("k").unwrap().as_deref(), Some("old"));
    match error {
        Error::Serialize { key, reason, .. } if key == "k" => reason,
        other => panic!("{other:?}"),
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cart {
    items: Vec<Item>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Item {
    price: f64,
}

#[test]
fn r19_a_float_that_json_does_not_have_is_refused_at_any_depth() {
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(refusal(float), "a float that is not finite");
        assert_eq!(refusal(float as f32), "a float that is not finite");
        assert_eq!(refusal(Some(float)), "a float that is not finite");
        assert_eq!(refusal([1.0, float]), "a float that is not finite, at [1]");
        assert_eq!(refusal(((), (0, float))), "a float that is not finite, at [1][1]");
        let items = vec![Item { price: 1.0 }, Item { price: float }];
        assert_eq!(refusal(Cart { items }), "a float that is not finite, at .items[1].price");
        let secret = BTreeMap::from([("hunter2", vec![float])]);
        assert_eq!(refusal(secret), "a float that is not finite, at .*[0]", "S87");
        assert_eq!(refusal(Ok::<_, ()>(float)), "a float that is not finite, at .Ok");
        assert_eq!(refusal(Point::At { x: float }), "a float that is not finite, at .At.x");
        assert_eq!(refusal(Point::Of(0, float)), "a float that is not finite, at .Of[1]");
        assert_eq!(
            refusal(Flat { n: 1, rest: Item { price: float } }),
            "a float that is not finite, at .*"
        );
    }
    let session = Session::detached();
    let error = session.modify("k", |item: &mut Item| item.price = f64::NAN).unwrap_err();
    assert_eq!(error.kind(), "serialize");
    assert_eq!(session.get_or_insert_with("k", || f64::NAN).unwrap_err().kind(), "serialize");
    assert_eq!(session.extend([("a", 1.0), ("k", f64::NAN)]).unwrap_err().kind(), "serialize");
    assert_eq!(session.flash(f64::NAN).unwrap_err().kind(), "serialize");
    assert!(session.is_empty());
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Point {
    At { x: f64 },
    Of(u8, f64),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Flat<T> {
    n: u8,
    #[serde(flatten)]
    rest: T,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged<T> {
    Is { it: T },
    Wraps(Wrap<T>),
    Not,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrap<T> {
    it: T,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Wide(u128),
    Keyed(HashMap<u32, u32>),
}

/// Sets a value under a key that knows its type, and in the other ways that know it: all of them refuse it, or it
/// comes back by all of them.
fn is_kept<T>(value: T) -> bool
where
    T: Clone + PartialEq + Serialize + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let session = Session::detached();
    let typed = session.insert(const { Key::<Option<T>>::new("a") }, Some(value.clone()));
    let (one, other) = (value.clone(), value.clone());
    let made = session.get_or_insert_with("b", || one);
    let modified = session.modify("c", move |slot: &mut Vec<T>| slot.push(other.clone()));
    let kept = typed.is_ok();
    assert_eq!((made.is_ok(), modified.is_ok()), (kept, kept), "{value:?}");
    if kept {
        assert_eq!(session.get::<T>("a").unwrap().as_ref(), Some(&value));
        assert_eq!(session.get::<T>("b").unwrap().as_ref(), Some(&value));
        assert_eq!(session.get::<Vec<T>>("c").unwrap(), Some(vec![value]));
    } else {
        assert!(session.is_empty(), "{value:?}");
    }
    kept
}

#[test]
fn r19_what_its_own_type_could_not_read_is_refused() {
    let wide = u128::from(u64::MAX) + 1;
    for value in [
        Tagged::Is { it: 7_u128 },
        Tagged::Is { it: wide },
        Tagged::Wraps(Wrap { it: 7 }),
        Tagged::Wraps(Wrap { it: wide }),
    ] {
        assert!(refusal(&value).starts_with("an integer of 128 bits"), "{value:?}");
        assert!(!is_kept(value));
    }
    let keyed = HashMap::from([(1_u32, 2_u32)]);
    for reason in [
        refusal(Flat { n: 1, rest: keyed.clone() }),
        refusal(Tagged::Is { it: keyed.clone() }),
        refusal(Tagged::Is { it: vec![Some(keyed.clone())] }),
        refusal(Tagged::Wraps(Wrap { it: HashMap::from([(true, 1)]) })),
        refusal(Flat { n: 1, rest: HashMap::from([(-1_i8, 1)]) }),
        refusal(Flat { n: 1, rest: Wrap { it: keyed.clone() } }),
    ] {
        assert!(reason.starts_with("a map's key that is no text"), "{reason}");
    }
    assert!(!is_kept(Flat { n: 1, rest: keyed.clone() }));
    assert!(!is_kept(Tagged::Is { it: keyed.clone() }));
    assert!(!is_kept(Untagged::Wide(7)) && !is_kept(Untagged::Wide(wide)));
    assert!(!is_kept(Untagged::Keyed(keyed)));
    let raw = RawValue::from_string("1".into()).unwrap();
    assert!(refusal(Tagged::Is { it: raw }).starts_with("JSON kept as it is"));
}

#[test]
fn r19_what_only_its_own_type_can_read_needs_one_that_is_known() {
    for wide in [u128::MAX, u128::from(u64::MAX) + 1] {
        assert!(refusal(wide).starts_with("an integer of 128 bits"));
        assert!(is_kept(wide) && is_kept(vec![wide]));
        assert!(is_kept(HashSet::from([wide, 1, 2, 3])));
    }
    assert!(refusal(i128::from(i64::MIN) - 1).starts_with("an integer of 128 bits"));
    assert!(is_kept(i128::MIN));
    assert!(refusal(Some(None::<u8>)).starts_with("`Some` of what is written as `null`"));
    assert!(refusal(Wrap { it: Some(()) }).ends_with(", at .it"));
    assert!(!is_kept(Wrap { it: Some(None::<u8>) }) && !is_kept(Wrap { it: Some(()) }));
    assert!(refusal(Some(RawValue::from_string("null".into()).unwrap())).starts_with("`Some`"));
}

#[test]
fn r20_what_can_be_read_is_kept_under_any_key() {
    fn everywhere<T>(value: T)
    where
        T: Clone + PartialEq + Serialize + DeserializeOwned + std::fmt::Debug + Send + 'static,
    {
        assert_eq!(back(&value), value);
        assert!(is_kept(value));
    }
    everywhere(7_u128);
    everywhere(i128::from(i64::MIN));
    everywhere(u64::MAX);
    everywhere(HashMap::from([(1_u32, HashMap::from([(-1_i64, "x".to_owned())]))]));
    everywhere(BTreeMap::from([(7_u128, false)]));
    everywhere(BTreeMap::from([(true, 'x')]));
    everywhere(Flat { n: 1, rest: HashMap::from([("a".to_owned(), Some(1.5))]) });
    everywhere(Tagged::Is { it: HashMap::from([("a".to_owned(), vec![u64::MAX])]) });
    everywhere(vec![Tagged::Wraps(Wrap { it: -0.5 }), Tagged::Not]);
    everywhere((None::<u8>, Some(Some(1)), vec![None, Some("x".to_owned())]));
    everywhere(Wrap { it: HashMap::from([(1_u8, vec![Point::At { x: 1.0 }])]) });
    everywhere(json!({"a": [null, 1, -1.5, {"b": "c"}]}));
}

#[test]
fn r19_what_is_written_and_read_differently_is_refused_where_the_type_is_known() {
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Renamed {
        #[serde(rename(serialize = "hunter2"))]
        n: u8,
    }
    assert!(!is_kept(Renamed { n: 1 }));
    let session = Session::detached();
    let error = session.get_or_insert_with("k", || Renamed { n: 1 }).unwrap_err().to_string();
    assert!(error.contains("what is written cannot be read back"), "{error}");
    assert!(!error.contains("hunter2"), "S87: {error}");
}

#[test]
fn r19_a_part_that_failed_unnoticed_leaves_nothing_behind() {
    struct Careless;
    impl Serialize for Careless {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(None)?;
            let _ = list.serialize_element(&f64::NAN);
            list.end()
        }
    }
    assert_eq!(refusal(Careless), "a part that was given up, at [0]");
}

#[test]
fn a_value_that_was_taken_out_goes_back_as_it_is() {
    let session = Session::detached();
    let text = r#"{"b": 1.50, "a": [18446744073709551616, "\u0041"]}"#;
    session.insert("k", Value::from_json(text).unwrap()).unwrap();
    let value = session.remove("k").unwrap().unwrap();
    assert_eq!(value.as_json(), text);
    session.invalidate().unwrap();
    session.insert("other", &value).unwrap();
    assert_eq!(session.entries().get("other").unwrap().as_json(), text);
    assert_eq!(session.get::<Value>("other").unwrap().unwrap().as_json(), text);
    assert!(is_kept(Wrap { it: vec![Some(value.clone())] }), "nested");
    session.insert("list", [&value, &value]).unwrap();
    assert_eq!(session.get::<Vec<Value>>("list").unwrap().unwrap()[1].as_json(), text);
    session.flash(&value).unwrap();
    assert_eq!(session.peek_flash::<Value>("").unwrap(), [value]);
}

#[test]
fn s84_a_value_inside_another_counts_towards_the_limits() {
    let session = Session::detached();
    let deep = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    let deep = Value::from_json(&deep).unwrap();
    session.insert("k", &deep).unwrap();
    assert_eq!(session.insert("k", [&deep]).unwrap_err().kind(), "too_deep");
    let deeper = format!("[{}]", deep.as_json());
    assert!(serde_json::from_str::<Value>(&deeper).is_err());
    let large = Value::encode("k", &"x".repeat(MAX_VALUE_BYTES - 2)).unwrap();
    assert_eq!(session.insert("k", [&large]).unwrap_err().kind(), "serialize");
}

/// serde_json's numbers of any precision come to the encoder as text in a struct of this name.
struct AnyNumber(&'static str);

impl Serialize for AnyNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut number = serializer.serialize_struct("$serde_json::private::Number", 1)?;
        number.serialize_field("$serde_json::private::Number", self.0)?;
        number.end()
    }
}

#[test]
fn r19_a_number_beyond_the_floats_is_refused_also_in_text_that_is_kept_as_it_is() {
    const RAW: Key<Box<RawValue>> = Key::new("k");
    let session = Session::detached();
    let beyond = ["1e400", "-1e309", "[1, {\"a\": 1.8e308}]", " 1E999 ", "1e99999999999999999999"];
    for text in beyond {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        for error in [
            session.insert("k", &raw).unwrap_err(),
            session.insert(RAW, &raw).unwrap_err(),
            session.insert("k", [&raw]).unwrap_err(),
            session.flash(&raw).unwrap_err(),
            session.modify("n", |_: &mut u32| ()).and(session.extend([("k", &raw)])).unwrap_err(),
        ] {
            assert_eq!(error.kind(), "serialize", "{text}");
        }
        assert_eq!(Value::from_json(text), None, "{text}");
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
    }
    // Python has integers of any size, and writes them.
    let large = "9".repeat(400);
    for text in [
        "1e308",
        "-1.7976931348623157e308",
        "1e-400",
        "\"1e400\"",
        "{\"1e400\": \"\\\"1e400\"}",
        &large,
    ] {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        session.insert("k", &raw).unwrap();
        assert_eq!(session.remove("k").unwrap(), Value::from_json(text), "{text}");
    }
    assert_eq!(refusal(AnyNumber("1e400")), "a number beyond the largest float");
}
