//! What is kept of an order: reading it, and the commit.

use super::Store;
use super::error::{ErrorKind, StoreError};
use super::keys::{Member, Unit};
use super::link::Repeat;
use super::packed;
use super::script::{APPEND, COMMIT, Call};
use super::value;
use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::event::JoinKey;
use crate::domain::ids::{Digest8, OrderId, ShopId, Tag};
use crate::domain::ledger::LedgerEntry;
use crate::domain::owed::Owed;
use crate::domain::person::ReceiptState;
use redis::Value;

/// Digests an order remembers at most: its hash must stay small (fewer than 128 fields) to be stored densely.
const MAX_SEEN: usize = 48;
/// Lines of ledger (each what one step wrote) kept at most.
pub(super) const MAX_LEDGER: usize = 200;
/// Items and digests of one commit at most: a script's work is bounded.
const MAX_COMMIT: usize = 200;
/// Version of what is sealed, part of what a record is bound to.
pub(super) const SEALED: &[u8] = b"1";

/// An order (or other unit) as stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Compared by `commit` and `begin`; 0: nothing is stored. Changed by commit and mute, never by settle.
    pub revision: u64,
    /// Counts what should make a worker look again (an inbound message, a receipt); `settle` compares it.
    pub wakes: u64,
    /// Items owed, by number. Items written by a newer binary are left out and left alone.
    pub items: Vec<Owed>,
    /// How many were left out.
    pub unknown_items: u32,
    /// The highest item number in use, those left out included: new ones count from here.
    pub last_item: u16,
    /// Digests of webhooks already folded in, and until when they are remembered (ms).
    pub seen: Vec<(Digest8, i64)>,
    /// Receipts not yet taken into the items: (item, what, when).
    pub receipts: Vec<(u16, ReceiptState, Timestamp)>,
    /// The channel it may be parked at. To be given back to [`Store::commit`] as it is.
    pub parked: Option<Tag>,
    /// Channels switched off for this order.
    pub muted: Vec<Tag>,
    /// Those of them that the shop's people switched off: the customer does not switch them on.
    pub held: Vec<Tag>,
    /// What is kept of the order, opened.
    pub snapshot: Option<Vec<u8>>,
    /// When its contents were erased: a tombstone, which no webhook brings back to life.
    pub erased: Option<Timestamp>,
}

/// What an accept stores.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The revision read.
    pub expected: u64,
    /// [`Record::parked`] as read.
    pub parked: Option<Tag>,
    /// Digests of the webhook: if any is known already, it is a duplicate.
    pub seen: Vec<Digest8>,
    /// How long they are remembered.
    pub seen_until: Timestamp,
    /// Digests to forget, see [`Record::stale_seen`].
    pub drop_seen: Vec<Digest8>,
    /// What is kept of the order now.
    pub snapshot: Vec<u8>,
    /// New items, numbered from `last_item + 1`.
    pub owed: Vec<Owed>,
    /// When the order is to be looked at: the first of the new items is due, or news may let go what rests. `None`: nothing
    /// is to be looked at sooner than it would be.
    pub due: Option<Timestamp>,
    /// What happened.
    pub ledger: Vec<LedgerEntry>,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Stored.
    Stored {
        /// The new revision.
        revision: u64,
    },
    /// The webhook had been folded in before; nothing changed.
    Duplicate,
    /// The order changed since it was read: read and absorb again.
    Conflict,
}

impl Record {
    /// Digests that may be forgotten at `now`: their time is over, or there are more than an order needs (the
    /// told set is what protects the customer).
    pub fn stale_seen(&self, now: Timestamp) -> Vec<Digest8> {
        let mut by_end = self.seen.clone();
        by_end.sort_by_key(|(_, end)| *end);
        let surplus = by_end.len().saturating_sub(MAX_SEEN);
        let over = |(i, (_, end)): &(usize, (Digest8, i64))| *i < surplus || *end <= now.as_millisecond();
        by_end.into_iter().enumerate().filter(over).map(|(_, (digest, _))| digest).collect()
    }

    /// The item of this number.
    pub fn item(&self, no: u16) -> Option<&Owed> {
        self.items.iter().find(|i| i.no == no)
    }

    /// Takes in one field of the stored hash; a field nobody knows is a newer binary's and stays alone.
    fn take(&mut self, field: &[u8], stored: &[u8]) {
        let number = || std::str::from_utf8(stored).ok().and_then(|t| t.parse::<u64>().ok());
        match field {
            b"r" => self.revision = number().unwrap_or_default(),
            b"w" => self.wakes = number().unwrap_or_default(),
            b"k" => self.parked = tag(stored),
            b"d" => self.erased = number().and_then(|ms| i64::try_from(ms).ok()).map(from_millis),
            b"m" => self.muted = tags(stored),
            b"mh" => self.held = tags(stored),
            [b's', digest @ ..] => {
                if let (Ok(digest), Some(secs)) = (<[u8; 8]>::try_from(digest), number()) {
                    let ms = i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1000);
                    self.seen.push((Digest8(u64::from_be_bytes(digest)), ms));
                }
            }
            [b'i', no @ ..] => {
                if let Some(no) = ascii(no) {
                    self.last_item = self.last_item.max(no);
                    match Owed::decode(no, stored) {
                        Some(item) => self.items.push(item),
                        None => self.unknown_items += 1,
                    }
                }
            }
            [b'x', rest @ ..] => self.receipts.extend(receipt(rest, stored)),
            _ => {}
        }
    }
}

/// Tags one behind the other.
pub(super) fn tags(stored: &[u8]) -> Vec<Tag> {
    let (tags, _) = stored.as_chunks::<4>();
    tags.iter().map(|t| Tag(u32::from_be_bytes(*t))).collect()
}

fn ascii(bytes: &[u8]) -> Option<u16> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// A tag as it stands in key names.
pub(super) fn tag(hex: &[u8]) -> Option<Tag> {
    u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok().map(Tag)
}

/// The code of a receipt, part of its field's name.
pub(super) fn receipt_code(state: &ReceiptState) -> u8 {
    match state {
        ReceiptState::Accepted => 1,
        ReceiptState::Delivered => 2,
        ReceiptState::Read => 3,
        ReceiptState::Undelivered(_) => 4,
    }
}

/// A receipt's state by its code; `detail` is the provider's code of an undelivered one.
pub(super) fn receipt_state(code: u8, detail: &str) -> Option<ReceiptState> {
    Some(match code {
        1 => ReceiptState::Accepted,
        2 => ReceiptState::Delivered,
        3 => ReceiptState::Read,
        4 => ReceiptState::Undelivered(detail.into()),
        _ => return None,
    })
}

fn receipt(name: &[u8], stored: &[u8]) -> Option<(u16, ReceiptState, Timestamp)> {
    let (no, code) = std::str::from_utf8(name).ok()?.split_once('.')?;
    let (ms, detail) = std::str::from_utf8(stored).ok()?.split_once(':')?;
    let state = receipt_state(code.parse().ok()?, detail)?;
    Some((no.parse().ok()?, state, from_millis(ms.parse().ok()?)))
}

impl Store {
    /// The stored name of a unit.
    pub fn member(&self, unit: &Unit) -> Member {
        Member::of(&self.seal, unit)
    }

    /// Reads an order.
    ///
    /// # Errors
    /// The store's, and [`super::error::ErrorKind::Bug`] where its snapshot does not open (wrong key).
    pub async fn read(&self, member: &Member) -> Result<Record, StoreError> {
        let calls = self.read_calls(member);
        let mut answers = self.accept.flight(&calls, Repeat::Once).await?.into_iter();
        self.record(member, answers.next().unwrap_or_default(), answers.next().unwrap_or_default())
    }

    /// Reads an order without what is sealed of it: also one whose key is gone.
    ///
    /// # Errors
    /// The store's.
    pub async fn read_closed(&self, member: &Member) -> Result<Record, StoreError> {
        let ord = self.accept.one(Call::new("HGETALL").arg(self.keys.of(member, "ord"))).await?;
        self.record(member, ord, Value::Nil)
    }

    /// Reads an order that is to be erased: what cannot be opened can be erased all the same.
    ///
    /// # Errors
    /// The store's.
    pub async fn read_to_erase(&self, member: &Member) -> Result<Record, StoreError> {
        match self.read(member).await {
            Err(error) if error.kind == ErrorKind::Bug => self.read_closed(member).await,
            read => read,
        }
    }

    /// Reads many orders in one flight, in the order asked.
    ///
    /// # Errors
    /// As [`Store::read`], where no server answered at all; one that cannot be read or opened fails alone.
    pub async fn read_many(&self, members: &[Member]) -> Result<Vec<Result<Record, StoreError>>, StoreError> {
        let calls: Vec<Call> = members.iter().flat_map(|m| self.read_calls(m)).collect();
        let mut answers = self.work.each(calls).await;
        if let Some(Err(error)) = answers.first().filter(|_| answers.iter().all(Result::is_err)) {
            return Err(error.clone());
        }
        let mut next = answers.drain(..);
        let mut next = || next.next().unwrap_or(Ok(Value::Nil));
        let read = |m: &Member| {
            let (ord, snp) = (next(), next());
            self.record(m, ord?, snp?)
        };
        Ok(members.iter().map(read).collect())
    }

    pub(super) fn read_calls(&self, member: &Member) -> [Call; 2] {
        [Call::new("HGETALL").arg(self.keys.of(member, "ord")), Call::new("GET").arg(self.keys.of(member, "snp"))]
    }

    pub(super) fn record(&self, member: &Member, ord: Value, snp: Value) -> Result<Record, StoreError> {
        let mut record = Record::default();
        for (field, stored) in value::pairs(ord)? {
            record.take(&field, &stored);
        }
        record.items.sort_by_key(|i| i.no);
        record.receipts.sort_by_key(|(no, _, at)| (*no, *at));
        record.snapshot = match value::bytes(snp)? {
            Some(sealed) => Some(self.open_of(member, "snp", &sealed)?),
            None => None,
        };
        Ok(record)
    }

    /// Packs and seals something of a unit that is kept: see [`Store::seal_of`].
    pub(super) fn pack_of(&self, member: &Member, field: &str, plain: &[u8]) -> Vec<u8> {
        self.seal_of(member, field, &packed::pack(plain))
    }

    /// Seals something of a unit: it opens under the same key name, field and shop only.
    pub(super) fn seal_of(&self, member: &Member, field: &str, plain: &[u8]) -> Vec<u8> {
        let key = self.keys.of(member, field);
        self.seal.seal(&[key.as_bytes(), field.as_bytes(), &member.shop_tag().0.to_be_bytes(), SEALED], plain)
    }

    pub(super) fn open_of(&self, member: &Member, field: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let key = self.keys.of(member, field);
        let bound = [key.as_bytes(), field.as_bytes(), &member.shop_tag().0.to_be_bytes(), SEALED];
        let opened = self.seal.open(&bound, sealed);
        packed::unpack(opened.map_err(|e| StoreError::bug(format!("{field} of {member:?}: {e}")))?)
    }

    /// What one step adds to the ledger, sealed; empty: nothing.
    pub(super) fn ledger_line(&self, member: &Member, entries: &[LedgerEntry]) -> Result<Vec<u8>, StoreError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let json = serde_json::to_vec(entries).map_err(|e| StoreError::bug(format!("a ledger line: {e}")))?;
        Ok(self.pack_of(member, "led", &json))
    }

    /// Stores what a webhook told: the order, what is owed now, when it is due; all or nothing.
    ///
    /// # Errors
    /// The store's. After [`super::error::ErrorKind::Timeout`] it may have been stored; the repeat then is a
    /// [`Committed::Duplicate`] (or, without digests, a [`Committed::Conflict`]).
    pub async fn commit(&self, member: &Member, commit: Commit) -> Result<Committed, StoreError> {
        self.commit_after(member, commit, Vec::new()).await
    }

    /// The same for an order that must be found by what `names` it: written in the same flight, before it, so that
    /// nobody waits longer and a name never lacks. One that leads to an order that is not there does no harm.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit_named(
        &self,
        member: &Member,
        commit: Commit,
        names: (&ShopId, &[JoinKey], &OrderId),
    ) -> Result<Committed, StoreError> {
        let before = self.join_calls(names.0, names.1, names.2);
        self.commit_after(member, commit, before).await
    }

    async fn commit_after(
        &self,
        member: &Member,
        commit: Commit,
        mut calls: Vec<Call>,
    ) -> Result<Committed, StoreError> {
        if commit.seen.len() + commit.owed.len() + commit.drop_seen.len() > MAX_COMMIT {
            return Err(StoreError::bug("a commit of more than 200 items and digests"));
        }
        calls.push(self.commit_call(member, &commit)?);
        let answer = self.lasting(calls).await?.pop();
        let (word, rest) = value::word(answer.unwrap_or_default())?;
        match word.as_str() {
            "ok" => {
                let revision = rest.into_iter().next().unwrap_or_default();
                Ok(Committed::Stored { revision: value::int(revision)?.unsigned_abs() })
            }
            "dup" => Ok(Committed::Duplicate),
            "conflict" => Ok(Committed::Conflict),
            other => Err(value::unexpected("commit", other)),
        }
    }

    fn commit_call(&self, member: &Member, c: &Commit) -> Result<Call, StoreError> {
        let part = self.keys.part(member.partition());
        let own = ["ord", "snp", "led"].map(|what| self.keys.of(member, what));
        let parked = c.parked.map(|k| part.parked(k));
        let mut keys: Vec<&str> = own.iter().map(String::as_str).collect();
        keys.extend([part.ready.as_str(), &part.wait, &part.lease, &part.vt, &part.ctl]);
        keys.extend(parked.as_deref());
        let open = c.owed.iter().filter(|i| i.state.is_open()).count();
        let mut call = Call::script(&COMMIT, &keys)
            .arg(member.as_str())
            .arg(c.expected)
            .arg(c.parked.map(hex_tag).unwrap_or_default())
            .arg(c.due.map(|d| d.as_millisecond().to_string()).unwrap_or_default())
            .arg(open)
            .arg(self.pack_of(member, "snp", &c.snapshot))
            .arg(self.ledger_line(member, &c.ledger)?)
            .arg(MAX_LEDGER)
            .arg(self.retention.order_secs * 1000)
            .arg(self.retention.ledger_secs * 1000)
            .arg(c.seen_until.as_second())
            .arg(c.seen.len())
            .arg(c.drop_seen.len())
            .arg(c.owed.len());
        for digest in c.seen.iter().chain(&c.drop_seen) {
            call.push(digest.0.to_be_bytes().as_slice());
        }
        for item in &c.owed {
            call.push(item.no);
            call.push(item.encode().as_slice());
        }
        Ok(call)
    }

    /// The order's ledger, oldest first. Lines that cannot be read (a newer binary's) are left out.
    ///
    /// # Errors
    /// The store's, and that a line does not open.
    pub async fn ledger(&self, member: &Member) -> Result<Vec<LedgerEntry>, StoreError> {
        let call = Call::new("LRANGE").arg(self.keys.of(member, "led")).arg(0).arg(-1);
        let mut out = Vec::new();
        for line in value::list(self.work.one(call).await?)? {
            let sealed = value::bytes(line)?.unwrap_or_default();
            let json = self.open_of(member, "led", &sealed)?;
            let entries: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap_or_default();
            out.extend(entries.into_iter().filter_map(|e| serde_json::from_value(e).ok()));
        }
        Ok(out)
    }

    /// Adds to the ledger of an order that is kept; nothing for one that is erased or gone.
    ///
    /// # Errors
    /// The store's. Repeated after a time-out, it may stand there twice.
    pub async fn append_ledger(&self, member: &Member, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        let line = self.ledger_line(member, entries)?;
        if line.is_empty() {
            return Ok(());
        }
        let keys = ["ord", "led"].map(|what| self.keys.of(member, what));
        let call = Call::script(&APPEND, &keys).arg(line).arg(MAX_LEDGER).arg(self.retention.ledger_secs * 1000);
        self.work.flight(&[call], Repeat::Never).await.map(|_| ())
    }
}

/// A tag as it stands in key names.
pub(super) fn hex_tag(tag: Tag) -> String {
    format!("{:08x}", tag.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_and_items_are_left_alone() {
        let mut r = Record::default();
        for (f, v) in [(&b"i9"[..], &b"\xff\xff"[..]), (b"future", b"x"), (b"i", b""), (b"x1", b""), (b"s12", b"1")] {
            r.take(f, v);
        }
        assert_eq!((r.unknown_items, r.last_item, r.items.len(), r.seen.len()), (1, 9, 0, 0));
    }

    #[test]
    fn digests_are_forgotten_when_over_or_too_many() {
        let seen = (0..60).map(|i| (Digest8(i), 1000 * (i64::try_from(i).unwrap() + 1))).collect();
        let r = Record { seen, ..Record::default() };
        let at = |s| Timestamp::from_second(s).unwrap();
        assert_eq!(r.stale_seen(at(0)), (0..12).map(Digest8).collect::<Vec<_>>());
        assert_eq!(r.stale_seen(at(20)), (0..20).map(Digest8).collect::<Vec<_>>());
    }

    #[test]
    fn receipts_are_read_back() {
        for (code, state) in [
            (1, ReceiptState::Accepted),
            (2, ReceiptState::Delivered),
            (3, ReceiptState::Read),
            (4, ReceiptState::Undelivered("30003".into())),
        ] {
            assert_eq!(receipt_code(&state), code);
            assert_eq!(receipt_state(code, "30003"), Some(state.clone()));
            let read = receipt(format!("7.{code}").as_bytes(), b"5000:30003").unwrap();
            assert_eq!(read, (7, state, Timestamp::from_second(5).unwrap()));
        }
        assert_eq!(receipt(b"7.9", b"5000:"), None);
    }
}
