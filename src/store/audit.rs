//! Does the whole hold together? For `orderwire audit`, and the end of every fault test. Walks all keys: never
//! part of the daily work.
//!
//! What must hold: an order with anything open is in exactly one of ready, wait, lease, parked; one without is
//! in none; the count of what is open is right; who is leased has a token, and nobody else has.

use super::Store;
use super::error::StoreError;
use super::keys::PARTITIONS;
use super::script::Call;
use super::value::{self, Pairs};
use crate::domain::owed::Owed;
use redis::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Orders looked at.
    pub orders: u64,
    /// Of them with something open.
    pub open: u64,
    /// Items looked at, all states.
    pub items: u64,
    /// What does not hold, one sentence each, without anything of the order.
    pub bad: Vec<String>,
}

/// One partition at one moment.
struct Snapshot {
    /// Unit's hash → the sets it is in.
    places: BTreeMap<String, Vec<String>>,
    /// Hashes of units with a token.
    tokens: BTreeSet<String>,
    orders: BTreeMap<String, Pairs>,
}

impl Store {
    /// Looks at every order.
    ///
    /// # Errors
    /// The store's. What does not hold is in [`Audit::bad`].
    pub async fn audit(&self) -> Result<Audit, StoreError> {
        let mut audit = Audit::default();
        for p in 0..PARTITIONS {
            let p = u8::try_from(p).unwrap_or_default();
            let snapshot = self.snapshot(p).await?;
            for (hash, fields) in &snapshot.orders {
                audit.order(hash, fields, &snapshot);
            }
            for hash in snapshot.places.keys().filter(|h| !snapshot.orders.contains_key(*h)) {
                // Made since the walk began, or gone.
                let key = self.keys.part(p).order(hash);
                if value::int(self.work.one(Call::new("EXISTS").arg(key)).await?)? == 0 {
                    audit.bad.push(format!("{hash}: in a set, and there is no such order"));
                }
            }
        }
        Ok(audit)
    }

    /// Keys of one slot, that of `beside`.
    async fn scan(&self, pattern: &str, beside: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut found = BTreeSet::new();
        let mut cursor = "0".to_string();
        loop {
            let call = Call::bare("SCAN").beside(beside).arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1000);
            let mut answer = value::list(self.work.one(call).await?)?.into_iter();
            cursor = value::text(answer.next().unwrap_or_default())?;
            for key in value::list(answer.next().unwrap_or_default())? {
                found.insert(value::text(key)?);
            }
            if cursor == "0" {
                return Ok(found);
            }
        }
    }

    async fn snapshot(&self, partition: u8) -> Result<Snapshot, StoreError> {
        let part = self.keys.part(partition);
        let orders = self.scan(&part.order("*"), &part.tok).await?;
        let parked = self.scan(&part.parked_of("*"), &part.tok).await?;
        let mut sets: Vec<(&str, &str)> = vec![("ready", &part.ready), ("wait", &part.wait), ("lease", &part.lease)];
        sets.extend(parked.iter().map(|k| ("parked", k.as_str())));
        let mut calls = vec![Call::new("HKEYS").arg(&part.tok)];
        calls.extend(sets.iter().map(|(_, key)| Call::new("ZRANGE").arg(*key).arg(0).arg(-1)));
        calls.extend(orders.iter().map(|key| Call::new("HGETALL").arg(key)));
        let all = self.work.one(Call::together(calls, &part.tok)).await?;
        let mut answers = value::list(all)?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let mut out = Snapshot { places: BTreeMap::new(), tokens: names(next())?, orders: BTreeMap::new() };
        for (what, _) in &sets {
            for hash in names(next())? {
                out.places.entry(hash).or_default().push((*what).to_string());
            }
        }
        for key in &orders {
            let hash = key.rsplit(':').next().unwrap_or_default().to_string();
            out.orders.insert(hash, value::pairs(next())?);
        }
        Ok(out)
    }
}

/// Hashes of member names.
fn names(v: Value) -> Result<BTreeSet<String>, StoreError> {
    let hash = |v| value::text(v).map(|name| name.rsplit('/').next().unwrap_or_default().to_string());
    value::list(v)?.into_iter().map(hash).collect()
}

impl Audit {
    fn order(&mut self, hash: &str, fields: &[(Vec<u8>, Vec<u8>)], all: &Snapshot) {
        if fields.is_empty() {
            // Its time was over between the walk and the look.
            return;
        }
        self.orders += 1;
        let (mut counted, mut n, mut unknown, mut revision) = (0_i64, 0_i64, false, false);
        for (field, stored) in fields {
            match field.as_slice() {
                b"n" => n = std::str::from_utf8(stored).ok().and_then(|t| t.parse().ok()).unwrap_or(-1),
                b"r" => revision = true,
                b"z" => counted += 1,
                [b'x', ..] => counted += 1,
                [b'i', ..] => {
                    self.items += 1;
                    match Owed::decode(0, stored) {
                        Some(item) => counted += i64::from(item.state.is_open()),
                        None => unknown = true,
                    }
                }
                _ => {}
            }
        }
        self.open += u64::from(n > 0);
        let places = all.places.get(hash).map(Vec::as_slice).unwrap_or_default();
        let leased = places.iter().any(|p| p == "lease");
        if !revision {
            self.bad.push(format!("{hash}: has no revision"));
        }
        if n != counted && !unknown {
            self.bad.push(format!("{hash}: counts {n} open, has {counted}"));
        }
        if (n > 0 && places.len() != 1) || (n <= 0 && !places.is_empty()) {
            self.bad.push(format!("{hash}: has {n} open and is in {places:?}"));
        }
        if leased != all.tokens.contains(hash) {
            self.bad.push(format!("{hash}: leased {leased}, token {}", !leased));
        }
    }
}
