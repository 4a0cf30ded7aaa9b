//! The others, each driven in the way its documentation shows.

pub mod actix_session;
pub mod axum_csrf;
pub mod axum_messages;
pub mod tower_sessions;
