//! HMAC-SHA256 over raw bytes, checked in constant time: the same for every door.

use super::settings::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Which of `secrets` signed `body`. All are tried, without early exit, so that the time taken tells
/// nothing; an empty secret never verifies.
pub fn signed_by(secrets: &[Secret], body: &[u8], signature: &[u8]) -> Option<usize> {
    let mut found = None;
    for (i, secret) in secrets.iter().enumerate() {
        let genuine = !secret.expose().is_empty() && verify(secret.expose().as_bytes(), body, signature);
        if genuine && found.is_none() {
            found = Some(i);
        }
    }
    found
}

fn verify(key: &[u8], body: &[u8], signature: &[u8]) -> bool {
    // A shortened signature must not pass: `verify_slice` compares the whole tag and refuses other lengths.
    Hmac::<Sha256>::new_from_slice(key).is_ok_and(|mut mac| {
        mac.update(body);
        mac.verify_slice(signature).is_ok()
    })
}

/// The HMAC of `body`: for what we sign ourselves, for mocks and fixtures.
pub fn sign(key: &[u8], body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// Strict standard base64 of exactly 32 bytes. ASCII blanks at the ends are cut first: one vendor's own
/// test vector ends in a newline. Missing padding or stray bits are refused.
pub fn decode_base64(header: &str) -> Option<Vec<u8>> {
    STANDARD.decode(header.trim_matches(|c: char| c.is_ascii_whitespace())).ok().filter(|b| b.len() == 32)
}

/// Lower-case hexadecimal of exactly 32 bytes.
pub fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let lower = !text.chars().any(|c| c.is_ascii_uppercase());
    hex::decode(text).ok().filter(|b| b.len() == 32 && lower)
}
