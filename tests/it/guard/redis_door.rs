//! T27: the way to Redis: a user with the least rights, encryption with one authority believed, nobody else at a
//! private server.

use crate::support::cluster::free_port;
use crate::support::orders::{EMAIL, woo, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::Redis;
use crate::support::relay::{KEY, Plan, Relay};
use crate::support::{prefix, scratch, seal, until};
use orderwire::boot::run::Role;
use orderwire::flow::erase::{self, Duty, Kind};
use orderwire::store::error::ErrorKind;
use orderwire::store::rewrite::Log;
use orderwire::store::{Store, StoreOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::PathBuf;

/// The user line of README and the reference, as a file that Redis reads.
const RIGHTS: &str = "resetkeys ~owtest* resetchannels -@all +@read +@write +eval +evalsha +script|load +time +wait \
                      +ping +hello -@dangerous +scan +info +role +config|get +bgrewriteaof";

const SERVER: &str =
    "port 0\nappendonly yes\nappendfsync always\nsave \"\"\nmaxmemory-policy noeviction\ndatabases 1\n";

/// Everything a relay does in an order's life, operators and erasing included, by a user who may nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_life_by_a_user_with_the_least_rights() {
    let rules = scratch("acl");
    let file = rules.join("users.acl");
    std::fs::write(&file, format!("user default on nopass ~* &* +@all\nuser ow on >secret {RIGHTS}\n")).unwrap();
    let redis = Redis::launch(&format!("{SERVER}aclfile {}\n", file.display()), "");
    let line = Provider::line().await;
    let plan = Plan::on(&redis).provider(&line.url);
    let url = format!("{}?user=ow&pass=secret", redis.url());
    let plan = Plan { store: plan.store.replace(&redis.url(), &url), ..plan };
    let relay = Relay::start(&plan, Role::All).await;
    let body = woo_order(11, "processing", 5).to_string();
    assert_eq!(relay.post(&woo("order.created", body.as_bytes())).await.status, 200);
    relay.comes_to("woo", 11, "payment_received", "sent").await;
    assert_eq!(relay.post(&crate::support::orders::line_text("STOP")).await.status, 200);
    for (method, target) in
        [("GET", "/api/v1/queue"), ("GET", "/api/v1/queue/dead"), ("POST", "/api/v1/channels/line-main/resume")]
    {
        let answer = relay.ops(method, target, None).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    }
    let person = erase::person_of(EMAIL);
    let duty = Duty::new(Kind::Customer, &"woo".into(), "test", "by right", relay.app.clock.now());
    erase::ask(&relay.app, duty.about(person, Vec::new())).await.unwrap();
    until("the customer is erased", || async {
        let (open, done) = erase::list(&relay.app).await.unwrap();
        (open.is_empty() && done.len() == 1).then_some(())
    })
    .await;
    assert!(relay.order("woo", 11).await.is_none());
    until("the log is rewritten", || async { (erase::tidy_log(&relay.app).await? == Log::Clean).then_some(()) }).await;
    let health = relay.app.store.info().await.unwrap();
    assert_eq!(health.complaint, None);
    let refusals = redis.ask(&["ACL", "LOG"]).list();
    assert!(refusals.is_empty(), "something was refused: {refusals:?}");
    relay.leave().await;
}

/// An authority of its own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A Redis behind TLS, whose certificate `authority` made out to `name`.
struct Encrypted {
    redis: Redis,
    url: String,
    ca: PathBuf,
    _dir: crate::support::Scratch,
}

fn encrypted(authority: &CertifiedIssuer<'static, KeyPair>, name: &str, more: &str) -> Encrypted {
    let dir = scratch("tls");
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_string()]).unwrap().signed_by(&key, authority).unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.join(name), text).unwrap();
        dir.join(name).display().to_string()
    };
    let ca = file("ca.pem", &authority.pem());
    // A port that was free a moment ago: Redis cannot say which one it took.
    let port = free_port();
    let conf = format!(
        "{SERVER}bind 127.0.0.1\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {ca}\n\
         tls-auth-clients no\nrequirepass secret\n{more}",
        file("cert.pem", &certificate.pem()),
        file("key.pem", &key.serialize_pem())
    );
    let redis = Redis::launch(&conf, "");
    Encrypted { redis, url: format!("rediss://:secret@127.0.0.1:{port}/0"), ca: ca.into(), _dir: dir }
}

fn options(url: &str, ca: Option<PathBuf>) -> StoreOptions {
    StoreOptions { url: Some(url.into()), ca_file: ca, prefix: prefix(), ..StoreOptions::default() }
}

#[tokio::test]
async fn an_encrypted_redis_is_believed_by_the_authority_that_is_named_and_no_other() {
    orderwire::channel::install_tls();
    let (ours, theirs) = (authority(), authority());
    let server = encrypted(&ours, "127.0.0.1", "");
    let store = Store::open(&options(&server.url, Some(server.ca.clone())), seal()).await.unwrap();
    store.ping().await.unwrap();
    let stranger = encrypted(&theirs, "127.0.0.1", "");
    let other_name = encrypted(&ours, "redis.example", "");
    for (what, url, ca) in [
        ("another authority", &stranger.url, Some(server.ca.clone())),
        ("another host's certificate", &other_name.url, Some(server.ca.clone())),
        ("an authority that only we know", &server.url, None),
        ("no encryption", &server.url.replace("rediss://", "redis://"), None),
    ] {
        let error = Store::open(&options(url, ca), seal()).await.err().unwrap_or_else(|| panic!("{what} was believed"));
        assert!(!error.to_string().contains("secret"), "{what}: {error}");
    }
}

/// Every node of a cluster is spoken to as the address says.
#[tokio::test]
async fn an_encrypted_cluster_is_believed_by_the_authority_that_is_named_and_no_other() {
    orderwire::channel::install_tls();
    let (ours, theirs) = (authority(), authority());
    let more = format!("cluster-enabled yes\ntls-cluster yes\ncluster-port {}\n", free_port());
    let node = encrypted(&ours, "127.0.0.1", &more);
    let mut raw = crate::support::raw(&node.redis.path());
    let () = redis::cmd("AUTH").arg("secret").query(&mut raw).unwrap();
    let () = redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16_383).query(&mut raw).unwrap();
    let url = node.url.replace("rediss://", "rediss+cluster://");
    let open = async |ca: &PathBuf| Store::open(&options(&url, Some(ca.clone())), seal()).await;
    let store = until("the cluster is whole", || async { open(&node.ca).await.ok() }).await;
    store.ping().await.unwrap();
    assert!(store.info().await.unwrap().server.contains("a cluster of 1 primaries"));
    let stranger = encrypted(&theirs, "127.0.0.1", "");
    let error = open(&stranger.ca).await.err().expect("another authority was believed");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_wrong_authority_is_told_before_anything_starts() {
    let dir = scratch("ca");
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let url = "rediss://127.0.0.1:1/0";
    for (o, word) in [
        (options(url, Some(dir.join("nowhere.pem"))), "cannot be read"),
        (options(url, file("no.pem", "not a certificate")), "holds no certificate"),
        (options("redis://127.0.0.1:1/0", file("ca.pem", &authority().pem())), "without encryption"),
    ] {
        let error = Store::open(&o, seal()).await.err().unwrap();
        assert!(error.kind == ErrorKind::Setup && error.to_string().contains(word), "{error}");
    }
    // The same by `check`.
    let plan = Plan {
        store: format!("url = \"{url}\"\nca_file = \"/nowhere.pem\"\nencryption_keys = [{{ value = \"{KEY}\" }}]"),
        ..Plan::on(crate::support::redis::shared())
    };
    let settings = dir.join("orderwire.toml");
    std::fs::write(&settings, plan.text()).unwrap();
    let ran = crate::support::child::run(&["-c", &settings.display().to_string(), "check"]);
    assert!(ran.code != 0 && format!("{}{}", ran.out, ran.err).contains("store.ca_file"), "{ran:?}");
}

/// All that lies beside a private server: its folder is its user's alone, its socket too, and what it may do to
/// others is switched off.
#[tokio::test]
async fn a_private_server_is_its_users_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = scratch("private-door");
    let o = StoreOptions { dir: dir.to_path_buf(), prefix: prefix(), ..StoreOptions::default() };
    let store = Store::open(&o, seal()).await.unwrap();
    let mode = |name: &str| std::fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("redis"), 0o700);
    for name in ["redis/redis.sock", "redis/redis.conf", "redis/lock"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    let mut raw = crate::support::raw(&dir.join("redis/redis.sock"));
    for (key, value) in
        [("port", "0"), ("protected-mode", "yes"), ("enable-debug-command", "no"), ("enable-module-command", "no")]
    {
        let found: Vec<String> = redis::cmd("CONFIG").arg("GET").arg(key).query(&mut raw).unwrap();
        assert_eq!(found, [key, value]);
    }
    store.close().await;
}
