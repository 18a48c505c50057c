//! What the process denies itself before it reads a secret.

use rustix::io;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Leaves no image of the process's memory behind: a core file would hold every secret and whatever is being told
/// at that moment. No core files, here and in what is started from here; on Linux no other process of the same user
/// may look into this one either (`ptrace`, `/proc/PID/mem`, a crash handler).
///
/// # Errors
/// The system refused.
pub fn harden() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
