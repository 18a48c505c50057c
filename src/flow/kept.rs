//! kept: an order as it lies in Redis, and why a request cannot be put there.

use super::pressure::Shed;
use crate::domain::order::{ORDER_VERSION, Order};
use crate::store::error::{ErrorKind, StoreError};

/// Why a webhook could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Redis could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It took too long.
    #[error("it was not stored within the time a sender waits")]
    TooLate,
    /// It was not asked.
    #[error("it was not asked: {0}")]
    Shed(#[from] Shed),
    /// Our own code failed over it.
    #[error("the relay's own code failed over it")]
    Panicked,
    /// The order was changed by others at every try.
    #[error("the order changed under every try")]
    Contended,
    /// The order was written by a newer version of orderwire.
    #[error("the order is kept in a form of a newer version ({0})")]
    NewerForm(u16),
    /// What is kept cannot be read.
    #[error("the kept order cannot be read: {0}")]
    Unreadable(String),
}

impl AcceptError {
    /// It may be taken at another time: not what a newer version must look at.
    pub fn may_wait(&self) -> bool {
        match self {
            AcceptError::Store(error) => error.kind != ErrorKind::Bug,
            AcceptError::TooLate | AcceptError::Shed(_) | AcceptError::Contended | AcceptError::Panicked => true,
            AcceptError::NewerForm(_) | AcceptError::Unreadable(_) => false,
        }
    }
}

/// What waits for its order begins with this letter, an order with a brace.
pub const WAITS: u8 = b'J';

/// What is to be answered in a chat begins with this one.
pub const TALKS: u8 = b'T';

/// What is to be written to an order at its shop begins with this one.
pub const NOTES: u8 = b'N';

/// Whether a kept snapshot is of a unit of notes.
pub fn is_note(snapshot: &[u8]) -> bool {
    snapshot.first() == Some(&NOTES)
}

/// What customers and the shop's people say to each other begins with this one.
pub const CONVERSES: u8 = b'C';

/// Whether a kept snapshot is of a conversation.
pub fn is_conversation(snapshot: &[u8]) -> bool {
    snapshot.first() == Some(&CONVERSES)
}

/// Whether a kept snapshot is of a unit of answers.
pub fn is_talk(snapshot: &[u8]) -> bool {
    snapshot.first() == Some(&TALKS)
}

/// Whether a kept snapshot is of a unit that waits for its order.
pub fn is_waiting(snapshot: &[u8]) -> bool {
    snapshot.first() == Some(&WAITS)
}

/// The kept form of an order → the order. A newer form is an error: it must be left alone.
///
/// # Errors
/// A newer version, or bytes that are not an order.
pub fn read_order(bytes: &[u8]) -> Result<Order, AcceptError> {
    let order: Order = serde_json::from_slice(bytes).map_err(|e| AcceptError::Unreadable(e.to_string()))?;
    if order.version > ORDER_VERSION { Err(AcceptError::NewerForm(order.version)) } else { Ok(order) }
}

/// The order → its kept form.
///
/// # Errors
/// Never for an order that this binary made.
pub fn write_order(order: &Order) -> Result<Vec<u8>, AcceptError> {
    serde_json::to_vec(order).map_err(|e| AcceptError::Unreadable(e.to_string()))
}
