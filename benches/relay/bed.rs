//! What every goal is measured on: a folder, a sink, and contenders as they are run in earnest.

use super::order::{SECRET, domain, shop_id};
use super::proc::{Proc, free_address};
use super::redis::{Fsync, Redis};
use super::sink::Sink;
use super::tap::Tap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The folder and the sink of this run, and how much is to be measured.
pub struct Bed {
    dir: PathBuf,
    /// The messenger.
    pub sink: Sink,
    /// Rounds of each goal.
    pub rounds: usize,
    /// Orders a round, as a share of the usual.
    pub scale: f64,
    binary: PathBuf,
    /// Another relay to be measured beside it.
    pub beside: Option<PathBuf>,
    serial: AtomicUsize,
}

impl Bed {
    /// An empty bed. `binary` is the relay to be measured; `None`: the one built along. `beside`: another one, where a
    /// goal can measure two.
    pub fn new(rounds: usize, scale: f64, binary: Option<PathBuf>, beside: Option<PathBuf>) -> anyhow::Result<Bed> {
        let dir = std::env::temp_dir().join(format!("orderwire-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let binary = binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_orderwire").into());
        Ok(Bed { dir, sink: Sink::start()?, rounds, scale, binary, beside, serial: AtomicUsize::new(0) })
    }

    /// Orders for a round in which `usual` would be sent at full scale.
    pub fn count(&self, usual: usize) -> usize {
        ((usual as f64 * self.scale) as usize).max(64)
    }

    /// A folder of its own for one contender.
    pub fn place(&self) -> anyhow::Result<PathBuf> {
        let place = self.dir.join(self.serial.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir_all(&place)?;
        Ok(place)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// The key that everything at rest is sealed with here.
pub const KEY: &str = "8f3a61c5d20b97e44c1de8a9307b52f6b1906ee3542cd87f0a9d13c86be5f274";

/// A contender: its server processes and its Redis.
pub struct Party {
    /// Where it takes webhooks.
    pub at: SocketAddr,
    /// Its Redis.
    pub redis: Option<Redis>,
    /// Its other processes.
    pub procs: Vec<Proc>,
}

impl Party {
    /// CPU of all its processes so far.
    pub fn cpu(&self) -> Duration {
        self.procs.iter().map(Proc::cpu).sum::<Duration>() + self.redis_cpu()
    }

    /// Its Redis' part of that.
    pub fn redis_cpu(&self) -> Duration {
        self.redis.as_ref().map_or(Duration::ZERO, Redis::cpu)
    }
}

/// How the relay is set up for a goal.
#[derive(Clone)]
pub struct Setup {
    /// Shops, each with a LINE account and a route of its own.
    pub shops: usize,
    /// What runs: `all`, or `web` with so many `worker` processes.
    pub roles: Vec<&'static str>,
    /// When Redis writes to disk.
    pub fsync: Fsync,
    /// Milestones told to the customer.
    pub milestones: &'static str,
    /// Further routes, to staff: each owes one more item an order.
    pub staff_routes: usize,
    /// Another relay than the bed's.
    pub binary: Option<PathBuf>,
}

impl Setup {
    /// Everything in one process, eight shops.
    pub fn all() -> Setup {
        let milestones = "\"order_placed\"";
        Setup { shops: 8, roles: vec!["all"], fsync: Fsync::Everysec, milestones, staff_routes: 0, binary: None }
    }

    /// Only the door: what is owed stays owed.
    pub fn web() -> Setup {
        Setup { roles: vec!["web"], ..Setup::all() }
    }
}

/// Starts the relay.
pub fn relay(bed: &Bed, setup: &Setup) -> anyhow::Result<Party> {
    let dir = bed.place()?;
    let redis = Redis::start(&dir, setup.fsync)?;
    at(bed, setup, &dir, redis.url(), redis)
}

/// Starts the relay with a tap in its line to Redis.
pub fn tapped(bed: &Bed, setup: &Setup) -> anyhow::Result<(Party, Tap)> {
    let dir = bed.place()?;
    let redis = Redis::start(&dir, setup.fsync)?;
    let tap = Tap::start(redis.at)?;
    Ok((at(bed, setup, &dir, format!("redis://{}/0", tap.at), redis)?, tap))
}

fn at(bed: &Bed, setup: &Setup, dir: &Path, url: String, redis: Redis) -> anyhow::Result<Party> {
    let mut party = Party { at: free_address()?, redis: None, procs: Vec::new() };
    for role in &setup.roles {
        let public = if *role == "worker" { None } else { Some(party.at) };
        let proc = process(bed, setup, dir, &url, role, public)?;
        party.procs.push(proc);
    }
    party.redis = Some(redis);
    Ok(party)
}

/// Starts one more process of a relay that runs.
pub fn join(bed: &Bed, setup: &Setup, party: &mut Party, role: &'static str) -> anyhow::Result<()> {
    let Some(redis) = &party.redis else { anyhow::bail!("only a relay can be joined") };
    let proc = process(bed, setup, &bed.place()?, &redis.url(), role, None)?;
    party.procs.push(proc);
    Ok(())
}

fn process(
    bed: &Bed,
    setup: &Setup,
    dir: &Path,
    redis: &str,
    role: &str,
    public: Option<SocketAddr>,
) -> anyhow::Result<Proc> {
    let admin = free_address()?;
    let file = dir.join(format!("{role}-{}.toml", admin.port()));
    let door = public.map_or_else(free_address, Ok)?;
    std::fs::write(&file, settings(bed, setup, dir, redis, door, admin))?;
    let mut command = Command::new(setup.binary.as_ref().unwrap_or(&bed.binary));
    command.arg("-c").arg(&file).args(["serve", "--role", role]);
    Proc::start(command, &file.with_extension("log"), public.unwrap_or(admin))
}

/// The relay's settings for a goal.
pub fn settings(bed: &Bed, setup: &Setup, dir: &Path, redis: &str, public: SocketAddr, admin: SocketAddr) -> String {
    let durability = if setup.fsync == Fsync::Always { "local" } else { "relaxed" };
    let mut text = format!(
        "[server]\nlisten = \"{public}\"\n[admin]\nlisten = \"{admin}\"\n[log]\nformat = \"json\"\nfilter = \"warn\"\n\
         [store]\nurl = \"{redis}\"\ndir = {:?}\ndurability = \"{durability}\"\n\
         encryption_keys = [{{ value = \"{KEY}\" }}]\n",
        dir.join("data"),
    );
    for shop in 0..setup.shops {
        write!(
            text,
            "[[shop]]\nid = \"{id}\"\nplatform = \"shopify\"\ndomain = \"{domain}\"\nsettle = \"0s\"\n\
             secrets = [{{ value = \"{SECRET}\" }}]\n[shop.identify]\nline = [\"line_user_id\"]\n\
             [[channel]]\nid = \"line{shop}\"\nkind = \"line\"\naccess_token = {{ value = \"token\" }}\n\
             channel_secret = {{ value = \"secret\" }}\napi_url = \"http://{sink}\"\nper_second = 2000\n\
             [[route]]\nid = \"route{shop}\"\naudience = \"customer\"\nmilestones = [{milestones}]\nshops = [\"{id}\"]\n\
             channels = [\"line{shop}\"]\n",
            id = shop_id(shop),
            domain = domain(shop),
            sink = bed.sink.at,
            milestones = setup.milestones,
        )
        .expect("a String takes everything");
    }
    if setup.staff_routes > 0 {
        text += "[[channel]]\nid = \"staff\"\nkind = \"slack\"\n\
                 webhook_url = { value = \"https://hooks.slack.com/services/T00/B00/xxxx\" }\n";
    }
    for route in 0..setup.staff_routes {
        text += &format!(
            "[[route]]\nid = \"staff{route}\"\naudience = \"staff\"\nmilestones = [\"order_placed\"]\n\
             channels = [\"staff\"]\n"
        );
    }
    text
}

/// Starts the yardstick (`relay`) or the bare door (`bare`) as a process of its own.
pub fn yardstick(bed: &Bed, what: &str) -> anyhow::Result<Party> {
    let dir = bed.place()?;
    let redis = (what == "relay").then(|| Redis::start(&dir, Fsync::Everysec)).transpose()?;
    let at = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["yardstick", what, &at.to_string()]);
    if let Some(redis) = &redis {
        command.args([redis.url(), format!("http://{}", bed.sink.at)]);
    }
    let proc = Proc::start(command, &dir.join("log"), at)?;
    Ok(Party { at, redis, procs: vec![proc] })
}

/// Starts fastify + BullMQ + undici: a process that takes in and one that sends, as they are run. `None`: this
/// machine has no node or no npm.
pub fn peer(bed: &Bed) -> anyhow::Result<Option<Party>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let there = |program: &str| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there("node") || !there("npm") {
        return Ok(None);
    }
    if !home.join("node_modules/bullmq").is_dir() {
        let mut install = Command::new("npm");
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&home).stdout(Stdio::null());
        anyhow::ensure!(install.status()?.success(), "npm ci failed in {}", home.display());
    }
    let dir = bed.place()?;
    let redis = Redis::start(&dir, Fsync::Everysec)?;
    let mut party = Party { at: free_address()?, redis: None, procs: Vec::new() };
    for (role, at) in [("web", party.at), ("worker", free_address()?)] {
        let mut command = Command::new("node");
        command.arg(home.join("peer.mjs")).args([role, &at.port().to_string(), &redis.url()]);
        command.arg(format!("http://{}", bed.sink.at)).env("NODE_ENV", "production");
        party.procs.push(Proc::start(command, &dir.join(role), at)?);
    }
    party.redis = Some(redis);
    Ok(Some(party))
}
