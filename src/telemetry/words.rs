//! The values that labels may have: a closed set, so that nobody outside can make them many.

use crate::domain::webhook::Refusal;
use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A label's value: a word of the program, or a name from the settings. Copying it does not allocate.
#[derive(Clone, Debug)]
pub(super) enum Word {
    /// A word of the program.
    Fixed(&'static str),
    /// A name from the settings.
    Named(Arc<str>),
}

/// What is not in the settings.
pub(super) const UNKNOWN: Word = Word::Fixed("unknown");

impl Word {
    fn as_str(&self) -> &str {
        match self {
            Word::Fixed(word) => word,
            Word::Named(name) => name,
        }
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Word) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Word {}

impl Hash for Word {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(self.as_str())
    }
}

/// What is configured: names that may stand in labels.
#[derive(Clone, Debug, Default)]
pub struct Names {
    shops: BTreeMap<String, (Word, Word)>,
    channels: BTreeMap<String, (Word, Word)>,
    milestones: BTreeMap<String, Word>,
}

impl Names {
    /// Shops with their platform, channels with their kind, milestones.
    pub fn new<'a>(
        shops: impl IntoIterator<Item = (&'a str, &'a str)>,
        channels: impl IntoIterator<Item = (&'a str, &'a str)>,
        milestones: impl IntoIterator<Item = &'a str>,
    ) -> Names {
        let pair = |(name, of): (&str, &str)| (name.to_string(), (Word::Named(name.into()), Word::Named(of.into())));
        Names {
            shops: shops.into_iter().map(pair).collect(),
            channels: channels.into_iter().map(pair).collect(),
            milestones: milestones.into_iter().map(|m| (m.to_string(), Word::Named(m.into()))).collect(),
        }
    }

    /// A shop and its platform.
    pub(super) fn shop(&self, id: &str) -> (Word, Word) {
        self.shops.get(id).cloned().unwrap_or((UNKNOWN, UNKNOWN))
    }

    pub(super) fn channel(&self, id: &str) -> Word {
        self.channels.get(id).map_or(UNKNOWN, |(name, _)| name.clone())
    }

    pub(super) fn milestone(&self, id: &str) -> Word {
        self.milestones.get(id).cloned().unwrap_or(UNKNOWN)
    }

    pub(super) fn shops(&self) -> impl Iterator<Item = (Word, Word)> + '_ {
        self.shops.values().cloned()
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = (Word, Word)> + '_ {
        self.channels.values().cloned()
    }

    pub(super) fn milestones(&self) -> impl Iterator<Item = Word> + '_ {
        self.milestones.values().cloned()
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $t:ident { $($(#[$inner:meta])* $name:ident $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $t { $($(#[$inner])* $name),+ }

        impl $t {
            /// All of them.
            pub const ALL: &'static [$t] = &[$($t::$name),+];

            /// The word in measures and logs.
            pub fn as_str(self) -> &'static str {
                match self { $($t::$name => $word),+ }
            }
        }
    };
}

words! {
    /// What became of a request at a shop's hook.
    WebhookOutcome {
        /// Folded into its order.
        Taken "taken";
        /// Had been taken before.
        Duplicate "duplicate";
        /// Of no interest.
        Ignored "ignored";
        /// About an order that was erased: let go.
        Erased "erased";
        /// Signed, and kept for a person because it could not be read.
        Unreadable "unreadable";
        /// The platform's own test notification.
        Check "check";
        /// The shop reported a fault of its own in place of an order.
        ShopFault "shop_fault";
        /// Names no order that is known yet: waits for it.
        Waiting "waiting";
        /// A ping or a handshake.
        Handshake "handshake";
        /// No signature.
        Unsigned "unsigned";
        /// The signature is of none of the shop's secrets.
        BadSignature "bad_signature";
        /// Signed by another shop.
        WrongAccount "wrong_account";
        /// A handshake with the wrong token.
        BadToken "bad_token";
        /// No such shop here.
        UnknownShop "unknown_shop";
        /// Longer than is taken.
        TooLarge "too_large";
        /// Did not come in time.
        TooSlow "too_slow";
        /// Turned away before it was read, because it could not be taken.
        Shed "shed";
        /// Too many signatures from its place did not hold.
        ShutOut "shut_out";
        /// Redis could not take it; it waits in the spool.
        Spooled "spooled";
        /// Redis could not take it.
        Unavailable "unavailable";
    }
}

words! {
    /// What became of a request at a channel's callback.
    CallbackOutcome {
        /// Everything in it was applied.
        Taken "taken";
        /// Had been applied before.
        Duplicate "duplicate";
        /// A handshake.
        Handshake "handshake";
        /// Some of it could not be read.
        Unreadable "unreadable";
        /// No signature.
        Unsigned "unsigned";
        /// The signature is not the channel's.
        BadSignature "bad_signature";
        /// Signed for another account.
        WrongAccount "wrong_account";
        /// A handshake with the wrong token.
        BadToken "bad_token";
        /// No such channel here.
        UnknownChannel "unknown_channel";
        /// Longer than is taken.
        TooLarge "too_large";
        /// Did not come in time.
        TooSlow "too_slow";
        /// Turned away before it was read, because it could not be taken.
        Shed "shed";
        /// Redis could not take it; it waits in the spool.
        Spooled "spooled";
        /// Redis could not take it.
        Unavailable "unavailable";
    }
}

words! {
    /// Where an order stands in the queue.
    QueueState {
        /// Due now.
        Ready "ready";
        /// Due later, or when somebody acts.
        Wait "wait";
        /// A worker has it.
        Leased "leased";
        /// Its channel stands still.
        Parked "parked";
    }
}

words! {
    /// Why a request at the admin door was not let in.
    AuthFailure {
        /// It carried no token.
        Missing "missing";
        /// Its token is none of ours.
        Wrong "wrong";
        /// The same, and its place had shown too many.
        ShutOut "shut_out";
    }
}

words! {
    /// What became of a record of the spool.
    SpoolEnd {
        /// The store has what it told.
        Taken "taken";
        /// What it told was erased meanwhile: let go.
        Erased "erased";
        /// Its bytes were damaged: set aside.
        Damaged "damaged";
        /// It opens with none of the keys: set aside.
        Unsealable "unsealable";
        /// Of a form that this version does not know: set aside.
        Unreadable "unreadable";
        /// Its shop is not in the settings any more: set aside.
        UnknownShop "unknown_shop";
        /// Its channel is not in the settings any more: set aside.
        UnknownChannel "unknown_channel";
        /// The store refused it at every try: set aside.
        Refused "refused";
    }
}

words! {
    /// What came of writing to an order at its shop.
    WriteBackOutcome {
        /// It stands there.
        Written "written";
        /// The shop did not answer: tried again.
        Later "later";
        /// The shop would not: tried again in an hour.
        Refused "refused";
        /// A text for it failed.
        Wordless "wordless";
    }
}

words! {
    /// What polling a shop found of a change.
    ReconcileResult {
        /// A webhook had told it.
        Seen "seen";
        /// None had: it was told by the poll.
        Missed "missed";
    }
}

words! {
    /// How a reload of settings ended.
    ReloadResult {
        /// New settings hold.
        Done "done";
        /// Nothing had changed.
        Unchanged "unchanged";
        /// The new ones have mistakes; the old ones hold.
        Refused "refused";
    }
}

impl From<Refusal> for WebhookOutcome {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Unsigned => WebhookOutcome::Unsigned,
            Refusal::BadSignature => WebhookOutcome::BadSignature,
            Refusal::WrongAccount => WebhookOutcome::WrongAccount,
            Refusal::BadToken => WebhookOutcome::BadToken,
        }
    }
}

impl From<Refusal> for CallbackOutcome {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Unsigned => CallbackOutcome::Unsigned,
            Refusal::BadSignature => CallbackOutcome::BadSignature,
            Refusal::WrongAccount => CallbackOutcome::WrongAccount,
            Refusal::BadToken => CallbackOutcome::BadToken,
        }
    }
}
