//! Waking orders, and calling scripts that must know where an order is parked.

use super::Store;
use super::error::{ErrorKind, StoreError};
use super::keys::{Member, PARTITIONS};
use super::order::tag;
use super::script::{Call, WAKE};
use super::value;
use crate::domain::ids::Tag;
use std::collections::BTreeSet;
use std::sync::PoisonError;

/// How often an order may change its place of parking under a call.
const MAX_CHASE: usize = 5;

impl Store {
    /// Channels with parked orders, as far as this process knows.
    pub(super) fn parked_at(&self, partition: u8) -> BTreeSet<Tag> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(partition) % PARTITIONS].clone()
    }

    /// There are orders parked for these.
    pub(super) fn know_parked(&self, partition: u8, channels: impl IntoIterator<Item = Tag>) {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(partition) % PARTITIONS]
            .extend(channels);
    }

    /// Makes orders be looked at again now.
    ///
    /// # Errors
    /// The store's; waking again does no harm.
    pub async fn wake(&self, members: &[Member]) -> Result<(), StoreError> {
        let asks = members.iter().map(|m| (m, ())).collect();
        self.where_parked(asks, |member, k, parked, ()| {
            let part = self.keys.part(member.partition());
            let ord = self.keys.of(member, "ord");
            let mut keys = vec![ord.as_str(), &part.ready, &part.wait, &part.vt];
            keys.extend(parked);
            Call::script(&WAKE, &keys).arg(member.as_str()).arg(k)
        })
        .await
        .map(|_| ())
    }

    /// Calls scripts that must declare where an order may be parked. Most are parked nowhere, so that is
    /// assumed first; the script names the place otherwise and is called again with its key.
    pub(super) async fn where_parked<T>(
        &self,
        asks: Vec<(&Member, T)>,
        call: impl Fn(&Member, &str, Option<&str>, &T) -> Call,
    ) -> Result<Vec<String>, StoreError> {
        let mut words = vec![String::new(); asks.len()];
        let mut open: Vec<(usize, String)> = (0..asks.len()).map(|i| (i, String::new())).collect();
        for _ in 0..MAX_CHASE {
            let calls: Vec<Call> = open
                .iter()
                .map(|(i, k)| {
                    let (member, data) = &asks[*i];
                    let parked = tag(k.as_bytes()).map(|c| self.keys.part(member.partition()).parked(c));
                    call(member, k, parked.as_deref(), data)
                })
                .collect();
            let answers = self.lasting(calls).await?;
            let mut again = Vec::new();
            for ((i, _), answer) in open.into_iter().zip(answers) {
                let (word, rest) = value::word(answer)?;
                if word == "k" {
                    again.push((i, value::text(rest.into_iter().next().unwrap_or_default())?));
                } else {
                    words[i] = word;
                }
            }
            open = again;
            if open.is_empty() {
                return Ok(words);
            }
        }
        Err(StoreError::new(ErrorKind::Away, "an order keeps moving between channels; try again"))
    }
}
