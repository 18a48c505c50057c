//! Shopify: classic webhooks in, Admin GraphQL for what they leave out.
//!
//! Facts are from Shopify's pages on webhooks (delivery, HTTPS headers, best practices), the webhook topics
//! and payloads of API versions 2023-07 … 2026-10, and its SDKs; read in November 2026.
//!
//! - Only the body is signed. The topic, the shop's domain and the delivery's id are not, so the address
//!   decides whose secrets count and the body's shape decides what is told; a topic may only narrow that.
//! - Nothing is derived from what came before: each body says what was true at its own time, so that any
//!   order of arrival ends alike.
//! - Parts: [`topics`] (which body stands under which topic), [`wire`] (Shopify's JSON), [`order`] (order
//!   snapshots), [`parts`] (fulfilments, refunds, returns …), [`work`] (fulfilment orders and holds),
//!   [`gql`] (GraphQL), [`ask`] [`changed`] [`write`] [`inspect`] (what is asked and said by it).

mod ask;
mod changed;
mod gql;
mod inspect;
mod order;
mod parts;
mod topics;
mod wire;
mod work;
mod write;

use super::api::WriteBack;
use super::{Kind, Shop};
use crate::domain::clock::Timestamp;
use crate::domain::event::{About, JoinKey, OrderEvent, Patch, Told};
use crate::domain::ids::Digest8;
use crate::domain::ids::OrderId;
use crate::domain::signature;
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use sha2::{Digest, Sha256};
use wire::Gid;

/// Shopify.
pub static KIND: Kind = Kind {
    name: "shopify",
    // Shopify's own people report bodies beyond 1 MB; a smaller limit would look like a bad signature.
    max_body: 6 * 1024 * 1024,
    repeats: true,
    example: EXAMPLE,
    admit,
    normalise,
    ask: ask::ask,
    write: write::write,
    writes: &[WriteBack::Tag, WriteBack::Metafield],
    changed: changed::changed,
    inspect: inspect::inspect,
    mails_itself: MAILS_ITSELF,
};

/// What Shopify mails by itself (Settings > Notifications > Customer notifications, 2026): one confirmation
/// when an order is placed (which is also when it is confirmed), order edited, cancelled, refund, payment
/// error; a shipping confirmation for every fulfilment, shipping update (tracking changed), out for delivery,
/// delivered; local pickup ready and picked up; return requested, approved, declined, label. Each can be
/// switched off there. Payment received, in transit, delays and holds are mailed to nobody.
const MAILS_ITSELF: &[&str] = &[
    "order_placed",
    "order_confirmed",
    "order_edited",
    "cancelled",
    "refunded",
    "partially_refunded",
    "payment_failed",
    "partially_shipped",
    "shipped",
    "tracking_updated",
    "out_for_delivery",
    "delivered",
    "ready_for_pickup",
    "picked_up",
    "return_requested",
    "return_approved",
    "return_label_ready",
    "return_declined",
];

const EXAMPLE: &str = r##"[[shop]]
id = "demo-us"                                  # webhooks go to /hooks/shopify/demo-us
platform = "shopify"
# The app's client secret; for webhooks made by hand in Settings > Notifications the key shown on that page.
# While it is being rotated list both: Shopify signs with the oldest that is not revoked.
secrets = [{ env = "DEMO_SHOPIFY_SECRET" }]
domain = "demo-us.myshopify.com"                # every webhook must come from it
country = "US"
timezone = "America/New_York"
locale = "en"
# identify_trusted = ["line"]                   # only where your own pages fill it in: what carts carry may be
#                                               # anybody's messenger
# Topics: orders/create, orders/updated, orders/edited, orders/delete, order_transactions/create,
# refunds/create, fulfillments/create, fulfillments/update, fulfillment_events/create,
# fulfillment_holds/added, fulfillment_holds/released, fulfillment_orders/progress_reported,
# fulfillment_orders/line_items_prepared_for_pickup, returns/request, returns/approve, returns/decline,
# returns/cancel, returns/close, returns/reopen, reverse_deliveries/attach_deliverable, customers/merge

[shop.api]                                      # holds, pickup and return labels carry no order id: they need it
url = "https://demo-us.myshopify.com"
secret = { env = "DEMO_SHOPIFY_TOKEN" }         # Admin API access token with read_orders, read_fulfillments,
                                                # read_returns, read_merchant_managed_fulfillment_orders
# write_back = "tag"                             # tags of the order (orderwire-sent, -delivered, -withheld, -failed), or
#                                                # "metafield", with the whole story; write_orders besides
# poll = "10m"                                   # asks so often what changed, and tells what lost webhooks would have told
# grace = "5m"                                   # a change is left to its webhook for so long before it counts as lost

[shop.identify]                                 # cart attributes that carry a messenger's address
line = ["line_user_id"]
"##;

/// Header of classic webhooks, and that of the "Events" preview, which shares the address.
const SIGNATURE: &str = "x-shopify-hmac-sha256";
const PREVIEW_SIGNATURE: &str = "shopify-hmac-sha256";

/// Is it genuine? The address decided the shop, its secrets decide the rest; the domain in the header is
/// unsigned and can only make a webhook refused.
fn admit(shop: &Shop, raw: &RawWebhook) -> Admission {
    // Where both kinds of headers are present Shopify's own SDK reads it as the preview.
    let prefix = if raw.has_header(PREVIEW_SIGNATURE) { "" } else { "x-" };
    let header = |name: &str| raw.header(&format!("{prefix}{name}"));
    let sent = raw.has_header(PREVIEW_SIGNATURE) || raw.has_header(SIGNATURE);
    if raw.method != "POST" || raw.body.is_empty() {
        return Admission::Refuse(Refusal::Unsigned);
    }
    // A missing or malformed signature takes the same way as a wrong one, so that time tells nothing.
    let given = header(PREVIEW_SIGNATURE).and_then(signature::decode_base64).unwrap_or_default();
    let Some(secret_index) = signature::signed_by(&shop.secrets, &raw.body, &given) else {
        return Admission::Refuse(if sent { Refusal::BadSignature } else { Refusal::Unsigned });
    };
    let domain = header("shopify-shop-domain").map(str::trim);
    if shop.domain.as_deref().is_some_and(|own| !domain.is_some_and(|d| d.eq_ignore_ascii_case(own))) {
        return Admission::Refuse(Refusal::WrongAccount);
    }
    let topic = header("shopify-topic").unwrap_or_default();
    let dedupe = dedupe(header("shopify-webhook-id"), topic, &raw.body);
    Admission::Take { dedupe, content: Digest8::of(&[&given]), secret_index }
}

/// `X-Shopify-Webhook-Id` stays the same over the repeats of one delivery. `X-Shopify-Event-Id` is shared by
/// all webhooks of one action and would drop real news.
fn dedupe(id: Option<&str>, topic: &str, body: &[u8]) -> String {
    match id.map(str::trim) {
        Some(id) if (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()) => format!("id:{id}"),
        _ => {
            let mut hash = Sha256::new();
            hash.update((topic.len() as u64).to_be_bytes());
            hash.update(topic);
            hash.update(body);
            format!("body:{}", hex::encode(hash.finalize()))
        }
    }
}

/// What a genuine webhook told.
fn normalise(shop: &Shop, raw: &RawWebhook) -> Told {
    if raw.has_header(PREVIEW_SIGNATURE) {
        return Told::NoInterest("shopify_events_preview");
    }
    // Webhooks made by hand may be set to XML; the content type is unsigned, so the body is looked at.
    let start = raw.body.iter().find(|b| !b.is_ascii_whitespace());
    if !start.is_some_and(|b| b"{[".contains(b)) {
        return Told::NoInterest("not_json");
    }
    let name = raw.header("x-shopify-topic").unwrap_or_default().trim().to_ascii_lowercase();
    let Some((topic, meaning)) = topics::find(&name) else { return Told::NoInterest("unknown_topic") };
    match meaning {
        topics::Meaning::None(why) => Told::NoInterest(why),
        topics::Meaning::Read(read) => {
            let body = Body { shop, topic, bytes: &raw.body, received_at: raw.received_at };
            read(&body).unwrap_or_else(Told::Unreadable)
        }
    }
}

/// A signed body under a topic that is known.
struct Body<'a> {
    shop: &'a Shop,
    topic: &'static str,
    bytes: &'a [u8],
    received_at: Timestamp,
}

impl Body<'_> {
    fn parse<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(self.bytes).map_err(|e| {
            // serde_json's own words may quote the body.
            let what = match e.classify() {
                Category::Eof => "the JSON ends too early",
                Category::Data => "a list is too long, or a key appears twice",
                Category::Syntax | Category::Io => "not valid JSON",
            };
            format!("{}: {what}, at line {} column {}", self.topic, e.line(), e.column())
        })
    }

    /// The body is another thing than the topic says: nothing is taken from it.
    fn misfit(&self) -> String {
        format!("{}: the body does not have the shape of this topic", self.topic)
    }

    /// An event about an order, or about a thing whose order has to be looked up. Without a time of its own
    /// it happened when it came.
    fn event(&self, about: About, at: Option<Timestamp>, patch: Patch) -> OrderEvent {
        OrderEvent {
            about,
            at: at.unwrap_or(self.received_at),
            dated: at.is_some(),
            patch,
            joins: Vec::new(),
            refetch: false,
            topic: self.topic.into(),
        }
    }

    /// The order named, else the thing by which it can be found.
    fn about(&self, order: &Gid, kind: &str, thing: &Gid) -> Result<About, String> {
        let order = order.0.as_deref().map(|id| About::Order(OrderId::from(id)));
        order.or_else(|| join(kind, thing).map(About::Join)).ok_or_else(|| self.misfit())
    }
}

fn join(kind: &str, id: &Gid) -> Option<JoinKey> {
    id.0.clone().map(|id| JoinKey { kind: kind.into(), id })
}
