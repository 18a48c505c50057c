//! Working on a leased conversation: at most one message to the people and one to the customer at a time, each side in
//! the order in which it was said.

use super::{AWAY, Conversation, NOTE, REPLY, SAID, desk, give, left_alone, note};
use crate::domain::clock::Timestamp;
use crate::domain::decision::Reason;
use crate::domain::ids::{OrderId, Tag};
use crate::domain::milestone::Purpose;
use crate::domain::order::Order;
use crate::domain::owed::{Owed, State};
use crate::domain::person::PersonFacts;
use crate::flow::App;
use crate::flow::account::Account;
use crate::flow::batch::{self, Ready};
use crate::flow::inhand::InHand;
use crate::flow::kept::AcceptError;
use crate::flow::outcome::{self, Sent};
use crate::flow::send::send_all;
use crate::flow::settle::Finished;
use crate::store::order::Record;
use crate::store::work::Leased;
use std::sync::Arc;
use std::time::Instant;

/// What stands first on one side, and what behind it.
struct Turn {
    first: u16,
    not_before: Timestamp,
    behind: Vec<u16>,
}

impl Turn {
    fn of(hand: &InHand, kinds: [&str; 2]) -> Option<Turn> {
        let tags = kinds.map(Tag::of);
        let mut open = hand.items.iter().filter(|i| i.state.is_open() && tags.contains(&i.milestone));
        let first = open.next()?;
        Some(Turn { first: first.no, not_before: first.not_before, behind: open.map(|i| i.no).collect() })
    }

    /// What is behind waits as long as the first does, else it is its turn at once.
    fn rest(self, hand: &mut InHand, until: Option<Timestamp>, now: Timestamp) {
        match until {
            Some(until) => {
                self.behind.iter().for_each(|no| hand.wait(*no, until, Reason::EarlierFirst, Vec::new(), now));
            }
            None => hand.again_now |= !self.behind.is_empty(),
        }
    }
}

/// Works on a leased conversation, and settles.
pub(in crate::flow) async fn work(app: &Arc<App>, leased: Leased, record: Record, asked: Instant) -> Finished {
    let now = app.clock.now();
    let live = app.live();
    let kept = record.snapshot.as_deref().and_then(|bytes| Conversation::read(bytes).ok());
    let known = kept.as_ref().and_then(|k| Some((live.channels.get(&k.channel)?, live.shops.get(&k.shop)?)));
    let (Some(kept), Some((account, shop))) = (&kept, known) else {
        // Of a newer version, or of a channel or shop that is no longer configured.
        return left_alone(leased, &record, now);
    };
    let (before, last) = (record.items.clone(), record.last_item);
    let order = Order::new(shop.rules.id.clone(), OrderId::from("-"), now);
    let mut hand = InHand::new(leased, record, order, Arc::clone(shop), Arc::clone(&live), asked);
    if !hand.poisoned(now)
        && let Err(error) = decide(app, &mut hand, kept, account, now).await
    {
        tracing::warn!(%error, "what is said in a conversation could not go yet");
        return Finished::GiveBack(hand.leased);
    }
    let mut ready = Vec::new();
    batch::begin_all(app, vec![hand], &mut ready).await;
    let mut settle = match ready.pop() {
        Some(Ready::Send(hand)) => send_all(app, *hand).await,
        Some(Ready::Settle(settle)) => *settle,
        _ => return Finished::LeftBehind,
    };
    note::tell_back((&before, last), &mut settle, app.clock.now());
    Finished::Settle(Box::new(settle))
}

async fn decide(
    app: &App,
    hand: &mut InHand,
    kept: &Conversation,
    account: &Arc<Account>,
    now: Timestamp,
) -> Result<(), AcceptError> {
    hand.take_receipts(now);
    if hand.items.iter().any(|i| matches!(i.state, State::Begun | State::Again)) {
        let envelopes = app.store.envelopes(&hand.leased.member).await?;
        hand.keep_envelopes(envelopes);
    }
    take_over(hand, now);
    expire(hand, kept, now);
    if let Some(turn) = Turn::of(hand, [SAID, NOTE]) {
        let until = match turn.not_before > now {
            true => Some(turn.not_before),
            false => desk::tell(app, hand, kept, turn.first, now).await?,
        };
        turn.rest(hand, until, now);
    }
    if let Some(turn) = Turn::of(hand, [REPLY, AWAY]) {
        let until = match turn.not_before > now {
            true => Some(turn.not_before),
            false => {
                // The last look: what forbids it is read right before it is begun.
                let facts = facts(app, kept).await?;
                give::give(app, hand, (kept, account, &facts), turn.first, now).await?
            }
        };
        turn.rest(hand, until, now);
    }
    Ok(())
}

async fn facts(app: &App, kept: &Conversation) -> Result<PersonFacts, AcceptError> {
    let who = [(kept.channel.clone(), kept.person.clone())];
    let facts = app.store.facts(&who).await?.into_iter().next().unwrap_or_default();
    Ok(app.noted.over(&kept.channel, &kept.person, facts))
}

/// Why it is said: a customer's words call somebody to act, and are told twice rather than never; what goes to the
/// customer is not.
pub(super) fn purpose(item: &Owed) -> Purpose {
    let desk = [SAID, NOTE].map(Tag::of).contains(&item.milestone);
    if desk { Purpose::Attention } else { Purpose::Status }
}

/// What a worker that died had begun may have gone.
fn take_over(hand: &mut InHand, now: Timestamp) {
    let begun: Vec<Owed> = hand.items.iter().filter(|i| i.state == State::Begun).cloned().collect();
    for item in begun {
        let mut fate = item.clone();
        match hand.live.channel_by_tag(item.channel) {
            Some(account) => {
                let form = hand.kept_envelope(item.no).map_or(crate::domain::channel::Form::Reply, |e| e.form);
                let again = item.attempts > 1;
                let sent = Sent { account, place: 0, form, purpose: purpose(&item), again, probe: false, now };
                outcome::unsure(&mut fate, &sent);
            }
            None => fate.state = State::Unsure,
        }
        if fate.state == State::Unsure {
            hand.end(item.no, State::Unsure, Reason::MaybeTold, None, now);
        } else if let Some(kept) = hand.items.iter_mut().find(|i| i.no == item.no) {
            fate.not_before = now;
            *kept = fate;
        }
    }
}

/// What waited too long, and what nobody knows the words of any more.
fn expire(hand: &mut InHand, kept: &Conversation, now: Timestamp) {
    let gone = |i: &Owed| i.milestone != Tag::of(NOTE) && kept.line(i.no).is_none();
    let over: Vec<u16> =
        hand.items.iter().filter(|i| i.state.is_open() && (i.expires <= now || gone(i))).map(|i| i.no).collect();
    for no in over {
        let item = hand.item(no);
        let (state, reason) = match item.map(|i| i.state) {
            Some(State::Again) => (State::Unsure, Reason::MaybeTold),
            _ => (State::Expired, item.and_then(|i| i.reason).unwrap_or(Reason::Stale)),
        };
        hand.end(no, state, reason, None, now);
    }
}
