//! What would have to be otherwise, where it takes more than one thing, and where only settings or the provider help. (What
//! each reason's own change does is seen from outside: `reasons`.)

use super::world::{World, account, stage};
use orderwire::domain::channel::{ConsentRule, WindowRule};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::Reason;
use orderwire::domain::ids::ChannelId;
use orderwire::domain::order::Stage;
use orderwire::domain::shop::{ChannelUse, QuietHours};
use orderwire::plan::{Change, asked, otherwise};

fn changes(w: &World, milestone: &str) -> Vec<Change> {
    w.with(|s| otherwise(s, w.no(milestone))).map(|o| o.changes).unwrap_or_default()
}

fn chat() -> ChannelId {
    ChannelId::from("chat")
}

/// A channel on which people connect, with a window and templates.
fn messenger() -> World {
    let mut w = World::due();
    let mut there = account("chat");
    there.caps.consent = ConsentRule::Connected;
    there.caps.window = WindowRule::Seconds(86_400);
    there.caps.template_outside_window = true;
    w.account("chat", there);
    w.chain(&["chat"]);
    w
}

#[test]
fn what_goes_needs_nothing() {
    let w = World::due();
    assert_eq!(changes(&w, "order_placed"), []);
    assert!(w.with(|s| otherwise(s, w.no("order_placed"))).is_some());
}

#[test]
fn two_things_are_named_where_one_is_not_enough() {
    let w = messenger();
    // Nobody is linked, and whoever links has not written yet.
    assert_eq!(changes(&w, "order_placed"), [Change::Linked { channel: chat() }, Change::Written { channel: chat() }]);
    let mut w = messenger();
    w.templates.insert(("chat".into(), "order_placed".into()));
    assert_eq!(changes(&w, "order_placed"), [Change::Linked { channel: chat() }]);
    // Muted and switched off.
    let mut w = World::due();
    let mail = || ChannelId::from("mail");
    w.muted.insert("mail".into());
    w.person("mail", "a@example.com").opted_out = Some(w.now);
    assert_eq!(
        changes(&w, "order_placed"),
        [Change::Unmuted { channel: mail() }, Change::SwitchedOn { channel: mail() }]
    );
}

#[test]
fn the_first_of_a_chain_that_can_be_helped_is_named() {
    let mut w = World::due();
    w.account("sms", account("phone"));
    w.chain(&["mail", "sms"]);
    w.muted.extend(["mail".to_string(), "sms".to_string()]);
    assert_eq!(changes(&w, "order_placed"), [Change::Unmuted { channel: "mail".into() }]);
}

#[test]
fn settings_and_the_provider_are_named_last() {
    let mail = || ChannelId::from("mail");
    let mut w = World::due();
    w.rules.channels.insert(mail(), ChannelUse::Paused);
    assert_eq!(changes(&w, "order_placed"), [Change::Used { channel: mail() }]);
    let mut w = World::due();
    w.hear(stage(Stage::Preparing));
    w.pass(20);
    w.tell("order_placed");
    w.mail().reserve = true;
    assert_eq!(changes(&w, "preparing"), [Change::Quota { channel: mail() }]);
    let mut w = World::due();
    w.mail().paused = Some((plus_secs(w.now, 30 * super::world::DAY), Reason::ChannelPaused));
    assert_eq!(changes(&w, "order_placed"), [Change::Resumed { channel: mail() }]);
    let mut w = World::due();
    w.mail().caps.window = WindowRule::Seconds(0);
    w.mail().caps.template_outside_window = true;
    assert_eq!(changes(&w, "order_placed"), [Change::Template { channel: mail() }]);
    let mut w = World::due();
    w.mail().caps.consent = ConsentRule::Connected;
    assert_eq!(changes(&w, "order_placed"), [Change::Agreed { channel: mail() }]);
}

#[test]
fn what_nothing_helps_has_no_change() {
    let mut w = World::due();
    w.routes.clear();
    assert_eq!(w.with(|s| otherwise(s, w.no("order_placed"))), None);
    let w = World::due();
    assert_eq!(w.with(|s| otherwise(s, 99)), None, "no such item");
}

#[test]
fn every_rule_is_asked_though_an_earlier_one_spoke() {
    let mut w = messenger();
    w.condition = Ok(false);
    w.muted.insert("chat".into());
    w.rules.quiet = Some(QuietHours { from_minute: 0, to_minute: 1439, also: vec!["order_placed".into()], spread: 0 });
    let rules = w.with(|s| asked(s, w.no("order_placed")));
    let names: Vec<(&str, Option<Reason>)> = rules.iter().map(|r| (r.rule, r.verdict)).collect();
    assert_eq!(
        names,
        [
            ("stands", None),
            ("told_before", None),
            ("too_late", None),
            ("still_true", None),
            ("beginning_told", None),
            ("newer_told", None),
            ("held", None),
            ("time", None),
            ("attempts", None),
            ("condition", Some(Reason::ConditionFalse)),
            ("channel", Some(Reason::OrderMuted)),
            ("quiet_hours", Some(Reason::QuietHours)),
        ]
    );
    assert!(rules.iter().all(|r| !r.given.contains('@') && !r.given.contains("0912")), "{rules:#?}");
}
