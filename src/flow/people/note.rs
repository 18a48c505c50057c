//! What became of a person's reply, told where the people read: only where it did not go, or may not have.

use super::{NOTE, OWED_SECS, REPLY};
use crate::domain::clock::{Timestamp, plus_secs};
use crate::domain::ids::{Digest8, Tag};
use crate::domain::owed::{Owed, State};
use crate::store::work::{Dest, Settle};

fn failed(state: State) -> bool {
    use State::{Dead, Expired, Skipped, Undelivered, Unsure};
    matches!(state, Skipped | Dead | Expired | Unsure | Undelivered)
}

/// Adds to the settle what it makes owed: with it or not at all. `read`: the items as read, and the highest number. An
/// end is told once; another end of the same reply (it may have arrived, it did not) is told too.
pub(super) fn tell_back((read, last): (&[Owed], u16), settle: &mut Settle, now: Timestamp) {
    let member = settle.leased.member.as_str().to_string();
    let mark = |reply: &Owed| {
        let parts = [NOTE.as_bytes(), member.as_bytes(), &reply.no.to_be_bytes(), reply.state.as_str().as_bytes()];
        Digest8::of(&parts)
    };
    let ended = settle.items.iter().filter(|i| i.milestone == Tag::of(REPLY) && failed(i.state));
    let news: Vec<(u16, Digest8)> = ended.map(|reply| (reply.no, mark(reply))).collect();
    let mut no = settle.added.iter().map(|i| i.no).max().unwrap_or(last);
    for (reply, mark) in news.into_iter().filter(|(_, mark)| !read.iter().any(|i| i.subject == *mark)) {
        no = no.saturating_add(1);
        let times = (now, plus_secs(now, OWED_SECS));
        settle.added.push(Owed { follows: reply, ..Owed::by_itself(no, NOTE, mark, now, times) });
        settle.dest = Dest::Ready;
    }
}
