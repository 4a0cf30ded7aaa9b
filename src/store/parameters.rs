//! The parameters of a store's URL: `name=value` after its question mark, each one that the store knows (R54).

use std::time::Duration;

use super::{Result, rejected};

/// The parameters that a URL has, in their order.
pub(super) struct Parameters(Vec<(String, String)>);

/// Splits a URL at its question mark, and reads what stands after it.
///
/// # Errors
/// `Rejected` for a name that is not one of these; one that ends with a bracket is a beginning.
pub(super) fn split<'a>(url: &'a str, known: &[&str]) -> Result<(&'a str, Parameters)> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    // `options[name]` is as many parameters as there are names.
    let whole = |name: &str| name.find('[').map_or(name.len(), |at| at + 1);
    match pairs.iter().position(|(name, _)| !known.contains(&&name[..whole(name)])) {
        Some(at) => Err(rejected(unknown(&pairs[..=at], query, known))),
        None => Ok((place, Parameters(pairs))),
    }
}

/// What is said of the last of these. Does not repeat what may be the end of a password (S87).
fn unknown(pairs: &[(String, String)], query: &str, known: &[&str]) -> String {
    let known = match known {
        [] => "the store takes none".to_owned(),
        known => format!("the store takes {}", known.join(", ")),
    };
    let may_be_secret = query.contains('@') || pairs.iter().any(|(name, _)| name.contains("pass"));
    match pairs.last() {
        Some((name, _)) if !may_be_secret => {
            let name: String = name.chars().take(40).collect();
            format!("the URL has the parameter `{name}`, which is not known: {known}")
        }
        _ => format!(
            "the URL has a parameter that is not known: {known}. In a password write ? as %3F, & as %26, @ as %40"
        ),
    }
}

impl Parameters {
    /// Takes the value of a parameter, the last one if it is there more than once.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let mut value = None;
        self.0.retain_mut(|(there, text)| {
            let is_it = there == name;
            if is_it {
                value = Some(std::mem::take(text));
            }
            !is_it
        });
        value
    }

    /// Takes a whole number.
    pub(super) fn take_number<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let number = |text: String| {
            text.parse().map_err(|_| {
                rejected(format!("the URL's `{name}` is no whole number, or too big a one"))
            })
        };
        self.take(name).map(number).transpose()
    }

    /// Takes a span of time in seconds, whole or not.
    pub(super) fn take_seconds(&mut self, name: &str) -> Result<Option<Duration>> {
        let span = |text: String| {
            let span =
                text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            span.ok_or_else(|| rejected(format!("the URL's `{name}` is no number of seconds")))
        };
        self.take(name).map(span).transpose()
    }

    /// Takes the name of a file, and reads it.
    pub(super) fn take_file(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let read = |path: String| {
            std::fs::read(&path).map_err(|error| {
                rejected(format!("the URL's `{name}`, {path}, cannot be read: {error}"))
            })
        };
        self.take(name).map(read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreErrorKind;

    fn said(url: &str) -> String {
        split(url, &["db", "wait"])
            .err()
            .map_or_else(String::new, |error| error.causes().to_string())
    }

    #[test]
    fn r54_what_is_not_known_is_refused_by_name() {
        assert!(said("redis://host/0?bd=2").contains("`bd`"), "{}", said("redis://host/0?bd=2"));
        assert!(said("redis://host/0?bd=2").contains("db, wait"));
        assert_eq!(said("redis://host/0?db=2&wait=1"), "");
        assert_eq!(said("redis://host/0?"), "");
    }

    #[test]
    fn s87_the_end_of_a_password_is_not_repeated() {
        for url in [
            "redis://ada:hush?secret@host",
            "redis://ada:hush?db=secret&more@host",
            "unix:///socket?password=hush&secret",
            "unix:///socket?pass=hush&secret",
            "postgres:///db?wait=1&password=hush&secret&more",
        ] {
            let said = said(url);
            assert!(
                said.contains("%3F") && !said.contains("secret") && !said.contains("more"),
                "{said}"
            );
        }
    }

    #[test]
    fn r54_values_are_decoded_or_refused() {
        let known = ["db", "wait", "key"];
        let (place, mut of) = split("redis://h?db=1&db=7&wait=0.5&key=a%2Fb", &known).unwrap();
        assert_eq!(place, "redis://h");
        assert_eq!(of.take_number("db").unwrap(), Some(7));
        assert_eq!(of.take_number::<i64>("db").unwrap(), None);
        assert_eq!(of.take_seconds("wait").unwrap(), Some(Duration::from_millis(500)));
        assert_eq!(of.take("key").as_deref(), Some("a/b"));
        for url in ["redis://h?db=-x", "redis://h?db="] {
            let (_, mut of) = split(url, &known).unwrap();
            assert_eq!(of.take_number::<i64>("db").unwrap_err().kind(), StoreErrorKind::Rejected);
        }
        for url in ["redis://h?wait=-1", "redis://h?wait=NaN", "redis://h?wait=soon"] {
            let (_, mut of) = split(url, &known).unwrap();
            assert_eq!(
                of.take_seconds("wait").unwrap_err().kind(),
                StoreErrorKind::Rejected,
                "{url}"
            );
        }
        let (_, mut of) = split("redis://h?key=/no/such/file", &known).unwrap();
        assert!(of.take_file("key").unwrap_err().causes().to_string().contains("/no/such/file"));
    }
}
