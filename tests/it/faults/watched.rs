//! A primary with two replicas, watched by a sentinel.

use crate::support::redis::{Redis, Reply};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A server that takes no writes when it has no replica.
const KEPT: &str = "bind 127.0.0.1\nappendonly yes\nappendfsync always\nsave \"\"\nmaxmemory-policy noeviction\n\
                    min-replicas-to-write 1\nmin-replicas-max-lag 10\nrepl-diskless-sync-delay 0\n";

/// All of them.
pub struct Watched {
    servers: Vec<(u16, Redis)>,
    sentinel: Redis,
    port: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Watched {
    /// Starts them, and waits until each knows of the others.
    pub fn start() -> Watched {
        let first = free_port();
        let mut servers = vec![(first, Redis::launch(&format!("port {first}\n{KEPT}"), ""))];
        for _ in 0..2 {
            let port = free_port();
            let conf = format!("port {port}\n{KEPT}replicaof 127.0.0.1 {first}\n");
            servers.push((port, Redis::launch(&conf, "")));
        }
        let info = |server: &Redis| server.ask(&["INFO", "replication"]).text();
        until("the primary has its replicas", || info(&servers[0].1).contains("min_slaves_good_slaves:2"));
        until("the replicas follow", || servers[1..].iter().all(|s| info(&s.1).contains("master_link_status:up")));
        let port = free_port();
        let conf = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {first} 1\n\
             sentinel down-after-milliseconds main 400\nsentinel failover-timeout main 2000\n"
        );
        let sentinel = Redis::launch(&conf, "--sentinel");
        until("the sentinel knows the replicas", || sentinel.ask(&["SENTINEL", "REPLICAS", "main"]).list().len() == 2);
        Watched { servers, sentinel, port }
    }

    /// `store.url`.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main/0", self.port)
    }

    /// The primary's port, as the sentinel says.
    fn primary(&self) -> u16 {
        match self.sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]) {
            Reply::List(mut said) => said.pop().unwrap().text().parse().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The primary stands still until it is replaced and for `more` then, and goes on as if nothing had been.
    pub async fn stand_still(&self, more: Duration) {
        let primary = self.primary();
        let (_, server) = self.servers.iter().find(|(port, _)| *port == primary).expect("one of ours");
        server.freeze();
        let end = Instant::now() + Duration::from_secs(20);
        while self.primary() == primary {
            assert!(Instant::now() < end, "it was not replaced");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(more).await;
        server.thaw();
    }
}
