//! The mail server's understudy.

use super::{LONG, Stage};
use orderwire::mock::{Fault, FaultKind, MockOptions, SmtpOptions};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const MAIL: &str = "From: Shop <shop@example.com>\r\nTo: kunde@example.com\r\nMessage-ID: <m1@example.com>\r\n\
Subject: =?utf-8?B?6KiC5Zau5bey5oiQ56uL?=\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/alternative; boundary=\"b\"\r\n\r\n\
--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n5oKo5aW9\r\n\
--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
<p>=E6=82=A8=E5=A5=BD</p>\r\n--b--\r\n";

/// A client that types.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn new(stage: &Stage) -> (Client, String) {
        let mut client = Client(BufReader::new(TcpStream::connect(stage.mock.smtp_addr()).await.unwrap()));
        let greeting = client.read().await;
        (client, greeting)
    }

    /// An answer, its lines joined; empty when the server is gone.
    async fn read(&mut self) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(LONG, self.0.read_line(&mut line)).await.expect("an answer or an end");
            let more = read.unwrap_or(0) > 0 && line.as_bytes().get(3) == Some(&b'-');
            all.push_str(&line);
            if !more {
                return all.trim_end().to_string();
            }
        }
    }

    async fn say(&mut self, text: &str) -> String {
        self.0.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
        self.read().await
    }

    /// Up to the answer to DATA's end.
    async fn send(&mut self, to: &str, mail: &str) -> String {
        assert!(self.say("MAIL FROM:<shop@example.com> BODY=8BITMIME").await.starts_with("250"));
        let taken = self.say(&format!("RCPT TO:<{to}>")).await;
        if !taken.starts_with("250") {
            return taken;
        }
        assert!(self.say("DATA").await.starts_with("354"));
        self.say(&format!("{mail}\r\n.")).await
    }
}

#[tokio::test]
async fn a_mail_is_taken_and_read() {
    let stage = Stage::plain().await;
    let (mut client, greeting) = Client::new(&stage).await;
    assert!(greeting.starts_with("220"));
    let hello = client.say("EHLO test").await;
    for extension in ["8BITMIME", "SMTPUTF8", "PIPELINING", "SIZE"] {
        assert!(hello.contains(extension), "{hello}");
    }
    assert!(!hello.contains("AUTH"));
    assert!(client.send("kunde@example.com", MAIL).await.starts_with("250 2.0.0 queued as MOCK"));
    assert!(client.send("kunde@example.com", MAIL).await.starts_with("250"), "SMTP knows no repeats");
    assert!(client.say("QUIT").await.starts_with("221"));
    let sent = stage.mock.sent();
    let mail = &sent[0];
    assert_eq!(
        (mail.to.as_str(), mail.title.as_str(), mail.text.as_str()),
        ("kunde@example.com", "訂單已成立", "您好")
    );
    assert_eq!(mail.html.as_deref().map(str::trim), Some("<p>您好</p>"));
    assert_eq!(mail.key.as_deref(), Some("<m1@example.com>"));
    assert_eq!(mail.header("from"), Some("Shop <shop@example.com>"));
    assert_eq!((sent[0].duplicate, sent[1].duplicate), (false, true));
}

#[tokio::test]
async fn commands_may_come_all_at_once_and_dots_are_unstuffed() {
    let stage = Stage::plain().await;
    let (mut client, _) = Client::new(&stage).await;
    let all = "EHLO test\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c@example.com>\r\nDATA\r\nSubject: dots\r\n\r\n..one\r\n.\r\nNOOP";
    let mut codes = vec![client.say(all).await];
    for _ in 0..6 {
        codes.push(client.read().await);
    }
    let codes: Vec<&str> = codes.iter().map(|c| c.get(..3).unwrap()).collect();
    assert_eq!(codes, ["250", "250", "250", "250", "354", "250", "250"]);
    let mail = stage.mock.sent().remove(0);
    assert_eq!((mail.to.as_str(), mail.text.as_str()), ("b@example.com,c@example.com", ".one"));
}

#[tokio::test]
async fn what_a_server_refuses_is_refused() {
    let stage = Stage::plain().await;
    let (mut client, _) = Client::new(&stage).await;
    let cases = [
        ("RCPT TO:<a@example.com>", "503"),
        ("DATA", "503"),
        ("MAIL FROM:<a@example.com> SIZE=99999999", "552"),
        ("MAIL FROM:<顧客@example.com>", "553"),
        ("MAIL shop@example.com", "501"),
        ("MAIL FROM:<顧客@example.com> SMTPUTF8", "250"),
        ("MAIL FROM:<a@example.com>", "503"),
        ("RCPT TO:<nobody>", "553"),
        ("RCPT TO:<>", "501"),
        ("RSET", "250"),
        ("AUTH PLAIN", "503"),
        ("BDAT 10", "502"),
    ];
    for (line, code) in cases {
        let answer = client.say(line).await;
        assert!(answer.starts_with(code), "{line}: {answer}");
    }
    assert_eq!(stage.mock.count(), 0);
}

#[tokio::test]
async fn who_must_log_in_must() {
    let mail = SmtpOptions { login: Some(("shop".into(), "geheim".into())) };
    let stage = Stage::new(MockOptions { mail, ..MockOptions::default() }).await;
    let (mut client, _) = Client::new(&stage).await;
    assert!(client.say("EHLO test").await.contains("AUTH PLAIN LOGIN"));
    assert!(client.say("MAIL FROM:<a@example.com>").await.starts_with("530"));
    assert!(client.say("AUTH PLAIN AHNob3AAd3Jvbmc=").await.starts_with("535"));
    assert!(client.say("AUTH PLAIN AHNob3AAZ2VoZWlt").await.starts_with("235"));
    assert!(client.send("b@example.com", MAIL).await.starts_with("250"));
    let (mut client, _) = Client::new(&stage).await;
    assert!(client.say("AUTH LOGIN").await.starts_with("334"));
    assert!(client.say("c2hvcA==").await.starts_with("334"));
    assert!(client.say("Z2VoZWlt").await.starts_with("235"));
}

#[tokio::test]
async fn faults_by_step() {
    let stage = Stage::plain().await;
    stage.mock.fault(Fault::new("smtp", FaultKind::SmtpGreeting(421, "4.3.2 closing".into())));
    assert_eq!(Client::new(&stage).await.1, "421 4.3.2 closing");
    let kinds = [
        (FaultKind::SmtpRcpt(550, "5.1.1 no such user".into()), "550 5.1.1 no such user"),
        (FaultKind::Rate429, "450 4.2.1"),
        (FaultKind::Quota429, "452 4.2.2"),
        (FaultKind::SmtpData(554, "5.7.1 spam".into()), "554 5.7.1 spam"),
        (FaultKind::Status(451, "4.3.0 later".into()), "451 4.3.0 later"),
    ];
    for (kind, answer) in kinds {
        stage.mock.fault(Fault::new("smtp", kind).only_to("b@example.com"));
        let (mut client, _) = Client::new(&stage).await;
        assert!(client.send("other@example.com", MAIL).await.starts_with("250"));
        let said = client.send("b@example.com", MAIL).await;
        assert!(said.starts_with(answer), "wanted {answer}, had {said}");
    }
    assert!(stage.mock.sent().iter().all(|t| t.to == "other@example.com"), "none of the struck was taken");
}

#[tokio::test]
async fn taken_and_never_answered() {
    let stage = Stage::plain().await;
    let kinds = [
        (FaultKind::HangBefore(20), false),
        (FaultKind::CutBefore, false),
        (FaultKind::HangAfter(20), true),
        (FaultKind::CutAfter, true),
    ];
    for (kind, taken) in kinds {
        stage.mock.clear();
        stage.mock.fault(Fault::new("smtp", kind.clone()));
        let (mut client, _) = Client::new(&stage).await;
        assert_eq!(client.send("b@example.com", MAIL).await, "", "{kind:?}");
        let sent = stage.mock.sent();
        assert_eq!(sent.len(), usize::from(taken), "{kind:?}");
        assert!(sent.iter().all(|t| !t.answered));
    }
    stage.mock.fault(Fault::new("smtp", FaultKind::WrongEncoding(orderwire::mock::Wrong::Utf8)));
    let (mut client, _) = Client::new(&stage).await;
    client
        .0
        .write_all(format!("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n{MAIL}\r\n.\r\n").as_bytes())
        .await
        .unwrap();
    let mut bytes = Vec::new();
    tokio::time::timeout(LONG, client.0.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert!(std::str::from_utf8(&bytes).is_err());
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    let stage = Stage::plain().await;
    stage.mock.fault(Fault::new("smtp", FaultKind::SlowAnswer(40)));
    let (mut client, _) = Client::new(&stage).await;
    let start = std::time::Instant::now();
    assert!(client.send("b@example.com", MAIL).await.starts_with("250"));
    assert!(start.elapsed() >= Duration::from_millis(40) && stage.mock.sent()[0].answered);
}
