//! Flipped bits, arbitrary bytes, odd values, huge bodies.

use super::{SECRET, delivery, golden, kind, shop};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::domain::event::Told;
use orderwire::domain::settings::Secret;
use orderwire::domain::signature::sign;
use orderwire::domain::webhook::{Admission, RawWebhook, Refusal};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;

fn any_order_body() -> Vec<u8> {
    fs::read(golden().join("cvs_pickup_at_store/body")).expect("body")
}

proptest! {
    #[test]
    fn a_flipped_bit_is_refused(place in 0usize..4000, bit in 0u8..8, part in 0u8..3) {
        let body = any_order_body();
        let mut raw = delivery("order.updated", &body, SECRET);
        let mut shop = shop();
        match part {
            0 => {
                let mut bytes = body.clone();
                let i = place % bytes.len();
                bytes[i] ^= 1 << bit;
                raw.body = bytes.into();
            }
            1 => {
                let mut tag = sign(SECRET.as_bytes(), &body);
                tag[place % 32] ^= 1 << bit;
                for (name, value) in &mut raw.headers {
                    if name == "x-wc-webhook-signature" { *value = STANDARD.encode(tag); }
                }
            }
            _ => {
                let mut key = SECRET.as_bytes().to_vec();
                let i = place % key.len();
                // Kept ASCII, so that it is still a secret that can be written down.
                key[i] ^= 1 << (bit % 7);
                shop.secrets = vec![Secret::new(String::from_utf8(key).expect("ascii"))];
            }
        }
        prop_assert_eq!((kind().admit)(&shop, &raw), Admission::Refuse(Refusal::BadSignature));
    }

    #[test]
    fn any_bytes_give_an_answer(body in proptest::collection::vec(any::<u8>(), 0..400), topic in "(order\\.(created|deleted)|action\\.woocommerce_[a-z_]{0,20}|.{0,20})") {
        let raw = delivery(&topic, &body, SECRET);
        let _ = (kind().normalise)(&shop(), &raw);
        let unsigned = RawWebhook { headers: Vec::new(), ..raw };
        prop_assert_eq!((kind().admit)(&shop(), &unsigned), Admission::Refuse(Refusal::Unsigned));
    }

    /// A genuine body with any one value replaced by any other: read, or refused in words, never a panic,
    /// and never words that quote the body.
    #[test]
    fn any_odd_value_gives_an_answer(at in any::<prop::sample::Index>(), with in 0usize..9) {
        let body = String::from_utf8(any_order_body()).expect("text");
        let mut value: Value = serde_json::from_str(&body).expect("json");
        let odd = [json!(null), json!(true), json!(-1.5), json!(1e300), json!(""), json!("Zzyzx"), json!([]), json!({"Zzyzx": 1}), json!(["Zzyzx"])];
        let mut places = Vec::new();
        pointers(&value, String::new(), &mut places);
        let place = at.get(&places);
        *value.pointer_mut(place).expect("place") = odd[with].clone();
        let raw = delivery("order.updated", value.to_string().as_bytes(), SECRET);
        match (kind().normalise)(&shop(), &raw) {
            Told::Unreadable(why) => prop_assert!(!why.contains("Zzyzx") && !why.contains('小'), "{}", why),
            Told::Events(events) => prop_assert_eq!(events.len(), 1),
            _ => {}
        }
    }
}

fn pointers(value: &Value, at: String, all: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(k, v)| pointers(v, format!("{at}/{}", k.replace('~', "~0").replace('/', "~1")), all))
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| pointers(v, format!("{at}/{i}"), all)),
        _ => {}
    }
    if !at.is_empty() {
        all.push(at);
    }
}

#[test]
fn deep_and_wide_bodies_are_read_in_bounded_time() {
    let deep = format!("{{\"id\":1,\"meta_data\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!(
        r#"{{"id":1,"status":"processing","currency":"TWD","total":"1","date_created_gmt":"2026-11-22T04:00:00","line_items":[],"meta_data":[{}{{"key":"k","value":1}}]}}"#,
        r#"{"key":"_wc_shipment_tracking_items","value":[{"tracking_number":"1"}]},"#.repeat(20_000)
    );
    let started = std::time::Instant::now();
    for body in [deep, wide] {
        let _ = (kind().normalise)(&shop(), &delivery("order.updated", body.as_bytes(), SECRET));
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
}
