use super::*;

fn key(seed: u8) -> [u8; 32] {
    let mut out = [0; 32];
    for (i, b) in out.iter_mut().enumerate() {
        *b = seed.wrapping_mul(31).wrapping_add((i as u8).wrapping_mul(97)) ^ 0xa5;
    }
    out
}

fn seal(seeds: &[u8]) -> Seal {
    Seal::new(&seeds.iter().map(|s| key(*s)).collect::<Vec<_>>()).unwrap()
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(secs).unwrap()
}

#[test]
fn what_is_sealed_opens_in_its_own_place_only() {
    let s = seal(&[1]);
    let a = s.seal(&[b"ow:snp:1", b"shop-a"], b"content");
    assert_eq!(s.open(&[b"ow:snp:1", b"shop-a"], &a).unwrap(), b"content");
    assert_eq!(a.len(), 7 + OVERHEAD);
    for elsewhere in [[&b"ow:snp:2"[..], b"shop-a"], [b"ow:snp:1", b"shop-b"], [b"ow:snp:1s", b"hop-a"]] {
        assert_eq!(s.open(&elsewhere, &a), Err(SealError::Damaged));
    }
    assert_eq!(s.open(&[b"ow:snp:1shop-a"], &a), Err(SealError::Damaged), "parts do not run together");
}

/// What was sealed before `ring` did it, and by anybody else who knows the cipher's name, is the same record.
#[test]
fn another_xchacha20_poly1305_reads_and_writes_the_same() {
    use chacha20poly1305::aead::{Aead, KeyInit, Payload};
    use chacha20poly1305::{XChaCha20Poly1305, XNonce};
    let s = seal(&[1]);
    let subkeys = Subkeys::of(&key(1));
    let other = XChaCha20Poly1305::new((&*subkeys.encryption).into());
    let aad = bound(&subkeys.id, &[b"ow:snp:1", b"shop-a"]);
    for length in [0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1400, 9000] {
        let plain: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
        let ours = s.seal(&[b"ow:snp:1", b"shop-a"], &plain);
        let (head, body) = ours.split_at(HEAD);
        let nonce = XNonce::try_from(&head[1 + ID..]).unwrap();
        assert_eq!(other.decrypt(&nonce, Payload { msg: body, aad: &aad }).unwrap(), plain, "{length} bytes of ours");
        let nonce = XNonce::from([length as u8; NONCE]);
        let theirs = other.encrypt(&nonce, Payload { msg: &plain, aad: &aad }).unwrap();
        let theirs = [&[VERSION][..], &subkeys.id, &nonce, &theirs].concat();
        assert_eq!(s.open(&[b"ow:snp:1", b"shop-a"], &theirs).unwrap(), plain, "{length} bytes of theirs");
    }
}

#[test]
fn two_sealings_of_the_same_differ() {
    let s = seal(&[1]);
    assert_ne!(s.seal(&[], b"x"), s.seal(&[], b"x"));
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let s = seal(&[1]);
    let sealed = s.seal(&[b"a"], b"some content");
    for i in 0..sealed.len() * 8 {
        let mut bad = sealed.clone();
        bad[i / 8] ^= 1 << (i % 8);
        assert!(s.open(&[b"a"], &bad).is_err(), "bit {i}");
    }
    for n in 0..sealed.len() {
        assert!(s.open(&[b"a"], &sealed[..n]).is_err(), "cut at {n}");
    }
}

#[test]
fn a_new_key_in_front_still_opens_the_old_and_names_stay() {
    let old = seal(&[1]);
    let both = seal(&[2, 1]);
    let sealed = old.seal(&[b"a"], b"x");
    assert_eq!(both.open(&[b"a"], &sealed).unwrap(), b"x");
    assert!(both.is_old(&sealed) && !both.is_old(&both.seal(&[], b"y")));
    assert_eq!(old.open(&[], &both.seal(&[], b"y")), Err(SealError::UnknownKey));
    assert_eq!(seal(&[2]).open(&[b"a"], &sealed), Err(SealError::UnknownKey));
    assert_eq!(old.hash16("order", &[b"s", b"1"]), both.hash16("order", &[b"s", b"1"]));
    assert_ne!(old.hash16("order", &[b"s", b"1"]), seal(&[2]).hash16("order", &[b"s", b"1"]));
}

#[test]
fn hashes_depend_on_purpose_and_on_where_parts_end() {
    let s = seal(&[1]);
    let h = s.hash16("a", &[b"bc", b"d"]);
    assert_ne!(h, s.hash16("a", &[b"b", b"cd"]));
    assert_ne!(h, s.hash16("ab", &[b"c", b"d"]));
    assert_eq!(h, s.hash16("a", &[b"bc", b"d"]));
}

#[test]
fn tokens_have_a_purpose_and_an_end() {
    let s = seal(&[2, 1]);
    let t = s.token("page", b"order 1", at(1000));
    assert_eq!(s.untoken("page", &t, at(999)).unwrap(), b"order 1");
    assert_eq!(s.untoken("page", &t, at(1000)), Err(TokenError::Expired));
    assert_eq!(s.untoken("link", &t, at(1)), Err(TokenError::Unknown));
    assert_eq!(s.untoken("page", "", at(1)), Err(TokenError::Unknown));
    assert_eq!(s.untoken("page", "華", at(1)), Err(TokenError::Unknown));
    let old = seal(&[1]).token("page", b"order 1", at(1000));
    assert!(s.untoken("page", &old, at(1)).is_ok(), "a token survives rotation");
    let sealed = URL_SAFE_NO_PAD.encode(s.seal(&[b"page"], &[0; 16]));
    assert_eq!(s.untoken("page", &sealed, at(-1)), Err(TokenError::Unknown), "a record is no token");
}

#[test]
fn cursors_belong_to_one_list() {
    let s = seal(&[1]);
    let c = s.cursor("dead", b"17");
    assert_eq!(s.uncursor("dead", &c).unwrap(), b"17");
    assert_eq!(s.uncursor("odd", &c), None);
    assert_eq!(s.uncursor("dead", "x"), None);
}

#[test]
fn keys_nobody_drew_at_random_are_refused() {
    let mut counting = [0; 32];
    counting.iter_mut().enumerate().for_each(|(i, b)| *b = i as u8);
    for weak in [[0; 32], [7; 32], *b"abababababababababababababababab", *b"correct horse battery staple 123", counting]
    {
        assert!(matches!(Seal::new(&[key(1), weak]), Err(KeyError::Weak { place: 1, .. })), "{weak:?}");
    }
    assert_eq!(Seal::new(&[]).unwrap_err(), KeyError::None);
    assert_eq!(Seal::new(&[key(1), key(2), key(1)]).unwrap_err(), KeyError::Twice(0, 2));
    assert_eq!(Seal::new(&[key(1); 9]).unwrap_err(), KeyError::Many(9));
}

#[test]
fn keys_are_read_from_base64_and_hex_of_exactly_32_bytes() {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let k = key(9);
    for text in [STANDARD.encode(k), format!(" {}\n", hex::encode(k)), hex::encode_upper(k), URL_SAFE_NO_PAD.encode(k)]
    {
        assert_eq!(Seal::key_from_text(&text), Ok(k), "{text}");
    }
    for bad in
        ["", "short", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33]), &hex::encode([1; 31]), &"g".repeat(64)]
    {
        let err = Seal::key_from_text(bad).unwrap_err();
        assert_eq!(err, KeyError::Form);
        assert!(bad.is_empty() || !err.to_string().contains(bad), "an error holds no key");
    }
    assert_eq!(format!("{:?}", seal(&[1, 2])), "Seal(2 keys)");
}

#[test]
fn what_is_sealed_anew_opens_without_the_old_key() {
    let old = seal(&[1]);
    let both = seal(&[2, 1]);
    let new = Seal::with_lookup(&[key(2)], Some(&both.lookup_key())).unwrap();
    let sealed = old.seal(&[b"a"], b"x");
    let anew = both.reseal(&[b"a"], &sealed).unwrap().unwrap();
    assert_eq!(new.open(&[b"a"], &anew).unwrap(), b"x");
    assert_eq!(new.open(&[b"a"], &sealed), Err(SealError::UnknownKey));
    assert_eq!(both.reseal(&[b"a"], &anew), Ok(None), "it is of the first key already");
    assert_eq!(both.reseal(&[b"b"], &sealed), Err(SealError::Damaged), "nothing is taken elsewhere");
    assert_eq!(new.reseal(&[b"a"], &sealed), Err(SealError::UnknownKey));
    assert!(both.reseal(&[], b"").is_err() && both.reseal(&[], &sealed[..3]).is_err());
    assert_eq!(new.hash16("p", &[b"1"]), old.hash16("p", &[b"1"]), "names stay");
    assert_ne!(seal(&[2]).hash16("p", &[b"1"]), old.hash16("p", &[b"1"]));
    assert_eq!(new.open(&[], &Seal::new(&[*both.lookup_key()]).unwrap().seal(&[], b"y")), Err(SealError::UnknownKey));
    assert_eq!(Seal::with_lookup(&[key(2)], Some(&[7; 32])).unwrap_err(), KeyError::Lookup("its bytes repeat"));
    assert_eq!((both.first_key(), both.first_key() == old.first_key()), (new.first_key(), false));
}
