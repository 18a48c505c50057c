//! How to pay what is still to pay, and where a parcel is to be fetched.

use super::Shop;
use super::body::Metas;
use super::snapshot::Snapshot;
use super::{parcels, state, text, times};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::order::{PayHow, PickupStore};
use crate::platform::meta::https;

/// Payment services of RY Tools and of ECPay's own plugin: both write the same keys.
const SERVICES: &[&str] = &["_ecpay", "_newebpay", "_smilepay"];
/// Ways of paying by a code, as the keys and the payment methods' ids name them.
const WAYS: &[&str] = &["atm", "cvs", "barcode"];

/// Codes, page and deadline; `None` where nothing is to be paid or nothing is known.
pub(super) fn how(order: &Snapshot<'_>, shop: &Shop) -> Option<PayHow> {
    let waits = match order.meaning.as_deref() {
        Some("payment_pending") => !state::reserved(order),
        Some("payment_failed") => true,
        _ => false,
    };
    if !waits || !order.awaits_payment() {
        return None;
    }
    let mut pay = PayHow::default();
    // After a failure the old codes are void; what is left is the page.
    if order.meaning.as_deref() == Some("payment_pending") {
        codes(order, &mut pay);
        pay.due_at = pay.due_at.or_else(|| shop.payment_deadline.map(|secs| plus_secs(order.created, secs)));
    }
    // The page opens the order to whoever holds its address: only while there is something to pay.
    if order.body.needs_payment.flag() == Some(true) {
        pay.url = https(order.body.payment_url.text());
    }
    (pay != PayHow::default()).then_some(pay)
}

/// Fills in the codes of the chosen way; where the payment method names none of them, of all that are there.
fn codes(order: &Snapshot<'_>, pay: &mut PayHow) {
    let method = order.body.payment_method.text().to_ascii_lowercase();
    let named: Vec<&str> = WAYS.iter().copied().filter(|way| method.contains(way)).collect();
    let ways = if named.is_empty() { WAYS } else { named.as_slice() };
    for service in SERVICES {
        for way in ways {
            let field = |key: &str| order.metas.text(&format!("{service}_{way}_{key}")).and_then(|v| text::line(&v));
            let given = match *way {
                "atm" => {
                    pay.bank_code = field("BankCode").or(pay.bank_code.take());
                    pay.account = field("vAccount").or(pay.account.take());
                    field("vAccount").is_some()
                }
                "cvs" => {
                    pay.store_code = field("PaymentNo").or(pay.store_code.take());
                    field("PaymentNo").is_some()
                }
                _ => {
                    let all: Vec<String> =
                        ["Barcode1", "Barcode2", "Barcode3"].iter().filter_map(|k| field(k)).collect();
                    let given = !all.is_empty();
                    if given {
                        pay.barcodes = all;
                    }
                    given
                }
            };
            if given {
                pay.due_at = earliest(pay.due_at, field("ExpireDate").and_then(|t| times::taiwan(&t)));
            }
        }
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The store the customer chose (RY Tools, else ECPay's own plugin).
pub(super) fn pickup(order: &Snapshot<'_>) -> Option<PickupStore> {
    let chosen = |metas: &Metas<'_>, id: &str, name: &str, address: &str| {
        let field = |key: &str| metas.text(key).and_then(|v| text::line(&v));
        let (id, name) = (field(id), field(name));
        (id.is_some() || name.is_some()).then(|| PickupStore { id, name, address: field(address), chain: None })
    };
    let ry = ["_shipping_cvs_store_ID", "_shipping_cvs_store_name", "_shipping_cvs_store_address"];
    let ecpay = ["_ecpay_logistic_cvs_store_id", "_ecpay_logistic_cvs_store_name", "_ecpay_logistic_cvs_store_address"];
    let store = [ry, ecpay].into_iter().find_map(|[id, name, address]| chosen(&order.metas, id, name, address))?;
    Some(PickupStore { chain: parcels::chain(order), ..store })
}
