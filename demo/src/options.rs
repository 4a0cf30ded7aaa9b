//! What can be said on the command line.

use std::path::PathBuf;

const USAGE: &str = "usage: cloakroom-demo [--listen ADDRESS:PORT] [--secret-file PATH]";

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) secret_file: PathBuf,
}

impl Options {
    /// The defaults, with what these words change.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Self { listen: "127.0.0.1:6543".into(), secret_file: default_secret_file() };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value; {USAGE}"));
            match word.as_str() {
                "--listen" => options.listen = value()?,
                "--secret-file" => options.secret_file = value()?.into(),
                _ => return Err(format!("unknown option {word}; {USAGE}")),
            }
        }
        Ok(options)
    }
}

/// Where programs keep what should survive a restart (XDG base directories), or the temporary folder.
fn default_secret_file() -> PathBuf {
    let folder =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("cloakroom-demo/secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        Options::parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn options_change_the_defaults() {
        let options = parse(&["--listen", "[::1]:80", "--secret-file", "/s"]).unwrap();
        assert_eq!(options, Options { listen: "[::1]:80".into(), secret_file: "/s".into() });
        assert_eq!(parse(&[]).unwrap().listen, "127.0.0.1:6543");
    }

    #[test]
    fn a_bad_option_is_one_line_that_says_what_is_good() {
        for words in [&["--port", "1"][..], &["--listen"]] {
            let complaint = parse(words).unwrap_err();
            assert!(complaint.contains(words[0]) && complaint.contains(USAGE), "{complaint}");
            assert_eq!(complaint.lines().count(), 1);
        }
    }
}
