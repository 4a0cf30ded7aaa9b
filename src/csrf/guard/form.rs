//! Finding one field in a form while it comes in: no byte is changed, none is looked at twice.
//!
//! Whoever sends a request can make two readers of its body see different fields. That gains nothing here: what is
//! looked for is a secret, and whoever can put it anywhere has it.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use memchr::{memchr, memmem};

/// A boundary has at most this many characters (RFC 2046, section 5.1.1).
const MAX_BOUNDARY: usize = 70;
const LINE_BREAK: &[u8] = b"\r\n";

/// How a form is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encoding {
    UrlEncoded,
    /// With what stands between two parts, its line break included.
    Multipart {
        delimiter: Vec<u8>,
    },
}

impl Encoding {
    /// That of the request's body; `None` if it is no form.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut types = headers.get_all(CONTENT_TYPE).into_iter();
        let (Some(content_type), None) = (types.next(), types.next()) else { return None };
        let mut parts = content_type.to_str().ok()?.split(';').map(str::trim);
        let essence = parts.next()?;
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Some(Self::UrlEncoded);
        }
        if !essence.eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parts.filter_map(|part| part.split_once('='));
        let boundary = boundary.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("boundary"));
        let boundary = boundary?.1.trim_matches('"');
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
            return None;
        }
        Some(Self::Multipart { delimiter: format!("\r\n--{boundary}").into_bytes() })
    }
}

/// What is known so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    Found(Vec<u8>),
    /// The form has ended without it.
    Absent,
    /// It may come yet.
    Open,
}

/// Looks for a field's first value in a form.
#[derive(Debug)]
pub(super) struct Scanner {
    encoding: Encoding,
    field: String,
    seen: Vec<u8>,
    /// Where the piece begins that is looked at.
    at: usize,
    /// Up to where its end was looked for in vain.
    searched: usize,
    inside: Inside,
}

/// Which piece that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Name and value, url-encoded.
    Pair,
    /// What does not matter, up to a delimiter.
    Other,
    /// The head of a part.
    Head,
    /// The value of the field.
    Value,
}

impl Scanner {
    pub(super) fn new(encoding: Encoding, field: &str) -> Self {
        let (seen, inside) = match &encoding {
            Encoding::UrlEncoded => (Vec::new(), Inside::Pair),
            // The first delimiter has no line break before it, unless there is one that does not matter.
            Encoding::Multipart { .. } => (LINE_BREAK.to_vec(), Inside::Other),
        };
        Self { encoding, field: field.to_owned(), seen, at: 0, searched: 0, inside }
    }

    /// Looks at the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Scan {
        self.seen.extend_from_slice(bytes);
        loop {
            if self.inside == Inside::Head && self.seen[self.at..].starts_with(b"--") {
                return Scan::Absent; // that was the last delimiter
            }
            let Some(end) = self.end_of_piece() else { return Scan::Open };
            let piece = &self.seen[self.at..end];
            let next = match self.inside {
                Inside::Pair => match value_of(piece, &self.field) {
                    Some(value) => return Scan::Found(value),
                    None => Inside::Pair,
                },
                Inside::Value => return Scan::Found(piece.to_vec()),
                Inside::Other => Inside::Head,
                Inside::Head if is_head_of(piece, &self.field) => Inside::Value,
                Inside::Head => Inside::Other,
            };
            self.at = end + self.terminator().len();
            self.searched = self.at;
            self.inside = next;
        }
    }

    /// Nothing comes any more.
    pub(super) fn finish(&self) -> Option<Vec<u8>> {
        match self.inside {
            Inside::Pair => value_of(&self.seen[self.at..], &self.field),
            Inside::Other | Inside::Head | Inside::Value => None,
        }
    }

    /// All that it has looked at.
    pub(super) fn into_seen(self) -> Bytes {
        let seen = Bytes::from(self.seen);
        match self.encoding {
            Encoding::UrlEncoded => seen,
            Encoding::Multipart { .. } => seen.slice(LINE_BREAK.len()..),
        }
    }

    /// Where the piece ends, if that was seen.
    fn end_of_piece(&mut self) -> Option<usize> {
        let (rest, terminator) = (&self.seen[self.searched..], self.terminator());
        let overlap = terminator.len() - 1;
        let found = match self.inside {
            Inside::Pair => memchr(b'&', rest),
            Inside::Head | Inside::Other | Inside::Value => memmem::find(rest, terminator),
        };
        if found.is_none() {
            self.searched = self.searched.max(self.seen.len().saturating_sub(overlap));
        }
        found.map(|at| self.searched + at)
    }

    fn terminator(&self) -> &[u8] {
        match (&self.encoding, self.inside) {
            (_, Inside::Head) => b"\r\n\r\n",
            (Encoding::Multipart { delimiter }, _) => delimiter,
            (Encoding::UrlEncoded, _) => b"&",
        }
    }
}

fn value_of(pair: &[u8], field: &str) -> Option<Vec<u8>> {
    let (name, value) = form_urlencoded::parse(pair).next()?;
    (name == field).then(|| value.into_owned().into_bytes())
}

/// Whether a part's head says that it is this field, and no file.
fn is_head_of(head: &[u8], field: &str) -> bool {
    let Ok(lines) = std::str::from_utf8(head) else { return false };
    let mut values = lines.split("\r\n").filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let Some(disposition) = values.next() else { return false };
    let mut parameters = disposition.split(';').filter_map(|part| part.trim().split_once('='));
    // As browsers write a name (HTML, "Multipart form data").
    let written = field.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let is_named = |(name, value): (&str, &str)| {
        name.eq_ignore_ascii_case("name") && value.trim_matches('"') == written
    };
    parameters.clone().any(is_named)
        && !parameters.any(|(name, _)| name.to_ascii_lowercase().starts_with("filename"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multipart() -> Encoding {
        Encoding::Multipart { delimiter: b"\r\n--x".to_vec() }
    }

    fn scan(encoding: Encoding, pieces: &[&[u8]]) -> Option<Vec<u8>> {
        let mut scanner = Scanner::new(encoding, "f");
        for piece in pieces {
            match scanner.push(piece) {
                Scan::Found(value) => return Some(value),
                Scan::Absent => return None,
                Scan::Open => {}
            }
        }
        scanner.finish()
    }

    const FORM: &[u8] = b"--x\r\ncontent-disposition:form-data;name=f\r\n\r\nv\r\n-\r\n--x--\r\n";

    #[test]
    fn s55_the_value_is_found_wherever_the_form_is_cut() {
        for first in 0..FORM.len() {
            for second in first..FORM.len() {
                let pieces = [&FORM[..first], &FORM[first..second], &FORM[second..]];
                assert_eq!(scan(multipart(), &pieces).unwrap(), b"v\r\n-", "{first} {second}");
            }
        }
        let bytes: Vec<&[u8]> = FORM.chunks(1).collect();
        assert_eq!(scan(multipart(), &bytes).unwrap(), b"v\r\n-");
        for at in 0..9 {
            let form = b"a=b&f=v%2B&f=w";
            assert_eq!(scan(Encoding::UrlEncoded, &[&form[..at], &form[at..]]).unwrap(), b"v+");
        }
    }

    #[test]
    fn s55_the_last_delimiter_ends_the_form_even_in_pieces() {
        for pieces in [&[&b"--x-"[..], b"-", b"\r\n\r\n"][..], &[b"--x", b"--"], &[b"--x--a"]] {
            assert_eq!(scan(multipart(), pieces), None);
        }
    }

    #[test]
    fn s55_what_is_no_form_is_not_searched() {
        let encoding = |content_type: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
            Encoding::of(&headers)
        };
        assert_eq!(encoding("Multipart/Form-Data; charset=x; Boundary=\"x\""), Some(multipart()));
        let url_encoded = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(encoding(url_encoded), Some(Encoding::UrlEncoded));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for none in ["", "text/plain", "application/json", "multipart/mixed; boundary=x", &long] {
            assert_eq!(encoding(none), None, "{none}");
        }
        for none in ["multipart/form-data", "multipart/form-data; boundary="] {
            assert_eq!(encoding(none), None, "{none}");
        }
    }
}
