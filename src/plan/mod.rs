//! **plan** — floor 1.
//!
//! Knows: routes → what is owed; owed + facts + now → decision with reason; the policy of consent, window, quiet hours, fallback, supersession.
//! Must not know: any channel by name, I/O, the clock (`now` is an argument).
//! May use: domain
//! How to add one: a rule is a function in the chain of `decide`, with its reason in `domain::decision::Reason`.
//!
//! The room in one page:
//! - `reach`: all that an order has reached, in one place the guard "the order itself is known".
//! - `owe` (at a commit): reached and not told → items, one for each route and slot.
//! - `decide` (before a send): each open item, by the rules of `fate` (does it still stand?), `queue` (whose turn
//!   is it in the slot?), `walk` (which channel of the chain may and can?), `begun` (what may have been told).
//! - `asked` and `otherwise` (for people): every rule with its verdict, and the fewest changes after which an item goes.
//! - `retry`, `recipient`, `quiet`: policies that are plain arithmetic.

mod asked;
mod begun;
mod decide;
mod fate;
mod otherwise;
mod owe;
mod queue;
mod quiet;
mod reach;
mod recipient;
mod retry;
mod route;
mod situation;
mod walk;

pub use asked::{Asked, asked};
pub use decide::decide;
pub use fate::{refresh, roused_by_news};
pub use otherwise::{Change, Otherwise, otherwise};
pub use owe::{Owing, owe};
pub use reach::{Reach, reach};
pub use recipient::{addresses_for, addresses_of, e164, is_of};
pub use retry::{AfterUnsure, MAX_ATTEMPTS, after_unsure, backoff};
pub use route::{Known, Route, RouteSettings, check_tags};
pub use situation::{ChannelView, Situation};
