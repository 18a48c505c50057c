//! `start_url` of a channel account, whatever its kind: where a customer begins a chat with it.

use crate::channel::Kind;
use crate::config::schema::{of, with};
use crate::domain::settings::Mistake;
use schemars::Schema;
use serde_json::Value;

const KEY: &str = "start_url";

/// The settings' schema of a kind, with the key.
pub(super) fn schema(kind: &Kind) -> Schema {
    let description = "Where a customer begins a chat, for links that connect an order (/l/…); {code} stands for the \
                       code that connects it. Without {code} the customer is asked to send it.";
    with(of(kind.schema), KEY, description)
}

/// Takes it out of an account's settings.
pub(super) fn take(settings: &mut Value) -> Result<Option<String>, Mistake> {
    let taken = settings.as_object_mut().and_then(|map| map.remove(KEY));
    let Some(url) = taken.as_ref().and_then(Value::as_str) else { return Ok(None) };
    let parsed = url::Url::parse(&url.replace("{code}", "ow-0")).ok();
    let known = parsed.is_some_and(|u| matches!(u.scheme(), "https" | "viber"));
    if known { Ok(Some(url.to_string())) } else { Err(Mistake::new(KEY, "must begin with https:// or viber://")) }
}
