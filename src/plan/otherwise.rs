//! What would have to be otherwise for an item to be told. Tried, not guessed: a change is made to the facts alone, and
//! the same rules decide again.

use super::decide::decide;
use super::situation::Situation;
use crate::domain::channel::{Audience, ConsentRule, WindowRule};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::{Decision, Go, Reason};
use crate::domain::ids::ChannelId;
use crate::domain::owed::{Owed, State};
use crate::domain::person::{Address, PersonFacts, Unreachable};
use crate::domain::shop::{ChannelUse, ShopRules};
use serde::Serialize;
use std::fmt;

/// One thing that could be otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It is made owed anew.
    Replay {
        /// Although it was told, may have been, or is too late.
        force: bool,
    },
    /// This moment comes.
    Time {
        /// Which.
        until: Timestamp,
    },
    /// Another item of the order is told.
    Told {
        /// Its number.
        item: u16,
    },
    /// A person lets it go.
    Released,
    /// The order is no longer muted there.
    Unmuted {
        /// Where.
        channel: ChannelId,
    },
    /// The account moves again.
    Resumed {
        /// Which.
        channel: ChannelId,
    },
    /// The customer switches messages on again.
    SwitchedOn {
        /// Where.
        channel: ChannelId,
    },
    /// The customer says yes.
    Agreed {
        /// Where.
        channel: ChannelId,
    },
    /// The customer writes.
    Written {
        /// Where.
        channel: ChannelId,
    },
    /// The customer, who had blocked the account or left, comes back.
    Returned {
        /// Where.
        channel: ChannelId,
    },
    /// The customer links the order.
    Linked {
        /// To what.
        channel: ChannelId,
    },
    /// The order carries an address.
    Addressed {
        /// For which channel.
        channel: ChannelId,
    },
    /// The address is put right.
    Corrected {
        /// For which channel.
        channel: ChannelId,
    },
    /// The shop's people lift their block.
    Unblocked {
        /// Where.
        channel: ChannelId,
    },
    /// The shop's settings let the channel carry its messages.
    Used {
        /// Which.
        channel: ChannelId,
    },
    /// The account has quota.
    Quota {
        /// Which.
        channel: ChannelId,
    },
    /// The words name an approved template.
    Template {
        /// For which channel.
        channel: ChannelId,
    },
    /// Test orders may reach this recipient.
    Listed {
        /// On which channel.
        channel: ChannelId,
    },
    /// The route's condition holds.
    Condition,
    /// The words, or the template they name, are put right: as they are they were refused.
    Words,
}

impl fmt::Display for Change {
    /// As the end of "it would be told if …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Replay { force: false } => write!(f, "it is made owed again (orderwire replay)"),
            Change::Replay { force: true } => write!(f, "it is made owed again by force (orderwire replay --force)"),
            Change::Time { until } => write!(f, "it is {until}: it goes by itself then"),
            Change::Told { item } => write!(f, "item {item} of the order is told first"),
            Change::Released => write!(f, "a person releases it"),
            Change::Unmuted { channel } => write!(f, "the order is unmuted on {channel} (orderwire unmute)"),
            Change::Resumed { channel } => write!(f, "{channel} moves again (orderwire queue resume {channel})"),
            Change::SwitchedOn { channel } => write!(f, "the customer switches messages on again on {channel}"),
            Change::Agreed { channel } => write!(f, "the customer agrees to be told on {channel}"),
            Change::Written { channel } => write!(f, "the customer writes on {channel}"),
            Change::Returned { channel } => write!(f, "the customer follows {channel} again, or writes to it"),
            Change::Linked { channel } => write!(f, "the customer links {channel} to the order (orderwire link)"),
            Change::Addressed { channel } => write!(f, "the order carries an address for {channel}"),
            Change::Corrected { channel } => write!(f, "the shop corrects the address for {channel}"),
            Change::Unblocked { channel } => write!(f, "the shop lifts its block on {channel} (orderwire unblock)"),
            Change::Used { channel } => write!(f, "[shop.channels] says that {channel} is active"),
            Change::Quota { channel } => write!(f, "{channel} has quota again"),
            Change::Template { channel } => {
                write!(f, "the words of the milestone name an approved template for {channel}")
            }
            Change::Listed { channel } => write!(f, "test_recipients lists the recipient on {channel}"),
            Change::Words => write!(f, "the words, or the template they name, are put right"),
            Change::Condition => write!(f, "the route's condition (when) holds for the order"),
        }
    }
}

/// The fewest changes after which an item goes, and how it goes then.
#[derive(Clone, Debug, PartialEq)]
pub struct Otherwise {
    /// All of them are needed.
    pub changes: Vec<Change>,
    /// What is decided then.
    pub go: Go,
}

/// What is forced lasts so long, as a replay sets it. Seconds.
const FORCED: i64 = 86_400;

/// The fewest changes, at most two beside a replay, after which an item goes; of as many, those nearest to hand.
/// `None`: no change of what is known here would do.
pub fn otherwise(s: &Situation<'_>, no: u16) -> Option<Otherwise> {
    let item = s.items.iter().find(|i| i.no == no)?;
    let bases = bases(item);
    (0..=2).find_map(|more| {
        bases.iter().find_map(|base| {
            let near = candidates(s, item, base);
            sets(&near, more).into_iter().find_map(|set| {
                let changes: Vec<Change> = base.iter().cloned().chain(set).collect();
                tried(s, item, &changes).map(|go| Otherwise { changes, go })
            })
        })
    })
}

/// What is needed in any case: an item that has ended is only told anew, and what was refused for its words not by the
/// same words.
fn bases(item: &Owed) -> Vec<Vec<Change>> {
    if item.state.is_open() {
        return vec![Vec::new()];
    }
    let refused = matches!(item.reason, Some(Reason::Refused | Reason::TooLong | Reason::TemplateMissing));
    let words = || refused.then_some(Change::Words).into_iter();
    [false, true].map(|force| words().chain([Change::Replay { force }]).collect()).into()
}

/// All sets of so many (at most two).
fn sets(of: &[Change], size: usize) -> Vec<Vec<Change>> {
    match size {
        0 => vec![Vec::new()],
        1 => of.iter().map(|one| vec![one.clone()]).collect(),
        _ => of
            .iter()
            .enumerate()
            .flat_map(|(i, a)| of.iter().skip(i + 1).map(move |b| vec![a.clone(), b.clone()]))
            .collect(),
    }
}

/// What could be otherwise for this item, nearest to hand first: time, what is told before it, the shop's people, the
/// customer, the provider, the settings.
fn candidates(s: &Situation<'_>, item: &Owed, base: &[Change]) -> Vec<Change> {
    let mut out = Vec::new();
    let until = decided(s, item, base).and_then(|decision| match decision {
        Decision::Wait { until, .. } | Decision::Park { until, .. } => Some(until),
        _ => None,
    });
    out.extend(until.map(|until| Change::Time { until }));
    let mates = s.items.iter().filter(|o| (o.route, o.slot) == (item.route, item.slot) && o.no != item.no);
    out.extend(mates.filter(|o| o.state.is_open()).map(|o| Change::Told { item: o.no }));
    out.push(Change::Released);
    let route = s.routes.iter().find(|r| r.tag == item.route);
    let chain = route.and_then(|r| r.chain(item.slot)).unwrap_or_default();
    let each = |make: fn(ChannelId) -> Change| chain.iter().cloned().map(make);
    out.extend(each(|channel| Change::Unmuted { channel }));
    out.extend(each(|channel| Change::Resumed { channel }));
    if route.is_some_and(|r| r.audience == Audience::Customer) {
        out.extend(chain.iter().flat_map(|channel| of_customer(s, channel)));
    }
    out.extend(each(|channel| Change::Quota { channel }));
    out.extend(each(|channel| Change::Used { channel }));
    out.extend(each(|channel| Change::Listed { channel }));
    out.push(Change::Condition);
    out
}

/// What the customer, or the shop about the customer, could do on a channel.
fn of_customer(s: &Situation<'_>, channel: &ChannelId) -> Vec<Change> {
    let Some(view) = (s.channels)(channel) else { return Vec::new() };
    let channel = || channel.clone();
    let mut out = vec![
        Change::SwitchedOn { channel: channel() },
        Change::Unblocked { channel: channel() },
        Change::Returned { channel: channel() },
        Change::Corrected { channel: channel() },
    ];
    match view.caps.consent {
        ConsentRule::Connected => {
            out.extend([Change::Agreed { channel: channel() }, Change::Linked { channel: channel() }]);
        }
        _ => out.push(Change::Addressed { channel: channel() }),
    }
    if matches!(view.caps.window, WindowRule::Seconds(secs) if secs > 0) {
        out.push(Change::Written { channel: channel() });
    }
    if view.caps.template_outside_window {
        out.push(Change::Template { channel: channel() });
    }
    out
}

/// How the item goes after these changes, if it does.
fn tried(s: &Situation<'_>, item: &Owed, changes: &[Change]) -> Option<Go> {
    match decided(s, item, changes)? {
        Decision::Go(go) => Some(go),
        _ => None,
    }
}

/// What is decided about the item after these changes; told within another's message, it shares that decision.
fn decided(s: &Situation<'_>, item: &Owed, changes: &[Change]) -> Option<Decision> {
    let is = |change: &Change| changes.contains(change);
    let (items, no) = items_after(s, item, changes);
    let rules = rules_after(s, changes);
    let time = changes.iter().find_map(|c| if let Change::Time { until } = c { Some(*until) } else { None });
    let situation = Situation {
        now: time.map_or(s.now, |t| t.max(s.now)),
        rules: &rules,
        items: &items,
        channels: &|id| {
            let mut view = (s.channels)(id)?;
            let quota = is(&Change::Quota { channel: id.clone() });
            let resumed = is(&Change::Resumed { channel: id.clone() });
            view.paused = view.paused.filter(|(_, why)| if *why == Reason::QuotaSpent { !quota } else { !resumed });
            view.reserve &= !quota;
            Some(view)
        },
        people: &|id, address| facts_after((s.people)(id, address), id, s.now, changes),
        linked: &|id| {
            let mut linked = (s.linked)(id);
            let comes = is(&Change::Linked { channel: id.clone() }) || is(&Change::Addressed { channel: id.clone() });
            if let Some(view) = (s.channels)(id).filter(|_| comes) {
                linked.push(Address::new(view.caps.scheme, "somebody"));
            }
            linked
        },
        condition: &|route, milestone, reached| {
            if is(&Change::Condition) { Ok(true) } else { (s.condition)(route, milestone, reached) }
        },
        templates: &|id, milestone| is(&Change::Template { channel: id.clone() }) || (s.templates)(id, milestone),
        muted: &|id| !is(&Change::Unmuted { channel: id.clone() }) && (s.muted)(id),
        ..*s
    };
    let decisions = decide(&situation);
    let leads = |d: &Decision| matches!(d, Decision::Go(go) if go.joined.contains(&no));
    decisions.into_iter().find(|(n, d)| *n == no || leads(d)).map(|(_, d)| d)
}

/// The items after the changes, and the number under which the item is found then.
fn items_after(s: &Situation<'_>, item: &Owed, changes: &[Change]) -> (Vec<Owed>, u16) {
    let mut items = s.items.to_vec();
    let mut no = item.no;
    for change in changes {
        match change {
            Change::Replay { force } => {
                no = items.iter().map(|i| i.no).max().unwrap_or_default() + 1;
                let anew = Owed { not_before: s.now, forced: *force, ..item.anew(no) };
                let expires = if *force { anew.expires.max(plus_secs(s.now, FORCED)) } else { anew.expires };
                items.push(Owed { expires, ..anew });
            }
            Change::Told { item } => {
                items.iter_mut().filter(|i| i.no == *item).for_each(|i| i.state = State::Sent);
            }
            Change::Released => {
                items.iter_mut().filter(|i| i.no == no && i.reason == Some(Reason::Held)).for_each(|i| i.reason = None);
            }
            _ => {}
        }
    }
    (items, no)
}

fn rules_after(s: &Situation<'_>, changes: &[Change]) -> ShopRules {
    let mut rules = s.rules.clone();
    for change in changes {
        match change {
            Change::Used { channel } => drop(rules.channels.insert(channel.clone(), ChannelUse::Active)),
            Change::Listed { channel } => rules.test_recipients.extend(recipients(s, channel)),
            _ => {}
        }
    }
    rules
}

/// Whom an order reaches on a channel, as `test_recipients` would name them.
fn recipients(s: &Situation<'_>, channel: &ChannelId) -> Vec<String> {
    let Some(view) = (s.channels)(channel) else { return Vec::new() };
    let carried = super::recipient::addresses_for(s.order, s.rules, view.caps.scheme);
    let linked = (s.linked)(channel).into_iter().map(|a| a.value);
    // A staff channel is listed by its own name.
    carried.into_iter().chain(linked).chain([channel.to_string()]).collect()
}

fn facts_after(mut facts: PersonFacts, channel: &ChannelId, now: Timestamp, changes: &[Change]) -> PersonFacts {
    for change in changes {
        match change {
            Change::SwitchedOn { channel: c } if c == channel => {
                facts.opted_out = None;
                facts.shops_off.clear();
            }
            Change::Unblocked { channel: c } if c == channel => {
                facts.barred = None;
                facts.shops_barred.clear();
            }
            Change::Returned { channel: c } if c == channel => {
                facts.unreachable = facts.unreachable.filter(|(_, why)| *why != Unreachable::Blocked);
            }
            Change::Corrected { channel: c } if c == channel => {
                facts.unreachable = facts.unreachable.filter(|(_, why)| *why != Unreachable::Invalid);
            }
            Change::Agreed { channel: c } if c == channel => facts.opted_in = Some(now),
            Change::Written { channel: c } if c == channel => {
                // For as long as any of this is thought through.
                facts.window_until = Some(plus_secs(now, 3600));
                facts.reply_until = facts.reply_until.max(Some(plus_secs(now, 60)));
            }
            _ => {}
        }
    }
    facts
}
