//! What a relay's answer means. The step counts for more than the number: RCPT is about the recipient,
//! greeting, AUTH and MAIL are about us, the end of the data is about the words. An enhanced code (`5.1.1`,
//! RFC 3463) counts for more than the plain one.
//!
//! Never is a recipient given up for what is our fault: 5.7.x is about our name and our records, and taking
//! it for "no such person" would wipe out a shop's customers in an afternoon.

use super::smtp::{OURS, Step};
use super::text;
use crate::domain::decision::Reason;
use crate::domain::person::{PersonChange, Unreachable};
use crate::domain::verdict::{Answer, Scope, Verdict};

/// The relay is closing or overloaded. Seconds.
const CLOSING: i64 = 300;
/// Greylisting, a busy mailbox, a local error. Seconds.
const BUSY: i64 = 900;
/// No route, a loop: once more when somebody may have mended it. Seconds.
const ROUTE: i64 = 3600;
/// Yahoo's TSS04 and the like. Seconds.
const DISTRUSTED: i64 = 7200;
/// Our reputation or a filter: a pause, in which an alert finds somebody. Seconds.
const POLICY: i64 = 1800;
/// A full mailbox. Seconds.
const FULL: i64 = 24 * 3600;
/// Longest part of the relay's words kept, in characters a person sees.
const WORDS: usize = 200;

/// Words by which relays without enhanced codes say that it is us they mind.
const ABOUT_US: [&str; 11] =
    ["relay", "spam", "policy", "denied", "auth", "reputation", "blocked", "blacklist", "block list", "dnsbl", "spf"];

/// A reply as far as it decides anything.
struct Reply {
    status: u16,
    step: Step,
    enhanced: Option<(u16, u16, u16)>,
    /// In lower case.
    words: String,
    detail: String,
}

/// What an answer means.
pub(super) fn judge(answer: &Answer) -> Verdict {
    let (status, body) = match answer {
        Answer::NotSent(why) => return later(Reason::Retrying, None, Scope::Message, scrub(why)),
        Answer::NoAnswer(why) => return Verdict::Unsure { detail: scrub(why) },
        Answer::Reply { status, body, .. } => (*status, String::from_utf8_lossy(body)),
    };
    let reply = Reply {
        status,
        // An answer whose step is not known is taken for one to the whole mail.
        step: Step::of(answer).unwrap_or(Step::Content),
        enhanced: enhanced(&body),
        words: body.to_lowercase(),
        detail: format!("{status} {}", scrub(&body)),
    };
    match status {
        OURS => stop(reply.detail),
        200..=299 if reply.step == Step::Content => Verdict::Accepted { ids: queue_id(&body), again: false },
        400..=499 => passing(reply),
        500..=599 => lasting(reply),
        _ => Verdict::Unsure { detail: reply.detail },
    }
}

/// 4xx: not taken, may be taken later.
fn passing(reply: Reply) -> Verdict {
    let ours = matches!(reply.step, Step::Connect | Step::Auth | Step::Mail);
    let scope = match reply.step {
        _ if ours => Scope::Account,
        Step::Rcpt => Scope::Recipient,
        _ => Scope::Message,
    };
    let (reason, after, scope) = match (reply.status, reply.enhanced) {
        // The same records and signatures as 5.7.25 … 5.7.32, said politely.
        (_, Some((4, 7, 25..=32))) => (Reason::ChannelPaused, ROUTE, Scope::Account),
        (421, _) if reply.words.contains("tss04") => (Reason::RateLimited, DISTRUSTED, scope),
        (421, _) => (Reason::Retrying, CLOSING, scope),
        (_, Some((4, 2, 1 | 2))) => (Reason::Retrying, BUSY, Scope::Recipient),
        _ => (Reason::Retrying, BUSY, scope),
    };
    later(reason, Some(after), scope, reply.detail)
}

/// 5xx: will not be taken as it is.
fn lasting(reply: Reply) -> Verdict {
    if matches!(reply.step, Step::Connect | Step::Auth | Step::Mail) {
        return before_recipient(reply);
    }
    match reply.enhanced {
        Some((5, 7, 8 | 25..=32 | 515)) => stop(reply.detail),
        Some((5, 7, _)) => policy(reply),
        Some((5, 1, 1 | 2 | 3 | 6 | 10)) => gone(reply.detail),
        // Our own sender address.
        Some((5, 1, 7 | 8)) => stop(reply.detail),
        // Gmail also says "receiving too fast" under this number.
        Some((5, 2, 1)) if reply.words.contains("rate") || reply.words.contains("too fast") => {
            later(Reason::RecipientCapped, Some(BUSY), Scope::Recipient, reply.detail)
        }
        Some((5, 2, 1)) => gone(reply.detail),
        Some((5, 2, 2)) => later(Reason::RecipientCapped, Some(FULL), Scope::Recipient, reply.detail),
        Some((5, 2, 3) | (5, 3, 4) | (5, 6, _)) => Verdict::Refused { detail: reply.detail },
        Some((5, 4, _)) => later(Reason::Retrying, Some(ROUTE), Scope::Recipient, reply.detail),
        _ => by_number(reply),
    }
}

/// Nobody was named yet: it is us, or the size that MAIL announces.
fn before_recipient(reply: Reply) -> Verdict {
    let too_big = matches!(reply.status, 523 | 552) || reply.enhanced == Some((5, 3, 4));
    if reply.step == Step::Mail && too_big { Verdict::Refused { detail: reply.detail } } else { stop(reply.detail) }
}

/// No enhanced code that decides.
fn by_number(reply: Reply) -> Verdict {
    let about_us = || ABOUT_US.iter().any(|words| reply.words.contains(words));
    match (reply.status, reply.step) {
        (530 | 534 | 535 | 538, _) => stop(reply.detail),
        (551 | 556, _) => gone(reply.detail),
        (552, Step::Rcpt) => later(Reason::RecipientCapped, Some(FULL), Scope::Recipient, reply.detail),
        (_, Step::Rcpt) if about_us() => policy(reply),
        (550 | 553, Step::Rcpt) => gone(reply.detail),
        // Not on this channel; what it says is too little to give the address up for good.
        (_, Step::Rcpt) => unreachable(PersonChange::default(), reply.detail),
        // Our commands are wrong, whatever the mail.
        (500 | 502..=504 | 555, _) => stop(reply.detail),
        _ => Verdict::Refused { detail: reply.detail },
    }
}

/// A filter or our reputation: nobody is given up, nothing is burnt while it lasts.
fn policy(reply: Reply) -> Verdict {
    match reply.status {
        530 | 534 | 535 | 538 => stop(reply.detail),
        // Gmail: "blocked because its content presents a potential security issue".
        552 => Verdict::Refused { detail: reply.detail },
        _ => later(Reason::ChannelPaused, Some(POLICY), Scope::Account, reply.detail),
    }
}

fn later(reason: Reason, after_secs: Option<i64>, scope: Scope, detail: String) -> Verdict {
    Verdict::TryLater { reason, after_secs, scope, detail }
}

/// The account stops until a person acted; its mails stay owed.
fn stop(detail: String) -> Verdict {
    later(Reason::ChannelPaused, None, Scope::Account, detail)
}

fn gone(detail: String) -> Verdict {
    unreachable(PersonChange { unreachable: Some(Some(Unreachable::Invalid)), ..PersonChange::default() }, detail)
}

fn unreachable(change: PersonChange, detail: String) -> Verdict {
    Verdict::Unreachable { reason: Reason::RecipientInvalid, scope: Scope::Recipient, change, detail }
}

/// The first `d.d.d` of the words that stands alone.
fn enhanced(words: &str) -> Option<(u16, u16, u16)> {
    words.split(|c: char| c.is_whitespace() || c == '-' || c == '#').find_map(|word| {
        let mut parts = word.trim_matches(|c: char| !c.is_ascii_digit()).split('.');
        let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
        let code = (a.parse().ok()?, b.parse().ok()?, c.parse().ok()?);
        (parts.next().is_none() && matches!(code.0, 2 | 4 | 5)).then_some(code)
    })
}

/// The relay's own id of the mail: where it says `queued as`, `id=`, or ends its line with one.
fn queue_id(words: &str) -> Vec<String> {
    let last = words.split_whitespace().last().unwrap_or_default();
    let id = last.rsplit('=').next().unwrap_or_default().trim_matches(['<', '>', '(', ')', '.', ',']);
    let looks = (6..=200).contains(&id.len()) && id.bytes().any(|b| b.is_ascii_digit()) && id.is_ascii();
    if looks { vec![id.to_string()] } else { Vec::new() }
}

/// The relay's words without addresses, on one line, cut.
fn scrub(words: &str) -> String {
    let masked: Vec<&str> = words.split_whitespace().map(|w| if w.contains('@') { "…" } else { w }).collect();
    text::cut(&text::one_line(&masked.join(" ")), WORDS, text::graphemes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enhanced_code_is_found_wherever_relays_put_it() {
        assert_eq!(enhanced("5.1.1 no such user"), Some((5, 1, 1)));
        assert_eq!(enhanced("550-5.7.26 unauthenticated"), Some((5, 7, 26)));
        assert_eq!(enhanced("<a@b.example>: #5.1.0 rejected"), Some((5, 1, 0)));
        assert_eq!(enhanced("blocked, see 192.0.2.1 or 3.1.4"), None);
        assert_eq!(enhanced(""), None);
    }

    #[test]
    fn the_relays_id_is_found_and_nothing_else_taken_for_one() {
        assert_eq!(queue_id("2.0.0 Ok: queued as 4XyZ12abcd"), ["4XyZ12abcd"]);
        assert_eq!(queue_id("OK id=1tABcd-0001Ab-2c"), ["1tABcd-0001Ab-2c"]);
        assert_eq!(queue_id("2.0.0 OK 1764000000 abc-2si45 - gsmtp"), Vec::<String>::new());
        assert_eq!(queue_id("2.0.0"), Vec::<String>::new());
    }

    #[test]
    fn addresses_do_not_reach_the_ledger() {
        assert_eq!(scrub("5.1.1 <ann@shop.example>: no\r\nmailbox"), "5.1.1 … no mailbox");
    }
}
