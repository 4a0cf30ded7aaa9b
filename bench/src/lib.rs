//! What the measurements share: how a cost is measured, what the sessions hold, and how each library is driven.

pub mod measure;
pub mod ours;
pub mod peers;
pub mod session;
pub mod table;
