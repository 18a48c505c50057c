//! Channels: one suite over all of them, goldens for each, and what only one vendor asks for.

#![expect(clippy::unwrap_used, reason = "a helper of tests that finds nothing has failed the test")]

mod conformance;
mod discord;
mod email;
mod examples;
mod golden;
mod google_chat;
mod instagram;
mod line;
mod line_pnp;
mod messenger;
mod openapi;
mod server;
mod slack;
mod sms;
mod sms_mitake;
mod sms_twilio;
mod stand_in;
mod table;
mod teams;
mod telegram;
mod twilio;
mod viber;
mod webhook;
mod wechat;
mod whatsapp;
mod whatsapp_twilio;
mod windows;
mod zalo;
