//! The one thread that writes: whatever waits for it at one moment goes to disk by one flush.

use super::book::Spot;
use super::files::{Folder, Name};
use super::record::{self, Part};
use super::{Options, Place, Shared, SpoolError, Stored};
use crate::seal::Seal;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// A file of records that has grown so long is ended, and goes away when all of it is taken.
const SEGMENT: u64 = 8 << 20;
/// Text written by one flush, at most, unless one record alone is longer.
const GROUP: usize = 8 << 20;

/// What the thread is asked.
pub(super) enum Job {
    /// Keep this.
    Append(Append),
    /// The store has taken this one.
    Strike(Place, oneshot::Sender<()>),
    /// This one can never be taken: put it aside.
    Aside(Place, oneshot::Sender<Result<(), SpoolError>>),
    /// This piece that lies aside goes for good.
    DropAside(Place, oneshot::Sender<Result<(), SpoolError>>),
    /// Let the folder go.
    Close(oneshot::Sender<()>),
}

/// A record to keep.
pub(super) struct Append {
    pub(super) plain: Vec<u8>,
    pub(super) done: oneshot::Sender<Result<Stored, SpoolError>>,
}

/// The file that is written to.
struct Writing {
    name: Name,
    file: File,
    length: u64,
}

/// The thread's own.
pub(super) struct Keeper {
    folder: Folder,
    seal: Arc<Seal>,
    options: Options,
    shared: Arc<Shared>,
    writing: Option<Writing>,
    next_segment: u64,
    /// Freed by the system even after `kill -9`.
    _lock: File,
}

impl Keeper {
    /// Takes the folder and reads what an earlier process left: torn tails are cut, all else waits again, what
    /// is damaged too (whoever takes it out meets it, and sets it aside). Gives the bytes that were cut. Dies in
    /// between: each step is repeated at the next start.
    pub(super) fn open(options: &Options, seal: Arc<Seal>, shared: Arc<Shared>) -> Result<(Keeper, u64), SpoolError> {
        let (folder, lock) = Folder::take(&options.dir)?;
        let cannot = |e: io::Error| SpoolError::Folder(options.dir.display().to_string(), e.to_string());
        folder.tidy().map_err(cannot)?;
        let (aside, aside_bytes) = folder.names_aside().map_err(cannot)?;
        let names = folder.names().map_err(cannot)?;
        let next_segment = names.iter().chain(&aside).map(|n| n.segment.saturating_add(1)).max().unwrap_or(1);
        {
            let mut book = shared.book();
            (book.aside, book.aside_bytes) = (aside.len(), aside_bytes);
        }
        let mut keeper =
            Keeper { folder, seal, options: options.clone(), shared, writing: None, next_segment, _lock: lock };
        let mut cut = 0;
        for name in names {
            cut += keeper.take_in(name).map_err(cannot)?;
        }
        Ok((keeper, cut))
    }

    /// A file left by an earlier process. Gives the bytes of its torn tail.
    fn take_in(&mut self, name: Name) -> io::Result<u64> {
        let bytes = self.folder.read(name)?;
        let struck = self.folder.struck(name);
        let (mut end, mut cut) = (bytes.len() as u64, 0);
        for part in record::scan(&bytes) {
            match part {
                Part::Record(at, length) | Part::Bad(at, length) => {
                    let place = Place { segment: name.segment, offset: name.base.saturating_add(at) };
                    if !struck.contains(&place.offset) {
                        self.shared.book().add(place, Spot { name, length });
                    }
                }
                Part::Torn(at) => {
                    self.folder.cut(name, at)?;
                    (cut, end) = (end - at, at);
                }
            }
        }
        self.shared.book().file(name, end);
        let idle = self.shared.book().is_idle(name);
        if idle {
            self.drop_file(name)?;
        }
        Ok(cut)
    }

    pub(super) fn folder(&self) -> Folder {
        self.folder.clone()
    }

    /// The thread: until told to close, or until nobody is left who could ask.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut next = jobs.blocking_recv();
        while let Some(job) = next.take() {
            match job {
                Job::Append(first) => {
                    let (group, other) = gather(first, &mut jobs);
                    self.append(group);
                    next = other;
                }
                Job::Strike(place, done) => {
                    self.strike(place);
                    // Whoever asked may be gone; the work is done all the same.
                    done.send(()).ok();
                }
                Job::Aside(place, done) => {
                    let put = self.put_aside(place).map_err(|e| SpoolError::Disk(e.to_string()));
                    if put.is_ok() {
                        self.strike(place);
                    }
                    drop(done.send(put));
                }
                Job::DropAside(place, done) => {
                    drop(done.send(self.drop_aside(place).map_err(|e| SpoolError::Disk(e.to_string()))));
                }
                Job::Close(done) => {
                    drop(self);
                    // Whoever asked may be gone; the work is done all the same.
                    done.send(()).ok();
                    return;
                }
            }
            next = next.or_else(|| jobs.blocking_recv());
        }
    }

    /// Writes a group and flushes it, then answers. Dies before the flush: nobody was told that it is kept; a
    /// part of it may be found at the next start and is offered like any other. Dies after: it is kept.
    fn append(&mut self, group: Vec<Append>) {
        let mut kept = Vec::with_capacity(group.len());
        let (mut bytes, mut spots) = (Vec::new(), Vec::new());
        for append in group {
            // Whoever asked has given up and told its sender so: it comes again, or is known to be lost.
            if append.done.is_closed() {
                continue;
            }
            match self.lay(&append.plain, &mut bytes) {
                Ok(spot) => {
                    spots.push(spot);
                    kept.push(append.done);
                }
                Err(error) => drop(append.done.send(Err(error))),
            }
        }
        if kept.is_empty() {
            return;
        }
        let begun = Instant::now();
        match self.flush(&bytes) {
            Ok(()) => {
                let took = begun.elapsed();
                self.enter(&spots);
                // One flush is told once.
                let mut flushed = Some(took);
                for done in kept {
                    drop(done.send(Ok(Stored { flushed: flushed.take() })));
                }
            }
            Err(error) => {
                self.shared.failed();
                for done in kept {
                    drop(done.send(Err(SpoolError::Disk(error.to_string()))));
                }
            }
        }
    }

    /// Seals one record for the place it is going to have, behind those of its group.
    fn lay(&mut self, plain: &[u8], group: &mut Vec<u8>) -> Result<(Place, Spot), SpoolError> {
        let room = self.shared.book().bytes() + group.len() as u64 + record::length(plain.len());
        if room > self.options.max_bytes {
            return Err(SpoolError::Full("it has reached spool.max_bytes"));
        }
        let failed = |e: io::Error| {
            self.shared.failed();
            SpoolError::Disk(e.to_string())
        };
        let free = self.folder.free_percent().map_err(failed)?;
        if free < u64::from(self.options.min_free_percent) {
            return Err(SpoolError::Full("its disk has less free than spool.min_free_percent"));
        }
        let (name, length) = self.file().map_err(|e| {
            self.shared.failed();
            SpoolError::Disk(e.to_string())
        })?;
        let place = Place { segment: name.segment, offset: name.base + length + group.len() as u64 };
        let record = record::encode(&self.seal, place, plain).ok_or(SpoolError::TooLong)?;
        group.extend_from_slice(&record);
        Ok((place, Spot { name, length: u32::try_from(record.len()).unwrap_or(u32::MAX) }))
    }

    /// The file that is written to, and its length; a new one where there is none.
    fn file(&mut self) -> io::Result<(Name, u64)> {
        if let Some(writing) = &self.writing {
            return Ok((writing.name, writing.length));
        }
        let name = Name { segment: self.next_segment, base: 0 };
        // The number is used up even when this fails: a place is never given out twice.
        self.next_segment += 1;
        let file = self.folder.create(name)?;
        self.shared.book().file(name, 0);
        self.writing = Some(Writing { name, file, length: 0 });
        Ok((name, 0))
    }

    /// After a failed write or flush the file is never written again: what the system says of it later proves
    /// nothing about these bytes.
    fn flush(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(mut writing) = self.writing.take() else { return Err(io::Error::other("no file is open")) };
        let written = writing.file.write_all_at(bytes, writing.length).and_then(|()| writing.file.sync_data());
        if let Err(error) = written {
            if writing.file.set_len(writing.length).is_err() {
                let length = writing.file.metadata().map_or(writing.length, |m| m.len());
                self.shared.book().file(writing.name, length);
            }
            let idle = self.shared.book().is_idle(writing.name);
            if idle && self.drop_file(writing.name).is_err() {
                tracing::warn!("a spool file without use could not be removed; the next start removes it");
            }
            return Err(error);
        }
        writing.length += bytes.len() as u64;
        self.shared.book().file(writing.name, writing.length);
        if writing.length < SEGMENT {
            self.writing = Some(writing);
        }
        Ok(())
    }

    /// The records are on disk: from now on they wait.
    fn enter(&self, spots: &[(Place, Spot)]) {
        let mut book = self.shared.book();
        spots.iter().for_each(|(place, spot)| book.add(*place, *spot));
        drop(book);
        self.shared.news.notify_one();
    }

    /// Dies in between: the record is offered again at the next start, and the store knows it.
    fn strike(&mut self, place: Place) {
        let taken = self.shared.book().take(place);
        let Some((name, last)) = taken else { return };
        let done = if last { self.drop_file(name) } else { self.folder.strike(name, place.offset) };
        if let Err(error) = done {
            tracing::warn!(%error, "a record could not be struck off the spool; after a restart it is offered again, and known");
        }
    }

    fn drop_file(&mut self, name: Name) -> io::Result<()> {
        self.writing.take_if(|writing| writing.name == name);
        self.folder.remove(name)?;
        self.shared.book().forget(name);
        Ok(())
    }

    /// Copies a piece aside. Dies before its strike: it is met again, and copied over itself.
    fn put_aside(&self, place: Place) -> io::Result<()> {
        let spot = self.shared.book().spot(place);
        let spot = spot.ok_or_else(|| io::Error::other("it does not wait any more"))?;
        let bytes = self.folder.read_at(spot.name, place.offset - spot.name.base, spot.length)?;
        self.folder.set_aside(Name::of(place), &bytes)?;
        let mut book = self.shared.book();
        (book.aside, book.aside_bytes) = (book.aside + 1, book.aside_bytes + bytes.len() as u64);
        Ok(())
    }

    fn drop_aside(&self, place: Place) -> io::Result<()> {
        let Some(bytes) = self.folder.remove_aside(Name::of(place))? else { return Ok(()) };
        let mut book = self.shared.book();
        book.aside = book.aside.saturating_sub(1);
        book.aside_bytes = book.aside_bytes.saturating_sub(bytes);
        Ok(())
    }
}

/// What else waits to be kept just now, and the job behind it.
fn gather(first: Append, jobs: &mut mpsc::Receiver<Job>) -> (Vec<Append>, Option<Job>) {
    let mut bytes = first.plain.len();
    let mut group = vec![first];
    while bytes < GROUP {
        match jobs.try_recv() {
            Ok(Job::Append(append)) => {
                bytes += append.plain.len();
                group.push(append);
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}
