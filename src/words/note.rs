//! What is written to an order at its shop, for the shop's people: a line for each message.

use super::sheet::Text;
use super::{clean, say_in};
use crate::domain::decision::Reason;
use crate::domain::owed::State;
use minijinja::{Environment, Value};
use std::collections::BTreeMap;

macro_rules! texts {
    ($($name:ident $key:literal $doc:literal;)+) => {
        /// A text of `note.toml`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum NoteText { $(#[doc = $doc] $name),+ }

        impl NoteText {
            /// All of them.
            pub const ALL: [NoteText; [$($key),+].len()] = [$(NoteText::$name),+];

            /// Its key in the file.
            pub fn key(self) -> &'static str {
                match self { $(NoteText::$name => $key),+ }
            }
        }
    };
}

texts! {
    Title "title" "The first line.";
    Sent "sent" "The provider took it.";
    Delivered "delivered" "It arrived.";
    Unsure "unsure" "It may have arrived.";
    Undelivered "undelivered" "It did not arrive.";
    Withheld "withheld" "It was not sent.";
    Failed "failed" "It could not be sent.";
    Off "off" "Why: switched off.";
    Muted "muted" "Why: this order is muted.";
    Barred "barred" "Why: the shop blocked the address.";
    NoAddress "no_address" "Why: nothing leads to the customer.";
    Unreachable "unreachable" "Why: the customer blocked the account, or the address is none.";
    Window "window" "Why: the messenger's rules.";
    Late "late" "Why: stale.";
    Newer "newer" "Why: something newer was told.";
    Provider "provider" "Why: the provider's refusal or failure.";
    Test "test" "Why: a test order.";
    Person "person" "Why: a person's doing.";
    Other "other" "Why: anything else.";
}

/// The texts of one language.
pub(super) type Texts = BTreeMap<NoteText, Text>;

/// Names that these texts may use.
pub(super) const NAMES: [&str; 3] = ["what", "channel", "why"];

/// The text for an item that came to this state; `None`: of it nothing is said.
pub fn of_state(state: State) -> Option<NoteText> {
    Some(match state {
        State::Sent => NoteText::Sent,
        State::Delivered | State::Read => NoteText::Delivered,
        State::Unsure => NoteText::Unsure,
        State::Undelivered => NoteText::Undelivered,
        State::Skipped | State::Superseded | State::Expired => NoteText::Withheld,
        State::Dead => NoteText::Failed,
        State::Open | State::Begun | State::Again => return None,
    })
}

/// The words for a reason.
pub fn why(reason: Reason) -> NoteText {
    match reason {
        Reason::ConsentMissing | Reason::OptedOut => NoteText::Off,
        Reason::OrderMuted => NoteText::Muted,
        Reason::OperatorBlocked => NoteText::Barred,
        Reason::NoAddress | Reason::AddressUnlinked => NoteText::NoAddress,
        Reason::RecipientBlocked | Reason::RecipientInvalid | Reason::RecipientCapped | Reason::Undelivered => {
            NoteText::Unreachable
        }
        Reason::WindowClosed | Reason::TemplateMissing | Reason::QuotaSpent => NoteText::Window,
        Reason::Stale | Reason::QuietHours | Reason::ChannelPaused | Reason::BreakerOpen | Reason::RateLimited => {
            NoteText::Late
        }
        Reason::Superseded | Reason::MovedOn => NoteText::Newer,
        Reason::Refused | Reason::AttemptsSpent | Reason::Poison | Reason::TooLong | Reason::Retrying => {
            NoteText::Provider
        }
        Reason::TestOrder => NoteText::Test,
        Reason::Discarded | Reason::Held => NoteText::Person,
        _ => NoteText::Other,
    }
}

/// The names.
pub(super) fn names(what: &str, channel: &str, why: &str) -> Value {
    let line = |text: &str| Value::from(clean::line(text, 120).unwrap_or_default());
    Value::from_pairs([("what", line(what)), ("channel", line(channel)), ("why", line(why))])
}

/// What is wrong with a text.
pub(super) fn prove(env: &Environment<'static>, text: &Text) -> Vec<String> {
    match say_in(env, text, &names("Shipped", "line-main", "it rains")) {
        Ok(said) if said.trim().is_empty() => vec!["it says nothing".to_string()],
        Ok(_) => Vec::new(),
        Err(fault) => vec![fault.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{LOCALES, Words};

    #[test]
    fn every_state_that_ends_and_every_reason_has_its_words_in_every_language() {
        let words = Words::load(None, &[], &[]).expect("the built-in words");
        for locale in LOCALES {
            for state in State::ALL.into_iter().filter(|s| !s.is_open()) {
                let text = of_state(state).expect("a text");
                for reason in Reason::ALL {
                    let why = words.note(why(*reason), locale, ("", "", "")).expect("words");
                    let said = words.note(text, locale, ("Shipped", "line-main", &why)).expect("words");
                    assert!(said.contains("Shipped") && !said.contains("  ") && said.lines().count() == 1, "{said}");
                }
            }
        }
        let said = words.note(NoteText::Sent, "zh-TW", ("已出貨", "line-main", "")).expect("words");
        assert_eq!(said, "已出貨：已由 line-main 傳送");
    }
}
