//! The scenes of the sample orders: one shop and one customer per language.

use super::{ExtraLinks, Sample};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::history::History;
use crate::domain::money::Money;
use crate::domain::order::{
    Contact, Edit, Head, Hold, Item, Note, Order, Parcel, ParcelState, PayHow, PaymentState, PickupStore, Refund,
    Return, ReturnLabel, ReturnState, Source, SourceKind, Stamped, Tracking, Transaction, TransactionKind,
};
use crate::domain::shop::ShopRules;
use jiff::tz::TimeZone;

/// Wednesday, 25 November 2026, 02:00 UTC: a working morning in East Asia.
const NOW_MILLIS: i64 = 1_795_572_000_000;

/// What differs from language to language.
struct Scene {
    shop: &'static str,
    zone: &'static str,
    country: &'static str,
    currency: &'static str,
    /// Total, outstanding, paid, refunded.
    amounts: [&'static str; 4],
    method: &'static str,
    items: [&'static str; 2],
    names: [&'static str; 2],
    carrier: &'static str,
    /// Name, chain, address; then the name of the store before the change.
    store: [&'static str; 4],
    note: &'static str,
    decline: &'static str,
    branch: &'static str,
}

const ENGLISH: Scene = Scene {
    shop: "Oak & Linen",
    zone: "America/New_York",
    country: "US",
    currency: "USD",
    amounts: ["120.00", "70.00", "50.00", "35.00"],
    method: "Bank transfer",
    items: ["Linen apron", "Oak cutting board"],
    names: ["Ann", "Miller"],
    carrier: "UPS",
    store: ["Main Street", "Parcel Corner", "12 Main Street, Springfield", "Station Road"],
    note: "The dark blue is sold out. We can send black instead or refund you; please reply and tell us which you prefer.",
    decline: "The item is past the 30-day return period.",
    branch: "Boston store",
};

fn scene(locale: &str) -> Scene {
    match locale {
        "zh-TW" => Scene {
            shop: "好日選物",
            zone: "Asia/Taipei",
            country: "TW",
            currency: "TWD",
            amounts: ["1200.00", "700.00", "500.00", "350.00"],
            method: "ATM 轉帳",
            items: ["手工牛軋糖禮盒", "阿里山烏龍茶"],
            names: ["小明", "王"],
            carrier: "黑貓宅急便",
            store: ["信義門市", "7-ELEVEN", "台北市信義區松仁路100號", "松仁門市"],
            note: "您選的深藍色已售完，可改為黑色或辦理退款，請回覆我們您的選擇。",
            decline: "商品已超過七天鑑賞期。",
            branch: "台中旗艦店",
        },
        "zh-CN" => Scene {
            shop: "山野茶铺",
            zone: "Asia/Shanghai",
            country: "CN",
            currency: "CNY",
            amounts: ["1200.00", "700.00", "500.00", "350.00"],
            method: "银行转账",
            items: ["龙井茶礼盒", "青瓷茶杯"],
            names: ["小明", "李"],
            carrier: "顺丰速运",
            store: ["望京西园驿站", "菜鸟驿站", "北京市朝阳区望京西路50号", "花家地驿站"],
            note: "您选的深蓝色已售完，可以换成黑色或为您退款，请回复告知我们您的选择。",
            decline: "商品已超过七天无理由退货期限。",
            branch: "上海徐汇店",
        },
        "vi" => Scene {
            shop: "Nhà Tre",
            zone: "Asia/Ho_Chi_Minh",
            country: "VN",
            currency: "VND",
            amounts: ["1200000", "700000", "500000", "350000"],
            method: "Chuyển khoản ngân hàng",
            items: ["Cà phê Cầu Đất 500g", "Phin nhôm"],
            names: ["Minh", "Nguyễn"],
            carrier: "Giao Hàng Nhanh",
            store: ["Nguyễn Huệ", "Circle K", "45 Nguyễn Huệ, Quận 1, TP. Hồ Chí Minh", "Lê Lợi"],
            note: "Màu xanh đậm quý khách chọn đã hết hàng. Quý khách có thể đổi sang màu đen hoặc nhận hoàn tiền, vui lòng trả lời cho chúng tôi biết.",
            decline: "Sản phẩm đã quá hạn đổi trả 7 ngày.",
            branch: "Cửa hàng Quận 3",
        },
        _ => ENGLISH,
    }
}

/// The order of which everything is known.
pub fn full(locale: &'static str) -> Sample {
    let scene = scene(locale);
    let now = crate::domain::clock::from_millis(NOW_MILLIS);
    let shop = scene.country.to_ascii_lowercase();
    let mut order = Order::new(shop.as_str().into(), "1001".into(), now);
    order.head = Some(Stamped { at: now, value: head(&scene, now) });
    order.payment.see(PaymentState::Pending, now);
    order.cancel_reason = Some("inventory".into());
    order.pay = Some(Stamped { at: now, value: pay(now) });
    order.pickup = stores(&scene, now);
    order.parcels = vec![parcel("1", &scene, now), parcel("2", &scene, now)];
    order.returns = vec![a_return(&scene, now)];
    money_moved(&mut order, &scene, now);
    order.holds = vec![Hold {
        id: "h1".into(),
        placed_at: Some(now),
        released_at: None,
        reason: Some("inventory_out_of_stock".into()),
        silent: false,
    }];
    order.edits = vec![Edit { id: "e1".into(), at: now, notify: true }];
    order.notes = vec![Note { id: "n1".into(), text: scene.note.into(), at: now }];
    let mut rules = ShopRules::plain(shop);
    rules.name = Some(scene.shop.into());
    rules.timezone = TimeZone::get(scene.zone).unwrap_or(TimeZone::UTC);
    rules.country = Some(scene.country.into());
    rules.locale = locale.into();
    let links = ExtraLinks {
        status: Some("https://notify.example/p/s4mpl3".into()),
        page: Some("https://notify.example/p/s4mpl3-own".into()),
        connect: Some("https://notify.example/l/s4mpl3-own".into()),
    };
    Sample { name: "full".into(), locale, order, rules, links, now }
}

fn money(scene: &Scene, place: usize) -> Option<Money> {
    Money::parse(scene.amounts.get(place)?, scene.currency)
}

fn head(scene: &Scene, now: Timestamp) -> Head {
    let item = |title: &str, quantity| Item {
        title: title.into(),
        quantity,
        image: Some("https://shop.example/images/item.jpg".into()),
    };
    Head {
        name: "#1001".into(),
        created_at: plus_secs(now, -3600),
        source: Source {
            kind: SourceKind::Pos,
            name: "pos".into(),
            store_code: Some("S12".into()),
            store_name: Some(scene.branch.into()),
        },
        test: false,
        total: money(scene, 0),
        outstanding: money(scene, 1),
        payment_method: Some(scene.method.into()),
        cash_on_delivery: false,
        locale: None,
        country: Some(scene.country.into()),
        contact: Contact {
            first_name: Some(scene.names[0].into()),
            last_name: Some(scene.names[1].into()),
            ..Contact::default()
        },
        items: vec![item(scene.items[0], 2), item(scene.items[1], 1)],
        shippable: true,
        tags: vec!["vip".into()],
        status_url: Some("https://shop.example/orders/1001?key=s4mpl3".into()),
        key: None,
    }
}

fn pay(now: Timestamp) -> PayHow {
    PayHow {
        due_at: Some(plus_secs(now, 2 * 86_400 + 13 * 3600 + 59 * 60)),
        url: Some("https://shop.example/pay/1001?key=s4mpl3".into()),
        bank_code: Some("822".into()),
        account: Some("9012345678901234".into()),
        store_code: Some("GW240411000123".into()),
        barcodes: vec!["0412306EY".into(), "5510128004567890".into(), "041292000001200".into()],
    }
}

fn stores(scene: &Scene, now: Timestamp) -> History<PickupStore> {
    let store = |name: &str, id: &str| PickupStore {
        id: Some(id.into()),
        name: Some(name.into()),
        address: Some(scene.store[2].into()),
        chain: Some(scene.store[1].into()),
    };
    let mut stores = History::default();
    stores.see(store(scene.store[3], "131386"), plus_secs(now, -60));
    stores.see(store(scene.store[0], "991182"), now);
    stores
}

fn parcel(id: &str, scene: &Scene, now: Timestamp) -> Parcel {
    let tracking = |number: &str, at| Tracking {
        at,
        number: number.into(),
        carrier: Some(scene.carrier.into()),
        url: Some(format!("https://track.example/{number}")),
    };
    let mut parcel = Parcel::new(id);
    parcel.state.see(ParcelState::Shipped, now);
    parcel.tracking = vec![tracking("905511223300", plus_secs(now, -60)), tracking("905511223344", now)];
    parcel.eta = Some(Stamped { at: now, value: plus_secs(now, 2 * 86_400) });
    parcel.pickup_until = Some(Stamped { at: now, value: plus_secs(now, 7 * 86_400) });
    parcel.partial = Some(Stamped { at: now, value: true });
    parcel
}

fn a_return(scene: &Scene, now: Timestamp) -> Return {
    let mut state = History::default();
    state.see(ReturnState::Requested, now);
    let label = ReturnLabel {
        url: Some("https://shop.example/labels/1001.pdf".into()),
        carrier: Some(scene.carrier.into()),
        number: Some("R905511".into()),
    };
    Return {
        id: "ret1".into(),
        name: Some("#1001-R1".into()),
        state,
        decline_note: Some(scene.decline.into()),
        label: Some(Stamped { at: now, value: label }),
    }
}

fn money_moved(order: &mut Order, scene: &Scene, now: Timestamp) {
    order.transactions = vec![Transaction {
        id: "t1".into(),
        kind: TransactionKind::Capture,
        ok: true,
        at: now,
        amount: money(scene, 2),
    }];
    order.refunds = vec![Refund { id: "r1".into(), at: now, amount: money(scene, 3) }];
}
