//! **spool** — floor 1: a local journal of raw webhooks and callbacks for when Redis is away.
//!
//! Knows: files, records, flushes; what waits, what was taken, what had to be set aside.
//! Must not know: what a webhook tells, shops, channels, Redis.
//! May use: domain, seal
//! How to add one: a new door's requests get an arm of [`Door`]; something else that must outlive the process gets
//! a spool of its own type in a folder of its own; a new form of record is a new version in `record.rs`, which goes
//! on to read the old one.
//!
//! A record is on disk, flushed, before [`Spool::append`] returns; many that wait share one flush. It is taken
//! out by reading ([`Spool::next`]) and struck off ([`Spool::strike`]) only when the store has what it told: a
//! crash in between offers it again, and the store knows it by its marks. So nothing is lost, and the order and
//! the number of offers do not matter.
//!
//! One process has a folder for itself. Pods that share a volume must be given a folder each: a file lock on a
//! network volume is not to be trusted for sharing one, and what a pod left behind must be found again by its
//! successor, which a folder of its own gives it (a StatefulSet's volume). A second process on a folder does
//! not start.

mod book;
mod files;
mod keeper;
mod record;
pub mod settings;

use crate::domain::clock::{Timestamp, from_millis};
use crate::domain::ids::{ChannelId, Digest8, ShopId};
use crate::domain::person::Address;
use crate::domain::settings::Size;
use crate::domain::webhook::RawWebhook;
use crate::seal::{Seal, SealError};
use book::Book;
use files::{Folder, Name};
use keeper::{Append, Job, Keeper};
use record::{Look, Part};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::sync::{Notify, mpsc, oneshot};

/// Requests that may wait for the disk; more are turned away.
const QUEUE: usize = 1024;
/// After a failed write the spool counts as unusable for so long; the next write may show otherwise.
const DOUBT: Duration = Duration::from_secs(10);

/// Where the spool lies, and how much it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its folder.
    pub dir: PathBuf,
    /// Bytes that it may take.
    pub max_bytes: u64,
    /// Least free share of its disk, percent.
    pub min_free_percent: u8,
}

impl Options {
    /// What waits where, in a sentence.
    pub fn sentence(&self) -> String {
        let (most, dir) = (Size(self.max_bytes), self.dir.display());
        format!("spool: up to {most} of what Redis cannot take wait in {dir}")
    }
}

/// A place in the spool: given out once, in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    segment: u64,
    offset: u64,
}

/// Which door a request came by. That it was genuine was proved there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// A shop's webhook.
    Hook {
        /// Of which platform: a shop's name may come to mean another shop.
        platform: String,
        /// Of which shop.
        shop: ShopId,
        /// The sender's own mark of the delivery, as admission gave it.
        dedupe: String,
        /// The content's own mark, as admission gave it.
        content: Digest8,
    },
    /// A channel's callback.
    Callback {
        /// Of which channel.
        channel: ChannelId,
    },
    /// The page by which a person switches messages off.
    Off {
        /// Of which channel.
        channel: ChannelId,
        /// Who.
        person: Address,
    },
}

/// A request that was taken in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// By which door.
    pub door: Door,
    /// As it came.
    pub raw: RawWebhook,
}

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Its bytes are not those that were written.
    Damaged,
    /// It was sealed with a key that is not configured, or for another place.
    Unsealable,
    /// It is of a form that this version does not know.
    Unreadable,
}

impl Damage {
    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Damage::Damaged => "damaged",
            Damage::Unsealable => "unsealable",
            Damage::Unreadable => "unreadable",
        }
    }
}

/// A record is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How long the flush took, told to one of those that shared it.
    pub flushed: Option<Duration>,
}

/// How the spool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Records that wait.
    pub records: u64,
    /// Bytes on disk, with what lies aside.
    pub bytes: u64,
    /// Bytes that it may take.
    pub max_bytes: u64,
    /// Pieces that lie aside.
    pub aside: u64,
    /// It takes more.
    pub usable: bool,
}

/// What the spool cannot do, and why. Never holds anything of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// Another process has it.
    #[error("another orderwire has the spool {0}; stop it, or give this one its own spool.dir")]
    Taken(String),
    /// The folder cannot be used.
    #[error("cannot use spool.dir {0}: {1}")]
    Folder(String, String),
    /// It takes no more.
    #[error("the spool is full: {0}")]
    Full(&'static str),
    /// Too many wait for the disk.
    #[error("the spool's disk does not keep up")]
    Busy,
    /// The disk failed.
    #[error("the spool's disk failed: {0}")]
    Disk(String),
    /// No request is so long.
    #[error("the request is too long for the spool")]
    TooLong,
    /// It was let go.
    #[error("the spool is closed")]
    Closed,
}

/// What the thread and those who ask share.
struct Shared {
    book: Mutex<Book>,
    failed: Mutex<Option<Instant>>,
    news: Notify,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn in_doubt(&self) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < DOUBT)
    }
}

/// A spool of this process, for records of one type. Cheap to share behind an `Arc`.
pub struct Spool<T = Entry> {
    options: Options,
    folder: Folder,
    seal: Arc<Seal>,
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    holds: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Spool<T> {
    /// Takes the folder for this process and reads what an earlier one left. Gives the bytes of torn tails that
    /// were cut: a crash left them before they were acknowledged. Waits for the disk.
    ///
    /// # Errors
    /// Another process has the folder, or it cannot be used.
    pub fn open(options: &Options, seal: Arc<Seal>) -> Result<(Spool<T>, u64), SpoolError> {
        let shared = Arc::new(Shared { book: Mutex::default(), failed: Mutex::default(), news: Notify::new() });
        let (keeper, cut) = Keeper::open(options, Arc::clone(&seal), Arc::clone(&shared))?;
        let folder = keeper.folder();
        let (jobs, inbox) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("spool".into()).spawn(move || keeper.run(inbox));
        thread.map_err(|e| SpoolError::Folder(options.dir.display().to_string(), e.to_string()))?;
        Ok((Spool { options: options.clone(), folder, seal, shared, jobs, holds: PhantomData }, cut))
    }

    /// Keeps a record: on disk, flushed, when this returns. Whoever stops waiting may find it kept or not.
    ///
    /// # Errors
    /// It is not known to be kept.
    pub async fn append(&self, entry: &T) -> Result<Stored, SpoolError> {
        let plain = serde_json::to_vec(entry).map_err(|e| SpoolError::Disk(e.to_string()))?;
        let (done, answer) = oneshot::channel();
        self.jobs.try_send(Job::Append(Append { plain, done })).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => SpoolError::Busy,
            mpsc::error::TrySendError::Closed(_) => SpoolError::Closed,
        })?;
        answer.await.unwrap_or(Err(SpoolError::Closed))
    }

    /// The first waiting record behind `after`, or why it cannot be read; `None`: no more are waiting.
    pub async fn next(&self, after: Option<Place>) -> Option<(Place, Result<T, Damage>)> {
        let (place, spot) = self.shared.book().next(after)?;
        let (folder, seal) = (self.folder.clone(), Arc::clone(&self.seal));
        let read = tokio::task::spawn_blocking(move || {
            let from = place.offset.checked_sub(spot.name.base).ok_or(Damage::Damaged)?;
            open(&seal, place, &folder.read_at(spot.name, from, spot.length).map_err(|_| Damage::Damaged)?)
        });
        Some((place, read.await.unwrap_or(Err(Damage::Damaged))))
    }

    /// Whether the record of this place still waits.
    pub fn waits(&self, place: Place) -> bool {
        self.shared.book().spot(place).is_some()
    }

    /// Returns when a record was kept since the last call.
    pub async fn news(&self) {
        self.shared.news.notified().await;
    }

    /// The store has what this record told: it goes.
    pub async fn strike(&self, place: Place) {
        let (done, answer) = oneshot::channel();
        if self.jobs.send(Job::Strike(place, done)).await.is_ok() {
            // Without an answer the thread has ended, and the record is offered again at the next start.
            drop(answer.await);
        }
    }

    /// This record can never be taken: it is copied into the folder `aside`, then it goes.
    ///
    /// # Errors
    /// It could not be copied, and still waits.
    pub async fn set_aside(&self, place: Place) -> Result<(), SpoolError> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job::Aside(place, done)).await.map_err(|_| SpoolError::Closed)?;
        answer.await.unwrap_or(Err(SpoolError::Closed))
    }

    /// Places of the pieces that lie aside.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub async fn aside(&self) -> Result<Vec<Place>, SpoolError> {
        let folder = self.folder.clone();
        let names = tokio::task::spawn_blocking(move || folder.names_aside()).await;
        let (names, _) = names.unwrap_or_else(|e| Err(e.into())).map_err(|e| SpoolError::Disk(e.to_string()))?;
        Ok(names.into_iter().map(|name| Place { segment: name.segment, offset: name.base }).collect())
    }

    /// A piece that lies aside, or why it cannot be read, and since when it lies there.
    ///
    /// # Errors
    /// It is not there any more, or its file cannot be read.
    pub async fn look_aside(&self, place: Place) -> Result<(Result<T, Damage>, Timestamp), SpoolError> {
        let (folder, seal) = (self.folder.clone(), Arc::clone(&self.seal));
        let read = tokio::task::spawn_blocking(move || {
            let (bytes, since) = folder.read_aside(Name::of(place))?;
            let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            Ok((open(&seal, place, &bytes), from_millis(i64::try_from(since).unwrap_or(0))))
        });
        read.await.unwrap_or_else(|e| Err(std::io::Error::from(e))).map_err(|e| SpoolError::Disk(e.to_string()))
    }

    /// Removes a piece that lies aside, for good.
    ///
    /// # Errors
    /// It is still there.
    pub async fn drop_aside(&self, place: Place) -> Result<(), SpoolError> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job::DropAside(place, done)).await.map_err(|_| SpoolError::Closed)?;
        answer.await.unwrap_or(Err(SpoolError::Closed))
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let (records, bytes, aside) = {
            let book = self.shared.book();
            (book.records() as u64, book.bytes(), book.aside as u64)
        };
        // A disk that cannot be asked cannot be written.
        let free = self.folder.free_percent().is_ok_and(|free| free >= u64::from(self.options.min_free_percent));
        let room = bytes < self.options.max_bytes && free;
        let open = !self.jobs.is_closed();
        let usable = room && open && !self.shared.in_doubt();
        Standing { records, bytes, max_bytes: self.options.max_bytes, aside, usable }
    }

    /// Lets the folder go, after what was asked before; what waits in it waits for the next process.
    pub async fn close(&self) {
        let (done, answer) = oneshot::channel();
        if self.jobs.send(Job::Close(done)).await.is_ok() {
            // Without an answer the thread has ended already.
            drop(answer.await);
        }
    }
}

/// What some bytes hold as a file of the spool: each part's place, and its request or what is wrong with it. What is
/// torn at the end was never acknowledged and is left out.
pub fn look_into(seal: &Seal, segment: u64, bytes: &[u8]) -> Vec<(Place, Result<Entry, Damage>)> {
    let parts = record::scan(bytes).into_iter().filter_map(|part| match part {
        Part::Record(offset, length) => Some((offset, Some(length))),
        Part::Bad(offset, _) => Some((offset, None)),
        Part::Torn(_) => None,
    });
    let of = |(offset, length): (u64, Option<u32>)| {
        let place = Place { segment, offset };
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let whole = length.and_then(|length| bytes.get(from..)?.get(..length as usize));
        (place, whole.map_or(Err(Damage::Damaged), |record| open(seal, place, record)))
    };
    parts.map(of).collect()
}

/// What is kept in the bytes of a record.
fn open<T: DeserializeOwned>(seal: &Seal, place: Place, bytes: &[u8]) -> Result<T, Damage> {
    if record::look(bytes) != Look::Whole(bytes.len()) {
        return Err(Damage::Damaged);
    }
    let plain = record::open(seal, place, bytes).map_err(|e| match e {
        SealError::Damaged | SealError::Form | SealError::UnknownKey => Damage::Unsealable,
    })?;
    serde_json::from_slice(&plain).map_err(|_| Damage::Unreadable)
}

#[cfg(test)]
mod tests;
