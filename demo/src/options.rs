//! What can be said on the command line.

use std::path::PathBuf;

const USAGE: &str = "usage: cloakroom-demo [--listen ADDRESS:PORT] \
                     [--factory sqlite|signed-cookie|URL] [--database PATH] [--secret-file PATH]";

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) factory: Factory,
    /// For sessions in SQLite.
    pub(crate) database: PathBuf,
    /// For sessions in a signed cookie.
    pub(crate) secret_file: PathBuf,
}

/// How sessions are kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Factory {
    Sqlite,
    /// In the store of this URL, which may hold a password.
    Url(String),
    SignedCookie,
}

impl Options {
    /// The defaults, with what these words change.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let folder = state_folder();
        let mut options = Self {
            listen: "127.0.0.1:6543".into(),
            factory: Factory::Sqlite,
            database: folder.join("sessions.sqlite"),
            secret_file: folder.join("secret"),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value; {USAGE}"));
            match word.as_str() {
                "--listen" => options.listen = value()?,
                "--factory" => options.factory = Factory::named(&value()?)?,
                "--database" => options.database = value()?.into(),
                "--secret-file" => options.secret_file = value()?.into(),
                _ => return Err(format!("unknown option {word}; {USAGE}")),
            }
        }
        Ok(options)
    }
}

impl Factory {
    fn named(name: &str) -> Result<Self, String> {
        match name {
            "sqlite" => Ok(Self::Sqlite),
            "signed-cookie" => Ok(Self::SignedCookie),
            url if url.contains(':') => Ok(Self::Url(url.to_owned())),
            _ => Err(format!("unknown factory {name}; {USAGE}")),
        }
    }
}

/// Where programs keep what should survive a restart (XDG base directories), or the temporary folder.
fn state_folder() -> PathBuf {
    let folder =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("cloakroom-demo")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        Options::parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn options_change_the_defaults() {
        let words = ["--listen", "[::1]:80", "--secret-file", "/s", "--database", "/d"];
        let signed = ["--factory", "signed-cookie"];
        let options = parse(&[&words[..], &signed].concat()).unwrap();
        let expected = Options {
            listen: "[::1]:80".into(),
            factory: Factory::SignedCookie,
            database: "/d".into(),
            secret_file: "/s".into(),
        };
        assert_eq!(options, expected);
        let defaults = parse(&[]).unwrap();
        assert_eq!((&*defaults.listen, defaults.factory), ("127.0.0.1:6543", Factory::Sqlite));
        assert_ne!(defaults.database, defaults.secret_file);
    }

    #[test]
    fn a_bad_option_is_one_line_that_says_what_is_good() {
        for words in [&["--port", "1"][..], &["--listen"], &["--factory", "paper"]] {
            let complaint = parse(words).unwrap_err();
            let last = words.last().unwrap();
            let named = complaint.contains(words[0]) || complaint.contains(last);
            assert!(named && complaint.contains(USAGE), "{complaint}");
            assert_eq!(complaint.lines().count(), 1);
        }
    }
}
