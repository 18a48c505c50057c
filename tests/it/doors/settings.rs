//! Settings as a whole: every mistake at once, combinations that make no sense, reload while running.

use crate::support::child::run;
use crate::support::orders::{woo, woo_order};
use crate::support::redis::shared;
use crate::support::relay::{Plan, Relay};
use crate::support::until;
use crate::support::wire::get;
use orderwire::boot;
use orderwire::boot::run::Role;
use orderwire::domain::person::Address;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is said of a file, a line each, without the folder it lies in.
fn said(file: &Path) -> Vec<String> {
    let folder = format!("{}/", file.parent().unwrap().display());
    let problems = boot::read(Some(file), &BTreeMap::new()).err().unwrap_or_default();
    problems.iter().map(|p| p.to_string().replace(&folder, "")).collect()
}

#[test]
fn check_names_every_mistake_at_once() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/boot");
    let mut cases = 0;
    for entry in std::fs::read_dir(&golden).unwrap() {
        let folder = entry.unwrap().path();
        let (file, expected) = (folder.join("orderwire.toml"), folder.join("said.txt"));
        let text: String = said(&file).iter().map(|l| format!("{l}\n")).collect();
        if std::env::var_os("ORDERWIRE_BLESS").is_some() {
            std::fs::write(&expected, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&expected).unwrap(), "{}", folder.display());
        let ran = run(&["-c", &file.display().to_string(), "check"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert_eq!(ran.out.replace(&format!("{}/", folder.display()), ""), text);
        assert!(ran.err.contains(&format!("{} mistakes", text.lines().count())));
        let json = run(&["-c", &file.display().to_string(), "check", "--json"]);
        assert_eq!((json.code, json.json()["problems"].as_array().unwrap().len()), (2, text.lines().count()));
        let served = run(&["-c", &file.display().to_string(), "serve"]);
        assert_eq!(served.code, 2, "it does not start: {served:?}");
        cases += 1;
    }
    assert_eq!(cases, 1, "every folder is read");
}

/// A staff channel and the head of another route.
const STAFF: &str = "[[channel]]\nid = \"slack-shop\"\nkind = \"slack\"\nwebhook_url = { value = \"https://hooks.slack.com/services/T0/B0/x\" }\n[[route]]\nid = \"r\"\n";

/// What is changed of a file that is fine (`STAFF` stands for the above), and words of what is said about it.
#[rustfmt::skip]
static NONSENSE: &[(&str, &str, &str, &str)] = &[
    ("a lease shorter than the sends it is for", "[worker]", "[worker]\nlease = \"30s\"", "worker.lease: is shorter than three times"),
    ("a customers' route to a staff channel", "[[route]]", "STAFFmilestones = [\"shipped\"]\naudience = \"customer\"\nchannels = [\"slack-shop\"]\n[[route]]", "route.r.channels"),
    ("a staff route to a customers' channel", "[[route]]", "STAFFmilestones = [\"shipped\"]\naudience = \"staff\"\nchannels = [\"line-main\"]\n[[route]]", "route.r.channels"),
    ("a route without channels", "[[route]]", "STAFFmilestones = [\"shipped\"]\naudience = \"staff\"\nchannels = []\n[[route]]", "route.r.channels"),
    ("a route that tells nothing", "[[route]]", "STAFFmilestones = []\naudience = \"staff\"\nchannels = [\"slack-shop\"]\n[[route]]", "route.r.milestones"),
    ("two routes of one name", "id = \"customers\"", "id = \"x\"\nmilestones = [\"shipped\"]\naudience = \"customer\"\nchannels = [\"line-main\"]\n[[route]]\nid = \"x\"", "route.x.id: the id is used twice"),
    ("a channel twice in a chain", "channels = [\"line-main\"]", "channels = [\"line-main\", \"line-main\"]", "route.customers.channels"),
    ("two shops of one name", "id = \"woo-b\"", "id = \"woo\"", "shop.woo.id: the id is used twice"),
    ("two channels of one name", "id = \"messenger-page\"", "id = \"line-main\"", "channel.line-main.id: the id is used twice"),
    ("a ledger shorter than its order", "[store]", "[store]\nkeep_ledger = \"20d\"\nkeep_orders = \"30d\"", "store.keep_ledger"),
    ("a Redis elsewhere without a key", "encryption_keys", "accept_risk = []\n#", "store.encryption_keys"),
    ("an admin door for everybody", "[admin]\nlisten = \"127.0.0.1:0\"", "[admin]\nlisten = \"0.0.0.0:0\"", "admin.listen"),
    ("an admin door for no host", "[admin]", "[admin]\nhosts = []", "admin.hosts"),
    ("both doors at one address", "listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:7071\"", "admin.listen"),
    ("a public address that is none", "https://notify.example.com", "notify.example.com", "server.public_url"),
    ("a public address in the open", "https://notify.example.com", "http://notify.example.com", "server.public_url"),
    ("a settle time longer than anything is fresh", "settle = \"0s\"", "settle = \"30d\"", "shop.woo.settle"),
    ("a frame for a page instead of a site", "[shop.identify]", "[shop.track]\nembed_origins = [\"https://shop.example.com/x\"]\n[shop.identify]", "shop.woo.track.embed_origins[0]"),
    ("an empty secret", "canary-woo-secret-0123456789abcdef", "", "shop.woo.secrets[0]"),
    ("a token that can be guessed", "canary-ops-token-0123456789abcdef0123", "ops", "admin.tokens[0].token"),
];

#[test]
fn what_makes_no_sense_does_not_start() {
    let plain = Plan::on(shared()).text();
    let dir = crate::support::dir::Dir::new();
    let mut wrong = Vec::new();
    assert_eq!(said(&dir.write("plain.toml", &plain)), Vec::<String>::new(), "the file itself is fine");
    for (name, from, to, words) in NONSENSE {
        assert!(plain.contains(from), "{name}: {from}");
        let everywhere = from.starts_with("listen");
        let to = to.replace("STAFF", STAFF);
        let text = if everywhere { plain.replace(from, &to) } else { plain.replacen(from, &to, 1) };
        let said = said(&dir.write("orderwire.toml", &text));
        if !said.iter().any(|l| l.contains(words)) {
            wrong.push(format!("{name}: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn reloads(relay: &Relay, result: &str) -> f64 {
    relay.metric(&format!("orderwire_reload_total{{result=\"{result}\"}}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_is_taken_when_it_is_fine_and_only_then() {
    let relay = Relay::start(&Plan::on(shared()), Role::Web).await;
    let plain = std::fs::read_to_string(&relay.file).unwrap();
    let address = Address::new("line", "U0");
    let link = relay.page(1, "line-main", &address);
    let order = |id| woo_order(id, "processing", 5).to_string();
    let unsigned = |id| {
        woo("order.created", order(id).as_bytes()).instead(
            "x-wc-webhook-signature",
            crate::support::orders::base64_of("rotated-secret-0123456789abcdef", order(id).as_bytes()),
        )
    };
    assert_eq!(relay.post(&unsigned(1)).await.status, 401);

    let good = plain.replace("milestones = [\"*\"]", "milestones = [\"shipped\"]").replace(
        "secrets = [{ value = \"canary-woo-secret-0123456789abcdef\" }]",
        "secrets = [{ value = \"canary-woo-secret-0123456789abcdef\" }, { value = \"rotated-secret-0123456789abcdef\" }]",
    );
    std::fs::write(&relay.file, &good).unwrap();
    until("the new file is taken", || async { (reloads(&relay, "done").await == 1.0).then_some(()) }).await;
    assert_eq!(relay.post(&unsigned(1)).await.status, 200, "the new secret counts");
    assert!(!relay.app.live().routes[0].tells("order_placed") && relay.app.live().routes[0].tells("shipped"));
    assert_eq!(get(relay.web, &link).await.status, 200, "links that were mailed before go on to work");
    assert!(!relay.page(1, "line-main", &address).is_empty(), "and new ones are made");

    std::fs::write(&relay.file, good.replace("[\"shipped\"]", "[\"shiped\"]")).unwrap();
    until("the bad file is refused", || async { (reloads(&relay, "refused").await == 1.0).then_some(()) }).await;
    assert!(relay.app.live().routes[0].tells("shipped"), "the old settings stay");
    assert_eq!(relay.post(&unsigned(2)).await.status, 200);

    std::fs::write(&relay.file, good.replace("line-main", "line-other")).unwrap();
    until("another channel is refused", || async { (reloads(&relay, "refused").await == 2.0).then_some(()) }).await;
    assert!(relay.app.has_channel("line-main") && !relay.app.has_channel("line-other"));

    std::fs::write(&relay.file, &plain).unwrap();
    until("the first file is taken again", || async { (reloads(&relay, "done").await == 2.0).then_some(()) }).await;
    assert_eq!(relay.post(&unsigned(3)).await.status, 401, "the rotated secret is gone");
    assert_eq!(reloads(&relay, "refused").await, 2.0, "each bad file was refused once, not at every look");
}
