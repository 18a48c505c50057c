//! Messenger identities that people tied to an order, by their own act on the messenger.

use super::Order;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::domain::person::Address;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Links kept of one order at most; those that count are kept first, then the newest.
const MAX_LINKS: usize = 16;

/// The key that opens an order in its shop (WooCommerce's `order_key`, Shopify's `token`), as a digest: enough to
/// compare with what somebody shows, and no key any more.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderKey(String);

impl OrderKey {
    /// Of a key as the shop writes it; `None`: it is empty, which opens nothing.
    pub fn of(key: &str) -> Option<OrderKey> {
        let key = key.trim();
        let digest = Sha256::digest([b"order key\0", key.as_bytes()].concat());
        (!key.is_empty()).then(|| OrderKey(digest[..16].iter().map(|b| format!("{b:02x}")).collect()))
    }

    /// The same key, compared in constant time: both are digests of one length.
    pub fn is(&self, other: &OrderKey) -> bool {
        let different = self.0.bytes().zip(other.0.bytes()).fold(0, |d, (a, b)| d | (a ^ b));
        self.0.len() == other.0.len() && different == 0
    }
}

impl fmt::Debug for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrderKey(…)")
    }
}

/// Somebody on a channel wants to hear of an order, or no longer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// When they said so, by the messenger's clock.
    pub at: Timestamp,
    /// On which channel account.
    pub channel: ChannelId,
    /// Who.
    pub address: Address,
    /// They want to; `false`: it is not their order, or they let it go.
    pub on: bool,
    /// They came by a link that showed this key instead of one that we made: it counts once the shop tells that
    /// the order has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<OrderKey>,
}

impl Order {
    /// Takes in a link: the newest word of a person on a channel counts, whatever arrives first; of two words of one
    /// moment the "no". A word that shows no key is worth more than one that must still prove itself.
    pub fn absorb_link(&mut self, link: &Link) {
        let same = |l: &Link| l.channel == link.channel && l.address == link.address;
        let rank = |l: &Link| (l.at, !l.on, l.shown.is_none());
        match self.links.iter_mut().find(|l| same(l)) {
            Some(old) if (rank(old), &*old) < (rank(link), link) => *old = link.clone(),
            Some(_) => {}
            None => self.links.push(link.clone()),
        }
        self.links.sort_by(|a, b| b.cmp(a));
        while self.links.len() > MAX_LINKS {
            let least = (0..self.links.len()).rev().find(|i| !self.counts(&self.links[*i]));
            self.links.remove(least.unwrap_or(self.links.len() - 1));
        }
    }

    /// People who are tied to this order on the channel, the newest first.
    pub fn linked(&self, channel: &ChannelId) -> Vec<Address> {
        let here = self.links.iter().filter(|l| l.channel == *channel && l.on && self.counts(l));
        here.map(|l| l.address.clone()).collect()
    }

    /// Whoever made the link had a right to: it came from us, or showed the key that the order turned out to have.
    pub fn counts(&self, link: &Link) -> bool {
        let key = self.head().and_then(|h| h.key.as_ref());
        link.shown.as_ref().is_none_or(|shown| key.is_some_and(|key| key.is(shown)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{About, OrderEvent, Patch};
    use crate::domain::order::Head;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).unwrap()
    }

    fn link(secs: i64, who: &str, on: bool, shown: Option<&str>) -> Link {
        let address = Address::new("line", who);
        Link { at: at(secs), channel: "line".into(), address, on, shown: shown.and_then(OrderKey::of) }
    }

    fn order(key: Option<&str>) -> Order {
        let mut order = Order::new("shop".into(), "1".into(), at(0));
        let json = serde_json::json!({ "name": "#1", "created_at": at(0), "source": { "kind": "web" } });
        let head: Head = serde_json::from_value(json).unwrap();
        let head = Head { key: key.and_then(OrderKey::of), ..head };
        let patch = Patch { head: Some(Box::new(head)), ..Patch::default() };
        let topic = "orders/create".into();
        let about = About::Order("1".into());
        order.absorb(&OrderEvent { about, at: at(0), dated: true, patch, joins: vec![], refetch: false, topic });
        order
    }

    fn names(order: &Order) -> Vec<String> {
        order.linked(&"line".into()).into_iter().map(|a| a.value).collect()
    }

    #[test]
    fn the_newest_word_of_a_person_counts_whatever_arrives_first() {
        let words = [link(1, "a", true, None), link(2, "a", false, None), link(3, "b", true, None)];
        for turn in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut order = order(None);
            turn.iter().for_each(|i: &usize| order.absorb_link(&words[*i]));
            assert_eq!(names(&order), ["b"], "{turn:?}");
        }
    }

    #[test]
    fn a_shown_key_counts_only_where_the_order_has_it() {
        for (has, shown, counts) in [
            (Some("wc_order_1"), "wc_order_1", true),
            (Some("wc_order_1"), "wc_order_2", false),
            (Some("wc_order_1"), "wc_order_", false),
            (None, "wc_order_1", false),
        ] {
            let mut order = order(has);
            order.absorb_link(&link(1, "a", true, Some(shown)));
            assert_eq!(!names(&order).is_empty(), counts, "{has:?} {shown}");
        }
        assert_eq!(OrderKey::of("  "), None);
    }

    #[test]
    fn links_that_prove_nothing_do_not_push_out_those_that_count() {
        let mut order = order(Some("k"));
        order.absorb_link(&link(1, "me", true, Some("k")));
        (0..40).for_each(|i| order.absorb_link(&link(10 + i, &format!("guess{i}"), true, Some("x"))));
        assert_eq!((names(&order), order.links.len()), (vec!["me".to_string()], MAX_LINKS));
    }
}
