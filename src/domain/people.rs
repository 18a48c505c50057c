//! What the shop's people and customers say to each other through the relay.

use super::channel::Message;
use super::clock::Timestamp;
use super::ids::ChannelId;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::io;

/// Where a shop's people read what the relay does not answer itself, and how they are spoken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    /// The channel account that leads to them.
    pub to: ChannelId,
    /// Whom or what it leads to there, where the account alone does not say it: a mailbox, a group.
    pub address: Option<String>,
    /// When they answer; `None`: whenever.
    pub hours: Option<Hours>,
    /// Whoever writes outside the hours is told so, once until they open.
    pub away: bool,
    /// After a person answered, the relay leaves the conversation to them for so long. Seconds.
    pub quiet_secs: i64,
}

/// Hours of a week, in the shop's zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours(Vec<Slot>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    /// A bit a day, Monday first.
    days: u8,
    /// Minutes of the day: the first open one, and the first shut one.
    from: u16,
    to: u16,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES: u16 = 24 * 60;

impl Hours {
    /// Reads lines such as `Mon-Fri 09:00-18:00` and `Sat 10:00-14:00`.
    ///
    /// # Errors
    /// The number of the first line that is none.
    pub fn parse(lines: &[String]) -> Result<Hours, usize> {
        let read = |(i, line): (usize, &String)| Slot::parse(line).ok_or(i);
        lines.iter().enumerate().map(read).collect::<Result<_, _>>().map(Hours)
    }

    /// Whether they are open at that moment.
    pub fn open(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let local = at.to_zoned_datetime(zone.clone());
        let minute = u16::try_from(local.hour()).unwrap_or(0) * 60 + u16::try_from(local.minute()).unwrap_or(0);
        let day = local.weekday().to_monday_zero_offset();
        self.0.iter().any(|slot| slot.has(day) && (slot.from..slot.to).contains(&minute))
    }

    /// The next moment at which they open, after `at`; `None`: they never do.
    pub fn opens(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let today = at.to_zoned_datetime(zone.clone()).date();
        let on = |ahead: i64| {
            let date = today.checked_add(ahead.days()).ok()?;
            let day = date.weekday().to_monday_zero_offset();
            let moment = |slot: &Slot| {
                let (hour, minute) = (i8::try_from(slot.from / 60).ok()?, i8::try_from(slot.from % 60).ok()?);
                let local = date.at(hour, minute, 0, 0);
                Some(zone.to_ambiguous_zoned_datetime(local).compatible().ok()?.timestamp())
            };
            self.0.iter().filter(|slot| slot.has(day)).filter_map(moment).filter(|t| *t > at).min()
        };
        (0..=8).find_map(on)
    }
}

impl Slot {
    fn has(&self, day: i8) -> bool {
        self.days & (1 << day) != 0
    }

    fn parse(line: &str) -> Option<Slot> {
        let (days, hours) = line.trim().split_once(char::is_whitespace)?;
        let (from, to) = hours.trim().split_once('-')?;
        let (from, to) = (minute(from)?, minute(to)?);
        let day = |name: &str| DAYS.iter().position(|d| *d == name.trim().to_ascii_lowercase());
        let mut mask = 0;
        for part in days.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (day(first)?, day(last)?),
                None => (day(part)?, day(part)?),
            };
            if last < first {
                return None;
            }
            (first..=last).for_each(|d| mask |= 1 << d);
        }
        (from < to).then_some(Slot { days: mask, from, to })
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let all = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && all <= MINUTES).then_some(all)
}

/// What a customer sent besides words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// `image`, `video`, `audio`, `file`, `sticker`, `location`: the vendor's word, for people.
    pub kind: String,
    /// Its name, where the vendor tells one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it lies, where the vendor says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The vendor's id of it, by which it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Attachment {
    /// Of this kind, to be had nowhere.
    pub fn new(kind: impl Into<String>) -> Attachment {
        Attachment { kind: kind.into(), name: None, url: None, id: None }
    }
}

/// A file as a messenger gives it out.
pub struct Fetched {
    /// What it is: a kind that nothing runs.
    pub content_type: String,
    /// Its length in bytes, where it is told.
    pub length: Option<u64>,
    /// Its bytes as they come; an error breaks it off.
    pub bytes: BoxStream<'static, io::Result<Bytes>>,
}

/// Why a file cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFault {
    /// Not from this messenger.
    #[error("this kind of thing cannot be fetched from this messenger; see it in the messenger's own inbox")]
    NotOffered,
    /// The messenger does not keep it any more.
    #[error("the messenger does not keep it any more")]
    Gone,
    /// Larger than so many bytes.
    #[error("it has more than {0} bytes; see it in the messenger's own inbox")]
    TooLarge(u64),
    /// It did not come.
    #[error("it could not be fetched: {0}")]
    Failed(String),
}

/// A person's words to a customer: the one kind of message for which platforms allow what no machine may use. Nothing
/// that is owed by an order's state is ever one.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonReply {
    /// The words, and a picture.
    pub message: Message,
    /// The time in which anybody may write is over; the platform allows people a longer one.
    pub late: bool,
}

/// What one of the shop's people said where they read customers' messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffReply {
    /// Unique on its channel account: the same delivered twice has the same one.
    pub id: String,
    /// To whom.
    pub to: ReplyTo,
    /// Who said it, by the vendor's id.
    pub by: String,
    /// The words.
    pub text: String,
    /// Address of a picture.
    pub picture: Option<String>,
    /// A file came with it, which the relay does not pass on.
    pub files: bool,
    /// When.
    pub at: Timestamp,
}

/// How a reply names its conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyTo {
    /// By the thread in which it stands: the place where the account alone does not say it, and the thread's id.
    Thread(String, String),
    /// By its own name.
    Conversation(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(lines: &[&str]) -> Result<Hours, usize> {
        Hours::parse(&lines.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn hours_are_read_as_people_write_them() {
        let zone = TimeZone::get("Asia/Taipei").unwrap();
        let week = hours(&["Mon-Fri 09:00-18:00", "sat,Sun 10:00-24:00"]).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // 2026-11-25 is a Wednesday; Taipei is eight hours ahead.
        for (moment, open) in [
            ("2026-11-25T00:59:59Z", false),
            ("2026-11-25T01:00:00Z", true),
            ("2026-11-25T09:59:59Z", true),
            ("2026-11-25T10:00:00Z", false),
            ("2026-11-28T15:59:59Z", true),
            ("2026-11-28T16:00:00Z", false),
        ] {
            assert_eq!(week.open(at(moment), &zone), open, "{moment}");
        }
        assert_eq!(week.opens(at("2026-11-25T10:00:00Z"), &zone), Some(at("2026-11-26T01:00:00Z")));
        assert_eq!(week.opens(at("2026-11-27T12:00:00Z"), &zone), Some(at("2026-11-28T02:00:00Z")));
        assert_eq!(hours(&[]).unwrap().opens(at("2026-11-27T12:00:00Z"), &zone), None);
        for wrong in ["Mon", "Mon 9-18", "Fri-Mon 09:00-18:00", "Day 09:00-18:00", "Mon 18:00-09:00", "Mon 09:00-24:01"]
        {
            assert_eq!(hours(&["Mon 09:00-10:00", wrong]), Err(1), "{wrong}");
        }
    }
}
