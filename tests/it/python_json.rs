//! What a signed cookie makes of a value's JSON, beside what Python's `json.dumps` makes of it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cloakroom::{Session, Value};
use serde::Serialize;

use crate::site::{Site, builder};

const VECTORS: &str = include_str!("../vectors/python_json.json");

/// The JSON in the cookie of a session that holds one value.
async fn kept<T: Serialize>(site: &Site, value: T) -> String {
    let insert = async |session: Session| session.insert("v", value).map(drop).unwrap();
    let visit = site.visit(None, insert).await;
    let document = BASE64_URL_SAFE_NO_PAD.decode(visit.cookie_value().unwrap()).unwrap();
    let document = String::from_utf8(document[64..].to_vec()).unwrap();
    let value = document.split_once(r#"{"v": "#).unwrap().1;
    value.strip_suffix("}]").unwrap().to_owned()
}

fn site() -> Site {
    Site::new(builder().build().unwrap())
}

#[tokio::test]
async fn r66_values_are_written_as_python_writes_them() {
    let vectors: Vec<(String, String)> = serde_json::from_str(VECTORS).unwrap();
    assert!(vectors.len() > 300, "{} vectors", vectors.len());
    let site = site();
    for (json, python) in vectors {
        assert_eq!(kept(&site, Value::from_json(&json).unwrap()).await, python, "{json}");
        let is_float = json.contains(['.', 'e', 'E']) && !json.contains(['"', '[', '{']);
        if is_float {
            let float: f64 = json.parse().unwrap();
            assert_eq!(kept(&site, float).await, python, "{float:e}");
        }
    }
}

#[tokio::test]
async fn r20_a_cookie_keeps_each_digit_or_is_refused() {
    let site = site();
    let digits = "3.14159265358979323846264338327950288419716939937510";
    assert_eq!(kept(&site, Value::from_json(digits).unwrap()).await, digits);
    assert_eq!(Value::from_json("[1e999]"), None, "Python would read infinity");
}
