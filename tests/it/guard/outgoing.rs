//! T12: no address of settings, in whatever spelling, and no answer of a name server leads a request of ours into a
//! network that is not the public internet.

use orderwire::channel::{ALL, Guarded, Lookup, find, outgoing};
use orderwire::domain::outgoing::{fault, may_reach};
use orderwire::domain::settings::{SECRET_KEY, Secret};
use orderwire::platform::settings::ShopSettings;
use orderwire::platform::{self, Api, AskFault, Question};
use reqwest::dns::Resolve as _;
use serde_json::json;
use std::net::IpAddr;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Addresses that must be refused as they are written.
pub const REFUSED: &[&str] = &[
    // 127.0.0.1 and 10.0.0.1 in other spellings: loopback itself is allowed, but not by a way that looks like another.
    "http://127.0.0.1@evil.example/",
    "https://user:pw@api.example/",
    "https://user@api.example/",
    "https://:pw@api.example/",
    "https://10.0.0.1/",
    "https://10.0.0.1:443/",
    "https://10.1/",
    "https://10.0.1/",
    "https://0x0a000001/",
    "https://0x0a.1/",
    "https://0x0a.0x00.0x00.0x01/",
    "https://012.0.0.1/",
    "https://012.1/",
    "https://167772161/",
    "https://0xA000001/",
    "https://10.0.0.1./",
    "https://１０.０.０.１/",
    "https://10。0。0。1/",
    "https://①⓪.⓪.⓪.①/",
    "https://%31%30.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://192.168.257/",
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.43518/",
    "https://0xa9fea9fe/",
    "https://2852039166/",
    "https://0251.0376.0251.0376/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[fd00:ec2::254]/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://0/",
    "https://[::]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[0:0:0:0:0:ffff:0a00:0001]/",
    "https://[::10.0.0.1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[64:ff9b:1::10.0.0.1]/",
    "https://[2002:a00:1::]/",
    "https://[2001:0:a00:1::]/",
    "https://[fc00::1]/",
    "https://[fe80::1]/",
    "https://[ff02::1]/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    // Public numbers too: a certificate names hosts, and a setting should.
    "https://8.8.8.8/",
    "https://134744072/",
    "https://[2606:4700:4700::1111]/",
    // Ways that are not https at 443.
    "http://api.example/",
    "http://10.0.0.1/",
    "http://169.254.169.254/",
    "https://api.example:8443/",
    "https://api.example:22/",
    "https://api.example:6379/",
    "ftp://api.example/",
    "ftp://localhost/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "unix:///run/redis.sock",
    "javascript:alert(1)",
    "data:text/plain,x",
    "https://",
    "//api.example/",
    "api.example",
    "",
];

const TAKEN: &[&str] = &[
    "https://api.example/",
    "https://api.example:443/",
    "https://API.Example/path",
    "https://訂單.example/",
    "http://127.0.0.1:4000/",
    "http://127.1:4000/",
    "http://localhost:4000/",
    "https://[::1]:4000/",
];

fn refused(text: &str, private: bool) -> bool {
    url::Url::parse(text).map_or(true, |url| fault(&url, private).is_some())
}

#[test]
fn every_spelling_is_read_as_the_address_it_is() {
    assert!(REFUSED.len() >= 60, "{} spellings", REFUSED.len());
    for text in REFUSED {
        assert!(refused(text, false), "{text} was taken");
    }
    for text in TAKEN {
        assert!(!refused(text, false), "{text} was refused");
    }
}

#[test]
fn a_private_network_is_reached_by_those_alone_that_say_so() {
    for text in ["https://10.0.0.1/", "https://shop.internal:8443/", "https://[fd12::1]/", "https://100.64.0.1/"] {
        assert!(refused(text, false) && !refused(text, true), "{text}");
    }
    for text in
        ["https://169.254.169.254/", "https://[fe80::1]/", "http://10.0.0.1/", "https://u@10.0.0.1/", "https://0/"]
    {
        assert!(refused(text, true), "{text} is nobody's shop");
    }
}

/// The very settings, of every kind of channel that has an address, and of a shop's API.
#[test]
fn no_account_and_no_shop_opens_with_such_an_address() {
    let secret = |s: &str| json!({ SECRET_KEY: s });
    let accounts = [
        ("line", json!({ "access_token": secret("t"), "channel_secret": secret("s") })),
        (
            "messenger",
            json!({ "page_id": "102290129340398", "access_token": secret("t"), "app_secret": secret("s"), "verify_token": secret("v") }),
        ),
        ("slack", json!({ "bot_token": secret("xoxb-1"), "channel": "C1" })),
    ];
    let mut opened = 0;
    for (kind, settings) in &accounts {
        let open = |url: &str| {
            let mut settings = settings.clone();
            settings["api_url"] = url.into();
            (find(kind).unwrap().open)("a".into(), settings)
        };
        for text in REFUSED {
            let mistakes = open(text).err().unwrap_or_else(|| panic!("{kind} takes {text}"));
            assert!(mistakes.iter().any(|m| m.key == "api_url"), "{kind} {text}: {mistakes:?}");
            assert!(text.len() < 12 || !format!("{mistakes:?}").contains(text), "{kind} repeats {text}");
        }
        for text in TAKEN {
            open(text).unwrap_or_else(|m| panic!("{kind} {text}: {m:?}"));
            opened += 1;
        }
    }
    assert_eq!(opened, accounts.len() * TAKEN.len());
    let addressed = ALL.iter().filter(|kind| kind.example.contains("api_url")).count();
    assert!(addressed >= accounts.len(), "the list above names kinds that there are");
    for text in REFUSED {
        let shop = json!({ "id": "s", "platform": "shopify", "secrets": [secret("x")], "api": { "url": text, "secret": secret("y") } });
        let shop: ShopSettings = serde_json::from_value(shop).unwrap();
        let mistakes = shop.open(&[], &["en"]).err().unwrap_or_else(|| panic!("a shop takes {text}"));
        assert!(mistakes.iter().any(|m| m.key == "api.url"), "{text}: {mistakes:?}");
    }
}

/// What no name may lead to: special purposes of IANA's registries, in IPv6's disguises too.
const INSIDE: &str = "0.1.2.3 10.255.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.8.8.8 169.254.169.254 172.16.0.1 \
    172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.7 \
    224.0.0.251 239.255.255.250 240.0.0.1 255.255.255.255 :: ::1 ::ffff:10.0.0.1 ::ffff:127.0.0.1 ::10.0.0.1 \
    64:ff9b::a00:1 64:ff9b::7f00:1 64:ff9b:1::808:808 100::1 2001::1 2001:1::1 2001:db8::1 2002:a00:1::1 \
    2002:808:808::1 3fff::1 4000::1 5f00::1 fc00::1 fdff::1 fe80::1 fec0::1 ff02::1";
/// Neighbours of those, which are public.
const PUBLIC: &str = "8.8.8.8 100.128.0.1 172.32.0.1 192.0.1.1 198.20.0.1 203.0.114.1 223.255.255.255 ::ffff:8.8.8.8 \
    64:ff9b::808:808 2001:200::1 2001:4860:4860::8888 2606:4700::1 2a00::1";
/// What a shop that says so may lie at, and what it may not.
const OWN: &str = "10.0.0.1 127.0.0.1 100.64.0.1 fd00::1 ::ffff:192.168.0.1 8.8.8.8";
const NEVER: &str = "169.254.169.254 fe80::1 0.0.0.0 224.0.0.1 ::";

#[test]
fn only_the_public_internet_is_reached_by_name() {
    for (list, private, reached) in
        [(INSIDE, false, false), (PUBLIC, false, true), (OWN, true, true), (NEVER, true, false)]
    {
        for text in list.split_whitespace() {
            assert_eq!(may_reach(IpAddr::from_str(text).unwrap(), private), reached, "{text}");
        }
    }
}

/// A name server that gives these answers one after the other, and how often it was asked.
fn answers(all: &'static [&'static [&'static str]]) -> (Lookup, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let turn = count.fetch_add(1, Ordering::SeqCst);
        let ips = all[turn.min(all.len() - 1)].iter().map(|ip| ip.parse().unwrap()).collect();
        Box::pin(async move { Ok(ips) })
    });
    (lookup, asked)
}

async fn resolved(name: &str, guarded: &Guarded) -> Option<Vec<String>> {
    let found = guarded.resolve(name.parse().unwrap()).await.ok()?;
    Some(found.map(|at| at.ip().to_string()).collect())
}

#[tokio::test]
async fn a_name_is_looked_through_before_it_is_connected_to() {
    let (lookup, _) = answers(&[&["10.0.0.1", "8.8.8.8", "::ffff:127.0.0.1", "169.254.169.254"], &["127.0.0.1"], &[]]);
    let guarded = Guarded::by(lookup, false);
    assert_eq!(resolved("vendor.example", &guarded).await.unwrap(), ["8.8.8.8"], "the others are left out");
    assert_eq!(resolved("vendor.example", &guarded).await, None, "rebound to this machine");
    assert_eq!(resolved("vendor.example", &guarded).await, None);
    let (lookup, _) = answers(&[&["8.8.8.8", "127.0.0.1"]]);
    let guarded = Guarded::by(lookup, false);
    assert_eq!(resolved("localhost", &guarded).await.unwrap(), ["127.0.0.1"], "that name means this machine");
    assert_eq!(resolved("localhost.evil.example", &guarded).await.unwrap(), ["8.8.8.8"]);
}

/// Takes requests and answers each with `reply`; how many there were.
async fn service(reply: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            while !bytes.windows(4).any(|w| w == b"\r\n\r\n") {
                let mut chunk = [0; 2048];
                match stream.read(&mut chunk).await {
                    Ok(n) if n > 0 => bytes.extend_from_slice(&chunk[..n]),
                    _ => break,
                }
            }
            count.fetch_add(1, Ordering::SeqCst);
            drop(stream.write_all(reply.as_bytes()).await);
        }
    });
    (port, seen)
}

const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

#[tokio::test]
async fn a_rebinding_name_leads_where_it_was_looked_at_and_nowhere_else() {
    let (port, seen) = service(FINE).await;
    // Whoever owns the name answers first for the look and then, for the connection, with an address inside.
    let (lookup, asked) = answers(&[&["127.0.0.1"], &["10.255.255.1"]]);
    let client = outgoing(Guarded::by(lookup, true)).build().unwrap();
    let answer = client.get(format!("http://shop.internal:{port}/")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), seen.load(Ordering::SeqCst)), (200, 1));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "one look for one connection");
    // And with this machine's address from the start.
    let (lookup, _) = answers(&[&["127.0.0.1"]]);
    let client = outgoing(Guarded::by(lookup, false)).build().unwrap();
    let error = client.get(format!("http://vendor.example:{port}/")).send().await.unwrap_err();
    assert!(error.is_connect() && seen.load(Ordering::SeqCst) == 1, "{error:?}");
    let error = client.get(format!("http://metadata.google.internal:{port}/")).send().await.unwrap_err();
    assert!(error.is_connect() && seen.load(Ordering::SeqCst) == 1, "{error:?}");
}

#[tokio::test]
async fn a_shop_that_answers_with_a_redirect_inwards_is_not_followed() {
    const TO: &str = "HTTP/1.1 307 X\r\nlocation: http://169.254.169.254/latest/meta-data/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for kind in platform::ALL {
        let (port, seen) = service(TO).await;
        let api = Api::new(format!("http://127.0.0.1:{port}"), Some(Secret::new("k")), Secret::new("s"));
        let shop = platform::Shop {
            id: "s".into(),
            secrets: Vec::new(),
            domain: None,
            statuses: Default::default(),
            identify: Default::default(),
            api: Some(api.clone()),
            payment_deadline: None,
        };
        let client = outgoing(Guarded::system(false)).build().unwrap();
        let asked = (kind.ask)(&shop, &client, Question::Order("7".into())).await;
        assert!(matches!(&asked, Err(AskFault::Refused(why)) if why.contains("307")), "{}: {asked:?}", kind.name);
        assert_eq!(seen.load(Ordering::SeqCst), 1);
        // What a check of the settings would have refused is refused here as well.
        for url in [
            "https://169.254.169.254",
            "https://user:pw@shop.example",
            "https://shop.example:8443",
            "http://shop.example",
        ] {
            let shop = platform::Shop { api: Some(Api { url: url.into(), ..api.clone() }), ..shop.clone() };
            let asked = (kind.ask)(&shop, &client, Question::Order("7".into())).await;
            assert!(matches!(asked, Err(AskFault::Refused(_))), "{} {url}: {asked:?}", kind.name);
        }
    }
}

/// Whatever asks others is built in one place, so that none of it goes without these rules; commands and
/// understudies, which only ask what their caller names, are listed.
#[test]
fn there_is_one_place_where_clients_are_made() {
    let builds = super::table::sources("src").into_iter().filter(|(_, text)| {
        let text: String = text.split("#[cfg(test)]").next().unwrap_or_default().into();
        text.contains("Client::builder()") || text.contains("Client::new()")
    });
    let builds: Vec<String> = builds.map(|(path, _)| path).collect();
    assert_eq!(builds, ["src/channel/wire.rs", "src/cli/ask.rs", "src/cli/demo/world.rs", "src/mock/callback.rs"]);
}
