//! A conversation, shown to whoever answers in it.

use super::reply::{May, Trouble, may};
use super::{Conversation, What, named};
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::domain::person::Address;
use crate::flow::App;
use crate::flow::kept::AcceptError;
use crate::store::keys::Member;
use crate::words::LOCALES;
use serde::Serialize;

/// A conversation as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct ConversationView {
    /// Its name.
    pub conversation: String,
    /// Channel account.
    pub channel: String,
    /// Whose people answer.
    pub shop: String,
    /// The customer's last words.
    pub heard: Option<Timestamp>,
    /// The relay keeps still until then.
    pub quiet_until: Option<Timestamp>,
    /// A person may write now; else why not.
    pub may_write: Result<(), String>,
    /// What was said, oldest first.
    pub lines: Vec<LineView>,
}

/// Something said.
#[derive(Clone, Debug, Serialize)]
pub struct LineView {
    /// Its number.
    pub item: u16,
    /// When.
    pub at: Timestamp,
    /// `customer`, `away`, or who replied.
    pub by: String,
    /// The words.
    pub text: String,
    /// What came with them: kinds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
    /// A picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Where it stands.
    pub state: String,
    /// Why it stands there, in a word.
    pub reason: Option<String>,
    /// Why, in a sentence.
    pub why: Option<String>,
}

/// A conversation by its name.
///
/// # Errors
/// There is none, or Redis away.
pub async fn view(app: &App, conversation: &str) -> Result<ConversationView, Trouble> {
    of_unit(app, named(conversation).ok_or(Trouble::Unknown)?).await
}

/// What was said with this person, if anything is kept: for whoever asks for all of their data.
///
/// # Errors
/// Redis away.
pub(in crate::flow) async fn of_person(
    app: &App,
    channel: &ChannelId,
    person: &Address,
) -> Result<Option<ConversationView>, AcceptError> {
    match of_unit(app, super::member(app, channel, person)).await {
        Ok(view) => Ok(Some(view)),
        Err(Trouble::Kept(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

async fn of_unit(app: &App, member: Member) -> Result<ConversationView, Trouble> {
    let record = app.store.read(&member).await?;
    let kept = Conversation::read(record.snapshot.as_deref().ok_or(Trouble::Unknown)?)?;
    let facts = app.store.facts(&[(kept.channel.clone(), kept.person.clone())]).await?.into_iter().next();
    let live = app.live();
    let account = live.channels.get(&kept.channel);
    let now = app.clock.now();
    let may_write = match account.map(|account| may(&kept, account, &facts.unwrap_or_default(), now)) {
        Some(May::Go(..)) => Ok(()),
        Some(May::No(reason)) => Err(reason.as_str().to_string()),
        None => Err("the channel is no longer configured".to_string()),
    };
    let line = |line: &super::Line| {
        let (by, text, files, picture) = match &line.what {
            What::Said { text, files } => ("customer", text.as_str(), files.as_slice(), None),
            What::Reply { by, text, picture, .. } => (by.as_str(), text.as_str(), &[][..], picture.clone()),
            What::Away => ("away", "", &[][..], None),
        };
        let item = record.item(line.no);
        let reason = item.and_then(|i| i.reason);
        LineView {
            item: line.no,
            at: line.at,
            by: by.into(),
            text: text.into(),
            attachments: files
                .iter()
                .map(|f| [Some(f.kind.as_str()), f.name.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" "))
                .collect(),
            picture,
            state: item.map_or("unknown", |i| i.state.as_str()).into(),
            reason: reason.map(|r| r.as_str().into()),
            why: reason.map(|r| r.sentence().into()),
        }
    };
    Ok(ConversationView {
        conversation: super::name(&member),
        channel: kept.channel.to_string(),
        shop: kept.shop.to_string(),
        heard: kept.heard,
        quiet_until: kept.quiet_until,
        may_write,
        lines: kept.lines.iter().map(line).collect(),
    })
}

/// A reply that can be sent by its name.
#[derive(Clone, Debug, Serialize)]
pub struct SavedView {
    /// Its name, as it is sent.
    pub name: String,
    /// Language.
    pub locale: String,
    /// What it is called.
    pub called: String,
}

/// Every saved reply, by language and name.
pub fn saved_replies(app: &App) -> Vec<SavedView> {
    let live = app.live();
    let of = |locale: &'static str| {
        let all = live.words.saved_replies(locale).into_iter();
        all.map(|(name, called)| SavedView { name: format!("/{name}"), locale: locale.into(), called: called.into() })
            .collect::<Vec<_>>()
    };
    LOCALES.into_iter().flat_map(of).collect()
}
