//! `[store]` of the settings file.

use super::place::Place;
use super::{Durability, Retention, StoreOptions};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::seal::{KeyError, Seal};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// An address that may hold a password: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RedisUrl(pub String);

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(…)")
    }
}

/// Where state is kept, and how safely.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// Address of Redis or Valkey: `redis://`, `rediss://` or `unix://`, with `user:password@` where it asks
    /// for one; or of its sentinels: `redis+sentinel://host:26379,host:26379/SERVICE/0`; or of some nodes of a
    /// cluster: `redis+cluster://host:6379,host:6379`. Left out: a private redis-server is started under `dir`.
    pub url: Option<RedisUrl>,
    /// File with the certificates (PEM) of the authorities that may vouch for a server behind `rediss://`: no others
    /// are believed. Left out: those the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Directory of the private redis-server's data.
    pub dir: PathBuf,
    /// `local` (nothing acknowledged is lost short of losing the disk), `replicated` (nor at a failover: at least one
    /// replica has it too) or `relaxed` (up to two seconds may be lost at a power cut: for managed services that
    /// only offer everysec). Left out: `replicated` with sentinels and with a cluster, else `local`.
    pub durability: Option<Durability>,
    /// Keys for encryption at rest, 32 random bytes each in base64 or hexadecimal. The first encrypts, all
    /// decrypt; a new one goes in front, the oldest stays last.
    pub encryption_keys: Vec<Secret>,
    /// What look-ups hang on when the oldest key has gone: made by `orderwire rekey --lookup-key FILE` while it is
    /// still there. Left out: the last of `encryption_keys`.
    pub lookup_key: Option<Secret>,
    /// First part of every key name, for a Redis shared with others.
    pub prefix: String,
    /// Dangers accepted knowingly, by the name the refusal gave.
    pub accept_risk: Vec<String>,
    /// Path of the redis-server program, where it is not on PATH.
    pub redis_server: Option<PathBuf>,
    /// Longest wait for an answer of Redis.
    pub deadline_ms: u64,
    /// How long an order is kept after its last event.
    pub keep_orders: Span,
    /// How long an order's ledger is kept, without contents.
    pub keep_ledger: Span,
    /// How long unreadable webhooks are kept.
    pub keep_unreadable: Span,
    /// How long dead items are kept.
    pub keep_dead: Span,
}

impl Default for StoreSettings {
    fn default() -> Self {
        let o = StoreOptions::default();
        StoreSettings {
            url: None,
            ca_file: None,
            dir: o.dir,
            durability: None,
            encryption_keys: Vec::new(),
            lookup_key: None,
            prefix: o.prefix,
            accept_risk: o.accept_risk,
            redis_server: None,
            deadline_ms: o.deadline_ms,
            keep_orders: Span(o.retention.order_secs),
            keep_ledger: Span(o.retention.ledger_secs),
            keep_unreadable: Span(o.retention.odd_secs),
            keep_dead: Span(o.retention.dead_secs),
        }
    }
}

impl StoreSettings {
    /// The options for [`super::Store::open`].
    pub fn options(&self) -> StoreOptions {
        StoreOptions {
            url: self.url.as_ref().map(|u| u.0.clone()),
            ca_file: self.ca_file.clone(),
            dir: self.dir.clone(),
            prefix: self.prefix.clone(),
            durability: self.level(),
            accept_risk: self.accept_risk.clone(),
            redis_server: self.redis_server.clone(),
            deadline_ms: self.deadline_ms,
            retention: Retention {
                order_secs: self.keep_orders.0,
                ledger_secs: self.keep_ledger.0,
                odd_secs: self.keep_unreadable.0,
                dead_secs: self.keep_dead.0,
            },
        }
    }

    /// What an acknowledged write survives.
    pub fn level(&self) -> Durability {
        let moves = self.url.as_ref().and_then(|u| Place::of(&u.0).ok()).is_some_and(|place| place.moves());
        self.durability.unwrap_or(if moves { Durability::Replicated } else { Durability::Local })
    }

    /// What an acknowledged write survives and what it does not, in a sentence.
    pub fn survives(&self) -> String {
        let cluster = self.url.as_ref().is_some_and(|u| Place::of(&u.0).is_ok_and(|place| place.is_cluster()));
        let more = "; while a primary of the cluster is away, what lies on it waits and the rest goes on";
        format!("{}{}", self.level().sentence(), if cluster { more } else { "" })
    }

    /// The seal made of `encryption_keys`.
    ///
    /// # Errors
    /// The mistakes in the keys; none of them shows a key.
    pub fn seal(&self) -> Result<Seal, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut keys = Vec::new();
        for (i, text) in self.encryption_keys.iter().enumerate() {
            match Seal::key_from_text(text.expose()) {
                Ok(key) => keys.push(key),
                Err(e) => mistakes.push(Mistake::new(format!("encryption_keys[{i}]"), e.to_string())),
            }
        }
        let lookup = self.lookup_key.as_ref().map(|text| Seal::key_from_text(text.expose())).transpose();
        let lookup = lookup.unwrap_or_else(|e| {
            mistakes.push(Mistake::new("lookup_key", e.to_string()));
            None
        });
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Seal::with_lookup(&keys, lookup.as_ref()).map_err(|e| {
            let key = if matches!(e, KeyError::Lookup(_)) { "lookup_key" } else { "encryption_keys" };
            vec![Mistake::new(key, e.to_string())]
        })
    }

    /// What is wrong with these settings, as far as can be seen without a server.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut out = self.seal().err().unwrap_or_default();
        let place = self.url.as_ref().map(|url| Place::of(&url.0)).transpose();
        match (place, &self.ca_file) {
            (Err(e), _) => out.push(Mistake::new("url", e)),
            (Ok(Some(place)), Some(file)) => {
                out.extend(place.vouched_by(file).err().map(|e| Mistake::new("ca_file", e)));
            }
            (Ok(None), Some(_)) => out.push(Mistake::new("ca_file", "is of no use without store.url")),
            (Ok(_), None) => {}
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.prefix.is_empty() || self.prefix.len() > 32 || !self.prefix.chars().all(plain) {
            out.push(Mistake::new("prefix", "write 1 to 32 letters, digits, - or _"));
        }
        if !(100..=10_000).contains(&self.deadline_ms) {
            out.push(Mistake::new("deadline_ms", "write 100 to 10000; 1500 leaves time to answer a shop"));
        }
        for risk in &self.accept_risk {
            if !super::check::RISKS.contains(&risk.as_str()) {
                let known = super::check::RISKS.join(", ");
                out.push(Mistake::new("accept_risk", format!("{risk:?} is no risk orderwire knows; they are {known}")));
            }
        }
        let day = 86_400;
        for (key, span, least) in [
            ("keep_orders", self.keep_orders, 14 * day),
            ("keep_ledger", self.keep_ledger, 14 * day),
            ("keep_unreadable", self.keep_unreadable, day),
            ("keep_dead", self.keep_dead, day),
        ] {
            if span.0 < least {
                out.push(Mistake::new(key, format!("write {}d or more", least / day)));
            }
        }
        if self.keep_ledger < self.keep_orders {
            out.push(Mistake::new(
                "keep_ledger",
                "must not be shorter than keep_orders: the ledger explains the order",
            ));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::SECRET_KEY;

    fn read(json: serde_json::Value) -> StoreSettings {
        serde_json::from_value(json).unwrap()
    }

    fn key() -> serde_json::Value {
        serde_json::json!({ SECRET_KEY: "3f9a1c0de4b85276aa10ff93c6d7e8b12b4d6f80913572c4e6a8b0d2f4163850" })
    }

    #[test]
    fn what_is_left_out_is_the_documented_default() {
        let s = read(serde_json::json!({ "encryption_keys": [key()] }));
        assert_eq!(s.mistakes(), Vec::new());
        let o = s.options();
        assert_eq!((o.url, o.prefix.as_str(), o.deadline_ms), (None, "ow", 1500));
        assert_eq!((o.durability, o.retention), (Durability::Local, Retention::default()));
    }

    #[test]
    fn every_mistake_is_named_at_its_key_and_shows_no_secret() {
        let s = read(serde_json::json!({
            "url": "http://user:canary@host", "prefix": "a b", "deadline_ms": 5,
            "accept_risk": ["everything"], "encryption_keys": [key(), { SECRET_KEY: "canary" }],
            "keep_orders": "1d", "keep_ledger": "2h", "keep_unreadable": "1h", "keep_dead": "0d",
        }));
        let found = s.mistakes();
        let keys: Vec<&str> = found.iter().map(|m| m.key.as_str()).collect();
        for key in [
            "url",
            "prefix",
            "deadline_ms",
            "accept_risk",
            "encryption_keys[1]",
            "keep_orders",
            "keep_ledger",
            "keep_unreadable",
            "keep_dead",
        ] {
            assert!(keys.contains(&key), "{key} in {keys:?}");
        }
        assert!(!format!("{found:?} {s:?}").contains("canary"));
        assert_eq!(read(serde_json::json!({})).mistakes()[0].key, "encryption_keys", "a key is needed");
    }

    #[test]
    fn addresses_are_read_or_refused_with_a_word() {
        for (good, level) in [
            ("redis://localhost:6379/0", Durability::Local),
            ("rediss://u:p@h", Durability::Local),
            ("unix:///run/redis.sock", Durability::Local),
            ("redis+sentinel://h/name", Durability::Replicated),
            ("redis+cluster://h,i:7000", Durability::Replicated),
        ] {
            let mut s = read(serde_json::json!({ "url": good }));
            assert_eq!((s.mistakes().iter().any(|m| m.key == "url"), s.level()), (false, level), "{good}");
            s.durability = Some(Durability::Relaxed);
            assert_eq!(s.level(), Durability::Relaxed);
        }
        for bad in ["", "localhost", "http://h", "redis+cluster://h/2", "redis+sentinel://h"] {
            let mistakes = read(serde_json::json!({ "url": bad })).mistakes();
            assert!(mistakes.iter().any(|m| m.key == "url"), "{bad}: {mistakes:?}");
        }
    }

    #[test]
    fn what_a_cluster_survives_is_said() {
        let said = |url: &str| read(serde_json::json!({ "url": url })).survives();
        assert!(
            said("redis+cluster://h").contains("replicated") && said("redis+cluster://h").contains("the rest goes on")
        );
        assert!(!said("redis+sentinel://h/main").contains("cluster"));
    }

    #[test]
    fn unknown_keys_are_refused_and_the_schema_names_all() {
        assert!(serde_json::from_value::<StoreSettings>(serde_json::json!({ "durabilty": "local" })).is_err());
        let schema = serde_json::to_value(schemars::schema_for!(StoreSettings)).unwrap();
        for key in ["url", "dir", "durability", "encryption_keys", "keep_orders", "accept_risk"] {
            assert!(schema["properties"].get(key).is_some(), "{key}");
        }
    }
}
