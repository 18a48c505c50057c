//! Recorded deliveries of a real shop, where `ORDERWIRE_SAMPLES` names their folder.

use super::{kind, moment, shop};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use orderwire::domain::event::Told;
use orderwire::domain::order::{PaymentState, Stage};
use orderwire::domain::settings::Secret;
use orderwire::domain::webhook::{Admission, RawWebhook};
use orderwire::platform::Shop;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Sample {
    headers: Vec<(String, String)>,
    body_base64: String,
    secret_as_stored: String,
}

#[test]
fn recorded_deliveries_verify_and_mean_what_happened() {
    let Some(folder) = std::env::var_os("ORDERWIRE_SAMPLES") else {
        eprintln!("skipped: ORDERWIRE_SAMPLES does not name the folder of recorded deliveries");
        return;
    };
    let folder = Path::new(&folder).join("woocommerce");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).expect("samples").map(|e| e.expect("entry").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "json"));
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_stem().expect("name").to_string_lossy().into_owned();
        let sample: Sample = serde_json::from_slice(&fs::read(&file).expect("read")).expect(&name);
        let headers: Vec<(&str, &str)> = sample.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let body = STANDARD.decode(&sample.body_base64).expect("base64");
        let raw = RawWebhook::post(&headers, body, moment("2026-11-22T05:00:00Z"));
        let shop = Shop {
            secrets: vec![Secret::new(sample.secret_as_stored)],
            domain: Some("127.0.0.1:8099".into()),
            ..shop()
        };
        check_sample(&name, &shop, &raw);
    }
}

fn check_sample(name: &str, shop: &Shop, raw: &RawWebhook) {
    let answer = (kind().admit)(shop, raw);
    if name.ends_with("-ping") {
        assert!(matches!(answer, Admission::Reply(ref r) if r.status == 200), "{name}: {answer:?}");
        return;
    }
    assert!(matches!(answer, Admission::Take { secret_index: 0, .. }), "{name}: {answer:?}");
    let told = (kind().normalise)(shop, raw);
    if name == "0012-order_updated" {
        return assert_eq!(told, Told::NoInterest("draft_cart"));
    }
    let Told::Events(events) = told else { panic!("{name}: {told:?}") };
    let event = &events[0];
    let stage = |s: Stage| event.patch.stage.iter().any(|(seen, _)| *seen == s);
    let payment: Vec<PaymentState> = event.patch.payment.iter().map(|(p, _)| *p).collect();
    let head = event.patch.head.as_deref();
    match name {
        "0013-order_updated" | "0016-order_created" => {
            assert!(stage(Stage::Placed) && stage(Stage::Confirmed) && payment.is_empty(), "{event:?}");
            let head = head.expect("head");
            assert!(head.cash_on_delivery && head.shippable && head.name == "#13");
            assert_eq!(head.items[0].title, "高山烏龍茶 150g \"Alishan\" & Co");
        }
        "0017-action_woocommerce_order_status_changed" => {
            assert!(event.refetch && !event.dated && head.is_none());
        }
        "0018-order_updated" => {
            assert!(stage(Stage::Completed));
            assert_eq!(payment, [PaymentState::Paid]);
        }
        "0021-order_updated" => {
            assert_eq!(payment, [PaymentState::Pending]);
            assert_eq!(event.patch.stage.len(), 1, "waiting for money is no stop");
            assert!(event.patch.pay.is_some());
        }
        "0028-action_woocommerce_new_customer_note" => {
            assert!(event.patch.notes[0].text.ends_with("TW123 & ok"), "{event:?}");
        }
        other => panic!("a sample that no expectation names: {other}"),
    }
}
