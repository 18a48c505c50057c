//! Saved replies: a person sends `/name` (or `!name`, where the program they write in keeps `/` for itself), and the
//! customer gets the words of `<words.dir>/<locale>/reply_<name>.toml`, about their newest order.

use super::give::To;
use crate::domain::channel::Audience;
use crate::domain::clock::Timestamp;
use crate::domain::milestone::Subject;
use crate::flow::App;
use crate::flow::answer;
use crate::flow::inhand::InHand;
use crate::flow::kept::AcceptError;
use crate::flow::live::{Holder, Live};
use crate::words::{ExtraLinks, Telling};

/// Longest name.
const NAME: usize = 32;

/// The saved reply that a text names, where it is nothing but such a name.
pub(super) fn name(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix(['/', '!'])?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    ((1..=NAME).contains(&name.len()) && name.bytes().all(plain)).then_some(name)
}

/// The names that there are, for whoever named none of them.
pub(super) fn names(live: &Live, locale: &str) -> String {
    let all = live.words.saved_replies(locale).into_iter().map(|(name, _)| format!("/{name}"));
    all.collect::<Vec<_>>().join(" ")
}

/// Its words, in the customer's language, else the shop's, else English; `None`: there is none of this name, or it
/// needs an order and none is known.
///
/// # Errors
/// Their orders could not be read.
pub(super) async fn words(
    app: &App,
    hand: &InHand,
    (kept, account, _): To<'_>,
    (name, locale): (&str, &str),
    now: Timestamp,
) -> Result<Option<String>, AcceptError> {
    let live = &hand.live;
    let theirs = answer::theirs(app, live, &kept.channel, &kept.person).await?;
    for locale in [locale, hand.shop.rules.locale.as_str(), "en"] {
        let said = match theirs.first() {
            Some(one) => {
                let order = Some((one.order.shop.clone(), one.order.id.clone()));
                let holder = Holder { order, channel: kept.channel.clone(), address: kept.person.clone() };
                let telling = Telling {
                    milestone: "",
                    joined: &[],
                    subject: &Subject::Order,
                    order: &one.order,
                    rules: &one.shop.rules,
                    locale,
                    section: account.kind.section(),
                    audience: Audience::Customer,
                    now,
                    links: ExtraLinks { status: None, page: live.page_link(&holder, now), connect: None },
                };
                live.words.saved_reply(name, locale, Some(&telling))
            }
            None => live.words.saved_reply(name, locale, None),
        };
        if let Some(said) = said.ok().filter(|said| !said.trim().is_empty()) {
            return Ok(Some(said));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_name_stands_alone() {
        for (text, named) in [
            ("/sizes", Some("sizes")),
            (" !opening-hours ", Some("opening-hours")),
            ("/sizes please", None),
            ("/", None),
            ("/Sizes", None),
            ("sizes", None),
            ("/../../etc", None),
        ] {
            assert_eq!(name(text), named, "{text}");
        }
    }
}
