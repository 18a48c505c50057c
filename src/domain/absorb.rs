//! Folding what a webhook told into the order we keep.
//!
//! Every rule here is commutative and repeatable: any permutation and any duplication of the same events
//! ends in the same order. That is promise 2, and the property tests hold it.

use super::clock::Timestamp;
use super::event::{OrderEvent, ParcelPatch, ReturnPatch};
use super::history::History;
use super::order::{Edit, Hold, Note, Order, Parcel, Refund, Return, Stamped, Tracking, Transaction};
use serde::Serialize;

/// Parts of one kind kept at most; beyond it the oldest go, their milestones having been told long ago.
const MAX_PARTS: usize = 64;

impl Order {
    /// Takes in what `event` told. Older news never overwrites newer, whatever arrives first.
    pub fn absorb(&mut self, event: &OrderEvent) {
        let (patch, at) = (&event.patch, event.at);
        if let Some(head) = &patch.head {
            newer(&mut self.head, at, head.as_ref());
        }
        for (state, own) in &patch.payment {
            self.payment.see(*state, own.unwrap_or(at));
        }
        for (stage, own) in &patch.stage {
            self.stage.see(*stage, own.unwrap_or(at));
        }
        self.cancel_reason = larger(self.cancel_reason.take(), patch.cancel_reason.clone());
        if patch.deleted {
            self.deleted_at = self.deleted_at.max(Some(at));
        }
        if let Some(pay) = &patch.pay {
            newer(&mut self.pay, at, pay);
        }
        if let Some(store) = &patch.pickup {
            self.pickup.see(store.clone(), at);
        }
        for parcel in &patch.parcels {
            self.absorb_parcel(parcel, at);
        }
        for part in &patch.returns {
            self.absorb_return(part, at);
        }
        merge(&mut self.transactions, &patch.transactions, |t| &t.id, |t| t.at, merge_transaction);
        merge(&mut self.refunds, &patch.refunds, |r| &r.id, |r| r.at, merge_refund);
        merge(&mut self.holds, &patch.holds, |h| &h.id, |h| h.placed_at.unwrap_or_default(), merge_hold);
        merge(&mut self.edits, &patch.edits, |e| &e.id, |e| e.at, merge_edit);
        merge(&mut self.notes, &patch.notes, |n| &n.id, |n| n.at, merge_note);
        patch.links.iter().for_each(|link| self.absorb_link(link));
    }

    fn absorb_parcel(&mut self, patch: &ParcelPatch, at: Timestamp) {
        let parcel = match self.parcels.iter().position(|p| p.id == patch.id) {
            Some(i) => &mut self.parcels[i],
            None => {
                let i = self.parcels.partition_point(|p| (p.id.len(), &p.id) < (patch.id.len(), &patch.id));
                self.parcels.insert(i, Parcel::new(patch.id.clone()));
                &mut self.parcels[i]
            }
        };
        for (state, own) in &patch.state {
            parcel.state.see(*state, own.unwrap_or(at));
        }
        merge(&mut parcel.tracking, &patch.tracking, |t| &t.number, |t| t.at, merge_tracking);
        if let Some(eta) = patch.eta {
            newer(&mut parcel.eta, at, &eta);
        }
        if let Some(until) = patch.pickup_until {
            newer(&mut parcel.pickup_until, at, &until);
        }
        if let Some(partial) = patch.partial {
            older(&mut parcel.partial, at, &partial);
            parcel.partly |= partial;
        }
        parcel.digital |= patch.digital;
    }

    fn absorb_return(&mut self, patch: &ReturnPatch, at: Timestamp) {
        let part = match self.returns.iter().position(|r| r.id == patch.id) {
            Some(i) => &mut self.returns[i],
            None => {
                let i = self.returns.partition_point(|r| (r.id.len(), &r.id) < (patch.id.len(), &patch.id));
                let new = Return {
                    id: patch.id.clone(),
                    name: None,
                    state: History::default(),
                    decline_note: None,
                    label: None,
                };
                self.returns.insert(i, new);
                &mut self.returns[i]
            }
        };
        for (state, own) in &patch.state {
            part.state.see(*state, own.unwrap_or(at));
        }
        part.name = larger(part.name.take(), patch.name.clone());
        part.decline_note = larger(part.decline_note.take(), patch.decline_note.clone());
        if let Some(label) = &patch.label {
            newer(&mut part.label, at, label);
        }
    }
}

/// The newer fact stays; at equal times the one whose written form is larger, so that arrival does not
/// decide.
fn newer<T: Clone + PartialEq + Serialize>(kept: &mut Option<Stamped<T>>, at: Timestamp, value: &T) {
    replace_if(kept, at, value, |old, new| old < new);
}

/// The older fact stays: what a thing was when it was first told.
fn older<T: Clone + PartialEq + Serialize>(kept: &mut Option<Stamped<T>>, at: Timestamp, value: &T) {
    replace_if(kept, at, value, |old, new| old > new);
}

fn replace_if<T: Clone + PartialEq + Serialize>(
    kept: &mut Option<Stamped<T>>,
    at: Timestamp,
    value: &T,
    better: impl Fn(Timestamp, Timestamp) -> bool,
) {
    let take = match kept {
        None => true,
        Some(old) if old.at != at => better(old.at, at),
        Some(old) => old.value != *value && written(&old.value) < written(value),
    };
    if take {
        *kept = Some(Stamped { at, value: value.clone() });
    }
}

fn written<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn larger<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    a.max(b)
}

/// The smaller of two that may be absent: an absent one does not count.
fn earlier<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Merges parts by id and keeps them in time order.
fn merge<T: Clone>(
    kept: &mut Vec<T>,
    new: &[T],
    id: impl Fn(&T) -> &String,
    at: impl Fn(&T) -> Timestamp,
    join: impl Fn(&mut T, &T),
) {
    for part in new {
        match kept.iter_mut().find(|k| id(k) == id(part)) {
            Some(old) => join(old, part),
            None => kept.push(part.clone()),
        }
    }
    kept.sort_by(|a, b| (at(a), id(a)).cmp(&(at(b), id(b))));
    if kept.len() > MAX_PARTS {
        kept.drain(..kept.len() - MAX_PARTS);
    }
}

fn merge_tracking(old: &mut Tracking, new: &Tracking) {
    old.at = old.at.min(new.at);
    old.carrier = larger(old.carrier.take(), new.carrier.clone());
    old.url = larger(old.url.take(), new.url.clone());
}

fn merge_transaction(old: &mut Transaction, new: &Transaction) {
    let key = |t: &Transaction| (t.at, t.ok, t.kind, t.amount.as_ref().map(|m| (m.amount, m.currency.clone())));
    if key(new) > key(old) {
        *old = new.clone();
    }
}

fn merge_refund(old: &mut Refund, new: &Refund) {
    old.at = old.at.min(new.at);
    let value = |r: &Refund| r.amount.as_ref().map(|m| (m.amount, m.currency.clone()));
    if value(new) > value(old) {
        old.amount = new.amount.clone();
    }
}

fn merge_hold(old: &mut Hold, new: &Hold) {
    old.placed_at = earlier(old.placed_at, new.placed_at);
    old.released_at = earlier(old.released_at, new.released_at);
    old.reason = larger(old.reason.take(), new.reason.clone());
    old.silent |= new.silent;
}

fn merge_edit(old: &mut Edit, new: &Edit) {
    old.at = old.at.min(new.at);
    old.notify |= new.notify;
}

fn merge_note(old: &mut Note, new: &Note) {
    old.at = old.at.min(new.at);
    if new.text > old.text {
        old.text = new.text.clone();
    }
}
