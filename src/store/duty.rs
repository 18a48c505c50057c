//! What is to be done about people's data: durable before whoever asked is answered, worked off later, struck off
//! when done. Sealed, because it names the person.

use super::Store;
use super::error::StoreError;
use super::link::Repeat;
use super::order::SEALED;
use super::script::{Call, DUTY};
use super::value;
use crate::domain::ids::Digest8;
use std::collections::BTreeMap;

/// A duty as read.
#[derive(Clone, Debug)]
pub struct Duty {
    /// Its id.
    pub id: String,
    /// What it says.
    pub said: Vec<u8>,
    /// As stored: what [`Store::move_duty`] compares.
    sealed: Vec<u8>,
}

impl Store {
    /// The id of a duty: the same for the same asked again. A keyed hash, so it tells nobody who was meant.
    pub fn duty_id(&self, parts: &[&[u8]]) -> String {
        hex::encode(self.seal.hash16("duty", parts))
    }

    /// Writes a duty down. One that is open under this id is asked anew: it begins from the start.
    ///
    /// # Errors
    /// The store's; whoever asked must then not be told that it is taken.
    pub async fn put_duty(&self, id: &str, said: &[u8]) -> Result<(), StoreError> {
        let put = Call::new("HSET").arg(self.keys.duties()).arg(id).arg(self.seal_duty(id, said));
        let calls = vec![put, Call::new("INCR").arg(self.keys.duties_version())];
        self.lasting(calls).await.map(|_| ())
    }

    /// A duty of this id: as it is open, and as it is remembered, if it opens.
    ///
    /// # Errors
    /// The store's.
    pub async fn duty(&self, id: &str) -> Result<(Option<Duty>, Option<Duty>), StoreError> {
        let get = |key| Call::new("HGET").arg(key).arg(id);
        let calls = [get(self.keys.duties()), get(self.keys.duties_done())];
        let mut found = Vec::new();
        for answer in self.work.flight(&calls, Repeat::Once).await? {
            found.push(value::bytes(answer)?.and_then(|sealed| self.open_duty(id, sealed).ok()));
        }
        let done = found.pop().flatten();
        Ok((found.pop().flatten(), done))
    }

    /// Another number whenever a duty was taken down, moved on or done.
    ///
    /// # Errors
    /// The store's.
    pub async fn duties_version(&self) -> Result<u64, StoreError> {
        let answer = self.work.one(Call::new("GET").arg(self.keys.duties_version())).await?;
        let text = value::bytes(answer)?.and_then(|b| String::from_utf8(b).ok());
        Ok(text.and_then(|t| t.parse().ok()).unwrap_or(0))
    }

    /// A keyed hash by which something erased is known again when it comes late; it tells nobody what it was.
    pub fn mark(&self, what: &str, value: &str) -> Digest8 {
        let [a, b, c, d, e, f, g, h, ..] = self.seal.hash16("erased", &[what.as_bytes(), value.as_bytes()]);
        Digest8(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    fn open_duty(&self, id: &str, sealed: Vec<u8>) -> Result<Duty, StoreError> {
        let said = self.seal.open(&[self.keys.duties().as_bytes(), id.as_bytes(), SEALED], &sealed);
        let said = said.map_err(|e| StoreError::bug(format!("duty {id}: {e}")))?;
        Ok(Duty { id: id.into(), said, sealed })
    }

    fn seal_duty(&self, id: &str, said: &[u8]) -> Vec<u8> {
        self.seal.seal(&[self.keys.duties().as_bytes(), id.as_bytes(), SEALED], said)
    }

    /// Open duties, by id.
    ///
    /// # Errors
    /// The store's, and that one does not open.
    pub async fn duties(&self) -> Result<Vec<Duty>, StoreError> {
        self.duties_in(self.keys.duties()).await
    }

    /// What is remembered of duties done, by id.
    ///
    /// # Errors
    /// As [`Store::duties`].
    pub async fn duties_done(&self) -> Result<Vec<Duty>, StoreError> {
        self.duties_in(self.keys.duties_done()).await
    }

    /// Open ones and those remembered, and how many do not open. One that is done meanwhile is among the latter.
    ///
    /// # Errors
    /// The store's.
    pub async fn all_duties(&self) -> Result<(Vec<Duty>, usize), StoreError> {
        let get = |key| Call::new("HGETALL").arg(key);
        let calls = [get(self.keys.duties()), get(self.keys.duties_done())];
        let (mut open, mut closed) = (Vec::new(), 0);
        for answer in self.work.flight(&calls, Repeat::Once).await? {
            for (id, sealed) in value::pairs(answer)? {
                match self.open_duty(&String::from_utf8_lossy(&id), sealed) {
                    Ok(duty) => open.push(duty),
                    Err(_) => closed += 1,
                }
            }
        }
        Ok((open, closed))
    }

    async fn duties_in(&self, key: String) -> Result<Vec<Duty>, StoreError> {
        let stored: BTreeMap<_, _> =
            value::pairs(self.work.one(Call::new("HGETALL").arg(key)).await?)?.into_iter().collect();
        stored.into_iter().map(|(id, sealed)| self.open_duty(&String::from_utf8_lossy(&id), sealed)).collect()
    }

    /// A duty moved on (`next`) or is struck off (`None`); `done` is what is remembered of it then. `None` back:
    /// it was asked anew meanwhile; nothing changed.
    ///
    /// # Errors
    /// The store's. After a time-out: read again; it may be done.
    pub async fn move_duty(
        &self,
        duty: &Duty,
        next: Option<&[u8]>,
        done: Option<&[u8]>,
    ) -> Result<Option<Duty>, StoreError> {
        let sealed = next.map(|said| self.seal_duty(&duty.id, said)).unwrap_or_default();
        let done = done.map(|said| self.seal_duty(&duty.id, said)).unwrap_or_default();
        let call = Call::script(&DUTY, &[self.keys.duties(), self.keys.duties_done(), self.keys.duties_version()]);
        let call = call.arg(&duty.id).arg(duty.sealed.as_slice()).arg(sealed.as_slice()).arg(done);
        let moved = value::text(self.work.one(call).await?)? == "ok";
        let said = next.unwrap_or_default().to_vec();
        Ok(moved.then(|| Duty { id: duty.id.clone(), said, sealed }))
    }

    /// Forgets what was remembered of duties done.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget_duties_done(&self, ids: &[String]) -> Result<(), StoreError> {
        let key = self.keys.duties_done();
        let calls: Vec<Call> = ids.iter().map(|id| Call::new("HDEL").arg(&key).arg(id)).collect();
        self.work.flight(&calls, Repeat::Once).await.map(|_| ())
    }
}
