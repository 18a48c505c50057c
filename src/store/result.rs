//! The stored form of a settle that waits on disk for Redis. It holds keyed names, numbers and digests: nothing of a
//! person.

use super::keys::Member;
use super::work::{Dest, Leased, Settle};
use crate::domain::ledger::LedgerEntry;
use crate::domain::owed::Owed;
use serde::{Deserialize, Serialize};

/// Version of the form; another one is left alone.
const VERSION: u8 = 1;

/// As it lies on disk.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    version: u8,
    member: String,
    token: String,
    redeliveries: u32,
    items: Vec<(u16, String)>,
    added: Vec<(u16, String)>,
    ledger: Vec<LedgerEntry>,
    closed: u16,
    revision: u64,
    wakes: u64,
    drop_envelopes: Vec<u16>,
    drop_receipts: Vec<u16>,
    to_dead: Vec<u16>,
    dest: Dest,
}

impl From<Settle> for Stored {
    fn from(s: Settle) -> Stored {
        let hex = |items: &[Owed]| items.iter().map(|i| (i.no, hex::encode(i.encode()))).collect();
        Stored {
            version: VERSION,
            member: s.leased.member.as_str().into(),
            token: s.leased.token.to_string(),
            redeliveries: s.leased.redeliveries,
            items: hex(&s.items),
            added: hex(&s.added),
            ledger: s.ledger,
            closed: s.closed,
            revision: s.revision,
            wakes: s.wakes,
            drop_envelopes: s.drop_envelopes,
            drop_receipts: s.drop_receipts,
            to_dead: s.to_dead,
            dest: s.dest,
        }
    }
}

impl TryFrom<Stored> for Settle {
    type Error = &'static str;

    fn try_from(s: Stored) -> Result<Settle, &'static str> {
        if s.version != VERSION {
            return Err("a result in a form of another version");
        }
        let item = |(no, text): (u16, String)| {
            let bytes = hex::decode(text).map_err(|_| "an item that is not hexadecimal")?;
            Owed::decode(no, &bytes).ok_or("an item in a form of another version")
        };
        let items = |all: Vec<(u16, String)>| all.into_iter().map(item).collect::<Result<Vec<_>, _>>();
        let member = Member::parse(&s.member).ok_or("no order's name")?;
        Ok(Settle {
            leased: Leased { member, token: s.token.into(), redeliveries: s.redeliveries },
            items: items(s.items)?,
            added: items(s.added)?,
            ledger: s.ledger,
            closed: s.closed,
            revision: s.revision,
            wakes: s.wakes,
            drop_envelopes: s.drop_envelopes,
            drop_receipts: s.drop_receipts,
            to_dead: s.to_dead,
            dest: s.dest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::from_millis;
    use crate::domain::ids::Tag;
    use serde_json::{Value, json};

    #[test]
    fn a_settle_comes_back_as_it_was_and_another_version_is_left_alone() {
        let member = Member::parse("0a0b0c0d/00112233445566778899aabbccddeeff").expect("a name");
        let leased = Leased { member, token: "n.7".into(), redeliveries: 2 };
        let mut settle = Settle::unchanged(leased, 4, 5, Dest::Park(Tag(9), from_millis(1_800_000_000_000)));
        settle.drop_receipts = vec![3];
        let text = serde_json::to_string(&settle).expect("it can be written");
        let back: Settle = serde_json::from_str(&text).expect("it can be read");
        assert_eq!(format!("{back:?}"), format!("{settle:?}"));
        let mut newer: Value = serde_json::from_str(&text).expect("JSON");
        newer["version"] = json!(2);
        assert!(serde_json::from_value::<Settle>(newer).is_err());
    }
}
