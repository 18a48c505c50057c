//! A small shop in which one fact at a time can be changed.

use crate::properties::teller::plain_caps;
use orderwire::domain::channel::{Audience, Capabilities};
use orderwire::domain::clock::{Timestamp, plus_secs};
use orderwire::domain::decision::{Decision, Go, Reason};
use orderwire::domain::event::{About, OrderEvent, ParcelPatch, Patch};
use orderwire::domain::ids::{ChannelId, OrderId};
use orderwire::domain::ledger::Entry;
use orderwire::domain::money::Money;
use orderwire::domain::order::{Contact, Head, Order, ParcelState, PaymentState, Source, Stage, Tracking};
use orderwire::domain::owed::{Owed, State};
use orderwire::domain::person::{Address, PersonFacts};
use orderwire::domain::shop::ShopRules;
use orderwire::milestone;
use orderwire::plan::{ChannelView, Known, Route, RouteSettings, Situation, decide, owe};
use std::collections::{BTreeMap, BTreeSet};

pub const DAY: i64 = 86_400;

/// A channel account with its state.
#[derive(Clone, Debug)]
pub struct Account {
    pub caps: Capabilities,
    pub paused: Option<(Timestamp, Reason)>,
    pub reserve: bool,
    pub slot_at: Option<Timestamp>,
}

#[derive(Clone)]
pub struct World {
    pub now: Timestamp,
    pub rules: ShopRules,
    pub order: Order,
    pub items: Vec<Owed>,
    pub ledger: Vec<Entry>,
    pub routes: Vec<Route>,
    pub accounts: BTreeMap<String, Account>,
    pub people: BTreeMap<(String, String), PersonFacts>,
    pub linked: BTreeMap<String, Vec<Address>>,
    pub condition: Result<bool, String>,
    pub templates: BTreeSet<(String, String)>,
    pub muted: BTreeSet<String>,
}

pub fn start() -> Timestamp {
    "2026-11-02T02:00:00Z".parse().expect("a time")
}

pub fn head() -> Head {
    Head {
        name: "#1001".into(),
        created_at: start(),
        source: Source::default(),
        test: false,
        total: Money::parse("1200", "TWD"),
        outstanding: None,
        payment_method: None,
        cash_on_delivery: false,
        locale: None,
        country: Some("TW".into()),
        contact: Contact {
            emails: vec!["a@example.com".into()],
            phones: vec!["0912-345-678".into()],
            ..Contact::default()
        },
        items: Vec::new(),
        shippable: true,
        tags: Vec::new(),
        status_url: None,
        key: None,
    }
}

/// An event that says nothing yet.
pub fn event(at: Timestamp, patch: Patch) -> OrderEvent {
    OrderEvent {
        about: About::Order(OrderId::from("1")),
        at,
        dated: true,
        patch,
        joins: Vec::new(),
        refetch: false,
        topic: "test".into(),
    }
}

pub fn with_head(head: Head) -> Patch {
    Patch { head: Some(Box::new(head)), ..Patch::default() }
}

pub fn paid() -> Patch {
    Patch { payment: vec![(PaymentState::Paid, None)], ..Patch::default() }
}

pub fn stage(stage: Stage) -> Patch {
    Patch { stage: vec![(stage, None)], ..Patch::default() }
}

pub fn parcel(id: &str, state: ParcelState) -> Patch {
    let tracking = vec![Tracking { at: start(), number: format!("N{id}"), carrier: None, url: None }];
    let part = ParcelPatch { id: id.into(), state: vec![(state, None)], tracking, ..ParcelPatch::default() };
    Patch { parcels: vec![part], ..Patch::default() }
}

pub fn account(scheme: &'static str) -> Account {
    Account { caps: plain_caps(scheme), paused: None, reserve: false, slot_at: None }
}

pub fn settings(id: &str, milestones: &[&str], channels: &[&str]) -> RouteSettings {
    let owned = |all: &[&str]| all.iter().map(|s| (*s).to_string()).collect();
    RouteSettings {
        id: id.into(),
        milestones: owned(milestones),
        audience: Audience::Customer,
        shops: None,
        when: None,
        channels: owned(channels),
        also: Vec::new(),
    }
}

impl World {
    /// One shop, one route for everything, one channel `mail`.
    pub fn new() -> World {
        let mut world = World {
            now: start(),
            rules: ShopRules::plain("demo"),
            order: Order::new("demo".into(), OrderId::from("1"), start()),
            items: Vec::new(),
            ledger: Vec::new(),
            routes: Vec::new(),
            accounts: BTreeMap::from([("mail".to_string(), account("email"))]),
            people: BTreeMap::new(),
            linked: BTreeMap::new(),
            condition: Ok(true),
            templates: BTreeSet::new(),
            muted: BTreeSet::new(),
        };
        world.route(settings("all", &["*"], &["mail"]));
        world
    }

    /// Has just been told of the order itself.
    pub fn placed() -> World {
        let mut world = World::new();
        world.hear(with_head(head()));
        world
    }

    /// As [`World::placed`], with the settle time over.
    pub fn due() -> World {
        let mut world = World::placed();
        world.pass(20);
        world
    }

    /// Adds a route whose channels must exist.
    pub fn route(&mut self, settings: RouteSettings) {
        let known = Known {
            milestones: milestone::ALL.iter().map(|m| m.id).collect(),
            shops: vec!["demo"],
            channels: self.accounts.iter().map(|(id, a)| (id.as_str(), a.caps.audience)).collect(),
        };
        let route = Route::from_settings(settings, &known).expect("a good route");
        self.routes.push(route);
    }

    /// One route for everything with this chain.
    pub fn chain(&mut self, channels: &[&str]) {
        self.routes.clear();
        self.route(settings("all", &["*"], channels));
    }

    /// Puts an account in, or changes it.
    pub fn account(&mut self, id: &str, account: Account) -> &mut Account {
        self.accounts.insert(id.into(), account);
        self.accounts.get_mut(id).expect("just put in")
    }

    pub fn mail(&mut self) -> &mut Account {
        self.accounts.get_mut("mail").expect("mail")
    }

    pub fn person(&mut self, channel: &str, address: &str) -> &mut PersonFacts {
        self.people.entry((channel.into(), address.into())).or_default()
    }

    pub fn pass(&mut self, secs: i64) {
        self.now = plus_secs(self.now, secs);
    }

    /// A webhook of this moment.
    pub fn hear(&mut self, patch: Patch) {
        self.hear_of(self.now, patch);
    }

    /// A webhook about `at`, arriving now.
    pub fn hear_of(&mut self, at: Timestamp, patch: Patch) {
        self.order.absorb(&event(at, patch));
        let next = u16::try_from(self.items.len() + 1).expect("few");
        let owing = owe(&self.order, &self.rules, &self.routes, milestone::ALL, self.now, next);
        self.order.told.extend(owing.told);
        self.items.extend(owing.items);
        self.ledger.extend(owing.ledger);
    }

    pub fn decide(&self) -> Vec<(u16, Decision)> {
        self.with(decide)
    }

    /// Asks anything of the situation.
    pub fn with<T>(&self, ask: impl FnOnce(&Situation<'_>) -> T) -> T {
        let facts = |c: &ChannelId, a: &Address| {
            self.people.get(&(c.as_str().to_string(), a.value.clone())).cloned().unwrap_or_default()
        };
        let view = |c: &ChannelId| {
            let account = self.accounts.get(c.as_str())?;
            Some(ChannelView {
                caps: &account.caps,
                paused: account.paused,
                reserve: account.reserve,
                slot_at: account.slot_at,
            })
        };
        let address = |c: &ChannelId, raw: &str| {
            let scheme = self.accounts.get(c.as_str())?.caps.scheme;
            Some(Address::new(scheme, raw.to_lowercase()))
        };
        ask(&Situation {
            now: self.now,
            rules: &self.rules,
            order: &self.order,
            items: &self.items,
            routes: &self.routes,
            milestones: milestone::ALL,
            channels: &view,
            people: &facts,
            address: &address,
            linked: &|c| self.linked.get(c.as_str()).cloned().unwrap_or_default(),
            digest: &digest,
            condition: &|_, _, _| self.condition.clone(),
            templates: &|c, m| self.templates.contains(&(c.as_str().to_string(), m.to_string())),
            stopped: &|c, m| self.templates.contains(&(c.as_str().to_string(), format!("stopped {m}"))),
            granted: &|c, m| {
                self.templates.contains(&(c.as_str().to_string(), format!("granted {m}"))).then(|| "G1".into())
            },
            muted: &|c| self.muted.contains(c.as_str()),
        })
    }

    /// The number of the item of this milestone (the last, if there are several).
    pub fn no(&self, id: &str) -> u16 {
        let of = |i: &&Owed| milestone::by_tag(i.milestone).is_some_and(|m| m.id == id);
        self.items.iter().rfind(of).unwrap_or_else(|| panic!("nothing owed of {id}")).no
    }

    pub fn item(&mut self, id: &str) -> &mut Owed {
        let no = self.no(id);
        self.items.iter_mut().find(|i| i.no == no).expect("there")
    }

    /// What is decided about the item of this milestone.
    pub fn about(&self, id: &str) -> Option<Decision> {
        let no = self.no(id);
        self.decide().into_iter().find(|(n, _)| *n == no).map(|(_, d)| d)
    }

    pub fn go(&self, id: &str) -> Go {
        match self.about(id) {
            Some(Decision::Go(go)) => go,
            other => panic!("{id} does not go: {other:?}"),
        }
    }

    pub fn reason(&self, id: &str) -> Reason {
        match self.about(id) {
            Some(Decision::Wait { reason, .. } | Decision::Park { reason, .. } | Decision::End { reason, .. }) => {
                reason
            }
            other => panic!("{id} has no reason: {other:?}"),
        }
    }

    pub fn ends(&self, id: &str) -> (State, Reason, Option<u16>) {
        match self.about(id) {
            Some(Decision::End { state, reason, by }) => (state, reason, by),
            other => panic!("{id} does not end: {other:?}"),
        }
    }

    pub fn tell(&mut self, id: &str) {
        self.item(id).state = State::Sent;
    }
}

pub fn digest(address: &Address) -> u32 {
    u32::try_from(address.value.len()).unwrap_or(0) + 1
}
