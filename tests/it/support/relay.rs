//! A relay in this process, on ports of its own, under its own prefix of the shared Redis.

use super::dir::{Dir, serial};
use super::orders::{
    APP_SECRET, LINE_SECRET, LINE_TOKEN, PAGE_ID, PAGE_TOKEN, SHOPIFY_SECRET, VERIFY_TOKEN, WOO_B_SECRET, WOO_SECRET,
};
use super::redis::Redis;
use super::wire::{Answer, Request};
use orderwire::boot;
use orderwire::boot::run::{Role, Running};
use orderwire::domain::clock::{Clock, SystemClock, Timestamp, from_millis};
use orderwire::domain::ids::{ChannelId, ShopId};
use orderwire::domain::order::Order;
use orderwire::domain::person::Address;
use orderwire::flow::App;
use orderwire::flow::kept::read_order;
use orderwire::flow::live::Holder;
use orderwire::store::keys::Unit;
use orderwire::store::order::Record;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub const OPS: &str = "canary-ops-token-0123456789abcdef0123";
pub const READER: &str = "canary-reader-token-0123456789abcdef0";

/// A key for encryption at rest.
pub const KEY: &str = "ada360a54d91fbf764ea51f178001e047f4c0a47270fab9229f2651c47c5aa7a";

/// The system's clock, ahead by so many milliseconds.
#[derive(Default)]
pub struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        from_millis(SystemClock.now().as_millisecond() + self.0.load(Ordering::SeqCst))
    }
}

/// What a test changes of the usual settings.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `[store]` without a prefix.
    pub store: String,
    /// Lines of `[spool]`.
    pub spool: String,
    /// Prefix of every key.
    pub prefix: String,
    /// Address of LINE's and Meta's understudy.
    pub provider: String,
    /// Lines of the shop `shopi`, after its own.
    pub shopify: String,
    /// Lines of `[server]` and `[admin]`.
    pub server: String,
    pub admin: String,
    /// Log filter.
    pub log: String,
    /// Routes.
    pub routes: String,
}

impl Plan {
    /// The usual, on this Redis; nobody answers for the providers.
    pub fn on(redis: &Redis) -> Plan {
        Plan::at(&redis.url())
    }

    /// The usual, on the Redis at this address.
    pub fn at(url: &str) -> Plan {
        Plan {
            store: format!("url = \"{url}\"\nencryption_keys = [{{ value = \"{KEY}\" }}]"),
            spool: String::new(),
            prefix: format!("owtest{}x{}", std::process::id(), serial()),
            provider: "http://127.0.0.1:9".into(),
            shopify: String::new(),
            server: String::new(),
            admin: format!(
                "tokens = [{{ name = \"ops\", scopes = [\"read\", \"operate\"], token = {{ value = \"{OPS}\" }} }}, \
                 {{ name = \"reader\", scopes = [\"read\"], token = {{ value = \"{READER}\" }} }}]"
            ),
            log: "info".into(),
            routes: "[[route]]\nid = \"customers\"\nmilestones = [\"*\"]\naudience = \"customer\"\nchannels = [\"line-main\"]".into(),
        }
    }

    /// With its own private Redis under `dir`.
    pub fn alone(dir: &Dir) -> Plan {
        Plan { store: format!("dir = \"{}\"", dir.join("store").display()), ..Plan::on(super::redis::shared()) }
    }

    pub fn provider(mut self, url: &str) -> Plan {
        self.provider = url.into();
        self
    }

    /// With a spool in this folder, on a disk however full.
    pub fn spool(mut self, dir: &std::path::Path) -> Plan {
        self.spool = format!("dir = \"{}\"\nmin_free_percent = 0", dir.display());
        self
    }

    /// The settings file.
    pub fn text(&self) -> String {
        let Plan { store, spool, prefix, server, admin, log, routes, .. } = self;
        let (shops, channels) = (shops(&self.shopify), channels(&self.provider));
        format!(
            r#"[server]
listen = "127.0.0.1:0"
public_url = "https://notify.example.com"
workers = 2
grace_secs = 5
{server}
[admin]
listen = "127.0.0.1:0"
{admin}
[log]
format = "json"
filter = "{log}"
[store]
prefix = "{prefix}"
{store}
[spool]
{spool}
[worker]
person_a_day = 0

{shops}
{channels}
{routes}
"#
        )
    }
}

fn shops(shopify: &str) -> String {
    format!(
        r#"[[shop]]
id = "woo"
platform = "woocommerce"
domain = "shop.example.com"
secrets = [{{ value = "{WOO_SECRET}" }}]
country = "TW"
timezone = "Asia/Taipei"
settle = "0s"
settle_untracked = "0s"
[shop.identify]
line = ["line_user_id"]

[[shop]]
id = "woo-b"
platform = "woocommerce"
domain = "other.example.com"
secrets = [{{ value = "{WOO_B_SECRET}" }}, {{ value = "shared-secret-0123456789abcdef" }}]

[[shop]]
id = "shopi"
platform = "shopify"
domain = "demo.myshopify.com"
secrets = [{{ value = "{SHOPIFY_SECRET}" }}]
settle = "0s"
settle_untracked = "0s"
[shop.identify]
line = ["line_user_id"]
{shopify}

[[shop]]
id = "shopi-b"
platform = "shopify"
domain = "other.myshopify.com"
secrets = [{{ value = "{SHOPIFY_SECRET}" }}]
"#
    )
}

fn channels(provider: &str) -> String {
    format!(
        r#"[[channel]]
id = "line-main"
kind = "line"
access_token = {{ value = "{LINE_TOKEN}" }}
channel_secret = {{ value = "{LINE_SECRET}" }}
api_url = "{provider}"

[[channel]]
id = "messenger-page"
kind = "messenger"
page_id = "{PAGE_ID}"
access_token = {{ value = "{PAGE_TOKEN}" }}
app_secret = {{ value = "{APP_SECRET}" }}
verify_token = {{ value = "{VERIFY_TOKEN}" }}
api_url = "{provider}"
"#
    )
}

/// A running relay.
pub struct Relay {
    pub app: Arc<App>,
    pub web: SocketAddr,
    pub admin: SocketAddr,
    pub prefix: String,
    pub file: PathBuf,
    clock: Arc<Ahead>,
    running: Running,
    dir: Dir,
}

impl Relay {
    /// Starts one.
    pub async fn start(plan: &Plan, role: Role) -> Relay {
        Relay::start_text(&plan.text(), &plan.prefix, role).await
    }

    /// Starts one with these very settings, whose keys have this prefix.
    pub async fn start_text(text: &str, prefix: &str, role: Role) -> Relay {
        let dir = Dir::new();
        let text = text.replace("[store]\n", &format!("[store]\ndir = \"{}\"\n", dir.path().display()));
        let file = dir.write("orderwire.toml", &text);
        let settings = boot::read(Some(&file), &BTreeMap::new());
        let settings =
            settings.unwrap_or_else(|p| panic!("{}", p.iter().map(|p| format!("{p}\n")).collect::<String>()));
        let clock = Arc::new(Ahead::default());
        let running = boot::run::start_with(settings, role, Some(file.clone()), clock.clone()).await.unwrap();
        Relay {
            app: Arc::clone(&running.app),
            web: running.public.unwrap_or(running.admin),
            admin: running.admin,
            prefix: prefix.into(),
            file,
            clock,
            running,
            dir,
        }
    }

    /// Sends a request to the public door.
    pub async fn post(&self, request: &Request) -> Answer {
        request.send(self.web).await
    }

    /// Asks the admin door with the operator's token.
    pub async fn ops(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        let request = Request::new(method, target).header("authorization", format!("Bearer {OPS}"));
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        request.send(self.admin).await
    }

    /// Sets the relay's and the scripts' clocks ahead.
    pub fn ahead(&self, redis: &Redis, millis: i64) {
        self.clock_ahead(millis);
        redis.set_ahead(&self.prefix, millis);
    }

    /// Sets the relay's own clock ahead.
    pub fn clock_ahead(&self, millis: i64) {
        self.clock.0.store(millis, Ordering::SeqCst);
    }

    /// An order as it is kept, with what is kept beside it.
    pub async fn order(&self, shop: &str, id: u64) -> Option<(Order, Record)> {
        let member = self.app.store.member(&Unit::order(&ShopId::from(shop), &id.to_string()));
        let record = self.app.store.read(&member).await.unwrap();
        let order = read_order(record.snapshot.as_deref()?).unwrap();
        Some((order, record))
    }

    /// An order as an operator sees it; `None`: nothing is known of it.
    pub async fn view(&self, shop: &str, id: u64) -> Option<Value> {
        let answer = self.ops("GET", &format!("/api/v1/orders/{shop}/{id}"), None).await;
        (answer.status == 200).then(|| answer.json())
    }

    /// Waits until an item of the order about `milestone` has this state.
    pub async fn comes_to(&self, shop: &str, id: u64, milestone: &str, state: &str) -> Value {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(15);
        loop {
            let view = self.view(shop, id).await.unwrap_or_default();
            let items = view["items"].as_array().cloned().unwrap_or_default();
            if let Some(item) = items.into_iter().find(|i| i["milestone"] == milestone && i["state"] == state) {
                return item;
            }
            let late = std::time::Instant::now() > end;
            assert!(!late, "waited in vain until {milestone} of {shop} {id} is {state}:\n{view:#}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// The path of the page of an order of the shop `woo`, as a message to this person would carry it.
    pub fn page(&self, id: u64, channel: &str, address: &Address) -> String {
        let order = Some((ShopId::from("woo"), id.to_string().into()));
        let holder = Holder { order, channel: channel.into(), address: address.clone() };
        let link = self.app.live().page_link(&holder, self.app.clock.now()).unwrap();
        link.strip_prefix("https://notify.example.com").unwrap().into()
    }

    /// The path of a link as it was mailed before there were pages: it names LINE's account and a person.
    pub fn old_link(&self, address: &Address, until: Timestamp) -> String {
        let who = serde_json::to_vec(&(ChannelId::from("line-main"), address)).unwrap();
        format!("/p/{}", self.app.live().keyed.as_ref().unwrap().seal.token("off", &who, until))
    }

    /// A measure's value, 0 where it is not shown.
    pub async fn metric(&self, line: &str) -> f64 {
        let text = super::wire::get(self.admin, "/metrics").await.body;
        let value = text.lines().find_map(|l| l.strip_prefix(line)?.trim().parse().ok());
        value.unwrap_or(0.0)
    }

    /// Leaves as on SIGTERM; the folder stays as long as its owner.
    pub async fn leave(self) -> Dir {
        self.running.leave().await;
        self.dir
    }
}
