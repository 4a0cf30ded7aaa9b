//! How sessions and times are printed.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime};

use cloakroom::factory::OwnedSession;
use cloakroom::{Entries, Timestamp};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::failure::Outcome;

/// A session's facts in a line, or as JSON. Its values only if they were asked for. Of one that cannot be read that is
/// said in place of what it began with and how much it holds.
pub(crate) fn session(session: &OwnedSession, is_json: bool, with_values: bool) -> Outcome {
    let mut out = io::stdout().lock();
    let keys = session.is_readable().then(|| session.entries.len());
    if is_json {
        let facts = json!({
            "id": session.id,
            "owner": session.owner.as_deref(),
            "readable": session.is_readable(),
            "created": session.created.map(seconds),
            "expires_at": seconds(session.expires_at),
            "keys": keys,
        });
        return match with_values && session.is_readable() {
            true => Ok(writeln!(out, "{}", with(&facts, &session.entries)?)?),
            false => Ok(writeln!(out, "{}", plain(&facts.to_string()))?),
        };
    }
    let owner = session.owner.as_deref().unwrap_or("-");
    let created = session.created.map_or_else(|| format!("{:20}", "unreadable"), date);
    let keys = keys.map_or_else(|| "-".to_owned(), |keys| keys.to_string());
    let (id, end) = (&session.id, date(session.expires_at));
    writeln!(out, "{id}  {created}  {end}  {keys:>3}  {owner:?}")?;
    if with_values {
        for (key, value) in session.entries.iter() {
            writeln!(out, "  {key:?} = {}", plain(value.as_json()))?;
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

/// How many sessions there are, and how many of those cannot be read.
pub(crate) fn count(all: usize, unreadable: usize, is_json: bool) -> Outcome {
    if is_json {
        return Ok(writeln!(io::stdout(), "{}", json!({"count": all, "unreadable": unreadable}))?);
    }
    if unreadable > 0 {
        // What nobody sees does not matter.
        let _ = writeln!(io::stderr(), "{unreadable} of them cannot be read");
    }
    number("count", all, is_json)
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

/// How far long work is, for who watches: on a terminal in one line, elsewhere line by line if that was asked for.
pub(crate) struct Progress {
    what: &'static str,
    is_terminal: bool,
    is_asked: bool,
}

impl Progress {
    pub(crate) fn of(what: &'static str, is_asked: bool) -> Self {
        Self { what, is_terminal: io::stderr().is_terminal(), is_asked }
    }

    pub(crate) fn is_at(&self, done: usize) {
        let Self { what, is_terminal, is_asked } = self;
        // What nobody sees does not matter.
        let _ = match (is_terminal, is_asked) {
            (true, _) => write!(io::stderr(), "\r{done} {what}"),
            (false, true) => writeln!(io::stderr(), "{done} {what}"),
            (false, false) => Ok(()),
        };
    }
}

impl Drop for Progress {
    /// Before an error is told, too.
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = writeln!(io::stderr());
        }
    }
}

/// JSON text without the control characters that JSON lets stand, some of which terminals obey. It says the same.
pub(crate) fn plain(json: &str) -> String {
    let is_control = |letter: &char| ('\u{7f}'..='\u{9f}').contains(letter);
    let mut plain = String::with_capacity(json.len());
    for letter in json.chars() {
        match is_control(&letter) {
            true => plain.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => plain.push(letter),
        }
    }
    plain
}

/// These facts and a session's values as JSON, each value as it is: a tree would round its numbers.
pub(crate) fn with(facts: &Value, entries: &Entries) -> io::Result<String> {
    let facts = facts.as_object().into_iter().flatten();
    let facts = facts.map(|(name, fact)| Ok((name.as_str(), to_raw_value(fact)?)));
    let mut all = facts.collect::<io::Result<BTreeMap<_, _>>>()?;
    all.insert("values", to_raw_value(&values(entries))?);
    Ok(plain(&serde_json::to_string(&all)?))
}

/// Values by key. One that is no JSON, which the store must have made of it, is null.
pub(crate) fn values(entries: &Entries) -> BTreeMap<&str, cloakroom::Value> {
    let shown = |json: &str| cloakroom::Value::from_json(json);
    let pairs = entries.iter();
    pairs
        .filter_map(|(key, value)| Some((key, shown(value.as_json()).or_else(|| shown("null"))?)))
        .collect()
}

/// Since 1970; what has no end is null.
pub(crate) fn seconds(time: Timestamp) -> Value {
    match time < Timestamp::MAX {
        true => json!(time.as_secs_f64()),
        false => Value::Null,
    }
}

/// In UTC, as RFC 3339 has it; what has no end is `never`.
pub(crate) fn date(time: Timestamp) -> String {
    match u64::try_from(time.as_secs()) {
        // Before the year 10000, then, which humantime could not write.
        Ok(seconds) if time < Timestamp::MAX => {
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
            (253_402_300_798, "9999-12-31T23:59:58Z"),
            (Timestamp::MAX.as_secs(), "never"),
            (i64::MAX, "never"),
            (-1, "before 1970"),
        ] {
            assert_eq!(date(Timestamp::from_secs(seconds)), text);
        }
    }
}
