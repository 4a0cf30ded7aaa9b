//! Who may know what: the invariants I1 to I4 of ARCHITECTURE.md.
//!
//! Each invariant is one row: the files it is about, the words they must not contain, and why.
//! Words are identifiers of the code, parts of strings included; prose is free.

use super::source::Source;

struct Invariant {
    name: &'static str,
    covers: fn(&str) -> bool,
    forbids: fn(&str) -> bool,
    because: &'static str,
}

const INVARIANTS: [Invariant; 5] = [
    Invariant {
        name: "I1",
        covers: is_core,
        forbids: is_outside_world,
        because: "the core knows no framework, no runtime and no clock; time is an argument",
    },
    Invariant {
        name: "I2",
        covers: |path| path.starts_with("src/store/") && !is_foreign(path),
        forbids: is_above_records,
        because: "a store keeps records; what a session is, it does not know",
    },
    Invariant {
        name: "I3",
        covers: is_adapter,
        forbids: is_session_rule,
        because: "an adapter translates; what a session means is decided in the core",
    },
    Invariant {
        name: "I4",
        covers: |path| in_library(path) && !sends_cookies(path),
        forbids: |word| word == "SET_COOKIE",
        because: "Set-Cookie is written in src/cookie/ and appended where the request ends",
    },
    Invariant {
        name: "I4",
        covers: |path| in_library(path) && !reads_cookies(path),
        forbids: |word| word == "COOKIE",
        because: "the Cookie header is read in src/cookie/scan.rs, byte for byte, and only there",
    },
];

/// What this file breaks.
pub(super) fn broken(source: &Source) -> Vec<String> {
    let rows = INVARIANTS.iter().filter(|invariant| (invariant.covers)(&source.path));
    let words = rows.flat_map(|invariant| {
        let words = source.words().filter(|(_, word)| (invariant.forbids)(word));
        words.map(|(line, word)| complain(source, line, word, invariant.name, invariant.because))
    });
    words.chain(header_in_quotes(source)).collect()
}

/// I4 again, for those who spell the header out instead of naming the constant.
fn header_in_quotes(source: &Source) -> Vec<String> {
    if !in_library(&source.path) || source.path.starts_with("src/cookie") {
        return Vec::new();
    }
    let lines = source.code.lines().enumerate();
    let spelled = lines.filter(|(_, line)| {
        let line = line.to_ascii_lowercase();
        // Not every "cookie" in quotes is the header: `Vary` names one too.
        let read = ["get(\"cookie\")", "get_all(\"cookie\")"];
        line.contains("\"set-cookie\"") || read.iter().any(|read| line.contains(read))
    });
    let because = "name the constant of `http::header` where the header belongs";
    spelled.map(|(at, line)| complain(source, at + 1, line.trim(), "I4", because)).collect()
}

fn complain(source: &Source, line: usize, word: &str, name: &str, because: &str) -> String {
    format!("{}:{line}: `{word}` breaks {name}: {because}", source.path)
}

fn is_core(path: &str) -> bool {
    let core = ["session", "flash", "csrf", "cookie", "keyring", "ticket"];
    core.iter().any(|module| is_module(path, module)) && !stands_before_services(path)
}

/// A guard of whole services knows what they are; what it decides by does not.
fn stands_before_services(path: &str) -> bool {
    let pure = ["decide.rs", "form.rs", "origin.rs"];
    let inner = path.strip_prefix("src/csrf/guard/");
    ["src/csrf.rs", "src/csrf/guard.rs"].contains(&path)
        || inner.is_some_and(|file| !pure.contains(&file))
}

/// What it translates calls its records so.
fn is_foreign(path: &str) -> bool {
    path == "src/store/last_write_wins.rs"
}

fn is_adapter(path: &str) -> bool {
    ["tower", "axum", "actix"].iter().any(|module| is_module(path, module))
}

fn in_library(path: &str) -> bool {
    path.starts_with("src/")
}

fn sends_cookies(path: &str) -> bool {
    is_module(path, "cookie") || is_module(path, "slot")
}

fn reads_cookies(path: &str) -> bool {
    ["src/cookie.rs", "src/cookie/scan.rs"].contains(&path)
}

/// `src/NAME.rs` or a file below `src/NAME/`.
fn is_module(path: &str, name: &str) -> bool {
    let rest = path.strip_prefix("src/").and_then(|rest| rest.strip_prefix(name));
    rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn is_outside_world(word: &str) -> bool {
    let crates = ["axum", "tower", "hyper", "actix", "tokio"];
    let suffix = |rest: &str| rest.is_empty() || rest.starts_with('_');
    let named = |name: &&str| word.strip_prefix(*name).is_some_and(suffix);
    crates.iter().any(named) || ["SystemTime", "Instant"].contains(&word)
}

fn is_above_records(word: &str) -> bool {
    let modules = ["session", "flash", "csrf", "cookie", "keyring", "ticket", "factory", "slot"];
    let types = ["Session", "Entries", "Ticket", "SessionFactory"];
    modules.contains(&word) || types.contains(&word)
}

fn is_session_rule(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    ["flash", "csrf"].iter().any(|rule| lower.contains(rule)) || ["Record", "Store"].contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        broken(&Source::new(path, text)).len()
    }

    #[test]
    fn i1_the_core_names_no_framework_no_runtime_and_no_clock() {
        let words = ["axum", "axum_core", "tower_service", "hyper", "actix_web", "tokio"];
        for word in words {
            assert_eq!(found("src/session/change.rs", &format!("use {word}::x;")), 1, "{word}");
        }
        assert_eq!(found("src/keyring.rs", "let now = SystemTime::now();"), 1);
        assert_eq!(found("src/session.rs", "/// With axum and tokio.\nfn towering() {}"), 0);
        assert_eq!(found("src/slot.rs", "use tokio::sync::OnceCell;"), 0);
        assert_eq!(found("src/sessions_of_others.rs", "use axum::x;"), 0);
    }

    #[test]
    fn i2_stores_know_records_and_time() {
        assert_eq!(found("src/store/memory.rs", "use crate::ticket::Ticket;"), 2);
        assert_eq!(found("src/store/sql/rows.rs", "use crate::session::Entries;"), 2);
        assert_eq!(found("src/store/memory.rs", "use crate::store::Record;"), 0);
        assert_eq!(found("src/store/memory.rs", "use crate::time::Clock;"), 0);
        assert_eq!(found("src/factory/stored.rs", "use crate::ticket::Ticket;"), 0);
    }

    #[test]
    fn i3_adapters_know_no_rule() {
        assert_eq!(found("src/tower/layer.rs", "session.pop_flash(queue)"), 1);
        assert_eq!(found("src/axum.rs", "fn csrf_token() {}"), 1);
        assert_eq!(found("src/axum.rs", "fn of(store: impl Store) {}"), 1);
        assert_eq!(found("src/tower.rs", "HeaderValue::from_static(\"no-store\")"), 0);
        assert_eq!(found("src/axum.rs", "impl FromRequestParts for Session {}"), 0);
        assert_eq!(found("src/actix/translate.rs", "fn csrf_token() {}"), 1);
    }

    #[test]
    fn i4_cookie_headers_have_their_places() {
        for (path, code, breaks) in [
            ("src/factory.rs", "h.append(SET_COOKIE, v)", 1),
            ("src/slot/head.rs", "h.append(SET_COOKIE, v)", 0),
            ("src/factory.rs", "h.append(\"Set-Cookie\", v)", 1),
            ("src/slot.rs", "h.get(header::COOKIE)", 1),
            ("src/cookie/scan.rs", "h.get_all(header::COOKIE)", 0),
            ("src/axum.rs", "h.get(\"cookie\")", 1),
            ("src/slot.rs", "h.append(VARY, HeaderValue::from_static(\"Cookie\"))", 0),
            ("tests/it/cookie.rs", "h.get(SET_COOKIE)", 0),
        ] {
            assert_eq!(found(path, code), breaks, "{path}: {code}");
        }
    }
}
