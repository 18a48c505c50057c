//! What templates can hold in their hands: groups of facts, amounts, moments.

use super::date::Local;
use crate::domain::money::Money;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use rust_decimal::prelude::ToPrimitive;
use std::fmt;
use std::sync::Arc;

/// A closed group of facts (`parcel.…`). Every name is there; what is not known is none. A name that is not
/// there is a misspelling, which strict mode refuses. True in an `if` when anything of it is known.
#[derive(Clone)]
pub(super) struct Facts(pub(super) Vec<(&'static str, Value)>);

impl Facts {
    /// As a value.
    pub(super) fn value(self) -> Value {
        Value::from_object(self)
    }
}

/// The names only: facts are people's data.
impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Object for Facts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| Value::from(*name)).collect())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.0.iter().any(|(_, value)| value.is_true())
    }
}

/// An amount: printed by the filter `money` only; true when it is not zero. For comparisons within words it
/// has `.number` and `.currency`.
#[derive(Clone, Debug)]
pub(super) struct Cash(pub(super) Money);

impl Object for Cash {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "number" => Some(Value::from(self.0.amount.to_f64())),
            "currency" => Some(Value::from(self.0.currency.as_str())),
            _ => None,
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.0.is_zero()
    }
}

impl Object for Local {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// How amounts and moments are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// To be printed through a filter.
    Words,
    /// To be compared: amounts as numbers, moments as text in UTC.
    Condition,
}

/// An amount, if there is one.
pub(super) fn cash(money: Option<&Money>, used: Use) -> Value {
    match (money, used) {
        (None, _) => Value::from(()),
        (Some(m), Use::Words) => Value::from_object(Cash(m.clone())),
        (Some(m), Use::Condition) => Value::from(m.amount.to_f64()),
    }
}

/// A moment, if there is one.
pub(super) fn moment(at: Option<Local>, used: Use) -> Value {
    match (at, used) {
        (None, _) => Value::from(()),
        (Some(at), Use::Words) => Value::from_object(at),
        (Some(at), Use::Condition) => Value::from(at.utc()),
    }
}

/// The dotted names reachable from `value`, for checks and suggestions.
pub(super) fn names(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(facts) = value.downcast_object_ref::<Facts>() {
        for (name, inner) in &facts.0 {
            found.push((*name).to_string());
            found.extend(names(inner).into_iter().map(|n| format!("{name}.{n}")));
        }
    }
    found
}
