//! What is thrown at the relay, and what must hold whatever it is. `tests/it` includes this very file and puts the
//! kept inputs through it, so that they are replayed on every run.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::channel::{self, Channel, Kind};
use orderwire::config::Document;
use orderwire::domain::channel::{Audience, Errand, Form, Reference};
use orderwire::domain::clock::{Timestamp, from_millis};
use orderwire::domain::ids::Tag;
use orderwire::domain::outgoing::{fault, may_reach};
use orderwire::domain::owed::Owed;
use orderwire::domain::settings::{SECRET_KEY, Secret};
use orderwire::domain::signature::{decode_base64, decode_hex, sign};
use orderwire::domain::verdict::Answer;
use orderwire::domain::webhook::{Admission, RawWebhook};
use orderwire::flow::kept::{read_order, write_order};
use orderwire::platform::{self, Shop};
use orderwire::seal::Seal;
use orderwire::words::{LOCALES, Words, built_in_milestones, sample};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: &[Target] = &[
    ("hooks", hooks),
    ("callbacks", callbacks),
    ("answers", answers),
    ("decoders", decoders),
    ("addresses", addresses),
    ("settings", settings),
    ("spool", spool),
    ("words", words),
    ("steps", super::steps::steps),
    ("chats", super::people::chats),
    ("tokens", super::people::tokens),
    ("consent", super::people::consent),
];

const SECRET: &str = "fuzz-secret-0123456789abcdef";
const KEY: &str = "3f9a1c0de4b85276aa10ff93c6d7e8b12b4d6f80913572c4e6a8b0d2f4163850";
/// Longest text looked at: longer ones only repeat.
const LONGEST: usize = 1 << 16;

fn moment() -> Timestamp {
    from_millis(1_795_593_600_000)
}

pub(super) fn seal() -> &'static Seal {
    static SEAL: LazyLock<Seal> =
        LazyLock::new(|| Seal::new(&[Seal::key_from_text(KEY).expect("a key")]).expect("a seal"));
    &SEAL
}

/// `name: value` lines, an empty line, the body.
fn request(text: &[u8]) -> RawWebhook {
    let text = &text[..text.len().min(LONGEST)];
    let end = text.windows(2).position(|w| w == b"\n\n");
    let (head, body) = end.map_or((&[][..], text), |at| (&text[..at], &text[at + 2..]));
    let head = String::from_utf8_lossy(head).into_owned();
    let headers: Vec<(&str, &str)> = head.lines().filter_map(|l| l.split_once(": ")).collect();
    RawWebhook::post(&headers, body.to_vec(), moment())
}

/// Whether the body was signed with the secret by one of the schemes there are, as some header or the body says.
fn is_signed(raw: &RawWebhook) -> bool {
    let mac = sign(SECRET.as_bytes(), &raw.body);
    let forms = [STANDARD.encode(mac), format!("sha256={}", hex::encode(mac)), hex::encode(mac)];
    raw.headers.iter().any(|(_, v)| forms.iter().any(|f| f == v.trim_matches(|c: char| c.is_ascii_whitespace())))
}

fn shop() -> &'static Shop {
    static SHOP: LazyLock<Shop> = LazyLock::new(|| Shop {
        id: "fuzz".into(),
        secrets: vec![Secret::new(SECRET)],
        domain: Some("demo.myshopify.com".into()),
        statuses: BTreeMap::from([("packed".into(), "preparing".into())]),
        identify: BTreeMap::from([("line".into(), vec!["line_user_id".into()])]),
        api: None,
        payment_deadline: Some(3600),
    });
    &SHOP
}

/// A shop's door and what is read behind it: nothing is taken that is not signed, and any body is read to its end.
/// First byte: which platform; second: whether the body is signed for it.
pub fn hooks(data: &[u8]) {
    let [which, signed, rest @ ..] = data else { return };
    let kind = platform::ALL[usize::from(*which) % platform::ALL.len()];
    let mut raw = request(rest);
    if signed & 1 == 1 {
        let mac = STANDARD.encode(sign(SECRET.as_bytes(), &raw.body));
        for name in ["x-shopify-hmac-sha256", "x-wc-webhook-signature"] {
            raw.headers.push((name.into(), mac.clone()));
        }
    }
    if let Admission::Take { secret_index, .. } = (kind.admit)(shop(), &raw) {
        assert!(is_signed(&raw) && secret_index == 0, "{} took what is not signed", kind.name);
    }
    let told = (kind.normalise)(shop(), &raw);
    assert_eq!(format!("{told:?}"), format!("{:?}", (kind.normalise)(shop(), &raw)), "the same twice");
}

/// The kind's documented example as settings, with one secret for all that take it.
fn example(kind: &Kind) -> Value {
    let plain = |l: &'static str| l.strip_prefix("# ").or_else(|| l.strip_prefix('#')).unwrap_or(l);
    let text: String = kind.example.lines().map(|l| format!("{}\n", plain(l))).collect();
    let table: toml::Table = text.parse().expect("an example is TOML");
    let mut settings = serde_json::to_value(&table["channel"][0]).expect("JSON");
    let fields = settings.as_object_mut().expect("a table");
    fields.remove("kind");
    fields.remove("id");
    resolve(&mut settings);
    for key in settings.as_object().expect("a table").keys().cloned().collect::<Vec<_>>() {
        for form in FORMS {
            let mistakes = (kind.open)("fuzz".into(), settings.clone()).err().unwrap_or_default();
            if !mistakes.iter().any(|m| m.key.split('[').next() == Some(&key)) {
                break;
            }
            match &mut settings[&key] {
                Value::Array(items) => items.iter_mut().for_each(|item| *item = json!({ SECRET_KEY: form })),
                item => *item = json!({ SECRET_KEY: form }),
            }
        }
    }
    settings
}

/// What kinds want that take no plain word for a secret: some addresses are secrets, some secrets have a form.
const FORMS: [&str; 8] = [
    "https://discord.com/api/webhooks/100000000000000001/x",
    "https://x.environment.api.powerplatform.com/workflows/1?sig=x",
    "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=x",
    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "123456:AAAAAAAAAAAAAAAAAAAAAAAA",
    "AAAAAAAAAAAAA_0123456789abcdef",
    "AAAAAAAAAAAA",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];

fn resolve(value: &mut Value) {
    match value {
        Value::Object(fields)
            if fields.len() == 1 && ["env", "file", "value"].iter().any(|k| fields.contains_key(*k)) =>
        {
            let hook = fields.values().any(|v| v.as_str().is_some_and(|v| v.contains("URL")));
            let secret = if hook { "https://hooks.slack.com/services/T0/B0/x" } else { SECRET };
            *value = json!({ SECRET_KEY: secret });
        }
        Value::Object(fields) => fields.values_mut().for_each(resolve),
        Value::Array(items) => items.iter_mut().for_each(resolve),
        _ => {}
    }
}

fn accounts() -> &'static [(&'static Kind, Box<dyn Channel>)] {
    static ACCOUNTS: LazyLock<Vec<(&'static Kind, Box<dyn Channel>)>> = LazyLock::new(|| {
        let open = |kind: &&'static Kind| {
            let opened = (kind.open)("fuzz".into(), example(kind));
            (*kind, opened.unwrap_or_else(|m| panic!("{}: {m:?}", kind.name)))
        };
        channel::ALL.iter().map(open).collect()
    });
    &ACCOUNTS
}

/// A channel's door and what is heard behind it. First byte: which channel; second: whether the body is signed.
pub fn callbacks(data: &[u8]) {
    let [which, signed, rest @ ..] = data else { return };
    let (kind, account) = &accounts()[usize::from(*which) % accounts().len()];
    let mut raw = request(rest);
    if signed & 1 == 1 {
        let mac = sign(SECRET.as_bytes(), &raw.body);
        raw.headers.push(("x-line-signature".into(), STANDARD.encode(mac)));
        raw.headers.push(("x-hub-signature-256".into(), format!("sha256={}", hex::encode(mac))));
    } else if matches!(account.admit(&raw), Admission::Take { .. }) {
        assert!(is_signed(&raw), "{} took what is not signed", kind.name);
    }
    let heard = account.hear(&raw);
    assert!(heard.signals.len() <= LONGEST, "{}", kind.name);
    for person in heard.signals.iter().filter_map(|s| s.person.as_ref()) {
        assert!(!person.value.is_empty(), "{}: a person without a name", kind.name);
    }
    if signed & 2 == 2 {
        raw.method = "GET".into();
        raw.query = String::from_utf8_lossy(&raw.body).into_owned();
        assert!(!matches!(account.admit(&raw), Admission::Take { .. }), "{}: a GET is no news", kind.name);
    }
}

/// What an answer of a provider means. First byte: which kind; then the status, in two bytes; then as a request.
pub fn answers(data: &[u8]) {
    let [which, high, low, rest @ ..] = data else { return };
    let kind = channel::ALL[usize::from(*which) % channel::ALL.len()];
    let raw = request(rest);
    let status = 100 + u16::from_be_bytes([*high, *low]) % 900;
    let answer = Answer::Reply { status, headers: raw.headers, body: raw.body.to_vec() };
    let verdict = (kind.judge)(&answer);
    assert_eq!(verdict, (kind.judge)(&answer), "{}: the same twice", kind.name);
    if let orderwire::domain::verdict::Verdict::TryLater { after_secs: Some(secs), .. } = verdict {
        assert!((0..=31 * 86_400).contains(&secs), "{}: {secs} s", kind.name);
    }
}

/// Signatures, tokens, cursors, sealed records, stored items and orders: whatever opens was made by us.
pub fn decoders(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for (decoded, is) in [
        (decode_base64(&text), STANDARD.encode(decode_base64(&text).unwrap_or_default())),
        (decode_hex(&text), hex::encode(decode_hex(&text).unwrap_or_default())),
    ] {
        if let Some(bytes) = decoded {
            assert_eq!((bytes.len(), is.as_str()), (32, text.trim_matches(|c: char| c.is_ascii_whitespace())));
        }
    }
    let seal = seal();
    assert!(seal.open(&[b"nowhere"], data).is_err());
    // What bears the first key's mark is left as it is, unopened.
    assert!(!matches!(seal.reseal(&[b"nowhere"], data), Ok(Some(_))));
    assert!(seal.untoken("nothing", &text, moment()).is_err());
    assert_eq!(seal.uncursor("nothing", &text), None);
    if let Some(owed) = Owed::decode(7, data) {
        assert_eq!(Owed::decode(7, &owed.encode()).as_ref(), Some(&owed), "what is written is read back");
    }
    if let Ok(order) = read_order(data) {
        let written = write_order(&order).expect("an order can be written");
        assert_eq!(read_order(&written).expect("and read"), order);
    }
    if let Ok(key) = Seal::key_from_text(&text) {
        drop(Seal::new(&[key]));
    }
}

/// An address of settings never leads into a network that is not the public internet, however it is written.
pub fn addresses(data: &[u8]) {
    let Ok(url) = url::Url::parse(&String::from_utf8_lossy(data)) else { return };
    if fault(&url, false).is_none() {
        assert!(url.username().is_empty() && url.password().is_none());
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_string();
        match host.parse::<IpAddr>() {
            Ok(ip) => assert!(ip.is_loopback(), "{url}"),
            // RFC 6761: every name below it is this machine too.
            Err(_) if host == "localhost" || host.ends_with(".localhost") => {}
            Err(_) => assert!(url.scheme() == "https" && url.port().is_none(), "{url}"),
        }
        assert_eq!(fault(&url, true), None, "what is public is not refused to a private one: {url}");
    }
    if let Ok(bytes) = <[u8; 16]>::try_from(data.get(..16).unwrap_or_default()) {
        for ip in [IpAddr::from(bytes), IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]])] {
            let inside = match ip.to_canonical() {
                IpAddr::V4(v4) => {
                    v4.is_private()
                        || v4.is_loopback()
                        || v4.is_link_local()
                        || v4.is_unspecified()
                        || v4.is_broadcast()
                        || v4.is_multicast()
                        || v4.is_documentation()
                }
                IpAddr::V6(v6) => {
                    v6.is_loopback()
                        || v6.is_unspecified()
                        || v6.is_multicast()
                        || v6.is_unique_local()
                        || v6.is_unicast_link_local()
                }
            };
            assert!(!(inside && may_reach(ip, false)), "{ip}");
        }
    }
}

/// Any text as a settings file: it is read, or every mistake has its place; nothing of a secret is repeated.
pub fn settings(data: &[u8]) {
    let text = String::from_utf8_lossy(&data[..data.len().min(1 << 14)]).into_owned();
    let document = match Document::from_text("fuzz.toml", &text, &BTreeMap::new()) {
        Ok(document) => document,
        Err(problems) => return assert!(!problems.is_empty()),
    };
    let mut document = document;
    let mut problems = Vec::new();
    drop(document.part::<orderwire::store::settings::StoreSettings>("store", &mut problems).map(|s| s.mistakes()));
    drop(document.part::<orderwire::http::settings::ServerSettings>("server", &mut problems).map(|s| s.mistakes()));
    drop(document.part::<orderwire::telemetry::LogSettings>("log", &mut problems).map(|s| s.mistakes()));
    for entry in document.parts::<orderwire::platform::settings::ShopSettings>("shop", &mut problems) {
        drop(entry.value.open(&["shipped"], &LOCALES));
    }
    for entry in document.parts::<orderwire::plan::RouteSettings>("route", &mut problems) {
        if let Some(when) = &entry.value.when {
            drop(orderwire::words::Condition::compile(when));
        }
    }
    document.finish(&["admin", "spool", "worker", "words", "channel"], &mut problems);
    for problem in problems {
        assert!(!problem.to_string().is_empty());
    }
}

/// Any bytes as a file of the spool: no panic, and no request that was not written by us. The kept inputs hold real
/// records, whose bodies begin with `kept`.
pub fn spool(data: &[u8]) {
    for (_, found) in orderwire::spool::look_into(seal(), 1, data) {
        if let Ok(entry) = found {
            assert!(entry.raw.body.starts_with(b"kept"), "a record nobody wrote");
        }
    }
}

/// Values that a buyer chose, in built-in words of every language, through the shape of every channel.
/// First byte: milestone; second: language and form; the rest: the text.
pub fn words(data: &[u8]) {
    static WORDS: LazyLock<Words> = LazyLock::new(|| {
        Words::load(None, &built_in_milestones(), &channel::sections())
            .unwrap_or_else(|m| panic!("{} mistakes in the words", m.len()))
    });
    let [which, how, text @ ..] = data else { return };
    let text = String::from_utf8_lossy(&text[..text.len().min(4096)]).into_owned();
    let milestones = built_in_milestones();
    let milestone = milestones[usize::from(*which) % milestones.len()];
    let sample = hostile(LOCALES[usize::from(*how) % LOCALES.len()], &text);
    let subject = sample::subject(milestone);
    for (kind, account) in accounts() {
        let can = account.capabilities();
        let mut telling = sample.telling(milestone, &[], &subject);
        (telling.audience, telling.section) = (can.audience, kind.section());
        let message = WORDS.render(&telling).unwrap_or_else(|e| panic!("{milestone}: {e}"));
        let form = [Form::Free, Form::Reply, Form::Template][usize::from(how >> 2) % 3];
        let forms = ["Uabcdef0123456789abcdef0123456789", "1234567890123456", "lin@shop.example", "+886912345678"];
        let address = forms.iter().find_map(|raw| account.address(raw)).filter(|_| can.audience == Audience::Customer);
        let reference = Reference("r-1".into());
        let errand = Errand {
            address: address.as_ref(),
            form,
            key: uuid::Uuid::from_u128(1),
            thread: uuid::Uuid::from_u128(2),
            reference: &reference,
            reply_token: (form == Form::Reply).then_some("token"),
            unsubscribe_url: Some("https://notify.example/p/token"),
            quiet: false,
            now: moment(),
        };
        let Ok(envelope) = account.shape(&message, &errand) else { continue };
        shaped(kind, &**account, &envelope.body);
    }
}

fn hostile(locale: &'static str, text: &str) -> sample::Sample {
    let mut sample = sample::full(locale);
    let some = Some(text.to_string());
    let order = &mut sample.order;
    if let Some(head) = &mut order.head {
        let head = &mut head.value;
        head.name = text.into();
        (head.contact.first_name, head.contact.last_name) = (some.clone(), some.clone());
        (head.payment_method, head.status_url) = (some.clone(), some.clone());
        head.items.iter_mut().for_each(|i| (i.title, i.image) = (text.into(), some.clone()));
    }
    order.cancel_reason = some.clone();
    if let Some(pay) = &mut order.pay {
        (pay.value.url, pay.value.account, pay.value.store_code) = (some.clone(), some.clone(), some.clone());
    }
    for tracking in order.parcels.iter_mut().flat_map(|p| &mut p.tracking) {
        (tracking.number, tracking.carrier, tracking.url) = (text.into(), some.clone(), some.clone());
    }
    order.notes.iter_mut().for_each(|n| n.text = text.into());
    sample
}

/// Within the limits, without what steers or calls.
fn shaped(kind: &Kind, account: &dyn Channel, body: &str) {
    let can = account.capabilities();
    let Ok(document) = serde_json::from_str::<Value>(body) else {
        let head = body.split("\r\n\r\n").next().unwrap_or_default();
        let named = [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "MIME-Version",
            "Content-",
            "List-",
            "Reply-To",
            "In-Reply-To",
            "References",
            "Auto-Submitted",
            "X-",
            "Precedence",
            "Feedback-ID",
        ];
        for line in head.split("\r\n").filter(|l| !l.starts_with([' ', '\t'])) {
            assert!(
                named.iter().any(|n| line.starts_with(n)),
                "{}: a line of its own in the head: {line:?}",
                kind.name
            );
            assert!(!line.contains(['\r', '\n']), "{}: {line:?}", kind.name);
        }
        return;
    };
    each_text(&document, true, &mut |text, read| {
        assert!(can.unit.count(text) <= can.text_limit, "{}: a text of {}", kind.name, can.unit.count(text));
        let steers =
            |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!text.contains(steers), "{}: {text:?}", kind.name);
        assert!(!(read && kind.name == "slack" && text.contains("<!")), "{}: {text:?}", kind.name);
    });
}

/// Every text, and whether its vendor reads it for markup and mentions (Slack's `plain_text` is not).
fn each_text(value: &Value, read: bool, check: &mut impl FnMut(&str, bool)) {
    match value {
        Value::String(text) => check(text, read),
        Value::Array(items) => items.iter().for_each(|v| each_text(v, read, check)),
        Value::Object(fields) => {
            let read = fields.get("type").is_none_or(|t| t != "plain_text");
            fields.values().for_each(|v| each_text(v, read, check));
        }
        _ => {}
    }
}

/// Of the tag of a shop that steps work on.
pub(super) fn demo() -> Tag {
    Tag::of("demo")
}
