//! Requests that do operations under hardship: after a wait (`/slow`), or before an error or a panic (`/fail`).
//!
//! Both name what to do as `"then": {"route": "/set", "body": {…}}`; a list does several in the same request
//! and answers as the last. What `/slow` is to do before it waits is its `"first"`.

use std::time::Duration;

use cloakroom::Session;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{at, read};
use crate::answer::{Answer, Outcome};
use crate::setup::Setup;

#[derive(Deserialize)]
struct Slow {
    sleep_ms: u64,
    first: Option<Box<RawValue>>,
    then: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Fail {
    status: Option<u16>,
    #[serde(default)]
    panic: bool,
    then: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Step {
    route: String,
    body: Option<Box<RawValue>>,
}

/// Waits with the session in hand, then does what is asked.
pub(crate) async fn slow(session: &Session, setup: &Setup, input: &str) -> Outcome {
    let slow: Slow = read(input)?;
    let (first, then) = (steps(slow.first.as_deref())?, steps(slow.then.as_deref())?);
    perform(session, setup, &first).await?;
    tokio::time::sleep(Duration::from_millis(slow.sleep_ms)).await;
    perform(session, setup, &then).await
}

/// Does what is asked, then answers with the given status, or panics.
pub(crate) async fn fail(session: &Session, setup: &Setup, input: &str) -> Outcome {
    let fail: Fail = read(input)?;
    let steps = steps(fail.then.as_deref())?;
    let answer = perform(session, setup, &steps).await?;
    if fail.panic {
        // A panic, without the report on stderr that would look like a fault in a test run.
        std::panic::resume_unwind(Box::new("/fail was asked to panic"));
    }
    let status = fail.status.ok_or_else(|| Answer::bad_request("neither status nor panic"))?;
    let status = StatusCode::from_u16(status).map_err(Answer::bad_request)?;
    Ok(answer.with_status(status))
}

fn steps(named: Option<&RawValue>) -> Result<Vec<Step>, Answer> {
    match named.map(RawValue::get) {
        None => Ok(Vec::new()),
        Some(list) if list.starts_with('[') => read(list),
        Some(one) => Ok(vec![read(one)?]),
    }
}

async fn perform(session: &Session, setup: &Setup, steps: &[Step]) -> Outcome {
    let mut answer = Answer::done();
    for Step { route, body } in steps {
        let unknown = || Answer::bad_request(format!("no operation at {route}"));
        let operation = at(route).ok_or_else(unknown)?;
        let input = body.as_deref().map_or("", RawValue::get);
        answer = Ok(operation.perform(session, setup, input).await?);
        setup.stats.count_step();
    }
    answer
}
