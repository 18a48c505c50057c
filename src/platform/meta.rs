//! Helpers for reading what shop systems send: text without markup or tricks, and JSON fields that may be
//! absent, null or of an odd type. Everything here is total: any input gives an answer, none a panic.
//!
//! The JSON types read with `deserialize_any`, so that a field of an unexpected type is passed over instead
//! of failing the whole body; a body of which one field went wrong still tells the rest. They are used in
//! `#[serde(default)]` structs with only the fields that are needed: a whole `serde_json::Value` of an order
//! costs several times as much.

use crate::domain::clock::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Longest text kept, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Longest list read; a longer one is not a shop's.
const MAX_ITEMS: usize = 10_000;
/// Longest link kept, in bytes: what browsers and messengers take.
const MAX_URL: usize = 2048;

/// One line of text: control characters and bidirectional overrides removed, line ends and tabs made
/// blanks, trimmed, at most 64 KiB. `None` where nothing is left.
pub(super) fn clean(text: &str) -> Option<String> {
    tidy(text, false)
}

/// Customer-visible text of several lines: markup removed, entities decoded, then as [`clean`] but with its
/// line ends.
pub(super) fn plain(text: &str) -> Option<String> {
    // Tags go first: `&lt;b&gt;` was meant to be read, so it must not become a tag on the way.
    tidy(&decode_entities(&strip_markup(cut(text))), true)
}

/// An `https` link without credentials, else `None`.
pub(super) fn https(link: &str) -> Option<String> {
    let url = url::Url::parse(link.trim()).ok()?;
    let safe = url.scheme() == "https"
        && url.host_str().is_some_and(|h| !h.is_empty())
        && url.username().is_empty()
        && url.password().is_none();
    let url = String::from(url);
    (safe && url.len() <= MAX_URL).then_some(url)
}

/// The first text that says something.
pub(super) fn first<'a>(texts: impl IntoIterator<Item = &'a Text>) -> Option<String> {
    texts.into_iter().find_map(|t| t.0.clone())
}

fn tidy(text: &str, keep_lines: bool) -> Option<String> {
    let mut out = String::new();
    for c in cut(text).chars() {
        match c {
            '\n' if keep_lines => {
                out.truncate(out.trim_end_matches(' ').len());
                // One empty line at most: mark-up leaves heaps of them.
                if !out.is_empty() && !out.ends_with("\n\n") {
                    out.push('\n');
                }
            }
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' if !out.ends_with([' ', '\n']) => out.push(' '),
            '\u{2028}' | '\u{2029}' => {}
            _ if c.is_control() || is_bidi(c) => {}
            _ => out.push(c),
        }
    }
    let trimmed = out.trim();
    (!trimmed.is_empty()).then(|| if trimmed.len() == out.len() { out.clone() } else { trimmed.to_string() })
}

/// Characters that change the direction of text or stand for nothing: they make a name read as another.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text)
}

fn strip_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let name = after.strip_prefix('/').unwrap_or(after);
        // "a < b" and "<3" are words, not tags.
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!') {
            out.push('<');
            rest = after;
            continue;
        }
        let Some((_, tail)) = after.split_once('>') else {
            // No tag ends any more: looking again at each `<` would take quadratic time.
            out.push('<');
            rest = after;
            break;
        };
        if ["br", "p", "div", "li", "tr", "h"].iter().any(|t| starts_with_tag(name, t)) {
            out.push('\n');
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn starts_with_tag(text: &str, tag: &str) -> bool {
    let mut rest = text.bytes();
    tag.bytes().all(|t| rest.next().is_some_and(|b| b.eq_ignore_ascii_case(&t)))
        && rest.next().is_none_or(|b| !b.is_ascii_alphabetic())
}

fn decode_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after.bytes().take(10).position(|b| b == b';').unwrap_or(0);
        match after.get(..end).and_then(entity) {
            Some(c) => {
                out.push(c);
                rest = after.get(end + 1..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        _ => return None,
    })
}

/// What a lenient field makes of each kind of JSON value; what it does not name gives the default.
pub(super) trait Take<'de>: Default {
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
pub(super) fn take<'de, T: Take<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
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
pub(super) use lenient;

/// A line of text, [`clean`]ed; numbers become their text (amounts come as either).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Text(pub(super) Option<String>);

impl Text {
    /// The text, empty where there is none.
    pub(super) fn as_str(&self) -> &str {
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
pub(super) struct Prose(pub(super) Option<String>);

impl<'de> Take<'de> for Prose {
    fn text(text: &str) -> Self {
        Prose(plain(text))
    }
}

/// An id: a string or an integer, kept as its digits; a floating-point number has lost some and is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Id(pub(super) Option<String>);

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
pub(super) struct When(pub(super) Option<Timestamp>);

impl<'de> Take<'de> for When {
    fn text(text: &str) -> Self {
        When(text.trim().parse().ok())
    }
}

/// Yes or no, where it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Flag(pub(super) Option<bool>);

impl Flag {
    /// It is said, and it is yes.
    pub(super) fn yes(self) -> bool {
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
pub(super) struct Count(pub(super) Option<u32>);

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
pub(super) struct Anything;

impl Take<'_> for Anything {}

/// Texts in their places: a list of them, or one that is cut at its commas.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Texts(pub(super) Vec<Text>);

impl Texts {
    /// Those that say something.
    pub(super) fn told(&self) -> impl Iterator<Item = &str> {
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

fn items<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut list: A) -> Result<Vec<T>, A::Error> {
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
pub(super) struct Part<T>(pub(super) Option<T>);

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
pub(super) struct Many<T>(pub(super) Vec<T>);

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
pub(super) struct Seen<T> {
    /// The key was there.
    pub(super) here: bool,
    /// What it said.
    pub(super) value: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Seen<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(|value| Seen { here: true, value })
    }
}
