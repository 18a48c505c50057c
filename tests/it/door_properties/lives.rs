//! Lives of orders as their shops' webhooks tell them: each webhook is the order as it was at one moment.

use crate::deliver::shops::{Tea, Webhook, Wood, shopify};
use orderwire::domain::clock::{Timestamp, plus_secs};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt, SeedableRng};
use serde_json::json;

/// How long before the end every life began. Seconds.
const AGO: i64 = 2 * 3600;

/// A life, told to two people: one in the first shop, one in the second.
pub struct Life {
    /// Its seed.
    pub seed: u64,
    /// The two shops.
    pub shops: [&'static str; 2],
    /// Order id.
    pub id: u64,
    /// Who reads it in the second shop.
    pub second: String,
    /// Its webhooks in order, for the first shop.
    pub straight: Vec<Webhook>,
    /// The same, for the second.
    pub bent: Vec<Webhook>,
}

/// The life of this seed; all of it happened before `end`.
pub fn life(seed: u64, end: Timestamp) -> Life {
    let wood = seed.is_multiple_of(2);
    let (tell, shops) =
        if wood { (wooden as Tell, ["wood", "wood-again"]) } else { (brewed as Tell, ["tea", "tea-again"]) };
    let person = |shop: u64| format!("U{shop:016x}{seed:016x}");
    Life {
        seed,
        shops,
        id: 1_000 + seed,
        second: person(2),
        straight: tell(seed, end, shops[0], &person(1)),
        bent: tell(seed, end, shops[1], &person(2)),
    }
}

type Tell = fn(u64, Timestamp, &'static str, &str) -> Vec<Webhook>;

/// The moments of a life, each later than the last.
struct Moments {
    rng: StdRng,
    at: Timestamp,
}

impl Moments {
    fn new(seed: u64, end: Timestamp) -> Moments {
        let start = plus_secs(end, -AGO);
        // Whole seconds: WooCommerce writes no others.
        Moments { rng: StdRng::seed_from_u64(seed), at: plus_secs(start, 0).round(jiff::Unit::Second).unwrap_or(start) }
    }

    fn next(&mut self) -> Timestamp {
        self.at = plus_secs(self.at, self.rng.random_range(20..600));
        self.at
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        *all.choose(&mut self.rng).expect("a choice")
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }
}

/// A Shopify order: paid at once or later, shipped, scanned, perhaps called off.
fn wooden(seed: u64, end: Timestamp, shop: &'static str, person: &str) -> Vec<Webhook> {
    let mut m = Moments::new(seed, end);
    let attributes = vec![("line_user_id", person.into())];
    let mut order = Wood { shop, email: "", attributes, ..Wood::paid(1_000 + seed, m.at) };
    let mut all = Vec::new();
    if m.chance(50) {
        order.financial = m.pick(&["pending", "authorized"]);
        all.push(order.webhook(m.next()));
        if m.chance(15) {
            order.financial = "voided";
            order.cancelled = Some(m.next());
            all.push(order.webhook(m.at));
            return all;
        }
        order.financial = "paid";
    }
    all.push(order.webhook(m.next()));
    let number = if m.chance(70) { "1Z0001" } else { "" };
    let left = m.next();
    order.ship(number, left);
    all.push(order.webhook(left));
    if m.chance(30) {
        let at = m.next();
        order.fulfillments[0]["tracking_number"] = json!("1Z0002");
        order.fulfillments[0]["tracking_numbers"] = json!(["1Z0002"]);
        order.fulfillments[0]["updated_at"] = json!(at.to_string());
        all.push(order.webhook(at));
    }
    let scans = ["in_transit", "out_for_delivery", "attempted_delivery", "ready_for_pickup", "delivered"];
    for scan in scans {
        if m.chance(60) {
            let at = m.next();
            order.scan(scan, at);
            // The parcel's own webhook, and often the order's.
            all.push(shopify(shop, "fulfillments/update", &order.fulfillments[0], at));
            if m.chance(50) {
                all.push(order.webhook(m.next()));
            }
        }
    }
    if m.chance(15) {
        order.financial = "refunded";
        all.push(order.webhook(m.next()));
    }
    all
}

/// A WooCommerce order: its status moves, a tracking number comes, it waits in a store or arrives.
fn brewed(seed: u64, end: Timestamp, shop: &'static str, person: &str) -> Vec<Webhook> {
    let mut m = Moments::new(seed, end);
    let mut order = Tea { shop, ..Tea::unpaid(1_000 + seed, m.at).line(person).mail("") };
    let mut all = Vec::new();
    if m.chance(60) {
        order.status = m.pick(&["pending", "on-hold"]);
        all.push(order.webhook(m.next()));
    }
    if m.chance(15) {
        order.status = m.pick(&["cancelled", "failed"]);
        all.push(order.webhook(m.next()));
        if order.status == "cancelled" {
            return all;
        }
    }
    (order.status, order.paid) = ("processing", Some(m.next()));
    all.push(order.webhook(m.at));
    for (status, percent) in [("packing", 50), ("on-hold", 15), ("processing", 30)] {
        if m.chance(percent) {
            order.status = status;
            all.push(order.webhook(m.next()));
        }
    }
    if m.chance(80) {
        let at = m.next();
        order.ship("F0001", at);
        order.status = m.pick(&["processing", "shipped"]);
        all.push(order.webhook(at));
    }
    for (status, percent) in [("in-transit", 30), ("ry-at-cvs", 50), ("picked-up", 40), ("completed", 50)] {
        if m.chance(percent) {
            order.status = status;
            all.push(order.webhook(m.next()));
        }
    }
    if m.chance(10) {
        order.status = "refunded";
        all.push(order.webhook(m.next()));
    }
    all
}
