//! The spool's folder: names of files, the lock, which records were struck off.
//!
//! ```text
//! lock                                     held by the owner for its life
//! <segment>-<base>.spool                   records, one behind the other; `base` is the place of the first
//! <segment>-<base>.struck                  places of that file's records that the store has taken
//! aside/<segment>-<base>.spool             what was set aside, one piece a file
//! ```
//!
//! A piece set aside keeps the name of its place, so that moving it back into the folder (the relay stopped)
//! offers it again.

use super::{Place, SpoolError};
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of an entry of a `.struck` file: a place, and its check sum.
const STRUCK: usize = 12;

/// A file of records: its number, and the place of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) segment: u64,
    pub(super) base: u64,
}

impl Name {
    fn parse(file: &str) -> Option<Name> {
        let (segment, base) = file.strip_suffix(".spool")?.split_once('-')?;
        let number = |text: &str| (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
        Some(Name { segment: number(segment)?, base: number(base)? })
    }

    /// The file that holds one piece set aside.
    pub(super) fn of(place: Place) -> Name {
        Name { segment: place.segment, base: place.offset }
    }

    fn file(self, end: &str) -> String {
        format!("{:016x}-{:016x}.{end}", self.segment, self.base)
    }
}

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder, for this user's eyes only, and takes it for this process. Dies in between: an empty
    /// folder is left.
    pub(super) fn take(path: &Path) -> Result<(Folder, File), SpoolError> {
        let cannot = |e: &io::Error| SpoolError::Folder(path.display().to_string(), e.to_string());
        let folder = Folder { path: path.to_path_buf() };
        DirBuilder::new().recursive(true).mode(0o700).create(folder.aside()).map_err(|e| cannot(&e))?;
        // A power cut must not take the folder with what will lie in it.
        let parents = path.canonicalize().map_err(|e| cannot(&e))?;
        for dir in [folder.aside(), parents.clone()].iter().chain(parents.parent().map(Path::to_path_buf).iter()) {
            sync(dir).map_err(|e| cannot(&e))?;
        }
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join("lock"));
        let lock = lock.map_err(|e| cannot(&e))?;
        match lock.try_lock() {
            Ok(()) => Ok((folder, lock)),
            Err(TryLockError::WouldBlock) => Err(SpoolError::Taken(path.display().to_string())),
            Err(TryLockError::Error(e)) => Err(cannot(&e)),
        }
    }

    fn aside(&self) -> PathBuf {
        self.path.join("aside")
    }

    fn at(&self, name: Name) -> PathBuf {
        self.path.join(name.file("spool"))
    }

    fn struck_at(&self, name: Name) -> PathBuf {
        self.path.join(name.file("struck"))
    }

    /// Share of the disk that is free for us, percent.
    pub(super) fn free_percent(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.path)?;
        Ok(disk.f_bavail.saturating_mul(100).checked_div(disk.f_blocks).unwrap_or(100))
    }

    /// Files of records, in order.
    pub(super) fn names(&self) -> io::Result<Vec<Name>> {
        names(&self.path)
    }

    /// What lies aside, and its bytes.
    pub(super) fn names_aside(&self) -> io::Result<(Vec<Name>, u64)> {
        let names = names(&self.aside())?;
        let sizes = names.iter().map(|n| self.aside().join(n.file("spool")).metadata().map(|m| m.len()));
        let bytes = sizes.sum::<io::Result<u64>>()?;
        Ok((names, bytes))
    }

    /// A new, empty file of records, there after a power cut. Dies in between: an empty file is left, which
    /// the next start removes.
    pub(super) fn create(&self, name: Name) -> io::Result<File> {
        let file = OpenOptions::new().create_new(true).read(true).write(true).mode(0o600).open(self.at(name))?;
        file.sync_all()?;
        sync(&self.path)?;
        Ok(file)
    }

    /// All bytes of a file of records.
    pub(super) fn read(&self, name: Name) -> io::Result<Vec<u8>> {
        std::fs::read(self.at(name))
    }

    /// Some bytes of it.
    pub(super) fn read_at(&self, name: Name, from: u64, length: u32) -> io::Result<Vec<u8>> {
        use std::os::unix::fs::FileExt as _;
        let mut bytes = vec![0; length as usize];
        File::open(self.at(name))?.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }

    /// Cuts a torn tail. Dies in between: it is cut at the next start.
    pub(super) fn cut(&self, name: Name, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.at(name))?;
        file.set_len(length)?;
        file.sync_all()
    }

    /// Removes a file of records with its list: all of it was taken or set aside. Dies in between: a list
    /// without a file is left, which the next start removes. A file that comes back after a power cut is
    /// offered again, and the store knows it.
    pub(super) fn remove(&self, name: Name) -> io::Result<()> {
        std::fs::remove_file(self.at(name))?;
        gone(std::fs::remove_file(self.struck_at(name)))
    }

    /// Places of this file's records that were struck off. An entry that was cut short or damaged counts for
    /// nothing: its record is offered again, and the store knows it.
    pub(super) fn struck(&self, name: Name) -> BTreeSet<u64> {
        let bytes = std::fs::read(self.struck_at(name)).unwrap_or_default();
        let entry = |entry: &[u8]| {
            let (place, sum) = entry.split_at_checked(8)?;
            let (place, sum): ([u8; 8], [u8; 4]) = (place.try_into().ok()?, sum.try_into().ok()?);
            (crc32c::crc32c(&place) == u32::from_le_bytes(sum)).then(|| u64::from_le_bytes(place))
        };
        bytes.chunks_exact(STRUCK).filter_map(entry).collect()
    }

    /// Notes that a record was taken. Not flushed: lost, the record is offered again and the store knows it.
    pub(super) fn strike(&self, name: Name, place: u64) -> io::Result<()> {
        let place = place.to_le_bytes();
        let entry = [place.as_slice(), &crc32c::crc32c(&place).to_le_bytes()].concat();
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(self.struck_at(name))?;
        file.write_all(&entry)
    }

    /// Writes a piece aside, on disk when this returns. Dies in between: it is written again, under the same
    /// name, when the piece is met again.
    pub(super) fn set_aside(&self, name: Name, bytes: &[u8]) -> io::Result<()> {
        let path = self.aside().join(name.file("spool"));
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        sync(&self.aside())
    }

    /// A piece that lies aside, and since when.
    pub(super) fn read_aside(&self, name: Name) -> io::Result<(Vec<u8>, SystemTime)> {
        let path = self.aside().join(name.file("spool"));
        let since = path.metadata()?.modified()?;
        Ok((std::fs::read(path)?, since))
    }

    /// Removes a piece that lies aside; how long it was, or `None` where it is gone already.
    pub(super) fn remove_aside(&self, name: Name) -> io::Result<Option<u64>> {
        let path = self.aside().join(name.file("spool"));
        let Ok(there) = path.metadata() else { return Ok(None) };
        std::fs::remove_file(path)?;
        sync(&self.aside())?;
        Ok(Some(there.len()))
    }

    /// Removes lists whose file is gone.
    pub(super) fn tidy(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "struck") && !path.with_extension("spool").exists() {
                gone(std::fs::remove_file(path))?;
            }
        }
        Ok(())
    }
}

fn names(dir: &Path) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        names.extend(entry?.file_name().to_str().and_then(Name::parse));
    }
    names.sort_unstable();
    Ok(names)
}

/// What is in a directory stays in it after a power cut.
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removed, or not there any more.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}
