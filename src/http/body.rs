//! Reading a body that nobody vouches for yet: bounded in bytes, in time, and over all requests together.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes held by unauthenticated bodies, over the whole process.
const HELD: usize = 128 * 1024 * 1024;
/// The budget is counted in pieces of this size.
const PIECE: usize = 4096;
/// A sender must bring a kibibyte a second, after the first second.
const SLOWEST: f64 = 1024.0;

/// The bytes that may be held by all bodies under way.
pub struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(HELD / PIECE)))
    }
}

/// A body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// More bytes than this door takes: 413.
    TooLarge,
    /// Too slow, or never finished: 408.
    TooSlow,
    /// Compressed: 415. Nobody legitimate compresses, and the signature is over the bytes as sent.
    Encoded,
    /// The process holds as many bytes as it may: 503.
    Busy,
    /// The connection broke.
    Broken,
}

/// A body, with its share of the budget.
pub struct Body {
    /// The bytes as sent.
    pub bytes: Bytes,
    _held: OwnedSemaphorePermit,
}

/// Reads a body of at most `limit` bytes within `within`.
///
/// # Errors
/// The fault, by which the door answers.
pub async fn read(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
    within: Duration,
    budget: &Budget,
) -> Result<Body, Fault> {
    let encoding = request.headers().get(header::CONTENT_ENCODING).map(header::HeaderValue::as_bytes);
    if encoding.is_some_and(|e| !e.eq_ignore_ascii_case(b"identity")) {
        return Err(Fault::Encoded);
    }
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|d| d > limit) {
        return Err(Fault::TooLarge);
    }
    let pieces = u32::try_from(declared.unwrap_or(limit).div_ceil(PIECE).max(1)).map_err(|_| Fault::TooLarge)?;
    let held = Arc::clone(&budget.0).try_acquire_many_owned(pieces).map_err(|_| Fault::Busy)?;
    let bytes = tokio::time::timeout(within, gather(payload, limit, declared)).await.map_err(|_| Fault::TooSlow)??;
    Ok(Body { bytes, _held: held })
}

async fn gather(mut payload: Payload, limit: usize, declared: Option<usize>) -> Result<Bytes, Fault> {
    let started = Instant::now();
    // All of it at once, as it was reserved: pages that nothing is written to cost no memory, and a buffer that grows
    // by doubling holds more than its share of the budget.
    let mut bytes = BytesMut::with_capacity(declared.unwrap_or(limit).min(limit));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Fault::Broken)?;
        if bytes.len() + chunk.len() > limit {
            return Err(Fault::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
        let late = started.elapsed().as_secs_f64() - 1.0;
        if late > 0.0 && (bytes.len() as f64) < late * SLOWEST {
            return Err(Fault::TooSlow);
        }
    }
    Ok(bytes.freeze())
}
