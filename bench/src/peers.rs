//! What cloakroom is measured beside, each with its default settings unless its file says otherwise.

pub mod actix_session;
pub mod axum_csrf;
pub mod axum_messages;
pub mod axum_session;
pub mod cookie_jar;
pub mod ruts;
pub mod tower_http;
pub mod tower_sessions;
