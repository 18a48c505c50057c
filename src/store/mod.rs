//! **store** — floor 1: everything in Redis.
//!
//! Knows: key names, scripts, layout, stored versions, clean-up; the private redis-server child.
//! Must not know: HTTP, vendors, what a milestone or rule means.
//! May use: domain, seal
//! How to add one: a hand-over is one script in `lua/` with its contract (KEYS, ARGV, what each answer
//! means) at its head, checks first and writes after, and a function here that declares every key.
