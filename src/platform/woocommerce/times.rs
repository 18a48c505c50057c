//! Times as WooCommerce and its plugins write them.

use crate::domain::clock::Timestamp;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};

/// A `*_gmt` field: UTC without a `Z` (`2026-11-22T04:11:56`); with an offset, if a filter added one.
pub(super) fn utc(text: &str) -> Option<Timestamp> {
    // In this order: a civil time is read from a text with an offset too, and the offset dropped.
    let with_offset = text.parse::<Timestamp>().ok();
    with_offset.or_else(|| TimeZone::UTC.to_timestamp(text.parse::<civil::DateTime>().ok()?).ok())
}

/// A time written by a Taiwanese payment or logistics plugin: ISO 8601 with an offset, else Taiwan's clock
/// (`2026/11/25 23:59:59`). A bare day (`2026/11/25`) is meant to its end.
pub(super) fn taiwan(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let zone = TimeZone::fixed(Offset::constant(8));
    let text = text.trim().replace('/', "-");
    let at = if text.len() == 10 {
        text.parse::<civil::Date>().ok()?.at(23, 59, 59, 0)
    } else {
        text.replacen(' ', "T", 1).parse::<civil::DateTime>().ok()?
    };
    zone.to_timestamp(at).ok()
}

/// Seconds since 1970, as text.
pub(super) fn unix(text: &str) -> Option<Timestamp> {
    // Zero is how PHP writes "no date".
    text.parse::<i64>().ok().filter(|s| *s > 0).and_then(|s| Timestamp::from_second(s).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_writing_is_read() {
        let want: Timestamp = "2026-11-22T04:11:56Z".parse().expect("time");
        assert_eq!(utc("2026-11-22T04:11:56"), Some(want));
        assert_eq!(utc("2026-11-22T04:11:56Z"), Some(want));
        assert_eq!(utc("2026-11-22T12:11:56+08:00"), Some(want));
        assert_eq!(utc("yesterday"), None);
        assert_eq!(taiwan("2026/11/22 12:11:56"), Some(want));
        assert_eq!(taiwan("2026-11-22 12:11:56"), Some(want));
        assert_eq!(taiwan("2026-11-22T12:11:56+08:00"), Some(want));
        assert_eq!(taiwan("2026/11/22"), "2026-11-22T15:59:59Z".parse().ok());
        assert_eq!(taiwan("２０２６/1/1"), None);
        assert_eq!(unix("1795320716"), Some(want));
        assert_eq!(unix("0"), None);
    }
}
