//! A shop uses a channel otherwise than its routes say.

use super::world::{World, account, head, stage, with_head};
use orderwire::domain::channel::ConsentRule;
use orderwire::domain::clock::plus_secs;
use orderwire::domain::decision::{Decision, Reason};
use orderwire::domain::ids::ChannelId;
use orderwire::domain::order::Stage;
use orderwire::domain::shop::ChannelUse;

#[test]
fn a_shop_pauses_or_drains_a_channel() {
    let mut w = World::due();
    let mail = ChannelId::from("mail");
    w.rules.channels.insert(mail.clone(), ChannelUse::Paused);
    assert_eq!(w.reason("order_placed"), Reason::ChannelPaused);
    let Some(Decision::Wait { until, .. }) = w.about("order_placed") else { panic!("it waits") };
    assert_eq!(until, plus_secs(w.now, 300), "settings may say otherwise soon");
    // The rest of the chain carries it meanwhile.
    w.account("sms", account("phone"));
    w.chain(&["mail", "sms"]);
    assert_eq!(w.go("order_placed").channel.as_str(), "sms");
    w.chain(&["mail"]);
    w.rules.channels.insert(mail.clone(), ChannelUse::Draining);
    assert_eq!(w.reason("order_placed"), Reason::ChannelPaused, "no order begins there");
    w.rules.channels.clear();
    w.item("order_placed").channel = mail.tag();
    w.tell("order_placed");
    w.hear(stage(Stage::Preparing));
    w.pass(20);
    w.rules.channels.insert(mail.clone(), ChannelUse::Draining);
    w.go("preparing");
    w.rules.channels.insert(mail, ChannelUse::Paused);
    assert_eq!(w.reason("preparing"), Reason::ChannelPaused);
}

#[test]
fn where_nobody_new_is_taken_a_cart_is_no_yes() {
    let mut w = World::new();
    let mut chat = account("line");
    chat.caps.consent = ConsentRule::Connected;
    w.account("chat", chat);
    w.chain(&["chat"]);
    let mut named = head();
    named.contact.identities = vec![("line".into(), "u1".into())];
    w.hear(with_head(named));
    w.pass(20);
    w.go("order_placed");
    w.rules.channels.insert("chat".into(), ChannelUse::NoNewOptins);
    assert_eq!(w.reason("order_placed"), Reason::ConsentMissing);
    w.person("chat", "u1").opted_in = Some(super::world::start());
    w.go("order_placed");
}
