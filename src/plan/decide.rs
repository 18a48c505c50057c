//! What is to be done about each open item, now.

use super::fate::Desk;
use super::queue::decide_slot;
use super::situation::Situation;
use crate::domain::decision::Decision;
use crate::domain::ids::Tag;
use crate::domain::owed::Owed;
use std::collections::BTreeMap;

/// A decision for every open item, oldest first in each slot (route and slot by tag). An item that is named in
/// the `joined` of a `Go` has none of its own: it shares what becomes of that message.
///
/// The same situation gives the same decisions; nothing is remembered in between. The caller
/// - never writes a wait's `until` into `Owed::not_before` (that is for verdicts and replays), but does write
///   its reason into `Owed::reason`: it tells later why an item expired, and whom the customer kept waiting;
/// - makes the order due at the earliest `until`, and at once after a settle, a commit or a wake;
/// - sends a begun item's kept envelope whatever `form` says;
/// - may store what was joined as `Begun` with `within` = the leading item: it then shares the repetition. Where
///   the leading item goes back to `Open`, so do they, with `within` 0.
///
/// In one slot at most one item goes at a time.
pub fn decide(situation: &Situation<'_>) -> Vec<(u16, Decision)> {
    let desk = Desk::new(situation);
    let mut slots: BTreeMap<(Tag, Tag), Vec<&Owed>> = BTreeMap::new();
    let mut items: Vec<&Owed> = situation.items.iter().collect();
    items.sort_by_key(|i| i.no);
    for item in items {
        slots.entry((item.route, item.slot)).or_default().push(item);
    }
    let mut decisions = Vec::new();
    for slot in slots.values().filter(|s| s.iter().any(|i| i.state.is_open())) {
        decide_slot(&desk, slot, &mut decisions);
    }
    decisions
}
