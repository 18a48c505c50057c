//! Routes: which milestones are told to whom, on which channels.

use crate::domain::channel::Audience;
use crate::domain::ids::{ChannelId, RouteId, ShopId, Tag};
use crate::domain::milestone::Milestone;
use crate::domain::order::{Order, SourceKind};
use crate::domain::settings::Mistake;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use wildmatch::WildMatch;

/// Channels in a chain at most: an item remembers those found impossible in 16 bits.
const MAX_CHAIN: usize = 15;
/// What `when` must name to be asked about orders made at a till.
const SOURCE: &str = "order.source";

/// A `[[route]]` table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// Its name; part of every owed item's name, so a renamed route is a new one.
    pub id: String,
    /// Milestones it tells; `*` stands for any letters (`payment_*`).
    pub milestones: Vec<String>,
    /// Whom it tells.
    pub audience: Audience,
    /// Shops it is for; left out: all.
    #[serde(default)]
    pub shops: Option<Vec<String>>,
    /// A condition over the same variables as the words (`order.total >= 100`). An order made at a till is
    /// told only by routes whose condition names `order.source`.
    #[serde(default)]
    pub when: Option<String>,
    /// Channels: the first that may and can carries the message.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Channels that carry it besides, whatever happened above.
    #[serde(default)]
    pub also: Vec<String>,
}

/// What the names in a route may be.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// Milestone ids.
    pub milestones: Vec<&'a str>,
    /// Shop ids.
    pub shops: Vec<&'a str>,
    /// Channel ids, each with whom it reaches.
    pub channels: BTreeMap<&'a str, Audience>,
}

/// A checked route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub id: RouteId,
    /// Its stored short form.
    pub tag: Tag,
    /// Milestones it tells.
    pub milestones: Vec<WildMatch>,
    /// Whom it tells.
    pub audience: Audience,
    /// Shops it is for; `None`: all.
    pub shops: Option<Vec<ShopId>>,
    /// Its condition, evaluated right before a send.
    pub when: Option<String>,
    /// The chain of the `main` slot.
    pub channels: Vec<ChannelId>,
    /// A slot of its own each.
    pub also: Vec<ChannelId>,
}

impl Route {
    /// Checks a route's settings.
    ///
    /// # Errors
    /// Every mistake in them: globs that match nothing, unknown shops and channels (with the nearest name),
    /// channels that reach somebody else, a chain that is empty, too long or names a channel twice.
    pub fn from_settings(settings: RouteSettings, known: &Known<'_>) -> Result<Route, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if settings.id.trim().is_empty() {
            mistakes.push(Mistake::new("id", "a route needs a name; it is part of every owed item's name"));
        }
        if settings.milestones.is_empty() {
            mistakes.push(Mistake::new("milestones", "name at least one milestone, or \"*\" for all"));
        }
        let globs: Vec<WildMatch> = settings.milestones.iter().map(|m| WildMatch::new(m)).collect();
        for (i, glob) in globs.iter().enumerate() {
            if !known.milestones.iter().any(|m| glob.matches(m)) {
                let message = unknown("milestone", &settings.milestones[i], known.milestones.iter().copied());
                mistakes.push(Mistake::new(format!("milestones[{i}]"), message));
            }
        }
        for (i, shop) in settings.shops.iter().flatten().enumerate() {
            if !known.shops.contains(&shop.as_str()) {
                let message = unknown("shop", shop, known.shops.iter().copied());
                mistakes.push(Mistake::new(format!("shops[{i}]"), message));
            }
        }
        if settings.shops.as_ref().is_some_and(Vec::is_empty) {
            mistakes.push(Mistake::new("shops", "this is for no shop at all; leave the key out to mean every shop"));
        }
        if settings.when.as_ref().is_some_and(|w| w.trim().is_empty()) {
            mistakes.push(Mistake::new("when", "the condition is empty; leave the key out to mean always"));
        }
        check_channels(&settings, known, &mut mistakes);
        if mistakes.is_empty() { Ok(Route::built(settings, globs)) } else { Err(mistakes) }
    }

    fn built(settings: RouteSettings, milestones: Vec<WildMatch>) -> Route {
        let id = RouteId::from(settings.id);
        Route {
            tag: id.tag(),
            id,
            milestones,
            audience: settings.audience,
            shops: settings.shops.map(|s| s.into_iter().map(ShopId::from).collect()),
            when: settings.when,
            channels: settings.channels.into_iter().map(ChannelId::from).collect(),
            also: settings.also.into_iter().map(ChannelId::from).collect(),
        }
    }

    /// Whether it tells `milestone` of `order`, its condition aside. A till's customers hold the goods in
    /// their hands: such an order is told only where the condition shows that somebody thought of it.
    pub fn matches(&self, milestone: &str, order: &Order) -> bool {
        let till = order.head().is_some_and(|h| h.source.kind == SourceKind::Pos);
        let named = self.when.as_ref().is_some_and(|w| w.contains(SOURCE));
        let shop = self.shops.as_ref().is_none_or(|s| s.contains(&order.shop));
        shop && (!till || named) && self.tells(milestone)
    }

    /// Whether its globs name `milestone`.
    pub fn tells(&self, milestone: &str) -> bool {
        self.milestones.iter().any(|glob| glob.matches(milestone))
    }

    /// Its slots: stored tag, and name in ledgers.
    pub fn slots(&self) -> Vec<(Tag, String)> {
        let main = (!self.channels.is_empty()).then(|| (Tag::NONE, "main".to_string()));
        main.into_iter().chain(self.also.iter().map(|c| (c.tag(), format!("also:{c}")))).collect()
    }

    /// The chain of a slot; `None` where the route no longer has the slot.
    pub fn chain(&self, slot: Tag) -> Option<&[ChannelId]> {
        if slot == Tag::NONE {
            return (!self.channels.is_empty()).then_some(&self.channels);
        }
        let place = self.also.iter().position(|c| c.tag() == slot)?;
        self.also.get(place..=place)
    }
}

fn check_channels(settings: &RouteSettings, known: &Known<'_>, mistakes: &mut Vec<Mistake>) {
    if settings.channels.is_empty() && settings.also.is_empty() {
        mistakes.push(Mistake::new("channels", "name at least one channel here or under `also`"));
    }
    if settings.channels.len() > MAX_CHAIN {
        mistakes.push(Mistake::new("channels", format!("a chain has at most {MAX_CHAIN} channels")));
    }
    let chain = settings.channels.iter().enumerate().map(|(i, c)| (format!("channels[{i}]"), c));
    let also = settings.also.iter().enumerate().map(|(i, c)| (format!("also[{i}]"), c));
    let mut named = BTreeSet::new();
    for (key, channel) in chain.chain(also) {
        let message = match known.channels.get(channel.as_str()) {
            None => unknown("channel", channel, known.channels.keys().copied()),
            Some(audience) if *audience != settings.audience => {
                let (whom, wanted) = (audience_word(*audience), audience_word(settings.audience));
                format!("{channel:?} reaches {whom}, and this route is for {wanted}")
            }
            Some(_) if !named.insert(channel) => format!("{channel:?} is named twice: it would tell the same twice"),
            Some(_) => continue,
        };
        mistakes.push(Mistake::new(key, message));
    }
}

fn audience_word(audience: Audience) -> &'static str {
    match audience {
        Audience::Customer => "customers",
        Audience::Staff => "staff",
    }
}

/// Says that a name is unknown, and which one is nearest.
fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known
        .map(|k| (strsim::damerau_levenshtein(name, k), k))
        .filter(|(distance, k)| *distance <= 1 + k.chars().count() / 3)
        .min();
    match nearest {
        Some((_, k)) => format!("there is no {what} {name:?}; did you mean {k:?}?"),
        None => format!("there is no {what} {name:?}"),
    }
}

/// Names that would be stored alike. Items carry tags for names, so two names of one tag in one list (and an
/// `also` channel among the others) would be mixed up: settings with such a pair do not start. Also finds one
/// name given twice.
pub fn check_tags(routes: &[Route], channels: &[ChannelId], milestones: &[&'static Milestone]) -> Vec<Mistake> {
    let mut mistakes = clashes("route", routes.iter().map(|r| r.id.as_str()));
    mistakes.extend(clashes("channel", channels.iter().map(ChannelId::as_str)));
    mistakes.extend(clashes("milestone", milestones.iter().map(|m| m.id)));
    mistakes
}

fn clashes<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Vec<Mistake> {
    let mut seen: BTreeMap<Tag, &str> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for name in names {
        let message = match seen.insert(Tag::of(name), name) {
            None => continue,
            Some(other) if other == name => format!("two {what}s are called {name:?}; give one another name"),
            Some(other) => format!("the {what}s {other:?} and {name:?} are stored alike; give one another name"),
        };
        mistakes.push(Mistake::new("id", message));
    }
    mistakes
}
