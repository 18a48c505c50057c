//! Small libraries that stand before the C library of a process we start: compiled when a test needs them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How long files were when they were last flushed.
pub const SYNCED: (&str, &str) = ("synced", include_str!("shims/synced.c"));
/// The time of day, moved.
pub const OFFSET: (&str, &str) = ("offset", include_str!("shims/offset.c"));
/// Names that cannot be looked up.
pub const NAMES: (&str, &str) = ("names", include_str!("shims/names.c"));

/// Compiles a shim into `dir`; gives the variable that loads it.
pub fn compile((name, source): (&str, &str), dir: &Path) -> (&'static str, String) {
    std::fs::create_dir_all(dir).unwrap();
    let (text, library) = (dir.join(format!("{name}.c")), dir.join(format!("{name}.so")));
    std::fs::write(&text, source).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(&text).arg("-ldl");
    let done = cc.output().expect("a C compiler is needed (make needs)");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    ("LD_PRELOAD", library.display().to_string())
}

/// A time of day that can be moved while processes live by it.
#[derive(Clone)]
pub struct Offset(PathBuf);

impl Offset {
    /// The clock and the variables that put a process under it.
    pub fn new(dir: &Path, name: &str) -> (Offset, Vec<(&'static str, String)>) {
        let load = compile(OFFSET, dir);
        let file = dir.join(format!("{name}.offset"));
        std::fs::write(&file, [0; 8]).unwrap();
        let place = ("OW_OFFSET", file.display().to_string());
        (Offset(file), vec![load, place])
    }

    /// Moves it to so many seconds ahead (or behind).
    pub fn ahead(&self, secs: i64) {
        use std::os::unix::fs::FileExt as _;
        // In place: the processes have the file mapped.
        let file = std::fs::File::options().write(true).open(&self.0).unwrap();
        file.write_all_at(&(secs * 1000).to_ne_bytes(), 0).unwrap();
    }
}
