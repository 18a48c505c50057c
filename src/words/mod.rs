//! **words** — floor 1.
//!
//! Knows: templates (minijinja), locales, money, dates, phone; milestone + order + locale → message.
//! Must not know: channels' wire shapes, Redis, rules.
//! May use: domain
//! How to add one: a language is a folder under `config/templates` and a row in `locale`.
