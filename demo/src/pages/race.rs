//! Requests that race for one cart: what get-then-insert loses, `modify` keeps.
//!
//! The page's script sends many requests at once. Each opens the session, changes its cart, and stays a moment before
//! it ends, so that others open the session as it was before.

use std::time::Duration;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use cloakroom::Key;

use crate::error::AppError;
use crate::page::{Frame, Visit, show};
use crate::site::Counts;

type Cart = Vec<u32>;
const MODIFIED: Key<Cart> = Key::new("cart by modify");
const INSERTED: Key<Cart> = Key::new("cart by get and insert");
const STRICT: Key<Cart> = Key::new("cart by a strict key").strict();
/// What the server had noticed when the race began.
const BEFORE: Key<Counts> = Key::new("noticed before the race");

const REQUESTS: usize = 20;
/// How long a request takes for what it does.
const WORK: Duration = Duration::from_millis(50);

#[derive(Template)]
#[template(path = "race.html")]
struct Race {
    frame: Frame,
    requests: usize,
    work_ms: u128,
    result: Option<Outcome>,
}

/// How many items the carts hold, and what the server has noticed since the race began.
struct Outcome {
    modified: usize,
    inserted: usize,
    strict: usize,
    noticed: Counts,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, AppError> {
    let page = Race {
        frame: Frame::of("/race", &visit).await?,
        requests: REQUESTS,
        work_ms: WORK.as_millis(),
        result: outcome(&visit)?,
    };
    Ok(show(&page)?)
}

/// Empties the carts. So there is a session that the requests have in common.
pub(crate) async fn begin(Visit { session, site }: Visit) -> Result<(), AppError> {
    for cart in [MODIFIED, INSERTED, STRICT] {
        session.insert(cart, Cart::new())?;
    }
    session.insert(BEFORE, site.counts())?;
    Ok(())
}

pub(crate) async fn by_modify(visit: Visit, Path(item): Path<u32>) -> Result<(), AppError> {
    visit.session.modify(MODIFIED, move |cart| cart.push(item))?;
    tokio::time::sleep(WORK).await;
    Ok(())
}

pub(crate) async fn by_insert(visit: Visit, Path(item): Path<u32>) -> Result<(), AppError> {
    get_then_insert(&visit, INSERTED, item).await
}

/// The same, but what would be overwritten is refused: 409.
pub(crate) async fn by_strict_insert(visit: Visit, Path(item): Path<u32>) -> Result<(), AppError> {
    get_then_insert(&visit, STRICT, item).await
}

async fn get_then_insert(visit: &Visit, key: Key<Cart>, item: u32) -> Result<(), AppError> {
    let mut cart = visit.session.get(key)?.unwrap_or_default();
    tokio::time::sleep(WORK).await;
    cart.push(item);
    visit.session.insert(key, cart)?;
    Ok(())
}

/// `None` before the first race.
fn outcome(Visit { session, site }: &Visit) -> Result<Option<Outcome>, AppError> {
    let Some(before) = session.get(BEFORE)? else { return Ok(None) };
    let held = |key| Ok::<_, AppError>(session.get(key)?.map_or(0, |cart: Cart| cart.len()));
    let now = site.counts();
    Ok(Some(Outcome {
        modified: held(MODIFIED)?,
        inserted: held(INSERTED)?,
        strict: held(STRICT)?,
        noticed: Counts {
            overwritten: now.overwritten.saturating_sub(before.overwritten),
            refused: now.refused.saturating_sub(before.refused),
        },
    }))
}
