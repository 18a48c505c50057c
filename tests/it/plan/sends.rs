//! Scenes of a send: the night, what may have been told, replays.

use super::reasons::night;
use super::world::{Account, DAY, World, account, digest, head, paid, parcel, settings, stage, start, with_head};
use orderwire::domain::channel::{Audience, ConsentRule, Form, WindowRule};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::{Decision, Reason};
use orderwire::domain::event::Patch;
use orderwire::domain::ids::Tag;
use orderwire::domain::order::{ParcelState, PaymentState, Stage};
use orderwire::domain::owed::State;
use orderwire::domain::person::Address;
use orderwire::domain::shop::QuietHours;
use orderwire::plan::RouteSettings;

fn chat() -> Account {
    let mut chat = account("line");
    chat.caps.consent = ConsentRule::Connected;
    chat
}

// --- night --------------------------------------------------------------------------------------------------

#[test]
fn the_night_is_the_customers_and_attention_passes_it() {
    let mut vietnam = head();
    vietnam.country = Some("VN".into());
    let mut w = World::new();
    w.rules.quiet = Some(night());
    w.hear(with_head(vietnam));
    w.tell("order_placed");
    w.hear(stage(Stage::Preparing));
    // 14:30 UTC: 21:30 in Vietnam, 22:30 in Taiwan, where the shop is not even asked.
    w.now = "2026-11-02T14:30:00Z".parse().expect("a time");
    w.go("preparing");
    w.now = "2026-11-02T15:00:00Z".parse().expect("a time");
    let morning = "2026-11-03T01:00:00Z".parse().expect("08:00 in Vietnam");
    let wait = |until| Some(Decision::Wait { until, reason: Reason::QuietHours, watch: vec![] });
    assert_eq!(w.about("preparing"), wait(morning));
    w.now = "2026-11-02T22:00:00Z".parse().expect("05:00 of the next day");
    assert_eq!(w.about("preparing"), wait(morning));
    w.now = morning;
    w.go("preparing");
    // Departures are spread, but an order's own moment is always the same.
    w.rules.quiet.as_mut().expect("set").spread = 1800;
    w.now = "2026-11-02T22:00:00Z".parse().expect("a time");
    let Some(Decision::Wait { until, .. }) = w.about("preparing") else { panic!("it waits") };
    assert!(until >= morning && until <= plus_secs(morning, 1800) && until != morning);
    assert_eq!(w.about("preparing"), wait(until));
    // An unknown country: the shop's zone. Attention passes unless listed.
    w.order.head.as_mut().expect("known").value.country = Some("US".into());
    w.rules.timezone = jiff::tz::TimeZone::get("America/New_York").expect("bundled");
    w.go("preparing");
    w.order.head.as_mut().expect("known").value.country = Some("VN".into());
    w.hear(Patch { payment: vec![(PaymentState::Failed, None)], ..Patch::default() });
    w.pass(20);
    w.go("payment_failed");
    w.rules.quiet.as_mut().expect("set").also = vec!["payment_failed".into()];
    assert_eq!(w.reason("payment_failed"), Reason::QuietHours);
}

// --- may have been told -------------------------------------------------------------------------------------

fn begun(state: State) -> World {
    let mut w = World::due();
    w.hear(parcel("1", ParcelState::Shipped));
    w.pass(20);
    let address = digest(&Address::new("email", "a@example.com"));
    let now = w.now;
    let item = w.item("shipped");
    (item.state, item.attempts, item.channel, item.address) = (state, 1, Tag::of("mail"), address);
    item.first_attempt = Some(now);
    w
}

#[test]
fn what_may_have_been_told_goes_first_and_keeps_its_channel() {
    for state in [State::Begun, State::Again] {
        let mut w = begun(state);
        w.go("shipped");
        assert_eq!(w.reason("order_placed"), Reason::EarlierFirst, "although it is older");
        let slot = plus_secs(w.now, 9);
        w.mail().slot_at = Some(slot);
        assert_eq!(
            w.about("shipped"),
            Some(Decision::Wait { until: slot, reason: Reason::RateLimited, watch: vec![] })
        );
        // Another channel in front is none of its business.
        w.mail().slot_at = None;
        w.account("chat", chat());
        w.linked.insert("chat".into(), vec![Address::new("line", "u1")]);
        w.chain(&["chat", "mail"]);
        assert_eq!((w.go("shipped").channel.as_str(), w.go("shipped").place), ("mail", 1));
    }
}

#[test]
fn what_forbids_the_repetition_leaves_it_unsure() {
    let unsure = (State::Unsure, Reason::MaybeTold, None);
    type Change = fn(&mut World);
    let changes: &[Change] = &[
        |w| w.person("mail", "a@example.com").opted_out = Some(start()),
        |w| w.order.head.as_mut().expect("known").value.contact.emails = vec!["another.one@example.com".into()],
        |w| w.pass(4 * DAY),
        |w| w.routes.clear(),
        |w| w.order.deleted_at = Some(w.now),
        |w| {
            w.account("sms", account("phone"));
            w.chain(&["sms"]);
        },
    ];
    for change in changes {
        for state in [State::Begun, State::Again] {
            let mut w = begun(state);
            change(&mut w);
            assert_eq!(w.ends("shipped"), unsure);
        }
    }
}

#[test]
fn a_retry_key_is_used_while_it_lives_and_progress_without_one_is_not_repeated() {
    let mut w = begun(State::Begun);
    w.item("shipped").attempts = 2;
    assert_eq!(w.ends("shipped").0, State::Unsure, "a record is repeated once");
    w.mail().caps.retry_key_secs = Some(DAY);
    w.go("shipped");
    w.pass(23 * 3600 - 1);
    w.go("shipped");
    w.pass(1);
    assert_eq!(w.ends("shipped").0, State::Unsure);
    let mut w = begun(State::Begun);
    w.hear(stage(Stage::Preparing));
    let from = w.item("shipped").clone();
    let item = w.item("preparing");
    (item.state, item.attempts, item.channel, item.address) = (State::Begun, 1, from.channel, from.address);
    assert_eq!(w.ends("preparing").0, State::Unsure, "progress is never repeated");
}

/// The repetition of a customer's message waits for the morning like the message itself; the staff's does not.
#[test]
fn what_may_have_been_told_waits_for_the_customers_morning_and_not_for_the_shops() {
    let (evening, morning) = ("2026-11-02T15:00:00Z".parse().expect("a time"), "2026-11-03T00:00:00Z");
    let morning = morning.parse().expect("08:00 in Taiwan");
    let quiet = QuietHours { also: vec!["shipped".into()], ..night() };
    for state in [State::Begun, State::Again] {
        let mut w = begun(state);
        w.order.head.as_mut().expect("known").value.country = Some("TW".into());
        (w.rules.quiet, w.now) = (Some(quiet.clone()), evening);
        let wait = Decision::Wait { until: morning, reason: Reason::QuietHours, watch: vec![] };
        assert_eq!(w.about("shipped"), Some(wait));
        w.now = morning;
        w.go("shipped");
        let mut w = World::due();
        let mut team = account("");
        (team.caps.audience, team.caps.consent) = (Audience::Staff, ConsentRule::Staff);
        w.account("team", team);
        w.routes.clear();
        w.route(RouteSettings { audience: Audience::Staff, ..settings("team", &["*"], &["team"]) });
        w.hear(parcel("1", ParcelState::Shipped));
        w.pass(20);
        let now = w.now;
        let item = w.item("shipped");
        (item.state, item.attempts, item.channel, item.first_attempt) = (state, 1, Tag::of("team"), Some(now));
        w.order.head.as_mut().expect("known").value.country = Some("TW".into());
        (w.rules.quiet, w.now) = (Some(quiet.clone()), evening);
        assert_eq!(w.go("shipped").channel.as_str(), "team");
    }
}

/// Where free words need a window, only the template has a key (WeChat).
#[test]
fn a_key_of_the_template_alone_repeats_no_free_words() {
    let keyed = |state: State, open: bool| {
        let mut w = begun(State::Begun);
        w.hear(stage(Stage::Preparing));
        let from = w.item("shipped").clone();
        let first = w.now;
        let item = w.item("preparing");
        (item.state, item.attempts, item.channel, item.address) = (state, 1, from.channel, from.address);
        (item.first_attempt, item.not_before) = (Some(first), first);
        let caps = &mut w.mail().caps;
        (caps.retry_key_secs, caps.window) = (Some(600), WindowRule::Seconds(DAY));
        caps.template_outside_window = true;
        w.templates.insert(("mail".into(), "preparing".into()));
        if open {
            w.person("mail", "a@example.com").window_until = Some(plus_secs(w.now, DAY));
        }
        w
    };
    assert_eq!(keyed(State::Again, false).go("preparing").form, Form::Template, "under the same mark");
    let mut late = keyed(State::Again, false);
    late.pass(550);
    assert_eq!(late.ends("preparing").0, State::Unsure, "the mark is forgotten");
    assert_eq!(keyed(State::Again, true).ends("preparing").0, State::Unsure, "it would go as free words now");
    for open in [false, true] {
        assert_eq!(keyed(State::Begun, open).ends("preparing").0, State::Unsure, "nobody knows in which form it went");
    }
}

#[test]
fn items_told_within_a_begun_message_share_its_fate() {
    let mut w = World::placed();
    w.hear(paid());
    w.pass(20);
    let address = digest(&Address::new("email", "a@example.com"));
    let lead = w.no("order_placed");
    for item in &mut w.items {
        (item.state, item.attempts, item.channel, item.address) = (State::Begun, 1, Tag::of("mail"), address);
    }
    w.item("payment_received").within = lead;
    assert_eq!(w.go("order_placed").joined, [w.no("payment_received")]);
    assert_eq!(w.decide().len(), 1);
    w.person("mail", "a@example.com").opted_out = Some(start());
    assert_eq!(w.ends("order_placed").0, State::Unsure);
    assert_eq!(w.ends("payment_received").0, State::Unsure);
}

// --- replay -------------------------------------------------------------------------------------------------

#[test]
fn a_replay_passes_every_rule_again_and_force_lifts_two_of_them() {
    let mut w = World::due();
    w.item("order_placed").state = State::Dead;
    let mut again = w.items[0].clone();
    (again.no, again.state, again.follows) = (2, State::Open, 1);
    w.items.push(again);
    w.go("order_placed");
    w.items[0].state = State::Unsure;
    assert_eq!(w.ends("order_placed"), (State::Skipped, Reason::AlreadyTold, Some(1)));
    w.pass(10 * DAY);
    (w.items[1].forced, w.items[1].expires) = (true, plus_secs(w.now, DAY));
    w.go("order_placed");
    w.hear_of(plus_secs(w.now, -DAY), parcel("1", ParcelState::Shipped));
    w.tell("shipped");
    assert_eq!(w.reason("order_placed"), Reason::Superseded, "newer was told: force does not lift that");
    // Force is for the replayed item alone, and for as long as was set with it.
    let mut w = World::due();
    w.pass(10 * DAY);
    assert_eq!(w.reason("order_placed"), Reason::Stale);
    (w.items[0].forced, w.items[0].expires) = (true, w.now);
    assert_eq!(w.reason("order_placed"), Reason::Stale);
}

#[test]
fn a_replay_set_for_later_waits() {
    let mut w = World::due();
    let later = plus_secs(w.now, 3600);
    w.item("order_placed").state = State::Dead;
    let mut again = w.items[0].clone();
    (again.no, again.state, again.follows, again.not_before) = (2, State::Open, 1, later);
    w.items.push(again);
    assert_eq!(w.about("order_placed"), Some(Decision::Wait { until: later, reason: Reason::NotDue, watch: vec![] }));
}

#[test]
fn a_cancelled_order_sends_nothing_more_about_its_parcels_but_that_they_arrived() {
    let mut w = World::due();
    w.tell("order_placed");
    w.hear(parcel("1", ParcelState::Shipped));
    w.hear(stage(Stage::Cancelled));
    w.pass(20);
    assert_eq!(w.reason("shipped"), Reason::MovedOn);
    w.go("cancelled");
    w.tell("cancelled");
    w.pass(DAY);
    w.hear(parcel("1", ParcelState::Delivered));
    w.pass(20);
    w.go("delivered");
}
