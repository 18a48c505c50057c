//! Which channel of the chain may, and can, carry an item now?
//!
//! *May*: consent, opt-out, block, mute, window, template. *Can*: an address, an account that stands, quota,
//! pace. The first channel that may and can carries it.
//! - What the *customer* lacks (an address, a yes, an open window) passes the item to the next channel, and is
//!   remembered: where no channel is left, the item waits for the customer.
//! - A spent quota passes it on likewise.
//! - A channel that merely *rests* (paused, breaker, a capped person) keeps the item, because the customer is
//!   used to it and it will move again; only a rest that outlives the item passes it on.
//! - A pace at its limit keeps it until the next free slot.

use super::fate::{Case, Desk, skip};
use super::recipient::addresses_for;
use super::situation::{ChannelView, Situation};
use crate::domain::channel::{Audience, Capabilities, ConsentRule, Form, WindowRule};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::{Decision, Go, Reason};
use crate::domain::ids::ChannelId;
use crate::domain::milestone::Purpose;
use crate::domain::owed::{Owed, State};
use crate::domain::person::{Address, PersonFacts, Unreachable};
use crate::domain::shop::ChannelUse;

/// What keeps a channel from carrying an item.
pub(super) struct Block {
    pub(super) reason: Reason,
    /// It may end by itself then.
    until: Option<Timestamp>,
    /// What could end it.
    cure: Cure,
}

#[derive(PartialEq)]
enum Cure {
    /// Nothing while the item lives.
    None,
    /// The customer, whose next word on the channel is watched where it is known who they are.
    Person(Option<Address>),
    /// The account's standstill ends: by time, or by an operator.
    Channel,
    /// The same, or this person's next word brings an answer that is free.
    Answer(Address),
    /// Time alone: a slot of the pace, a person's rest.
    Moment,
}

impl Cure {
    /// It passes without the customer.
    fn passes(&self) -> bool {
        matches!(self, Cure::Channel | Cure::Answer(_) | Cure::Moment)
    }
}

impl Block {
    fn lasting(reason: Reason) -> Block {
        Block { reason, until: None, cure: Cure::None }
    }
    fn person(reason: Reason, watch: Option<Address>) -> Block {
        Block { reason, until: None, cure: Cure::Person(watch) }
    }
    fn channel(reason: Reason, until: Option<Timestamp>) -> Block {
        Block { reason, until, cure: Cure::Channel }
    }
    fn moment(reason: Reason, until: Timestamp) -> Block {
        Block { reason, until: Some(until), cure: Cure::Moment }
    }
}

/// Somebody who may be told, and in which form.
pub(super) struct Reachable {
    pub(super) address: Option<Address>,
    pub(super) form: Form,
    capped_until: Option<Timestamp>,
}

/// Walks the chain.
pub(super) fn walk(desk: &Desk<'_>, case: &Case<'_>) -> Decision {
    let mut blocks: Vec<(&ChannelId, Block)> = Vec::new();
    for (place, channel) in case.chain.iter().enumerate() {
        let place = u8::try_from(place).unwrap_or(u8::MAX);
        if case.item.passed.checked_shr(u32::from(place)).unwrap_or(0) & 1 == 1 {
            continue;
        }
        let block = match look(&desk.s, case, channel) {
            Ok((reachable, view)) => match standing(&desk.s, case, &reachable, &view) {
                None => {
                    let passed = blocks.into_iter().map(|(c, b)| (c.clone(), b.reason)).collect();
                    let Reachable { address, form, .. } = reachable;
                    return Decision::Go(Go {
                        channel: channel.clone(),
                        place,
                        address,
                        form,
                        joined: Vec::new(),
                        passed,
                    });
                }
                Some(block) => block,
            },
            Err(block) => block,
        };
        let keeps = keeps(&block, case.expires);
        blocks.push((channel, block));
        if keeps {
            break;
        }
    }
    nobody(case, blocks)
}

/// The channel rests for less than the item lives, and is worth waiting for.
fn keeps(block: &Block, expires: Timestamp) -> bool {
    let rests = block.cure.passes() && block.reason != Reason::QuotaSpent;
    rests && block.until.is_some_and(|until| until < expires)
}

/// Who may be told on `channel`, and how: everything that does not pass by itself in time.
pub(super) fn look<'a>(
    s: &Situation<'a>,
    case: &Case<'_>,
    channel: &ChannelId,
) -> Result<(Reachable, ChannelView<'a>), Block> {
    let view = (s.channels)(channel).ok_or_else(|| Block::lasting(Reason::SettingsChanged))?;
    if view.caps.audience != case.route.audience {
        return Err(Block::lasting(Reason::SettingsChanged));
    }
    if case.route.audience == Audience::Staff {
        if s.order.test() && !s.rules.test_recipients.iter().any(|t| t == channel.as_str()) {
            return Err(Block::lasting(Reason::TestOrder));
        }
        return Ok((Reachable { address: None, form: Form::Free, capped_until: None }, view));
    }
    if (s.muted)(channel) {
        return Err(Block::lasting(Reason::OrderMuted));
    }
    let (address, facts) = person(s, channel, view.caps)?;
    used(s, case, channel)?;
    let form = form(s, case, channel, view.caps, &address, &facts)?;
    Ok((Reachable { address: Some(address), form, capped_until: facts.capped_until }, view))
}

/// How often it is looked whether a shop goes on with a channel, or a provider with a template. Seconds.
const LOOK_AGAIN: i64 = 300;

/// Whether the shop lets the channel carry this order's messages now. The rest of the chain may; where there is none,
/// the item waits, and settings that say otherwise are seen within five minutes.
fn used(s: &Situation<'_>, case: &Case<'_>, channel: &ChannelId) -> Result<(), Block> {
    let told =
        |o: &Owed| o.channel == channel.tag() && (o.state.is_told() || matches!(o.state, State::Begun | State::Again));
    let rests = match s.rules.uses(channel) {
        ChannelUse::Active | ChannelUse::NoNewOptins => false,
        ChannelUse::Paused => case.item.state == State::Open,
        ChannelUse::Draining => !s.items.iter().any(told),
    };
    let until = Some(plus_secs(s.now, LOOK_AGAIN));
    if rests { Err(Block { reason: Reason::ChannelPaused, until, cure: Cure::Person(None) }) } else { Ok(()) }
}

/// The first address that may be written to. A "no" given at any of the customer's addresses on this channel
/// is a no of the customer.
fn person(s: &Situation<'_>, channel: &ChannelId, caps: &Capabilities) -> Result<(Address, PersonFacts), Block> {
    let known: Vec<(Address, bool, PersonFacts)> = addresses(s, channel, caps)
        .into_iter()
        .map(|(address, connected)| {
            let facts = (s.people)(channel, &address);
            (address, connected, facts)
        })
        .collect();
    if known.is_empty() {
        return Err(match caps.consent {
            ConsentRule::Connected => Block::person(Reason::AddressUnlinked, None),
            _ => Block::lasting(Reason::NoAddress),
        });
    }
    // The shop's own block before the customer's word: it tells more.
    if let Some(reason) = known.iter().filter_map(|(_, _, facts)| facts.forbids(&s.rules.id)).max() {
        return Err(Block::lasting(reason));
    }
    let mut first: Option<Block> = None;
    for (address, connected, facts) in known {
        let block = match facts.unreachable {
            Some((_, Unreachable::Blocked)) => return Err(Block::lasting(Reason::RecipientBlocked)),
            Some((_, Unreachable::Invalid)) => Block::lasting(Reason::RecipientInvalid),
            None if s.order.test() && !may_be_tried(s, channel, &address) => Block::lasting(Reason::TestOrder),
            None if agreed(caps.consent, connected, &facts) => return Ok((address, facts)),
            None => Block::person(Reason::ConsentMissing, Some(address)),
        };
        first = Some(first.unwrap_or(block));
    }
    Err(first.unwrap_or_else(|| Block::lasting(Reason::NoAddress)))
}

/// Addresses on the channel, each once, and whether the person came by connecting: by a link, or by an
/// identity that only somebody who uses the messenger can have put into the cart.
pub(super) fn addresses(s: &Situation<'_>, channel: &ChannelId, caps: &Capabilities) -> Vec<(Address, bool)> {
    let identity = s.order.head().is_some_and(|h| h.contact.identities.iter().any(|(scheme, _)| scheme == caps.scheme));
    // Whom a cart names and nobody linked is new.
    let identity = identity && s.rules.uses(channel) != ChannelUse::NoNewOptins;
    let linked = (s.linked)(channel).into_iter().map(|a| (a, true));
    let carried = addresses_for(s.order, s.rules, caps.scheme);
    let carried = carried.iter().filter_map(|raw| (s.address)(channel, raw)).map(|a| (a, identity));
    let mut all: Vec<(Address, bool)> = Vec::new();
    for (address, connected) in linked.chain(carried) {
        if !all.iter().any(|(a, _)| *a == address) {
            all.push((address, connected));
        }
    }
    all
}

fn agreed(rule: ConsentRule, connected: bool, facts: &PersonFacts) -> bool {
    match rule {
        ConsentRule::WithOrder | ConsentRule::Staff => true,
        ConsentRule::Connected => connected || facts.opted_in.is_some(),
    }
}

/// The address is one of those that test orders may reach.
fn may_be_tried(s: &Situation<'_>, channel: &ChannelId, address: &Address) -> bool {
    s.rules.test_recipients.iter().any(|t| (s.address)(channel, t).as_ref() == Some(address))
}

/// Free words on a reply token cost nothing and need no quota, so they come first; free words while the window
/// is open; a template where the words name one; one that the person allowed, while that lasts; nothing otherwise.
fn form(
    s: &Situation<'_>,
    case: &Case<'_>,
    channel: &ChannelId,
    caps: &Capabilities,
    address: &Address,
    facts: &PersonFacts,
) -> Result<Form, Block> {
    let open = |until: Option<Timestamp>| until.is_some_and(|u| u > s.now);
    if caps.reply_token && open(facts.reply_until) {
        return Ok(Form::Reply);
    }
    let secs = match caps.window {
        WindowRule::None => return Ok(Form::Free),
        WindowRule::Seconds(secs) => secs,
    };
    if secs > 0 && open(facts.window_until) {
        return Ok(Form::Free);
    }
    let named = caps.template_outside_window && (s.templates)(channel, case.milestone.id);
    let stopped = named && (s.stopped)(channel, case.milestone.id);
    if named && !stopped {
        return Ok(Form::Template);
    }
    // Last, because it is used up: what else is open to us stays open.
    let granted = || (s.granted)(channel, case.milestone.id);
    if caps.grants && granted().is_some_and(|template| facts.grants.get(&template).is_some_and(|left| *left > 0)) {
        return Ok(Form::Grant);
    }
    Err(if stopped {
        // It comes back by itself, and so does the item where no other channel carries it.
        let until = Some(plus_secs(s.now, LOOK_AGAIN));
        Block { reason: Reason::TemplateMissing, until, cure: Cure::Person(Some(address.clone())) }
    } else if secs > 0 {
        Block::person(Reason::WindowClosed, Some(address.clone()))
    } else {
        // A window that never opens: only a template helps, and that is the shop's to name.
        Block::lasting(Reason::TemplateMissing)
    })
}

/// What keeps the account, or the person's pace, from carrying it at this very moment.
pub(super) fn standing(
    s: &Situation<'_>,
    case: &Case<'_>,
    reachable: &Reachable,
    view: &ChannelView<'_>,
) -> Option<Block> {
    let reply = reachable.form == Form::Reply;
    if let Some((until, reason)) = view.paused.filter(|(until, _)| *until > s.now)
        && !(reply && reason == Reason::QuotaSpent)
    {
        return Some(spent(reachable, view, reason, Some(until)));
    }
    if view.reserve && !reply && case.milestone.purpose == Purpose::Status {
        return Some(spent(reachable, view, Reason::QuotaSpent, None));
    }
    if let Some(until) = reachable.capped_until.filter(|until| *until > s.now) {
        return Some(Block::moment(Reason::RecipientCapped, until));
    }
    let slot = view.slot_at.filter(|at| *at > s.now)?;
    Some(Block::moment(Reason::RateLimited, slot))
}

/// An account that stands still; where only its quota does, a word of the person frees one answer.
fn spent(to: &Reachable, view: &ChannelView<'_>, reason: Reason, until: Option<Timestamp>) -> Block {
    match &to.address {
        Some(address) if view.caps.reply_token && reason == Reason::QuotaSpent => {
            Block { reason, until, cure: Cure::Answer(address.clone()) }
        }
        _ => Block::channel(reason, until),
    }
}

/// What a single blocked channel means for an item that may not change its channel.
pub(super) fn wait_for(channel: &ChannelId, block: &Block, expires: Timestamp) -> Option<Decision> {
    block.cure.passes().then(|| rest(channel, block, expires))
}

fn rest(channel: &ChannelId, block: &Block, expires: Timestamp) -> Decision {
    let until = block.until.map_or(expires, |u| u.min(expires));
    match block.cure {
        // A slot and a person's rest are moments, not a standstill of the account.
        Cure::Moment => Decision::Wait { until, reason: block.reason, watch: Vec::new() },
        // Whatever it stands still for, "too fast" included: an operator's resume gives its orders back at once.
        _ => Decision::Park { channel: channel.clone(), reason: block.reason, until },
    }
}

/// No channel carries it now: wait for what could end that, or end for the most telling reason.
fn nobody(case: &Case<'_>, blocks: Vec<(&ChannelId, Block)>) -> Decision {
    let curable: Vec<&(&ChannelId, Block)> = blocks.iter().filter(|(_, b)| b.cure != Cure::None).collect();
    let Some((_, first)) = curable.first() else {
        return skip(most_telling(case, &blocks));
    };
    if let [(channel, only)] = curable.as_slice()
        && only.cure.passes()
    {
        return rest(channel, only, case.expires);
    }
    // A resting channel that keeps the item is what it waits for; else the channel it would like best.
    let kept = blocks.last().map(|(_, last)| last).filter(|last| keeps(last, case.expires));
    let soonest = curable.iter().filter_map(|(_, b)| b.until).min();
    let watch = curable.iter().filter_map(|(channel, b)| match &b.cure {
        Cure::Person(Some(address)) | Cure::Answer(address) => Some(((*channel).clone(), address.clone())),
        _ => None,
    });
    Decision::Wait {
        until: soonest.map_or(case.expires, |u| u.min(case.expires)),
        reason: kept.map_or(first.reason, |last| last.reason),
        watch: watch.collect(),
    }
}

/// A customer's "no" tells more than a missing address.
fn most_telling(case: &Case<'_>, blocks: &[(&ChannelId, Block)]) -> Reason {
    const ORDER: [Reason; 9] = [
        Reason::OperatorBlocked,
        Reason::OptedOut,
        Reason::RecipientBlocked,
        Reason::OrderMuted,
        Reason::TestOrder,
        Reason::RecipientInvalid,
        Reason::TemplateMissing,
        Reason::NoAddress,
        Reason::SettingsChanged,
    ];
    let found = ORDER.into_iter().find(|r| blocks.iter().any(|(_, b)| b.reason == *r));
    // All channels were found impossible by earlier sends: the last of those left its reason.
    let earlier = case.item.reason.filter(|r| r.may_cause().contains('s'));
    found.or(earlier).unwrap_or(Reason::Undelivered)
}
