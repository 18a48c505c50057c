//! wanted: the templates that routes lead to an account with, as a message would carry them: what a provider is asked
//! about, by `check --online` and by [`super::polls`].

use super::account::Account;
use super::live::{Live, Shop};
use crate::channel::{Finding, Wanted};
use crate::domain::channel::{Audience, Envelope, Errand, Form, Message, Reference, ShapeFault};
use crate::domain::person::Address;
use crate::milestone;
use crate::words::sample::Sample;
use crate::words::{LOCALES, Words, sample};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Mobile numbers that look as real ones do, by country.
const NUMBERS: &[(&str, &str)] = &[
    ("TW", "+886912345678"),
    ("CN", "+8613812345678"),
    ("VN", "+84912345678"),
    ("HK", "+85261234567"),
    ("US", "+12025550123"),
];

/// A number of this country, else of one whose carriers ask for nothing.
pub fn number(country: Option<&str>) -> &'static str {
    let of = NUMBERS.iter().find(|(known, _)| Some(*known) == country);
    of.or(NUMBERS.last()).map_or("", |(_, number)| number)
}

/// Other addresses to try on a channel: one of them has the form of its own.
const ADDRESSES: &[&str] = &[
    "customer@example.com",
    "U0123456789abcdef0123456789abcdef",
    "2468013579246801",
    "oABCDEFGHIJKLMNOPQRSTUVWXYZ0",
    "01234567890A+/abcdefgh==",
];

/// An address of the form that `account` takes: a number of this country, if it takes those; else of another.
pub fn address(account: &Account, country: Option<&str>) -> Option<Address> {
    let numbers = NUMBERS.iter().map(|(_, number)| number);
    std::iter::once(&number(country)).chain(numbers).chain(ADDRESSES).find_map(|raw| account.channel.address(raw))
}

/// Which words, for people and as a key.
pub fn place(milestone: &str, locale: &str) -> String {
    format!("{milestone} in {locale}")
}

/// Every template that routes lead to this account with, filled from the sample order of each language; and the words
/// that do not fill theirs.
pub fn templates(live: &Live, account: &Account) -> (Vec<Wanted>, Vec<Finding>) {
    let mut wanted = BTreeMap::new();
    let mut unfit = BTreeSet::new();
    let leads = |r: &&crate::plan::Route| r.channels.iter().chain(&r.also).any(|id| *id == account.id);
    for route in live.routes.iter().filter(|r| r.audience == Audience::Customer).filter(leads) {
        for shop in live.shops.values().filter(|s| route.shops.as_ref().is_none_or(|ids| ids.contains(&s.rules.id))) {
            for milestone in milestone::ALL.iter().map(|m| m.id).filter(|m| route.tells(m)) {
                for locale in LOCALES {
                    let place = place(milestone, locale);
                    for form in [Form::Template, Form::Grant] {
                        match one(live, shop, account, (milestone, locale), form) {
                            Some(Ok(envelope)) => {
                                wanted.entry((place.clone(), envelope.body.clone())).or_insert(envelope);
                            }
                            Some(Err(fault)) => drop(unfit.insert((place.clone(), fault.to_string()))),
                            None => {}
                        }
                    }
                }
            }
        }
    }
    let wanted = wanted.into_iter().map(|((place, _), envelope)| Wanted { place, envelope }).collect();
    let finding = |(place, fault): (String, String)| {
        Finding::trouble(format!("words of {place}"), fault, "correct the words' section of this channel")
    };
    (wanted, unfit.into_iter().map(finding).collect())
}

/// The template message of one milestone in one language; `None`: the words name no template here.
fn one(
    live: &Live,
    shop: &Shop,
    account: &Account,
    (milestone, locale): (&'static str, &'static str),
    form: Form,
) -> Option<Result<Envelope, ShapeFault>> {
    let section = account.kind.section();
    let named = live.words.section(milestone, locale, section);
    let names = match form {
        Form::Grant => account.channel.granted_template(&named).is_some(),
        _ => account.channel.names_template(&named),
    };
    if !names {
        return None;
    }
    let mut order = sample::full(locale);
    order.rules = shop.rules.clone();
    let address = address(account, shop.rules.country.as_deref())?;
    sampled(&live.words, &order, account, &address, milestone, form)
}

/// A sample order's message of one milestone, shaped for an account; `None`: its words do not render, which is found
/// where they are proven.
pub fn sampled(
    words: &Words,
    order: &Sample,
    account: &Account,
    address: &Address,
    milestone: &'static str,
    form: Form,
) -> Option<Result<Envelope, ShapeFault>> {
    let subject = sample::subject(milestone);
    let mut telling = order.telling(milestone, &[], &subject);
    telling.section = account.kind.section();
    let message = Message { shop_id: order.rules.id.to_string(), ..words.render(&telling).ok()? };
    let errand = Errand {
        address: Some(address),
        form,
        key: Uuid::nil(),
        thread: Uuid::nil(),
        reference: &Reference("00000000/00000000000000000000000000000000.1".into()),
        reply_token: None,
        unsubscribe_url: None,
        quiet: false,
        now: order.now,
    };
    Some(account.channel.shape(&message, &errand))
}
