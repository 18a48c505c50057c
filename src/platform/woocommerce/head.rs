//! Identity, people, money, contents.

use super::Shop;
use super::body::{self, Image, LineItem, Metas};
use super::parcels;
use super::snapshot::Snapshot;
use super::text;
use crate::domain::order::{Contact, Head, Item, OrderKey, Source, SourceKind};
use crate::platform::meta::https;

/// Most lines kept: messages name the first few.
const ITEMS_MAX: usize = 20;
/// Meta keys in which multilingual plugins note the order's language: WPML, TranslatePress, Weglot, then
/// plain ones.
const LANGUAGE_KEYS: &[&str] = &[
    "wpml_language",
    "_wpml_language",
    "trp_language",
    "weglot_language",
    "_order_language",
    "_user_locale",
    "_locale",
];
/// Point-of-sale plugins: meta key of the store's code (WCPOS, YITH POS) and of its name.
const STORE_CODE_KEYS: &[&str] = &["_pos_store", "_yith_pos_store"];
const STORE_NAME_KEYS: &[&str] = &["_pos_store_name"];
/// Words in `created_via` that name another company's shop.
const MARKETPLACES: &[(&str, &str)] = &[
    ("shopee", "Shopee"),
    ("lazada", "Lazada"),
    ("tiktok", "TikTok Shop"),
    ("amazon", "Amazon"),
    ("ebay", "eBay"),
    ("etsy", "Etsy"),
    ("facebook", "Facebook"),
    ("instagram", "Instagram"),
    ("momo", "momo"),
    ("tiki", "Tiki"),
];

/// The head as this body tells it. `status_url` stays empty: WooCommerce's own pages are reached with
/// `order_key`, which opens the order to whoever holds it, so of that only a digest is kept.
pub(super) fn head(order: &Snapshot<'_>, shop: &Shop) -> Head {
    let body = &order.body;
    let owing = order.paid.is_none() && !order.over;
    Head {
        name: name(order),
        created_at: order.created,
        source: source(body.created_via.text(), &order.metas),
        test: test(&order.metas),
        // WooCommerce does not take refunds off `total`: it stays what was bought for.
        total: order.total.clone(),
        outstanding: order.total.clone().filter(|t| owing && !t.is_zero()),
        payment_method: text::line(body.payment_method_title.text()),
        cash_on_delivery: order.cod,
        locale: LANGUAGE_KEYS.iter().find_map(|key| locale(&order.metas.text(key)?)),
        country: [&order.shipping.country, &order.billing.country].into_iter().find_map(|c| country(c.text())),
        contact: contact(order, shop),
        items: order.lines.iter().filter_map(item).take(ITEMS_MAX).collect(),
        shippable: shippable(order),
        tags: Vec::new(),
        status_url: None,
        key: OrderKey::of(body.order_key.text()),
    }
}

/// `number` is what the shop's own mails show, after a `#`; a sequential-number plugin's prefix (`TW-1001`)
/// already makes it a name.
fn name(order: &Snapshot<'_>) -> String {
    let number = text::line(order.body.number.text()).unwrap_or_else(|| order.id.clone());
    if number.starts_with(|c: char| c.is_ascii_digit()) { format!("#{number}") } else { number }
}

/// Known words first; another plugin's word means that an interface made the order.
fn source(via: &str, metas: &Metas<'_>) -> Source {
    let word = via.to_ascii_lowercase();
    let store_code = STORE_CODE_KEYS.iter().find_map(|key| text::line(&metas.text(key)?));
    let market = MARKETPLACES.iter().find(|(key, _)| word.split(['-', '_', ' ']).any(|part| part == *key));
    let till = word.split(['-', '_', ' ']).any(|part| part == "pos") || word.contains("point-of-sale");
    let kind = match word.as_str() {
        "" | "checkout" | "store-api" => SourceKind::Web,
        "subscription" => SourceKind::Subscription,
        "openpos" | "wcpos" | "foosales" => SourceKind::Pos,
        _ if till => SourceKind::Pos,
        _ if market.is_some() => SourceKind::Marketplace,
        _ => SourceKind::Staff,
    };
    let kind = if store_code.is_some() { SourceKind::Pos } else { kind };
    let store_name = match kind {
        SourceKind::Pos => STORE_NAME_KEYS.iter().find_map(|key| text::line(&metas.text(key)?)),
        SourceKind::Marketplace => market.map(|(_, name)| (*name).to_string()),
        _ => None,
    };
    Source { kind, name: text::line(via).unwrap_or_default(), store_code, store_name }
}

/// Paid in a payment service's sandbox: marks of WooPayments and of PayPal Payments (read November 2026).
fn test(metas: &Metas<'_>) -> bool {
    metas.text("_wcpay_mode").as_deref() == Some("test")
        || metas.text("_ppcp_paypal_payment_mode").as_deref() == Some("sandbox")
}

/// `zh_TW` → `zh-TW`, `zh-hant` → `zh-Hant`; `None` for what is no language tag.
fn locale(raw: &str) -> Option<String> {
    let mut parts = raw.split(['_', '-']).filter(|p| !p.is_empty());
    let language = parts.next().filter(|p| (2..=3).contains(&p.len()))?;
    let mut tag = language.to_ascii_lowercase();
    for part in parts.take(2) {
        let written = match part.len() {
            2 => part.to_ascii_uppercase(),
            4 => part
                .char_indices()
                .map(|(i, c)| if i == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                .collect(),
            // `de_DE_formal`: a manner, not a language.
            _ => continue,
        };
        tag = format!("{tag}-{written}");
    }
    tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-').then_some(tag)
}

fn country(raw: &str) -> Option<String> {
    let two = raw.len() == 2 && raw.chars().all(|c| c.is_ascii_alphabetic());
    two.then(|| raw.to_ascii_uppercase())
}

/// The billing address is the buyer's own; the shipping phone may be of whom a present is for, so it comes
/// second.
fn contact(order: &Snapshot<'_>, shop: &Shop) -> Contact {
    let (billing, shipping) = (&order.billing, &order.shipping);
    let first = |a: &body::Loose, b: &body::Loose| text::line(a.text()).or_else(|| text::line(b.text()));
    let distinct = |all: Vec<Option<String>>| {
        let mut kept: Vec<String> = Vec::new();
        for value in all.into_iter().flatten() {
            if !kept.contains(&value) {
                kept.push(value);
            }
        }
        kept
    };
    Contact {
        first_name: first(&billing.first_name, &shipping.first_name),
        last_name: first(&billing.last_name, &shipping.last_name),
        emails: distinct(vec![text::line(billing.email.text()).filter(|e| e.contains('@'))]),
        phones: distinct(vec![text::line(billing.phone.text()), text::line(shipping.phone.text())]),
        identities: identities(order, shop),
        customer_id: body::id(&order.body.customer_id),
    }
}

/// Addresses where `[shop.identify]` says: the order's meta data first, then the lines'.
fn identities(order: &Snapshot<'_>, shop: &Shop) -> Vec<(String, String)> {
    let lines: Vec<Metas<'_>> = order.lines.iter().map(|l| Metas::of(&l.meta_data)).collect();
    let mut found = Vec::new();
    for (scheme, keys) in &shop.identify {
        for key in keys {
            let values = std::iter::once(&order.metas).chain(&lines).filter_map(|m| m.text(key));
            for value in values.filter_map(|v| text::line(&v)) {
                let identity = (scheme.clone(), value);
                if !found.contains(&identity) {
                    found.push(identity);
                }
            }
        }
    }
    found
}

fn item(line: &LineItem<'_>) -> Option<Item> {
    // Plugins sell by weight: 0.5 of something is still one thing to a reader.
    let quantity = line.quantity.text().parse::<f64>().unwrap_or(1.0).ceil().clamp(1.0, 1_000_000.0);
    let image: Image = body::part(line.image);
    Some(Item {
        title: text::line(line.name.text())?,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1 … 1,000,000")]
        quantity: quantity as u32,
        image: https(image.src.text()),
    })
}

/// Something is carried: the order is not downloads only, and has a way of shipping that is not "fetch it
/// here", or a store or parcel to carry to. Orders typed in without a shipping line count as not carried:
/// a late parcel is better not announced than a parcel that never was.
fn shippable(order: &Snapshot<'_>) -> bool {
    let fetched = |method: &String| matches!(method.as_str(), "" | "local_pickup" | "pickup_location");
    let carried = order.shipping_methods.iter().any(|m| !fetched(m));
    let downloads = order.body.needs_processing.flag() == Some(false);
    parcels::known(&order.metas) || (carried && !downloads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_written_one_way() {
        for (raw, want) in [
            ("zh_TW", Some("zh-TW")),
            ("zh-hant", Some("zh-Hant")),
            ("VI", Some("vi")),
            ("de_DE_formal", Some("de-DE")),
            ("english", None),
            ("z<", None),
            ("", None),
        ] {
            assert_eq!(locale(raw).as_deref(), want, "{raw}");
        }
    }

    #[test]
    fn places_of_origin() {
        let none = Metas::default();
        for (via, want) in [
            ("checkout", SourceKind::Web),
            ("store-api", SourceKind::Web),
            ("admin", SourceKind::Staff),
            ("rest-api", SourceKind::Staff),
            ("subscription", SourceKind::Subscription),
            ("pos-rest-api", SourceKind::Pos),
            ("woocommerce-pos", SourceKind::Pos),
            ("amazon", SourceKind::Marketplace),
            ("depositions", SourceKind::Staff),
        ] {
            assert_eq!(source(via, &none).kind, want, "{via}");
        }
    }

    #[test]
    fn only_tls_addresses_are_kept() {
        assert!(https("https://shop.example/tea.jpg").is_some());
        for bad in ["http://shop.example/x", "javascript:alert(1)", "//shop.example/x", "", "https://a:b@shop.example/"]
        {
            assert_eq!(https(bad), None, "{bad}");
        }
    }
}
