//! `make bench`: the goals of performance, measured on real processes, each beside what it is compared with
//! in the same sitting.
//!
//! `cargo bench --bench relay -- [GOAL …] [--rounds N] [--scale X] [--binary PATH] [--beside PATH]`; without goals: all.
//! It prints a table and fails when a goal that must be reached is missed. CPU is user and system time of whole process
//! trees, Redis counted, sender and sink left out. Nothing here is part of the tests: times are no test's business.
#![expect(clippy::print_stdout, reason = "the table is the result")]

mod bed;
mod goals;
mod load;
mod order;
mod proc;
mod redis;
mod sink;
mod table;
mod tap;
#[path = "../yardstick/mod.rs"]
mod yardstick;

use bed::Bed;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Rounds of each goal, as the goals ask for.
const ROUNDS: usize = 5;

/// (options with their values, everything else)
fn options(args: &[String]) -> (BTreeMap<&str, &str>, Vec<&str>) {
    let (mut options, mut rest) = (BTreeMap::new(), Vec::new());
    let mut args = args.iter().map(String::as_str).filter(|a| *a != "--bench");
    while let Some(arg) = args.next() {
        match (arg.starts_with("--"), arg) {
            (true, name) => _ = options.insert(name, args.next().unwrap_or_default()),
            (false, name) => rest.push(name),
        }
    }
    (options, rest)
}

fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = args.as_slice()
        && first == "yardstick"
    {
        yardstick::main(rest)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Cargo says so when it benches; it also runs this as one of `--all-targets`, where nothing is to be measured.
    if !args.iter().any(|a| a == "--bench") {
        println!("nothing measured: run it as `cargo bench --bench relay`");
        return Ok(ExitCode::SUCCESS);
    }
    let (options, names) = options(&args);
    let number = |name: &str| options.get(name).map(|v| v.parse::<f64>()).transpose();
    let rounds = number("--rounds")?.map_or(ROUNDS, |n| (n as usize).max(1));
    let path = |name: &str| options.get(name).map(std::path::PathBuf::from);
    let bed = Bed::new(rounds, number("--scale")?.unwrap_or(1.0), path("--binary"), path("--beside"))?;
    let all = || goals::ALL.iter().chain(goals::ASKED_FOR);
    if let Some(unknown) = names.iter().find(|n| !all().any(|g| g.name == **n)) {
        let known: Vec<&str> = all().map(|g| g.name).collect();
        anyhow::bail!("no goal is called {unknown}; they are {}", known.join(", "));
    }
    println!("{}", table::head());
    let mut missed = false;
    let usual = names.is_empty().then_some(goals::ALL).into_iter().flatten();
    for goal in usual.chain(all().filter(|g| names.contains(&g.name))) {
        match (goal.run)(&bed) {
            Ok(rows) => {
                rows.iter().for_each(|row| println!("{}", row.line()));
                missed |= rows.iter().any(|row| !row.passes());
            }
            Err(error) => {
                println!("{}: {} could not be measured: {error:#}", goal.name, goal.what);
                missed = true;
            }
        }
    }
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
