//! Routes → owed; owed + facts + now → decision.

mod laws;
mod otherwise;
mod policy;
mod reasons;
mod scenes;
mod sends;
mod uses;
mod world;
