//! **config** — floor 1.
//!
//! Knows: file + environment + secret sources → one table a part, all mistakes at once.
//! Must not know: any part's fields.
//! May use: domain
//! How to add one: nothing to add: a part brings its own struct.
