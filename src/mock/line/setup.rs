//! The webhook's address and rich menus, as LINE takes and refuses them ("Rich menu structure", "Requirements for rich
//! menu image", state of 2026-08).

use super::{House, Reply, Request, fault, not_found};
use serde_json::{Value, json};

/// Largest picture of a menu. Bytes.
const PICTURE: usize = 1024 * 1024;

/// A call about what is set up; `None`: it is about something else.
pub(super) fn answer(house: &House, request: &Request, path: &str) -> Option<Reply> {
    let body = || serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    Some(match (request.method(), parts.as_slice()) {
        ("GET", ["channel", "webhook", "endpoint"]) => match endpoint(house) {
            Some(url) => Reply::json(200, &json!({ "endpoint": url, "active": true })),
            None => not_found(),
        },
        ("PUT", ["channel", "webhook", "endpoint"]) => put_endpoint(house, &body()),
        ("POST", ["channel", "webhook", "test"]) => {
            let known = endpoint(house).is_some() && body()["endpoint"].as_str() == endpoint(house).as_deref();
            let (status, reason) = if known { (200, "OK") } else { (0, "COULD_NOT_CONNECT") };
            let told = json!({ "success": known, "timestamp": "2026-11-25T00:00:00.000Z", "statusCode": status,
                "reason": reason, "detail": status.to_string() });
            Reply::json(200, &told)
        }
        ("POST", ["richmenu"]) => create(house, body()),
        ("GET", ["richmenu", "list"]) => {
            let all: Vec<Value> = house.desk.all("line:menu:").into_values().map(shown).collect();
            Reply::json(200, &json!({ "richmenus": all }))
        }
        ("GET", ["richmenu", id]) => {
            house.desk.get(&format!("line:menu:{id}")).map_or_else(not_found, |menu| Reply::json(200, &shown(menu)))
        }
        ("DELETE", ["richmenu", id]) => {
            if house.desk.get("line:default").is_some_and(|default| default == *id) {
                house.desk.remove("line:default");
            }
            if house.desk.remove(&format!("line:menu:{id}")) { Reply::json(200, &json!({})) } else { not_found() }
        }
        ("POST", ["richmenu", id, "content"]) => content(house, request, id),
        ("GET", ["user", "all", "richmenu"]) => match house.desk.get("line:default") {
            Some(id) => Reply::json(200, &json!({ "richMenuId": id })),
            None => fault(404, "no default richmenu"),
        },
        ("POST", ["user", "all", "richmenu", id]) => match house.desk.get(&format!("line:menu:{id}")) {
            Some(menu) if menu["picture"].is_u64() => {
                house.desk.put("line:default", Value::from(*id));
                Reply::json(200, &json!({}))
            }
            Some(_) => fault(400, "must upload richmenu image before applying it to user"),
            None => not_found(),
        },
        _ => return None,
    })
}

fn endpoint(house: &House) -> Option<String> {
    let put = house.desk.get("line:endpoint").and_then(|url| url.as_str().map(String::from));
    put.or_else(|| house.relay.url(&house.options.line.id))
}

fn put_endpoint(house: &House, body: &Value) -> Reply {
    match body["endpoint"].as_str().filter(|url| url.starts_with("https://") && url.len() <= 500) {
        Some(url) => {
            house.desk.put("line:endpoint", url.into());
            Reply::json(200, &json!({}))
        }
        None => fault(400, "Invalid webhook endpoint URL"),
    }
}

/// Without what LINE does not tell.
fn shown(mut menu: Value) -> Value {
    if let Some(menu) = menu.as_object_mut() {
        menu.remove("picture");
    }
    menu
}

fn create(house: &House, mut menu: Value) -> Reply {
    let text = |value: &Value, most: usize| value.as_str().is_some_and(|t| !t.is_empty() && t.chars().count() <= most);
    let (width, height) = (menu["size"]["width"].as_u64(), menu["size"]["height"].as_u64());
    let areas = menu["areas"].as_array().map_or(&[][..], Vec::as_slice);
    let inside = |area: &Value| {
        let number = |key: &str| area["bounds"][key].as_u64().unwrap_or(u64::MAX);
        let ends = |at: &str, long: &str, most: Option<u64>| {
            number(at).checked_add(number(long)).is_some_and(|end| Some(end) <= most)
        };
        ends("x", "width", width) && ends("y", "height", height)
    };
    let answers = |area: &Value| {
        let action = &area["action"];
        action["type"] == "postback"
            && text(&action["data"], 300)
            && text(&action["displayText"], 300)
            && text(&action["label"], 20)
    };
    let sized = width.is_some_and(|w| (800..=2500).contains(&w)) && height.is_some_and(|h| h >= 250);
    let good = sized
        && text(&menu["name"], 300)
        && text(&menu["chatBarText"], 14)
        && menu["selected"].is_boolean()
        && (1..=20).contains(&areas.len())
        && areas.iter().all(|area| inside(area) && answers(area));
    if !good {
        return fault(400, "The request body has 1 error(s)");
    }
    let id = format!("richmenu-{:032x}", house.relay.event());
    menu["richMenuId"] = id.as_str().into();
    house.desk.put(&format!("line:menu:{id}"), menu);
    Reply::json(200, &json!({ "richMenuId": id }))
}

/// A PNG of exactly the menu's size.
fn content(house: &House, request: &Request, id: &str) -> Reply {
    let thing = format!("line:menu:{id}");
    let Some(mut menu) = house.desk.get(&thing) else { return not_found() };
    let number = |at: usize| {
        let bytes = request.body.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
        bytes.map(|b| u64::from(u32::from_be_bytes(b)))
    };
    let png = request.header("content-type") == Some("image/png") && request.body.starts_with(b"\x89PNG");
    let size = (menu["size"]["width"].as_u64(), menu["size"]["height"].as_u64());
    if !png || request.body.len() > PICTURE || (number(16), number(20)) != size {
        return fault(400, "The size of the image does not match the size of the rich menu");
    }
    if menu["picture"].is_u64() {
        return fault(400, "An image has already been uploaded to the richmenu");
    }
    menu["picture"] = request.body.len().into();
    house.desk.put(&thing, menu);
    Reply::json(200, &json!({}))
}
