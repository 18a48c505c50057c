//! platform

mod woocommerce;
