//! **seal** — floor 0: encryption at rest and keyed hashes.
//!
//! Knows: keys, AEAD, keyed hashes, page and link tokens.
//! Must not know: what it seals.
//! May use: nothing
//! How to add one: a new purpose is a new label in [`Seal`]; a label is never used for two things.
