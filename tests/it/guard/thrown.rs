//! What `fuzz/` throws at the relay, thrown here too: the kept inputs of every target, on every run.
//!
//! `make fuzz-kept` writes the kept inputs anew from the goldens; an input that once broke something is added to its
//! folder by hand and stays.

#[path = "../../../fuzz/src/people.rs"]
mod people;
#[path = "../../../fuzz/src/steps.rs"]
mod steps;
#[path = "../../../fuzz/src/targets.rs"]
mod targets;

use bytes::Bytes;
use orderwire::domain::ids::Digest8;
use orderwire::domain::signature::sign;
use orderwire::flow::kept::write_order;
use orderwire::seal::Seal;
use orderwire::spool::{Door, Entry, Options, Spool, look_into};
use orderwire::words::sample;
use orderwire::{channel, platform};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use targets::{ALL, seal};

/// Kept of each target at most, made from goldens.
const MOST: usize = 24;

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn every_kept_input_is_borne() {
    for (name, target) in ALL {
        let kept = files(&root("fuzz/kept").join(name));
        assert!(kept.len() >= 3, "{name}: {} inputs", kept.len());
        for file in kept {
            eprintln!("{}", file.display());
            target(&std::fs::read(&file).unwrap());
        }
        for odd in [&b""[..], b"\0", b"\0\0", b"\xff\xff\xff\xff", "訂單\n\n{".as_bytes()] {
            target(odd);
        }
    }
}

/// An input with a few things done to it that break readers: bits, cuts, repeats, foreign parts, odd numbers.
fn mutated(input: &[u8], other: &[u8], random: &mut StdRng) -> Vec<u8> {
    const ODD: [&[u8]; 8] =
        [b"\0", b"\xff\xff\xff\xff", b"-1", b"9223372036854775808", b"\"", b"\n\n", "\u{202e}".as_bytes(), b"[[[[[[[["];
    let mut out = input.to_vec();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=out.len());
        let end = random.random_range(at..=out.len());
        match random.random_range(0..6) {
            0 if at < out.len() => out[at] ^= 1 << random.random_range(0..8),
            1 => drop(out.drain(at..end)),
            2 => drop(out.splice(at..at, ODD[random.random_range(0..ODD.len())].iter().copied())),
            3 => {
                let part: Vec<u8> = out[at..end].iter().copied().take(512).collect();
                out.splice(at..at, part);
            }
            4 if !other.is_empty() => {
                let from = random.random_range(0..other.len());
                drop(out.splice(at..end, other[from..].iter().copied().take(256)));
            }
            _ => out.truncate(end),
        }
    }
    out
}

/// A little of what `make fuzz` does for long, the same on every run. `ORDERWIRE_THROWS` asks for more.
#[test]
fn what_is_near_the_kept_inputs_is_borne() {
    let asked = std::env::var_os("ORDERWIRE_THROWS").and_then(|n| n.into_string().ok()?.parse().ok());
    let throws: usize = asked.unwrap_or(150);
    for (name, target) in ALL {
        let kept: Vec<Vec<u8>> =
            files(&root("fuzz/kept").join(name)).iter().map(|f| std::fs::read(f).unwrap()).collect();
        let mut random = StdRng::seed_from_u64(name.len() as u64);
        // A sequence of steps is fifty times to the server.
        let throws = if *name == "steps" { throws / 10 } else { throws };
        for _ in 0..throws {
            let pick = |random: &mut StdRng| &kept[random.random_range(0..kept.len())];
            let (one, other) = (pick(&mut random), pick(&mut random));
            let input = mutated(one, other, &mut random);
            if let Err(broken) = std::panic::catch_unwind(|| target(&input)) {
                let file = std::env::temp_dir().join(format!("orderwire-{name}-broken"));
                std::fs::write(&file, &input).unwrap();
                eprintln!("{name} is broken by {}: copy it to fuzz/kept/{name}", file.display());
                std::panic::resume_unwind(broken);
            }
        }
    }
}

#[test]
fn every_target_has_its_program_and_nothing_else_has() {
    let programs: Vec<String> = files(&root("fuzz/fuzz_targets"))
        .iter()
        .map(|p| p.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(programs, names);
    let manifest = std::fs::read_to_string(root("fuzz/Cargo.toml")).unwrap();
    for name in names {
        let program = std::fs::read_to_string(root("fuzz/fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(program.contains(&format!("{name}(data)")), "{name}: {program}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is in no [[bin]]");
    }
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap_or_default()
}

/// `which`, `signed`, headers, body, as the targets of doors take them.
fn posted(which: usize, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let head: Vec<String> = headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    [&[u8::try_from(which).unwrap(), 1], head.join("\n").as_bytes(), b"\n\n", body].concat()
}

fn bytes_of(body: &Value) -> Vec<u8> {
    body.as_str().map_or_else(|| body.to_string().into_bytes(), |text| text.as_bytes().to_vec())
}

fn hooks() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (which, kind) in platform::ALL.iter().enumerate() {
        for case in files(&root("tests/golden/platform").join(kind.name)) {
            let (head, body) = match std::fs::read_to_string(case.join("request.http")) {
                Ok(text) => {
                    let (head, body) = text.split_once("\n\n").unwrap();
                    let headers = head.lines().filter_map(|l| l.split_once(": "));
                    (headers.map(|(n, v)| (n.into(), v.into())).collect(), body.as_bytes().to_vec())
                }
                Err(_) => {
                    let pairs = json(&case.join("request.json"))["headers"].as_array().cloned().unwrap_or_default();
                    let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
                    let headers = pairs.iter().map(|p| (text(&p[0]), text(&p[1]))).collect();
                    (headers, std::fs::read(case.join("body")).unwrap_or_default())
                }
            };
            let head: Vec<(String, String)> = head;
            let unsigned = head.into_iter().filter(|(n, _)| !n.to_lowercase().contains("signature"));
            all.push(posted(which, &unsigned.collect::<Vec<_>>(), &body));
        }
    }
    all
}

/// Callbacks and answers of the channels' goldens.
fn channels() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut callbacks, mut answers) = (Vec::new(), Vec::new());
    for (which, kind) in channel::ALL.iter().enumerate() {
        let folder = root("tests/golden/channel").join(kind.name);
        for case in files(&folder) {
            let given = json(&case.join("given.json"));
            if let Some(callback) = given.get("callback") {
                callbacks.push(posted(which, &[], &bytes_of(&callback["body"])));
            }
            if let Some(status) = given.pointer("/answer/status").and_then(Value::as_u64) {
                let code = u16::try_from(status.saturating_sub(100)).unwrap().to_be_bytes();
                let headers = given.pointer("/answer/headers").and_then(Value::as_object).cloned().unwrap_or_default();
                let head: Vec<String> =
                    headers.iter().map(|(n, v)| format!("{n}: {}", v.as_str().unwrap_or_default())).collect();
                let body = bytes_of(&given["answer"]["body"]);
                let which = u8::try_from(which).unwrap();
                answers.push([&[which, code[0], code[1]], head.join("\n").as_bytes(), b"\n\n", &body].concat());
            }
        }
    }
    (callbacks, answers)
}

/// A file of the spool with two requests.
fn spool() -> Vec<Vec<u8>> {
    let dir = crate::support::dir::Dir::new();
    let key = Seal::key_from_text("3f9a1c0de4b85276aa10ff93c6d7e8b12b4d6f80913572c4e6a8b0d2f4163850").unwrap();
    let options = Options { dir: dir.join("spool"), max_bytes: 1 << 20, min_free_percent: 0 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (spool, _) = Spool::open(&options, Arc::new(Seal::new(&[key]).unwrap())).unwrap();
        for body in ["kept one", "kept two"] {
            let door =
                Door::Hook { platform: "shopify".into(), shop: "s".into(), dedupe: "d".into(), content: Digest8(7) };
            let raw = orderwire::domain::webhook::RawWebhook::post(
                &[("x", "y")],
                Bytes::from(body),
                crate::support::orders::now(),
            );
            spool.append(&Entry { door, raw }).await.unwrap();
        }
        spool.close().await;
    });
    let all: Vec<Vec<u8>> = files(&options.dir).iter().filter_map(|f| std::fs::read(f).ok()).collect();
    let whole =
        all.into_iter().find(|bytes| look_into(seal(), 1, bytes).iter().filter(|(_, e)| e.is_ok()).count() == 2);
    let whole = whole.expect("a file with both requests");
    let cut = whole[..whole.len() - 9].to_vec();
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    vec![whole, cut, damaged, b"\xd7OW\xa6\x01".to_vec()]
}

fn decoders() -> Vec<Vec<u8>> {
    let mac = sign(b"k", b"body");
    let standard = base64::engine::Engine::encode(&base64::engine::general_purpose::STANDARD, mac);
    let end = crate::support::orders::now();
    vec![
        standard.into_bytes(),
        hex::encode(mac).into_bytes(),
        seal().token("off", b"payload", end).into_bytes(),
        seal().cursor("dead", b"0 1 2").into_bytes(),
        seal().seal(&[b"elsewhere"], b"plain"),
        write_order(&sample::full("zh-TW").order).unwrap(),
        b"{\"version\":65535}".to_vec(),
    ]
}

fn texts(list: &[&str]) -> Vec<Vec<u8>> {
    list.iter().map(|t| t.as_bytes().to_vec()).collect()
}

fn words() -> Vec<Vec<u8>> {
    let evil = [
        "{{7*7}}{% for x in y %}",
        "<!channel> @everyone",
        "\u{202e}gnp\u{0}\u{1b}[31m",
        "a\r\nBcc: x@example.net\r\n\r\nb",
        "長👨‍👩‍👧‍👦e\u{301}",
        "javascript:alert(1)",
        "https://evil.example/x?y#z",
    ];
    evil.iter().zip(0_u8..).map(|(text, i)| [&[i * 5, i], text.as_bytes()].concat()).collect()
}

/// A life, a death, a pause, an erasure: what, on what.
fn steps_kept() -> Vec<Vec<u8>> {
    vec![
        vec![0, 0, 2, 16, 3, 0, 4, 0],
        vec![0, 0, 2, 24, 6, 0, 2, 16, 3, 0, 0, 0, 4, 1, 2, 16, 4, 0],
        vec![0, 1, 2, 17, 7, 0, 4, 129, 6, 1, 8, 0, 6, 1, 9, 1, 2, 17, 4, 0],
        vec![0, 2, 2, 18, 3, 0, 10, 10, 4, 0, 11, 0, 0, 2],
        vec![0, 48, 0, 72, 9, 0, 10, 0, 11, 1, 6, 0],
    ]
}

/// Words, taps and codes of chats, in one language after the other.
fn chats() -> Vec<Vec<u8>> {
    let said = [
        "ow-0123456789abcdefghjk",
        "請幫我連結 OW-0123456789ABCDEFGHJK。",
        "ow:off",
        "ow:ask_off",
        "ow:no:00112233445566778899aabbccddeeff",
        "ow:orders\nSTOP",
        "STOP",
        "取消訂閱",
        "huỷ đăng ký",
        "where is my order?",
        "我的訂單到哪了？",
        "\u{ff33}\u{ff34}\u{ff2f}\u{ff30}",
    ];
    let each = |(i, text): (usize, &&str)| [&[u8::try_from(i).unwrap()], text.as_bytes()].concat();
    said.iter().enumerate().map(each).collect()
}

/// A token that somebody sends, and payloads that we sealed.
fn tokens() -> Vec<Vec<u8>> {
    let end = orderwire::domain::clock::from_millis(1_795_593_700_000);
    let sent = |purpose: &str, payload: &[u8]| [b"\0", seal().token(purpose, payload, end).as_bytes()].concat();
    let page = br#"["woo","1","line-main",{"scheme":"line","value":"U1"}]"#;
    let link = br#"{"shop":"woo","order":"1","shown":null}"#;
    vec![
        sent("elsewhere", link),
        [b"\x01", &link[..]].concat(),
        [b"\x02", &page[..]].concat(),
        [b"\x03", &br#"["line-main",{"scheme":"line","value":"U1"}]"#[..]].concat(),
        b"\x2d{\"shop\":\"woo\"".to_vec(),
    ]
}

/// Files of consent, whole and odd.
fn consents() -> Vec<Vec<u8>> {
    let csv = "channel,address,shop,word,at,source,proof\nline-main,U1,,off,,,\n,'+886912345678,woo,on,2026-11-25T08:00:00Z,import,\"a \"\"b\"\", c\"\n";
    let odd = "\u{feff}Address,WORD\r\n\"a\nb\",off\r\n'=1+1,on\r\n,,,\r\n";
    let json = "{\"address\":\"U1\",\"word\":\"off\"}\n\n{\"address\":7}\n{\"address\":\"''\",\"word\":null}\n[";
    let of = |which: u8, text: &str| [&[which], text.as_bytes()].concat();
    vec![of(0, csv), of(0, odd), of(1, json), of(1, csv), of(0, "address\n")]
}

#[test]
#[ignore = "writes the kept inputs anew: make fuzz-kept"]
fn kept_inputs_are_written() {
    let (callbacks, answers) = channels();
    let addresses = texts(&[
        "https://api.example/",
        "http://127.0.0.1:4000",
        "https://0x7f.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://u:p@h/",
        "\u{ff11}\u{ff10}.0.0.1",
        "0123456789abcdef",
    ]);
    let mut settings = vec![std::fs::read(root("config/orderwire.toml")).unwrap()];
    settings.extend(
        files(&root("tests/golden/boot/broken")).iter().filter(|f| f.is_file()).map(|f| std::fs::read(f).unwrap()),
    );
    settings
        .extend(texts(&["[store]\nurl = \"redis://u:p@h\"\n", "[[shop]]\nid = 7\n[[route]]\nwhen = \"a and (\"\n"]));
    let all = [
        ("hooks", hooks()),
        ("callbacks", callbacks),
        ("answers", answers),
        ("decoders", decoders()),
        ("addresses", addresses),
        ("settings", settings),
        ("spool", spool()),
        ("words", words()),
        ("steps", steps_kept()),
        ("chats", chats()),
        ("tokens", tokens()),
        ("consent", consents()),
    ];
    for (name, inputs) in all {
        let folder = root("fuzz/kept").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let every = inputs.len().div_ceil(MOST);
        for (i, input) in inputs.iter().filter(|b| b.len() < 8192).step_by(every.max(1)).enumerate() {
            std::fs::write(folder.join(format!("golden-{i:02}")), input).unwrap();
        }
    }
}
