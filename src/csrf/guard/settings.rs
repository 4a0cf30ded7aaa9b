//! What a guard was told to let through, and its judgement on the head of a request.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use http::header::UPGRADE;
use http::request::Parts;
use http::{HeaderMap, Method};

use super::decide::{Evidence, Kind, Tokens, Verdict, decide};
use super::origin::Origins;
use crate::cookie::CookieHeader;
use crate::csrf::double_submit::DoubleSubmit;
use crate::csrf::lookup::Lookup;
use crate::csrf::refused::{CsrfError, Rule};

/// Whether a request with this head is guarded.
type Condition = dyn Fn(&Parts) -> bool + Send + Sync;

#[derive(Clone)]
pub(super) struct Guard {
    pub(super) origins: Origins,
    pub(super) checks_origin: bool,
    pub(super) requires_origin: bool,
    pub(super) tokens: Tokens,
    pub(super) lookup: Lookup,
    pub(super) form_limit: usize,
    pub(super) safe_methods: Vec<Method>,
    pub(super) exempt: HashSet<String>,
    pub(super) only_if: Option<Arc<Condition>>,
    pub(super) only_reports: bool,
    pub(super) without_sessions: Option<Arc<DoubleSubmit>>,
    pub(super) on_refused: Arc<dyn Fn(&CsrfError) + Send + Sync>,
}

impl Guard {
    /// What is done about a request with this head.
    pub(super) fn judge(&self, parts: &Parts, route: Option<&str>) -> Verdict {
        let kind = self.kind(&parts.method, &parts.headers);
        if kind == Kind::Safe || self.lets_through(parts, route) {
            return Verdict::Allow;
        }
        let evidence = match self.origins.judge(&parts.headers) {
            Evidence::Foreign(_) if !self.checks_origin => Evidence::None,
            Evidence::None if self.requires_origin => Evidence::Foreign(Rule::NoOrigin),
            evidence => evidence,
        };
        let has_cookie = !CookieHeader::new(&parts.headers).is_empty();
        decide(kind, evidence, has_cookie, self.tokens)
    }

    /// Whether it is let through without a look at anything else.
    #[cfg(feature = "actix")]
    pub(super) fn is_safe(&self, method: &Method, headers: &HeaderMap) -> bool {
        self.kind(method, headers) == Kind::Safe
    }

    fn lets_through(&self, parts: &Parts, route: Option<&str>) -> bool {
        let is_exempt = route.is_some_and(|route| self.exempt.contains(route));
        is_exempt || self.only_if.as_ref().is_some_and(|condition| !condition(parts))
    }

    fn kind(&self, method: &Method, headers: &HeaderMap) -> Kind {
        if *method == Method::CONNECT || is_upgrade(headers) {
            Kind::Handshake
        } else if self.safe_methods.contains(method) {
            Kind::Safe
        } else {
            Kind::Unsafe
        }
    }
}

/// Whether the request asks for another protocol on its connection. HTTP/2 is the same in other words, and asks for
/// nothing more than this request.
fn is_upgrade(headers: &HeaderMap) -> bool {
    let is_other = |field: &[u8]| {
        field
            .split(|byte| *byte == b',')
            .any(|name| !name.trim_ascii().eq_ignore_ascii_case(b"h2c"))
    };
    headers.get_all(UPGRADE).into_iter().any(|field| is_other(field.as_bytes()))
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            origins: Origins::default(),
            checks_origin: true,
            requires_origin: false,
            tokens: Tokens::Always,
            lookup: Lookup::default(),
            form_limit: super::request::FORM_LIMIT,
            // Not `Method::is_safe`, which counts TRACE (S57).
            safe_methods: vec![Method::GET, Method::HEAD, Method::OPTIONS],
            exempt: HashSet::new(),
            only_if: None,
            only_reports: false,
            without_sessions: None,
            on_refused: Arc::new(|_| ()),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("origins", &self.origins)
            .field("tokens", &self.tokens)
            .field("lookup", &self.lookup)
            .field("safe_methods", &self.safe_methods)
            .field("exempt", &self.exempt)
            .field("only_reports", &self.only_reports)
            .finish_non_exhaustive()
    }
}
