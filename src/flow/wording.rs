//! wording: a decision to go → words → the vendor's shape.

use super::account::Account;
use super::chat;
use super::inhand::InHand;
use super::link::{self, Invitation};
use super::live::Holder;
use crate::domain::channel::{Audience, Envelope, Errand, Message, Reference, ShapeFault};
use crate::domain::clock::Timestamp;
use crate::domain::decision::{Go, Reason};
use crate::domain::ids::ChannelId;
use crate::domain::milestone::{Milestone, Purpose, Reached};
use crate::domain::order::Order;
use crate::domain::owed::{Owed, State};
use crate::domain::person::Address;
use crate::domain::shop::ShopRules;
use crate::milestone;
use crate::words::{ExtraLinks, Telling, WordsFault};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Namespace of our derived keys (random, fixed for ever: changing it would make every retry a new message).
const NAMESPACE: Uuid = Uuid::from_u128(0x6f72_6465_7277_6972_8e5a_3c1d_9b40_2f77);

/// A message in the vendor's shape, with what the ledger says of it.
pub struct Worded {
    /// The vendor's shape.
    pub envelope: Envelope,
    /// The words that were shaped; `None`: the shape was kept from an earlier try.
    pub message: Option<Message>,
    /// Our reference of it.
    pub reference: String,
    /// Language of the words.
    pub locale: String,
    /// Purpose of the leading milestone.
    pub purpose: Purpose,
}

/// Why there are no words.
#[derive(Debug, thiserror::Error)]
pub enum WordingFault {
    /// The words could not be rendered.
    #[error(transparent)]
    Words(#[from] WordsFault),
    /// They do not fit the channel.
    #[error(transparent)]
    Shape(#[from] ShapeFault),
    /// The milestone is gone from the order.
    #[error("the order no longer knows what was to be told")]
    Gone,
}

impl WordingFault {
    /// The reason the item dies for.
    pub fn reason(&self) -> Reason {
        match self {
            WordingFault::Shape(ShapeFault::NoTemplate { .. }) => Reason::TemplateMissing,
            WordingFault::Shape(ShapeFault::TooLong { .. }) => Reason::TooLong,
            WordingFault::Shape(ShapeFault::Unfit(_)) | WordingFault::Words(_) => Reason::Refused,
            WordingFault::Gone => Reason::MovedOn,
        }
    }
}

/// What an item is about: its milestone, and the subject as the order now has it.
pub fn about(order: &Order, rules: &ShopRules, item: &Owed) -> Option<(&'static Milestone, Reached)> {
    let milestone = milestone::by_tag(item.milestone)?;
    let reached =
        (milestone.reached)(order, rules).into_iter().find(|r| r.subject.digest(milestone.id) == item.subject)?;
    Some((milestone, reached))
}

/// The language wishes of an order, the customer's first.
pub fn wishes<'a>(order: &'a Order, rules: &'a ShopRules, audience: Audience) -> Vec<&'a str> {
    let own = order.head().and_then(|h| h.locale.as_deref());
    let country = order.head().and_then(|h| h.country.as_deref()).and_then(|country| match country {
        "TW" | "HK" | "MO" => Some("zh-TW"),
        "CN" => Some("zh-CN"),
        "VN" => Some("vi"),
        _ => None,
    });
    match audience {
        Audience::Customer => own.into_iter().chain(country).chain([rules.locale.as_str()]).collect(),
        Audience::Staff => vec![rules.locale.as_str()],
    }
}

/// The item whose message this is: itself, or, where it replays one that may have arrived, the one that led that
/// message, so that its key goes again and the provider refuses a double. The same must be told besides: for
/// another message under a known key the provider answers that it was told.
fn origin<'a>(hand: &'a InHand, item: &'a Owed, joined: &[u16]) -> &'a Owed {
    let mut first = item;
    let mut besides: BTreeSet<u16> = joined.iter().copied().collect();
    // What is followed is older, so this ends.
    while let Some(before) = hand.item(first.follows).filter(|b| b.state == State::Unsure && b.within == 0) {
        let then: BTreeSet<u16> = hand.items.iter().filter(|i| i.within == before.no).map(|i| i.no).collect();
        let now: BTreeSet<u16> = besides.iter().filter_map(|no| Some(hand.item(*no)?.follows)).collect();
        if then != now {
            break;
        }
        (first, besides) = (before, then);
    }
    first
}

/// The address stands in the order because the buyer's cart said so, and nobody vouches for it: it may be anybody's.
/// Who tied the chat themselves by a link has shown that it is theirs.
fn unconfirmed(order: &Order, rules: &ShopRules, (channel, address): (&ChannelId, &Address)) -> bool {
    let carried =
        order.head().is_some_and(|h| h.contact.identities.iter().any(|(scheme, _)| *scheme == address.scheme));
    carried && !rules.vouched.contains(&address.scheme) && !order.linked(channel).contains(address)
}

/// Where the customer ties a messenger to the order: for who is told where nobody chats, and has tied none yet. `None`
/// also where the shop has no messenger to which a link leads.
fn connect(hand: &InHand, account: &Account, now: Timestamp) -> Option<String> {
    let (live, order) = (&hand.live, &hand.order);
    let tied = order.links.iter().any(|link| link.on && order.counts(link));
    if tied || chat::converses(account) || link::ways(live, &order.shop).is_empty() {
        return None;
    }
    live.invite(&Invitation { shop: order.shop.clone(), order: order.id.clone(), shown: None }, link::good_until(now))
}

/// The order without what is its buyer's own: names, and links that hold a key.
fn impersonal(order: &Order) -> Order {
    let mut order = order.clone();
    if let Some(head) = &mut order.head {
        let head = &mut head.value;
        (head.contact.first_name, head.contact.last_name, head.status_url) = (None, None, None);
    }
    if let Some(pay) = &mut order.pay {
        pay.value.url = None;
    }
    for label in order.returns.iter_mut().filter_map(|r| r.label.as_mut()) {
        label.value.url = None;
    }
    order
}

/// Words for a decision to go, shaped for its channel.
///
/// # Errors
/// Words that do not render or fit: the item dies with the reason, a person corrects them and replays.
pub fn envelope(
    hand: &InHand,
    lead: u16,
    go: &Go,
    account: &Account,
    reply_token: Option<&str>,
    now: Timestamp,
) -> Result<Worded, WordingFault> {
    let item = hand.item(lead).ok_or(WordingFault::Gone)?;
    let (milestone, reached) = about(&hand.order, &hand.shop.rules, item).ok_or(WordingFault::Gone)?;
    let live = &hand.live;
    let audience = account.caps.audience;
    let locale = live.words.locale(&wishes(&hand.order, &hand.shop.rules, audience));
    let address = go.address.as_ref();
    // Opaque: a keyed hash and a number; it says nothing about order or person.
    let reference = format!("{}.{lead}", hand.leased.member.as_str());
    let worded = |envelope, message| {
        let (reference, locale, purpose) = (reference.clone(), locale.into(), milestone.purpose);
        Worded { envelope, message, reference, locale, purpose }
    };
    if let Some(kept) = hand.kept_envelope(lead).filter(|k| k.channel == account.id) {
        return Ok(worded(kept.clone(), None));
    }
    let page = address.and_then(|address| {
        let order = Some((hand.order.shop.clone(), hand.order.id.clone()));
        live.page_link(&Holder { order, channel: account.id.clone(), address: address.clone() }, now)
    });
    let joined: Vec<&str> =
        go.joined.iter().filter_map(|no| milestone::by_tag(hand.item(*no)?.milestone).map(|m| m.id)).collect();
    let whole = !address.is_some_and(|a| unconfirmed(&hand.order, &hand.shop.rules, (&account.id, a)));
    let bare = if whole { None } else { Some(impersonal(&hand.order)) };
    let telling = Telling {
        milestone: milestone.id,
        joined: &joined,
        subject: &reached.subject,
        order: bare.as_ref().unwrap_or(&hand.order),
        rules: &hand.shop.rules,
        locale,
        section: account.kind.section(),
        audience,
        now,
        links: ExtraLinks { status: None, page: page.clone(), connect: connect(hand, account, now).filter(|_| whole) },
    };
    let message = live.words.render(&telling)?;
    let unit = format!("{}/{}", hand.order.shop, hand.order.id);
    let to = address.map_or("", |a| a.value.as_str());
    let named = origin(hand, item, &go.joined);
    let name = format!("{unit}/{}/{}/{to}/{}", named.no, account.id, named.follows);
    let errand = Errand {
        address,
        form: go.form,
        key: Uuid::new_v5(&NAMESPACE, name.as_bytes()),
        thread: Uuid::new_v5(&NAMESPACE, unit.as_bytes()),
        reference: &Reference(reference.clone()),
        reply_token,
        unsubscribe_url: page.as_deref().filter(|_| account.caps.unsubscribe_link),
        quiet: milestone.purpose == Purpose::Status,
        now,
    };
    let envelope = account.channel.shape(&message, &errand)?;
    Ok(worded(envelope, Some(message)))
}
