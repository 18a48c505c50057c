//! To the customer: a person's words, or that nobody is there; given when the messenger lets them go.

use super::reply::{May, may};
use super::{Conversation, What, hours, saved};
use crate::domain::channel::{Audience, Envelope, Errand, Form, Message, Reference, ShapeFault};
use crate::domain::clock::Timestamp;
use crate::domain::decision::{Go, Reason};
use crate::domain::owed::{Owed, State};
use crate::domain::people::PersonReply;
use crate::domain::person::PersonFacts;
use crate::flow::App;
use crate::flow::account::{Account, Permit};
use crate::flow::batch;
use crate::flow::inhand::InHand;
use crate::flow::kept::AcceptError;
use crate::flow::sending::Sending;
use crate::flow::wording::wishes;
use crate::words::ChatText;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// To whom, on what, and what is known of them.
pub(super) type To<'a> = (&'a Conversation, &'a Arc<Account>, &'a PersonFacts);

/// The provider said no to this very reply before: asked again it would say the same.
fn refused(item: &Owed, late: bool) -> Option<Reason> {
    use Reason::{ConsentMissing, OptedOut, RecipientBlocked, RecipientInvalid, TemplateMissing, WindowClosed};
    let reason = item.reason.filter(|_| item.attempts > 0)?;
    match reason {
        WindowClosed if late && item.attempts < 2 => None,
        WindowClosed | OptedOut | RecipientBlocked | RecipientInvalid | TemplateMissing | ConsentMissing => {
            Some(reason)
        }
        _ => None,
    }
}

/// Makes the next message to the customer, if it may go now; gives until when it waits.
pub(super) async fn give(
    app: &App,
    hand: &mut InHand,
    to: To<'_>,
    no: u16,
    now: Timestamp,
) -> Result<Option<Timestamp>, AcceptError> {
    let (kept, account, facts) = to;
    let (Some(item), Some(line)) = (hand.item(no).cloned(), kept.line(no)) else { return Ok(None) };
    let by_person = matches!(line.what, What::Reply { .. });
    if !by_person && hours::over(kept, &hand.shop.rules, now) {
        hand.end(no, State::Skipped, Reason::MovedOn, None, now);
        return Ok(None);
    }
    let (form, late) = match may(kept, account, facts, now) {
        May::Go(form, late) if by_person || !late => (form, late),
        May::Go(..) => return Ok(end(hand, &item, Reason::WindowClosed, now)),
        May::No(reason) => return Ok(end(hand, &item, reason, now)),
    };
    if let Some(reason) = refused(&item, late) {
        return Ok(end(hand, &item, reason, now));
    }
    if let Some((until, reason)) = account.paused(now) {
        let until = until.min(item.expires);
        hand.park(no, &account.id, reason, until, now);
        return Ok(Some(until));
    }
    let message = match words(app, hand, to, &line.what, now).await? {
        Ok(message) => message,
        Err(reason) => {
            hand.end(no, State::Dead, reason, None, now);
            return Ok(None);
        }
    };
    batch::budget(app, account, 1, now).await;
    match account.take(now) {
        Ok(permit) => {
            let said = Said { message, form, late, by_person };
            hand_over(app, hand, to, (&item, said, permit), now).await?;
            Ok(None)
        }
        Err(slot) => {
            hand.wait_for_slot(no, &[], slot, now);
            Ok(Some(slot))
        }
    }
}

/// What is said, and how.
struct Said {
    message: Message,
    form: Form,
    late: bool,
    by_person: bool,
}

async fn hand_over(
    app: &App,
    hand: &mut InHand,
    (kept, account, _): To<'_>,
    (item, mut said, permit): (&Owed, Said, Permit),
    now: Timestamp,
) -> Result<(), AcceptError> {
    let mut token = None;
    if said.form == Form::Reply {
        token = app.store.take_reply_token(&kept.channel, &kept.person).await?;
        if token.is_none() {
            said.form = Form::Free;
        }
    }
    let reference = Reference(format!("{}.{}", hand.leased.member.as_str(), item.no));
    let key = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("conversation/{}", reference.0).as_bytes());
    let errand = Errand {
        address: Some(&kept.person),
        form: said.form,
        key,
        thread: key,
        reference: &reference,
        reply_token: token.as_deref(),
        unsubscribe_url: None,
        quiet: false,
        now,
    };
    let (locale, by_person) = (said.message.locale.clone(), said.by_person);
    match shaped(hand, account, item, said, &errand) {
        Ok(envelope) => hand.sends.push(Sending {
            lead: item.no,
            go: Go {
                channel: kept.channel.clone(),
                place: 0,
                address: Some(kept.person.clone()),
                form: envelope.form,
                joined: Vec::new(),
                passed: Vec::new(),
            },
            account: Arc::clone(account),
            envelope,
            reference: reference.0.clone(),
            locale,
            purpose: super::owed::purpose(item),
            again: item.state == State::Again,
            expires: item.expires,
            by_person,
            answerable: false,
            permit,
        }),
        Err(fault) => {
            tracing::warn!(channel = %account.id, %fault, "a person's reply does not fit the channel");
            hand.end(item.no, State::Dead, Reason::Refused, None, now);
        }
    }
    Ok(())
}

/// The vendor's shape; what may have gone goes again as it was.
fn shaped(
    hand: &InHand,
    account: &Account,
    item: &Owed,
    said: Said,
    errand: &Errand<'_>,
) -> Result<Envelope, ShapeFault> {
    let before = hand.kept_envelope(item.no).filter(|e| item.state == State::Again && e.channel == account.id);
    match (before, said.by_person) {
        (Some(before), _) => Ok(before.clone()),
        (None, true) => {
            let reply = PersonReply { message: said.message, late: said.late };
            account.channel.shape_reply(&reply, errand)
        }
        (None, false) => account.channel.shape(&said.message, errand),
    }
}

fn end(hand: &mut InHand, item: &Owed, reason: Reason, now: Timestamp) -> Option<Timestamp> {
    // What may have gone is not said to be held back.
    let (state, reason) = match item.state {
        State::Again => (State::Unsure, Reason::MaybeTold),
        _ => (State::Skipped, reason),
    };
    hand.end(item.no, state, reason, None, now);
    None
}

/// The words; or why there are none that can go.
async fn words(
    app: &App,
    hand: &InHand,
    to: To<'_>,
    what: &What,
    now: Timestamp,
) -> Result<Result<Message, Reason>, AcceptError> {
    let (kept, account, facts) = to;
    let rules = &hand.shop.rules;
    let own = facts.locale.as_deref().into_iter();
    let wanted: Vec<&str> = own.chain(wishes(&hand.order, rules, Audience::Customer)).collect();
    let locale = hand.live.words.locale(&wanted);
    let (body, image) = match what {
        What::Reply { file: true, .. } => return Ok(Err(Reason::Refused)),
        What::Reply { text, picture, .. } => match saved::name(text) {
            Some(name) => match saved::words(app, hand, to, (name, locale), now).await? {
                Some(text) => (text, None),
                None => return Ok(Err(Reason::TemplateMissing)),
            },
            None => (text.clone(), picture.clone()),
        },
        What::Said { .. } | What::Away => {
            let said = hand.live.words.chat(ChatText::Away, locale, None, rules.name.as_deref());
            (said.unwrap_or_else(|_| ChatText::Away.key().to_string()), None)
        }
    };
    // Nothing that a person says is cut.
    if account.caps.unit.count(&body) > account.caps.text_limit {
        return Ok(Err(Reason::TooLong));
    }
    Ok(Ok(Message {
        milestone: "conversation.reply".into(),
        locale: locale.into(),
        title: String::new(),
        body,
        buttons: Vec::new(),
        actions: Vec::new(),
        image,
        shop_id: kept.shop.to_string(),
        order_id: String::new(),
        order_name: String::new(),
        shop_name: None,
        extra: BTreeMap::new(),
    }))
}
