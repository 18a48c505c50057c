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

/// `Some(true)`: the message asks to switch off; `Some(false)`: to switch on again; `None`: it is about
/// something else. A sentence that merely contains such a word is not an order.
pub fn switch_word(message: &str) -> Option<bool> {
    let folded: String = message.nfkc().collect::<String>().to_lowercase();
    let word = folded.trim_matches(|c: char| !c.is_alphanumeric());
    if OFF.contains(&word) {
        return Some(true);
    }
    ON.contains(&word).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::switch_word;

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
}
