//! What no situation may lead to, over invented situations.

use super::world::{Account, DAY, World, account, head, paid, parcel, stage, start, with_head};
use orderwire::domain::channel::{Audience, ConsentRule, Form, WindowRule};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::{Decision, Go, Reason};
use orderwire::domain::event::Patch;
use orderwire::domain::ids::Tag;
use orderwire::domain::milestone::{Milestone, Purpose};
use orderwire::domain::order::{Note, ParcelState, PaymentState, Stage};
use orderwire::domain::owed::{Owed, State};
use orderwire::domain::person::{Address, Unreachable};
use orderwire::milestone;
use orderwire::plan::{Reach, reach};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// Addresses that the customer of [`head`] has, by scheme.
const PEOPLE: &[(&str, &str)] =
    &[("mail", "a@example.com"), ("sms", "+886912345678"), ("chat", "u1"), ("page", "p1"), ("wa", "+886912345678")];

/// An invented situation: some story, told in part, with channels and people in any state.
pub fn world(seed: u64) -> World {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut w = World::new();
    for (id, scheme, consent) in [
        ("sms", "phone", ConsentRule::WithOrder),
        ("chat", "line", ConsentRule::Connected),
        ("page", "messenger", ConsentRule::Connected),
        ("wa", "phone", ConsentRule::Connected),
    ] {
        let account = any_account(scheme, consent, &mut rng);
        w.account(id, account);
    }
    let mut staff = account("");
    (staff.caps.audience, staff.caps.consent) = (Audience::Staff, ConsentRule::Staff);
    w.account("team", staff);
    let all = ["mail", "sms", "chat", "page", "wa"];
    let chain: Vec<&str> = all.sample(&mut rng, 3).copied().collect();
    w.chain(&chain);
    let mut alert = super::world::settings("alert", &["cancelled", "payment_*"], &["team"]);
    alert.audience = Audience::Staff;
    w.route(alert);
    if rng.random() {
        w.rules.quiet = Some(super::reasons::night());
    }
    w.rules.payment_deadline = Some(2 * DAY);
    story(&mut w, &mut rng);
    people(&mut w, &mut rng);
    for item in &mut w.items {
        spoil(item, &mut rng);
    }
    w.pass([0, 20, 100, 4_000, 40_000, 90_000, 300_000][rng.random_range(0..7)]);
    w.condition = if rng.random_ratio(1, 12) { Err("no such thing".into()) } else { Ok(rng.random_ratio(9, 10)) };
    w
}

fn any_account(scheme: &'static str, consent: ConsentRule, rng: &mut StdRng) -> Account {
    let mut account = account(scheme);
    account.caps.consent = consent;
    account.caps.window =
        *[WindowRule::None, WindowRule::Seconds(DAY), WindowRule::Seconds(0)].choose(rng).expect("one");
    account.caps.template_outside_window = rng.random();
    account.caps.grants = rng.random();
    account.caps.reply_token = rng.random();
    account.caps.retry_key_secs = rng.random_ratio(1, 2).then_some(DAY);
    if rng.random_ratio(1, 4) {
        let reason = *[Reason::ChannelPaused, Reason::BreakerOpen, Reason::QuotaSpent].choose(rng).expect("one");
        account.paused = Some((plus_secs(start(), rng.random_range(0..9) * DAY), reason));
    }
    account.reserve = rng.random_ratio(1, 6);
    account.slot_at = rng.random_ratio(1, 8).then(|| plus_secs(start(), rng.random_range(0..100_000)));
    account
}

fn story(w: &mut World, rng: &mut StdRng) {
    let mut order = head();
    order.test = rng.random_ratio(1, 15);
    if rng.random() {
        order.contact.identities = vec![("line".into(), "u1".into())];
    }
    w.hear(with_head(order));
    for _ in 0..rng.random_range(0..9) {
        w.pass([0, 1, 10, 100, 5_000][rng.random_range(0..5)]);
        let id = ["1", "2"][rng.random_range(0..2)];
        let patch = match rng.random_range(0..10) {
            0 => paid(),
            1 => Patch { payment: vec![(PaymentState::Pending, None)], ..Patch::default() },
            2 => Patch { payment: vec![(PaymentState::Failed, None)], ..Patch::default() },
            3 => stage(Stage::Confirmed),
            4 => stage(Stage::Preparing),
            5 => parcel(id, ParcelState::Shipped),
            6 => parcel(id, ParcelState::OutForDelivery),
            7 => parcel(id, ParcelState::Attempted),
            8 => Patch { notes: vec![Note { id: id.into(), text: "Hello".into(), at: w.now }], ..Patch::default() },
            _ => parcel(id, ParcelState::Delivered),
        };
        w.hear(patch);
    }
}

fn people(w: &mut World, rng: &mut StdRng) {
    for (channel, address) in PEOPLE {
        let some = |rng: &mut StdRng| rng.random_ratio(1, 6);
        let moment = plus_secs(start(), rng.random_range(0..200_000));
        let facts = w.person(channel, address);
        facts.opted_out = some(rng).then_some(moment);
        facts.opted_in = rng.random::<bool>().then_some(moment);
        facts.unreachable =
            some(rng).then_some((moment, *[Unreachable::Blocked, Unreachable::Invalid].choose(rng).expect("one")));
        facts.window_until = rng.random::<bool>().then_some(moment);
        facts.reply_until = some(rng).then_some(moment);
        facts.capped_until = some(rng).then_some(moment);
        facts.grants.extend(rng.random::<bool>().then(|| ("G1".to_string(), rng.random_range(0..2))));
        if some(rng) {
            w.muted.insert((*channel).to_string());
        }
        for milestone in milestone::ALL {
            if rng.random() {
                w.templates.insert(((*channel).to_string(), milestone.id.to_string()));
                w.templates.insert(((*channel).to_string(), format!("granted {}", milestone.id)));
            }
        }
    }
    if rng.random() {
        w.linked.insert("page".into(), vec![Address::new("messenger", "p1")]);
    }
    if rng.random_ratio(1, 3) {
        w.rules.test_recipients = vec!["a@example.com".into(), "+886912345678".into()];
    }
}

/// Puts an item into some state that a worker may have left it in.
fn spoil(item: &mut Owed, rng: &mut StdRng) {
    match rng.random_range(0..12) {
        0 | 1 => item.state = State::Sent,
        2 => {
            item.state = if rng.random() { State::Begun } else { State::Again };
            (item.attempts, item.channel) =
                (rng.random_range(1..3), Tag::of(["mail", "sms", "chat"][rng.random_range(0..3)]));
            item.address = [14, 3][rng.random_range(0..2)];
            item.first_attempt = Some(item.at);
        }
        3 => (item.attempts, item.not_before) = (rng.random_range(1..30), plus_secs(item.not_before, 60)),
        4 => item.passed = rng.random_range(0..8),
        5 => item.reason = Some(*[Reason::WindowClosed, Reason::QuietHours, Reason::Held].choose(rng).expect("one")),
        6 => item.state = State::Skipped,
        _ => {}
    }
}

struct Sent<'a> {
    world: &'a World,
    item: &'a Owed,
    milestone: &'static Milestone,
    go: &'a Go,
}

fn known(world: &World, no: u16) -> (&Owed, &'static Milestone) {
    let item = world.items.iter().find(|i| i.no == no).expect("an item");
    (item, milestone::by_tag(item.milestone).expect("a milestone"))
}

/// Everything that makes a single send lawful.
fn assert_lawful(sent: &Sent<'_>) {
    let Sent { world: w, item, milestone, go } = sent;
    assert!(item.state.is_open() && item.attempts <= 30);
    assert!(item.expires > w.now, "after its time");
    assert!(!(milestone.moot)(&w.order, &of(w, item).reached) || item.state != State::Open, "moved on");
    assert!(item.state != State::Open || w.condition == Ok(true), "against the route's condition");
    let account = &w.accounts[go.channel.as_str()];
    let Some(address) = &go.address else {
        assert_eq!(account.caps.audience, Audience::Staff);
        return assert!(!w.order.test(), "a test order told the staff");
    };
    let facts = w.people.get(&(go.channel.as_str().to_string(), address.value.clone())).cloned().unwrap_or_default();
    assert!(facts.opted_out.is_none() && facts.unreachable.is_none(), "against the customer's will");
    assert!(!w.muted.contains(go.channel.as_str()), "muted");
    assert!(facts.capped_until.is_none_or(|t| t <= w.now), "capped");
    let raw = account.caps.scheme == "phone";
    assert!(account.caps.consent != ConsentRule::Connected || !raw || facts.opted_in.is_some(), "without consent");
    assert!(!w.order.test() || w.rules.test_recipients.contains(&address.value), "a test order told a customer");
    let open = account.caps.window == WindowRule::None || facts.window_until.is_some_and(|t| t > w.now);
    match go.form {
        Form::Free => assert!(open && account.caps.window != WindowRule::Seconds(0), "free words in a closed window"),
        Form::Template => {
            assert!(w.templates.contains(&(go.channel.as_str().to_string(), milestone.id.to_string())));
            assert!(account.caps.template_outside_window && go.joined.is_empty());
        }
        Form::Grant => {
            assert!(!open || account.caps.window == WindowRule::Seconds(0));
            assert!(account.caps.grants && go.joined.is_empty());
            assert!(facts.grants.get("G1").is_some_and(|left| *left > 0), "without a tap");
        }
        Form::Reply => assert!(account.caps.reply_token && facts.reply_until.is_some_and(|t| t > w.now)),
    }
    let rests = account.paused.filter(|(until, _)| *until > w.now).map(|(_, why)| why);
    assert!(rests.is_none() || (go.form == Form::Reply && rests == Some(Reason::QuotaSpent)), "on a resting channel");
    assert!(account.slot_at.is_none_or(|t| t <= w.now), "too fast");
    assert!(item.passed & (1 << go.place) == 0 || item.state != State::Open, "on a channel found impossible");
    if w.rules.quiet.is_some() && milestone.purpose == Purpose::Status {
        let hour = (w.now.as_second() / 3600 + 8) % 24;
        assert!((8..22).contains(&hour), "at {hour} o'clock in Taipei");
    }
}

fn of(w: &World, item: &Owed) -> Reach {
    let all = reach(&w.order, &w.rules, milestone::ALL);
    all.into_iter().find(|r| r.digest == item.subject).expect("reached")
}

/// Nothing of lower rank that happened earlier goes after something higher of its story was told.
fn assert_no_older_story(w: &World, item: &Owed, milestone: &Milestone) {
    let mine = of(w, item);
    let slot = w.items.iter().filter(|o| o.route == item.route && o.slot == item.slot && o.state.is_told());
    for told in slot.map(|o| of(w, o)) {
        let parcels = told.reached.subject.parcel().zip(mine.reached.subject.parcel());
        let story = parcels.is_none_or(|(a, b)| a == b);
        let higher = milestone.rank > 0 && told.milestone.rank > milestone.rank;
        let older = mine.reached.at <= told.reached.at;
        assert!(!(story && higher && older), "{} after {}", milestone.id, told.milestone.id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_situation_breaks_a_rule(seed in any::<u64>()) {
        let w = world(seed);
        for (no, decision) in w.decide() {
            let Decision::Go(go) = &decision else { continue };
            let (item, milestone) = known(&w, no);
            assert_lawful(&Sent { world: &w, item, milestone, go });
            if item.state == State::Open {
                assert_no_older_story(&w, item, milestone);
            }
            for no in &go.joined {
                let (joined, its) = known(&w, *no);
                prop_assert!(joined.state.is_open() && joined.expires > w.now);
                prop_assert!(milestone.joins.contains(&its.id) || joined.within == item.no);
            }
        }
    }

    #[test]
    fn every_open_item_gets_one_decision_and_the_same_one_again(seed in any::<u64>()) {
        let w = world(seed);
        let decisions = w.decide();
        prop_assert_eq!(&decisions, &w.decide());
        let mut turned = w.clone();
        turned.items.reverse();
        let by_no = |mut d: Vec<(u16, Decision)>| { d.sort_by_key(|(no, _)| *no); d };
        prop_assert_eq!(by_no(decisions.clone()), by_no(turned.decide()));
        let joined = decisions.iter().flat_map(|(_, d)| match d { Decision::Go(go) => go.joined.clone(), _ => Vec::new() });
        let mut decided: Vec<u16> = decisions.iter().map(|(no, _)| *no).chain(joined).collect();
        decided.sort_unstable();
        let open: Vec<u16> = w.items.iter().filter(|i| i.state.is_open()).map(|i| i.no).collect();
        prop_assert_eq!(decided, open);
        for (no, decision) in &decisions {
            let item = known(&w, *no).0;
            if let Decision::End { state, .. } = decision {
                prop_assert!(item.state.may_become(*state), "{:?} became {:?}", item.state, state);
            }
            if let Decision::Wait { until, .. } | Decision::Park { until, .. } = decision {
                prop_assert!(*until >= w.now, "waits for the past");
            }
        }
    }

    /// In one slot one item goes at a time, and never before one that may have been told.
    #[test]
    fn a_slot_tells_one_thing_at_a_time(seed in any::<u64>()) {
        let w = world(seed);
        let mut gone: Vec<(Tag, Tag)> = Vec::new();
        let decisions = w.decide();
        for (no, decision) in &decisions {
            let item = known(&w, *no).0;
            if !matches!(decision, Decision::Go(_)) { continue }
            prop_assert!(!gone.contains(&(item.route, item.slot)));
            gone.push((item.route, item.slot));
            let begun_waits = decisions.iter().any(|(n, d)| {
                let other = known(&w, *n).0;
                let same = (other.route, other.slot) == (item.route, item.slot);
                same && other.state != State::Open && !matches!(d, Decision::End { .. } | Decision::Go(_))
            });
            prop_assert!(!begun_waits || item.state != State::Open);
        }
    }
}

/// The situations must not be so bad that nothing ever goes, nor so good that nothing waits.
#[test]
fn the_invented_situations_are_of_all_kinds() {
    let (mut go, mut wait, mut park, mut end, mut joined, mut forms) = (0, 0, 0, 0, 0, [0; 4]);
    for seed in 0..4_000 {
        for (_, decision) in world(seed).decide() {
            match decision {
                Decision::Go(g) => {
                    go += 1;
                    joined += g.joined.len();
                    forms[g.form as usize] += 1;
                }
                Decision::Wait { .. } => wait += 1,
                Decision::Park { .. } => park += 1,
                Decision::End { .. } => end += 1,
            }
        }
    }
    let all = [go, wait, park, end];
    assert!(all.iter().all(|n| *n > 100), "{all:?}");
    assert!(joined > 20 && forms.iter().all(|n| *n > 9), "{joined} {forms:?}");
}
