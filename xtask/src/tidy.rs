//! The rules of this repository that no compiler keeps.
//!
//! Three kinds: every file says what it is for (`tidy/source.rs` reads files), every layer knows
//! only what it may know (`tidy/layers.rs`), every numbered rule has a test (`tidy/rules.rs`).
//! The rules are explained in ARCHITECTURE.md, "Invariants", and CONTRIBUTING.md, "Tests".

mod layers;
mod rules;
mod source;

use std::path::Path;

use crate::run::{Outcome, fail};
use crate::workspace::Workspace;
use source::Source;

/// `cargo xtask tidy`.
pub(crate) fn report(workspace: &Workspace) -> Outcome {
    let found = untidy(workspace.root())?;
    if found.is_empty() {
        println!("tidy");
        return Ok(());
    }
    fail(format!("{}\n\nnot tidy: {} places", found.join("\n"), found.len()))
}

/// Every place that breaks a rule, as `file:line: what and why`.
fn untidy(root: &Path) -> Outcome<Vec<String>> {
    let sources = source::all(root)?;
    let mut found: Vec<String> = sources.iter().filter_map(without_page).collect();
    found.extend(sources.iter().flat_map(layers::broken));
    found.extend(rules::broken(root, &sources)?);
    Ok(found)
}

/// A reader opens a file and learns first what it is for and where it stands.
fn without_page(source: &Source) -> Option<String> {
    let headed = source.text.starts_with("//!");
    (!headed).then(|| format!("{}:1: begins with no `//!` page", source.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let found = untidy(root).unwrap();
        assert!(found.is_empty(), "\n{}\n", found.join("\n"));
    }

    #[test]
    fn a_file_without_a_page_is_found() {
        let bare = Source::new("src/bare.rs", "use std::fmt;\n");
        assert_eq!(without_page(&bare).unwrap(), "src/bare.rs:1: begins with no `//!` page");
        assert_eq!(without_page(&Source::new("src/a.rs", "//! A page.\n")), None);
    }
}
