//! Demands.
pub(super) const RISKS: &[&str] = &[];
