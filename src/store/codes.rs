//! One-time codes, and counts of how often something was tried: both under keyed hashes, shared by all processes, gone
//! by themselves.

use super::Store;
use super::error::StoreError;
use super::link::Repeat;
use super::script::{CODE, Call};
use super::value;

/// Something that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// What for: the same place counts apart for each.
    pub what: &'a str,
    /// Who or where.
    pub place: &'a [&'a [u8]],
    /// Counted anew after so many seconds.
    pub secs: i64,
}

impl Store {
    /// Counts one more of each; gives how many there were within their time, this one among them.
    ///
    /// # Errors
    /// The store's; they may be counted all the same.
    pub async fn tried(&self, tried: &[Tried<'_>]) -> Result<Vec<u64>, StoreError> {
        let mut calls = Vec::with_capacity(2 * tried.len());
        for one in tried {
            let key = self.keys.own("cnt", &self.seal.hash16(one.what, one.place));
            calls.push(Call::new("INCR").arg(&key));
            calls.push(Call::new("PEXPIRE").arg(&key).arg(one.secs.saturating_mul(1000)).arg("NX"));
        }
        let answers = self.accept.flight(&calls, Repeat::Once).await?;
        answers.into_iter().step_by(2).map(|count| value::int(count).map(i64::unsigned_abs)).collect()
    }

    /// Lays a code down for this place, for so many milliseconds; an older one there is no longer good.
    ///
    /// # Errors
    /// The store's.
    pub async fn put_code(&self, place: &[&[u8]], code: &str, millis: i64) -> Result<(), StoreError> {
        let call = self.code_call(place, "put", code).arg(millis);
        self.accept.flight(&[call], Repeat::Once).await.map(drop)
    }

    /// Whether this is the code that lies there; it is then used up. After `most` wrong ones it is gone.
    ///
    /// # Errors
    /// The store's; a right one may be used up all the same.
    pub async fn try_code(&self, place: &[&[u8]], code: &str, most: u32) -> Result<bool, StoreError> {
        let call = self.code_call(place, "try", code).arg(most);
        let mut answers = self.accept.flight(&[call], Repeat::Never).await?;
        Ok(value::text(answers.pop().unwrap_or_default())? == "ok")
    }

    /// The code stands there only as a keyed hash, bound to its place: a million of them are soon tried on a plain one.
    fn code_call(&self, place: &[&[u8]], what: &str, code: &str) -> Call {
        let key = self.keys.own("code", &self.seal.hash16("code", place));
        let parts: Vec<&[u8]> = place.iter().copied().chain([code.as_bytes()]).collect();
        Call::script(&CODE, &[key]).arg(what).arg(hex::encode(self.seal.hash16("code-value", &parts)))
    }
}
