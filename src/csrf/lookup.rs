//! Where a request carries its token.

use http::{HeaderMap, HeaderName, Uri};

use super::holder::Csrf;
use super::refused::{CsrfError, Rule};
use super::secret::Form;
use crate::ConfigError;
use crate::Error;

/// The form field unless said otherwise (R42).
const FIELD: &str = "csrf_token";
/// The header unless said otherwise (R42).
const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// Where a request carries its token, and which place counts.
///
/// ```
/// use cloakroom::csrf::Lookup;
/// use http::HeaderMap;
///
/// let session = cloakroom::Session::detached();
/// let token = session.csrf_token()?;
/// let mut headers = HeaderMap::new();
/// headers.insert("x-token", token.masked().parse().unwrap());
/// let lookup = Lookup::default().header("x-token").unwrap().field("token");
/// assert!(lookup.check(&session, &"/".parse().unwrap(), &headers, None).is_ok());
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lookup {
    header: Option<HeaderName>,
    field: Option<String>,
    order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    HeaderThenForm,
    ParameterThenHeader,
}

/// First the header `X-CSRF-Token`; where it is absent or empty, the form field `csrf_token` (R78). Never the query.
impl Default for Lookup {
    fn default() -> Self {
        Self { header: Some(HEADER), field: Some(FIELD.into()), order: Order::HeaderThenForm }
    }
}

impl Lookup {
    /// The rules of Pyramid's Sessions chapter (R47): the parameter `csrf_token` of the query, else of the form, else
    /// the header; the first that is there decides, even if it is empty or wrong.
    ///
    /// A token in a URL ends up in logs, histories and `Referer`: this is for applications that have such URLs.
    #[must_use]
    pub fn parameter_then_header() -> Self {
        Self { order: Order::ParameterThenHeader, ..Self::default() }
    }

    /// Another header.
    ///
    /// # Errors
    /// [`ConfigError::HeaderName`] if no header can be called that.
    pub fn header(mut self, name: &str) -> Result<Self, ConfigError> {
        let parsed = HeaderName::try_from(name);
        self.header = Some(parsed.map_err(|_| ConfigError::HeaderName { name: name.into() })?);
        Ok(self)
    }

    /// Another form field.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.field = Some(name.into());
        self
    }

    /// No header counts.
    #[must_use]
    pub fn no_header(mut self) -> Self {
        self.header = None;
        self
    }

    /// No form field counts, and bodies are not read.
    #[must_use]
    pub fn no_field(mut self) -> Self {
        self.field = None;
        self
    }

    /// Whether a request carries the token of this session. `form` is the value of its form field, if there is one.
    ///
    /// # Errors
    /// [`Error::Csrf`], with status 400 (R45).
    pub fn check(
        &self,
        session: impl Into<Csrf>,
        uri: &Uri,
        headers: &HeaderMap,
        form: Option<&str>,
    ) -> Result<(), Error> {
        let found = self.before_form(uri, headers);
        let found = found.or_else(|| form.map(|value| value.as_bytes().to_vec()));
        let found = found.or_else(|| self.after_form(headers));
        Ok(judge(&session.into(), found.as_deref(), None)?)
    }

    /// The same as an answer (R46).
    #[must_use]
    pub fn is_valid(
        &self,
        session: impl Into<Csrf>,
        uri: &Uri,
        headers: &HeaderMap,
        form: Option<&str>,
    ) -> bool {
        self.check(session, uri, headers, form).is_ok()
    }

    /// What decides before the form is looked at.
    pub(super) fn before_form(&self, uri: &Uri, headers: &HeaderMap) -> Option<Vec<u8>> {
        match self.order {
            Order::HeaderThenForm => self.in_header(headers).filter(|value| !value.is_empty()),
            Order::ParameterThenHeader => self.in_query(uri),
        }
    }

    /// What decides where the form has nothing.
    pub(super) fn after_form(&self, headers: &HeaderMap) -> Option<Vec<u8>> {
        match self.order {
            Order::HeaderThenForm => None,
            Order::ParameterThenHeader => self.in_header(headers),
        }
    }

    /// What the form field is called, if one counts.
    pub(super) fn form_field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    fn in_header(&self, headers: &HeaderMap) -> Option<Vec<u8>> {
        let mut values = headers.get_all(self.header.as_ref()?).into_iter();
        // Of several none is meant: together they are no token.
        let first = values.next()?.as_bytes().to_vec();
        Some(values.fold(first, |all, value| [&all, &b", "[..], value.as_bytes()].concat()))
    }

    fn in_query(&self, uri: &Uri) -> Option<Vec<u8>> {
        let (query, field) = (uri.query()?, self.field.as_deref()?);
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == field).map(|(_, value)| value.into_owned().into_bytes())
    }
}

/// Whether what was found is a token of the session.
pub(super) fn judge(
    csrf: &Csrf,
    found: Option<&[u8]>,
    form: Option<Form<'_>>,
) -> Result<(), CsrfError> {
    match found {
        None => Err(CsrfError::new(Rule::TokenMissing)),
        Some(supplied) if csrf.accepts(supplied, form) => Ok(()),
        Some(_) => Err(CsrfError::new(Rule::TokenWrong)),
    }
}
