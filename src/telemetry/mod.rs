//! **telemetry** — floor 1.
//!
//! Knows: log set-up, metric names, masking.
//! Must not know: everything else.
//! May use: domain
//! How to add one: a measure is a field in the metrics table with its help sentence.
