//! Signatures as Standard Webhooks 1.0.0 defines them.
//!
//! What is signed is `ID.SECONDS.BODY`, the body as it goes out. Every live key signs, so that a receiver that
//! holds the old or the new one believes us while keys are changed: `v1,` is an HMAC-SHA256 under a shared secret,
//! `v1a,` an Ed25519 signature, which the receiver checks with our public key.

use crate::domain::settings::Secret;
use crate::domain::signature::sign;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Keys are copied by hand: the `=` at the end is lost easily and means nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Bytes of a shared secret, by the standard.
const SHARED: std::ops::RangeInclusive<usize> = 24..=64;
const SEED: usize = 32;
/// Signatures looked at in one request.
const SIGNATURES: usize = 8;

/// A live key.
pub(super) enum Key {
    /// `whsec_`: the receiver has it too.
    Shared(Zeroizing<Vec<u8>>),
    /// `whsk_`: ours alone.
    Own(Box<Ed25519KeyPair>),
}

impl Key {
    /// Reads a key as it is written.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub(super) fn read(secret: &Secret) -> Result<Key, &'static str> {
        let text = secret.expose().trim();
        if let Some(text) = text.strip_prefix("whsec_") {
            let bytes = decode(text)?;
            return match SHARED.contains(&bytes.len()) {
                true => Ok(Key::Shared(bytes)),
                false => Err("must hold 24 to 64 bytes; make one: echo whsec_$(openssl rand -base64 32)"),
            };
        }
        let Some(text) = text.strip_prefix("whsk_") else {
            return Err("must begin with whsec_ (shared secret) or whsk_ (Ed25519 private key), then base64");
        };
        let bytes = decode(text)?;
        // Libraries write the seed alone, or the seed with the public key behind it; the standard does not say.
        let pair = match bytes.split_at_checked(SEED) {
            Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
            Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
            None => return Err("must hold the 32 bytes of an Ed25519 seed, or 64 with the public key behind it"),
        };
        pair.map(|pair| Key::Own(Box::new(pair))).map_err(|_| "is no Ed25519 key, or its public half is another's")
    }

    fn sign(&self, content: &[u8]) -> String {
        match self {
            Key::Shared(key) => format!("v1,{}", STANDARD.encode(sign(key, content))),
            Key::Own(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(content))),
        }
    }

    /// What tells two keys apart: nobody signs twice with the same.
    pub(super) fn same(&self, other: &Key) -> bool {
        match (self, other) {
            (Key::Shared(a), Key::Shared(b)) => a == b,
            (Key::Own(a), Key::Own(b)) => a.public_key().as_ref() == b.public_key().as_ref(),
            _ => false,
        }
    }
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    LENIENT.decode(text).map(Zeroizing::new).map_err(|_| "is not base64 behind its prefix")
}

/// The header `webhook-signature`: a signature of every key, in their order.
pub(super) fn header(keys: &[Key], id: &str, seconds: i64, body: &str) -> String {
    let content = format!("{id}.{seconds}.{body}");
    keys.iter().map(|key| key.sign(content.as_bytes())).collect::<Vec<_>>().join(" ")
}

/// Which of the shared keys signed this, by the header of a request that comes to us. Every key and every signature are
/// compared, each in constant time; whom we sign for by a key of our own cannot sign with it.
pub(super) fn signed_by(keys: &[Key], id: &str, seconds: i64, body: &[u8], header: &str) -> Option<usize> {
    let mut content = format!("{id}.{seconds}.").into_bytes();
    content.extend_from_slice(body);
    let given: Vec<Vec<u8>> =
        header.split(' ').filter_map(|part| STANDARD.decode(part.strip_prefix("v1,")?).ok()).take(SIGNATURES).collect();
    let mut found = None;
    for (i, key) in keys.iter().enumerate() {
        let Key::Shared(key) = key else { continue };
        let own = sign(key, &content);
        let mut fits = false;
        given.iter().for_each(|signature| fits |= bool::from(own.as_slice().ct_eq(signature)));
        if fits && found.is_none() {
            found = Some(i);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_we_sign_is_known_and_nothing_else() {
        let mine = keys(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]);
        let signed = header(&mine[1..], "msg_1", 7, "{}");
        assert_eq!(signed_by(&mine, "msg_1", 7, b"{}", &format!("v1,AAAA v1a,x {signed}")), Some(1));
        for (id, seconds, body, header) in [
            ("msg_2", 7, "{}", signed.as_str()),
            ("msg_1", 8, "{}", signed.as_str()),
            ("msg_1", 7, "{ }", signed.as_str()),
            ("msg_1", 7, "{}", ""),
            ("msg_1", 7, "{}", "v1,"),
            ("msg_1", 7, "{}", "v1,g0hM9SsE+OTPJTGt"),
        ] {
            assert_eq!(signed_by(&mine, id, seconds, body.as_bytes(), header), None, "{id} {seconds} {body} {header}");
        }
    }

    fn keys(secrets: &[&str]) -> Vec<Key> {
        secrets.iter().map(|s| Key::read(&Secret::new(*s)).unwrap_or_else(|e| panic!("{e}"))).collect()
    }

    /// The standard's own libraries test themselves with these.
    #[test]
    fn published_vectors() {
        let body = r#"{"test": 2432232314}"#;
        let signed = header(
            &keys(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            body,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let body = r#"{"email":"test@example.com","username":"test_user"}"#;
        let signed = header(
            &keys(&["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]),
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            body,
        );
        assert_eq!(signed, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    /// RFC 8032, the first test's seed: `v1a` as anybody with the public key checks it.
    #[test]
    fn an_own_key_signs_what_its_public_half_verifies() {
        use ring::signature::{ED25519, UnparsedPublicKey};
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let public = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        let whole = [seed.clone(), public.clone()].concat();
        for bytes in [&seed, &whole] {
            let key = format!("whsk_{}", STANDARD.encode(bytes));
            let signed = header(&keys(&[&key]), "msg_1", 7, "{}");
            let signature = STANDARD.decode(signed.strip_prefix("v1a,").unwrap()).unwrap();
            UnparsedPublicKey::new(&ED25519, &public).verify(b"msg_1.7.{}", &signature).unwrap();
            assert!(UnparsedPublicKey::new(&ED25519, &public).verify(b"msg_1.8.{}", &signature).is_err());
        }
        let mut foreign = whole;
        foreign[63] ^= 1;
        assert!(Key::read(&Secret::new(format!("whsk_{}", STANDARD.encode(foreign)))).is_err());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in [
            "",
            "whsec_",
            "whsec_AAAA",
            "whsec_!!!!",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsk_",
            "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whpk_ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ=",
        ] {
            assert!(Key::read(&Secret::new(bad)).is_err(), "{bad}");
        }
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        assert!(Key::read(&Secret::new(long)).is_err(), "the standard ends at 64 bytes");
        let [a, b] = ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"]
            .map(|text| Key::read(&Secret::new(format!("whsec_{text}"))).unwrap_or_else(|e| panic!("{e}")));
        assert!(a.same(&b), "with and without its last sign");
    }

    #[test]
    fn samples() {
        let Some(folder) = std::env::var_os("ORDERWIRE_SAMPLES") else { return };
        let file = std::path::Path::new(&folder).join("standard-webhooks/vectors.json");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let vectors: Value = serde_json::from_str(&text).unwrap();
        let text = |case: &Value, key: &str| case[key].as_str().unwrap_or_else(|| panic!("{key}")).to_string();
        let signed = |case: &Value, secrets: &[&str]| {
            let at = case["webhook_timestamp"].as_i64().unwrap();
            header(&keys(secrets), &text(case, "webhook_id"), at, &text(case, "payload"))
        };
        for case in vectors["published_sign_vectors"].as_array().unwrap() {
            assert_eq!(signed(case, &[&text(case, "secret")]), text(case, "expected_signature"));
        }
        for secret in vectors["invalid_secrets"].as_array().unwrap() {
            assert!(Key::read(&Secret::new(secret.as_str().unwrap())).is_err(), "{secret}");
        }
        let own = |name: &str| {
            let mut all = vectors["self_generated"].as_array().unwrap().iter();
            all.find(|case| case["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
        };
        let two = own("rotation_two_secrets");
        let secrets: Vec<&str> = two["secrets"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
        assert_eq!(signed(&two, &secrets), text(&two, "expected_webhook_signature_header"));
        let pair = own("asymmetric_v1a_ed25519");
        let whole = text(&pair, "private_key_whsk_64_bytes_seed_plus_public");
        let seed = format!("whsk_{}", text(&pair, "seed_b64"));
        for key in [whole, seed] {
            assert_eq!(signed(&pair, &[&key]), text(&pair, "expected_signature"));
        }
        let again = own("retry_same_id_new_timestamp");
        for attempt in again["attempts"].as_array().unwrap() {
            let mut case = again.clone();
            case["webhook_timestamp"] = attempt["webhook_timestamp"].clone();
            assert_eq!(signed(&case, &[&text(&again, "secret")]), text(attempt, "expected_signature"));
        }
    }
}
