//! Shopify's JSON, only the fields that are read. Every field may be absent, null or of an odd type
//! (protected data is nulled in apps that Shopify has not approved; field types differ within one version),
//! so everything is lenient and only ids are asked for later. Field names are those of the webhooks
//! (payload samples of API versions 2023-07 … 2026-04); the questions of `ask` name their fields alike.

use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::platform::meta::{
    Anything, Count, Flag, Id, Many, Part, Prose, Seen, Take, Text, Texts, When, items, lenient,
};
use serde::Deserialize;
use serde::de::SeqAccess;

/// An id as its digits: from a number, from text, or from the end of `gid://shopify/Order/1`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gid(pub(super) Option<String>);

impl<'de> Take<'de> for Gid {
    fn text(text: &str) -> Self {
        let Id(id) = Id::text(text);
        let digits = id.as_deref().and_then(|id| id.rsplit('/').next()).and_then(|id| id.split('?').next());
        Gid(digits.filter(|d| is_number(d)).map(str::to_string))
    }
    fn uint(number: u64) -> Self {
        Gid(Some(number.to_string()))
    }
}
lenient!(Gid);

/// Whether this is an id as Shopify numbers them.
pub(super) fn is_number(id: &str) -> bool {
    (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit())
}

/// What kind of thing a `gid://shopify/<kind>/<number>` names.
pub(super) fn kind_of(gid: &Text) -> Option<&str> {
    gid.0.as_deref()?.strip_prefix("gid://shopify/")?.split_once('/').map(|(kind, _)| kind)
}

/// `orders/*` and the answer of `ask`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Order {
    pub(super) id: Gid,
    pub(super) admin_graphql_api_id: Text,
    pub(super) name: Text,
    pub(super) order_number: Seen<Text>,
    pub(super) created_at: When,
    pub(super) updated_at: When,
    pub(super) cancelled_at: When,
    pub(super) cancel_reason: Text,
    pub(super) confirmed: Flag,
    pub(super) test: Flag,
    pub(super) financial_status: Seen<Text>,
    pub(super) fulfillment_status: Seen<Text>,
    pub(super) currency: Text,
    pub(super) presentment_currency: Text,
    pub(super) current_total_price: Text,
    pub(super) current_total_price_set: Part<MoneySet>,
    pub(super) total_price: Text,
    pub(super) total_price_set: Part<MoneySet>,
    pub(super) total_outstanding: Text,
    pub(super) total_outstanding_set: Part<MoneySet>,
    pub(super) payment_gateway_names: Texts,
    pub(super) payment_terms: Part<Terms>,
    pub(super) email: Text,
    pub(super) contact_email: Text,
    pub(super) phone: Text,
    pub(super) customer_locale: Text,
    pub(super) customer: Part<Customer>,
    pub(super) shipping_address: Part<Address>,
    pub(super) billing_address: Part<Address>,
    pub(super) note_attributes: Many<Attribute>,
    pub(super) line_items: Many<Line>,
    pub(super) fulfillments: Many<Fulfillment>,
    pub(super) refunds: Many<Refund>,
    pub(super) returns: Many<Return>,
    /// Only asked for, never in a webhook.
    pub(super) fulfillment_orders: Many<Ref>,
    pub(super) source_name: Text,
    pub(super) app_id: Gid,
    pub(super) location_id: Gid,
    pub(super) tags: Texts,
    pub(super) order_status_url: Text,
    pub(super) token: Text,
    // Keys that an order never has: where one is here, the body is another thing.
    pub(super) order_id: Seen<Anything>,
    pub(super) order_edit: Seen<Anything>,
    pub(super) fulfillment_id: Seen<Anything>,
    pub(super) fulfillment_order: Seen<Anything>,
}

/// A body that is nothing but an id: `orders/delete`, and what is left of a body that was too large.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OnlyId {
    pub(super) id: Gid,
    pub(super) admin_graphql_api_id: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MoneySet {
    pub(super) presentment_money: Part<Amount>,
    pub(super) shop_money: Part<Amount>,
}

/// An amount; `total_unsettled_set` writes `currency`, everything else `currency_code`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Amount {
    pub(super) amount: Text,
    pub(super) currency_code: Text,
    pub(super) currency: Text,
}

impl Amount {
    /// Its currency, under whichever key.
    pub(super) fn code(&self) -> Option<&str> {
        self.currency_code.0.as_deref().or(self.currency.0.as_deref())
    }
    fn money(&self) -> Option<Money> {
        Money::parse(self.amount.as_str(), self.code()?)
    }
}

impl Part<MoneySet> {
    /// What the customer saw, else what the shop counts in.
    pub(super) fn money(&self) -> Option<Money> {
        self.sides().find_map(Amount::money)
    }
    /// The currency the customer saw, else the shop's.
    pub(super) fn currency(&self) -> Option<&str> {
        self.sides().find_map(Amount::code)
    }
    fn sides(&self) -> impl Iterator<Item = &Amount> {
        self.0.iter().flat_map(|set| [&set.presentment_money, &set.shop_money]).filter_map(|side| side.0.as_ref())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Terms {
    pub(super) payment_schedules: Many<Schedule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Schedule {
    pub(super) due_at: When,
    pub(super) completed_at: When,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Customer {
    pub(super) id: Gid,
    pub(super) email: Text,
    pub(super) phone: Text,
    pub(super) first_name: Text,
    pub(super) last_name: Text,
    pub(super) default_address: Part<Address>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Address {
    pub(super) first_name: Text,
    pub(super) last_name: Text,
    pub(super) phone: Text,
    pub(super) country_code: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Attribute {
    pub(super) name: Text,
    pub(super) value: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    pub(super) title: Prose,
    pub(super) name: Prose,
    pub(super) quantity: Count,
    pub(super) current_quantity: Count,
    pub(super) requires_shipping: Flag,
    pub(super) image: Part<Image>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Image {
    pub(super) url: Text,
    pub(super) src: Text,
}

/// `fulfillments/*` and an order's `fulfillments[]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fulfillment {
    pub(super) id: Gid,
    pub(super) admin_graphql_api_id: Text,
    pub(super) order_id: Gid,
    pub(super) status: Text,
    pub(super) shipment_status: Seen<Text>,
    pub(super) tracking_company: Text,
    pub(super) tracking_number: Seen<Text>,
    pub(super) tracking_numbers: Seen<Texts>,
    pub(super) tracking_url: Text,
    pub(super) tracking_urls: Texts,
    pub(super) created_at: When,
    pub(super) updated_at: When,
    pub(super) line_items: Many<CarriedLine>,
    // A carrier's scan has this key, a fulfilment has not.
    pub(super) fulfillment_id: Seen<Anything>,
    // Only asked for, never in a webhook.
    pub(super) requires_shipping: Flag,
    pub(super) tracking_info: Many<TrackingInfo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CarriedLine {
    pub(super) requires_shipping: Flag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TrackingInfo {
    pub(super) company: Text,
    pub(super) number: Text,
    pub(super) url: Text,
}

/// `fulfillment_events/create`: a carrier's scan.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Scan {
    pub(super) admin_graphql_api_id: Text,
    pub(super) fulfillment_id: Gid,
    pub(super) order_id: Gid,
    pub(super) status: Text,
    pub(super) message: Text,
    pub(super) happened_at: When,
    pub(super) created_at: When,
    pub(super) estimated_delivery_at: When,
}

/// `refunds/create` and an order's `refunds[]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refund {
    pub(super) id: Gid,
    pub(super) admin_graphql_api_id: Text,
    pub(super) order_id: Gid,
    pub(super) created_at: When,
    pub(super) processed_at: When,
    pub(super) transactions: Seen<Many<Transaction>>,
    pub(super) refund_line_items: Seen<Anything>,
    #[serde(rename = "return")]
    pub(super) return_: Part<Ref>,
}

/// `order_transactions/create` and a refund's `transactions[]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Transaction {
    pub(super) id: Gid,
    pub(super) admin_graphql_api_id: Text,
    pub(super) order_id: Gid,
    pub(super) kind: Text,
    pub(super) status: Text,
    pub(super) amount: Text,
    pub(super) currency: Text,
    pub(super) amount_set: Part<MoneySet>,
    pub(super) total_unsettled_set: Part<MoneySet>,
    pub(super) created_at: When,
    pub(super) processed_at: When,
}

impl Transaction {
    /// How much; `currency` may be null, then `fallback` is taken.
    pub(super) fn money(&self, fallback: Option<&str>) -> Option<Money> {
        let currency = self.currency.0.as_deref().or(self.total_unsettled_set.currency()).or(fallback);
        self.amount_set.money().or_else(|| Money::parse(self.amount.as_str(), currency?))
    }
    /// When it came to its present state.
    pub(super) fn at(&self) -> Option<Timestamp> {
        self.created_at.0.max(self.processed_at.0)
    }
}

/// `returns/*` and an order's `returns[]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Return {
    pub(super) id: Gid,
    pub(super) admin_graphql_api_id: Text,
    pub(super) name: Text,
    pub(super) status: Text,
    /// `returns/request`, `approve` and `decline` name their order thus …
    pub(super) order: Part<Ref>,
    /// … and `cancel`, `close` and `reopen` thus.
    pub(super) order_id: Gid,
    pub(super) decline: Seen<Part<Decline>>,
    pub(super) return_line_items: Seen<Anything>,
    pub(super) total_return_line_items: Seen<Anything>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Decline {
    pub(super) note: Prose,
}

/// A thing of which only the id matters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ref {
    pub(super) id: Gid,
}

/// `reverse_deliveries/attach_deliverable`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReverseDelivery {
    #[serde(rename = "return")]
    pub(super) return_: Part<Ref>,
    pub(super) shipping_deliverable: Part<Deliverable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Deliverable {
    pub(super) tracking: Part<ReturnTracking>,
    pub(super) label: Part<Label>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReturnTracking {
    pub(super) carrier_name: Text,
    pub(super) tracking_number: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Label {
    pub(super) public_file_url: Text,
    pub(super) created_at: When,
}

/// `orders/edited`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Edited {
    pub(super) order_edit: Part<OrderEdit>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OrderEdit {
    pub(super) id: Gid,
    pub(super) order_id: Gid,
    pub(super) created_at: When,
    pub(super) committed_at: When,
    pub(super) notify_customer: Flag,
}

/// `fulfillment_orders/*` and `fulfillment_holds/*`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Work {
    pub(super) fulfillment_order: Part<FulfillmentOrder>,
    pub(super) created_fulfillment_hold: Part<Hold>,
    pub(super) fulfillment_hold: Part<Hold>,
    pub(super) progress_report: Seen<Anything>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FulfillmentOrder {
    pub(super) id: Gid,
    pub(super) status: Text,
    pub(super) request_status: Text,
    pub(super) delivery_method: Part<DeliveryMethod>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeliveryMethod {
    pub(super) method_type: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Hold {
    pub(super) id: Gid,
    pub(super) reason: Text,
}

/// `customers/data_request`, `customers/redact`, `shop/redact`, `app/uninstalled`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Notice {
    pub(super) shop_domain: Text,
    pub(super) myshopify_domain: Seen<Text>,
    pub(super) shop_id: Seen<Anything>,
    pub(super) customer: Seen<Part<Customer>>,
    pub(super) data_request: Seen<Anything>,
    pub(super) orders_to_redact: Seen<Gids>,
    pub(super) orders_requested: Gids,
}

/// A list of ids; what is none is passed over.
#[derive(Debug, Default)]
pub(super) struct Gids(pub(super) Vec<String>);

impl<'de> Take<'de> for Gids {
    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        items::<Gid, A>(list).map(|ids| Gids(ids.into_iter().filter_map(|id| id.0).collect()))
    }
}

lenient!(Gids);
