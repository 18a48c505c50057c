//! By what somebody or something erased is known again when it comes late: keyed hashes, which tell nobody who it
//! was. The same thing has the same mark however a shop writes it.

use super::page::shop_on;
use crate::domain::event::{About, Told};
use crate::domain::ids::{Digest8, OrderId, ShopId};
use crate::domain::order::Contact;
use crate::domain::person::Address;
use crate::domain::webhook::RawWebhook;
use crate::flow::App;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use unicode_normalization::UnicodeNormalization as _;

/// Digits of a phone number that its country code and trunk prefix do not change, and the fewest it has.
const PHONE: (usize, usize) = (9, 7);
/// The shortest word that may be somebody's id on a messenger, and the longest.
const WORD: (usize, usize) = (5, 200);

/// What a webhook names.
#[derive(Default)]
pub struct Names {
    /// People and orders, as marks.
    pub marks: BTreeSet<Digest8>,
    /// The orders.
    pub orders: Vec<OrderId>,
    /// It asks about people's data: it must be heard whoever was erased.
    pub asks: bool,
}

/// Marks of a person, as a webhook names them.
pub(super) fn of_person<'a>(app: &'a App, person: &'a Contact) -> impl Iterator<Item = Digest8> + 'a {
    // `0` is everybody who ordered without an account.
    let id = person.customer_id.iter().filter(|id| *id != "0").map(|id| ("customer", id.to_lowercase()));
    let mails = person.emails.iter().map(|m| ("mail", m.trim().to_lowercase()));
    let phones = person.phones.iter().filter_map(|p| Some(("phone", digits(p)?)));
    let known = person.identities.iter().map(|(_, value)| ("identity", value.to_lowercase()));
    let all = id.chain(mails).chain(phones).chain(known).filter(|(_, value)| !value.is_empty());
    all.map(|(what, value)| app.store.mark(what, &value))
}

/// The mark of an order.
pub(super) fn of_order(app: &App, id: &str) -> Digest8 {
    app.store.mark("order", &id.to_lowercase())
}

/// The mark of an address on a channel, as a callback names it.
pub(super) fn of_address(app: &App, address: &Address) -> Digest8 {
    app.store.mark("address", &address.value.to_lowercase())
}

impl Names {
    /// What a shop's webhook names, whether the shop is still configured or not.
    pub fn of_webhook(app: &App, (platform, shop): (&str, &ShopId), raw: &RawWebhook) -> Names {
        let told = shop_on(app, shop, platform).and_then(|shop| {
            let read = || (shop.platform.normalise)(&shop.access, raw);
            // One that brings the reader down is looked through like one that cannot be read.
            std::panic::catch_unwind(AssertUnwindSafe(read)).ok()
        });
        let mut names = Names::default();
        match told {
            Some(Told::Events(events)) => {
                for event in events {
                    if let About::Order(id) = event.about {
                        names.marks.insert(of_order(app, id.as_str()));
                        names.orders.push(id);
                    }
                    let head = event.patch.head.iter();
                    names.marks.extend(head.flat_map(|head| of_person(app, &head.contact)));
                }
            }
            Some(Told::Notice(_)) => names.asks = true,
            Some(Told::NoInterest(_) | Told::Check(_) | Told::ShopFault(_)) => {}
            Some(Told::Unreadable(_)) | None => names.marks = of_body(app, &raw.body),
        }
        names
    }

    /// What a callback names, of a channel that is not there any more.
    pub fn of_callback(app: &App, raw: &RawWebhook) -> Names {
        Names { marks: of_body(app, &raw.body), ..Names::default() }
    }
}

/// Whatever in a body may name somebody or an order: mailboxes, numbers, ids, and words that stand alone.
fn of_body(app: &App, body: &[u8]) -> BTreeSet<Digest8> {
    let text = String::from_utf8_lossy(body).to_lowercase();
    let bare: String = text.chars().filter(|c| !c.is_whitespace() && !"-().".contains(*c)).collect();
    let mut marks = BTreeSet::new();
    for run in bare.split(|c: char| !c.is_ascii_digit()) {
        marks.extend(digits(run).map(|number| app.store.mark("phone", &number)));
    }
    let mail = |c: char| c.is_alphanumeric() || "@._%+-".contains(c);
    let mails = text.split(|c| !mail(c)).filter(|word| word.contains('@'));
    marks.extend(mails.map(|word| app.store.mark("mail", word)));
    for word in text.split('"').filter(|word| (WORD.0..=WORD.1).contains(&word.len())) {
        marks.extend(["identity", "address"].map(|what| app.store.mark(what, word)));
    }
    let close: String = text.split_whitespace().collect();
    for before in ["id\":", "id\":\"", "/order/", "/customer/"] {
        for rest in close.split(before).skip(1) {
            let id: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            if !id.is_empty() {
                marks.extend(["order", "customer"].map(|what| app.store.mark(what, &id)));
            }
        }
    }
    marks
}

/// The last digits of a phone number; `None`: it is none.
fn digits(raw: &str) -> Option<String> {
    let all: Vec<char> = raw.nfkc().filter(char::is_ascii_digit).collect();
    (all.len() >= PHONE.1).then(|| all.iter().skip(all.len().saturating_sub(PHONE.0)).collect())
}
