//! Reading answers. Whatever is not as expected is our own mistake, never a panic.

use super::error::StoreError;
use redis::Value;

fn odd(what: &str) -> StoreError {
    StoreError::bug(format!("an answer that is no {what}"))
}

pub(super) fn bytes(v: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match v {
        Value::Nil => Ok(None),
        Value::BulkString(b) => Ok(Some(b)),
        Value::SimpleString(s) => Ok(Some(s.into_bytes())),
        Value::Okay => Ok(Some(b"OK".to_vec())),
        Value::Int(i) => Ok(Some(i.to_string().into_bytes())),
        _ => Err(odd("string")),
    }
}

pub(super) fn text(v: Value) -> Result<String, StoreError> {
    let bytes = bytes(v)?.ok_or_else(|| odd("text"))?;
    String::from_utf8(bytes).map_err(|_| odd("text"))
}

pub(super) fn int(v: Value) -> Result<i64, StoreError> {
    match v {
        Value::Int(i) => Ok(i),
        other => text(other)?.parse().map_err(|_| odd("number")),
    }
}

pub(super) fn list(v: Value) -> Result<Vec<Value>, StoreError> {
    match v {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        _ => Err(odd("list")),
    }
}

/// A hash's fields, or a sorted set's members with their scores.
pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn pairs(v: Value) -> Result<Pairs, StoreError> {
    if let Value::Map(pairs) = v {
        return pairs.into_iter().map(|(k, v)| Ok((need(k)?, need(v)?))).collect();
    }
    let mut items = list(v)?.into_iter();
    let mut out = Vec::with_capacity(items.len() / 2);
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        out.push((need(name)?, need(value)?));
    }
    Ok(out)
}

fn need(v: Value) -> Result<Vec<u8>, StoreError> {
    bytes(v)?.ok_or_else(|| odd("pair"))
}

/// The script's word and what follows it.
pub(super) fn word(v: Value) -> Result<(String, Vec<Value>), StoreError> {
    match v {
        Value::Array(items) => {
            let mut items = items.into_iter();
            let word = text(items.next().ok_or_else(|| odd("word"))?)?;
            Ok((word, items.collect()))
        }
        other => Ok((text(other)?, Vec::new())),
    }
}

pub(super) fn unexpected(script: &str, word: &str) -> StoreError {
    StoreError::bug(format!("{script} answered {word:?}"))
}
