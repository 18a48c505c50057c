//! What is kept of a person, and how dated news changes it: the result does not depend on the order in which
//! callbacks arrive.

use crate::domain::clock::Timestamp;
use crate::domain::consent::{ConsentRecord, Word};
use crate::domain::ids::{ChannelId, ShopId};
use crate::domain::person::{Address, Grant, PersonChange, PersonFacts, Unreachable};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Records kept of one person.
const RECORDS: usize = 16;

/// Messages allowed by a tap, and templates of such, that are kept of one person.
const GRANTS: usize = 16;

/// When a person allowed one more message by a template, when one was sent, and when they took all back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Taps {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    given: Vec<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    used: Vec<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<Timestamp>,
}

impl Taps {
    fn take(&mut self, at: Timestamp, what: Grant) {
        match what {
            Grant::Given => self.given.push(at),
            Grant::Used => self.used.push(at),
            Grant::Gone => self.gone = self.gone.max(Some(at)),
        }
        let gone = self.gone;
        for times in [&mut self.given, &mut self.used] {
            times.retain(|t| Some(*t) > gone);
            times.sort();
            times.drain(..times.len().saturating_sub(GRANTS));
        }
    }

    /// What was sent uses up what was allowed before it, and nothing that was allowed later.
    fn left(&self) -> usize {
        let given = self.given.iter().map(|at| (at, false));
        let mut story: Vec<_> = given.chain(self.used.iter().map(|at| (at, true))).collect();
        story.sort();
        story.iter().fold(0_usize, |left, (_, used)| if *used { left.saturating_sub(1) } else { left + 1 })
    }

    fn last(&self) -> Option<Timestamp> {
        self.given.iter().chain(&self.used).chain(&self.gone).max().copied()
    }
}

/// The last no and the last yes of one kind.
type NoYes = (Option<Timestamp>, Option<Timestamp>);

/// A no that no later yes lifts. Said both at one moment: silence is the safe reading.
fn stands((no, yes): NoYes) -> Option<Timestamp> {
    no.filter(|no| yes.is_none_or(|yes| yes <= *no))
}

/// The stored form. Each fact has its own time beside it, also where the fact is that there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    out: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r#in: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reach: Option<(Timestamp, Option<Unreachable>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<(Timestamp, Timestamp)>,
    /// When the provider said that the window was closed: what opened it before counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capped: Option<(Timestamp, Timestamp)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<(Timestamp, String)>,
    /// Off and on, for one shop alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    shops: BTreeMap<ShopId, NoYes>,
    /// Blocked and unblocked by the shop's people: on the account, and for one shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bar: Option<NoYes>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    bars: BTreeMap<ShopId, NoYes>,
    /// Messages allowed by a tap, by template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    grants: BTreeMap<String, Taps>,
    /// What was said, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) records: Vec<ConsentRecord>,
    /// Who it is: for whoever hands out all that was said. Goes when the person is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) who: Option<(ChannelId, Address)>,
    /// What a newer binary knows besides: it stays as it is.
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Known {
    /// Takes in what was true at `at`.
    pub(super) fn take(&mut self, at: Timestamp, change: &PersonChange) {
        match change.opted_out {
            Some(true) => self.out = self.out.max(Some(at)),
            Some(false) => self.r#in = self.r#in.max(Some(at)),
            None => {}
        }
        change.consent.iter().for_each(|record| self.said(record));
        if let Some(reach) = change.unreachable {
            // At one and the same moment "unreachable" counts: the provider has refused.
            let newer = self.reach.is_none_or(|(t, old)| (t, old.is_some()) < (at, reach.is_some()));
            if newer {
                self.reach = Some((at, reach));
            }
        }
        if change.window_closed {
            self.closed = self.closed.max(Some(at));
        }
        if let Some(until) = change.window_until
            && self.window.is_none_or(|(t, old)| (old, t) < (until, at))
        {
            self.window = Some((at, until));
        }
        if let Some(until) = change.capped_until
            && self.capped.is_none_or(|(t, old)| (t, old) < (at, until))
        {
            self.capped = Some((at, until));
        }
        if let Some(locale) = &change.locale
            && self.locale.as_ref().is_none_or(|(t, old)| (*t, old) < (at, locale))
        {
            self.locale = Some((at, locale.clone()));
        }
        for (template, what) in &change.grants {
            self.grants.entry(template.clone()).or_default().take(at, *what);
        }
        while self.grants.len() > GRANTS {
            let oldest = self.grants.iter().min_by_key(|(_, taps)| taps.last()).map(|(template, _)| template.clone());
            oldest.map(|template| self.grants.remove(&template));
        }
    }

    /// Takes in one thing said.
    fn said(&mut self, record: &ConsentRecord) {
        let ConsentRecord { at, word, shop, .. } = record;
        let mut nowhere = None;
        let place = match (word, shop) {
            (Word::Off, None) => &mut self.out,
            (Word::On, None) => &mut self.r#in,
            (Word::Off, Some(shop)) => &mut self.shops.entry(shop.clone()).or_default().0,
            (Word::On, Some(shop)) => &mut self.shops.entry(shop.clone()).or_default().1,
            (Word::Block, None) => &mut self.bar.get_or_insert_default().0,
            (Word::Unblock, None) => &mut self.bar.get_or_insert_default().1,
            (Word::Block, Some(shop)) => &mut self.bars.entry(shop.clone()).or_default().0,
            (Word::Unblock, Some(shop)) => &mut self.bars.entry(shop.clone()).or_default().1,
            (Word::Gone, _) => &mut nowhere,
        };
        *place = (*place).max(Some(*at));
        if self.records.contains(record) {
            return;
        }
        self.records.push(record.clone());
        self.records.sort();
        if self.records.len() > RECORDS {
            // The last word of each kind is what holds, so it goes last of all.
            let kind = |r: &ConsentRecord| (r.word, r.shop.clone());
            let newer = |i: usize| self.records[i + 1..].iter().any(|r| kind(r) == kind(&self.records[i]));
            let surplus = (0..self.records.len()).find(|i| newer(*i)).unwrap_or(0);
            self.records.remove(surplus);
        }
    }

    /// The records that hold now: without what shows them where the person is forgotten.
    fn holding(&self) -> Vec<ConsentRecord> {
        let facts = self.facts(None);
        let holds = |r: &&ConsentRecord| match (r.word, &r.shop) {
            (Word::Off, None) => facts.opted_out == Some(r.at),
            (Word::Off, Some(shop)) => facts.shops_off.get(shop) == Some(&r.at),
            (Word::Block, None) => facts.barred == Some(r.at),
            (Word::Block, Some(shop)) => facts.shops_barred.get(shop) == Some(&r.at),
            (Word::On | Word::Unblock | Word::Gone, _) => false,
        };
        self.records.iter().filter(holds).map(|r| ConsentRecord { proof: String::new(), ..r.clone() }).collect()
    }

    /// What decisions are made from.
    pub(super) fn facts(&self, reply_until: Option<Timestamp>) -> PersonFacts {
        let out = stands((self.out, self.r#in));
        // A yes to everything lifts an older no to one shop; a yes to one shop lifts no no to everything.
        let off = |(no, yes): NoYes| stands((no, yes.max(self.r#in)));
        let each = |of: &BTreeMap<ShopId, NoYes>, stands: &dyn Fn(NoYes) -> Option<Timestamp>| {
            of.iter().filter_map(|(shop, said)| Some((shop.clone(), stands(*said)?))).collect()
        };
        PersonFacts {
            opted_out: out,
            opted_in: self.r#in.filter(|_| out.is_none()),
            shops_off: each(&self.shops, &off),
            barred: self.bar.and_then(stands),
            shops_barred: each(&self.bars, &stands),
            unreachable: self.reach.and_then(|(at, u)| u.map(|u| (at, u))),
            window_until: self.window.map(|(at, until)| match self.closed {
                Some(closed) if closed >= at => until.min(closed),
                _ => until,
            }),
            reply_until,
            capped_until: self.capped.map(|(_, until)| until),
            locale: self.locale.as_ref().map(|(_, l)| l.clone()),
            grants: self.grants.iter().map(|(t, taps)| (t.clone(), taps.left())).filter(|(_, n)| *n > 0).collect(),
        }
    }

    /// What stays of a person who is forgotten: that they do not want to be written to, or must not be, if so it is.
    pub(super) fn refusal(&self) -> Option<Known> {
        let facts = self.facts(None);
        let no = |of: BTreeMap<ShopId, Timestamp>| of.into_iter().map(|(s, at)| (s, (Some(at), None))).collect();
        let refusal = Known {
            out: facts.opted_out,
            shops: no(facts.shops_off),
            bar: facts.barred.map(|at| (Some(at), None)),
            bars: no(facts.shops_barred),
            records: self.holding(),
            ..Known::default()
        };
        refusal.lasts().then_some(refusal)
    }

    /// A person's yes or no is kept for ever.
    pub(super) fn lasts(&self) -> bool {
        let said = self.out.is_some() || self.r#in.is_some();
        said || self.bar.is_some() || !self.shops.is_empty() || !self.bars.is_empty()
    }
}

/// The change's token, where it is good for longer than the one that lies ready.
pub(super) fn better_token(change: &PersonChange, ready: Option<Timestamp>) -> Option<(&str, Timestamp)> {
    let (token, until) = change.reply_token.as_ref()?;
    ready.is_none_or(|r| r < *until).then_some((token.as_str(), *until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::Source;
    use crate::domain::decision::Reason;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).unwrap()
    }

    fn fold(news: &[(i64, PersonChange)]) -> PersonFacts {
        let mut known = Known::default();
        news.iter().for_each(|(t, c)| known.take(at(*t), c));
        known.facts(None)
    }

    /// Every order of arrival of three pieces of news.
    fn all_orders(news: [(i64, PersonChange); 3]) -> PersonFacts {
        let first = fold(&news);
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(fold(&order.map(|i: usize| news[i].clone())), first, "{order:?}");
        }
        first
    }

    fn out(yes: bool) -> PersonChange {
        PersonChange { opted_out: Some(yes), ..PersonChange::default() }
    }

    #[test]
    fn the_last_word_on_consent_counts_whatever_arrives_last() {
        let f = all_orders([(1, out(true)), (2, out(false)), (3, out(true))]);
        assert_eq!((f.opted_out, f.opted_in), (Some(at(3)), None));
        let f = all_orders([(3, out(false)), (2, out(true)), (1, out(false))]);
        assert_eq!((f.opted_out, f.opted_in), (None, Some(at(3))));
        let f = all_orders([(2, out(false)), (2, out(true)), (1, out(false))]);
        assert_eq!((f.opted_out, f.opted_in), (Some(at(2)), None), "at one moment silence wins");
    }

    fn said(secs: i64, word: Word, shop: Option<&str>) -> (i64, PersonChange) {
        let record = ConsentRecord::new(at(secs), word, Source::Operator, "why").of(shop.map(ShopId::from));
        (secs, PersonChange { consent: vec![record], ..PersonChange::default() })
    }

    #[test]
    fn the_strictest_word_holds_whatever_arrives_last() {
        let tea = ShopId::from("tea");
        let f = all_orders([said(1, Word::Off, Some("tea")), said(2, Word::On, Some("tea")), said(3, Word::Off, None)]);
        assert_eq!((f.shops_off.is_empty(), f.opted_out), (true, Some(at(3))));
        let f = all_orders([said(1, Word::Off, None), said(2, Word::On, Some("tea")), said(0, Word::On, None)]);
        assert_eq!(f.forbids(&tea), Some(Reason::OptedOut), "a yes to one shop lifts no no to all");
        let f = all_orders([said(1, Word::Off, Some("tea")), said(2, Word::On, None), said(0, Word::Off, None)]);
        assert_eq!(f.forbids(&tea), None, "a yes to all lifts an older no to one");
        let f =
            all_orders([said(1, Word::Block, Some("tea")), said(2, Word::On, None), said(3, Word::On, Some("tea"))]);
        assert_eq!(f.forbids(&tea), Some(Reason::OperatorBlocked), "no word of the person lifts a block");
        assert_eq!(f.forbids(&ShopId::from("wood")), None);
        let f =
            all_orders([said(1, Word::Block, None), said(2, Word::Unblock, None), said(2, Word::Block, Some("tea"))]);
        assert_eq!((f.barred, f.forbids(&tea)), (None, Some(Reason::OperatorBlocked)));
    }

    #[test]
    fn a_history_is_short_and_keeps_what_holds() {
        let mut known = Known::default();
        known.take(at(0), &said(0, Word::Off, Some("tea")).1);
        for i in 1..40 {
            let word = if i % 2 == 0 { Word::Off } else { Word::On };
            known.take(at(i), &said(i, word, None).1);
        }
        assert_eq!(known.records.len(), RECORDS);
        assert!(known.records.iter().any(|r| r.shop.is_some()), "the only word of its kind stays");
        assert_eq!(known.records.last().map(|r| r.at), Some(at(39)));
        known.take(at(39), &said(39, Word::On, None).1);
        assert_eq!(known.records.len(), RECORDS, "the same record twice is one");
    }

    #[test]
    fn what_forbids_outlives_the_person_and_what_shows_it_does_not() {
        let mut known = Known { who: Some(("line".into(), Address::new("line", "U1"))), ..Known::default() };
        assert!(known.refusal().is_none(), "nothing was said");
        for (t, change) in
            [said(1, Word::Off, None), said(2, Word::Block, Some("tea")), said(3, Word::On, Some("wood"))]
        {
            known.take(at(t), &change);
        }
        let left = known.refusal().unwrap();
        assert_eq!((left.facts(None).opted_out, left.who.clone()), (Some(at(1)), None));
        assert_eq!(left.facts(None).forbids(&"tea".into()), Some(Reason::OperatorBlocked));
        assert_eq!(left.records.len(), 2);
        assert!(left.records.iter().all(|r| r.proof.is_empty()), "a reason may name the person");
    }

    #[test]
    fn what_a_newer_binary_knows_stays() {
        let mut known: Known = serde_json::from_str(r#"{"out":"2026-01-01T00:00:00Z","new":{"a":[1]}}"#).unwrap();
        known.take(at(1), &out(false));
        let kept = serde_json::to_value(&known).unwrap();
        assert_eq!((&kept["new"]["a"][0], &kept["out"]), (&1.into(), &"2026-01-01T00:00:00Z".into()));
    }

    fn tap(what: Grant) -> PersonChange {
        PersonChange { grants: [("T1".to_string(), what)].into(), ..PersonChange::default() }
    }

    #[test]
    fn each_tap_is_one_message_whatever_arrives_last() {
        let left = |f: PersonFacts| f.grants.get("T1").copied().unwrap_or(0);
        assert_eq!(left(all_orders([(1, tap(Grant::Given)), (2, tap(Grant::Given)), (3, tap(Grant::Used))])), 1);
        assert_eq!(left(all_orders([(1, tap(Grant::Given)), (2, tap(Grant::Gone)), (3, tap(Grant::Given))])), 1);
        assert_eq!(left(all_orders([(1, tap(Grant::Given)), (1, tap(Grant::Gone)), (0, tap(Grant::Used))])), 0);
        assert_eq!(left(all_orders([(1, tap(Grant::Used)), (2, tap(Grant::Given)), (0, tap(Grant::Used))])), 1);
        let mut known = Known::default();
        for i in 0..100 {
            known.take(at(i), &tap(Grant::Given));
            known.take(
                at(i),
                &PersonChange { grants: [(format!("X{i}"), Grant::Gone)].into(), ..PersonChange::default() },
            );
        }
        assert_eq!((known.facts(None).grants.len(), known.grants.len()), (1, GRANTS), "bounded");
        assert_eq!(known.grants["T1"].given.len(), GRANTS);
        assert!(known.refusal().is_none(), "nothing of it outlives the person");
    }

    #[test]
    fn reach_follows_time() {
        let reach = |u| PersonChange { unreachable: Some(u), ..PersonChange::default() };
        let f = all_orders([
            (1, reach(Some(Unreachable::Blocked))),
            (2, reach(None)),
            (2, reach(Some(Unreachable::Invalid))),
        ]);
        assert_eq!(f.unreachable, Some((at(2), Unreachable::Invalid)));
        let f = all_orders([(1, reach(Some(Unreachable::Blocked))), (2, reach(None)), (0, reach(None))]);
        assert_eq!(f.unreachable, None);
    }

    #[test]
    fn a_window_moves_forward_and_closes_when_the_provider_says_so() {
        let open = |until| PersonChange { window_until: Some(at(until)), ..PersonChange::default() };
        let closed = PersonChange { window_closed: true, ..PersonChange::default() };
        assert_eq!(fold(&[(1, open(100)), (2, open(50))]).window_until, Some(at(100)));
        assert_eq!(fold(&[(1, open(100)), (10, closed.clone())]).window_until, Some(at(10)));
        assert_eq!(fold(&[(10, closed.clone()), (1, open(100))]).window_until, Some(at(10)), "late news");
        let f = all_orders([(1, open(100)), (10, closed.clone()), (11, open(111))]);
        assert_eq!(f.window_until, Some(at(111)));
        let f = all_orders([(1, open(100)), (2, open(101)), (10, closed)]);
        assert_eq!(f.window_until, Some(at(10)));
    }

    #[test]
    fn the_token_that_lives_longer_lies_ready() {
        let c = PersonChange { reply_token: Some(("t".into(), at(60))), ..PersonChange::default() };
        assert_eq!(better_token(&c, None), Some(("t", at(60))));
        assert_eq!(better_token(&c, Some(at(59))), Some(("t", at(60))));
        assert_eq!(better_token(&c, Some(at(60))), None);
        assert_eq!(better_token(&PersonChange::default(), None), None);
    }
}
