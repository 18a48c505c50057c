//! What stands on pages, outside of templates: the same facts, cleaned and written as in messages.

use super::date::{Local, zone};
use super::{clean, facts, money};
use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::order::PickupStore;
use jiff::tz::TimeZone;

/// Who reads: in which language, where, and when.
#[derive(Clone, Debug)]
pub struct Reader {
    /// One of [`super::LOCALES`].
    pub locale: &'static str,
    zone: TimeZone,
    now: Timestamp,
}

impl Reader {
    /// Somebody in `country` (where it is known), who reads this shop's words now.
    pub fn new(locale: &'static str, country: Option<&str>, shop: &TimeZone, now: Timestamp) -> Reader {
        Reader { locale, zone: zone(country, shop), now }
    }

    /// Day and time, with the weekday.
    pub fn moment(&self, at: Timestamp) -> String {
        Local::new(at, &self.zone, self.now).moment(self.locale)
    }

    /// The day, with the weekday; `None`: it lies before today, and would be no promise any more.
    pub fn day_ahead(&self, at: Timestamp) -> Option<String> {
        let day = |at: Timestamp| at.to_zoned_datetime(self.zone.clone()).date();
        (day(at) >= day(self.now)).then(|| Local::new(at, &self.zone, self.now).day(self.locale))
    }

    /// An amount in the currency the customer saw.
    pub fn money(&self, amount: &Money) -> String {
        money::written(amount, self.locale)
    }
}

/// One line of at most `limit` characters, without what would mislead; `None`: nothing readable is left.
pub fn line(text: &str, limit: usize) -> Option<String> {
    clean::line(text, limit)
}

/// An `https` address that may be followed.
pub fn link(url: &str) -> Option<String> {
    clean::https(url)
}

/// A pickup store's name, without the chain before it and the address behind it.
pub fn store_name(store: &PickupStore) -> Option<String> {
    facts::store_name(Some(store))
}

/// The words that carry a one-time code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeWords {
    /// First line.
    pub title: String,
    /// The rest.
    pub body: String,
    /// All that a short message says: no link, no telephone number, in Vietnamese without diacritics.
    pub sms: String,
}

/// Words for a one-time code that opens an order's page.
pub fn code(locale: &str, order: &str, code: &str) -> CodeWords {
    let order = clean::line(order, 40).unwrap_or_default();
    let (title, body, sms) = match super::locale::best(&[locale]) {
        "zh-TW" => (
            format!("訂單{order}的驗證碼：{code}"),
            "10分鐘內有效，僅可使用一次。若非您本人查詢，請忽略此信，訂單不受影響。".to_string(),
            format!("訂單{order}查詢驗證碼{code}，10分鐘內有效，請勿告訴他人。"),
        ),
        "zh-CN" => (
            format!("订单{order}的验证码：{code}"),
            "10分钟内有效，仅可使用一次。若非您本人查询，请忽略此邮件，订单不受影响。".to_string(),
            format!("订单{order}查询验证码{code}，10分钟内有效，请勿告知他人。"),
        ),
        "vi" => (
            format!("Mã xác minh cho đơn hàng {order}: {code}"),
            "Mã có hiệu lực trong 10 phút và chỉ dùng được một lần. Nếu quý khách không yêu cầu mã này, vui lòng bỏ qua thư; đơn hàng không bị ảnh hưởng.".to_string(),
            format!("Ma xac minh don hang {order}: {code}. Hieu luc 10 phut. Khong chia se ma nay."),
        ),
        _ => (
            format!("Your code for order {order}: {code}"),
            "It is valid for 10 minutes and works once. If you did not ask for it, ignore this message; the order is not affected.".to_string(),
            format!("{code} is your code for order {order}. Valid for 10 minutes. Do not share it."),
        ),
    };
    CodeWords { title, body, sms }
}
