//! rekey: everything sealed with an older key is sealed anew with the first one, so that the older can go.
//!
//! A run is one record in Redis, durable before whoever asked is answered, and worked off in the background by one
//! process of all, a page at a time. Dies before the record is written: nobody was told that it runs. Dies in a page:
//! some of it is done, the record still names its beginning, and the next process does it again, which finds those
//! done. Dies after a page: the next goes on from the one written down. Redis starts anew in between: the walk begins
//! again.
//!
//! It ends with a pass that finds nothing old: only then is no record left of an older key. Whoever still writes with
//! one (a process that does not have the new key in front) is found out by pass after pass that finds something.

use super::App;
use super::kept::AcceptError;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ShopId, Tag};
use crate::store::rekey::{Resealed, Tally};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Who works on a run holds the right to for so long, and takes it anew with every page. Two at once, where a page
/// takes longer, do no harm. ms.
const HOLD_MS: u64 = 5_000;
/// Pages worked on before the loop looks up again.
const PAGES: usize = 20;
/// Passes that may find something.
const PASSES: u32 = 5;

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing in Redis is sealed with an older key any more.
    Free,
    /// Records of shops that are not in the settings are: their shop must be named, or their time be over.
    Strange,
    /// A process still seals with an older key.
    StillWritten,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Name of the token of whoever asked.
    pub by: String,
    /// When.
    pub begun: Timestamp,
    /// What the key is known by that all is sealed with. A process that has another in front leaves the run alone.
    pub key: String,
    /// Shops named that are no longer in the settings.
    pub shops: Vec<ShopId>,
    /// Which pass it is, from 1.
    pub pass: u32,
    /// What this pass found so far.
    pub found: Tally,
    /// Records sealed anew, by all passes.
    pub anew: u64,
    /// Where this pass goes on; `None`: at its beginning.
    pub cursor: Option<String>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// What came of it.
    pub outcome: Option<Outcome>,
}

impl Run {
    fn bytes(&self) -> Result<Vec<u8>, AcceptError> {
        serde_json::to_vec(self).map_err(|e| AcceptError::Unreadable(e.to_string()))
    }

    /// Takes in a page.
    fn take(&mut self, page: Resealed, now: Timestamp) {
        self.anew += page.tally.anew;
        self.found.add(&page.tally);
        self.cursor = page.cursor;
        if self.cursor.is_some() {
            return;
        }
        let outcome = match self.found {
            Tally { old: 0, .. } => Some(Outcome::Free),
            Tally { old, strange, .. } if old == strange => Some(Outcome::Strange),
            _ if self.pass >= PASSES => Some(Outcome::StillWritten),
            _ => None,
        };
        match outcome {
            Some(outcome) => (self.outcome, self.ended) = (Some(outcome), Some(now)),
            None => (self.pass, self.found) = (self.pass + 1, Tally::default()),
        }
    }
}

/// Shops whose records can be opened: those in the settings, and those named.
fn tags(app: &App, named: &[ShopId]) -> Vec<Tag> {
    let live = app.live();
    // What is to be answered in chats lies under its channel account's name.
    let channels = live.channels.keys().map(|id| id.tag().0);
    let tags: BTreeSet<u32> = live.shops.keys().chain(named).map(|id| id.tag().0).chain(channels).collect();
    tags.into_iter().map(Tag).collect()
}

/// Asks for everything to be sealed anew. A run under way begins from the start.
///
/// # Errors
/// Redis could not take it.
pub async fn ask(app: &App, by: &str, shops: Vec<ShopId>) -> Result<Run, AcceptError> {
    let run = Run {
        by: by.into(),
        begun: app.clock.now(),
        key: app.store.first_key(),
        shops,
        pass: 1,
        found: Tally::default(),
        anew: 0,
        cursor: None,
        ended: None,
        outcome: None,
    };
    app.store.put_rekey(&run.bytes()?).await?;
    tracing::warn!(by, key = run.key, "everything is sealed anew with the first key, in the background");
    Ok(run)
}

/// The run last asked for.
///
/// # Errors
/// Redis away.
pub async fn last(app: &App) -> Result<Option<Run>, AcceptError> {
    Ok(read(app).await?.map(|(_, run)| run))
}

async fn read(app: &App) -> Result<Option<(Vec<u8>, Run)>, AcceptError> {
    let kept = app.store.rekey_run().await?;
    // Of a newer version it is left alone.
    Ok(kept.and_then(|bytes| serde_json::from_slice(&bytes).ok().map(|run| (bytes, run))))
}

/// The next page of what a run would do; nothing is changed.
///
/// # Errors
/// Redis away.
pub async fn look(app: &App, shops: &[ShopId], cursor: Option<&str>) -> Result<Resealed, AcceptError> {
    Ok(app.store.reseal(&tags(app, shops), cursor, false).await?)
}

/// Works on a run for some pages; `true`: there is more to do at once.
///
/// # Errors
/// Redis away.
pub async fn work(app: &App) -> Result<bool, AcceptError> {
    for _ in 0..PAGES {
        let Some((kept, mut run)) = read(app).await?.filter(|(_, run)| run.ended.is_none()) else { return Ok(false) };
        if run.key != app.store.first_key() || !app.store.claim_run("rekey", &app.worker, HOLD_MS).await? {
            return Ok(false);
        }
        let page = app.store.reseal(&tags(app, &run.shops), run.cursor.as_deref(), true).await?;
        super::crash::point("after-reseal");
        run.take(page, app.clock.now());
        if !app.store.move_rekey(&kept, &run.bytes()?).await? {
            continue;
        }
        if let Some(outcome) = run.outcome {
            let Tally { seen, strange, closed, .. } = run.found;
            tracing::warn!(?outcome, seen, anew = run.anew, strange, closed, "sealing anew is over");
        }
    }
    Ok(true)
}

/// The loop of this process, until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let more = work(&app).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "sealing anew could not go on; trying again");
            false
        });
        // 1 to 2 s, so that pods do not look in step.
        let rest = if more { Duration::ZERO } else { Duration::from_millis(1000 + rand::random_range(0..1000)) };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            _ = stop.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::from_millis;

    fn run() -> Run {
        Run {
            by: "x".into(),
            begun: from_millis(0),
            key: "k".into(),
            shops: Vec::new(),
            pass: 1,
            found: Tally::default(),
            anew: 0,
            cursor: None,
            ended: None,
            outcome: None,
        }
    }

    fn page(old: u64, strange: u64, cursor: Option<&str>) -> Resealed {
        let tally = Tally { seen: 10, old, anew: old - strange, strange, closed: 0 };
        Resealed { tally, cursor: cursor.map(String::from) }
    }

    fn after(pages: &[Resealed]) -> Run {
        let mut run = run();
        pages.iter().for_each(|page| run.take(page.clone(), from_millis(9)));
        run
    }

    #[test]
    fn it_ends_with_a_pass_that_finds_nothing() {
        let run = after(&[page(3, 0, Some("7")), page(0, 0, None)]);
        assert_eq!((run.pass, run.outcome, run.anew), (2, None, 3), "something was found: once more");
        let run = after(&[page(3, 0, None), page(0, 0, Some("7")), page(0, 0, None)]);
        assert_eq!((run.outcome, run.found.seen, run.anew), (Some(Outcome::Free), 20, 3));
        assert_eq!(after(&[page(2, 2, None)]).outcome, Some(Outcome::Strange));
        assert_eq!(after(&vec![page(1, 0, None); 5]).outcome, Some(Outcome::StillWritten));
        assert_eq!(after(&vec![page(1, 0, None); 4]).outcome, None);
    }
}
