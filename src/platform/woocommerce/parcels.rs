//! Parcels. WooCommerce has none: they are read from what plugins leave in the order's meta data, and counted
//! `1`, `2` … by position.
//!
//! Two families. A *shipment tracking* entry is written when the parcel leaves: it means shipped. A
//! *logistics order* (RY Tools, ECPay) gets its number when the label is printed, days before anybody carries
//! anything: it means labelled, and the carrier's status code or the order's status says the rest.

use super::body::{LineItem, List, Loose, Metas};
use super::snapshot::Snapshot;
use super::state::Effect;
use super::{carriers, text, times};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::event::ParcelPatch;
use crate::domain::order::{ParcelState, Tracking};
use crate::platform::meta::https;

const DAY: i64 = 86_400;
/// Most parcels of one order.
const PARCELS_MAX: usize = 30;
/// RY Tools: one map of logistics orders a service.
const LOGISTICS_KEYS: &[&str] = &["_ecpay_shipping_info", "_newebpay_shipping_info", "_smilepay_shipping_info"];

/// One parcel as the meta data tell it.
#[derive(Default)]
struct Found {
    number: Option<String>,
    carrier: Option<String>,
    url: Option<String>,
    /// States, each with its own time where one is noted.
    states: Vec<(ParcelState, Option<Timestamp>)>,
    partial: Option<bool>,
}

/// All that this body tells of parcels. `own` is the status's own time, where the body has one.
pub(super) fn parcels(order: &Snapshot<'_>, effect: &Effect, own: Option<Timestamp>) -> Vec<ParcelPatch> {
    let mut found = found(order);
    let effect = fulfilled(order, effect, found.is_empty());
    if found.is_empty() && effect.parcel.is_some() {
        // No parcel is told of, and still something was sent: it is the one.
        found.push(Found::default());
    }
    // Nothing to carry: a shop whose "completed" means "sent" says so of downloads too.
    let digital = order.body.needs_processing.flag() == Some(false) && !known(&order.metas);
    let patch = |(i, parcel): (usize, &Found)| ParcelPatch {
        id: (i + 1).to_string(),
        state: settled(order, parcel, effect.parcel.map(|s| (s, own))),
        tracking: tracking(order, parcel).into_iter().collect(),
        partial: if effect.partial { Some(true) } else { parcel.partial },
        digital,
        ..ParcelPatch::default()
    };
    found.iter().enumerate().map(patch).collect()
}

/// A parcel's states as this body dates them. The highest is what it is now; a lower one is kept only where
/// it has a time of its own before that. Otherwise every body would say "shipped" and "delivered" of one
/// moment, and the history of sightings would swing between them.
fn settled(
    order: &Snapshot<'_>,
    parcel: &Found,
    by_status: Option<(ParcelState, Option<Timestamp>)>,
) -> Vec<(ParcelState, Option<Timestamp>)> {
    let mut all: Vec<_> = parcel.states.iter().copied().chain(by_status).collect();
    all.sort_by_key(|(state, own)| (*state, own.unwrap_or(order.at)));
    let highest = all.last().map(|(state, _)| *state);
    let Some(now) = all.iter().find(|(state, _)| Some(*state) == highest).copied() else { return Vec::new() };
    let reached = now.1.unwrap_or(order.at);
    all.retain(|(state, own)| *state < now.0 && own.is_some_and(|own| own < reached));
    all.push(now);
    all
}

/// Whether the meta data tell of a parcel or of a store to carry it to.
pub(super) fn known(metas: &Metas<'_>) -> bool {
    let stores = ["_shipping_cvs_store_ID", "_ecpay_logistic_cvs_store_id", "_wooecpay_logistic_AllPayLogisticsID"];
    let lists = LOGISTICS_KEYS.iter().chain(&["_wc_shipment_tracking_items", "_aftership_tracking_items"]);
    stores.iter().any(|key| metas.text(key).is_some()) || lists.into_iter().any(|key| metas.list(key).len() > 0)
}

/// The carrier takes the money (`IsCollection`), whatever the payment method is called.
pub(super) fn collects(metas: &Metas<'_>) -> bool {
    LOGISTICS_KEYS.iter().any(|key| metas.list(key).read::<Logistics>().any(|l| l.is_collection.text() == "Y"))
}

/// The convenience-store chain of the order's parcels, or of its shipping method.
pub(super) fn chain(order: &Snapshot<'_>) -> Option<String> {
    let subtypes = LOGISTICS_KEYS.iter().flat_map(|key| order.metas.list(key).read::<Logistics>().collect::<Vec<_>>());
    subtypes
        .filter_map(|l| carriers::chain(l.subtype.text()))
        .next()
        .or_else(|| order.shipping_methods.iter().find_map(|m| carriers::chain(m)))
        .map(str::to_string)
}

/// Core "Fulfillments" (WooCommerce 10.1): the parcels themselves are not in the order's body, only how much
/// of it left.
fn fulfilled(order: &Snapshot<'_>, effect: &Effect, no_parcels: bool) -> Effect {
    let partial = match order.metas.text("_fulfillment_status").as_deref() {
        Some("fulfilled") => false,
        Some("partially_fulfilled") => true,
        _ => return *effect,
    };
    if effect.parcel.is_some() || !no_parcels {
        *effect
    } else {
        Effect { parcel: Some(ParcelState::Shipped), partial, ..*effect }
    }
}

/// Parcels of all plugins, each number once.
fn found(order: &Snapshot<'_>) -> Vec<Found> {
    let metas = &order.metas;
    let mut all = shipment_tracking(order);
    for key in LOGISTICS_KEYS {
        all.extend(logistics(order, &metas.list(key), *key == "_ecpay_shipping_info"));
    }
    all.extend(ecpay_plugin(order));
    all.extend(metas.list("_aftership_tracking_items").read::<AfterShip>().filter_map(|i| {
        let carrier = i.carrier_name.filled().or(i.slug.filled());
        plain(i.tracking_number.text(), carrier, None)
    }));
    all.extend(single(metas, "ywot_tracking_code", &["ywot_carrier_name", "ywot_carrier_id"], "ywot_carrier_url"));
    all.extend(single(metas, "_tracking_number", &["_tracking_provider", "_shipment_provider"], "_tracking_url"));
    let mut kept: Vec<Found> = Vec::new();
    for parcel in all {
        let again = parcel.number.is_some() && kept.iter().any(|k| k.number == parcel.number);
        if !again && kept.len() < PARCELS_MAX {
            kept.push(parcel);
        }
    }
    kept
}

/// Its number, told when the parcel's first state was: a number that came with the parcel is no later news.
fn tracking(order: &Snapshot<'_>, parcel: &Found) -> Option<Tracking> {
    let (carrier, url) = (parcel.carrier.clone(), parcel.url.clone());
    let own = parcel.states.first().and_then(|(_, own)| *own);
    Some(Tracking { at: own.unwrap_or(order.at), number: parcel.number.clone()?, carrier, url })
}

/// When a parcel left. The day noted with it (midnight UTC, whatever the shop's zone) is too coarse to tell news
/// from news of the same day, so the body's time counts (`None`). A body of days later is not the first that
/// told of this parcel: there the day says how old the news is.
fn sent(order: &Snapshot<'_>, noted: Timestamp) -> Option<Timestamp> {
    (plus_secs(noted, 2 * DAY) < order.at).then(|| noted.max(order.created))
}

/// Text that is a tracking number: short, and one word or a few groups.
fn number(raw: &str) -> Option<String> {
    text::line(raw).filter(|n| n.chars().count() <= 60 && n.chars().any(|c| c.is_ascii_digit()))
}

fn plain(raw: &str, carrier: Option<&str>, url: Option<&str>) -> Option<Found> {
    Some(Found {
        number: Some(number(raw)?),
        carrier: carrier.and_then(text::line).map(|c| carriers::name(&c)),
        url: url.and_then(https),
        states: vec![(ParcelState::Shipped, None)],
        ..Found::default()
    })
}

/// Plugins that keep one number in the order's own meta data.
fn single(metas: &Metas<'_>, key: &str, carriers: &[&str], url: &str) -> Option<Found> {
    let carrier = carriers.iter().find_map(|key| metas.text(key));
    plain(&metas.text(key)?, carrier.as_deref(), metas.text(url).as_deref())
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct AfterShip {
    tracking_number: Loose,
    slug: Loose,
    carrier_name: Loose,
}

/// Advanced Shipment Tracking and WooCommerce Shipment Tracking.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct ShipmentItem<'a> {
    tracking_provider: Loose,
    custom_tracking_provider: Loose,
    custom_tracking_link: Loose,
    tracking_number: Loose,
    date_shipped: Loose,
    #[serde(borrow)]
    products_list: List<'a>,
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct PackedProduct {
    qty: Loose,
}

fn shipment_tracking(order: &Snapshot<'_>) -> Vec<Found> {
    let items = order.metas.list("_wc_shipment_tracking_items");
    let read = |item: ShipmentItem<'_>| {
        let carrier = item.tracking_provider.filled().or(item.custom_tracking_provider.filled());
        let parcel = plain(item.tracking_number.text(), carrier, item.custom_tracking_link.filled())?;
        let left = times::unix(item.date_shipped.text()).and_then(|noted| sent(order, noted));
        Some(Found { states: vec![(ParcelState::Shipped, left)], partial: partial(&order.lines, &item), ..parcel })
    };
    items.read::<ShipmentItem<'_>>().filter_map(read).collect()
}

/// The plugin notes what is in a parcel only where the shop's staff picked: less than everything is a part.
fn partial(lines: &[LineItem<'_>], item: &ShipmentItem<'_>) -> Option<bool> {
    let number = |l: &Loose| l.text().parse::<f64>().unwrap_or(0.0);
    let packed: f64 = item.products_list.read::<PackedProduct>().map(|p| number(&p.qty)).sum();
    let bought: f64 = lines.iter().map(|l| number(&l.quantity)).sum();
    (packed > 0.0).then_some(packed < bought)
}

/// RY Tools' logistics order.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Logistics {
    #[serde(rename = "ID")]
    id: Loose,
    #[serde(rename = "LogisticsType")]
    kind: Loose,
    #[serde(rename = "LogisticsSubType")]
    subtype: Loose,
    #[serde(rename = "PaymentNo")]
    payment_no: Loose,
    #[serde(rename = "ValidationNo")]
    validation_no: Loose,
    #[serde(rename = "BookingNote")]
    booking_note: Loose,
    #[serde(rename = "IsCollection")]
    is_collection: Loose,
    status: Loose,
    create: Loose,
}

fn logistics(order: &Snapshot<'_>, list: &List<'_>, ecpay: bool) -> Vec<Found> {
    let mut all: Vec<Logistics> = list.read::<Logistics>().filter(|l| l.id.filled().is_some()).collect();
    all.sort_by_cached_key(|l| (created(l), l.create.text().to_string(), l.id.text().len(), l.id.text().to_string()));
    all.iter().map(|l| labelled(order, l, ecpay)).collect()
}

fn created(l: &Logistics) -> Option<Timestamp> {
    times::taiwan(l.create.text()).or_else(|| times::unix(l.create.text()))
}

/// A parcel with a label: a store parcel's number is payment number and validation number together, a home
/// parcel's is the booking note.
fn labelled(order: &Snapshot<'_>, l: &Logistics, ecpay: bool) -> Found {
    let store = l.kind.text().eq_ignore_ascii_case("CVS");
    let code = Some(l.status.text()).filter(|_| ecpay).and_then(|code| ecpay_state(code, store));
    let raw = l.payment_no.filled().map(|no| format!("{no}{}", l.validation_no.text()));
    let raw = raw.or_else(|| l.booking_note.filled().map(str::to_string));
    Found {
        number: raw.as_deref().and_then(number),
        carrier: text::line(l.subtype.text()).map(|s| carriers::name(&s)),
        states: states(order, created(l), code),
        ..Found::default()
    }
}

/// ECPay's own plugin: the same facts, one logistics order, in single keys.
fn ecpay_plugin(order: &Snapshot<'_>) -> Option<Found> {
    let field = |key: &str| order.metas.text(&format!("_wooecpay_logistic_{key}"));
    field("AllPayLogisticsID")?;
    let store = field("CVSPaymentNo").is_some();
    let number = if store {
        field("CVSPaymentNo").map(|no| no + &field("CVSValidationNo").unwrap_or_default())
    } else {
        field("BookingNote")
    };
    let code = field("RtnCode").and_then(|code| ecpay_state(&code, store));
    let carrier = order.shipping_methods.iter().find_map(|m| carriers::chain(m)).map(str::to_string);
    let carrier = carrier.or_else(|| {
        let home = ["tcat", "ecan", "post"].into_iter().find(|c| order.shipping_methods.iter().any(|m| m.contains(c)));
        home.map(carriers::name)
    });
    Some(Found {
        number: number.as_deref().and_then(self::number),
        carrier,
        states: states(order, None, code),
        ..Found::default()
    })
}

/// Labelled when the logistics order was made; where that is not noted, not before the order itself.
fn states(
    order: &Snapshot<'_>,
    made: Option<Timestamp>,
    code: Option<ParcelState>,
) -> Vec<(ParcelState, Option<Timestamp>)> {
    let labelled = (ParcelState::Labelled, Some(made.unwrap_or(order.created)));
    std::iter::once(labelled).chain(code.map(|state| (state, None))).collect()
}

/// ECPay's logistics status codes that move a parcel (its list of status codes, read November 2026); all
/// others are the shop's business.
fn ecpay_state(code: &str, store: bool) -> Option<ParcelState> {
    Some(match code {
        // Handed in at a store, at the logistics centre, between centres.
        "2030" | "2068" | "3001" | "3024" | "3032" => ParcelState::InTransit,
        "3006" if !store => ParcelState::OutForDelivery,
        "3002" if !store => ParcelState::Attempted,
        "2063" | "2073" | "3018" => ParcelState::ReadyForPickup,
        // Not collected in time, or on its way back to the shop.
        "2065" | "2070" | "2072" | "2074" | "2076" | "3019" | "3020" | "3023" | "3025" => ParcelState::Failed,
        "2067" | "3003" | "3022" | "3308" | "3309" if store => ParcelState::PickedUp,
        "2067" | "3003" | "3022" | "3308" | "3309" => ParcelState::Delivered,
        _ => return None,
    })
}
