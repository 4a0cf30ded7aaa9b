//! What Redis' answers mean. All that is done about one, sending a command again, another connection, the kind of the
//! error and its words, follows from the row that it has here.
//!
//! The codes are all that Redis 6.2 to 8 and Valkey document or have in their list of errors, as far as they may say so
//! to a client that keeps sessions. An answer that stands in no row is a refusal: a server that says something is there.

use ::redis::{ErrorKind, RedisError};

/// What is to be done about an answer, or about none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing was done; the same connection will do it in a moment.
    Again,
    /// Nothing was done, and nothing will be by this server; another connection may lead to one that does.
    Elsewhere,
    /// Nothing was done, because the script has to be sent along.
    Unknown,
    /// Nothing was done, nor will be until somebody sees to it.
    Refused,
    /// What is there is not what cloakroom writes.
    Corrupt,
    /// There was no connection, or it broke: what was sent may have been done.
    Unreachable,
    /// Nothing came in time: what was sent may have been done.
    Silent,
}

use Meaning::{Again, Corrupt, Elsewhere, Refused, Silent, Unknown, Unreachable};

/// Code or text, what it means, and what to say about it.
type Row = (&'static str, Meaning, &'static str);

const CODES: &[Row] = &[
    // Of a cluster, whose client asks where the key is now.
    ("ASK", Again, "a key is on its way to another node of the cluster"),
    ("CLUSTERDOWN", Again, "the cluster does not serve all keys at the moment"),
    ("MOVED", Again, "the key is on another node: this is a cluster, redis+cluster://host:port,…"),
    ("TRYAGAIN", Again, "keys are on their way to another node of the cluster"),
    // Of one server that is busy.
    ("BUSY", Again, "Redis is busy with somebody's script"),
    // Of one that is no master now, or will not be for long.
    ("LOADING", Elsewhere, "Redis is loading its data"),
    ("MASTERDOWN", Elsewhere, "this Redis is a replica that has lost its master"),
    ("NOREPLICAS", Elsewhere, "Redis has fewer replicas than it needs to take a write"),
    (
        "READONLY",
        Elsewhere,
        "this Redis is a replica, which takes no writes: connect to its master",
    ),
    ("REDIRECT", Elsewhere, "this Redis is a replica: connect to its master"),
    ("UNBLOCKED", Elsewhere, "this Redis became a replica while it was asked"),
    ("NOSCRIPT", Unknown, "Redis forgets scripts faster than they can be sent"),
    ("WRONGTYPE", Corrupt, "a key holds something else"),
    // Of whoever has to be asked.
    (
        "DENIED",
        Refused,
        "Redis is in protected mode: it needs a password, or another setting of `bind`",
    ),
    ("IOERR", Refused, "Redis cannot read or write what it has to"),
    ("MISCONF", Refused, "Redis cannot write its file and takes no writes"),
    ("NOAUTH", Refused, NO_ENTRY),
    (
        "NOPERM",
        Refused,
        "Redis does not let this user do what cloakroom needs: see the guide's page on Redis",
    ),
    ("NOPROTO", Refused, "Redis does not speak this version of its protocol"),
    ("OOM", Refused, "Redis has no memory left: give it more, or sessions a shorter life"),
    ("WRONGPASS", Refused, NO_ENTRY),
    // Of commands that are not sent; whoever answers so is something else than Redis, or between it and us.
    ("BUSYGROUP", Refused, UNEXPECTED),
    ("BUSYKEY", Refused, UNEXPECTED),
    (
        "CROSSSLOT",
        Refused,
        "keys of one call are on several nodes: this is a cluster, redis+cluster://host:port,…",
    ),
    ("EXECABORT", Refused, UNEXPECTED),
    ("INPROG", Refused, UNEXPECTED),
    ("INVALIDOBJ", Refused, UNEXPECTED),
    ("NOGOODSLAVE", Refused, UNEXPECTED),
    ("NOGROUP", Refused, UNEXPECTED),
    ("NOMASTERLINK", Refused, UNEXPECTED),
    ("NOQUORUM", Refused, UNEXPECTED),
    ("NOSUB", Refused, UNEXPECTED),
    ("NOTBUSY", Refused, UNEXPECTED),
    ("UNKILLABLE", Refused, UNEXPECTED),
];

/// What stands behind `ERR`, which says nothing by itself: how it begins.
const TEXTS: &[Row] = &[
    (
        "ACL failure in script",
        Refused,
        "Redis does not let this user do what cloakroom needs: see the guide's page on Redis",
    ),
    ("DB index is out of range", Refused, "Redis has no database of this number"),
    (
        "SELECT is not allowed in cluster mode",
        Refused,
        "a cluster has one database: leave its number out",
    ),
    (
        "Script attempted to access a non local key in a cluster node",
        Again,
        "a key is on its way to another node of the cluster",
    ),
    (
        "This instance has cluster support disabled",
        Refused,
        "this is no node of a cluster: redis://host:port",
    ),
    (
        "WAIT cannot be used with replica instances",
        Elsewhere,
        "this Redis became a replica while it was asked",
    ),
    (
        "max number of clients",
        Elsewhere,
        "Redis has as many connections as it takes: raise its `maxclients`",
    ),
    (
        "unknown command",
        Refused,
        "this server lacks a command: cloakroom needs Redis 6.2 or later, or Valkey",
    ),
];

const NO_ENTRY: &str = "Redis lets this user not in: check user and password";
const UNEXPECTED: &str = "Redis gave an answer that nobody expects";

impl Meaning {
    pub(super) fn of(error: &RedisError) -> Self {
        explain(error).0
    }

    /// Whether it is certain that nothing was done, and another try may do better.
    pub(super) const fn is_passing(self) -> bool {
        matches!(self, Again | Elsewhere)
    }

    /// Whether there was an answer.
    pub(super) const fn is_answer(self) -> bool {
        !matches!(self, Unreachable | Silent)
    }
}

/// What an error means, and what to say about it.
pub(super) fn explain(error: &RedisError) -> (Meaning, &'static str) {
    use ErrorKind::{
        AuthenticationFailed, ClusterConnectionNotFound, Extension, InvalidClientConfig, Io,
        MasterNameNotFoundBySentinel, Parse, Server, UnexpectedReturnType,
    };
    match error.kind() {
        Server(_) | Extension => {
            answer(error.code().unwrap_or_default(), error.detail().unwrap_or_default())
        }
        _ if error.is_timeout() => (Silent, "Redis did not answer in time"),
        Io | ClusterConnectionNotFound => (Unreachable, "Redis cannot be reached, or hung up"),
        MasterNameNotFoundBySentinel => {
            (Unreachable, "the sentinels know no master of this name that is there")
        }
        AuthenticationFailed => (Refused, NO_ENTRY),
        InvalidClientConfig => {
            (Refused, "that is no URL of a Redis: redis://[user:password@]host[:port][/database]")
        }
        Parse | UnexpectedReturnType => {
            (Corrupt, "what answers there is no Redis, or a key holds something else")
        }
        _ => (Refused, UNEXPECTED),
    }
}

/// What the server said.
fn answer(code: &str, text: &str) -> (Meaning, &'static str) {
    let (code, text) = unwrapped(code, text);
    let row = match code {
        "ERR" => TEXTS.iter().find(|(begin, ..)| text.starts_with(begin)),
        _ => CODES.iter().find(|(known, ..)| *known == code),
    };
    row.map_or((Refused, UNEXPECTED), |(_, meaning, words)| (*meaning, *words))
}

/// Up to 6.2, what a script's command was refused with is a part of another text: `ERR Error running script (call to
/// f_…): @user_script:9: @user_script: 9: -OOM command not allowed …`.
fn unwrapped<'a>(code: &'a str, text: &'a str) -> (&'a str, &'a str) {
    let inner = text.split_once("@user_script").and_then(|(_, place)| place.split_once(": -"));
    match inner {
        Some((_, inner)) if code == "ERR" => inner.split_once(' ').unwrap_or((inner, "")),
        _ => (code, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> RedisError {
        let value = ::redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    #[test]
    fn s75_an_answer_has_its_row_s_meaning_and_one_without_a_row_is_refused() {
        for (code, meaning, words) in CODES {
            assert_eq!(explain(&said(&format!("{code} and more"))), (*meaning, *words), "{code}");
            assert_eq!(explain(&said(code)), (*meaning, *words), "{code} alone");
        }
        for (text, meaning, words) in TEXTS {
            assert_eq!(explain(&said(&format!("ERR {text} …"))), (*meaning, *words), "{text}");
        }
        for line in ["ERR", "ERR syntax error", "NEVERHEARD of it", "readonly", ""] {
            assert_eq!(Meaning::of(&said(line)), Refused, "{line}");
        }
    }

    #[test]
    fn s75_what_a_script_was_refused_with_is_found_in_the_words_of_each_version() {
        let old = |inner: &str| {
            said(&format!(
                "ERR Error running script (call to f_0badcafe): @user_script:9: @user_script: 9: {inner}"
            ))
        };
        for (inner, meaning) in [
            ("-OOM command not allowed when used memory > 'maxmemory'.", Refused),
            ("-READONLY You can't write against a read only replica.", Elsewhere),
            ("-NOREPLICAS Not enough good replicas to write.", Elsewhere),
            ("-MISCONF Redis is configured to save RDB snapshots, but …", Refused),
            ("-WRONGTYPE Operation against a key holding the wrong kind of value", Corrupt),
            ("bad argument #1 to 'sub'", Refused),
        ] {
            assert_eq!(Meaning::of(&old(inner)), meaning, "{inner}");
        }
        let new = "READONLY You can't write against a read only replica. script: 0badcafe, on @user_script:9.";
        assert_eq!(Meaning::of(&said(new)), Elsewhere);
        let words = explain(&old("-OOM command not allowed")).1;
        assert!(words.contains("memory"), "{words}");
    }

    #[test]
    fn s75_only_what_did_not_answer_is_out_of_reach() {
        use std::io::ErrorKind::{BrokenPipe, ConnectionRefused, TimedOut};
        for (kind, meaning) in
            [(BrokenPipe, Unreachable), (ConnectionRefused, Unreachable), (TimedOut, Silent)]
        {
            assert_eq!(Meaning::of(&std::io::Error::from(kind).into()), meaning);
        }
        let answers = CODES.iter().chain(TEXTS).filter(|(_, meaning, _)| meaning.is_answer());
        assert_eq!(answers.count(), CODES.len() + TEXTS.len());
    }
}
