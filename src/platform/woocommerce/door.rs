//! The door: ping, signature, source, dedupe key.

use super::{Shop, text};
use crate::domain::ids::Digest8;
use crate::domain::settings::Secret;
use crate::domain::signature::{decode_base64, signed_by};
use crate::domain::webhook::{Admission, RawWebhook, Refusal, Reply};
use sha2::{Digest, Sha256};
use url::Url;

const SIGNATURE: &str = "x-wc-webhook-signature";
/// Longest ping body, in bytes.
const PING_MAX: usize = 64;

/// Is it genuine? Nothing of the body is read before the signature holds; the ping is told by its very bytes.
pub(super) fn admit(shop: &Shop, raw: &RawWebhook) -> Admission {
    if is_ping(raw) {
        // Exactly 200: with 201, 202 or 204 WooCommerce repeats the ping after every delivery, for ever.
        return Admission::Reply(Reply {
            status: 200,
            content_type: "application/json",
            body: r#"{"ok":true}"#.into(),
        });
    }
    // A missing or repeated signature takes the same path as a wrong one, so that time tells nothing.
    let claimed = raw.header(SIGNATURE).and_then(decode_base64);
    let found = verify(&shop.secrets, &raw.body, claimed.as_deref().unwrap_or(&[0; 32]));
    let Some(secret_index) = found.filter(|_| claimed.is_some()) else {
        let refusal = if raw.has_header(SIGNATURE) { Refusal::BadSignature } else { Refusal::Unsigned };
        return Admission::Refuse(refusal);
    };
    // The source header is not signed, but a genuine delivery always carries the right one.
    if let Some(domain) = &shop.domain
        && !raw.header("x-wc-webhook-source").is_some_and(|source| host_agrees(source, domain))
    {
        return Admission::Refuse(Refusal::WrongAccount);
    }
    let content = Digest8::of(&[claimed.as_deref().unwrap_or_default()]);
    Admission::Take { dedupe: dedupe(raw), content, secret_index }
}

/// The unsigned ping that WooCommerce sends when a webhook is saved.
fn is_ping(raw: &RawWebhook) -> bool {
    raw.method == "POST"
        && raw.body.len() <= PING_MAX
        && !raw.has_header(SIGNATURE)
        && media_type(raw).as_deref() == Some("application/x-www-form-urlencoded")
        && raw.body.strip_prefix(b"webhook_id=").is_some_and(|id| !id.is_empty() && id.iter().all(u8::is_ascii_digit))
}

/// The content type without its parameters, in lower case; `None` where it is absent or repeated.
pub(super) fn media_type(raw: &RawWebhook) -> Option<String> {
    raw.header("content-type").map(|t| t.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Which secret signed. WordPress stores a typed `<` as `&lt;` and signs with `<` again, so a configured
/// secret that holds such an entity is tried in both forms.
fn verify(secrets: &[Secret], body: &[u8], signature: &[u8]) -> Option<usize> {
    let decoded: Vec<(usize, Secret)> = secrets
        .iter()
        .enumerate()
        .map(|(i, s)| (i, text::specialchars_decoded(s.expose()), s))
        .filter(|(_, decoded, s)| decoded != s.expose())
        .map(|(i, decoded, _)| (i, Secret::new(decoded)))
        .collect();
    let plain = signed_by(secrets, body, signature);
    let others: Vec<Secret> = decoded.iter().map(|(_, s)| s.clone()).collect();
    let other = signed_by(&others, body, signature).and_then(|i| decoded.get(i)).map(|(i, _)| *i);
    plain.or(other)
}

/// Webhook, topic, delivery and body. The delivery id alone is made of webhook and second, so two orders may
/// share one; the body alone would drop the second of two `{"id":25}`: deleted, restored, deleted again.
fn dedupe(raw: &RawWebhook) -> String {
    let id = raw.header("x-wc-webhook-id").unwrap_or_default();
    let delivery = raw.header("x-wc-webhook-delivery-id").unwrap_or_default();
    let digest = hex::encode(Sha256::digest(&raw.body));
    format!("{}:{}:{}:{digest}", short(id), short(&topic(raw)), short(delivery))
}

/// The topic as the header names it: unsigned, so it only narrows what the body may mean.
pub(super) fn topic(raw: &RawWebhook) -> String {
    short(raw.header("x-wc-webhook-topic").unwrap_or_default())
}

fn short(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(100).collect()
}

/// Whether an address belongs to the shop's domain: the same host, with or without `www.`; a port counts
/// where the domain names one.
pub(super) fn host_agrees(address: &str, domain: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let Some(host) = url.host_str() else { return false };
    let wanted = domain.trim().trim_end_matches('/').to_ascii_lowercase();
    let (wanted_host, wanted_port) = match wanted.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host.to_string(), port.parse::<u16>().ok()),
        _ => (wanted, None),
    };
    let bare = |h: &str| h.strip_prefix("www.").unwrap_or(h).to_string();
    bare(&host.to_ascii_lowercase()) == bare(&wanted_host)
        && wanted_port.is_none_or(|port| url.port_or_known_default() == Some(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_agree_with_and_without_www() {
        for (address, domain, want) in [
            ("https://shop.example/", "shop.example", true),
            ("https://www.Shop.example/blog", "shop.example", true),
            ("https://shop.example/", "www.shop.example", true),
            ("http://127.0.0.1:8099/", "127.0.0.1:8099", true),
            ("http://127.0.0.1:8099/", "127.0.0.1", true),
            ("http://127.0.0.1:8099/", "127.0.0.1:8080", false),
            ("https://shop.example.evil.test/", "shop.example", false),
            ("https://evil.test/shop.example", "shop.example", false),
            ("https://shop.example@evil.test/", "shop.example", false),
            ("shop.example", "shop.example", false),
        ] {
            assert_eq!(host_agrees(address, domain), want, "{address} {domain}");
        }
    }
}
