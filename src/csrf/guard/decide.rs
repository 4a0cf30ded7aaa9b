//! What is done about a request, as a table of what is known of it. No `_` arm: a new case must break the build.

use crate::csrf::refused::Rule;

/// What a request can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only reads.
    Safe,
    /// It opens a connection that outlives it, such as a WebSocket's, to which no browser can add a token (S56).
    Handshake,
    /// Anything else, known or unknown (S57).
    Unsafe,
}

/// What its headers say of the page it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// One of this site.
    Ours,
    /// One of another site that may.
    Trusted,
    /// Nothing: an old browser, or no browser.
    None,
    /// One of another site that may not, as this rule found.
    Foreign(Rule),
}

/// Of whom a token is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tokens {
    /// Of every request that can change something and carries a cookie.
    #[default]
    Always,
    /// Of those only that say nothing of where they come from.
    WithoutEvidence,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    /// Allowed with a valid token.
    AskForToken,
    Refuse(Rule),
}

pub(super) const fn decide(
    kind: Kind,
    evidence: Evidence,
    has_cookie: bool,
    tokens: Tokens,
) -> Verdict {
    match (kind, evidence, has_cookie, tokens) {
        (Kind::Safe, _, _, _) => Verdict::Allow,
        (Kind::Handshake | Kind::Unsafe, Evidence::Foreign(rule), _, _) => Verdict::Refuse(rule),
        (Kind::Handshake, Evidence::Ours | Evidence::Trusted, _, _) => Verdict::Allow,
        // What comes without a cookie has no rights that another site could borrow (S48).
        (Kind::Handshake | Kind::Unsafe, Evidence::None, false, _) => Verdict::Allow,
        (Kind::Handshake | Kind::Unsafe, Evidence::None, true, _) => Verdict::AskForToken,
        (Kind::Unsafe, Evidence::Ours | Evidence::Trusted, false, _)
        | (Kind::Unsafe, Evidence::Ours | Evidence::Trusted, true, Tokens::WithoutEvidence) => {
            Verdict::Allow
        }
        (Kind::Unsafe, Evidence::Ours | Evidence::Trusted, true, Tokens::Always) => {
            Verdict::AskForToken
        }
    }
}
