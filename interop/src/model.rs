//! The oracle: a session as a plain list of keys and values, which does what each request should do.

use serde_json::{Value, json};

use crate::Request;

/// What a session must hold, in order.
#[derive(Debug, Default)]
pub struct Model {
    entries: Vec<(String, Value)>,
}

impl Model {
    /// All keys and values, as `/all` answers.
    #[must_use]
    pub fn values(&self) -> Value {
        json!({"values": self.entries.iter().cloned().collect::<serde_json::Map<_, _>>()})
    }

    /// The keys in order.
    #[must_use]
    pub fn keys(&self) -> Value {
        self.entries.iter().map(|(key, _)| Value::from(key.as_str())).collect()
    }

    /// Does what the request does and says what has to be answered. A new token is nobody's to know beforehand:
    /// it is taken from the answer.
    ///
    /// # Panics
    /// If there is no such request.
    pub fn perform(&mut self, request: &Request, answer: &Value) -> Value {
        let body = &request.body;
        let key = body["key"].as_str().unwrap_or_default();
        match request.path {
            "/set" => json!({"previous": self.set(key, &body["value"])}),
            "/set-default" => {
                if self.get(key).is_none() {
                    self.set(key, &body["value"]);
                }
                json!({"value": self.get(key)})
            }
            "/update" => {
                let values = body["values"].as_object().into_iter().flatten();
                values.for_each(|(key, value)| drop(self.set(key, value)));
                json!({})
            }
            "/add" => {
                let value = self.get(key).and_then(Value::as_i64).unwrap_or(0);
                let value = json!(value + body["by"].as_i64().unwrap_or(0));
                self.set(key, &value);
                json!({"value": value})
            }
            "/remove" => removed(self.position(key).map(|at| self.entries.remove(at))),
            "/pop-item" => removed(self.entries.pop()),
            "/clear" | "/invalidate" => {
                self.entries.clear();
                json!({})
            }
            "/changed" => json!({}),
            "/csrf/new" => self.new_token(answer),
            "/csrf/token" => match self.get("_csrft_") {
                Some(token) => json!({"token": token}),
                None => self.new_token(answer),
            },
            _ => self.perform_flash(request),
        }
    }

    fn perform_flash(&mut self, request: &Request) -> Value {
        let key = format!("_f_{}", request.body["queue"].as_str().unwrap_or_default());
        let mut messages = self.get(&key).and_then(Value::as_array).cloned().unwrap_or_default();
        match request.path {
            "/flash" => {
                let message = &request.body["message"];
                let unique = request.body["allow_duplicate"] == json!(false);
                if !(unique && messages.contains(message)) {
                    messages.push(message.clone());
                }
                self.set(&key, &Value::from(messages));
                json!({})
            }
            "/pop-flash" => {
                self.entries.retain(|(other, _)| *other != key);
                json!({"messages": messages})
            }
            other => panic!("the model knows no {other}"),
        }
    }

    fn new_token(&mut self, answer: &Value) -> Value {
        let token = &answer["token"];
        assert_eq!(token.as_str().map(str::len), Some(40), "{answer}");
        assert_ne!(self.get("_csrft_"), Some(token), "a new one");
        self.set("_csrft_", token);
        json!({"token": token})
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|(other, _)| other == key)
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.position(key).map(|at| &self.entries[at].1)
    }

    fn set(&mut self, key: &str, value: &Value) -> Option<Value> {
        match self.position(key) {
            Some(at) => Some(std::mem::replace(&mut self.entries[at].1, value.clone())),
            None => {
                self.entries.push((key.to_owned(), value.clone()));
                None
            }
        }
    }
}

fn removed(entry: Option<(String, Value)>) -> Value {
    entry.map_or_else(|| json!({}), |(key, value)| json!({"key": key, "value": value}))
}
