//! Opening what outlasts the process: Redis, the spool, and the results that wait beside it.

use super::Parts;
use super::run::Role;
use crate::seal::Seal;
use crate::spool::{Options as SpoolOptions, Spool, SpoolError};
use crate::store::Store;
use crate::store::work::Settle;
use std::sync::Arc;

/// What a process of this role works on: Redis, where requests wait, where results wait.
pub(super) type Lasting = (Store, Option<Spool>, Option<Spool<Settle>>);

/// Opens all that a process of `role` works on.
///
/// # Errors
/// Redis cannot be used, or a folder is not to be had, with what to change.
pub(super) async fn open(settings: &Parts, seal: &Arc<Seal>, role: Role) -> anyhow::Result<Lasting> {
    let takes_in = settings.spool.as_ref().filter(|_| role != Role::Worker);
    let sends = settings.spool.as_ref().filter(|_| role != Role::Web);
    let store = open_store(settings, seal, takes_in.is_some()).await?;
    let opened = takes_in.map(|options| open_spool(options, seal)).transpose();
    let opened = opened.and_then(|spool| Ok((spool, sends.map(|o| open_results(o, seal)).transpose()?.flatten())));
    match opened {
        Ok((spool, results)) => Ok((store, spool, results)),
        Err(error) => {
            // A private Redis must not stay behind a relay that never came up.
            store.close().await;
            Err(error)
        }
    }
}

/// A relay with a spool need not wait for Redis.
async fn open_store(settings: &Parts, seal: &Arc<Seal>, spools: bool) -> anyhow::Result<Store> {
    if !spools {
        return Ok(Store::open(&settings.store.options(), Arc::clone(seal)).await?);
    }
    let (store, away) = Store::open_even_away(&settings.store.options(), Arc::clone(seal)).await?;
    if let Some(error) = away {
        tracing::error!(%error, "Redis is away: what comes waits in the spool, and nothing is sent until it is back");
    }
    Ok(store)
}

/// The spool of a process that takes requests in.
fn open_spool(options: &SpoolOptions, seal: &Arc<Seal>) -> anyhow::Result<Spool> {
    let (spool, cut) = Spool::open(options, Arc::clone(seal))?;
    if cut > 0 {
        tracing::warn!(bytes = cut, "the spool's last record was cut short by a crash before it was acknowledged");
    }
    let waits = spool.standing().records;
    if waits > 0 {
        tracing::info!(requests = waits, "the spool holds requests that an earlier process could not store");
    }
    Ok(spool)
}

/// Where a process that sends keeps results that Redis cannot take: beside the requests, in a folder of its own. A
/// second worker on this folder goes without, as it would without a spool.
fn open_results(options: &SpoolOptions, seal: &Arc<Seal>) -> anyhow::Result<Option<Spool<Settle>>> {
    let options = SpoolOptions { dir: options.dir.join("results"), ..options.clone() };
    match Spool::open(&options, Arc::clone(seal)) {
        Ok((results, _)) => Ok(Some(results)),
        Err(error @ SpoolError::Taken(_)) => {
            tracing::warn!(%error, "results that Redis cannot take are kept in memory only");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
