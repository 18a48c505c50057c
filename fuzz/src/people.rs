//! What people outside write to us: in chats, in links, in files of consent.

use super::targets::seal;
use orderwire::cli::consent_file::{self, COLUMNS, Format, Sheet};
use orderwire::domain::clock::{Timestamp, from_millis, plus_secs};
use orderwire::domain::person::{Address, Signal};
use orderwire::flow::chat::Means;
use orderwire::flow::consent::files::Row;
use orderwire::flow::link::{self, Invitation};
use orderwire::flow::live::{Holder, Keyed, Live};
use orderwire::flow::noted::says_no;
use orderwire::seal::Seal;
use orderwire::words::Words;
use std::sync::{Arc, LazyLock};

const KEY: &str = "3f9a1c0de4b85276aa10ff93c6d7e8b12b4d6f80913572c4e6a8b0d2f4163850";

fn moment() -> Timestamp {
    from_millis(1_795_593_600_000)
}

/// Words and taps in a chat: first byte, whether they are words, a button's data, or both (cut at the first line end).
/// A code is found only as it is made, and whoever switches off is not written to from the disk either.
pub fn chats(data: &[u8]) {
    let [which, rest @ ..] = data else { return };
    let said = String::from_utf8_lossy(rest).into_owned();
    let mut signal = Signal::new("message", Some(Address::new("line", "U1")), "d", moment());
    match which % 3 {
        0 => signal.text = Some(said.clone()),
        1 => signal.payload = Some(said.clone()),
        _ => {
            let (payload, text) = said.split_once('\n').unwrap_or((&said, ""));
            (signal.payload, signal.text) = (Some(payload.into()), Some(text.into()));
        }
    }
    let means = Means::of(&signal);
    assert_eq!(means, Means::of(&signal), "the same twice");
    if let Some(Means::Code(code)) = &means {
        assert!(said.to_ascii_lowercase().contains(code.as_str()), "{code}");
        assert_eq!(link::code_in(code).as_ref(), Some(code), "a code by itself is that code");
        assert_eq!(link::code_in(&format!("a{code}")), None, "and none within a word");
    }
    // A wish that Redis could not take yet holds all the same.
    let off = means.as_ref().and_then(Means::switches) == Some(true);
    assert!(says_no(&signal) || !off, "{means:?}");
}

fn live() -> &'static Live {
    static LIVE: LazyLock<Live> = LazyLock::new(|| {
        let words = Words::load(None, &orderwire::words::built_in_milestones(), &orderwire::channel::sections());
        let seal = Arc::new(Seal::new(&[Seal::key_from_text(KEY).expect("a key")]).expect("a seal"));
        Live {
            shops: Default::default(),
            routes: Vec::new(),
            conditions: Default::default(),
            words: Arc::new(words.expect("built-in words")),
            channels: Default::default(),
            keyed: Some(Keyed { seal, public_url: Some("https://notify.example.com/".into()) }),
        }
    });
    &LIVE
}

/// Tokens of pages and links. First byte 0: the rest is a token as somebody sends one, and opens nothing that we did not
/// seal. Else: the rest was sealed by us, whatever it is (another version's), and is opened by its purpose alone, whole
/// and in time alone.
pub fn tokens(data: &[u8]) {
    let [which, rest @ ..] = data else { return };
    let (now, until) = (moment(), plus_secs(moment(), 60));
    let live = live();
    if which % 4 == 0 {
        let text = String::from_utf8_lossy(rest);
        assert_eq!(live.holder_of(&text, now), None, "a page that nobody was given");
        assert_eq!(live.invitation_of(&text, now), None, "a link that nobody was given");
        return;
    }
    let purpose = ["", "link", "page", "off"][usize::from(which % 4)];
    let token = seal().token(purpose, rest, until);
    let (holder, invitation) = (live.holder_of(&token, now), live.invitation_of(&token, now));
    assert!(purpose == "link" || invitation.is_none(), "a {purpose} opens as a link");
    assert!(purpose != "link" || holder.is_none(), "a link opens as a page");
    let at = usize::from(*which) % token.len();
    let other = |(i, c): (usize, char)| if i != at { c } else { ['A', 'B'][usize::from(c == 'A')] };
    let (forged, cut): (String, String) =
        (token.chars().enumerate().map(other).collect(), token.chars().take(at).collect());
    for (other, when) in [(&forged, now), (&cut, now), (&token, plus_secs(until, 1))] {
        assert_eq!((live.holder_of(other, when), live.invitation_of(other, when)), (None, None), "{purpose} {at}");
    }
    if let Some(holder @ Holder { order: Some(_), .. }) = holder {
        let again = live.page_token(&holder, until).expect("a token");
        assert_eq!(live.holder_of(&again, now), Some(holder));
    }
    if let Some(invitation) = invitation {
        let again: Option<Invitation> = live.token_of(&invitation, until).and_then(|t| live.invitation_of(&t, now));
        assert_eq!(again, Some(invitation));
    }
}

/// A file of consent. First byte: of which kind. Every row has its line and our columns alone, however it ends; and what
/// was read is read back when it is written again.
pub fn consent(data: &[u8]) {
    let [which, rest @ ..] = data else { return };
    let format = if which % 2 == 0 { Format::Csv } else { Format::Ndjson };
    let Ok(rows) = consent_file::rows(format, rest) else { return };
    let lines = rest.iter().filter(|b| matches!(b, b'\n' | b'\r')).count() as u64 + 1;
    let mut taken = Vec::new();
    for (n, (line, row)) in rows.enumerate() {
        assert!(n as u64 <= 2 * lines + rest.len() as u64 / 1024, "rows without end: {n} of {lines} lines");
        assert!(line <= 2 * lines + rest.len() as u64 / 1024, "line {line} of {lines}");
        let Ok(row) = row else { continue };
        let fields = row.as_object().expect("a row is an object");
        assert!(fields.iter().all(|(k, v)| COLUMNS.contains(&k.as_str()) && v.is_string()), "{row}");
        taken.push(serde_json::from_value::<Row>(row.clone()).expect("a row of our columns is a row"));
    }
    let cells = |row: &Row| {
        let row = serde_json::to_value(row).expect("JSON");
        COLUMNS.map(|name| row[name].as_str().unwrap_or_default().trim().to_string())
    };
    let mut written = Vec::new();
    let mut sheet = Sheet::begin(&mut written).expect("a head line");
    taken.iter().map(cells).for_each(|row| sheet.put(row.iter().map(String::as_str)).expect("written"));
    sheet.flush().expect("written");
    drop(sheet);
    let back = consent_file::rows(Format::Csv, written.as_slice()).expect("our own head line");
    let back: Vec<[String; 7]> = back
        .map(|(line, row)| row.unwrap_or_else(|why| panic!("line {line}: {why}")))
        .map(|row| cells(&serde_json::from_value(row).expect("a row")))
        .collect();
    assert_eq!(back, taken.iter().map(cells).collect::<Vec<_>>(), "{}", String::from_utf8_lossy(&written));
}
