//! Providers that cannot be found or cannot be trusted: nothing was sent, and everything goes later.

use super::relay::Manner;
use super::shims;
use super::traffic::{begin_of, post};
use super::world::{Plan, World, folder};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// The provider's name.
const NAME: &str = "graph.shop-test.localhost";

/// An authority of our own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A server with a certificate for `name`, good until the end of that year.
    fn server(&self, name: &str, year: i32) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new(vec![name.to_string()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 12, 31));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
    }
}

/// TLS in front of the understudy.
struct Front {
    shown: Arc<Mutex<Arc<ServerConfig>>>,
    port: u16,
    /// Where the understudy is, once that is known.
    behind: Arc<Mutex<Option<String>>>,
    cut: Arc<watch::Sender<()>>,
}

impl Front {
    async fn stand(first: Arc<ServerConfig>) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let front = Front {
            shown: Arc::new(Mutex::new(first)),
            port,
            behind: Arc::default(),
            cut: Arc::new(watch::Sender::new(())),
        };
        let (shown, behind, cuts) = (Arc::clone(&front.shown), Arc::clone(&front.behind), Arc::clone(&front.cut));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let config = Arc::clone(&shown.lock().unwrap());
                let (behind, mut cut) = (behind.lock().unwrap().clone(), cuts.subscribe());
                tokio::spawn(async move {
                    let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await else { return };
                    let mut inner = TcpStream::connect(behind.unwrap()).await.unwrap();
                    // However it ends, both sides are closed.
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut stream, &mut inner) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        front
    }

    /// Shows this certificate from now on, and ends all connections: an idle one asks for none.
    fn show(&self, config: &Arc<ServerConfig>) {
        *self.shown.lock().unwrap() = Arc::clone(config);
        self.cut.send_replace(());
    }
}

/// An order of the page's shop is placed; its attempt, as the ledger tells it.
async fn attempt(world: &World) -> Value {
    let (place, order) = begin_of(&world.street, "woo-page");
    assert!(post(&world.street, place, &order, 0).await);
    let path = format!("/api/v1/orders/{}/{}", order.shop, order.id);
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let view = world.ask(reqwest::Method::GET, &path).await.unwrap_or_default();
        let ledger = view["ledger"].as_array().cloned().unwrap_or_default();
        let on_page = |e: &Value| e["what"] == "attempt" && e["channel"] == "messenger-page";
        if let Some(entry) = ledger.into_iter().find(on_page) {
            return entry;
        }
        assert!(Instant::now() < end, "nothing was tried: {view:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A relay that looks names up as the file `names` says, and trusts our authority.
fn manner(dir: &Path, authority: &Authority) -> Manner {
    let (names, trusted) = (dir.join("names"), dir.join("authority.pem"));
    let load = shims::compile(shims::NAMES, dir);
    std::fs::write(&names, "o").unwrap();
    std::fs::write(&trusted, &authority.pem).unwrap();
    let env = vec![load, ("OW_NAMES", names.display().to_string()), ("SSL_CERT_FILE", trusted.display().to_string())];
    Manner { env, ..Manner::default() }
}

/// What is wrong, how the name is looked up, and the certificate shown.
type Fault = (&'static str, &'static str, Arc<ServerConfig>);

/// A relay that tells by Messenger, meets the fault, and tells when it is over.
async fn one((what, letter, shown): Fault, authority: &Authority) {
    let good = authority.server(NAME, 2090);
    let front = Front::stand(Arc::clone(&good)).await;
    let dir = folder("names");
    std::fs::create_dir_all(&dir).unwrap();
    let messenger = Some(format!("https://{NAME}:{}", front.port));
    let mut world = World::lay(&dir, Plan { messenger, manner: manner(&dir, authority), ..Plan::default() }).await;
    *front.behind.lock().unwrap() = Some(world.mock.http_url().trim_start_matches("http://").to_string());
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let first = attempt(&world).await;
    assert_eq!(first["verdict"], "accepted", "the way there is proved first: {first}");
    // In its place at once: the relay may be reading it.
    let say = |letter: &str| {
        std::fs::write(dir.join("names.new"), letter).unwrap();
        std::fs::rename(dir.join("names.new"), dir.join("names")).unwrap();
    };
    say(letter);
    front.show(&shown);
    let entry = attempt(&world).await;
    assert_eq!(entry["verdict"], "try_later", "{what}: {entry}");
    say("o");
    front.show(&good);
    let report = world.judge(&format!("{what} ({})", entry["detail"]), &mut relay).await;
    // Each order by Messenger and by mail: told in the end, and without a doubt.
    assert_eq!((report.unsure, report.repeats.len(), report.messages), (0, 0, 4), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_not_found_or_not_trusted_was_sent_nothing() {
    orderwire::channel::install_tls();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let good = authority.server(NAME, 2090);
    let faults: [Fault; 6] = [
        ("no such name", "n", Arc::clone(&good)),
        ("the name server fails", "s", Arc::clone(&good)),
        ("the name server is silent", "h", good),
        ("a certificate that is over", "o", authority.server(NAME, 2021)),
        ("a certificate of another name", "o", authority.server("elsewhere.shop-test", 2090)),
        ("a certificate of nobody we trust", "o", stranger.server(NAME, 2090)),
    ];
    futures_util::future::join_all(faults.into_iter().map(|fault| one(fault, &authority))).await;
}
