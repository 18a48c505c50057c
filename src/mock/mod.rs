//! **mock** — floor 5: the providers' understudies.
//!
//! Knows: how each messenger, gateway, chat program, a receiver of webhooks and an SMTP server take a message, refuse one
//! and call back; faults on demand.
//! Must not know: how we shape and judge: an understudy that shares the actor's mistakes would not find them.
//! May use: domain
//! How to add one: a provider over HTTP is a file here with an `Understudy` (whose paths, what it refuses,
//! what it answers), and a line in `ALL`; its settings are a field of [`MockOptions`].
//!
//! It runs on loopback, in users' CI (`orderwire mock`), under `demo` and under our own tests. Requests are
//! read on raw sockets, because a server library can neither hang, trickle nor reset in the middle.

mod book;
mod callback;
mod control;
mod desk;
mod discord;
mod door;
mod fault;
mod google_chat;
mod graph;
mod instagram;
mod line;
mod messenger;
mod mitake;
mod people;
mod reply;
mod request;
mod shelf;
mod shop;
mod slack;
mod smtp;
mod teams;
mod telegram;
mod twilio;
mod viber;
mod webhook;
mod wechat;
mod whatsapp;
mod zalo;

pub use book::{Refused, Taken};
pub use callback::Say;
pub use discord::DiscordOptions;
pub use fault::{Fault, FaultKind, Wrong};
pub use google_chat::GoogleChatOptions;
pub use instagram::InstagramOptions;
pub use line::LineOptions;
pub use messenger::MessengerOptions;
pub use mitake::MitakeOptions;
pub use people::Become;
pub use shelf::Shelved;
pub use shop::{ShopHook, ShopKind, ShopOptions};
pub use slack::SlackOptions;
pub use smtp::SmtpOptions;
pub use teams::TeamsOptions;
pub use telegram::TelegramOptions;
pub use twilio::TwilioOptions;
pub use viber::ViberOptions;
pub use webhook::WebhookOptions;
pub use wechat::WeChatOptions;
pub use whatsapp::{WhatsAppOptions, WhatsAppTemplate};
pub use zalo::{ZaloOptions, ZaloTemplate};

use crate::domain::clock::{Clock, SystemClock, Timestamp};
use book::Book;
use callback::Relay;
use door::Understudy;
use fault::Faults;
use people::People;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Every provider over HTTP.
const ALL: &[&Understudy] = &[
    &line::UNDERSTUDY,
    &line::pnp::UNDERSTUDY,
    &whatsapp::UNDERSTUDY,
    &instagram::UNDERSTUDY,
    &messenger::UNDERSTUDY,
    &telegram::UNDERSTUDY,
    &viber::UNDERSTUDY,
    &zalo::UNDERSTUDY,
    &wechat::UNDERSTUDY,
    &twilio::UNDERSTUDY,
    &mitake::UNDERSTUDY,
    &slack::UNDERSTUDY,
    &teams::UNDERSTUDY,
    &discord::UNDERSTUDY,
    &google_chat::UNDERSTUDY,
    &webhook::UNDERSTUDY,
    &shop::woo::UNDERSTUDY,
    &shop::shopify::UNDERSTUDY,
];
/// Messages kept for people to look at.
const KEEP: usize = 100_000;

/// What the understudies are told at the start. Defaults: loopback, ports of the system's choice, the secrets
/// that `Default` of each part names.
#[derive(Clone)]
pub struct MockOptions {
    /// Where everything over HTTP and the control calls listen.
    pub http: SocketAddr,
    /// Where SMTP listens.
    pub smtp: SocketAddr,
    /// LINE's account.
    pub line: LineOptions,
    /// Messenger's page.
    pub messenger: MessengerOptions,
    /// Instagram's account.
    pub instagram: InstagramOptions,
    /// WhatsApp's business number.
    pub whatsapp: WhatsAppOptions,
    /// Telegram's bot.
    pub telegram: TelegramOptions,
    /// Viber's bot.
    pub viber: ViberOptions,
    /// Zalo's official account.
    pub zalo: ZaloOptions,
    /// WeChat's account.
    pub wechat: WeChatOptions,
    /// Slack's workspace.
    pub slack: SlackOptions,
    /// The workflow of Teams.
    pub teams: TeamsOptions,
    /// Discord's webhook.
    pub discord: DiscordOptions,
    /// Google Chat's space.
    pub google_chat: GoogleChatOptions,
    /// The receiver of outgoing webhooks.
    pub webhook: WebhookOptions,
    /// Twilio's account.
    pub twilio: TwilioOptions,
    /// Mitake's account.
    pub mitake: MitakeOptions,
    /// The shops, by their own APIs.
    pub shop: ShopOptions,
    /// The mail server.
    pub mail: SmtpOptions,
    /// Address of the relay's public door, for callbacks; `None`: nobody is called back.
    pub relay: Option<String>,
    /// Messages kept for looking at, the oldest go first; 0 (benchmarks): they are only counted.
    pub keep: usize,
    /// What time it is for windows, reply tokens and retry keys.
    pub clock: Arc<dyn Clock>,
}

impl Default for MockOptions {
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        MockOptions {
            http: any,
            smtp: any,
            line: LineOptions::default(),
            messenger: MessengerOptions::default(),
            instagram: InstagramOptions::default(),
            whatsapp: WhatsAppOptions::default(),
            telegram: TelegramOptions::default(),
            viber: ViberOptions::default(),
            zalo: ZaloOptions::default(),
            wechat: WeChatOptions::default(),
            slack: SlackOptions::default(),
            teams: TeamsOptions::default(),
            discord: DiscordOptions::default(),
            google_chat: GoogleChatOptions::default(),
            webhook: WebhookOptions::default(),
            twilio: TwilioOptions::default(),
            mitake: MitakeOptions::default(),
            shop: ShopOptions::default(),
            mail: SmtpOptions::default(),
            relay: None,
            keep: KEEP,
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for MockOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MockOptions(http {}, smtp {})", self.http, self.smtp)
    }
}

/// What all understudies share.
struct House {
    options: MockOptions,
    book: Book,
    faults: Faults,
    people: People,
    shelf: shelf::Shelf,
    desk: desk::Desk,
    relay: Relay,
    line: line::Memory,
    google_chat: google_chat::Memory,
    webhook: webhook::Memory,
    wechat: wechat::Memory,
    mitake: mitake::Memory,
    zalo: zalo::Memory,
    shop: shop::Memory,
    mail: smtp::Memory,
}

impl House {
    fn now(&self) -> Timestamp {
        self.options.clock.now()
    }
}

/// The understudies, playing until stopped or dropped.
pub struct Mock {
    house: Arc<House>,
    http: SocketAddr,
    smtp: SocketAddr,
    stop: watch::Sender<bool>,
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mock(http {}, smtp {}, {} taken)", self.http, self.smtp, self.house.book.count())
    }
}

impl Mock {
    /// Starts listening. Inside a tokio runtime.
    ///
    /// # Errors
    /// An address is taken or not ours; the client for callbacks could not be made.
    pub async fn start(options: MockOptions) -> io::Result<Mock> {
        let (http, smtp) = (TcpListener::bind(options.http).await?, TcpListener::bind(options.smtp).await?);
        let relay = Relay::new(options.relay.clone()).map_err(io::Error::other)?;
        let house = Arc::new(House {
            book: Book::new(options.keep),
            faults: Faults::default(),
            people: People::default(),
            shelf: shelf::Shelf::default(),
            desk: desk::Desk::default(),
            relay,
            line: line::Memory::default(),
            google_chat: google_chat::Memory::default(),
            webhook: webhook::Memory::default(),
            wechat: wechat::Memory::default(),
            mitake: mitake::Memory::default(),
            zalo: zalo::Memory::default(),
            shop: shop::Memory::default(),
            mail: smtp::Memory::default(),
            options,
        });
        let now = house.now();
        for psid in &house.options.messenger.open {
            house.people.change("messenger", psid, Become::Open, now);
        }
        let (stop, stopped) = watch::channel(false);
        let mock = Mock { http: http.local_addr()?, smtp: smtp.local_addr()?, house: house.clone(), stop };
        tokio::spawn(door::listen(http, house.clone(), stopped.clone(), door::serve));
        tokio::spawn(door::listen(smtp, house, stopped, smtp::serve));
        Ok(mock)
    }

    /// `http://ADDRESS`: the `api_url` of messengers and of Twilio, and of control calls.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// `api_url` of a Mitake account.
    pub fn mitake_api_url(&self) -> String {
        format!("http://{}/b2c/mtk", self.http)
    }

    /// `api_url` of a Slack bot.
    pub fn slack_api_url(&self) -> String {
        format!("http://{}/api", self.http)
    }

    /// Address of Slack's incoming webhook.
    pub fn slack_webhook_url(&self) -> String {
        format!("http://{}{}", self.http, self.house.options.slack.webhook_path)
    }

    /// Address of the workflow of Teams.
    pub fn teams_url(&self) -> String {
        format!("http://{}{}", self.http, self.house.options.teams.path)
    }

    /// Address of Discord's webhook.
    pub fn discord_url(&self) -> String {
        format!("http://{}{}", self.http, self.house.options.discord.path)
    }

    /// Address of Google Chat's webhook.
    pub fn google_chat_url(&self) -> String {
        format!("http://{}{}", self.http, self.house.options.google_chat.path)
    }

    /// Address of the receiver of outgoing webhooks.
    pub fn webhook_url(&self) -> String {
        format!("http://{}{}", self.http, self.house.options.webhook.path)
    }

    /// Where SMTP listens.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp
    }

    /// The relay's public address, once it is known.
    pub fn set_relay(&self, base: Option<String>) {
        self.house.relay.set(base);
    }

    /// What was taken since the last clearing, in order.
    pub fn sent(&self) -> Vec<Taken> {
        self.house.book.sent()
    }

    /// How many were taken since the last clearing, repeats included.
    pub fn count(&self) -> u64 {
        self.house.book.count()
    }

    /// What was refused by the providers' own rules since the last clearing.
    pub fn refused(&self) -> Vec<Refused> {
        self.house.book.refused()
    }

    /// Forgets what was taken and refused. The providers' own memory stays: retry keys, tokens, people.
    pub fn clear(&self) {
        self.house.book.clear();
    }

    /// A fault to come. Several of one channel strike one after the other.
    pub fn fault(&self, fault: Fault) {
        self.house.faults.add(fault);
    }

    /// No more faults.
    pub fn clear_faults(&self) {
        self.house.faults.clear();
    }

    /// Faults that are still to come.
    pub fn faults(&self) -> Vec<Fault> {
        self.house.faults.list()
    }

    /// Waits until `n` messages were taken since the last clearing; false when the time is over first.
    pub async fn wait_for(&self, n: u64, timeout: Duration) -> bool {
        self.house.book.wait_for(n, timeout).await
    }

    /// Changes what the provider thinks of a person, without a callback. `channel`: the name
    /// of a messenger.
    pub fn person(&self, channel: &str, id: &str, what: Become) {
        if let Some(channel) = control::with_people(channel) {
            self.house.people.change(channel, id, what, self.house.now());
        }
    }

    /// A template is from now on not as it was approved. `channel`: the provider's name in lists.
    pub fn shelve(&self, channel: &str, template: &str, what: Shelved) {
        self.house.shelf.put(channel, template, what);
    }

    /// What relays set up at the providers, by provider and thing (`telegram:webhook`).
    pub fn installed(&self) -> BTreeMap<String, Value> {
        self.house.desk.all("")
    }

    /// Somebody sets a thing up otherwise, at the provider's own console; `None`: takes it away.
    pub fn install(&self, thing: &str, value: Option<Value>) {
        match value {
            Some(value) => self.house.desk.put(thing, value),
            None => drop(self.house.desk.remove(thing)),
        }
    }

    /// A person does something: the mock sends the signed callback to the relay and opens what it opens.
    /// Gives the relay's status.
    ///
    /// # Errors
    /// No relay is known, the channel has no callbacks, or the relay did not answer.
    pub async fn say(&self, channel: &str, person: &str, what: &Say) -> Result<u16, String> {
        callback::say(&self.house, channel, person, what).await
    }

    /// Messenger's handshake: asks the relay with the verify token and compares the challenge.
    ///
    /// # Errors
    /// No relay is known, it did not answer, or it answered something else.
    pub async fn verify_messenger(&self) -> Result<(), String> {
        callback::verify(&self.house).await
    }

    /// Tokens that LINE gave out by its token call are worth nothing any more.
    pub fn expire_line_tokens(&self) {
        self.house.line.expire_tokens();
    }

    /// Somebody saves an order at a shop: it is there for its API, and its webhooks go to the relay. Gives what the relay
    /// answered each; none where they were lost.
    pub async fn save_order(&self, shop: ShopKind, order: serde_json::Value) -> Vec<Result<u16, String>> {
        shop::save(&self.house, shop, order).await
    }

    /// An order as the shop has it.
    pub fn order(&self, shop: ShopKind, id: u64) -> Option<serde_json::Value> {
        let inner = self.house.shop.open();
        let orders = if shop == ShopKind::WooCommerce { &inner.woo } else { &inner.shopify };
        orders.get(&id).cloned()
    }

    /// From now on the webhooks of so many saves of ten are lost, the same ones in every run.
    pub fn lose_webhooks(&self, of_ten: u64) {
        shop::lose(&self.house, of_ten);
    }

    /// Notes of a WooCommerce order, private ones included.
    pub fn notes(&self, order: u64) -> Vec<serde_json::Value> {
        self.house.shop.open().notes.get(&order).cloned().unwrap_or_default()
    }

    /// The metafield that the relay writes to a Shopify order.
    pub fn metafield(&self, order: u64) -> Option<String> {
        self.house.shop.open().metafields.get(&order).cloned()
    }

    /// Webhooks or subscriptions at a shop, by their numbers.
    pub fn shop_hooks(&self, shop: ShopKind) -> Vec<ShopHook> {
        let inner = self.house.shop.open();
        let hooks = if shop == ShopKind::WooCommerce { &inner.hooks } else { &inner.subscriptions };
        hooks.values().cloned().collect()
    }

    /// Somebody makes a webhook at a shop, or changes the one of this number (0: a new one). Gives its number.
    pub fn put_shop_hook(&self, shop: ShopKind, hook: ShopHook) -> u64 {
        let mut inner = self.house.shop.open();
        let id = if hook.id == 0 { inner.number() } else { hook.id };
        let hooks = if shop == ShopKind::WooCommerce { &mut inner.hooks } else { &mut inner.subscriptions };
        hooks.insert(id, ShopHook { id, ..hook });
        id
    }

    /// Closes the doors and every connection.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.stop();
    }
}
