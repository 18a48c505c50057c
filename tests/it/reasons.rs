//! Every reason is reached, and explained with it; and what `explain` says would change it does. The `match` of [`scene`] is the table: a reason without an arm
//! does not compile.

mod by_plan;
mod otherwise;

use crate::deliver::shops::{Tea, Webhook, Wood, shopify};
use crate::deliver::world::{Setup, World};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::consent::{Source, Word};
use orderwire::domain::decision::Reason;
use orderwire::domain::ids::{ChannelId, ShopId};
use orderwire::domain::ledger::Entry;
use orderwire::domain::order::Contact;
use orderwire::domain::person::{ReceiptOf, ReceiptState};
use orderwire::flow::consent::desk;
use orderwire::flow::deliver::Crew;
use orderwire::flow::erase::{self, Duty, Kind};
use orderwire::flow::replay::{self, Filter, Request};
use orderwire::flow::{queue, sweep};
use orderwire::mock::{Become, Fault, FaultKind, Say};
use orderwire::store::keys::{PARTITIONS, Unit, UnitKind};
use serde_json::json;

const MEI: &str = "U4af4980629b0e1f2d3c4b5a697887766";
const LAN: &str = "7200000000000001";

/// A route over these channels; the last word of the list is a key of its own.
macro_rules! route {
    ($audience:literal, $channels:literal) => {
        route!($audience, $channels, "")
    };
    ($audience:literal, $channels:literal, $more:literal) => {
        concat!(
            "[[route]]\nid = \"main\"\nmilestones = [\"order_placed\", \"preparing\", \"payment_pending\", ",
            "\"payment_expiring\", \"shipped\"]\naudience = \"",
            $audience,
            "\"\nchannels = [",
            $channels,
            "]\n",
            $more,
        )
    };
}
const MAIL: &str = route!("customer", "\"mail\"");
const LINE: &str = route!("customer", "\"line-main\"");
const PAGE: &str = route!("customer", "\"messenger-page\"");
const DESK: &str = route!("staff", "\"desk\"");

async fn world(routes: &'static str) -> World {
    World::start(Setup { routes, ..Setup::default() }).await
}

async fn slow(routes: &'static str) -> World {
    World::start(Setup { routes, slow: true, ..Setup::default() }).await
}

/// Posts, comes to rest, and reads the reason of the one item of `milestone`.
async fn told(w: &World, webhook: &Webhook, milestone: &str) -> String {
    w.post(webhook).await;
    w.rest().await;
    reason(w, milestone).await
}

async fn reason(w: &World, milestone: &str) -> String {
    w.stands("tea", 1, milestone).await.1
}

async fn unowed(w: &World, shop: &str, milestone: &str) -> String {
    let found = w.view(shop, 1).await.ledger.into_iter().find_map(|e| match e.what {
        Entry::Unowed { milestone: m, reason, .. } if m == milestone => Some(reason),
        _ => None,
    });
    found.unwrap_or_default()
}

fn tea(w: &World) -> Tea {
    Tea::paid(1, w.now())
}

/// The reason's word as an operator finds it, after a scene that leads to it.
async fn scene(wanted: Reason) -> (World, String) {
    use Reason::*;
    match wanted {
        // Of this room's channels none asks for a yes beyond the connection itself.
        ConsentMissing | Held | OrderUnknown => by_plan::scene(wanted).await,
        OptedOut | OperatorBlocked | RecipientBlocked | OrderMuted | NoAddress | AddressUnlinked | RecipientInvalid
        | RecipientCapped => customer(wanted).await,
        WindowClosed | TemplateMissing | Superseded => page(wanted).await,
        QuotaSpent | RateLimited | ChannelPaused | BreakerOpen => account(wanted).await,
        Refused | AttemptsSpent | Undelivered | MaybeTold | Retrying | TooLong | EarlierFirst => send(wanted).await,
        QuietHours | Stale | Settling | NotDue | MovedOn => time(wanted).await,
        ConditionFalse | NoRoute | TestOrder | ImportGuard | OrderDeleted | SettingsChanged => order(wanted).await,
        AlreadyTold | Discarded | Poison | Unjoinable => operator(wanted).await,
        Redacted | ShopLeft => gone(wanted).await,
    }
}

async fn customer(wanted: Reason) -> (World, String) {
    let mail = matches!(wanted, Reason::NoAddress | Reason::RecipientCapped);
    let w = match wanted {
        Reason::OrderMuted => slow(LINE).await,
        _ => world(if mail { MAIL } else { LINE }).await,
    };
    let order = tea(&w).mail(if wanted == Reason::NoAddress { "" } else { "mei@example.com" });
    let order = if wanted == Reason::AddressUnlinked { order } else { order.line(MEI) };
    match wanted {
        Reason::OptedOut => w.say("line", MEI, Say::Text("STOP".into())).await,
        Reason::OperatorBlocked => {
            let who = desk::Who { shop: Some("tea".into()), channel: Some("line-main".into()), address: MEI.into() };
            desk::set(&w.relay.app, &who, Word::Block, "by ops: threatens the staff").await.expect("blocked");
        }
        Reason::RecipientBlocked => w.say("line", MEI, Say::Unfollow).await,
        Reason::RecipientInvalid => w.mock.person("line", MEI, Become::Unknown),
        Reason::RecipientCapped => {
            w.mock.fault(Fault::new("smtp", FaultKind::SmtpRcpt(552, "5.2.2 mailbox full".into())));
        }
        Reason::OrderMuted => {
            w.post(&order.webhook(w.now())).await;
            let member = w.relay.app.store.member(&Unit::order(&ShopId::from("tea"), "1"));
            let channel = ChannelId::from("line-main").tag();
            assert!(w.relay.app.store.mute(&member, channel, true, Source::Operator).await.expect("muted"));
            w.pass(25).await;
        }
        _ => {}
    }
    let found = told(&w, &order.webhook(w.now()), "order_placed").await;
    (w, found)
}

async fn page(wanted: Reason) -> (World, String) {
    if wanted == Reason::TemplateMissing {
        const UNKNOWN: &str = "[messenger]\nutility_template = \"never_approved\"\nlanguage = \"zh_TW\"\n";
        let words: &[(&str, &str)] = &[("zh-TW/order_placed.toml", UNKNOWN)];
        let templates: &[(&str, &str)] = &[("order_update", "zh_TW")];
        let w = World::start(Setup { routes: PAGE, words, templates, ..Setup::default() }).await;
        let found = told(&w, &tea(&w).messenger(LAN).webhook(w.now()), "order_placed").await;
        return (w, found);
    }
    let w = world(PAGE).await;
    let mut order = tea(&w).messenger(LAN);
    let mut found = told(&w, &order.webhook(w.now()), "order_placed").await;
    if wanted == Reason::Superseded {
        w.pass(60).await;
        order.ship("F1", w.now());
        w.post(&order.webhook(w.now())).await;
        w.say("messenger", LAN, Say::Text("hi".into())).await;
        found = reason(&w, "order_placed").await;
    }
    (w, found)
}

async fn account(wanted: Reason) -> (World, String) {
    let w = world(LINE).await;
    match wanted {
        Reason::QuotaSpent => w.mock.fault(Fault::new("line", FaultKind::Quota429)),
        Reason::RateLimited => w.mock.fault(Fault::new("line", FaultKind::Rate429)),
        Reason::ChannelPaused => {
            let until = plus_secs(w.now(), 3600);
            queue::pause(&w.relay.app, "line-main", Some((until, wanted))).await.expect("paused");
        }
        Reason::BreakerOpen => {
            w.mock.fault(Fault::new("line", FaultKind::CutBefore).times(5));
            for id in 2..=6 {
                w.post(&Tea::paid(id, w.now()).line(&format!("U{id:032x}")).webhook(w.now())).await;
                w.rest().await;
            }
        }
        _ => {}
    }
    let found = told(&w, &tea(&w).line(MEI).webhook(w.now()), "order_placed").await;
    (w, found)
}

async fn send(wanted: Reason) -> (World, String) {
    let w = match wanted {
        Reason::Refused => world(LINE).await,
        Reason::MaybeTold => world(DESK).await,
        Reason::TooLong => too_long().await,
        Reason::AttemptsSpent => {
            World::start(Setup { routes: MAIL, channels: &[("mail", "per_second = 100")], ..Setup::default() }).await
        }
        Reason::Undelivered => world(PAGE).await,
        _ => world(MAIL).await,
    };
    let again_later = || Fault::new("smtp", FaultKind::SmtpData(451, "4.3.0 try again".into()));
    match wanted {
        Reason::Refused => {
            w.mock.fault(Fault::new("line", FaultKind::Status(400, r#"{"message":"May not be empty"}"#.into())));
        }
        Reason::MaybeTold => {
            w.mock.fault(Fault::new("slack", FaultKind::Status(500, "server_error".into())).after(1));
        }
        Reason::Undelivered => {
            w.say("messenger", LAN, Say::Text("hi".into())).await;
            // The page reports no delivery of its own.
            w.mock.set_relay(None);
        }
        Reason::Retrying | Reason::EarlierFirst => w.mock.fault(again_later()),
        Reason::AttemptsSpent => w.mock.fault(again_later().times(100).only_to("mei@example.com")),
        _ => {}
    }
    let order = tea(&w).line(MEI).messenger(LAN);
    let found = told(&w, &order.webhook(w.now()), "order_placed").await;
    let found = match wanted {
        Reason::MaybeTold | Reason::EarlierFirst | Reason::AttemptsSpent | Reason::Undelivered => {
            after(&w, wanted, order).await
        }
        _ => found,
    };
    (w, found)
}

/// Words that no card of LINE carries.
async fn too_long() -> World {
    let text = json!({ "type": "text", "text": "長".repeat(12_000) });
    let body = json!({ "type": "box", "layout": "vertical", "contents": [text] });
    let card = json!({ "type": "bubble", "body": body });
    let words: &'static str = format!("[line]\nflex = '{card}'\n").leak();
    World::start(Setup { routes: LINE, words: vec![("zh-TW/order_placed.toml", words)].leak(), ..Setup::default() })
        .await
}

/// What follows the first send of a scene.
async fn after(w: &World, wanted: Reason, mut order: Tea) -> String {
    match wanted {
        Reason::MaybeTold => {
            order.status = "packing";
            w.pass(5).await;
            told(w, &order.webhook(w.now()), "preparing").await
        }
        Reason::EarlierFirst => {
            order.ship("F1", w.now());
            told(w, &order.webhook(w.now()), "shipped").await
        }
        Reason::AttemptsSpent => {
            // Drawn waits grow to hours: how many steps it takes is chance, that it ends is not.
            for others in 2..300 {
                // Everybody else's mail goes: it is the message, not the channel.
                w.post(&Tea::paid(others, w.now()).mail("lin@example.com").webhook(w.now())).await;
                w.pass(1_000).await;
                let found = reason(w, "order_placed").await;
                if found != Reason::Retrying.as_str() && found != Reason::BreakerOpen.as_str() {
                    return found;
                }
            }
            reason(w, "order_placed").await
        }
        _ => {
            let mid = w.mock.sent()[0].ids[0].clone();
            let (page, state) = (ChannelId::from("messenger-page"), ReceiptState::Undelivered("551".into()));
            let laid = w.relay.app.store.receipt(&page, &ReceiptOf::ProviderId(mid), None, &state, w.now()).await;
            laid.expect("laid");
            w.tick().await;
            w.rest().await;
            let item = w.items("tea", 1, "order_placed").await.remove(0);
            assert_eq!(item.state, "undelivered");
            item.reason.unwrap_or_default()
        }
    }
}

async fn time(wanted: Reason) -> (World, String) {
    let w = World::start(Setup {
        routes: MAIL,
        shop: "quiet = { hours = \"22:00-08:00\" }\npayment_deadline = \"2h\"",
        slow: matches!(wanted, Reason::Settling | Reason::Stale),
        // 23:00 in Taipei.
        at: Some("2026-11-26T15:00:00Z"),
        ..Setup::default()
    })
    .await;
    let (mut order, milestone) = match wanted {
        Reason::NotDue | Reason::MovedOn => (Tea::unpaid(1, w.now()), "payment_expiring"),
        _ => (tea(&w), "order_placed"),
    };
    let mut found = told(&w, &order.webhook(w.now()), milestone).await;
    match wanted {
        Reason::Stale => {
            w.pass(4 * 86_400).await;
            found = reason(&w, milestone).await;
        }
        Reason::QuietHours => {
            w.pass(5).await;
            order.status = "packing";
            found = told(&w, &order.webhook(w.now()), "preparing").await;
        }
        Reason::MovedOn => {
            w.pass(60).await;
            (order.status, order.paid) = ("processing", Some(w.now()));
            found = told(&w, &order.webhook(w.now()), milestone).await;
        }
        _ => {}
    }
    (w, found)
}

async fn order(wanted: Reason) -> (World, String) {
    let w = match wanted {
        Reason::ConditionFalse => world(route!("customer", "\"mail\"", "when = \"order.total > 5000\"\n")).await,
        Reason::SettingsChanged => slow(route!("customer", "\"line-main\"", "also = [\"mail\"]\n")).await,
        Reason::OrderDeleted => slow(MAIL).await,
        _ => world(MAIL).await,
    };
    match wanted {
        Reason::NoRoute => {
            w.post(&tea(&w).webhook(w.now())).await;
            let found = unowed(&w, "tea", "payment_received").await;
            (w, found)
        }
        Reason::ImportGuard => {
            let old = Wood::paid(1, plus_secs(w.now(), -3 * 86_400));
            w.post(&old.webhook(plus_secs(w.now(), -3 * 86_400))).await;
            let found = unowed(&w, "wood", "order_placed").await;
            (w, found)
        }
        Reason::TestOrder => {
            w.post(&Wood { test: true, ..Wood::paid(1, w.now()) }.webhook(w.now())).await;
            w.rest().await;
            let found = w.stands("wood", 1, "order_placed").await.1;
            (w, found)
        }
        Reason::SettingsChanged => {
            w.post(&tea(&w).webhook(w.now())).await;
            w.change("also = [\"mail\"]", "");
            w.pass(25).await;
            let items = w.items("tea", 1, "order_placed").await;
            let copy = items.iter().find(|i| i.state == "skipped").and_then(|i| i.reason.clone());
            (w, copy.unwrap_or_default())
        }
        _ => {
            w.post(&tea(&w).webhook(w.now())).await;
            if wanted == Reason::OrderDeleted {
                w.post(&tea(&w).deleted()).await;
                w.pass(25).await;
            }
            w.rest().await;
            let found = reason(&w, "order_placed").await;
            (w, found)
        }
    }
}

async fn operator(wanted: Reason) -> (World, String) {
    let idle = wanted == Reason::Poison;
    let w = World::start(Setup { routes: MAIL, idle, slow: wanted == Reason::Discarded, ..Setup::default() }).await;
    let app = w.relay.app.clone();
    if wanted == Reason::AlreadyTold {
        w.mock.fault(Fault::new("smtp", FaultKind::SmtpData(554, "5.6.0 malformed".into())));
    }
    match wanted {
        Reason::Unjoinable => {
            let scan = json!({ "id": 5, "fulfillment_id": 77, "status": "in_transit", "happened_at": w.now().to_string(),
                "admin_graphql_api_id": "gid://shopify/FulfillmentEvent/5" });
            assert_eq!(w.post(&shopify("wood", "fulfillment_events/create", &scan, w.now())).await, "waiting");
            w.pass(2 * 86_400 + 60).await;
            let unit = Unit { shop: ShopId::from("wood"), kind: UnitKind::Join, id: "fulfillment:77".into() };
            let record = app.store.read(&app.store.member(&unit)).await.expect("a record");
            let found = record.items.first().and_then(|i| i.reason).map_or("", Reason::as_str).to_string();
            return (w, found);
        }
        Reason::Poison => {
            w.post(&tea(&w).webhook(w.now())).await;
            poison(&w).await;
        }
        _ => {
            w.post(&tea(&w).webhook(w.now())).await;
            w.rest().await;
        }
    }
    if wanted == Reason::Discarded {
        let item = w.items("tea", 1, "order_placed").await.remove(0).item;
        queue::discard(&app, "tea", "1", item, "not needed").await.expect("discarded");
    }
    let mut found = reason(&w, "order_placed").await;
    if wanted == Reason::AlreadyTold {
        let filter = Filter { shop: Some("tea".into()), order: Some("1".into()), ..Filter::default() };
        let again = Request { filter, execute: true, reason: Some("put right".into()), ..Request::default() };
        for _ in 0..2 {
            let page = replay::page(&app, &again, "test").await.expect("a page");
            found = page.lines.into_iter().find_map(|l| l.reason).unwrap_or_default();
            w.rest().await;
        }
        assert_eq!(w.mock.sent().len(), 1, "the second replay sent nothing");
    }
    (w, found)
}

/// An order that is erased, or whose shop leaves, while a message of it is owed.
async fn gone(wanted: Reason) -> (World, String) {
    let w = slow(MAIL).await;
    let app = w.relay.app.clone();
    w.post(&Wood::paid(1, w.now()).webhook(w.now())).await;
    if wanted == Reason::Redacted {
        let duty = Duty::new(Kind::Orders, &ShopId::from("wood"), "test", "asked for", w.now());
        erase::ask(&app, duty.about(Contact::default(), vec!["1".into()])).await.expect("taken down");
    } else {
        let left = json!({ "id": 1, "name": "Wood", "myshopify_domain": "wood.myshopify.com" });
        assert_eq!(w.post(&shopify("wood", "app/uninstalled", &left, w.now())).await, "taken");
    }
    while erase::work(&app).await.expect("worked on") {}
    w.pass(25).await;
    assert!(w.mock.sent().is_empty(), "nothing was told");
    let found = w.stands("wood", 1, "order_placed").await;
    assert_eq!(found.0, "skipped");
    (w, found.1)
}

/// Workers take the order and die over it, until it is worked on no more.
async fn poison(w: &World) {
    let app = &w.relay.app;
    for _ in 0..25 {
        let mut took = 0;
        for partition in 0..PARTITIONS {
            let partition = u8::try_from(partition).expect("small");
            took += app.store.lease(partition, 10, "one that dies", 1_000).await.expect("leases").len();
        }
        assert_eq!(took, 1);
        // The lease ends; the first look after so long only sees that nobody looked.
        w.leap(30).await;
        w.leap(4).await;
        w.leap(4).await;
        w.leap(4).await;
    }
    let crew = Crew::new(app.clone());
    assert_eq!(crew.step().await, 1);
    crew.idle().await;
    sweep::once(app).await;
}

async fn all_of(quarter: usize) {
    let mut wrong = Vec::new();
    for reason in Reason::ALL.iter().copied().filter(|r| *r as usize % 4 == quarter) {
        let (world, found) = scene(reason).await;
        assert_eq!(found, reason.as_str());
        wrong.extend(otherwise::holds(&world, reason).await.err().map(|why| format!("{}: {why}", reason.as_str())));
        world.end().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_is_reached_first_quarter() {
    all_of(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_is_reached_second_quarter() {
    all_of(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_is_reached_third_quarter() {
    all_of(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_is_reached_last_quarter() {
    all_of(3).await;
}
