//! What channel tests need of the rest of the program: settings as `config` hands them over, a message, an
//! errand.

use orderwire::channel::{Channel, Kind, find};
use orderwire::domain::channel::{Button, Errand, Form, Message, Reference};
use orderwire::domain::clock::Timestamp;
use orderwire::domain::person::Address;
use orderwire::domain::settings::SECRET_KEY;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use uuid::Uuid;

/// A resolved secret, as a part gets it from `config`.
pub fn secret(value: &str) -> Value {
    json!({ SECRET_KEY: value })
}

/// Where accounts are called back.
pub const CALLBACKS: &str = "https://notify.example/callbacks/account";

/// A configured account of `kind`.
pub fn open(kind: &str, settings: &Value) -> Box<dyn Channel> {
    let kind = find(kind).expect("a kind of this name");
    open_kind(kind, settings)
}

pub fn open_kind(kind: &Kind, settings: &Value) -> Box<dyn Channel> {
    open_there(kind, settings, CALLBACKS)
}

/// The same, called back at another address.
pub fn open_at(kind: &str, settings: &Value, callbacks: &str) -> Box<dyn Channel> {
    open_there(find(kind).expect("a kind of this name"), settings, callbacks)
}

fn open_there(kind: &Kind, settings: &Value, callbacks: &str) -> Box<dyn Channel> {
    let mut channel = (kind.open)("account".into(), settings.clone())
        .unwrap_or_else(|mistakes| panic!("{} does not open: {mistakes:?}", kind.name));
    assert_eq!(channel.called_back_at(Some(callbacks)), [], "{}", kind.name);
    channel
}

/// A moment.
pub fn at(text: &str) -> Timestamp {
    text.parse().expect("an RFC 3339 time")
}

/// The usual news.
pub fn message() -> Message {
    Message {
        milestone: "shipped".into(),
        locale: "zh-TW".into(),
        title: "訂單#1001已出貨".into(),
        body: "物流追蹤碼:903388120011\n預計11月27日(五)送達".into(),
        buttons: vec![Button { label: "追蹤包裹".into(), url: "https://shop.example/t/903388120011".into() }],
        actions: Vec::new(),
        image: None,
        shop_id: "tree".into(),
        order_id: "450789469".into(),
        order_name: "#1001".into(),
        shop_name: Some("小樹選物".into()),
        extra: BTreeMap::new(),
    }
}

/// Owned parts of an errand.
pub struct Parts {
    pub address: Option<Address>,
    pub form: Form,
    pub reference: Reference,
    pub reply_token: Option<String>,
    pub quiet: bool,
}

impl Parts {
    /// Free words to an address of `channel`'s scheme.
    pub fn of(form: Form, address: Option<Address>) -> Parts {
        let reply_token = (form == Form::Reply).then(|| "reply-token-1".to_string());
        Parts { address, form, reference: Reference("r-1".into()), reply_token, quiet: false }
    }

    pub fn errand(&self) -> Errand<'_> {
        Errand {
            address: self.address.as_ref(),
            form: self.form,
            key: Uuid::from_u128(0x0f0e_0d0c_0b0a_4908_8706_0504_0302_0100),
            thread: Uuid::from_u128(0x0f0e_0d0c_0b0a_4908_8706_0504_0302_0101),
            reference: &self.reference,
            reply_token: self.reply_token.as_deref(),
            unsubscribe_url: Some("https://notify.example/p/token"),
            quiet: self.quiet,
            now: at("2026-11-25T08:00:00Z"),
        }
    }
}

/// A folder of checks that are not part of the project; says so where it is not there.
pub fn outside(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    folder
}
