//! A small site on actix-web: values, flash messages, signing in and out, and a guard against forged requests.
//! `cargo actix` serves it on http://127.0.0.1:6544.

use actix_web::http::header::LOCATION;
use actix_web::web::{self, Form, Html, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use askama::Template;
use cloakroom::csrf::Html as Field;
use cloakroom::store::MemoryStore;
use cloakroom::{ConfigError, CsrfLayer, Error, Key, Session, SessionLayer, StoredFactory};
use serde::Deserialize;

const VISITS: Key<u32> = Key::new("visits");

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Both are made once: what each worker gets is a clone of the same.
    let (sessions, guard) = layers()?;
    let app = move || App::new().configure(routes).wrap(guard.clone()).wrap(sessions.clone());
    println!("http://127.0.0.1:6544");
    Ok(HttpServer::new(app).bind(("127.0.0.1", 6544))?.run().await?)
}

/// Where sessions are kept, and what stands before the handlers.
pub(crate) fn layers() -> Result<(SessionLayer, CsrfLayer), ConfigError> {
    let sessions = StoredFactory::builder("shop", MemoryStore::default())
        .insecure_plain_http() // on a machine of one's own; a site is served over https
        .build()?;
    Ok((SessionLayer::new(sessions), CsrfLayer::new().site("http://127.0.0.1:6544")?))
}

pub(crate) fn routes(routes: &mut ServiceConfig) {
    routes
        .route("/", web::get().to(page))
        .route("/set", web::post().to(set))
        .route("/remove", web::post().to(remove))
        .route("/flash", web::post().to(flash))
        .route("/sign-in", web::post().to(sign_in))
        .route("/sign-out", web::post().to(sign_out));
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>cloakroom on actix-web</title>
<h1>cloakroom on actix-web</h1>
{% for message in messages %}<p role="status">{{ message }}</p>
{% endfor %}
<p>{% if let Some(owner) = owner %}You are {{ owner }}.{% else %}You are nobody yet.{% endif %}
Visit number {{ visits }}.</p>
<h2>Sign in</h2>
<form method="post" action="/sign-in">{{ field }}<input name="name" required> <button>Sign in</button></form>
<form method="post" action="/sign-out">{{ field }}<button>Sign out</button></form>
<h2>Values</h2>
<ul>
{% for (key, value) in values %}<li><code>{{ key }}</code>: <code>{{ value }}</code>
{% endfor %}</ul>
<form method="post" action="/set">{{ field }}<input name="key" required> <input name="value"> <button>Set</button></form>
<form method="post" action="/remove">{{ field }}<input name="key" required> <button>Remove</button></form>
<h2>Flash</h2>
<form method="post" action="/flash">{{ field }}<input name="message" required> <button>Show it once</button></form>
<h2>Forged</h2>
<form method="post" action="/set"><input type="hidden" name="key" value="forged"> <button>Send without a token</button></form>
"#
)]
struct Page {
    owner: Option<String>,
    visits: u32,
    messages: Vec<String>,
    values: Vec<(String, String)>,
    field: Field,
}

async fn page(session: Session) -> Result<Html, Error> {
    let visits = session.modify(VISITS, |visits| {
        *visits += 1;
        *visits
    })?;
    let entries = session.entries();
    let page = Page {
        owner: session.owner().map(|owner| owner.to_string()),
        visits,
        messages: session.pop_flash("").await?,
        values: entries.iter().map(|(key, value)| (key.into(), value.as_json().into())).collect(),
        field: session.csrf_token()?.hidden_field(),
    };
    Ok(Html::new(page.render().expect("a template that only prints")))
}

#[derive(Deserialize)]
struct Pair {
    key: String,
    #[serde(default)]
    value: String,
}

async fn set(session: Session, Form(pair): Form<Pair>) -> Result<HttpResponse, Error> {
    session.insert(&pair.key, pair.value)?;
    session.flash(format!("Set “{}”", pair.key))?;
    Ok(back())
}

async fn remove(session: Session, Form(pair): Form<Pair>) -> Result<HttpResponse, Error> {
    session.remove(&pair.key)?;
    Ok(back())
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

async fn flash(session: Session, Form(it): Form<Message>) -> Result<HttpResponse, Error> {
    session.flash(it.message)?;
    Ok(back())
}

#[derive(Deserialize)]
struct Visitor {
    name: String,
}

async fn sign_in(session: Session, Form(visitor): Form<Visitor>) -> Result<HttpResponse, Error> {
    if session.owner().is_some_and(|now| *now != *visitor.name) {
        session.invalidate()?; // what one person left in it is not for the next
    }
    session.set_owner(visitor.name.clone())?;
    session.flash(format!("Signed in as {}", visitor.name))?;
    Ok(back())
}

async fn sign_out(session: Session) -> Result<HttpResponse, Error> {
    session.invalidate()?;
    session.flash("Signed out")?; // begins another session, which is nobody's
    Ok(back())
}

fn back() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, "/")).finish()
}
