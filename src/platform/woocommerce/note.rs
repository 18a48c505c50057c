//! A private note of an order: seen by the shop's people in the order, by nobody else.
//!
//! `POST orders/<id>/notes` with `customer_note` false; adding one fires no `order.updated` (seen on WooCommerce
//! 11.0.1, November 2026), and where a plugin saves the order for it, that order says nothing new.

use super::rest::{call, order_path};
use super::{AskFault, MAX_BODY, Shop};
use crate::platform::api::{Answering, Writing};
use reqwest::Method;
use serde_json::{Value, json};

/// Writes the note, unless it may have been written and is found by its key.
pub(super) fn write(shop: &Shop, client: &reqwest::Client, writing: Writing) -> Answering<()> {
    let (shop, client) = (shop.clone(), client.clone());
    Box::pin(async move {
        let path = format!("{}/notes", order_path(writing.order.as_str())?);
        if writing.again && there(&shop, &client, &path, &writing.key).await? {
            return Ok(());
        }
        let note = json!({ "note": writing.text, "customer_note": false });
        call(&shop, &client, (Method::POST, &path, Some(&note)), MAX_BODY).await.map(drop)
    })
}

async fn there(shop: &Shop, client: &reqwest::Client, path: &str, key: &str) -> Result<bool, AskFault> {
    let path = format!("{path}?type=internal");
    let notes = call(shop, client, (Method::GET, &path, None), MAX_BODY).await?.json()?;
    let ours = |note: &Value| note.get("note").and_then(Value::as_str).is_some_and(|text| text.contains(key));
    Ok(notes.as_array().is_some_and(|notes| notes.iter().any(ours)))
}
