//! milestone
