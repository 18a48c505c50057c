//! Access tokens: a fixed one for tests, or a chain in which each refresh token can be used once.
//!
//! Where the chain stands is kept in the store, the same for all processes. A renewal first claims it there (by
//! comparing, so one claim wins and the others wait for its outcome), and a new pair is durable before it is used. What
//! happens when the process dies:
//! - before the claim: nothing is changed;
//! - between the claim and the new pair in its place: Zalo may have used the refresh token up and the new pair is lost.
//!   When the claim is over, another process tries the token all the same, because the request may never have arrived;
//!   if Zalo refuses it, the account stops, and log and ledger name the remedy: consent again;
//! - after it: the next process reads the new pair.
//!
//! A renewal runs apart from the send that wanted it: a send that runs into its time-out does not cut it off.

use super::{header, judge};
use crate::channel::wire::Wire;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::decision::Reason;
use crate::domain::keeper::Keeper;
use crate::domain::settings::{Mistake, Secret};
use crate::domain::verdict::{Answer, Scope, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// A token is left alone this long before its end. Seconds.
const MARGIN_SECS: i64 = 600;
/// Longest life believed, whatever the answer says ("about 25 hours"). Seconds.
const LIFE_SECS: i64 = 2 * 86_400;
/// A token younger than this that Zalo refuses is not worth a renewal: the fault lies elsewhere. Seconds.
const YOUNG_SECS: i64 = 60;
/// A claim holds so long: longer than the longest time-out that can be set, with clocks that differ. Seconds.
const CLAIM_SECS: i64 = 90;
/// Somebody else's renewal is looked for after, and so often. The send goes again later all the same.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 100;
/// Tries to put a new pair down before it is left to the next send, each after twice the time of the one before.
const TRIES: u32 = 4;

const REMEDY: &str =
    "the OA's administrator must consent again; put the new refresh_token into the settings and restart";

/// Why a message could not be sent for want of a token: nothing reached the messaging endpoint.
#[derive(Clone, Debug)]
pub(super) struct NoToken {
    reason: Reason,
    scope: Scope,
    detail: String,
}

impl NoToken {
    /// It may be there at the next attempt.
    fn yet(why: impl std::fmt::Display) -> NoToken {
        NoToken { reason: Reason::Retrying, scope: Scope::Message, detail: format!("no access token: {why}") }
    }

    /// Nothing goes until a person acts.
    fn until_somebody_acts(why: impl std::fmt::Display) -> NoToken {
        NoToken { reason: Reason::ChannelPaused, scope: Scope::Account, detail: format!("no access token: {why}") }
    }
}

impl From<NoToken> for Verdict {
    fn from(no: NoToken) -> Verdict {
        Verdict::TryLater { reason: no.reason, after_secs: None, scope: no.scope, detail: no.detail }
    }
}

/// The app, whose account it serves, and where it gets tokens.
pub(super) struct App {
    pub(super) id: String,
    pub(super) oa_id: String,
    pub(super) secret: Secret,
    /// Without a slash at the end.
    pub(super) url: String,
}

/// Where tokens come from.
pub(super) enum Tokens {
    /// From settings.
    Fixed(Secret),
    /// A chain, kept in the store.
    Chain(Arc<Chain>),
}

impl Tokens {
    /// `way`: `access_token` and `refresh_token` of the settings: the one or the other.
    ///
    /// # Errors
    /// Neither, both, or one that cannot be used.
    pub(super) fn open(app: App, way: (Option<Secret>, Option<Secret>), wire: Wire) -> Result<Tokens, Mistake> {
        let bad = |s: &Secret| s.expose().is_empty() || header("access_token", s.expose()).is_none();
        let odd = "is empty, or holds characters that no token has";
        match way {
            (Some(_), Some(_)) => Err(Mistake::new("access_token", "leave out either access_token or refresh_token")),
            (Some(token), None) if bad(&token) => Err(Mistake::new("access_token", odd)),
            (Some(token), None) => Ok(Tokens::Fixed(token)),
            (None, Some(seed)) if bad(&seed) => Err(Mistake::new("refresh_token", odd)),
            (None, Some(seed)) => {
                let name = format!("zalo/{}/{}", app.id, app.oa_id);
                let (keeper, held) = (OnceLock::new(), Mutex::new(Held::default()));
                Ok(Tokens::Chain(Arc::new(Chain { app, seed, name, wire, keeper, held })))
            }
            (None, None) => {
                Err(Mistake::new("refresh_token", "is needed: of the consent that the OA's administrator gave"))
            }
        }
    }

    /// Where the chain is kept; the first one told counts.
    pub(super) fn kept_by(&self, keeper: &Arc<dyn Keeper>) {
        if let Tokens::Chain(chain) = self {
            chain.keeper.get_or_init(|| Arc::clone(keeper));
        }
    }

    /// Whether there is another one to be had.
    pub(super) fn renews(&self) -> bool {
        matches!(self, Tokens::Chain(_))
    }

    /// A token that is good for some minutes more, and another one than `worn`, which Zalo refused.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn get(&self, worn: Option<&Secret>) -> Result<Secret, NoToken> {
        let chain = match self {
            Tokens::Fixed(token) => return Ok(token.clone()),
            Tokens::Chain(chain) => chain,
        };
        let worn = worn.map_or(String::new(), |s| s.expose().to_string());
        if let Some(good) = chain.held.lock().await.good(&worn) {
            return Ok(good);
        }
        let chain = Arc::clone(chain);
        let renewed = tokio::spawn(async move { chain.renew(&worn).await }).await;
        renewed.unwrap_or_else(|_| Err(NoToken::yet("the renewal broke off")))
    }
}

/// Where an account's chain stands. No `Debug`: it is all secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pair {
    /// In use; empty before the first renewal.
    access_token: String,
    /// Gives the next pair, once.
    refresh_token: String,
    /// When the access token was issued and when it ends. Seconds since 1970.
    issued_at: i64,
    expires_at: i64,
    /// Mark of the refresh token in the settings with which this chain began: another one there begins a new chain.
    seed: String,
    /// A renewal was claimed at. Seconds since 1970.
    claimed_at: Option<i64>,
    /// A renewal with this refresh token had no answer that is known: it may be used up.
    interrupted: bool,
}

impl Pair {
    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn claimed(&self) -> bool {
        self.claimed_at.is_some_and(|at| (at..at + CLAIM_SECS).contains(&now()))
    }
}

/// The chain of one consent.
pub(super) struct Chain {
    app: App,
    seed: Secret,
    name: String,
    wire: Wire,
    keeper: OnceLock<Arc<dyn Keeper>>,
    held: Mutex<Held>,
}

/// What this process has in its hands.
#[derive(Default)]
struct Held {
    pair: Option<Pair>,
    /// Zalo gave it for this refresh token, and the store did not take it yet: not used before it does.
    unkept: Option<(String, Pair)>,
}

impl Held {
    fn good(&self, worn: &str) -> Option<Secret> {
        self.pair.as_ref().filter(|p| fits(p, worn)).map(|p| Secret::new(&p.access_token))
    }
}

fn now() -> i64 {
    SystemClock.now().as_second()
}

fn fits(pair: &Pair, worn: &str) -> bool {
    !pair.access_token.is_empty() && pair.access_token != worn && now() < pair.expires_at - MARGIN_SECS
}

impl Chain {
    /// Reads the store, where another process may have put a good pair, or renews.
    async fn renew(&self, worn: &str) -> Result<Secret, NoToken> {
        let keeper = self.keeper.get().ok_or_else(|| NoToken::yet("nothing keeps the tokens of this account"))?;
        let mut held = self.held.lock().await;
        if let Some(good) = held.good(worn) {
            return Ok(good);
        }
        if let Some((spent, pair)) = held.unkept.take() {
            self.keep(&mut held, keeper, (spent, pair)).await?;
        }
        for _ in 0..LOOKS {
            let stored = keeper.load(&self.name).await.map_err(NoToken::yet)?;
            let mut pair = self.read(stored.as_deref())?;
            if fits(&pair, worn) {
                held.pair = Some(pair);
                return held.good(worn).ok_or_else(|| NoToken::yet("it ended just now"));
            }
            if pair.claimed() {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            if pair.access_token == worn && !worn.is_empty() && now() < pair.issued_at + YOUNG_SECS {
                return Err(NoToken::until_somebody_acts("Zalo refuses the token that it has just given out"));
            }
            // Whoever claimed it before us and is gone may have used it.
            pair.interrupted |= pair.claimed_at.is_some();
            pair.claimed_at = Some(now());
            if keeper.swap(&self.name, stored.as_deref(), &pair.bytes()).await.map_err(NoToken::yet)? {
                let spent = pair.refresh_token.clone();
                let next = self.next(keeper, pair).await?;
                if !self.keep(&mut held, keeper, (spent, next)).await? {
                    return Err(NoToken::yet("the chain moved on meanwhile"));
                }
                return held.good("").ok_or_else(|| NoToken::until_somebody_acts("Zalo gave out one that is over"));
            }
        }
        Err(NoToken::yet("another process renews it"))
    }

    /// What is stored, or the beginning of the chain.
    fn read(&self, stored: Option<&[u8]>) -> Result<Pair, NoToken> {
        let odd = |_| NoToken::until_somebody_acts("what is kept of it was written by a newer version");
        let stored: Option<Pair> = stored.map(|bytes| serde_json::from_slice(bytes).map_err(odd)).transpose()?;
        Ok(stored.filter(|pair| pair.seed == self.mark()).unwrap_or_else(|| Pair {
            access_token: String::new(),
            refresh_token: self.seed.expose().to_string(),
            issued_at: 0,
            expires_at: 0,
            seed: self.mark(),
            claimed_at: None,
            interrupted: false,
        }))
    }

    fn mark(&self) -> String {
        let digest = Sha256::new().chain_update("zalo seed").chain_update(self.seed.expose()).finalize();
        hex::encode(&digest[..8])
    }

    /// Asks for the pair after `pair`, which is claimed.
    async fn next(&self, keeper: &Arc<dyn Keeper>, pair: Pair) -> Result<Pair, NoToken> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", pair.refresh_token.as_str()),
            ("app_id", self.app.id.as_str()),
        ];
        let headers = header("secret_key", self.app.secret.expose()).unwrap_or_default();
        let url = format!("{}/v4/oa/access_token", self.app.url);
        let (no, interrupted) = match issued(&self.wire.post_form(&url, headers, &fields).await) {
            Issued::Pair { access_token, refresh_token, life } => {
                let (issued_at, seed) = (now(), pair.seed);
                let (expires_at, claimed_at) = (issued_at + life, None);
                let interrupted = false;
                return Ok(Pair { access_token, refresh_token, issued_at, expires_at, seed, claimed_at, interrupted });
            }
            Issued::NotAsked(why) => (NoToken::yet(why), pair.interrupted),
            Issued::Unknown(why) => (NoToken::yet(format!("{why}; the refresh token may be used up")), true),
            Issued::Refused(why) => {
                let cause = if pair.interrupted {
                    "an earlier renewal got no answer and used the refresh token up"
                } else {
                    "it is over (three months), used elsewhere, or withdrawn; or the app's secret is another"
                };
                tracing::error!(%why, cause, remedy = REMEDY, "Zalo refuses the refresh token");
                let told = format!("refresh token refused ({why}): {cause}; {REMEDY}");
                (NoToken::until_somebody_acts(told), pair.interrupted)
            }
        };
        let back = Pair { claimed_at: None, interrupted, ..pair.clone() };
        if let Err(error) = keeper.swap(&self.name, Some(&pair.bytes()), &back.bytes()).await {
            // It ends by itself.
            tracing::debug!(%error, "the claim of a renewal could not be taken back");
        }
        Err(no)
    }

    /// Makes `pair`, which came for `spent`, durable, and only then the one in use. `false`: a new consent, or a claim
    /// that took ours over and got further, stands there.
    async fn keep(
        &self,
        held: &mut Held,
        keeper: &Arc<dyn Keeper>,
        (spent, pair): (String, Pair),
    ) -> Result<bool, NoToken> {
        let mut error = String::new();
        for attempt in 0..TRIES {
            match self.put(keeper, &spent, &pair).await {
                Ok(true) => {
                    held.pair = Some(pair);
                    return Ok(true);
                }
                Ok(false) => return Ok(false),
                Err(why) => error = why,
            }
            if attempt + 1 < TRIES {
                tokio::time::sleep(LOOK * 2_u32.pow(attempt)).await;
            }
        }
        tracing::error!(%error, "new tokens of Zalo cannot be written down: no message goes until they can");
        held.unkept = Some((spent, pair));
        Err(NoToken::yet(format!("it cannot be written down: {error}")))
    }

    /// In the place of whatever stands there for `spent`; `false`: the chain has moved on.
    async fn put(&self, keeper: &Arc<dyn Keeper>, spent: &str, pair: &Pair) -> Result<bool, String> {
        let stored = keeper.load(&self.name).await?;
        let there = stored.as_deref().and_then(|bytes| serde_json::from_slice::<Pair>(bytes).ok());
        if there.as_ref() == Some(pair) {
            return Ok(true);
        }
        if there.is_none_or(|there| there.seed != pair.seed || there.refresh_token != spent) {
            return Ok(false);
        }
        match keeper.swap(&self.name, stored.as_deref(), &pair.bytes()).await? {
            true => Ok(true),
            false => Err("it changed meanwhile".into()),
        }
    }
}

/// What the token endpoint answered.
enum Issued {
    /// The next pair, and for how long its access token is good.
    Pair { access_token: String, refresh_token: String, life: i64 },
    /// The request never left: the refresh token is as it was.
    NotAsked(String),
    /// Nobody knows whether it was used.
    Unknown(String),
    /// It is worth nothing, or the app's secret is.
    Refused(String),
}

fn issued(answer: &Answer) -> Issued {
    let (status, body) = match answer {
        Answer::NotSent(why) => return Issued::NotAsked(why.clone()),
        Answer::NoAnswer(why) => return Issued::Unknown(why.clone()),
        Answer::Reply { status, body, .. } => (*status, serde_json::from_slice::<Value>(body).unwrap_or_default()),
    };
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|t| header("access_token", t).is_some());
    if let (Some(access), Some(refresh)) = (text("access_token"), text("refresh_token")) {
        // The number comes in quotes.
        let life = body.get("expires_in");
        let life = life.and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok())).unwrap_or_default();
        let (access_token, refresh_token) = (access.to_string(), refresh.to_string());
        return Issued::Pair { access_token, refresh_token, life: life.clamp(0, LIFE_SECS) };
    }
    match body.get("error").and_then(Value::as_i64).filter(|code| *code != 0) {
        Some(code) if status != 429 && status < 500 => Issued::Refused(judge::detail(code, &body)),
        _ => Issued::Unknown(format!("HTTP {status} without a token")),
    }
}
