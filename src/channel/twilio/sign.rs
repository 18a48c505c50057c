//! `X-Twilio-Signature`: HMAC-SHA1 under the auth token over the address and the sorted form fields ("Webhooks
//! security"; the validators of Twilio's own libraries, read 2026-11).

use crate::domain::ids::Digest8;
use crate::domain::settings::Secret;
use crate::domain::webhook::{Admission, RawWebhook, Refusal};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use subtle::ConstantTimeEq;
use url::Url;

const HEADER: &str = "x-twilio-signature";
const BODY_HASH: &str = "bodySHA256";

/// Checks a callback to `address` (from settings) with every token; `repeats` is the fragment that our own addresses
/// carry, of which nobody says whether it is signed.
pub(super) fn admit(raw: &RawWebhook, address: &str, repeats: &str, tokens: &[Secret], account: &str) -> Admission {
    let Some(header) = raw.header(HEADER) else {
        let repeated = raw.has_header(HEADER);
        return Admission::Refuse(if repeated { Refusal::BadSignature } else { Refusal::Unsigned });
    };
    let Some(mac) = STANDARD.decode(header).ok().filter(|m| m.len() == 20) else {
        return Admission::Refuse(Refusal::BadSignature);
    };
    let fields = if is_form(raw) {
        form(&raw.body)
    } else if raw.body.is_empty() || body_is_hashed(raw) {
        Vec::new()
    } else {
        // Neither a form nor a hash in the signed address: nothing protects this body.
        return Admission::Refuse(Refusal::BadSignature);
    };
    let tail = tail(&fields);
    let mut found = None;
    // Every token on every spelling, without an early end: the time taken tells nothing.
    for (index, token) in tokens.iter().enumerate() {
        for spelling in spellings(address, &raw.query, repeats) {
            let genuine = !token.expose().is_empty() && verify(token, &spelling, &tail, &mac);
            if genuine && found.is_none() {
                found = Some(index);
            }
        }
    }
    let Some(secret_index) = found else { return Admission::Refuse(Refusal::BadSignature) };
    if fields.iter().any(|(name, value)| name == "AccountSid" && value != account) {
        return Admission::Refuse(Refusal::WrongAccount);
    }
    let dedupe = hex::encode(Sha256::digest([&mac[..], &raw.body].concat()));
    Admission::Take { dedupe, content: Digest8::of(&[&mac, &raw.body]), secret_index }
}

fn is_form(raw: &RawWebhook) -> bool {
    let kind = raw.header("content-type").unwrap_or_default();
    kind.split(';').next().is_some_and(|k| k.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// Fields of a form, decoded, in order.
pub(super) fn form(body: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body).map(|(n, v)| (n.into_owned(), v.into_owned())).collect()
}

fn body_is_hashed(raw: &RawWebhook) -> bool {
    let due = hex::encode(Sha256::digest(&raw.body));
    let mut told = form(raw.query.as_bytes()).into_iter().filter(|(n, _)| n == BODY_HASH).map(|(_, v)| v);
    let first = told.next();
    first.is_some_and(|hash| bool::from(hash.as_bytes().ct_eq(due.as_bytes()))) && told.next().is_none()
}

/// Names in order, each followed by its different values in order.
fn tail(fields: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in fields {
        sorted.entry(name).or_default().insert(value);
    }
    let mut tail = String::new();
    for (name, values) in sorted {
        for value in values {
            tail.push_str(name);
            tail.push_str(value);
        }
    }
    tail
}

/// The address with its query as it came: with the port that settings name, with the scheme's own, without any; and
/// each with our fragment.
fn spellings(address: &str, query: &str, repeats: &str) -> Vec<String> {
    let Ok(url) = Url::parse(address) else { return Vec::new() };
    let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    let own = if scheme == "https" { 443 } else { 80 };
    let ports = [String::new(), format!(":{own}"), url.port().map_or_else(String::new, |p| format!(":{p}"))];
    let ports: BTreeSet<&String> = ports.iter().collect();
    let plain = ports.into_iter().map(|port| format!("{scheme}://{host}{port}{path}{query}"));
    plain.flat_map(|url| [format!("{url}{repeats}"), url]).collect()
}

fn verify(token: &Secret, address: &str, tail: &str, mac: &[u8]) -> bool {
    Hmac::<Sha1>::new_from_slice(token.expose().as_bytes()).is_ok_and(|mut hmac| {
        hmac.update(address.as_bytes());
        hmac.update(tail.as_bytes());
        hmac.verify_slice(mac).is_ok()
    })
}
