//! `[shop.people]` against the channel accounts there are.

use crate::config::{Document, Problem};
use crate::domain::channel::Audience;
use crate::domain::ids::{ChannelId, ShopId};
use crate::domain::people::People;
use crate::domain::settings::Mistake;
use crate::flow::account::Account;
use crate::flow::live::Shop;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Tells what keeps customers' messages from reaching a shop's people.
pub(super) fn check(
    document: &mut Document,
    shops: &HashMap<ShopId, Arc<Shop>>,
    channels: &BTreeMap<ChannelId, Arc<Account>>,
    problems: &mut Vec<Problem>,
) {
    // Accounts with mistakes of their own count as known: who names one is not told that it does not exist.
    let known = document.ids("channel");
    for (index, id) in document.ids("shop").iter().enumerate() {
        let people = shops.get(&ShopId::from(id.as_str())).and_then(|shop| shop.rules.people.as_ref());
        let Some(people) = people else { continue };
        let mistake = match channels.get(&people.to) {
            Some(account) => fault(people, account),
            None if known.iter().any(|k| k == people.to.as_str()) => None,
            None => Some(Mistake::new("people.to", "names no [[channel]]")),
        };
        document.mistakes("shop", index, mistake.into_iter().collect(), problems);
    }
}

fn fault(people: &People, account: &Account) -> Option<Mistake> {
    let staff = account.caps.audience == Audience::Staff;
    match people.address.as_deref() {
        Some(_) if staff => Some(Mistake::new("people.address", "is not needed: the account leads to one place")),
        None if !staff => Some(Mistake::new(
            "people.address",
            "is needed: this account writes to customers too; name your own people",
        )),
        Some(raw) if account.channel.desk(raw).is_none() => {
            Some(Mistake::new("people.address", "is none of this account: a mailbox, or the (negative) id of a group"))
        }
        _ => None,
    }
}
