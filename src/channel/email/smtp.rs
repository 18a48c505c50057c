//! One conversation with the relay, step by step, so that it is known which step an answer or a silence
//! belongs to. `lettre`'s pooled transport hides the step, bounds only the connect in time, and must be made
//! inside a runtime; its connection type does the protocol here.
//!
//! The relay takes the mail when it answers the end of the data with 2xx. Whatever fails before that data was
//! begun is certainly not sent; a silence after it may be.

use crate::channel::meta::scrub;
use crate::channel::wire::last_look;
use crate::domain::verdict::Answer;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use std::error::Error as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest for name and TCP connect.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection at rest for longer is not used again: relays close them after about a minute.
const REST: Duration = Duration::from_secs(30);
/// Connections kept at rest.
const KEPT: usize = 4;
/// Longest for a polite end.
const GOODBYE: Duration = Duration::from_secs(2);
/// The relay closes the connection.
const CLOSING: u16 = 421;
/// Name of the answer's header that names the step.
pub(super) const STEP: &str = "smtp-step";
/// Status of an answer that is our own: the relay lacks what the settings demand (STARTTLS, a way to log in).
pub(super) const OURS: u16 = 0;

/// A step of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Connect, greeting, EHLO, STARTTLS.
    Connect,
    /// AUTH.
    Auth,
    /// MAIL FROM: the sender.
    Mail,
    /// RCPT TO: the recipient.
    Rcpt,
    /// DATA: the command.
    Data,
    /// The mail itself, and its end.
    Content,
}

impl Step {
    const ALL: [Step; 6] = [Step::Connect, Step::Auth, Step::Mail, Step::Rcpt, Step::Data, Step::Content];

    fn as_str(self) -> &'static str {
        match self {
            Step::Connect => "connect",
            Step::Auth => "auth",
            Step::Mail => "mail",
            Step::Rcpt => "rcpt",
            Step::Data => "data",
            Step::Content => "content",
        }
    }

    /// The step an answer belongs to.
    pub(super) fn of(answer: &Answer) -> Option<Step> {
        let word = answer.header(STEP)?;
        Step::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// How the connection is kept from listeners.
pub(super) enum Tls {
    /// From the first byte (port 465).
    Implicit(TlsParameters),
    /// By STARTTLS, without which nothing is sent (port 587).
    Start(TlsParameters),
    /// Not at all: loopback only.
    None,
}

/// A relay and the connections to it.
pub(super) struct Relay {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) hello: ClientId,
    pub(super) credentials: Option<Credentials>,
    pub(super) from: Address,
    pub(super) timeout: Duration,
    pub(super) resting: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// What went wrong.
enum Fault {
    /// The relay's word or silence, and where.
    At(Step, Error),
    /// The last look forbade it.
    Held,
}

trait At<T> {
    fn at(self, step: Step) -> Result<T, Fault>;
}

impl<T> At<T> for Result<T, Error> {
    fn at(self, step: Step) -> Result<T, Fault> {
        self.map_err(|e| Fault::At(step, e))
    }
}

impl Relay {
    /// Hands one mail over, once, within the time-out from connect to last answer.
    pub(super) async fn hand_over(&self, to: Address, mail: &str) -> Answer {
        let begun = AtomicBool::new(false);
        match tokio::time::timeout(self.timeout, self.converse(to, mail, &begun)).await {
            Ok(Ok(response)) => reply(Step::Content, &response),
            Ok(Err(Fault::At(step, error))) => answer(step, &error),
            Ok(Err(Fault::Held)) => Answer::NotSent("what forbids the mail was heard at the last moment".into()),
            Err(_) => {
                let why = format!("no answer within {} s", self.timeout.as_secs());
                if begun.load(Ordering::SeqCst) { Answer::NoAnswer(why) } else { Answer::NotSent(why) }
            }
        }
    }

    /// Greets the relay and logs in, as before a mail, and leaves again.
    ///
    /// # Errors
    /// At which step it failed, and why.
    pub(super) async fn greet(&self) -> Result<(), (Step, String)> {
        let greeted = async {
            let mut connection = self.connect().await?;
            connection.command(Noop).await.at(Step::Mail)?;
            tokio::time::timeout(GOODBYE, connection.quit()).await.ok();
            Ok(())
        };
        match tokio::time::timeout(self.timeout, greeted).await {
            Ok(Ok(())) => Ok(()),
            // No mail, so nobody looks whether it may go.
            Ok(Err(Fault::Held)) => Ok(()),
            Ok(Err(Fault::At(step, error))) => {
                let code = error.status().map(|code| format!("{} ", u16::from(code))).unwrap_or_default();
                let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                Err((step, format!("{code}{} (at {})", scrub(&words), step.as_str())))
            }
            Err(_) => Err((Step::Connect, format!("no answer within {} s", self.timeout.as_secs()))),
        }
    }

    async fn converse(&self, to: Address, mail: &str, begun: &AtomicBool) -> Result<Response, Fault> {
        if let Some(connection) = self.rested().await {
            match self.transact(connection, &to, mail, begun).await {
                // "Too many messages in this connection", or it died at the first word: nothing was said of
                // this mail yet, and a new connection may do.
                Err(Fault::At(Step::Mail, e)) if e.status().is_none_or(|code| u16::from(code) == CLOSING) => {}
                other => return other,
            }
        }
        self.transact(self.connect().await?, &to, mail, begun).await
    }

    async fn transact(
        &self,
        mut connection: AsyncSmtpConnection,
        to: &Address,
        mail: &str,
        begun: &AtomicBool,
    ) -> Result<Response, Fault> {
        let result = self.transfer(&mut connection, to, mail, begun).await;
        if result.is_ok() {
            self.rest(connection);
        } else {
            // Half a transaction lies open: not to be used again, and nobody waits for the goodbye.
            tokio::spawn(async move { tokio::time::timeout(GOODBYE, connection.abort()).await.ok() });
        }
        result
    }

    async fn transfer(
        &self,
        connection: &mut AsyncSmtpConnection,
        to: &Address,
        mail: &str,
        begun: &AtomicBool,
    ) -> Result<Response, Fault> {
        connection.command(Mail::new(Some(self.from.clone()), Vec::new())).await.at(Step::Mail)?;
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.at(Step::Rcpt)?;
        // Before the mail itself: an envelope that ends here is nobody's mail.
        if let Some(look) = last_look()
            && !look.may_go().await
        {
            return Err(Fault::Held);
        }
        connection.command(Data).await.at(Step::Data)?;
        begun.store(true, Ordering::SeqCst);
        connection.message(mail.as_bytes()).await.at(Step::Content)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Fault> {
        let wrapped = match &self.tls {
            Tls::Implicit(parameters) => Some(parameters.clone()),
            Tls::Start(_) | Tls::None => None,
        };
        let address = (self.host.as_str(), self.port);
        let within = CONNECT.min(self.timeout);
        let mut connection = AsyncSmtpConnection::connect_tokio1(address, Some(within), &self.hello, wrapped, None)
            .await
            .at(Step::Connect)?;
        if let Tls::Start(parameters) = &self.tls {
            connection.starttls(parameters.clone(), &self.hello).await.at(Step::Connect)?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.at(Step::Auth)?;
        }
        Ok(connection)
    }

    /// A connection at rest that still answers.
    async fn rested(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.resting.lock().ok()?.pop()?;
            if since.elapsed() >= REST {
                continue;
            }
            // A relay that went away without a word would otherwise eat the whole time-out.
            if tokio::time::timeout(GOODBYE, connection.test_connected()).await == Ok(true) {
                return Some(connection);
            }
        }
    }

    fn rest(&self, connection: AsyncSmtpConnection) {
        if let Ok(mut resting) = self.resting.lock()
            && resting.len() < KEPT
        {
            resting.push((connection, Instant::now()));
        }
    }
}

fn answer(step: Step, error: &Error) -> Answer {
    let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if let Some(code) = error.status() {
        return spoken(step, code.into(), words);
    }
    if error.is_client() {
        return spoken(step, OURS, words);
    }
    if step == Step::Content { Answer::NoAnswer(words) } else { Answer::NotSent(words) }
}

fn reply(step: Step, response: &Response) -> Answer {
    spoken(step, response.code().into(), response.message().collect::<Vec<_>>().join(" "))
}

fn spoken(step: Step, status: u16, words: String) -> Answer {
    let headers = vec![(STEP.to_string(), step.as_str().to_string())];
    Answer::Reply { status, headers, body: words.into_bytes() }
}
