//! The template engine, set strictly: an unknown name, a fact that is not there, a group of facts or an
//! amount without its filter is an error and never a hole in a customer's message.
//!
//! There is no `include` or `import` (the feature is off), values are never read as templates, and fuel
//! ends what would run for ever.

use super::value::{Cash, Facts};
use super::{clean, date::Local, money};
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};
use phonenumber::{Mode, country};
use std::str::FromStr;
use unicode_normalization::UnicodeNormalization as _;

/// Instructions a template may run; the longest of ours needs some hundreds.
const FUEL: u64 = 50_000;

/// What happens when an absent fact is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// It is a mistake.
    Refused,
    /// Nothing is printed: links, where an empty one is dropped.
    Empty,
}

/// An engine without templates.
pub(super) fn environment(absent: Absent) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    // Escaping is the channels' business; only a section's `html` is handed on as markup.
    env.set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
    env.set_formatter(move |out, state, value| {
        if value.is_none() {
            return match absent {
                Absent::Empty => Ok(()),
                Absent::Refused => Err(refuse("a fact that is not always known is printed; put it in {% if … %}")),
            };
        }
        if let Some(problem) = unprintable(value) {
            return Err(refuse(problem));
        }
        minijinja::escape_formatter(out, state, value)
    });
    env.add_filter("money", |state: &State<'_, '_>, value: &Value| match value.downcast_object_ref::<Cash>() {
        Some(cash) => Ok(money::written(&cash.0, &locale(state))),
        None => Err(refuse("the filter `money` takes an amount that is known; put it in {% if … %}")),
    });
    env.add_filter("date", |state: &State<'_, '_>, value: &Value| local(value).map(|l| l.date(&locale(state))));
    env.add_filter("day", |state: &State<'_, '_>, value: &Value| local(value).map(|l| l.day(&locale(state))));
    env.add_filter("time", |state: &State<'_, '_>, value: &Value| local(value).map(|l| l.time(&locale(state))));
    env.add_filter("moment", |state: &State<'_, '_>, value: &Value| local(value).map(|l| l.moment(&locale(state))));
    env.add_filter("shorten", |text: &str, limit: usize| clean::clip(text, limit));
    env.add_filter("plain", plain);
    env.add_filter("phone", phone);
    env
}

/// A line of nothing but tags leaves no line behind: its end is moved into the last tag, where it means
/// nothing and errors still count their lines right. (`trim_blocks` would also eat the end of a line of text
/// that happens to end with a tag, and with it the border of a paragraph.)
pub(super) fn without_tag_lines(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for line in source.split_inclusive('\n') {
        let bare = line.trim();
        match bare.strip_suffix("%}") {
            Some(front) if line.ends_with('\n') && only_tags(bare) => {
                out.push_str(front);
                out.push_str("\n%}");
            }
            _ => out.push_str(line),
        }
    }
    out
}

fn only_tags(line: &str) -> bool {
    let mut rest = line;
    while let Some(inner) = rest.trim_start().strip_prefix("{%") {
        match inner.split_once("%}") {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.trim().is_empty()
}

fn refuse(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

fn unprintable(value: &Value) -> Option<&'static str> {
    if value.downcast_object_ref::<Cash>().is_some() {
        return Some("an amount is printed without its filter; write {{ … | money }}");
    }
    if value.downcast_object_ref::<Local>().is_some() {
        return Some("a moment is printed without its filter; write {{ … | day }}, date, time or moment");
    }
    if value.downcast_object_ref::<Facts>().is_some() {
        return Some("a group of facts is printed; name one of them, as in {{ parcel.number }}");
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            Some("a list is printed; write {% for … %} or {{ … | join(\", \") }}")
        }
        ValueKind::Bool => Some("yes or no is printed; write {% if … %}"),
        _ => None,
    }
}

fn local(value: &Value) -> Result<&Local, Error> {
    value
        .downcast_object_ref::<Local>()
        .ok_or_else(|| refuse("this filter takes a moment that is known; put it in {% if … %}"))
}

fn locale(state: &State<'_, '_>) -> String {
    state.lookup("locale").and_then(|l| l.as_str().map(str::to_string)).unwrap_or_else(|| "en".into())
}

/// Without the marks of Vietnamese and of other Latin scripts, as short messages are written there: with them a text
/// holds less than half as much.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfd() {
        match c {
            '\u{300}'..='\u{36f}' => {}
            'đ' => out.push('d'),
            'Đ' => out.push('D'),
            '₫' => out.push_str("VND"),
            '\u{a0}' => out.push(' '),
            other => out.push(other),
        }
    }
    // What is no Latin letter is put together again.
    out.nfc().collect()
}

/// A phone number as people of the order's country dial it, from elsewhere with its country code. What is
/// no number stays as it is.
fn phone(state: &State<'_, '_>, text: &str) -> String {
    let home = state
        .lookup("order")
        .and_then(|o| o.get_attr("country").ok())
        .and_then(|c| country::Id::from_str(c.as_str()?).ok());
    match phonenumber::parse(home, text) {
        Ok(number) if number.is_valid() => {
            let mode =
                if home.is_some() && number.country().id() == home { Mode::National } else { Mode::International };
            number.format().mode(mode).to_string()
        }
        _ => clean::line(text, 30).unwrap_or_default(),
    }
}

/// What went wrong, without any value of the order in it.
pub(super) fn explain(error: &Error) -> String {
    let line = error.line().filter(|l| *l > 1).map(|l| format!(" (line {l} of the text)")).unwrap_or_default();
    match error.kind() {
        ErrorKind::InvalidOperation
        | ErrorKind::SyntaxError
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownTest
        | ErrorKind::UnknownFunction => format!("{}{line}", error.detail().unwrap_or("it cannot be done")),
        ErrorKind::UndefinedError => format!("a name is used that words do not know{line}"),
        ErrorKind::OutOfFuel => format!("it runs too long{line}; make it simpler"),
        other => format!("{other}{line}"),
    }
}
