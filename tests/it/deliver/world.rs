//! A relay of its own for each test: settings, private Redis, doors, worker, the mock beside it, one clock for all.

use super::shops::Webhook;
use orderwire::boot::{self, run::Role, run::Running, run::start_with};
use orderwire::domain::clock::{Clock, SystemClock, Timestamp, from_millis};
use orderwire::flow::explain::{self, ItemView, OrderView};
use orderwire::flow::sweep;
use orderwire::mock::{
    InstagramOptions, LineOptions, MessengerOptions, Mock, MockOptions, Say, ShopOptions, Taken, TelegramOptions,
    TwilioOptions, ViberOptions, WhatsAppOptions, ZaloOptions,
};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Everything has come to rest within.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is due within this is waited for; later things wait for [`World::pass`]. Pace is measured by the machine's
/// own clock, so its slots are waited for: where a budget is used up, the next is granted with the next second, and
/// the second message to a person goes a second after the first.
const SOON_MS: i64 = 1_200;
/// Between two looks at the queue.
const LOOK: Duration = Duration::from_millis(8);

/// The system's clock and what was added to it.
#[derive(Clone, Default)]
pub struct Shifted(Arc<AtomicI64>);

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        from_millis(SystemClock.now().as_millisecond() + self.0.load(Ordering::SeqCst))
    }
}

/// Schemes of addresses in carts that the test shops fill themselves.
const TRUSTED: &str = r#""line", "messenger", "telegram", "viber", "zalo", "wechat", "instagram""#;

/// One route that tells customers of both shops these milestones by this chain of channels.
macro_rules! customers {
    ($milestones:tt => $channels:tt $(, also $also:tt)?) => {
        concat!(
            "[[route]]\nid = \"customers\"\naudience = \"customer\"\nmilestones = ",
            stringify!($milestones),
            "\nchannels = ",
            stringify!($channels),
            $("\nalso = ", stringify!($also),)?
            "\n",
        )
    };
}
pub(crate) use customers;

/// What a test sets beside the plain settings.
#[derive(Default)]
pub struct Setup {
    /// Further keys of both shops.
    pub shop: &'static str,
    /// Further keys of `tea` and of `wood`; `$HTTP` stands for the mock's address.
    pub tea: &'static str,
    pub wood: &'static str,
    /// What the shops' own APIs are told, beside the shops' secrets.
    pub shops: ShopOptions,
    /// `[[route]]` tables, and `[[channel]]` tables besides; `$HTTP` stands for the mock's address.
    pub routes: &'static str,
    /// Files of words: path below the words folder, and text.
    pub words: &'static [(&'static str, &'static str)],
    /// Further keys of channels, by their id.
    pub channels: &'static [(&'static str, &'static str)],
    /// Nobody vouches for addresses that the cart carries.
    pub carts_untrusted: bool,
    /// Messages a month that LINE allows.
    pub quota: Option<u64>,
    /// Templates that Meta approved: name and language.
    pub templates: &'static [(&'static str, &'static str)],
    /// The same of the WhatsApp account, with the number of parameters.
    pub whatsapp: &'static [(&'static str, &'static str, usize)],
    /// News is gathered for 20 s (90 s without a tracking number), as by default; else it is told at once.
    pub slow: bool,
    /// No worker runs.
    pub idle: bool,
    /// Moment at which the test begins; left out: now. Whatever lies within a year of now.
    pub at: Option<&'static str>,
}

/// The world.
pub struct World {
    /// The providers.
    pub mock: Mock,
    /// The relay.
    pub relay: Running,
    clock: Shifted,
    dir: PathBuf,
    http: reqwest::Client,
    shown: usize,
}

impl World {
    /// With these routes, and plain settings besides.
    pub async fn chain(routes: &'static str) -> World {
        World::start(Setup { routes, ..Setup::default() }).await
    }

    /// Starts it.
    pub async fn start(setup: Setup) -> World {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let clock = Shifted::default();
        if let Some(at) = setup.at {
            let at: Timestamp = at.parse().expect("a time");
            clock.0.store(at.as_millisecond() - SystemClock.now().as_millisecond(), Ordering::SeqCst);
        }
        let mock = Mock::start(providers(&setup, &clock)).await.expect("the mock starts");
        let name = format!("ow-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(dir.join("words")).expect("a folder");
        for (path, text) in setup.words {
            let path = dir.join("words").join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        let file = dir.join("orderwire.toml");
        std::fs::write(&file, settings(&setup, &mock, &dir.display().to_string())).expect("a file");
        let settings = boot::read(Some(&file), &BTreeMap::new()).unwrap_or_else(|problems| {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", all.join("\n"))
        });
        let role = if setup.idle { Role::Web } else { Role::All };
        let relay = start_with(settings, role, None, Arc::new(clock.clone())).await.expect("the relay starts");
        let public = relay.public.expect("a public door");
        mock.set_relay(Some(format!("http://{public}")));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let world = World { mock, relay, clock, dir, http, shown: 0 };
        world.shift_redis();
        world
    }

    /// The relay's own folder.
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Posts a webhook as the shop would; gives the relay's word for what it did. A relay that has no answer of
    /// Redis in time (a busy machine) says so, and is asked again, as shops do.
    pub async fn post(&self, webhook: &Webhook) -> String {
        for _ in 0..5 {
            let (status, answer) = self.post_once(webhook).await;
            if status != 503 {
                assert_eq!(status, 200, "{answer}");
                return answer.get("result").and_then(|r| r.as_str()).unwrap_or("ok").to_string();
            }
        }
        panic!("the relay took nothing in five tries")
    }

    async fn post_once(&self, webhook: &Webhook) -> (u16, serde_json::Value) {
        let public = self.relay.public.expect("a public door");
        let mut request = self.http.post(format!("http://{public}{}", webhook.path)).body(webhook.body.clone());
        for (name, value) in &webhook.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    /// Posts, and waits until nothing is due.
    pub async fn told(&mut self, webhook: &Webhook) -> Vec<Taken> {
        self.post(webhook).await;
        self.rest().await;
        self.news()
    }

    /// Waits until nothing is due any more.
    pub async fn rest(&self) {
        let started = Instant::now();
        // Figures of the partitions are not of one moment: an order on its way from one place to the next may be
        // in none of them.
        let mut calm = 0;
        loop {
            let stats = self.relay.app.store.stats().await.expect("figures");
            let soon = self.now().as_millisecond() + SOON_MS;
            let due = stats.oldest_due.is_some_and(|at| at.as_millisecond() < soon);
            calm = if stats.ready == 0 && stats.leased == 0 && !due { calm + 1 } else { 0 };
            if calm == 2 {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "the queue did not come to rest: {stats:?}");
            if calm == 0 {
                self.relay.app.nudge.notify_one();
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Time passes; what became due meanwhile is seen off.
    pub async fn pass(&self, secs: i64) {
        self.rest().await;
        self.leap(secs).await;
        self.rest().await;
    }

    /// Time passes, whatever is under way.
    pub async fn leap(&self, secs: i64) {
        self.clock.0.fetch_add(secs * 1000, Ordering::SeqCst);
        self.shift_redis();
        self.tick().await;
    }

    /// A file of words is written, and the relay reads them anew.
    pub fn reword(&self, path: &str, text: &str) {
        let file = self.dir.join("words").join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        std::fs::write(file, text).expect("a file");
        self.change("", "");
    }

    /// The settings are changed: `was` becomes `is`, and the relay reads them anew.
    pub fn change(&self, was: &str, is: &str) {
        let file = self.dir.join("orderwire.toml");
        let text = std::fs::read_to_string(&file).expect("the settings");
        assert!(text.contains(was), "nothing to change");
        std::fs::write(&file, text.replace(was, is)).expect("a file");
        let settings = boot::read(Some(&file), &BTreeMap::new()).unwrap_or_else(|problems| {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", all.join("\n"))
        });
        self.relay.app.reload(settings.live);
    }

    /// Time passes, told in messages.
    pub async fn later(&mut self, secs: i64) -> Vec<Taken> {
        self.pass(secs).await;
        self.news()
    }

    /// Moves what is due without waiting for the sweep's turn.
    pub async fn tick(&self) {
        sweep::once(&self.relay.app).await;
        self.relay.app.nudge.notify_one();
    }

    /// The server's clock follows ours: scripts read it.
    fn shift_redis(&self) {
        let offset = self.clock.0.load(Ordering::SeqCst).to_string();
        const TAGS: [&str; 16] = [
            "029", "139", "2162", "319", "469", "579", "60", "759", "858", "948", "a21", "b68", "c13", "d128", "e61",
            "f28",
        ];
        for tag in TAGS {
            self.redis(&["HSET", &format!("owtest:{{{tag}}}:ctl"), "clock_offset_ms", &offset]);
        }
    }

    /// One command to the relay's Redis, as an operator with `redis-cli` would give it.
    pub fn redis(&self, words: &[&str]) {
        let socket = self.dir.join("store/redis/redis.sock");
        let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("Redis' socket");
        let mut command = format!("*{}\r\n", words.len());
        words.iter().for_each(|w| command.push_str(&format!("${}\r\n{w}\r\n", w.len())));
        stream.write_all(command.as_bytes()).expect("written");
        let mut answer = [0; 1];
        stream.read_exact(&mut answer).expect("an answer");
        assert_ne!(answer, *b"-", "Redis refused {words:?}");
    }

    /// Messages that providers took since this was last asked, without repeats that the provider recognised.
    pub fn news(&mut self) -> Vec<Taken> {
        let sent = self.mock.sent();
        let news = sent.iter().skip(self.shown).filter(|t| !t.duplicate).cloned().collect();
        self.shown = sent.len();
        news
    }

    /// A person does something; the relay took it.
    pub async fn say(&self, channel: &str, person: &str, what: Say) {
        let status = self.mock.say(channel, person, &what).await.expect("the relay answers");
        assert_eq!(status, 200, "{channel} {what:?}");
        self.rest().await;
    }

    /// An order as the operator sees it.
    pub async fn view(&self, shop: &str, id: u64) -> OrderView {
        explain::order(&self.relay.app, shop, &id.to_string()).await.expect("an order")
    }

    /// The items of one milestone.
    pub async fn items(&self, shop: &str, id: u64, milestone: &str) -> Vec<ItemView> {
        let view = self.view(shop, id).await;
        view.items.into_iter().filter(|i| i.milestone == milestone).collect()
    }

    /// The one item of this milestone: state, reason, channel.
    pub async fn stands(&self, shop: &str, id: u64, milestone: &str) -> (String, String, String) {
        let items = self.items(shop, id, milestone).await;
        assert_eq!(items.len(), 1, "{milestone}: {items:#?}");
        let item = items.into_iter().next().expect("one");
        (item.state, item.reason.unwrap_or_default(), item.channel.unwrap_or_default())
    }

    /// The one item of this milestone comes to stand there, by a callback that is under way.
    pub async fn comes_to(&self, shop: &str, id: u64, milestone: &str, state: &str) {
        let started = Instant::now();
        loop {
            self.rest().await;
            let now = self.stands(shop, id, milestone).await;
            if now.0 == state {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{milestone} stands at {now:?}, not at {state}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The order's ledger, a line each.
    pub async fn ledger(&self, shop: &str, id: u64) -> String {
        let view = self.view(shop, id).await;
        let lines = view.ledger.iter().map(|e| serde_json::to_string(e).expect("JSON"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Ends all of it.
    pub async fn end(self) {
        self.relay.leave().await;
        self.mock.stop();
        std::fs::remove_dir_all(&self.dir).expect("the folder goes");
    }
}

/// Channel and form of messages, in the order taken.
pub fn forms(news: &[Taken]) -> Vec<(&'static str, &'static str)> {
    news.iter().map(|t| (t.channel, t.form)).collect()
}

/// Messages as people read them, for the words of a failure.
pub fn shown(news: &[Taken]) -> String {
    let lines = news.iter().map(|t| format!("── {} ({}) → {}\n{}\n{}", t.channel, t.form, t.to, t.title, t.text));
    lines.collect::<Vec<_>>().join("\n")
}

/// Channels alone, sorted: of sends that go side by side.
pub fn channels(news: &[Taken]) -> Vec<&'static str> {
    let mut all: Vec<_> = news.iter().map(|t| t.channel).collect();
    all.sort_unstable();
    all
}

fn providers(setup: &Setup, clock: &Shifted) -> MockOptions {
    MockOptions {
        line: LineOptions { id: "line-main".into(), quota: setup.quota, ..LineOptions::default() },
        messenger: MessengerOptions {
            id: "messenger-page".into(),
            human_agent: setup.channels.iter().any(|(_, keys)| keys.contains("human_agent")),
            templates: setup.templates.iter().map(|(n, l)| ((*n).to_string(), (*l).to_string())).collect(),
            ..MessengerOptions::default()
        },
        instagram: InstagramOptions { id: "instagram".into(), ..InstagramOptions::default() },
        telegram: TelegramOptions { id: "telegram".into(), ..TelegramOptions::default() },
        viber: ViberOptions { id: "viber".into(), ..ViberOptions::default() },
        zalo: ZaloOptions {
            templates: vec![("231540".into(), vec!["don_hang".into(), "van_don".into()])],
            ..ZaloOptions::default()
        },
        twilio: TwilioOptions {
            whatsapp_id: "whatsapp-twilio".into(),
            contents: vec!["HX00000000000000000000000000000001".into()],
            ..TwilioOptions::default()
        },
        whatsapp: WhatsAppOptions {
            id: "whatsapp".into(),
            templates: setup.whatsapp.iter().map(|(n, l, c)| ((*n).into(), (*l).into(), *c)).collect(),
            ..WhatsAppOptions::default()
        },
        shop: ShopOptions {
            client_secret: "shopify-test-secret-0123456789abcdef".into(),
            domain: "wood.myshopify.com".into(),
            ..setup.shops.clone()
        },
        clock: Arc::new(clock.clone()),
        ..MockOptions::default()
    }
}

fn settings(setup: &Setup, mock: &Mock, dir: &str) -> String {
    let own = |id: &str| {
        let found = setup.channels.iter().filter(|(channel, _)| *channel == id).map(|(_, keys)| *keys);
        found.collect::<Vec<_>>().join("\n")
    };
    format!(
        include_str!("settings.toml"),
        dir = dir,
        shop = setup.shop,
        tea = setup.tea.replace("$HTTP", &mock.http_url()),
        wood = setup.wood.replace("$HTTP", &mock.http_url()),
        trusted = if setup.carts_untrusted { "" } else { TRUSTED },
        settle = if setup.slow { "20s" } else { "0s" },
        untracked = if setup.slow { "90s" } else { "0s" },
        routes = setup.routes.replace("$HTTP", &mock.http_url()),
        http = mock.http_url(),
        slack = mock.slack_webhook_url(),
        teams = mock.teams_url(),
        discord = mock.discord_url(),
        google_chat = mock.google_chat_url(),
        webhook = mock.webhook_url(),
        smtp = mock.smtp_addr().port(),
        line = own("line-main"),
        messenger = own("messenger-page"),
        whatsapp = own("whatsapp"),
        mail = own("mail"),
        desk = own("desk"),
    )
}
