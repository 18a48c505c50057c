//! Amounts. Text from a shop becomes a decimal once, at the door.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// An amount in a currency, exactly as the shop told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// The amount; negative only where the shop itself says so.
    #[serde(with = "rust_decimal::serde::str")]
    pub amount: Decimal,
    /// ISO 4217 code in capitals (`TWD`).
    pub currency: String,
}

impl Money {
    /// Parses `"1020.00"` or `"1020"`; `None` where it is not a number or no currency is known.
    pub fn parse(amount: &str, currency: &str) -> Option<Money> {
        let amount = Decimal::from_str(amount.trim()).ok()?;
        (currency.len() == 3).then(|| Money { amount, currency: currency.to_ascii_uppercase() })
    }

    /// Nothing to pay.
    pub fn is_zero(&self) -> bool {
        self.amount.is_zero()
    }

    /// The same amount without its sign: WooCommerce writes refunds as negative strings.
    pub fn abs(&self) -> Money {
        Money { amount: self.amount.abs(), currency: self.currency.clone() }
    }
}
