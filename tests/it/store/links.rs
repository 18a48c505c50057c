//! Codes and ties.

use super::*;
use orderwire::domain::clock::plus_secs;
use orderwire::domain::person::Address;
use orderwire::store::links::{Redeemed, Tie};

fn person(name: &str) -> Address {
    Address::new("line", name)
}

#[tokio::test]
async fn a_code_is_for_the_first_who_shows_it_as_often_as_they_do() {
    let mut w = World::new().await;
    let until = plus_secs(w.now, 3600);
    w.store.offer_code("ow-a", b"leads here", until).await.unwrap();
    w.store.offer_code("ow-a", b"leads here", until).await.unwrap();
    let show = async |w: &World, code: &str, channel: &str, name: &str| {
        w.store.redeem_code(code, &channel.into(), &person(name)).await.unwrap()
    };
    for _ in 0..2 {
        assert_eq!(show(&w, "ow-a", "line-1", "ann").await, Redeemed::Theirs(b"leads here".to_vec()));
    }
    assert_eq!(show(&w, "ow-a", "line-1", "bob").await, Redeemed::Used);
    assert_eq!(show(&w, "ow-a", "line-2", "ann").await, Redeemed::Used, "another account, another person");
    assert_eq!(show(&w, "ow-b", "line-1", "ann").await, Redeemed::Unknown);
    let keys: Vec<String> = w.ask(&["KEYS", &format!("{}:*invite*", w.prefix)]);
    assert!(keys.len() == 1 && !keys[0].contains("ow-a"), "{keys:?}");
    let lives: i64 = w.ask(&["PTTL", &keys[0]]);
    assert!(lives > 0, "it ends by itself: {lives}");
    let lies: Vec<Vec<u8>> = w.ask(&["HVALS", &keys[0]]);
    assert!(lies.iter().all(|v| !v.windows(5).any(|part| part == b"leads")), "sealed");
}

#[tokio::test]
async fn of_two_who_show_a_code_at_once_one_has_it() {
    let w = World::new().await;
    w.store.offer_code("ow-a", b"x", plus_secs(w.now, 3600)).await.unwrap();
    let line = ChannelId::from("line-1");
    let people: Vec<Address> = (0..20).map(|i| person(&format!("p{i}"))).collect();
    let shown = people.iter().map(|p| w.store.redeem_code("ow-a", &line, p));
    let answers = futures_util::future::join_all(shown).await;
    let theirs = answers.iter().filter(|a| matches!(a, Ok(Redeemed::Theirs(_)))).count();
    assert_eq!(theirs, 1, "{answers:?}");
}

#[tokio::test]
async fn a_person_has_a_list_of_the_newest_orders_until_they_are_forgotten() {
    let mut w = World::new().await;
    let (line, ann) = (ChannelId::from("line-1"), person("ann"));
    let tie = |w: &World, i: i64| Tie { at: w.after(i), shop: "shop".into(), order: i.to_string().into() };
    for i in [3, 1, 2, 3] {
        w.store.tie(&line, &ann, &tie(&w, i)).await.unwrap();
    }
    let names = async |w: &World| -> Vec<String> {
        w.store.ties(&line, &person("ann")).await.unwrap().into_iter().map(|t| t.order.to_string()).collect()
    };
    assert_eq!(names(&w).await, ["3", "2", "1"]);
    w.store.untie(&line, &ann, &"shop".into(), &"2".into()).await.unwrap();
    assert_eq!(names(&w).await, ["3", "1"]);
    for i in 10..50 {
        w.store.tie(&line, &ann, &tie(&w, i)).await.unwrap();
    }
    assert_eq!(names(&w).await.len(), 24);
    let keys: Vec<String> = w.ask(&["KEYS", &format!("{}:*tie*", w.prefix)]);
    assert_eq!(keys.len(), 1, "{keys:?}");
    let kept: usize = w.ask(&["HLEN", &keys[0]]);
    assert_eq!(kept, 24, "what is beyond is gone");
    assert!(w.store.forget_person(&line, &ann).await.unwrap());
    assert!(names(&w).await.is_empty());
}
