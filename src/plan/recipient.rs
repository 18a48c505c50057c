//! Whom an order lets us reach, and phone numbers in their one normal form.

use crate::domain::order::Order;
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
    let contact = &head.contact;
    match scheme {
        EMAIL => contact.emails.clone(),
        PHONE => {
            let country = head.country.as_deref().or(rules.country.as_deref());
            contact.phones.iter().filter_map(|raw| e164(raw, country)).collect()
        }
        _ => contact.identities.iter().filter(|(s, _)| s == scheme).map(|(_, value)| value.clone()).collect(),
    }
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
