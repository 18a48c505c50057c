//! The one integration binary.

mod channel;
mod config;
mod fences;
mod milestone;
mod mock;
mod plan;
mod platform;
mod properties;
mod registries;
mod store;
mod support;
mod words;
