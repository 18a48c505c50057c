//! A mail server that delivers to nobody (RFC 5321, without TLS: it is on loopback).
//!
//! EHLO HELO AUTH (PLAIN, LOGIN) MAIL RCPT DATA RSET NOOP QUIT VRFY; extensions SIZE, 8BITMIME, SMTPUTF8,
//! PIPELINING, ENHANCEDSTATUSCODES.

mod mail;

use super::House;
use super::book::{Refused, Taken};
use super::fault::FaultKind;
use super::reply::Manner;
use super::request::Conn;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Largest mail.
const SIZE: usize = 10 * 1024 * 1024;
/// Longest command.
const LINE: usize = 4096;
/// Message ids remembered for spotting repeats.
const SEEN: usize = 1_000_000;

/// The mail server's account.
#[derive(Clone, Default)]
pub struct SmtpOptions {
    /// User and password; `None`: nobody needs to log in.
    pub login: Option<(String, String)>,
}

/// What the server remembers: Message-ID and recipients of every mail.
#[derive(Default)]
pub(super) struct Memory(Mutex<HashSet<(String, String)>>);

impl Memory {
    /// Whether this mail came before.
    fn seen(&self, id: &str, to: &str) -> bool {
        let Ok(mut seen) = self.0.lock() else { return false };
        if seen.len() >= SEEN {
            seen.clear();
        }
        !seen.insert((id.to_string(), to.to_string()))
    }
}

/// What goes on after a command.
enum Next {
    Go,
    Close,
}

/// One conversation.
struct Session {
    conn: Conn,
    house: Arc<House>,
    admitted: bool,
    from: Option<String>,
    to: Vec<String>,
    /// Strikes at the end of DATA.
    fault: Option<FaultKind>,
}

/// One SMTP connection.
pub(super) async fn serve(stream: TcpStream, house: Arc<House>) {
    let admitted = house.options.mail.login.is_none();
    let mut session = Session { conn: Conn::new(stream), house, admitted, from: None, to: Vec::new(), fault: None };
    // Whatever ends it: the client is gone, or will find out.
    session.converse().await.ok();
}

impl Session {
    async fn say(&mut self, text: &str) -> io::Result<Next> {
        self.conn.stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        Ok(Next::Go)
    }

    async fn converse(&mut self) -> io::Result<()> {
        let greets = |kind: &FaultKind| matches!(kind, FaultKind::SmtpGreeting(..));
        if let Some(FaultKind::SmtpGreeting(code, text)) = self.house.faults.pick("smtp", "", greets) {
            self.say(&format!("{code} {text}")).await?;
            return Ok(());
        }
        self.say("220 mock.localhost ESMTP").await?;
        while let Some(line) = self.conn.line(LINE).await {
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Next::Close = self.command(&line).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn command(&mut self, line: &str) -> io::Result<Next> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.hello().await,
            "HELO" => self.say("250 mock.localhost").await,
            "AUTH" => self.log_in(rest).await,
            "NOOP" => self.say("250 2.0.0 OK").await,
            "RSET" => {
                self.reset();
                self.say("250 2.0.0 OK").await
            }
            "VRFY" => self.say("252 2.1.5 Cannot verify, will try").await,
            "QUIT" => {
                self.say("221 2.0.0 Bye").await?;
                Ok(Next::Close)
            }
            _ if !self.admitted => self.say("530 5.7.0 Authentication required").await,
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.rcpt(rest).await,
            "DATA" => self.data().await,
            _ => self.say("502 5.5.1 Command not implemented").await,
        }
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
        self.fault = None;
    }

    async fn hello(&mut self) -> io::Result<Next> {
        self.reset();
        let auth = if self.house.options.mail.login.is_some() { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
        let text = format!(
            "250-mock.localhost\r\n250-SIZE {SIZE}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n{auth}250 ENHANCEDSTATUSCODES"
        );
        self.say(&text).await
    }

    async fn log_in(&mut self, rest: &str) -> io::Result<Next> {
        let Some((user, password)) = self.house.options.mail.login.clone() else {
            return self.say("503 5.5.1 AUTH not available").await;
        };
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let text = if initial.is_empty() { self.ask("334 ").await? } else { decoded(initial) };
                let mut parts = text.split('\0').skip(1).map(String::from);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
            "LOGIN" => {
                let name = if initial.is_empty() { self.ask("334 VXNlcm5hbWU6").await? } else { decoded(initial) };
                (name, self.ask("334 UGFzc3dvcmQ6").await?)
            }
            _ => return self.say("504 5.5.4 Unrecognized authentication type").await,
        };
        self.admitted = given == (user, password);
        if self.admitted {
            self.say("235 2.7.0 Authentication successful").await
        } else {
            self.say("535 5.7.8 Authentication credentials invalid").await
        }
    }

    async fn ask(&mut self, prompt: &str) -> io::Result<String> {
        self.say(prompt).await?;
        let line = self.conn.line(LINE).await.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(decoded(&String::from_utf8_lossy(&line)))
    }

    async fn mail(&mut self, rest: &str) -> io::Result<Next> {
        if self.from.is_some() {
            return self.say("503 5.5.1 Nested MAIL command").await;
        }
        let Some((from, parameters)) = path(rest, "FROM:") else {
            return self.say("501 5.5.4 Syntax: MAIL FROM:<address>").await;
        };
        let size = parameters.split(' ').find_map(|p| p.to_ascii_uppercase().strip_prefix("SIZE=")?.parse().ok());
        if size.is_some_and(|size: usize| size > SIZE) {
            return self.say("552 5.3.4 Message too big").await;
        }
        if !from.is_ascii() && !parameters.to_ascii_uppercase().contains("SMTPUTF8") {
            return self.say("553 5.6.7 SMTPUTF8 is needed for this address").await;
        }
        self.from = Some(from);
        self.say("250 2.1.0 OK").await
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<Next> {
        if self.from.is_none() {
            return self.say("503 5.5.1 Need MAIL command").await;
        }
        let Some((to, _)) = path(rest, "TO:").filter(|(to, _)| !to.is_empty()) else {
            return self.say("501 5.5.4 Syntax: RCPT TO:<address>").await;
        };
        if !to.rsplit_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()) {
            return self.refuse(&to, 553, "5.1.3 Bad recipient address syntax").await;
        }
        let fits = |kind: &FaultKind| !matches!(kind, FaultKind::SmtpGreeting(..));
        // The transaction's fault was chosen with its first recipient.
        if self.fault.is_none() {
            self.fault = self.house.faults.pick("smtp", &to, fits);
        }
        let here = match &self.fault {
            Some(FaultKind::SmtpRcpt(code, text)) => Some((*code, text.clone())),
            Some(FaultKind::Rate429 | FaultKind::Rate429After(_)) => {
                Some((450, "4.2.1 The user is receiving mail too quickly".into()))
            }
            Some(FaultKind::Quota429) => Some((452, "4.2.2 Over quota".into())),
            _ => None,
        };
        if let Some((code, text)) = here {
            self.fault = None;
            return self.say(&format!("{code} {text}")).await;
        }
        self.to.push(to);
        self.say("250 2.1.5 OK").await
    }

    async fn refuse(&mut self, to: &str, status: u16, why: &str) -> io::Result<Next> {
        let (at, to) = (self.house.now(), to.to_string());
        self.house.book.refuse(Refused { channel: "smtp", at, to, status, why: why.into() });
        self.say(&format!("{status} {why}")).await
    }

    async fn data(&mut self) -> io::Result<Next> {
        if self.to.is_empty() {
            return self.say("503 5.5.1 Need RCPT command").await;
        }
        self.say("354 End data with <CR><LF>.<CR><LF>").await?;
        let mut body = Vec::new();
        loop {
            // Lines of a mail may be long where the sender does not care; the whole is what is bounded.
            let line = self.conn.line(SIZE).await.ok_or(io::ErrorKind::UnexpectedEof)?;
            match line.as_ref() {
                b"." => break,
                [b'.', rest @ ..] => body.extend_from_slice(rest),
                line => body.extend_from_slice(line),
            }
            body.extend_from_slice(b"\r\n");
            if body.len() > SIZE {
                self.say("552 5.3.4 Message too big").await?;
                return Ok(Next::Close);
            }
        }
        let fault = self.fault.take();
        let to = self.to.join(",");
        self.reset();
        self.settle(to, body.into(), fault).await
    }

    /// The end of DATA: here the mail is taken, or not, and here the sender hears of it, or not.
    async fn settle(&mut self, to: String, body: Bytes, fault: Option<FaultKind>) -> io::Result<Next> {
        let manner = fault.as_ref().map_or(Manner::Plain, Manner::of);
        match fault {
            Some(FaultKind::SmtpData(code, text) | FaultKind::Status(code, text)) => {
                return self.say(&format!("{code} {text}")).await;
            }
            Some(FaultKind::HangBefore(_) | FaultKind::CutBefore) => return self.answer("", manner).await,
            _ => {}
        }
        let mut taken =
            Taken { n: self.house.book.number(), channel: "smtp", at: self.house.now(), to, ..Taken::default() };
        taken.form = "mail";
        taken.delivered = true;
        taken.status = 250;
        taken.answered = manner.answers();
        taken.ids = vec![format!("MOCK{:08}", taken.n)];
        taken.body = body;
        mail::open(&mut taken);
        let key = taken.key.clone().unwrap_or_default();
        taken.duplicate = !key.is_empty() && self.house.mail.seen(&key, &taken.to);
        let (n, text) = (taken.n, format!("250 2.0.0 queued as MOCK{:08}\r\n", taken.n));
        self.house.book.take(taken);
        let said = self.answer(&text, manner).await;
        if said.is_err() {
            self.house.book.unanswered(n);
        }
        said
    }

    async fn answer(&mut self, text: &str, manner: Manner) -> io::Result<Next> {
        match manner {
            Manner::Plain | Manner::Late(_) => {
                if let Manner::Late(ms) = manner {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                }
                self.conn.stream.write_all(text.as_bytes()).await?;
                return Ok(Next::Go);
            }
            Manner::Trickle(rate) => {
                for byte in text.as_bytes() {
                    tokio::time::sleep(Duration::from_secs(1) / rate.max(1)).await;
                    self.conn.stream.write_all(std::slice::from_ref(byte)).await?;
                }
                return Ok(Next::Go);
            }
            Manner::Hang(ms) => self.conn.silence(ms).await,
            Manner::Cut => self.conn.stream.set_zero_linger()?,
            Manner::Wrong(_) => self.conn.stream.write_all(b"\xff\xfe\xc3\x28\r\n").await?,
            Manner::Endless => loop {
                self.conn.stream.write_all(b"250-still there\r\n").await?;
            },
        }
        Ok(Next::Close)
    }
}

/// `FROM:<address> PARAMETERS`, by its keyword.
fn path(rest: &str, keyword: &str) -> Option<(String, String)> {
    let (word, rest) = rest.trim_start().split_at_checked(keyword.len())?;
    let (address, parameters) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    word.eq_ignore_ascii_case(keyword).then(|| (address.to_string(), parameters.trim().to_string()))
}

fn decoded(base64: &str) -> String {
    let bytes = STANDARD.decode(base64.trim()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
