//! Targets for fuzzing. `tests/it` includes the modules too, and replays the kept inputs on every run.

pub mod people;
pub mod steps;
pub mod targets;
