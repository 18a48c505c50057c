//! Words by which people switch order updates off and on, in every language: the whole message must be one.
//!
//! What carriers and providers themselves obey is in it where it says nothing else on a messenger (Twilio's `STOP`,
//! `STOPALL`, `UNSUBSCRIBE`, `OPTOUT`; the mainland's `T`, `TD`, `R`; Viettel's and MobiFone's `TU CHOI`). Not in it is
//! what a customer says of an order: `cancel`, `取消`, `取消訂單`, `hủy`, and `dung`, which without its marks is "right".
//! Twilio stops its own senders at `CANCEL`, `END`, `QUIT` and `REVOKE` whatever we think: that channel says so itself.

use unicode_normalization::UnicodeNormalization as _;

/// Longest message that can be such a word. Bytes.
const LONGEST: usize = 200;

/// Off.
const OFF: &[&str] = &[
    // en
    "stop",
    "stop all",
    "stopall",
    "stop order updates",
    "stop updates",
    "stop notifications",
    "stop messages",
    "please stop",
    "unsubscribe",
    "opt out",
    "opt-out",
    "optout",
    "turn off",
    "turn off order updates",
    "turn off notifications",
    // zh-TW
    "停止",
    "停止通知",
    "停止接收",
    "停止訂單通知",
    "關閉通知",
    "關閉訂單通知",
    "取消通知",
    "取消訂單通知",
    "取消訂閱",
    "退訂",
    "拒收",
    "不要再傳",
    "不要再通知",
    // zh-CN
    "停止订单通知",
    "关闭通知",
    "关闭订单通知",
    "取消订单通知",
    "取消订阅",
    "退订",
    "不要再发",
    "td",
    "t",
    "r",
    // vi, with its marks and without
    "dừng",
    "dừng lại",
    "dừng thông báo",
    "ngừng",
    "ngừng nhận",
    "ngừng thông báo",
    "tắt",
    "tắt thông báo",
    "tắt thông báo đơn hàng",
    "hủy đăng ký",
    "huỷ đăng ký",
    "từ chối",
    "không nhận nữa",
    "dung thong bao",
    "ngung nhan",
    "ngung thong bao",
    "tat thong bao",
    "tat thong bao don hang",
    "huy dang ky",
    "tu choi",
];
/// On again.
const ON: &[&str] = &[
    "start",
    "unstop",
    "resume",
    "subscribe",
    "turn on",
    "turn on order updates",
    "turn on notifications",
    "keep them",
    "繼續接收",
    "開啟通知",
    "開啟訂單通知",
    "恢復通知",
    "訂閱",
    "继续接收",
    "开启通知",
    "开启订单通知",
    "恢复通知",
    "订阅",
    "tiếp tục nhận",
    "bật thông báo",
    "bật thông báo đơn hàng",
    "tiep tuc nhan",
    "bat thong bao",
    "bat thong bao don hang",
];

/// Words that ask for one's own orders, as the whole message.
const ORDERS: &[&str] = &[
    "order",
    "orders",
    "my order",
    "my orders",
    "order status",
    "track",
    "tracking",
    "訂單",
    "我的訂單",
    "查訂單",
    "查詢訂單",
    "訂單查詢",
    "訂單進度",
    "物流",
    "出貨進度",
    "订单",
    "我的订单",
    "查订单",
    "查询订单",
    "订单查询",
    "物流查询",
    "đơn hàng",
    "đơn hàng của tôi",
    "kiểm tra đơn hàng",
    "tra cứu đơn hàng",
    "tình trạng đơn hàng",
];
/// And such that a longer question may hold.
const ORDERS_WITHIN: &[&str] = &[
    "where is my order",
    "where's my order",
    "where is my parcel",
    "where is my package",
    "track my order",
    "status of my order",
    "我的訂單到哪",
    "訂單到哪",
    "包裹到哪",
    "什麼時候出貨",
    "什麼時候會到",
    "我的订单到哪",
    "订单到哪",
    "包裹到哪",
    "快递到哪",
    "什么时候发货",
    "什么时候到",
    "đơn hàng của tôi đâu",
    "đơn hàng của tôi đến đâu",
    "đơn của tôi đến đâu",
    "bao giờ giao",
    "khi nào giao",
];
/// A longer message is a letter to people.
const QUESTION: usize = 120;

/// Whether the message asks where one's own orders are.
pub fn asks_for_orders(message: &str) -> bool {
    let folded = folded(message);
    let word = folded.trim_matches(|c: char| !c.is_alphanumeric());
    let short = word.chars().count() <= QUESTION;
    ORDERS.contains(&word) || (short && ORDERS_WITHIN.iter().any(|phrase| word.contains(phrase)))
}

fn folded(message: &str) -> String {
    message.nfkc().collect::<String>().to_lowercase()
}

/// `Some(true)`: the message asks to switch off; `Some(false)`: to switch on again; `None`: it is about
/// something else. A sentence that merely contains such a word is not an order.
pub fn switch_word(message: &str) -> Option<bool> {
    if message.len() > LONGEST {
        return None;
    }
    let folded = folded(message);
    let bare = folded.trim_matches(|c: char| !c.is_alphanumeric());
    let word = bare.split_whitespace().collect::<Vec<_>>().join(" ");
    if OFF.contains(&word.as_str()) {
        return Some(true);
    }
    ON.contains(&word.as_str()).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::{OFF, ON, asks_for_orders, switch_word};
    use unicode_normalization::UnicodeNormalization as _;

    #[test]
    fn only_a_whole_message_switches() {
        for off in [
            "STOP",
            " stop! ",
            "ＳＴＯＰ",
            "\"Stop\"",
            "Stop   order\nupdates.",
            "Opt-out",
            "stop 🙏",
            "關閉訂單通知",
            "退订。",
            "TD",
            "Ｔ",
            "Tắt thông báo đơn hàng",
            "TU CHOI",
        ] {
            assert_eq!(switch_word(off), Some(true), "{off}");
        }
        for on in ["Start", "UNSTOP", "繼續接收", "继续接收", "Tiếp tục nhận", "訂閱！"] {
            assert_eq!(switch_word(on), Some(false), "{on}");
        }
        for off in OFF {
            // Keyboards write Vietnamese in either form.
            assert_eq!(switch_word(&off.nfd().collect::<String>().to_uppercase()), Some(true), "{off}");
            assert!(!ON.contains(off), "{off} is both");
        }
    }

    #[test]
    fn questions_for_orders_are_known() {
        for asks in
            ["Where is my order?", "我的訂單", "我的订单到哪了", "Đơn hàng của tôi", "請問我的訂單到哪裡了？", "物流"]
        {
            assert!(asks_for_orders(asks), "{asks}");
        }
        for other in ["", "I want to order tea", "可以改地址嗎", "Tôi muốn đặt hàng", "stop"] {
            assert!(!asks_for_orders(other), "{other}");
        }
    }

    #[test]
    fn what_sounds_alike_is_no_order() {
        for other in [
            "",
            "Where is my parcel? stop",
            "請停止寄錯地址",
            "hi",
            "stop by the shop tomorrow?",
            "can you stop the delivery",
            "non-stop",
            "stopp",
            "bus stop",
            "end",
            "cancel",
            "cancel my order",
            "quit",
            "yes",
            "no",
            "ok",
            "取消",
            "取消訂單",
            "取消订单",
            "不要了",
            "T恤",
            "hủy",
            "hủy đơn",
            "huy",
            "đúng",
            "dung",
            "tất cả",
            "tat ca",
            "please start my order",
            "restart",
        ] {
            assert_eq!(switch_word(other), None, "{other}");
        }
        assert_eq!(switch_word(&"stop ".repeat(100)), None);
    }
}
