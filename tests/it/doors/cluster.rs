//! A relay on a cluster: shops and customers whose orders lie elsewhere do not notice a primary that stands still, the
//! others are told later; and every command works.

use crate::support::child::{Serving, run};
use crate::support::cluster::{Cluster, Node};
use crate::support::dir::Dir;
use crate::support::orders::{WOO_SECRET, woo_of, woo_order};
use crate::support::provider::Provider;
use crate::support::relay::{KEY, Plan, Relay};
use crate::support::until;
use crate::support::wire::{Request, get};
use orderwire::boot::run::Role;
use orderwire::domain::ids::ShopId;
use orderwire::store::keys::{Member, Unit};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

const PUSH: &str = "POST /v2/bot/message/push";
const ADMIN: &str = "canary-admin-token-0123456789abcdef01";

/// What docs/redis.md gives a user for a cluster.
const RIGHTS: &str = "on >secret resetkeys ~owtest* resetchannels -@all +@read +@write +eval +evalsha +script|load +time \
                      +wait +ping +hello -@dangerous +info +config|get +scan +bgrewriteaof +asking +cluster|slots \
                      +cluster|info +cluster|nodes";

fn plan(cluster: &Cluster, line: &Provider) -> Plan {
    let mut plan = Plan::at(&cluster.url()).provider(&line.url);
    plan.store =
        format!("url = \"{}\"\ndurability = \"local\"\nencryption_keys = [{{ value = \"{KEY}\" }}]", cluster.url());
    plan
}

/// Every order has a customer of its own, who lies wherever their name falls.
fn order(id: u64) -> Request {
    let mut order = woo_order(id, "processing", 5);
    order["meta_data"] = json!([{ "id": 1, "key": "line_user_id", "value": customer(id) }]);
    woo_of("woo", WOO_SECRET, "order.updated", order.to_string().as_bytes())
}

fn customer(id: u64) -> String {
    format!("U{id:032x}")
}

/// How often each order's customer got a message.
fn pushes(line: &Provider) -> BTreeMap<u64, usize> {
    let id =
        |body: &str| body.split("\"to\":\"U").nth(1).and_then(|rest| u64::from_str_radix(rest.get(..32)?, 16).ok());
    let mut told = BTreeMap::new();
    for id in line.seen_at(PUSH).iter().filter_map(|push| id(&push.body)) {
        *told.entry(id).or_default() += 1;
    }
    told
}

/// Orders that LINE got a message of.
fn told(line: &Provider) -> BTreeSet<u64> {
    pushes(line).into_keys().collect()
}

async fn health(relay: &Relay) -> (u16, Value) {
    let answer = get(relay.admin, "/readyz?verbose").await;
    (answer.status, answer.json())
}

async fn holds_together(relay: &Relay) {
    until("the store holds together", async || {
        relay.app.store.audit().await.ok().filter(|audit| audit.bad.is_empty()).map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_stands_still_holds_up_its_own_orders_only() {
    let (cluster, line) = (Cluster::start(3), Provider::line().await);
    let relay = Relay::start(&plan(&cluster, &line), Role::All).await;
    for id in 1..=30 {
        assert_eq!(relay.post(&order(id)).await.status, 200, "order {id}");
    }
    until("all are told, wherever they lie", async || (told(&line).len() == 30).then_some(())).await;
    cluster.primaries[0].redis.freeze();
    let mut taken = BTreeSet::new();
    for id in 101..=160 {
        let answer = relay.post(&order(id)).await;
        assert!(answer.took < Duration::from_millis(4500), "{:?}", answer.took);
        match answer.status {
            200 => drop(taken.insert(id)),
            status => assert_eq!(status, 503),
        }
    }
    assert!((20..60).contains(&taken.len()), "two thirds of the orders lie on the others: {}", taken.len());
    // A message needs its order and its customer: four of nine.
    until("what lies elsewhere is told", async || (told(&line).intersection(&taken).count() >= 12).then_some(())).await;
    assert!(!taken.is_subset(&told(&line)), "customers who lie on the one that stands still are not told");
    let (status, said) = until("it is known", async || {
        let (status, said) = health(&relay).await;
        said["redis"]["away"].is_string().then_some((status, said))
    })
    .await;
    assert_eq!((status, &said["pressure"]["door"], &said["redis"]["complaint"]), (200, &json!("open"), &Value::Null));
    cluster.primaries[0].redis.thaw();
    until("the others are told too", async || taken.is_subset(&told(&line)).then_some(())).await;
    until("all is well", async || health(&relay).await.1["redis"]["away"].is_null().then_some(())).await;
    holds_together(&relay).await;
    relay.leave().await;
}

/// The place of the primary that has a key's slot.
fn owner(node: &Node, tag: &str) -> usize {
    let slot: usize = node.redis.ask(&["CLUSTER", "KEYSLOT", &format!("{{{tag}}}")]).text().parse().unwrap();
    slot * 3 / 16_384
}

fn member(relay: &Relay, id: u64) -> Member {
    relay.app.store.member(&Unit::order(&ShopId::from("woo"), &id.to_string()))
}

/// An order that lies on the first primary, whose partitions are 0 to 4.
fn on_the_first(relay: &Relay) -> u64 {
    (900..).find(|id| member(relay, *id).partition() < 5).unwrap()
}

/// With a spool nothing is refused. What a send came to waits on disk for its server alone, and so does what shops told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_on_disk_for_one_primary_holds_up_nothing_of_the_others() {
    let ((began, begun), (free, wait)) = (channel(), channel::<()>());
    let (began, wait, held) = (Mutex::new(began), Mutex::new(wait), std::sync::Arc::new(Mutex::new(String::new())));
    let whose = std::sync::Arc::clone(&held);
    let line = Provider::start(move |seen| {
        let whose = whose.lock().unwrap().clone();
        if !whose.is_empty() && seen.line.starts_with(PUSH) && seen.body.contains(&whose) {
            began.lock().unwrap().send(()).unwrap();
            wait.lock().unwrap().recv().unwrap_err();
        }
        (200, json!({ "sentMessages": [{ "id": "461230966842064897" }] }))
    })
    .await;
    let (cluster, spool) = (Cluster::start(3), Dir::new());
    let relay = Relay::start(&plan(&cluster, &line).spool(spool.path()), Role::All).await;
    let results = || relay.app.results.as_ref().unwrap().standing().records;
    let waiting = || relay.app.spool.as_ref().unwrap().standing().records;
    let slow = on_the_first(&relay);
    *held.lock().unwrap() = customer(slow);
    assert_eq!(relay.post(&order(slow)).await.status, 200);
    tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
    cluster.primaries[0].redis.freeze();
    drop(free);
    until("what the send came to is on disk", async || (results() == 1).then_some(())).await;
    for id in 101..=160 {
        assert_eq!(relay.post(&order(id)).await.status, 200, "order {id} is taken, or kept on disk");
    }
    let elsewhere: BTreeSet<u64> = (101..=160).filter(|id| member(&relay, *id).partition() > 5).collect();
    until("what lies elsewhere is told", async || {
        (told(&line).intersection(&elsewhere).count() >= elsewhere.len() / 3).then_some(())
    })
    .await;
    assert!(results() >= 1 && waiting() >= 5, "{} {}", results(), waiting());
    cluster.primaries[0].redis.thaw();
    until("all are told", async || (101..=160).all(|id| told(&line).contains(&id)).then_some(())).await;
    until("nothing is left on disk", async || (results() == 0 && waiting() == 0).then_some(())).await;
    relay.comes_to("woo", slow, "payment_received", "sent").await;
    assert!(pushes(&line).values().all(|n| *n == 1), "{:?}", pushes(&line));
    holds_together(&relay).await;
    relay.leave().await;
}

/// Two stand still, one of them goes on: what waits on disk for it is put through, beside what goes on waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_on_disk_goes_where_there_is_an_answer() {
    let (cluster, line, spool) = (Cluster::start(3), Provider::line().await, Dir::new());
    let relay = Relay::start(&plan(&cluster, &line).spool(spool.path()), Role::All).await;
    let waiting = || relay.app.spool.as_ref().unwrap().standing().records;
    // Whoever has the list of what was erased must be asked about each record.
    let home = owner(&cluster.primaries[0], "duty");
    let (still, again) = (&cluster.primaries[(home + 1) % 3], &cluster.primaries[(home + 2) % 3]);
    still.redis.freeze();
    again.redis.freeze();
    for id in 1..=30 {
        assert_eq!(relay.post(&order(id)).await.status, 200, "order {id}");
    }
    assert!(waiting() >= 10, "{}", waiting());
    again.redis.thaw();
    let behind = (1..=30).filter(|id| usize::from(member(&relay, *id).partition()) * 3 / 16 == (home + 1) % 3).count();
    // A partition on the border of two shares may be of either.
    until("the others are put through", async || (waiting() <= behind as u64 + 4).then_some(())).await;
    assert!(waiting() > 0, "what is for the one that stands still goes on waiting");
    still.redis.thaw();
    until("all are told", async || (told(&line).len() == 30 && waiting() == 0).then_some(())).await;
    assert!(pushes(&line).values().all(|n| *n == 1), "{:?}", pushes(&line));
    holds_together(&relay).await;
    relay.leave().await;
}

/// A relay as a process of its own, and the commands that talk to it.
struct Desk {
    file: PathBuf,
    token: PathBuf,
    relay: Serving,
}

impl Desk {
    async fn runs(&self, args: &[&str]) -> String {
        let (file, token) = (self.file.display().to_string(), self.token.display().to_string());
        let url = format!("http://{}", self.relay.admin);
        let all = [&["-c", &file], args, &["--url", &url, "--token-file", &token]].concat();
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        let ran = tokio::task::spawn_blocking(move || run(&all.iter().map(String::as_str).collect::<Vec<_>>()))
            .await
            .unwrap();
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.out
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_and_its_commands_work_on_a_cluster() {
    let (cluster, line, dir) = (Cluster::start(3), Provider::line().await, Dir::new());
    let mut plan = plan(&cluster, &line);
    plan.store = plan.store.replace("redis+cluster://", "redis+cluster://ow:secret@");
    plan.admin = format!(
        "tokens = [{{ name = \"a\", scopes = [\"read\", \"operate\", \"admin\"], token = {{ value = \"{ADMIN}\" }} }}]"
    );
    let file = dir.write("orderwire.toml", &plan.text());
    for node in cluster.nodes() {
        node.must(&["ACL", "SETUSER", "ow"].into_iter().chain(RIGHTS.split_whitespace()).collect::<Vec<_>>());
    }
    let checked = run(&["-c", file.to_str().unwrap(), "check"]);
    assert!(checked.code == 0 && checked.out.contains("the rest goes on"), "{checked:?}");
    let relay = Serving::start(&file, &dir);
    let mut desk = Desk { token: dir.write("token", ADMIN), file, relay };
    for id in 1..=20 {
        assert_eq!(order(id).send(desk.relay.web).await.status, 200, "order {id}");
    }
    until("all are told", async || (told(&line).len() == 20).then_some(())).await;
    until("all is settled", async || {
        let stats: Value = serde_json::from_str(&desk.runs(&["queue", "stats", "--json"]).await).unwrap();
        (stats["leased"] == 0 && stats["dead"] == 0 && stats["ready"] == 0).then_some(())
    })
    .await;
    assert!(desk.runs(&["explain", "woo", "7"]).await.contains("sent"));
    desk.runs(&["queue", "pause", "line-main", "--for", "30m"]).await;
    assert!(desk.runs(&["channels", "--live"]).await.contains("paused"));
    desk.runs(&["queue", "resume", "line-main"]).await;
    desk.runs(&["replay", "--shop", "woo"]).await;
    assert!(desk.runs(&["rekey"]).await.contains("No record in Redis is sealed with an older key"));
    desk.runs(&["redact", "woo", "--order", "7", "--yes", "--reason", "asked"]).await;
    until("order 7 is erased", async || {
        let why = desk.runs(&["order", "woo", "7", "--json"]).await;
        why.contains("erased").then_some(())
    })
    .await;
    assert_eq!(pushes(&line).values().sum::<usize>(), 20, "each was told once");
    desk.relay.signal("TERM");
    assert!(desk.relay.ended().success());
    let refused: Vec<_> = cluster.nodes().flat_map(|node| node.must(&["ACL", "LOG"]).list()).collect();
    assert!(refused.is_empty(), "something was refused: {refused:?}");
}
