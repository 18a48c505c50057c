//! What states something was seen in, ordered by the *signed* time of each sighting.
//!
//! Webhooks arrive in any order. The runs of equal states are a function of the *set* of sightings, so the
//! kept history is the same whatever the order of arrival, and the milestones read from it are too. That is
//! why the sightings within a run are kept as well: a late webhook may split a run, and where the second
//! half then begins must not depend on what arrived first.

use super::clock::{Timestamp, from_millis};
use serde::{Deserialize, Serialize};

/// Sightings kept of one state: so many of the oldest, and the newest. What stays is again a function of the
/// set alone; more of them only date a return to the state more finely.
const KEPT: usize = 16;
/// Different states kept; only stores for pickup have more than a handful.
const MAX_STATES: usize = 16;

/// An unbroken run of sightings of one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run<S> {
    /// The state seen.
    pub state: S,
    /// Signed time of its first sighting in this run.
    pub first: Timestamp,
    /// Signed time of its last sighting in this run.
    pub last: Timestamp,
    /// Sightings between the two, in milliseconds after the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    between: Vec<i64>,
}

impl<S> Run<S> {
    /// A run of one sighting.
    fn new(state: S, at: Timestamp) -> Run<S> {
        Run { state, first: at, last: at, between: Vec::new() }
    }

    /// All its sightings, oldest first.
    pub fn sightings(&self) -> impl Iterator<Item = Timestamp> + '_ {
        let start = self.first.as_millisecond();
        let inner = self.between.iter().map(move |ms| from_millis(start.saturating_add(*ms)));
        std::iter::once(self.first).chain(inner).chain((self.last != self.first).then_some(self.last))
    }

    fn extend(&mut self, at: Timestamp) {
        if self.last != self.first {
            self.between.push(self.last.as_millisecond() - self.first.as_millisecond());
        }
        self.last = at;
    }
}

/// Runs in time order; at one and the same moment the state's own order decides, so that the result does
/// not depend on which webhook came first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History<S> {
    runs: Vec<Run<S>>,
}

impl<S> Default for History<S> {
    fn default() -> Self {
        Self { runs: Vec::new() }
    }
}

impl<S: Clone + Ord> History<S> {
    /// Notes that `state` was true at `at` (to the millisecond).
    pub fn see(&mut self, state: S, at: Timestamp) {
        let at = from_millis(at.as_millisecond());
        let mut points: Vec<(Timestamp, S)> = self.sightings().map(|(t, s)| (t, s.clone())).collect();
        let new = (at, state);
        let Err(place) = points.binary_search(&new) else {
            return;
        };
        points.insert(place, new);
        thin(&mut points);
        self.runs = runs(points);
    }

    /// The newest state.
    pub fn now(&self) -> Option<&S> {
        self.runs.last().map(|r| &r.state)
    }

    /// Since when the newest state has been seen.
    pub fn since(&self) -> Option<Timestamp> {
        self.runs.last().map(|r| r.first)
    }

    /// First sighting of a state, whatever came later.
    pub fn first(&self, wanted: impl Fn(&S) -> bool) -> Option<Timestamp> {
        self.runs.iter().find(|r| wanted(&r.state)).map(|r| r.first)
    }

    /// Whether a state was ever seen.
    pub fn ever(&self, wanted: impl Fn(&S) -> bool) -> bool {
        self.first(wanted).is_some()
    }

    /// When the state *became* one of the wanted, each time: first sightings of the stretches that are
    /// `wanted` from end to end. A further sighting can only add to their number.
    pub fn turns(&self, wanted: impl Fn(&S) -> bool) -> Vec<Timestamp> {
        let mut inside = false;
        let mut turns = Vec::new();
        for run in &self.runs {
            let now = wanted(&run.state);
            if now && !inside {
                turns.push(run.first);
            }
            inside = now;
        }
        turns
    }

    /// Everything seen, oldest first.
    pub fn sightings(&self) -> impl Iterator<Item = (Timestamp, &S)> {
        self.runs.iter().flat_map(|r| r.sightings().map(move |t| (t, &r.state)))
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> &[Run<S>] {
        &self.runs
    }

    /// Nothing seen yet.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

/// Keeps of each state the oldest sightings and the newest one.
fn thin<S: Clone + Ord>(points: &mut Vec<(Timestamp, S)>) {
    let mut counts: Vec<(S, usize, usize)> = Vec::new(); // state, how many, place of the last but one
    let mut last: Vec<usize> = Vec::new();
    for (i, (_, state)) in points.iter().enumerate() {
        match counts.iter().position(|c| c.0 == *state) {
            Some(c) => {
                counts[c].1 += 1;
                counts[c].2 = last[c];
                last[c] = i;
            }
            None => {
                counts.push((state.clone(), 1, i));
                last.push(i);
            }
        }
    }
    if let Some((_, _, place)) = counts.iter().find(|c| c.1 > KEPT + 1) {
        points.remove(*place);
    } else if counts.len() > MAX_STATES {
        // `counts` is in order of first sight: the last that is not also the newest goes.
        let newest = points.last().map(|p| p.1.clone());
        if let Some((gone, _, _)) = counts.iter().rev().find(|c| Some(&c.0) != newest.as_ref()) {
            points.retain(|p| p.1 != *gone);
        }
    }
}

fn runs<S: Ord>(points: Vec<(Timestamp, S)>) -> Vec<Run<S>> {
    let mut runs: Vec<Run<S>> = Vec::new();
    for (at, state) in points {
        match runs.last_mut() {
            Some(run) if run.state == state => run.extend(at),
            _ => runs.push(Run::new(state, at)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).expect("a time")
    }

    fn seen(points: &[(i64, char)]) -> History<char> {
        let mut history = History::default();
        for (t, s) in points {
            history.see(*s, at(*t));
        }
        history
    }

    #[test]
    fn a_late_sighting_splits_a_run_where_arrival_in_order_would_have() {
        let orders = [
            seen(&[(1, 'a'), (5, 'a'), (7, 'b'), (9, 'a'), (10, 'a')]),
            seen(&[(10, 'a'), (1, 'a'), (9, 'a'), (5, 'a'), (7, 'b')]),
            seen(&[(7, 'b'), (10, 'a'), (9, 'a'), (5, 'a'), (1, 'a'), (5, 'a')]),
        ];
        assert_eq!(orders[0], orders[1]);
        assert_eq!(orders[0], orders[2]);
        let starts: Vec<_> = orders[0].runs().iter().map(|r| (r.state, r.first, r.last)).collect();
        assert_eq!(starts, [('a', at(1), at(5)), ('b', at(7), at(7)), ('a', at(9), at(10))]);
        assert_eq!(orders[0].turns(|s| *s == 'a'), [at(1), at(9)]);
    }

    #[test]
    fn at_one_moment_the_states_own_order_decides() {
        assert_eq!(seen(&[(1, 'b'), (1, 'a')]), seen(&[(1, 'a'), (1, 'b')]));
        assert_eq!(seen(&[(1, 'b'), (1, 'a')]).now(), Some(&'b'));
    }

    #[test]
    fn many_sightings_stay_few_and_still_do_not_depend_on_arrival() {
        let forward: Vec<(i64, char)> = (0..100).map(|t| (t, 'a')).chain([(40, 'b')]).collect();
        let mut backward = forward.clone();
        backward.reverse();
        assert_eq!(seen(&forward), seen(&backward));
        assert_eq!(seen(&forward).sightings().count(), KEPT + 2);
        assert_eq!(seen(&forward).runs().last().map(|r| r.last), Some(at(99)));
    }

    #[test]
    fn more_states_than_anybody_needs_are_let_go() {
        let many: Vec<(i64, char)> =
            ('a'..='z').enumerate().map(|(i, c)| (i64::try_from(i).expect("small"), c)).collect();
        let history = seen(&many);
        assert_eq!(history.runs().len(), MAX_STATES);
        assert_eq!(history.now(), Some(&'z'));
    }

    #[test]
    fn it_is_stored_and_read() {
        let history = seen(&[(1, 'a'), (5, 'a'), (7, 'a'), (9, 'b')]);
        let text = serde_json::to_string(&history).expect("json");
        assert_eq!(serde_json::from_str::<History<char>>(&text).expect("json"), history);
    }
}
