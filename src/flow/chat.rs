//! chat: what a person does in a chat, as far as the relay itself has an answer to it.
//!
//! Dies anywhere: the provider repeats its callback, and each step is safe to do again.

use super::App;
use super::account::Account;
use super::answer::Tap;
use super::kept::AcceptError;
use super::link::{self, Claim};
use super::number::{self, Heard};
use super::talk::{self, Ask};
use crate::domain::channel::{ConsentRule, WindowRule};
use crate::domain::clock::Timestamp;
use crate::domain::person::{Address, Signal};

/// What somebody means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// They show a code that ties them to an order.
    Code(String),
    /// They tapped a button of ours.
    Tap(Tap),
    /// They switch order updates off (`true`) or on, in words.
    Switch(bool),
    /// They ask where their orders are, in words.
    Status,
    /// They name an order, or type the code they were sent for it.
    Number(String),
}

impl Means {
    /// What an event means; `None`: nothing that the relay itself answers.
    pub fn of(signal: &Signal) -> Option<Means> {
        let (payload, text) = (signal.payload.as_deref(), signal.text.as_deref());
        if let Some(code) = [payload, text].into_iter().flatten().find_map(link::code_in) {
            return Some(Means::Code(code));
        }
        // Viber's keys come back as words.
        if let Some(tap) = [payload, text].into_iter().flatten().find_map(Tap::of) {
            return Some(Means::Tap(tap));
        }
        let text = text?;
        let switch = crate::words::switch_word(text).map(Means::Switch);
        let words = switch.or_else(|| crate::words::asks_for_orders(text).then_some(Means::Status));
        words.or_else(|| number::named(text).map(Means::Number))
    }

    /// Whether the relay answers it here: numbers only where orders are known by them.
    pub fn counts(&self, app: &App, account: &Account) -> bool {
        !matches!(self, Means::Number(_)) || (converses(account) && number::wanted(&app.live(), &account.id))
    }

    /// Whether it switches order updates off (`Some(true)`) or on.
    pub fn switches(&self) -> Option<bool> {
        match self {
            Means::Switch(off) => Some(*off),
            Means::Tap(Tap::Off) => Some(true),
            Means::Tap(Tap::Keep | Tap::On) => Some(false),
            _ => None,
        }
    }
}

/// Does what they mean beyond the switch itself, which the caller has applied, and owes them the answer. `held`: a person
/// answers there, so that a number is theirs to read, unless it is the code it led to. `false`: it is for people.
///
/// # Errors
/// Redis could not take it.
pub(super) async fn answer(
    app: &App,
    account: &Account,
    person: &Address,
    (means, dedupe, at): (&Means, &str, Timestamp),
    held: bool,
) -> Result<bool, AcceptError> {
    let who = (&account.id, person);
    let of_claim = |claim: Claim| match claim {
        Claim::Tied(to) => Ask::Linked(to.shop, to.order),
        Claim::Noted(_) => Ask::Noted,
        Claim::Used => Ask::Used,
        Claim::Unknown => Ask::Over,
    };
    let ask = match means {
        Means::Number(typed) => match number::heard(app, who, typed, at).await? {
            Heard::Code(claim) => of_claim(claim),
            Heard::Number if !held => Ask::Number(typed.clone()),
            Heard::Number | Heard::TooOften => return Ok(false),
        },
        Means::Code(code) => match link::claim(app, who, code, at).await? {
            Claim::Unknown | Claim::Used if number::too_often(app, who).await? => return Ok(true),
            claim => of_claim(claim),
        },
        Means::Tap(Tap::NotMine(name)) => {
            let ties = app.store.ties(&account.id, person).await?;
            let Some(tie) = ties.into_iter().find(|t| app.store.tie_name(&t.shop, &t.order) == *name) else {
                return Ok(true);
            };
            link::let_go(app, who, (&tie.shop, &tie.order), at).await?;
            Ask::LetGo(tie.shop, tie.order)
        }
        Means::Tap(Tap::AskOff) => Ask::AskOff,
        Means::Tap(Tap::Keep) => Ask::Kept,
        Means::Tap(Tap::Off) | Means::Switch(true) => Ask::Off,
        Means::Tap(Tap::On) | Means::Switch(false) => Ask::On,
        Means::Tap(Tap::Settings) => Ask::Settings,
        Means::Tap(Tap::Talk) => Ask::Talk,
        Means::Tap(Tap::Status) | Means::Status => Ask::Status,
    };
    if converses(account) {
        talk::owe(app, who, (dedupe, at), ask).await?;
    }
    Ok(true)
}

/// On this channel people write and are answered: a messenger. A text message costs, and its carriers and providers
/// answer STOP and START themselves.
pub(super) fn converses(account: &Account) -> bool {
    let window = matches!(account.caps.window, WindowRule::Seconds(secs) if secs > 0);
    window || account.caps.consent == ConsentRule::Connected
}
