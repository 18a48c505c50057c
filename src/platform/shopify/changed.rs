//! Which orders changed: `orders` of the Admin GraphQL API, sorted by their last change.
//!
//! A page says only which and when, since an order with its lists costs many times a page's budget; what the relay does
//! not know yet is asked for one by one. Scope `read_orders`; orders older than 60 days need `read_all_orders` (read
//! November 2026).

use super::gql;
use super::wire::Gid;
use crate::domain::clock::Timestamp;
use crate::platform::api::{Answering, Changed, Row, RowState, Since};
use crate::platform::meta::{Many, Part, Text};
use crate::platform::{AskFault, Shop};
use serde::Deserialize;
use serde_json::json;

/// Orders of one page.
const PAGE: u32 = 100;

const QUERY: &str = "query($first: Int!, $after: String, $query: String!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes { id updatedAt }
  }
}";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    orders: Part<Orders>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Orders {
    page_info: Part<PageInfo>,
    nodes: Many<Node>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Node {
    id: Gid,
    updated_at: Text,
}

/// A page of the orders that changed.
pub(super) fn changed(shop: &Shop, client: &reqwest::Client, since: Since) -> Answering<Changed> {
    let (shop, client) = (shop.clone(), client.clone());
    Box::pin(async move {
        let filter = format!("updated_at:>='{}'", since.from.strftime("%Y-%m-%dT%H:%M:%SZ"));
        let variables = json!({ "first": PAGE, "after": since.place, "query": filter });
        let answer = gql::send::<Data>(&shop, &client, QUERY, variables).await?;
        let fault = answer.fault();
        let Some(orders) = answer.data.and_then(|data| data.orders.0) else {
            return Err(fault.unwrap_or_else(|| AskFault::Later("the answer lists no orders".into(), None)));
        };
        let rows = orders.nodes.0.iter().filter_map(row).collect();
        let page = orders.page_info.0.unwrap_or_default();
        let place = Some(page.end_cursor.as_str().to_string()).filter(|c| page.has_next_page && !c.is_empty());
        Ok(Changed { rows, next: place.map(|place| Since { from: since.from, place: Some(place) }) })
    })
}

fn row(node: &Node) -> Option<Row> {
    let order = node.id.0.as_deref()?.into();
    let at: Timestamp = node.updated_at.as_str().parse().ok()?;
    Some(Row { order, at, now: RowState::Ask })
}
