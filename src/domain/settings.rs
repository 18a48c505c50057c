//! Types that settings of every part share.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// The key under which `config` hands a resolved secret to a part; nobody writes it by hand.
pub const SECRET_KEY: &str = "\u{0}secret";

/// Whether a host as an address names it (`localhost`, `127.0.0.1`, `[::1]`) is this machine: only there may
/// a secret travel in the open. A name that merely resolves to it does not count: names are others' to change.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    // RFC 6761: every name below `localhost` is this machine too.
    host == "localhost" || host.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A secret. In a settings file it is `{ env = "NAME" }`, `{ file = "PATH" }` or `{ value = "…" }`;
/// `config` resolves it before the part sees it, so a bare string is refused.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a secret that did not come from settings (generated, or of a test).
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(SecretString::from(value.into()))
    }

    /// The secret itself: only at the very place of use.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(d)?;
        match value.as_object().and_then(|o| o.get(SECRET_KEY)).and_then(|v| v.as_str()) {
            Some(secret) => Ok(Secret::new(secret)),
            None => Err(D::Error::custom(
                "a secret is written { env = \"NAME\" }, { file = \"PATH\" } or, for trying out, { value = \"…\" }",
            )),
        }
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a secret comes from.",
            "oneOf": [
                { "type": "object", "required": ["env"], "additionalProperties": false, "properties": { "env": { "type": "string", "description": "name of an environment variable" } } },
                { "type": "object", "required": ["file"], "additionalProperties": false, "properties": { "file": { "type": "string", "description": "path of a file; one line end is cut" } } },
                { "type": "object", "required": ["value"], "additionalProperties": false, "properties": { "value": { "type": "string", "description": "the secret itself: for trying out only" } } }
            ]
        })
    }
}

/// A length of time in settings: `"20s"`, `"60m"`, `"12h"`, `"5d"`, kept in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i64);

impl Span {
    /// Reads `"60m"`.
    pub fn parse(text: &str) -> Option<Span> {
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at_checked(digits)?;
        let scale = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        number.parse::<i64>().ok()?.checked_mul(scale).map(Span)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Span::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not a length of time; write 20s, 60m, 12h or 5d")))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+ *[smhd]$", "description": "a length of time: 20s, 60m, 12h, 5d" })
    }
}

/// A number of bytes in settings: `"1GiB"`, `"512MiB"`, `"64KiB"`, `"0"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Units of [`Size`], largest first.
const UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    /// Reads `"512MiB"`; `"0"` needs no unit.
    pub fn parse(text: &str) -> Option<Size> {
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at_checked(digits)?;
        let number = number.parse::<u64>().ok()?;
        if number == 0 && unit.is_empty() {
            return Some(Size(0));
        }
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        number.checked_mul(*scale).map(Size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, scale): &&(&str, u64)| self.0 >= *scale && self.0.is_multiple_of(*scale);
        match UNITS.iter().find(fits) {
            Some((name, scale)) => write!(f, "{}{name}", self.0 / scale),
            None => write!(f, "0"),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Size::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not a size; write 64KiB, 512MiB or 1GiB")))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(0|[0-9]+ *([KMGT]i)?B)$", "description": "a number of bytes: 64KiB, 512MiB, 1GiB" })
    }
}

/// One mistake in a part's settings, found by the part itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Key within the part (`secrets[0]`, `api_url`); empty: the part as a whole.
    pub key: String,
    /// What is wrong and how to put it right, in one sentence.
    pub message: String,
}

impl Mistake {
    /// A mistake at `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Mistake {
        Mistake { key: key.into(), message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_are_read_as_people_write_them_and_written_back() {
        for (text, bytes) in [("1GiB", 1_u64 << 30), ("512MiB", 512 << 20), ("64 KiB", 65_536), ("7B", 7), ("0", 0)] {
            assert_eq!(Size::parse(text), Some(Size(bytes)), "{text}");
            assert_eq!(Size::parse(&Size(bytes).to_string()), Some(Size(bytes)), "{text}");
        }
        for bad in ["", "1", "1GB", "GiB", "-1GiB", "1.5GiB", "99999999999TiB", "1GiB2"] {
            assert_eq!(Size::parse(bad), None, "{bad}");
        }
    }
}
