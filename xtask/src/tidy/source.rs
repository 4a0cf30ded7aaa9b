//! Reading Rust files for `tidy`: which there are, and what in them is code.
//!
//! A rule about code must not trip over prose, so comments are blanked out, and so is everything
//! from the unit tests on (they stand last in a file). Strings stay: a header's name in quotes is
//! code. This is not a parser; it knows comments, strings and character literals.

use std::fs;
use std::path::Path;

use crate::run::{Failure, Outcome};

/// A Rust file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    /// The file as it is.
    pub(crate) text: String,
    /// The file without comments and unit tests, line for line.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let code = without_comments(&text);
        let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
        Self { path: path.into(), text, code }
    }

    /// The identifiers of the code with their line numbers, those in strings included.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code.lines().enumerate();
        lines.flat_map(|(at, line)| words(line).map(move |word| (at + 1, word)))
    }
}

/// Splits a text into what could be identifiers.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// All Rust files under `root`, sorted, without what git or cargo made.
pub(crate) fn all(root: &Path) -> Outcome<Vec<Source>> {
    let mut sources = Vec::new();
    collect(root, "", &mut sources)
        .map_err(|error| Failure(format!("cannot read the sources: {error}")))?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn collect(root: &Path, folder: &str, sources: &mut Vec<Source>) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') && !["target", "venv", "node_modules"].contains(&&*name) {
                collect(root, &path, sources)?;
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path())?;
            sources.push(Source::new(path, text));
        }
    }
    Ok(())
}

/// Replaces comments by spaces, keeps line breaks.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, keep) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            'r' if !code.ends_with(is_word) && raw_hashes(rest).is_some() => {
                (raw_string(rest), true)
            }
            '"' => (quoted(rest, '"'), true),
            '\'' if is_char_literal(rest) => (quoted(rest, '\''), true),
            _ => (first.len_utf8(), true),
        };
        let (token, after) = rest.split_at(length);
        if keep {
            code.push_str(token);
        } else {
            code.extend(token.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a literal up to the closing quote, escapes understood.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// `'a'` and `'\n'` are literals, `'a` of a lifetime is not.
fn is_char_literal(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

/// How many `#` a raw string opens with, if this is one.
fn raw_hashes(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('r')?;
    let opening = rest.trim_start_matches('#');
    opening.starts_with('"').then_some(rest.len() - opening.len())
}

fn raw_string(text: &str) -> usize {
    let hashes = raw_hashes(text).unwrap_or_default();
    let start = hashes + 2;
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new("a.rs", text).code
    }

    #[test]
    fn comments_go_and_lines_stay() {
        assert_eq!(
            code("a // axum\nb /* x /* y */\n z */ c"),
            "a        \nb             \n      c"
        );
        assert_eq!(code("//! tokio\nfn x() {}"), "         \nfn x() {}");
    }

    #[test]
    fn what_looks_like_a_comment_in_a_literal_stays() {
        for text in ["f(\"a // b\", c)", "f('\"', d) + \"//\"", r##"f(r#"x " // y"#, e)"##] {
            assert_eq!(code(text), text);
        }
        assert_eq!(code(r#"f("\" // x")"#), r#"f("\" // x")"#);
        assert_eq!(code("for<'a> T<'a> // b"), "for<'a> T<'a>     ");
        assert_eq!(code("r\"a\\\" // b"), "r\"a\\\"     ", "a raw string knows no escapes");
    }

    #[test]
    fn unit_tests_are_no_code() {
        assert_eq!(code("fn a() {}\n#[cfg(test)]\nmod tests {\n}\n"), "fn a() {}\n");
    }

    #[test]
    fn words_come_with_their_lines() {
        let source = Source::new("a.rs", "use axum::x;\n// no\nlet y = \"set-cookie\";");
        let words: Vec<_> = source.words().collect();
        let expected =
            [(1, "use"), (1, "axum"), (1, "x"), (3, "let"), (3, "y"), (3, "set"), (3, "cookie")];
        assert_eq!(words, expected);
    }
}
