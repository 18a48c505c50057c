//! Every shop system, by its goldens.

mod shopify;
mod woocommerce;
