//! Night where the customer is.

use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::ids::Digest8;
use crate::domain::milestone::{Milestone, Purpose};
use crate::domain::order::Order;
use crate::domain::shop::{QuietHours, ShopRules};
use jiff::ToSpan;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// Countries with one time zone, as far as customers live there: elsewhere the shop's own zone is the better
/// guess.
const ZONES: &[(&str, &str)] = &[
    ("TW", "Asia/Taipei"),
    ("CN", "Asia/Shanghai"),
    ("HK", "Asia/Hong_Kong"),
    ("MO", "Asia/Macau"),
    ("VN", "Asia/Ho_Chi_Minh"),
    ("TH", "Asia/Bangkok"),
    ("SG", "Asia/Singapore"),
    ("MY", "Asia/Kuala_Lumpur"),
    ("PH", "Asia/Manila"),
    ("JP", "Asia/Tokyo"),
    ("KR", "Asia/Seoul"),
    ("IN", "Asia/Kolkata"),
    ("GB", "Europe/London"),
    ("IE", "Europe/Dublin"),
    ("FR", "Europe/Paris"),
    ("DE", "Europe/Berlin"),
    ("NL", "Europe/Amsterdam"),
    ("BE", "Europe/Brussels"),
    ("IT", "Europe/Rome"),
    ("PL", "Europe/Warsaw"),
];

/// Until when `milestone` waits for the morning: `None` where it may go now. Status waits; attention and
/// formal pass unless listed. Departures are spread after the end by the order's id, so that the morning does
/// not begin with a wall of messages, and an order always leaves at the same moment.
pub(super) fn quiet_until(
    order: &Order,
    rules: &ShopRules,
    milestone: &Milestone,
    now: Timestamp,
) -> Option<Timestamp> {
    let quiet = rules.quiet.as_ref()?;
    if milestone.purpose != Purpose::Status && !quiet.also.iter().any(|m| m == milestone.id) {
        return None;
    }
    let end = end_of_quiet(quiet, &zone(order, rules), now)?;
    let spread = Digest8::of(&[order.id.as_str().as_bytes()]).0 % (u64::from(quiet.spread) + 1);
    Some(plus_secs(end, i64::try_from(spread).unwrap_or(0)))
}

fn zone(order: &Order, rules: &ShopRules) -> TimeZone {
    let country = order.head().and_then(|h| h.country.as_deref());
    let name = country.and_then(|c| ZONES.iter().find(|(code, _)| code.eq_ignore_ascii_case(c))).map(|(_, z)| *z);
    name.and_then(|n| TimeZone::get(n).ok()).unwrap_or_else(|| rules.timezone.clone())
}

/// The end of the quiet time that `now` lies in, if it does.
fn end_of_quiet(quiet: &QuietHours, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let local = now.to_zoned_datetime(zone.clone());
    let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
    let (from, to) = (quiet.from_minute, quiet.to_minute);
    let (inside, tomorrow) = if from <= to {
        (from <= minute && minute < to, false)
    } else {
        (minute >= from || minute < to, minute >= from)
    };
    let day = if tomorrow { local.date().checked_add(1.day()).ok()? } else { local.date() };
    inside.then(|| morning(day, to, zone)).flatten()
}

fn morning(day: Date, minute: u16, zone: &TimeZone) -> Option<Timestamp> {
    let hour = i8::try_from(minute / 60).ok()?;
    let (day, hour) = if hour < 24 { (day, hour) } else { (day.checked_add(1.day()).ok()?, 0) };
    let time = Time::new(hour, i8::try_from(minute % 60).ok()?, 0, 0).ok()?;
    zone.to_ambiguous_zoned_datetime(day.to_datetime(time)).compatible().ok().map(|z| z.timestamp())
}
