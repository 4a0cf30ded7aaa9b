//! What is measured, how, and beside what.

pub mod actix;
#[cfg(feature = "peers")]
pub mod load;
pub mod measure;
pub mod ours;
#[cfg(feature = "peers")]
pub mod peers;
#[cfg(feature = "peers")]
pub mod plot;
pub mod scenario;
#[cfg(feature = "peers")]
pub mod server;
pub mod session;
