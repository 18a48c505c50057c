//! **domain** — floor 0: the words everybody uses, and the arithmetic of an order.
//!
//! Knows: order, milestone id, recipient, address, consent, window, owed, decision, verdict, outcome,
//! reason, `RawWebhook`, `Admission`, `Capabilities`, `Clock`.
//! Must not know: HTTP, Redis, any vendor's JSON, settings files, templates.
//! May use: nothing
//! How to add one: a fact that an order lacks is a field in [`order`], a field in [`event::Patch`],
//! its merge in [`absorb`], and then each platform that can tell it.

pub mod absorb;
pub mod channel;
pub mod clock;
pub mod consent;
pub mod decision;
pub mod event;
pub mod history;
pub mod ids;
pub mod keeper;
pub mod ledger;
pub mod milestone;
pub mod money;
pub mod order;
pub mod outgoing;
pub mod owed;
pub mod people;
pub mod person;
pub mod settings;
pub mod shop;
pub mod signature;
pub mod verdict;
pub mod webhook;
