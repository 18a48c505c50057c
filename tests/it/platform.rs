//! platform

mod shopify;
