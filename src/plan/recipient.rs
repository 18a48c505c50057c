//! Whom an order lets us reach, and phone numbers in their one normal form.

use crate::domain::order::{Contact, Order};
use crate::domain::person::Address;
use crate::domain::shop::ShopRules;
use phonenumber::Type;
use phonenumber::metadata::DATABASE;
use unicode_normalization::UnicodeNormalization;

/// The scheme of addresses that come from the order's e-mail addresses.
pub(super) const EMAIL: &str = "email";
/// The scheme of addresses that come from the order's phone numbers.
pub(super) const PHONE: &str = "phone";

/// Raw addresses of `scheme` that the order itself carries, most trusted first. Phone numbers come as E.164;
/// what is no mobile number is left out. Any other scheme is an identity found in the cart.
pub fn addresses_for(order: &Order, rules: &ShopRules, scheme: &str) -> Vec<String> {
    let Some(head) = order.head() else {
        return Vec::new();
    };
    addresses_of(&head.contact, head.country.as_deref().or(rules.country.as_deref()), scheme)
}

/// The same of a person known otherwise than by an order. An identity whose scheme is empty may be of any.
pub fn addresses_of(contact: &Contact, country: Option<&str>, scheme: &str) -> Vec<String> {
    match scheme {
        EMAIL => contact.emails.clone(),
        PHONE => contact.phones.iter().filter_map(|raw| e164(raw, country)).collect(),
        _ => {
            let fits = |of: &str| of == scheme || of.is_empty();
            contact.identities.iter().filter(|(s, _)| fits(s)).map(|(_, value)| value.clone()).collect()
        }
    }
}

/// Digits below which a phone number is not told from another.
const LEAST_DIGITS: usize = 7;

/// Whether an order is this person's: it carries their id, one of their mailboxes, phone numbers or messenger
/// identities, or they tied a chat to it. Phone numbers are compared in their normal form; those that are no mobile numbers by their digits.
pub fn is_of(order: &Order, rules: &ShopRules, person: &Contact) -> bool {
    let Some(head) = order.head() else { return false };
    let (own, country) = (&head.contact, head.country.as_deref().or(rules.country.as_deref()));
    // `0` is everybody who ordered without an account.
    let id = own.customer_id.as_deref().filter(|id| *id != "0");
    let mail = |raw: &String| Some(raw.trim().to_lowercase()).filter(|m| !m.is_empty());
    let phone = |raw: &String| {
        let digits = || -> String { raw.nfkc().filter(char::is_ascii_digit).collect() };
        e164(raw, country).or_else(|| Some(digits()).filter(|d| d.len() >= LEAST_DIGITS))
    };
    let known = |(scheme, value): &(String, String)| {
        own.identities.iter().any(|(s, v)| v == value && (s == scheme || scheme.is_empty()))
    };
    let tied = |(scheme, value): &(String, String)| {
        let is = |at: &Address| at.value == *value && (at.scheme == *scheme || scheme.is_empty());
        order.links.iter().any(|link| is(&link.address))
    };
    id.is_some_and(|id| person.customer_id.as_deref() == Some(id))
        || own.emails.iter().filter_map(mail).any(|m| person.emails.iter().filter_map(mail).any(|p| p == m))
        || own.phones.iter().filter_map(phone).any(|n| person.phones.iter().filter_map(phone).any(|p| p == n))
        || person.identities.iter().any(known)
        || person.identities.iter().any(tied)
}

/// A phone number as typed → E.164, if it can be a mobile number.
///
/// `country` (ISO 3166 alpha-2) is where the number was typed for: the order's. It is never guessed, because
/// `0912345678` is somebody's number in Taiwan and somebody else's in Vietnam: without a country only numbers
/// with their country code (`+` or `00`) are taken. Full-width digits are read as digits. Numbers that no
/// plan contains and landlines give `None` (crate `phonenumber` 0.3.10, tried November 2026: it *parses*
/// impossible numbers, and reads neither full-width digits nor `00`).
pub fn e164(raw: &str, country: Option<&str>) -> Option<String> {
    let text: String = raw.nfkc().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    let text = match text.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => text.to_string(),
    };
    let region = country.and_then(|c| c.trim().to_ascii_uppercase().parse().ok());
    if region.is_none() && !text.starts_with('+') {
        return None;
    }
    let number = phonenumber::parse(region, &text).ok()?;
    let mobile = matches!(number.number_type(&DATABASE), Type::Mobile | Type::FixedLineOrMobile);
    (number.is_valid() && mobile).then(|| format!("+{}{}", number.code().value(), number.national()))
}
