//! What is set up by the Graph API: the app's webhook, its subscription to an account, the profile of chats, WhatsApp's
//! commands ("App, subscriptions", "subscribed_apps", "Messenger Profile API", "Conversational components", 2026-11).

use super::{Account, House, Reply, Request, refused};
use serde_json::{Value, json};

/// The app's id.
pub(super) const APP: &str = "1";

fn fault(code: i64, message: &str) -> Reply {
    let error =
        json!({ "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AmockTraceIdentifier0" });
    Reply::json(400, &json!({ "error": error }))
}

fn good() -> Reply {
    Reply::json(200, &json!({ "success": true }))
}

/// A call about what is set up; `None`: it is about something else, or another account.
pub(super) fn answer(house: &House, request: &Request, account: &Account<'_>, path: &str) -> Option<Reply> {
    let (id, edge) = path.split_once('/').unwrap_or((path, ""));
    let body = || serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
    let posts = request.method() == "POST";
    if id == APP && edge == "subscriptions" {
        let ours = request.bearer() == Some(format!("{APP}|{}", account.app_secret).as_str());
        return match (ours, posts) {
            // Another account's app has another secret.
            (false, _) => None,
            (true, true) => Some(subscribe_app(house, &body())),
            (true, false) => {
                let all: Vec<Value> = house.desk.all("graph:app:").into_values().collect();
                Some(Reply::json(200, &json!({ "data": all })))
            }
        };
    }
    account.nodes.iter().find(|(node, _)| *node == id)?;
    let known = matches!(edge, "subscribed_apps" | "messenger_profile" | "conversational_automation");
    if known && request.bearer() != Some(account.token) {
        return Some(refused());
    }
    let name = account.names.0;
    Some(match (posts, edge) {
        (false, "") if request.query("fields").as_deref() == Some("conversational_automation") => {
            let held = house.desk.get(&format!("graph:{name}:commands"));
            let told =
                held.map_or_else(|| json!({ "id": id }), |h| json!({ "conversational_automation": h, "id": id }));
            Reply::json(200, &told)
        }
        (false, "subscribed_apps") => {
            let app = house.desk.get(&format!("graph:{name}:subscribed"));
            Reply::json(200, &json!({ "data": [app.unwrap_or_else(|| account.app.clone())] }))
        }
        (true, "subscribed_apps") => {
            let mut app = account.app.clone();
            if let Some(fields) = body()["subscribed_fields"].as_str() {
                app["subscribed_fields"] = fields.split(',').collect::<Vec<_>>().into();
            }
            house.desk.put(&format!("graph:{name}:subscribed"), app);
            good()
        }
        (false, "messenger_profile") => profile(house, request, name),
        (true, "messenger_profile") => set_profile(house, request, name, &body()),
        (true, "conversational_automation") => commands(house, name, body()),
        _ => return None,
    })
}

fn subscribe_app(house: &House, body: &Value) -> Reply {
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    if text("verify_token").is_empty() || !text("callback_url").starts_with("https://") || text("fields").is_empty() {
        return fault(2200, "(#2200) Callback verification failed");
    }
    let fields: Vec<Value> =
        text("fields").split(',').map(|name| json!({ "name": name, "version": "v26.0" })).collect();
    let held =
        json!({ "object": text("object"), "callback_url": text("callback_url"), "active": true, "fields": fields });
    house.desk.put(&format!("graph:app:{}", text("object")), held);
    good()
}

/// Instagram gives its first questions without their name.
fn profile(house: &House, request: &Request, name: &str) -> Reply {
    let instagram = name == "instagram";
    if instagram != (request.query("platform").as_deref() == Some("instagram")) {
        return fault(100, "(#100) platform does not fit the account");
    }
    let asked = request.query("fields").unwrap_or_default();
    let data = match house.desk.get(&format!("graph:{name}:profile:{asked}")) {
        None => json!([]),
        Some(held) if instagram && asked == "ice_breakers" => held,
        Some(held) => json!([{ asked: held }]),
    };
    Reply::json(200, &json!({ "data": data }))
}

fn set_profile(house: &House, request: &Request, name: &str, body: &Value) -> Reply {
    if (name == "instagram") != (request.query("platform").as_deref() == Some("instagram")) {
        return fault(100, "(#100) platform does not fit the account");
    }
    let variants = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let has_default = |value: &Value| variants(value).iter().any(|v| v["locale"] == "default");
    let longest = |value: &Value, key: &str| {
        let actions = variants(value).into_iter().flat_map(|v| variants(&v["call_to_actions"]));
        actions.map(|a| a[key].as_str().map_or(usize::MAX, |t| t.chars().count())).max().unwrap_or(usize::MAX)
    };
    let menu = &body["persistent_menu"];
    let started =
        house.desk.get(&format!("graph:{name}:profile:get_started")).is_some() || body["get_started"].is_object();
    if name == "messenger" && menu.is_array() && !started {
        return fault(100, "(#100) You must set a Get Started button if you also wish to use persistent menu");
    }
    let questions = &body["ice_breakers"];
    if (menu.is_array() && (!has_default(menu) || longest(menu, "title") > 30))
        || (questions.is_array() && (!has_default(questions) || longest(questions, "question") > 80))
    {
        return fault(100, "(#100) Invalid parameter");
    }
    for property in ["get_started", "persistent_menu", "ice_breakers"] {
        if !body[property].is_null() {
            house.desk.put(&format!("graph:{name}:profile:{property}"), body[property].clone());
        }
    }
    Reply::json(200, &json!({ "result": "success" }))
}

fn commands(house: &House, name: &str, body: Value) -> Reply {
    let list = |key: &str| body[key].as_array().cloned().unwrap_or_default();
    let short = |value: &Value, most: usize| value.as_str().is_some_and(|t| (1..=most).contains(&t.chars().count()));
    let fits = |c: &Value| short(&c["command_name"], 32) && short(&c["command_description"], 256);
    let asks = list("prompts").iter().all(|p| short(p, 80)) && list("prompts").len() <= 4;
    if !asks || list("commands").len() > 30 || !list("commands").iter().all(fits) {
        return fault(100, "(#100) Invalid parameter");
    }
    house.desk.put(&format!("graph:{name}:commands"), body);
    good()
}
