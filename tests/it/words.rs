//! words: the goldens are what a customer reads; look at them with a customer's eyes.

mod golden;
mod hostile;
mod own_files;
mod rules;

use orderwire::words::{Words, built_in_milestones};

/// The built-in words, with the sections of every kind of channel allowed.
fn built_in() -> Words {
    load(None).expect("the built-in words are sound")
}

fn load(dir: Option<&std::path::Path>) -> Result<Words, Vec<orderwire::words::Mistake>> {
    Words::load(dir, &built_in_milestones(), &["line", "messenger", "sms", "email", "slack"])
}
