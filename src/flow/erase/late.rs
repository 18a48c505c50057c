//! What was erased, for whatever comes late: a request that lay on disk must not bring anybody back. What was
//! received up to the moment of asking is let go, what came later begins anew.

use super::marks::{Names, of_address};
use super::{Duty, Kind, ask};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{Digest8, ShopId};
use crate::domain::order::Contact;
use crate::domain::person::{PersonChange, Signal};
use crate::domain::webhook::RawWebhook;
use crate::flow::App;
use crate::flow::kept::{AcceptError, read_order};
use crate::flow::noted::says_no;
use crate::store::keys::Unit;
use std::collections::BTreeSet;

/// All that was erased or is about to be.
#[derive(Default)]
pub struct Erased {
    version: Option<u64>,
    known: Vec<Known>,
}

struct Known {
    kind: Kind,
    shop: ShopId,
    asked: Timestamp,
    marks: BTreeSet<Digest8>,
}

impl Erased {
    /// Looks whether more was erased, and reads it then.
    ///
    /// # Errors
    /// Redis away.
    pub async fn look(&mut self, app: &App) -> Result<(), AcceptError> {
        let version = app.store.duties_version().await?;
        if self.version != Some(version) {
            let (kept, closed) = app.store.all_duties().await?;
            if closed > 0 {
                tracing::error!(
                    closed,
                    "what was erased under a key that is gone is not known again when it comes late"
                );
            }
            let erases = |d: &Duty| matches!(d.kind, Kind::Orders | Kind::Customer | Kind::Shop);
            let known = |d: Duty| Known { kind: d.kind, shop: d.shop, asked: d.asked, marks: d.marks };
            self.known = kept.iter().filter_map(Duty::read).filter(erases).map(known).collect();
            self.version = Some(version);
        }
        Ok(())
    }

    /// What is known is of this version.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// When something that a webhook names was asked to be erased, if that was not before it was received; and what
    /// it names.
    pub fn of_webhook(
        &self,
        app: &App,
        (platform, shop): (&str, &ShopId),
        raw: &RawWebhook,
    ) -> Option<(Timestamp, Names)> {
        let later = || self.known.iter().filter(|k| k.shop == *shop && k.asked >= raw.received_at);
        // Reading it once more is worth it only where anything was erased since.
        later().next()?;
        let names = Names::of_webhook(app, (platform, shop), raw);
        let meant = |k: &&Known| k.kind == Kind::Shop || !k.marks.is_disjoint(&names.marks);
        let asked = later().filter(|_| !names.asks).filter(meant).map(|k| k.asked).max()?;
        Some((asked, names))
    }

    /// Whether somebody named in a callback received at `came` was asked to be erased later.
    pub fn of_callback(&self, came: Timestamp, marks: &BTreeSet<Digest8>) -> bool {
        let later = self.known.iter().filter(|k| k.kind != Kind::Orders && k.asked >= came);
        later.into_iter().any(|k| !k.marks.is_disjoint(marks))
    }

    /// What may still be heard of a callback received at `came`: of whoever was erased since, only that they do
    /// not want to be written to, or want to be erased.
    pub fn heard(&self, app: &App, came: Timestamp, signals: Vec<Signal>) -> Vec<Signal> {
        let hear = |signal: Signal| {
            let mark = signal.person.as_ref().map(|person| of_address(app, person));
            if signal.erase || !mark.is_some_and(|mark| self.of_callback(came, &BTreeSet::from([mark]))) {
                return Some(signal);
            }
            let change = PersonChange { opted_out: Some(true), ..PersonChange::default() };
            says_no(&signal).then_some(Signal {
                change,
                wakes: false,
                receipt: None,
                text: None,
                attachments: Vec::new(),
                payload: None,
                ..signal
            })
        };
        signals.into_iter().filter_map(hear).collect()
    }

    /// Orders that a webhook of before `asked` told of after the walk over all orders had passed their place.
    ///
    /// # Errors
    /// Redis away.
    pub async fn once_more(app: &App, shop: &ShopId, names: Names, asked: Timestamp) -> Result<(), AcceptError> {
        let mut left = Vec::new();
        for id in names.orders {
            let record = app.store.read(&app.store.member(&Unit::order(shop, id.as_str()))).await?;
            let order = record.snapshot.as_deref().and_then(|s| read_order(s).ok());
            left.extend(order.filter(|o| record.erased.is_none() && o.first_seen <= asked).map(|_| id));
        }
        if left.is_empty() {
            return Ok(());
        }
        let why = "told of by a webhook that lay on disk when it was erased";
        ask(app, Duty::new(Kind::Orders, shop, "relay", why, asked).about(Contact::default(), left)).await.map(|_| ())
    }
}
