//! The one integration binary.

mod accept;
mod channel;
mod commands;
mod config;
mod deliver;
mod door_properties;
mod doors;
mod erase;
mod faults;
mod fences;
mod guard;
mod milestone;
mod mock;
mod model;
mod online;
mod plan;
mod platform;
mod preview;
mod properties;
mod reasons;
mod registries;
mod ship;
mod spool;
mod store;
mod support;
mod words;
