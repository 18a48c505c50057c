//! Compares what is set up at the providers of accounts with what they need (callback, events, menu), and changes what
//! differs where it may.

use super::Settings;
use crate::channel::{Piece, Wish};
use crate::domain::ids::ChannelId;
use crate::flow::account::Account;
use crate::flow::menu;
use std::sync::Arc;
use std::time::Duration;

/// Longest for one account, all its calls together.
const LONGEST: Duration = Duration::from_secs(60);

/// How it is to be done.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// What differs is changed; otherwise it is only told.
    pub install: bool,
    /// The menu is left as it is.
    pub no_menu: bool,
    /// A picture for the menu, where the provider shows one.
    pub picture: Option<Vec<u8>>,
}

/// What came of one account.
pub struct SetUp {
    /// The account.
    pub channel: ChannelId,
    /// Its kind.
    pub kind: &'static str,
    /// One for each thing that was compared.
    pub pieces: Vec<Piece>,
}

/// One account. What was changed before the time was over stays changed; the next run does the rest.
pub async fn set_up(settings: &Settings, account: &Arc<Account>, how: &How) -> SetUp {
    let public_url = settings.parts.server.public_url.as_deref();
    let wish = Wish {
        callback: public_url.map(|url| format!("{}/callbacks/{}", url.trim_end_matches('/'), account.id)),
        menus: if how.no_menu { Vec::new() } else { menu::of(&settings.live, &account.id) },
        picture: how.picture.clone(),
    };
    let done = tokio::time::timeout(LONGEST, account.channel.set_up(&wish, how.install)).await;
    let pieces = done.unwrap_or_else(|_| {
        let said = format!("no answers within {} s", LONGEST.as_secs());
        vec![Piece::failed("account", said, "run it again later; see docs/network.md for what must be reached")]
    });
    SetUp { channel: account.id.clone(), kind: account.kind.name, pieces }
}
