//! What the relay itself answers in a chat: short, about no milestone, in every language.

use super::sheet::Text;
use super::{clean, say_in};
use minijinja::{Environment, Value};
use std::collections::BTreeMap;

macro_rules! texts {
    ($($name:ident $key:literal $doc:literal;)+) => {
        /// A text of `chat.toml`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ChatText { $(#[doc = $doc] $name),+ }

        impl ChatText {
            /// All of them.
            pub const ALL: [ChatText; [$($key),+].len()] = [$(ChatText::$name),+];

            /// Its key in the file.
            pub fn key(self) -> &'static str {
                match self { $(ChatText::$name => $key),+ }
            }
        }
    };
}

texts! {
    Linked "linked" "The chat is connected to the order.";
    Noted "noted" "It will be, once the shop confirms the order.";
    Used "used" "Somebody else has used the link.";
    Over "over" "The link is over, or was none.";
    LetGo "let_go" "Not their order: nothing more of it is told here.";
    NoOrders "no_orders" "No order is connected to the chat.";
    Off "off" "Order updates are off.";
    On "on" "They are on.";
    AskOff "ask_off" "Are they to be switched off?";
    Kept "kept" "They stay on.";
    Away "away" "Nobody is there to answer; they will.";
    DeskMessage "desk_message" "To the shop's people: a customer wrote.";
    DeskOrders "desk_orders" "The customer's orders follow.";
    DeskNoOrders "desk_no_orders" "No order is connected to the chat.";
    DeskReply "desk_reply" "How to answer: in the thread.";
    DeskCommand "desk_command" "How to answer: by this command.";
    DeskMore "desk_more" "The words are cut; the rest by this command.";
    DeskAttached "desk_attached" "What the customer sent besides.";
    DeskAgain "desk_again" "The message may be there already.";
    DeskNotSent "desk_not_sent" "A reply was not sent.";
    DeskUnsure "desk_unsure" "A reply may have arrived.";
    DeskNotArrived "desk_not_arrived" "A reply did not arrive.";
    DeskWindow "desk_window" "The messenger's time to answer is over.";
    DeskOff "desk_off" "The customer wants no messages.";
    DeskBarred "desk_barred" "The shop's people block the customer.";
    DeskGone "desk_gone" "The customer cannot be reached.";
    DeskTooLong "desk_too_long" "The reply is too long.";
    DeskRefused "desk_refused" "The provider did not take it.";
    DeskFile "desk_file" "A file with a reply cannot be passed on.";
    DeskSaved "desk_saved" "A saved reply that was named is none; those that are follow.";
    TurnOff "turn_off" "A button: switch them off.";
    Keep "keep" "A button: leave them on.";
    NotMine "not_mine" "A button: this is not my order.";
    MyOrders "my_orders" "A button: where are my orders?";
    Menu "menu" "What opens the menu of a chat.";
    Settings "settings" "In the menu: order updates, on or off.";
    Talk "talk" "In the menu: talk to the shop.";
    TurnOn "turn_on" "A button: switch them on.";
    IsOn "is_on" "They are on, asked for how they stand.";
    IsOff "is_off" "They are off, asked for how they stand.";
    NoOrdersAsk "no_orders_ask" "No order is connected to the chat; its number may be sent.";
    CodeSent "code_sent" "If the number is an order's, a code went to its contact.";
    TalkHere "talk_here" "Whoever wants to talk to the shop writes here.";
}

/// The texts of one language.
pub(super) type Texts = BTreeMap<ChatText, Text>;

/// Names that these texts may use.
pub(super) const NAMES: [&str; 2] = ["order", "shop"];

/// The names, as far as they are known.
pub(super) fn names(order: Option<&str>, shop: Option<&str>) -> Value {
    let line = |text: Option<&str>| Value::from(text.and_then(|t| clean::line(t, 60)));
    Value::from_pairs([("order", line(order)), ("shop", line(shop))])
}

/// What is wrong with a text, whatever is known.
pub(super) fn prove(env: &Environment<'static>, text: &Text) -> Vec<String> {
    let mut problems = Vec::new();
    for (order, shop) in [(Some("#1001"), Some("Tea")), (Some("#1001"), None), (None, Some("Tea")), (None, None)] {
        match say_in(env, text, &names(order, shop)) {
            Ok(said) if said.trim().is_empty() => problems.push("it says nothing".to_string()),
            Ok(_) => {}
            Err(fault) => problems.push(fault.to_string()),
        }
    }
    problems.dedup();
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{LOCALES, Words};

    #[test]
    fn every_language_has_every_text_with_and_without_names() {
        let words = Words::load(None, &[], &[]).expect("the built-in words");
        for locale in LOCALES {
            for text in ChatText::ALL {
                let named = words.chat(text, locale, Some("#1001"), Some("Tea")).expect("words");
                let bare = words.chat(text, locale, None, None).expect("words");
                for said in [&named, &bare] {
                    assert!(!said.is_empty() && !said.contains("  ") && !said.contains(" ."), "{locale} {said}");
                }
                assert!(!bare.contains("1001") && !bare.contains("Tea"), "{locale} {bare}");
            }
        }
        let said = words.chat(ChatText::Linked, "zh-Hant", Some("#1001"), Some("茶行")).expect("words");
        assert!(said.contains("訂單 #1001") && said.contains("茶行"), "{said}");
    }
}
