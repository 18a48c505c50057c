//! Leases: taking orders, beginning sends, settling.

use super::Store;
use super::error::StoreError;
use super::keys::{Member, PARTITIONS};
use super::link::Repeat;
use super::order::{MAX_LEDGER, hex_tag, tag};
use super::result::Stored;
use super::script::{BEGIN, Call, EXTEND, LEASE, RELEASE, SETTLE, TICK};
use super::value;
use super::way::some_answered;
use crate::domain::clock::Timestamp;
use crate::domain::ids::Tag;
use crate::domain::ledger::LedgerEntry;
use crate::domain::owed::Owed;
use redis::Value;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Orders of one lease, release or extend script at most.
const MAX_LEASE: usize = 100;
/// Orders of one begin script at most.
const MAX_BEGIN: usize = 50;
/// Orders settled by one script.
const MAX_SETTLE: usize = 50;
/// Longest lease there may be. ms.
pub const LONGEST_LEASE_MS: u64 = 600_000;
/// Ticks this far apart mean that the server was away. ms.
const OUTAGE_MS: u64 = 5_000;
/// Time that workers then get to settle before their leases count as ended. ms.
const GRACE_MS: u64 = 10_000;

/// An order this worker may work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Which.
    pub member: Member,
    /// Proves it; compared for equality.
    pub token: Arc<str>,
    /// Leases of it that ended without a settle.
    pub redeliveries: u32,
}

/// What is about to be sent.
#[derive(Clone, Debug)]
pub struct BeginAsk<'a> {
    /// The lease.
    pub leased: &'a Leased,
    /// The items told by this send, whole, as begun.
    pub items: Vec<Owed>,
    /// The revision decided on.
    pub revision: u64,
    /// Not after.
    pub expires: Timestamp,
    /// On which channel.
    pub channel: Tag,
    /// What the vendor gets, kept until settled so that the same bytes can go again: (leading item, bytes).
    pub envelope: Option<(u16, Vec<u8>)>,
}

/// Whether it may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Begun {
    /// Recorded; send.
    Go,
    /// The order changed since it was decided on: decide again.
    Moved,
    /// Too late.
    Expired,
    /// The lease is lost.
    Fenced,
    /// The channel is paused.
    Paused,
    /// Its server gave no answer: it may be recorded. The same ask again gives the same answer.
    Unanswered,
}

/// Where an order goes after work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dest {
    /// Nothing is open.
    Done,
    /// Look again at once.
    Ready,
    /// Look again then.
    Wait(Timestamp),
    /// All that is open waits for this channel: until it moves, or until then.
    Park(Tag, Timestamp),
}

/// The end of work on an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Settle {
    /// The lease.
    pub leased: Leased,
    /// Items that changed, whole.
    pub items: Vec<Owed>,
    /// New items (the rest of a chain after an undelivered message), numbered from `last_item + 1`.
    pub added: Vec<Owed>,
    /// What happened.
    pub ledger: Vec<LedgerEntry>,
    /// How many of `items` went from open to not open.
    pub closed: u16,
    /// The revision read after the lease.
    pub revision: u64,
    /// The wakes read after the lease.
    pub wakes: u64,
    /// Envelopes no longer needed.
    pub drop_envelopes: Vec<u16>,
    /// Items whose receipts have been taken in. Kept when a further one came since `wakes` was read: they
    /// are then seen again, which must do no harm.
    pub drop_receipts: Vec<u16>,
    /// Items that died: they appear in the list of the dead.
    pub to_dead: Vec<u16>,
    /// Where the order goes. Whatever it says, an order that changed meanwhile is looked at again.
    pub dest: Dest,
}

impl Settle {
    /// Nothing changed; the order goes to `dest`.
    pub fn unchanged(leased: Leased, revision: u64, wakes: u64, dest: Dest) -> Settle {
        Settle {
            leased,
            items: Vec::new(),
            added: Vec::new(),
            ledger: Vec::new(),
            closed: 0,
            revision,
            wakes,
            drop_envelopes: Vec::new(),
            drop_receipts: Vec::new(),
            to_dead: Vec::new(),
            dest,
        }
    }
}

/// How a settle ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// Recorded.
    Ok,
    /// The lease is lost, or it had been settled before: finished either way.
    Fenced,
    /// Nothing was recorded: an added item's number is taken. Read, number anew, settle again.
    Moved,
    /// Its server gave no answer: it may be recorded. The same again.
    Unanswered,
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// There was more than it takes at once: tick again.
    pub more: bool,
    /// Orders whose time came.
    pub promoted: u32,
    /// Leases that ended without a settle.
    pub reaped: u32,
    /// Parked orders given back.
    pub unparked: u32,
}

/// A lease call under way. Dropped without an answer (an error, a caller that gave up), its token is kept for
/// the next call; taken out meanwhile, so that two calls at once never get the same orders.
struct LeaseCall<'a> {
    store: &'a Store,
    who: (u8, String),
    token: Arc<str>,
    answered: bool,
}

impl Drop for LeaseCall<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let mut unanswered = self.store.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
            unanswered.insert(self.who.clone(), self.token.clone());
        }
    }
}

impl Store {
    /// Takes up to `n` (at most 100) orders of a partition that have something to do now, fairly between
    /// shops. A call whose answer was lost is made again under the same token by the `worker`'s next one, so
    /// its orders are not stranded until their lease ends.
    ///
    /// # Errors
    /// The store's.
    pub async fn lease(&self, partition: u8, n: usize, worker: &str, lease_ms: u64) -> Result<Vec<Leased>, StoreError> {
        let part = self.keys.part(partition);
        let mut asked = self.lease_call(partition, worker);
        let keys = [&part.ready, &part.wait, &part.lease, &part.tok, &part.red, &part.vt, &part.ctl, &part.calls];
        let call = Call::script(&LEASE, &keys).arg(n.min(MAX_LEASE)).arg(&asked.who.1).arg(&*asked.token).arg(lease_ms);
        let answer = self.work.one(call).await?;
        asked.answered = true;
        let mut out = Vec::new();
        for (name, redeliveries) in value::pairs(answer)? {
            let name = String::from_utf8(name).unwrap_or_default();
            let redeliveries = std::str::from_utf8(&redeliveries).ok().and_then(|r| r.parse().ok()).unwrap_or(0);
            let member =
                Member::from_name(&name).ok_or_else(|| StoreError::bug(format!("{name:?} is no order's name")))?;
            out.push(Leased { member, token: asked.token.clone(), redeliveries });
        }
        Ok(out)
    }

    fn lease_call(&self, partition: u8, worker: &str) -> LeaseCall<'_> {
        let who = (partition, format!("{}:{worker}", self.nonce));
        let lost = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).remove(&who);
        let token = lost.unwrap_or_else(|| {
            let serial = self.calls.fetch_add(1, Ordering::Relaxed);
            Arc::from(format!("{}.{serial:x}", self.nonce))
        });
        LeaseCall { store: self, who, token, answered: false }
    }

    /// Records sends as about to happen, in one flight with one script a partition; answers in the order
    /// asked.
    ///
    /// # Errors
    /// The store's, where no server answered at all. After a time-out nothing may be sent; the same ask again gives
    /// the same answer.
    pub async fn begin(&self, asks: &[BeginAsk<'_>]) -> Result<Vec<Begun>, StoreError> {
        let batches = by_partition(asks, |a| &a.leased.member, MAX_BEGIN);
        let calls: Vec<Call> = batches.iter().map(|(p, batch)| self.begin_call(*p, batch, asks)).collect();
        // What a failover forgot of a send would be sent again without anybody knowing.
        let answers = some_answered(match &self.fences {
            Some(fences) => fences.begin.each(calls).await,
            None => self.work.each(calls).await,
        })?;
        let mut out = vec![Begun::Unanswered; asks.len()];
        for ((_, batch), answer) in batches.iter().zip(answers) {
            let Some(answer) = answer else { continue };
            for (i, word) in batch.iter().zip(value::list(answer)?) {
                out[*i] = match value::text(word)?.as_str() {
                    "go" => Begun::Go,
                    "moved" => Begun::Moved,
                    "expired" => Begun::Expired,
                    "fenced" => Begun::Fenced,
                    "paused" => Begun::Paused,
                    other => return Err(value::unexpected("begin", other)),
                };
            }
        }
        Ok(out)
    }

    fn begin_call(&self, partition: u8, batch: &[usize], asks: &[BeginAsk<'_>]) -> Call {
        let part = self.keys.part(partition);
        let mut keys = vec![part.lease.clone(), part.tok.clone(), part.ctl.clone()];
        for i in batch {
            let member = &asks[*i].leased.member;
            keys.extend([self.keys.of(member, "ord"), self.keys.of(member, "env")]);
        }
        let mut call = Call::script(&BEGIN, &keys).arg(batch.len());
        for i in batch {
            call.push(asks[*i].leased.member.as_str());
        }
        for i in batch {
            let ask = &asks[*i];
            call.push(&*ask.leased.token);
            call.push(ask.revision);
            call.push(ask.expires.as_millisecond());
            call.push(hex_tag(ask.channel));
            push_items(&mut call, true, &ask.items);
            call.push(usize::from(ask.envelope.is_some()));
            if let Some((no, plain)) = &ask.envelope {
                call.push(*no);
                call.push(self.seal_of(&ask.leased.member, &envelope_field(*no), plain));
            }
        }
        call
    }

    /// Envelopes kept of an order: (leading item, bytes).
    ///
    /// # Errors
    /// The store's, and that one does not open.
    pub async fn envelopes(&self, member: &Member) -> Result<Vec<(u16, Vec<u8>)>, StoreError> {
        let answer = self.work.one(Call::new("HGETALL").arg(self.keys.of(member, "env"))).await?;
        let mut out = Vec::new();
        for (no, sealed) in value::pairs(answer)? {
            let Some(no) = std::str::from_utf8(&no).ok().and_then(|n| n.parse().ok()) else { continue };
            out.push((no, self.open_of(member, &envelope_field(no), &sealed)?));
        }
        out.sort();
        Ok(out)
    }

    /// Ends work on an order.
    ///
    /// # Errors
    /// The store's. After a time-out: the same again; [`Settled::Fenced`] then also means "had been done".
    pub async fn settle(&self, settle: &Settle) -> Result<Settled, StoreError> {
        Ok(self.settle_many(std::slice::from_ref(settle)).await?.pop().unwrap_or(Settled::Fenced))
    }

    /// Ends work on many, in one flight with one script a partition; answers in the order asked.
    ///
    /// # Errors
    /// As [`Store::settle`], where no server answered at all.
    pub async fn settle_many(&self, settles: &[Settle]) -> Result<Vec<Settled>, StoreError> {
        let batches = by_partition(settles, |s| &s.leased.member, MAX_SETTLE);
        let calls: Vec<Call> =
            batches.iter().map(|(p, batch)| self.settle_call(*p, batch, settles)).collect::<Result<_, _>>()?;
        let answers = some_answered(self.work.each(calls).await)?;
        let mut out = vec![Settled::Unanswered; settles.len()];
        for ((_, batch), answer) in batches.iter().zip(answers) {
            let Some(answer) = answer else { continue };
            for (i, word) in batch.iter().zip(value::list(answer)?) {
                out[*i] = settled(word)?;
            }
        }
        Ok(out)
    }

    fn settle_call(&self, partition: u8, batch: &[usize], settles: &[Settle]) -> Result<Call, StoreError> {
        let part = self.keys.part(partition);
        let mut keys: Vec<String> =
            [&part.ready, &part.wait, &part.lease, &part.tok, &part.red, &part.vt, &part.ctl, &part.dead]
                .map(Clone::clone)
                .to_vec();
        for i in batch {
            let s = &settles[*i];
            keys.extend(["ord", "snp", "led", "env"].map(|what| self.keys.of(&s.leased.member, what)));
            keys.push(match s.dest {
                Dest::Park(channel, _) => part.parked(channel),
                _ => part.wait.clone(),
            });
        }
        let mut call = Call::script(&SETTLE, &keys)
            .arg(MAX_LEDGER)
            .arg(self.retention.order_secs * 1000)
            .arg(self.retention.ledger_secs * 1000);
        for i in batch {
            self.push_settle(&mut call, &settles[*i])?;
        }
        Ok(call)
    }

    fn push_settle(&self, call: &mut Call, s: &Settle) -> Result<(), StoreError> {
        let member = &s.leased.member;
        let (dest, until, channel) = match s.dest {
            Dest::Done => ("done", None, None),
            Dest::Ready => ("ready", None, None),
            Dest::Wait(t) => ("wait", Some(t), None),
            Dest::Park(c, t) => ("park", Some(t), Some(c)),
        };
        let opened = s.added.iter().filter(|i| i.state.is_open()).count();
        call.push(member.as_str());
        call.push(&*s.leased.token);
        call.push(s.closed);
        call.push(opened);
        call.push(s.revision);
        call.push(s.wakes);
        call.push(dest);
        call.push(until.map_or(0, |t| t.as_millisecond()));
        call.push(channel.map(hex_tag).unwrap_or_default());
        call.push(self.ledger_line(member, &s.ledger)?);
        call.push(s.leased.redeliveries);
        for count in [s.items.len(), s.added.len(), s.drop_envelopes.len(), s.drop_receipts.len(), s.to_dead.len()] {
            call.push(count);
        }
        push_items(call, false, &s.items);
        push_items(call, false, &s.added);
        for no in s.drop_envelopes.iter().chain(&s.drop_receipts).chain(&s.to_dead) {
            call.push(*no);
        }
        if let Some(channel) = channel {
            self.know_parked(member.partition(), [channel]);
        }
        Ok(())
    }

    /// Gives orders back untouched, without a penalty.
    ///
    /// # Errors
    /// The store's; what is not given back comes back when its lease ends.
    pub async fn release(&self, leased: &[Leased]) -> Result<(), StoreError> {
        let calls: Vec<Call> = batches(leased)
            .map(|(partition, batch)| {
                let part = self.keys.part(partition);
                with_tokens(Call::script(&RELEASE, &[&part.ready, &part.lease, &part.tok, &part.vt]), &batch)
            })
            .collect();
        self.work.flight(&calls, Repeat::Once).await.map(|_| ())
    }

    /// Prolongs leases; `true` at the place of each that is still ours.
    ///
    /// # Errors
    /// The store's; the leases then count from when they were last prolonged.
    pub async fn extend(&self, leased: &[Leased], lease_ms: u64) -> Result<Vec<bool>, StoreError> {
        let all: Vec<(u8, Vec<&Leased>)> = batches(leased).collect();
        let calls: Vec<Call> = all
            .iter()
            .map(|(partition, batch)| {
                let part = self.keys.part(*partition);
                with_tokens(Call::script(&EXTEND, &[&part.lease, &part.tok, &part.ctl]).arg(lease_ms), batch)
            })
            .collect();
        let answers = self.work.flight(&calls, Repeat::Once).await?;
        let mut ours = BTreeSet::new();
        for ((_, batch), answer) in all.iter().zip(answers) {
            for (one, kept) in batch.iter().zip(value::list(answer)?) {
                if value::int(kept)? == 1 {
                    ours.insert((&one.member, &one.token));
                }
            }
        }
        Ok(leased.iter().map(|l| ours.contains(&(&l.member, &l.token))).collect())
    }

    /// Moves what is due, lets go of leases that ended, gives back what is parked for a channel that moves;
    /// at most `max` (1,000) of each. Run by every worker, twice a second with jitter; again at once while
    /// there is more.
    ///
    /// # Errors
    /// The store's.
    pub async fn tick(&self, partition: u8, max: usize) -> Result<Ticked, StoreError> {
        let part = self.keys.part(partition);
        let known: Vec<Tag> = self.parked_at(partition).into_iter().collect();
        let mut keys: Vec<String> =
            [&part.ready, &part.wait, &part.lease, &part.tok, &part.red, &part.vt, &part.ctl, &part.calls]
                .map(Clone::clone)
                .to_vec();
        keys.extend(known.iter().map(|c| part.parked(*c)));
        let mut call =
            Call::script(&TICK, &keys).arg(max.clamp(1, 1000)).arg(OUTAGE_MS).arg(GRACE_MS).arg(LONGEST_LEASE_MS);
        for channel in &known {
            call.push(hex_tag(*channel));
        }
        let mut answer = value::list(self.work.one(call).await?)?.into_iter();
        let mut number = || value::int(answer.next().unwrap_or_default()).map(|n| u32::try_from(n).unwrap_or(0));
        let (more, promoted, reaped, unparked) = (number()?, number()?, number()?, number()?);
        let mut there = BTreeSet::new();
        for channel in answer {
            there.extend(tag(value::text(channel)?.as_bytes()));
        }
        // Channels another process parked at: their keys were not among ours this time.
        let news = there.iter().any(|c| !known.contains(c));
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(partition) % PARTITIONS] = there;
        Ok(Ticked { more: more == 1 || news, promoted, reaped, unparked })
    }
}

pub(super) fn envelope_field(no: u16) -> String {
    format!("env{no}")
}

fn push_items(call: &mut Call, counted: bool, items: &[Owed]) {
    if counted {
        call.push(items.len());
    }
    for item in items {
        call.push(item.no);
        call.push(item.encode().as_slice());
    }
}

fn settled(answer: Value) -> Result<Settled, StoreError> {
    match value::text(answer)?.as_str() {
        "ok" => Ok(Settled::Ok),
        "fenced" => Ok(Settled::Fenced),
        "moved" => Ok(Settled::Moved),
        other => Err(value::unexpected("settle", other)),
    }
}

/// Places in `all` by partition, at most `most` in a batch: what one script takes at once.
fn by_partition<T>(all: &[T], member: impl Fn(&T) -> &Member, most: usize) -> Vec<(u8, Vec<usize>)> {
    let mut places: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    for (i, one) in all.iter().enumerate() {
        places.entry(member(one).partition()).or_default().push(i);
    }
    places.into_iter().flat_map(|(p, all)| all.chunks(most).map(|c| (p, c.to_vec())).collect::<Vec<_>>()).collect()
}

/// Leases by partition, as many as a script takes at once.
fn batches(leased: &[Leased]) -> impl Iterator<Item = (u8, Vec<&Leased>)> {
    let batch = |(p, places): (u8, Vec<usize>)| (p, places.into_iter().map(|i| &leased[i]).collect());
    by_partition(leased, |l| &l.member, MAX_LEASE).into_iter().map(batch)
}

fn with_tokens(mut call: Call, batch: &[&Leased]) -> Call {
    for one in batch {
        call.push(one.member.as_str());
        call.push(&*one.token);
    }
    call
}
