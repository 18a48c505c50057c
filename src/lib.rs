//! orderwire: a relay that tells customers where their order stands.

pub mod boot;
pub mod channel;
pub mod cli;
pub mod config;
pub mod domain;
pub mod flow;
pub mod http;
pub mod milestone;
pub mod mock;
pub mod pages;
pub mod plan;
pub mod platform;
pub mod seal;
pub mod store;
pub mod telemetry;
pub mod words;
