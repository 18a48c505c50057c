//! Consent from files of other systems, and into files.
//!
//! Every row stands for itself: whoever dies in the middle begins again, and what is there already is left alone.

use super::desk::{Who, places};
use super::say;
use crate::domain::clock::Timestamp;
use crate::domain::consent::{ConsentRecord, Source, Word};
use crate::domain::ids::ShopId;
use crate::flow::App;
use crate::store::error::StoreError;
use crate::store::people::SaidOf;
use serde::{Deserialize, Serialize};

/// Rows of one call at most.
pub const ROWS: usize = 200;

/// One row: who, what, where it counts, how and when it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Row {
    /// Channel; left out: every channel that takes the address.
    pub channel: String,
    /// Mailbox, phone number or messenger's id.
    pub address: String,
    /// For this shop alone; left out: every shop.
    pub shop: String,
    /// `off`, `on`, `block` or `unblock`.
    pub word: String,
    /// When it was said (RFC 3339); left out: now, for `off` and `block` alone.
    pub at: String,
    /// How; left out: `import`.
    pub source: String,
    /// What shows it.
    pub proof: String,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is (or would be) taken in.
    New,
    /// It is known, or so it stands already.
    Known,
    /// Something newer was said: it is left out.
    Older,
    /// It cannot be read.
    Wrong,
}

/// A row's end.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    /// What becomes of it.
    pub outcome: Outcome,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Takes rows in, or says what would become of each; the answers are in the rows' order.
///
/// # Errors
/// The store's; the same rows again do no harm.
pub async fn import(app: &App, rows: &[Row], execute: bool, by: &str) -> Result<Vec<Ended>, StoreError> {
    let mut ends = Vec::with_capacity(rows.len());
    for row in rows.iter().take(ROWS) {
        ends.push(match read(app, row, by) {
            Ok((who, record)) => Ended { outcome: take(app, row, &who, record, execute).await?, why: None },
            Err(why) => Ended { outcome: Outcome::Wrong, why: Some(why) },
        });
    }
    Ok(ends)
}

type Read = (Vec<(crate::domain::ids::ChannelId, crate::domain::person::Address)>, ConsentRecord);

/// A row, understood.
fn read(app: &App, row: &Row, by: &str) -> Result<Read, String> {
    let named = |word: &str| Some(word.trim().to_string()).filter(|w| !w.is_empty());
    let word = Word::from_word(row.word.trim()).ok_or("`word` must be off, on, block or unblock")?;
    let at = match named(&row.at) {
        Some(at) => at.parse().map_err(|_| "`at` must be a time like 2026-11-25T08:00:00Z".to_string())?,
        None if matches!(word, Word::Off | Word::Block) => app.clock.now(),
        None => return Err("`at` is needed for a yes: a no that was said later must win".into()),
    };
    if at > app.clock.now() {
        return Err("`at` lies in the future".into());
    }
    let source = match named(&row.source) {
        Some(source) => Source::from_word(&source).ok_or("`source` is none that is known")?,
        None => Source::Import,
    };
    let who = Who { shop: named(&row.shop), channel: named(&row.channel), address: row.address.clone() };
    let found = places(app, &who).map_err(|trouble| trouble.to_string())?;
    let proof = named(&row.proof).unwrap_or_else(|| by.to_string());
    Ok((found, ConsentRecord::new(at, word, source, &proof).of(who.shop.as_deref().map(ShopId::from))))
}

async fn take(
    app: &App,
    row: &Row,
    who: &[(crate::domain::ids::ChannelId, crate::domain::person::Address)],
    record: ConsentRecord,
    execute: bool,
) -> Result<Outcome, StoreError> {
    let dated = !row.at.trim().is_empty();
    let mut outcome = Outcome::Known;
    for ((channel, address), said) in who.iter().zip(app.store.said(who).await?) {
        let same = |r: &ConsentRecord| r.word == record.word && r.shop == record.shop;
        let holds = holding(&said);
        let last = said.records.iter().rfind(|r| r.shop == record.shop && kind(r.word) == kind(record.word));
        let known =
            if dated { said.records.iter().any(|r| same(r) && r.at == record.at) } else { holds.iter().any(same) };
        if known {
            continue;
        }
        if last.is_some_and(|last| last.at > record.at) {
            outcome = if outcome == Outcome::Known { Outcome::Older } else { outcome };
            continue;
        }
        outcome = Outcome::New;
        if execute {
            let event = format!("import:{}:{:?}:{}", record.word.as_str(), record.shop, record.at.as_millisecond());
            say(app, channel, address, &event, record.clone()).await?;
        }
    }
    Ok(outcome)
}

/// Words that answer each other.
fn kind(word: Word) -> u8 {
    match word {
        Word::Off | Word::On => 0,
        Word::Block | Word::Unblock => 1,
        Word::Gone => 2,
    }
}

/// The last word of each kind and reach: what somebody's consent is now.
pub fn holding(said: &SaidOf) -> Vec<ConsentRecord> {
    let last = |i: usize, r: &ConsentRecord| {
        !said.records[i + 1..].iter().any(|later| kind(later.word) == kind(r.word) && later.shop == r.shop)
    };
    let held = said.records.iter().enumerate().filter(|(i, r)| kind(r.word) < 2 && last(*i, r));
    held.map(|(_, r)| r.clone()).collect()
}

/// A page of everybody's consent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exported {
    /// Rows, as [`import`] takes them.
    pub rows: Vec<Row>,
    /// People whose name is gone: they were erased, or said it to an older version. What they said still counts.
    pub nameless: u64,
    /// Records whose key is no longer configured.
    pub closed: u64,
    /// Where to go on; `None`: that was the last.
    pub cursor: Option<String>,
}

/// The next page. A person may come twice.
///
/// # Errors
/// The store's; the same page again does no harm.
pub async fn export(
    app: &App,
    shop: Option<&str>,
    channel: Option<&str>,
    cursor: Option<&str>,
) -> Result<Exported, StoreError> {
    let page = app.store.everything_said(cursor).await?;
    let mut out = Exported { closed: page.closed, cursor: page.cursor, ..Exported::default() };
    for said in page.people {
        let Some((on, address)) = said.who.clone() else {
            out.nameless += 1;
            continue;
        };
        if channel.is_some_and(|c| c != on.as_str()) {
            continue;
        }
        let wanted = |r: &ConsentRecord| shop.is_none() || r.shop.as_ref().is_none_or(|s| Some(s.as_str()) == shop);
        out.rows.extend(holding(&said).into_iter().filter(wanted).map(|r| Row {
            channel: on.to_string(),
            address: address.value.clone(),
            shop: r.shop.as_ref().map(ToString::to_string).unwrap_or_default(),
            word: r.word.as_str().into(),
            at: stamp(r.at),
            source: r.source.as_str().into(),
            proof: r.proof,
        }));
    }
    Ok(out)
}

fn stamp(at: Timestamp) -> String {
    at.to_string()
}
