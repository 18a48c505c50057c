//! Owed items: what a route wants told to somebody, and where it stands.

use super::clock::{Timestamp, from_millis};
use super::decision::Reason;
use super::ids::{Digest8, Tag};
use serde::Serialize;

/// Where an owed item stands. It moves only as [`State::may_become`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To be told.
    Open,
    /// Recorded as about to be handed over: if its worker died here it may have been told.
    Begun,
    /// May have been told, and is to be sent once more: the same key again, or once where there is none.
    Again,
    /// The provider took it.
    Sent,
    /// The provider says it arrived.
    Delivered,
    /// The provider says it was opened.
    Read,
    /// Not to be told, with a reason.
    Skipped,
    /// Something newer was told instead.
    Superseded,
    /// Not worth telling any more.
    Expired,
    /// May have been told; will not be sent again.
    Unsure,
    /// The provider said later that it did not arrive.
    Undelivered,
    /// A person must look.
    Dead,
}

impl State {
    /// All of them, at the place of their stored number.
    pub const ALL: [State; 12] = [
        State::Open,
        State::Begun,
        State::Again,
        State::Sent,
        State::Delivered,
        State::Read,
        State::Skipped,
        State::Superseded,
        State::Expired,
        State::Unsure,
        State::Undelivered,
        State::Dead,
    ];

    /// Still owed.
    pub fn is_open(self) -> bool {
        matches!(self, State::Open | State::Begun | State::Again)
    }

    /// The customer was told, or may have been.
    pub fn is_told(self) -> bool {
        matches!(self, State::Sent | State::Delivered | State::Read | State::Unsure)
    }

    /// Whether an item may go from here to `next`. Replay is not a step of this machine: it makes a new
    /// item that names the old one.
    pub fn may_become(self, next: State) -> bool {
        use State::*;
        match self {
            Open => !matches!(next, Delivered | Read | Undelivered | Unsure),
            Begun => matches!(next, Open | Again | Sent | Unsure | Dead | Expired | Skipped),
            Again => matches!(next, Begun | Again | Unsure | Sent | Dead),
            Sent => matches!(next, Delivered | Read | Undelivered),
            Delivered => matches!(next, Read),
            Unsure => matches!(next, Sent | Delivered | Read | Undelivered),
            Read | Skipped | Superseded | Expired | Undelivered | Dead => false,
        }
    }

    /// The word used in metrics, tables and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Begun => "begun",
            State::Again => "again",
            State::Sent => "sent",
            State::Delivered => "delivered",
            State::Read => "read",
            State::Skipped => "skipped",
            State::Superseded => "superseded",
            State::Expired => "expired",
            State::Unsure => "unsure",
            State::Undelivered => "undelivered",
            State::Dead => "dead",
        }
    }
}

/// One owed item. Names are stored as tags so that an item stays below 64 bytes (a longer one would
/// triple Redis' memory for its order); the ledger carries the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Its number within the order, from 1; given by whoever commits.
    pub no: u16,
    /// Which milestone.
    pub milestone: Tag,
    /// Which subject of it ([`super::milestone::Subject::digest`]).
    pub subject: Digest8,
    /// Which route wants it.
    pub route: Tag,
    /// [`Tag::NONE`] is the route's chain (`main`), anything else the channel of `also:<channel>`.
    pub slot: Tag,
    /// Where it stands.
    pub state: State,
    /// Why it stands there, if for a reason.
    pub reason: Option<Reason>,
    /// Sends begun so far; waiting does not count.
    pub attempts: u8,
    /// When the thing happened, by the shop's clock.
    pub at: Timestamp,
    /// Not before.
    pub not_before: Timestamp,
    /// Not after.
    pub expires: Timestamp,
    /// The channel it was sent or begun on.
    pub channel: Tag,
    /// Channels of the chain already found impossible for it: a bit each, by place in the chain.
    pub passed: u16,
    /// First send begun: the life of a retry key counts from here.
    pub first_attempt: Option<Timestamp>,
    /// Digest of the address it was begun to: a retry key belongs to one address.
    pub address: u32,
    /// The undelivered item that this one continues, or the dead one it replays; 0: none.
    pub follows: u16,
    /// Told within the message of that item; 0: its own.
    pub within: u16,
    /// A person wants it told although it was told before or is stale; until [`Owed::expires`].
    pub forced: bool,
}

/// Version of the stored form.
const OWED_VERSION: u8 = 1;
/// Bytes of the stored form: at most 64, see [`Owed`].
pub const OWED_BYTES: usize = 63;

impl Owed {
    /// What a unit that is no order owes: by no route, to be done between `not_before` and `expires`.
    pub fn by_itself(no: u16, what: &str, subject: Digest8, at: Timestamp, times: (Timestamp, Timestamp)) -> Owed {
        Owed {
            no,
            milestone: Tag::of(what),
            subject,
            route: Tag::NONE,
            slot: Tag::NONE,
            state: State::Open,
            reason: None,
            attempts: 0,
            at,
            not_before: times.0,
            expires: times.1,
            channel: Tag::NONE,
            passed: 0,
            first_attempt: None,
            address: 0,
            follows: 0,
            within: 0,
            forced: false,
        }
    }

    /// The item `no` that takes this one's place: to be told of the same, to nobody yet, as if nothing had happened.
    pub fn anew(&self, no: u16) -> Owed {
        Owed {
            no,
            state: State::Open,
            reason: None,
            attempts: 0,
            channel: Tag::NONE,
            passed: 0,
            first_attempt: None,
            address: 0,
            follows: self.no,
            within: 0,
            forced: false,
            ..self.clone()
        }
    }

    /// The stored form.
    pub fn encode(&self) -> [u8; OWED_BYTES] {
        let mut out = Writer { buf: [0; OWED_BYTES], at: 0 };
        out.put(&[OWED_VERSION, self.state as u8, self.reason.map_or(0, |r| r as u8), self.attempts]);
        out.put(&self.milestone.0.to_be_bytes());
        out.put(&self.subject.0.to_be_bytes());
        out.put(&self.route.0.to_be_bytes());
        out.put(&self.slot.0.to_be_bytes());
        for t in [self.at, self.not_before, self.expires] {
            out.moment(t);
        }
        out.put(&self.channel.0.to_be_bytes());
        out.put(&self.passed.to_be_bytes());
        out.moment(self.first_attempt.unwrap_or(Timestamp::UNIX_EPOCH));
        out.put(&self.address.to_be_bytes());
        out.put(&self.follows.to_be_bytes());
        out.put(&self.within.to_be_bytes());
        out.put(&[u8::from(self.forced)]);
        out.buf
    }

    /// Reads a stored form. `None`: a version, state or reason this binary does not know; the item is
    /// then left alone.
    pub fn decode(no: u16, bytes: &[u8]) -> Option<Owed> {
        let bytes: &[u8; OWED_BYTES] = bytes.try_into().ok()?;
        let mut r = Reader { buf: bytes, at: 0 };
        let [version, state, reason, attempts] = r.take::<4>();
        if version != OWED_VERSION {
            return None;
        }
        Some(Owed {
            no,
            state: *State::ALL.get(usize::from(state))?,
            reason: if reason == 0 { None } else { Some(Reason::from_code(reason)?) },
            attempts,
            milestone: Tag(u32::from_be_bytes(r.take())),
            subject: Digest8(u64::from_be_bytes(r.take())),
            route: Tag(u32::from_be_bytes(r.take())),
            slot: Tag(u32::from_be_bytes(r.take())),
            at: r.moment(),
            not_before: r.moment(),
            expires: r.moment(),
            channel: Tag(u32::from_be_bytes(r.take())),
            passed: u16::from_be_bytes(r.take()),
            first_attempt: Some(r.moment()).filter(|t| *t != Timestamp::UNIX_EPOCH),
            address: u32::from_be_bytes(r.take()),
            follows: u16::from_be_bytes(r.take()),
            within: u16::from_be_bytes(r.take()),
            forced: r.take::<1>() != [0],
        })
    }
}

struct Writer {
    buf: [u8; OWED_BYTES],
    at: usize,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        self.buf[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// Milliseconds in six bytes: good beyond the last year there is, and what was read is written as it was.
    fn moment(&mut self, t: Timestamp) {
        let millis = t.as_millisecond().clamp(0, (1 << 48) - 1);
        self.put(&millis.to_be_bytes()[2..]);
    }
}

struct Reader<'a> {
    buf: &'a [u8; OWED_BYTES],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.buf[self.at..self.at + N]);
        self.at += N;
        out
    }

    fn moment(&mut self) -> Timestamp {
        let b: [u8; 6] = self.take();
        from_millis(i64::from_be_bytes([0, 0, b[0], b[1], b[2], b[3], b[4], b[5]]))
    }
}
