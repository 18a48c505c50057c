//! JSON fields that may be absent, null or of an odd type.
//!
//! They read with `deserialize_any`, so that a field of an unexpected type is passed over instead of failing
//! the whole body; a body of which one field went wrong still tells the rest. They are used in
//! `#[serde(default)]` structs with only the fields that are needed: a whole `serde_json::Value` of an order
//! costs several times as much.

use super::text::{clean, cut, plain};
use crate::domain::clock::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Longest list read; a longer one is not a shop's.
const MAX_ITEMS: usize = 10_000;

/// The first text that says something.
pub(in crate::platform) fn first<'a>(texts: impl IntoIterator<Item = &'a Text>) -> Option<String> {
    texts.into_iter().find_map(|t| t.0.clone())
}

/// What a lenient field makes of each kind of JSON value; what it does not name gives the default.
pub(in crate::platform) trait Take<'de>: Default {
    /// From a string.
    fn text(_: &str) -> Self {
        Self::default()
    }
    /// From an integer that is not negative.
    fn uint(_: u64) -> Self {
        Self::default()
    }
    /// From any other number.
    fn float(_: f64) -> Self {
        Self::default()
    }
    /// From `true` or `false`.
    fn flag(_: bool) -> Self {
        Self::default()
    }
    /// From a list.
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
    /// From an object.
    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

/// Reads a value of any type into a [`Take`].
pub(in crate::platform) fn take<'de, T: Take<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(Any(PhantomData))
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Take<'de>> Visitor<'de> for Any<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text))
    }
    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::uint(number))
    }
    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        // serde_json calls this for negative integers only.
        // No negative id exists, and no amount has so many digits that a double would change it.
        Ok(u64::try_from(number).map_or_else(|_| T::float(number as f64), T::uint))
    }
    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::float(number))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<T, E> {
        Ok(T::flag(flag))
    }
    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::object(object)
    }
}

/// Implements `Deserialize` of lenient types by their [`Take`].
macro_rules! lenient {
    ($($t:ty),+) => { $(
        impl<'de> serde::Deserialize<'de> for $t {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::platform::meta::take(from)
            }
        }
    )+ };
}
pub(in crate::platform) use lenient;

/// A line of text, [`clean`]ed; numbers become their text (amounts come as either).
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::platform) struct Text(pub(in crate::platform) Option<String>);

impl Text {
    /// The text, empty where there is none.
    pub(in crate::platform) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<'de> Take<'de> for Text {
    fn text(text: &str) -> Self {
        Text(clean(text))
    }
    fn uint(number: u64) -> Self {
        Text(Some(number.to_string()))
    }
    fn float(number: f64) -> Self {
        Text(Some(number.to_string()))
    }
}

/// Text of several lines written for people, made [`plain`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::platform) struct Prose(pub(in crate::platform) Option<String>);

impl<'de> Take<'de> for Prose {
    fn text(text: &str) -> Self {
        Prose(plain(text))
    }
}

/// An id: a string or an integer, kept as its digits; a floating-point number has lost some and is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::platform) struct Id(pub(in crate::platform) Option<String>);

impl<'de> Take<'de> for Id {
    fn text(text: &str) -> Self {
        let text = text.trim();
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        Id(fits.then(|| text.to_string()))
    }
    fn uint(number: u64) -> Self {
        Id(Some(number.to_string()))
    }
}

/// A moment written with its offset (RFC 3339).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::platform) struct When(pub(in crate::platform) Option<Timestamp>);

impl<'de> Take<'de> for When {
    fn text(text: &str) -> Self {
        When(text.trim().parse().ok())
    }
}

/// Yes or no, where it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::platform) struct Flag(pub(in crate::platform) Option<bool>);

impl Flag {
    /// It is said, and it is yes.
    pub(in crate::platform) fn yes(self) -> bool {
        self.0 == Some(true)
    }
}

impl<'de> Take<'de> for Flag {
    fn flag(flag: bool) -> Self {
        Flag(Some(flag))
    }
}

/// How many; what does not fit is held at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::platform) struct Count(pub(in crate::platform) Option<u32>);

impl<'de> Take<'de> for Count {
    fn text(text: &str) -> Self {
        Count(text.trim().parse().ok())
    }
    fn uint(number: u64) -> Self {
        Count(Some(u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

/// Passed over; with [`Seen`] it tells that the key was there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::platform) struct Anything;

impl Take<'_> for Anything {}

/// Texts in their places: a list of them, or one that is cut at its commas.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::platform) struct Texts(pub(in crate::platform) Vec<Text>);

impl Texts {
    /// Those that say something.
    pub(in crate::platform) fn told(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|t| t.0.as_deref())
    }
}

impl<'de> Take<'de> for Texts {
    fn text(text: &str) -> Self {
        Texts(cut(text).split(',').take(MAX_ITEMS).map(|t| Text(clean(t))).collect())
    }
    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        items(list).map(Texts)
    }
}

lenient!(Text, Prose, Id, When, Flag, Count, Anything, Texts);

/// The items of a list, at most 10,000.
pub(in crate::platform) fn items<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut list: A) -> Result<Vec<T>, A::Error> {
    let mut items = Vec::new();
    while let Some(item) = list.next_element()? {
        if items.len() >= MAX_ITEMS {
            return Err(A::Error::custom("a list is too long"));
        }
        items.push(item);
    }
    Ok(items)
}

/// An object, nothing where the body has anything else.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::platform) struct Part<T>(pub(in crate::platform) Option<T>);

impl<T> Default for Part<T> {
    fn default() -> Self {
        Part(None)
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for Part<T> {
    fn object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|t| Part(Some(t)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        take(from)
    }
}

/// A list of objects; what is none is passed over. Also the `nodes` of a GraphQL connection.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::platform) struct Many<T>(pub(in crate::platform) Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Many(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for Many<T> {
    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        let parts: Vec<Part<T>> = items(list)?;
        Ok(Many(parts.into_iter().filter_map(|p| p.0).collect()))
    }
    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut found = Many::default();
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "nodes" => found = object.next_value()?,
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        take(from)
    }
}

/// A field of which it matters whether the key was there at all, be it with `null`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::platform) struct Seen<T> {
    /// The key was there.
    pub(in crate::platform) here: bool,
    /// What it said.
    pub(in crate::platform) value: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Seen<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(|value| Seen { here: true, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_all_their_digits() {
        let id = |json: &str| serde_json::from_str::<Id>(json).unwrap().0;
        assert_eq!(id("820982911946154508"), Some("820982911946154508".into()));
        assert_eq!(id("18446744073709551615"), Some("18446744073709551615".into()));
        assert_eq!(id("\" wc_1 \""), Some("wc_1".into()));
        for none in
            ["820982911946154508.0", "8.2e17", "18446744073709551616", "-1", "null", "true", "[1]", "{}", "\"a b\""]
        {
            assert_eq!(id(none), None, "{none}");
        }
    }

    #[test]
    fn odd_values_are_passed_over() {
        let many = |json: &str| serde_json::from_str::<Many<Text>>(json).map(|m| m.0);
        assert_eq!(many("[1, null, \"x\", [], true]").unwrap(), []);
        assert_eq!(serde_json::from_str::<Texts>("[1, null, \"x\"]").unwrap().told().collect::<Vec<_>>(), ["1", "x"]);
        assert_eq!(serde_json::from_str::<Texts>("\"a, b,,\"").unwrap().told().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(serde_json::from_str::<When>("\"2026-02-30T00:00:00Z\"").unwrap(), When(None));
        assert_eq!(serde_json::from_str::<Count>("-3").unwrap(), Count(None));
        assert_eq!(serde_json::from_str::<Count>("5000000000").unwrap(), Count(Some(u32::MAX)));
    }
}
