//! **milestone** — floor 1: one file per thing that can be told.
//!
//! Knows: when an order has *reached* something → of what, when; its purpose, when it goes stale, what it
//! supersedes and joins.
//! Must not know: platforms, channels, consent, Redis.
//! May use: domain
//! How to add one: `src/milestone/acme.rs` with `KIND`, its words in `config/templates/<locale>/acme.toml`,
//! then `mod acme;` and `&acme::KIND,` below, then `tests/golden/milestone/acme/<case>/`.

use crate::domain::ids::Tag;
use crate::domain::milestone::Milestone;

/// Every milestone, in the order of the story.
pub static ALL: &[&Milestone] = &[];

/// The milestone of this name.
pub fn find(id: &str) -> Option<&'static Milestone> {
    ALL.iter().copied().find(|m| m.id == id)
}

/// The milestone with this stored tag.
pub fn by_tag(tag: Tag) -> Option<&'static Milestone> {
    ALL.iter().copied().find(|m| m.tag() == tag)
}
