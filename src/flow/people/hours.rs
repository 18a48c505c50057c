//! Whether somebody is there.

use super::Conversation;
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::shop::ShopRules;

/// Words that came later than this need no away message: the people read them when they are back.
const FRESH_SECS: i64 = 3600;
/// Where the hours never begin again, it is said once in so long. Seconds.
const WEEK: i64 = 7 * 86_400;

/// The moment until which whoever wrote at `at` is told that nobody is there; `None`: they are not told.
pub(super) fn away(kept: &Conversation, rules: &ShopRules, at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let people = rules.people.as_ref().filter(|people| people.away)?;
    let hours = people.hours.as_ref()?;
    let known = kept.away_until.is_some_and(|until| until > now);
    if known || kept.quiet(now) || hours.open(now, &rules.timezone) || plus_secs(at, FRESH_SECS) <= now {
        return None;
    }
    Some(hours.opens(now, &rules.timezone).unwrap_or_else(|| plus_secs(now, WEEK)))
}

/// The away message is no longer true: somebody answers, or the hours have begun.
pub(super) fn over(kept: &Conversation, rules: &ShopRules, now: Timestamp) -> bool {
    let open = |hours: &crate::domain::people::Hours| hours.open(now, &rules.timezone);
    kept.quiet(now) || rules.people.as_ref().and_then(|p| p.hours.as_ref()).is_none_or(open)
}
