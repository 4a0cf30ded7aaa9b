//! Where a visitor is signed in, and signing out there: all sessions of one owner.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::response::{Redirect, Response};
use cloakroom::factory::OwnedSession;
use cloakroom::time::{Clock, SystemClock};
use cloakroom::{Key, Session, Timestamp};
use serde::Deserialize;

use crate::error::AppError;
use crate::page::{Frame, Visit, roughly, show};

/// What a session says about its device, since it was signed in.
pub(crate) const DEVICE: Key<String> = Key::new("device");

#[derive(Template)]
#[template(path = "devices.html")]
struct Devices {
    frame: Frame,
    devices: Vec<Device>,
}

struct Device {
    id: String,
    text: String,
    /// Unknown of a session that cannot be read.
    began: Option<String>,
    ends: String,
    is_this: bool,
}

#[derive(Deserialize)]
pub(crate) struct Named {
    id: String,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, AppError> {
    let sessions = match visit.session.owner() {
        Some(owner) => visit.site.sessions()?.sessions_of(&owner).await?,
        None => Vec::new(),
    };
    let (here, now) = (visit.session.id(), SystemClock.now());
    let device = |session| Device::of(session, here.as_deref(), now);
    let devices = sessions.into_iter().map(device).collect();
    Ok(show(&Devices { frame: Frame::of("/devices", &visit).await?, devices })?)
}

pub(crate) async fn sign_out_there(
    visit: Visit,
    Form(named): Form<Named>,
) -> Result<Redirect, AppError> {
    let Some(owner) = signed_in(&visit.session)? else { return Ok(Redirect::to("/sign-in")) };
    let was_there = visit.site.sessions()?.revoke(&owner, &named.id).await?;
    visit.session.flash(if was_there {
        "Signed out there"
    } else {
        "It was signed out already"
    })?;
    Ok(Redirect::to("/devices"))
}

pub(crate) async fn sign_out_others(visit: Visit) -> Result<Redirect, AppError> {
    if signed_in(&visit.session)?.is_none() {
        return Ok(Redirect::to("/sign-in"));
    }
    let ended = visit.site.sessions()?.revoke_others(&visit.session).await?;
    visit.session.flash(match ended {
        1 => "Signed out on one other device".to_owned(),
        _ => format!("Signed out on {ended} other devices"),
    })?;
    Ok(Redirect::to("/devices"))
}

/// The owner; a visitor who is nobody, perhaps since a moment ago, is told so.
fn signed_in(session: &Session) -> Result<Option<Arc<str>>, AppError> {
    let owner = session.owner();
    if owner.is_none() {
        session.flash("You are not signed in")?;
    }
    Ok(owner)
}

impl Device {
    fn of(session: OwnedSession, here: Option<&str>, now: Timestamp) -> Self {
        let text = session.entries.get(DEVICE.name()).and_then(|value| value.get().ok());
        Self {
            text: text.unwrap_or_else(|| UNKNOWN.to_owned()),
            began: session.created.map(|began| roughly(now.since(began))),
            ends: roughly(session.expires_at.since(now)),
            is_this: here == Some(&session.id),
            id: session.id,
        }
    }
}

const UNKNOWN: &str = "An unknown device";
/// What browsers and systems are recognised by. The first match counts: most claim to be others too.
const BROWSERS: [(&str, &str); 5] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
];

/// A few words on the device that sent these headers; a guess, since it may say what it likes.
pub(crate) fn described(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_by_its_browser_and_system() {
        let described = |agent: &'static str| {
            described(&[(USER_AGENT, agent.parse().unwrap())].into_iter().collect())
        };
        for (agent, text) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
                "Firefox on Linux",
            ),
            ("curl/8.0", "An unknown device"),
        ] {
            assert_eq!(described(agent), text);
        }
    }
}
