//! deliver: whole lives of messages, from signed webhooks to what people read. A real Redis, the real doors, the
//! real worker; shops and providers are played by the mock. Hours pass by a clock that the tests move.

pub mod shops;
pub mod world;

mod carts;
mod chain;
mod chats;
mod daily;
mod last_look;
mod limits;
mod line;
mod links;
mod messenger;
mod numbers;
mod optout;
mod orders;
mod outage;
mod parked;
mod people;
mod polls;
mod quiet;
mod receipts;
mod retries;
mod simulate;
mod sms;
mod staff;
mod timers;
mod wechat;
mod whatsapp;
