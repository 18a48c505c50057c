//! Amounts as people of a language read them.

use crate::domain::money::Money;
use iso_currency::Currency;
use rust_decimal::{Decimal, RoundingStrategy};

/// Decimals that ISO 4217 grants and no shop prints.
const PRINTED_WHOLE: [&str; 4] = ["TWD", "HUF", "IDR", "KHR"];

/// `NT$1,200`, `¥1,200.00`, `1.200.000 ₫`, `$12.00`: the sign that is unmistakable to readers of `locale`,
/// else the currency's code. Decimals that a currency is not printed with appear only where there is
/// something in them: an amount is never rounded to another one.
pub(super) fn written(money: &Money, locale: &str) -> String {
    let digits = decimals(money);
    let number = money.amount.abs().round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
    let minus = if money.amount.is_sign_negative() && !number.is_zero() { "-" } else { "" };
    let code = money.currency.as_str();
    let sign = sign(code, locale);
    let name = sign.unwrap_or(code);
    if locale == "vi" {
        // The space does not break: a line must not begin with the currency.
        return format!("{minus}{}\u{a0}{name}", grouped(number, digits, '.', ','));
    }
    let gap = if name.ends_with(|c: char| c.is_ascii_alphabetic()) { "\u{a0}" } else { "" };
    format!("{minus}{name}{gap}{}", grouped(number, digits, ',', '.'))
}

fn decimals(money: &Money) -> u32 {
    let iso = Currency::from_code(&money.currency).and_then(|c| c.exponent()).map_or(2, u32::from);
    let whole = money.amount.fract().is_zero() && PRINTED_WHOLE.contains(&money.currency.as_str());
    if whole { 0 } else { iso }
}

/// Signs differ by reader: `$` and `¥` alone mean the reader's own.
fn sign(code: &str, locale: &str) -> Option<&'static str> {
    Some(match (code, locale) {
        ("TWD", _) => "NT$",
        ("USD", "en") => "$",
        ("USD", _) => "US$",
        ("CNY", "zh-CN") => "¥",
        ("CNY", _) => "CN¥",
        ("JPY", "en" | "zh-TW") => "¥",
        ("JPY", _) => "JP¥",
        ("VND", _) => "₫",
        ("KRW", _) => "₩",
        ("HKD", _) => "HK$",
        ("MOP", _) => "MOP$",
        ("SGD", _) => "S$",
        ("AUD", _) => "A$",
        ("NZD", _) => "NZ$",
        ("CAD", _) => "CA$",
        ("MXN", _) => "MX$",
        ("BRL", _) => "R$",
        ("EUR", _) => "€",
        ("GBP", _) => "£",
        ("INR", _) => "₹",
        ("THB", _) => "฿",
        ("PHP", _) => "₱",
        ("MYR", _) => "RM",
        ("IDR", _) => "Rp",
        _ => return None,
    })
}

fn grouped(number: Decimal, digits: u32, group: char, point: char) -> String {
    let plain = format!("{number:.0$}", digits as usize);
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut out = String::with_capacity(plain.len() + plain.len() / 3);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(group);
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push(point);
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_as_each_language_writes_them() {
        for (amount, currency, locale, expected) in [
            ("1200.00", "TWD", "zh-TW", "NT$1,200"),
            ("1200.50", "TWD", "zh-TW", "NT$1,200.50"),
            ("1200.00", "TWD", "en", "NT$1,200"),
            ("1200", "CNY", "zh-CN", "¥1,200.00"),
            ("1200", "CNY", "en", "CN¥1,200.00"),
            ("1200000", "VND", "vi", "1.200.000\u{a0}₫"),
            ("1200000.00", "VND", "en", "₫1,200,000"),
            ("12", "USD", "en", "$12.00"),
            ("12", "USD", "zh-TW", "US$12.00"),
            ("1234567.5", "USD", "vi", "1.234.567,50\u{a0}US$"),
            ("980", "JPY", "zh-CN", "JP¥980"),
            ("980.4", "KRW", "en", "₩980"),
            ("-45.10", "EUR", "en", "-€45.10"),
            ("12.5", "CHF", "en", "CHF\u{a0}12.50"),
            ("1.234", "KWD", "en", "KWD\u{a0}1.234"),
            ("99.9", "MYR", "zh-CN", "RM\u{a0}99.90"),
            ("0", "TWD", "zh-TW", "NT$0"),
            ("7", "XQQ", "en", "XQQ\u{a0}7.00"),
        ] {
            let money = Money::parse(amount, currency).expect("an amount");
            assert_eq!(written(&money, locale), expected, "{amount} {currency} {locale}");
        }
    }
}
