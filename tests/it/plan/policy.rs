//! Routes' settings, phone numbers, delays: policies that are plain arithmetic.

use super::world::{DAY, account, event, head, settings, start, with_head};
use orderwire::domain::channel::Audience;
use orderwire::domain::clock::plus_secs;
use orderwire::domain::ids::ChannelId;
use orderwire::domain::milestone::Purpose;
use orderwire::domain::order::Order;
use orderwire::domain::shop::ShopRules;
use orderwire::milestone;
use orderwire::plan::{
    AfterUnsure, Known, Route, RouteSettings, addresses_for, after_unsure, backoff, check_tags, e164,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn known() -> Known<'static> {
    Known {
        milestones: milestone::ALL.iter().map(|m| m.id).collect(),
        shops: vec!["demo-tw"],
        channels: BTreeMap::from([
            ("line-main", Audience::Customer),
            ("mail", Audience::Customer),
            ("team", Audience::Staff),
        ]),
    }
}

fn mistakes(settings: RouteSettings) -> Vec<(String, String)> {
    let found = Route::from_settings(settings, &known()).err().unwrap_or_default();
    found.into_iter().map(|m| (m.key, m.message)).collect()
}

#[test]
fn every_mistake_in_a_route_is_found_at_once_and_named() {
    let mut bad = settings("main", &["order_placd", "shipped", "zzz*"], &["line-mian", "team", "mail", "mail"]);
    bad.shops = Some(vec!["demo-wt".into()]);
    bad.when = Some(" ".into());
    bad.also = vec!["mail".into()];
    let found = mistakes(bad);
    let keys: Vec<&str> = found.iter().map(|(k, _)| k.as_str()).collect();
    assert_eq!(
        keys,
        ["milestones[0]", "milestones[2]", "shops[0]", "when", "channels[0]", "channels[1]", "channels[3]", "also[0]"]
    );
    assert!(found[0].1.contains("did you mean \"order_placed\"?"), "{}", found[0].1);
    assert!(!found[1].1.contains("did you mean"), "{}", found[1].1);
    assert!(found[2].1.contains("did you mean \"demo-tw\"?"), "{}", found[2].1);
    assert!(found[4].1.contains("did you mean \"line-main\"?"), "{}", found[4].1);
    assert!(found[5].1.contains("reaches staff"), "{}", found[5].1);
}

#[test]
fn a_route_needs_a_name_a_milestone_and_a_channel() {
    let keys: Vec<String> = mistakes(settings(" ", &[], &[])).into_iter().map(|(k, _)| k).collect();
    assert_eq!(keys, ["id", "milestones", "channels"]);
    let mut only_also = settings("copy", &["*"], &[]);
    only_also.also = vec!["mail".into()];
    assert!(mistakes(only_also).is_empty());
    let mut nowhere = settings("r", &["*"], &["mail"]);
    nowhere.shops = Some(Vec::new());
    assert_eq!(mistakes(nowhere)[0].0, "shops");
}

#[test]
fn a_chain_is_bounded() {
    let names: Vec<String> = (0..16).map(|i| format!("c{i}")).collect();
    let channels: Vec<&str> = names.iter().map(String::as_str).collect();
    let known = Known { channels: channels.iter().map(|c| (*c, Audience::Customer)).collect(), ..known() };
    assert!(Route::from_settings(settings("r", &["*"], &channels[..15]), &known).is_ok());
    let found = Route::from_settings(settings("r", &["*"], &channels), &known).expect_err("too long");
    assert_eq!(found[0].key, "channels");
}

#[test]
fn unknown_keys_are_refused_and_globs_match() {
    assert!(
        toml::from_str::<RouteSettings>("id='a'\nmilestones=['*']\naudience='customer'\nchanels=['mail']").is_err()
    );
    let text = "id='a'\nmilestones=['payment_*']\naudience='customer'\nchannels=['mail']";
    let route = Route::from_settings(toml::from_str(text).expect("toml"), &known()).expect("good");
    assert!(route.tells("payment_received") && !route.tells("refunded"));
}

#[test]
fn names_that_are_stored_alike_do_not_start() {
    let route = |id: &str| Route::from_settings(settings(id, &["*"], &["mail"]), &known()).expect("good");
    let channels = [ChannelId::from("mail"), ChannelId::from("mail")];
    let found = check_tags(&[route("a"), route("b"), route("a")], &channels, milestone::ALL);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].message.contains("\"a\"") && found[1].message.contains("\"mail\""));
}

#[test]
fn phone_numbers_are_read_by_the_orders_country() {
    let taiwan = [
        "0912-345-678",
        "886912345678",
        "+8860912345678",
        "912345678",
        "０９１２３４５６７８",
        "00886912345678",
        " 0912 345 678 ",
    ];
    for raw in taiwan {
        assert_eq!(e164(raw, Some("TW")).as_deref(), Some("+886912345678"), "{raw}");
    }
    assert_eq!(e164("0912345678", Some("vn")).as_deref(), Some("+84912345678"), "somebody else's number there");
    assert_eq!(e164("13800138000", Some("CN")).as_deref(), Some("+8613800138000"));
    assert_eq!(e164("91234567", Some("HK")).as_deref(), Some("+85291234567"));
    assert_eq!(e164("+15005550006", None), None, "no plan contains it");
    assert_eq!(e164("+886912345678", None).as_deref(), Some("+886912345678"));
    assert_eq!(e164("+886912345678", Some("VN")).as_deref(), Some("+886912345678"));
    assert_eq!(e164("0912-345-678 ext. 12", Some("TW")).as_deref(), Some("+886912345678"));
    for (raw, country) in [
        ("0912345678", None),
        ("0912345678", Some("ZZ")),
        ("02-2345-6789", Some("TW")),
        ("09123456789", Some("TW")),
        ("01234567890", Some("VN")),
        ("", Some("TW")),
        ("n/a", Some("TW")),
        ("+", None),
    ] {
        assert_eq!(e164(raw, country), None, "{raw:?}");
    }
}

#[test]
fn addresses_come_in_the_order_of_trust() {
    let mut head = head();
    head.contact.phones = vec!["02-2345-6789".into(), "0912345678".into(), "0987654321".into()];
    head.contact.identities = vec![("line".into(), "u1".into()), ("zalo".into(), "z1".into())];
    head.country = None;
    let mut order = Order::new("demo".into(), "1".to_string().into(), start());
    let mut rules = ShopRules::plain("demo");
    assert!(addresses_for(&order, &rules, "email").is_empty(), "the order is unknown");
    order.absorb(&event(start(), with_head(head)));
    assert!(addresses_for(&order, &rules, "phone").is_empty(), "no country, no guess");
    rules.country = Some("TW".into());
    assert_eq!(addresses_for(&order, &rules, "phone"), ["+886912345678", "+886987654321"]);
    assert_eq!(addresses_for(&order, &rules, "email"), ["a@example.com"]);
    assert_eq!(addresses_for(&order, &rules, "line"), ["u1"]);
}

#[test]
fn what_follows_an_unsure_send() {
    use AfterUnsure::{Again, Unsure};
    let mut caps = account("email").caps;
    let ask = |caps: &_, purpose, times, key, secs| {
        after_unsure(purpose, times, key, start(), plus_secs(start(), secs), caps)
    };
    for purpose in [Purpose::Formal, Purpose::Attention] {
        assert_eq!(ask(&caps, purpose, 1, false, 5), Again);
        assert_eq!(ask(&caps, purpose, 2, false, 5), Unsure);
    }
    assert_eq!(ask(&caps, Purpose::Status, 1, false, 5), Unsure);
    caps.retry_key_secs = Some(DAY);
    assert_eq!(ask(&caps, Purpose::Status, 1, false, 5), Unsure, "the channel takes keys, this message had none");
    assert_eq!(ask(&caps, Purpose::Status, 9, true, 23 * 3600 - 1), Again);
    assert_eq!(ask(&caps, Purpose::Status, 9, true, 23 * 3600), Unsure);
    caps.retry_key_secs = Some(600);
    assert_eq!(ask(&caps, Purpose::Formal, 1, true, 549), Again, "a short life keeps a short margin");
    assert_eq!(ask(&caps, Purpose::Formal, 1, true, 550), Unsure);
}

proptest! {
    #[test]
    fn a_delay_keeps_its_bounds(attempts in any::<u8>(), floor in proptest::option::of(0_i64..100_000), seed in any::<u64>()) {
        let delay = backoff(attempts, floor, seed);
        prop_assert_eq!(delay, backoff(attempts, floor, seed));
        let doubled = 5_i64.saturating_mul(1 << u32::from(attempts.saturating_sub(1)).min(10)).min(900);
        prop_assert!(delay >= 1.max(floor.unwrap_or(0)) && delay <= doubled.max(floor.unwrap_or(0)));
    }

    #[test]
    fn no_text_makes_the_phone_reader_stumble(raw in any::<String>(), country in proptest::option::of("[A-Za-z]{0,3}")) {
        if let Some(number) = e164(&raw, country.as_deref()) {
            prop_assert!(number.starts_with('+') && number.chars().skip(1).all(|c| c.is_ascii_digit()));
            prop_assert!((8..=16).contains(&number.len()));
        }
    }
}

#[test]
fn delays_are_spread() {
    let delays: std::collections::BTreeSet<i64> = (0..200).map(|seed| backoff(9, None, seed)).collect();
    assert!(delays.len() > 100);
}
