//! What is set up at a vendor for an account: where it calls back and what of, and the menu in its chats. A helper, no
//! channel.
//!
//! Everything is read first and compared; what is as it must be is left alone, and what is somebody else's besides. A
//! thing is changed by one call, or by calls of which each may come again: whoever runs it anew after a death finds what
//! is left to do.

use super::ask::No;
use super::meta::scrub;
use super::text;
use serde::Serialize;
use serde_json::Value;
use url::Url;

/// Longest part of a vendor's value that is shown.
const SHOWN: usize = 60;
/// Differences named of one thing.
const NAMED: usize = 6;

/// What an account should be.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The public address of its callbacks; `None`: settings name none.
    pub callback: Option<String>,
    /// The menu in each language, the shop's own first; empty: it is left as it is.
    pub menus: Vec<Menu>,
    /// A picture for the menu, where the vendor shows one; `None`: a plain one of ours.
    pub picture: Option<Vec<u8>>,
}

/// The menu in one language.
#[derive(Clone, Debug)]
pub struct Menu {
    /// The language.
    pub locale: &'static str,
    /// What stands on the bar that opens it.
    pub title: String,
    /// What can be tapped.
    pub items: Vec<Item>,
}

/// What can be tapped in a menu.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its words.
    pub label: String,
    /// What comes back.
    pub data: String,
    /// The same as a command: lower-case letters.
    pub command: &'static str,
    /// The words alone are understood, where nothing but words comes back.
    pub spoken: bool,
}

/// How one thing stands at the vendor, compared with the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// As wished.
    Same,
    /// Otherwise, and left so.
    Differs,
    /// It was otherwise, and now is as wished.
    Changed,
    /// It could not be read, or not be changed.
    Failed,
    /// Nothing can be set up by a call, or nobody knows what to wish.
    NotAsked,
}

/// One thing that was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// What: `callback`, `menu (zh-TW)`.
    pub about: String,
    /// How it stands.
    pub stands: Stands,
    /// What differs or what was changed; else how it is.
    pub said: String,
    /// What a person must do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Piece {
    /// Nothing to be done by a call.
    pub fn not_asked(about: &str, why: &str) -> Piece {
        Piece { about: about.into(), stands: Stands::NotAsked, said: why.into(), remedy: None }
    }

    /// A person must act.
    pub fn failed(about: &str, said: impl Into<String>, remedy: &str) -> Piece {
        Piece { about: about.into(), stands: Stands::Failed, said: said.into(), remedy: Some(remedy.into()) }
    }
}

/// Where an account's things are compared one by one.
pub(super) struct Desk {
    install: bool,
    pieces: Vec<Piece>,
}

impl Desk {
    /// `install`: what differs is changed.
    pub(super) fn new(install: bool) -> Desk {
        Desk { install, pieces: Vec::new() }
    }

    /// Whether things may be changed.
    pub(super) fn installs(&self) -> bool {
        self.install
    }

    /// Everything that was compared.
    pub(super) fn done(self) -> Vec<Piece> {
        self.pieces
    }

    /// Writes down something that was found by other means.
    pub(super) fn note(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }

    /// Where the account is called back, or why nobody knows.
    pub(super) fn callback<'w>(&mut self, wish: &'w Wish) -> Option<&'w str> {
        if wish.callback.is_none() {
            self.note(Piece::not_asked("callback", "server.public_url is not set, so the address is not known"));
        }
        wish.callback.as_deref()
    }

    /// Compares what the vendor has with what it should have, as far as that is said; `change` is only begun where they
    /// differ and may be changed. `true`: it is as wished now.
    pub(super) async fn compare(
        &mut self,
        about: &str,
        held: Result<Value, No>,
        wanted: &Value,
        (change, remedy): (impl Future<Output = Result<(), No>>, &str),
    ) -> bool {
        let held = match held {
            Ok(held) => held,
            Err(no) => {
                self.note(Piece::failed(about, no.words, remedy));
                return false;
            }
        };
        let mut differences = Vec::new();
        differ("", &held, wanted, &mut differences);
        let more = differences.len().saturating_sub(NAMED);
        differences.truncate(NAMED);
        let mut said = differences.join("; ");
        if more > 0 {
            said.push_str(&format!("; and {more} more"));
        }
        let piece = |stands, said| Piece { about: about.into(), stands, said, remedy: None };
        if said.is_empty() {
            self.note(piece(Stands::Same, "as it should be".into()));
            return true;
        }
        if !self.install {
            self.note(piece(Stands::Differs, said));
            return false;
        }
        let changed = change.await;
        let good = changed.is_ok();
        self.note(match changed {
            Ok(()) => piece(Stands::Changed, said),
            Err(no) => Piece::failed(about, no.words, remedy),
        });
        good
    }
}

/// Every place at which the vendor has something else than is wanted. What it has besides is its own affair.
fn differ(place: &str, held: &Value, wanted: &Value, found: &mut Vec<String>) {
    let dot = if place.is_empty() { "" } else { "." };
    match (held, wanted) {
        (Value::Object(has), Value::Object(wants)) => {
            for (key, want) in wants {
                differ(&format!("{place}{dot}{key}"), has.get(key).unwrap_or(&Value::Null), want, found);
            }
        }
        (Value::Array(has), Value::Array(wants)) if has.len() == wants.len() && wants.iter().any(Value::is_object) => {
            for (i, (has, want)) in has.iter().zip(wants).enumerate() {
                differ(&format!("{place}[{i}]"), has, want, found);
            }
        }
        (has, wants) if has == wants => {}
        (has, wants) => {
            let colon = if place.is_empty() { "" } else { ": " };
            found.push(format!("{place}{colon}{} → {}", shown(has), shown(wants)));
        }
    }
}

/// A value for people: a stranger's address may carry a secret behind its path, and a stranger's words a person.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(words) => match Url::parse(words) {
            Ok(url) if url.has_host() => {
                let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
                format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
            }
            _ => format!("\"{}\"", text::cut(&scrub(words), SHOWN, text::graphemes)),
        },
        Value::Array(all) if all.iter().all(Value::is_string) => {
            all.iter().filter_map(Value::as_str).map(scrub).collect::<Vec<_>>().join(", ")
        }
        Value::Array(all) => format!("{} entries", all.len()),
        Value::Object(all) => format!("{} settings", all.len()),
        other => other.to_string(),
    }
}

/// The names in `all`, sorted: for lists whose order says nothing.
pub(super) fn sorted<'a>(all: impl IntoIterator<Item = &'a str>) -> Value {
    let mut names: Vec<&str> = all.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    names.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differences(held: Value, wanted: Value) -> Vec<String> {
        let mut found = Vec::new();
        differ("", &held, &wanted, &mut found);
        found
    }

    #[test]
    fn only_what_is_wanted_is_compared_and_each_place_is_named() {
        let wanted = json!({ "a": 1, "list": [{ "title": "My orders" }, { "title": "Talk" }] });
        assert!(
            differences(
                json!({ "a": 1, "b": 2, "list": [{ "title": "My orders", "x": [] }, { "title": "Talk" }] }),
                wanted.clone()
            )
            .is_empty()
        );
        assert_eq!(
            differences(json!({ "list": [{ "title": "Old" }, { "title": "Talk" }] }), wanted.clone()),
            ["a: none → 1", "list[0].title: \"Old\" → \"My orders\""]
        );
        assert_eq!(differences(json!({ "a": 1, "list": [] }), wanted), ["list:  → 2 entries"]);
        assert_eq!(differences(Value::Null, json!([{ "a": 1 }])), ["none → 1 entries"]);
    }

    #[test]
    fn a_strangers_address_is_shown_without_what_may_be_secret() {
        let found = differences(
            json!({ "url": "https://u:pw@old.example/x?token=s3cret#f" }),
            json!({ "url": "https://new.example/c" }),
        );
        assert_eq!(found, ["url: https://old.example/x → https://new.example/c"]);
    }

    #[tokio::test]
    async fn nothing_is_changed_unless_it_differs_and_may_be_changed() {
        let wanted = json!({ "a": 1 });
        for (install, held, stands) in [
            (true, json!({ "a": 1 }), Stands::Same),
            (false, json!({ "a": 2 }), Stands::Differs),
            (true, json!({ "a": 2 }), Stands::Changed),
        ] {
            let mut desk = Desk::new(install);
            let mut begun = false;
            let change = async {
                begun = true;
                Ok(())
            };
            let good = desk.compare("it", Ok(held), &wanted, (change, "")).await;
            assert_eq!((begun, good), (stands == Stands::Changed, stands != Stands::Differs), "{stands:?}");
            assert_eq!(desk.done()[0].stands, stands);
        }
    }
}
