//! Says what accounts that reach people by telephone number would refuse of the words in force: for each shop that
//! routes to one, with the sample orders, in every language. What would be refused by the carriers is a mistake
//! now; what would be too long is a warning, because it depends on the order.

use crate::config::Problem;
use crate::domain::channel::{Audience, Form, ShapeFault, WindowRule};
use crate::domain::ids::{ChannelId, ShopId};
use crate::flow::account::Account;
use crate::flow::live::Shop;
use crate::flow::wanted::{number, sampled};
use crate::milestone;
use crate::plan::Route;
use crate::words::{LOCALES, Words, sample};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What was found.
#[derive(Default)]
pub struct Rehearsed {
    /// What carriers would block.
    pub problems: Vec<Problem>,
    /// What would be too long.
    pub warnings: Vec<String>,
}

/// Tries all of it. `file` is named in problems.
pub fn rehearse(
    file: &str,
    words: &Words,
    shops: &HashMap<ShopId, Arc<Shop>>,
    routes: &[Route],
    channels: &BTreeMap<ChannelId, Arc<Account>>,
) -> Rehearsed {
    // One line for each different fault: the same text fails in many milestones.
    let mut faults: BTreeMap<(String, String), (Vec<String>, bool)> = BTreeMap::new();
    for route in routes.iter().filter(|r| r.audience == Audience::Customer) {
        for account in route.channels.iter().chain(&route.also).filter_map(|id| channels.get(id)) {
            if account.caps.scheme != "phone" {
                continue;
            }
            for shop in shops.values().filter(|s| route.shops.as_ref().is_none_or(|ids| ids.contains(&s.rules.id))) {
                for (place, fault) in one(words, shop, route, account) {
                    let long = matches!(fault, ShapeFault::TooLong { .. });
                    let key = format!("channel.{}", account.id);
                    let told = format!("shop {}: {fault}", shop.rules.id);
                    faults.entry((key, told)).or_insert_with(|| (Vec::new(), long)).0.push(place);
                }
            }
        }
    }
    let mut out = Rehearsed::default();
    for ((key, told), (mut places, long)) in faults {
        places.sort();
        places.dedup();
        let more = if places.len() > 1 { format!(" and {} more", places.len() - 1) } else { String::new() };
        let message = format!("{told} (words of {}{more})", places.first().map_or("", String::as_str));
        if long {
            out.warnings.push(format!("{key}: {message}"));
        } else {
            out.problems.push(Problem { file: file.to_string(), line: None, key, message });
        }
    }
    out
}

/// Every fault of one shop's words on one account, with where it is.
fn one(words: &Words, shop: &Shop, route: &Route, account: &Account) -> Vec<(String, ShapeFault)> {
    // An account that does not reach the shop's country says nothing there.
    let Some(address) = account.channel.address(number(shop.rules.country.as_deref())) else { return Vec::new() };
    // Where free words are never allowed, only what names a template is ever sent.
    let form = if account.caps.window == WindowRule::Seconds(0) { Form::Template } else { Form::Free };
    let section = account.kind.section();
    let mut found = Vec::new();
    for locale in LOCALES {
        let mut order = sample::full(locale);
        order.rules = shop.rules.clone();
        for milestone in milestone::ALL.iter().map(|m| m.id).filter(|m| route.tells(m)) {
            if form == Form::Template && !account.channel.names_template(&words.section(milestone, locale, section)) {
                continue;
            }
            if let Some(Err(fault)) = sampled(words, &order, account, &address, milestone, form) {
                found.push((format!("{milestone} in {locale}"), fault));
            }
        }
    }
    found
}
