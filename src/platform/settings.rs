//! `[[shop]]`: a shop's settings, and what the pure parts and its platform get of them.

use super::api::WriteBack;
use super::{ALL, Api, Kind, Shop, find};
use crate::domain::outgoing;
use crate::domain::people::{Hours, People};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::shop::{ChannelUse, QuietHours, ShopRules, Track};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Longest settle time, seconds: messages of progress go stale within a day.
const SETTLE_MOST: i64 = 3600;
/// Shortest time between two polls, seconds.
const POLL_LEAST: i64 = 30;
/// Secrets that may live at once.
const SECRETS: usize = 4;

/// A shop.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShopSettings {
    /// The name in the webhook's address.
    pub id: String,
    /// `shopify` or `woocommerce`.
    pub platform: String,
    /// Secrets that webhooks may be signed with; several may live at once while one is rotated.
    pub secrets: Vec<Secret>,
    /// Domain of the shop at its platform (`demo.myshopify.com`, `shop.example.com`): webhooks that name
    /// another are refused.
    #[serde(default)]
    pub domain: Option<String>,
    /// The shop's name in words to customers; left out: no name is said.
    #[serde(default)]
    pub name: Option<String>,
    /// Country for phone numbers of orders that name none (`TW`).
    #[serde(default)]
    pub country: Option<String>,
    /// Time zone (`Asia/Taipei`): dates in words, quiet hours.
    #[serde(default = "utc")]
    pub timezone: String,
    /// Language of last resort: `en`, `zh-TW`, `zh-CN`, `vi`. The customer's own comes first.
    #[serde(default = "english")]
    pub locale: String,
    /// Time to pay, where the order itself carries no deadline.
    #[serde(default)]
    pub payment_deadline: Option<Span>,
    /// How long before the payment deadline the reminder goes.
    #[serde(default)]
    pub payment_reminder: Option<Span>,
    /// Paid and not shipped, or shipped and not moved, for so long is told as delayed.
    #[serde(default)]
    pub late_after: Option<Span>,
    /// How long a parcel waits for pickup, where the shop tells no date.
    #[serde(default)]
    pub pickup_days: Option<Span>,
    /// How long before the end of pickup the reminder goes.
    #[serde(default)]
    pub pickup_reminder: Option<Span>,
    /// Test orders reach only these addresses.
    #[serde(default)]
    pub test_recipients: Vec<String>,
    /// Time in which what happens together is gathered into one message.
    #[serde(default)]
    pub settle: Option<Span>,
    /// The same for a shipment without a tracking number, which often follows within a minute.
    #[serde(default)]
    pub settle_untracked: Option<Span>,
    /// An order first heard of later than this after it was made tells nothing of its past.
    #[serde(default)]
    pub import_guard: Option<Span>,
    /// What happened longer ago than this is not told.
    #[serde(default)]
    pub max_event_age: Option<Span>,
    /// The shop's API: for webhooks that name no order.
    #[serde(default)]
    pub api: Option<ApiSettings>,
    /// Custom statuses and what they mean here (`"ry-at-cvs" = "ready_for_pickup"`).
    #[serde(default)]
    pub statuses: BTreeMap<String, String>,
    /// Where orders carry messenger addresses: scheme → names of order attributes or meta keys.
    #[serde(default)]
    pub identify: BTreeMap<String, Vec<String>>,
    /// Schemes of `identify` that the shop itself fills, where no buyer can write: such a person is told everything at
    /// once. Anybody else's messenger hears what happened, and no names or links of the buyer's own, until it is linked.
    #[serde(default)]
    pub identify_trusted: Vec<String>,
    /// Channels that this shop uses otherwise than routes say: `active`, `no_new_optins` (only who is linked or said
    /// yes), `paused` (nothing goes), `draining` (orders begun there are told to their end).
    #[serde(default)]
    pub channels: BTreeMap<String, ChannelUse>,
    /// Hours in which messages of progress wait.
    #[serde(default)]
    pub quiet: Option<QuietSettings>,
    /// The form by which customers find an order of theirs (`/t/<id>`).
    #[serde(default)]
    pub track: Option<TrackSettings>,
    /// Who reads what customers write and the relay does not answer itself.
    #[serde(default)]
    pub people: Option<PeopleSettings>,
}

/// Who reads what customers write.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeopleSettings {
    /// Channel account that leads to them (`staff-slack`).
    pub to: String,
    /// Where that account writes to customers as well: the mailbox or group of your people.
    #[serde(default)]
    pub address: Option<String>,
    /// When they answer, in the shop's time zone: `["Mon-Fri 09:00-18:00", "Sat 10:00-14:00"]`; left out: whenever.
    #[serde(default)]
    pub hours: Vec<String>,
    /// Whoever writes outside the hours is told so, once until they begin.
    #[serde(default = "yes")]
    pub away: bool,
    /// After a person answered, the relay answers nothing there by itself for so many minutes.
    #[serde(default = "quiet_minutes")]
    pub quiet_minutes: u16,
}

/// The track-your-order form.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackSettings {
    /// It is there. Orders that come in from then on are found by their number.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Sites that may show it in a frame (`https://shop.example.com`); left out: none.
    #[serde(default)]
    pub embed_origins: Vec<String>,
}

/// A shop's API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiSettings {
    /// Base address (`https://shop.example.com`).
    pub url: String,
    /// WooCommerce: the consumer key.
    #[serde(default)]
    pub key: Option<Secret>,
    /// WooCommerce: the consumer secret; Shopify: the Admin API access token.
    pub secret: Secret,
    /// The shop lies on a private network of your own: addresses that are not public, and any port, are allowed.
    #[serde(default)]
    pub private: bool,
    /// Tells the shop's people what became of an order's messages: `note` (WooCommerce), `tag` or `metafield` (Shopify);
    /// left out: `off`.
    #[serde(default)]
    pub write_back: WriteBack,
    /// Asks so often what changed, and tells what a lost webhook would have told (`10m`); left out: never.
    #[serde(default)]
    pub poll: Option<Span>,
    /// A change is left to its webhook for so long before it counts as lost; left out: `5m`.
    #[serde(default)]
    pub grace: Option<Span>,
}

/// Quiet hours.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietSettings {
    /// From and to, in the customer's zone where it is known: `22:00-08:00`.
    pub hours: String,
    /// Milestones that wait too although they need the customer or are a record.
    #[serde(default)]
    pub also: Vec<String>,
    /// Departures after the end are spread over.
    #[serde(default)]
    pub spread: Option<Span>,
}

fn utc() -> String {
    "UTC".into()
}

/// Minutes for which the relay keeps still after a person answered.
fn quiet_minutes() -> u16 {
    30
}

fn yes() -> bool {
    true
}

fn english() -> String {
    "en".into()
}

/// A shop ready for use.
pub struct Opened {
    /// Its rules.
    pub rules: ShopRules,
    /// Its platform.
    pub kind: &'static Kind,
    /// What its platform needs.
    pub shop: Shop,
}

impl ShopSettings {
    /// Settings → a shop, or every mistake in them. `milestones` and `locales` are the known names.
    ///
    /// # Errors
    /// All mistakes, each with its key and remedy.
    pub fn open(self, milestones: &[&str], locales: &[&str]) -> Result<Opened, Vec<Mistake>> {
        let mut mistakes = self.mistakes(milestones, locales);
        let timezone = TimeZone::get(&self.timezone).unwrap_or_else(|_| {
            mistakes.push(Mistake::new("timezone", "is no time zone of the IANA list; write one like Asia/Taipei"));
            TimeZone::UTC
        });
        let quiet = self.quiet.as_ref().and_then(|q| match hours(&q.hours) {
            Some((from_minute, to_minute)) => {
                let spread = q.spread.map_or(1800, |s| u32::try_from(s.0).unwrap_or(1800));
                Some(QuietHours { from_minute, to_minute, also: q.also.clone(), spread })
            }
            None => {
                mistakes.push(Mistake::new("quiet.hours", "write two times of day: 22:00-08:00"));
                None
            }
        });
        let kind = find(&self.platform);
        let (Some(kind), true) = (kind, mistakes.is_empty()) else { return Err(mistakes) };
        let rules = self.rules(timezone, quiet);
        let shop = Shop {
            id: rules.id.clone(),
            secrets: self.secrets,
            domain: self.domain.map(|d| d.to_ascii_lowercase()),
            statuses: self.statuses.into_iter().map(|(k, v)| (k.to_lowercase(), v)).collect(),
            identify: self.identify,
            api: self.api.map(ApiSettings::open),
            payment_deadline: rules.payment_deadline,
        };
        Ok(Opened { rules, kind, shop })
    }

    fn rules(&self, timezone: TimeZone, quiet: Option<QuietHours>) -> ShopRules {
        let plain = ShopRules::plain(self.id.as_str());
        let or = |span: Option<Span>, default: i64| span.map_or(default, |s| s.0);
        ShopRules {
            timezone,
            country: self.country.as_ref().map(|c| c.to_ascii_uppercase()),
            locale: self.locale.clone(),
            name: self.name.clone(),
            payment_deadline: self.payment_deadline.map(|s| s.0),
            payment_reminder: or(self.payment_reminder, plain.payment_reminder),
            late_after: self.late_after.map(|s| s.0),
            pickup_days: self.pickup_days.map(|s| s.0),
            pickup_reminder: or(self.pickup_reminder, plain.pickup_reminder),
            test_recipients: self.test_recipients.clone(),
            vouched: self.identify_trusted.clone(),
            channels: self.channels.iter().map(|(id, how)| (id.as_str().into(), *how)).collect(),
            quiet,
            settle: or(self.settle, plain.settle),
            settle_untracked: or(self.settle_untracked, plain.settle_untracked),
            import_guard: or(self.import_guard, plain.import_guard),
            max_event_age: or(self.max_event_age, plain.max_event_age),
            track: self.track.as_ref().filter(|t| t.enabled).map(|t| Track { embed_origins: t.embed_origins.clone() }),
            people: self.people.as_ref().map(PeopleSettings::read),
            ..plain
        }
    }

    /// Schemes that are trusted, and not read.
    fn untrusted(&self) -> impl Iterator<Item = Mistake> {
        let unread = self.identify_trusted.iter().enumerate().filter(|(_, s)| !self.identify.contains_key(*s));
        unread.map(|(i, scheme)| {
            let message = format!("{scheme:?} is no scheme that [shop.identify] names");
            Mistake::new(format!("identify_trusted[{i}]"), message)
        })
    }

    fn mistakes(&self, milestones: &[&str], locales: &[&str]) -> Vec<Mistake> {
        let mut found = Vec::new();
        found.extend(self.untrusted());
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(plain) {
            found.push(Mistake::new("id", "write 1 to 64 letters, digits, - or _: it stands in the webhook's address"));
        }
        if find(&self.platform).is_none() {
            let known: Vec<&str> = ALL.iter().map(|k| k.name).collect();
            found.push(Mistake::new("platform", format!("unknown platform{}", proposal(&self.platform, &known))));
        }
        if self.secrets.is_empty() || self.secrets.len() > SECRETS {
            found.push(Mistake::new(
                "secrets",
                format!("give 1 to {SECRETS} secrets: without one nothing can be verified"),
            ));
        }
        for (i, secret) in self.secrets.iter().enumerate() {
            if secret.expose().is_empty() {
                found.push(Mistake::new(format!("secrets[{i}]"), "is empty: an empty secret would verify anything"));
            }
        }
        if !locales.contains(&self.locale.as_str()) {
            found.push(Mistake::new("locale", format!("there are no words in it{}", proposal(&self.locale, locales))));
        }
        if self.country.as_ref().is_some_and(|c| c.len() != 2 || !c.chars().all(|c| c.is_ascii_alphabetic())) {
            found.push(Mistake::new("country", "write the two letters of ISO 3166, like TW"));
        }
        for (status, meaning) in &self.statuses {
            if !milestones.contains(&meaning.as_str()) {
                let key = format!("statuses.{status}");
                found.push(Mistake::new(key, format!("{meaning:?} is no milestone{}", proposal(meaning, milestones))));
            }
        }
        for name in self.quiet.iter().flat_map(|q| &q.also) {
            if !milestones.contains(&name.as_str()) {
                found.push(Mistake::new(
                    "quiet.also",
                    format!("{name:?} is no milestone{}", proposal(name, milestones)),
                ));
            }
        }
        found.extend(self.track.iter().flat_map(TrackSettings::mistakes));
        found.extend(self.people.iter().flat_map(PeopleSettings::mistakes));
        for (key, span) in [("settle", self.settle), ("settle_untracked", self.settle_untracked)] {
            if span.is_some_and(|s| s.0 > SETTLE_MOST) {
                found.push(Mistake::new(
                    key,
                    "is longer than an hour: what happened would be old news; write 20s, or 90s",
                ));
            }
        }
        found.extend(self.api.iter().flat_map(|api| api.mistakes(find(&self.platform))));
        found
    }
}

impl ApiSettings {
    fn open(self) -> Api {
        let url = self.url.trim_end_matches('/').to_string();
        let plain = Api::new(url, self.key, self.secret);
        let grace = self.grace.map_or(plain.grace, |s| s.0);
        let poll = self.poll.map(|s| s.0);
        Api { private: self.private, write_back: self.write_back, poll, grace, ..plain }
    }

    fn mistakes(&self, kind: Option<&Kind>) -> Vec<Mistake> {
        let fault = match url::Url::parse(&self.url) {
            Ok(url) => outgoing::fault(&url, self.private),
            Err(_) => Some("is not an address; write https://host"),
        };
        let mut found: Vec<Mistake> = fault.map(|why| Mistake::new("api.url", why)).into_iter().collect();
        if let Some(kind) = kind.filter(|k| self.write_back != WriteBack::Off && !k.writes.contains(&self.write_back)) {
            let ways: Vec<&str> = kind.writes.iter().map(|w| w.as_str()).collect();
            let what = format!("{} shops are written to by {}", kind.name, ways.join(" or "));
            found.push(Mistake::new("api.write_back", what));
        }
        if self.poll.is_some_and(|s| s.0 < POLL_LEAST) {
            found.push(Mistake::new(
                "api.poll",
                format!("is shorter than {POLL_LEAST}s: shops limit how often they are asked; write 10m"),
            ));
        }
        found
    }
}

impl TrackSettings {
    fn mistakes(&self) -> Vec<Mistake> {
        let wrong = self.embed_origins.iter().enumerate().filter(|(_, origin)| !is_origin(origin));
        let message = "write a site alone, without a path: https://shop.example.com";
        wrong.map(|(i, _)| Mistake::new(format!("track.embed_origins[{i}]"), message)).collect()
    }
}

impl PeopleSettings {
    fn mistakes(&self) -> Option<Mistake> {
        let wrong = Hours::parse(&self.hours).err()?;
        Some(Mistake::new(format!("people.hours[{wrong}]"), "write days and times: Mon-Fri 09:00-18:00"))
    }

    fn read(&self) -> People {
        People {
            to: self.to.as_str().into(),
            address: self.address.clone(),
            hours: Hours::parse(&self.hours).ok().filter(|_| !self.hours.is_empty()),
            away: self.away,
            quiet_secs: i64::from(self.quiet_minutes) * 60,
        }
    }
}

/// An `https` site, as a browser writes it.
fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.origin().ascii_serialization() == text)
}

/// `22:00-08:00` → minutes of the day.
fn hours(text: &str) -> Option<(u16, u16)> {
    let minute = |t: &str| {
        let (h, m) = t.trim().split_once(':')?;
        let (h, m): (u16, u16) = (h.parse().ok()?, m.parse().ok()?);
        (h < 24 && m < 60).then_some(h * 60 + m)
    };
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    (from != to).then_some((from, to))
}

/// The name most likely meant.
fn proposal(given: &str, known: &[&str]) -> String {
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(|| format!("; known: {}", known.join(", ")), |(_, name)| format!("; did you mean `{name}`?"))
}
