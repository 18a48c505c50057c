//! Where requests come from, and how often a place may show signatures or tokens that do not hold.
//!
//! A place is shut out of one door only (a shop, a channel), and only where it is known: an address of the internet,
//! or what a trusted proxy says. Behind a proxy that nobody named, everybody has the proxy's address, and a flood
//! from one would shut out all. At the admin door ([`super::auth`]) whoever has the right token comes in from anywhere,
//! so there the nearest address will do.

use crate::domain::clock::{Timestamp, plus_secs};
use actix_web::HttpRequest;
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Wrong signatures in a row before a place is shut out.
pub const BURST: u32 = 30;
/// One more is forgiven after so long.
const FORGIVEN: Duration = Duration::from_secs(2);
/// Places and doors remembered at most; beyond them nobody is shut out anew.
const REMEMBERED: usize = 20_000;

/// A place and a door.
type Pair = (IpAddr, String);

/// What is known of places.
pub struct Sources {
    proxies: Vec<IpNet>,
    wrong: RateLimiter<Pair, HashMapStateStore<Pair>, DefaultClock>,
    shut: Mutex<HashMap<Pair, Timestamp>>,
}

impl Sources {
    /// Nobody is known yet. `proxies` may say for whom they speak, in `X-Forwarded-For`.
    pub fn new(proxies: Vec<IpNet>) -> Sources {
        let burst = NonZeroU32::new(BURST).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(FORGIVEN).unwrap_or_else(|| Quota::per_second(burst)).allow_burst(burst);
        Sources { proxies, wrong: RateLimiter::hashmap(quota), shut: Mutex::default() }
    }

    /// Where the request comes from; `None`: that cannot be told.
    pub fn of(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        let said = request.headers().get_all("x-forwarded-for").filter_map(|v| v.to_str().ok());
        self.behind(peer, &said.collect::<Vec<_>>())
    }

    /// The same, or else the address that it came from last, whatever that is (IPv6: its network).
    pub fn nearest(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.of(request).or_else(|| request.peer_addr().map(|peer| network(peer.ip().to_canonical())))
    }

    /// The last of the chain that is none of our proxies: what stands before it anybody can write.
    fn behind(&self, peer: IpAddr, forwarded: &[&str]) -> Option<IpAddr> {
        let ours = |at: &IpAddr| self.proxies.iter().any(|net| net.contains(at));
        if !ours(&peer) {
            return of_the_internet(peer).then(|| network(peer));
        }
        let chain = forwarded.iter().flat_map(|line| line.split(',')).rev();
        for hop in chain {
            let at = hop.trim().parse::<IpAddr>().ok()?.to_canonical();
            if !ours(&at) {
                return Some(network(at));
            }
        }
        None
    }

    /// Seconds for which the place is still shut out of the door.
    pub fn shut(&self, place: Option<IpAddr>, door: &str, now: Timestamp) -> Option<u64> {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        if shut.is_empty() {
            return None;
        }
        let until = shut.get(&(place?, door.to_string()))?;
        u64::try_from(until.as_second() - now.as_second()).ok().filter(|left| *left > 0)
    }

    /// A signature or token did not hold. Gives for how many seconds that shut the place out.
    pub fn wrong(&self, place: Option<IpAddr>, door: &str, now: Timestamp) -> Option<u64> {
        let place = place?;
        let pair = (place, door.to_string());
        if self.wrong.len() >= REMEMBERED {
            self.wrong.retain_recent();
            if self.wrong.len() >= REMEMBERED {
                return None;
            }
        }
        let not_until = self.wrong.check_key(&pair).err()?;
        let wait = not_until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
        let mut shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        if shut.len() >= REMEMBERED {
            shut.retain(|_, until| *until > now);
        }
        if shut.len() >= REMEMBERED {
            return None;
        }
        shut.insert(pair, plus_secs(now, i64::try_from(wait).unwrap_or(1)));
        Some(wait)
    }
}

/// Whoever has one address of IPv6 has its whole /64.
fn network(at: IpAddr) -> IpAddr {
    match at {
        IpAddr::V4(_) => at,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// An address that belongs to somebody, and not to this machine or its network.
fn of_the_internet(at: IpAddr) -> bool {
    match at {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || shared)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        let sources = Sources::new(vec!["10.0.0.0/8".parse().expect("a network")]);
        for (peer, said, place) in [
            ("203.0.113.7", &[][..], Some("203.0.113.7")),
            ("203.0.113.7", &["198.51.100.1"], Some("203.0.113.7")),
            ("10.0.0.1", &["198.51.100.1"], Some("198.51.100.1")),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.1"], Some("198.51.100.1")),
            ("10.0.0.1", &["6.6.6.6", "198.51.100.1, 10.9.9.9"], Some("198.51.100.1")),
            ("10.0.0.1", &["::ffff:198.51.100.1"], Some("198.51.100.1")),
            ("10.0.0.1", &["2001:db8:1:2:3:4:5:6"], Some("2001:db8:1:2::")),
            ("10.0.0.1", &["nonsense"], None),
            ("10.0.0.1", &["198.51.100.1, nonsense"], None),
            ("10.0.0.1", &[], None),
            ("127.0.0.1", &["198.51.100.1"], None),
            ("192.168.1.1", &[], None),
            ("100.64.0.1", &[], None),
            ("fd00::1", &[], None),
        ] {
            assert_eq!(sources.behind(at(peer), said), place.map(at), "{peer} {said:?}");
        }
    }

    #[test]
    fn a_place_is_shut_out_of_one_door_for_a_while() {
        let sources = Sources::new(Vec::new());
        let now = Timestamp::UNIX_EPOCH;
        let place = Some(at("203.0.113.7"));
        for _ in 0..BURST {
            assert_eq!(sources.wrong(place, "shop/a", now), None);
            assert_eq!(sources.shut(place, "shop/a", now), None);
        }
        let told = sources.wrong(place, "shop/a", now);
        let left = sources.shut(place, "shop/a", now).expect("shut out");
        assert_eq!(told, Some(left));
        assert!((1..=3).contains(&left), "{left}");
        assert_eq!(sources.shut(place, "shop/b", now), None);
        assert_eq!(sources.shut(Some(at("203.0.113.8")), "shop/a", now), None);
        assert_eq!(sources.shut(place, "shop/a", plus_secs(now, 4)), None);
        // Where the place is not known nobody is shut out.
        (0..2 * BURST).for_each(|_| assert_eq!(sources.wrong(None, "shop/a", now), None));
        assert_eq!(sources.shut(None, "shop/a", now), None);
    }

    /// However many places try, what is remembered of them is bounded, and nobody new is shut out when it is full.
    #[test]
    fn places_without_end_are_not_remembered_without_end() {
        let sources = Sources::new(Vec::new());
        let now = Timestamp::UNIX_EPOCH;
        for n in 0..u32::try_from(REMEMBERED).expect("fits") + 500 {
            sources.wrong(Some(IpAddr::from(n.to_be_bytes())), "admin", now);
        }
        assert!(sources.wrong.len() <= REMEMBERED, "{}", sources.wrong.len());
        let late = Some(at("203.0.113.7"));
        (0..2 * BURST).for_each(|_| assert_eq!(sources.wrong(late, "admin", now), None));
        assert_eq!(sources.shut(late, "admin", now), None);
    }
}
