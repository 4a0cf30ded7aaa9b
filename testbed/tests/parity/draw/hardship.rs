//! Requests that fail, panic, take long or end late, and what makes others fail: faults of the store, and time.

use super::{Draw, JSON, get, post};
use crate::request::Request;

const STATUSES: [&str; 10] = ["200", "302", "304", "400", "404", "499", "500", "503", "99", "1000"];

/// Seconds around the limits of a session, and what is no span.
const SPANS: [&str; 11] =
    ["0", "0.5", "1", "61", "299", "301", "601", "1199", "1201", "-1", "1e300"];

const CALLS: [&str; 6] = ["load", "create", "replace", "touch", "remove", "burn"];

impl Draw {
    pub(super) fn hardship(&mut self) -> Request {
        match self.below(900) {
            0..=2 => get("/stream"),
            // Each call then takes the store's whole budget, two seconds.
            3 => self.fault("hang"),
            4..=240 => {
                let fault = self.one_of(&["fail", "lost", "garbage", "rust"]);
                self.fault(fault)
            }
            241..=330 => post("/fault", JSON, "{}"),
            331..=600 => {
                let span = self.one_of(&SPANS);
                post("/clock", JSON, format!(r#"{{"advance": {span}}}"#))
            }
            601..=810 => self.failing(),
            _ => {
                let (first, then) = (self.steps(), self.steps());
                let milliseconds = self.below(3);
                let body =
                    format!(r#"{{"sleep_ms": {milliseconds}, "first": {first}, "then": {then}}}"#);
                post("/slow", JSON, body)
            }
        }
    }

    fn fault(&mut self, fault: &str) -> Request {
        let call = self.one_of(&CALLS);
        post("/fault", JSON, format!(r#"{{"call": "{call}", "fault": "{fault}"}}"#))
    }

    fn failing(&mut self) -> Request {
        let steps = self.steps();
        let end = match self.below(4) {
            0 => r#""panic": true"#.into(),
            _ => format!(r#""status": {}"#, self.one_of(&STATUSES)),
        };
        post("/fail", JSON, format!(r#"{{{end}, "then": {steps}}}"#))
    }

    /// What is to be done on the way.
    fn steps(&mut self) -> String {
        let steps: Vec<_> = (0..self.below(3)).map(|_| self.step()).collect();
        format!("[{}]", steps.join(", "))
    }

    fn step(&mut self) -> String {
        let (route, body) = self.writing();
        let body = if body.is_empty() { "null".into() } else { body };
        format!(r#"{{"route": "{route}", "body": {body}}}"#)
    }
}
