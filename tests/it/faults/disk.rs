//! A disk of a few megabytes that fills up and empties again: a file system in memory, mounted where only one
//! keeper process sees it, so that nothing stays behind.
//!
//! Where mounting is not allowed, the redis-server itself is told how long its files may grow (`RLIMIT_FSIZE`):
//! what it sees is a write that fails, too.

use super::server::{How, Server};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Size of the disk.
const SIZE: &str = "8m";

/// The disk.
pub enum Disk {
    /// Mounted; its files as others see them, and the keeper, which ends when its input does.
    Mounted { files: PathBuf, keeper: Child },
    /// Not to be had: a limit on the server's files.
    Limited,
}

impl Disk {
    /// A disk, and how a server is started on it; `dir`: where the mount point is to be.
    pub fn insert(dir: &Path, fsync: &'static str) -> (Disk, How) {
        let point = dir.join("disk");
        std::fs::create_dir_all(&point).unwrap();
        let script =
            format!("mount -t tmpfs -o size={SIZE} none \"$0\" && mkdir \"$0/data\" && echo mounted && read x");
        let mut keeper = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .arg(&point)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
        if said.trim() == "mounted" {
            let files = PathBuf::from(format!("/proc/{}/root{}", keeper.id(), point.display()));
            let how = How { fsync, data: Some(files.join("data")), ..How::default() };
            return (Disk::Mounted { files, keeper }, how);
        }
        keeper.wait().unwrap();
        // Ignored, the signal of the limit becomes the error of the write.
        let by = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"].map(String::from).to_vec();
        (Disk::Limited, How { fsync, by, ..How::default() })
    }

    /// Nothing more fits on it.
    pub fn fill(&self, server: &Server) {
        match self {
            Disk::Mounted { files, .. } => {
                let mut filler = std::fs::File::create(files.join("filler")).unwrap();
                let mut chunk = vec![7; 1 << 16];
                // Down to the last byte.
                while !chunk.is_empty() {
                    if filler.write_all(&chunk).is_err() {
                        chunk.truncate(chunk.len() / 2);
                    }
                }
            }
            Disk::Limited => limit(
                server,
                &server.grown().iter().map(|p| p.metadata().unwrap().len()).max().unwrap_or(0).to_string(),
            ),
        }
    }

    /// There is room again.
    pub fn free(&self, server: &Server) {
        match self {
            Disk::Mounted { files, .. } => std::fs::remove_file(files.join("filler")).unwrap(),
            Disk::Limited => limit(server, "unlimited"),
        }
    }
}

fn limit(server: &Server, bytes: &str) {
    let pid = server.pid().to_string();
    // It may have ended, and a new one has no limit.
    drop(Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).output());
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Disk::Mounted { keeper, .. } = self {
            drop(keeper.stdin.take());
            drop(keeper.wait());
        }
    }
}
