//! Channels: goldens, and what only one vendor asks for.

mod email;
mod golden;
mod messenger;
mod server;
mod stand_in;
