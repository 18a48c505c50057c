//! The one integration binary.

mod channel;
mod config;
mod deliver;
mod door_properties;
mod fences;
mod milestone;
mod plan;
mod platform;
mod properties;
mod registries;
mod store;
mod support;
mod words;
