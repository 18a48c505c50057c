//! What the shop is asked: the order as it is now, and which orders changed.
//!
//! `GET orders/<id>` and `GET orders` answer the very shape of a webhook's body.

use super::body::{self, Body, Loose};
use super::rest::{call, not_json, order_path, refused};
use super::snapshot::{Passed, Snapshot};
use super::times::utc;
use super::{AskFault, MAX_BODY, Question, Shop};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::event::OrderEvent;
use crate::platform::api::{Answering, Changed, Row, RowState, Since};
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The topic noted for what was asked, not told.
const TOPIC: &str = "rest.order";
/// Orders of one page: some shops' orders are hundreds of kilobytes long.
const PAGE: usize = 20;
/// Longest page read.
const MAX_PAGE: usize = 16 * 1024 * 1024;

/// Asks the shop.
pub(super) fn ask(
    shop: &Shop,
    client: &reqwest::Client,
    question: Question,
) -> BoxFuture<'static, Result<Option<OrderEvent>, AskFault>> {
    let (shop, client) = (shop.clone(), client.clone());
    Box::pin(async move {
        let id = match question {
            Question::Order(id) => id,
            Question::OrderOf(key) => {
                let kind = body::word(&key.kind);
                return refused(format!(
                    "WooCommerce cannot be asked for the order of a {kind}; only for an order by its id"
                ));
            }
        };
        let path = order_path(id.as_str())?;
        let answer = call(&shop, &client, (Method::GET, &path, None), MAX_BODY).await?;
        order(&shop, &answer.body)
    })
}

/// The order in the answer; `None`: it is none of our business (a cart, the bin).
fn order(shop: &Shop, answer: &[u8]) -> Result<Option<OrderEvent>, AskFault> {
    match body::read(answer) {
        Ok(Body::Order(order)) => match Snapshot::of(shop, *order) {
            Ok(snapshot) => Ok(Some(snapshot.event(shop, TOPIC))),
            Err(Passed::NoInterest(_)) => Ok(None),
            Err(Passed::Unreadable(why)) => refused(why),
        },
        Err(_) => Err(not_json()),
        Ok(_) => refused("the answer is no order: does [shop.api] url name this shop's home address?"),
    }
}

/// A page of the orders that changed, by the time of their last change. `modified_after` leaves its own second out, and
/// times are whole seconds; so each page begins one second before the last order of the page before, by time and not
/// by number: pages counted by number would pass over orders while others change and move to the end. Only where
/// nothing but one second stands on a page, its next is taken by number.
pub(super) fn changed(shop: &Shop, client: &reqwest::Client, since: Since) -> Answering<Changed> {
    let (shop, client) = (shop.clone(), client.clone());
    Box::pin(async move {
        let number = since.place.as_deref().and_then(|p| p.parse::<u32>().ok()).unwrap_or(1);
        let after = plus_secs(since.from, -1).strftime("%Y-%m-%dT%H:%M:%S");
        let path = format!(
            "orders?modified_after={after}&dates_are_gmt=true&orderby=modified&order=asc&per_page={PAGE}&page={number}"
        );
        let answer = call(&shop, &client, (Method::GET, &path, None), MAX_PAGE).await?;
        let list: Vec<&RawValue> = serde_json::from_slice(&answer.body).map_err(|_| not_json())?;
        let rows: Vec<Row> = list.iter().filter_map(|raw| row(&shop, raw.get().as_bytes())).collect();
        let next = if list.len() < PAGE { None } else { behind(&rows, &since, number) };
        Ok(Changed { rows, next })
    })
}

/// Where a full page is followed by the next.
fn behind(rows: &[Row], since: &Since, number: u32) -> Option<Since> {
    let last = rows.last()?.at;
    let by_number = last <= since.from;
    Some(match by_number {
        true => Since { from: since.from, place: Some((number + 1).to_string()) },
        false => Since { from: last, place: None },
    })
}

/// What a list must say of an order at least.
#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    id: Loose,
    #[serde(default)]
    date_modified_gmt: Loose,
}

fn row(shop: &Shop, raw: &[u8]) -> Option<Row> {
    let listed: Listed = serde_json::from_slice(raw).ok()?;
    let order = body::id(&listed.id)?.into();
    let at: Timestamp = utc(listed.date_modified_gmt.text())?;
    let now = match self::order(shop, raw) {
        Ok(Some(event)) => RowState::Told(Box::new(event)),
        Ok(None) | Err(_) => RowState::Nothing,
    };
    Some(Row { order, at, now })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).expect("a time")
    }

    fn page(times: &[i64]) -> Vec<Row> {
        let row = |(i, t): (usize, &i64)| Row { order: i.to_string().into(), at: at(*t), now: RowState::Nothing };
        times.iter().enumerate().map(row).collect()
    }

    #[test]
    fn pages_go_on_by_time_and_by_number_only_within_one_second() {
        let since = Since { from: at(100), place: None };
        let next = behind(&page(&[100, 104, 107]), &since, 1).expect("a next");
        assert_eq!((next.from, next.place), (at(107), None));
        let next = behind(&page(&[100, 100]), &since, 1).expect("a next");
        assert_eq!((next.from, next.place.as_deref()), (at(100), Some("2")));
        let next = behind(&page(&[100, 101]), &next, 2).expect("a next");
        assert_eq!((next.from, next.place), (at(101), None));
    }
}
