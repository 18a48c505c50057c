//! To the shop's people: what a customer said, and what became of a reply.

use super::owed::purpose;
use super::{Conversation, What, name, people, words};
use crate::domain::channel::{Envelope, Errand, Form, Message, Reference, ShapeFault};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::decision::{Go, Reason};
use crate::domain::owed::{Owed, State};
use crate::domain::person::Address;
use crate::flow::App;
use crate::flow::account::Account;
use crate::flow::batch;
use crate::flow::inhand::InHand;
use crate::flow::kept::AcceptError;
use crate::flow::sending::Sending;
use std::sync::Arc;
use uuid::Uuid;

/// Looked at again after so long where the settings name nobody any more. Seconds.
const NOBODY_SECS: i64 = 600;

/// Makes the next message to the people, if it may go now; gives until when it waits.
pub(super) async fn tell(
    app: &App,
    hand: &mut InHand,
    kept: &Conversation,
    no: u16,
    now: Timestamp,
) -> Result<Option<Timestamp>, AcceptError> {
    let (live, shop) = (Arc::clone(&hand.live), Arc::clone(&hand.shop));
    let Some(item) = hand.item(no).cloned() else { return Ok(None) };
    let Some((people, desk)) = people(&live, &shop) else {
        let until = plus_secs(now, NOBODY_SECS).min(item.expires);
        hand.wait(no, until, Reason::NoRoute, Vec::new(), now);
        return Ok(Some(until));
    };
    if let Some((until, reason)) = desk.paused(now) {
        let until = until.min(item.expires);
        hand.park(no, &desk.id, reason, until, now);
        return Ok(Some(until));
    }
    batch::budget(app, desk, 1, now).await;
    let permit = match desk.take(now) {
        Ok(permit) => permit,
        Err(slot) => {
            hand.wait_for_slot(no, &[], slot, now);
            return Ok(Some(slot));
        }
    };
    let place = people.address.as_deref().and_then(|raw| desk.channel.desk(raw));
    let thread = app.store.thread(&desk.id, place.as_ref(), &hand.leased.member).await?;
    let told = told(hand, kept, &item, thread.is_none());
    let message = words::of(app, &live, (kept, &name(&hand.leased.member), desk), &told, now).await?;
    let going = Going { desk, place, thread: thread.as_deref(), now };
    match going.envelope(hand, &item, &message) {
        Ok(envelope) => hand.sends.push(Sending {
            lead: no,
            go: Go {
                channel: desk.id.clone(),
                place: 0,
                address: going.place,
                form: Form::Free,
                joined: Vec::new(),
                passed: Vec::new(),
            },
            account: Arc::clone(desk),
            envelope,
            reference: reference(hand, no),
            locale: message.locale,
            purpose: purpose(&item),
            again: item.state == State::Again,
            expires: item.expires,
            by_person: false,
            answerable: matches!(told.line, Some(What::Said { .. })),
            permit,
        }),
        Err(fault) => {
            tracing::error!(channel = %desk.id, %fault, "what a customer wrote does not fit the channel of the shop's people: see `orderwire conversation`");
            hand.end(no, State::Dead, Reason::Refused, None, now);
        }
    }
    Ok(None)
}

fn told<'a>(hand: &'a InHand, kept: &'a Conversation, item: &Owed, first: bool) -> words::Told<'a> {
    words::Told {
        no: item.no,
        line: kept.line(item.no).map(|line| &line.what),
        reply: hand.item(item.follows),
        its_words: kept.line(item.follows).map(|line| &line.what),
        again: item.state == State::Again,
        first,
    }
}

fn reference(hand: &InHand, no: u16) -> String {
    format!("{}.{no}", hand.leased.member.as_str())
}

/// Where and how it goes.
struct Going<'a> {
    desk: &'a Arc<Account>,
    place: Option<Address>,
    thread: Option<&'a str>,
    now: Timestamp,
}

impl Going<'_> {
    /// What may have gone goes again as it was, where that is recognised.
    fn envelope(&self, hand: &InHand, item: &Owed, message: &Message) -> Result<Envelope, ShapeFault> {
        let keyed = self.desk.caps.keyed(Form::Free);
        let before = hand.kept_envelope(item.no).filter(|e| e.channel == self.desk.id && keyed);
        if let (State::Again, Some(before)) = (item.state, before) {
            return Ok(before.clone());
        }
        let key = |what: &str| Uuid::new_v5(&Uuid::NAMESPACE_OID, what.as_bytes());
        let reference = Reference(reference(hand, item.no));
        let errand = Errand {
            address: self.place.as_ref(),
            form: Form::Free,
            key: key(&format!("conversation/{}", reference.0)),
            thread: key(&format!("conversation/{}", hand.leased.member.as_str())),
            reference: &reference,
            reply_token: None,
            unsubscribe_url: None,
            quiet: false,
            now: self.now,
        };
        self.desk.channel.shape_in(self.thread, message, &errand)
    }
}
