//! situation: introduces the order in hand to `plan`: channels as they stand, people as they are known,
//! conditions and templates as the words have them.

use super::account::Account;
use super::inhand::InHand;
use crate::domain::channel::Audience;
use crate::domain::clock::Timestamp;
use crate::domain::decision::Decision;
use crate::domain::ids::ChannelId;
use crate::domain::milestone::{Milestone, Reached};
use crate::domain::person::{Address, PersonFacts};
use crate::milestone;
use crate::plan::{ChannelView, Route, Situation};
use std::collections::HashMap;

/// What is known of people, by channel and address.
pub type People = HashMap<(ChannelId, Address), PersonFacts>;

/// What is to be done about each open item of the order now. The same function at send, on retry, on replay
/// and on a dry run.
pub fn decide(hand: &InHand, people: &People, now: Timestamp) -> Vec<(u16, Decision)> {
    with(hand, people, now, crate::plan::decide)
}

/// Asks anything of the order's situation now.
pub fn with<T>(hand: &InHand, people: &People, now: Timestamp, ask: impl FnOnce(&Situation<'_>) -> T) -> T {
    let live = &hand.live;
    let channels = |id: &ChannelId| {
        live.channels.get(id).map(|account| ChannelView {
            caps: &account.caps,
            paused: account.paused(now),
            reserve: account.reserve(),
            slot_at: None,
        })
    };
    let facts = |channel: &ChannelId, address: &Address| -> PersonFacts {
        people.get(&(channel.clone(), address.clone())).cloned().unwrap_or_default()
    };
    let address = |channel: &ChannelId, raw: &str| live.channels.get(channel).and_then(|a| a.channel.address(raw));
    let condition = |route: &Route, milestone: &Milestone, reached: &Reached| match live.conditions.get(&route.tag) {
        None => Ok(true),
        Some(condition) => condition.holds(&hand.order, &hand.shop.rules, milestone.id, &reached.subject),
    };
    let locale = || live.words.locale(&super::wording::wishes(&hand.order, &hand.shop.rules, Audience::Customer));
    let section = |account: &Account, milestone: &str| live.words.section(milestone, locale(), account.kind.section());
    let stopped = |channel: &ChannelId, milestone: &str| {
        live.channels.get(channel).is_some_and(|account| account.stops(milestone, locale()))
    };
    let templates = |channel: &ChannelId, milestone: &str| {
        let account = live.channels.get(channel);
        account.is_some_and(|account| account.channel.names_template(&section(account, milestone)))
    };
    let granted = |channel: &ChannelId, milestone: &str| {
        let account = live.channels.get(channel)?;
        account.channel.granted_template(&section(account, milestone))
    };
    let muted = |channel: &ChannelId| hand.muted.contains(&channel.tag());
    ask(&Situation {
        now,
        rules: &hand.shop.rules,
        order: &hand.order,
        items: &hand.items,
        routes: &live.routes,
        milestones: milestone::ALL,
        channels: &channels,
        people: &facts,
        address: &address,
        condition: &condition,
        templates: &templates,
        stopped: &stopped,
        granted: &granted,
        linked: &|channel| hand.order.linked(channel),
        digest: &|address| live.digest(address),
        muted: &muted,
    })
}
