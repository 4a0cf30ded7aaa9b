//! The cookie that carries a session: reading it from the request, writing it to the response.
//!
//! The request's header is scanned byte for byte, without decoding anything: no spelling of another cookie can
//! pass for ours (S11). The response's header is made from settings that were checked when they were built.

mod judged;
mod scan;
mod settings;
mod write;

pub(crate) use judged::{Ambiguous, Judged};
pub(crate) use scan::unquoted;
pub use scan::{Candidates, CookieHeader};
pub use settings::{CookieSettings, SameSite};
pub use write::{CookieWriter, MAX_COOKIE_BYTES, SetCookie, SetCookies};
