//! A record on disk, and what a file of records holds.
//!
//! ```text
//! mark 4 · version 1 · length u32 · CRC-32C of the body u32 · CRC-32C of these 13 bytes u32 · body (sealed)
//! ```
//!
//! Numbers are little-endian. The head has a check sum of its own, so that a length damaged by the disk is not
//! taken for a record that a crash cut short: a **torn** tail was never acknowledged and is cut; anything else
//! that cannot be read may have been, and is set aside for a person. The mark is where reading goes on behind
//! damage.

use super::Place;
use crate::seal::{Seal, SealError};

/// Bytes before the body.
pub(super) const HEAD: usize = 17;
/// Bytes of the head that its check sum covers.
const COVERED: usize = 13;
const MARK: [u8; 4] = [0xD7, b'O', b'W', 0xA6];
const VERSION: u8 = 1;
/// Longest body: a webhook of 6 MiB in base64, sealed, and room to spare.
pub(super) const LONGEST: usize = 64 << 20;

/// What a record opens with: nothing but this very place. A record copied elsewhere is refused.
fn bound(place: Place) -> [Vec<u8>; 4] {
    [b"spool".to_vec(), place.segment.to_be_bytes().into(), place.offset.to_be_bytes().into(), vec![VERSION]]
}

/// The record of `plain` for `place`, or `None` where it is longer than any record may be.
pub(super) fn encode(seal: &Seal, place: Place, plain: &[u8]) -> Option<Vec<u8>> {
    let aad = bound(place);
    let parts: Vec<&[u8]> = aad.iter().map(Vec::as_slice).collect();
    let body = seal.seal(&parts, plain);
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= LONGEST)?;
    let mut out = Vec::with_capacity(HEAD + body.len());
    out.extend_from_slice(&MARK);
    out.push(VERSION);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    out.extend_from_slice(&body);
    Some(out)
}

/// Bytes of a record of so much text.
pub(super) fn length(plain: usize) -> u64 {
    (HEAD + crate::seal::OVERHEAD + plain) as u64
}

/// What was kept, out of a whole record read at `place`.
///
/// # Errors
/// It was not sealed for this place, or with none of our keys.
pub(super) fn open(seal: &Seal, place: Place, record: &[u8]) -> Result<Vec<u8>, SealError> {
    let aad = bound(place);
    let parts: Vec<&[u8]> = aad.iter().map(Vec::as_slice).collect();
    seal.open(&parts, record.get(HEAD..).unwrap_or_default())
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A record of so many bytes, its check sums right.
    Whole(usize),
    /// The beginning of a record that ends beyond these bytes.
    Torn,
    /// Neither.
    Bad,
}

/// Looks at the beginning of `bytes`.
pub(super) fn look(bytes: &[u8]) -> Look {
    let Some(head) = bytes.get(..HEAD) else {
        let seen = bytes.len().min(MARK.len());
        return if bytes.get(..seen) == MARK.get(..seen) { Look::Torn } else { Look::Bad };
    };
    let number = |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
    let covered = head.get(..COVERED).unwrap_or_default();
    if !head.starts_with(&MARK) || crc32c::crc32c(covered) != number(COVERED) || head.get(4) != Some(&VERSION) {
        return Look::Bad;
    }
    let length = number(5) as usize;
    match bytes.get(HEAD..HEAD + length) {
        None => Look::Torn,
        Some(body) if crc32c::crc32c(body) == number(9) => Look::Whole(HEAD + length),
        Some(_) => Look::Bad,
    }
}

/// A part of a file: where it begins, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A record, its check sums right.
    Record(u64, u32),
    /// Bytes that are no record, and may have been.
    Bad(u64, u32),
    /// The rest of the file, which a crash cut short before it was acknowledged.
    Torn(u64),
}

/// All parts of a file's bytes.
pub(super) fn scan(bytes: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let length = match look(rest) {
            Look::Whole(length) => {
                parts.push(Part::Record(at as u64, short(length)));
                length
            }
            Look::Torn => {
                parts.push(Part::Torn(at as u64));
                break;
            }
            Look::Bad => match next(rest) {
                Some(length) => {
                    parts.push(Part::Bad(at as u64, short(length)));
                    length
                }
                // A file grown by the file system whose blocks were never written.
                None if rest.iter().all(|b| *b == 0) => {
                    parts.push(Part::Torn(at as u64));
                    break;
                }
                None => {
                    parts.push(Part::Bad(at as u64, short(rest.len())));
                    break;
                }
            },
        };
        at += length;
    }
    parts
}

/// How far it is to the next record, behind bytes that are none.
fn next(bytes: &[u8]) -> Option<usize> {
    let marks = bytes.windows(MARK.len()).enumerate().skip(1).filter(|(_, four)| *four == MARK);
    let mut records = marks.filter(|(at, _)| {
        let rest = bytes.get(*at..).unwrap_or_default();
        // The beginning of a head alone proves nothing: it takes a right check sum.
        rest.len() >= HEAD && look(rest) != Look::Bad
    });
    records.next().map(|(at, _)| at)
}

fn short(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&[Seal::key_from_text("3f9a1c0de4b85276aa10ff93c6d7e8b12b4d6f80913572c4e6a8b0d2f4163850").unwrap()])
            .unwrap()
    }

    /// Three records one behind the other, and where each begins.
    fn three() -> (Vec<u8>, Vec<usize>) {
        let seal = seal();
        let (mut file, mut starts) = (Vec::new(), Vec::new());
        for plain in ["first", "the second of them", "third"] {
            starts.push(file.len());
            let place = Place { segment: 7, offset: file.len() as u64 };
            file.extend(encode(&seal, place, plain.as_bytes()).unwrap());
        }
        (file, starts)
    }

    fn record(starts: &[usize], n: usize, end: usize) -> Part {
        Part::Record(starts[n] as u64, short(end - starts[n]))
    }

    #[test]
    fn what_was_written_is_read_and_only_at_its_place() {
        let (file, starts) = three();
        let all = [record(&starts, 0, starts[1]), record(&starts, 1, starts[2]), record(&starts, 2, file.len())];
        assert_eq!(scan(&file), all);
        let second = &file[starts[1]..starts[2]];
        let place = Place { segment: 7, offset: starts[1] as u64 };
        assert_eq!(open(&seal(), place, second).unwrap(), b"the second of them");
        assert_eq!(second.len() as u64, length("the second of them".len()));
        for elsewhere in [Place { segment: 8, ..place }, Place { offset: 0, ..place }] {
            assert_eq!(open(&seal(), elsewhere, second), Err(SealError::Damaged));
        }
    }

    #[test]
    fn a_tail_torn_at_any_byte_is_cut_and_costs_no_other_record() {
        let (file, starts) = three();
        for end in starts[2] + 1..file.len() {
            let wanted = [record(&starts, 0, starts[1]), record(&starts, 1, starts[2]), Part::Torn(starts[2] as u64)];
            assert_eq!(scan(&file[..end]), wanted, "cut at {end}");
        }
        let mut grown = file[..starts[2]].to_vec();
        grown.extend([0; 4096]);
        assert_eq!(scan(&grown).last(), Some(&Part::Torn(starts[2] as u64)), "blocks never written");
    }

    #[test]
    fn any_flipped_bit_costs_its_own_record_alone_and_is_never_taken_for_a_torn_tail() {
        let (file, starts) = three();
        let ends = [starts[1], starts[2], file.len()];
        for byte in 0..file.len() {
            for bit in 0..8 {
                let mut bytes = file.clone();
                bytes[byte] ^= 1 << bit;
                let hit = (0..3).find(|n| byte < ends[*n]).unwrap();
                let wanted: Vec<Part> = (0..3)
                    .map(|n| match record(&starts, n, ends[n]) {
                        Part::Record(at, length) if n == hit => Part::Bad(at, length),
                        whole => whole,
                    })
                    .collect();
                assert_eq!(scan(&bytes), wanted, "bit {bit} of byte {byte}");
            }
        }
    }

    #[test]
    fn reading_goes_on_behind_a_hole() {
        let (file, starts) = three();
        let mut bytes = file[..starts[1]].to_vec();
        bytes.extend(b"\xD7OW\xA6 rubbish with a mark of its own \xD7OW\xA6");
        let hole = bytes.len() - starts[1];
        bytes.extend(&file[starts[2]..]);
        let behind = Part::Record(bytes.len() as u64 - (file.len() - starts[2]) as u64, short(file.len() - starts[2]));
        assert_eq!(scan(&bytes), [record(&starts, 0, starts[1]), Part::Bad(starts[1] as u64, short(hole)), behind]);
        assert_eq!(scan(b""), []);
        assert_eq!(scan(b"no spool file at all"), [Part::Bad(0, 20)]);
    }

    proptest::proptest! {
        /// Any bytes at all: no panic, and the parts cover them without a gap.
        #[test]
        fn anything_is_taken_apart(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), cut in 0_usize..400) {
            let (mut file, _) = three();
            file.truncate(cut);
            file.extend(&bytes);
            let mut at = 0;
            for part in scan(&file) {
                let (from, length) = match part {
                    Part::Record(from, length) | Part::Bad(from, length) => (from, u64::from(length)),
                    Part::Torn(from) => (from, file.len() as u64 - from),
                };
                proptest::prop_assert_eq!(from, at);
                at = from + length;
            }
            proptest::prop_assert_eq!(at, file.len() as u64);
        }
    }
}
