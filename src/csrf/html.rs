//! A token in a page: the hidden field of a form, the meta tag for scripts, and the script that reads it.

use std::fmt;

use super::token::CsrfToken;

/// A script for pages with the [meta tag](CsrfToken::meta_tag): from then on each `fetch` to this site that is no
/// `GET` or `HEAD` sends the token in `X-CSRF-Token`. Serve it as a file, or put it into the page's head.
pub const SCRIPT: &str = include_str!("fetch.js");

/// A piece of HTML that is printed as it is: into a [`write!`], or into a template of askama (feature `askama`) or
/// minijinja (feature `minijinja`), which do not escape it.
///
/// ```
/// # let session = cloakroom::Session::detached();
/// let field = session.csrf_token()?.hidden_field();
/// assert!(field.as_str().starts_with(r#"<input type="hidden" name="csrf_token" value=""#));
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct Html(String);

impl CsrfToken {
    /// `<input type="hidden" name="csrf_token" value="…">`, to stand first in a form.
    #[must_use]
    pub fn hidden_field(&self) -> Html {
        self.hidden_field_named("csrf_token")
    }

    /// The same with a name of your own: see [`Lookup::field`](super::Lookup::field).
    #[must_use]
    pub fn hidden_field_named(&self, name: &str) -> Html {
        // The token's own letters need no escaping.
        let value = self.masked();
        Html(format!(r#"<input type="hidden" name="{}" value="{value}">"#, Escaped(name)))
    }

    /// `<meta name="csrf-token" content="…">`, for the head of a page with [`SCRIPT`].
    #[must_use]
    pub fn meta_tag(&self) -> Html {
        Html(format!(r#"<meta name="csrf-token" content="{}">"#, self.masked()))
    }
}

impl Html {
    /// The HTML as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Html {
    /// Without the token that is in it (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Html(..)")
    }
}

#[cfg(feature = "askama")]
impl askama::filters::HtmlSafe for Html {}

#[cfg(feature = "minijinja")]
impl From<Html> for minijinja::Value {
    fn from(html: Html) -> Self {
        Self::from_safe_string(html.0)
    }
}

/// Text between double quotes in HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '"' => f.write_str("&quot;"),
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            _ => fmt::Write::write_char(f, char),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Session;

    #[test]
    fn a_name_of_one_s_own_is_escaped() {
        let token = Session::detached().csrf_token().unwrap();
        let field = token.hidden_field_named("\"><a&b");
        let expected = r#"<input type="hidden" name="&quot;&gt;&lt;a&amp;b" value=""#;
        assert!(field.as_str().starts_with(expected), "{field}");
    }

    #[cfg(feature = "minijinja")]
    #[test]
    fn minijinja_prints_it_as_it_is() {
        let token = Session::detached().csrf_token().unwrap();
        let mut templates = minijinja::Environment::new();
        templates.add_template("page.html", "<form>{{ field }}{{ text }}</form>").unwrap();
        let page = templates.get_template("page.html").unwrap();
        let field = minijinja::Value::from(token.hidden_field());
        let page = page.render(minijinja::context! { field, text => "<>" }).unwrap();
        assert_eq!(page, format!("<form>{}&lt;&gt;</form>", token.hidden_field()));
    }
}
