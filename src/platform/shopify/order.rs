//! Order snapshots: `orders/*`, and the same facts asked for over GraphQL.

use super::wire::{self, Edited, OnlyId, kind_of};
use super::{Body, join, parts};
use crate::domain::clock::Timestamp;
use crate::domain::event::{About, OrderEvent, Patch, Told};
use crate::domain::ids::OrderId;
use crate::domain::money::Money;
use crate::domain::order::{Contact, Edit, Head, Item, OrderKey, PayHow, PaymentState, Source, SourceKind, Stage};
use crate::platform::Shop;
use crate::platform::meta::{Text, Texts, clean, first, https};

/// Shopify's own sample order, sent by "Send test notification": cancelled and voided whatever the topic.
const SAMPLE: &str = "820982911946154508";
/// Longest body that can be nothing but an id.
const ONLY_ID: usize = 256;
/// First lines of an order that are kept.
const MAX_LINES: usize = 10;
/// Labels kept; Shopify itself allows 250.
const MAX_TAGS: usize = 50;

/// A whole order.
pub(super) fn snapshot(body: &Body) -> Result<Told, String> {
    if let Some(id) = only_id(body) {
        // A body over the transport's limit is cut down to its id: the order has to be asked for.
        let mut event = body.event(About::Order(id), None, Patch::default());
        event.refetch = true;
        return Ok(Told::Events(vec![event]));
    }
    let order: wire::Order = body.parse()?;
    let id = id_of(&order).filter(|_| is_order(&order)).ok_or_else(|| body.misfit())?;
    if id == SAMPLE && order.test.yes() {
        return Ok(Told::Check("shopify_sample"));
    }
    if of_other_shop(body.shop, &order) {
        return Ok(Told::NoInterest("other_shop"));
    }
    let mut event = body.event(About::Order(id.as_str().into()), time_of(&order), Patch::default());
    fill(&mut event, body.shop, &order);
    Ok(Told::Events(vec![event]))
}

/// `orders/edited`: an edit, not an order.
pub(super) fn edited(body: &Body) -> Result<Told, String> {
    let edited: Edited = body.parse()?;
    let edit = edited.order_edit.0.ok_or_else(|| body.misfit())?;
    let (Some(id), Some(order)) = (edit.id.0, edit.order_id.0) else { return Err(body.misfit()) };
    let time = edit.committed_at.0.or(edit.created_at.0);
    let mut event = body.event(About::Order(order.into()), time, Patch::default());
    event.patch.edits.push(Edit { id, at: event.at, notify: edit.notify_customer.yes() });
    Ok(Told::Events(vec![event]))
}

/// `orders/delete`: an id and nothing else; any other body would be a living thing under a wrong topic.
pub(super) fn deleted(body: &Body) -> Result<Told, String> {
    let id = only_id(body).ok_or_else(|| body.misfit())?;
    let patch = Patch { deleted: true, ..Patch::default() };
    Ok(Told::Events(vec![body.event(About::Order(id), None, patch)]))
}

fn only_id(body: &Body) -> Option<OrderId> {
    let small = body.bytes.len() <= ONLY_ID;
    let only: OnlyId = small.then(|| serde_json::from_slice(body.bytes).ok()).flatten()?;
    let of_order = kind_of(&only.admin_graphql_api_id).is_none_or(|kind| kind == "Order");
    only.id.0.filter(|_| of_order).map(OrderId::from)
}

/// The id; where the two differ, a tool on the way has put the number through a double.
pub(super) fn id_of(order: &wire::Order) -> Option<String> {
    let gid = order.admin_graphql_api_id.0.as_deref().filter(|_| kind_of(&order.admin_graphql_api_id) == Some("Order"));
    let digits = gid.and_then(|gid| gid.rsplit('/').next()).filter(|d| wire::is_number(d));
    digits.map(str::to_string).or_else(|| order.id.0.clone())
}

/// The body is an order and nothing else that has an id.
fn is_order(order: &wire::Order) -> bool {
    let foreign =
        order.order_id.here || order.order_edit.here || order.fulfillment_id.here || order.fulfillment_order.here;
    let marks = order.financial_status.here || order.fulfillment_status.here || order.order_number.here;
    !foreign && kind_of(&order.admin_graphql_api_id).map_or(marks, |kind| kind == "Order")
}

/// The status page is on the shop's own domain or on Shopify's; only the latter can be compared.
fn of_other_shop(shop: &Shop, order: &wire::Order) -> bool {
    let url = url::Url::parse(order.order_status_url.as_str()).ok();
    let host = url.as_ref().and_then(|u| u.host_str()).filter(|h| h.ends_with(".myshopify.com"));
    host.zip(shop.domain.as_deref()).is_some_and(|(host, own)| !host.eq_ignore_ascii_case(own))
}

/// When the snapshot was true.
pub(super) fn time_of(order: &wire::Order) -> Option<Timestamp> {
    order.updated_at.0.or(order.created_at.0)
}

/// Puts all that a snapshot says into `event`, at the event's time.
pub(super) fn fill(event: &mut OrderEvent, shop: &Shop, order: &wire::Order) {
    let patch = &mut event.patch;
    patch.head = head(shop, order).map(Box::new);
    patch.payment.extend(payment_state(order.financial_status.value.as_str()).map(|state| (state, None)));
    patch.stage = stages(order);
    patch.cancel_reason = order.cancelled_at.0.and(order.cancel_reason.0.as_ref()).map(|r| r.to_ascii_lowercase());
    patch.pay = due(order).map(|due_at| PayHow { due_at: Some(due_at), ..PayHow::default() });
    let partial = match order.fulfillment_status.value.as_str().to_ascii_lowercase().as_str() {
        "partial" | "partially_fulfilled" => Some(true),
        "fulfilled" => Some(false),
        _ => None,
    };
    for fulfillment in &order.fulfillments.0 {
        patch.parcels.extend(parts::parcel(fulfillment, event.at, partial));
        event.joins.extend(join("fulfillment", &fulfillment.id));
    }
    let currency = order.current_total_price_set.currency().or(order.currency.0.as_deref());
    for refund in &order.refunds.0 {
        patch.refunds.extend(parts::refund_of(refund, event.at, currency));
        event.joins.extend(refund.return_.0.as_ref().and_then(|r| join("return", &r.id)));
    }
    for part in &order.returns.0 {
        patch.returns.extend(parts::return_of(part, false));
        event.joins.extend(join("return", &part.id));
    }
    event.joins.extend(order.fulfillment_orders.0.iter().filter_map(|f| join("fulfillment_order", &f.id)));
}

fn head(shop: &Shop, order: &wire::Order) -> Option<Head> {
    // A trimmed payload (`include_fields`) is no head: it would overwrite a whole one with holes.
    let number = order.order_number.value.0.as_ref().map(|n| format!("#{n}"));
    let name = order.name.0.clone().or(number)?;
    let created_at = order.created_at.0?;
    let (shipping, billing) = (order.shipping_address.0.as_ref(), order.billing_address.0.as_ref());
    let lines = &order.line_items.0;
    let country = [shipping, billing].into_iter().flatten().filter_map(|a| a.country_code.0.as_deref());
    let country = country.map(str::to_ascii_uppercase).find(|c| c.len() == 2);
    let methods: Vec<String> = order.payment_gateway_names.told().filter_map(method).take(4).collect();
    Some(Head {
        name,
        created_at,
        source: source(order),
        test: order.test.yes(),
        total: total(order),
        outstanding: outstanding(order),
        payment_method: (!methods.is_empty()).then(|| methods.join(", ")),
        cash_on_delivery: cash_on_delivery(&order.payment_gateway_names),
        locale: order.customer_locale.0.clone(),
        country,
        contact: contact(shop, order),
        items: items(lines),
        // Trimmed or redacted lines: an address to ship to says the same.
        shippable: lines.iter().any(|l| l.requires_shipping.yes()) || (lines.is_empty() && shipping.is_some()),
        tags: order.tags.told().map(str::to_string).take(MAX_TAGS).collect(),
        status_url: https(order.order_status_url.as_str()),
        key: OrderKey::of(order.token.as_str()),
    })
}

fn total(order: &wire::Order) -> Option<Money> {
    // `total_price` is that of the checkout; after edits and refunds the current one counts.
    let in_shop_currency = |amount: &Text| Money::parse(amount.as_str(), order.currency.as_str());
    let current = order.current_total_price_set.money().or_else(|| in_shop_currency(&order.current_total_price));
    current.or_else(|| order.total_price_set.money()).or_else(|| in_shop_currency(&order.total_price))
}

fn outstanding(order: &wire::Order) -> Option<Money> {
    // In webhooks it is told in the shop's currency alone; where the customer saw another, it would mislead.
    let seen = order.presentment_currency.0.as_ref().is_none_or(|seen| Some(seen) == order.currency.0.as_ref());
    let plain = seen.then(|| Money::parse(order.total_outstanding.as_str(), order.currency.as_str())).flatten();
    let left = order.total_outstanding_set.money().or(plain);
    left.filter(|m| !m.is_zero() && m.amount.is_sign_positive())
}

/// Names of manual methods are the shop's own words; the others are handles, made readable.
fn method(name: &str) -> Option<String> {
    let handle = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    match name {
        "manual" | "" => None,
        _ if !handle => Some(name.to_string()),
        _ => {
            let words = name.split('_').filter(|w| !w.is_empty()).map(|word| {
                let mut rest = word.chars();
                rest.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(rest).collect::<String>()
            });
            Some(words.collect::<Vec<_>>().join(" ")).filter(|m| !m.is_empty())
        }
    }
}

/// Shopify has no mark for it, only the name of the method: its own default name, and the words shops use.
fn cash_on_delivery(names: &Texts) -> bool {
    const WORDS: &[&str] = &[
        "cash on delivery",
        "collect on delivery",
        "cash_on_delivery",
        "貨到付款",
        "货到付款",
        "取貨付款",
        "代收貨款",
        "到付",
        "thanh toán khi nhận",
        "thu hộ",
        "代金引換",
        "nachnahme",
        "contre remboursement",
        "contrareembolso",
    ];
    names.told().any(|name| {
        let name = name.to_lowercase();
        WORDS.iter().any(|word| name.contains(word)) || name.split(|c: char| !c.is_alphanumeric()).any(|w| w == "cod")
    })
}

fn contact(shop: &Shop, order: &wire::Order) -> Contact {
    let customer = order.customer.0.as_ref();
    let addresses = [order.shipping_address.0.as_ref(), order.billing_address.0.as_ref()];
    let addresses = || addresses.into_iter().flatten();
    // The order of trust: what was given for this order before what is known of the person.
    let phones = std::iter::once(&order.phone)
        .chain(addresses().map(|a| &a.phone))
        .chain(customer.map(|c| &c.phone))
        .chain(customer.and_then(|c| c.default_address.0.as_ref()).map(|a| &a.phone));
    let emails = [&order.email, &order.contact_email].into_iter().chain(customer.map(|c| &c.email));
    Contact {
        first_name: first(customer.map(|c| &c.first_name).into_iter().chain(addresses().map(|a| &a.first_name))),
        last_name: first(customer.map(|c| &c.last_name).into_iter().chain(addresses().map(|a| &a.last_name))),
        emails: distinct(emails),
        phones: distinct(phones),
        identities: identities(shop, order),
        customer_id: customer.and_then(|c| c.id.0.clone()),
    }
}

fn distinct<'a>(texts: impl Iterator<Item = &'a Text>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for text in texts.filter_map(|t| t.0.as_ref()) {
        if !found.iter().any(|f| f.eq_ignore_ascii_case(text)) {
            found.push(text.clone());
        }
    }
    found
}

/// Cart attributes that the settings name; anybody can write them.
fn identities(shop: &Shop, order: &wire::Order) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (scheme, names) in &shop.identify {
        for attribute in &order.note_attributes.0 {
            let named = names.iter().any(|n| n.eq_ignore_ascii_case(attribute.name.as_str()));
            let value = attribute.value.0.as_ref().filter(|v| named && v.len() <= 256);
            found.extend(value.map(|v| (scheme.clone(), v.clone())));
        }
    }
    found
}

fn items(lines: &[wire::Line]) -> Vec<Item> {
    // Lines taken out by an edit stay with a current quantity of 0; after a full refund all have it.
    let left = |l: &wire::Line| l.current_quantity.0.or(l.quantity.0).unwrap_or(1);
    let all_gone = lines.iter().all(|l| left(l) == 0);
    let quantity = |l: &wire::Line| if all_gone { l.quantity.0.unwrap_or(1) } else { left(l) };
    let kept = lines.iter().filter(|l| quantity(l) > 0).filter_map(|l| {
        // `name` is the title with its variant.
        let title = l.name.0.as_deref().or(l.title.0.as_deref()).and_then(clean)?;
        let image = l.image.0.as_ref().and_then(|i| first([&i.url, &i.src])).and_then(|u| https(&u));
        Some(Item { title, quantity: quantity(l), image })
    });
    kept.take(MAX_LINES).collect()
}

fn source(order: &wire::Order) -> Source {
    // Words that Shopify reserves; an order of an app carries its name or its number. The numbers are those
    // of Shopify's own apps: online store, POS, draft orders (seen in many public payloads).
    const MARKETPLACES: &[&str] = &[
        "amazon",
        "coupang",
        "ebay",
        "etsy",
        "facebook",
        "google",
        "instagram",
        "lazada",
        "momo",
        "pinduoduo",
        "rakuten",
        "shopee",
        "temu",
        "tiktok",
        "tmall",
        "walmart",
    ];
    let name = first([&order.source_name]).or_else(|| order.app_id.0.clone()).unwrap_or_default();
    let word = name.to_ascii_lowercase();
    let market = word.split(|c: char| !c.is_ascii_alphanumeric()).find(|w| MARKETPLACES.contains(w));
    let kind = match word.as_str() {
        "pos" | "iphone" | "android" | "129785" => SourceKind::Pos,
        "shopify_draft_order" | "1354745" => SourceKind::Staff,
        // `subscription_contract…` stands on renewals only; the first order of a subscription is `web`.
        _ if word.starts_with("subscription") => SourceKind::Subscription,
        _ if market.is_some() => SourceKind::Marketplace,
        _ => SourceKind::Web,
    };
    let till = kind == SourceKind::Pos;
    Source {
        kind,
        store_code: order.location_id.0.clone().filter(|_| till),
        store_name: market.filter(|_| kind == SourceKind::Marketplace).map(str::to_string),
        name,
    }
}

/// `financial_status` of webhooks and `displayFinancialStatus` of GraphQL; words to come are passed over.
fn payment_state(word: &str) -> Option<PaymentState> {
    Some(match word.to_ascii_lowercase().as_str() {
        "pending" => PaymentState::Pending,
        "authorized" => PaymentState::Authorized,
        "partially_paid" => PaymentState::PartiallyPaid,
        "paid" => PaymentState::Paid,
        "partially_refunded" => PaymentState::PartiallyRefunded,
        "refunded" => PaymentState::Refunded,
        "voided" => PaymentState::Voided,
        "expired" => PaymentState::Expired,
        _ => return None,
    })
}

fn stages(order: &wire::Order) -> Vec<(Stage, Option<Timestamp>)> {
    let mut stages = Vec::new();
    if let Some(created) = order.created_at.0 {
        stages.push((Stage::Placed, Some(created)));
        // A mark set at checkout, not a step: every later snapshot repeats it. Dated at the order's beginning
        // it never comes to stand behind a later step such as the cancellation.
        if order.confirmed.yes() {
            stages.push((Stage::Confirmed, Some(created)));
        }
    }
    stages.extend(order.cancelled_at.0.map(|at| (Stage::Cancelled, Some(at))));
    stages
}

/// The first instalment still open.
fn due(order: &wire::Order) -> Option<Timestamp> {
    let schedules = order.payment_terms.0.iter().flat_map(|t| &t.payment_schedules.0);
    schedules.filter(|s| s.completed_at.0.is_none()).filter_map(|s| s.due_at.0).min()
}
