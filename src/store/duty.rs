//! What is to be done about people's data: durable before whoever asked is answered, worked off later, struck off
//! when done. Sealed, because it names the person.

use super::Store;
use super::error::StoreError;
use super::link::Repeat;
use super::order::SEALED;
use super::script::{Call, DUTY};
use super::value;
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
        let call = Call::new("HSET").arg(self.keys.duties()).arg(id).arg(self.seal_duty(id, said));
        self.lasting_one(call).await.map(|_| ())
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

    async fn duties_in(&self, key: String) -> Result<Vec<Duty>, StoreError> {
        let stored: BTreeMap<_, _> =
            value::pairs(self.work.one(Call::new("HGETALL").arg(key)).await?)?.into_iter().collect();
        let open = |(id, sealed): (Vec<u8>, Vec<u8>)| {
            let id = String::from_utf8_lossy(&id).into_owned();
            let said = self.seal.open(&[self.keys.duties().as_bytes(), id.as_bytes(), SEALED], &sealed);
            let said = said.map_err(|e| StoreError::bug(format!("duty {id}: {e}")))?;
            Ok(Duty { id, said, sealed })
        };
        stored.into_iter().map(open).collect()
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
        let call = Call::script(&DUTY, &[self.keys.duties(), self.keys.duties_done()]);
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
