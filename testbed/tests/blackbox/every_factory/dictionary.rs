//! The session as a dictionary: what each method does, and that it is still so in the next request.

use serde_json::{Value, json};

use super::visitor;

/// Does the operations one request after another, from `{"a": 1, "b": "two"}`; gives each answer and what is there
/// in the end, in order.
fn after(operations: &[(&str, Value)]) -> (Vec<Value>, String) {
    let mut visitor = visitor("");
    visitor.post("/set", &json!({"key": "a", "value": 1}));
    visitor.post("/set", &json!({"key": "b", "value": "two"}));
    let answers = operations.iter().map(|(path, body)| visitor.post(path, body).json()).collect();
    (answers, visitor.get("/all").text)
}

#[test]
fn r13a_reading() {
    let mut visitor = visitor("");
    assert_eq!(visitor.get("/all").json(), json!({"values": {}}));
    assert_eq!(visitor.get("/get?key=a").json(), json!({"value": null}));
    visitor.post_text("/update", r#"{"values": {"a": 1, "b": "two"}}"#);
    assert_eq!(visitor.get("/get?key=b").json(), json!({"value": "two"}));
    assert_eq!(visitor.get("/all").text, r#"{"values":{"a":1,"b":"two"}}"#);
    let info = visitor.get("/info").json();
    assert_eq!((&info["len"], &info["keys"]), (&json!(2), &json!(["a", "b"])));
}

#[test]
fn r13b_r22_setting() {
    let (answers, all) = after(&[
        ("/set", json!({"key": "a", "value": [1]})),
        ("/set", json!({"key": "c", "value": null})),
        ("/set", json!({"key": "c", "value": 3})),
    ]);
    let previous = [json!({"previous": 1}), json!({"previous": null}), json!({"previous": null})];
    assert_eq!(answers, previous);
    assert_eq!(all, r#"{"values":{"a":[1],"b":"two","c":3}}"#);
}

#[test]
fn r13b_r22_setting_a_default() {
    let (answers, all) = after(&[
        ("/set-default", json!({"key": "a", "value": 9})),
        ("/set-default", json!({"key": "c", "value": 9})),
    ]);
    assert_eq!(answers, [json!({"value": 1}), json!({"value": 9})]);
    assert_eq!(all, r#"{"values":{"a":1,"b":"two","c":9}}"#);
}

#[test]
fn r13b_r22_setting_several() {
    let (answers, all) = after(&[("/update", json!({"values": {"b": 2, "c": 3}}))]);
    assert_eq!(answers, [json!({})]);
    assert_eq!(all, r#"{"values":{"a":1,"b":2,"c":3}}"#);
}

#[test]
fn r13b_r22_modifying() {
    let (answers, all) =
        after(&[("/add", json!({"key": "a", "by": 41})), ("/add", json!({"key": "n", "by": -1}))]);
    assert_eq!(answers, [json!({"value": 42}), json!({"value": -1})]);
    assert_eq!(all, r#"{"values":{"a":42,"b":"two","n":-1}}"#);
}

#[test]
fn r13b_a_value_of_another_type_is_not_modified() {
    let mut visitor = visitor("");
    visitor.post("/set", &json!({"key": "b", "value": "two"}));
    let answer = visitor.post("/add", &json!({"key": "b", "by": 1}));
    assert_eq!(answer.error(), (500, "wrong_type".into()));
    assert_eq!(visitor.get("/get?key=b").json(), json!({"value": "two"}));
}

#[test]
fn r13b_r22_removing() {
    let (answers, all) =
        after(&[("/remove", json!({"key": "a"})), ("/remove", json!({"key": "a"}))]);
    assert_eq!(answers, [json!({"key": "a", "value": 1}), json!({})]);
    assert_eq!(all, r#"{"values":{"b":"two"}}"#);
}

#[test]
fn r13b_r22_popping_the_last() {
    let none = json!({});
    let (answers, all) = after(&[
        ("/set", json!({"key": "a", "value": 0})),
        ("/pop-item", none.clone()),
        ("/pop-item", none.clone()),
        ("/pop-item", none.clone()),
    ]);
    // Setting `a` again did not move it to the end.
    let expected = [json!({"key": "b", "value": "two"}), json!({"key": "a", "value": 0}), none];
    assert_eq!(answers[1..], expected);
    assert_eq!(all, r#"{"values":{}}"#);
}

#[test]
fn r13b_r22_clearing() {
    let mut visitor = visitor("");
    visitor.post("/set", &json!({"key": "a", "value": 1}));
    visitor.post("/flash", &json!({"message": "m"}));
    visitor.get("/csrf/token");
    visitor.post("/clear", &json!({}));
    assert_eq!(visitor.get("/all").json(), json!({"values": {}}));
}

#[test]
fn r20_json_comes_back_as_it_went() {
    let values = [
        "null",
        "true",
        "0",
        "-9223372036854775808",
        "18446744073709551615",
        "123456789012345678901234567890",
        "0.1",
        "1e+22",
        "1e-07",
        "-0.0",
        "1.7976931348623157e+308",
        r#""""#,
        r#""東京 😀 grüße \"\\ / <b>""#,
        r#"[1,[2,[3,{"k":[]}]],{}]"#,
        r#"{"z":1,"a":{"m":null}}"#,
    ];
    for value in values {
        let mut visitor = visitor("");
        visitor.post_text("/set", &format!(r#"{{"key":"k","value":{value}}}"#));
        let text = visitor.get("/get?key=k").text;
        let back = text.strip_prefix(r#"{"value":"#).and_then(|rest| rest.strip_suffix('}'));
        let back = back.unwrap_or_else(|| panic!("{value}: {text}")).replace(", ", ",");
        let same = |one: &str| serde_json::from_str::<Value>(one).expect("JSON");
        assert_eq!(same(&back), same(value));
        if !value.contains(['"', '[']) {
            assert_eq!(back, value, "a number keeps its digits and its kind");
        }
    }
}

#[test]
fn r20_a_key_may_be_any_text() {
    for key in ["", " ", "1", "a.b", "ключ", "😀", "\"", "\\", "__proto__", "a\nb"] {
        let mut visitor = visitor("");
        visitor.post("/set", &json!({"key": key, "value": 1}));
        assert_eq!(visitor.get("/all").json(), json!({"values": {key: 1}}));
    }
}

#[test]
fn r52_the_librarys_own_keys_begin_with_the_same_letters() {
    let mut visitor = visitor("");
    visitor.post("/flash", &json!({"message": 1}));
    visitor.post("/flash", &json!({"message": 1, "queue": "q"}));
    assert_eq!(visitor.get("/info").json()["keys"], json!(["_f_", "_f_q"]));
    assert_eq!(visitor.get("/get?key=_f_q").json(), json!({"value": [1]}));
}
