//! What a provider says of an account when it is asked, for `check --online`: credentials, callback, templates. A
//! helper, no channel.
//!
//! Everything here reads. Nothing is sent to anybody, nothing is set up or changed at a vendor; a vendor that offers no
//! such call is not asked, and that is said.

use super::meta::scrub;
use crate::domain::channel::Envelope;
use crate::domain::verdict::Answer;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

/// How something stands at a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it must be.
    Fine,
    /// Messages will fail until somebody acts.
    Trouble,
    /// Nobody knows: it cannot be asked, or not from here.
    NotAsked,
}

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was asked about: `account`, `callback`, `template order_shipped (zh_TW)`.
    pub about: String,
    /// How it stands.
    pub state: State,
    /// What the provider says, without secrets.
    pub said: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Where it is about a template that exists: whether that goes.
    #[serde(skip)]
    pub template: Option<Goes>,
}

/// Whether messages by a template go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goes {
    /// Words that name it, as in [`Wanted::place`].
    pub places: Vec<String>,
    /// Why it does not: paused, rejected, of another category. `None`: it does.
    pub stopped: Option<String>,
}

impl Finding {
    /// As it must be.
    pub fn fine(about: impl Into<String>, said: impl Into<String>) -> Finding {
        Finding { about: about.into(), state: State::Fine, said: said.into(), remedy: None, template: None }
    }

    /// Somebody must act.
    pub fn trouble(about: impl Into<String>, said: impl Into<String>, remedy: impl Into<String>) -> Finding {
        let (about, said, remedy) = (about.into(), said.into(), Some(remedy.into()));
        Finding { about, state: State::Trouble, said, remedy, template: None }
    }

    /// Not asked, and why.
    pub fn not_asked(about: impl Into<String>, why: impl Into<String>) -> Finding {
        Finding { about: about.into(), state: State::NotAsked, said: why.into(), remedy: None, template: None }
    }
}

/// A template that the words name, as a message would carry it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which words: `shipped in zh-TW`.
    pub place: String,
    /// The message, made of a sample order.
    pub envelope: Envelope,
}

/// What an account is asked about besides itself.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The public address of its callbacks, where settings name one.
    pub callback: Option<String>,
    /// Templates that messages would be sent with.
    pub templates: Vec<Wanted>,
}

/// What came instead of an answer that says yes.
pub(super) struct No {
    /// HTTP status; `None`: there was no answer.
    pub status: Option<u16>,
    /// What it says, whole.
    pub body: Value,
    /// The vendor's words, safe to show.
    pub words: String,
}

impl No {
    /// It as trouble: `remedy` where the vendor refused, else a look at the way there.
    pub(super) fn trouble(&self, about: &str, remedy: &str) -> Finding {
        match self.status {
            Some(429 | 500..) => Finding::trouble(about, &self.words, "the provider cannot say now; ask again later"),
            Some(_) => Finding::trouble(about, &self.words, remedy),
            None => Finding::trouble(about, &self.words, "see docs/network.md for what must be reached, and api_url"),
        }
    }
}

/// The document of an answer with a good status, unless `refusal` reads an error in it.
///
/// # Errors
/// What came instead.
pub(super) fn document(answer: &Answer, refusal: fn(&Value) -> bool) -> Result<Value, No> {
    let (status, body) = match answer {
        Answer::Reply { status, body, .. } => (*status, body),
        Answer::NotSent(why) => {
            return Err(No { status: None, body: Value::Null, words: format!("not reached: {why}") });
        }
        Answer::NoAnswer(why) => {
            return Err(No { status: None, body: Value::Null, words: format!("no answer: {why}") });
        }
    };
    let body: Option<Value> = serde_json::from_slice(body).ok();
    match body {
        Some(body) if (200..300).contains(&status) && !refusal(&body) => Ok(body),
        Some(body) => {
            let words = format!("{status} {}", said(&body));
            Err(No { status: Some(status), body, words: words.trim().to_string() })
        }
        None => Err(No {
            // A page of a gateway's says nothing about the account.
            status: Some(if (200..300).contains(&status) { 502 } else { status }),
            body: Value::Null,
            words: format!("{status} (not an answer of this API)"),
        }),
    }
}

/// No error is hidden in an answer of this status.
pub(super) fn never(_: &Value) -> bool {
    false
}

/// The vendor's own words, wherever it puts them, with everything masked that may be a token or a person.
fn said(body: &Value) -> String {
    const PLACES: [&str; 8] = [
        "/error/message",
        "/message",
        "/description",
        "/error_description",
        "/errmsg",
        "/status_message",
        "/error_name",
        "/error",
    ];
    const CODES: [&str; 4] = ["/error/code", "/errcode", "/code", "/status"];
    let words = PLACES.iter().find_map(|at| body.pointer(at)?.as_str()).unwrap_or_default();
    let code = CODES.iter().find_map(|at| body.pointer(at)?.as_i64());
    let code = code.map(|code| format!("{code} ")).unwrap_or_default();
    format!("{code}{}", scrub(words))
}

/// A text of an answer, at a pointer; empty: it is not there.
pub(super) fn text<'a>(body: &'a Value, at: &str) -> &'a str {
    body.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the address at the vendor is ours; `how` says where it is set.
pub(super) fn callback(at_vendor: &str, question: &Question, how: &str) -> Finding {
    const ABOUT: &str = "callback";
    let Some(ours) = &question.callback else {
        return Finding::not_asked(ABOUT, "server.public_url is not set, so ours is not known");
    };
    if at_vendor == ours {
        return Finding::fine(ABOUT, ours);
    }
    let other = match Url::parse(at_vendor) {
        _ if at_vendor.is_empty() => "none is set".to_string(),
        // No query and no user: a stranger's address may carry a secret there.
        Ok(url) => {
            let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
            format!("goes to {}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
        }
        Err(_) => "goes to something that is no address".into(),
    };
    Finding::trouble(ABOUT, other, format!("set it to {ours} {how}"))
}

/// What messages need of one template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Needs {
    /// Name or id.
    pub name: String,
    /// Language code; empty where the vendor's templates have none of their own.
    pub language: String,
    /// Places that our messages fill: `body 1`, `header order`.
    pub slots: BTreeSet<String>,
}

impl Needs {
    fn about(&self) -> String {
        let language = if self.language.is_empty() { String::new() } else { format!(" ({})", self.language) };
        format!("template {}{language}", self.name)
    }
}

/// Each template that is needed, once, with the words that need it. `read` takes a message's document.
pub(super) fn needs(question: &Question, read: fn(&Value) -> Option<Needs>) -> BTreeMap<Needs, Vec<&str>> {
    let mut all: BTreeMap<Needs, Vec<&str>> = BTreeMap::new();
    for wanted in &question.templates {
        let document: Option<Value> = serde_json::from_str(&wanted.envelope.body).ok();
        if let Some(needs) = document.as_ref().and_then(read) {
            all.entry(needs).or_default().push(&wanted.place);
        }
    }
    all
}

/// A template as the vendor has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// Its state, in the vendor's word.
    pub status: String,
    /// It can be sent.
    pub sendable: bool,
    /// Why it was rejected, where the vendor says so.
    pub reason: String,
    /// Its category, and whether it is one for what an order has reached; `None`: the vendor knows none.
    pub category: Option<(String, bool)>,
    /// Places that must be filled.
    pub slots: BTreeSet<String>,
    /// Places that may be filled besides.
    pub optional: BTreeSet<String>,
}

/// Holds what messages need against what the vendor has. `None`: it has no such template.
pub(super) fn compare(needs: &Needs, places: &[&str], held: Option<&Held>) -> Finding {
    let words = match places {
        [] => String::new(),
        [one] => format!("the words of {one}"),
        [one, others @ ..] => format!("the words of {one} and {} more", others.len()),
    };
    let Some(held) = held else {
        let remedy = format!("create it and have it approved, or correct its name in {words}");
        return Finding::trouble(needs.about(), "does not exist there", remedy);
    };
    let (mut said, mut remedies) = (Vec::new(), Vec::new());
    if !held.sendable {
        let reason = if held.reason.is_empty() { String::new() } else { format!(" ({})", scrub(&held.reason)) };
        said.push(format!("is {}{reason}, so it cannot be sent", scrub(&held.status)));
        remedies.push(format!("have it approved, or name another in {words}"));
    }
    if let Some((category, false)) = &held.category {
        said.push(format!("is of the category {}", scrub(category)));
        remedies.push("what is told about an order must be utility or transaction: ask for a review".to_string());
    }
    // Another count of parameters is told, and stops nothing: the provider's own answer to a send says more.
    let stopped = (!said.is_empty()).then(|| said.join("; "));
    let goes = Some(Goes { places: places.iter().map(ToString::to_string).collect(), stopped });
    let missing: Vec<&str> = held.slots.difference(&needs.slots).map(String::as_str).collect();
    let known: BTreeSet<String> = held.slots.union(&held.optional).cloned().collect();
    let extra: Vec<&str> = needs.slots.difference(&known).map(String::as_str).collect();
    if !missing.is_empty() {
        said.push(format!("has {}, which the words do not fill", missing.join(", ")));
    }
    if !extra.is_empty() {
        said.push(format!("has no {}, which the words fill", extra.join(", ")));
    }
    if !missing.is_empty() || !extra.is_empty() {
        remedies.push(format!("make the parameters in {words} fit it"));
    }
    if said.is_empty() {
        let category = held.category.as_ref().map(|(c, _)| format!(", {}", scrub(c))).unwrap_or_default();
        let said = format!("{}{category}, {} parameters", scrub(&held.status), needs.slots.len());
        return Finding { template: goes, ..Finding::fine(needs.about(), said) };
    }
    Finding { template: goes, ..Finding::trouble(needs.about(), said.join("; "), remedies.join("; ")) }
}

/// What stands between double braces in a text, in order: `1`, `order_name`.
pub(super) fn marks(text: &str) -> Vec<String> {
    let ends = text.split("{{").skip(1).filter_map(|part| part.split_once("}}"));
    ends.map(|(mark, _)| mark.trim().to_string()).filter(|m| !m.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(slots: &[&str]) -> BTreeSet<String> {
        slots.iter().map(ToString::to_string).collect()
    }

    fn template(slots: &[&str]) -> Held {
        let category = Some(("UTILITY".to_string(), true));
        Held { status: "APPROVED".into(), sendable: true, category, slots: set(slots), ..Held::default() }
    }

    #[test]
    fn a_template_must_be_there_be_sendable_and_fit() {
        let needs = Needs { name: "order_shipped".into(), language: "zh_TW".into(), slots: set(&["body 1", "body 2"]) };
        let found = |held: Option<Held>| compare(&needs, &["shipped in zh-TW"], held.as_ref());
        assert_eq!(found(Some(template(&["body 1", "body 2"]))).state, State::Fine);
        let optional = Held { optional: set(&["body 2"]), ..template(&["body 1"]) };
        assert_eq!(found(Some(optional)).state, State::Fine);
        for (held, part) in [
            (None, "does not exist"),
            (Some(Held { status: "PAUSED".into(), sendable: false, ..template(&["body 1", "body 2"]) }), "PAUSED"),
            (
                Some(Held { category: Some(("MARKETING".into(), false)), ..template(&["body 1", "body 2"]) }),
                "MARKETING",
            ),
            (Some(template(&["body 1", "body 2", "body 3"])), "body 3"),
            (Some(template(&["body 1"])), "body 2"),
        ] {
            let finding = found(held);
            assert_eq!(finding.state, State::Trouble, "{part}");
            assert!(finding.said.contains(part), "{finding:?}");
            assert!(finding.remedy.as_ref().is_some_and(|r| !r.is_empty()), "{finding:?}");
        }
    }

    #[test]
    fn the_vendors_words_come_without_tokens_and_a_gateways_page_is_no_refusal() {
        let answer = |status, body: &str| Answer::Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        let no = |answer| document(&answer, never).expect_err("no document");
        let body =
            json!({ "error": { "code": 190, "message": "Malformed token EAABsbCS1iHgBO0123456789abcdefghijkl" } });
        assert_eq!(no(answer(401, &body.to_string())).words, "401 190 Malformed token …");
        assert_eq!(no(answer(200, "<html>")).status, Some(502));
        assert_eq!(no(Answer::NotSent("refused".into())).status, None);
        assert!(document(&answer(200, "{}"), never).is_ok());
        assert!(document(&answer(200, "{}"), |_| true).is_err());
    }

    #[test]
    fn another_callback_is_shown_without_what_may_be_secret() {
        let question = Question { callback: Some("https://us.example/callbacks/a".into()), templates: Vec::new() };
        assert_eq!(callback("https://us.example/callbacks/a", &question, "").state, State::Fine);
        let other = callback("https://u:pw@else.example:8443/x?token=s3cret#f", &question, "in the console");
        assert_eq!((other.state, other.said.as_str()), (State::Trouble, "goes to https://else.example:8443/x"));
        assert_eq!(callback("", &question, "").said, "none is set");
        assert_eq!(callback("", &Question::default(), "").state, State::NotAsked);
    }

    #[test]
    fn marks_are_what_stands_between_braces() {
        assert_eq!(marks("Hi {{1}}, {{ name }} {{}} {x} {{y"), ["1", "name"]);
        assert_eq!(marks("{{first.DATA}}\n{{thing1.DATA}}"), ["first.DATA", "thing1.DATA"]);
    }
}
