//! What is set up at Telegram: the webhook with its secret and the kinds of updates, and the commands of private chats.
//!
//! Source: Bot API 10.3, `setWebhook`, `getWebhookInfo`, `setMyCommands`, `getMyCommands`. Nobody is told which secret
//! is set: where the last calls were refused by us, it is set anew. Commands have variants by a language of two letters,
//! so both writings of Chinese share one: the shop's.

use super::{LABEL, Telegram, length};
use crate::channel::ask::{self, No};
use crate::channel::setup::{Desk, Menu, Piece, Wish, sorted};
use crate::channel::text;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// Updates that are heard.
const HEARD: [&str; 3] = ["callback_query", "message", "my_chat_member"];
const REMEDY: &str = "check bot_token; @BotFather shows it";
const WEBHOOK: &str = "Telegram takes https on port 443, 80, 88 or 8443 with a certificate that it can check";

impl Telegram {
    /// Compares, and with `install` changes what differs.
    pub(super) async fn set_up_all(&self, wish: &Wish, install: bool) -> Vec<Piece> {
        let mut desk = Desk::new(install);
        if let Some(url) = desk.callback(wish) {
            self.webhook(&mut desk, url).await;
        }
        for (language, menu) in variants(&wish.menus) {
            self.commands(&mut desk, language, menu).await;
        }
        desk.done()
    }

    async fn webhook(&self, desk: &mut Desk, url: &str) {
        let held = self.read("getWebhookInfo").await.map(|info| {
            let kinds = info.pointer("/result/allowed_updates").and_then(Value::as_array).into_iter().flatten();
            let waits = info.pointer("/result/pending_update_count").and_then(Value::as_i64).unwrap_or_default() > 0;
            let why = ask::text(&info, "/result/last_error_message");
            let refused = waits && ["401", "403"].iter().any(|status| why.contains(status));
            json!({
                "url": ask::text(&info, "/result/url"),
                "allowed_updates": sorted(kinds.filter_map(Value::as_str)),
                "secret": if refused { "refused by us" } else { "set" },
            })
        });
        let wanted = json!({ "url": url, "allowed_updates": sorted(HEARD), "secret": "set" });
        let set = async {
            let secret = self.secrets.first().map(|s| s.expose().to_string()).unwrap_or_default();
            let body = json!({ "url": url, "allowed_updates": HEARD, "secret_token": secret });
            self.call("setWebhook", &body).await.map(|_| ())
        };
        desk.compare("callback", held, &wanted, (set, WEBHOOK)).await;
    }

    async fn commands(&self, desk: &mut Desk, language: &str, menu: &Menu) {
        let about = if language.is_empty() { "menu".to_string() } else { format!("menu ({language})") };
        let of = |commands: Option<&Value>| {
            let mut place = json!({ "scope": { "type": "all_private_chats" } });
            if !language.is_empty() {
                place["language_code"] = language.into();
            }
            if let Some(commands) = commands {
                place["commands"] = commands.clone();
            }
            place
        };
        let wanted: Vec<Value> = menu
            .items
            .iter()
            .map(|i| json!({ "command": i.command, "description": text::cut(&i.label, LABEL, length) }))
            .collect();
        let wanted = Value::from(wanted);
        let held = self.call("getMyCommands", &of(None)).await.map(|told| told["result"].clone());
        let set = async { self.call("setMyCommands", &of(Some(&wanted))).await.map(|_| ()) };
        desk.compare(&about, held, &wanted, (set, REMEDY)).await;
    }

    /// A method with its parameters.
    async fn call(&self, method: &str, body: &Value) -> Result<Value, No> {
        let asked =
            self.wire.post_json(&format!("{}/{method}", self.url.expose()), HeaderMap::new(), body.to_string()).await;
        ask::document(&asked, |body| body.get("ok").and_then(Value::as_bool) != Some(true))
    }
}

/// The menus by Telegram's languages, the one of everybody else first.
fn variants(menus: &[Menu]) -> Vec<(&'static str, &Menu)> {
    let Some(own) = menus.first() else { return Vec::new() };
    let mut all = vec![("", own)];
    for menu in menus {
        let language = menu.locale.split_once('-').map_or(menu.locale, |(language, _)| language);
        if !all.iter().any(|(known, _)| *known == language) {
            all.push((language, menu));
        }
    }
    all
}
