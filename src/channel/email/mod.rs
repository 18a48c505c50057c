//! E-mail over SMTP: through the shop's relay, one recipient a mail.
//!
//! SMTP knows no key against repetition; the Message-ID is fixed by the owed item, so receivers that merge by
//! it can. What the relay took may still bounce later; that comes as mail to the sender or by the relay's own
//! webhook, neither of which is read here.
//!
//! DKIM is the relay's: `lettre` signs by the crate `rsa`, which leaks its key by timing (RUSTSEC-2023-0071,
//! without a fixed version in the advisory database of 2026-08-21). The relay must sign `List-Unsubscribe` and `List-Unsubscribe-Post` too (RFC 8058).
//!
//! Addresses: domains in other scripts are taken in their ASCII form; a local part outside ASCII would need
//! SMTPUTF8 at every station on the way and is refused.
//!
//! Sources: RFC 5321, 5322, 3463, 3834, 8058; Google's and Microsoft's rules for senders (read 2026-11);
//! `lettre` 0.11.23.

mod judge;
mod shape;
mod smtp;

use super::{Channel, Finding, Kind, Question, account, text};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::ids::ChannelId;
use crate::domain::person::Address;
use crate::domain::settings::{Mistake, Secret, Span, is_loopback};
use crate::domain::verdict::Verdict;
use futures_util::future::BoxFuture;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::extension::ClientId;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use smtp::{Relay, Tls};
use std::sync::Mutex;
use std::time::Duration;

/// Address scheme.
const SCHEME: &str = "email";
/// Longest a send may take, where settings say nothing: relays scan while the sender waits.
const TIMEOUT_SECS: u32 = 30;
/// Mails a second, where settings say nothing: what small relays allow.
const PER_SECOND: f64 = 5.0;
/// Most mails a second that may be set.
const PER_SECOND_MAX: f64 = 200.0;
/// Longest address (RFC 5321 with erratum 1690).
const ADDRESS_CAP: usize = 254;

/// `[[channel]] kind = "email"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The relay's name.
    host: String,
    /// Its port; left out: 465 for `implicit`, 587 for `starttls`, 25 for `none`.
    port: Option<u16>,
    /// How the connection is kept from listeners; `none` on this machine only.
    tls: TlsMode,
    /// Name to log in with.
    username: Option<String>,
    /// Password to log in with.
    password: Option<Secret>,
    /// What people see as the sender.
    from: From,
    /// Where answers go; a mailbox that somebody reads.
    reply_to: Option<String>,
    /// Address for unsubscribing by mail, beside the page.
    list_unsubscribe_mailto: Option<String>,
    /// The name we greet with; this machine's if left out.
    hello: Option<String>,
    /// Longest a send may take; `30s` if left out.
    timeout: Option<Span>,
    /// Mails a second; 5 if left out.
    per_second: Option<f64>,
}

/// A sender.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct From {
    /// Name people see.
    name: Option<String>,
    /// Address; its domain must be the one the relay signs for.
    address: String,
}

/// How the connection is kept from listeners.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TlsMode {
    /// From the first byte.
    Implicit,
    /// By STARTTLS, or not at all.
    Starttls,
    /// Plain, on loopback.
    None,
}

/// The kind.
pub(super) static KIND: Kind = Kind {
    name: "email",
    example: r#"# [[channel]]
# id = "email"
# kind = "email"
# host = "smtp.example.com"
# tls = "starttls"                                  # "implicit" (465), "starttls" (587), "none" (this machine only)
# username = "orders@example.com"
# password = { env = "SMTP_PASSWORD" }
# from = { name = "Example Shop", address = "orders@example.com" } # of the domain for which the relay signs (DKIM)
# reply_to = "care@example.com"                     # a mailbox that somebody reads
# # port = 587
# # list_unsubscribe_mailto = "unsubscribe@example.com"
# # hello = "notify.example.com"                    # the name we greet the relay with
# # per_second = 5
# # timeout = "30s"
"#,
    schema: <Settings as JsonSchema>::json_schema,
    capabilities: || capabilities(PER_SECOND, TIMEOUT_SECS),
    open,
    judge: judge::judge,
};

fn open(id: ChannelId, settings: Value) -> Result<Box<dyn Channel>, Vec<Mistake>> {
    let settings: Settings = account::read(settings)?;
    let mut mistakes = Vec::new();
    let timeout = account::keep(account::timeout(settings.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::per_second(settings.per_second, PER_SECOND, PER_SECOND_MAX);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    let tls = account::keep(tls(&settings), &mut mistakes, Tls::None);
    let credentials = account::keep(credentials(&settings), &mut mistakes, None);
    let hello = account::keep(hello(settings.hello.as_deref()), &mut mistakes, ClientId::default());
    let mut address = |key: &str, raw: &str| {
        let found = normal(raw).and_then(|a| a.parse::<lettre::Address>().ok());
        if found.is_none() {
            mistakes.push(Mistake::new(key, "is no e-mail address; write name@example.com"));
        }
        found
    };
    let from = address("from.address", &settings.from.address);
    let reply_to = settings.reply_to.as_deref().map(|raw| address("reply_to", raw));
    let mailto = settings.list_unsubscribe_mailto.as_deref().map(|raw| address("list_unsubscribe_mailto", raw));
    let (Some(from), true) = (from, mistakes.is_empty()) else { return Err(mistakes) };
    let name = settings.from.name.as_deref().map(text::one_line).filter(|n| !n.is_empty());
    let port = settings.port.unwrap_or(match settings.tls {
        TlsMode::Implicit => 465,
        TlsMode::Starttls => 587,
        TlsMode::None => 25,
    });
    Ok(Box::new(Email {
        capabilities: capabilities(pace, timeout),
        sender: shape::Sender {
            from: Mailbox::new(name, from.clone()),
            reply_to: reply_to.flatten().map(|a| Mailbox::new(None, a)),
            unsubscribe_mailto: mailto.flatten().map(|a| a.to_string()),
            account: id.to_string(),
        },
        relay: Relay {
            host: settings.host.trim_matches(['[', ']']).to_string(),
            port,
            tls,
            hello,
            credentials,
            from,
            timeout: Duration::from_secs(timeout.into()),
            resting: Mutex::new(Vec::new()),
        },
        id,
    }))
}

fn tls(settings: &Settings) -> Result<Tls, Mistake> {
    let host = settings.host.trim_matches(['[', ']']);
    let ip = host.parse::<std::net::IpAddr>().ok();
    let named = matches!(url::Host::parse(host), Ok(url::Host::Domain(_))) && !host.ends_with('.');
    if ip.is_none() && !named {
        return Err(Mistake::new("host", "is no host name; write smtp.example.com, without port or scheme"));
    }
    let parameters = || TlsParameters::new(host.to_string()).map_err(|e| Mistake::new("tls", e.to_string()));
    match settings.tls {
        TlsMode::Implicit => parameters().map(Tls::Implicit),
        TlsMode::Starttls => parameters().map(Tls::Start),
        TlsMode::None if is_loopback(host) => Ok(Tls::None),
        TlsMode::None => Err(Mistake::new(
            "tls",
            "\"none\" is for this machine only: orders would travel in the open; write \"starttls\" or \"implicit\"",
        )),
    }
}

fn credentials(settings: &Settings) -> Result<Option<Credentials>, Mistake> {
    match (&settings.username, &settings.password) {
        (None, None) => Ok(None),
        (Some(name), Some(password)) if !name.is_empty() && !password.expose().is_empty() => {
            Ok(Some(Credentials::new(name.clone(), password.expose().to_string())))
        }
        (Some(_), Some(_)) => Err(Mistake::new("password", "name and password must not be empty; leave both out")),
        (None, Some(_)) => Err(Mistake::new("username", "a password needs a name to log in with")),
        (Some(_), None) => Err(Mistake::new("password", "a name to log in with needs a password")),
    }
}

fn hello(set: Option<&str>) -> Result<ClientId, Mistake> {
    match set {
        None => Ok(ClientId::default()),
        // It stands in a command line of its own: nothing but a name may get there.
        Some(name) => match url::Host::parse(name) {
            Ok(url::Host::Domain(domain)) => Ok(ClientId::Domain(domain)),
            _ => Err(Mistake::new("hello", "is no host name; write the public name of this machine")),
        },
    }
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: SCHEME,
        consent: ConsentRule::WithOrder,
        window: WindowRule::None,
        template_outside_window: false,
        grants: false,
        text_limit: shape::TEXT_LIMIT,
        unit: Unit::Chars,
        buttons: 2,
        image: true,
        retry_key_secs: None,
        receipts: "none",
        opt_out: "link in every mail",
        keeps_refusals: false,
        binding: "the order's address",
        unsubscribe_link: true,
        reply_token: false,
        pace: Pace { per_second, burst: 5, concurrent: 4, person_gap_secs: 0.0 },
        timeout_secs,
    }
}

/// A bare address in normal form: local part as written, domain in lower-case ASCII. No display names, no
/// quoted local parts, no numbers for a domain, no domain without a dot.
fn normal(raw: &str) -> Option<String> {
    let (local, domain) = raw.trim_matches(|c: char| c.is_ascii_whitespace()).rsplit_once('@')?;
    let plain = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '"' | '(' | ')' | ',' | ':' | ';' | '<' | '>' | '[' | ']' | '\\')
    };
    if !local.chars().all(plain) || domain.contains(['%', '[', ']']) {
        return None;
    }
    // Lower case, Punycode, and every spelling of a number recognised as the address it is.
    let Ok(url::Host::Domain(domain)) = url::Host::parse(domain) else { return None };
    let top = domain.rsplit_once('.').map(|(_, top)| top)?;
    let address = format!("{local}@{domain}");
    let good = top.len() >= 2 && address.len() <= ADDRESS_CAP;
    (good && address.parse::<lettre::Address>().is_ok()).then_some(address)
}

/// One relay account.
struct Email {
    id: ChannelId,
    capabilities: Capabilities,
    sender: shape::Sender,
    relay: Relay,
}

impl Channel for Email {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, raw: &str) -> Option<Address> {
        normal(raw).map(|value| Address::new(SCHEME, value))
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        let Some(address) = errand.address.filter(|a| a.scheme == SCHEME) else {
            return Err(ShapeFault::Unfit("a mail needs an e-mail address to go to".into()));
        };
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("mails are free words: there are no templates or reply tokens".into()));
        }
        let body = shape::mime(&self.sender, &address.value, message, errand)?;
        Ok(Envelope { channel: self.id.clone(), form: Form::Free, body, key: None, address: Some(address.clone()) })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let Some(to) = envelope.address.as_ref().and_then(|a| a.value.parse().ok()) else {
                return Verdict::Refused { detail: "the envelope names no e-mail address".into() };
            };
            judge::judge(&self.relay.hand_over(to, &envelope.body).await)
        })
    }

    fn ask<'a>(&'a self, _: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            let log_in = if self.relay.credentials.is_some() { "greets, and the login works" } else { "greets" };
            vec![match self.relay.greet().await {
                Ok(()) => Finding::fine("account", format!("{} {log_in}", self.relay.host)),
                Err((step, why)) => {
                    let remedy = match step {
                        smtp::Step::Auth => {
                            "check username and password; some relays want a password for this app alone"
                        }
                        _ => "check host, port and tls, and docs/network.md for what must be reached",
                    };
                    Finding::trouble("account", why, remedy)
                }
            }]
        })
    }
}
