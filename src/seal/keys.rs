//! Keys: how they are read, what is refused, and the subkeys made of each.

use super::{ID, KeyError};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// One key, split by purpose so that no two uses share key material.
pub(super) struct Subkeys {
    pub(super) id: [u8; ID],
    pub(super) encryption: Zeroizing<[u8; 32]>,
    pub(super) token: Zeroizing<[u8; 32]>,
    pub(super) cursor: Zeroizing<[u8; 32]>,
}

impl Subkeys {
    pub(super) fn of(key: &[u8; 32]) -> Subkeys {
        let name = derive(key, b"key id");
        let mut id = [0; ID];
        id.copy_from_slice(&name[..ID]);
        Subkeys {
            id,
            encryption: derive(key, b"encryption"),
            token: derive(key, b"token"),
            cursor: derive(key, b"cursor"),
        }
    }
}

/// HKDF-SHA256 with our own salt: `label` names what the subkey is for.
pub(super) fn derive(key: &[u8; 32], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(b"orderwire seal 1"), key)
        .expand(label, out.as_mut_slice())
        .expect("32 bytes are less than HKDF's limit");
    out
}

/// Refuses what a person typed to get going: all zero, one byte or a short pattern repeated, readable text.
pub(super) fn must_look_random(place: usize, key: &[u8; 32]) -> Result<(), KeyError> {
    weakness(key).map_or(Ok(()), |why| Err(KeyError::Weak { place, why }))
}

/// Why nobody drew these bytes at random; `None`: somebody may have.
pub(super) fn weakness(key: &[u8; 32]) -> Option<&'static str> {
    let repeats = |period: &usize| key.iter().zip(key.iter().skip(*period)).all(|(a, b)| a == b);
    if [1, 2, 4, 8, 16].iter().any(repeats) {
        return Some("its bytes repeat");
    }
    if key.iter().zip(key.iter().skip(1)).all(|(a, b)| b.wrapping_sub(*a) == 1) {
        return Some("its bytes count up");
    }
    // 32 random bytes are all printable once in 10^14.
    key.iter().all(|b| b.is_ascii_graphic() || *b == b' ').then_some("it is readable text")
}

/// 32 bytes out of base64 or hexadecimal.
pub(super) fn from_text(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let bytes = match text.len() {
        64 => hex::decode(text).ok()?,
        44 => STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()?,
        43 => {
            let padded = format!("{text}=");
            STANDARD.decode(&padded).or_else(|_| URL_SAFE.decode(&padded)).ok()?
        }
        _ => return None,
    };
    Zeroizing::new(bytes).as_slice().try_into().ok()
}
