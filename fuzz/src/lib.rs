//! Targets for fuzzing. `tests/it` includes the two modules too, and replays the kept inputs on every run.

pub mod steps;
pub mod targets;
