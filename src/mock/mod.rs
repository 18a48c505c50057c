//! mock placeholder
