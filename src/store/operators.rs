//! What operators ask and do.

use super::Store;
use super::error::StoreError;
use super::keys::{Member, PARTITIONS};
use super::link::Repeat;
use super::order::{MAX_LEDGER, SEALED, tag};
use super::script::{CHANGE, CLAIM, Call, MUTE, ODD};
use super::value;
use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::consent::Source;
use crate::domain::ids::{ShopId, Tag};
use crate::domain::ledger::LedgerEntry;
use crate::domain::owed::Owed;
use crate::domain::webhook::RawWebhook;
use redis::Value;
use std::collections::BTreeMap;

/// How much lies where, over all partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Orders with something to do now.
    pub ready: u64,
    /// Orders whose time comes later.
    pub wait: u64,
    /// Orders being worked on.
    pub leased: u64,
    /// Orders waiting for a channel, by channel.
    pub parked: Vec<(Tag, u64)>,
    /// Dead items.
    pub dead: u64,
    /// Unreadable webhooks kept.
    pub odd: u64,
    /// Orders with anything open: ready, waiting, leased or parked.
    pub open: u64,
    /// The earliest moment anything in `wait` is due (in the past: workers are behind).
    pub oldest_due: Option<Timestamp>,
}

/// A dead item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadItem {
    /// Its order.
    pub member: Member,
    /// Its number.
    pub item: u16,
    /// When it died.
    pub at: Timestamp,
}

/// A signed and unreadable webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Odd {
    /// Its place, for [`Store::drop_odd`].
    pub id: String,
    /// Whose.
    pub shop: ShopId,
    /// What could not be read.
    pub why: String,
    /// The webhook.
    pub raw: RawWebhook,
}

/// How a change by an operator ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    /// Recorded; whoever worked on the order has lost the lease.
    Ok,
    /// An item is no longer as it was read: read and decide again.
    Conflict,
}

/// Unreadable webhooks kept in one partition at most.
const MAX_ODD: usize = 500;
/// A run's record is kept for so long. Seconds.
const RUN_SECS: i64 = 90 * 86_400;
/// Runs listed at most.
const MAX_RUNS: i64 = 200;

/// All of them, the first one first.
pub(super) fn partitions() -> impl Iterator<Item = u8> {
    (0..PARTITIONS).map(|p| u8::try_from(p).unwrap_or_default())
}

impl Store {
    /// How much lies where.
    ///
    /// # Errors
    /// The store's.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        let mut calls = Vec::new();
        for p in partitions() {
            let part = self.keys.part(p);
            for key in [&part.ready, &part.wait, &part.lease, &part.dead] {
                calls.push(Call::new("ZCARD").arg(key));
            }
            calls.push(Call::new("XLEN").arg(&part.odd));
            calls.push(Call::new("ZRANGE").arg(&part.wait).arg(0).arg(0).arg("WITHSCORES"));
            calls.push(Call::new("HKEYS").arg(&part.ctl));
        }
        let mut answers = self.work.flight(&calls, Repeat::Once).await?.into_iter();
        let mut out = Stats::default();
        let mut parked = Vec::new();
        for p in partitions() {
            let mut count = || value::int(answers.next().unwrap_or_default()).map(i64::unsigned_abs);
            out.ready += count()?;
            out.wait += count()?;
            out.leased += count()?;
            out.dead += count()?;
            out.odd += count()?;
            let first = value::pairs(answers.next().unwrap_or_default())?;
            let due = first.first().and_then(|(_, ms)| std::str::from_utf8(ms).ok()?.parse().ok()).map(from_millis);
            out.oldest_due = out.oldest_due.into_iter().chain(due).min();
            for field in value::list(answers.next().unwrap_or_default())? {
                let field = value::bytes(field)?.unwrap_or_default();
                parked.extend(field.strip_prefix(b"k:").and_then(tag).map(|c| (p, c)));
            }
        }
        self.count_parked(&mut out, &parked).await?;
        out.open = out.ready + out.wait + out.leased + out.parked.iter().map(|(_, n)| n).sum::<u64>();
        Ok(out)
    }

    async fn count_parked(&self, out: &mut Stats, parked: &[(u8, Tag)]) -> Result<(), StoreError> {
        let calls: Vec<Call> =
            parked.iter().map(|(p, c)| Call::new("ZCARD").arg(self.keys.part(*p).parked(*c))).collect();
        let mut sums: BTreeMap<Tag, u64> = BTreeMap::new();
        for ((_, channel), n) in parked.iter().zip(self.work.flight(&calls, Repeat::Once).await?) {
            *sums.entry(*channel).or_default() += value::int(n)?.unsigned_abs();
        }
        out.parked = sums.into_iter().filter(|(_, n)| *n > 0).collect();
        Ok(())
    }

    /// Dead items, by partition and time of death, at most `limit`, and the cursor of the next page (`None`:
    /// that was the last).
    ///
    /// # Errors
    /// The store's; a cursor that is none begins anew.
    pub async fn dead(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<DeadItem>, Option<String>), StoreError> {
        let place = cursor.and_then(|c| self.seal.uncursor("dead", c)).and_then(|p| String::from_utf8(p).ok());
        let mut words = place.as_deref().unwrap_or("0").splitn(3, ' ');
        let first: u8 = words.next().and_then(|p| p.parse().ok()).unwrap_or(0);
        let mut after = words.next().zip(words.next());
        let mut out = Vec::new();
        for p in partitions().filter(|p| *p >= first) {
            let key = &self.keys.part(p).dead;
            let start = match after.take() {
                Some((score, name)) => self.place_after(key, score, name).await?,
                None => 0,
            };
            let wanted = i64::try_from(limit - out.len()).unwrap_or(i64::MAX);
            let call = Call::new("ZRANGE").arg(key).arg(start).arg(start + wanted - 1).arg("WITHSCORES");
            for (name, score) in value::pairs(self.work.one(call).await?)? {
                let (name, score) =
                    (String::from_utf8_lossy(&name).into_owned(), String::from_utf8_lossy(&score).into_owned());
                out.extend(dead_item(&name, &score));
                if out.len() >= limit {
                    let cursor = self.seal.cursor("dead", format!("{p} {score} {name}").as_bytes());
                    return Ok((out, Some(cursor)));
                }
            }
        }
        Ok((out, None))
    }

    /// The rank behind a member, also when it has gone meanwhile.
    async fn place_after(&self, key: &str, score: &str, name: &str) -> Result<i64, StoreError> {
        let rank = self.work.one(Call::new("ZRANK").arg(key).arg(name)).await?;
        if rank != Value::Nil {
            return Ok(value::int(rank)? + 1);
        }
        value::int(self.work.one(Call::new("ZCOUNT").arg(key).arg("-inf").arg(format!("({score}"))).await?)
    }

    /// Takes an item off the list of the dead (it was replayed or given up).
    ///
    /// # Errors
    /// The store's.
    pub async fn undead(&self, member: &Member, item: u16) -> Result<(), StoreError> {
        let name = format!("{}#{item}", member.as_str());
        let call = Call::new("ZREM").arg(&self.keys.part(member.partition()).dead).arg(name);
        self.work.one(call).await.map(|_| ())
    }

    /// Drops dead items older than the retention; how many, to be counted and logged.
    ///
    /// # Errors
    /// The store's.
    pub async fn trim_dead(&self, now: Timestamp) -> Result<u64, StoreError> {
        let before = now.as_millisecond() - self.retention.dead_secs * 1000;
        let calls: Vec<Call> = partitions()
            .map(|p| Call::new("ZREMRANGEBYSCORE").arg(&self.keys.part(p).dead).arg("-inf").arg(before))
            .collect();
        let mut gone = 0;
        for n in self.work.flight(&calls, Repeat::Once).await? {
            gone += value::int(n)?.unsigned_abs();
        }
        Ok(gone)
    }

    /// Ends open items by an operator's hand, each given as (read, to be). Fences whoever works on the order.
    ///
    /// # Errors
    /// The store's. After a time-out: read again; it may be done.
    pub async fn discard(
        &self,
        member: &Member,
        items: &[(Owed, Owed)],
        ledger: &[LedgerEntry],
    ) -> Result<Changed, StoreError> {
        let line = self.ledger_line(member, ledger)?;
        let closed = items.iter().filter(|(old, new)| old.state.is_open() && !new.state.is_open()).count();
        let asks = vec![(member, ())];
        let words = self
            .where_parked(asks, |member, k, parked, ()| {
                let part = self.keys.part(member.partition());
                let own = ["ord", "snp", "led", "env"].map(|what| self.keys.of(member, what));
                let mut keys: Vec<&str> = own.iter().map(String::as_str).collect();
                keys.extend([part.ready.as_str(), &part.wait, &part.lease, &part.tok, &part.vt]);
                keys.extend(parked);
                let mut call =
                    Call::script(&CHANGE, &keys).arg(member.as_str()).arg(k).arg(closed).arg(line.as_slice());
                call =
                    call.arg(MAX_LEDGER).arg(self.retention.order_secs * 1000).arg(self.retention.ledger_secs * 1000);
                push_changes(&mut call, items);
                call
            })
            .await?;
        changed("change", &words)
    }

    /// Switches a channel off or on for one order, by whose word; `false`: there is no such order, or it has 16 already,
    /// or it is not theirs to switch on: what the shop's people switched off, they alone switch on.
    ///
    /// # Errors
    /// The store's.
    pub async fn mute(&self, member: &Member, channel: Tag, on: bool, by: Source) -> Result<bool, StoreError> {
        let words = self
            .where_parked(vec![(member, ())], |member, k, parked, ()| {
                let part = self.keys.part(member.partition());
                let ord = self.keys.of(member, "ord");
                let mut keys = vec![ord.as_str(), &part.ready, &part.wait, &part.vt];
                keys.extend(parked);
                let call = Call::script(&MUTE, &keys).arg(member.as_str()).arg(k);
                call.arg(channel.0.to_be_bytes().as_slice())
                    .arg(if on { "on" } else { "off" })
                    .arg(if by == Source::Operator { "shop" } else { "person" })
            })
            .await?;
        Ok(words.first().is_some_and(|w| w == "ok"))
    }

    /// Keeps a signed and unreadable webhook for a person; `true`: an older one had to go for it.
    ///
    /// # Errors
    /// The store's; the sender must then be told so.
    pub async fn keep_odd(&self, shop: &ShopId, raw: &RawWebhook, why: &str) -> Result<bool, StoreError> {
        // By the body alone, so that repeats of it meet.
        let partition = self.seal.hash16("odd", &[&raw.body])[0] & 15;
        let part = self.keys.part(partition);
        let kept = serde_json::json!({ "shop": shop, "why": why, "raw": raw });
        let sealed = self.seal.seal(&[part.odd.as_bytes(), b"odd", SEALED], kept.to_string().as_bytes());
        let oldest = self.server_ms(false, &part.odd).await? - self.retention.odd_secs * 1000;
        let call = Call::script(&ODD, &[&part.odd])
            .arg(MAX_ODD)
            .arg(sealed)
            .arg(format!("{}-0", oldest.max(0)))
            .arg(self.retention.odd_secs * 1000);
        Ok(value::int(self.lasting_one(call).await?)? == 1)
    }

    /// Unreadable webhooks, at most `limit`, and the cursor of the next page (`None`: that was the last).
    ///
    /// # Errors
    /// The store's; a cursor that is none begins anew.
    pub async fn odd(&self, cursor: Option<&str>, limit: usize) -> Result<(Vec<Odd>, Option<String>), StoreError> {
        let place = cursor.and_then(|c| self.seal.uncursor("odd", c)).and_then(|p| String::from_utf8(p).ok());
        let (first, mut after) = match place.as_deref().and_then(|p| p.split_once('/')) {
            Some((p, id)) => (p.parse::<u8>().unwrap_or(0), Some(format!("({id}"))),
            None => (0, None),
        };
        let mut out = Vec::new();
        for p in partitions().filter(|p| *p >= first) {
            let key = &self.keys.part(p).odd;
            let from = after.take().unwrap_or_else(|| "-".into());
            let call = Call::new("XRANGE").arg(key).arg(from).arg("+").arg("COUNT").arg(limit - out.len());
            for entry in value::list(self.work.one(call).await?)? {
                let mut parts = value::list(entry)?.into_iter();
                let id = format!("{p}/{}", value::text(parts.next().unwrap_or_default())?);
                let fields = value::pairs(parts.next().unwrap_or_default())?;
                out.extend(fields.first().and_then(|(_, sealed)| self.open_odd(key, &id, sealed)));
                if out.len() >= limit {
                    return Ok((out, Some(self.seal.cursor("odd", id.as_bytes()))));
                }
            }
        }
        Ok((out, None))
    }

    fn open_odd(&self, key: &str, id: &str, sealed: &[u8]) -> Option<Odd> {
        #[derive(serde::Deserialize)]
        struct Kept {
            shop: ShopId,
            why: String,
            raw: RawWebhook,
        }
        let json = self.seal.open(&[key.as_bytes(), b"odd", SEALED], sealed).ok()?;
        let kept: Kept = serde_json::from_slice(&json).ok()?;
        Some(Odd { id: id.into(), shop: kept.shop, why: kept.why, raw: kept.raw })
    }

    /// Lets unreadable webhooks go that are older than so many seconds, to have their memory back. Gives how many.
    ///
    /// # Errors
    /// The store's.
    pub async fn shorten_odd(&self, keep_secs: i64) -> Result<u64, StoreError> {
        let (mut gone, mut fault) = (0, None);
        // One that does not answer keeps its own, and no other's.
        for p in partitions() {
            match self.shorten_part(&self.keys.part(p).odd, keep_secs).await {
                Ok(dropped) => gone += dropped,
                Err(error) => fault = Some(error),
            }
        }
        fault.filter(|_| gone == 0).map_or(Ok(gone), Err)
    }

    async fn shorten_part(&self, odd: &str, keep_secs: i64) -> Result<u64, StoreError> {
        let oldest = (self.server_ms(false, odd).await? - keep_secs * 1000).max(0);
        let trim = Call::new("XTRIM").arg(odd).arg("MINID").arg(format!("{oldest}-0"));
        Ok(value::int(self.work.one(trim).await?)?.unsigned_abs())
    }

    /// Removes one that was put through again.
    ///
    /// # Errors
    /// The store's.
    pub async fn drop_odd(&self, id: &str) -> Result<(), StoreError> {
        let Some((Ok(partition), id)) = id.split_once('/').map(|(p, id)| (p.parse::<u8>(), id)) else {
            return Ok(());
        };
        self.work.one(Call::new("XDEL").arg(&self.keys.part(partition).odd).arg(id)).await.map(|_| ())
    }

    /// Takes or keeps the right to go on with a run, for `ms`; `false`: another holder has it.
    ///
    /// # Errors
    /// The store's.
    pub async fn claim_run(&self, run: &str, holder: &str, ms: u64) -> Result<bool, StoreError> {
        let call = Call::script(&CLAIM, &[self.run_key("hold", run)]).arg(holder).arg(ms);
        Ok(value::int(self.work.one(call).await?)? == 1)
    }

    /// Stores a run's record (JSON, with its cursor), and lists the run.
    ///
    /// # Errors
    /// The store's.
    pub async fn put_run(&self, run: &str, record: &str) -> Result<(), StoreError> {
        let list = self.keys.own_hex("run", "list");
        let now = self.server_ms(false, &list).await?;
        // Before it is listed: in a cluster the two lie on different servers.
        self.work.one(Call::new("SET").arg(self.run_key("run", run)).arg(record).arg("EX").arg(RUN_SECS)).await?;
        let calls = [
            Call::new("ZADD").arg(&list).arg("NX").arg(now).arg(run),
            Call::new("ZREMRANGEBYRANK").arg(&list).arg(0).arg(-MAX_RUNS - 1),
        ];
        self.work.flight(&calls, Repeat::Once).await.map(|_| ())
    }

    /// A run's record.
    ///
    /// # Errors
    /// The store's.
    pub async fn get_run(&self, run: &str) -> Result<Option<String>, StoreError> {
        let found = value::bytes(self.work.one(Call::new("GET").arg(self.run_key("run", run))).await?)?;
        Ok(found.and_then(|b| String::from_utf8(b).ok()))
    }

    /// Ids of runs, newest first, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    pub async fn runs(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        let last = i64::try_from(limit).unwrap_or(MAX_RUNS) - 1;
        let call = Call::new("ZRANGE").arg(self.keys.own_hex("run", "list")).arg(0).arg(last).arg("REV");
        value::list(self.work.one(call).await?)?.into_iter().map(value::text).collect()
    }

    fn run_key(&self, what: &str, run: &str) -> String {
        self.keys.own(what, &self.seal.hash16("run", &[run.as_bytes()]))
    }
}

fn dead_item(name: &str, score: &str) -> Option<DeadItem> {
    let (member, item) = name.split_once('#')?;
    let at = from_millis(score.parse().ok()?);
    Some(DeadItem { member: Member::from_name(member)?, item: item.parse().ok()?, at })
}

/// (number, item as read, item to be) each, as scripts compare and write them.
pub(super) fn push_changes(call: &mut Call, items: &[(Owed, Owed)]) {
    for (old, new) in items {
        call.push(old.no);
        call.push(old.encode().as_slice());
        call.push(new.encode().as_slice());
    }
}

/// What a script that changes an order by an operator's wish answered.
pub(super) fn changed(script: &str, words: &[String]) -> Result<Changed, StoreError> {
    match words.first().map(String::as_str) {
        Some("ok") => Ok(Changed::Ok),
        Some("conflict") => Ok(Changed::Conflict),
        other => Err(value::unexpected(script, other.unwrap_or_default())),
    }
}
