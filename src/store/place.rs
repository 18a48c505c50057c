//! Where the server is: at a fixed address, wherever the sentinels say, or spread over a cluster.

use super::cluster::Node;
use super::error::{ErrorKind, StoreError};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longest one sentinel may take to answer; then the next is asked.
const SENTINEL: Duration = Duration::from_millis(500);
/// Where sentinels listen, if nothing else is said.
const SENTINEL_PORT: u16 = 26379;
/// Where nodes of a cluster listen, likewise.
const PORT: u16 = 6379;

/// Where to connect to, and whom to believe there.
#[derive(Clone)]
pub(super) struct Place {
    at: At,
    /// Certificates (PEM) of the authorities that may vouch for the server; `None`: the system's.
    ca: Option<Arc<[u8]>>,
}

#[derive(Clone)]
enum At {
    /// One server.
    Fixed(ConnectionInfo),
    /// The primary of a service that sentinels watch.
    Watched(Watched),
    /// The primaries of a cluster.
    Cluster(Seeds),
}

/// Some nodes of a cluster, and how to speak to all of them.
#[derive(Clone)]
struct Seeds {
    nodes: Vec<Node>,
    scheme: &'static str,
    access: String,
}

/// A service under sentinels.
#[derive(Clone)]
pub(super) struct Watched {
    sentinels: Vec<ConnectionInfo>,
    service: String,
    /// Scheme, user, password and database of the servers themselves.
    scheme: &'static str,
    access: String,
    database: String,
    /// The sentinel to be asked first.
    first: Arc<AtomicUsize>,
    /// The one that answered last.
    answered: Arc<AtomicUsize>,
}

impl Place {
    /// Reads an address; the message names what is wrong with it and never quotes it.
    pub(super) fn of(url: &str) -> Result<Place, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let at = match scheme {
            "redis+sentinel" => watched("redis", rest).map(At::Watched),
            "rediss+sentinel" => watched("rediss", rest).map(At::Watched),
            "redis+cluster" => seeds("redis", rest).map(At::Cluster),
            "rediss+cluster" => seeds("rediss", rest).map(At::Cluster),
            _ => plain(url).map(At::Fixed),
        };
        Ok(Place { at: at?, ca: None })
    }

    /// The socket of a server on this machine.
    pub(super) fn socket(path: &Path) -> Result<Place, redis::RedisError> {
        let info = ConnectionAddr::Unix(path.to_path_buf()).into_connection_info()?;
        Ok(Place { at: At::Fixed(info), ca: None })
    }

    /// The nodes of a cluster that the address names; none: it is of no cluster.
    pub(super) fn nodes(&self) -> &[Node] {
        match &self.at {
            At::Cluster(seeds) => &seeds.nodes,
            At::Fixed(_) | At::Watched(_) => &[],
        }
    }

    /// Whether the keys are spread over a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.at, At::Cluster(_))
    }

    /// One node of the cluster, spoken to like those that the address names.
    ///
    /// # Errors
    /// Its name makes no address.
    pub(super) fn node(&self, node: &Node) -> Result<Place, StoreError> {
        let At::Cluster(seeds) = &self.at else { return Err(StoreError::bug("a node of no cluster")) };
        let info = seeds.server(node).map_err(StoreError::setup)?;
        Ok(Place { at: At::Fixed(info), ca: self.ca.clone() })
    }

    /// Believes only what these authorities vouch for.
    ///
    /// # Errors
    /// The file cannot be read, holds no certificate, or the connection is not encrypted at all.
    pub(super) fn vouched_by(mut self, file: &Path) -> Result<Place, String> {
        if !self.encrypted() {
            return Err("is of no use without encryption: write store.url with rediss://".into());
        }
        let pem = std::fs::read(file).map_err(|e| format!("cannot be read: {e}"))?;
        let certificates = CertificateDer::pem_slice_iter(&pem).filter(Result::is_ok).count();
        if certificates == 0 {
            return Err("holds no certificate; write the authority's in PEM (-----BEGIN CERTIFICATE-----)".into());
        }
        self.ca = Some(pem.into());
        Ok(self)
    }

    fn encrypted(&self) -> bool {
        match &self.at {
            At::Fixed(info) => matches!(info.addr(), ConnectionAddr::TcpTls { .. }),
            At::Watched(Watched { scheme, .. }) | At::Cluster(Seeds { scheme, .. }) => *scheme == "rediss",
        }
    }

    fn client(&self, info: ConnectionInfo) -> Result<Client, redis::RedisError> {
        match &self.ca {
            None => Client::open(info),
            Some(ca) => {
                let trust = TlsCertificates { client_tls: None, root_cert: Some(ca.to_vec()) };
                Client::build_with_tls(info, trust)
            }
        }
    }

    /// Whether a failover may move it, so that a server which cannot serve is worth leaving.
    pub(super) fn moves(&self) -> bool {
        matches!(self.at, At::Watched(_) | At::Cluster(_))
    }

    /// How many may have to be asked until one names a server that serves.
    pub(super) fn witnesses(&self) -> usize {
        match &self.at {
            At::Fixed(_) | At::Cluster(_) => 1,
            At::Watched(watched) => watched.sentinels.len(),
        }
    }

    /// The server found last serves: whoever named it is asked first the next time.
    pub(super) fn believe(&self) {
        if let At::Watched(watched) = &self.at {
            watched.first.store(watched.answered.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// The server's address now. Who named it is asked last the next time, unless it is believed: a sentinel that
    /// is cut off from the others goes on naming the primary of yesterday.
    ///
    /// # Errors
    /// No sentinel answers, or none knows the service.
    pub(super) async fn find(&self, config: &AsyncConnectionConfig) -> Result<Client, StoreError> {
        let watched = match &self.at {
            At::Fixed(info) => return Ok(self.client(info.clone())?),
            At::Watched(watched) => watched,
            At::Cluster(_) => return Err(StoreError::bug("a cluster is no one server")),
        };
        let count = watched.sentinels.len();
        let begin = watched.first.load(Ordering::Relaxed);
        let mut unknown = false;
        for i in (0..count).map(|i| (begin + i) % count) {
            match tokio::time::timeout(SENTINEL, self.ask(watched, &watched.sentinels[i], config)).await {
                Ok(Ok(Some((host, port)))) => {
                    watched.answered.store(i, Ordering::Relaxed);
                    watched.first.store((i + 1) % count, Ordering::Relaxed);
                    return Ok(self.client(watched.server(&host, &port).map_err(StoreError::setup)?)?);
                }
                Ok(Ok(None)) => unknown = true,
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Err(match unknown {
            true => StoreError::setup("the sentinels know no service of the name that store.url gives"),
            false => StoreError::new(ErrorKind::Away, "no sentinel answers"),
        })
    }

    async fn ask(
        &self,
        watched: &Watched,
        sentinel: &ConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> Result<Option<(String, String)>, redis::RedisError> {
        let mut conn = self.client(sentinel.clone())?.get_multiplexed_async_connection_with_config(config).await?;
        redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&watched.service).query_async(&mut conn).await
    }
}

impl Watched {
    fn server(&self, host: &str, port: &str) -> Result<ConnectionInfo, String> {
        let host = in_url(host);
        plain(&format!("{}://{}{host}:{port}/{}", self.scheme, self.access, self.database))
    }
}

impl Seeds {
    /// How to connect to a node.
    fn server(&self, node: &Node) -> Result<ConnectionInfo, String> {
        let host = in_url(&node.host);
        plain(&format!("{}://{}{host}:{}/0", self.scheme, self.access, node.port))
    }
}

/// A host as it stands in an address.
fn in_url(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_string() }
}

/// `[user:password@]host[:port][,host[:port]…][/0]`
fn seeds(scheme: &'static str, rest: &str) -> Result<Seeds, String> {
    const FORM: &str = "write redis+cluster://[user:password@]host:6379[,host:6379…], without a database: a cluster \
                        has one only";
    let (access, rest) = rest.rsplit_once('@').map_or((String::new(), rest), |(a, rest)| (format!("{a}@"), rest));
    let hosts = rest.strip_suffix("/0").or(rest.strip_suffix('/')).unwrap_or(rest);
    let node = |text: &str| {
        let (host, port) = match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => (host, port),
            _ => (text, PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty() && !host.contains(['/', '?', '#'])).then(|| Node::new(host, port)).ok_or(FORM)
    };
    let seeds = Seeds { nodes: hosts.split(',').map(node).collect::<Result<_, _>>()?, scheme, access };
    for node in &seeds.nodes {
        seeds.server(node).map_err(|_| FORM)?;
    }
    Ok(seeds)
}

/// `[user:password@]host[:port][,host[:port]…]/service[/database][?sentinel_password=…]`
fn watched(scheme: &'static str, rest: &str) -> Result<Watched, String> {
    const FORM: &str = "write redis+sentinel://[user:password@]host:26379[,host:26379…]/SERVICE[/0]\
                        [?sentinel_password=…]";
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let password = match query.split_once('=') {
        Some(("sentinel_password", password)) => format!(":{password}@"),
        Some(_) => return Err(format!("after ? only sentinel_password is known; {FORM}")),
        None => String::new(),
    };
    let (access, rest) = rest.rsplit_once('@').map_or((String::new(), rest), |(a, rest)| (format!("{a}@"), rest));
    let mut parts = rest.split('/');
    let hosts = parts.next().unwrap_or_default();
    let service = parts.next().unwrap_or_default().to_string();
    let database = parts.next().unwrap_or("0").to_string();
    if hosts.is_empty() || service.is_empty() || parts.next().is_some() {
        return Err(FORM.into());
    }
    let sentinel = |host: &str| {
        let port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let port = if port { String::new() } else { format!(":{SENTINEL_PORT}") };
        plain(&format!("{scheme}://{password}{host}{port}"))
    };
    let sentinels = hosts.split(',').map(sentinel).collect::<Result<_, _>>()?;
    let watched =
        Watched { sentinels, service, scheme, access, database, first: Arc::default(), answered: Arc::default() };
    watched.server("localhost", "6379").map_err(|_| FORM)?;
    Ok(watched)
}

/// One server's address.
fn plain(url: &str) -> Result<ConnectionInfo, String> {
    let info = url.into_connection_info().map_err(|e| {
        format!(
            "not an address of Redis ({}); write redis://host:6379/0, rediss://…, unix:///path, \
             redis+sentinel://host:26379,…/SERVICE or redis+cluster://host:6379,…",
            e.category()
        )
    })?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(Duration::from_secs(10));
    Ok(info.set_tcp_settings(tcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_are_read_from_the_address() {
        let Ok(Place { at: At::Watched(w), .. }) =
            Place::of("redis+sentinel://ow:pa%40ss@a.example,b.example:26380/main/2")
        else {
            panic!("an address")
        };
        let shown: Vec<String> = w.sentinels.iter().map(|s| s.addr().to_string()).collect();
        assert_eq!(shown, ["a.example:26379", "b.example:26380"]);
        assert_eq!((w.service.as_str(), w.database.as_str()), ("main", "2"));
        let server = w.server("10.0.0.7", "6390").expect("an address");
        assert_eq!(server.addr().to_string(), "10.0.0.7:6390");
        assert_eq!(server.redis_settings().username(), Some("ow"));
        assert_eq!(server.redis_settings().password(), Some("pa@ss"));
        assert!(w.server("::1", "6390").is_ok());
    }

    #[test]
    fn nodes_of_a_cluster_are_read_from_the_address() {
        let Ok(place) = Place::of("rediss+cluster://ow:pa%40ss@a.example,10.0.0.7:6390,[::1]:7000/0") else {
            panic!("an address")
        };
        assert!(place.moves());
        let At::Cluster(seeds) = &place.at else { panic!("a cluster") };
        let shown: Vec<String> = seeds.nodes.iter().map(|n| format!("{n:?}")).collect();
        assert_eq!(shown, ["a.example:6379", "10.0.0.7:6390", "::1:7000"]);
        let server = seeds.server(&seeds.nodes[1]).expect("an address");
        assert_eq!(server.addr().to_string(), "10.0.0.7:6390");
        assert_eq!(server.redis_settings().password(), Some("pa@ss"));
    }

    #[test]
    fn a_wrong_address_is_told_without_quoting_it() {
        for bad in [
            "redis+sentinel://a.example",
            "redis+sentinel:///main",
            "redis+sentinel://a.example/main/0/1",
            "redis+sentinel://u:canary@a.example/main?password=canary",
            "redis+sentinel://u:canary@a.example/main/x",
            "redis+cluster://u:canary@",
            "redis+cluster://u:canary@a.example/1",
            "redis+cluster://u:canary@a.example,,b.example",
            "redis+cluster://u:canary@a.example?read=canary",
            "http://canary",
        ] {
            let said = Place::of(bad).err().unwrap_or_default();
            assert!(!said.is_empty() && !said.contains("canary"), "{bad}: {said}");
        }
    }
}
