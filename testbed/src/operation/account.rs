//! Whose session it is: login, renewal, and the owner's other sessions.

use cloakroom::Session;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Outcome};
use crate::setup::Setup;

#[derive(Deserialize)]
pub(super) struct Login {
    user: String,
}

#[derive(Deserialize)]
pub(super) struct Whose {
    /// Default the session's owner.
    user: Option<String>,
}

pub(super) fn login(session: &Session, Login { user }: &Login) -> Outcome {
    session.set_owner(user.as_str())?;
    session.insert("user", user)?;
    Answer::done()
}

pub(super) async fn mine(session: &Session, setup: &Setup) -> Outcome {
    let owners = setup.owners()?;
    let sessions = match session.owner() {
        Some(owner) => owners.sessions_of(&owner).await?,
        None => Vec::new(),
    };
    let this = session.id();
    let list = sessions.into_iter().map(|other| {
        json!({
            "current": Some(&other.id) == this.as_ref(),
            "id": other.id,
            "created": other.created.map(|created| created.as_secs()),
            "expires_at": other.expires_at.as_secs(),
        })
    });
    Answer::json(&json!({"sessions": list.collect::<Vec<Value>>()}))
}

pub(super) async fn revoke_others(session: &Session, setup: &Setup) -> Outcome {
    let revoked = setup.owners()?.revoke_others(session).await?;
    Answer::json(&json!({"revoked": revoked}))
}

pub(super) async fn revoke_all(session: &Session, setup: &Setup, whose: Whose) -> Outcome {
    let owners = setup.owners()?;
    let owner = whose.user.or_else(|| session.owner().map(|owner| owner.to_string()));
    let revoked = match owner {
        Some(owner) => owners.revoke_all(&owner).await?,
        None => 0,
    };
    Answer::json(&json!({"revoked": revoked}))
}
