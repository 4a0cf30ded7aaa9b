//! The behaviour of the library, by subject, through its public face.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod bounds;
mod broken;
mod candidates;
mod cookie;
mod error_page;
mod factory;
mod failing;
mod flash;
mod forged;
mod histories;
mod identity;
mod keys;
mod layer;
mod log;
mod middleware;
mod moving;
mod python_json;
mod replay;
mod session;
mod shown;
mod site;
mod stored;
mod stored_answers;
mod stored_bookkeeping;
mod stored_confirmed;
mod stored_endings;
mod stored_faults;
mod stored_flash;
mod stored_handles;
mod stored_layouts;
mod stored_leases;
mod stored_limits;
mod stored_login;
mod stored_namespaces;
mod stored_owners;
mod stored_races;
mod stored_renewals;
mod stored_sweeps;
mod stored_unkept;
mod stored_waits;
mod unserved;
mod values;
mod vectors;
mod yielding;
