//! The doors as a stranger meets them: bad input, the admin door's keeper, settings and their reload, the
//! customer's page, what is turned away, and silence about secrets and people.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admin;
mod bad_input;
mod browser;
mod cluster;
pub mod customer;
mod link;
mod outage;
mod page;
mod places;
mod ring;
mod settings;
mod shed;
mod silence;
mod spool;
pub mod track;
