//! A run's world: providers that outlive every kill, Redis, the relay, and what is needed to judge at the end.

use super::checker::{Case, Evidence, Post, Report, Told, View, check};
use super::relay::{Manner, Relay};
use super::server::{How, Server};
use super::shops::{Order, PAGE_PEOPLE, page_person};
use super::wire::Wire;
use orderwire::mock::{LineOptions, MessengerOptions, Mock, MockOptions, Say, Taken};
use orderwire::seal::Seal;
use orderwire::store::{Durability, Store, StoreOptions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const KEY: &str = "8f1d0c5b7a3e9264d1c0fb83a5274e6097bd4c1e52a86f03d97b1e4c60a58f22";
const TOKEN: &str = "faults-admin-token-0123456789abcdef0123";
/// A relay left alone has done everything within: two leases, and the longest back-off of these runs.
const REST: Duration = Duration::from_secs(60);
/// Milestones of these orders, whose words say which they are.
const MILESTONES: [&str; 9] = [
    "order_placed",
    "order_confirmed",
    "payment_pending",
    "payment_received",
    "shipped",
    "in_transit",
    "out_for_delivery",
    "delivered",
    "cancelled",
];
static WORLDS: AtomicU32 = AtomicU32::new(0);

/// Which Redis a world has.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Redis {
    /// One of the run's own.
    #[default]
    Own,
    /// The relay's private one.
    Private,
    /// One of the run's own, at the end of a wire that can lose answers.
    Wired,
    /// At [`Plan::url`].
    Elsewhere,
}

/// What a run sets.
pub struct Plan {
    pub redis: Redis,
    /// Of a server elsewhere.
    pub url: String,
    /// How the run's own server is started.
    pub server: How,
    /// Lines of `[store]`, besides.
    pub store: &'static str,
    /// The staff are told of orders from this total on. Slack takes one message a second, and a long run has more
    /// orders than that.
    pub dear: &'static str,
    /// Address of Messenger's API, where it is not the understudy's own.
    pub messenger: Option<String>,
    /// How relays are started.
    pub manner: Manner,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            redis: Redis::Own,
            url: String::new(),
            server: How::default(),
            store: "",
            dear: "100",
            messenger: None,
            manner: Manner::default(),
        }
    }
}

/// What shops see of the world.
pub struct Street {
    /// Where the relay's public door is just now.
    pub door: Mutex<Option<SocketAddr>>,
    pub http: reqwest::Client,
    pub orders: Mutex<Vec<Arc<Order>>>,
    pub posts: Mutex<Vec<Post>>,
}

impl Street {
    /// Nobody has bought anything yet.
    pub fn empty() -> Street {
        // No connection outlives its request: a pool would hide what a shop sees of a killed relay.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(6));
        Street {
            door: Mutex::new(None),
            http: http.build().unwrap(),
            orders: Mutex::default(),
            posts: Mutex::default(),
        }
    }
}

pub struct World {
    pub dir: PathBuf,
    pub mock: Mock,
    /// `None`: the relay's private one, or elsewhere.
    pub redis: Option<Server>,
    pub wire: Option<Wire>,
    pub street: Arc<Street>,
    /// How relays are started.
    pub manner: Manner,
    url: Option<String>,
    /// It is known that Redis loses what it acknowledged.
    relaxed: bool,
    kept: Vec<Box<dyn Send>>,
    config: PathBuf,
    admin: Option<SocketAddr>,
    starts: u32,
}

/// A folder of the run's own, not yet there.
pub fn folder(name: &str) -> PathBuf {
    let n = WORLDS.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("ow-{name}-{}-{n}", std::process::id()));
    std::fs::remove_dir_all(&dir).ok();
    dir
}

impl World {
    /// Providers and Redis are there, the relay is not yet.
    pub async fn make(name: &str, redis: Redis) -> World {
        World::lay(&folder(name), Plan { redis, ..Plan::default() }).await
    }

    /// A world whose staff are told of orders from this total on.
    pub async fn with_staff(name: &str, redis: Redis, dear: &'static str) -> World {
        World::lay(&folder(name), Plan { redis, dear, ..Plan::default() }).await
    }

    /// A world by this plan, in this folder.
    pub async fn lay(dir: &Path, plan: Plan) -> World {
        orderwire::channel::install_tls();
        let dir = dir.to_path_buf();
        write_words(&dir);
        let mock = Mock::start(providers()).await.unwrap();
        let own = matches!(plan.redis, Redis::Own | Redis::Wired);
        let redis = own.then(|| Server::with(&dir.join("redis"), plan.server.clone()));
        let wire = (plan.redis == Redis::Wired).then(|| Wire::lay(&dir.join("redis/r.sock")));
        let elsewhere = (plan.redis == Redis::Elsewhere).then(|| plan.url.clone());
        let url = redis.as_ref().map(Server::url).or(elsewhere);
        let shown = wire.as_ref().map(Wire::url).or_else(|| url.clone()).map(|url| format!("url = \"{url}\""));
        let text = include_str!("settings.toml")
            .replace("{dir}", &dir.display().to_string())
            .replace("{key}", KEY)
            .replace("{url}", &format!("{}\n{}", shown.unwrap_or_default(), plan.store))
            .replace("{dear}", plan.dear)
            .replace("{messenger}", plan.messenger.as_ref().unwrap_or(&mock.http_url()))
            .replace("{http}", &mock.http_url())
            .replace("{slack}", &mock.slack_webhook_url())
            .replace("{smtp}", &mock.smtp_addr().port().to_string());
        let config = dir.join("orderwire.toml");
        std::fs::write(&config, text).unwrap();
        let (street, manner) = (Arc::new(Street::empty()), plan.manner);
        let relaxed = plan.store.contains("relaxed");
        World { dir, mock, redis, wire, street, manner, url, relaxed, kept: Vec::new(), config, admin: None, starts: 0 }
    }

    /// Starts a relay without waiting for it; `crash`: where it is to die by itself.
    pub fn spawn(&mut self, role: &str, crash: Option<&str>) -> Relay {
        self.starts += 1;
        let crash = crash.map(String::from).or_else(|| self.manner.crash.clone());
        let manner = Manner { crash, ..self.manner.clone() };
        Relay::spawn(&self.config, role, &manner, self.dir.join(format!("relay-{}.log", self.starts)))
    }

    /// Changes the settings of relays to come: the first `was` behind `behind` becomes `is`.
    pub fn change(&self, behind: &str, was: &str, is: &str) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        let at = text.find(behind).expect("the settings have that part");
        let (head, tail) = text.split_at(at);
        assert!(tail.contains(was), "nothing to change");
        std::fs::write(&self.config, format!("{head}{}", tail.replacen(was, is, 1))).unwrap();
    }

    /// Keeps something as long as the world.
    pub fn keep(&mut self, thing: impl Send + 'static) {
        self.kept.push(Box::new(thing));
    }

    /// The run's own Redis.
    pub fn server(&mut self) -> &mut Server {
        self.redis.as_mut().expect("this world has a Redis of its own")
    }

    /// Waits until a relay is up, and tells shops and providers where its doors are.
    pub async fn open(&mut self, relay: &mut Relay) -> Result<(), String> {
        relay.up(&self.street.http).await?;
        self.admin = relay.admin;
        if let Some(public) = relay.public {
            *self.street.door.lock().unwrap() = Some(public);
            self.mock.set_relay(Some(format!("http://{public}")));
        }
        Ok(())
    }

    /// The relay is dead: nobody goes to its old address, where another program may be listening by now.
    pub fn close(&self) {
        *self.street.door.lock().unwrap() = None;
        self.mock.set_relay(None);
    }

    /// A relay that is up.
    pub async fn start(&mut self, role: &str) -> Relay {
        let mut relay = self.spawn(role, None);
        self.open(&mut relay).await.unwrap();
        relay
    }

    /// Everybody on Messenger writes to the page, so that free words are allowed for a day.
    pub async fn open_windows(&self) {
        for n in 0..PAGE_PEOPLE {
            let heard = self.mock.say("messenger", &page_person(n * 4), &Say::Text("hello".into())).await;
            assert_eq!(heard, Ok(200));
        }
    }

    /// What the admin door answers; `None`: it answers nothing of use.
    pub async fn ask(&self, method: reqwest::Method, path: &str) -> Option<Value> {
        let url = format!("http://{}{path}", self.admin?);
        let request = self.street.http.request(method, url).bearer_auth(TOKEN);
        request.send().await.ok()?.error_for_status().ok()?.json().await.ok()
    }

    /// What the admin door answers to this document; `None`: it answers nothing of use.
    pub async fn tell(&self, path: &str, document: &Value) -> Option<Value> {
        let url = format!("http://{}{path}", self.admin?);
        let request = self.street.http.post(url).bearer_auth(TOKEN).json(document);
        request.send().await.ok()?.error_for_status().ok()?.json().await.ok()
    }

    /// `GET /readyz?verbose`.
    pub async fn ready(&self) -> Value {
        let admin = self.admin.expect("the relay is up");
        let asked = self.street.http.get(format!("http://{admin}/readyz?verbose")).send().await;
        asked.unwrap().json().await.unwrap()
    }

    /// A measure's value, 0 where it is not shown.
    pub async fn measure(&self, name: &str) -> f64 {
        let admin = self.admin.expect("the relay is up");
        let asked = self.street.http.get(format!("http://{admin}/metrics")).send().await;
        let text = asked.unwrap().text().await.unwrap();
        text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
    }

    /// Lets a channel go on at once.
    pub async fn resume(&self, channel: &str) {
        let path = format!("/api/v1/channels/{channel}/resume");
        assert!(self.ask(reqwest::Method::POST, &path).await.is_some(), "{channel} was not resumed");
    }

    /// Waits until nothing is left to do; what keeps on waiting is the checker's to find.
    pub async fn rest(&self) {
        let started = Instant::now();
        let mut calm = 0;
        while calm < 2 {
            let queue = self.ask(reqwest::Method::GET, "/api/v1/queue").await.unwrap_or_default();
            if started.elapsed() > REST {
                eprintln!("no rest after {REST:?}: {queue}");
                return;
            }
            let parked = queue["parked"].as_array().is_some_and(Vec::is_empty);
            let idle = parked && ["ready", "wait", "leased", "spooled"].iter().all(|k| queue[k] == 0);
            calm = if idle { calm + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Comes to rest, gathers all there is to know, judges it, and prints one line. Fails the test on any
    /// fault, and then leaves the files where they are.
    pub async fn judge(self, what: &str, relay: &mut Relay) -> Report {
        let (report, evidence) = self.report(what).await;
        self.sentence(what, report, &evidence, relay).await
    }

    /// The second half of [`World::judge`], for tests that look at the evidence themselves before.
    pub async fn sentence(self, what: &str, report: Report, evidence: &Evidence, relay: &mut Relay) -> Report {
        relay.end().await;
        if !report.faults.is_empty() {
            self.write_down(evidence, &report);
            let shown: Vec<&str> = report.faults.iter().take(40).map(String::as_str).collect();
            panic!("{what}: {report}\n{}\nfiles: {}", shown.join("\n"), self.dir.display());
        }
        std::fs::remove_dir_all(&self.dir).ok();
        report
    }

    /// All there is to know, into a file beside the run's own.
    pub fn write_down(&self, evidence: &Evidence, report: &Report) {
        std::fs::write(self.dir.join("evidence.txt"), told_in_full(evidence, report)).unwrap();
    }

    /// The same without a sentence: what was found, and what it was found in.
    pub async fn report(&self, what: &str) -> (Report, Evidence) {
        let started = Instant::now();
        self.rest().await;
        let rested = started.elapsed();
        let evidence = self.gather().await;
        let report = check(&evidence);
        eprintln!("{what}: {report}; at rest after {:.1} s", rested.as_secs_f64());
        (report, evidence)
    }

    async fn gather(&self) -> Evidence {
        let plans = self.street.orders.lock().unwrap().clone();
        let mut evidence = Evidence { posts: self.street.posts.lock().unwrap().clone(), ..Evidence::default() };
        let mut told = BTreeMap::new();
        for taken in self.mock.sent().iter().filter(|t| !(t.duplicate && t.channel == "line")) {
            match read_mark(taken) {
                Some((name, message)) => told.entry(name).or_insert_with(Vec::new).push(message),
                None => evidence.stray.push(format!("{} took {:?}", taken.channel, taken.title)),
            }
        }
        let refused = self.mock.refused();
        evidence.stray.extend(refused.iter().map(|r| format!("{} refused: {} {}", r.channel, r.status, r.why)));
        for plan in plans {
            let path = format!("/api/v1/orders/{}/{}", plan.shop, plan.id);
            let view = self.ask(reqwest::Method::GET, &path).await.and_then(|v| serde_json::from_value::<View>(v).ok());
            let told = told.remove(&plan.name).unwrap_or_default();
            evidence.orders.push(Case { plan, view, told });
        }
        evidence.stray.extend(told.into_keys().map(|name| format!("messages about an unknown order {name}")));
        evidence.audit = self.audit().await;
        evidence
    }

    async fn audit(&self) -> Vec<String> {
        let seal = Arc::new(Seal::new(&[Seal::key_from_text(KEY).unwrap()]).unwrap());
        let durability = if self.relaxed { Durability::Relaxed } else { Durability::Local };
        let options =
            StoreOptions { url: self.url.clone(), durability, dir: self.dir.join("store"), ..StoreOptions::default() };
        match Store::attach(&options, seal).await {
            Ok(store) => store.audit().await.map_or_else(|e| vec![e.to_string()], |audit| audit.bad),
            Err(error) => vec![error.to_string()],
        }
    }
}

fn write_words(dir: &Path) {
    std::fs::create_dir_all(dir.join("words/en")).unwrap();
    for milestone in MILESTONES {
        let text = "title = \"MARK {{ order.name }} {{ milestone }}{% for j in joined %} {{ j }}{% endfor %} END\"\nbody = \"As it says.\"\n";
        let staff = if milestone == "order_placed" { format!("[staff]\n{text}") } else { String::new() };
        std::fs::write(dir.join(format!("words/en/{milestone}.toml")), format!("{text}{staff}")).unwrap();
    }
}

/// The faults, and everything known of each order, for whoever looks into a fault.
fn told_in_full(evidence: &Evidence, report: &Report) -> String {
    let mut out = format!("{}\n", report.faults.join("\n"));
    for (place, case) in evidence.orders.iter().enumerate() {
        out += &format!("== {} {} {}\n", case.plan.shop, case.plan.name, case.plan.id);
        let posts = evidence.posts.iter().filter(|p| p.order == place);
        out.extend(posts.map(|p| format!("post {} {:?} {:?}\n", p.step, p.took, p.answer)));
        let view = case.view.iter();
        out.extend(view.clone().flat_map(|v| &v.items).map(|i| format!("{i:?}\n")));
        out.extend(view.flat_map(|v| &v.ledger).map(|e| format!("{e}\n")));
        out.extend(case.told.iter().map(|t| format!("{t:?}\n")));
    }
    out
}

/// Order and milestones of a message, by the words of these runs.
fn read_mark(taken: &Taken) -> Option<(String, Told)> {
    let words = [&taken.title, &taken.text].into_iter().find_map(|text| {
        let (_, rest) = text.split_once("MARK ")?;
        Some(rest.split_once(" END")?.0.to_string())
    })?;
    let mut words = words.split_whitespace().map(String::from);
    let name = words.next()?;
    Some((name, Told { n: taken.n, lane: taken.channel, milestones: words.collect() }))
}

fn providers() -> MockOptions {
    MockOptions {
        line: LineOptions {
            token: "line-faults-token".into(),
            channel_secret: "line-faults-secret-0123456789abcd".into(),
            ..Default::default()
        },
        messenger: MessengerOptions {
            page_id: "104050607080901".into(),
            access_token: "page-faults-token".into(),
            app_secret: "app-faults-secret-0123456789abcdef".into(),
            verify_token: "verify-faults-token".into(),
            ..Default::default()
        },
        ..MockOptions::default()
    }
}
