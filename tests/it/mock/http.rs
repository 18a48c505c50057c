//! The hand-made HTTP server: chunked bodies, pipelining, requests in drops, requests that are none.

use super::{LONG, Stage, USER, push};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD: &str = "POST /v2/bot/message/push HTTP/1.1\r\nHost: mock\r\nAuthorization: Bearer mock-line-token\r\nContent-Type: application/json\r\n";

/// Writes the pieces, reads until the end of the connection.
async fn exchange(stage: &Stage, pieces: &[&str]) -> String {
    let address = stage.mock.http_url().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the mock closes").ok();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn chunks_with_extensions_and_trailers() {
    let stage = Stage::plain().await;
    let body = push("in chunks").to_string();
    let (one, two) = body.split_at(10);
    let chunks = format!("a;x=y\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\nX-Trailer: t\r\n\r\n", two.len());
    let next = format!("{HEAD}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = exchange(&stage, &[HEAD, "Transfer-Encoding: chunked\r\n\r\n", &chunks, &next]).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert_eq!(stage.mock.sent().iter().map(|t| t.text.as_str()).collect::<Vec<_>>(), ["in chunks"; 2]);
}

#[tokio::test]
async fn pipelined_and_in_drops() {
    let stage = Stage::plain().await;
    let body = push("x").to_string();
    let one = format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len());
    let last = format!("{HEAD}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let three = format!("{one}{one}{last}");
    assert_eq!(exchange(&stage, &[&three]).await.matches("200 OK").count(), 3);
    let drops: Vec<String> = three.chars().map(String::from).collect();
    let drops: Vec<&str> = drops.iter().map(String::as_str).collect();
    assert_eq!(exchange(&stage, &drops).await.matches("200 OK").count(), 3);
    assert_eq!(stage.mock.sent().iter().filter(|t| t.to == USER).count(), 6);
}

#[tokio::test]
async fn what_is_no_request() {
    let stage = Stage::plain().await;
    let cases = [
        ("\u{1}\u{2}\u{3} nonsense\r\n\r\n".to_string(), "400"),
        (format!("{HEAD}Content-Length: many\r\n\r\n"), "400"),
        (format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "400"),
        (format!("{HEAD}Content-Length: 4194305\r\n\r\n"), "413"),
        (format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), "4"),
        (format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(40_000)), "431"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(65)), "431"),
    ];
    for (text, status) in cases {
        let answer = exchange(&stage, &[&text]).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "wanted {status}, had {answer:?}");
    }
    assert_eq!(stage.mock.count(), 0);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let stage = Stage::plain().await;
    let body = push("x").to_string();
    let head = format!("{HEAD}Expect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let answer = exchange(&stage, &[&head, &body]).await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"), "{answer}");
}
