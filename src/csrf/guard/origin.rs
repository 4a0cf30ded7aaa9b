//! Whose page sent the request, as its headers say: fetch metadata first, then `Origin`, then `Referer`.
//!
//! An origin in a header is text that a browser wrote, in one way only (RFC 6454, section 6.1): it is compared as a
//! whole and never taken apart, so that there is nothing to be misread. What the application configures is brought
//! into that form once.

use http::header::{ORIGIN, REFERER};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::decide::Evidence;
use crate::ConfigError;
use crate::csrf::refused::Rule;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins of this site, and others that may send requests to it.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins {
    ours: Vec<String>,
    trusted: Vec<Trusted>,
    same_site_is_ours: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Trusted {
    Origin(String),
    /// This host and all below it.
    Subdomains {
        scheme: String,
        host: String,
        port: String,
    },
    /// What a browser says for a page that it keeps apart, such as a sandboxed one.
    Null,
}

impl Origins {
    pub(super) fn add_ours(&mut self, origin: &str) -> Result<(), ConfigError> {
        let parsed = Parsed::new(origin)?;
        if parsed.is_https() && self.trusted.iter().any(|trusted| !trusted.is_https()) {
            return Err(unfit(
                origin,
                "is https, and a trusted one is http: anybody on the way can be it",
            ));
        }
        self.ours.push(parsed.text());
        Ok(())
    }

    pub(super) fn trust(&mut self, origin: &str) -> Result<(), ConfigError> {
        let parsed = self.fit_for_trust(origin)?;
        self.trusted.push(Trusted::Origin(parsed.text()));
        Ok(())
    }

    pub(super) fn trust_subdomains(&mut self, origin: &str) -> Result<(), ConfigError> {
        let Parsed { scheme, host, port } = self.fit_for_trust(origin)?;
        self.trusted.push(Trusted::Subdomains { scheme, host, port });
        Ok(())
    }

    pub(super) fn trust_null(&mut self) {
        self.trusted.push(Trusted::Null);
    }

    pub(super) const fn same_site_is_ours(&mut self) {
        self.same_site_is_ours = true;
    }

    /// An origin over http can be anybody on the way, and is no match for a site over https (S49).
    fn fit_for_trust(&self, origin: &str) -> Result<Parsed, ConfigError> {
        let parsed = Parsed::new(origin)?;
        let is_http_site = self.ours.iter().all(|ours| !ours.starts_with("https:"));
        if !parsed.is_https() && (self.ours.is_empty() || !is_http_site) {
            let reason = "is http: anybody on the way can be it. It can be trusted only after \
                          `.site` said that this site is http itself";
            return Err(unfit(origin, reason));
        }
        Ok(parsed)
    }

    /// What the headers say of where the request comes from.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Evidence {
        let origin = match field(headers, &ORIGIN) {
            Field::Absent => None,
            Field::Once(origin) => Some(origin.as_bytes()),
            Field::Several => Some(&b""[..]), // is nobody
        };
        let is_trusted = || origin.is_some_and(|origin| self.trusts(origin));
        match field(headers, &SEC_FETCH_SITE) {
            Field::Once(site) => match site.as_bytes() {
                b"same-origin" | b"none" => Evidence::Ours,
                b"same-site" if self.same_site_is_ours => Evidence::Ours,
                _ if is_trusted() => Evidence::Trusted,
                _ => Evidence::Foreign(Rule::FetchSite),
            },
            Field::Several if is_trusted() => Evidence::Trusted,
            Field::Several => Evidence::Foreign(Rule::FetchSite),
            Field::Absent => match origin {
                Some(origin) if self.is_ours(origin) => Evidence::Ours,
                Some(_) if is_trusted() => Evidence::Trusted,
                Some(_) => Evidence::Foreign(Rule::Origin),
                None => self.judge_referer(headers),
            },
        }
    }

    fn judge_referer(&self, headers: &HeaderMap) -> Evidence {
        match field(headers, &REFERER) {
            Field::Absent => Evidence::None,
            Field::Once(referer) if referer.is_empty() => Evidence::None,
            Field::Several => Evidence::Foreign(Rule::Referer),
            Field::Once(referer) => match origin_of(referer.as_bytes()) {
                Some(origin) if self.is_ours(origin) => Evidence::Ours,
                Some(origin) if self.trusts(origin) => Evidence::Trusted,
                Some(_) | None => Evidence::Foreign(Rule::Referer),
            },
        }
    }

    fn is_ours(&self, origin: &[u8]) -> bool {
        self.ours.iter().any(|ours| ours.as_bytes() == origin)
    }

    fn trusts(&self, origin: &[u8]) -> bool {
        self.trusted.iter().any(|trusted| trusted.is(origin))
    }
}

impl Trusted {
    fn is_https(&self) -> bool {
        match self {
            Self::Origin(text) => text.starts_with("https:"),
            Self::Subdomains { scheme, .. } => scheme == "https",
            Self::Null => true,
        }
    }

    fn is(&self, origin: &[u8]) -> bool {
        match self {
            Self::Origin(text) => text.as_bytes() == origin,
            Self::Null => origin == b"null",
            Self::Subdomains { scheme, host, port } => {
                let rest = origin.strip_prefix(scheme.as_bytes());
                let rest = rest.and_then(|rest| rest.strip_prefix(b"://"));
                let rest = rest.and_then(|rest| rest.strip_suffix(port.as_bytes()));
                let below = rest.and_then(|rest| rest.strip_suffix(host.as_bytes()));
                below.is_some_and(|below| below.is_empty() || is_labels(below))
            }
        }
    }
}

/// Whether this is one or more labels of a domain name, each with its dot.
fn is_labels(text: &[u8]) -> bool {
    let is_label = |label: &[u8]| {
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.iter().all(is_letter)
    };
    text.strip_suffix(b".").is_some_and(|labels| labels.split(|byte| *byte == b'.').all(is_label))
}

/// The origin that this URL begins with, as it stands there.
fn origin_of(url: &[u8]) -> Option<&[u8]> {
    let start = url.windows(3).position(|window| window == b"://")? + 3;
    let length = url[start..].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    Some(length.map_or(url, |length| &url[..start + length]))
}

enum Field<'a> {
    Absent,
    Once(&'a HeaderValue),
    /// Sent twice by somebody who hopes that two readers take different ones.
    Several,
}

fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Field<'a> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Field::Absent,
        (Some(value), None) => Field::Once(value),
        (Some(_), Some(_)) => Field::Several,
    }
}

/// An origin from the configuration.
struct Parsed {
    scheme: String,
    host: String,
    /// With its colon; empty for the scheme's own.
    port: String,
}

impl Parsed {
    fn new(origin: &str) -> Result<Self, ConfigError> {
        let form =
            "is not an origin: write it as `https://shop.example` or `http://127.0.0.1:8000`";
        let uri: Uri = origin.parse().map_err(|_| unfit(origin, form))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(unfit(origin, form));
        };
        let Some(default) = default_port(scheme) else {
            return Err(unfit(origin, "is neither http nor https"));
        };
        let has_port = authority.as_str().len() > authority.host().len();
        if authority.as_str().contains('@')
            || has_port && authority.port_u16().is_none()
            || uri.path() != "/"
            || uri.query().is_some()
            || origin.ends_with('/')
        {
            return Err(unfit(
                origin,
                "is more, or less, than a scheme, a host and perhaps a port",
            ));
        }
        if authority.host().contains('*') {
            return Err(unfit(origin, "has a `*`: use `trust_subdomains` for that"));
        }
        let port = authority.port_u16().filter(|port| *port != default);
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            host: authority.host().to_ascii_lowercase(),
            port: port.map(|port| format!(":{port}")).unwrap_or_default(),
        })
    }

    fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    fn text(&self) -> String {
        let Self { scheme, host, port } = self;
        format!("{scheme}://{host}{port}")
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn unfit(origin: &str, reason: &'static str) -> ConfigError {
    ConfigError::Origin { origin: origin.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s49_an_origin_is_brought_into_the_form_that_browsers_send() {
        for (given, text) in [
            ("https://Shop.Example", "https://shop.example"),
            ("https://shop.example:443", "https://shop.example"),
            ("http://shop.example:443", "http://shop.example:443"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ] {
            assert_eq!(Parsed::new(given).unwrap().text(), text);
        }
        for unfit in [
            "",
            "shop.example",
            "//shop.example",
            "https://",
            "https:shop.example",
            "ftp://shop.example",
            "https://shop.example/",
            "https://shop.example/a",
            "https://shop.example?a",
            "null",
            "*",
            "https://ada@shop.example",
            "https://*.shop.example",
            "https://shop.example:",
            "https://bücher.example",
            "https://shop.example:99999",
        ] {
            assert!(Parsed::new(unfit).is_err(), "{unfit}");
        }
    }

    #[test]
    fn s49_subdomains_are_those_and_no_lookalikes() {
        let mut origins = Origins::default();
        origins.trust_subdomains("https://shop.example").unwrap();
        for trusted in
            ["https://shop.example", "https://a.shop.example", "https://a-1.b.shop.example"]
        {
            assert!(origins.trusts(trusted.as_bytes()), "{trusted}");
        }
        for foreign in [
            "http://a.shop.example",
            "https://xshop.example",
            "https://a.shop.example:444",
            "https://.shop.example",
            "https://a..shop.example",
            "https://evil.example/.shop.example",
            "https://evil.example#.shop.example",
            "https://u@a.shop.example",
            "https://shop.example.evil.example",
            "null",
            "",
        ] {
            assert!(!origins.trusts(foreign.as_bytes()), "{foreign}");
        }
    }

    #[test]
    fn s49_http_is_not_trusted_by_a_site_over_https() {
        let mut unsaid = Origins::default();
        assert!(unsaid.trust("http://a.example").is_err());
        let mut secure = Origins::default();
        secure.add_ours("https://shop.example").unwrap();
        assert!(secure.trust("http://a.example").is_err());
        assert!(secure.trust_subdomains("http://a.example").is_err());
        let mut plain = Origins::default();
        plain.add_ours("http://shop.example").unwrap();
        plain.trust("http://a.example").unwrap();
        plain.add_ours("http://other.example").unwrap();
        assert!(plain.add_ours("https://shop.example").is_err());
    }

    #[test]
    fn the_origin_of_a_url_is_what_stands_before_its_path() {
        for (url, origin) in [
            ("https://a.example/b?c#d", "https://a.example"),
            ("https://a.example?c", "https://a.example"),
            ("https://a.example#d", "https://a.example"),
            ("https://a.example:8000", "https://a.example:8000"),
            ("https://evil.example\\@a.example/", "https://evil.example\\@a.example"),
        ] {
            assert_eq!(origin_of(url.as_bytes()), Some(origin.as_bytes()));
        }
        assert_eq!(origin_of(b"a.example"), None);
    }
}
