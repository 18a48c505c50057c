//! Signatures of pushes, and the envelope in which encrypted ones come.
//!
//! A signature is the SHA-1 of the callback token and what it covers, sorted: time and nonce alone in plain mode (not
//! the body), the envelope too in encrypted mode. An envelope is AES-256-CBC of 16 random bytes, a length, the push and
//! the account's `appid`, padded to 32.

use crate::domain::settings::Secret;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Characters of an `EncodingAESKey`.
const KEY_CHARS: usize = 43;
/// Bytes of a block, and of the initial vector.
const BLOCK: usize = 16;
/// Padding goes to this.
const PADDED: u8 = 32;

/// What pushes are sealed with.
pub(super) struct Seal {
    token: Secret,
    key: Option<Zeroizing<[u8; 32]>>,
    app_id: String,
}

/// What an envelope turned out to be.
#[derive(Debug, PartialEq)]
pub(super) enum Opened {
    /// A push for us.
    Push(Vec<u8>),
    /// A push for another account.
    NotOurs,
    /// Not sealed with our key.
    Broken,
}

impl Seal {
    /// `key`: as the console shows it; `None`: plain mode.
    pub(super) fn new(token: Secret, key: Option<Zeroizing<[u8; 32]>>, app_id: String) -> Seal {
        Seal { token, key, app_id }
    }

    /// Pushes must come encrypted.
    pub(super) fn encrypted(&self) -> bool {
        self.key.is_some()
    }

    /// Whether `signature` is that of these parts, in constant time.
    pub(super) fn signed(&self, parts: &[&str], signature: &str) -> bool {
        let mut all = vec![self.token.expose()];
        all.extend(parts);
        all.sort_unstable();
        let ours = hex::encode(Sha1::digest(all.concat()));
        ours.as_bytes().ct_eq(signature.as_bytes()).into()
    }

    /// Opens an envelope, in base64.
    pub(super) fn open(&self, envelope: &str) -> Opened {
        self.key.as_ref().and_then(|key| plain(key, envelope)).map_or(Opened::Broken, |plain| self.inner(&plain))
    }

    fn inner(&self, plain: &[u8]) -> Opened {
        let length = plain.get(BLOCK..BLOCK + 4).and_then(|l| <[u8; 4]>::try_from(l).ok()).map(u32::from_be_bytes);
        let rest = plain.get(BLOCK + 4..).unwrap_or_default();
        let Some((push, whose)) = length.and_then(|l| rest.split_at_checked(usize::try_from(l).ok()?)) else {
            return Opened::Broken;
        };
        if whose == self.app_id.as_bytes() { Opened::Push(push.to_vec()) } else { Opened::NotOurs }
    }
}

/// An `EncodingAESKey`: 43 characters of base64, the last of which has two bits that mean nothing.
pub(super) fn key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    let lenient = GeneralPurpose::new(&alphabet::STANDARD, config);
    let bytes = Zeroizing::new(lenient.decode(text).ok().filter(|_| text.len() == KEY_CHARS)?);
    <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

/// The padded text, without its padding. The signature was looked at before, so what is wrong here is told by nobody's
/// guess.
fn plain(key: &[u8; 32], envelope: &str) -> Option<Vec<u8>> {
    let mut bytes = STANDARD.decode(envelope.trim()).ok()?;
    let iv = <[u8; BLOCK]>::try_from(key.get(..BLOCK)?).ok()?;
    let mut mode = cbc::Decryptor::<aes::Aes256>::new(key.into(), &iv.into());
    for chunk in bytes.chunks_mut(BLOCK) {
        let mut block = <[u8; BLOCK]>::try_from(&*chunk).ok()?.into();
        mode.decrypt_block(&mut block);
        chunk.copy_from_slice(&block);
    }
    let pad = *bytes.last()?;
    let end = bytes.len().checked_sub(pad.into()).filter(|_| (1..=PADDED).contains(&pad))?;
    bytes.get(end..)?.iter().all(|b| *b == pad).then(|| bytes.truncate(end))?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sealed by OpenSSL: `push` for `wx0123456789abcdef`.
    const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    const SEALED: &str = "Q3stYC6hdFzMh9T8HCvyDC+2dGpWjnXosnq2LXK5npoA5Vtu6dZ8aG086AiKGazy/s/XVZiiGH7RcD4sUzH97Q==";

    fn seal(app_id: &str) -> Seal {
        Seal::new(Secret::new("token"), key(KEY), app_id.into())
    }

    #[test]
    fn an_envelope_opens_for_whom_it_is() {
        assert_eq!(seal("wx0123456789abcdef").open(SEALED), Opened::Push("<xml>南</xml>".into()));
        assert_eq!(seal("wx0123456789abcdee").open(SEALED), Opened::NotOurs);
        assert_eq!(Seal::new(Secret::new("token"), None, String::new()).open(SEALED), Opened::Broken);
    }

    #[test]
    fn whatever_is_wrong_with_an_envelope_is_borne() {
        let seal = seal("wx0123456789abcdef");
        let half = SEALED.get(4..).expect("base64 is ASCII");
        for bad in ["", "AAAA", "not base64", half, &STANDARD.encode([0; 16]), &STANDARD.encode([7; 64])] {
            assert_eq!(seal.open(bad), Opened::Broken, "{bad}");
        }
    }

    #[test]
    fn a_key_is_43_characters_whatever_its_last_bits() {
        assert!(key(KEY).is_some());
        for bad in ["", "abc", &format!("{KEY}="), &format!("{KEY}A"), &KEY.replace('a', "-")] {
            assert!(key(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn parts_are_sorted_before_they_are_signed() {
        let seal = Seal::new(Secret::new("c"), None, String::new());
        let abc = "a9993e364706816aba3e25717850c26c9cd0d89d";
        assert!(seal.signed(&["b", "a"], abc) && seal.signed(&["a", "b"], abc));
        assert!(
            !seal.signed(&["a"], abc)
                && !seal.signed(&["a", "b"], "")
                && !seal.signed(&["a", "b"], &abc.to_uppercase())
        );
    }
}
