//! Checking a request whose body nobody has read yet.

use http::request::Parts;
use http::{Extensions, Request};
use http_body::Body;

use super::form::{Encoding, Scanner};
use super::replay::{Ahead, Replay};
use crate::Error;
use crate::csrf::holder::Csrf;
use crate::csrf::lookup::{Lookup, judge};
use crate::csrf::refused::{CsrfError, Rule};
use crate::csrf::secret::Form;

/// How much of a form is searched for its token: 64 KiB (S55).
pub(super) const FORM_LIMIT: usize = 64 * 1024;

/// Checks a request by hand where its body was not read yet, and gives it back whole (R44).
///
/// Header first, then form field, as [`Lookup`] says. The first 64 KiB of a form are searched, url-encoded or
/// multipart; the body that is given back is the one that came, byte for byte.
///
/// ```
/// use cloakroom::csrf::{self, Lookup};
/// use cloakroom::Error;
/// use http::{Request, Response};
/// # use http_body::Body;
///
/// async fn handle<B: Body + Unpin>(request: Request<B>) -> Result<Response<String>, Error> {
///     let (request, checked) = csrf::check_request(request, &Lookup::default()).await;
///     checked?; // 400
///     let _body = request.into_body(); // nothing of it is missing
///     Ok(Response::new("done".into()))
/// }
/// ```
///
/// # Errors
/// [`Error::Csrf`] with status 400; whatever the session's factory fails with.
pub async fn check_request<B: Body + Unpin>(
    request: Request<B>,
    lookup: &Lookup,
) -> (Request<Replay<B>>, Result<(), Error>) {
    examine(request, lookup, FORM_LIMIT).await
}

pub(super) async fn examine<B: Body + Unpin>(
    request: Request<B>,
    lookup: &Lookup,
    limit: usize,
) -> (Request<Replay<B>>, Result<(), Error>) {
    let (parts, body) = request.into_parts();
    let mut body = Replay::new(body);
    let checked = match Csrf::of_parts(&parts.extensions, &parts.headers).await {
        Ok(csrf) => examine_parts(&csrf, &parts, &mut body, lookup, limit).await,
        Err(error) => Err(error),
    };
    (Request::from_parts(parts, body), checked)
}

async fn examine_parts<B: Body + Unpin>(
    csrf: &Csrf,
    parts: &Parts,
    body: &mut Replay<B>,
    lookup: &Lookup,
    limit: usize,
) -> Result<(), Error> {
    let mut found = lookup.before_form(&parts.uri, &parts.headers);
    // Where there is no token, none that the form might carry can be right: its body need not be read.
    if found.is_none() && csrf.has_token() {
        found = find_in_form(parts, body, lookup, limit).await?;
    }
    let found = found.or_else(|| lookup.after_form(&parts.headers));
    let form = matched_route(&parts.extensions).map(|route| Form { method: &parts.method, route });
    Ok(judge(csrf, found.as_deref(), form)?)
}

async fn find_in_form<B: Body + Unpin>(
    parts: &Parts,
    body: &mut Replay<B>,
    lookup: &Lookup,
    limit: usize,
) -> Result<Option<Vec<u8>>, CsrfError> {
    let (Some(field), Some(encoding)) = (lookup.form_field(), Encoding::of(&parts.headers)) else {
        return Ok(None);
    };
    match body.look_for(Scanner::new(encoding, field), limit).await {
        Ahead::Found(value) => Ok(Some(value)),
        Ahead::Absent => Ok(None),
        Ahead::TooLate => Err(CsrfError::new(Rule::TokenTooLate)),
    }
}

/// Whether it can carry a token at all, without a look at the session or the body.
pub(super) fn may_carry_token(parts: &Parts, lookup: &Lookup) -> bool {
    let in_form = || lookup.form_field().is_some() && Encoding::of(&parts.headers).is_some();
    lookup.before_form(&parts.uri, &parts.headers).is_some()
        || lookup.after_form(&parts.headers).is_some()
        || in_form()
}

/// A route as it was declared, where the adapter has found it out.
#[cfg(feature = "actix")]
#[derive(Debug, Clone)]
pub(super) struct Route(pub(super) std::sync::Arc<str>);

/// The route by which a router found the handler, as it was declared (S58).
pub(super) fn matched_route(extensions: &Extensions) -> Option<&str> {
    #[cfg(feature = "axum")]
    if let Some(route) = extensions.get::<::axum::extract::MatchedPath>() {
        return Some(route.as_str());
    }
    #[cfg(feature = "actix")]
    if let Some(route) = extensions.get::<Route>() {
        return Some(&route.0);
    }
    let _ = extensions;
    None
}
