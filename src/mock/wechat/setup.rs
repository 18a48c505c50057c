//! Menus and QR codes with a scene ("Custom menus", "Generate QR code with parameters", state of 2026-11-22).

use super::{House, Reply, Request, Value, access_token, error, json, text};

/// A temporary code with a scene of 1 to 64 letters, good for 30 days at most.
pub(super) fn scene(house: &House, request: &Request, body: &Value) -> Reply {
    if request.query("access_token") != Some(access_token(house)) {
        return error(40_001, "invalid credential, access_token is invalid or not latest");
    }
    let scene = body.pointer("/action_info/scene/scene_str").and_then(Value::as_str).unwrap_or_default();
    let secs = body["expire_seconds"].as_i64().unwrap_or(60);
    if text(body, "action_name") != "QR_STR_SCENE"
        || !(1..=64).contains(&scene.len())
        || !(1..=2_592_000).contains(&secs)
    {
        return error(40_053, "invalid action info");
    }
    house.desk.put("wechat:scene", scene.into());
    let url = format!("http://weixin.qq.com/q/mock{}", house.relay.event());
    Reply::json(200, &json!({ "ticket": "gQmockticket", "expire_seconds": secs, "url": url }))
}

/// The menu: at most three entries, with names of 16 bytes; in a submenu five of 60.
pub(super) fn menus(house: &House, request: &Request, call: &str, body: Value) -> Reply {
    if request.query("access_token") != Some(access_token(house)) {
        return error(40_001, "invalid credential, access_token is invalid or not latest");
    }
    match (request.method(), call) {
        ("GET", "get") => match house.desk.get("wechat:menu") {
            Some(menu) => Reply::json(200, &json!({ "menu": menu })),
            None => error(46_003, "menu no exist"),
        },
        ("POST", "create") => {
            let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
            let named = |b: &Value, most: usize| (1..=most).contains(&text(b, "name").len());
            let taps = |b: &Value| text(b, "type") == "click" && (1..=128).contains(&text(b, "key").len());
            let (top, sub) = (list(&body["button"]), |b: &Value| list(&b["sub_button"]));
            let fits = |b: &Value| {
                let (inner, good) = (sub(b), |b: &Value| named(b, 60) && taps(b));
                named(b, 16) && if inner.is_empty() { taps(b) } else { inner.len() <= 5 && inner.iter().all(good) }
            };
            if !(1..=3).contains(&top.len()) || !top.iter().all(fits) {
                return error(40_018, "invalid button name size");
            }
            house.desk.put("wechat:menu", body);
            error(0, "ok")
        }
        _ => error(43_001, "require GET method"),
    }
}
