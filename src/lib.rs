//! orderwire: a relay that tells every customer where the order stands, on the messenger they read.
//!
//! # The idea
//!
//! **Messages are owed by an order's state, and an order is the unit of work.** A webhook only tells us
//! something about an order. It is folded into the order we keep; what the order has now reached and never
//! told is written down as *owed*; the shop is answered. All of that is one atomic commit on one order. Later
//! a worker takes the *order* under a lease, looks at everything it owes *now*, decides with today's facts
//! (consent, window, quota, hour, staleness, what was told meanwhile), sends, and settles in one commit. So
//! duplicates and storms tell nothing twice, nothing older is told after something newer, placed-and-paid
//! become one message, and the ledger of an order is the explanation.
//!
//! # The rooms
//!
//! Each room's `mod.rs` says what it knows, what it must not know, what it may use and how to add one; a test
//! (`tests/it/fences.rs`) reads those lines and holds every import against them. A room uses only lower
//! floors; rooms of floor 1 do not know each other, `flow` introduces them.
//!
//! | floor | rooms |
//! |---|---|
//! | 0 | [`domain`] the words everybody uses · [`seal`] encryption and keyed hashes |
//! | 1 | [`platform`] shop systems · [`milestone`] what can be told · [`plan`] what is owed, and what to do about it now · [`words`] templates in four languages · [`channel`] messengers · [`store`] everything in Redis · [`spool`] what waits on disk while Redis is away · [`config`] settings · [`telemetry`] logs and measures |
//! | 2 | [`flow`] the order of steps |
//! | 3 | [`http`] the doors · [`pages`] what customers see in a browser |
//! | 4 | [`boot`] settings to a running relay |
//! | 5 | [`cli`] the commands · [`mock`] the providers' understudies |
//!
//! # The way data goes
//!
//! ```text
//! webhook  → http::hooks → platform.admit → platform.normalise → OrderEvent
//!          → store.read → order.absorb → milestone.reached → plan.owe → store.commit            → 200
//!            (Redis away: spool.append → 200; flow::drain puts it through the same steps later;
//!             a primary replaced: flow::ring puts what was answered lately through them once more)
//! due      → flow::deliver: store.lease → read → facts → plan.decide → words → channel.shape
//!          → store.begin → channel.send → Verdict → store.settle                                 = told
//!            (Redis away: flow::results keeps it on disk, and writes it before anything else is leased)
//! callback → http::callbacks → channel.admit → channel.hear → Signals → store.apply → wake       → 200
//!            (Redis away: as above)
//!          → chat: a code ties (link → order.absorb), a question is owed an answer (talk)
//! answer   → flow::deliver: store.lease → facts → answer.words → channel.shape → begin → send → settle
//! shop API → flow::join asks for what a webhook only pointed at; flow::reconcile asks what changed and puts what none
//!            told through the steps of a webhook; flow::writeback says at the order what became of its messages
//! ```
//!
//! # Where this map differs from its first drawing, and why
//!
//! - A vendor's wire shape is an **envelope**; a *parcel* is only what a carrier carries.
//! - `milestone.reached` reads the order as kept (histories of signed sightings), not a before and an after:
//!   absorbing is commutative, so any permutation of webhooks ends in the same order and owes the same.
//! - A webhook that names no order waits in a unit of its own (`flow::join`), committed and leased like an
//!   order, until the order is known or the shop's API was asked.

pub mod boot;
pub mod channel;
pub mod cli;
pub mod config;
pub mod domain;
pub mod flow;
pub mod http;
pub mod milestone;
pub mod mock;
pub mod pages;
pub mod plan;
pub mod platform;
pub mod seal;
pub mod spool;
pub mod store;
pub mod telemetry;
pub mod words;
