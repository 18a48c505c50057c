//! WooCommerce: webhooks of shops on WordPress, and their REST API.
//!
//! Facts from a WooCommerce 11.0.1 on WordPress 7.1 that was run and recorded, from its source, and from the
//! source of the plugins named beside each fact (read November 2026). In short:
//! - a delivery is sent once and never repeated, whatever the answer: what was lost is asked for later;
//! - its body is the order as it was when the delivery was *built*; order of arrival means nothing;
//! - the signature covers the body alone: topic, source and ids are hints, and only narrow what a body means;
//! - errors of the shop itself arrive signed, as bodies with a `code`;
//! - the ping is not signed and must be answered with exactly 200.

mod actions;
mod ask;
mod body;
mod carriers;
mod door;
mod head;
mod inspect;
mod note;
mod parcels;
mod pay;
mod rest;
mod snapshot;
mod state;
mod text;
mod times;

use super::api::WriteBack;
use super::{AskFault, Kind, Question, Shop};
use crate::domain::event::{Patch, Told};
use crate::domain::webhook::RawWebhook;
use body::{Body, Order};
use snapshot::{Passed, Snapshot};

/// Longest body, in bytes: an order is about 3.3 KB, but plugins store whole API answers in its meta data.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// WooCommerce.
pub static KIND: Kind = Kind {
    name: "woocommerce",
    max_body: MAX_BODY,
    // Its queue marks a delivery done whatever the answer; seven failures in a row disable the webhook.
    repeats: false,
    example: EXAMPLE,
    admit: door::admit,
    normalise,
    ask: ask::ask,
    write: note::write,
    writes: &[WriteBack::Note],
    changed: ask::changed,
    inspect: inspect::inspect,
    mails_itself: MAILS_ITSELF,
};

/// Mails to the customer that WooCommerce 11 sends unless the shop switched them off. Not `cancelled`: that
/// mail goes to the shop's staff, the customer's own is off by default.
const MAILS_ITSELF: &[&str] = &[
    // "Processing order", also on cash on delivery; it serves as the receipt too.
    "order_confirmed",
    "payment_received",
    // "Order on-hold": with the bank details or codes to pay with.
    "payment_pending",
    "on_hold",
    // "Failed order", to the customer.
    "payment_failed",
    // "Completed order".
    "completed",
    // "Refunded order", "Partially refunded order".
    "refunded",
    "partially_refunded",
    // "Customer note".
    "customer_note",
    // "Fulfillment created", where the shop uses Fulfillments and ticked it.
    "shipped",
];

const EXAMPLE: &str = r#"[[shop]]
id = "demo-woo"                       # the name in the webhook's address: /hooks/woocommerce/demo-woo
platform = "woocommerce"
domain = "shop.example.com"           # deliveries of another site are refused
secrets = [{ env = "DEMO_WOO_SECRET" }] # as typed under WooCommerce > Settings > Advanced > Webhooks; 32+ letters and digits
country = "TW"                        # for phone numbers of orders that name no country
timezone = "Asia/Taipei"
locale = "zh-TW"
payment_deadline = "60m"              # WooCommerce > Settings > Products > Inventory > Hold stock
# identify_trusted = ["line"]         # only where your own pages fill it in: what carts carry may be anybody's messenger
# Webhooks to make: order.created, order.updated, order.deleted, order.restored and, for notes to the
# customer, the action woocommerce_new_customer_note; all with the same secret.

[shop.api]                            # optional: reads orders that a webhook only pointed at (docs/shop-api.md)
url = "https://shop.example.com"      # where /wp-json/wc/v3 is found
key = { env = "DEMO_WOO_KEY" }        # a REST API key that may read
secret = { env = "DEMO_WOO_KEY_SECRET" }
# private = true                       # the shop lies on a private network of yours
# write_back = "note"                  # a private note of the order says what was sent, delivered or withheld: the key
#                                      # must then be one that may write
# poll = "10m"                         # asks so often what changed, and tells what lost webhooks would have told
# grace = "5m"                         # a change is left to its webhook for so long before it counts as lost

[shop.statuses]                       # what statuses mean at this shop, without "wc-"
completed = "shipped"                 # shipped, delivered or picked_up; left out: completed
"awaiting-shipment" = "preparing"

[shop.identify]                       # meta keys of the order in which a plugin notes an address
line = ["line_user_id"]

[shop.track]                          # /t/demo-woo: order number and contact, then a code to that contact
enabled = true
embed_origins = ["https://shop.example.com"] # sites that may show it in a frame; left out: none

# [shop.people]                       # who reads what customers write and the relay does not answer (docs/people.md)
# to = "staff-slack"                  # a channel account that leads to them
# address = "help@shop.example.com"   # where that account writes to customers too: a mailbox, a Telegram group's id
# hours = ["Mon-Fri 09:00-18:00"]     # left out: whenever; outside, customers are told so once
# away = true
# quiet_minutes = 30                  # after a person answered, the relay answers nothing there by itself

# [shop.channels]                     # otherwise than routes say: active, no_new_optins, paused, draining
# line-main = "draining"              # orders that it tells of already are told to their end
"#;

/// What a genuine webhook told. The body's shape decides; the topic may only forbid.
fn normalise(shop: &Shop, raw: &RawWebhook) -> Told {
    let topic = door::topic(raw);
    let json = door::media_type(raw).is_none_or(|t| t == "application/json" || t.ends_with("+json"));
    if !json {
        return Told::NoInterest("not_json");
    }
    let hook = topic.strip_prefix("action.");
    let of_orders = topic.starts_with("order.");
    let body = match body::read(&raw.body) {
        Ok(body) => body,
        Err(why) if of_orders || hook.is_some_and(actions::known) => return Told::Unreadable(why),
        Err(_) => return Told::NoInterest("not_json"),
    };
    match body {
        Body::Empty => Told::NoInterest("empty"),
        Body::Fault(code) => Told::ShopFault(code),
        Body::Action(action, arg) if hook == Some(action.as_str()) => {
            actions::told(&action, arg, raw.received_at, &topic)
        }
        Body::Action(..) => Told::NoInterest("topic_differs"),
        _ if !of_orders => Told::NoInterest("unknown_topic"),
        // The shape says nothing but a number, so here the topic must say the rest.
        Body::OnlyId(id) if topic == "order.deleted" => {
            let patch = Patch { deleted: true, ..Patch::default() };
            Told::Events(vec![actions::event(&id, raw.received_at, patch, false, &topic)])
        }
        Body::Order(order) if of_other_shop(shop, &order) => Told::NoInterest("other_shop"),
        Body::Order(order) => match Snapshot::of(shop, *order) {
            Ok(snapshot) => Told::Events(vec![snapshot.event(shop, &topic)]),
            Err(Passed::NoInterest(why)) => Told::NoInterest(why),
            Err(Passed::Unreadable(why)) => Told::Unreadable(why.into()),
        },
        Body::Subscription => Told::NoInterest("subscription"),
        Body::OnlyId(_) | Body::Other => Told::Unreadable("an order's topic, and a body that is no order".into()),
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Links<'a> {
    #[serde(borrow, rename = "self")]
    own: body::List<'a>,
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Link {
    href: body::Loose,
}

/// Two shops that share a secret can be mistaken for each other by headers, but not by the address of the
/// order itself, which is signed.
fn of_other_shop(shop: &Shop, order: &Order<'_>) -> bool {
    let links: Links<'_> = body::part(order.links);
    match (&shop.domain, links.own.read::<Link>().next()) {
        (Some(domain), Some(link)) => !door::host_agrees(link.href.text(), domain),
        _ => false,
    }
}
