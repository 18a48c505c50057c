//! Days and times as people of a language read them, in the zone where the recipient is.

use crate::domain::clock::Timestamp;
use jiff::ZonedDateTime;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// Countries that lie in one zone: there the country of delivery says when it is noon. In all others the
/// shop's zone is the better guess.
const SINGLE_ZONE: &[(&str, &str)] = &[
    ("TW", "Asia/Taipei"),
    ("CN", "Asia/Shanghai"),
    ("HK", "Asia/Hong_Kong"),
    ("MO", "Asia/Macau"),
    ("VN", "Asia/Ho_Chi_Minh"),
    ("JP", "Asia/Tokyo"),
    ("KR", "Asia/Seoul"),
    ("SG", "Asia/Singapore"),
    ("MY", "Asia/Kuala_Lumpur"),
    ("TH", "Asia/Bangkok"),
    ("PH", "Asia/Manila"),
    ("KH", "Asia/Phnom_Penh"),
    ("LA", "Asia/Vientiane"),
    ("MM", "Asia/Yangon"),
    ("BN", "Asia/Brunei"),
    ("IN", "Asia/Kolkata"),
    ("LK", "Asia/Colombo"),
    ("NP", "Asia/Kathmandu"),
    ("BD", "Asia/Dhaka"),
    ("PK", "Asia/Karachi"),
    ("AE", "Asia/Dubai"),
    ("SA", "Asia/Riyadh"),
    ("IL", "Asia/Jerusalem"),
    ("TR", "Europe/Istanbul"),
    ("GB", "Europe/London"),
    ("IE", "Europe/Dublin"),
    ("FR", "Europe/Paris"),
    ("BE", "Europe/Brussels"),
    ("NL", "Europe/Amsterdam"),
    ("DE", "Europe/Berlin"),
    ("AT", "Europe/Vienna"),
    ("CH", "Europe/Zurich"),
    ("IT", "Europe/Rome"),
    ("PL", "Europe/Warsaw"),
    ("CZ", "Europe/Prague"),
    ("HU", "Europe/Budapest"),
    ("DK", "Europe/Copenhagen"),
    ("SE", "Europe/Stockholm"),
    ("NO", "Europe/Oslo"),
    ("FI", "Europe/Helsinki"),
    ("GR", "Europe/Athens"),
    ("RO", "Europe/Bucharest"),
    ("ZA", "Africa/Johannesburg"),
];

/// The recipient's zone: that of the country where it has only one, else the shop's.
pub(super) fn zone(country: Option<&str>, shop: &TimeZone) -> TimeZone {
    country
        .and_then(|c| SINGLE_ZONE.iter().find(|(code, _)| code.eq_ignore_ascii_case(c)))
        .and_then(|(_, name)| TimeZone::get(name).ok())
        .unwrap_or_else(|| shop.clone())
}

/// A moment in the recipient's zone.
#[derive(Clone, Debug)]
pub(super) struct Local {
    at: ZonedDateTime,
    this_year: bool,
}

impl Local {
    /// `at` in `zone`; the year is named only where it is not that of `now`.
    pub(super) fn new(at: Timestamp, zone: &TimeZone, now: Timestamp) -> Local {
        let at = at.to_zoned_datetime(zone.clone());
        let this_year = at.year() == now.to_zoned_datetime(zone.clone()).year();
        Local { at, this_year }
    }

    /// The day: `Nov 25`, `11月25日`, `25/11`.
    pub(super) fn date(&self, locale: &str) -> String {
        let (y, m, d) = (self.at.year(), self.at.month(), self.at.day());
        match (locale, self.this_year) {
            ("zh-TW" | "zh-CN", true) => format!("{m}月{d}日"),
            ("zh-TW" | "zh-CN", false) => format!("{y}年{m}月{d}日"),
            ("vi", true) => format!("{d}/{m}"),
            ("vi", false) => format!("{d}/{m}/{y}"),
            (_, true) => format!("{} {d}", month(m)),
            (_, false) => format!("{} {d}, {y}", month(m)),
        }
    }

    /// The day with its weekday: `Wed, Nov 25`, `11月25日(三)`, `Thứ Tư, 25/11`.
    pub(super) fn day(&self, locale: &str) -> String {
        let (date, weekday) = (self.date(locale), weekday(self.at.weekday(), locale));
        match locale {
            "zh-TW" | "zh-CN" => format!("{date}({weekday})"),
            _ => format!("{weekday}, {date}"),
        }
    }

    /// The time of day: `3:05 PM`, `15:05`.
    pub(super) fn time(&self, locale: &str) -> String {
        let (hour, minute) = (self.at.hour(), self.at.minute());
        if locale != "en" {
            return format!("{hour:02}:{minute:02}");
        }
        let half = if hour < 12 { "AM" } else { "PM" };
        let shown = if hour % 12 == 0 { 12 } else { hour % 12 };
        format!("{shown}:{minute:02} {half}")
    }

    /// Day and time: `Wed, Nov 25, 11:59 PM`, `11月25日(三) 23:59`, `23:59 Thứ Tư, 25/11`.
    pub(super) fn moment(&self, locale: &str) -> String {
        let (day, time) = (self.day(locale), self.time(locale));
        match locale {
            "zh-TW" | "zh-CN" => format!("{day} {time}"),
            "vi" => format!("{time} {day}"),
            _ => format!("{day}, {time}"),
        }
    }

    /// For conditions: comparable as text.
    pub(super) fn utc(&self) -> String {
        self.at.timestamp().to_string()
    }
}

fn month(number: i8) -> &'static str {
    const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    usize::try_from(number - 1).ok().and_then(|i| NAMES.get(i)).copied().unwrap_or_default()
}

fn weekday(day: Weekday, locale: &str) -> &'static str {
    let names: [&str; 7] = match locale {
        "zh-TW" => ["一", "二", "三", "四", "五", "六", "日"],
        "zh-CN" => ["周一", "周二", "周三", "周四", "周五", "周六", "周日"],
        "vi" => ["Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ Nhật"],
        _ => ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    };
    usize::try_from(day.to_monday_zero_offset()).ok().and_then(|i| names.get(i)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(at: &str, country: &str) -> Local {
        let shop = TimeZone::get("America/New_York").expect("a zone");
        let now = "2026-11-20T00:00:00Z".parse().expect("a moment");
        Local::new(at.parse().expect("a moment"), &zone(Some(country), &shop), now)
    }

    #[test]
    fn moments_as_each_language_writes_them() {
        let at = local("2026-11-25T15:59:00Z", "TW");
        assert_eq!(at.moment("zh-TW"), "11月25日(三) 23:59");
        assert_eq!(at.moment("zh-CN"), "11月25日(周三) 23:59");
        assert_eq!(at.moment("vi"), "23:59 Thứ Tư, 25/11");
        assert_eq!(at.moment("en"), "Wed, Nov 25, 11:59 PM");
        assert_eq!((at.date("en"), at.time("en")), ("Nov 25".into(), "11:59 PM".into()));
    }

    #[test]
    fn the_zone_is_the_recipients_and_else_the_shops() {
        // An hour before midnight in New York is the next noon in Taipei.
        assert_eq!(local("2026-11-25T04:00:00Z", "TW").day("en"), "Wed, Nov 25");
        assert_eq!(local("2026-11-25T04:00:00Z", "US").day("en"), "Tue, Nov 24");
        assert_eq!(local("2026-11-25T04:00:00Z", "VN").time("vi"), "11:00");
    }

    #[test]
    fn another_year_is_named() {
        let at = local("2027-01-02T04:00:00Z", "TW");
        assert_eq!(at.day("zh-TW"), "2027年1月2日(六)");
        assert_eq!(at.day("vi"), "Thứ Bảy, 2/1/2027");
        assert_eq!(at.day("en"), "Sat, Jan 2, 2027");
        assert_eq!(local("2026-11-25T16:05:00Z", "TW").time("en"), "12:05 AM");
    }

    #[test]
    fn every_listed_zone_exists() {
        for (country, name) in SINGLE_ZONE {
            assert!(TimeZone::get(name).is_ok(), "{country}: {name}");
        }
    }
}
