//! Sealing anew, with the first key, what an older one sealed: page by page over every key there is.
//!
//! Each record is replaced only if it is still as read, so that whoever writes it meanwhile (with the first key) wins,
//! and a page done twice finds nothing to do. Whatever is stored sealed has its line in `Keys::sealed` and here; a
//! test looks for the old key's mark in every value that is left.

use super::Store;
use super::error::StoreError;
use super::keys::{Member, Sealed};
use super::link::Repeat;
use super::order::SEALED;
use super::script::{Call, RESEAL, SWAP};
use super::value;
use super::walk::Scanned;
use super::work::envelope_field;
use crate::domain::ids::Tag;
use crate::seal::SealError;
use redis::Value;
use serde::{Deserialize, Serialize};

/// Keys looked at in one page, about.
const PAGE: usize = 200;
/// Unreadable webhooks copied in one flight: each may be as large as a webhook.
const FEW: usize = 5;
/// A copy whose maker died is gone after so long. ms.
const COPY_MS: i64 = 600_000;
/// How long a run is remembered. Seconds.
const RUN_SECS: i64 = 90 * 86_400;

/// What was found and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Records looked at.
    pub seen: u64,
    /// Of those, sealed with another than the first key.
    pub old: u64,
    /// Of those, sealed anew.
    pub anew: u64,
    /// Old ones that open under none of the shops named: of a shop that is in the settings no more.
    pub strange: u64,
    /// Sealed with a key that is not configured: nobody can read them.
    pub closed: u64,
}

impl Tally {
    /// Adds another's.
    pub fn add(&mut self, more: &Tally) {
        self.seen += more.seen;
        self.old += more.old;
        self.anew += more.anew;
        self.strange += more.strange;
        self.closed += more.closed;
    }
}

/// A page.
#[derive(Clone, Debug)]
pub struct Resealed {
    /// What was found and done in it.
    pub tally: Tally,
    /// Where to go on; `None`: that was the last.
    pub cursor: Option<String>,
}

/// A record: how it lies there, its name, as read.
type Lying = (&'static str, String, Vec<u8>);
/// Records of one key that are to be replaced: how each lies there, its name, as read, as to be.
pub(super) type Changes = Vec<(&'static str, String, Vec<u8>, Vec<u8>)>;

impl Store {
    /// What the first key is known by.
    pub fn first_key(&self) -> String {
        self.seal.first_key()
    }

    /// The next page of everything sealed; `write`: seals anew what is not of the first key, else only counts.
    /// `shops`: whose orders can be opened; a key name does not say its shop.
    ///
    /// # Errors
    /// The store's; the same page again does no harm.
    pub async fn reseal(&self, shops: &[Tag], cursor: Option<&str>, write: bool) -> Result<Resealed, StoreError> {
        let Scanned { names, cursor } = self.keys_page(&self.keys.all(), PAGE, cursor).await?;
        let mut tally = Tally::default();
        let found: Vec<(&String, Sealed<'_>)> = names.iter().filter_map(|k| Some((k, self.keys.sealed(k)?))).collect();
        for (key, _) in found.iter().filter(|(_, sealed)| *sealed == Sealed::Odd) {
            self.reseal_odd(key, write, &mut tally).await?;
        }
        let read: Vec<Call> = found.iter().filter_map(|(key, sealed)| read_call(key, *sealed)).collect();
        let answers = self.work.flight(&read, Repeat::Once).await?;
        let mut calls = Vec::new();
        for ((key, sealed), answer) in found.iter().filter(|(_, s)| *s != Sealed::Odd).zip(answers) {
            let changes = self.changes(*sealed, answer, shops, &mut tally)?;
            if !changes.is_empty() && write {
                calls.push(reseal_call(key, changes));
            }
        }
        for done in self.work.flight(&calls, Repeat::Once).await? {
            tally.anew += value::int(done)?.unsigned_abs();
        }
        Ok(Resealed { tally, cursor })
    }

    /// What is old of a key's records, and how it is to be.
    fn changes(
        &self,
        sealed: Sealed<'_>,
        answer: Value,
        shops: &[Tag],
        tally: &mut Tally,
    ) -> Result<Changes, StoreError> {
        let mut changes = Vec::new();
        for (lies, name, record) in records(sealed, answer)? {
            tally.seen += 1;
            let anew = match sealed {
                Sealed::Snapshot(hash) => self.anew_of(hash, "snp", shops, &record),
                Sealed::Ledger(hash) => self.anew_of(hash, "led", shops, &record),
                Sealed::Envelopes(hash) => {
                    let field = name.parse().map(envelope_field).unwrap_or_default();
                    self.anew_of(hash, &field, shops, &record)
                }
                Sealed::Person(hash) => {
                    let key = self.keys.own_hex("who", hash);
                    self.seal.reseal(&[key.as_bytes(), name.as_bytes(), SEALED], &record)
                }
                Sealed::Ties(hash) => {
                    let key = self.keys.own_hex("tie", hash);
                    self.seal.reseal(&[key.as_bytes(), name.as_bytes(), SEALED], &record)
                }
                Sealed::Duties => self.seal.reseal(&[self.keys.duties().as_bytes(), name.as_bytes(), SEALED], &record),
                Sealed::Kept => self.seal.reseal(&[self.keys.kept().as_bytes(), name.as_bytes(), SEALED], &record),
                Sealed::Odd => Ok(None),
            };
            if let Some(new) = count(anew, tally) {
                changes.push((lies, name, record, new));
            }
        }
        Ok(changes)
    }

    fn anew_of(&self, hash: &str, field: &str, shops: &[Tag], record: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        let mut last = Err(SealError::Damaged);
        // Without a shop nothing is opened, and what is of the first key is known all the same.
        for tag in shops.iter().chain(shops.is_empty().then_some(&Tag::NONE)) {
            let Some(member) = Member::of_shop(*tag, hash) else { break };
            let key = self.keys.of(&member, field);
            last = self.seal.reseal(&[key.as_bytes(), field.as_bytes(), &tag.0.to_be_bytes(), SEALED], record);
            if last != Err(SealError::Damaged) {
                break;
            }
        }
        last
    }

    /// Unreadable webhooks of one partition. A stream's entries cannot be replaced: they are copied under their ids,
    /// which say how old they are, and the copy takes the place of the whole. Dies before that: the copy ends by
    /// itself, or is thrown away by the next to try.
    async fn reseal_odd(&self, key: &str, write: bool, tally: &mut Tally) -> Result<(), StoreError> {
        let copy = format!("{key}:anew");
        let (mut from, mut count_of, mut last, mut old) = ("-".to_string(), 0_u64, String::new(), 0_u64);
        let mut found = Tally::default();
        if write {
            self.work.one(Call::new("DEL").arg(&copy)).await?;
        }
        loop {
            let call = Call::new("XRANGE").arg(key).arg(&from).arg("+").arg("COUNT").arg(FEW);
            let entries = value::list(self.work.one(call).await?)?;
            let full = entries.len() == FEW;
            let mut calls = Vec::new();
            for entry in entries {
                let mut parts = value::list(entry)?.into_iter();
                last = value::text(parts.next().unwrap_or_default())?;
                let fields = value::pairs(parts.next().unwrap_or_default())?;
                let Some((name, record)) = fields.into_iter().next() else { continue };
                found.seen += 1;
                count_of += 1;
                let anew = count(self.seal.reseal(&[key.as_bytes(), b"odd", SEALED], &record), &mut found);
                old += u64::from(anew.is_some());
                calls.push(Call::new("XADD").arg(&copy).arg(&last).arg(name).arg(anew.unwrap_or(record)));
            }
            from = format!("({last}");
            if write && !calls.is_empty() {
                calls.push(Call::new("PEXPIRE").arg(&copy).arg(COPY_MS));
                self.work.flight(&calls, Repeat::Never).await?;
            }
            if !full {
                break;
            }
        }
        if write && old > 0 {
            let call = Call::script(&SWAP, &[key, copy.as_str()]).arg(count_of).arg(&last);
            found.anew += if value::text(self.work.one(call).await?)? == "ok" { old } else { 0 };
        }
        if write {
            self.work.one(Call::new("DEL").arg(&copy)).await?;
        }
        tally.add(&found);
        Ok(())
    }

    /// Remembers a run, whatever was remembered before.
    ///
    /// # Errors
    /// The store's.
    pub async fn put_rekey(&self, run: &[u8]) -> Result<(), StoreError> {
        self.lasting_one(Call::new("SET").arg(self.keys.rekey()).arg(run).arg("EX").arg(RUN_SECS)).await.map(|_| ())
    }

    /// The run last asked for.
    ///
    /// # Errors
    /// The store's.
    pub async fn rekey_run(&self) -> Result<Option<Vec<u8>>, StoreError> {
        value::bytes(self.work.one(Call::new("GET").arg(self.keys.rekey())).await?)
    }

    /// A run moved on; `false`: it was asked for anew meanwhile, and nothing changed.
    ///
    /// # Errors
    /// The store's. After a time-out: read it again.
    pub async fn move_rekey(&self, old: &[u8], new: &[u8]) -> Result<bool, StoreError> {
        let changes = vec![("string", String::new(), old.to_vec(), new.to_vec())];
        Ok(value::int(self.work.one(reseal_call(&self.keys.rekey(), changes)).await?)? == 1)
    }
}

/// Counts a record, and gives how it is to be.
fn count(anew: Result<Option<Vec<u8>>, SealError>, tally: &mut Tally) -> Option<Vec<u8>> {
    match anew {
        Ok(anew) => {
            tally.old += u64::from(anew.is_some());
            return anew;
        }
        Err(SealError::Damaged) => {
            tally.old += 1;
            tally.strange += 1;
        }
        // Of a newer version, or of a key that is gone: it hinders no key from going.
        Err(SealError::UnknownKey | SealError::Form) => tally.closed += 1,
    }
    None
}

fn read_call(key: &str, sealed: Sealed<'_>) -> Option<Call> {
    Some(match sealed {
        Sealed::Snapshot(_) => Call::new("GET").arg(key),
        Sealed::Ledger(_) => Call::new("LRANGE").arg(key).arg(0).arg(-1),
        Sealed::Envelopes(_) | Sealed::Ties(_) | Sealed::Duties | Sealed::Kept => Call::new("HGETALL").arg(key),
        Sealed::Person(_) => Call::new("HMGET").arg(key).arg("f").arg("t"),
        Sealed::Odd => return None,
    })
}

/// A key's sealed records: how each lies there, under which name.
fn records(sealed: Sealed<'_>, answer: Value) -> Result<Vec<Lying>, StoreError> {
    Ok(match sealed {
        Sealed::Snapshot(_) => value::bytes(answer)?.map(|r| ("string", String::new(), r)).into_iter().collect(),
        Sealed::Ledger(_) => {
            let lines = value::list(answer)?.into_iter().enumerate();
            lines
                .map(|(i, l)| Ok(("line", i.to_string(), value::bytes(l)?.unwrap_or_default())))
                .collect::<Result<_, StoreError>>()?
        }
        Sealed::Person(_) => {
            let fields = value::list(answer)?.into_iter().zip(["f", "t"]);
            let fields =
                fields.map(|(v, name)| Ok((value::bytes(v)?, name))).collect::<Result<Vec<_>, StoreError>>()?;
            fields.into_iter().filter_map(|(v, name)| Some(("field", name.to_string(), v?))).collect()
        }
        Sealed::Envelopes(_) | Sealed::Ties(_) | Sealed::Duties | Sealed::Kept => value::pairs(answer)?
            .into_iter()
            .map(|(name, record)| ("field", String::from_utf8_lossy(&name).into_owned(), record))
            .collect(),
        Sealed::Odd => Vec::new(),
    })
}

/// Each record in its new wrapping, if it is still as read; gives how many were.
pub(super) fn reseal_call(key: &str, changes: Changes) -> Call {
    let mut call = Call::script(&RESEAL, &[key]);
    for (lies, name, old, new) in changes {
        call.push(lies);
        call.push(name);
        call.push(old);
        call.push(new);
    }
    call
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::Keys;

    #[test]
    fn whatever_is_sealed_is_known_by_its_key() {
        let keys = Keys::new("ow");
        let member = Member::of_shop(Tag::NONE, &"0123456789abcdef".repeat(2)).expect("a member");
        let hash = member.hash();
        for (key, is) in [
            (keys.of(&member, "snp"), Some(Sealed::Snapshot(hash))),
            (keys.of(&member, "led"), Some(Sealed::Ledger(hash))),
            (keys.of(&member, "env"), Some(Sealed::Envelopes(hash))),
            (keys.own("who", &[7; 16]), Some(Sealed::Person("07070707070707070707070707070707"))),
            (keys.own("tie", &[7; 16]), Some(Sealed::Ties("07070707070707070707070707070707"))),
            (keys.own("invite", &[7; 16]), None),
            (keys.duties(), Some(Sealed::Duties)),
            (keys.duties_done(), Some(Sealed::Duties)),
            (keys.duties_version(), None),
            (keys.kept(), Some(Sealed::Kept)),
            (keys.part(3).odd.clone(), Some(Sealed::Odd)),
            (format!("{}:anew", keys.part(3).odd), None),
            (keys.of(&member, "ord"), None),
            (keys.part(3).ready.clone(), None),
            (keys.meta(), None),
            (keys.rekey(), None),
            ("other:{who:07}".into(), None),
        ] {
            assert_eq!(keys.sealed(&key), is, "{key}");
        }
    }
}
