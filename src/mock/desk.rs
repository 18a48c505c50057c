//! What relays set up at the providers: callbacks, subscriptions, menus. By the provider and the thing.

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// All of it.
#[derive(Default)]
pub(super) struct Desk(Mutex<BTreeMap<String, Value>>);

impl Desk {
    pub(super) fn put(&self, thing: &str, value: Value) {
        if let Ok(mut all) = self.0.lock() {
            all.insert(thing.into(), value);
        }
    }

    pub(super) fn remove(&self, thing: &str) -> bool {
        self.0.lock().is_ok_and(|mut all| all.remove(thing).is_some())
    }

    pub(super) fn get(&self, thing: &str) -> Option<Value> {
        self.0.lock().ok()?.get(thing).cloned()
    }

    /// Everything whose name begins so.
    pub(super) fn all(&self, begins: &str) -> BTreeMap<String, Value> {
        let all = self.0.lock().map(|all| all.clone()).unwrap_or_default();
        all.into_iter().filter(|(thing, _)| thing.starts_with(begins)).collect()
    }
}
