//! Lives of orders, invented: what a shop's webhooks would tell from checkout to the last return.
//!
//! A life is a list of events in the order of their signed times. It keeps to what platforms promise: a thing's
//! fixed traits (a parcel without goods, a silent hold, cash on delivery) stand in each webhook that tells of
//! it. Everything else may come in any shape: states skipped, repeated, contradicted, taken back.

use orderwire::domain::clock::{Timestamp, plus_secs};
use orderwire::domain::event::{About, OrderEvent, ParcelPatch, Patch, ReturnPatch};
use orderwire::domain::ids::OrderId;
use orderwire::domain::money::Money;
use orderwire::domain::order::{
    Contact, Edit, Head, Hold, Note, ParcelState, PayHow, PaymentState, PickupStore, Refund, ReturnLabel, ReturnState,
    Source, Stage, Tracking, Transaction, TransactionKind,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// When every life begins.
pub fn birth() -> Timestamp {
    "2026-11-02T02:00:00Z".parse().expect("a time")
}

struct Life {
    rng: StdRng,
    at: Timestamp,
    head: Head,
    payment: PaymentState,
    stage: Stage,
    parcels: Vec<(ParcelPatch, ParcelState)>,
    events: Vec<OrderEvent>,
    things: usize,
}

/// The life of this seed; `calm` lives leave out what only exists to annoy (deletion).
pub fn life(seed: u64, calm: bool) -> Vec<OrderEvent> {
    let mut rng = StdRng::seed_from_u64(seed);
    let head = head(&mut rng);
    let steps = rng.random_range(2..18);
    let mut life = Life {
        rng,
        at: birth(),
        head,
        payment: PaymentState::Pending,
        stage: Stage::Placed,
        parcels: Vec::new(),
        events: Vec::new(),
        things: 0,
    };
    life.begin();
    for _ in 0..steps {
        life.pass_time();
        life.step(calm);
    }
    life.events
}

fn head(rng: &mut StdRng) -> Head {
    Head {
        name: "#1001".into(),
        created_at: birth(),
        source: Source::default(),
        test: false,
        total: Money::parse(if rng.random_ratio(1, 20) { "0" } else { "1200" }, "TWD"),
        outstanding: None,
        payment_method: None,
        cash_on_delivery: rng.random_ratio(1, 5),
        locale: None,
        country: Some("TW".into()),
        contact: Contact { emails: vec!["a@example.com".into()], ..Contact::default() },
        items: Vec::new(),
        shippable: true,
        tags: Vec::new(),
        status_url: None,
        key: None,
    }
}

impl Life {
    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        *all.choose(&mut self.rng).expect("a choice")
    }

    fn pass_time(&mut self) {
        let secs = self.pick(&[0, 0, 1, 5, 19, 40, 95, 400, 3_600, 20_000, 90_000, 200_000]);
        self.at = plus_secs(self.at, secs);
    }

    fn name(&mut self, kind: &str) -> String {
        self.things += 1;
        format!("{kind}{}", self.things)
    }

    fn tell(&mut self, topic: &str, patch: Patch) {
        self.events.push(OrderEvent {
            about: About::Order(OrderId::from("1")),
            at: self.at,
            dated: true,
            patch,
            joins: Vec::new(),
            refetch: false,
            topic: topic.into(),
        });
    }

    /// The whole order as a platform would send it now.
    fn snapshot(&mut self) {
        let parcels = self.parcels.iter().map(|(patch, state)| {
            let tracking = patch.tracking.iter().map(|t| Tracking { at: self.at, ..t.clone() }).collect();
            ParcelPatch { state: vec![(*state, None)], tracking, ..patch.clone() }
        });
        let patch = Patch {
            head: Some(Box::new(self.head.clone())),
            payment: vec![(self.payment, None)],
            stage: vec![(Stage::Placed, Some(birth())), (self.stage, None)],
            parcels: parcels.collect(),
            ..Patch::default()
        };
        self.tell("order", patch);
    }

    fn begin(&mut self) {
        self.payment =
            self.pick(&[PaymentState::Pending, PaymentState::Pending, PaymentState::Paid, PaymentState::Authorized]);
        self.stage = self.pick(&[Stage::Placed, Stage::Placed, Stage::Confirmed]);
        self.snapshot();
        if self.payment == PaymentState::Pending && self.rng.random_ratio(1, 2) {
            let days = self.rng.random_range(1..5);
            let due_at = Some(plus_secs(self.at, days * 86_400));
            let account = self.rng.random_ratio(1, 2).then(|| "90001234567890".to_string());
            self.tell("pay", Patch { pay: Some(PayHow { due_at, account, ..PayHow::default() }), ..Patch::default() });
        }
    }

    fn step(&mut self, calm: bool) {
        match self.rng.random_range(0..24) {
            0..=3 => self.pay(),
            4..=6 => self.work(),
            7..=9 => self.ship(),
            10..=14 => self.scan(),
            15 => self.tracking(),
            16 => self.hold(),
            17 => self.money_back(),
            18 | 19 => self.send_back(),
            20 => self.write(),
            21 => self.choose_store(),
            22 if !calm && self.rng.random_ratio(1, 4) => {
                self.tell("deleted", Patch { deleted: true, ..Patch::default() });
            }
            _ => self.snapshot(),
        }
    }

    fn pay(&mut self) {
        use PaymentState::{Authorized, Expired, Failed, Paid, PartiallyPaid, Pending};
        self.payment = self.pick(&[Failed, Paid, Paid, Paid, PartiallyPaid, Authorized, Expired, Pending]);
        if self.rng.random_ratio(1, 2) {
            let id = self.name("t");
            let ok = self.payment == Paid;
            let kind = TransactionKind::Capture;
            let transactions = vec![Transaction { id, kind, ok, at: self.at, amount: None }];
            let payment = if self.payment == Failed { vec![(Failed, None)] } else { Vec::new() };
            self.tell("transaction", Patch { transactions, payment, ..Patch::default() });
        }
        if self.rng.random_ratio(4, 5) {
            self.snapshot();
        }
    }

    fn work(&mut self) {
        use Stage::{Cancelled, Completed, Confirmed, OnHold, Preparing, Refunded};
        self.stage = self.pick(&[Confirmed, Confirmed, Preparing, OnHold, Completed, Completed, Cancelled, Refunded]);
        if self.stage == Refunded {
            self.payment = PaymentState::Refunded;
        }
        self.snapshot();
    }

    fn ship(&mut self) {
        let id = format!("p{}", self.parcels.len() + 1);
        let tracking = self.rng.random_ratio(1, 2).then(|| self.number()).into_iter().collect();
        let partial = self.pick(&[None, Some(true), Some(false)]);
        let digital = self.rng.random_ratio(1, 10);
        let patch = ParcelPatch { id, tracking, partial, digital, ..ParcelPatch::default() };
        self.parcels.push((patch, ParcelState::Shipped));
        self.fulfilment(self.parcels.len() - 1);
        if self.rng.random_ratio(1, 2) {
            self.snapshot();
        }
    }

    fn number(&mut self) -> Tracking {
        Tracking { at: self.at, number: self.name("TW"), carrier: None, url: None }
    }

    /// A webhook about one parcel.
    fn fulfilment(&mut self, i: usize) {
        let (patch, state) = &self.parcels[i];
        let parcel = ParcelPatch { state: vec![(*state, None)], ..patch.clone() };
        self.tell("parcel", Patch { parcels: vec![parcel], ..Patch::default() });
    }

    fn scan(&mut self) {
        use ParcelState::{
            Attempted, Cancelled, Delayed, Delivered, Failed, InTransit, OutForDelivery, PickedUp, ReadyForPickup,
        };
        if self.parcels.is_empty() {
            return self.ship();
        }
        let i = self.rng.random_range(0..self.parcels.len());
        let states = [
            InTransit,
            InTransit,
            Delayed,
            OutForDelivery,
            OutForDelivery,
            Attempted,
            ReadyForPickup,
            Failed,
            PickedUp,
            Delivered,
            Delivered,
            Cancelled,
        ];
        self.parcels[i].1 = self.pick(&states);
        if self.rng.random_ratio(1, 6) {
            self.parcels[i].0.partial = self.pick(&[None, Some(true), Some(false)]);
        }
        if self.parcels[i].1 == ReadyForPickup && self.rng.random_ratio(1, 2) {
            self.parcels[i].0.pickup_until = Some(plus_secs(self.at, 5 * 86_400));
        }
        self.fulfilment(i);
    }

    fn tracking(&mut self) {
        let Some(last) = self.parcels.len().checked_sub(1) else {
            return self.snapshot();
        };
        let number = self.number();
        self.parcels[last].0.tracking.push(number);
        self.fulfilment(last);
    }

    fn hold(&mut self) {
        let id = self.name("h");
        let silent = self.rng.random_ratio(1, 3);
        let reason = Some("inventory_out_of_stock".to_string());
        let placed = Hold { id, placed_at: Some(self.at), released_at: None, reason, silent };
        self.tell("hold", Patch { holds: vec![placed.clone()], ..Patch::default() });
        if self.rng.random_ratio(1, 2) {
            self.pass_time();
            let lifted = Hold { placed_at: None, released_at: Some(self.at), ..placed };
            self.tell("lifted", Patch { holds: vec![lifted], ..Patch::default() });
        }
    }

    fn money_back(&mut self) {
        let id = self.name("r");
        let amount = Money::parse(self.pick(&["0", "100", "1200"]), "TWD");
        self.payment = self.pick(&[PaymentState::PartiallyRefunded, PaymentState::Refunded]);
        let refunds = vec![Refund { id, at: self.at, amount }];
        self.tell("refund", Patch { refunds, ..Patch::default() });
        if self.rng.random_ratio(3, 4) {
            self.snapshot();
        }
    }

    fn send_back(&mut self) {
        use ReturnState::{Cancelled, Closed, Declined, Open, Reopened, Requested};
        let id = self.pick(&["1", "2"]).to_string();
        let state = self.pick(&[Requested, Requested, Open, Open, Declined, Cancelled, Closed, Closed, Reopened]);
        let label = self.rng.random_ratio(1, 5).then(ReturnLabel::default);
        let part = ReturnPatch { id, state: vec![(state, None)], label, ..ReturnPatch::default() };
        self.tell("return", Patch { returns: vec![part], ..Patch::default() });
    }

    fn write(&mut self) {
        let id = self.name("n");
        let notes = vec![Note { id: id.clone(), text: "We put a gift in.".into(), at: self.at }];
        let edits = vec![Edit { id, at: self.at, notify: self.rng.random_ratio(1, 2) }];
        self.tell("note", Patch { notes, edits, ..Patch::default() });
    }

    fn choose_store(&mut self) {
        let id = Some(self.pick(&["131386", "990000", "123456"]).to_string());
        self.tell("store", Patch { pickup: Some(PickupStore { id, ..PickupStore::default() }), ..Patch::default() });
    }
}

/// The same webhooks as a bad day delivers them: in another order, some of them again.
pub fn shuffled(events: &[OrderEvent], seed: u64) -> Vec<OrderEvent> {
    use rand::seq::SliceRandom;
    let mut rng = StdRng::seed_from_u64(seed);
    let again = events.iter().filter(|_| rng.random_ratio(1, 4)).cloned().collect::<Vec<_>>();
    let mut all: Vec<OrderEvent> = events.iter().cloned().chain(again).collect();
    all.shuffle(&mut rng);
    all
}
