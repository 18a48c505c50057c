//! Control calls, for people and scripts: what was sent, faults, people and what they do.

use super::House;
use super::callback::{self, Say};
use super::fault::Fault;
use super::people::Become;
use super::reply::Reply;
use super::request::Request;
use super::shop::{self, ShopKind};
use serde_json::{Value, json};
use std::sync::Arc;

const HELP: &str = "orderwire mock: the providers of every channel, played.

GET    /sent?channel=&to=                       what was taken
GET    /refused                                 what was refused, and why
DELETE /sent                                    forget both
GET    /faults    POST /faults    DELETE /faults
       {\"channel\": \"line\", \"kind\": {\"status\": [500, \"\"]}, \"times\": 1, \"only_to\": null, \"after\": 0}
       kinds: \"rate429\" {\"rate429_after\": \"30\"} \"quota429\" {\"status\": [500, \"…\"]}
              {\"hang_before\": ms} {\"hang_after\": ms} \"cut_before\" \"cut_after\" {\"slow_answer\": ms}
              {\"slow_body\": bytes/s} \"endless_body\" {\"wrong_encoding\": \"gzip|utf8|html\"} {\"late_receipt\": ms}
              {\"smtp_greeting\": [421, \"…\"]} {\"smtp_rcpt\": [550, \"…\"]} {\"smtp_data\": [554, \"…\"]}
POST   /people/{CHANNEL}/{id}/{open|close|block|unblock|forget|know}
POST   /say/{CHANNEL}/{id}                            {\"text\": \"…\"} {\"postback\": \"…\"} {\"link\": \"…\"}
                                                {\"follow\": true} {\"unfollow\": true} {\"read\": true}
       slack: {id} is a thread's ts; telegram: GROUP:MESSAGE that is answered; webhook: a conversation's name
POST   /verify/messenger                        the callback handshake
PUT    /templates/{CHANNEL}/{NAME}              {\"status\": \"PAUSED\", \"category\": \"MARKETING\", \"reason\": \"…\", \"body\": \"…\"}
DELETE /templates                               all are approved again
GET    /installed                               what was set up at the providers: callbacks, menus
PUT    /relay                                   the relay's public address, as text; empty: none
DELETE /line/tokens                             LINE's issued tokens are worth nothing any more
PUT    /shops/{woocommerce|shopify}/orders      somebody saves this order (JSON of the shop's webhooks): its webhooks go
                                                to the relay
GET    /shops/{woocommerce|shopify}/orders/{id} the order, with what was written to it
POST   /shops/lose/{N}                          of ten saves from now on the webhooks of N are lost
";

/// Channels that know people.
pub(super) const PEOPLE: &[&str] = &[
    "line",
    "line_pnp",
    "messenger",
    "instagram",
    "whatsapp",
    "telegram",
    "viber",
    "zalo",
    "wechat",
    "twilio",
    "mitake",
];

/// The name of a channel that knows people.
pub(super) fn with_people(name: &str) -> Option<&'static str> {
    PEOPLE.iter().copied().find(|known| *known == name)
}

fn done() -> Reply {
    Reply::json(200, &json!({ "done": true }))
}

fn no(status: u16, why: &str) -> Reply {
    Reply::json(status, &json!({ "error": why }))
}

/// Whatever is no provider's.
pub(super) async fn answer(house: &Arc<House>, request: &Request) -> Reply {
    let parts: Vec<&str> = request.path().split('/').filter(|part| !part.is_empty()).collect();
    match (request.method(), parts.as_slice()) {
        ("GET", []) => Reply::text(200, HELP),
        ("GET", ["sent"]) => sent(house, request),
        ("GET", ["installed"]) => Reply::json(200, &json!(house.desk.all(""))),
        ("GET", ["refused"]) => Reply::json(200, &json!(house.book.refused())),
        ("DELETE", ["sent"]) => {
            house.book.clear();
            done()
        }
        ("GET", ["faults"]) => Reply::json(200, &json!(house.faults.list())),
        ("POST", ["faults"]) => faults(house, request),
        ("DELETE", ["faults"]) => {
            house.faults.clear();
            done()
        }
        ("POST", ["people", channel, id, word]) => match (with_people(channel), Become::read(word)) {
            (Some(channel), Some(what)) => {
                house.people.change(channel, id, what, house.now());
                done()
            }
            _ => no(404, "POST /people/{CHANNEL}/{id}/{open|close|block|unblock|forget|know}"),
        },
        ("POST", ["say", channel, id]) => say(house, request, channel, id).await,
        ("POST", ["verify", "messenger"]) => match callback::verify(house).await {
            Ok(()) => done(),
            Err(why) => no(502, &why),
        },
        ("PUT", ["templates", channel, name]) => match serde_json::from_slice(&request.body) {
            Ok(what) => {
                house.shelf.put(channel, name, what);
                done()
            }
            Err(e) => no(400, &format!("not a template: {e}; GET / shows one")),
        },
        ("DELETE", ["templates"]) => {
            house.shelf.clear();
            done()
        }
        ("PUT", ["relay"]) => {
            let base = String::from_utf8_lossy(&request.body).trim().to_string();
            house.relay.set(Some(base).filter(|b| !b.is_empty()));
            done()
        }
        ("DELETE", ["line", "tokens"]) => {
            house.line.expire_tokens();
            done()
        }
        ("PUT" | "GET" | "POST", ["shops", ..]) => shops(house, request, &parts).await,
        _ => no(404, "no such address; GET / lists what there is"),
    }
}

/// What somebody does at a shop, and sees there.
async fn shops(house: &Arc<House>, request: &Request, parts: &[&str]) -> Reply {
    match (request.method(), parts) {
        ("PUT", ["shops", kind, "orders"]) => match (ShopKind::named(kind), serde_json::from_slice(&request.body)) {
            (Some(kind), Ok(order)) => Reply::json(200, &json!({ "relay": shop::save(house, kind, order).await })),
            _ => no(400, "PUT /shops/{woocommerce|shopify}/orders with an order as JSON"),
        },
        ("GET", ["shops", kind, "orders", id]) => match (ShopKind::named(kind), id.parse()) {
            (Some(kind), Ok(id)) => Reply::json(200, &shop::show(house, kind, id)),
            _ => no(404, "no such order"),
        },
        ("POST", ["shops", "lose", of_ten]) => {
            shop::lose(house, of_ten.parse().unwrap_or_default());
            done()
        }
        _ => no(404, "no such address; GET / lists what there is"),
    }
}

fn sent(house: &House, request: &Request) -> Reply {
    let (channel, to) = (request.query("channel"), request.query("to"));
    // `channel=` means any, as it is written in the help.
    let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w.is_empty() || w == is);
    let list: Vec<_> =
        house.book.sent().into_iter().filter(|t| fits(&channel, t.channel) && fits(&to, &t.to)).collect();
    Reply::json(200, &json!(list))
}

/// One fault, or a list of them.
fn faults(house: &House, request: &Request) -> Reply {
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else { return no(400, "the body is not JSON") };
    let list = if body.is_array() { body } else { json!([body]) };
    match serde_json::from_value::<Vec<Fault>>(list) {
        Ok(list) => {
            list.into_iter().for_each(|fault| house.faults.add(fault));
            done()
        }
        Err(e) => no(400, &format!("not a fault: {e}; GET / lists the kinds")),
    }
}

async fn say(house: &Arc<House>, request: &Request, channel: &str, id: &str) -> Reply {
    let said = serde_json::from_slice::<Value>(&request.body).ok().and_then(|body| Say::read(&body));
    let Some(what) = said else { return no(400, "say {\"text\": \"…\"}; GET / lists what else") };
    match callback::say(house, channel, id, &what).await {
        Ok(status) => Reply::json(200, &json!({ "relay": status })),
        Err(why) => no(502, &why),
    }
}
