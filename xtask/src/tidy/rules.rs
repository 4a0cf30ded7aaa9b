//! Rules and tests keep each other honest: invariant I5.
//!
//! tests/RULES.md lists the numbered rules, one line each: `- R32: what holds`. A test that guards
//! one begins its name with the number, `r32_...` or `r13a_...` for a part of R13. A number that no
//! test carries and a test with an unknown number are both faults. A rule that no test can hold is
//! marked at the end of its line: `(documentation)` or `(not applicable: reason)`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::source::{Source, words};
use crate::run::{Failure, Outcome};

const LIST: &str = "tests/RULES.md";

/// Numbers without a test, tests with an unknown number, lines that cannot be read.
pub(super) fn broken(root: &Path, sources: &[Source]) -> Outcome<Vec<String>> {
    let list = fs::read_to_string(root.join(LIST))
        .map_err(|error| Failure(format!("cannot read {LIST}: {error}")))?;
    let mut found = Vec::new();
    let rules = read(&list, &mut found);
    let mut tested = BTreeSet::new();
    for source in sources.iter().filter(|source| has_rule_tests(&source.path)) {
        for (line, name) in tests(&source.text) {
            for number in numbers(name) {
                if !rules.contains_key(&number) {
                    let at = format!("{}:{line}", source.path);
                    found.push(format!("{at}: `{name}` guards {number}, unknown to {LIST}"));
                }
                tested.insert(number);
            }
        }
    }
    let mut rules: Vec<_> = rules.into_iter().collect();
    rules.sort_by_key(|(_, rule)| rule.line);
    for (number, rule) in rules {
        match (rule.exempt, tested.contains(&number)) {
            (false, false) => found.push(format!("{LIST}:{}: no test for {number}", rule.line)),
            (true, true) => found.push(format!("{LIST}:{}: {number} has a test", rule.line)),
            (false, true) | (true, false) => {}
        }
    }
    Ok(found)
}

#[derive(Debug)]
struct Rule {
    line: usize,
    exempt: bool,
}

/// The rules by number; what is wrong with the list goes to `found`.
fn read(list: &str, found: &mut Vec<String>) -> BTreeMap<String, Rule> {
    let mut rules = BTreeMap::new();
    for (at, text) in list.lines().enumerate() {
        let line = at + 1;
        let Some(item) = text.strip_prefix("- ") else { continue };
        let number = item.split_once(": ").map(|(number, _)| number);
        let Some(number) = number.filter(|number| is_number(number)) else {
            found.push(format!("{LIST}:{line}: not a rule: {text}"));
            continue;
        };
        let exempt = text.ends_with("(documentation)")
            || (text.ends_with(')') && text.contains("(not applicable: "));
        if rules.insert(number.to_owned(), Rule { line, exempt }).is_some() {
            found.push(format!("{LIST}:{line}: {number} is there twice"));
        }
    }
    rules
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['R', 'S']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// This program's own tests speak of made-up numbers.
fn has_rule_tests(path: &str) -> bool {
    !path.starts_with("xtask/")
}

/// The functions that a test attribute stands above, with their lines.
fn tests(text: &str) -> Vec<(usize, &str)> {
    let mut tests = Vec::new();
    let mut attribute = false;
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at, line.trim())) {
        if let Some((_, rest)) = line.split_once("fn ") {
            let name = words(rest).next().filter(|_| attribute && !line.starts_with("//"));
            tests.extend(name.map(|name| (at + 1, name)));
        }
        let goes_on = line.is_empty() || line.starts_with("//") || line.starts_with('#');
        attribute = (attribute && goes_on) || is_test_attribute(line);
    }
    tests
}

/// `#[test]`, `#[tokio::test(...)]` and the like.
fn is_test_attribute(line: &str) -> bool {
    let inside = line.strip_prefix("#[").unwrap_or_default();
    inside.split([']', '(']).next().is_some_and(|path| path.rsplit("::").next() == Some("test"))
}

/// The rules at the head of a test's name: `r28_r29_x` guards R28 and R29, `r13a_x` guards R13.
fn numbers(name: &str) -> Vec<String> {
    name.split('_').map_while(number).collect()
}

fn number(word: &str) -> Option<String> {
    let digits = word.strip_prefix(['r', 's'])?;
    let digits = digits.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(digits);
    let number = format!("{}{digits}", word[..1].to_ascii_uppercase());
    is_number(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_carries_its_numbers_in_front() {
        assert_eq!(numbers("r32_pop_takes_the_queue"), ["R32"]);
        assert_eq!(numbers("r28_r29_s14_a_message"), ["R28", "R29", "S14"]);
        assert_eq!(numbers("r13a_reading_r14"), ["R13"]);
        assert!(numbers("reads_r14_later").is_empty());
        assert!(numbers("s_14_x").is_empty() && numbers("r1ab_x").is_empty());
    }

    #[test]
    fn only_functions_under_a_test_attribute_count() {
        let text = "#[test]\nfn r1_a() {}\nfn r2_b() {}\n#[tokio::test(flavor = \"x\")]\n\
                    #[allow(dead_code)]\nasync fn r3_c() {}\n#[cfg(test)]\nfn r4_d() {}\n\
                    #[test]\n// fn r5_e() {}\n";
        assert_eq!(tests(text), [(2, "r1_a"), (6, "r3_c")]);
    }

    #[test]
    fn the_list_is_read_line_by_line() {
        let mut found = Vec::new();
        let list = "# Rules\n- R1: one\n- S2: two (documentation)\n\
                    - R3: three (not applicable: no store)\n- R1: again\n- what\n";
        let rules = read(list, &mut found);
        let exempt: Vec<_> = rules.iter().map(|(n, rule)| (n.as_str(), rule.exempt)).collect();
        assert_eq!(exempt, [("R1", false), ("R3", true), ("S2", true)]);
        assert_eq!(
            found,
            ["tests/RULES.md:5: R1 is there twice", "tests/RULES.md:6: not a rule: - what"]
        );
    }
}
