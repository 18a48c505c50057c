//! SMS through Mitake (三竹簡訊), to mobile numbers in Taiwan.
//!
//! Vendor's documents: B2C HTTP API v2.14 of 2024-06-18 (public transcript), Mitake's mail on opening an account of
//! 2026-08-22, operators' notes (read 2026-11). What shapes the code:
//! - Every answer is HTTP 200; the line `statuscode=` decides, and a refusal of the account has no `[id]` line above
//!   it. Its words come in Big5, so bytes are read and words are not.
//! - The text is read as Big5 unless the *query* says UTF8; a line end in it is the byte 6.
//! - `clientid` is the only protection against doubles: for 12 hours a repeat is answered and not sent.
//! - Without permission for long messages a longer text is cut without a word and still paid: so it is refused here.
//! - The callback is a plain GET that nobody signed. Its address, one for each message, carries a mark that only we
//!   can make; and it never teaches anything about a person. It must be answered in set words.
//! - Who may send is decided by the sender's IP address; at most 15 connections.

use super::sms::{self, Frame, Register, Segments};
use super::wire::Wire;
use super::{Channel, Finding, Kind, Opened, Question, Quota, account};
use crate::domain::channel::{
    Audience, Capabilities, ConsentRule, Envelope, Errand, Form, Message, Pace, ShapeFault, Unit, WindowRule,
};
use crate::domain::decision::Reason;
use crate::domain::ids::{ChannelId, Digest8};
use crate::domain::person::{Address, Heard, PersonChange, Receipt, ReceiptOf, ReceiptState, Signal, Unreachable};
use crate::domain::settings::{Mistake, Secret, Span};
use crate::domain::signature::sign;
use crate::domain::verdict::{Answer, Scope, Verdict};
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::timeout;

/// The kind.
pub static KIND: Kind = Kind {
    name: "sms_mitake",
    example: EXAMPLE,
    schema: |generator| Settings::json_schema(generator),
    open,
    judge,
    capabilities: || capabilities(PER_SECOND, TIMEOUT_SECS),
};

const EXAMPLE: &str = r#"# [[channel]]
# id = "sms-tw"
# kind = "sms_mitake"                              # needs server.public_url; Mitake must know this machine's IP address
# api_url = "https://smsb2c.mitake.com.tw/b2c/mtk" # the host that Mitake assigned to the account
# username = "12345678SMS"
# password = { env = "MITAKE_PASSWORD" }
# callback_secret = { env = "MITAKE_CALLBACK_SECRET" } # a long random word: makes the callback's address unguessable
# registered = { my-shop = { brand = "小樹選物", domains = ["shop.example.com"], phones = ["02-1234-5678"] } } # what carriers have on file, by shop ("*": the others)
# # long = true                                    # the account may send long messages; else one segment at most
# # max_segments = 4                               # with long: a longer text is cut, visibly
# # per_second = 10
# # timeout = "10s"
"#;

/// Settings of an account at Mitake.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Address of the API, up to and without `/SmSend`: hosts are assigned by account.
    api_url: String,
    /// User name.
    username: String,
    /// Password: the web console's too; changing it there ends sending here.
    password: Secret,
    /// A long random word, known to nobody else: marks the callback's address of each message.
    callback_secret: Secret,
    /// The account may send long messages. Without that permission Mitake would cut them without a word.
    #[serde(default)]
    long: bool,
    /// Segments of a text at most, 1 to 5; 4 if left out. Only with `long`.
    max_segments: Option<u8>,
    /// What carriers have on file, by shop id; `*` stands for shops without an entry.
    #[serde(default)]
    registered: Register,
    /// Messages a second, at most 50.
    per_second: Option<f64>,
    /// Longest a send may take.
    timeout: Option<Span>,
}

const PER_SECOND: f64 = 10.0;
const PER_SECOND_MAX: f64 = 50.0;
const TIMEOUT_SECS: u32 = 10;
/// Below Mitake's 15 connections, for two pods and the look at the balance.
const CONCURRENT: u16 = 6;
const SEGMENTS: u8 = 4;
/// More is a mistake of the words.
const SEGMENTS_MAX: u8 = 5;
/// A `clientid` is known for twelve hours; repeats end an hour before that (`plan`).
const CLIENT_ID_SECS: i64 = 12 * 3600;
/// Longest `response`.
const RESPONSE: usize = 256;
/// Our reference and its mark in the callback's address, with room.
const REFERENCE: usize = 110;
/// Characters of the mark: 128 bits.
const MARK: usize = 32;
/// UTF-16 units of five segments.
const TEXT: usize = 5 * 153;
const PAUSE: i64 = 120;
const POINTS_GONE: i64 = 600;
const CONNECTIONS: i64 = 5;

struct Mitake {
    id: ChannelId,
    capabilities: Capabilities,
    wire: Wire,
    base: String,
    username: String,
    password: Secret,
    callback_secret: Secret,
    callback: Option<String>,
    long: bool,
    segments: u8,
    register: Register,
}

fn open(id: ChannelId, settings: Value) -> Opened {
    let set: Settings = account::read(settings)?;
    let mut mistakes = sms::mistakes(&set.registered);
    let base = account::keep(account::base("api_url", &set.api_url), &mut mistakes, account::Base::default());
    let timeout = account::keep(account::timeout(set.timeout, TIMEOUT_SECS), &mut mistakes, TIMEOUT_SECS);
    let pace = account::per_second(set.per_second, PER_SECOND, PER_SECOND_MAX);
    let pace = account::keep(pace, &mut mistakes, PER_SECOND);
    let mut must = |good: bool, key: &str, message: &str| {
        if !good {
            mistakes.push(Mistake::new(key, message));
        }
    };
    must((1..=20).contains(&set.username.trim().len()), "username", "has one to twenty characters");
    must(!set.password.expose().is_empty(), "password", "is empty");
    must(set.callback_secret.expose().len() >= 16, "callback_secret", "must be a random word of 16 characters or more");
    must(set.max_segments.is_none() || set.long, "max_segments", "needs long = true: else one segment is all there is");
    let segments = if set.long { set.max_segments.unwrap_or(SEGMENTS) } else { 1 };
    must((1..=SEGMENTS_MAX).contains(&segments), "max_segments", "must lie between 1 and 5");
    let wire = Wire::new(Duration::from_secs(timeout.into()), base.plain)
        .map_err(|e| mistakes.push(Mistake::new("api_url", e)));
    match wire {
        Ok(wire) if mistakes.is_empty() => Ok(Box::new(Mitake {
            id,
            capabilities: capabilities(pace, timeout),
            wire,
            base: base.url,
            username: set.username.trim().to_string(),
            password: set.password,
            callback_secret: set.callback_secret,
            callback: None,
            long: set.long,
            segments,
            register: set.registered,
        })),
        _ => Err(mistakes),
    }
}

fn capabilities(per_second: f64, timeout_secs: u32) -> Capabilities {
    Capabilities {
        audience: Audience::Customer,
        scheme: "phone",
        consent: ConsentRule::WithOrder,
        window: WindowRule::None,
        template_outside_window: false,
        grants: false,
        text_limit: TEXT,
        unit: Unit::Utf16,
        buttons: 0,
        image: false,
        retry_key_secs: Some(CLIENT_ID_SECS),
        receipts: "delivered",
        opt_out: "none (nobody can answer)",
        keeps_refusals: false,
        binding: "phone number of the order, Taiwan",
        unsubscribe_link: false,
        reply_token: false,
        pace: Pace {
            per_second,
            burst: per_second.clamp(1.0, 10.0) as u32,
            concurrent: CONCURRENT,
            person_gap_secs: 1.0,
        },
        timeout_secs,
    }
}

/// A mobile number in Taiwan: the only ones Mitake reaches.
fn person(raw: &str) -> Option<Address> {
    let number = sms::e164(raw)?;
    let mobile = number.strip_prefix("+8869").is_some_and(|rest| rest.len() == 8);
    mobile.then(|| Address::new("phone", number))
}

impl Mitake {
    /// Whoever knows this mark was told it by us, for this message.
    fn mark(&self, reference: &str) -> String {
        let mut mark = hex::encode(sign(self.callback_secret.expose().as_bytes(), reference.as_bytes()));
        mark.truncate(MARK);
        mark
    }

    async fn hand_over(&self, envelope: &Envelope) -> Answer {
        let body: Value = serde_json::from_str(&envelope.body).unwrap_or(Value::Null);
        let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let text = field("smbody").replace('\n', "\u{6}");
        let mut fields = vec![
            ("username", self.username.as_str()),
            ("password", self.password.expose()),
            ("dstaddr", field("dstaddr")),
            ("smbody", text.as_str()),
            ("clientid", field("clientid")),
        ];
        if body.get("response").is_some() {
            fields.push(("response", field("response")));
        }
        let url = format!("{}/SmSend?CharsetURL=UTF8", self.base);
        self.wire.post_form(&url, HeaderMap::new(), &fields).await
    }

    /// Asks for the points left: without any message, free of charge.
    async fn query(&self) -> Answer {
        let url = format!("{}/SmQuery", self.base);
        let fields = [("username", self.username.as_str()), ("password", self.password.expose())];
        self.wire.post_form(&url, HeaderMap::new(), &fields).await
    }

    async fn points(&self) -> Option<Quota> {
        let Answer::Reply { status: 200, body, .. } = self.query().await else { return None };
        // Empty is not none: it says nothing.
        let points = line(&body, "AccountPoint")?.parse::<u64>().ok()?;
        Some(Quota { limit: Some(points), used: 0 })
    }
}

impl Channel for Mitake {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn address(&self, raw: &str) -> Option<Address> {
        person(raw)
    }

    fn shape(&self, message: &Message, errand: &Errand<'_>) -> Result<Envelope, ShapeFault> {
        if errand.form != Form::Free {
            return Err(ShapeFault::Unfit("SMS takes free words only".into()));
        }
        let Some(to) = errand.address.and_then(|a| person(&a.value)) else {
            return Err(ShapeFault::Unfit("Mitake needs a mobile number in Taiwan to send to".into()));
        };
        let frame = Frame {
            shop: &message.shop_id,
            to: &to.value,
            register: &self.register,
            segments: self.segments,
            cuts: self.long,
        };
        let text = sms::compose(message, &frame)?;
        let national = format!("0{}", to.value.trim_start_matches("+886"));
        let mut body = json!({ "dstaddr": national, "smbody": text, "clientid": errand.key });
        if let Some(callback) = &self.callback {
            let reference = &errand.reference.0;
            let encoded: String = url::form_urlencoded::byte_serialize(reference.as_bytes()).collect();
            body["response"] = format!("{callback}?ref={encoded}&mark={}", self.mark(reference)).into();
        }
        let (channel, key) = (self.id.clone(), Some(errand.key));
        Ok(Envelope { channel, form: errand.form, body: body.to_string(), key, address: None })
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let limit = Duration::from_secs(self.capabilities.timeout_secs.into());
            let answer = timeout(limit, self.hand_over(envelope)).await;
            judge(&answer.unwrap_or_else(|_| Answer::NoAnswer("timed out".into())))
        })
    }

    fn admit(&self, raw: &RawWebhook) -> Admission {
        let told = Told::read(raw);
        let (Some(reference), Some(mark)) = (told.once("ref"), told.once("mark")) else {
            return Admission::Refuse(Refusal::Unsigned);
        };
        let ours = self.mark(reference);
        if raw.method != "GET" || !bool::from(ours.as_bytes().ct_eq(mark.as_bytes())) {
            return Admission::Refuse(Refusal::BadToken);
        }
        let state = told.once("StatusFlag").unwrap_or_default();
        let content = Digest8::of(&[mark.as_bytes(), state.as_bytes()]);
        Admission::Take { dedupe: format!("{reference}:{state}"), content, secret_index: 0 }
    }

    /// The state stands in `StatusFlag`; `statuscode` says here only whether it went well, by another list.
    fn hear(&self, raw: &RawWebhook) -> Heard {
        let told = Told::read(raw);
        let id: String =
            told.once("msgid").unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).take(36).collect();
        let mut heard = Heard { answer: Some(format!("magicid=sms_gateway_rpack\nmsgid={id}\n")), ..Heard::default() };
        let (Some(reference), Some(flag)) = (told.once("ref"), told.once("StatusFlag")) else {
            heard.unreadable = 1;
            return heard;
        };
        let state = match flag {
            "0" | "1" | "2" | "3" => ReceiptState::Accepted,
            "4" => ReceiptState::Delivered,
            "5" | "6" | "7" | "8" | "9" => ReceiptState::Undelivered(flag.to_string()),
            _ => return heard,
        };
        let what = match state {
            ReceiptState::Undelivered(_) => "undelivered",
            ReceiptState::Delivered => "delivered",
            _ => "accepted",
        };
        let mut signal = Signal::new(what, None, format!("{reference}:{flag}"), raw.received_at);
        signal.receipt = Some(Receipt { of: ReceiptOf::Ours(reference.to_string()), state });
        heard.signals.push(signal);
        heard
    }

    fn called_back_at(&mut self, url: Option<&str>) -> Vec<Mistake> {
        let Some(url) = url else {
            return vec![Mistake::new("", "needs server.public_url: Mitake tells there what became of messages")];
        };
        self.callback = Some(url.to_string());
        if url.len() + REFERENCE > RESPONSE {
            let message =
                "Mitake takes callback addresses of 256 characters at most: shorten server.public_url or the id";
            return vec![Mistake::new("", message)];
        }
        Vec::new()
    }

    fn answers_as(&self) -> &'static str {
        "text/plain"
    }

    fn measure(&self, envelope: &Envelope) -> Option<String> {
        let document: Value = serde_json::from_str(&envelope.body).ok()?;
        Some(Segments::of(document.get("smbody")?.as_str()?).to_string())
    }

    fn quota(&self) -> Option<BoxFuture<'_, Option<Quota>>> {
        Some(Box::pin(self.points()))
    }

    fn ask<'a>(&'a self, _: &'a Question) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move { vec![account_found(&self.query().await)] })
    }
}

/// What the query for points tells of the account.
fn account_found(answer: &Answer) -> Finding {
    const ABOUT: &str = "account";
    let (status, body) = match answer {
        Answer::Reply { status, body, .. } => (*status, body),
        Answer::NotSent(why) | Answer::NoAnswer(why) => {
            let remedy = "see docs/network.md for what must be reached, and api_url";
            return Finding::trouble(ABOUT, format!("not reached: {why}"), remedy);
        }
    };
    match (line(body, "AccountPoint").and_then(|p| p.parse::<u64>().ok()), line(body, "statuscode")) {
        (Some(0), _) => Finding::trouble(ABOUT, "no points are left", "buy points"),
        (Some(points), _) => Finding::fine(ABOUT, format!("{points} points")),
        (None, Some(code)) => {
            let said = format!("statuscode {}", code.chars().take(3).collect::<String>());
            Finding::trouble(ABOUT, said, "check username and password, and that this machine's address is allowed")
        }
        (None, None) => Finding::trouble(ABOUT, format!("{status} (not an answer of Mitake)"), "check api_url"),
    }
}

/// Fields of a callback. Nobody says how Mitake puts its own behind an address that has some already, so a second
/// question mark divides them as `&` does.
struct Told(Vec<(String, String)>);

impl Told {
    fn read(raw: &RawWebhook) -> Told {
        let query = raw.query.replace('?', "&");
        Told(url::form_urlencoded::parse(query.as_bytes()).map(|(n, v)| (n.into_owned(), v.into_owned())).collect())
    }

    fn once(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(n, v)| n == name && !v.is_empty());
        let first = found.next()?;
        found.next().is_none().then_some(first.1.as_str())
    }
}

/// The value of a line `name=value`, without blanks; bytes that are no UTF-8 stand in other lines.
fn line(body: &[u8], name: &str) -> Option<String> {
    body.split(|b| matches!(b, b'\n' | b'\r')).find_map(|line| {
        let text = String::from_utf8_lossy(line);
        let (key, value) = text.split_once('=')?;
        (key.trim() == name && !value.trim().is_empty()).then(|| value.trim().to_string())
    })
}

/// What an answer means: by its `statuscode`.
fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match answer {
        Answer::NotSent(why) => return later(Reason::Retrying, None, Scope::Message, why.clone()),
        Answer::NoAnswer(why) => return Verdict::Unsure { detail: why.clone() },
        Answer::Reply { status, body, .. } => (*status, body),
    };
    let code = line(body, "statuscode").filter(|_| (200..=299).contains(&status));
    let Some(code) = code else {
        let detail = format!("HTTP {status} without a statuscode");
        return match status {
            429 => later(Reason::RateLimited, Some(CONNECTIONS), Scope::Account, detail),
            300..=399 | 401 | 403 | 404 | 407 => later(Reason::ChannelPaused, None, Scope::Account, detail),
            _ => Verdict::Unsure { detail },
        };
    };
    let detail = format!("statuscode {}", code.chars().take(3).collect::<String>());
    let stop = |secs, detail| later(Reason::ChannelPaused, secs, Scope::Account, detail);
    let elsewhere =
        |change, scope, detail| Verdict::Unreachable { reason: Reason::RecipientInvalid, scope, change, detail };
    match code.as_str() {
        // 4 already arrived; 0 is for later, which we never ask for.
        "0" | "1" | "2" | "3" | "4" => Verdict::Accepted {
            ids: line(body, "msgid").map(|id| id.trim_start_matches('#').to_string()).into_iter().collect(),
            again: line(body, "Duplicate").as_deref() == Some("Y"),
        },
        "6" | "v" => {
            let change = PersonChange { unreachable: Some(Some(Unreachable::Invalid)), ..PersonChange::default() };
            elsewhere(change, Scope::Recipient, detail)
        }
        // Short messages are switched off at this number, or it did not answer in time: another time it may.
        "7" | "8" => elsewhere(PersonChange::default(), Scope::Message, detail),
        "5" | "9" | "t" | "u" | "w" | "x" | "y" => Verdict::Refused { detail },
        "a" | "b" | "r" => stop(Some(PAUSE), detail),
        "c" | "d" | "e" | "f" | "h" | "k" | "m" | "n" | "p" => stop(None, detail),
        "l" => later(Reason::RateLimited, Some(CONNECTIONS), Scope::Account, detail),
        "s" => later(Reason::QuotaSpent, Some(POINTS_GONE), Scope::Account, detail),
        // A fault of the system's, no data, or a code of a later day: a repeat under the same id harms nobody.
        _ => Verdict::Unsure { detail },
    }
}

fn later(reason: Reason, after_secs: Option<i64>, scope: Scope, detail: String) -> Verdict {
    Verdict::TryLater { reason, after_secs, scope, detail }
}
