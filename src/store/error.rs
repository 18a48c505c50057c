//! What can go wrong with Redis, in the few kinds that callers tell apart.

use redis::{ErrorKind as Kind, RedisError, ServerErrorKind as Server};

/// What a failure means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No answer in time: it may have been done. Every call here may be repeated.
    Timeout,
    /// Not reachable, or reachable and not able to serve (failing over, a slot moving): try again later.
    Away,
    /// Done, and no replica says that it has it: not acknowledged. The repeat is safe.
    Unreplicated,
    /// Its memory or disk is full: accept nothing new, go on draining.
    Full,
    /// We are talking to a replica; the connection has been dropped so that the next call looks anew.
    ReadOnly,
    /// It is reading its data after a start.
    Loading,
    /// It is not configured as orderwire needs it, or not the one this data belongs to: a person must act.
    Setup,
    /// A mistake of ours: an answer that cannot be, a script that failed.
    Bug,
}

impl ErrorKind {
    /// The word used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Timeout => "timeout",
            ErrorKind::Away => "away",
            ErrorKind::Unreplicated => "unreplicated",
            ErrorKind::Full => "full",
            ErrorKind::ReadOnly => "read_only",
            ErrorKind::Loading => "loading",
            ErrorKind::Setup => "setup",
            ErrorKind::Bug => "bug",
        }
    }
}

/// A failure of the store. Its text names what and the remedy; never an address with its password, never
/// anything of an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("redis: {what}")]
pub struct StoreError {
    /// What it means.
    pub kind: ErrorKind,
    what: String,
}

impl StoreError {
    /// A failure of this kind.
    pub(super) fn new(kind: ErrorKind, what: impl Into<String>) -> StoreError {
        StoreError { kind, what: what.into() }
    }

    pub(crate) fn bug(what: impl Into<String>) -> StoreError {
        StoreError::new(ErrorKind::Bug, what)
    }

    pub(super) fn setup(what: impl Into<String>) -> StoreError {
        StoreError::new(ErrorKind::Setup, what)
    }

    /// Some of what was asked went to a server of a cluster that did not answer.
    pub(crate) fn unanswered() -> StoreError {
        StoreError::new(ErrorKind::Away, "a server of the cluster did not answer")
    }

    /// Trying again later may help; nothing has to be put right by a person or in the program.
    pub fn passes(&self) -> bool {
        !matches!(self.kind, ErrorKind::Setup | ErrorKind::Bug)
    }
}

/// The one place where a Redis error gets its meaning. Codes decide, never texts.
impl From<&RedisError> for StoreError {
    fn from(e: &RedisError) -> StoreError {
        let kind = match e.kind() {
            Kind::Io if e.is_timeout() => ErrorKind::Timeout,
            Kind::Io | Kind::ClusterConnectionNotFound => ErrorKind::Away,
            Kind::Server(Server::BusyLoading) => ErrorKind::Loading,
            Kind::Server(Server::ReadOnly) => ErrorKind::ReadOnly,
            Kind::Server(Server::TryAgain | Server::ClusterDown | Server::MasterDown) => ErrorKind::Away,
            Kind::AuthenticationFailed | Kind::InvalidClientConfig | Kind::Server(Server::NoPerm) => ErrorKind::Setup,
            _ => match e.code() {
                Some("OOM" | "MISCONF") => ErrorKind::Full,
                Some("NOREPLICAS" | "BUSY" | "UNKILLABLE" | "UNBLOCKED") => ErrorKind::Away,
                Some("NOAUTH" | "WRONGPASS" | "NOPERM") => ErrorKind::Setup,
                _ => ErrorKind::Bug,
            },
        };
        let what = match kind {
            // Server texts may quote arguments; only our own mistakes are worth that much detail.
            ErrorKind::Bug => format!("{} {}", e.code().unwrap_or(e.category()), brief(e.detail().unwrap_or_default())),
            ErrorKind::Full => {
                "memory or disk is full (OOM, MISCONF); give it more, or let the workers drain it".into()
            }
            ErrorKind::Setup => format!(
                "access refused ({}); check user, password and the rights listed in docs/operations",
                e.code().unwrap_or(e.category())
            ),
            ErrorKind::ReadOnly => "the server is a replica (READONLY)".into(),
            ErrorKind::Loading => "the server is loading its data (LOADING)".into(),
            ErrorKind::Timeout => "no answer in time".into(),
            ErrorKind::Unreplicated => "no replica has it".into(),
            ErrorKind::Away => format!("not reachable ({})", e.code().unwrap_or(e.category())),
        };
        StoreError { kind, what }
    }
}

impl From<RedisError> for StoreError {
    fn from(e: RedisError) -> StoreError {
        StoreError::from(&e)
    }
}

/// At most so much of a server's text, without control characters.
fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}
