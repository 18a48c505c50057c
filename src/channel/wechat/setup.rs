//! What is set up at WeChat: the menu of the account. The callback's address is set in its console only.
//!
//! Source: "Custom menus", create and get (state of 2026-11-22): at most three entries, names of 16 bytes; longer names
//! go into a submenu of five, with 60 bytes. There is one menu, in the shop's language. People see a new one within
//! minutes of opening the account.

use super::WeChat;
use crate::channel::ask::{self, No};
use crate::channel::setup::{Desk, Menu, Piece, Wish};
use crate::channel::text;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// Longest name of an entry, and of one in a submenu. Bytes.
const NAME: usize = 16;
const SUB_NAME: usize = 60;
/// What is answered where there is no menu.
const NO_MENU: i64 = 46_003;
const REMEDY: &str = "menus need a verified account; check app_id and app_secret, and the address on its allow-list";

impl WeChat {
    /// Compares, and with `install` changes what differs.
    pub(super) async fn set_up_all(&self, wish: &Wish, install: bool) -> Vec<Piece> {
        let mut desk = Desk::new(install);
        desk.note(Piece::not_asked("callback", "WeChat takes it in its console only: settings and development"));
        let Some(menu) = wish.menus.first() else { return desk.done() };
        let token = match self.tokens.get(&self.wire).await {
            Ok(token) => token,
            Err(no) => {
                desk.note(Piece::failed("menu", super::ask::told(no.into()), REMEDY));
                return desk.done();
            }
        };
        let query: String = url::form_urlencoded::byte_serialize(token.expose().as_bytes()).collect();
        let at = |call: &str| format!("{}/cgi-bin/menu/{call}?access_token={query}", self.api_url);
        let refused = |body: &Value| body.get("errcode").and_then(Value::as_i64).is_some_and(|code| code != 0);
        let held = match ask::document(&self.wire.get(&at("get"), HeaderMap::new()).await, refused) {
            Err(No { body, .. }) if body.get("errcode").and_then(Value::as_i64) == Some(NO_MENU) => Ok(Value::Null),
            Err(no) => Err(no),
            Ok(told) => Ok(json!({ "button": told.pointer("/menu/button") })),
        };
        let wanted = buttons(menu);
        let create = async {
            let answer = self.wire.post_json(&at("create"), HeaderMap::new(), wanted.to_string()).await;
            ask::document(&answer, refused).map(|_| ())
        };
        desk.compare("menu", held, &wanted, (create, REMEDY)).await;
        desk.done()
    }
}

fn buttons(menu: &Menu) -> Value {
    let entry = |limit: usize| move |item: &crate::channel::setup::Item| json!({ "type": "click", "name": text::cut(&item.label, limit, str::len), "key": item.data });
    if menu.items.len() <= 3 && menu.items.iter().all(|item| item.label.len() <= NAME) {
        return json!({ "button": menu.items.iter().map(entry(NAME)).collect::<Vec<_>>() });
    }
    let sub: Vec<Value> = menu.items.iter().take(5).map(entry(SUB_NAME)).collect();
    json!({ "button": [{ "name": text::cut(&menu.title, NAME, str::len), "sub_button": sub }] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::setup::Item;

    #[test]
    fn names_that_are_too_long_go_into_a_submenu() {
        let menu = |labels: &[&str]| Menu {
            locale: "zh-CN",
            title: "订单".into(),
            items: labels
                .iter()
                .map(|l| Item { label: (*l).into(), data: "ow:orders".into(), command: "orders", spoken: true })
                .collect(),
        };
        let flat = buttons(&menu(&["我的订单", "通知设置", "联系我们"]));
        assert_eq!(flat["button"].as_array().map(Vec::len), Some(3));
        let deep = buttons(&menu(&["Đơn hàng của tôi", "Thông báo đơn hàng", "Liên hệ cửa hàng"]));
        assert_eq!(deep.pointer("/button/0/name"), Some(&json!("订单")));
        assert_eq!(deep.pointer("/button/0/sub_button/1/name"), Some(&json!("Thông báo đơn hàng")));
    }
}
