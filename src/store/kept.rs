//! What channel accounts must not lose ([`Keeper`]): fields of one hash, sealed, each changed only from what it was.

use super::Store;
use super::error::StoreError;
use super::order::SEALED;
use super::rekey::reseal_call;
use super::script::Call;
use super::value;
use crate::domain::keeper::Keeper;
use futures_util::future::BoxFuture;

/// As stored, and opened.
type Kept = (Vec<u8>, Vec<u8>);

impl Store {
    /// A keyed hash: the name may hold ids of accounts.
    fn kept_field(&self, name: &str) -> String {
        hex::encode(self.seal.hash16("kept", &[name.as_bytes()]))
    }

    async fn kept(&self, field: &str) -> Result<Option<Kept>, StoreError> {
        let key = self.keys.kept();
        let stored = value::bytes(self.work.one(Call::new("HGET").arg(&key).arg(field)).await?)?;
        let Some(sealed) = stored else { return Ok(None) };
        let opened = self.seal.open(&[key.as_bytes(), field.as_bytes(), SEALED], &sealed);
        let opened = opened.map_err(|e| StoreError::bug(format!("what a channel keeps: {e}")))?;
        Ok(Some((sealed, opened)))
    }

    /// The comparison is made by the server, against the very bytes that were opened here.
    async fn keep(&self, name: &str, old: Option<&[u8]>, new: &[u8]) -> Result<bool, StoreError> {
        let (key, field) = (self.keys.kept(), self.kept_field(name));
        let stored = self.kept(&field).await?;
        if stored.as_ref().map(|(_, opened)| opened.as_slice()) != old {
            return Ok(false);
        }
        let sealed = self.seal.seal(&[key.as_bytes(), field.as_bytes(), SEALED], new);
        let call = match stored {
            Some((was, _)) => reseal_call(&key, vec![("field", field, was, sealed)]),
            None => Call::new("HSETNX").arg(&key).arg(&field).arg(sealed),
        };
        Ok(value::int(self.lasting_one(call).await?)? == 1)
    }
}

impl Keeper for Store {
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>> {
        Box::pin(async move {
            let kept = self.kept(&self.kept_field(name)).await.map_err(|e| e.to_string())?;
            Ok(kept.map(|(_, opened)| opened))
        })
    }

    fn swap<'a>(&'a self, name: &'a str, old: Option<&'a [u8]>, new: &'a [u8]) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(async move { self.keep(name, old, new).await.map_err(|e| e.to_string()) })
    }
}
