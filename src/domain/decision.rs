//! What is to be done about an owed item now, and the closed list of reasons.

use super::channel::Form;
use super::clock::Timestamp;
use super::ids::ChannelId;
use super::owed::State;
use super::person::Address;
use serde::Serialize;

/// What to do about an item, decided with today's facts.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Send it.
    Go(Go),
    /// Not before `until`; `watch` are the people whose next word may release it earlier.
    Wait {
        /// Look again at.
        until: Timestamp,
        /// Why it waits.
        reason: Reason,
        /// (channel, person) whose inbound message, opt-in or binding should wake the order.
        watch: Vec<(ChannelId, Address)>,
    },
    /// Only this channel can carry it and the channel stands still: wait until it moves.
    Park {
        /// The channel.
        channel: ChannelId,
        /// Why it stands.
        reason: Reason,
        /// Not later than.
        until: Timestamp,
    },
    /// It ends here.
    End {
        /// As what.
        state: State,
        /// Why.
        reason: Reason,
        /// The item that was told instead, if that is why.
        by: Option<u16>,
    },
}

/// A send that may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Go {
    /// On which channel.
    pub channel: ChannelId,
    /// Its place in the chain of the route.
    pub place: u8,
    /// To whom; `None` for staff channels, whose destination stands in their settings.
    pub address: Option<Address>,
    /// In which form.
    pub form: Form,
    /// Items of the same slot told in the same message, this one leading.
    pub joined: Vec<u16>,
    /// Channels of the chain passed over before this one, each with its reason: for `explain`.
    pub passed: Vec<(ChannelId, Reason)>,
}

macro_rules! reasons {
    ($($code:literal $name:ident $word:literal $may:literal $sentence:literal $remedy:literal;)+) => {
        /// Why something waits, is skipped, expired or died. Closed: a new one needs a sentence, a remedy
        /// and a test that reaches it. The numbers are stored; they are never given to another meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum Reason { $(#[doc = $sentence] $name = $code),+ }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),+];

            /// The stored number's reason.
            pub fn from_code(code: u8) -> Option<Reason> {
                match code { $($code => Some(Reason::$name),)+ _ => None }
            }

            /// The word used in metrics, filters and JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $word),+ }
            }

            /// The reason for this word.
            pub fn from_word(word: &str) -> Option<Reason> {
                match word { $($word => Some(Reason::$name),)+ _ => None }
            }

            /// What it may cause: `w`ait, `s`kip, `e`xpire, `d`eath, in this order.
            pub fn may_cause(self) -> &'static str {
                match self { $(Reason::$name => $may),+ }
            }

            /// For a person, one sentence.
            pub fn sentence(self) -> &'static str {
                match self { $(Reason::$name => $sentence),+ }
            }

            /// What would change it.
            pub fn remedy(self) -> &'static str {
                match self { $(Reason::$name => $remedy),+ }
            }
        }
    };
}

reasons! {
    1 ConsentMissing "consent_missing" "ws" "The customer has not agreed to be told on this channel." "The customer opts in, or another channel is added to the route.";
    2 OptedOut "opted_out" "s" "The customer switched order updates off." "The customer switches them on again.";
    3 OrderMuted "order_muted" "s" "This order is muted on this channel." "Unmute the order.";
    4 NoAddress "no_address" "ws" "The order carries no address for any channel of the route." "The shop asks for e-mail or phone at checkout, or the customer links a messenger.";
    5 AddressUnlinked "address_unlinked" "ws" "No messenger is linked to this order." "The customer opens the link on the order page.";
    6 WindowClosed "window_closed" "ws" "The messenger allows free words only for a time after the customer wrote, and that time is over." "The customer writes again, or an approved template is named in the words of this milestone.";
    7 TemplateMissing "template_missing" "sd" "The channel needs an approved template here and none is configured." "Name one under the channel's section in config/templates/<locale>/<milestone>.toml.";
    8 QuietHours "quiet_hours" "we" "It is night where the customer is." "It goes by itself in the morning; list the milestone under [shop.quiet] pass to send it at night.";
    9 QuotaSpent "quota_spent" "wse" "The account's monthly quota of the channel is used up." "Raise the plan with the provider, or add another channel to the route.";
    10 RateLimited "rate_limited" "we" "The channel's pace is at its limit." "It goes by itself at the next free slot.";
    11 ChannelPaused "channel_paused" "we" "The channel is paused." "orderwire queue resume CHANNEL, once the cause is gone.";
    12 BreakerOpen "breaker_open" "we" "The provider failed several times in a row; the channel rests." "It is tried again by itself; see the provider's status.";
    13 RecipientBlocked "recipient_blocked" "s" "The customer blocked the account or left." "The customer follows or writes again.";
    14 RecipientInvalid "recipient_invalid" "s" "The provider does not know this address." "Correct the address in the shop.";
    15 RecipientCapped "recipient_capped" "we" "This customer has had as many messages as are allowed for now." "It goes by itself later.";
    16 Superseded "superseded" "s" "Something newer about the order was told instead." "Nothing: the newer message says more.";
    17 Stale "stale" "e" "It came too late to be worth telling." "orderwire replay --execute sends it only when forced.";
    18 ConditionFalse "condition_false" "s" "The route's condition is not true for this order." "Change `when` of the route.";
    19 NoRoute "no_route" "s" "No route wants this milestone told." "Add a route, or put back the one that was removed.";
    20 AlreadyTold "already_told" "s" "It was told before." "Nothing; --force tells it a second time.";
    21 TestOrder "test_order" "s" "A test order reaches only the shop's test_recipients." "Add the address to test_recipients.";
    22 ImportGuard "import_guard" "s" "The order was already old when orderwire first heard of it." "Nothing; what happens from now on is told.";
    23 Held "held" "w" "A person holds it back." "Release it.";
    24 Refused "refused" "d" "The provider refused the message as it is." "Correct the words or the template, then replay.";
    25 Poison "poison" "d" "Working on this order failed again and again." "Report it with the order's ledger; replay after the fix.";
    26 AttemptsSpent "attempts_spent" "d" "The provider failed at every attempt." "orderwire replay, once the provider works again.";
    27 Redacted "redacted" "s" "The customer's data was erased." "Nothing: it must stay so.";
    28 Undelivered "undelivered" "s" "The provider said later that it did not arrive." "The rest of the route's chain is tried by itself.";
    29 Settling "settling" "w" "Waiting a moment for what belongs to it." "Nothing: it goes by itself.";
    30 NotDue "not_due" "w" "Its time has not come." "Nothing: it goes by itself.";
    31 MovedOn "moved_on" "s" "The order has moved on, and it is no longer true." "Nothing.";
    32 EarlierFirst "earlier_first" "w" "Something older of the same order goes first." "Nothing: it goes by itself.";
    33 OrderDeleted "order_deleted" "s" "The shop deleted the order." "Restore the order in the shop.";
    34 OrderUnknown "order_unknown" "we" "The order itself has not been told yet, only something about it." "Subscribe the shop's order webhooks.";
    35 MaybeTold "maybe_told" "sd" "It may have arrived; it was not sent again." "Ask the customer, or replay with --force.";
    36 Retrying "retrying" "we" "The provider did not take it; it is tried again." "Nothing: it goes by itself.";
    37 Unjoinable "unjoinable" "sd" "The webhook names no order and none is known for it." "Set [shop.api], or subscribe the topics that carry the order's id.";
    38 TooLong "too_long" "d" "The words are longer than the channel takes." "Shorten the words for this channel.";
    39 Discarded "discarded" "s" "A person discarded it." "Nothing.";
    40 SettingsChanged "settings_changed" "s" "The channel or milestone it was for no longer exists in the settings." "Put it back, then replay.";
    41 ShopLeft "shop_left" "s" "The shop removed the app: its orders are told to nobody any more." "Install the app again; what happens from then on is told.";
    50 OperatorBlocked "operator_blocked" "s" "The shop's people block this address." "orderwire unblock ADDRESS --reason TEXT.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_can_be_stored_and_read_by_word() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(*reason as u8), Some(*reason));
            assert_eq!(Reason::from_word(reason.as_str()), Some(*reason));
            assert!(reason.sentence().ends_with('.') && reason.remedy().ends_with('.'), "{}", reason.as_str());
        }
    }
}
