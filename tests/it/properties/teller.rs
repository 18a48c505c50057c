//! A shop with one route and one channel that always can, and the loop that tells what it owes.

use super::life::birth;
use orderwire::domain::channel::{Audience, Capabilities, ConsentRule, Pace, Unit, WindowRule};
use orderwire::domain::clock::{Timestamp, plus_secs};
use orderwire::domain::decision::Decision;
use orderwire::domain::event::OrderEvent;
use orderwire::domain::ids::{ChannelId, Digest8, OrderId};
use orderwire::domain::order::Order;
use orderwire::domain::owed::{Owed, State};
use orderwire::domain::person::{Address, PersonFacts};
use orderwire::domain::shop::ShopRules;
use orderwire::milestone;
use orderwire::plan::{ChannelView, Known, Reach, Route, RouteSettings, Situation, decide, owe, reach, refresh};
use std::collections::{BTreeMap, BTreeSet};

/// A channel without a rule of its own.
pub fn plain_caps(scheme: &'static str) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme,
        consent: ConsentRule::WithOrder,
        window: WindowRule::None,
        template_outside_window: false,
        grants: false,
        text_limit: 1000,
        unit: Unit::Chars,
        buttons: 2,
        image: false,
        retry_key_secs: None,
        receipts: "none",
        opt_out: "link",
        keeps_refusals: false,
        binding: "order",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace { per_second: 10.0, burst: 10, concurrent: 10, person_gap_secs: 0.0 },
        timeout_secs: 10,
    }
}

pub fn rules() -> ShopRules {
    const DAY: i64 = 86_400;
    ShopRules {
        late_after: Some(3 * DAY),
        pickup_days: Some(7 * DAY),
        payment_deadline: Some(2 * DAY),
        import_guard: 400 * DAY,
        max_event_age: 400 * DAY,
        ..ShopRules::plain("demo")
    }
}

pub fn everything() -> Route {
    let settings = RouteSettings {
        id: "all".into(),
        milestones: vec!["*".into()],
        audience: Audience::Customer,
        shops: None,
        when: None,
        channels: vec!["mail".into()],
        also: Vec::new(),
    };
    let known = Known {
        milestones: milestone::ALL.iter().map(|m| m.id).collect(),
        shops: vec!["demo"],
        channels: BTreeMap::from([("mail", Audience::Customer)]),
    };
    Route::from_settings(settings, &known).expect("a good route")
}

/// A message that was told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    pub lead: Digest8,
    pub joined: BTreeSet<Digest8>,
}

/// An order on its way through accept, owe, decide and telling.
pub struct Teller {
    pub order: Order,
    pub items: Vec<Owed>,
    pub messages: Vec<(Timestamp, Message)>,
    /// Subjects told.
    pub told: Vec<Digest8>,
    rules: ShopRules,
    routes: Vec<Route>,
    caps: Capabilities,
}

impl Teller {
    pub fn new() -> Teller {
        Teller {
            order: Order::new("demo".into(), OrderId::from("1"), birth()),
            items: Vec::new(),
            messages: Vec::new(),
            told: Vec::new(),
            rules: rules(),
            routes: vec![everything()],
            caps: plain_caps("email"),
        }
    }

    /// Folds a webhook in and owes what it reached.
    pub fn accept(&mut self, event: &OrderEvent, now: Timestamp) {
        self.order.absorb(event);
        let next = u16::try_from(self.items.len() + 1).expect("few items");
        let owing = owe(&self.order, &self.rules, &self.routes, milestone::ALL, now, next);
        self.order.told.extend(owing.told);
        self.items.extend(owing.items);
    }

    /// Tells what is due at `now`, until nothing is; gives the next moment to look again.
    pub fn tell(&mut self, now: Timestamp) -> Option<Timestamp> {
        for _ in 0..1000 {
            refresh(&self.order, &self.rules, milestone::ALL, &mut self.items);
            let decisions = self.decide(now);
            let next = decisions.iter().filter_map(|(_, d)| until(d)).min();
            let acted = decisions.into_iter().filter(|(no, d)| self.act(*no, d, now)).count();
            if acted == 0 {
                assert!(next.is_none_or(|n| n > now), "it waits for a moment that has passed");
                return next;
            }
        }
        panic!("it never comes to rest");
    }

    fn decide(&self, now: Timestamp) -> Vec<(u16, Decision)> {
        let raw = |_: &ChannelId, raw: &str| Some(Address::new("email", raw));
        decide(&Situation {
            now,
            rules: &self.rules,
            order: &self.order,
            items: &self.items,
            routes: &self.routes,
            milestones: milestone::ALL,
            channels: &|_| Some(ChannelView::open(&self.caps)),
            people: &|_, _| PersonFacts::default(),
            address: &raw,
            linked: &|_| Vec::new(),
            digest: &|_| 7,
            condition: &|_, _, _| Ok(true),
            templates: &|_, _| false,
            stopped: &|_, _| false,
            granted: &|_, _| None,
            muted: &|_| false,
        })
    }

    fn act(&mut self, no: u16, decision: &Decision, now: Timestamp) -> bool {
        match decision {
            Decision::Go(go) => {
                let reached = reach(&self.order, &self.rules, milestone::ALL);
                let all: Vec<u16> = std::iter::once(no).chain(go.joined.iter().copied()).collect();
                let subjects: Vec<Digest8> = all.iter().map(|n| self.item(*n).subject).collect();
                for n in &all {
                    let item = self.item(*n);
                    assert!(item.state.is_open() && item.expires > now, "told after its time, or twice");
                    item.state = State::Sent;
                }
                let of = |d: &Digest8| reached.iter().find(|r| r.digest == *d).expect("still reached");
                for subject in &subjects {
                    self.told.iter().filter_map(|t| reached.iter().find(|r| r.digest == *t)).for_each(|earlier| {
                        assert_in_order(earlier, of(subject));
                    });
                }
                self.told.extend(&subjects);
                let joined = subjects.iter().skip(1).copied().collect();
                self.messages.push((now, Message { lead: subjects[0], joined }));
                true
            }
            Decision::End { state, reason, .. } => {
                let item = self.item(no);
                assert!(item.state.may_become(*state), "{:?} → {state:?}", item.state);
                (item.state, item.reason) = (*state, Some(*reason));
                true
            }
            Decision::Wait { reason, .. } | Decision::Park { reason, .. } => {
                self.item(no).reason = Some(*reason);
                false
            }
        }
    }

    pub fn item(&mut self, no: u16) -> &mut Owed {
        self.items.iter_mut().find(|i| i.no == no).expect("an item")
    }

    /// Lets time pass until nothing is open.
    pub fn run_out(&mut self, mut now: Timestamp) {
        for _ in 0..10_000 {
            match self.tell(now) {
                Some(next) => now = next,
                None => return,
            }
        }
        panic!("it never ends");
    }

    /// Lets time pass up to `end`, telling what falls due before it.
    pub fn run_until(&mut self, mut now: Timestamp, end: Timestamp) {
        while let Some(next) = self.tell(now).filter(|n| *n < end) {
            now = next;
        }
    }
}

fn until(decision: &Decision) -> Option<Timestamp> {
    match decision {
        Decision::Wait { until, .. } | Decision::Park { until, .. } => Some(*until),
        _ => None,
    }
}

/// What is told now is not older than what was told before in the same story, by what is known now.
fn assert_in_order(earlier: &Reach, later: &Reach) {
    let parcels = earlier.reached.subject.parcel().zip(later.reached.subject.parcel());
    let one_story = parcels.is_none_or(|(a, b)| a == b);
    let ranked = later.milestone.rank > 0 && earlier.milestone.rank > later.milestone.rank;
    let older = later.reached.at <= earlier.reached.at;
    let (now, before) = ((later.milestone.id, &later.reached), (earlier.milestone.id, &earlier.reached));
    assert!(!(one_story && ranked && older), "{now:?} was told after {before:?}");
}

/// The moment at which a life is certainly over.
pub fn long_after() -> Timestamp {
    plus_secs(birth(), 120 * 86_400)
}
