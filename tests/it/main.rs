//! The behaviour of the library, by subject, through its public face.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod candidates;
mod cookie;
mod error_page;
mod factory;
mod flash;
mod forged;
mod histories;
mod identity;
mod layer;
mod log;
mod moving;
mod replay;
mod session;
mod site;
mod stored;
mod stored_confirmed;
mod stored_endings;
mod stored_faults;
mod stored_flash;
mod stored_races;
mod unserved;
mod vectors;
mod yielding;
