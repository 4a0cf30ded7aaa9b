//! What each route does to the session, without a word of any framework: an adapter finds the operation in
//! [`ROUTES`], hands over the session and the input, and sends the answer.
//!
//! Input is JSON text; that of a `GET` is made from its query. Values stay the JSON text they came as, so that
//! nothing is rounded or reordered on the way through.

mod account;
mod flash;
mod mapping;
mod then;

use cloakroom::Session;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::answer::{Answer, Outcome};
use crate::setup::Setup;

pub(crate) use then::{fail, slow};

/// One thing that can be done to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Fred,
    Info,
    Get,
    All,
    Set,
    SetDefault,
    Update,
    Add,
    GetThenSet,
    Remove,
    PopItem,
    Clear,
    Changed,
    Invalidate,
    Renew,
    Login,
    Mine,
    RevokeOthers,
    RevokeAll,
    Flash,
    PopFlash,
    PeekFlash,
    Page,
    CsrfToken,
    CsrfNew,
}

use Operation::*;

/// Where each operation is found.
pub(crate) const ROUTES: [(Method, &str, Operation); 26] = [
    (Method::GET, "/fred", Fred),
    (Method::GET, "/info", Info),
    (Method::GET, "/get", Get),
    (Method::GET, "/all", All),
    (Method::POST, "/set", Set),
    (Method::POST, "/set-default", SetDefault),
    (Method::POST, "/update", Update),
    (Method::POST, "/add", Add),
    (Method::POST, "/get-then-set", GetThenSet),
    (Method::POST, "/remove", Remove),
    (Method::POST, "/pop-item", PopItem),
    (Method::POST, "/clear", Clear),
    (Method::POST, "/changed", Changed),
    (Method::POST, "/invalidate", Invalidate),
    (Method::POST, "/logout", Invalidate),
    (Method::POST, "/flash", Flash),
    (Method::POST, "/pop-flash", PopFlash),
    (Method::GET, "/peek-flash", PeekFlash),
    (Method::GET, "/page", Page),
    (Method::GET, "/csrf/token", CsrfToken),
    (Method::POST, "/csrf/new", CsrfNew),
    (Method::POST, "/renew", Renew),
    (Method::POST, "/login", Login),
    (Method::GET, "/mine", Mine),
    (Method::POST, "/revoke-others", RevokeOthers),
    (Method::POST, "/revoke-all", RevokeAll),
];

impl Operation {
    /// Does it, with this input.
    pub(crate) async fn perform(self, session: &Session, setup: &Setup, input: &str) -> Outcome {
        match self {
            Fred => mapping::fred(session),
            Info => mapping::info(session),
            Get => mapping::get(session, read(input)?),
            All => mapping::all(session),
            Set => mapping::set(session, &read(input)?),
            SetDefault => mapping::set_default(session, read(input)?),
            Update => mapping::update(session, read(input)?),
            Add => mapping::add(session, &read(input)?),
            GetThenSet => mapping::get_then_set(session, &read(input)?),
            Remove => mapping::remove(session, &read(input)?),
            PopItem => mapping::pop_item(session),
            Clear => done(session.clear()),
            Changed => done(session.changed()),
            Invalidate => done(session.invalidate()),
            Renew => done(session.renew()),
            Login => account::login(session, &read(input)?),
            Mine => account::mine(session, setup).await,
            RevokeOthers => account::revoke_others(session, setup).await,
            RevokeAll => account::revoke_all(session, setup, read(input)?).await,
            Flash => flash::push(session, &read(input)?),
            PopFlash => flash::pop(session, &read(input)?).await,
            PeekFlash => flash::peek(session, &read(input)?),
            Page => flash::page(session).await,
            CsrfToken => Answer::json(&json!({"token": session.csrf_token()?.plain()})),
            CsrfNew => Answer::json(&json!({"token": session.new_csrf_token()?.plain()})),
        }
    }
}

/// The operation of a route's path. Paths are unique, whatever the method.
fn at(route: &str) -> Option<Operation> {
    ROUTES.iter().find(|(_, path, _)| *path == route).map(|(_, _, operation)| *operation)
}

/// The text of a body.
pub(crate) fn text(body: &[u8]) -> Result<&str, Answer> {
    std::str::from_utf8(body).map_err(Answer::bad_request)
}

/// Reads the input; none at all is an object without members.
pub(crate) fn read<T: DeserializeOwned>(input: &str) -> Result<T, Answer> {
    let input = if input.is_empty() { "{}" } else { input };
    serde_json::from_str(input).map_err(Answer::bad_request)
}

fn done(result: Result<(), cloakroom::Error>) -> Outcome {
    result?;
    Answer::done()
}
