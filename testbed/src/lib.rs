//! How a session service is driven from outside: [`Service`] starts one as a process, [`Visitor`] is a browser
//! without a screen that keeps cookies and asks, [`Connection`] is for what no browser does, [`Dice`] is for what is to
//! look random. Used by the black-box tests, here and between languages.
//!
//! Whatever goes wrong is a failed test, so that everything here panics with the reason.

mod connection;
mod dice;
mod service;
mod visitor;

pub use connection::Connection;
pub use dice::Dice;
pub use service::Service;
pub use visitor::{Answer, SetCookie, Visitor};
