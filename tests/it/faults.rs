//! faults: the real binary on a real Redis, while both are killed, stopped and starved, and providers
//! misbehave. One checker (`checker`) judges every run by the promises; `doctored` proves the checker.
//!
//! `docs/faults.md` is the table of all faults: what is injected, what must hold, and which tests prove it; `table` holds
//! it against the tests there are.
//!
//! `ORDERWIRE_KILLS` (20) and `ORDERWIRE_SEED` set the length and the dice of the kill run.

#![expect(clippy::unwrap_used, reason = "a helper of tests that finds nothing has failed the test")]

mod chaos;
mod checker;
mod clocks;
mod disk;
mod doctored;
mod kept;
mod kills;
mod linked;
mod many;
mod mutants;
mod names;
mod panics;
mod points;
mod power;
mod providers;
mod redis;
mod relay;
mod replayed;
mod rolling;
mod sentinels;
pub mod server;
mod shims;
mod shops;
mod slow;
mod storm;
mod table;
mod traffic;
mod upgrade;
mod watched;
mod wire;
mod workers;
mod world;
