//! Words by which people switch order updates off and on, in every language: the whole message must be one.

use unicode_normalization::UnicodeNormalization as _;

/// Off. `TD` is what mainland carriers taught people to answer.
const OFF: &[&str] = &[
    "stop",
    "unsubscribe",
    "turn off",
    "turn off order updates",
    "關閉訂單通知",
    "取消訂閱",
    "停止通知",
    "停止",
    "关闭订单通知",
    "退订",
    "取消订阅",
    "停止通知",
    "td",
    "t",
    "tắt thông báo đơn hàng",
    "tắt thông báo",
    "dừng",
    "hủy",
    "huy",
];
/// On again.
const ON: &[&str] = &[
    "start",
    "resume",
    "turn on",
    "keep them",
    "繼續接收",
    "開啟訂單通知",
    "继续接收",
    "开启订单通知",
    "tiếp tục nhận",
    "bật thông báo",
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
    let folded = folded(message);
    let word = folded.trim_matches(|c: char| !c.is_alphanumeric());
    if OFF.contains(&word) {
        return Some(true);
    }
    ON.contains(&word).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::{asks_for_orders, switch_word};

    #[test]
    fn only_a_whole_message_switches() {
        for off in ["STOP", " stop! ", "ＳＴＯＰ", "關閉訂單通知", "退订", "Tắt thông báo đơn hàng"]
        {
            assert_eq!(switch_word(off), Some(true), "{off}");
        }
        for on in ["Start", "繼續接收", "继续接收", "Tiếp tục nhận"] {
            assert_eq!(switch_word(on), Some(false), "{on}");
        }
        for other in ["", "Where is my parcel? stop", "請停止寄錯地址", "hi"] {
            assert_eq!(switch_word(other), None, "{other}");
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
}
