//! What brings the relay's own code down, and what else a person may lose while Redis is away.

use super::world::{World, said, spooled};
use crate::support::orders::{LINE_USER, line, line_text, woo, woo_order};
use crate::support::redis::shared;
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::{Answer, Request};
use futures_util::future::BoxFuture;
use orderwire::boot;
use orderwire::boot::run::Role;
use orderwire::channel::Channel;
use orderwire::domain::channel::{Capabilities, Envelope, Errand, Message, ShapeFault};
use orderwire::domain::clock::{Clock as _, SystemClock};
use orderwire::domain::ids::{ChannelId, ShopId};
use orderwire::domain::person::{Address, Heard};
use orderwire::domain::verdict::Verdict;
use orderwire::domain::webhook::{Admission, RawWebhook};
use orderwire::flow::account::Account;
use orderwire::flow::live::{Live, Shop};
use orderwire::platform;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

fn woo_kind() -> &'static platform::Kind {
    platform::find("woocommerce").unwrap()
}

/// WooCommerce, whose reader falls over everything.
static FALLS: platform::Kind = platform::Kind {
    name: "woocommerce",
    max_body: 1 << 20,
    repeats: false,
    example: "",
    admit: |shop, raw| (woo_kind().admit)(shop, raw),
    normalise: |_, _| panic!("over what it was given"),
    ask: |shop, client, question| (woo_kind().ask)(shop, client, question),
    write: |_, _, _| Box::pin(async { Ok(()) }),
    writes: &[],
    changed: |_, _, _| Box::pin(async { Ok(platform::api::Changed::default()) }),
    inspect: |_, _, _| Box::pin(async { Ok(Vec::new()) }),
    mails_itself: &[],
};

/// A channel whose ear falls over everything.
struct Deaf(Box<dyn Channel>);

impl Channel for Deaf {
    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }
    fn address(&self, raw: &str) -> Option<Address> {
        self.0.address(raw)
    }
    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        self.0.shape(message, errand)
    }
    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        self.0.send(envelope)
    }
    fn admit(&self, raw: &RawWebhook) -> Admission {
        self.0.admit(raw)
    }
    fn hear(&self, _: &RawWebhook) -> Heard {
        panic!("over what it heard")
    }
}

fn settings(relay: &Relay) -> Live {
    boot::read(Some(&relay.file), &BTreeMap::new()).unwrap_or_else(|p| panic!("{} mistakes", p.len())).live
}

/// The relay's code falls over every order of the shop `woo` and every callback of LINE.
fn break_down(relay: &Relay) {
    let mut live = settings(relay);
    let woo = ShopId::from("woo");
    let shop = live.shops.remove(&woo).unwrap();
    let broken = Shop { rules: shop.rules.clone(), platform: &FALLS, access: shop.access.clone() };
    live.shops.insert(woo, Arc::new(broken));
    let id = ChannelId::from("line-main");
    let account = Arc::try_unwrap(live.channels.remove(&id).unwrap()).unwrap_or_else(|_| panic!("it is shared"));
    let deaf = Account::new(id.clone(), account.kind, Box::new(Deaf(account.channel)));
    live.channels.insert(id, Arc::new(deaf));
    relay.app.reload(live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_brings_the_relay_down_is_kept_and_taken_by_the_next_version() {
    let world = World::new().await;
    let relay = world.relay().await;
    break_down(&relay);
    let body = woo_order(971, "processing", 5).to_string();
    said(&relay.post(&woo("order.created", body.as_bytes())).await, "spooled");
    let heard = relay.post(&line_text("STOP")).await;
    assert_eq!((heard.status, heard.body.as_str()), (200, r#"{"ok":true}"#));
    spooled(&relay, 2).await;
    relay.app.reload(settings(&relay));
    spooled(&relay, 0).await;
    assert!(relay.order("woo", 971).await.unwrap().0.paid());
    let who = [(ChannelId::from("line-main"), Address::new("line", LINE_USER))];
    assert!(relay.app.store.facts(&who).await.unwrap()[0].opted_out.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_spool_a_failure_of_ours_is_said_to_be_one() {
    let relay = Relay::start(&Plan::on(shared()), Role::Web).await;
    break_down(&relay);
    let body = woo_order(972, "processing", 5).to_string();
    let answer = relay.post(&woo("order.created", body.as_bytes())).await;
    assert_eq!((answer.status, answer.body.as_str()), (500, r#"{"error":"failed"}"#));
    assert_eq!(relay.post(&line_text("STOP")).await.status, 500);
}

async fn press(relay: &Relay) -> Answer {
    let who = Address::new("line", LINE_USER);
    let path = relay.old_link(&who, orderwire::domain::clock::plus_secs(relay.app.clock.now(), 60));
    let press = Request::new("POST", path).header("content-type", "application/x-www-form-urlencoded");
    press.body("List-Unsubscribe=One-Click").send(relay.web).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_switches_messages_off_is_not_sent_away() {
    let mut world = World::new().await;
    let relay = world.relay().await;
    world.redis.kill();
    let answer = press(&relay).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("Noted") && !answer.body.contains("<form"), "{}", answer.body);
    spooled(&relay, 1).await;
    world.holds_none_of(&[LINE_USER]);
    world.redis.start_again();
    spooled(&relay, 0).await;
    super::world::post(&relay, 973, "taken").await;
    let item = relay.comes_to("woo", 973, "payment_received", "skipped").await;
    assert_eq!(item["reason"], "opted_out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_switches_messages_off_is_asked_to_try_again_where_there_is_no_spool() {
    let mut world = World::new().await;
    world.plan.spool = String::new();
    let relay = world.relay().await;
    world.redis.kill();
    let answer = press(&relay).await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("try again") && answer.body.contains("<form"), "{}", answer.body);
}

/// What LINE says of the account, so many seconds ago.
fn account(what: &str, ago: i64) -> Request {
    let at = SystemClock.now().as_millisecond() - ago * 1000;
    let body = json!({ "destination": "U0", "events": [{ "type": what, "mode": "active", "timestamp": at,
        "webhookEventId": format!("01E{}", crate::support::dir::serial()), "deliveryContext": { "isRedelivery": false } }] });
    line(body.to_string().as_bytes())
}

async fn paused(relay: &Relay) -> bool {
    let channels = relay.ops("GET", "/api/v1/channels", None).await.json();
    channels.as_array().unwrap().iter().any(|c| c["id"] == "line-main" && !c["paused"].is_null())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_word_about_the_account_does_not_undo_a_newer_one() {
    let mut world = World::new().await;
    let relay = world.relay().await;
    assert_eq!(relay.post(&account("botSuspended", 60)).await.status, 200);
    assert!(paused(&relay).await);
    assert_eq!(relay.post(&account("botResumed", 20)).await.status, 200);
    assert!(!paused(&relay).await);
    // The pod that has this on disk was away when the account moved again.
    world.redis.kill();
    assert_eq!(relay.post(&account("botSuspended", 40)).await.status, 200);
    spooled(&relay, 1).await;
    relay.leave().await;
    world.redis.start_again();
    let relay = world.relay().await;
    spooled(&relay, 0).await;
    assert!(!paused(&relay).await, "an older word won");
    let states = relay.app.store.channel_states().await.unwrap();
    assert_eq!(states, Vec::new());
    assert_eq!(relay.post(&account("botSuspended", 10)).await.status, 200);
    until("the newest word holds", || async { paused(&relay).await.then_some(()) }).await;
    assert_eq!(relay.app.store.channel_states().await.unwrap().len(), 1);
}
