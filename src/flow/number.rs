//! number: somebody names an order in a chat → a one-time code to the order's own contact → typed in that chat, it ties
//! the chat to the order.
//!
//! Whether there is such an order, and whose it is, shows in nothing: every number is counted, looked up, given a code
//! that lies ready, and answered by the same words. What differs, the message to the order's contact, is done beside it.
//! Only for shops that have the form to find an order (`[shop.track]`): for them orders are known by their numbers.
//!
//! The answer is owed before the callback is answered. Dies before the code lies ready, or before it is handed over: the
//! answer promised nothing, the person sends the number again. A code is handed over once, never again.

use super::kept::AcceptError;
use super::link::{self, Claim, Invitation};
use super::live::{Live, Shop};
use super::{App, track};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::event::number;
use crate::domain::ids::ChannelId;
use crate::domain::person::Address;
use crate::plan::Route;
use crate::store::codes::Tried;
use crate::store::error::StoreError;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization as _;

/// How long a code is good.
const CODE_SECS: i64 = 600;
/// Digits of a code.
const DIGITS: usize = 6;
/// Numbers that one person is answered; numbers for which they are sent a code; codes they may try. Each within so many
/// seconds.
const ANSWERED: (u64, i64) = (20, 900);
const ASKED: (u64, i64) = (5, 900);
const TYPED: (u64, i64) = (10, 900);
/// Codes for one number, and on one channel account.
const PER_NUMBER: (u64, i64) = (3, 900);
const PER_CHANNEL: (u64, i64) = (300, 600);
/// How long an answer is worth giving, and may be begun anew.
const ITEM_SECS: i64 = 3600;
/// Longest number.
const LONGEST: usize = 40;
/// Digits by which a number is known that stands alone.
const BARE_DIGITS: usize = 3;
/// What people write before a number. The longest first.
const BEFORE: [&str; 18] = [
    "my order number is",
    "order number",
    "my order",
    "order no.",
    "order no",
    "order",
    "no.",
    "訂單編號",
    "訂單號碼",
    "訂單",
    "單號",
    "订单编号",
    "订单号",
    "订单",
    "单号",
    "mã đơn hàng",
    "đơn hàng",
    "đơn",
];

/// The number in what a person wrote, where it is nothing but one.
pub fn named(text: &str) -> Option<String> {
    let text: String = text.nfkc().flat_map(char::to_lowercase).take(4 * LONGEST).collect();
    let text = text.trim();
    let before = BEFORE.iter().find_map(|word| text.strip_prefix(word));
    let rest = before.unwrap_or(text).trim_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '.' | '。'));
    let marked = before.is_some() || rest.starts_with('#');
    let inner = rest.trim_start_matches('#');
    let letters = inner.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let digits = inner.chars().filter(char::is_ascii_digit).count();
    let fits = letters && inner.len() <= LONGEST && digits >= if marked { 1 } else { BARE_DIGITS };
    fits.then(|| number(inner)).filter(|n| !n.is_empty())
}

/// The shops whose customers may name an order on this channel.
fn shops<'l>(live: &'l Live, channel: &ChannelId) -> Vec<&'l Arc<Shop>> {
    let leads = |r: &&Route| r.channels.iter().chain(&r.also).any(|c| c == channel);
    let speaks = |shop: &Shop| {
        live.routes.iter().filter(leads).any(|r| r.shops.as_ref().is_none_or(|s| s.contains(&shop.rules.id)))
    };
    let fits = |shop: &&Arc<Shop>| {
        shop.rules.track.is_some() && speaks(shop) && link::takes_new(live, &shop.rules.id, channel)
    };
    let mut shops: Vec<_> = live.shops.values().filter(fits).collect();
    shops.sort_by_key(|s| s.rules.id.clone());
    shops
}

/// Whether anybody may name an order on this channel.
pub fn wanted(live: &Live, channel: &ChannelId) -> bool {
    !shops(live, channel).is_empty()
}

/// What came of a number that was sent in a chat.
pub(super) enum Heard {
    /// It was a code that lay ready for this person.
    Code(Claim),
    /// It is to be answered, and looked up beside.
    Number,
    /// Too many: the relay answers none any more for a while.
    TooOften,
}

/// A person sent a number, or the code they were sent.
///
/// # Errors
/// Redis could not be asked; the same again is safe.
pub(super) async fn heard(
    app: &App,
    who: (&ChannelId, &Address),
    typed: &str,
    at: Timestamp,
) -> Result<Heard, AcceptError> {
    let counts = count(app, who, &[("number-answered", ANSWERED), ("number-typed", TYPED)]).await?;
    if counts[0] > ANSWERED.0 {
        return Ok(Heard::TooOften);
    }
    let code = typed.len() == DIGITS && typed.bytes().all(|b| b.is_ascii_digit());
    if code && counts[1] <= TYPED.0 {
        match link::claim(app, who, &name_of(who, typed), at).await? {
            Claim::Unknown => {}
            claim => return Ok(Heard::Code(claim)),
        }
    }
    Ok(Heard::Number)
}

/// Whether a person has sent so many that lead nowhere that nothing is answered any more for a while.
///
/// # Errors
/// Redis could not be asked.
pub(super) async fn too_often(app: &App, who: (&ChannelId, &Address)) -> Result<bool, StoreError> {
    Ok(count(app, who, &[("number-answered", ANSWERED)]).await?[0] > ANSWERED.0)
}

async fn count(
    app: &App,
    (channel, person): (&ChannelId, &Address),
    what: &[(&'static str, (u64, i64))],
) -> Result<Vec<u64>, StoreError> {
    let place = [channel.as_str().as_bytes(), person.scheme.as_bytes(), person.value.as_bytes()];
    let tried: Vec<_> = what.iter().map(|(what, (_, secs))| Tried { what, place: &place, secs: *secs }).collect();
    app.store.tried(&tried).await
}

/// Under which a code lies ready: bound to the person, so that nobody else's guess is one.
fn name_of((channel, person): (&ChannelId, &Address), code: &str) -> String {
    format!("chat:{channel}:{}:{}:{code}", person.scheme, person.value)
}

/// Looks a number up, lays a code ready and has it sent to the order's contact. The same steps whatever was sent. `item`:
/// the answer that this is for, which may be begun more than once; the code is sent once.
///
/// # Errors
/// Redis could not take it; the same again is safe.
pub(super) async fn look(
    app: &Arc<App>,
    who: (&ChannelId, &Address),
    (item, number): (u16, &str),
) -> Result<(), AcceptError> {
    let live = app.live();
    let (no, named) = (item.to_be_bytes(), number.as_bytes());
    let place = [who.0.as_str().as_bytes(), who.1.scheme.as_bytes(), who.1.value.as_bytes(), &no];
    if app.store.tried(&[Tried { what: "number-item", place: &place, secs: ITEM_SECS }]).await?[0] > 1 {
        return Ok(());
    }
    let own = count(app, who, &[("number-asked", ASKED)]).await?;
    let channel = who.0.as_str().as_bytes();
    let tried = app
        .store
        .tried(&[
            Tried { what: "number-order", place: &[channel, named], secs: PER_NUMBER.1 },
            Tried { what: "number-channel", place: &[channel], secs: PER_CHANNEL.1 },
        ])
        .await?;
    let counts = own[0] <= ASKED.0 && tried[0] <= PER_NUMBER.0 && tried[1] <= PER_CHANNEL.0;
    let mut found = None;
    for shop in shops(&live, who.0) {
        let one = track::of_number(app, &live, &shop.rules.id, number).await?;
        found = found.or(one);
    }
    let found = found.filter(|_| counts);
    let code = format!("{:06}", rand::random_range(0..1_000_000));
    let until = plus_secs(app.clock.now(), CODE_SECS);
    let (invitation, name) = match &found {
        Some(found) => (found.invitation(), name_of(who, &code)),
        // Nobody can type it; it lies there like any other.
        None => (Invitation { shop: "-".into(), order: number.into(), shown: None }, name_of(who, &hex_name())),
    };
    link::lay(app, &name, &invitation, until).await?;
    if let Some(found) = found {
        let app = Arc::clone(app);
        drop(tokio::spawn(async move { track::send(&app, &live, &found, &code).await }));
    }
    Ok(())
}

fn hex_name() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_number_is_one_alone_or_behind_the_word_for_it() {
        for (text, number) in [
            ("1001", "1001"),
            ("#1001", "1001"),
            ("＃１００１", "1001"),
            ("Order 7", "7"),
            ("order number: TW-1001", "tw1001"),
            ("訂單 1001", "1001"),
            ("訂單編號：1001。", "1001"),
            ("订单号1001", "1001"),
            ("Mã đơn hàng #1001", "1001"),
            (" TW-1001 ", "tw1001"),
        ] {
            assert_eq!(named(text).as_deref(), Some(number), "{text}");
        }
        for text in [
            "",
            "7",
            "hi",
            "ok 12",
            "訂單",
            "my orders",
            "where is order 1001",
            "1001 please",
            "+886912345678",
            "order",
            "#",
            "a@b.example",
            "https://x.example/1001",
            "iphone15",
        ] {
            assert_eq!(named(text), None, "{text}");
        }
        assert_eq!(named(&"1".repeat(60)), None);
    }
}
