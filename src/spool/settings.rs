//! `[spool]` of the settings file.

use super::Options;
use crate::domain::settings::{Mistake, Size};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Smallest spool that is of use: it must hold the largest webhook, sealed.
const LEAST: u64 = 16 << 20;

/// Where webhooks and callbacks wait while Redis is away.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolSettings {
    /// Folder of the spool, on a disk that outlives this process and its container: what lies there was
    /// acknowledged. One process has it for itself. Left out: `<store.dir>/spool` beside a private Redis; with
    /// `store.url` there is no spool.
    pub dir: Option<PathBuf>,
    /// Bytes that it may take; a full spool answers 503. `0`: no spool.
    pub max_bytes: Size,
    /// Least free share of its disk, percent: below, it counts as full.
    pub min_free_percent: u8,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        SpoolSettings { dir: None, max_bytes: Size(1 << 30), min_free_percent: 5 }
    }
}

impl SpoolSettings {
    /// What the spool needs; `None`: there is none. `beside`: the data folder of a private Redis, whose disk
    /// holds what was acknowledged anyway. With a Redis elsewhere only the operator knows whether a folder of
    /// this machine outlives the process, so there it must be named.
    pub fn options(&self, beside: Option<&Path>) -> Option<Options> {
        let dir = self.dir.clone().or_else(|| beside.map(|dir| dir.join("spool")))?;
        let on = self.max_bytes.0 > 0;
        on.then_some(Options { dir, max_bytes: self.max_bytes.0, min_free_percent: self.min_free_percent })
    }

    /// What is wrong with these settings, as far as can be seen without the disk.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut out = Vec::new();
        if self.dir.as_ref().is_some_and(|dir| dir.as_os_str().is_empty()) {
            out.push(Mistake::new("dir", "names no folder; leave it out, or write the path of one"));
        }
        if self.max_bytes.0 != 0 && self.max_bytes.0 < LEAST {
            out.push(Mistake::new("max_bytes", format!("write {} or more, or 0 for no spool", Size(LEAST))));
        }
        if self.min_free_percent > 90 {
            out.push(Mistake::new("min_free_percent", "write 0 to 90"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: serde_json::Value) -> SpoolSettings {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn beside_a_private_redis_there_is_one_by_itself_elsewhere_it_must_be_named() {
        let left_out = read(json!({}));
        assert_eq!(left_out.mistakes(), Vec::new());
        assert_eq!(left_out.options(None), None);
        let beside = left_out.options(Some(Path::new("data"))).unwrap();
        assert_eq!((beside.dir, beside.max_bytes, beside.min_free_percent), ("data/spool".into(), 1 << 30, 5));
        let named = read(json!({ "dir": "/var/spool/ow" }));
        assert_eq!(named.options(None).unwrap().dir, PathBuf::from("/var/spool/ow"));
        let off = read(json!({ "dir": "/var/spool/ow", "max_bytes": "0" }));
        assert_eq!((off.mistakes(), off.options(Some(Path::new("data")))), (Vec::new(), None));
    }

    #[test]
    fn every_mistake_is_named_at_its_key() {
        let wrong = read(json!({ "dir": "", "max_bytes": "1KiB", "min_free_percent": 91 }));
        let keys: Vec<String> = wrong.mistakes().into_iter().map(|m| m.key).collect();
        assert_eq!(keys, ["dir", "max_bytes", "min_free_percent"]);
        assert!(serde_json::from_value::<SpoolSettings>(json!({ "dri": "x" })).is_err());
    }
}
