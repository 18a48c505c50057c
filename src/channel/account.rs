//! What the settings of every channel account have in common: reading them, the vendor's address, the pace
//! and the time-out.

use crate::domain::outgoing;
use crate::domain::settings::{Mistake, Span, is_loopback};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

/// Longest time-out that may be set: a lease does not live much longer.
const TIMEOUT_MAX: i64 = 60;

/// Settings as written → a kind's own type.
///
/// # Errors
/// The first mistake that serde meets, at its key.
pub(super) fn read<T: DeserializeOwned>(settings: Value) -> Result<T, Vec<Mistake>> {
    serde_path_to_error::deserialize(settings).map_err(|e| {
        let path = e.path().to_string();
        vec![Mistake::new(if path == "." { String::new() } else { path }, e.into_inner().to_string())]
    })
}

/// A vendor's address, checked: `https` with a name at the usual port, or anything on loopback (mock, tests, a
/// gateway of one's own beside the relay).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Base {
    /// Without a slash at the end.
    pub url: String,
    /// It is `http`: the wire must allow it.
    pub plain: bool,
}

/// Reads the address at `key`.
///
/// # Errors
/// What is wrong with it, without repeating it: it may carry a token.
pub(super) fn base(key: &str, text: &str) -> Result<Base, Mistake> {
    let no = |why: &str| Err(Mistake::new(key, why));
    let Ok(url) = Url::parse(text) else { return no("is not an address; write https://host/path") };
    if let Some(why) = outgoing::fault(&url, false) {
        return no(why);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return no("must end before any ? or #");
    }
    Ok(Base { url: url.as_str().trim_end_matches('/').to_string(), plain: url.scheme() == "http" })
}

/// Whether the address stays on this machine.
pub(super) fn loopback(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback)
}

/// Seconds of a time-out setting.
///
/// # Errors
/// Outside 1 s … 60 s.
pub(super) fn timeout(set: Option<Span>, default: u32) -> Result<u32, Mistake> {
    let Some(Span(secs)) = set else { return Ok(default) };
    match u32::try_from(secs) {
        Ok(good) if (1..=TIMEOUT_MAX).contains(&secs) => Ok(good),
        _ => Err(Mistake::new("timeout", format!("must lie between 1s and {TIMEOUT_MAX}s"))),
    }
}

/// Messages a second.
///
/// # Errors
/// Not above zero, or above `most`, which the vendor allows.
pub(super) fn per_second(set: Option<f64>, default: f64, most: f64) -> Result<f64, Mistake> {
    match set {
        None => Ok(default),
        Some(pace) if pace > 0.0 && pace <= most => Ok(pace),
        Some(_) => Err(Mistake::new("per_second", format!("must lie above 0 and not above {most}"))),
    }
}

/// The good value, or its mistake put to the others and `fallback`.
pub(super) fn keep<T>(found: Result<T, Mistake>, mistakes: &mut Vec<Mistake>, fallback: T) -> T {
    found.unwrap_or_else(|m| {
        mistakes.push(m);
        fallback
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_by_name_or_loopback_is_an_address() {
        for good in [
            "https://api.line.me",
            "https://proxy.example/line/",
            "http://127.0.0.1:4000",
            "http://localhost:1",
            "http://[::1]:2",
        ] {
            assert!(base("api_url", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "api.line.me",
            "http://api.line.me",
            "https://10.0.0.1",
            "https://0x0a.1",
            "https://167772161",
            "https://[fd00::1]",
            "https://[::ffff:10.0.0.1]",
            "https://169.254.169.254/latest",
            "https://user:pw@api.line.me",
            "https://api.line.me/?a=b",
            "https://api.line.me/#a",
            "ftp://localhost/",
            "file:///etc/passwd",
        ] {
            assert!(base("api_url", bad).is_err(), "{bad}");
        }
        assert_eq!(base("api_url", "https://a.example/x/").map(|b| b.url), Ok("https://a.example/x".into()));
    }

    #[test]
    fn time_outs_and_paces_have_bounds() {
        assert_eq!(timeout(None, 10), Ok(10));
        assert_eq!(timeout(Some(Span(5)), 10), Ok(5));
        assert!(timeout(Some(Span(0)), 10).is_err() && timeout(Some(Span(i64::MAX)), 10).is_err());
        assert_eq!(per_second(Some(0.5), 1.0, 2.0), Ok(0.5));
        for bad in [0.0, -1.0, 2.1, f64::NAN, f64::INFINITY] {
            assert!(per_second(Some(bad), 1.0, 2.0).is_err(), "{bad}");
        }
    }
}
