//! Sample orders: words are proven on them, and `preview` shows them.
//!
//! Each language has a scene of its own, so that a preview reads like a real message there. From the order
//! with everything known, each fact is taken away in turn, and each fact is left alone in turn.

mod scene;

use super::{ExtraLinks, Telling};
use crate::domain::channel::Audience;
use crate::domain::clock::Timestamp;
use crate::domain::history::History;
use crate::domain::milestone::Subject;
use crate::domain::order::{Head, Order, ParcelState, PayHow, PaymentState, PickupStore, ReturnLabel};
use crate::domain::shop::ShopRules;
pub use scene::full;

/// An order to try words on.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What is special about it (`full`, `without parcel.number`, `only parcel.number`).
    pub name: String,
    /// Language of its scene.
    pub locale: &'static str,
    /// The order.
    pub order: Order,
    /// Its shop.
    pub rules: ShopRules,
    /// Links.
    pub links: ExtraLinks,
    /// The present moment of the scene.
    pub now: Timestamp,
}

impl Sample {
    /// A customer's telling of `milestone` on this order.
    pub fn telling<'a>(&'a self, milestone: &'a str, joined: &'a [&'a str], subject: &'a Subject) -> Telling<'a> {
        Telling {
            milestone,
            joined,
            subject,
            order: &self.order,
            rules: &self.rules,
            locale: self.locale,
            section: "",
            audience: Audience::Customer,
            now: self.now,
            links: self.links.clone(),
        }
    }

    fn named(mut self, name: String) -> Sample {
        self.name = name;
        self
    }

    fn head(&mut self, change: impl FnOnce(&mut Head)) {
        if let Some(head) = self.order.head.as_mut() {
            change(&mut head.value);
        }
    }

    fn pay(&mut self, change: impl FnOnce(&mut PayHow)) {
        if let Some(pay) = self.order.pay.as_mut() {
            change(&mut pay.value);
        }
    }

    fn stores(&mut self, change: impl Fn(&mut PickupStore)) {
        let mut stores = History::default();
        for run in self.order.pickup.runs() {
            let mut store = run.state.clone();
            change(&mut store);
            stores.see(store, run.first);
        }
        self.order.pickup = stores;
    }

    fn label(&mut self, change: impl Fn(&mut ReturnLabel)) {
        for label in self.order.returns.iter_mut().filter_map(|r| r.label.as_mut()) {
            change(&mut label.value);
        }
    }

    fn paid_as(&mut self, state: PaymentState) {
        self.order.payment = History::default();
        self.order.payment.see(state, self.now);
        if state.was_paid() {
            self.head(|h| h.outstanding = None);
        }
    }
}

/// A fact, and how an order looks without it.
type Fact = (&'static str, fn(&mut Sample));

/// Every fact that an order may lack.
const FACTS: &[Fact] = &[
    ("shop.name", |s| s.rules.name = None),
    ("order.total", |s| s.head(|h| h.total = None)),
    ("order.outstanding", |s| s.head(|h| h.outstanding = None)),
    ("order.payment", |s| s.order.payment = History::default()),
    ("order.payment_method", |s| s.head(|h| h.payment_method = None)),
    ("order.items", |s| s.head(|h| h.items.clear())),
    ("order.customer", |s| s.head(|h| (h.contact.first_name, h.contact.last_name) = (None, None))),
    ("order.source", |s| s.head(|h| h.source = Default::default())),
    ("order.country", |s| s.head(|h| h.country = None)),
    ("parcel", |s| s.order.parcels.clear()),
    ("parcel.number", |s| s.order.parcels.iter_mut().for_each(|p| p.tracking.clear())),
    ("parcel.carrier", |s| {
        s.order.parcels.iter_mut().flat_map(|p| &mut p.tracking).for_each(|t| t.carrier = None);
    }),
    ("parcel.url", |s| s.order.parcels.iter_mut().flat_map(|p| &mut p.tracking).for_each(|t| t.url = None)),
    ("parcel.eta", |s| s.order.parcels.iter_mut().for_each(|p| p.eta = None)),
    ("parcel.pickup_until", |s| s.order.parcels.iter_mut().for_each(|p| p.pickup_until = None)),
    ("parcel.partial", |s| s.order.parcels.iter_mut().for_each(|p| p.partial = None)),
    ("parcel.count", |s| s.order.parcels.truncate(1)),
    ("old.number", |s| s.order.parcels.iter_mut().for_each(|p| p.tracking = p.tracking.pop().into_iter().collect())),
    ("store.name", |s| s.stores(|p| p.name = None)),
    ("store.chain", |s| s.stores(|p| p.chain = None)),
    ("store.address", |s| s.stores(|p| p.address = None)),
    ("old.store", |s| {
        let (now, at) = (s.order.pickup.now().cloned(), s.now);
        s.order.pickup = History::default();
        if let Some(store) = now {
            s.order.pickup.see(store, at);
        }
    }),
    ("pay.due_at", |s| s.pay(|p| p.due_at = None)),
    ("pay.url", |s| s.pay(|p| p.url = None)),
    ("pay.bank_code", |s| s.pay(|p| p.bank_code = None)),
    ("pay.account", |s| s.pay(|p| (p.bank_code, p.account) = (None, None))),
    ("pay.store_code", |s| s.pay(|p| p.store_code = None)),
    ("pay.barcodes", |s| s.pay(|p| p.barcodes.clear())),
    ("links.status", |s| {
        s.links.status = None;
        s.head(|h| h.status_url = None);
    }),
    ("page_url", |s| s.links.page = None),
    ("connect_url", |s| s.links.connect = None),
    ("amount", |s| {
        s.order.transactions.clear();
        s.order.refunds.iter_mut().for_each(|r| r.amount = None);
    }),
    ("reason", |s| {
        s.order.cancel_reason = None;
        s.order.holds.iter_mut().for_each(|h| h.reason = None);
    }),
    ("return.name", |s| s.order.returns.iter_mut().for_each(|r| r.name = None)),
    ("return.note", |s| s.order.returns.iter_mut().for_each(|r| r.decline_note = None)),
    ("return.label", |s| s.order.returns.iter_mut().for_each(|r| r.label = None)),
    ("return.label_url", |s| s.label(|l| l.url = None)),
    ("return.label_carrier", |s| s.label(|l| l.carrier = None)),
    ("return.label_number", |s| s.label(|l| l.number = None)),
];

/// Facts that are there in another way.
const VARIANTS: &[Fact] = &[
    ("paid", |s| s.paid_as(PaymentState::Paid)),
    ("money refunded", |s| s.paid_as(PaymentState::Refunded)),
    ("payment authorised only", |s| s.paid_as(PaymentState::Authorized)),
    ("payment failed", |s| s.paid_as(PaymentState::Failed)),
    ("payment expired", |s| s.paid_as(PaymentState::Expired)),
    ("cash on delivery", |s| {
        s.order.pay = None;
        s.head(|h| h.cash_on_delivery = true);
    }),
    ("cancelled by the customer", |s| s.order.cancel_reason = Some("customer".into())),
    ("cancelled for fraud", |s| s.order.cancel_reason = Some("fraud".into())),
    ("cancelled unpaid in time", |s| {
        s.paid_as(PaymentState::Pending);
        s.order.cancel_reason = Some("timeout".into());
    }),
    ("held for the address", |s| {
        s.order.holds.iter_mut().for_each(|h| h.reason = Some("incorrect_address".into()));
    }),
    ("held for the payment", |s| s.order.holds.iter_mut().for_each(|h| h.reason = Some("awaiting_payment".into()))),
    ("one item", |s| s.head(|h| h.items.truncate(1))),
    ("many items", |s| {
        s.head(|h| h.items = std::iter::repeat_n(h.items.clone(), 3).flatten().collect());
    }),
    ("parcel at a store", |s| {
        let at = s.now;
        s.order.parcels.iter_mut().for_each(|p| p.state.see(ParcelState::ReadyForPickup, at));
    }),
    ("digital", |s| s.order.parcels.iter_mut().for_each(|p| p.digital = true)),
    ("test order", |s| s.head(|h| h.test = true)),
];

/// Everything known; each fact taken away; nothing known; each fact alone; each variant.
pub fn proofs(locale: &'static str) -> Vec<Sample> {
    let full = full(locale);
    let without = |kept: Option<&str>| {
        let mut bare = full.clone();
        // A part of what is kept stays with it: a parcel's number needs the parcel.
        let belongs = |fact: &str| kept.is_some_and(|k| k == fact || k.split('.').next() == Some(fact));
        FACTS.iter().filter(|(fact, _)| !belongs(fact)).for_each(|(_, take)| take(&mut bare));
        bare
    };
    let mut all = vec![full.clone()];
    for (fact, take) in FACTS {
        let mut sample = full.clone().named(format!("without {fact}"));
        take(&mut sample);
        all.push(sample);
    }
    for (variant, make) in VARIANTS {
        let mut sample = full.clone().named((*variant).to_string());
        make(&mut sample);
        all.push(sample);
        let mut sample = without(None).named(format!("bare, {variant}"));
        make(&mut sample);
        all.push(sample);
    }
    all.push(without(None).named("bare".to_string()));
    all.extend(FACTS.iter().map(|(fact, _)| without(Some(fact)).named(format!("only {fact}"))));
    all
}

/// A subject in the sample orders of which `milestone` can be told.
pub fn subject(milestone: &str) -> Subject {
    match milestone {
        "payment_authorized" | "payment_received" | "payment_partially_received" => Subject::Transaction("t1".into()),
        "refunded" | "partially_refunded" => Subject::Refund("r1".into()),
        "on_hold" | "hold_released" => Subject::Hold("h1".into()),
        "order_edited" => Subject::Edit("e1".into()),
        "customer_note" => Subject::Note("n1".into()),
        "partially_shipped"
        | "shipped"
        | "tracking_updated"
        | "in_transit"
        | "delivery_delayed"
        | "out_for_delivery"
        | "delivery_attempted"
        | "ready_for_pickup"
        | "pickup_reminder"
        | "pickup_store_changed"
        | "picked_up"
        | "delivered"
        | "delivery_failed" => Subject::Parcel("1".into()),
        m if m.starts_with("return_") => Subject::Return("ret1".into()),
        _ => Subject::Order,
    }
}

/// Whether this sample is one that joins are proven on too; the others differ by a single fact.
pub fn is_whole(sample: &Sample) -> bool {
    !sample.name.starts_with("only ") && !sample.name.starts_with("without ")
}

/// What the words of a milestone are proven together with: nothing, and what commonly happens with it.
pub fn joins(milestone: &str) -> &'static [&'static [&'static str]] {
    match milestone {
        "order_placed" => &[
            &[],
            &["payment_received"],
            &["order_confirmed"],
            &["order_confirmed", "payment_received"],
            &["payment_pending"],
            &["payment_authorized"],
            &["payment_authorized", "payment_received"],
            &["payment_partially_received"],
            &["order_confirmed", "payment_received", "preparing"],
        ],
        "order_confirmed" => &[&[], &["payment_received"], &["preparing"], &["payment_authorized"]],
        "payment_authorized" => &[&[], &["payment_received"], &["order_confirmed"]],
        "payment_received" | "payment_partially_received" => &[&[], &["order_confirmed"], &["preparing"]],
        "shipped" => &[&[], &["in_transit"], &["completed"], &["tracking_updated"], &["partially_shipped"]],
        "partially_shipped" => &[&[], &["in_transit"], &["tracking_updated"]],
        "ready_for_pickup" => &[&[], &["pickup_store_changed"]],
        "delivered" | "picked_up" => &[&[], &["completed"]],
        "cancelled" => &[&[], &["refunded"], &["partially_refunded"]],
        "refunded" | "partially_refunded" => &[&[], &["cancelled"], &["return_closed"]],
        "return_approved" => &[&[], &["return_label_ready"]],
        "return_closed" => &[&[], &["refunded"], &["partially_refunded"]],
        _ => &[&[]],
    }
}
