//! Helpers for reading what shop systems send: text without markup or tricks, and JSON fields that may be
//! absent, null or of an odd type. Everything that reads is total: any input gives an answer, none a panic.

mod json;
pub(super) mod markup;
mod text;

use reqwest::Response;

pub(super) use json::{
    Anything, Count, Flag, Id, Many, Part, Prose, Seen, Take, Text, Texts, When, first, items, lenient, take,
};
pub(super) use text::{clean, https};

/// The body of a shop's answer; `None`: it is longer than `most` bytes, and was not read to its end.
///
/// # Errors
/// The connection broke.
pub(super) async fn body_within(mut answer: Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut all = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if all.len() + chunk.len() > most {
            return Ok(None);
        }
        all.extend_from_slice(&chunk);
    }
    Ok(Some(all))
}
