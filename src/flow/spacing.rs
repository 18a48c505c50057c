//! spacing: two messages to one person on one account keep the channel's distance
//! ([`crate::domain::channel::Pace::person_gap_secs`]), over all orders and all pods. Who comes too early waits for the
//! next turn, with no lease and no attempt spent.
//!
//! A turn is taken before `begin`. Dies between the two: the person hears nothing for one gap, and whoever takes the
//! same item up next has that turn still.

use super::App;
use super::account::Account;
use super::inhand::InHand;
use crate::domain::clock::Timestamp;
use crate::domain::decision::Decision;
use crate::domain::person::Address;
use crate::store::channels::Turn;
use std::collections::BTreeMap;
use std::time::Duration;

/// Items that must wait for their turn, and until when.
pub(super) type Held = BTreeMap<u16, Timestamp>;

fn gap(account: &Account) -> Option<Duration> {
    Duration::try_from_secs_f64(account.caps.pace.person_gap_secs).ok().filter(|gap| !gap.is_zero())
}

/// Takes turns for all that may go, in one flight; gives for each order what must wait.
pub(super) async fn turns(app: &App, orders: &[InHand], decided: &[Vec<(u16, Decision)>], now: Timestamp) -> Vec<Held> {
    let mut held = vec![Held::new(); orders.len()];
    let (mut places, mut asked) = (Vec::new(), Vec::new());
    for (o, (order, decisions)) in orders.iter().zip(decided).enumerate() {
        for (no, decision) in decisions {
            let Decision::Go(go) = decision else { continue };
            let account = order.live.channels.get(&go.channel);
            if let (Some(gap), Some(person)) = (account.and_then(|a| gap(a)), &go.address) {
                places.push((o, *no));
                asked.push(Turn {
                    channel: &go.channel,
                    person,
                    member: &order.leased.member,
                    item: *no,
                    gap,
                    at_once: false,
                });
            }
        }
    }
    for ((o, no), until) in places.into_iter().zip(ask(app, &asked, now).await) {
        held[o].extend(until.map(|until| (no, until)));
    }
    held
}

/// An answer goes at once (people wait for it, and every vendor allows a short burst); what follows keeps its distance
/// to it.
pub(super) async fn answered(
    app: &App,
    account: &Account,
    hand: &InHand,
    (person, item): (&Address, u16),
    now: Timestamp,
) {
    if let Some(gap) = gap(account) {
        let (channel, member) = (&account.id, &hand.leased.member);
        ask(app, &[Turn { channel, person, member, item, gap, at_once: true }], now).await;
    }
}

/// A distance is kept for the provider's sake: where it cannot be asked for, the message goes, and the provider's own
/// answer is heeded.
async fn ask(app: &App, turns: &[Turn<'_>], now: Timestamp) -> Vec<Option<Timestamp>> {
    if turns.is_empty() {
        return Vec::new();
    }
    app.store.turns(turns, now).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the distance between two messages to a person could not be asked");
        vec![None; turns.len()]
    })
}
