//! What is demanded of the server, asked at every new connection.

use super::error::{ErrorKind, StoreError};
use super::{Durability, Info};
use crate::domain::clock::{Clock, SystemClock};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Dangers that can be accepted by name (`store.accept_risk`).
pub(super) const RISKS: &[&str] =
    &["eviction", "aof-off", "appendfsync", "appendfsync-unknown", "min-replicas", "old-server", "clock-skew"];

/// Version of the layout and of the scripts' contracts.
const FORMAT: &str = "1";
/// How long a key lasts that is written only to be waited for. ms.
const MARK_MS: u64 = 60_000;
/// Clocks further apart than this are refused at the start. ms.
const SKEW_START: i64 = 2_000;
/// And later.
const SKEW_LATER: i64 = 30_000;

/// What a server must be.
pub(super) struct Demands {
    pub durability: Durability,
    pub accept_risk: Vec<String>,
    /// Key of the layout's mark.
    pub meta: String,
    /// Fingerprint of the key that names things.
    pub names: String,
    /// They are asked of every primary of a cluster.
    pub cluster: bool,
    /// The mark has been seen: from now on it must be there.
    pub marked: AtomicBool,
    /// The server knows `WAITAOF`: what it acknowledges is on the replica's disk.
    pub waits_for_disk: AtomicBool,
    /// Its waits are for what the same connection wrote, and for nothing else.
    pub waits_for_own: AtomicBool,
}

impl Demands {
    fn accepts(&self, risk: &str) -> bool {
        self.accept_risk.iter().any(|r| r == risk)
    }

    /// The commands that go behind calls, and whose answers say that a replica has them all: `marks` are keys to write
    /// to, and all takes so long at most.
    pub(super) fn fence(&self, marks: &[Vec<u8>], longest: std::time::Duration) -> Vec<Cmd> {
        let to_disk = self.waits_for_disk.load(Ordering::Relaxed);
        let (there, flushed) = if to_disk { (longest * 2 / 3, longest / 3) } else { (longest, longest) };
        let mut all = Vec::with_capacity(marks.len() + 2);
        // It waits for what its own connection wrote. Behind a duplicate, which writes nothing, that is nothing: on a
        // new connection the answer was yes at once, with the replica stopped (Valkey 8.0.1, 2026-11-25; Redis 7.0.15
        // waits for all that was written so far). So there is always a write.
        if self.waits_for_own.load(Ordering::Relaxed) {
            all.extend(marks.iter().map(|key| redis::cmd("SET").arg(key).arg(1).arg("PX").arg(MARK_MS).take()));
        }
        all.push(redis::cmd("WAIT").arg(1).arg(there.as_millis()).take());
        // A replica says where it is before it has flushed what it just read, and then not for a second, unless it is
        // asked once more: WAITAOF alone took 0.85 s, behind WAIT 12 ms (Valkey 8.0.1, 2026-11-25).
        if to_disk {
            all.push(redis::cmd("WAITAOF").arg(1).arg(1).arg(flushed.as_millis()).take());
        }
        all
    }

    /// Reads their answers: one of the writes went well, and the last one says how many replicas, or the server itself
    /// and how many replicas.
    pub(super) fn reached(&self, mut answers: Vec<Value>) -> Result<(), StoreError> {
        let gave_up =
            || StoreError::new(ErrorKind::Away, "the server is no longer a primary, or not one that may wait");
        let last = fine(answers.pop().unwrap_or_default());
        let marked = !self.waits_for_own.load(Ordering::Relaxed) || answers.contains(&Value::Okay);
        let enough = match last.map_err(|e| if e.kind == ErrorKind::Bug { gave_up() } else { e })? {
            Value::Int(replicas) => replicas >= 1,
            Value::Array(both) => both.len() == 2 && both.iter().all(|n| matches!(n, Value::Int(n) if *n >= 1)),
            _ => false,
        };
        let slow = || StoreError::new(ErrorKind::Unreplicated, "done, but no replica said in time that it has it");
        (enough && marked).then_some(()).ok_or_else(slow)
    }

    fn refuse(&self, risk: &str, what: &str) -> Result<(), StoreError> {
        if self.accepts(risk) {
            return Ok(());
        }
        Err(StoreError::setup(format!("{what} (or accept it: store.accept_risk = [\"{risk}\"])")))
    }
}

/// What the server said of itself.
struct Said {
    info: BTreeMap<String, String>,
    /// `None`: it does not tell.
    config: Option<BTreeMap<String, String>>,
    skew_ms: i64,
    /// The layout's mark; `None`: it is another server's, of the same cluster.
    meta: Option<BTreeMap<String, String>>,
}

/// Asks and refuses. Writes the layout's mark where there is none yet.
pub(super) async fn demand(conn: &mut MultiplexedConnection, d: &Demands) -> Result<(), StoreError> {
    let said = ask(conn, d).await?;
    judge(&said, d)?;
    let Some(mut meta) = said.meta else { return Ok(()) };
    if meta.is_empty() {
        if d.marked.load(Ordering::Relaxed) {
            return Err(vanished());
        }
        let mut pipe = Pipeline::new();
        for (field, value) in mark(d) {
            pipe.cmd("HSETNX").arg(&d.meta).arg(field).arg(value);
        }
        pipe.cmd("HGETALL").arg(&d.meta);
        for answer in conn.send_packed_commands(&pipe, 0, pipe.len()).await? {
            // A full server, or one without its replicas, takes no mark.
            if let Value::Map(_) | Value::Array(_) = fine(answer.clone())? {
                meta = map(answer)?;
            }
        }
    }
    for (field, value) in mark(d) {
        match meta.get(field) {
            Some(v) if *v == value => {}
            Some(_) if field == "names" => {
                return Err(StoreError::setup(
                    "the last of store.encryption_keys is not the one this data was first written with; \
                     put the oldest key back at the end (a new key goes in front), or name its store.lookup_key",
                ));
            }
            other => {
                return Err(StoreError::setup(format!(
                    "the data under this prefix has {field} {}, this binary needs {value}; \
                     use the matching version, or another store.prefix",
                    other.map_or("none", |v| v)
                )));
            }
        }
    }
    d.marked.store(true, Ordering::Relaxed);
    Ok(())
}

fn mark(d: &Demands) -> [(&'static str, String); 3] {
    [("format", FORMAT.into()), ("partitions", super::keys::PARTITIONS.to_string()), ("names", d.names.clone())]
}

/// The mark was there and is no more: somebody emptied the database. Going on as if nothing had happened
/// would be a lie.
pub(super) fn vanished() -> StoreError {
    StoreError::setup("the data has vanished (FLUSHALL, or another database); restore it, or restart to begin anew")
}

/// What is asked of its configuration.
const CONFIG: [&str; 5] =
    ["maxmemory-policy", "appendonly", "appendfsync", "min-replicas-to-write", "min-replicas-max-lag"];

async fn ask(conn: &mut MultiplexedConnection, d: &Demands) -> Result<Said, StoreError> {
    let mut pipe = Pipeline::new();
    pipe.cmd("INFO");
    for name in CONFIG {
        pipe.cmd("CONFIG").arg("GET").arg(name);
    }
    pipe.cmd("TIME").cmd("HGETALL").arg(&d.meta);
    let before = SystemClock.now().as_millisecond();
    let answers = conn.send_packed_commands(&pipe, 0, pipe.len()).await?;
    let after = SystemClock.now().as_millisecond();
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let info = parse_info(&text(next())?);
    let mut config = Some(BTreeMap::new());
    for _ in CONFIG {
        // Managed services often forbid CONFIG, or do not know the word.
        match (next(), config.as_mut()) {
            (Value::ServerError(e), _) if e.code() == "LOADING" => return Err(redis::RedisError::from(e).into()),
            (Value::ServerError(_), _) => config = None,
            (v, Some(c)) => c.extend(map(v)?),
            (_, None) => {}
        }
    }
    let time: Vec<i64> = redis::from_redis_value(fine(next())?).map_err(|_| StoreError::bug("TIME gave no time"))?;
    let server = time.first().copied().unwrap_or_default() * 1000 + time.get(1).copied().unwrap_or_default() / 1000;
    let meta = match next() {
        Value::ServerError(e) if matches!(e.code(), "MOVED" | "ASK") => None,
        // A node that has only just come back; the mark was seen before.
        Value::ServerError(e) if e.code() == "CLUSTERDOWN" && d.marked.load(Ordering::Relaxed) => None,
        mine => Some(map(mine)?),
    };
    Ok(Said { info, config, skew_ms: server - i64::midpoint(before, after), meta })
}

fn fine(v: Value) -> Result<Value, StoreError> {
    match v {
        Value::ServerError(e) => Err(redis::RedisError::from(e).into()),
        v => Ok(v),
    }
}

fn text(v: Value) -> Result<String, StoreError> {
    redis::from_redis_value(fine(v)?).map_err(|_| StoreError::bug("an answer that is no text"))
}

fn map(v: Value) -> Result<BTreeMap<String, String>, StoreError> {
    redis::from_redis_value(fine(v)?).map_err(|_| StoreError::bug("an answer that is no map"))
}

fn parse_info(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(|l| l.trim().split_once(':')).map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

/// Whether `WAITAOF` is there: Redis 7.2, and Valkey, which calls itself that.
fn knows_waitaof(version: &str) -> bool {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (7, 2)
}

/// At least one replica, and a primary that stops taking writes when it has none: one that was cut off from the
/// others must not go on as if it were still the primary.
fn has_replicas<'a>(
    info: &impl Fn(&str) -> &'a str,
    config: &impl Fn(&str) -> Option<&'a str>,
    d: &Demands,
) -> Result<(), StoreError> {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    match config("min-replicas-to-write").zip(config("min-replicas-max-lag")) {
        Some((count, lag)) if number(count) >= 1 && (1..=10).contains(&number(lag)) => {}
        found => {
            let said = if found.is_some() { "do not keep" } else { "are not told; do they keep" };
            d.refuse(
                "min-replicas",
                &format!(
                    "min-replicas-to-write and min-replicas-max-lag {said} a primary without replicas from taking \
                     writes; set them to 1 and 10, on the replicas too"
                ),
            )?;
        }
    }
    // Those that keep up count; a server that demands none tells only how many there are.
    let good = Some(info("min_slaves_good_slaves")).filter(|n| !n.is_empty());
    if number(good.unwrap_or(info("connected_slaves"))) == 0 {
        return Err(StoreError::new(
            ErrorKind::Away,
            "durability replicated needs a replica that keeps up, and there is none; start one, or set store.durability = \
             \"local\"",
        ));
    }
    Ok(())
}

/// A node of a cluster knows only its own part, and a single server none of the others.
fn of_the_kind_named(is_node: bool, d: &Demands) -> Result<(), StoreError> {
    match (is_node, d.cluster) {
        (true, false) => {
            Err(StoreError::setup("the server is a node of a cluster; write redis+cluster://… in store.url"))
        }
        (false, true) => {
            Err(StoreError::setup("the server is of no cluster (cluster-enabled no); write redis:// in store.url"))
        }
        _ => Ok(()),
    }
}

fn judge(said: &Said, d: &Demands) -> Result<(), StoreError> {
    let info = |key: &str| said.info.get(key).map(String::as_str).unwrap_or_default();
    if info("loading") == "1" {
        return Err(StoreError::new(ErrorKind::Loading, "the server is loading its data (LOADING)"));
    }
    if !matches!(info("role"), "master" | "") {
        return Err(StoreError::new(ErrorKind::ReadOnly, "the server is a replica; name the primary in store.url"));
    }
    of_the_kind_named(info("cluster_enabled") == "1", d)?;
    let version = info("redis_version");
    let major: u32 = version.split('.').next().and_then(|v| v.parse().ok()).unwrap_or(0);
    if major < 7 {
        d.refuse("old-server", &format!("version {version} is too old: scripts need Redis 7.0 or Valkey"))?;
    }
    let config = |key: &str| said.config.as_ref().and_then(|c| c.get(key)).map(String::as_str);
    let policy = config("maxmemory-policy").unwrap_or(info("maxmemory_policy"));
    if policy != "noeviction" {
        let shown = if policy.is_empty() { "unknown" } else { policy };
        d.refuse(
            "eviction",
            &format!("maxmemory-policy is {shown}: it may delete messages owed; set it to noeviction"),
        )?;
    }
    let aof = config("appendonly").map_or(info("aof_enabled") == "1", |v| v == "yes");
    if !aof {
        d.refuse("aof-off", "appendonly is off: a restart loses what was acknowledged; set appendonly yes")?;
    }
    d.waits_for_own.store(knows_waitaof(version), Ordering::Relaxed);
    d.waits_for_disk.store(aof && knows_waitaof(version), Ordering::Relaxed);
    if d.durability == Durability::Replicated {
        has_replicas(&info, &config, d)?;
    }
    if d.durability != Durability::Relaxed && aof {
        match config("appendfsync") {
            Some("always") => {}
            Some(other) => d.refuse(
                "appendfsync",
                &format!(
                    "appendfsync is {other}: a power cut loses acknowledged webhooks; set it to always, or say so \
                     with store.durability = \"relaxed\""
                ),
            )?,
            None => d.refuse(
                "appendfsync-unknown",
                "the server does not tell its appendfsync (CONFIG GET is forbidden); allow config|get, or say that \
                 you know it is always",
            )?,
        }
    }
    let limit = if d.marked.load(Ordering::Relaxed) { SKEW_LATER } else { SKEW_START };
    if said.skew_ms.abs() > limit {
        d.refuse("clock-skew", &format!("the server's clock is {} ms away from ours; set both by NTP", said.skew_ms))?;
    }
    Ok(())
}

/// What is known of the server, without judging it.
pub(super) async fn info(conn: &mut MultiplexedConnection, d: &Demands) -> Result<Info, StoreError> {
    let said = ask(conn, d).await?;
    if said.meta.as_ref().is_some_and(BTreeMap::is_empty) {
        return Err(vanished());
    }
    let get = |key: &str| said.info.get(key).cloned().unwrap_or_default();
    let valkey = get("valkey_version");
    let server = if valkey.is_empty() { format!("redis {}", get("redis_version")) } else { format!("valkey {valkey}") };
    Ok(Info {
        server,
        durability: d.durability,
        used_memory: get("used_memory").parse().unwrap_or(0),
        max_memory: get("maxmemory").parse().unwrap_or(0),
        uncounted: get("mem_not_counted_for_evict").parse().unwrap_or(0),
        skew_ms: said.skew_ms,
        complaint: judge(&said, d).err(),
        away: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(policy: &str, aof: &str, fsync: Option<&str>, extra: &[(&str, &str)]) -> Said {
        let mut info: BTreeMap<String, String> = [("redis_version", "7.0.15"), ("role", "master"), ("loading", "0")]
            .into_iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        info.insert("maxmemory_policy".into(), policy.into());
        info.insert("aof_enabled".into(), aof.into());
        info.extend(extra.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())));
        let config = fsync.map(|f| {
            let on = if aof == "1" { "yes" } else { "no" };
            [("maxmemory-policy", policy), ("appendonly", on), ("appendfsync", f)]
                .into_iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect()
        });
        Said { info, config, skew_ms: 0, meta: None }
    }

    fn demands(durability: Durability, risks: &[&str]) -> Demands {
        Demands {
            durability,
            accept_risk: risks.iter().map(|r| (*r).to_string()).collect(),
            meta: "m".into(),
            names: "n".into(),
            cluster: false,
            marked: AtomicBool::new(false),
            waits_for_disk: AtomicBool::new(false),
            waits_for_own: AtomicBool::new(false),
        }
    }

    #[test]
    fn each_wrong_setting_is_refused_with_its_remedy_and_can_be_accepted() {
        let cases = [
            ("eviction", said("allkeys-lru", "1", Some("always"), &[]), "noeviction"),
            ("aof-off", said("noeviction", "0", Some("always"), &[]), "appendonly yes"),
            ("appendfsync", said("noeviction", "1", Some("everysec"), &[]), "relaxed"),
            ("appendfsync-unknown", said("noeviction", "1", None, &[]), "config|get"),
            ("old-server", said("noeviction", "1", Some("always"), &[("redis_version", "6.2.14")]), "7.0"),
            ("clock-skew", Said { skew_ms: 2_001, ..said("noeviction", "1", Some("always"), &[]) }, "NTP"),
        ];
        // One is demanded of a primary with replicas only: see the tests with real ones.
        assert_eq!(cases.iter().map(|c| c.0).collect::<Vec<_>>().len(), RISKS.len() - 1);
        for (risk, said, remedy) in cases {
            let refusal = judge(&said, &demands(Durability::Local, &[])).unwrap_err();
            assert_eq!(refusal.kind, ErrorKind::Setup, "{risk}");
            assert!(refusal.to_string().contains(remedy) && refusal.to_string().contains(risk), "{refusal}");
            assert!(judge(&said, &demands(Durability::Local, &[risk])).is_ok(), "{risk}");
        }
        assert!(judge(&said("noeviction", "1", Some("always"), &[]), &demands(Durability::Local, &[])).is_ok());
        assert!(judge(&said("noeviction", "1", Some("everysec"), &[]), &demands(Durability::Relaxed, &[])).is_ok());
        assert!(judge(&said("noeviction", "1", None, &[]), &demands(Durability::Relaxed, &[])).is_ok());
    }

    #[test]
    fn replicas_are_waited_for_on_disk_where_the_server_can() {
        let with = |version| {
            let d = demands(Durability::Replicated, &["min-replicas"]);
            let said =
                said("noeviction", "1", Some("always"), &[("redis_version", version), ("connected_slaves", "1")]);
            judge(&said, &d).unwrap();
            let sent = d.fence(&[b"k".to_vec()], std::time::Duration::from_millis(600));
            let sent: Vec<u8> = sent.iter().flat_map(Cmd::get_packed_command).collect();
            (String::from_utf8_lossy(&sent).replace("\r\n", " "), d)
        };
        let (old, d) = with("7.0.15");
        assert_eq!(old, "*3 $4 WAIT $1 1 $3 600 ");
        assert!(d.reached(vec![Value::Int(1)]).is_ok() && d.reached(vec![Value::Int(2)]).is_ok());
        assert_eq!(d.reached(vec![Value::Int(0)]).unwrap_err().kind, ErrorKind::Unreplicated);
        let (new, d) = with("7.2.4");
        let (set, waits) = new.split_at(new.find("*3").unwrap());
        assert_eq!(set, "*5 $3 SET $1 k $1 1 $2 PX $5 60000 ");
        assert_eq!(waits, "*3 $4 WAIT $1 1 $3 400 *4 $7 WAITAOF $1 1 $1 1 $3 200 ");
        let both = |own, replicas| Value::Array(vec![Value::Int(own), Value::Int(replicas)]);
        let all = |mark, own, replicas| d.reached(vec![Value::Nil, mark, Value::Int(1), both(own, replicas)]);
        assert!(all(Value::Okay, 1, 1).is_ok() && all(Value::Okay, 1, 2).is_ok());
        for (own, replicas) in [(0, 0), (1, 0), (0, 1)] {
            assert_eq!(all(Value::Okay, own, replicas).unwrap_err().kind, ErrorKind::Unreplicated);
        }
        assert_eq!(all(Value::Nil, 1, 1).unwrap_err().kind, ErrorKind::Unreplicated, "nothing was written");
        assert!(d.reached(vec![Value::Okay, Value::Nil]).is_err() && d.reached(Vec::new()).is_err());
    }

    #[test]
    fn a_replica_and_a_loading_server_are_never_accepted() {
        let replica = said("noeviction", "1", Some("always"), &[("role", "slave")]);
        assert_eq!(judge(&replica, &demands(Durability::Local, RISKS)).unwrap_err().kind, ErrorKind::ReadOnly);
        let loading = said("noeviction", "1", Some("always"), &[("loading", "1")]);
        assert_eq!(judge(&loading, &demands(Durability::Local, RISKS)).unwrap_err().kind, ErrorKind::Loading);
    }

    #[test]
    fn a_running_store_bears_more_skew_than_a_start() {
        let d = demands(Durability::Local, &[]);
        d.marked.store(true, Ordering::Relaxed);
        let skewed = |skew_ms| Said { skew_ms, ..said("noeviction", "1", Some("always"), &[]) };
        assert!(judge(&skewed(-29_000), &d).is_ok());
        assert!(judge(&skewed(-31_000), &d).is_err());
    }
}
