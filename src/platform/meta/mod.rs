//! Helpers for reading what shop systems send: text without markup or tricks, and JSON fields that may be
//! absent, null or of an odd type. Everything here is total: any input gives an answer, none a panic.

mod json;
pub(super) mod markup;
mod text;

pub(super) use json::{
    Anything, Count, Flag, Id, Many, Part, Prose, Seen, Take, Text, Texts, When, first, lenient, take,
};
pub(super) use text::{clean, https};
