//! **words** — floor 1.
//!
//! Knows: templates (minijinja), locales, money, dates, phone; milestone + order + locale → message.
//! Must not know: channels' wire shapes, Redis, rules.
//! May use: domain
//! How to add one: a language is a folder under `config/templates` and a row in `locale`, `built_in`, `money`
//! and `date`; the words of a milestone are a file `<milestone>.toml` in each of these folders and a word in
//! the list of `built_in`.
//!
//! A file of words:
//!
//! ```toml
//! name = "Shipped"                      # the milestone in a few words: staff words, lists
//! also = "It has been shipped."         # the sentence for when it is told within another message
//! title = "{{ order.name }} is on its way"
//! body = """
//! First paragraph.
//!
//! {% if parcel.number %}
//! Tracking number: {{ parcel.number }}
//! {% endif %}
//! """
//! [[button]]                            # dropped where the link is unknown or not https
//! label = "Track parcel"
//! url = "{{ links.track }}"
//! [staff]                               # for the shop's people; else the words of staff.toml
//! title = "…"
//! [messenger]                           # per kind of channel: title, body, button again, and what it needs
//! utility_template = "shipped_v1"
//! params = ["{{ order.name }}", "{{ parcel.number or '-' }}"]
//! ```
//!
//! A shop's file is laid over the built-in one of the same place: what it leaves out stays. `phrases.toml`
//! holds texts that several milestones share (`{{ phrases.tracking }}`). Names: see `facts`; every name is
//! always there, and what is not known is none and may only be printed within an `{% if %}`.

mod built_in;
mod chat;
mod clean;
mod condition;
mod date;
mod env;
mod facts;
mod file;
mod lint;
mod load;
mod locale;
mod money;
pub mod note;
mod prove;
pub mod sample;
mod sheet;
pub mod shown;
mod switch;
mod value;

pub use chat::ChatText;
pub use condition::Condition;
pub use locale::ALL as LOCALES;
use note::NoteText;
pub use switch::{asks_for_orders, switch_word};

use crate::domain::channel::{Audience, Button, Message};
use crate::domain::clock::Timestamp;
use crate::domain::milestone::Subject;
use crate::domain::order::Order;
use crate::domain::shop::ShopRules;
use minijinja::Environment;
use minijinja::value::Value;
use serde_json::Value as Json;
use sheet::{ButtonText, Part, Sheet, Text, Tree};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use value::{Facts, Use};

/// One mistake in a file of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file; `<locale>/<name>.toml` without a folder before it is a built-in one.
    pub file: String,
    /// The key within it (`button[0].url`, `line.flex`); empty: the file as a whole.
    pub key: String,
    /// What is wrong and how to put it right.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.key.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{}: {}", self.file, self.key, self.message)
    }
}

/// The milestones that have built-in words, in the order of the story.
pub fn built_in_milestones() -> Vec<&'static str> {
    built_in::milestones()
}

/// Why no message could be made. Names places in files, never what stands in an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsFault {
    /// No words were loaded for it.
    #[error("there are no words for the milestone {0}")]
    NoWords(String),
    /// Only something about the order is known, not the order itself.
    #[error("the order itself is not known yet")]
    OrderUnknown,
    /// A text failed on this order.
    #[error("{file}: {key}: {problem}")]
    Unrenderable {
        /// The file.
        file: String,
        /// The key within it.
        key: String,
        /// What went wrong.
        problem: String,
    },
}

/// Links that only the caller knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraLinks {
    /// Our page of the order: for customers it goes before the shop's own; for staff it is the only one.
    pub status: Option<String>,
    /// The recipient's own page of the order (`page_url`); for customers only.
    pub page: Option<String>,
    /// Where the recipient ties a messenger to the order (`connect_url`); for customers only.
    pub connect: Option<String>,
}

/// What is to be told to whom.
#[derive(Clone, Debug)]
pub struct Telling<'a> {
    /// The milestone that leads.
    pub milestone: &'a str,
    /// Milestones told in the same message; the leading one may stand among them.
    pub joined: &'a [&'a str],
    /// Of what the leading one is told.
    pub subject: &'a Subject,
    /// The order.
    pub order: &'a Order,
    /// Its shop.
    pub rules: &'a ShopRules,
    /// Language, one of [`LOCALES`] (others: the nearest).
    pub locale: &'a str,
    /// Kind of the channel it goes on, for its section.
    pub section: &'a str,
    /// To customers or to staff.
    pub audience: Audience,
    /// The present moment: decides whether a date needs its year.
    pub now: Timestamp,
    /// Links.
    pub links: ExtraLinks,
}

/// All words, proven.
pub struct Words {
    text: Environment<'static>,
    url: Environment<'static>,
    sheets: HashMap<&'static str, BTreeMap<String, Sheet>>,
    shared: HashMap<&'static str, Shared>,
    chat: HashMap<&'static str, chat::Texts>,
    note: HashMap<&'static str, note::Texts>,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({} languages)", self.sheets.len())
    }
}

/// What the milestones of a language share.
struct Shared {
    phrases: Vec<(String, Text)>,
    staff: Part,
}

impl Words {
    /// The built-in words of `milestones`, with the files under `dir` laid over them; `sections` are the
    /// kinds of channels. Reads files; everything a shop's file says is rendered against sample orders.
    ///
    /// # Errors
    /// Every mistake in every file at once.
    pub fn load(dir: Option<&Path>, milestones: &[&str], sections: &[&str]) -> Result<Words, Vec<Mistake>> {
        load::load(dir, milestones, sections)
    }

    /// The language that suits best, for wishes in order (the customer's first); English where none does.
    pub fn locale(&self, wanted: &[&str]) -> &'static str {
        locale::best(wanted)
    }

    /// The milestone's name in a few words ("Shipped"), for lists and pages.
    pub fn name(&self, milestone: &str, locale: &str) -> Option<&str> {
        self.sheet(milestone, locale).ok().map(|s| s.name.as_str())
    }

    /// What the words of a milestone say for one kind of channel, not rendered: so that a caller can ask
    /// whether a template is named.
    pub fn section(&self, milestone: &str, locale: &str, section: &str) -> BTreeMap<String, Json> {
        let sheet = self.sheet(milestone, locale).ok();
        sheet.and_then(|s| s.sections.get(section)).map(|s| s.raw.clone()).unwrap_or_default()
    }

    /// The message.
    ///
    /// # Errors
    /// No words, no order, or a text that fails on this very order.
    pub fn render(&self, t: &Telling<'_>) -> Result<Message, WordsFault> {
        let language = locale::best(&[t.locale]);
        let t = &Telling { locale: language, ..t.clone() };
        let sheet = self.sheet(t.milestone, language)?;
        let head = t.order.head().ok_or(WordsFault::OrderUnknown)?;
        let joined = self.joined_sheets(t)?;
        let context = self.context(t, sheet, &joined)?;
        let parts = self.parts(sheet, t);
        let title = match first(&parts, |p| p.title.as_ref()) {
            Some(text) => clean::line(&self.say(text, &context)?, 160).unwrap_or_default(),
            None => sheet.name.clone(),
        };
        let mut body = String::new();
        if let Some(text) = first(&parts, |p| p.body.as_ref()) {
            body = clean::paragraphs(&self.say(text, &context)?);
            if t.audience == Audience::Customer && !text.speaks_of_joined {
                body = after_first_paragraph(&body, &also(&context));
            }
        }
        let mut buttons = Vec::new();
        self.add_buttons(first(&parts, |p| p.buttons.as_ref()), &context, &mut buttons)?;
        if t.audience == Audience::Customer {
            for sheet in &joined {
                self.add_buttons(sheet.main.buttons.as_ref(), &context, &mut buttons)?;
            }
        }
        Ok(Message {
            milestone: t.milestone.to_string(),
            locale: language.to_string(),
            title,
            body,
            buttons,
            actions: Vec::new(),
            image: head.items.first().and_then(|i| i.image.as_deref()).and_then(clean::https),
            shop_id: t.order.shop.to_string(),
            order_id: t.order.id.to_string(),
            order_name: clean::line(&head.name, 40).unwrap_or_default(),
            shop_name: t.rules.name.as_deref().and_then(|n| clean::line(n, 60)),
            extra: self.extra(sheet, t.section, &context)?,
        })
    }

    /// Names of the replies that people may send by them, with what they are called, in the language that suits best.
    pub fn saved_replies(&self, locale: &str) -> Vec<(&str, &str)> {
        let sheets = self.sheets.get(locale::best(&[locale]));
        let all = sheets.into_iter().flatten();
        all.filter_map(|(id, sheet)| Some((id.strip_prefix(load::SAVED)?, sheet.name.as_str()))).collect()
    }

    /// The words of a saved reply about an order, in the language of `telling`; without an order, if they need none.
    ///
    /// # Errors
    /// There is none of this name in that language, or it needs an order.
    pub fn saved_reply(&self, name: &str, locale: &str, order: Option<&Telling<'_>>) -> Result<String, WordsFault> {
        let id = format!("{}{name}", load::SAVED);
        if let Some(telling) = order {
            return Ok(self.render(&Telling { milestone: &id, locale, ..telling.clone() })?.body);
        }
        let sheet = self.sheet(&id, locale)?;
        let body = sheet.main.body.as_ref().ok_or_else(|| WordsFault::NoWords(id.clone()))?;
        Ok(clean::paragraphs(&self.say(body, &Value::from_pairs(Vec::<(String, String)>::new()))?))
    }

    /// What is answered in a chat, in the language that suits best; the names as far as they are known.
    ///
    /// # Errors
    /// A text that fails on these very names.
    pub fn chat(
        &self,
        what: ChatText,
        locale: &str,
        order: Option<&str>,
        shop: Option<&str>,
    ) -> Result<String, WordsFault> {
        let language = locale::best(&[locale]);
        let text = self.chat.get(language).and_then(|texts| texts.get(&what));
        let text = text.ok_or_else(|| WordsFault::NoWords(what.key().to_string()))?;
        Ok(clean::paragraphs(&say_in(&self.text, text, &chat::names(order, shop))?))
    }

    /// What is written to an order at its shop: one line. `names`: the milestone, the channel, why.
    ///
    /// # Errors
    /// A text that fails on these very names.
    pub fn note(&self, what: NoteText, locale: &str, names: (&str, &str, &str)) -> Result<String, WordsFault> {
        let text = self.note.get(locale::best(&[locale])).and_then(|texts| texts.get(&what));
        let text = text.ok_or_else(|| WordsFault::NoWords(what.key().to_string()))?;
        Ok(clean::paragraphs(&say_in(&self.text, text, &note::names(names.0, names.1, names.2))?))
    }

    fn knows(&self, milestone: &str) -> bool {
        self.sheets.values().all(|sheets| sheets.contains_key(milestone))
    }

    fn sheet(&self, milestone: &str, wanted: &str) -> Result<&Sheet, WordsFault> {
        let sheets = self.sheets.get(locale::best(&[wanted]));
        sheets.and_then(|s| s.get(milestone)).ok_or_else(|| WordsFault::NoWords(milestone.to_string()))
    }

    fn joined_sheets(&self, t: &Telling<'_>) -> Result<Vec<&Sheet>, WordsFault> {
        t.joined.iter().filter(|m| **m != t.milestone).map(|m| self.sheet(m, t.locale)).collect()
    }

    /// The parts that may hold a title, body or buttons, the one that counts first. A section's words are
    /// most often written for customers, so what a file says to staff goes before them.
    fn parts<'w>(&'w self, sheet: &'w Sheet, t: &Telling<'_>) -> Vec<&'w Part> {
        let section = sheet.sections.get(t.section).map(|s| &s.part);
        match t.audience {
            Audience::Customer => section.into_iter().chain([&sheet.main]).collect(),
            Audience::Staff => {
                let shared = self.shared.get(t.locale).map(|s| &s.staff);
                [&sheet.staff].into_iter().chain(section).chain(shared).collect()
            }
        }
    }

    /// The facts, the phrases made from them, and what is told besides.
    fn context(&self, t: &Telling<'_>, sheet: &Sheet, joined: &[&Sheet]) -> Result<Value, WordsFault> {
        let mut facts = facts::facts(t, Use::Words).ok_or(WordsFault::OrderUnknown)?;
        let plain = Facts(facts.0.clone()).value();
        let mut phrases = Vec::new();
        let spoken_of = |name: &str| std::iter::once(&sheet).chain(joined).any(|s| s.phrases.contains(name));
        let shared = self.shared.get(t.locale).map(|s| s.phrases.as_slice()).unwrap_or_default();
        for (name, text) in shared.iter().filter(|(name, _)| spoken_of(name)) {
            phrases.push((name.clone(), clean::paragraphs(&self.say(text, &plain)?)));
        }
        facts.0.push(("phrases", Value::from_pairs(phrases)));
        let names: Vec<&str> = std::iter::once(sheet).chain(joined.iter().copied()).map(|s| s.name.as_str()).collect();
        facts.0.push(("what", Value::from(names.join(locale::and(t.locale)))));
        let mut sentences = Vec::new();
        if !joined.is_empty() {
            let within = Facts(facts.0.clone()).value();
            for sheet in joined {
                sentences.push(clean::paragraphs(&self.say(&sheet.also, &within)?));
            }
        }
        facts.0.push(("also", Value::from(in_paragraphs(&sentences, t.locale))));
        Ok(facts.value())
    }

    fn say(&self, text: &Text, context: &Value) -> Result<String, WordsFault> {
        say_in(&self.text, text, context)
    }

    fn add_buttons(
        &self,
        texts: Option<&Vec<ButtonText>>,
        context: &Value,
        buttons: &mut Vec<Button>,
    ) -> Result<(), WordsFault> {
        for text in texts.map(Vec::as_slice).unwrap_or_default() {
            let Some(url) = clean::https(&say_in(&self.url, &text.url, context)?) else { continue };
            let label = clean::line(&self.say(&text.label, context)?, 40);
            if let Some(label) = label.filter(|_| !buttons.iter().any(|b| b.url == url)) {
                buttons.push(Button { label, url });
            }
        }
        Ok(())
    }

    fn extra(&self, sheet: &Sheet, section: &str, context: &Value) -> Result<BTreeMap<String, Json>, WordsFault> {
        let Some(section) = sheet.sections.get(section) else { return Ok(BTreeMap::new()) };
        section.extra.iter().map(|(key, tree)| Ok((key.clone(), self.tree(tree, context)?))).collect()
    }

    fn tree(&self, tree: &Tree, context: &Value) -> Result<Json, WordsFault> {
        Ok(match tree {
            Tree::Text(text) => Json::from(self.say(text, context)?.trim()),
            Tree::List(list) => Json::Array(list.iter().map(|t| self.tree(t, context)).collect::<Result<_, _>>()?),
            Tree::Table(table) => Json::Object(
                table
                    .iter()
                    .map(|(k, t)| Ok((k.clone(), self.tree(t, context)?)))
                    .collect::<Result<_, WordsFault>>()?,
            ),
            Tree::Plain(plain) => plain.clone(),
        })
    }
}

fn say_in(env: &Environment<'static>, text: &Text, context: &Value) -> Result<String, WordsFault> {
    env.get_template(&text.id).and_then(|t| t.render(context)).map_err(|e| WordsFault::Unrenderable {
        file: text.id.split(':').next().unwrap_or_default().to_string(),
        key: text.key().to_string(),
        problem: env::explain(&e),
    })
}

fn first<'w, T>(parts: &[&'w Part], pick: impl Fn(&'w Part) -> Option<&'w T>) -> Option<&'w T> {
    parts.iter().find_map(|p| pick(p))
}

fn also(context: &Value) -> String {
    context.get_attr("also").ok().and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default()
}

/// Single sentences run on in one paragraph; what has lines of its own stands by itself.
fn in_paragraphs(sentences: &[String], locale: &str) -> String {
    let (long, short): (Vec<&String>, Vec<&String>) =
        sentences.iter().filter(|s| !s.is_empty()).partition(|s| s.contains('\n'));
    let short: Vec<&str> = short.into_iter().map(String::as_str).collect();
    let mut paragraphs = vec![short.join(locale::between_sentences(locale))];
    paragraphs.extend(long.into_iter().cloned());
    paragraphs.retain(|p| !p.is_empty());
    paragraphs.join("\n\n")
}

/// First what happened, then what happened besides, then the details.
fn after_first_paragraph(body: &str, also: &str) -> String {
    let (first, rest) = body.split_once("\n\n").unwrap_or((body, ""));
    [first, also, rest].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("\n\n")
}
