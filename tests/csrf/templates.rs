//! A token in pages: what templates print, and what scripts read.

use askama::Template;
use cloakroom::Session;
use cloakroom::csrf::{Html, SCRIPT};

#[derive(Template)]
#[template(
    source = "<head>{{ meta }}</head><form>{{ field }}</form><p>{{ text }}</p>",
    ext = "html"
)]
struct Page {
    meta: Html,
    field: Html,
    text: &'static str,
}

#[test]
fn r42_askama_prints_the_field_as_it_is_and_the_rest_escaped() {
    let token = Session::detached().csrf_token().unwrap();
    let page = Page { meta: token.meta_tag(), field: token.hidden_field(), text: "<>" };
    let expected = format!(
        "<head><meta name=\"csrf-token\" content=\"{token}\"></head>\
         <form><input type=\"hidden\" name=\"csrf_token\" value=\"{token}\"></form>\
         <p>&#60;&#62;</p>"
    );
    assert_eq!(page.render().unwrap(), expected);
}

#[test]
fn a_token_in_a_context_of_templates_is_its_masked_text() {
    let token = Session::detached().csrf_token().unwrap();
    assert_eq!(serde_json::to_value(&token).unwrap(), token.masked());
}

#[test]
fn the_script_is_a_short_one_that_sends_the_header() {
    assert!(SCRIPT.contains("'X-CSRF-Token'") && SCRIPT.contains(r#"meta[name="csrf-token"]"#));
    assert!(SCRIPT.lines().filter(|line| !line.starts_with("//")).count() <= 10);
}
