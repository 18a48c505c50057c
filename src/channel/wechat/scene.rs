//! A QR code with a scene: whoever scans it follows the account or is led to it, and the scene comes back with them
//! ("Generate QR code with parameters", state of 2026-11-22). Ours are temporary, so that none of the 100,000 lasting
//! ones is used up.

use super::WeChat;
use crate::channel::ask;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

impl WeChat {
    /// The address in a code that brings `scene` back within so many seconds; `None`: WeChat made none.
    pub(super) async fn scene(&self, scene: &str, secs: i64) -> Option<String> {
        let token = self.tokens.get(&self.wire).await.ok()?;
        let query: String = url::form_urlencoded::byte_serialize(token.expose().as_bytes()).collect();
        let at = format!("{}/cgi-bin/qrcode/create?access_token={query}", self.api_url);
        let body = json!({ "expire_seconds": secs, "action_name": "QR_STR_SCENE",
            "action_info": { "scene": { "scene_str": scene } } });
        let refused = |body: &Value| ask::text(body, "/url").is_empty();
        let answer = self.wire.post_json(&at, HeaderMap::new(), body.to_string()).await;
        match ask::document(&answer, refused) {
            Ok(made) => Some(ask::text(&made, "/url").to_string()).filter(|url| url.starts_with("http")),
            Err(no) => {
                tracing::warn!(channel = %self.id, why = no.words, "WeChat made no QR code");
                None
            }
        }
    }
}
