//! registries
