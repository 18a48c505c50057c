//! Words ready to be rendered: each text compiled, known by its place (`en/shipped.toml:body`).

use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// A compiled text, by its place in the engine.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// Its name in the engine: file, colon, key.
    pub(super) id: String,
    /// It speaks of what is told in the same message itself.
    pub(super) speaks_of_joined: bool,
}

impl Text {
    /// Its key within the file.
    pub(super) fn key(&self) -> &str {
        self.id.split_once(':').map_or(self.id.as_str(), |(_, key)| key)
    }
}

/// A button's label and link.
#[derive(Clone, Debug)]
pub(super) struct ButtonText {
    pub(super) label: Text,
    pub(super) url: Text,
}

/// Title, body and buttons, each possibly left to the next part.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) title: Option<Text>,
    pub(super) body: Option<Text>,
    pub(super) buttons: Option<Vec<ButtonText>>,
}

/// A section's value with its texts compiled.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// A text.
    Text(Text),
    /// A list.
    List(Vec<Tree>),
    /// A table.
    Table(BTreeMap<String, Tree>),
    /// A number, yes or no.
    Plain(Json),
}

/// What the words say for one kind of channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    pub(super) part: Part,
    pub(super) extra: BTreeMap<String, Tree>,
    pub(super) raw: BTreeMap<String, Json>,
}

/// The words of one milestone in one language.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    /// The file to name in errors.
    pub(super) origin: String,
    /// It (or what it shares) was not all built in, so it must be proven at load.
    pub(super) own: bool,
    /// The milestone's name in a few words.
    pub(super) name: String,
    /// One sentence for when it is told within another message.
    pub(super) also: Text,
    pub(super) main: Part,
    pub(super) staff: Part,
    pub(super) sections: BTreeMap<String, Section>,
    /// Phrases that its texts speak of: no other is made for them.
    pub(super) phrases: BTreeSet<String>,
}
