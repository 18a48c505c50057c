//! A failover that promotes a replica which lags: what was acknowledged and is not there is offered again, and
//! stored; what was erased is not.

use crate::support::cluster::{free_port, wait_for};
use crate::support::orders::{LINE_USER, WOO_SECRET, line_text, woo_of, woo_order};
use crate::support::redis::{Redis, signal};
use crate::support::relay::{KEY, Plan, Relay};
use crate::support::until;
use crate::support::wire::Request;
use orderwire::boot::run::Role;
use orderwire::domain::ids::{ChannelId, OrderId, ShopId};
use orderwire::domain::order::Contact;
use orderwire::domain::person::Address;
use orderwire::flow::erase::{self, Duty, Kind};
use orderwire::store::keys::Unit;

fn server(port: u16, of: Option<u16>) -> Redis {
    let of = of.map(|primary| format!("replicaof 127.0.0.1 {primary}\n")).unwrap_or_default();
    let conf = format!(
        "port {port}\nbind 127.0.0.1\nappendonly yes\nappendfsync always\nsave \"\"\nmaxmemory-policy noeviction\n\
         min-replicas-to-write 1\nmin-replicas-max-lag 10\nrepl-diskless-sync-delay 0\n{of}"
    );
    Redis::launch(&conf, "")
}

fn says(server: &Redis, line: &str) {
    wait_for(line, || server.ask(&["INFO", "replication"]).text().contains(line));
}

fn order(id: u64) -> Request {
    let order = woo_order(id, "processing", 5);
    woo_of("woo", WOO_SECRET, "order.updated", order.to_string().as_bytes())
}

async fn there(relay: &Relay, shop: &str, id: u64) -> Option<bool> {
    let member = relay.app.store.member(&Unit::order(&ShopId::from(shop), &id.to_string()));
    relay.app.store.read(&member).await.ok().map(|record| record.snapshot.is_some())
}

async fn taken(relay: &Relay, request: &Request) {
    let answer = relay.post(request).await;
    assert_eq!((answer.status, answer.json()["result"].as_str()), (200, Some("taken")), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failover_lost_is_offered_again_and_what_was_erased_is_not() {
    let (at, elsewhere) = (free_port(), free_port());
    let primary = server(at, None);
    let replica = server(free_port(), Some(at));
    let stale = server(elsewhere, Some(at));
    let beside_it = server(free_port(), Some(elsewhere));
    [&replica, &stale, &beside_it].into_iter().for_each(|s| says(s, "master_link_status:up"));
    says(&primary, "min_slaves_good_slaves:2");
    let mut plan = Plan::on(&primary);
    plan.store = format!(
        "url = \"redis://127.0.0.1:{at}/0\"\ndurability = \"replicated\"\nencryption_keys = [{{ value = \"{KEY}\" }}]"
    );
    let relay = Relay::start(&plan, Role::All).await;
    taken(&relay, &order(1)).await;
    let has_it = |s: &Redis| s.keys(&plan.prefix).iter().any(|k| k.contains(":ord:"));
    wait_for("the first order to be everywhere", || has_it(&stale) && has_it(&beside_it));
    // From here on it has nothing new.
    stale.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    says(&stale, "master_link_status:down");
    taken(&relay, &order(2)).await;
    taken(&relay, &order(3)).await;
    assert_eq!(relay.post(&line_text("STOP")).await.status, 200);
    let shop = ShopId::from("woo");
    let duty = Duty::new(Kind::Orders, &shop, "officer", "asked by mail", relay.app.clock.now());
    erase::ask(&relay.app, duty.about(Contact::default(), vec![OrderId::from("2")])).await.unwrap();
    until("order 2 is erased", async || (!there(&relay, "woo", 2).await?).then_some(())).await;
    let fourth = order(4);
    taken(&relay, &fourth).await;
    until("the ring shows what it has", async || (relay.metric("orderwire_ring_records ").await >= 1.0).then_some(()))
        .await;
    for server in [&primary, &replica] {
        signal(server.pid(), "KILL");
    }
    stale.ask(&["REPLICAOF", "NO", "ONE"]);
    says(&stale, "min_slaves_good_slaves:1");
    // Its clients find it where the other one was.
    wait_for("the port to be free", || {
        matches!(stale.ask(&["CONFIG", "SET", "port", &at.to_string()]), crate::support::redis::Reply::Status(_))
    });
    until("order 4 is stored once more", async || there(&relay, "woo", 4).await?.then_some(())).await;
    until("the offer is over", async || {
        (relay.metric("orderwire_ring_offered_total{result=\"stored\"} ").await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(there(&relay, "woo", 2).await, Some(false), "it was told before its erasure was asked for");
    assert_eq!(there(&relay, "woo", 3).await, Some(true), "another order's erasure takes nothing from it");
    assert_eq!(there(&relay, "woo", 1).await, Some(true), "it was never lost");
    let customer = (ChannelId::from("line-main"), Address::new("line", LINE_USER));
    let facts = relay.app.store.facts(&[customer]).await.unwrap().remove(0);
    assert!(facts.opted_out.is_some(), "what was said on a channel comes back too");
    let again = relay.post(&fourth).await;
    assert_eq!(again.json()["result"], "duplicate");
    assert_eq!(relay.app.store.audit().await.unwrap().bad, Vec::<String>::new());
    relay.leave().await;
}
