//! **seal** — floor 0: encryption at rest and keyed hashes.
//!
//! Knows: keys, AEAD, keyed hashes, page and link tokens.
//! Must not know: what it seals.
//! May use: nothing
//! How to add one: a new purpose is a new label in [`Seal`]; a label is never used for two things.
//!
//! Rotation. The **first** key seals, **all** of them open: a new key is put in front. Look-up hashes
//! ([`Seal::hash16`]) are names of stored things and may not change when keys rotate, so they come from the
//! **last** (the oldest) key: it stays at the end of the list for as long as data written under it exists, or its
//! look-up key takes its place ([`Seal::lookup_key`]), which opens nothing.

mod keys;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20::{R20, hchacha};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use keys::{Subkeys, derive};
use rand::RngExt as _;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// Version of a sealed record: version ‖ key id ‖ nonce ‖ ciphertext with its tag.
const VERSION: u8 = 1;
/// Bytes of the key id.
const ID: usize = 4;
/// Bytes of the nonce.
const NONCE: usize = 24;
/// Bytes of it that make the record's own key; the rest is that key's nonce.
const FOR_KEY: usize = 16;
/// Bytes before the ciphertext.
const HEAD: usize = 1 + ID + NONCE;
/// Bytes of the tag behind it.
const TAG: usize = 16;
/// Keys at most: every token that is not ours is tried by id, so the number costs nothing, but a longer list
/// is a mistake.
const MAX_KEYS: usize = 8;

/// Bytes that a sealed record is longer than what it holds.
pub const OVERHEAD: usize = HEAD + TAG;

/// Seals and opens records, makes keyed hashes and tokens. Cheap to share behind an `Arc`.
pub struct Seal {
    keys: Vec<Subkeys>,
    lookup: Zeroizing<[u8; 32]>,
}

/// Why keys were refused. The message never holds a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key at all.
    #[error(
        "no encryption key is configured; make one with `openssl rand -base64 32` and name it under store.encryption_keys"
    )]
    None,
    /// More keys than a rotation needs.
    #[error("{0} encryption keys are configured, at most {MAX_KEYS} are taken; remove those no data is sealed with")]
    Many(usize),
    /// The text is not 32 bytes of base64 or hexadecimal.
    #[error(
        "encryption key is not 32 bytes in base64 (44 characters) or hexadecimal (64 characters); make one with `openssl rand -base64 32`"
    )]
    Form,
    /// Bytes nobody drew at random.
    #[error("encryption key {} is not random ({why}); make one with `openssl rand -base64 32`", .place + 1)]
    Weak {
        /// Its place in the list, from 0.
        place: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The key for look-ups is not one that was derived.
    #[error("the look-up key is not random ({0}); make it with `orderwire rekey --lookup-key FILE`")]
    Lookup(&'static str),
    /// The same key twice.
    #[error("encryption keys {} and {} are the same; remove one", .0 + 1, .1 + 1)]
    Twice(usize, usize),
}

/// Why a record could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Too short, or of a version this binary does not know.
    #[error("the sealed record is cut short or of an unknown version")]
    Form,
    /// Sealed with a key that is not configured.
    #[error("the record was sealed with a key that is not configured; put the old key back behind the first")]
    UnknownKey,
    /// Changed, or moved here from another place.
    #[error("the sealed record is damaged or belongs somewhere else")]
    Damaged,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Forged, damaged, or made for another purpose: one and the same to whoever presents it.
    #[error("the token is not ours")]
    Unknown,
    /// Ours, and its time is over.
    #[error("the token has expired")]
    Expired,
}

impl Seal {
    /// Takes the keys: the first seals, all open, the last names things (see the room's head).
    ///
    /// # Errors
    /// No key, too many, one that is not random, or one that appears twice.
    pub fn new(keys: &[[u8; 32]]) -> Result<Seal, KeyError> {
        Seal::with_lookup(keys, None)
    }

    /// The same with a look-up key of its own, so that the oldest key need not stay: what [`Seal::lookup_key`] gave
    /// while it was there.
    ///
    /// # Errors
    /// As [`Seal::new`].
    pub fn with_lookup(keys: &[[u8; 32]], lookup: Option<&[u8; 32]>) -> Result<Seal, KeyError> {
        let last = keys.last().ok_or(KeyError::None)?;
        if keys.len() > MAX_KEYS {
            return Err(KeyError::Many(keys.len()));
        }
        for (place, key) in keys.iter().enumerate() {
            keys::must_look_random(place, key)?;
            if let Some(first) = keys.iter().take(place).position(|k| k == key) {
                return Err(KeyError::Twice(first, place));
            }
        }
        let lookup = match lookup {
            None => derive(last, b"lookup"),
            Some(own) => {
                keys::weakness(own).map_or(Ok(()), |why| Err(KeyError::Lookup(why)))?;
                Zeroizing::new(*own)
            }
        };
        Ok(Seal { keys: keys.iter().map(Subkeys::of).collect(), lookup })
    }

    /// The key that names of stored things hang on. It opens nothing, and the key it was derived from cannot be
    /// found from it.
    pub fn lookup_key(&self) -> Zeroizing<[u8; 32]> {
        self.lookup.clone()
    }

    /// What the first key is known by: in every record it sealed, and no secret.
    pub fn first_key(&self) -> String {
        hex::encode(self.keys[0].id)
    }

    /// Reads a key as people write it: base64 (standard or URL alphabet) or hexadecimal, of exactly 32 bytes.
    /// Blanks at the ends are cut.
    ///
    /// # Errors
    /// [`KeyError::Form`].
    pub fn key_from_text(text: &str) -> Result<[u8; 32], KeyError> {
        keys::from_text(text).ok_or(KeyError::Form)
    }

    /// Seals `plain`. `aad` says where the record belongs (key name, field, shop, version …): it opens only
    /// with the same parts, so a record copied elsewhere is refused.
    pub fn seal(&self, aad: &[&[u8]], plain: &[u8]) -> Vec<u8> {
        let key = &self.keys[0];
        self.seal_with(key, &key.encryption, aad, plain)
    }

    /// Opens what [`Seal::seal`] made, with whichever of the keys sealed it.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open(&self, aad: &[&[u8]], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.open_with(|k| &k.encryption, aad, sealed)
    }

    /// Seals anew, with the first key, what another of the keys sealed; `None`: the first did.
    ///
    /// # Errors
    /// As [`Seal::open`].
    pub fn reseal(&self, aad: &[&[u8]], sealed: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        if sealed.len() > ID && !self.is_old(sealed) {
            return Ok(None);
        }
        let plain = Zeroizing::new(self.open(aad, sealed)?);
        Ok(Some(self.seal(aad, &plain)))
    }

    /// Whether the record is sealed with another than the first key, and should be sealed anew.
    pub fn is_old(&self, sealed: &[u8]) -> bool {
        sealed.get(1..=ID).is_some_and(|id| id != self.keys[0].id)
    }

    /// Whether the record is sealed with one of the keys there are.
    pub fn knows(&self, sealed: &[u8]) -> bool {
        sealed.get(1..=ID).is_some_and(|id| self.keys.iter().any(|k| k.id == id))
    }

    /// The first 128 bits of a keyed hash: the stored name of something that must not be read from a dump
    /// (a phone number behind a plain hash is found in minutes). Each part counts with its length.
    pub fn hash16(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.lookup.as_slice()).expect("HMAC takes a key of any length");
        mac.update(&framed(purpose, parts));
        let full = mac.finalize().into_bytes();
        let mut out = [0; 16];
        out.copy_from_slice(&full[..16]);
        out
    }

    /// A token for a link: sealed, good for `purpose` until `expires`, in the URL alphabet.
    pub fn token(&self, purpose: &str, payload: &[u8], expires: Timestamp) -> String {
        let mut plain = expires.as_millisecond().to_be_bytes().to_vec();
        plain.extend_from_slice(payload);
        let key = &self.keys[0];
        URL_SAFE_NO_PAD.encode(self.seal_with(key, &key.token, &[purpose.as_bytes()], &plain))
    }

    /// Reads a token made for `purpose`.
    ///
    /// # Errors
    /// [`TokenError::Unknown`] for whatever we did not make for this purpose, [`TokenError::Expired`] for
    /// what we did and is over at `now`.
    pub fn untoken(&self, purpose: &str, token: &str, now: Timestamp) -> Result<Vec<u8>, TokenError> {
        let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Unknown)?;
        let plain = self.open_with(|k| &k.token, &[purpose.as_bytes()], &sealed).map_err(|_| TokenError::Unknown)?;
        let (expires, payload) = plain.split_first_chunk::<8>().ok_or(TokenError::Unknown)?;
        if i64::from_be_bytes(*expires) <= now.as_millisecond() {
            return Err(TokenError::Expired);
        }
        Ok(payload.to_vec())
    }

    /// A place in a list, for the next page: opaque, good for the list named only.
    pub fn cursor(&self, list: &str, place: &[u8]) -> String {
        let key = &self.keys[0];
        URL_SAFE_NO_PAD.encode(self.seal_with(key, &key.cursor, &[list.as_bytes()], place))
    }

    /// Reads a cursor; `None`: not ours, or of another list.
    pub fn uncursor(&self, list: &str, cursor: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        self.open_with(|k| &k.cursor, &[list.as_bytes()], &sealed).ok()
    }

    fn seal_with(&self, key: &Subkeys, subkey: &[u8; 32], aad: &[&[u8]], plain: &[u8]) -> Vec<u8> {
        // From the thread's own generator, which is made for keys and is seeded by the system: a call to the system
        // for each record would cost more than sealing it.
        let mut nonce = [0; NONCE];
        rand::rng().fill(&mut nonce);
        let mut out = Vec::with_capacity(OVERHEAD + plain.len());
        out.push(VERSION);
        out.extend_from_slice(&key.id);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let (own, rest) = cipher(subkey, &nonce);
        let aad = Aad::from(bound(&key.id, aad));
        let tag = own
            .seal_in_place_separate_tag(rest, aad, &mut out[HEAD..])
            .expect("a message in memory is shorter than the cipher's 256 GiB");
        out.extend_from_slice(tag.as_ref());
        out
    }

    fn open_with(
        &self,
        subkey: impl Fn(&Subkeys) -> &[u8; 32],
        aad: &[&[u8]],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let (version, rest) = sealed.split_first().ok_or(SealError::Form)?;
        let (id, rest) = rest.split_first_chunk::<ID>().ok_or(SealError::Form)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE>().ok_or(SealError::Form)?;
        if *version != VERSION {
            return Err(SealError::Form);
        }
        let key = self.keys.iter().find(|k| k.id == *id).ok_or(SealError::UnknownKey)?;
        let (own, rest) = cipher(subkey(key), nonce);
        let mut plain = body.to_vec();
        let opened = own.open_in_place(rest, Aad::from(bound(id, aad)), &mut plain);
        let length = opened.map_err(|_| SealError::Damaged)?.len();
        plain.truncate(length);
        Ok(plain)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({} keys)", self.keys.len())
    }
}

/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): a key of the record's own out of the first part of its long
/// nonce, and ChaCha20-Poly1305 under that key with the rest. By `ring`, whose code for the processor is several
/// times as quick as the one in Rust.
fn cipher(subkey: &[u8; 32], nonce: &[u8; NONCE]) -> (LessSafeKey, Nonce) {
    let mut first = [0; FOR_KEY];
    let mut rest = [0; ring::aead::NONCE_LEN];
    let (a, b) = nonce.split_at(FOR_KEY);
    first.copy_from_slice(a);
    rest[ring::aead::NONCE_LEN - b.len()..].copy_from_slice(b);
    let own = Zeroizing::new(<[u8; 32]>::from(hchacha::<R20>(&(*subkey).into(), &first.into())));
    let own = UnboundKey::new(&CHACHA20_POLY1305, own.as_slice()).expect("a key of 32 bytes");
    (LessSafeKey::new(own), Nonce::assume_unique_for_key(rest))
}

/// What a record is bound to: its own head and the parts, each with its length so that no two lists of
/// parts run together.
fn bound(id: &[u8; ID], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(id);
    frame(&mut out, parts);
    out
}

fn framed(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    frame(&mut out, &[purpose.as_bytes()]);
    frame(&mut out, parts);
    out
}

fn frame(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests;
