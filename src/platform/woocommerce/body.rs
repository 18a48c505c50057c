//! WooCommerce's JSON, read leniently: PHP writes numbers as text or text as numbers, an empty map as `[]`,
//! a list with gaps as a map; plugins put anything at all into `meta_data`. One odd field never makes an
//! order unreadable.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// Most entries of a list that are looked at.
const LIST_MAX: usize = 10_000;

/// A scalar as text: the text itself, a number's digits, `true`/`false`; empty for `null`, lists and maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loose(String);

impl Loose {
    /// The text, blanks at its ends cut.
    pub(super) fn text(&self) -> &str {
        self.0.trim()
    }

    /// The text, if there is any.
    pub(super) fn filled(&self) -> Option<&str> {
        Some(self.text()).filter(|t| !t.is_empty())
    }

    /// Yes or no, if it says either.
    pub(super) fn flag(&self) -> Option<bool> {
        match self.text() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E>(self, v: &str) -> Result<Loose, E> {
        Ok(Loose(v.to_string()))
    }
    fn visit_string<E>(self, v: String) -> Result<Loose, E> {
        Ok(Loose(v))
    }
    fn visit_bool<E>(self, v: bool) -> Result<Loose, E> {
        Ok(Loose(v.to_string()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Loose, E> {
        Ok(Loose(v.to_string()))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Loose, E> {
        Ok(Loose(v.to_string()))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Loose, E> {
        Ok(Loose(v.to_string()))
    }
    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::default())
    }
}

/// The elements of a list, or the values of a map, each still unread; nothing for anything else.
#[derive(Clone, Debug, Default)]
pub(super) struct List<'a>(Vec<&'a RawValue>);

impl<'a> List<'a> {
    /// The elements that can be read as `T`.
    pub(super) fn read<T: Deserialize<'a>>(&self) -> impl Iterator<Item = T> {
        self.0.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        // Taken as one raw piece first: a scalar in a list's place is then no error but an empty list.
        let raw = <&'de RawValue>::deserialize(d)?;
        Ok(serde_json::from_str::<Elements<'de>>(raw.get()).map_or_else(|_| List::default(), |e| List(e.0)))
    }
}

struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ElementsVisitor)
    }
}

struct ElementsVisitor;

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Elements<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a map")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Elements<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            if all.len() < LIST_MAX {
                all.push(raw);
            }
        }
        Ok(Elements(all))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Elements<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some((_, raw)) = map.next_entry::<IgnoredAny, &'de RawValue>()? {
            if all.len() < LIST_MAX {
                all.push(raw);
            }
        }
        Ok(Elements(all))
    }
}

/// A part read on its own; an odd one is as good as none.
pub(super) fn part<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// An order as REST API v2 and v3 write it: the fields that are used.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub(super) struct Order<'a> {
    pub(super) id: Loose,
    pub(super) status: Loose,
    pub(super) number: Loose,
    pub(super) currency: Loose,
    pub(super) total: Loose,
    pub(super) created_via: Loose,
    pub(super) order_key: Loose,
    pub(super) customer_id: Loose,
    pub(super) payment_method: Loose,
    pub(super) payment_method_title: Loose,
    pub(super) payment_url: Loose,
    pub(super) needs_payment: Loose,
    pub(super) needs_processing: Loose,
    pub(super) date_created_gmt: Loose,
    pub(super) date_modified_gmt: Loose,
    pub(super) date_paid_gmt: Loose,
    pub(super) date_completed_gmt: Loose,
    #[serde(borrow)]
    pub(super) billing: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) shipping: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) meta_data: List<'a>,
    #[serde(borrow)]
    pub(super) line_items: Option<List<'a>>,
    #[serde(borrow)]
    pub(super) shipping_lines: List<'a>,
    #[serde(borrow)]
    pub(super) refunds: List<'a>,
    #[serde(borrow, rename = "_links")]
    pub(super) links: Option<&'a RawValue>,
    /// WooCommerce Subscriptions: the body is a subscription, not an order.
    pub(super) billing_period: Loose,
}

/// Billing or shipping address.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub(super) struct Person {
    pub(super) first_name: Loose,
    pub(super) last_name: Loose,
    pub(super) country: Loose,
    pub(super) email: Loose,
    pub(super) phone: Loose,
}

/// A bought thing.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub(super) struct LineItem<'a> {
    pub(super) name: Loose,
    pub(super) quantity: Loose,
    #[serde(borrow)]
    pub(super) image: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) meta_data: List<'a>,
}

/// A line's picture.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub(super) struct Image {
    pub(super) src: Loose,
}

/// A way of shipping.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub(super) struct ShippingLine {
    pub(super) method_id: Loose,
}

/// A refund as the order lists it.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub(super) struct RefundLine {
    pub(super) id: Loose,
    pub(super) total: Loose,
}

#[derive(serde::Deserialize)]
struct MetaEntry<'a> {
    #[serde(default)]
    key: Loose,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

/// Meta data by key. Keys repeat; the newest entry that holds something counts.
#[derive(Default)]
pub(super) struct Metas<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Metas<'a> {
    /// Reads a `meta_data` list.
    pub(super) fn of(list: &List<'a>) -> Metas<'a> {
        let mut all = BTreeMap::new();
        for entry in list.read::<MetaEntry<'a>>() {
            if let Some(value) = entry.value.filter(|v| v.get() != "\"\"") {
                all.insert(entry.key.0, value);
            }
        }
        Metas(all)
    }

    /// A scalar's text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let value: Loose = part(self.0.get(key).copied());
        value.filled().map(str::to_string)
    }

    /// The elements of a list or map under this key.
    pub(super) fn list(&self, key: &str) -> List<'a> {
        part(self.0.get(key).copied())
    }
}

/// What a body is, by its shape alone.
pub(super) enum Body<'a> {
    /// `[]` or `{}`.
    Empty,
    /// `{"id":25}` and nothing else.
    OnlyId(String),
    /// `{"code":…,"message":…,"data":{"status":…}}` without an id.
    Fault(String),
    /// `{"action":…,"arg":…}`.
    Action(String, Option<&'a RawValue>),
    /// An order.
    Order(Box<Order<'a>>),
    /// A subscription of WooCommerce Subscriptions, which looks like an order.
    Subscription,
    /// JSON, and none of these.
    Other,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlyId {
    id: Loose,
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Outline<'a> {
    id: Option<Loose>,
    code: Loose,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    action: Loose,
    #[serde(borrow)]
    arg: Option<&'a RawValue>,
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct FaultData {
    status: Loose,
}

/// Tells what the body is.
///
/// # Errors
/// It is not JSON; the sentence names the place and never quotes the body.
pub(super) fn read(bytes: &[u8]) -> Result<Body<'_>, String> {
    let raw: &RawValue = serde_json::from_slice(bytes).map_err(|e| place(&e))?;
    let text = raw.get();
    if text.starts_with('[') {
        let empty = serde_json::from_str::<Vec<IgnoredAny>>(text).is_ok_and(|v| v.is_empty());
        return Ok(if empty { Body::Empty } else { Body::Other });
    }
    if !text.starts_with('{') {
        return Ok(Body::Other);
    }
    if serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text).is_ok_and(|m| m.is_empty()) {
        return Ok(Body::Empty);
    }
    if let Ok(only) = serde_json::from_str::<OnlyId>(text) {
        return Ok(id(&only.id).map_or(Body::Other, Body::OnlyId));
    }
    let outline: Outline<'_> = serde_json::from_str(text).map_err(|e| place(&e))?;
    if let Some(action) = outline.action.filled() {
        return Ok(Body::Action(action.to_string(), outline.arg));
    }
    if outline.id.is_none() && outline.code.filled().is_some() {
        let data: FaultData = part(outline.data);
        let known = data.status.filled().is_some();
        return Ok(if known { Body::Fault(word(outline.code.text())) } else { Body::Other });
    }
    let order: Order<'_> = serde_json::from_str(text).map_err(|e| place(&e))?;
    if order.billing_period.filled().is_some() {
        return Ok(Body::Subscription);
    }
    // A product, a coupon or a customer has some of these but never all.
    let is_order = id(&order.id).is_some() && order.status.filled().is_some() && order.currency.filled().is_some();
    Ok(if is_order && order.line_items.is_some() { Body::Order(Box::new(order)) } else { Body::Other })
}

/// An id: digits, not zero.
pub(super) fn id(value: &Loose) -> Option<String> {
    let text = value.text();
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    (digits && text.bytes().any(|b| b != b'0')).then(|| text.to_string())
}

/// A machine's word from a body: letters, digits and underscores only, so that it can stand in a log.
pub(super) fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(80).collect()
}

fn place(error: &serde_json::Error) -> String {
    format!("not JSON that can be read: {:?} at line {}, column {}", error.classify(), error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_scalar_is_text_and_anything_else_is_nothing() {
        for (json, want) in [
            ("\" a \"", "a"),
            ("12", "12"),
            ("-3", "-3"),
            ("1.5", "1.5"),
            ("true", "true"),
            ("null", ""),
            ("[1,[2]]", ""),
            ("{\"a\":{}}", ""),
            ("\"\\ud83d\\ude00\"", "😀"),
        ] {
            assert_eq!(serde_json::from_str::<Loose>(json).expect(json).text(), want, "{json}");
        }
    }

    #[test]
    fn a_list_may_be_a_map_and_odd_elements_are_passed_over() {
        let list: List<'_> =
            serde_json::from_str(r#"[{"key":"a","value":1},7,{"key":"b","value":{"x":1}}]"#).expect("list");
        let metas = Metas::of(&list);
        assert_eq!(metas.text("a").as_deref(), Some("1"));
        assert_eq!(metas.list("b").len(), 1);
        assert_eq!(serde_json::from_str::<List<'_>>(r#"{"0":1,"5":2}"#).expect("map").len(), 2);
        assert_eq!(serde_json::from_str::<List<'_>>("\"\"").expect("text").len(), 0);
    }

    #[test]
    fn the_newest_filled_meta_entry_counts() {
        let list: List<'_> =
            serde_json::from_str(r#"[{"key":"a","value":"1"},{"key":"a","value":"2"},{"key":"a","value":""}]"#)
                .expect("list");
        assert_eq!(Metas::of(&list).text("a").as_deref(), Some("2"));
    }

    #[test]
    fn the_shape_tells_what_it_is() {
        let name = |json: &str| match read(json.as_bytes()) {
            Err(_) => "not json",
            Ok(Body::Empty) => "empty",
            Ok(Body::OnlyId(_)) => "only id",
            Ok(Body::Fault(_)) => "fault",
            Ok(Body::Action(..)) => "action",
            Ok(Body::Order(_)) => "order",
            Ok(Body::Subscription) => "subscription",
            Ok(Body::Other) => "other",
        };
        for (json, want) in [
            ("[]", "empty"),
            (" { } ", "empty"),
            ("[1]", "other"),
            ("7", "other"),
            ("", "not json"),
            ("{\"id\":1", "not json"),
            ("{\"id\":25}", "only id"),
            ("{\"id\":0}", "other"),
            ("{\"id\":\"../1\"}", "other"),
            (r#"{"code":"x","message":"m","data":{"status":404}}"#, "fault"),
            (r#"{"code":"x","message":"m"}"#, "other"),
            (r#"{"id":3,"code":"summer","amount":"10.00","status":"publish"}"#, "other"),
            (r#"{"action":"woocommerce_payment_complete","arg":3}"#, "action"),
            (r#"{"id":1,"status":"processing","currency":"TWD","line_items":[]}"#, "order"),
            (r#"{"id":1,"status":"active","currency":"TWD","line_items":[],"billing_period":"month"}"#, "subscription"),
            (r#"{"id":1,"status":"publish","name":"Tea","sku":"T"}"#, "other"),
            (r#"{"id":1,"email":"a@example.com","billing":{},"meta_data":[]}"#, "other"),
        ] {
            assert_eq!(name(json), want, "{json}");
        }
    }
}
