//! answer: the words of what a person is answered in a chat, from the ledger as it stands now.

use super::App;
use super::kept::{AcceptError, read_order};
use super::live::{Holder, Live, Shop};
use super::talk::Ask;
use super::wording::wishes;
use crate::domain::channel::{Action, Audience, Message};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, OrderId, ShopId};
use crate::domain::order::Order;
use crate::domain::person::{Address, PersonFacts};
use crate::milestone;
use crate::plan::reach;
use crate::store::keys::Unit;
use crate::words::{ChatText, ExtraLinks, Telling};
use std::sync::Arc;

/// What a button's data begins with, so that it is known from a template's own.
const MARK: &str = "ow:";
/// Orders told of in one answer: the first in full, the others by a line each.
const ORDERS: usize = 4;

/// What a tap means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tap {
    /// Switch order updates off: ask first.
    AskOff,
    /// Switch them off.
    Off,
    /// Leave them on.
    Keep,
    /// Switch them on.
    On,
    /// Where are my orders?
    Status,
    /// How are order updates switched?
    Settings,
    /// I want to talk to the shop.
    Talk,
    /// The order of this name in the person's list is not theirs.
    NotMine(String),
}

impl Tap {
    /// What the menu of a chat has, each with its name as a command.
    pub(super) const MENU: [(&'static str, Tap); 3] =
        [("orders", Tap::Status), ("updates", Tap::Settings), ("help", Tap::Talk)];

    /// What a button's data means; `None`: it is none of ours.
    pub fn of(data: &str) -> Option<Tap> {
        if let Some(command) = data.strip_prefix('/') {
            // A command may name the bot: `/orders@shop_bot`.
            let name = command.split('@').next().unwrap_or_default().trim_end();
            return Tap::MENU.into_iter().find(|(known, _)| *known == name).map(|(_, tap)| tap);
        }
        match data.strip_prefix(MARK)? {
            "ask_off" => Some(Tap::AskOff),
            "off" => Some(Tap::Off),
            "keep" => Some(Tap::Keep),
            "on" => Some(Tap::On),
            "orders" => Some(Tap::Status),
            "settings" => Some(Tap::Settings),
            "talk" => Some(Tap::Talk),
            rest => rest.strip_prefix("no:").map(|name| Tap::NotMine(name.to_string())),
        }
    }

    pub(super) fn data(&self) -> String {
        match self {
            Tap::On => format!("{MARK}on"),
            Tap::Settings => format!("{MARK}settings"),
            Tap::Talk => format!("{MARK}talk"),
            Tap::AskOff => format!("{MARK}ask_off"),
            Tap::Off => format!("{MARK}off"),
            Tap::Keep => format!("{MARK}keep"),
            Tap::Status => format!("{MARK}orders"),
            Tap::NotMine(name) => format!("{MARK}no:{name}"),
        }
    }
}

/// An order with its shop.
pub(super) struct Theirs {
    /// The shop.
    pub shop: Arc<Shop>,
    /// The order.
    pub order: Order,
}

impl Theirs {
    fn name(&self) -> Option<&str> {
        self.order.head().map(|h| h.name.as_str())
    }
    fn made(&self) -> Timestamp {
        self.order.head().map_or(self.order.first_seen, |h| h.created_at)
    }
}

async fn find(app: &App, live: &Live, shop: &ShopId, order: &OrderId) -> Result<Option<Theirs>, AcceptError> {
    let Some(shop) = live.shops.get(shop) else { return Ok(None) };
    let member = app.store.member(&Unit::order(&shop.rules.id, order.as_str()));
    let record = app.store.read(&member).await?;
    let order = record.snapshot.as_deref().map(read_order).transpose()?;
    Ok(order.map(|order| Theirs { shop: Arc::clone(shop), order }))
}

/// The orders that a person is tied to and whose tie counts, the newest first.
pub(super) async fn theirs(
    app: &App,
    live: &Live,
    channel: &ChannelId,
    person: &Address,
) -> Result<Vec<Theirs>, AcceptError> {
    let mut found = Vec::new();
    for tie in app.store.ties(channel, person).await? {
        let known = find(app, live, &tie.shop, &tie.order).await?;
        let counts = |t: &Theirs| t.order.head().is_some() && !t.order.deleted();
        found.extend(known.filter(|t| counts(t) && is_told(live, channel, person, t)));
    }
    found.sort_by_key(|t| std::cmp::Reverse(t.made()));
    found.truncate(ORDERS);
    Ok(found)
}

/// The person is one of those whom the order is told to there: by a tie, or by what the order itself carries.
fn is_told(live: &Live, channel: &ChannelId, person: &Address, t: &Theirs) -> bool {
    live.channels.get(channel).is_some_and(|account| account.named(&t.order, &t.shop.rules).contains(person))
}

/// The answer.
///
/// # Errors
/// The orders it is about could not be read.
pub(super) async fn words(
    app: &App,
    (channel, person): (&ChannelId, &Address),
    ask: &Ask,
    facts: &PersonFacts,
    shop: &Arc<Shop>,
) -> Result<Message, AcceptError> {
    let live = app.live();
    let about = match ask {
        Ask::Linked(shop, order) | Ask::LetGo(shop, order) => find(app, &live, shop, order).await?,
        _ => None,
    };
    let speaker = Speaker {
        live: &live,
        who: (channel, person),
        facts,
        shop: about.as_ref().map_or(shop, |t| &t.shop),
        about: about.as_ref(),
    };
    let text = match ask {
        Ask::Status => {
            let theirs = theirs(app, &live, channel, person).await?;
            if let Some(told) = speaker.status(&theirs, section(&live, channel), app.clock.now()) {
                return Ok(told);
            }
            match super::number::wanted(&live, channel) {
                true => ChatText::NoOrdersAsk,
                false => ChatText::NoOrders,
            }
        }
        Ask::Linked(..) => ChatText::Linked,
        Ask::Noted => ChatText::Noted,
        Ask::Used => ChatText::Used,
        Ask::Over => ChatText::Over,
        Ask::LetGo(..) => ChatText::LetGo,
        Ask::Off => ChatText::Off,
        Ask::On => ChatText::On,
        Ask::AskOff => ChatText::AskOff,
        Ask::Kept => ChatText::Kept,
        Ask::Settings if facts.opted_out.is_some() => ChatText::IsOff,
        Ask::Settings => ChatText::IsOn,
        Ask::Talk => ChatText::TalkHere,
        Ask::Number(_) => ChatText::CodeSent,
    };
    let taps = match ask {
        Ask::Linked(shop, order) => {
            let name = app.store.tie_name(shop, order);
            vec![(ChatText::TurnOff, Tap::AskOff), (ChatText::NotMine, Tap::NotMine(name))]
        }
        Ask::AskOff => vec![(ChatText::TurnOff, Tap::Off), (ChatText::Keep, Tap::Keep)],
        Ask::Settings if facts.opted_out.is_some() => vec![(ChatText::TurnOn, Tap::On)],
        Ask::Settings => vec![(ChatText::TurnOff, Tap::Off), (ChatText::Keep, Tap::Keep)],
        _ => Vec::new(),
    };
    Ok(speaker.message(text, &taps))
}

fn section<'l>(live: &'l Live, channel: &ChannelId) -> &'l str {
    live.channels.get(channel).map_or("", |account| account.kind.section())
}

/// Who speaks to whom.
struct Speaker<'a> {
    live: &'a Live,
    who: (&'a ChannelId, &'a Address),
    facts: &'a PersonFacts,
    shop: &'a Arc<Shop>,
    about: Option<&'a Theirs>,
}

impl Speaker<'_> {
    /// The language that the messenger told, else the order's, else the shop's.
    fn locale(&self, order: Option<&Order>) -> &'static str {
        let own = self.facts.locale.as_deref().into_iter();
        let by_order = order.map(|o| wishes(o, &self.shop.rules, Audience::Customer)).unwrap_or_default();
        let wanted: Vec<&str> = own.chain(by_order).chain([self.shop.rules.locale.as_str()]).collect();
        self.live.words.locale(&wanted)
    }

    fn say(&self, text: ChatText) -> String {
        let about = self.about;
        let locale = self.locale(about.map(|t| &t.order));
        let said = self.live.words.chat(text, locale, about.and_then(Theirs::name), self.shop.rules.name.as_deref());
        // Proven when the words were loaded; a key says more than an empty message.
        said.unwrap_or_else(|_| text.key().to_string())
    }

    fn message(&self, text: ChatText, taps: &[(ChatText, Tap)]) -> Message {
        let actions = taps.iter().map(|(label, tap)| Action { label: self.say(*label), data: tap.data() }).collect();
        Message {
            milestone: "answer".into(),
            locale: self.locale(self.about.map(|t| &t.order)).into(),
            title: String::new(),
            body: self.say(text),
            buttons: Vec::new(),
            actions,
            image: None,
            shop_id: self.shop.rules.id.to_string(),
            order_id: String::new(),
            order_name: String::new(),
            shop_name: self.shop.rules.name.clone(),
            extra: std::collections::BTreeMap::new(),
        }
    }

    /// Where their orders stand: the words of what each reached last. `None`: they have none of which anything is
    /// known.
    fn status(&self, theirs: &[Theirs], section: &str, now: Timestamp) -> Option<Message> {
        let mut told = theirs.iter().filter_map(|one| self.newest(one, section, now));
        let mut first = told.next()?;
        let more: Vec<String> = told.map(|message| message.title).collect();
        if !more.is_empty() {
            let body = std::iter::once(first.body.as_str()).filter(|b| !b.is_empty());
            first.body = body.chain(more.iter().map(String::as_str)).collect::<Vec<_>>().join("\n\n");
        }
        first.actions = vec![Action { label: self.say(ChatText::TurnOff), data: Tap::AskOff.data() }];
        Some(first)
    }

    fn page(&self, one: &Theirs, now: Timestamp) -> Option<String> {
        let order = Some((one.order.shop.clone(), one.order.id.clone()));
        let (channel, address) = (self.who.0.clone(), self.who.1.clone());
        self.live.page_link(&Holder { order, channel, address }, now)
    }

    fn newest(&self, one: &Theirs, section: &str, now: Timestamp) -> Option<Message> {
        let rules = &one.shop.rules;
        let mut reached = reach(&one.order, rules, milestone::ALL);
        // What was reached last; of two things of one moment the later in the story.
        reached.sort_by_key(|r| r.reached.at);
        reached.iter().rev().find_map(|last| {
            let telling = Telling {
                milestone: last.milestone.id,
                joined: &[],
                subject: &last.reached.subject,
                order: &one.order,
                rules,
                locale: self.locale(Some(&one.order)),
                section,
                audience: Audience::Customer,
                now,
                links: ExtraLinks { page: self.page(one, now), ..ExtraLinks::default() },
            };
            self.live.words.render(&telling).ok()
        })
    }
}
