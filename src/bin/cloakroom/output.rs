//! How sessions and times are printed.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime};

use cloakroom::factory::OwnedSession;
use cloakroom::{Entries, Timestamp};
use serde_json::{Map, Value, json};

use crate::failure::Outcome;

/// In seconds since 1970: dates have four digits for the year.
const YEAR_10000: u64 = 253_402_300_800;

/// A session's facts in a line, or as JSON. Its values only if they were asked for.
pub(crate) fn session(session: &OwnedSession, is_json: bool, with_values: bool) -> Outcome {
    let mut out = io::stdout().lock();
    if is_json {
        let mut facts = json!({
            "id": session.id,
            "owner": session.owner.as_deref(),
            "created": session.created.as_secs_f64(),
            "expires_at": session.expires_at.as_secs_f64(),
            "keys": session.entries.len(),
        });
        if with_values {
            facts["values"] = values(&session.entries);
        }
        return Ok(writeln!(out, "{facts}")?);
    }
    let owner = session.owner.as_deref().unwrap_or("-");
    let (created, end) = (date(session.created), date(session.expires_at));
    writeln!(out, "{}  {created}  {end}  {:>3}  {owner:?}", session.id, session.entries.len())?;
    if with_values {
        for (key, value) in session.entries.iter() {
            writeln!(out, "  {key:?} = {}", value.as_json())?;
        }
    }
    Ok(())
}

/// What the columns are.
pub(crate) fn heading(is_json: bool) -> Outcome {
    if !is_json {
        let names = ["id", "created", "expires", "keys  owner"];
        let [id, created, expires, rest] = names;
        writeln!(io::stdout(), "{id:32}  {created:20}  {expires:20}  {rest}")?;
    }
    Ok(())
}

/// A number that was asked for.
pub(crate) fn number(name: &str, number: usize, is_json: bool) -> Outcome {
    let mut out = io::stdout();
    match is_json {
        true => writeln!(out, "{}", json!({ name: number }))?,
        false => writeln!(out, "{number}")?,
    }
    Ok(())
}

/// How far long work is, for who watches.
pub(crate) fn progress(done: usize, what: &str) {
    let mut out = io::stderr();
    if out.is_terminal() {
        // What nobody sees does not matter.
        let _ = write!(out, "\r{done} {what}");
    }
}

/// Ends the line of the progress.
pub(crate) fn progress_ends() {
    if io::stderr().is_terminal() {
        eprintln!();
    }
}

pub(crate) fn values(entries: &Entries) -> Value {
    let value = |(key, value): (&str, cloakroom::Value)| {
        let json = serde_json::from_str(value.as_json()).unwrap_or(Value::Null);
        (key.to_owned(), json)
    };
    Value::Object(entries.iter().map(value).collect::<Map<_, _>>())
}

/// In UTC, as RFC 3339 has it; what has no end is `never`.
pub(crate) fn date(time: Timestamp) -> String {
    match u64::try_from(time.as_secs()) {
        Ok(seconds) if seconds < YEAR_10000 => {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            humantime::format_rfc3339_seconds(time).to_string()
        }
        Ok(_) => "never".to_owned(),
        Err(_) => "before 1970".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_can_be_printed() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "never"),
            (i64::MAX, "never"),
            (-1, "before 1970"),
        ] {
            assert_eq!(date(Timestamp::from_secs(seconds)), text);
        }
    }
}
