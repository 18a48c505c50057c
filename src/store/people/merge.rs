//! What is kept of a person, and how dated news changes it: the result does not depend on the order in which
//! callbacks arrive.

use crate::domain::clock::Timestamp;
use crate::domain::person::{PersonChange, PersonFacts, Unreachable};
use serde::{Deserialize, Serialize};

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
}

impl Known {
    /// Takes in what was true at `at`.
    pub(super) fn take(&mut self, at: Timestamp, change: &PersonChange) {
        match change.opted_out {
            Some(true) => self.out = self.out.max(Some(at)),
            Some(false) => self.r#in = self.r#in.max(Some(at)),
            None => {}
        }
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
    }

    /// What decisions are made from.
    pub(super) fn facts(&self, reply_until: Option<Timestamp>) -> PersonFacts {
        // Said both at one moment: silence is the safe reading.
        let out = self.out.filter(|o| self.r#in.is_none_or(|i| i <= *o));
        PersonFacts {
            opted_out: out,
            opted_in: self.r#in.filter(|_| out.is_none()),
            unreachable: self.reach.and_then(|(at, u)| u.map(|u| (at, u))),
            window_until: self.window.map(|(at, until)| match self.closed {
                Some(closed) if closed >= at => until.min(closed),
                _ => until,
            }),
            reply_until,
            capped_until: self.capped.map(|(_, until)| until),
            locale: self.locale.as_ref().map(|(_, l)| l.clone()),
        }
    }

    /// What stays of a person who is forgotten: that they do not want to be written to, if so it is.
    pub(super) fn refusal(&self) -> Option<Known> {
        let out = self.facts(None).opted_out?;
        Some(Known { out: Some(out), ..Known::default() })
    }

    /// A person's yes or no is kept for ever.
    pub(super) fn lasts(&self) -> bool {
        self.out.is_some() || self.r#in.is_some()
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
