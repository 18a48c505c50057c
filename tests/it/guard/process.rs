//! T24: nothing of the process's memory is left behind, and a panic repeats nothing of what it read.

use crate::support::child::Serving;
use crate::support::dir::Dir;
use crate::support::redis::shared;
use crate::support::relay::Plan;
use orderwire::boot::harden::harden;
use orderwire::telemetry::{LogFormat, init};
use std::process::Command;

/// Says to the test below that it is the process of its own that it needs.
const ALONE: &str = "ORDERWIRE_TEST_ALONE";

/// Runs one test of this binary by itself; what it printed.
fn alone(test: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let ran = command.args(["--exact", test, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    said
}

#[test]
fn no_image_of_the_memory_is_left_behind() {
    #[expect(clippy::disallowed_methods, reason = "a word between two processes of one test")]
    if std::env::var(ALONE).is_err() {
        alone("guard::process::no_image_of_the_memory_is_left_behind");
        return;
    }
    harden().unwrap();
    let core = rustix::process::getrlimit(rustix::process::Resource::Core);
    assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    #[cfg(target_os = "linux")]
    assert_eq!(rustix::process::dumpable_behavior().unwrap(), rustix::process::DumpableBehavior::NotDumpable);
}

#[test]
fn a_relay_hardens_itself() {
    let dir = Dir::new();
    let file = dir.write("orderwire.toml", &Plan::on(shared()).text());
    let mut relay = Serving::start(&file, &dir);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", relay.pid())).unwrap();
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    assert!(!relay.logged().contains("images of its memory"), "the system took both");
    relay.signal("TERM");
    assert!(relay.ended().success());
}

#[test]
fn a_panic_says_where_and_not_what() {
    #[expect(clippy::disallowed_methods, reason = "a word between two processes of one test")]
    if std::env::var(ALONE).is_err() {
        let said = alone("guard::process::a_panic_says_where_and_not_what");
        assert!(said.contains("the code panicked") && said.contains("process.rs"), "{said}");
        assert!(!said.contains("canary"), "{said}");
        return;
    }
    init(LogFormat::Json, "trace").unwrap();
    let name = String::from("canary.person@example.com 小");
    let sliced = std::thread::spawn(move || name.split_at(name.len() - 1).0.len());
    assert!(sliced.join().is_err());
    let thrown = std::thread::spawn(|| panic!("canary {}", 7));
    assert!(thrown.join().is_err());
}
