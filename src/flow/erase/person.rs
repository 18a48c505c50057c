//! A person on channels, and in what could not be read.

use super::{Duty, Kind, marks};
use crate::domain::ids::{ChannelId, OrderId};
use crate::domain::order::{Contact, Link};
use crate::domain::person::Address;
use crate::flow::App;
use crate::flow::kept::AcceptError;
use crate::flow::live::{Live, Shop};
use crate::plan::addresses_of;

/// A person's addresses on the channels there are, in normal form.
pub(crate) fn addresses(
    live: &Live,
    shop: &Shop,
    contact: &Contact,
    country: Option<&str>,
) -> Vec<(ChannelId, Address)> {
    let country = country.or(shop.rules.country.as_deref());
    let mut found = Vec::new();
    for account in live.channels.values() {
        let raw = addresses_of(contact, country, account.caps.scheme);
        let own = raw.iter().filter_map(|raw| account.channel.address(raw)).map(|a| (account.id.clone(), a));
        found.extend(own);
    }
    found
}

/// Forgets a person on every channel, also where they tied a chat to an order, counts the records there were, and
/// marks the addresses. That they do not want to be written to is kept. Where a whole shop goes, people stay known on channels that other shops use too: they did not ask to
/// be forgotten, and are those shops' customers.
pub(super) async fn forget(
    app: &App,
    shop: &Shop,
    (contact, country): (&Contact, Option<&str>),
    links: &[Link],
    duty: &mut Duty,
) -> Result<(), AcceptError> {
    let live = app.live();
    let known = addresses(&live, shop, contact, country);
    let tied = links.iter().map(|link| (link.channel.clone(), link.address.clone()));
    for (channel, address) in known.into_iter().chain(tied) {
        if duty.kind == Kind::Shop && !alone(&live, shop, &channel) {
            continue;
        }
        if duty.kind == Kind::Customer {
            duty.marks.insert(marks::of_address(app, &address));
        }
        crate::flow::talk::forget(app, &channel, &address).await?;
        crate::flow::people::forget(app, &channel, &address).await?;
        duty.counts.people += u64::from(app.store.forget_person(&channel, &address).await?);
    }
    Ok(())
}

/// No other shop's route leads to this channel.
fn alone(live: &Live, shop: &Shop, channel: &ChannelId) -> bool {
    let leads = live.routes.iter().filter(|r| r.channels.iter().chain(&r.also).any(|c| c == channel));
    let others: Vec<_> = live.shops.keys().filter(|id| **id != shop.rules.id).collect();
    let of = |shops: &Option<Vec<_>>| others.iter().any(|id| shops.as_ref().is_none_or(|s| s.contains(*id)));
    !leads.map(|r| &r.shops).any(of)
}

/// Whether an unreadable body names the person, or one of the orders as an order's id.
pub(crate) fn named_in(body: &[u8], person: &Contact, orders: &[OrderId]) -> bool {
    let text: String = String::from_utf8_lossy(body).to_lowercase().split_whitespace().collect();
    let mails = person.emails.iter().map(|m| m.trim().to_lowercase());
    let known = person.identities.iter().map(|(_, value)| value.to_lowercase());
    let ids = person.customer_id.iter().map(String::as_str).chain(orders.iter().map(OrderId::as_str));
    mails.chain(known).filter(|word| word.chars().count() >= 5).any(|word| text.contains(&word))
        || person.phones.iter().any(|phone| has_number(&text, phone))
        || ids.filter(|id| !id.is_empty()).any(|id| has_id(&text, &id.to_lowercase()))
}

/// A phone number's last nine digits, however they are set.
fn has_number(text: &str, phone: &str) -> bool {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let last: String = digits.iter().skip(digits.len().saturating_sub(9)).collect();
    let bare: String = text.chars().filter(|c| !matches!(c, '-' | '(' | ')' | '.')).collect();
    last.len() >= 7 && bare.contains(&last)
}

/// `id":5`, `id":"5"` or `/5`, and no longer number: short ids are in every body as something else.
fn has_id(text: &str, id: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    ["id\":", "id\":\"", "/order/", "/customer/"]
        .iter()
        .any(|before| text.split(&format!("{before}{id}")).skip(1).any(ends))
}

/// Whether both are the same person by any of what is told of them.
pub(super) fn same(a: &Contact, b: &Contact) -> bool {
    let shared = |x: &[String], y: &[String]| x.iter().any(|v| y.iter().any(|w| w.eq_ignore_ascii_case(v)));
    (a.customer_id.is_some() && a.customer_id == b.customer_id)
        || shared(&a.emails, &b.emails)
        || shared(&a.phones, &b.phones)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_body_is_matched_by_what_it_names() {
        let person = Contact {
            emails: vec!["Mei@Example.net".into()],
            phones: vec!["+886 912-345-678".into()],
            customer_id: Some("77".into()),
            ..Contact::default()
        };
        let orders = [OrderId::from("25")];
        for hit in [
            r#"{"email": "mei@example.NET"#,
            r#"{"phone": "0912 345 678""#,
            r#"{"id": 25, "x"#,
            r#"{"order_id":"25"}"#,
            r#"gid://shopify/Order/25""#,
            r#"{"customer":{"id":77}}"#,
        ] {
            assert!(named_in(hit.as_bytes(), &person, &orders), "{hit}");
        }
        for miss in [r#"{"id": 255"#, r#"{"quantity": 25}"#, r#"{"id": 125}"#, r#"{"total":"77"}"#, "", "\u{fffd}"] {
            assert!(!named_in(miss.as_bytes(), &person, &orders), "{miss}");
        }
    }
}
