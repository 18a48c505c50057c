//! people: what customers write and the relay does not answer itself goes to the shop's people, and what those say goes
//! back.
//!
//! A conversation is a unit of its own: one person on one channel account, kept, leased and settled like an order.
//! What happened in it are its items, in this order: the customer said something (owed to the people), a person
//! answered (owed to the customer), what became of that answer where it did not go (owed to the people, once).
//!
//! - **In.** An event of a signed callback that means nothing the relay answers itself is committed here before the
//!   provider is answered. Dies before: the provider repeats it. Dies after: it is owed; the repeat meets its mark, and
//!   what was owed keeps it for as long as the conversation is kept.
//! - **To the people.** By the channel that `[shop.people] to` names, one message at a time, in the order said. Dies
//!   before `begin`: the lease ends, and it is sent. Dies behind it: nobody knows whether it went. By a channel that
//!   recognises a repeat it goes again under the same key; by another it goes once more and says that it may be there
//!   already: rather that than a customer whom nobody answers.
//! - **Back.** A reply is committed under its own id before whoever said it is answered; said twice, it is owed once.
//!   It goes when the messenger lets a person write now, as facts read right before `begin` say; else it ends with the
//!   reason. Dies behind `begin`: again under the same key where there is one, else it stays `unsure`: a person looks
//!   and says it again or not; a machine does not.
//! - **What became of it.** A reply that did not go, or may not have, is told where the people read, as an item that the
//!   settle itself adds: with the end of the reply or not at all.
//! - **Threads.** Which message began a conversation's thread is kept beside it before the settle. Dies between: the
//!   next message begins a thread anew; answers in either find the conversation.
//!
//! Switching order updates off forbids no answer to somebody who has just written; a block by the shop's people does.

mod desk;
mod files;
mod give;
mod hours;
mod note;
mod owed;
mod reply;
mod saved;
mod view;
mod words;

pub use files::fetch;
pub use reply::{Said, Taken, Trouble, order, said, say};
pub use view::{ConversationView, LineView, SavedView, saved_replies, view};

use super::App;
use super::account::Account;
use super::kept::{AcceptError, CONVERSES};
use super::live::{Live, Shop};
use super::settle::Finished;
use super::{answer, talk};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::ids::{ChannelId, Digest8, ShopId};
use crate::domain::ledger::{Entry, LedgerEntry};
use crate::domain::owed::Owed;
use crate::domain::people::{Attachment, People};
use crate::domain::person::{Address, Signal};
use crate::store::erase::Remains;
use crate::store::keys::{Member, Unit, UnitKind};
use crate::store::operators::Changed;
use crate::store::order::{Commit, Committed, Record};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(super) use owed::work;
pub(super) use view::of_person;

/// What is owed: the customer's words to the people, a reply to the customer, its end to the people, the away message.
const SAID: &str = "conversation said";
const REPLY: &str = "conversation reply";
const NOTE: &str = "conversation note";
const AWAY: &str = "conversation away";

/// Longest that something is owed while a channel stands still.
const OWED_SECS: i64 = 7 * 86_400;
/// Events are known again for so long by their marks alone; behind that by the items.
const SEEN_SECS: i64 = 8 * 86_400;
/// Tries at a commit against others.
const TRIES: usize = 5;
/// Lines kept of a conversation, the newest; what is still owed stays.
const LINES: usize = 60;
/// Longest words kept of one line, in characters: more than any messenger takes.
const WORDS: usize = 6000;
/// Attachments kept of one line.
const FILES: usize = 20;

/// A conversation as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Conversation {
    version: u16,
    channel: ChannelId,
    person: Address,
    /// Whose people answer.
    shop: ShopId,
    lines: Vec<Line>,
    /// The customer's last words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heard: Option<Timestamp>,
    /// The relay keeps still until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quiet_until: Option<Timestamp>,
    /// They were told that nobody is there, which holds until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    away_until: Option<Timestamp>,
}

/// Something said.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    /// Number of its item.
    no: u16,
    at: Timestamp,
    what: What,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// By the customer.
    Said {
        text: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<Attachment>,
    },
    /// By a person of the shop's.
    Reply {
        by: String,
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        picture: Option<String>,
        /// A file came with it that cannot be passed on.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        file: bool,
    },
    /// By the relay: nobody is there.
    Away,
}

impl Conversation {
    fn read(bytes: &[u8]) -> Result<Conversation, AcceptError> {
        let json = bytes.strip_prefix(&[CONVERSES]).unwrap_or_default();
        serde_json::from_slice(json).map_err(|e| AcceptError::Unreadable(e.to_string()))
    }

    fn bytes(&self) -> Result<Vec<u8>, AcceptError> {
        let mut bytes = vec![CONVERSES];
        serde_json::to_writer(&mut bytes, self).map_err(|e| AcceptError::Unreadable(e.to_string()))?;
        Ok(bytes)
    }

    fn line(&self, no: u16) -> Option<&Line> {
        self.lines.iter().find(|line| line.no == no)
    }

    fn quiet(&self, now: Timestamp) -> bool {
        self.quiet_until.is_some_and(|until| until > now)
    }

    /// The oldest lines go; not those that are still owed.
    fn tidy(&mut self, record: &Record) {
        let open = |no: u16| record.item(no).is_none_or(|i| i.state.is_open());
        let mut surplus = self.lines.len().saturating_sub(LINES);
        self.lines.retain(|line| {
            let goes = surplus > 0 && !open(line.no);
            surplus -= usize::from(goes);
            !goes
        });
    }
}

fn member(app: &App, channel: &ChannelId, person: &Address) -> Member {
    let id = format!("{}:{}", person.scheme, person.value);
    app.store.member(&Unit { shop: ShopId::from(channel.as_str()), kind: UnitKind::Conversation, id })
}

/// The name by which people and programs call a conversation: opaque.
fn name(member: &Member) -> String {
    member.as_str().replace('/', "-")
}

fn named(text: &str) -> Option<Member> {
    Member::parse(&text.trim().replace('-', "/"))
}

/// The people of a shop, and the account that leads to them.
fn people<'l>(live: &'l Live, shop: &'l Shop) -> Option<(&'l People, &'l Arc<Account>)> {
    let people = shop.rules.people.as_ref()?;
    Some((people, live.channels.get(&people.to)?))
}

/// Whether an event is for people, where nothing else answers it: somebody wrote or sent something, to us.
pub(super) fn is_for_them(signal: &Signal) -> bool {
    let said = signal.text.as_deref().is_some_and(|text| !text.trim().is_empty());
    // What the provider itself took for a yes or no is no question, whatever the word.
    signal.wakes && signal.change.opted_out.is_none() && (said || !signal.attachments.is_empty())
}

/// Whether a person answered there a short while ago, so that the relay keeps still.
///
/// # Errors
/// Redis could not be asked.
pub(super) async fn hold(
    app: &App,
    channel: &ChannelId,
    person: &Address,
    now: Timestamp,
) -> Result<bool, AcceptError> {
    if app.live().shops.values().all(|shop| shop.rules.people.is_none()) {
        return Ok(false);
    }
    let record = app.store.read(&member(app, channel, person)).await?;
    let kept = record.snapshot.as_deref().map(Conversation::read).transpose()?;
    Ok(kept.is_some_and(|conversation| conversation.quiet(now)))
}

/// Whose people answer: those of the shop of the person's newest order, else of one that writes on this channel.
async fn shop_of(
    app: &App,
    live: &Live,
    channel: &ChannelId,
    person: &Address,
) -> Result<Option<Arc<Shop>>, AcceptError> {
    let theirs = answer::theirs(app, live, channel, person).await?;
    let known = theirs.into_iter().map(|one| one.shop).find(|shop| shop.rules.people.is_some());
    let any = || live.shops.values().filter(|shop| shop.rules.people.is_some()).min_by_key(|s| s.rules.id.clone());
    let speaks = || talk::some_shop(live, channel).filter(|shop| shop.rules.people.is_some());
    Ok(known.or_else(|| speaks().or_else(any).cloned()))
}

/// Takes in what somebody wrote. Nobody reads it where no shop names its people.
///
/// # Errors
/// Redis could not take it; the same again is safe.
pub(super) async fn hear(app: &App, account: &Account, person: &Address, signal: &Signal) -> Result<(), AcceptError> {
    let live = app.live();
    if live.shops.values().all(|shop| shop.rules.people.is_none()) {
        return Ok(());
    }
    let Some(shop) = shop_of(app, &live, &account.id, person).await? else { return Ok(()) };
    let member = member(app, &account.id, person);
    let seen = Digest8::of(&[SAID.as_bytes(), account.id.as_str().as_bytes(), signal.dedupe.as_bytes()]);
    let text: String = signal.text.as_deref().unwrap_or_default().chars().take(WORDS).collect();
    let files: Vec<Attachment> = signal.attachments.iter().take(FILES).cloned().collect();
    for _ in 0..TRIES {
        let now = app.clock.now();
        let at = signal.at.min(now);
        let record = app.store.read(&member).await?;
        if knows(&record, seen) {
            return Ok(());
        }
        let mut kept = open(&record, &account.id, person, &shop.rules.id)?;
        kept.heard = kept.heard.max(Some(at));
        kept.shop = shop.rules.id.clone();
        let mut next = Next::after(&record, now);
        next.owe(&mut kept, (SAID, seen, at), What::Said { text: text.clone(), files: files.clone() });
        if let Some(until) = hours::away(&kept, &shop.rules, at, now) {
            kept.away_until = Some(until);
            let mark = Digest8::of(&[AWAY.as_bytes(), signal.dedupe.as_bytes()]);
            next.owe(&mut kept, (AWAY, mark, at), What::Away);
        }
        if next.commit(app, &member, (&record, kept), (seen, "conversation said")).await? {
            return Ok(());
        }
    }
    Err(AcceptError::Contended)
}

/// The event was taken in before.
fn knows(record: &Record, seen: Digest8) -> bool {
    record.seen.iter().any(|(digest, _)| *digest == seen) || record.items.iter().any(|item| item.subject == seen)
}

fn open(record: &Record, channel: &ChannelId, person: &Address, shop: &ShopId) -> Result<Conversation, AcceptError> {
    match &record.snapshot {
        Some(bytes) => Conversation::read(bytes),
        None => Ok(Conversation {
            version: 1,
            channel: channel.clone(),
            person: person.clone(),
            shop: shop.clone(),
            lines: Vec::new(),
            heard: None,
            quiet_until: None,
            away_until: None,
        }),
    }
}

/// What a commit adds.
struct Next {
    now: Timestamp,
    last: u16,
    owed: Vec<Owed>,
}

impl Next {
    fn after(record: &Record, now: Timestamp) -> Next {
        Next { now, last: record.last_item, owed: Vec::new() }
    }

    fn owe(&mut self, kept: &mut Conversation, (what, mark, at): (&str, Digest8, Timestamp), said: What) {
        self.last = self.last.saturating_add(1);
        let times = (self.now, plus_secs(self.now, OWED_SECS));
        self.owed.push(Owed::by_itself(self.last, what, mark, at, times));
        kept.lines.push(Line { no: self.last, at, what: said });
    }

    /// `true`: it is durable, or was before. `false`: somebody else was first, read again.
    async fn commit(
        self,
        app: &App,
        member: &Member,
        (record, mut kept): (&Record, Conversation),
        (seen, topic): (Digest8, &str),
    ) -> Result<bool, AcceptError> {
        kept.tidy(record);
        let happened = self.owed.first().map_or(self.now, |item| item.at);
        let what = Entry::Webhook { topic: topic.into(), happened };
        let commit = Commit {
            expected: record.revision,
            parked: record.parked,
            seen: vec![seen],
            seen_until: plus_secs(self.now, SEEN_SECS),
            drop_seen: record.stale_seen(self.now),
            snapshot: kept.bytes()?,
            owed: self.owed,
            due: Some(self.now),
            ledger: vec![LedgerEntry { at: self.now, what }],
        };
        match app.store.commit(member, commit).await? {
            Committed::Stored { .. } => {
                super::crash::point("after-said");
                app.nudge.at(member.partition(), self.now, self.now);
                Ok(true)
            }
            Committed::Duplicate => Ok(true),
            Committed::Conflict => {
                app.metrics.conflict();
                Ok(false)
            }
        }
    }
}

/// Forgets what was said with a person.
///
/// # Errors
/// Redis could not be asked; the same again is safe.
pub(super) async fn forget(app: &App, channel: &ChannelId, person: &Address) -> Result<(), AcceptError> {
    erase(app, &member(app, channel, person)).await
}

/// The same, by the unit, where it is of this shop and began before.
///
/// # Errors
/// As [`forget`].
pub(super) async fn forget_of(
    app: &App,
    (shop, asked): (&ShopId, Timestamp),
    member: &Member,
) -> Result<(), AcceptError> {
    let record = app.store.read_to_erase(member).await?;
    let kept = record.snapshot.as_deref().and_then(|bytes| Conversation::read(bytes).ok());
    let meant = |kept: &Conversation| kept.shop == *shop && kept.lines.first().is_none_or(|line| line.at <= asked);
    if kept.is_some_and(|kept| meant(&kept)) { erase(app, member).await } else { Ok(()) }
}

async fn erase(app: &App, member: &Member) -> Result<(), AcceptError> {
    for _ in 0..TRIES {
        let record = app.store.read_to_erase(member).await?;
        let now = app.clock.now();
        if record.revision == 0 || app.store.erase(member, &record, &[], now, Remains::Nothing).await? == Changed::Ok {
            return Ok(());
        }
    }
    Err(AcceptError::Contended)
}

/// What `Finished` a unit comes to that this version cannot work on: it is looked at again later.
fn left_alone(leased: crate::store::work::Leased, record: &Record, now: Timestamp) -> Finished {
    Finished::Settle(Box::new(super::inhand::InHand::left_alone(leased, record, now)))
}
