//! A cluster of redis-servers for tests, put together by hand: that takes half a second, and a test can say which
//! node has what.

use super::redis::{Redis, Reply};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A node that is not replaced before it has been away for so long.
pub const NODE_TIMEOUT: Duration = Duration::from_millis(1000);

/// A port nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A node.
pub struct Node {
    pub redis: Redis,
    pub port: u16,
    bus: u16,
}

impl Node {
    /// A node of no cluster yet; `kept`: further settings.
    pub fn start(kept: &str) -> Node {
        let (port, bus) = (free_port(), free_port());
        let conf = format!(
            "port {port}\ncluster-port {bus}\nbind 127.0.0.1\ncluster-enabled yes\ncluster-node-timeout {}\n\
             cluster-require-full-coverage no\ncluster-replica-validity-factor 0\ncluster-allow-replica-migration no\n\
             appendonly yes\nappendfsync always\nsave \"\"\nmaxmemory-policy noeviction\nrepl-diskless-sync-delay 0\n{kept}",
            NODE_TIMEOUT.as_millis()
        );
        Node { redis: Redis::launch(&conf, ""), port, bus }
    }

    pub fn id(&self) -> String {
        self.redis.ask(&["CLUSTER", "MYID"]).text()
    }

    /// Asks and expects no error.
    pub fn must(&self, words: &[&str]) -> Reply {
        match self.redis.ask(words) {
            Reply::Error(error) => panic!("{words:?}: {error}"),
            fine => fine,
        }
    }

    /// Waits for a line of what it says of itself.
    pub fn says(&self, about: &[&str], line: &str) {
        wait_for(line, || match self.redis.ask(about) {
            // It is reading its data after a start.
            Reply::Error(_) => false,
            said => said.text().lines().any(|l| l.trim() == line),
        });
    }

    /// It takes writes for slots of its own.
    pub fn is_primary(&self) -> bool {
        self.redis.ask(&["INFO", "replication"]).text().contains("role:master")
    }
}

/// Waits until it holds.
pub fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Primaries with even shares of the slots, and the replicas of each.
pub struct Cluster {
    pub primaries: Vec<Node>,
    /// The one of the first primary first, and so on.
    pub replicas: Vec<Node>,
}

impl Cluster {
    /// Primaries alone.
    pub fn start(primaries: usize) -> Cluster {
        let cluster = Cluster { primaries: (0..primaries).map(|_| Node::start("")).collect(), replicas: Vec::new() };
        cluster.share_out();
        cluster
    }

    /// Primaries with a replica each, without which they take no writes.
    pub fn replicated(primaries: usize) -> Cluster {
        let node = |_| Node::start("min-replicas-to-write 1\nmin-replicas-max-lag 10\n");
        let cluster =
            Cluster { primaries: (0..primaries).map(node).collect(), replicas: (0..primaries).map(node).collect() };
        cluster.share_out();
        for (primary, replica) in cluster.primaries.iter().zip(&cluster.replicas) {
            replica.must(&["CLUSTER", "REPLICATE", &primary.id()]);
        }
        for (primary, replica) in cluster.primaries.iter().zip(&cluster.replicas) {
            replica.says(&["INFO", "replication"], "master_link_status:up");
            // It has on disk what it got at first; before that, no WAITAOF is answered.
            replica.says(&["INFO", "persistence"], "aof_rewrite_in_progress:0");
            primary.says(&["INFO", "replication"], "min_slaves_good_slaves:1");
        }
        let told = |n: &Node| shown(n.redis.ask(&["CLUSTER", "SLOTS"])).matches(" - ").count() == primaries;
        wait_for("replicas that everybody knows of", || cluster.nodes().all(told));
        cluster
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.primaries.iter().chain(&self.replicas)
    }

    fn share_out(&self) {
        let (first, count) = (&self.primaries[0], self.primaries.len());
        for (i, node) in self.nodes().enumerate() {
            node.must(&["CLUSTER", "SET-CONFIG-EPOCH", &(i + 1).to_string()]);
        }
        for (i, node) in self.primaries.iter().enumerate() {
            let (from, to) = (16_384 * i / count, 16_384 * (i + 1) / count - 1);
            node.must(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]);
        }
        self.nodes().skip(1).for_each(|node| self.meet(first, node));
        let all = self.nodes().count();
        for node in self.nodes() {
            wait_for("a cluster that is whole", || {
                let info = node.redis.ask(&["CLUSTER", "INFO"]).text();
                info.contains("cluster_state:ok")
                    && info.contains("cluster_slots_ok:16384")
                    && info.contains(&format!("cluster_known_nodes:{all}\r"))
            });
        }
    }

    /// Makes a node known to the cluster.
    pub fn meet(&self, one: &Node, other: &Node) {
        one.must(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string(), &other.bus.to_string()]);
    }

    /// `store.url`, by way of the second node: the first may be away.
    pub fn url(&self) -> String {
        let seeds: Vec<String> = self.nodes().map(|n| format!("127.0.0.1:{}", n.port)).collect();
        format!("redis+cluster://{}", seeds.join(","))
    }
}

fn shown(reply: Reply) -> String {
    match reply {
        Reply::List(list) if matches!(list.first(), Some(Reply::Int(_))) && list.len() > 3 => " - ".into(),
        Reply::List(list) => list.into_iter().map(shown).collect(),
        _ => String::new(),
    }
}

/// Moves a slot with its keys from one primary to another, as `redis-cli --cluster reshard` does; `step` is called
/// after each few keys.
pub fn move_slot(slot: u16, from: &Node, to: &Node, others: &[&Node], step: impl Fn()) {
    let slot = slot.to_string();
    to.must(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from.id()]);
    from.must(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to.id()]);
    step();
    loop {
        let keys: Vec<String> =
            from.must(&["CLUSTER", "GETKEYSINSLOT", &slot, "5"]).list().into_iter().map(Reply::text).collect();
        if keys.is_empty() {
            break;
        }
        let port = to.port.to_string();
        let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        words.extend(keys.iter().map(String::as_str));
        from.must(&words);
        step();
    }
    for node in [to, from].into_iter().chain(others.iter().copied()) {
        node.must(&["CLUSTER", "SETSLOT", &slot, "NODE", &to.id()]);
    }
}
