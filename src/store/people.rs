//! People on channel accounts: what is known of them, and whose orders wait for their next word.
//!
//! A person's hash: `c` counts changes (compared by every writer), `f` the facts, sealed, `t` `e` the reply
//! token, sealed, and its end, `s<digest>` events applied, `o<order>` orders that watch the person, `k<order>`
//! orders still to be woken. The order of steps is the fact first, then wake, then strike off; a sweep
//! finishes what a crash between them left.

mod merge;
mod said;

pub use said::{Look, LookAt, SaidOf, SaidPage};

use super::Store;
use super::error::{ErrorKind, StoreError};
use super::keys::{Member, person};
use super::link::Repeat;
use super::order::SEALED;
use super::script::{Call, FORGET, PERSON, TAKE, UNKNOW};
use super::value;
use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::ids::{ChannelId, Digest8};
use crate::domain::person::{Address, PersonChange, PersonFacts};
use merge::Known;
use redis::Value;
use std::collections::BTreeMap;

/// Attempts against other writers on the same person.
const TRIES: usize = 8;
/// Events remembered for a person at most, and for how long: vendors repeat callbacks for hours, not weeks.
const MAX_EVENTS: usize = 64;
const EVENT_SECS: i64 = 8 * 86_400;
/// Orders that may watch one person.
const MAX_WATCHES: usize = 64;
/// A person of whom nothing lasting is known is kept for so long after the last event.
const KEEP_MS: i64 = 400 * 86_400 * 1000;
/// A wake not struck off after so long was left by a crash.
const SWEEP_AFTER_MS: i64 = 30_000;

/// What applying a change did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The event had been applied before; `wake` then holds what is left to be woken of it.
    pub duplicate: bool,
    /// Orders to be woken now, then struck off.
    pub wake: Vec<Member>,
}

/// A person's hash as read.
#[derive(Default)]
struct Stored {
    change: String,
    known: Known,
    token_until: Option<Timestamp>,
    has_token: bool,
    events: Vec<(Vec<u8>, i64)>,
    watches: Vec<(Member, i64)>,
    to_wake: Vec<Member>,
}

/// What a writer wants changed.
#[derive(Default)]
struct Write<'a> {
    event: Option<Digest8>,
    event_until: i64,
    known: Option<&'a Known>,
    token: Option<(&'a str, Timestamp)>,
    drop: Vec<Vec<u8>>,
    wake: Vec<Member>,
    watch: Option<(&'a Member, i64)>,
}

impl Store {
    /// What is known of each person, in one flight, in the order asked.
    ///
    /// # Errors
    /// The store's, and that facts do not open.
    pub async fn facts(&self, people: &[(ChannelId, Address)]) -> Result<Vec<PersonFacts>, StoreError> {
        self.facts_of_each(people).await.into_iter().collect()
    }

    /// The same; facts whose server does not answer spoil nothing of the others'.
    pub async fn facts_of_each(&self, people: &[(ChannelId, Address)]) -> Vec<Result<PersonFacts, StoreError>> {
        let hashes: Vec<[u8; 16]> = people.iter().map(|(c, p)| person(&self.seal, c, p)).collect();
        let ask = |h: &[u8; 16]| Call::new("HMGET").arg(self.keys.own("who", h)).arg("f").arg("e");
        let answers = self.work.each(hashes.iter().map(ask).collect()).await;
        let read = |(hash, answer): (&[u8; 16], Result<Value, StoreError>)| {
            let mut fields = value::list(answer?)?.into_iter();
            let sealed = value::bytes(fields.next().unwrap_or_default())?;
            let until = value::bytes(fields.next().unwrap_or_default())?;
            Ok(self.known(hash, sealed.as_deref())?.facts(until.as_deref().and_then(millis)))
        };
        hashes.iter().zip(answers).map(read).collect()
    }

    fn known(&self, hash: &[u8; 16], sealed: Option<&[u8]>) -> Result<Known, StoreError> {
        let Some(sealed) = sealed else { return Ok(Known::default()) };
        let json = self.open_person(hash, "f", sealed)?;
        serde_json::from_slice(&json).map_err(|_| StoreError::bug("facts of a person that are no facts"))
    }

    fn seal_facts(&self, hash: &[u8; 16], known: &Known) -> Result<Vec<u8>, StoreError> {
        let json = serde_json::to_vec(known).map_err(|e| StoreError::bug(format!("facts: {e}")))?;
        Ok(self.seal_person(hash, "f", &json))
    }

    fn seal_person(&self, hash: &[u8; 16], field: &str, plain: &[u8]) -> Vec<u8> {
        self.seal.seal(&[self.keys.own("who", hash).as_bytes(), field.as_bytes(), SEALED], plain)
    }

    fn open_person(&self, hash: &[u8; 16], field: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal
            .open(&[self.keys.own("who", hash).as_bytes(), field.as_bytes(), SEALED], sealed)
            .map_err(|e| StoreError::bug(format!("a person's {field}: {e}")))
    }

    async fn stored(&self, hash: &[u8; 16]) -> Result<Stored, StoreError> {
        let answer = self.accept.one(Call::new("HGETALL").arg(self.keys.own("who", hash))).await?;
        let mut out = Stored { change: "0".into(), ..Stored::default() };
        for (field, stored) in value::pairs(answer)? {
            match field.as_slice() {
                b"c" => out.change = String::from_utf8_lossy(&stored).into_owned(),
                b"f" => out.known = self.known(hash, Some(&stored))?,
                b"t" => out.has_token = true,
                b"e" => out.token_until = millis(&stored),
                [b's', ..] => out.events.push((field, number(&stored))),
                [b'o', name @ ..] => out.watches.extend(member(name).map(|m| (m, number(&stored)))),
                [b'k', name @ ..] => out.to_wake.extend(member(name)),
                _ => {}
            }
        }
        Ok(out)
    }

    /// Applies a change once per `dedupe`; with `wakes`, orders that watch the person come back to be woken.
    /// Older news (by `at`) never overwrites newer.
    ///
    /// # Errors
    /// The store's; the callback must then not be answered 200.
    pub async fn apply(
        &self,
        channel: &ChannelId,
        person_at: &Address,
        dedupe: &str,
        at: Timestamp,
        change: &PersonChange,
        wakes: bool,
    ) -> Result<Applied, StoreError> {
        let hash = person(&self.seal, channel, person_at);
        let event = Digest8::of(&[channel.as_str().as_bytes(), dedupe.as_bytes()]);
        for _ in 0..TRIES {
            let mut stored = self.stored(&hash).await?;
            stored.known.take(at, change);
            if stored.known.lasts() {
                stored.known.who = Some((channel.clone(), person_at.clone()));
            }
            let mut write = Write { event: Some(event), known: Some(&stored.known), ..Write::default() };
            write.event_until = at.as_second().saturating_add(EVENT_SECS);
            write.drop = surplus(&stored.events, at.as_second());
            write.token = merge::better_token(change, stored.token_until.filter(|_| stored.has_token));
            if wakes {
                write.wake = stored.watches.iter().map(|(m, _)| m.clone()).collect();
            }
            let left = [stored.to_wake.as_slice(), &write.wake].concat();
            match self.write(&hash, &stored, &write).await?.as_str() {
                "ok" => return Ok(Applied { duplicate: false, wake: left }),
                "dup" => return Ok(Applied { duplicate: true, wake: stored.to_wake }),
                _ => {}
            }
        }
        Err(StoreError::new(ErrorKind::Away, "a person's facts keep changing; try again"))
    }

    async fn write(&self, hash: &[u8; 16], stored: &Stored, w: &Write<'_>) -> Result<String, StoreError> {
        let keep = if stored.known.lasts() { String::new() } else { KEEP_MS.to_string() };
        let facts = w.known.map_or(Ok(Vec::new()), |known| self.seal_facts(hash, known))?;
        let mut call = Call::script(&PERSON, &[self.keys.own("who", hash)])
            .arg(&stored.change)
            .arg(w.event.map(|e| e.0.to_be_bytes().to_vec()).unwrap_or_default())
            .arg(w.event_until)
            .arg(facts)
            .arg(w.token.map(|(t, _)| self.seal_person(hash, "t", t.as_bytes())).unwrap_or_default())
            .arg(w.token.map_or(0, |(_, until)| until.as_millisecond()))
            .arg(keep)
            .arg(w.drop.len())
            .arg(w.wake.len())
            .arg(usize::from(w.watch.is_some()));
        for field in &w.drop {
            call.push(field.as_slice());
        }
        for one in &w.wake {
            call.push(one.as_str());
        }
        if let Some((one, until)) = w.watch {
            call.push(one.as_str());
            call.push(until);
        }
        if !w.wake.is_empty() {
            // Before the fact is written, so that a sweep finds the person whatever happens after it. A step of its
            // own: in a cluster the two lie on different servers.
            let list = self.keys.to_wake();
            let now = self.server_ms(false, &list).await?;
            self.lasting_one(Call::new("ZADD").arg(list).arg(now).arg(hex::encode(hash))).await?;
        }
        value::text(self.lasting_one(call).await?)
    }

    /// The orders have been woken.
    ///
    /// # Errors
    /// The store's; they are then woken once more.
    pub async fn struck(&self, channel: &ChannelId, at: &Address, members: &[Member]) -> Result<(), StoreError> {
        self.strike(&person(&self.seal, channel, at), members).await
    }

    async fn strike(&self, hash: &[u8; 16], members: &[Member]) -> Result<(), StoreError> {
        if members.is_empty() {
            return Ok(());
        }
        let mut call = Call::new("HDEL").arg(self.keys.own("who", hash));
        for one in members {
            call.push(format!("k{}", one.as_str()));
        }
        self.work.one(call).await.map(|_| ())
    }

    /// The order waits for this person's next word. Gives the facts as they are now: where they differ from
    /// those decided on, the word came meanwhile; decide again instead of waiting.
    ///
    /// # Errors
    /// The store's; the order then still comes back when its wait is over.
    pub async fn watch(
        &self,
        channel: &ChannelId,
        at: &Address,
        member: &Member,
        until: Timestamp,
    ) -> Result<PersonFacts, StoreError> {
        let hash = person(&self.seal, channel, at);
        for _ in 0..TRIES {
            let stored = self.stored(&hash).await?;
            let facts = stored.known.facts(stored.token_until.filter(|_| stored.has_token));
            let secs = until.as_second();
            if stored.watches.iter().any(|(m, end)| m == member && *end >= secs) {
                return Ok(facts);
            }
            let mut write = Write { watch: Some((member, secs)), ..Write::default() };
            // The watch that would end first goes, where there are too many.
            let mut others: Vec<&(Member, i64)> = stored.watches.iter().filter(|(m, _)| m != member).collect();
            others.sort_by_key(|(_, end)| *end);
            let surplus = (others.len() + 1).saturating_sub(MAX_WATCHES);
            write.drop = others.iter().take(surplus).map(|(m, _)| format!("o{}", m.as_str()).into_bytes()).collect();
            if self.write(&hash, &stored, &write).await? == "ok" {
                return Ok(facts);
            }
        }
        Err(StoreError::new(ErrorKind::Away, "a person's facts keep changing; try again"))
    }

    /// Takes the person's reply token, if one is good now; the first to ask gets it.
    ///
    /// # Errors
    /// The store's; the token is then gone, and the message goes as any other.
    pub async fn take_reply_token(&self, channel: &ChannelId, at: &Address) -> Result<Option<String>, StoreError> {
        let hash = person(&self.seal, channel, at);
        let call = Call::script(&TAKE, &[self.keys.own("who", &hash)]);
        let mut answers = self.work.flight(&[call], Repeat::Never).await?;
        match value::bytes(answers.pop().unwrap_or_default())? {
            None => Ok(None),
            Some(sealed) => {
                let token = self.open_person(&hash, "t", &sealed)?;
                Ok(String::from_utf8(token).ok())
            }
        }
    }

    /// Forgets a person on a channel account: facts, reply token, events, which orders wait for them, which they are
    /// tied to, which messages they got. A refusal to be written to stays, under their keyed name. `true`: something was kept.
    ///
    /// # Errors
    /// The store's; repeat it then.
    pub async fn forget_person(&self, channel: &ChannelId, at: &Address) -> Result<bool, StoreError> {
        let hash = person(&self.seal, channel, at);
        let sent = self.work.one(Call::new("DEL").arg(self.keys.own("snt", &hash))).await?;
        self.work.one(Call::new("DEL").arg(self.keys.own("day", &hash))).await?;
        let tied = self.forget_ties(channel, at).await?;
        for _ in 0..TRIES {
            let stored = self.stored(&hash).await?;
            if stored.change == "0" {
                return Ok(tied || value::int(sent)? > 0);
            }
            let facts = match stored.known.refusal() {
                Some(refusal) => self.seal_facts(&hash, &refusal)?,
                None => Vec::new(),
            };
            let call = Call::script(&UNKNOW, &[self.keys.own("who", &hash)]).arg(&stored.change).arg(facts);
            if value::text(self.work.one(call).await?)? == "ok" {
                return Ok(true);
            }
        }
        Err(StoreError::new(ErrorKind::Away, "a person's facts keep changing; try again"))
    }

    /// Wakes what a crash between apply and wake left behind, looking at `max` people; how many orders were
    /// woken.
    ///
    /// # Errors
    /// The store's; the rest is found by the next sweep.
    pub async fn sweep_wakes(&self, max: usize) -> Result<usize, StoreError> {
        let list = self.keys.to_wake();
        let before = self.server_ms(false, &list).await? - SWEEP_AFTER_MS;
        let call = Call::new("ZRANGEBYSCORE").arg(&list).arg("-inf").arg(before);
        let call = call.arg("WITHSCORES").arg("LIMIT").arg(0).arg(max);
        let (mut woken, mut fault) = (0, None);
        // One whose server does not answer holds up nobody on the others.
        for (hex, score) in value::pairs(self.work.one(call).await?)? {
            match self.wake_left(&list, (&hex, &score)).await {
                Ok(orders) => woken += orders,
                Err(error) => fault = Some(error),
            }
        }
        fault.map_or(Ok(woken), Err)
    }

    async fn wake_left(&self, list: &str, (hex, score): (&[u8], &[u8])) -> Result<usize, StoreError> {
        let hash = hex::decode(hex).ok().and_then(|h| <[u8; 16]>::try_from(h).ok());
        let mut woken = 0;
        if let Some(hash) = hash {
            let left = self.stored(&hash).await?.to_wake;
            self.wake(&left).await?;
            self.strike(&hash, &left).await?;
            woken = left.len();
        }
        self.work.one(Call::script(&FORGET, &[list]).arg(hex).arg(score)).await?;
        Ok(woken)
    }

    /// The clock of the server that has this key, ms; `shifted` as the scripts of a test see it.
    pub(super) async fn server_ms(&self, shifted: bool, beside: &str) -> Result<i64, StoreError> {
        let mut calls = vec![Call::bare("TIME").beside(beside)];
        if shifted && beside.starts_with("owtest") {
            calls.push(Call::new("HGET").arg(&self.keys.part(0).ctl).arg("clock_offset_ms"));
        }
        let mut answers = self.accept.flight(&calls, Repeat::Once).await?.into_iter();
        let time = value::list(answers.next().unwrap_or_default())?;
        let mut parts = time.into_iter().map(value::int);
        let (secs, micros) = (parts.next().transpose()?.unwrap_or(0), parts.next().transpose()?.unwrap_or(0));
        let offset = answers.next().map_or(Ok(0), |v| if v == Value::Nil { Ok(0) } else { value::int(v) })?;
        Ok(secs * 1000 + micros / 1000 + offset)
    }
}

fn member(name: &[u8]) -> Option<Member> {
    Member::from_name(std::str::from_utf8(name).ok()?)
}

fn number(stored: &[u8]) -> i64 {
    std::str::from_utf8(stored).ok().and_then(|t| t.parse().ok()).unwrap_or(0)
}

fn millis(stored: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(stored).ok()?.parse().ok().map(from_millis)
}

/// Events that may be forgotten: over at `now`, or more than a person needs.
fn surplus(events: &[(Vec<u8>, i64)], now: i64) -> Vec<Vec<u8>> {
    let by_end: BTreeMap<(i64, &[u8]), ()> = events.iter().map(|(f, end)| ((*end, f.as_slice()), ())).collect();
    let too_many = by_end.len().saturating_sub(MAX_EVENTS - 1);
    let over = |(i, (end, _)): &(usize, (i64, &[u8]))| *i < too_many || *end <= now;
    by_end.into_keys().enumerate().filter(over).map(|(_, (_, f))| f.to_vec()).collect()
}
