//! The spool: what comes while Redis is away is answered 200, survives the relay, and is told once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod away;
mod damage;
mod drain;
mod erased;
mod failing;
mod process;
mod results;
mod world;
