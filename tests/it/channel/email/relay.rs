//! Conversations with a relay that misbehaves: what is certainly not sent, what may be, and whose fault it is.

use super::{PERSON, account, settings, shape};
use crate::channel::stand_in::{Parts, message, open, secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use orderwire::channel::Channel;
use orderwire::domain::channel::{Envelope, Form, Message};
use orderwire::domain::decision::Reason;
use orderwire::domain::person::Unreachable;
use orderwire::domain::verdict::{Scope, Verdict};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the relay does at one point of the conversation.
#[derive(Clone, Copy)]
enum Act {
    Say(&'static str),
    Hang,
    Close,
}

/// A relay on loopback: polite, except at the points named.
struct Relay {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    async fn start(odd: &[(&'static str, Act)]) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Relay { port: listener.local_addr().unwrap().port(), heard: Arc::default(), mails: Arc::default() };
        let odd: BTreeMap<&'static str, Act> = odd.iter().copied().collect();
        let (heard, mails) = (relay.heard.clone(), relay.mails.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (odd, heard, mails) = (odd.clone(), heard.clone(), mails.clone());
                // An end of the stream is the client's right.
                tokio::spawn(async move { serve(stream, &odd, &heard, &mails).await });
            }
        });
        relay
    }

    fn account(&self, change: impl FnOnce(&mut Value)) -> Box<dyn Channel> {
        let mut settings = settings();
        settings["port"] = self.port.into();
        change(&mut settings);
        open("email", &settings)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(
    stream: TcpStream,
    odd: &BTreeMap<&'static str, Act>,
    heard: &Mutex<Vec<String>>,
    mails: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    heard.lock().unwrap().push("(connected)".into());
    say(&mut stream, odd, "greeting", "220 relay.example ESMTP").await?;
    let mut mails_here = 0;
    loop {
        let line = line(&mut stream).await?;
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        heard.lock().unwrap().push(line);
        match verb.as_str() {
            "EHLO" => {
                say(&mut stream, odd, "EHLO", "250-relay.example\r\n250-AUTH PLAIN LOGIN\r\n250 ENHANCEDSTATUSCODES")
                    .await?
            }
            "AUTH" => say(&mut stream, odd, "AUTH", "235 2.7.0 Authentication successful").await?,
            "DATA" => {
                say(&mut stream, odd, "DATA", "354 go on").await?;
                let mut mail = String::new();
                loop {
                    let next = line_of(&mut stream).await?;
                    if next == ".\r\n" {
                        break;
                    }
                    mail.push_str(next.strip_prefix('.').unwrap_or(&next));
                }
                mails.lock().unwrap().push(mail);
                say(&mut stream, odd, "end", "250 2.0.0 Ok: queued as 4XyZ12abcd").await?;
            }
            "QUIT" => {
                say(&mut stream, odd, "QUIT", "221 2.0.0 bye").await?;
                return None;
            }
            verb => {
                mails_here += usize::from(verb == "MAIL");
                let again = if verb == "MAIL" && mails_here > 1 { "MAIL again" } else { verb };
                let known = ["MAIL", "MAIL again", "RCPT", "NOOP", "RSET"];
                let key = known.into_iter().find(|k| *k == again).unwrap_or("other");
                say(&mut stream, odd, key, "250 2.1.0 Ok").await?;
            }
        }
    }
}

/// `None`: the conversation is over.
async fn say(stream: &mut BufReader<TcpStream>, odd: &BTreeMap<&str, Act>, at: &str, usual: &str) -> Option<()> {
    let text = match odd.get(at) {
        None => usual,
        Some(Act::Say(text)) => text,
        Some(Act::Hang) => std::future::pending().await,
        Some(Act::Close) => return None,
    };
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await.ok()
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    line_of(stream).await.map(|l| l.trim_end().to_string())
}

async fn line_of(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = String::new();
    let read = stream.read_line(&mut text).await.ok()?;
    (read > 0).then_some(text)
}

async fn send(account: &dyn Channel) -> Verdict {
    let parts = Parts::of(Form::Free, account.address(PERSON));
    let envelope = account.shape(&message(), &parts.errand()).unwrap();
    let started = Instant::now();
    let verdict = account.send(&envelope).await;
    assert!(started.elapsed() < Duration::from_millis(1500), "a send took {:?}", started.elapsed());
    assert!(!format!("{verdict:?}").contains("customer.example"), "an address in {verdict:?}");
    verdict
}

/// One send to a relay that is odd at one point.
async fn told(at: &'static str, act: Act) -> Verdict {
    let relay = Relay::start(&[(at, act)]).await;
    send(&*relay.account(|_| {})).await
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_shaped() {
    let relay = Relay::start(&[]).await;
    let account = relay.account(|_| {});
    // A line of a single dot ends a mail; one inside must come through.
    let words = Message { body: ".\n..\n.hidden".into(), title: "Order #1001".into(), ..message() };
    let envelope = account.shape(&words, &Parts::of(Form::Free, account.address(PERSON)).errand()).unwrap();
    let verdict = account.send(&envelope).await;
    assert_eq!(verdict, Verdict::Accepted { ids: vec!["4XyZ12abcd".into()], again: false });
    let mail = relay.mails.lock().unwrap()[0].clone();
    assert_eq!(mail.trim_end(), envelope.body.trim_end());
    let heard = relay.heard();
    let due = [
        "(connected)",
        "EHLO notify.shop.example",
        "MAIL FROM:<orders@shop.example>",
        "RCPT TO:<lin@customer.example>",
        "DATA",
    ];
    assert_eq!(heard, due);
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_dead_one_is_not() {
    let relay = Relay::start(&[]).await;
    let account = relay.account(|_| {});
    for _ in 0..3 {
        assert!(matches!(send(&*account).await, Verdict::Accepted { .. }));
    }
    let heard = relay.heard();
    assert_eq!(heard.iter().filter(|l| *l == "(connected)").count(), 1, "{heard:?}");
    assert_eq!(heard.iter().filter(|l| *l == "NOOP").count(), 2);
    let leaving = Relay::start(&[("NOOP", Act::Close)]).await;
    let account = leaving.account(|_| {});
    for _ in 0..2 {
        assert!(matches!(send(&*account).await, Verdict::Accepted { .. }));
    }
    assert_eq!(leaving.heard().iter().filter(|l| *l == "(connected)").count(), 2);
}

#[tokio::test]
async fn a_relay_that_has_enough_of_a_connection_gets_a_new_one() {
    for act in [Act::Say("421 4.7.0 too many messages in this connection"), Act::Close] {
        let relay = Relay::start(&[("MAIL again", act)]).await;
        let account = relay.account(|_| {});
        for _ in 0..2 {
            assert!(matches!(send(&*account).await, Verdict::Accepted { .. }));
        }
        assert_eq!(relay.heard().iter().filter(|l| *l == "(connected)").count(), 2);
        assert_eq!(relay.mails.lock().unwrap().len(), 2, "each mail once");
    }
}

#[tokio::test]
async fn name_and_password_go_before_the_mail() {
    let relay = Relay::start(&[]).await;
    let with = |s: &mut Value| {
        s["username"] = "orders".into();
        s["password"] = secret("pass word");
    };
    assert!(matches!(send(&*relay.account(with)).await, Verdict::Accepted { .. }));
    let plain = format!("AUTH PLAIN {}", STANDARD.encode("\0orders\0pass word"));
    assert_eq!(relay.heard()[2], plain);
    let refusing = Relay::start(&[("AUTH", Act::Say("535 5.7.8 Username and Password not accepted"))]).await;
    let verdict = send(&*refusing.account(with)).await;
    assert!(is_stop(&verdict), "{verdict:?}");
    assert!(!refusing.heard().iter().any(|l| l.starts_with("MAIL")));
}

fn is_stop(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::TryLater { reason: Reason::ChannelPaused, scope: Scope::Account, after_secs: None, .. })
}

#[tokio::test]
async fn a_silence_before_the_mail_is_not_sent_and_after_it_unsure() {
    let places = ["greeting", "EHLO", "MAIL", "RCPT", "DATA"];
    let all = places.iter().flat_map(|at| [told(at, Act::Hang), told(at, Act::Close)]);
    for verdict in join_all(all).await {
        assert!(matches!(verdict, Verdict::TryLater { reason: Reason::Retrying, .. }), "{verdict:?}");
    }
    for act in [Act::Hang, Act::Close] {
        let verdict = told("end", act).await;
        assert!(matches!(verdict, Verdict::Unsure { .. }), "{verdict:?}");
    }
}

#[tokio::test]
async fn a_relay_that_hangs_at_the_goodbye_does_not_hide_its_answer() {
    let relay = Relay::start(&[("RCPT", Act::Say("550 5.1.1 no such user")), ("QUIT", Act::Hang)]).await;
    let verdict = send(&*relay.account(|_| {})).await;
    assert!(matches!(verdict, Verdict::Unreachable { .. }), "{verdict:?}");
}

#[tokio::test]
async fn what_the_relay_says_counts_by_where_it_says_it() {
    let closing = told("greeting", Act::Say("421 4.3.2 shutting down")).await;
    assert!(matches!(closing, Verdict::TryLater { scope: Scope::Account, after_secs: Some(300), .. }), "{closing:?}");
    let unknown = told("RCPT", Act::Say("550 5.1.1 <lin@customer.example>: User unknown")).await;
    match unknown {
        Verdict::Unreachable { reason: Reason::RecipientInvalid, change, .. } => {
            assert_eq!(change.unreachable, Some(Some(Unreachable::Invalid)));
        }
        other => panic!("{other:?}"),
    }
    let sender = told("MAIL", Act::Say("550 sender rejected")).await;
    assert!(is_stop(&sender), "{sender:?}");
    let content = told("end", Act::Say("554 5.6.0 not this")).await;
    assert!(matches!(content, Verdict::Refused { .. }), "{content:?}");
    let policy = told("end", Act::Say("550-5.7.1 blocked\r\n550 5.7.1 see our page")).await;
    assert!(
        matches!(policy, Verdict::TryLater { reason: Reason::ChannelPaused, scope: Scope::Account, .. }),
        "{policy:?}"
    );
}

#[tokio::test]
async fn a_relay_without_the_demanded_encryption_gets_nothing() {
    let relay = Relay::start(&[]).await;
    let verdict = send(&*relay.account(|s| s["tls"] = "starttls".into())).await;
    assert!(is_stop(&verdict), "{verdict:?}");
    let verdict = send(&*relay.account(|s| s["tls"] = "implicit".into())).await;
    assert!(matches!(verdict, Verdict::TryLater { reason: Reason::Retrying, .. }), "{verdict:?}");
    assert!(!relay.heard().iter().any(|l| l.starts_with("MAIL") || l.starts_with("AUTH")), "{:?}", relay.heard());
}

#[tokio::test]
async fn a_refused_connection_goes_again() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut settings = settings();
    settings["port"] = port.into();
    let verdict = send(&*open("email", &settings)).await;
    assert!(
        matches!(verdict, Verdict::TryLater { reason: Reason::Retrying, scope: Scope::Message, .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn garbage_from_the_relay_is_borne() {
    let places = ["greeting", "EHLO", "MAIL", "RCPT", "DATA"];
    let texts = ["", "hello", "999 what", "250", "\u{0}\u{1}", "250-never\r\n250-ending"];
    let all = places.iter().flat_map(|at| texts.map(|text| told(at, Act::Say(text))));
    for verdict in join_all(all).await {
        assert!(!matches!(verdict, Verdict::Unreachable { .. } | Verdict::Refused { .. }), "{verdict:?}");
    }
    for text in ["hello", "999 what", "\u{0}"] {
        let verdict = told("end", Act::Say(text)).await;
        assert!(matches!(verdict, Verdict::Unsure { .. }), "{text:?}: {verdict:?}");
    }
}

#[tokio::test]
async fn an_envelope_without_an_address_is_refused() {
    let envelope = Envelope { address: None, ..shape(&message()) };
    assert!(matches!(account().send(&envelope).await, Verdict::Refused { .. }));
}
