//! What the shop's people read: who wrote, what, and what is known of their orders.

use super::{Conversation, What, saved};
use crate::domain::channel::{Audience, Button, Message};
use crate::domain::clock::Timestamp;
use crate::domain::decision::Reason;
use crate::domain::order::Contact;
use crate::domain::owed::{Owed, State};
use crate::domain::people::Attachment;
use crate::flow::App;
use crate::flow::account::Account;
use crate::flow::answer::{self, Theirs};
use crate::flow::kept::AcceptError;
use crate::flow::live::Live;
use crate::milestone;
use crate::plan::reach;
use crate::words::{ChatText, ExtraLinks, Telling};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Characters of a reply repeated where it is said what became of it.
const QUOTE: usize = 60;
/// The longest of a customer's words shown at once: what is beyond is in the conversation.
const SHOWN: usize = 1800;

/// What is to be told.
pub(super) struct Told<'a> {
    /// Number of what is told.
    pub no: u16,
    /// What the customer said; else it is about a reply.
    pub line: Option<&'a What>,
    /// The reply, as it ended.
    pub reply: Option<&'a Owed>,
    /// Its words.
    pub its_words: Option<&'a What>,
    /// It may be there already.
    pub again: bool,
    /// It is the first that is told of the conversation there.
    pub first: bool,
}

/// Who speaks: the shop, in its people's language.
struct Speaker<'a> {
    live: &'a Live,
    locale: &'a str,
}

impl Speaker<'_> {
    fn say(&self, text: ChatText) -> String {
        let said = self.live.words.chat(text, self.locale, None, None);
        // Proven when the words were loaded; a key says more than an empty message.
        said.unwrap_or_else(|_| text.key().to_string())
    }
}

/// The message.
///
/// # Errors
/// What is known of the customer's orders could not be read.
pub(super) async fn of(
    app: &App,
    live: &Live,
    (kept, name, desk): (&Conversation, &str, &Account),
    told: &Told<'_>,
    now: Timestamp,
) -> Result<Message, AcceptError> {
    let rules = live.shops.get(&kept.shop).map(|shop| &shop.rules);
    let speaker = Speaker { live, locale: rules.map_or("en", |r| r.locale.as_str()) };
    let theirs = answer::theirs(app, live, &kept.channel, &kept.person).await?;
    let first = theirs.first();
    let mut body = Vec::new();
    let mut buttons: Vec<Button> = Vec::new();
    let mut orders = Vec::new();
    if told.again {
        body.push(speaker.say(ChatText::DeskAgain));
    }
    let title = match told.line {
        Some(What::Said { text, files }) => {
            body.extend(shown(text, name, &speaker));
            body.extend(attached(files, told.no, name, &speaker));
            for one in &theirs {
                let (line, found) = standing(live, one, desk.kind.section(), speaker.locale, now);
                orders.push(line);
                if buttons.is_empty() {
                    buttons = found;
                }
            }
            if told.first {
                body.extend(context(&orders, name, desk, &speaker));
            }
            headline(kept, first, &speaker)
        }
        _ => {
            let (what, more) = became(told);
            body.extend(quote(told.its_words));
            body.extend(more.map(|text| speaker.say(text)));
            if what_is_missing(told) {
                body.push(saved::names(live, speaker.locale));
            }
            speaker.say(what)
        }
    };
    let extra = match desk.kind.name {
        "webhook" => for_programs(kept, name, told, &orders),
        _ => BTreeMap::new(),
    };
    Ok(Message {
        milestone: if told.line.is_some() { "conversation.message" } else { "conversation.failed" }.into(),
        locale: speaker.locale.into(),
        title,
        body: body.join("\n\n"),
        buttons,
        actions: Vec::new(),
        image: None,
        shop_id: kept.shop.to_string(),
        order_id: first.map(|one| one.order.id.to_string()).unwrap_or_default(),
        order_name: first.and_then(|one| one.order.head()).map(|h| h.name.clone()).unwrap_or_default(),
        shop_name: rules.and_then(|r| r.name.clone()),
        extra,
    })
}

/// First and last name in the order in which they are said: the family's first where Han characters or Vietnam say so.
fn full_name(contact: &Contact, country: Option<&str>) -> String {
    let name = |part: &Option<String>| part.as_deref().unwrap_or_default().trim().to_string();
    let (given, family) = (name(&contact.first_name), name(&contact.last_name));
    let han = |text: &str| text.chars().all(|c| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'));
    if given.is_empty() || family.is_empty() {
        return given + &family;
    }
    match (han(&given) && han(&family), country) {
        (true, _) => family + &given,
        (false, Some("VN")) => format!("{family} {given}"),
        _ => format!("{given} {family}"),
    }
}

/// Who wrote, and where.
fn headline(kept: &Conversation, newest: Option<&Theirs>, speaker: &Speaker<'_>) -> String {
    let head = newest.and_then(|one| one.order.head());
    let who = head.map(|head| full_name(&head.contact, head.country.as_deref())).unwrap_or_default();
    let parts = [speaker.say(ChatText::DeskMessage), kept.channel.to_string(), who];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// The customer's words; where they are too long to be shown at once, it is said where the rest is.
fn shown(text: &str, name: &str, speaker: &Speaker<'_>) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    if text.chars().count() <= SHOWN {
        return vec![text.to_string()];
    }
    let cut: String = text.chars().take(SHOWN).collect();
    vec![format!("{}…", cut.trim_end()), format!("{} orderwire conversation {name}", speaker.say(ChatText::DeskMore))]
}

/// That something came besides words, and how it is had.
fn attached(files: &[Attachment], no: u16, name: &str, speaker: &Speaker<'_>) -> Vec<String> {
    let line = |(i, file): (usize, &Attachment)| {
        let called = file.name.as_deref().map(|n| format!(" {n}")).unwrap_or_default();
        format!("📎 {}: {}{called} ({no}.{})", speaker.say(ChatText::DeskAttached), file.kind, i + 1)
    };
    let mut lines: Vec<String> = files.iter().enumerate().map(line).collect();
    if !lines.is_empty() {
        lines.push(format!("orderwire conversation {name} --fetch {no}.1 --to FILE"));
    }
    (!lines.is_empty()).then(|| lines.join("\n")).into_iter().collect()
}

/// What is known of their orders, and how they are answered.
fn context(orders: &[String], name: &str, desk: &Account, speaker: &Speaker<'_>) -> Vec<String> {
    let known = match orders.is_empty() {
        true => speaker.say(ChatText::DeskNoOrders),
        false => {
            let lines = orders.iter().map(|line| format!("• {line}"));
            std::iter::once(speaker.say(ChatText::DeskOrders)).chain(lines).collect::<Vec<_>>().join("\n")
        }
    };
    let how = match desk.channel.hears_people() {
        true => speaker.say(ChatText::DeskReply),
        false => format!("{}\norderwire send --conversation {name} --text \"…\"", speaker.say(ChatText::DeskCommand)),
    };
    vec![known, how]
}

/// Where an order stands, as staff are told it, and what leads to it.
fn standing(live: &Live, one: &Theirs, section: &str, locale: &str, now: Timestamp) -> (String, Vec<Button>) {
    let rules = &one.shop.rules;
    let mut reached = reach(&one.order, rules, milestone::ALL);
    reached.sort_by_key(|r| r.reached.at);
    let newest = reached.iter().rev().find_map(|last| {
        let telling = Telling {
            milestone: last.milestone.id,
            joined: &[],
            subject: &last.reached.subject,
            order: &one.order,
            rules,
            locale,
            section,
            audience: Audience::Staff,
            now,
            links: ExtraLinks { status: None, page: None, connect: None },
        };
        live.words.render(&telling).ok()
    });
    let bare = || one.order.head().map_or_else(|| one.order.id.to_string(), |h| h.name.clone());
    match newest {
        Some(message) => {
            let more = message.body.lines().next().map(|l| format!(" · {l}")).unwrap_or_default();
            (format!("{}{more}", message.title), message.buttons)
        }
        None => (bare(), Vec::new()),
    }
}

/// The first of a reply's words.
fn quote(words: Option<&What>) -> Option<String> {
    let Some(What::Reply { text, .. }) = words else { return None };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(QUOTE).collect();
    let mark = if cut.len() < line.len() { "…" } else { "" };
    (!cut.is_empty()).then(|| format!("“{cut}{mark}”"))
}

/// It named a saved reply that there is not.
fn what_is_missing(told: &Told<'_>) -> bool {
    told.reply.is_some_and(|reply| reply.reason == Some(Reason::TemplateMissing))
}

/// What became of a reply, and what is possible instead.
fn became(told: &Told<'_>) -> (ChatText, Option<ChatText>) {
    if let Some(What::Reply { file: true, .. }) = told.its_words {
        return (ChatText::DeskNotSent, Some(ChatText::DeskFile));
    }
    let Some(reply) = told.reply else { return (ChatText::DeskNotSent, None) };
    match (reply.state, reply.reason) {
        (State::Unsure, _) => (ChatText::DeskUnsure, None),
        (State::Undelivered, _) => (ChatText::DeskNotArrived, None),
        (_, Some(Reason::WindowClosed)) => (ChatText::DeskNotSent, Some(ChatText::DeskWindow)),
        (_, Some(Reason::OptedOut)) => (ChatText::DeskNotSent, Some(ChatText::DeskOff)),
        (_, Some(Reason::OperatorBlocked)) => (ChatText::DeskNotSent, Some(ChatText::DeskBarred)),
        (_, Some(Reason::RecipientBlocked | Reason::RecipientInvalid)) => {
            (ChatText::DeskNotSent, Some(ChatText::DeskGone))
        }
        (_, Some(Reason::TemplateMissing)) => (ChatText::DeskNotSent, Some(ChatText::DeskSaved)),
        (_, Some(Reason::TooLong)) => (ChatText::DeskNotSent, Some(ChatText::DeskTooLong)),
        _ => (ChatText::DeskNotSent, Some(ChatText::DeskRefused)),
    }
}

/// The same for a program: under `fields` of the signed webhook.
fn for_programs(kept: &Conversation, name: &str, told: &Told<'_>, orders: &[String]) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::from([
        ("conversation".to_string(), json!(name)),
        ("channel".to_string(), json!(kept.channel.as_str())),
        ("orders".to_string(), json!(orders)),
    ]);
    if let Some(What::Said { text, files }) = told.line {
        let kinds: Vec<&str> = files.iter().map(|f| f.kind.as_str()).collect();
        fields.insert("words".into(), json!(text));
        fields.insert("attachments".into(), json!(kinds));
    }
    if let Some(reply) = told.reply {
        fields.insert("reply".into(), json!(reply.no));
        fields.insert("state".into(), json!(reply.state.as_str()));
        fields.insert("reason".into(), json!(reply.reason.map(Reason::as_str)));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_said_in_their_order() {
        let of = |first: &str, last: &str, country| {
            let some = |t: &str| Some(t.to_string()).filter(|t| !t.is_empty());
            full_name(&Contact { first_name: some(first), last_name: some(last), ..Contact::default() }, country)
        };
        assert_eq!(of("美", "陳", Some("TW")), "陳美");
        assert_eq!(of("小明", "王", None), "王小明");
        assert_eq!(of("Văn An", "Nguyễn", Some("VN")), "Nguyễn Văn An");
        assert_eq!(of("Mei", "Chen", Some("TW")), "Mei Chen");
        assert_eq!(
            (of("", "陳", None), of("Mei", "", None), of("", "", None)),
            ("陳".into(), "Mei".into(), String::new())
        );
    }
}
