//! **boot** — floor 4: settings → live parts → running tasks; shutdown.
//!
//! Knows: which part has which table, and the order of starting and stopping.
//! Must not know: how any part works inside.
//! May use: domain, seal, platform, milestone, plan, words, channel, store, spool, config, telemetry, flow, http, pages
//! How to add one: a part brings its settings struct; it gets a field in [`Parts`] and a line in [`read`].

pub mod example;
pub mod harden;
mod lasting;
pub mod online;
mod people;
pub mod rehearse;
pub mod run;
pub mod setup;
mod start;

use crate::channel;
use crate::config::{Document, Problem};
use crate::domain::clock::Clock;
use crate::domain::ids::{ChannelId, RouteId, ShopId};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::flow::account::Account;
use crate::flow::live::{Keyed, Live, Shop};
use crate::flow::pressure::Pressure;
use crate::flow::ring::Ring;
use crate::flow::{App, Asking};
use crate::http;
use crate::http::settings::{AdminSettings, ServerSettings};
use crate::milestone;
use crate::plan::{Known, Route, RouteSettings, check_tags};
use crate::platform::settings::ShopSettings;
use crate::seal::Seal;
use crate::spool::Options as SpoolOptions;
use crate::spool::settings::SpoolSettings;
use crate::store::Durability;
use crate::store::settings::StoreSettings;
use crate::store::work::LONGEST_LEASE_MS;
use crate::telemetry::{LogSettings, Metrics, Names};
use crate::words::{Condition, Words};
use run::Role;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The languages there are words in.
pub const LOCALES: &[&str] = &["en", "zh-TW", "zh-CN", "vi"];

/// `[worker]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerSettings {
    /// How long an order is reserved to the worker that took it. At least three times the slowest channel's
    /// time-out and five seconds.
    pub lease: Span,
    /// Messages that one person gets on one channel account within 24 hours, of all shops and orders together; what is
    /// formal or needs the customer goes up to twice as many. More wait until one of them is a day old. 0: no limit.
    pub person_a_day: u32,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self { lease: Span(120), person_a_day: 30 }
    }
}

/// `[words]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WordsSettings {
    /// Folder whose files replace built-in words, by locale and milestone
    /// (`<dir>/zh-TW/shipped.toml`).
    pub dir: Option<PathBuf>,
}

/// All settings, checked.
pub struct Settings {
    /// What holds until the next start.
    pub parts: Parts,
    /// What a reload replaces.
    pub live: Live,
}

/// What holds until the next start.
pub struct Parts {
    /// Public door.
    pub server: ServerSettings,
    /// Admin door.
    pub admin: AdminSettings,
    /// Redis.
    pub store: StoreSettings,
    /// Where requests wait while Redis is away; `None`: nowhere.
    pub spool: Option<SpoolOptions>,
    /// Worker.
    pub worker: WorkerSettings,
    /// Logs.
    pub log: LogSettings,
    /// Files whose change calls for a reload.
    pub files: Vec<PathBuf>,
    /// Things worth a person's look that do not keep it from starting.
    pub warnings: Vec<String>,
}

/// Reads and checks everything; nothing is started.
///
/// # Errors
/// Every mistake at once, each with its place and remedy.
pub fn read(path: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Settings, Vec<Problem>> {
    let mut document = Document::load(path, env)?;
    let mut problems = Vec::new();
    let mut files = document.files().to_vec();
    let found = &mut problems;
    let log = document.part::<LogSettings>("log", found);
    let server = document.part::<ServerSettings>("server", found);
    let admin = document.part::<AdminSettings>("admin", found);
    let store = document.part::<StoreSettings>("store", found);
    let spool = document.part::<SpoolSettings>("spool", found);
    let worker = document.part::<WorkerSettings>("worker", found);
    let words = document.part::<WordsSettings>("words", found);
    if let Some(log) = &log {
        document.mistakes("log", None, log.mistakes(), found);
    }
    if let Some(store) = &store {
        let mut mistakes = store.mistakes();
        // A private Redis gets a key of its own at its first start.
        mistakes.retain(|m| m.key != "encryption_keys" || store.url.is_some() || !store.encryption_keys.is_empty());
        document.mistakes("store", None, mistakes, found);
    }
    if let Some(spool) = &spool {
        document.mistakes("spool", None, spool.mistakes(), found);
    }
    if let Some(admin) = &admin {
        document.mistakes("admin", None, http::auth::mistakes(admin), found);
    }
    if let Some(server) = &server {
        document.mistakes("server", None, server.mistakes(), found);
    }
    if let (Some(server), Some(admin)) = (&server, &admin)
        && server.listen == admin.listen
        && admin.listen.port() != 0
    {
        let message = "is the public door's address too; give the admin door a port of its own";
        document.mistakes("admin", None, vec![Mistake::new("listen", message)], found);
    }
    let shops = shops(&mut document, found);
    let channels = channels(&mut document, server.as_ref(), &shops, found);
    let (routes, conditions) = routes(&mut document, &channels, found);
    let words_dir = words.as_ref().and_then(|w| w.dir.clone());
    files.extend(words_dir.clone());
    let words = load_words(words_dir.as_deref(), found);
    if let Some(worker) = &worker {
        document.mistakes("worker", None, lease_mistakes(worker, &channels), found);
    }
    let mut warnings = rehearsed(path, words.as_ref(), &shops, &routes, &channels, found);
    let spool = store.as_ref().zip(spool).and_then(|(store, spool)| {
        let beside = store.url.is_none().then_some(store.dir.as_path());
        spool.options(beside)
    });
    if spool.is_none() {
        warnings.extend(without_spool(&shops));
    }
    document.finish(&[], &mut problems);
    match (log, server, admin, store, worker, words) {
        (Some(log), Some(server), Some(admin), Some(store), Some(worker), Some(words)) if problems.is_empty() => {
            let live = Live { shops, routes, conditions, words: Arc::new(words), channels, keyed: None };
            Ok(Settings { parts: Parts { server, admin, store, spool, worker, log, files, warnings }, live })
        }
        _ => Err(problems),
    }
}

/// What accounts would refuse of the words; gives what is only worth a look, there and elsewhere.
fn rehearsed(
    path: Option<&Path>,
    words: Option<&Words>,
    shops: &HashMap<ShopId, Arc<Shop>>,
    routes: &[Route],
    channels: &BTreeMap<ChannelId, Arc<Account>>,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let mut warnings = warnings(shops, routes, channels);
    let Some(words) = words else { return warnings };
    let file = path.map(|p| p.display().to_string()).unwrap_or_default();
    let rehearsed = rehearse::rehearse(&file, words, shops, routes, channels);
    problems.extend(rehearsed.problems);
    warnings.extend(rehearsed.warnings);
    warnings
}

fn shops(document: &mut Document, problems: &mut Vec<Problem>) -> HashMap<ShopId, Arc<Shop>> {
    let milestones: Vec<&str> = milestone::ALL.iter().map(|m| m.id).collect();
    let known = document.ids("channel");
    let mut shops = HashMap::new();
    for entry in document.parts::<ShopSettings>("shop", problems) {
        match entry.value.open(&milestones, LOCALES) {
            Ok(opened) => {
                let strange = opened.rules.channels.keys().filter(|id| !known.iter().any(|k| k == id.as_str()));
                let strange = strange.map(|id| Mistake::new(format!("channels.{id}"), "names no [[channel]]"));
                document.mistakes("shop", entry.index, strange.collect(), problems);
                let shop = Shop { rules: opened.rules, platform: opened.kind, access: opened.shop };
                shops.insert(shop.rules.id.clone(), Arc::new(shop));
            }
            Err(mistakes) => document.mistakes("shop", entry.index, mistakes, problems),
        }
    }
    shops
}

fn channels(
    document: &mut Document,
    server: Option<&ServerSettings>,
    shops: &HashMap<ShopId, Arc<Shop>>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<ChannelId, Arc<Account>> {
    let common = [("kind", "which messenger: line, messenger, sms_twilio, email, slack …")];
    let schema = |common: &BTreeMap<String, String>| {
        let kind = common.get("kind").map_or("", String::as_str);
        channel::find(kind).map(start::schema).ok_or_else(|| {
            let known: Vec<&str> = channel::ALL.iter().map(|k| k.name).collect();
            Mistake::new("kind", format!("{kind:?} is no kind of channel; known: {}", known.join(", ")))
        })
    };
    let mut channels = BTreeMap::new();
    for table in document.tables("channel", &common, schema, problems) {
        let kind = table.common.get("kind").and_then(|k| channel::find(k));
        let (Some(id), Some(kind)) = (table.id, kind) else { continue };
        let id = ChannelId::from(id);
        let public_url = server.and_then(|s| s.public_url.as_deref());
        let callback = public_url.map(|url| format!("{}/callbacks/{id}", url.trim_end_matches('/')));
        let mut value = table.value;
        let start = start::take(&mut value);
        match (kind.open)(id.clone(), value) {
            Ok(mut channel) => {
                let mut mistakes = channel.called_back_at(callback.as_deref());
                let start = start.unwrap_or_else(|mistake| {
                    mistakes.push(mistake);
                    None
                });
                document.mistakes("channel", table.index, mistakes, problems);
                channels.insert(id.clone(), Arc::new(Account::new(id, kind, channel).starting_at(start)));
            }
            Err(mistakes) => document.mistakes("channel", table.index, mistakes, problems),
        }
    }
    people::check(document, shops, &channels, problems);
    channels
}

type Routes = (Vec<Route>, HashMap<crate::domain::ids::Tag, Condition>);

fn routes(
    document: &mut Document,
    channels: &BTreeMap<ChannelId, Arc<Account>>,
    problems: &mut Vec<Problem>,
) -> Routes {
    let milestones: Vec<&str> = milestone::ALL.iter().map(|m| m.id).collect();
    // Entries with mistakes count as known here: who refers to one is not told that it does not exist.
    let shop_ids = document.ids("shop");
    let channel_ids = document.ids("channel");
    let mut routes: Vec<Route> = Vec::new();
    let mut conditions = HashMap::new();
    for entry in document.parts::<RouteSettings>("route", problems) {
        let when = entry.value.when.clone();
        let mut mistakes = Vec::new();
        match when.as_deref().map(Condition::compile).transpose() {
            Ok(condition) => {
                let tag = RouteId::from(entry.value.id.as_str()).tag();
                conditions.extend(condition.map(|c| (tag, c)));
            }
            Err(fault) => mistakes.push(Mistake::new("when", fault)),
        }
        let audience = entry.value.audience;
        let reach = |id: &String| channels.get(&ChannelId::from(id.as_str())).map_or(audience, |a| a.caps.audience);
        let known = Known {
            milestones: milestones.clone(),
            shops: shop_ids.iter().map(String::as_str).collect(),
            channels: channel_ids.iter().map(|id| (id.as_str(), reach(id))).collect(),
        };
        match Route::from_settings(entry.value, &known) {
            Ok(route) => routes.push(route),
            Err(more) => mistakes.extend(more),
        }
        document.mistakes("route", entry.index, mistakes, problems);
    }
    let ids: Vec<ChannelId> = channels.keys().cloned().collect();
    document.mistakes("route", None, check_tags(&routes, &ids, milestone::ALL), problems);
    (routes, conditions)
}

fn load_words(dir: Option<&Path>, problems: &mut Vec<Problem>) -> Option<Words> {
    let milestones: Vec<&str> = milestone::ALL.iter().map(|m| m.id).collect();
    match Words::load(dir, &milestones, &channel::sections()) {
        Ok(words) => Some(words),
        Err(mistakes) => {
            problems.extend(mistakes.into_iter().map(|m| Problem {
                file: m.file,
                line: None,
                key: m.key,
                message: m.message,
            }));
            None
        }
    }
}

/// A lease must outlive the slowest send, or a second worker would take an order that is still being told; and it
/// must not be longer than any that the store believes.
fn lease_mistakes(worker: &WorkerSettings, channels: &BTreeMap<ChannelId, Arc<Account>>) -> Vec<Mistake> {
    let slowest = channels.values().map(|a| i64::from(a.caps.timeout_secs)).max().unwrap_or(10);
    let least = 3 * slowest + 5;
    let most = i64::try_from(LONGEST_LEASE_MS / 1000).unwrap_or(i64::MAX);
    if worker.lease.0 > most {
        return vec![Mistake::new("lease", format!("is longer than a lease may be; write {most}s or less"))];
    }
    if worker.lease.0 >= least {
        return Vec::new();
    }
    let message =
        format!("is shorter than three times the slowest channel's time-out and five seconds; write {least}s or more");
    vec![Mistake::new("lease", message)]
}

/// Shops whose deliveries are lost while Redis is away.
fn without_spool(shops: &HashMap<ShopId, Arc<Shop>>) -> Option<String> {
    let mut lost: Vec<&str> = shops.values().filter(|s| !s.platform.repeats).map(|s| s.rules.id.as_str()).collect();
    lost.sort_unstable();
    (!lost.is_empty()).then(|| {
        format!(
            "no spool is set: while Redis is away, deliveries of {} are lost, because their platform never repeats one; \
             name spool.dir on a disk that outlives the process",
            lost.join(", ")
        )
    })
}

/// Where a route mails what the shop's platform mails itself, and shops that share a secret.
fn warnings(
    shops: &HashMap<ShopId, Arc<Shop>>,
    routes: &[Route],
    channels: &BTreeMap<ChannelId, Arc<Account>>,
) -> Vec<String> {
    let mut out = Vec::new();
    for route in routes.iter().filter(|r| r.audience == crate::domain::channel::Audience::Customer) {
        let mails =
            route.channels.iter().chain(&route.also).any(|c| channels.get(c).is_some_and(|a| a.caps.scheme == "email"));
        for shop in shops.values().filter(|s| mails && route.shops.as_ref().is_none_or(|ids| ids.contains(&s.rules.id)))
        {
            let twice: Vec<&str> = shop.platform.mails_itself.iter().copied().filter(|m| route.tells(m)).collect();
            if !twice.is_empty() {
                out.push(format!(
                    "route {} mails {} of shop {}, which {} mails itself: switch the platform's mails off, or take these out of the route",
                    route.id, twice.join(", "), shop.rules.id, shop.platform.name
                ));
            }
        }
    }
    let mut sorted: Vec<&Arc<Shop>> = shops.values().collect();
    sorted.sort_by(|a, b| a.rules.id.cmp(&b.rules.id));
    for (i, one) in sorted.iter().enumerate() {
        for other in sorted.iter().skip(i + 1) {
            let shared =
                one.access.secrets.iter().any(|a| other.access.secrets.iter().any(|b| a.expose() == b.expose()));
            if shared && (one.access.domain.is_none() || other.access.domain.is_none()) {
                out.push(format!(
                    "shops {} and {} share a secret: set `domain` of both, so that a webhook of one is not taken for the other's",
                    one.rules.id, other.rules.id
                ));
            }
        }
    }
    out
}

/// The relay's own admin token, where none is configured.
pub const TOKEN_FILE: &str = "admin.token";
/// The key for encryption at rest that a private Redis gets, where none is configured.
const KEY_FILE: &str = "encryption.key";

/// Reads a secret that the relay keeps for itself, or makes it: 32 random bytes in hexadecimal, readable by
/// its user alone. Two that start at once get the same: whoever links the file first wins.
///
/// # Errors
/// The folder cannot be written.
pub fn secret_file(path: &Path) -> anyhow::Result<Secret> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Ok(text) = std::fs::read_to_string(path) {
        return Ok(Secret::new(text.trim()));
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no random bytes from the system: {e}"))?;
    let draft = path.with_extension(format!("{:x}", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(hex::encode(bytes).as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    if let Err(error) = linked
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error.into());
    }
    Ok(Secret::new(std::fs::read_to_string(path)?.trim()))
}

/// How a command reaches a relay that runs with these settings.
pub struct Reach {
    /// Address of the admin door.
    pub admin: std::net::SocketAddr,
    /// A token for it, where one can be had.
    pub token: Option<String>,
}

/// Reads only what a command beside a running relay needs.
///
/// # Errors
/// Mistakes in `[admin]` or `[store]`.
pub fn reach(path: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Reach, Vec<Problem>> {
    let mut document = Document::load(path, env)?;
    let mut problems = Vec::new();
    let admin = document.part::<AdminSettings>("admin", &mut problems);
    let store = document.part::<StoreSettings>("store", &mut problems);
    let (Some(admin), Some(store)) = (admin, store) else { return Err(problems) };
    let configured = admin.tokens.first().map(|t| t.token.expose().to_string());
    let own = || std::fs::read_to_string(store.dir.join(TOKEN_FILE)).ok();
    Ok(Reach { admin: admin.listen, token: configured.or_else(own) })
}

/// The key that look-ups hang on, in hexadecimal: what `store.lookup_key` is to name when the oldest key goes.
///
/// # Errors
/// Mistakes in `[store]`, or no key.
pub fn lookup_key(path: Option<&Path>, env: &BTreeMap<String, String>) -> anyhow::Result<zeroize::Zeroizing<String>> {
    let wrong = |p: Vec<Problem>| anyhow::anyhow!(p.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    let mut document = Document::load(path, env).map_err(wrong)?;
    let mut problems = Vec::new();
    let store = document.part::<StoreSettings>("store", &mut problems).ok_or_else(|| wrong(problems))?;
    Ok(zeroize::Zeroizing::new(hex::encode(seal(&store)?.lookup_key().as_slice())))
}

/// The keys for encryption at rest. Without any in the settings, a private Redis gets one of its own, kept
/// beside its data; a Redis elsewhere must be given one.
fn seal(store: &StoreSettings) -> anyhow::Result<Seal> {
    let mut store = store.clone();
    if store.encryption_keys.is_empty() && store.url.is_none() {
        store.encryption_keys = vec![secret_file(&store.dir.join(KEY_FILE))?];
    }
    store.seal().map_err(|m| anyhow::anyhow!("[store] {}", m.first().map_or("", |m| m.message.as_str())))
}

/// Rooms introduced to each other, on an open store.
///
/// # Errors
/// Redis cannot be used, with what to change.
pub async fn app(settings: &Parts, mut live: Live, clock: Arc<dyn Clock>, role: Role) -> anyhow::Result<Arc<App>> {
    let seal = Arc::new(seal(&settings.store)?);
    let (store, spool, results) = lasting::open(settings, &seal, role).await?;
    live.keyed = Some(Keyed { seal, public_url: settings.server.public_url.clone() });
    let metrics = Arc::new(Metrics::new(labels(&live)));
    let asking = |private| {
        let client = channel::outgoing(channel::Guarded::system(private));
        client.timeout(std::time::Duration::from_secs(10)).build()
    };
    let asking = Asking { public: asking(false)?, private: asking(true)? };
    let lease_ms = u64::try_from(settings.worker.lease.0).unwrap_or(60) * 1000;
    let mut app = App::new(clock, store, metrics, live, worker_name(), lease_ms, asking);
    (app.spool, app.results) = (spool, results);
    app.ring = (role != Role::Worker && settings.store.level() == Durability::Replicated).then(Ring::default);
    app.person_a_day = settings.worker.person_a_day;
    app.pressure = Pressure::new(settings.server.max_waiting);
    Ok(Arc::new(app))
}

/// Names that metrics may carry as labels.
fn labels(live: &Live) -> Names {
    let shops: Vec<_> = live.shops.values().map(|s| (s.rules.id.as_str(), s.platform.name)).collect();
    let channels: Vec<_> = live.channels.values().map(|a| (a.id.as_str(), a.kind.name)).collect();
    Names::new(shops, channels, milestone::ALL.iter().map(|m| m.id))
}

/// Different in every process: two workers of one name would answer each other's lease calls.
fn worker_name() -> String {
    format!("w{:08x}{:x}", rand::random::<u32>(), std::process::id())
}
