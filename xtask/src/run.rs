//! Running commands: a heading, the command itself, and a failure that names it.
//!
//! Output is never captured when a check runs, so that whoever reads the log sees what cargo
//! said. Only questions (`answer`) are captured.

use std::fmt::Display;
use std::process::{Command, Stdio};

/// Why a chore ended; the text is for the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

/// What every chore returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Fails with a text.
pub(crate) fn fail<T>(text: impl Display) -> Outcome<T> {
    Err(Failure(text.to_string()))
}

/// Says what comes next. To stderr, as cargo does, so that the order holds in a log.
pub(crate) fn heading(text: &str) {
    eprintln!("\n==> {text}");
}

/// A cargo command with the given words. Asks `PATH`, not `$CARGO`, so that `+toolchain` works.
pub(crate) fn cargo<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    program("cargo", words)
}

/// A command with the given words.
pub(crate) fn program<'a>(name: &str, words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(name);
    command.args(words);
    command
}

/// Runs a command with its output visible.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let shown = show(command);
    eprintln!("$ {shown}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => fail(format!("failed ({status}): {shown}")),
        Err(error) => fail(format!("cannot start `{shown}`: {error}")),
    }
}

/// Runs a command and returns what it printed.
pub(crate) fn answer(command: &mut Command) -> Outcome<String> {
    let shown = show(command);
    let output = match command.stdin(Stdio::null()).stderr(Stdio::inherit()).output() {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => return fail(format!("failed ({}): {shown}", output.status)),
        Err(error) => return fail(format!("cannot start `{shown}`: {error}")),
    };
    String::from_utf8(output).or_else(|_| fail(format!("not UTF-8: the output of {shown}")))
}

/// Runs a command and returns what it printed to stderr, shown only if it fails.
pub(crate) fn run_silently(command: &mut Command) -> Outcome<String> {
    let shown = show(command);
    match command.stdin(Stdio::null()).output() {
        Ok(output) => match (String::from_utf8(output.stderr), output.status.success()) {
            (Ok(said), true) => Ok(said),
            (Ok(said), false) => fail(format!("failed ({}): {shown}\n{said}", output.status)),
            (Err(_), _) => fail(format!("not UTF-8: the output of {shown}")),
        },
        Err(error) => fail(format!("cannot start `{shown}`: {error}")),
    }
}

/// Does this command work here? It is silent either way.
pub(crate) fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The command as one would type it, with the variables that were set for it.
fn show(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.display(), quoted(&value.display().to_string())))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| quoted(&word.display().to_string()));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_that_failed() {
        let Failure(text) = run(&mut program("false", ["no such chore"])).unwrap_err();
        assert!(text.ends_with("false 'no such chore'"), "{text}");
    }

    #[test]
    fn a_program_that_is_missing_is_a_failure_and_not_a_success() {
        let missing = "cloakroom-no-such-program";
        assert!(!works(&mut program(missing, [])));
        assert!(run(&mut program(missing, [])).is_err());
        assert!(answer(&mut program(missing, [])).is_err());
    }

    #[test]
    fn variables_are_shown_in_front_of_the_command() {
        let shown = show(cargo(["doc"]).env("RUSTDOCFLAGS", "-D warnings"));
        assert_eq!(shown, "RUSTDOCFLAGS='-D warnings' cargo doc");
    }
}
