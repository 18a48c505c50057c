//! What was said of consent, read: by person, right before a send, and person by person for whoever hands it out.

use super::{Known, millis};
use crate::domain::clock::Timestamp;
use crate::domain::consent::ConsentRecord;
use crate::domain::ids::{ChannelId, Tag};
use crate::domain::person::{Address, PersonFacts};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::keys::{Member, person};
use crate::store::link::Repeat;
use crate::store::order::tags;
use crate::store::script::Call;
use crate::store::value;

/// Keys looked at in one page of a walk, about.
const PAGE: usize = 400;

/// Whom a message is about to go to, and for which order.
#[derive(Clone, Debug)]
pub struct LookAt {
    /// The order.
    pub member: Member,
    /// Everybody whose no counts.
    pub people: Vec<(ChannelId, Address)>,
}

/// What forbids a message now.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The order was erased, or is gone.
    pub erased: bool,
    /// Channels switched off for the order.
    pub muted: Vec<Tag>,
    /// What is known of each person, in the order asked.
    pub facts: Vec<PersonFacts>,
}

/// All that was said by one person on one channel account.
#[derive(Clone, Debug)]
pub struct SaidOf {
    /// Who; `None`: they were forgotten, and what stays forbids.
    pub who: Option<(ChannelId, Address)>,
    /// What is known of them.
    pub facts: PersonFacts,
    /// What was said, the oldest first.
    pub records: Vec<ConsentRecord>,
}

/// A page of people who said something.
#[derive(Clone, Debug, Default)]
pub struct SaidPage {
    /// Who said what.
    pub people: Vec<SaidOf>,
    /// Records that do not open: their key is no longer configured.
    pub closed: u64,
    /// Where to go on; `None`: that was the last.
    pub cursor: Option<String>,
}

impl SaidOf {
    fn new(known: Known, reply_until: Option<Timestamp>) -> SaidOf {
        SaidOf { facts: known.facts(reply_until), who: known.who, records: known.records }
    }
}

impl Store {
    /// What forbids each of these messages now, in one flight: read right before they go.
    ///
    /// # Errors
    /// The store's; the messages must then not go.
    pub async fn look(&self, asks: &[LookAt]) -> Result<Vec<Look>, StoreError> {
        let mut calls = Vec::new();
        for ask in asks {
            calls.push(Call::new("HMGET").arg(self.keys.of(&ask.member, "ord")).arg("r").arg("d").arg("m"));
            for (channel, address) in &ask.people {
                let key = self.keys.own("who", &person(&self.seal, channel, address));
                calls.push(Call::new("HMGET").arg(key).arg("f").arg("e"));
            }
        }
        let mut answers = self.work.flight(&calls, Repeat::Once).await?.into_iter();
        let mut looks = Vec::with_capacity(asks.len());
        for ask in asks {
            let mut head = value::list(answers.next().unwrap_or_default())?.into_iter().map(value::bytes);
            let mut field = || head.next().transpose().map(Option::flatten);
            let (revision, erased, muted) = (field()?, field()?, field()?.unwrap_or_default());
            let mut look = Look { erased: revision.is_none() || erased.is_some(), ..Look::default() };
            look.muted = tags(&muted);
            for (channel, address) in &ask.people {
                let hash = person(&self.seal, channel, address);
                look.facts.push(self.said_in(&hash, answers.next().unwrap_or_default())?.facts);
            }
            looks.push(look);
        }
        Ok(looks)
    }

    /// A person out of the fields `f` and `e`.
    fn said_in(&self, hash: &[u8; 16], fields: redis::Value) -> Result<SaidOf, StoreError> {
        let mut fields = value::list(fields)?.into_iter();
        let sealed = value::bytes(fields.next().unwrap_or_default())?;
        let until = value::bytes(fields.next().unwrap_or_default())?;
        Ok(SaidOf::new(self.known(hash, sealed.as_deref())?, until.as_deref().and_then(millis)))
    }

    /// What each of these people said, in the order asked.
    ///
    /// # Errors
    /// The store's.
    pub async fn said(&self, people: &[(ChannelId, Address)]) -> Result<Vec<SaidOf>, StoreError> {
        let hashes: Vec<[u8; 16]> = people.iter().map(|(c, p)| person(&self.seal, c, p)).collect();
        let calls: Vec<Call> =
            hashes.iter().map(|h| Call::new("HMGET").arg(self.keys.own("who", h)).arg("f").arg("e")).collect();
        let answers = self.work.flight(&calls, Repeat::Once).await?;
        hashes.iter().zip(answers).map(|(hash, answer)| self.said_in(hash, answer)).collect()
    }

    /// The next page of everybody who ever said anything. A person may come twice; nobody who was there all the time
    /// is left out.
    ///
    /// # Errors
    /// The store's; the same page again does no harm.
    pub async fn everything_said(&self, cursor: Option<&str>) -> Result<SaidPage, StoreError> {
        let scanned = self.keys_page(&self.keys.all_people(), PAGE, cursor).await?;
        let hash = |key: &String| -> Option<[u8; 16]> {
            let hex = key.rsplit_once("who:")?.1.strip_suffix('}')?;
            hex::decode(hex).ok()?.try_into().ok()
        };
        let hashes: Vec<[u8; 16]> = scanned.names.iter().filter_map(hash).collect();
        let calls: Vec<Call> =
            hashes.iter().map(|h| Call::new("HMGET").arg(self.keys.own("who", h)).arg("f").arg("e")).collect();
        let mut page = SaidPage { cursor: scanned.cursor, ..SaidPage::default() };
        for (hash, answer) in hashes.iter().zip(self.work.flight(&calls, Repeat::Once).await?) {
            match self.said_in(hash, answer) {
                Ok(said) if said.records.is_empty() && said.facts.opted_out.is_none() => {}
                Ok(said) => page.people.push(said),
                Err(_) => page.closed += 1,
            }
        }
        Ok(page)
    }
}
