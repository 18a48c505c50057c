//! Records made small before they are sealed: nearly all of an order's JSON is names that every order has, so it
//! is packed against a text that holds them.
//!
//! A packed record: the number of the dictionary (1), three bytes of length before packing, a zstd frame without
//! its magic number. JSON begins with none of these numbers, and what packing would not shorten stays as it is.

use super::error::StoreError;
use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::CParameter;

/// Names and phrases as they stand in what is kept. Never changed once released: what was packed with it opens
/// with it only. A better one is a further file with the next number.
const DICTIONARY: &[u8] = include_bytes!("packed.txt");
/// Its number.
const FIRST: u8 = 1;
/// Every zstd frame begins so.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Quicker than the first level, half the price of it: the dictionary does nearly all.
const LEVEL: i32 = -1;
/// Longest record that is packed, in bytes: its length has three bytes.
const LONGEST: usize = (1 << 24) - 1;

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    // Kept: to set one up costs more than to pack with it.
    static PACK: RefCell<Option<Compressor<'static>>> = RefCell::new(packer().ok());
    static UNPACK: RefCell<Option<Decompressor<'static>>> =
        RefCell::new(Decompressor::with_prepared_dictionary(&DECODER).ok());
}

fn packer() -> io::Result<Compressor<'static>> {
    let mut packer = Compressor::with_prepared_dictionary(&ENCODER)?;
    packer.set_parameter(CParameter::ContentSizeFlag(false))?;
    Ok(packer)
}

/// The record, packed where that makes it shorter.
pub(super) fn pack(plain: &[u8]) -> Vec<u8> {
    let length = u32::try_from(plain.len()).ok().filter(|_| plain.len() <= LONGEST);
    let frame = PACK.with_borrow_mut(|packer| packer.as_mut().and_then(|p| p.compress(plain).ok()));
    let body = frame.as_deref().and_then(|f| f.strip_prefix(&MAGIC));
    match (length, body) {
        (Some(length), Some(body)) if body.len() + 4 < plain.len() => {
            let mut out = (u32::from(FIRST) << 24 | length).to_be_bytes().to_vec();
            out.extend_from_slice(body);
            out
        }
        _ => plain.to_vec(),
    }
}

/// What was packed.
///
/// # Errors
/// It is cut short, or was packed with a dictionary this version does not have.
pub(super) fn unpack(stored: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    let broken = || StoreError::bug("a packed record cannot be unpacked");
    let Some((head, body)) = stored.split_first_chunk::<4>().filter(|(head, _)| head[0] < b' ') else {
        return Ok(stored);
    };
    let [dictionary, length @ ..] = *head;
    if dictionary != FIRST {
        return Err(StoreError::bug(format!("a record is packed with dictionary {dictionary} of a newer version")));
    }
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let frame = [&MAGIC, body].concat();
    let plain = UNPACK.with_borrow_mut(|unpacker| unpacker.as_mut().and_then(|u| u.decompress(&frame, length).ok()));
    plain.filter(|p| p.len() == length).ok_or_else(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn what_is_packed_comes_back() {
        let order = include_str!("packed.txt").lines().rev().nth(1).expect("a ledger").replace("08:00", "09:31");
        for plain in [order.as_str(), "", "{}", "[1,2]", &"ab\u{1}".repeat(5000)] {
            let packed = pack(plain.as_bytes());
            assert_eq!(unpack(packed).expect("it opens"), plain.as_bytes());
        }
        assert!(pack(order.as_bytes()).len() * 5 < order.len(), "{} of {}", pack(order.as_bytes()).len(), order.len());
    }

    #[test]
    fn what_is_broken_is_told() {
        let packed = pack("{\"what\":\"owed\",\"item\":1,\"milestone\":\"order_placed\"}".repeat(9).as_bytes());
        for end in 4..packed.len() {
            assert!(unpack(packed[..end].to_vec()).is_err(), "cut at {end}");
        }
        let mut newer = packed.clone();
        newer[0] = 2;
        assert!(unpack(newer).unwrap_err().to_string().contains("newer"));
        let mut longer = packed;
        longer[3] += 1;
        assert!(unpack(longer).is_err());
    }

    /// A changed dictionary would make every order already kept unreadable.
    #[test]
    fn the_dictionary_stays_as_it_is() {
        assert_eq!(
            hex::encode(Sha256::digest(DICTIONARY)),
            "a17a00bd271f0b72e353982f84d6cce6a18bc9092ef2dbb7f46c5f7cb6f9d661"
        );
    }
}
