//! What is set up at Meta: the app's callback and its fields, its subscription to the account, the profile of chats.
//!
//! Sources (read 2026-11): Graph API "App, subscriptions" and "subscribed_apps"; Messenger Profile API with "Persistent
//! menu", "Get started" and Instagram's "Ice breakers"; WhatsApp "Conversational components". The app's own calls need
//! its token, `ID|secret`; its id is what the account's token is asked for. The profile takes ten calls in ten minutes.
//!
//! Messenger gets no ice breakers: whoever begins by one shows no button to get started, and with that button the
//! reference of the link that led there comes.

use super::{App, id};
use crate::channel::ask::{self, No};
use crate::channel::setup::{Desk, Item, Menu, Piece, Wish, sorted};
use crate::channel::text;
use crate::channel::wire::{self, bearer};
use crate::domain::settings::Secret;
use serde_json::{Value, json};

/// Longest title of a menu's entry, and of a question.
const TITLE: usize = 30;
const QUESTION: usize = 80;
/// Longest name and description of a command.
const DESCRIPTION: usize = 256;
const PROFILE: &str = "let the token manage the account's messages; ten calls are taken in ten minutes";
const DASHBOARD: &str = "set it in the app's dashboard, Webhooks";
const ACCESS: &str = "grant the token pages_manage_metadata (a page) or whatsapp_business_management (WhatsApp)";

/// The app as Meta knows it: its id, which its own token begins with.
struct Own {
    id: String,
    token: Secret,
}

impl App {
    async fn own(&self) -> Option<Own> {
        let asked = self.get("debug_token", &[("input_token", self.token.expose())]).await;
        let body = ask::document(&asked, ask::never).ok()?;
        let id = body.pointer("/data/app_id").and_then(id)?;
        let token = Secret::new(format!("{id}|{}", self.secrets.first()?.expose()));
        Some(Own { id, token })
    }

    /// The app's callback for `object`, and the account's subscription: `node` with its fields, `None`: the node is not
    /// in the settings.
    pub(in crate::channel) async fn set_up_callback(
        &self,
        desk: &mut Desk,
        wish: &Wish,
        (object, heard): (&str, &[&str]),
        node: Option<(&str, &[&str])>,
    ) {
        let own = self.own().await;
        if let Some(url) = desk.callback(wish) {
            match &own {
                Some(own) => self.app_callback(desk, own, url, (object, heard)).await,
                None => desk.note(Piece::not_asked(
                    "callback",
                    &format!("Meta does not tell this token its app; set {url} in the app's dashboard, Webhooks"),
                )),
            }
        }
        match node {
            Some((node, fields)) => self.subscribe(desk, own.as_ref(), node, fields).await,
            None => desk.note(Piece::not_asked("subscription", "business_account_id is not set")),
        }
    }

    async fn app_callback(&self, desk: &mut Desk, own: &Own, url: &str, (object, heard): (&str, &[&str])) {
        let Some(headers) = bearer(own.token.expose()) else { return };
        let at = format!("{}/{}/subscriptions", self.base, own.id);
        let told = ask::document(&self.wire.get(&at, headers.clone()).await, ask::never);
        let mut fields: Vec<String> = heard.iter().map(ToString::to_string).collect();
        let held = told.map(|told| {
            let all = told.get("data").and_then(Value::as_array).into_iter().flatten();
            let Some(ours) = all.into_iter().find(|s| ask::text(s, "/object") == object) else { return Value::Null };
            let named = |field: &Value| field.as_str().or_else(|| field.get("name")?.as_str()).map(String::from);
            let listed = ours.get("fields").and_then(Value::as_array).into_iter().flatten();
            let listed: Vec<String> = listed.filter_map(named).collect();
            let known = sorted(listed.iter().map(String::as_str).filter(|f| heard.contains(f)));
            fields.extend(listed.into_iter().filter(|f| !heard.contains(&f.as_str())));
            json!({ "callback_url": ask::text(ours, "/callback_url"), "active": ours["active"], "fields": known })
        });
        let wanted = json!({ "callback_url": url, "active": true, "fields": sorted(heard.iter().copied()) });
        let set = async {
            let body = json!({ "object": object, "callback_url": url, "fields": fields.join(","),
                "verify_token": self.verify_token.expose(), "include_values": true });
            good(&self.wire.post_json(&at, headers.clone(), body.to_string()).await)
        };
        desk.compare("callback", held, &wanted, (set, DASHBOARD)).await;
    }

    /// Meta takes an app off a page whose webhook fails for an hour; fields that others of ours use are kept.
    async fn subscribe(&self, desk: &mut Desk, own: Option<&Own>, node: &str, fields: &[&str]) {
        let edge = format!("{node}/subscribed_apps");
        let told = ask::document(&self.get(&edge, &[]).await, ask::never);
        let mut all: Vec<String> = fields.iter().map(ToString::to_string).collect();
        let held = told.map(|told| {
            let apps = told.get("data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let app_id = |app: &Value| app.get("id").or(app.pointer("/whatsapp_business_api_data/id")).and_then(id);
            let ours = apps.iter().find(|app| own.is_none_or(|own| app_id(app).as_deref() == Some(own.id.as_str())));
            let Some(ours) = ours else { return json!({ "subscribed": false }) };
            let listed = ours.get("subscribed_fields").and_then(Value::as_array).into_iter().flatten();
            let listed: Vec<String> = listed.filter_map(Value::as_str).map(String::from).collect();
            let known = sorted(listed.iter().map(String::as_str).filter(|f| fields.contains(f)));
            all.extend(listed.into_iter().filter(|f| !fields.contains(&f.as_str())));
            json!({ "subscribed": true, "fields": known })
        });
        let mut wanted = json!({ "subscribed": true });
        if !fields.is_empty() {
            wanted["fields"] = sorted(fields.iter().copied());
        }
        let set = async {
            let body = if fields.is_empty() { json!({}) } else { json!({ "subscribed_fields": all.join(",") }) };
            good(&self.post(&edge, body.to_string()).await)
        };
        desk.compare("subscription", held, &wanted, (set, ACCESS)).await;
    }

    /// Menu and first questions of Messenger (`platform` `None`) or Instagram.
    pub(in crate::channel) async fn set_up_profile(
        &self,
        desk: &mut Desk,
        node: &str,
        platform: Option<&str>,
        menus: &[Menu],
    ) {
        let Some(first) = menus.first().and_then(|m| m.items.first()) else { return };
        let mut wanted = vec![("menu", "persistent_menu", in_languages(menus, entries))];
        match platform {
            None => wanted.insert(0, ("button to get started", "get_started", json!({ "payload": first.data }))),
            Some(_) => wanted.push(("first questions", "ice_breakers", in_languages(menus, questions))),
        }
        for (about, property, wanted) in wanted {
            let query: Vec<(&str, &str)> =
                std::iter::once(("fields", property)).chain(platform.map(|p| ("platform", p))).collect();
            let edge = format!("{node}/messenger_profile");
            let told = ask::document(&self.get(&edge, &query).await, ask::never);
            let held = told.map(|told| held(&told, property));
            let set = async {
                let mut body = json!({ property: wanted });
                if let Some(platform) = platform {
                    body["platform"] = platform.into();
                }
                let query = platform.map(|p| wire::query(&[("platform", p)])).unwrap_or_default();
                good(&self.post_with(&edge, &query, body.to_string()).await)
            };
            if !desk.compare(about, held, &wanted, (set, PROFILE)).await && desk.installs() {
                return;
            }
        }
    }

    /// WhatsApp's commands, and the first questions whose words alone are understood. They have no variants by language.
    pub(in crate::channel) async fn set_up_commands(&self, desk: &mut Desk, number: &str, menus: &[Menu]) {
        const FIELD: &str = "conversational_automation";
        let Some(menu) = menus.first() else { return };
        let told = ask::document(&self.get(number, &[("fields", FIELD)]).await, ask::never);
        let by_name = |mut all: Vec<Value>| {
            all.sort_by_key(|c| ask::text(c, "/command_name").to_string());
            Value::from(all)
        };
        let held = told.map(|told| {
            let mut held = told.get(FIELD).cloned().unwrap_or_default();
            if let Some(all) = held.get("commands").and_then(Value::as_array) {
                held["commands"] = by_name(all.clone());
            }
            held
        });
        let command = |i: &Item| json!({ "command_name": i.command, "command_description": text::cut(&i.label, DESCRIPTION, length) });
        let spoken = menu.items.iter().filter(|i| i.spoken).map(|i| text::cut(&i.label, QUESTION, length));
        let wanted = json!({ "commands": by_name(menu.items.iter().map(command).collect()), "prompts": spoken.collect::<Vec<_>>() });
        let set = async { good(&self.post(&format!("{number}/{FIELD}"), wanted.to_string()).await) };
        desk.compare("commands", held, &wanted, (set, ACCESS)).await;
    }
}

fn length(words: &str) -> usize {
    words.chars().count()
}

/// Meta's codes of our languages; people of another one have the shop's.
fn codes(locale: &str) -> &'static [&'static str] {
    match locale {
        "en" => &["en_GB", "en_US"],
        "zh-TW" => &["zh_HK", "zh_TW"],
        "zh-CN" => &["zh_CN"],
        "vi" => &["vi_VN"],
        _ => &[],
    }
}

fn in_languages(menus: &[Menu], of: fn(&Menu) -> Value) -> Value {
    let each = menus.iter().flat_map(|menu| codes(menu.locale).iter().map(move |code| (*code, menu)));
    let mut all: Vec<(&str, &Menu)> = menus.first().map(|menu| ("default", menu)).into_iter().chain(each).collect();
    all.sort_by_key(|(code, _)| *code);
    let variant = |(code, menu): (&str, &Menu)| {
        let mut variant = of(menu);
        variant["locale"] = code.into();
        variant
    };
    all.into_iter().map(variant).collect::<Vec<_>>().into()
}

fn entries(menu: &Menu) -> Value {
    let entry =
        |i: &Item| json!({ "type": "postback", "title": text::cut(&i.label, TITLE, length), "payload": i.data });
    json!({ "composer_input_disabled": false, "call_to_actions": menu.items.iter().map(entry).collect::<Vec<_>>() })
}

fn questions(menu: &Menu) -> Value {
    let question = |i: &Item| json!({ "question": text::cut(&i.label, QUESTION, length), "payload": i.data });
    json!({ "call_to_actions": menu.items.iter().take(4).map(question).collect::<Vec<_>>() })
}

/// A property of the profile. Instagram gives its questions without their name.
fn held(told: &Value, property: &str) -> Value {
    let data = told.get("data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let bare = || data.iter().any(|d| d.get("call_to_actions").is_some()).then(|| Value::from(data.to_vec()));
    let mut held = data.iter().find_map(|d| d.get(property).cloned()).or_else(bare).unwrap_or_default();
    if let Some(all) = held.as_array_mut() {
        all.sort_by_key(|variant| ask::text(variant, "/locale").to_string());
    }
    held
}

fn good(answer: &crate::domain::verdict::Answer) -> Result<(), No> {
    ask::document(answer, ask::never).map(|_| ())
}
