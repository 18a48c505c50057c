//! What the shop's people see of messages: tags or a metafield of the order.
//!
//! The API has no mutation for comments in an order's timeline (version 2026-10, read November 2026). `tagsAdd` adds what
//! is not there yet, `metafieldsSet` writes the whole value: both may be done twice. Scope `write_orders`.

use super::gql;
use super::wire::is_number;
use crate::platform::api::{Answering, WriteBack, Writing};
use crate::platform::{AskFault, Shop};
use serde_json::json;

const ADD_TAGS: &str = "mutation($id: ID!, $tags: [String!]!) {
  tagsAdd(id: $id, tags: $tags) { userErrors { field message } }
}";
const SET_METAFIELD: &str = "mutation($metafields: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $metafields) { userErrors { field message } }
}";

/// Writes it.
pub(super) fn write(shop: &Shop, client: &reqwest::Client, writing: Writing) -> Answering<()> {
    let (shop, client) = (shop.clone(), client.clone());
    Box::pin(async move {
        if !is_number(writing.order.as_str()) {
            return Err(AskFault::Refused("an id that is no number is none of Shopify's".into()));
        }
        let id = format!("gid://shopify/Order/{}", writing.order);
        match writing.how {
            WriteBack::Metafield => {
                let field = json!({ "ownerId": id, "namespace": "orderwire", "key": "messages",
                    "type": "multi_line_text_field", "value": writing.text });
                let variables = json!({ "metafields": [field] });
                gql::change(&shop, &client, ("metafieldsSet", SET_METAFIELD), variables).await
            }
            WriteBack::Tag | WriteBack::Note | WriteBack::Off => {
                let variables = json!({ "id": id, "tags": writing.tags });
                gql::change(&shop, &client, ("tagsAdd", ADD_TAGS), variables).await
            }
        }
    })
}
