//! **telemetry** — floor 1: log set-up, measures, masking.
//!
//! Knows: log set-up, metric names, masking.
//! Must not know: everything else.
//! May use: domain
//! How to add one: a measure is a field of [`metrics::Metrics`], its line in `register` with its help
//! sentence, and a method that says in its arguments which labels it has.

pub mod logs;
pub mod mask;
pub mod metrics;
mod words;

pub use logs::{LogFormat, LogSettings, init};
pub use metrics::Metrics;
pub use words::{
    AuthFailure, CallbackOutcome, Names, QueueState, ReconcileResult, ReloadResult, SpoolEnd, WebhookOutcome,
    WriteBackOutcome,
};
