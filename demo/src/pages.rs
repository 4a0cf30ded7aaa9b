//! The pages, one file for each subject.

mod cookie;
mod csrf;
mod devices;
mod flash;
mod full;
mod race;
pub(crate) mod sign_in;
mod start;
mod values;
mod walk_through;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use cloakroom::ConfigError;

use crate::guard::{Guard, guards};
use crate::site::Site;

/// Every page and form of the demo, guarded.
pub(crate) fn router(site: &Site, origins: &[String]) -> Result<Router<Site>, ConfigError> {
    let Guard { strict, usual } = guards(site, origins)?;
    Ok(forged().layer(strict).merge(others().layer(usual)))
}

/// Those that are about forged requests: they ask for a token in any case.
fn forged() -> Router<Site> {
    Router::new()
        .route("/csrf", get(csrf::page))
        .route("/csrf/minijinja", get(csrf::by_minijinja))
        .route("/csrf/delete", post(csrf::delete))
        .route("/csrf/restore", post(csrf::restore))
        .route("/csrf/upload", post(csrf::upload))
        .route("/csrf/socket", get(csrf::socket))
        .route("/csrf.js", get(csrf::script))
        .route("/csrf-page.js", get(csrf::page_script))
}

fn others() -> Router<Site> {
    Router::new()
        .route("/", get(start::page))
        .route("/walk-through", get(walk_through::page))
        .route("/values", get(values::page))
        .route("/values/set", post(values::set))
        .route("/values/delete", post(values::delete))
        .route("/values/clear", post(values::clear))
        .route("/values/invalidate", post(values::invalidate))
        .route("/flash", get(flash::page).post(flash::push))
        .route("/flash/show", post(flash::show_queue))
        .route("/cookie", get(cookie::page))
        .route("/full", get(full::page).post(full::fill))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/devices", get(devices::page))
        .route("/devices/sign-out", post(devices::sign_out_there))
        .route("/devices/sign-out-others", post(devices::sign_out_others))
        .route("/race", get(race::page))
        .route("/race/begin", post(race::begin))
        .route("/race/modify/{item}", post(race::by_modify))
        .route("/race/insert/{item}", post(race::by_insert))
        .route("/race/strict/{item}", post(race::by_strict_insert))
        .route("/race.js", get(script))
        .route("/style.css", get(style))
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../static/style.css"))
}

async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("../static/race.js"))
}
