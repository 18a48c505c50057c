//! What is set up at Viber: the webhook and the events that it tells. There is no menu; keys come with each answer.
//!
//! Source: "Viber REST API", `set_webhook` and `get_account_info`. Viber calls the address at once and takes it only
//! when it answers. Messages are told whatever is listed.

use super::Viber;
use crate::channel::ask;
use crate::channel::setup::{Desk, Piece, Wish, sorted};
use serde_json::{Value, json};

/// Events that are heard.
const HEARD: [&str; 6] = ["conversation_started", "delivered", "failed", "seen", "subscribed", "unsubscribed"];
const REMEDY: &str =
    "check auth_token, see that `orderwire serve` runs and the proxy passes /callbacks on, then run it again";

impl Viber {
    /// Compares, and with `install` changes what differs.
    pub(super) async fn set_up_all(&self, wish: &Wish, install: bool) -> Vec<Piece> {
        let mut desk = Desk::new(install);
        if let Some(url) = desk.callback(wish) {
            let refused = |body: &Value| body.get("status").and_then(Value::as_i64) != Some(0);
            let asked = self.call("get_account_info", "{}".into()).await;
            let held = ask::document(&asked, refused).map(|info| {
                let kinds = info.get("event_types").and_then(Value::as_array).into_iter().flatten();
                // Others besides are told to nobody's harm.
                let heard = kinds.filter_map(Value::as_str).filter(|kind| HEARD.contains(kind));
                json!({ "url": ask::text(&info, "/webhook"), "event_types": sorted(heard) })
            });
            let wanted = json!({ "url": url, "event_types": sorted(HEARD) });
            let set = async {
                let body = json!({ "url": url, "event_types": HEARD, "send_name": false, "send_photo": false });
                let answer = self.call("set_webhook", body.to_string()).await;
                ask::document(&answer, refused).map(|_| ())
            };
            desk.compare("callback", held, &wanted, (set, REMEDY)).await;
        }
        desk.note(Piece::not_asked("menu", "Viber has none; keys come with each answer"));
        desk.done()
    }
}
