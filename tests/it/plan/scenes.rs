//! Scenes: one rule at a time, as somebody would tell it.

use super::reasons::night;
use super::world::{Account, DAY, World, account, head, paid, parcel, settings, stage, start, with_head};
use orderwire::domain::channel::{Audience, ConsentRule, Form, WindowRule};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::{Decision, Reason};
use orderwire::domain::event::Patch;
use orderwire::domain::ids::{ChannelId, Tag};
use orderwire::domain::order::{Hold, ParcelState, PayHow, PaymentState, SourceKind, Stage};
use orderwire::domain::owed::State;
use orderwire::domain::person::{Address, Unreachable};
use orderwire::milestone;
use orderwire::plan::refresh;

fn chat() -> Account {
    let mut chat = account("line");
    chat.caps.consent = ConsentRule::Connected;
    chat
}

fn page() -> Account {
    let mut page = account("messenger");
    (page.caps.consent, page.caps.window) = (ConsentRule::Connected, WindowRule::Seconds(DAY));
    page.caps.template_outside_window = true;
    page
}

/// A shop with `page` (window), then `chat`, then `mail`.
fn three() -> World {
    let mut w = World::new();
    w.account("page", page());
    w.account("chat", chat());
    w.chain(&["page", "chat", "mail"]);
    w.hear(with_head(head()));
    w.pass(20);
    w
}

fn pending(how: Option<PayHow>) -> Patch {
    Patch { payment: vec![(PaymentState::Pending, None)], pay: how, ..Patch::default() }
}

// --- owed ---------------------------------------------------------------------------------------------------

#[test]
fn customers_are_told_by_the_first_route_that_matches_and_staff_by_every_one() {
    let mut w = World::new();
    w.routes.clear();
    let mut team = account("");
    team.caps.audience = Audience::Staff;
    w.account("team", team);
    w.route(settings("payments", &["payment_*"], &["mail"]));
    let mut first = settings("first", &["order_*"], &["mail"]);
    first.also = vec!["sms".into()];
    w.account("sms", account("phone"));
    w.route(first);
    w.route(settings("second", &["*"], &["mail"]));
    for id in ["alert", "log"] {
        let mut staff = settings(id, &["order_placed"], &["team"]);
        staff.audience = Audience::Staff;
        w.route(staff);
    }
    w.hear(with_head(head()));
    let got: Vec<(Tag, Tag)> = w.items.iter().map(|i| (i.route, i.slot)).collect();
    let (first, sms) = (Tag::of("first"), Tag::of("sms"));
    assert_eq!(got, [(first, Tag::NONE), (first, sms), (Tag::of("alert"), Tag::NONE), (Tag::of("log"), Tag::NONE)]);
    assert_eq!(w.items.iter().map(|i| i.no).collect::<Vec<_>>(), [1, 2, 3, 4]);
    w.pass(20);
    assert!(w.decide().iter().all(|(_, d)| matches!(d, Decision::Go(_))), "slots do not wait for each other");
}

#[test]
fn a_till_order_is_told_only_where_the_condition_names_the_source() {
    let mut till = head();
    till.source.kind = SourceKind::Pos;
    let mut w = World::new();
    w.hear(with_head(till.clone()));
    assert!(w.items.is_empty());
    let mut w = World::new();
    w.routes.clear();
    let mut named = settings("till", &["*"], &["mail"]);
    named.when = Some("order.source.kind == 'pos'".into());
    w.route(named);
    w.hear(with_head(till));
    assert_eq!(w.items.len(), 1);
}

#[test]
fn nothing_is_owed_before_the_order_itself_is_known() {
    let mut w = World::new();
    w.hear(parcel("1", ParcelState::Shipped));
    assert!(w.items.is_empty() && w.order.told.is_empty());
    w.hear(with_head(head()));
    assert_eq!(w.items.len(), 2);
}

#[test]
fn an_order_imported_late_tells_only_what_happens_from_now_on() {
    let mut w = World::new();
    w.pass(5 * DAY);
    w.order.first_seen = w.now;
    w.hear(with_head(head()));
    assert!(w.items.is_empty());
    w.pass(60);
    w.hear(parcel("1", ParcelState::Shipped));
    w.pass(20);
    assert_eq!(w.go("shipped").channel, ChannelId::from("mail"));
}

// --- together, or one after the other -----------------------------------------------------------------------

#[test]
fn what_happens_together_is_told_together() {
    let mut w = World::placed();
    w.pass(5);
    w.hear(paid());
    w.hear(stage(Stage::Confirmed));
    w.pass(15);
    assert_eq!(w.go("order_placed").joined, [w.no("order_confirmed"), w.no("payment_received")]);
    assert_eq!(w.decide().len(), 1, "joined items have no decision of their own");
    // A template was approved for one thing only.
    w.mail().caps.window = WindowRule::Seconds(DAY);
    w.mail().caps.template_outside_window = true;
    w.templates.insert(("mail".into(), "order_placed".into()));
    assert!(w.go("order_placed").joined.is_empty());
}

/// What is used up by being sent is the last way of a channel, and says one thing alone.
#[test]
fn what_a_person_allowed_by_a_tap_goes_where_nothing_else_may() {
    let mut w = World::placed();
    w.pass(5);
    w.hear(paid());
    w.pass(15);
    w.mail().caps.window = WindowRule::Seconds(DAY);
    w.mail().caps.grants = true;
    w.mail().caps.template_outside_window = true;
    w.templates.insert(("mail".into(), "granted order_placed".into()));
    assert!(!matches!(w.about("order_placed"), Some(Decision::Go(_))), "no tap");
    w.person("mail", "a@example.com").grants.insert("G1".into(), 1);
    let go = w.go("order_placed");
    assert_eq!((go.form, go.joined.len()), (Form::Grant, 0));
    w.templates.insert(("mail".into(), "order_placed".into()));
    assert_eq!(w.go("order_placed").form, Form::Template);
    w.person("mail", "a@example.com").window_until = Some(plus_secs(w.now, 60));
    assert_eq!(w.go("order_placed").form, Form::Free);
}

/// A template that its provider paused is passed by, and where nobody else carries the message it waits for it.
#[test]
fn a_stopped_template_is_missing_until_it_is_back() {
    let mut w = World::due();
    w.mail().caps.window = WindowRule::Seconds(DAY);
    w.mail().caps.template_outside_window = true;
    w.templates.insert(("mail".into(), "order_placed".into()));
    assert_eq!(w.go("order_placed").form, Form::Template);
    w.templates.insert(("mail".into(), "stopped order_placed".into()));
    let Some(Decision::Wait { until, reason, watch }) = w.about("order_placed") else {
        panic!("{:?}", w.about("order_placed"))
    };
    assert_eq!((reason, until, watch.len()), (Reason::TemplateMissing, plus_secs(w.now, 300), 1));
    w.person("mail", "a@example.com").window_until = Some(plus_secs(w.now, 60));
    assert_eq!(w.go("order_placed").form, Form::Free, "free words need none");
}

#[test]
fn a_payment_dated_before_the_order_does_not_lead_it() {
    let mut w = World::placed();
    let before = plus_secs(start(), -3);
    w.hear_of(before, Patch { payment: vec![(PaymentState::Paid, Some(before))], ..Patch::default() });
    w.pass(20);
    assert_eq!(w.go("order_placed").joined, [w.no("payment_received")]);
}

#[test]
fn an_item_that_retries_holds_the_later_ones_back() {
    let mut w = World::due();
    let later = plus_secs(w.now, 40);
    w.item("order_placed").attempts = 1;
    w.item("order_placed").not_before = later;
    w.hear(parcel("1", ParcelState::Shipped));
    w.pass(20);
    assert_eq!(w.reason("order_placed"), Reason::Retrying);
    assert_eq!(w.about("shipped"), Some(Decision::Wait { until: later, reason: Reason::EarlierFirst, watch: vec![] }));
}

#[test]
fn what_waits_for_the_night_or_for_its_day_lets_later_ones_pass() {
    let mut w = World::placed();
    w.tell("order_placed");
    w.rules.quiet = Some(night());
    w.rules.late_after = Some(2 * DAY);
    w.now = "2026-11-02T15:00:00Z".parse().expect("a time");
    w.hear(paid());
    w.tell("payment_received");
    w.hear(stage(Stage::Preparing));
    w.pass(20);
    w.hear(Patch { payment: vec![(PaymentState::PartiallyPaid, None)], ..Patch::default() });
    w.hear(Patch { payment: vec![(PaymentState::Paid, Some(plus_secs(w.now, 1)))], ..Patch::default() });
    w.pass(20);
    assert_eq!(w.reason("preparing"), Reason::QuietHours);
    assert_eq!(w.reason("delivery_delayed"), Reason::NotDue);
    let second = w.items.iter().filter(|i| i.milestone == Tag::of("payment_received")).count();
    assert_eq!(second, 2, "paid again after it grew");
    w.go("payment_received");
}

#[test]
fn a_newer_scan_makes_a_waiting_older_one_pointless() {
    let mut w = World::due();
    w.tell("order_placed");
    w.hear(parcel("1", ParcelState::Shipped));
    w.tell("shipped");
    for state in [ParcelState::InTransit, ParcelState::OutForDelivery] {
        w.pass(5);
        w.hear(parcel("1", state));
    }
    w.pass(5);
    assert_eq!(w.ends("in_transit").1, Reason::MovedOn);
    // A delivery attempt on the next day is another one; it makes today's waiting one pointless.
    w.hear(parcel("1", ParcelState::Attempted));
    let first = w.no("delivery_attempted");
    w.pass(DAY);
    w.hear(parcel("1", ParcelState::Attempted));
    let second = w.no("delivery_attempted");
    let (_, decision) = w.decide().into_iter().find(|(no, _)| *no == first).expect("open");
    let by = Decision::End { state: State::Superseded, reason: Reason::Superseded, by: Some(second) };
    assert_eq!(decision, by);
}

#[test]
fn two_parcels_have_a_story_each() {
    let mut w = World::due();
    w.tell("order_placed");
    w.hear(parcel("1", ParcelState::Shipped));
    w.tell("shipped");
    w.pass(60);
    w.hear(parcel("1", ParcelState::OutForDelivery));
    w.tell("out_for_delivery");
    w.hear_of(plus_secs(w.now, -30), parcel("2", ParcelState::Shipped));
    w.pass(20);
    w.go("shipped");
}

#[test]
fn a_late_webhook_does_not_tell_an_older_story() {
    let mut w = World::due();
    w.tell("order_placed");
    w.pass(DAY);
    w.hear(parcel("1", ParcelState::InTransit));
    w.tell("in_transit");
    let told = w.no("in_transit");
    w.pass(60);
    w.hear_of(plus_secs(w.now, -DAY), parcel("1", ParcelState::Shipped));
    w.pass(90);
    assert_eq!(w.ends("shipped"), (State::Superseded, Reason::Superseded, Some(told)));
}

#[test]
fn the_end_of_a_hold_is_told_to_those_who_heard_of_it() {
    let mut w = World::due();
    w.tell("order_placed");
    let hold = |from, to| Hold { id: "7".into(), placed_at: from, released_at: to, reason: None, silent: false };
    let (from, to) = (w.now, plus_secs(w.now, 300));
    w.hear(Patch { holds: vec![hold(Some(from), None)], ..Patch::default() });
    w.pass(20);
    let mut quick = w.clone();
    w.go("on_hold");
    w.tell("on_hold");
    w.pass(280);
    w.hear(Patch { holds: vec![hold(None, Some(to))], ..Patch::default() });
    w.pass(20);
    w.go("hold_released");
    // Lifted before anybody was told: neither is.
    quick.pass(280);
    quick.hear(Patch { holds: vec![hold(None, Some(to))], ..Patch::default() });
    quick.pass(20);
    assert_eq!(quick.reason("on_hold"), Reason::MovedOn);
    assert_eq!(quick.reason("hold_released"), Reason::MovedOn);
}

#[test]
fn after_linking_a_messenger_only_the_newest_is_told() {
    let mut w = World::new();
    w.account("chat", chat());
    w.chain(&["chat"]);
    w.hear(with_head(head()));
    w.pass(DAY);
    w.hear(paid());
    w.hear(parcel("1", ParcelState::Shipped));
    w.hear(parcel("2", ParcelState::Shipped));
    w.pass(100);
    for item in &mut w.items {
        item.reason = Some(Reason::AddressUnlinked);
    }
    assert_eq!(w.reason("order_placed"), Reason::AddressUnlinked);
    w.linked.insert("chat".into(), vec![Address::new("line", "u1")]);
    let decisions = w.decide();
    let ends = |d: &Decision| matches!(d, Decision::End { state: State::Superseded, .. });
    assert_eq!(decisions.iter().filter(|(_, d)| ends(d)).count(), 2, "{decisions:?}");
    let goes = decisions.iter().filter(|(_, d)| matches!(d, Decision::Go(_))).count();
    assert_eq!(goes, 1, "one parcel now, the other after it");
}

// --- payment ------------------------------------------------------------------------------------------------

#[test]
fn a_code_to_pay_with_is_told_with_the_order_and_a_redirect_is_given_its_time() {
    let mut w = World::placed();
    w.hear(pending(None));
    w.pass(20);
    assert_eq!(
        w.about("payment_pending"),
        Some(Decision::Wait { until: plus_secs(start(), 300), reason: Reason::NotDue, watch: vec![] })
    );
    assert!(w.go("order_placed").joined.is_empty());
    // The code comes a moment later than the order: still one message.
    w.hear(pending(Some(PayHow { account: Some("9000".into()), ..PayHow::default() })));
    assert_eq!(w.go("order_placed").joined, [w.no("payment_pending")]);
}

#[test]
fn a_new_deadline_moves_the_reminder() {
    let mut w = World::due();
    let due = |days| Some(PayHow { due_at: Some(plus_secs(start(), days * DAY)), ..PayHow::default() });
    w.hear(pending(due(2)));
    let wait = |w: &World| match w.about("payment_expiring") {
        Some(Decision::Wait { until, reason: Reason::NotDue, .. }) => until,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(&w), plus_secs(start(), 2 * DAY - 6 * 3600));
    w.pass(60);
    w.hear(pending(due(5)));
    assert_eq!(wait(&w), plus_secs(start(), 5 * DAY - 6 * 3600));
    let stored = w.item("payment_expiring").expires;
    let changed = refresh(&w.order, &w.rules, milestone::ALL, &mut w.items);
    assert!(
        changed.contains(&w.no("payment_expiring")) && w.item("payment_expiring").expires == plus_secs(stored, 3 * DAY)
    );
    w.now = plus_secs(start(), 5 * DAY - 6 * 3600);
    w.go("payment_expiring");
}

// --- channels -----------------------------------------------------------------------------------------------

#[test]
fn the_first_channel_that_may_and_can_carries_it() {
    let mut w = three();
    let go = w.go("order_placed");
    assert_eq!((go.channel.as_str(), go.place, go.form), ("mail", 2, Form::Free));
    let because = |go: &orderwire::domain::decision::Go| go.passed.iter().map(|(_, r)| *r).collect::<Vec<_>>();
    assert_eq!(because(&go), [Reason::AddressUnlinked, Reason::AddressUnlinked]);

    w.linked.insert("page".into(), vec![Address::new("messenger", "p1")]);
    assert_eq!(because(&w.go("order_placed")), [Reason::WindowClosed, Reason::AddressUnlinked]);
    w.templates.insert(("page".into(), "order_placed".into()));
    assert_eq!(w.go("order_placed").form, Form::Template);
    w.person("page", "p1").window_until = Some(plus_secs(w.now, 1));
    assert_eq!(w.go("order_placed").form, Form::Free);
    assert_eq!(w.go("order_placed").channel.as_str(), "page");
    w.pass(1);
    assert_eq!(w.go("order_placed").form, Form::Template, "the window has closed");
    w.person("page", "p1").opted_out = Some(start());
    assert_eq!(w.go("order_placed").channel.as_str(), "mail");
    w.item("order_placed").passed = 0b100;
    assert_eq!(w.reason("order_placed"), Reason::AddressUnlinked, "chat may still be linked");
}

#[test]
fn a_closed_window_is_watched_and_an_open_one_ends_the_wait() {
    let mut w = three();
    w.chain(&["page"]);
    w.linked.insert("page".into(), vec![Address::new("messenger", "p1")]);
    let expires = w.item("order_placed").expires;
    let watch = vec![(ChannelId::from("page"), Address::new("messenger", "p1"))];
    let wait = Decision::Wait { until: expires, reason: Reason::WindowClosed, watch };
    assert_eq!(w.about("order_placed"), Some(wait));
    // It waited for the customer until it was too late: that is the reason given, not the lateness.
    w.item("order_placed").reason = Some(Reason::WindowClosed);
    w.now = expires;
    assert_eq!(w.ends("order_placed"), (State::Skipped, Reason::WindowClosed, None));
    w.item("order_placed").reason = Some(Reason::QuotaSpent);
    assert_eq!(w.ends("order_placed"), (State::Expired, Reason::QuotaSpent, None));
}

#[test]
fn a_resting_channel_keeps_the_item_unless_it_rests_too_long() {
    let mut w = three();
    w.linked.insert("chat".into(), vec![Address::new("line", "u1")]);
    w.chain(&["chat", "mail"]);
    let (soon, late) = (plus_secs(w.now, 600), plus_secs(w.now, 9 * DAY));
    let chat = |w: &mut World, until, reason| w.accounts.get_mut("chat").expect("chat").paused = Some((until, reason));
    chat(&mut w, soon, Reason::BreakerOpen);
    let park = Decision::Park { channel: "chat".into(), reason: Reason::BreakerOpen, until: soon };
    assert_eq!(w.about("order_placed"), Some(park));
    chat(&mut w, late, Reason::ChannelPaused);
    assert_eq!(w.go("order_placed").channel.as_str(), "mail");
    chat(&mut w, soon, Reason::QuotaSpent);
    assert_eq!(w.go("order_placed").channel.as_str(), "mail", "a spent quota is passed by");
    // The customer's next word on the page would free it earlier.
    w.linked.insert("page".into(), vec![Address::new("messenger", "p1")]);
    w.chain(&["page", "chat", "mail"]);
    chat(&mut w, soon, Reason::ChannelPaused);
    let watch = vec![(ChannelId::from("page"), Address::new("messenger", "p1"))];
    assert_eq!(w.about("order_placed"), Some(Decision::Wait { until: soon, reason: Reason::ChannelPaused, watch }));
    chat(&mut w, soon, Reason::QuotaSpent);
    w.chain(&["chat"]);
    let park = Decision::Park { channel: "chat".into(), reason: Reason::QuotaSpent, until: soon };
    assert_eq!(w.about("order_placed"), Some(park), "the last of the chain parks");
}

#[test]
fn a_reply_token_needs_neither_quota_nor_window() {
    let mut w = three();
    w.chain(&["chat"]);
    w.linked.insert("chat".into(), vec![Address::new("line", "u1")]);
    let until = plus_secs(w.now, DAY);
    let chat = w.accounts.get_mut("chat").expect("chat");
    (chat.caps.reply_token, chat.caps.window) = (true, WindowRule::Seconds(DAY));
    chat.paused = Some((until, Reason::QuotaSpent));
    w.person("chat", "u1").reply_until = Some(plus_secs(w.now, 30));
    assert_eq!(w.go("order_placed").form, Form::Reply);
    w.accounts.get_mut("chat").expect("chat").paused = Some((until, Reason::ChannelPaused));
    assert_eq!(w.reason("order_placed"), Reason::ChannelPaused, "a pause is a pause");
}

#[test]
fn the_reserve_of_a_quota_is_for_what_matters() {
    let mut w = World::due();
    w.mail().reserve = true;
    w.go("order_placed");
    w.tell("order_placed");
    w.hear(stage(Stage::Preparing));
    w.pass(20);
    assert_eq!(w.reason("preparing"), Reason::QuotaSpent);
    w.hear(paid());
    w.pass(20);
    w.go("payment_received");
}

#[test]
fn a_no_at_one_address_is_a_no_of_the_customer() {
    let mut two = head();
    two.contact.emails = vec!["old@example.com".into(), "a@example.com".into()];
    let mut w = World::new();
    w.hear(with_head(two));
    w.pass(20);
    w.person("mail", "old@example.com").unreachable = Some((start(), Unreachable::Invalid));
    assert_eq!(w.go("order_placed").address.expect("one").value, "a@example.com");
    w.person("mail", "old@example.com").opted_out = Some(start());
    assert_eq!(w.reason("order_placed"), Reason::OptedOut);
}

#[test]
fn a_test_order_reaches_the_listed_only() {
    let mut trial = head();
    trial.test = true;
    let mut w = World::new();
    let mut team = account("");
    team.caps.audience = Audience::Staff;
    w.account("team", team);
    let mut staff = settings("alert", &["order_placed"], &["team"]);
    staff.audience = Audience::Staff;
    w.route(staff);
    w.hear(with_head(trial));
    w.pass(20);
    let ends = |w: &World| {
        w.decide().iter().filter(|(_, d)| matches!(d, Decision::End { reason: Reason::TestOrder, .. })).count()
    };
    assert_eq!(ends(&w), 2);
    w.rules.test_recipients = vec!["A@example.com".into(), "team".into()];
    assert_eq!(ends(&w), 0);
}

#[test]
fn a_condition_that_cannot_be_read_sends_nothing() {
    let mut w = World::due();
    w.condition = Err("order.toal is not known".into());
    assert_eq!(w.reason("order_placed"), Reason::ConditionFalse);
}

#[test]
fn a_removed_also_channel_ends_its_slot() {
    let mut w = World::new();
    w.account("sms", account("phone"));
    w.routes.clear();
    let mut also = settings("all", &["*"], &["mail"]);
    also.also = vec!["sms".into()];
    w.route(also);
    w.hear(with_head(head()));
    w.pass(20);
    assert_eq!(w.go("order_placed").address.expect("one").value, "+886912345678");
    w.chain(&["mail"]);
    assert_eq!(w.reason("order_placed"), Reason::SettingsChanged);
}
