//! ring: what was acknowledged lately, kept in memory and offered again when a primary was replaced.
//!
//! At the level `replicated` what was acknowledged is on a replica. It is lost all the same when another replica, one
//! that lags, takes the primary's place. So each process keeps what it acknowledged until it is old, and puts it
//! through the same steps once more, as the spool does: what is there is a duplicate, what is not is stored.
//!
//! Dies while it keeps: what only this process kept is gone; a failover that loses it must come at the same moment.
//! Dies while it offers: the same. Offers twice, or what was never lost: duplicates.
//!
//! "Old" counts up to the moment when the primaries were last seen to be the same: an outage, however long, takes
//! nothing out of it but what is an hour old. Erasing reaches it: what was erased since it was told is let go within
//! seconds, and does not come back when it is offered, as nothing of the spool does.

use super::App;
use super::erase::Erased;
use super::offer::{Offered, is_erased, offer};
use crate::domain::webhook::RawWebhook;
use crate::spool::{Door, Entry};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use std::collections::{BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What is older is let go, as long as nothing has happened.
const REACH: Duration = Duration::from_secs(120);
/// And this whatever has happened.
const OLDEST: Duration = Duration::from_secs(3600);
/// Bytes kept at most.
const MOST: usize = 32 << 20;
/// What a record takes besides its texts, about.
const RECORD: usize = 300;
/// How often the primaries are looked at, and how soon what could not be offered is offered again.
const LOOK: Duration = Duration::from_secs(1);
/// Records offered at one time.
const AT_ONCE: usize = 16;

/// A record and when it was acknowledged.
#[derive(Clone)]
struct Kept {
    serial: u64,
    at: Instant,
    entry: Arc<Entry>,
    bytes: usize,
}

struct Held {
    serial: u64,
    records: VecDeque<Kept>,
    bytes: usize,
    /// When the primaries were last seen to be the same.
    sure: Instant,
}

impl Held {
    fn trim(&mut self) {
        let over = |r: &Kept| self.sure.saturating_duration_since(r.at) > REACH || r.at.elapsed() > OLDEST;
        while let Some(first) = self.records.front().filter(|r| self.bytes > MOST || over(r)) {
            self.bytes -= first.bytes;
            self.records.pop_front();
        }
    }
}

/// What this process acknowledged lately.
pub struct Ring {
    held: Mutex<Held>,
}

impl Default for Ring {
    fn default() -> Ring {
        Ring { held: Mutex::new(Held { serial: 0, records: VecDeque::new(), bytes: 0, sure: Instant::now() }) }
    }
}

impl Ring {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request whose effect was acknowledged.
    pub fn keep(&self, door: Door, raw: RawWebhook) {
        let texts: usize = raw.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = RECORD + texts + raw.query.len() + raw.body.len();
        let entry = Entry { door, raw };
        let mut held = self.held();
        held.bytes += bytes;
        held.serial += 1;
        let serial = held.serial;
        held.records.push_back(Kept { serial, at: Instant::now(), entry: Arc::new(entry), bytes });
        held.trim();
    }

    /// Lets go of these.
    fn let_go(&self, serials: &BTreeSet<u64>) {
        let mut held = self.held();
        held.records.retain(|r| !serials.contains(&r.serial));
        held.bytes = held.records.iter().map(|r| r.bytes).sum();
    }

    /// The primaries are those that they were.
    fn same(&self) {
        let mut held = self.held();
        held.sure = Instant::now();
        held.trim();
    }

    fn all(&self) -> Vec<Kept> {
        self.held().records.iter().cloned().collect()
    }

    /// Records, their bytes, and how far back they reach.
    pub fn figures(&self) -> (usize, usize, Duration) {
        let held = self.held();
        let reach = held.records.front().map_or(Duration::ZERO, |r| r.at.elapsed());
        (held.records.len(), held.bytes, reach)
    }
}

/// The loop of a process that takes requests in, until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let Some(ring) = &app.ring else { return };
    let work = async {
        let (mut known, mut erased) = (None, Erased::default());
        loop {
            forget(&app, ring, &mut erased).await;
            match app.store.primaries().await {
                Ok(now) if known.as_ref().is_some_and(|known| *known != now) => {
                    // Before it is offered: whoever is replaced meanwhile is seen as another one afterwards.
                    known = Some(now);
                    offer_all(&app, ring).await;
                }
                Ok(now) => {
                    known = Some(now);
                    ring.same();
                }
                // Who cannot be asked may be gone.
                Err(_) => ring.held().trim(),
            }
            let (records, bytes, reach) = ring.figures();
            app.metrics.set_ring(records as u64, bytes as u64, reach.as_secs_f64());
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! { () = work => {}, _ = stop.changed() => {} }
}

/// What was erased since it was told is let go. Redis away: at the next look.
async fn forget(app: &App, ring: &Ring, erased: &mut Erased) {
    let before = erased.version();
    if erased.look(app).await.is_err() || erased.version() == before {
        return;
    }
    let mut gone = BTreeSet::new();
    for record in ring.all() {
        if is_erased(app, erased, &record.entry) {
            gone.insert(record.serial);
        }
        // Reading it all once more may take a while.
        tokio::task::yield_now().await;
    }
    ring.let_go(&gone);
}

/// Offers everything, until the store has answered each.
async fn offer_all(app: &App, ring: &Ring) {
    let mut left = ring.all();
    tracing::warn!(
        records = left.len(),
        "a primary was replaced or restarted: what was acknowledged lately is offered again"
    );
    let (mut stored, mut known) = (0_u64, 0_u64);
    while !left.is_empty() {
        let share = left.len().div_ceil(AT_ONCE);
        let offered = join_all(left.chunks(share).map(|some| offer_some(app, some))).await;
        left = Vec::new();
        for (news, old, waits) in offered {
            (stored, known) = (stored + news, known + old);
            left.extend(waits);
        }
        left.retain(|record| record.at.elapsed() < OLDEST);
        if !left.is_empty() {
            tokio::time::sleep(LOOK).await;
        }
    }
    app.metrics.ring_offered(stored, known);
    tracing::warn!(stored, known, "what was acknowledged lately was offered again");
}

/// Offers some, one after the other. Gives how many the store had not, how many it had, and those to be offered again.
async fn offer_some(app: &App, records: &[Kept]) -> (u64, u64, Vec<Kept>) {
    let (mut stored, mut known, mut left) = (0, 0, Vec::new());
    let mut erased = Erased::default();
    for (record, place) in records.iter().zip(0..) {
        // One that brings us down must not stop the others.
        let offered = AssertUnwindSafe(offer(app, &mut erased, &record.entry)).catch_unwind().await;
        match offered.unwrap_or_else(|_| Offered::Refused("it made the relay panic".into())) {
            Offered::Done { news: true, .. } => stored += 1,
            Offered::Done { news: false, .. } => known += 1,
            Offered::Behind(_) => left.push(record.clone()),
            Offered::Away(_) => {
                left.extend(records.iter().skip(place).cloned());
                break;
            }
            Offered::Refused(error) | Offered::Never(_, error) => {
                tracing::error!(error, "what had been acknowledged could not be offered again");
            }
        }
    }
    (stored, known, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::ids::Digest8;

    fn entry(shop: &str, secs: i64, body: usize) -> Entry {
        let door =
            Door::Hook { platform: "shopify".into(), shop: shop.into(), dedupe: "d".into(), content: Digest8(1) };
        let at = Timestamp::from_second(secs).unwrap();
        Entry { door, raw: RawWebhook::post(&[("x-a", "b")], vec![b' '; body], at) }
    }

    fn keep(ring: &Ring, entry: Entry) {
        ring.keep(entry.door, entry.raw);
    }

    #[test]
    fn it_keeps_two_minutes_or_its_bytes_and_more_while_nobody_knows() {
        let ring = Ring::default();
        for _ in 0..40 {
            keep(&ring, entry("a", 1, 1 << 20));
        }
        let (records, bytes, _) = ring.figures();
        assert!(records == 31 && bytes <= MOST, "{records} {bytes}");
        let Some(later) = Instant::now().checked_add(REACH + Duration::from_secs(1)) else { return };
        keep(&ring, entry("a", 1, 10));
        assert_eq!(ring.figures().0, 32, "a small one fits in");
        ring.held().sure = later;
        ring.held().trim();
        assert_eq!(ring.figures().0, 0, "all are older than the last sure moment by more than the reach");
    }

    #[test]
    fn what_is_let_go_is_counted_down() {
        let ring = Ring::default();
        for shop in ["a", "b", "c"] {
            keep(&ring, entry(shop, 1, 10));
        }
        let gone = ring.all().iter().take(2).map(|r| r.serial).collect();
        ring.let_go(&gone);
        let (records, bytes, _) = ring.figures();
        assert_eq!((records, bytes), (1, RECORD + 4 + 10));
        keep(&ring, entry("d", 1, 10));
        ring.let_go(&gone);
        assert_eq!(ring.figures().0, 2, "a number is never given twice");
    }
}
