//! Templates as the providers show them: approved and of the right category, unless somebody said otherwise.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What is not as it was approved; left out: it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shelved {
    /// State, in the provider's word (`PAUSED`, `rejected`, `DISABLE`).
    pub status: Option<String>,
    /// Category, in the provider's word (`MARKETING`, `PROMOTION`).
    pub category: Option<String>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// Text of its body, with its places (`{{1}}`, `{{thing1.DATA}}`).
    pub body: Option<String>,
}

/// All of them, by provider and name.
#[derive(Default)]
pub(super) struct Shelf(Mutex<BTreeMap<(String, String), Shelved>>);

impl Shelf {
    pub(super) fn put(&self, channel: &str, name: &str, what: Shelved) {
        if let Ok(mut all) = self.0.lock() {
            all.insert((channel.into(), name.into()), what);
        }
    }

    pub(super) fn clear(&self) {
        if let Ok(mut all) = self.0.lock() {
            all.clear();
        }
    }

    pub(super) fn of(&self, channel: &str, name: &str) -> Shelved {
        let all = self.0.lock().ok();
        all.and_then(|all| all.get(&(channel.to_string(), name.to_string())).cloned()).unwrap_or_default()
    }

    /// The state of a template; `usual`: of one that is approved.
    pub(super) fn status(&self, channel: &str, name: &str, usual: &str) -> String {
        self.of(channel, name).status.unwrap_or_else(|| usual.into())
    }
}
