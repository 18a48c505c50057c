//! Where a request of ours may go.
//!
//! Addresses come from settings, and a setting is easily wrong: one that leads into our own network would hand our
//! credentials, and the right to ask, to whatever answers there. Two looks: at the address as written
//! ([`fault`]), and at what its name leads to, when it is connected to ([`may_reach`]).
//!
//! Source of the ranges: IANA's special-purpose registries for IPv4 and IPv6 (read 2026-11).

use super::settings::is_loopback;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// What is wrong with an address as written; `None`: nothing. `private`: it is said to lie on a network of our own,
/// where bare numbers and any port are usual.
///
/// Good is `https` with a name at port 443, or anything on this machine's loopback. `url` has read every spelling of
/// a number (`0x7f.1`, `2130706433`, full-width digits) as the address it is.
pub fn fault(url: &Url, private: bool) -> Option<&'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not carry a user or password");
    }
    if url.host_str().is_some_and(is_loopback) {
        let web = matches!(url.scheme(), "http" | "https");
        return (!web).then_some("must begin with http:// or https://");
    }
    if url.scheme() != "https" {
        return Some(
            "must begin with https:// (http is for loopback only: messages and tokens would travel in the open)",
        );
    }
    let ip = match url.host() {
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        None => return Some("must name its host"),
    };
    if ip.is_some_and(|ip| !private || !may_reach(ip, true)) {
        return Some("must name its host; a bare number is for loopback only");
    }
    let usual = url.port_or_known_default() == Some(443);
    (!usual && !private).then_some("must leave the port out: https is at 443")
}

/// Whether a connection may go to this address, to which a name has led. `private`: also into networks of our own,
/// never to what is only for one link (`169.254.169.254` hands out a machine's credentials).
pub fn may_reach(ip: IpAddr, private: bool) -> bool {
    let ip = ip.to_canonical();
    is_public(ip) || (private && is_private(ip))
}

/// Networks of our own: private use, carriers' shared addresses, loopback.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Everybody's internet and nothing else.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => public_v4(ip),
        IpAddr::V6(ip) => public_v6(ip),
    }
}

fn public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = match (a, b, c) {
        (0 | 10 | 127, ..) | (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _) | (192, 168, _) => true,
        // Protocol assignments, documentation, the relays of 6to4, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, class E and broadcast.
        (224..=255, ..) => true,
        _ => false,
    };
    !special
}

fn public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    // A network without IPv4 reaches it by this prefix (RFC 6052): what counts is where it leads.
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [a, b] = s[6].to_be_bytes();
        let [c, d] = s[7].to_be_bytes();
        return public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Only 2000::/3 is given out; of that, not Teredo and its neighbours (2001:0::/23), documentation, 6to4.
    s[0] & 0xe000 == 0x2000
        && !(s[0] == 0x2001 && s[1] < 0x200)
        && !(s[0] == 0x2001 && s[1] == 0xdb8)
        && s[0] != 0x2002
        && !(s[0] == 0x3fff && s[1] < 0x1000)
}
