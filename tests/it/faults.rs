//! faults: the real binary on a real Redis, while both are killed, stopped and starved, and providers
//! misbehave. One checker (`checker`) judges every run by the promises; `doctored` proves the checker.
//!
//! `ORDERWIRE_KILLS` (20) and `ORDERWIRE_SEED` set the length and the dice of the kill run.

#![expect(clippy::unwrap_used, reason = "a helper of tests that finds nothing has failed the test")]

mod checker;
mod doctored;
mod kills;
mod points;
mod providers;
mod redis;
mod relay;
mod server;
mod shops;
mod traffic;
mod wire;
mod workers;
mod world;
