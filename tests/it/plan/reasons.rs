//! Each reason that this room can give, reached.

use super::world::{DAY, World, account, event, head, paid, parcel, settings, stage, start, with_head};
use orderwire::domain::channel::{ConsentRule, WindowRule};
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::Reason;
use orderwire::domain::event::Patch;
use orderwire::domain::ids::Tag;
use orderwire::domain::ledger::Entry;
use orderwire::domain::order::{Order, ParcelState, PaymentState, Stage};
use orderwire::domain::owed::State;
use orderwire::domain::person::Unreachable;
use orderwire::domain::shop::QuietHours;
use orderwire::plan::MAX_ATTEMPTS;

/// Reasons that other rooms give: verdicts, receipts, people.
const OF_OTHERS: &[Reason] = &[
    Reason::Refused,
    Reason::Poison,
    Reason::Redacted,
    Reason::Unjoinable,
    Reason::TooLong,
    Reason::Discarded,
    Reason::ShopLeft,
];

type Case = (Reason, fn() -> Reason);

const CASES: &[Case] = &[
    (Reason::ConsentMissing, || {
        let mut w = messenger("phone", WindowRule::None);
        w.pass(20);
        w.reason("order_placed")
    }),
    (Reason::OptedOut, || {
        let mut w = World::due();
        w.person("mail", "a@example.com").opted_out = Some(start());
        w.reason("order_placed")
    }),
    (Reason::OperatorBlocked, || {
        let mut w = World::due();
        // Their own no besides: the shop's block tells more.
        w.person("mail", "a@example.com").opted_out = Some(start());
        let shop = w.rules.id.clone();
        w.person("mail", "a@example.com").shops_barred.insert(shop, start());
        w.reason("order_placed")
    }),
    (Reason::OrderMuted, || {
        let mut w = World::due();
        w.muted.insert("mail".into());
        w.reason("order_placed")
    }),
    (Reason::NoAddress, || {
        let mut w = World::new();
        let mut unreachable = head();
        unreachable.contact.emails.clear();
        w.hear(with_head(unreachable));
        w.pass(20);
        w.reason("order_placed")
    }),
    (Reason::AddressUnlinked, || {
        let mut w = messenger("line", WindowRule::None);
        w.pass(20);
        w.reason("order_placed")
    }),
    (Reason::WindowClosed, || {
        let mut w = World::due();
        w.mail().caps.window = WindowRule::Seconds(DAY);
        w.reason("order_placed")
    }),
    (Reason::TemplateMissing, || {
        let mut w = World::due();
        w.mail().caps.window = WindowRule::Seconds(0);
        w.mail().caps.template_outside_window = true;
        w.reason("order_placed")
    }),
    (Reason::QuietHours, || {
        let mut w = World::placed();
        w.rules.quiet = Some(night());
        w.hear(stage(Stage::Preparing));
        w.tell("order_placed");
        w.now = "2026-11-02T15:30:00Z".parse().expect("23:30 in Taipei");
        w.reason("preparing")
    }),
    (Reason::QuotaSpent, || {
        let mut w = World::due();
        w.mail().paused = Some((plus_secs(w.now, 5 * DAY), Reason::QuotaSpent));
        w.reason("order_placed")
    }),
    (Reason::RateLimited, || {
        let mut w = World::due();
        w.mail().slot_at = Some(plus_secs(w.now, 3));
        w.reason("order_placed")
    }),
    (Reason::ChannelPaused, || {
        let mut w = World::due();
        w.mail().paused = Some((plus_secs(w.now, 60), Reason::ChannelPaused));
        w.reason("order_placed")
    }),
    (Reason::BreakerOpen, || {
        let mut w = World::due();
        w.mail().paused = Some((plus_secs(w.now, 60), Reason::BreakerOpen));
        w.reason("order_placed")
    }),
    (Reason::RecipientBlocked, || {
        let mut w = World::due();
        w.person("mail", "a@example.com").unreachable = Some((start(), Unreachable::Blocked));
        w.reason("order_placed")
    }),
    (Reason::RecipientInvalid, || {
        let mut w = World::due();
        w.person("mail", "a@example.com").unreachable = Some((start(), Unreachable::Invalid));
        w.reason("order_placed")
    }),
    (Reason::RecipientCapped, || {
        let mut w = World::due();
        w.person("mail", "a@example.com").capped_until = Some(plus_secs(w.now, 6));
        w.reason("order_placed")
    }),
    (Reason::Superseded, || {
        let mut w = World::placed();
        w.hear(parcel("1", ParcelState::Shipped));
        w.tell("shipped");
        w.pass(20);
        w.reason("order_placed")
    }),
    (Reason::Stale, || {
        let mut w = World::due();
        w.pass(3 * DAY);
        w.reason("order_placed")
    }),
    (Reason::ConditionFalse, || {
        let mut w = World::due();
        w.condition = Ok(false);
        w.reason("order_placed")
    }),
    (Reason::NoRoute, || {
        let mut w = World::due();
        w.routes.clear();
        w.reason("order_placed")
    }),
    (Reason::AlreadyTold, || {
        let mut w = World::due();
        w.tell("order_placed");
        let mut again = w.items[0].clone();
        (again.no, again.state, again.follows) = (2, State::Open, 1);
        w.items.push(again);
        w.reason("order_placed")
    }),
    (Reason::TestOrder, || {
        let mut w = World::new();
        let mut test = head();
        test.test = true;
        w.hear(with_head(test));
        w.pass(20);
        w.reason("order_placed")
    }),
    (Reason::ImportGuard, || {
        let mut w = World::new();
        w.pass(30 * DAY);
        w.order = Order::new("demo".into(), "1".to_string().into(), w.now);
        w.rules.max_event_age = 90 * DAY;
        w.hear(with_head(head()));
        unowed(&w, "order_placed")
    }),
    (Reason::Held, || {
        let mut w = World::due();
        w.item("order_placed").reason = Some(Reason::Held);
        w.reason("order_placed")
    }),
    (Reason::AttemptsSpent, || {
        let mut w = World::due();
        w.item("order_placed").attempts = MAX_ATTEMPTS;
        w.reason("order_placed")
    }),
    (Reason::Undelivered, || {
        let mut w = World::due();
        w.item("order_placed").passed = 1;
        w.reason("order_placed")
    }),
    (Reason::Settling, || World::placed().reason("order_placed")),
    (Reason::NotDue, || {
        let mut w = World::due();
        w.rules.payment_deadline = Some(2 * DAY);
        w.hear(Patch { payment: vec![(PaymentState::Pending, None)], ..Patch::default() });
        w.reason("payment_expiring")
    }),
    (Reason::MovedOn, || {
        let mut w = World::due();
        w.hear(Patch { payment: vec![(PaymentState::Pending, None)], ..Patch::default() });
        w.pass(1);
        w.hear(paid());
        w.reason("payment_pending")
    }),
    (Reason::EarlierFirst, || {
        let mut w = World::placed();
        w.hear(parcel("1", ParcelState::Shipped));
        w.pass(20);
        w.reason("shipped")
    }),
    (Reason::OrderDeleted, || {
        let mut w = World::due();
        w.hear(Patch { deleted: true, ..Patch::default() });
        w.reason("order_placed")
    }),
    (Reason::OrderUnknown, || {
        let mut w = World::due();
        w.order.head = None;
        w.reason("order_placed")
    }),
    (Reason::MaybeTold, || {
        let mut w = World::due();
        let item = w.item("order_placed");
        (item.state, item.attempts, item.channel) = (State::Begun, 2, Tag::of("mail"));
        w.reason("order_placed")
    }),
    (Reason::Retrying, || {
        let mut w = World::due();
        let later = plus_secs(w.now, 10);
        let item = w.item("order_placed");
        (item.attempts, item.not_before) = (1, later);
        w.reason("order_placed")
    }),
    (Reason::SettingsChanged, || {
        let mut w = World::due();
        w.accounts.clear();
        w.reason("order_placed")
    }),
];

#[test]
fn every_reason_of_this_room_is_reached() {
    for (reason, reach) in CASES {
        assert_eq!(reach(), *reason);
    }
    for reason in Reason::ALL {
        let here = CASES.iter().any(|(r, _)| r == reason);
        assert!(here != OF_OTHERS.contains(reason), "{} is reached nowhere, or twice", reason.as_str());
    }
}

/// Reasons that `owe` gives, in the ledger.
#[test]
fn what_is_owed_to_nobody_is_explained() {
    let mut old = World::new();
    old.pass(8 * DAY);
    old.order.first_seen = old.now;
    old.rules.import_guard = 30 * DAY;
    old.hear(with_head(head()));
    assert_eq!(unowed(&old, "order_placed"), Reason::Stale);

    let mut unrouted = World::new();
    unrouted.routes.clear();
    unrouted.route(settings("some", &["shipped"], &["mail"]));
    unrouted.hear(with_head(head()));
    assert_eq!(unowed(&unrouted, "order_placed"), Reason::NoRoute);
    unrouted.route(settings("more", &["*"], &["mail"]));
    unrouted.hear(with_head(head()));
    assert!(unrouted.items.is_empty(), "a route added later tells nothing old");

    let mut gone = World::new();
    gone.order.absorb(&event(start(), with_head(head())));
    gone.pass(1);
    gone.hear(Patch { deleted: true, ..Patch::default() });
    assert_eq!(unowed(&gone, "order_placed"), Reason::OrderDeleted);
    gone.pass(1);
    gone.hear(with_head(head()));
    assert_eq!(gone.items.len(), 1, "taken out of the bin, the story goes on");
}

/// The reasons keep to what they say they may cause.
#[test]
fn no_reason_causes_what_it_may_not() {
    use orderwire::domain::decision::Decision;
    let may = |reason: Reason, what: char| assert!(reason.may_cause().contains(what), "{} {what}", reason.as_str());
    for seed in 0..4_000 {
        for (_, decision) in super::laws::world(seed).decide() {
            match decision {
                Decision::Go(_) => {}
                Decision::Wait { reason, .. } | Decision::Park { reason, .. } => may(reason, 'w'),
                Decision::End { state: State::Skipped | State::Superseded | State::Unsure, reason, .. } => {
                    may(reason, 's')
                }
                Decision::End { state: State::Expired, reason, .. } => may(reason, 'e'),
                Decision::End { reason, .. } => may(reason, 'd'),
            }
        }
    }
}

fn unowed(world: &World, id: &str) -> Reason {
    let found = world.ledger.iter().find_map(|e| match e {
        Entry::Unowed { milestone, reason, .. } if milestone == id => Reason::from_word(reason),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{id} is not unowed: {:?}", world.ledger))
}

/// A world whose only channel is a messenger.
fn messenger(scheme: &'static str, window: WindowRule) -> World {
    let mut w = World::new();
    let mut account = account(scheme);
    (account.caps.consent, account.caps.window) = (ConsentRule::Connected, window);
    w.account("chat", account);
    w.chain(&["chat"]);
    w.hear(with_head(head()));
    w
}

pub fn night() -> QuietHours {
    QuietHours { from_minute: 22 * 60, to_minute: 8 * 60, also: Vec::new(), spread: 0 }
}
