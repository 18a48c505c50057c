//! Names of everything stored. One function a key, nothing is named anywhere else.

use crate::domain::ids::{ChannelId, ShopId, Tag};
use crate::domain::person::Address;
use crate::seal::Seal;
use std::fmt;
use std::sync::Arc;

/// Number of partitions, fixed at first start (`{meta}` remembers it).
pub const PARTITIONS: usize = 16;

/// Their hash tags: one in each 1,024 slots, so that any number of cluster nodes gets an even share.
const TAGS: [&str; PARTITIONS] =
    ["029", "139", "2162", "319", "469", "579", "60", "759", "858", "948", "a21", "b68", "c13", "d128", "e61", "f28"];

/// What kind of thing is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitKind {
    /// An order of a shop.
    Order,
    /// News about a thing whose order is not known yet.
    Join,
    /// What is to be answered to a person on a channel account, whose id stands for the shop's.
    Talk,
    /// What became of an order's messages, to be written to it at its shop.
    Note,
    /// What a person and the shop's people say to each other there.
    Conversation,
}

/// What is worked on: all of its state lies in one partition and is leased as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    /// Whose.
    pub shop: ShopId,
    /// What.
    pub kind: UnitKind,
    /// The platform's id of the order, or `kind/id` of the thing.
    pub id: String,
}

impl Unit {
    /// An order of `shop`.
    pub fn order(shop: &ShopId, id: &str) -> Unit {
        Unit { shop: shop.clone(), kind: UnitKind::Order, id: id.into() }
    }
}

/// A unit under its stored name `<shop tag>/<keyed hash>`: says nothing about the order to whoever reads it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member {
    partition: u8,
    name: Arc<str>,
}

/// Hexadecimal digits of a shop's tag and of a unit's hash.
const SHOP: usize = 8;
const HASH: usize = 32;

impl Member {
    pub(super) fn of(seal: &Seal, unit: &Unit) -> Member {
        let kind: &[u8] = match unit.kind {
            UnitKind::Order => b"order",
            UnitKind::Join => b"join",
            UnitKind::Talk => b"talk",
            UnitKind::Note => b"note",
            UnitKind::Conversation => b"conversation",
        };
        let hash = seal.hash16("unit", &[kind, unit.shop.as_str().as_bytes(), unit.id.as_bytes()]);
        let name = format!("{:08x}/{}", unit.shop.tag().0, hex::encode(hash));
        Member { partition: hash[0] & 15, name: name.into() }
    }

    /// The unit of this shop under this hash, as a walk finds it.
    pub(super) fn of_shop(shop: Tag, hash: &str) -> Option<Member> {
        Member::from_name(&format!("{:08x}/{hash}", shop.0))
    }

    /// Reads `name` as a script gave it back.
    pub(super) fn from_name(name: &str) -> Option<Member> {
        let (shop, hash) = name.split_once('/')?;
        let lower = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if shop.len() != SHOP || hash.len() != HASH || !lower(shop) || !lower(hash) {
            return None;
        }
        let partition = u8::from_str_radix(hash.get(1..2)?, 16).ok()?;
        Some(Member { partition, name: name.into() })
    }

    /// The stored name, for lists and for [`Member::parse`].
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Reads a name that [`Member::as_str`] gave out; `None`: it is none.
    pub fn parse(text: &str) -> Option<Member> {
        Member::from_name(text)
    }

    /// Which partition it lies in, `0..PARTITIONS`.
    pub fn partition(&self) -> u8 {
        self.partition
    }

    /// Tag of the shop.
    pub fn shop_tag(&self) -> Tag {
        Tag(u32::from_str_radix(self.name.get(..SHOP).unwrap_or_default(), 16).unwrap_or_default())
    }

    pub(super) fn hash(&self) -> &str {
        self.name.get(SHOP + 1..).unwrap_or_default()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The keys of a partition that all its orders share.
#[derive(Clone, Debug)]
pub(super) struct Part {
    base: String,
    /// zset: orders with something to do now, by virtual time.
    pub ready: String,
    /// zset: orders by the earliest moment they have something to do, ms.
    pub wait: String,
    /// zset: leased orders by the end of the lease, ms.
    pub lease: String,
    /// hash: member → token of its lease.
    pub tok: String,
    /// hash: member → leases that ended without a settle.
    pub red: String,
    /// hash: shop tag → its virtual time; `V` the time served.
    pub vt: String,
    /// hash: pauses `p:<channel>`, channels with parked orders `k:<channel>`, ticks.
    pub ctl: String,
    /// hash: worker → its last lease call and what it got.
    pub calls: String,
    /// zset: `<member>#<item>` by time of death, ms.
    pub dead: String,
    /// stream: signed and unreadable webhooks, sealed.
    pub odd: String,
}

impl Part {
    fn new(prefix: &str, tag: &str) -> Part {
        let base = format!("{prefix}:{{{tag}}}:");
        let key = |what: &str| format!("{base}{what}");
        Part {
            ready: key("ready"),
            wait: key("wait"),
            lease: key("lease"),
            tok: key("tok"),
            red: key("red"),
            vt: key("vt"),
            ctl: key("ctl"),
            calls: key("calls"),
            dead: key("dead"),
            odd: key("odd"),
            base,
        }
    }

    /// zset: orders of which all open items wait for this channel, by the earliest expiry, ms.
    pub(super) fn parked(&self, channel: Tag) -> String {
        self.parked_of(&format!("{:08x}", channel.0))
    }

    pub(super) fn parked_of(&self, channel: &str) -> String {
        format!("{}parked:{channel}", self.base)
    }

    /// hash: an order by its hash.
    pub(super) fn order(&self, hash: &str) -> String {
        format!("{}ord:{hash}", self.base)
    }
}

/// What is sealed under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealed<'k> {
    /// An order, by its hash: a string.
    Snapshot(&'k str),
    /// Its ledger: a list.
    Ledger(&'k str),
    /// What is being sent: a hash.
    Envelopes(&'k str),
    /// A person, by the hash of their name: fields of a hash.
    Person(&'k str),
    /// Orders that a person is tied to, by the hash of their name: a hash.
    Ties(&'k str),
    /// What is to be done about people's data: a hash.
    Duties,
    /// What channel accounts keep: a hash.
    Kept,
    /// Unreadable webhooks of a partition: a stream.
    Odd,
}

/// The key names under one prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
    parts: Vec<Part>,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Keys {
        Keys { prefix: prefix.into(), parts: TAGS.iter().map(|t| Part::new(prefix, t)).collect() }
    }

    /// The shared keys of a partition.
    pub(super) fn part(&self, partition: u8) -> &Part {
        &self.parts[usize::from(partition) % PARTITIONS]
    }

    /// A key of one unit: hash `ord`, string `snp`, list `led`, hash `env`.
    pub(super) fn of(&self, member: &Member, what: &str) -> String {
        let base = &self.part(member.partition).base;
        let mut key = String::with_capacity(base.len() + what.len() + 1 + HASH);
        key.push_str(base);
        key.push_str(what);
        key.push(':');
        key.push_str(member.hash());
        key
    }

    /// A key outside the partitions, in a slot of its own.
    pub(super) fn own(&self, what: &str, hash: &[u8; 16]) -> String {
        self.own_hex(what, &hex::encode(hash))
    }

    pub(super) fn own_hex(&self, what: &str, hex: &str) -> String {
        format!("{}:{{{what}:{hex}}}", self.prefix)
    }

    /// hash: format, partition count, which key names things.
    pub(super) fn meta(&self) -> String {
        format!("{}:{{meta}}", self.prefix)
    }

    /// hash: what is still to be done about people's data, sealed, by id.
    pub(super) fn duties(&self) -> String {
        format!("{}:{{duty}}:open", self.prefix)
    }

    /// hash: what was done about people's data, sealed and without them, by id. In the slot of the open ones.
    pub(super) fn duties_done(&self) -> String {
        format!("{}:{{duty}}:done", self.prefix)
    }

    /// number: grows whenever one of the two changes.
    pub(super) fn duties_version(&self) -> String {
        format!("{}:{{duty}}:version", self.prefix)
    }

    /// hash: when something was last erased, and when the server's log was last rewritten, ms.
    pub(super) fn rewrite(&self) -> String {
        format!("{}:{{rewrite}}", self.prefix)
    }

    /// string: a provider is being asked about this account, or was lately.
    pub(super) fn poll(&self, channel: &str) -> String {
        format!("{}:{{poll}}:next:{channel}", self.prefix)
    }

    /// hash: what providers said of their accounts, by channel.
    pub(super) fn polled(&self) -> String {
        format!("{}:{{poll}}:said", self.prefix)
    }

    /// string: how far sealing anew is.
    pub(super) fn rekey(&self) -> String {
        format!("{}:{{rekey}}", self.prefix)
    }

    /// hash: what channel accounts must not lose, sealed, by name.
    pub(super) fn kept(&self) -> String {
        format!("{}:{{kept}}:open", self.prefix)
    }

    /// Pattern of every key.
    pub(super) fn all(&self) -> String {
        format!("{}:{{*", self.prefix)
    }

    /// What the record is that lies under this key, where it is one that may be sealed.
    pub(super) fn sealed<'k>(&self, key: &'k str) -> Option<Sealed<'k>> {
        let (tag, rest) = key.strip_prefix(&self.prefix)?.strip_prefix(":{")?.split_once('}')?;
        if let Some(hash) = tag.strip_prefix("who:").filter(|_| rest.is_empty()) {
            return Some(Sealed::Person(hash));
        }
        if let Some(hash) = tag.strip_prefix("tie:").filter(|_| rest.is_empty()) {
            return Some(Sealed::Ties(hash));
        }
        match (tag, rest.strip_prefix(':')?.split_once(':')) {
            ("duty", None) if matches!(rest, ":open" | ":done") => Some(Sealed::Duties),
            ("kept", None) => Some(Sealed::Kept),
            (_, None) if rest == ":odd" => Some(Sealed::Odd),
            (_, Some(("snp", hash))) => Some(Sealed::Snapshot(hash)),
            (_, Some(("led", hash))) => Some(Sealed::Ledger(hash)),
            (_, Some(("env", hash))) => Some(Sealed::Envelopes(hash)),
            _ => None,
        }
    }

    /// Pattern of the keys of all people, for a walk.
    pub(super) fn all_people(&self) -> String {
        format!("{}:{{who:*}}", self.prefix)
    }

    /// Pattern of the keys of all orders, for a walk.
    pub(super) fn all_orders(&self) -> String {
        format!("{}:{{*}}:ord:*", self.prefix)
    }

    /// The key's part behind the kind, where it is of an order: its hash.
    pub(super) fn order_hash(key: &str) -> Option<&str> {
        key.rsplit_once("}:ord:").map(|(_, hash)| hash)
    }

    /// zset: persons whose orders may still have to be woken, by the moment of the last call, ms.
    pub(super) fn to_wake(&self) -> String {
        format!("{}:{{wake}}", self.prefix)
    }
}

/// Name of a person on a channel account.
pub(super) fn person(seal: &Seal, channel: &ChannelId, person: &Address) -> [u8; 16] {
    let parts = [channel.as_str().as_bytes(), person.scheme.as_bytes(), person.value.as_bytes()];
    seal.hash16("person", &parts)
}
