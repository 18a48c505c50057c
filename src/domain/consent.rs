//! Consent: who said what, how far it reaches, and how it can be shown later.

use super::clock::Timestamp;
use super::ids::ShopId;
use serde::{Deserialize, Serialize};

/// Characters of a proof kept.
const PROOF: usize = 160;

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Order updates off.
    Off,
    /// On again.
    On,
    /// The shop's people forbid it: no word of the person lifts that.
    Block,
    /// They take that back.
    Unblock,
    /// The person left, blocked us, or is not there: until something comes from them.
    Gone,
}

impl Word {
    /// The word used in files, ledgers and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Off => "off",
            Word::On => "on",
            Word::Block => "block",
            Word::Unblock => "unblock",
            Word::Gone => "gone",
        }
    }

    /// The word of a file.
    pub fn from_word(word: &str) -> Option<Word> {
        [Word::Off, Word::On, Word::Block, Word::Unblock].into_iter().find(|w| w.as_str() == word)
    }
}

/// How it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A word the person wrote.
    Keyword,
    /// A button in the chat.
    Button,
    /// The customer's page.
    Page,
    /// A mail program's unsubscribe button (RFC 8058).
    OneClick,
    /// The person blocked us.
    Block,
    /// The person unfollowed the account.
    Unfollow,
    /// A mail came back.
    Bounce,
    /// The person called a mail unwanted.
    Complaint,
    /// The provider said so.
    ProviderCode,
    /// A file of another system.
    Import,
    /// One of the shop's people.
    Operator,
    /// At the checkout, or where the shop knows its customer.
    Checkout,
    /// By a link that ties a messenger to an order.
    Link,
}

impl Source {
    /// Every source.
    pub const ALL: &'static [Source] = &[
        Source::Keyword,
        Source::Button,
        Source::Page,
        Source::OneClick,
        Source::Block,
        Source::Unfollow,
        Source::Bounce,
        Source::Complaint,
        Source::ProviderCode,
        Source::Import,
        Source::Operator,
        Source::Checkout,
        Source::Link,
    ];

    /// The word used in files, ledgers and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Keyword => "keyword",
            Source::Button => "button",
            Source::Page => "page",
            Source::OneClick => "one_click",
            Source::Block => "block",
            Source::Unfollow => "unfollow",
            Source::Bounce => "bounce",
            Source::Complaint => "complaint",
            Source::ProviderCode => "provider_code",
            Source::Import => "import",
            Source::Operator => "operator",
            Source::Checkout => "checkout",
            Source::Link => "link",
        }
    }

    /// The source of a file.
    pub fn from_word(word: &str) -> Option<Source> {
        Source::ALL.iter().copied().find(|s| s.as_str() == word)
    }
}

/// One thing said about one person on one channel account. That one order is muted stands with the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConsentRecord {
    /// When it was said.
    pub at: Timestamp,
    /// What.
    pub word: Word,
    /// For this shop alone; `None`: for every shop that writes by this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<ShopId>,
    /// How.
    pub source: Source,
    /// What shows it: an event's or message's id, an operator's name and reason. Never words the person wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof: String,
}

impl ConsentRecord {
    /// A record for every shop; the proof is cut, and holds nothing that steers a terminal.
    pub fn new(at: Timestamp, word: Word, source: Source, proof: &str) -> ConsentRecord {
        let proof = proof.chars().filter(|c| !c.is_control()).take(PROOF).collect();
        ConsentRecord { at, word, shop: None, source, proof }
    }

    /// The same for this shop alone, where one is named.
    #[must_use]
    pub fn of(self, shop: Option<ShopId>) -> ConsentRecord {
        ConsentRecord { shop, ..self }
    }

    /// In one line, for people.
    pub fn line(&self) -> String {
        let reach = self.shop.as_ref().map(|s| format!(" for {s}")).unwrap_or_default();
        let proof = Some(self.proof.as_str()).filter(|p| !p.is_empty()).map(|p| format!(" ({p})")).unwrap_or_default();
        format!("{}{reach} since {} by {}{proof}", self.word.as_str(), self.at, self.source.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_sources_are_read_as_they_are_written() {
        for source in Source::ALL {
            assert_eq!(Source::from_word(source.as_str()), Some(*source));
            assert_eq!(serde_json::to_value(source).unwrap(), source.as_str());
        }
        for word in [Word::Off, Word::On, Word::Block, Word::Unblock, Word::Gone] {
            assert_eq!(serde_json::to_value(word).unwrap(), word.as_str());
        }
        assert_eq!((Word::from_word("off"), Word::from_word("gone")), (Some(Word::Off), None), "nobody imports that");
    }

    #[test]
    fn a_proof_is_short_and_harmless() {
        let record = ConsentRecord::new(Timestamp::UNIX_EPOCH, Word::Off, Source::Keyword, &"\u{1b}x".repeat(400));
        assert_eq!(record.proof, "x".repeat(PROOF));
    }
}
