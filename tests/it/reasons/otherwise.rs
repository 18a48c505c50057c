//! Behind each scene: what `explain` says would have to be otherwise is made so, by the hands that can, and the message
//! goes.

use super::{LAN, MEI, World, tea};
use orderwire::domain::consent::{Source, Word};
use orderwire::domain::decision::Reason;
use orderwire::domain::ids::ShopId;
use orderwire::domain::owed::Owed;
use orderwire::flow::consent::desk;
use orderwire::flow::deliver::Crew;
use orderwire::flow::explain::ItemView;
use orderwire::flow::queue;
use orderwire::flow::replay::{self, Filter, Request};
use orderwire::mock::Say;
use orderwire::plan::Change;
use orderwire::store::keys::Unit;

/// What is expected of each scene, as data; empty: nothing that could be otherwise would let it go.
fn expected(reason: Reason) -> &'static [&'static str] {
    use Reason::*;
    match reason {
        Discarded | Poison | AttemptsSpent | Undelivered | ShopLeft => &["replay"],
        Stale | MaybeTold => &["replay by force"],
        Refused | TooLong | TemplateMissing => &["words", "replay"],
        QuietHours | RateLimited | ChannelPaused | BreakerOpen | RecipientCapped | Settling | NotDue | Retrying
        | QuotaSpent => &["time"],
        OptedOut => &["replay", "switched_on line-main"],
        OperatorBlocked => &["replay", "unblocked line-main"],
        RecipientBlocked => &["replay", "returned line-main"],
        RecipientInvalid => &["replay", "corrected line-main"],
        OrderMuted => &["replay", "unmuted line-main"],
        NoAddress => &["replay", "addressed mail"],
        AddressUnlinked => &["linked line-main"],
        WindowClosed => &["written messenger-page"],
        ConditionFalse => &["replay", "condition"],
        TestOrder => &["replay", "listed mail"],
        Held => &["released"],
        EarlierFirst => &["told"],
        // These ended because of what is so: it stays so, or somebody says something else, which is owed then.
        ConsentMissing | Superseded | NoRoute | AlreadyTold | ImportGuard | Redacted | MovedOn | OrderDeleted
        | OrderUnknown | Unjoinable | SettingsChanged => &[],
    }
}

fn shown(change: &Change) -> String {
    let value = serde_json::to_value(change).expect("JSON");
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_string();
    let forced = if value["force"] == true { " by force" } else { "" };
    format!("{}{forced} {}", text("change"), text("channel")).trim_end().to_string()
}

/// The shop whose order a scene is about.
fn shop(reason: Reason) -> &'static str {
    match reason {
        Reason::TestOrder | Reason::ImportGuard | Reason::Redacted | Reason::ShopLeft | Reason::Unjoinable => "wood",
        _ => "tea",
    }
}

/// The scene's item says what would let it go; that is done, and it goes. Else what is wrong.
pub async fn holds(w: &World, reason: Reason) -> Result<(), String> {
    if reason == Reason::Unjoinable {
        // No order: a webhook that found none.
        return Ok(());
    }
    let items = w.view(shop(reason), 1).await.items;
    let Some(item) = items.into_iter().find(|i| i.reason.as_deref() == Some(reason.as_str())) else {
        return if expected(reason).is_empty() { Ok(()) } else { Err("no item says so".into()) };
    };
    let changes: Vec<Change> = item.unless.iter().map(|u| u.change.clone()).collect();
    let found: Vec<String> = changes.iter().map(shown).collect();
    if found != expected(reason) {
        return Err(format!("expected {:?}, found {found:?}", expected(reason)));
    }
    // What ended by its own past (a refusal, a person's word) no rule forbids any more.
    let past = found.iter().all(|c| c.starts_with("replay") || c == "words" || c == "told");
    if !past && !item.rules.iter().any(|rule| rule.verdict == Some(reason)) {
        return Err(format!("no rule says so: {:?}", item.rules));
    }
    w.mock.clear_faults();
    let (replays, others): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|c| matches!(c, Change::Replay { .. }));
    for change in others.into_iter().chain(replays) {
        make(w, reason, change).await;
    }
    w.rest().await;
    let items = w.items(shop(reason), 1, &item.milestone).await;
    let told = |i: &&ItemView| matches!(i.state.as_str(), "sent" | "delivered" | "read");
    let twin = |i: &&ItemView| (i.route.as_str(), i.slot.as_str()) == (item.route.as_str(), item.slot.as_str());
    match changes.is_empty() || items.iter().filter(twin).any(|i| told(&i)) {
        true => Ok(()),
        false => Err(format!("it did not go: {items:#?}")),
    }
}

/// The change is made, by whoever would make it.
async fn make(w: &World, reason: Reason, change: &Change) {
    let app = &w.relay.app;
    let member = app.store.member(&Unit::order(&ShopId::from(shop(reason)), "1"));
    match change {
        Change::Replay { force } => {
            let filter = Filter { shop: Some(shop(reason).into()), order: Some("1".into()), ..Filter::default() };
            let request =
                Request { filter, execute: true, force: *force, reason: Some("test".into()), ..Request::default() };
            replay::page(app, &request, "test").await.expect("replayed");
            if reason == Reason::Poison {
                // No worker of its own is in this scene.
                let crew = Crew::new(app.clone());
                crew.step().await;
                crew.idle().await;
            }
        }
        Change::Time { until } => {
            w.pass((until.as_second() - w.now().as_second()).max(0) + 1).await;
            // Behind a channel that rested somebody else may be the first.
            w.pass(10).await;
        }
        // What goes first waits for its next try.
        Change::Told { .. } => w.pass(1_000).await,
        Change::Released => {
            let item = app.store.read(&member).await.expect("a record").items.remove(0);
            let free = Owed { reason: None, ..item.clone() };
            app.store.discard(&member, &[(item, free)], &[]).await.expect("changed");
            w.pass(1).await;
        }
        Change::Unmuted { channel } => {
            assert!(app.store.mute(&member, channel.tag(), false, Source::Operator).await.expect("unmuted"));
        }
        Change::Resumed { channel } => queue::pause(app, channel.as_str(), None).await.expect("resumed"),
        Change::SwitchedOn { .. } => w.say("line", MEI, Say::Text("START".into())).await,
        Change::Returned { .. } => w.say("line", MEI, Say::Follow).await,
        Change::Written { .. } => w.say("messenger", LAN, Say::Text("hi".into())).await,
        Change::Unblocked { channel } => {
            let who = desk::Who { shop: Some("tea".into()), channel: Some(channel.to_string()), address: MEI.into() };
            desk::set(app, &who, Word::Unblock, "by ops: a mistake").await.expect("unblocked");
        }
        Change::Linked { .. } | Change::Addressed { .. } => {
            w.pass(5).await;
            w.post(&tea(w).line(MEI).webhook(w.now())).await;
        }
        Change::Corrected { .. } => {
            w.pass(5).await;
            w.post(&tea(w).line("U0123456789abcdef0123456789abcdef").webhook(w.now())).await;
        }
        Change::Listed { .. } => w.change("owner@example.com", "sam@example.com"),
        Change::Condition => w.change("order.total > 5000", "order.total > 5"),
        Change::Words if reason == Reason::TemplateMissing => {
            let approved = "[messenger]\nutility_template = \"order_update\"\nlanguage = \"zh_TW\"\n";
            w.reword("zh-TW/order_placed.toml", approved);
        }
        Change::Words => w.reword("zh-TW/order_placed.toml", "title = \"好了\"\nbody = \"{{ order.name }}\"\n"),
        Change::Agreed { .. } | Change::Used { .. } | Change::Template { .. } | Change::Quota { .. } => {
            unreachable!("no scene needs {change:?}")
        }
    }
}
