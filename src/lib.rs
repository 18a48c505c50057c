//! orderwire: a relay that tells customers where their order stands.

pub mod channel;
pub mod config;
pub mod domain;
pub mod milestone;
pub mod plan;
pub mod platform;
pub mod seal;
pub mod store;
pub mod telemetry;
pub mod words;
