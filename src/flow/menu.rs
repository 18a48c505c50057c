//! menu: what a customer can tap at any time in a chat, in every language. Each tap is answered by `answer`.

use super::answer::Tap;
use super::live::Live;
use super::talk::some_shop;
use crate::channel::{Item, Menu};
use crate::domain::ids::ChannelId;
use crate::words::{ChatText, LOCALES, asks_for_orders};

/// The menu of a channel account, in its shop's language first; empty: there is no shop.
pub fn of(live: &Live, channel: &ChannelId) -> Vec<Menu> {
    let Some(shop) = some_shop(live, channel) else { return Vec::new() };
    let own = live.words.locale(&[shop.rules.locale.as_str()]);
    let others = LOCALES.iter().copied().filter(|locale| *locale != own);
    std::iter::once(own).chain(others).map(|locale| in_language(live, locale)).collect()
}

fn in_language(live: &Live, locale: &'static str) -> Menu {
    // Proven when the words were loaded; a key says more than an empty label.
    let say = |text: ChatText| live.words.chat(text, locale, None, None).unwrap_or_else(|_| text.key().to_string());
    let item = |(command, tap): (&'static str, Tap)| {
        let label = say(match tap {
            Tap::Settings => ChatText::Settings,
            Tap::Talk => ChatText::Talk,
            _ => ChatText::MyOrders,
        });
        Item { spoken: asks_for_orders(&label), label, data: tap.data(), command }
    };
    Menu { locale, title: say(ChatText::Menu), items: Tap::MENU.into_iter().map(item).collect() }
}
