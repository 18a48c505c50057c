//! What a channel account must not lose, such as tokens that can be used once.

use futures_util::future::BoxFuture;

/// Keeps a few bytes by name: sealed, durable, the same for all processes. Whoever changes them says what they were.
pub trait Keeper: Send + Sync {
    /// What is kept under `name`; `None`: nothing yet.
    ///
    /// # Errors
    /// It cannot be asked, or what it keeps cannot be opened; in words for people.
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>>;

    /// Puts `new` in the place of `old` (`None`: nothing was there); durable when this gives `true`. `false`: something
    /// else lies there, and nothing was changed.
    ///
    /// # Errors
    /// It cannot be asked; it may be done all the same: load again.
    fn swap<'a>(&'a self, name: &'a str, old: Option<&'a [u8]>, new: &'a [u8]) -> BoxFuture<'a, Result<bool, String>>;
}
