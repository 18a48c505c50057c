//! Who must be kept out, and what must not get out: the threats of `docs/security.md` that no other module proves.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod deletion;
pub mod outgoing;
mod process;
mod redis_door;
mod rekey;
mod retention;
mod table;
mod thrown;
mod trust;
