//! Relays that are broken on purpose: the checker must find each of them out.

use super::checker::Report;
use super::traffic::{begin, post};
use super::world::{Redis, World};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request's bytes as they came, head and body.
async fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 1 << 14];
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if bytes.len() >= head.len() + 4 + length.unwrap_or(0) {
                return Some(bytes);
            }
        }
        match stream.read(&mut chunk).await {
            Ok(n @ 1..) => bytes.extend_from_slice(&chunk[..n]),
            _ => return None,
        }
    }
}

/// Hands a request on and waits for the head of the answer.
async fn hand_on(to: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    stream.write_all(bytes).await.ok()?;
    let mut answer = vec![0; 1 << 14];
    let n = stream.read(&mut answer).await.ok()?;
    answer.truncate(n);
    Some(answer)
}

/// A door before the relay's own that says "taken" before anything is stored.
async fn hasty_door(relay: SocketAddr, lags: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Some(bytes) = request(&mut stream).await else { return };
                let body = "{\"ok\":true,\"result\":\"taken\"}";
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                // The shop may be gone; it had its answer.
                drop(stream.write_all(answer.as_bytes()).await);
                tokio::time::sleep(lags).await;
                hand_on(relay, &bytes).await;
            });
        }
    });
    door
}

async fn told_of(world: &World, what: &str) -> Report {
    let (report, _) = world.report(what).await;
    std::fs::remove_dir_all(&world.dir).ok();
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledging_before_the_commit_is_found_out() {
    let mut world = World::make("hasty", Redis::Own).await;
    let mut relay = world.start("all").await;
    world.open_windows().await;
    let own = relay.public.unwrap();
    *world.street.door.lock().unwrap() = Some(hasty_door(own, Duration::from_millis(40)).await);
    for _ in 0..24 {
        let (place, order) = begin(&world.street);
        assert!(post(&world.street, place, &order, 0).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The last of them are acknowledged and not stored.
    relay.kill();
    world.close();
    relay = world.start("all").await;
    let report = told_of(&world, "a relay that acknowledges before it commits").await;
    relay.end().await;
    assert!(report.lost() > 0, "the checker is content: {report}");
    assert!(report.acknowledged > 0, "all of it is lost, which proves little: {report}");
}

/// A way to the providers on which every message goes twice.
async fn echoing_way(provider: SocketAddr, on: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let on = Arc::clone(&on);
            tokio::spawn(async move {
                while let Some(bytes) = request(&mut stream).await {
                    if on.load(Ordering::SeqCst) {
                        hand_on(provider, &bytes).await;
                    }
                    let Some(answer) = hand_on(provider, &bytes).await else { return };
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    way
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telling_everything_twice_is_found_out() {
    for twice in [false, true] {
        let on = Arc::new(AtomicBool::new(twice));
        let mut world = World::make("echo", Redis::Own).await;
        let provider = world.mock.http_url().trim_start_matches("http://").parse().unwrap();
        let way = echoing_way(provider, on).await;
        world.change("[[channel]]\nid = \"messenger-page\"", &format!("http://{provider}"), &format!("http://{way}"));
        let mut relay = world.start("all").await;
        world.open_windows().await;
        for _ in 0..8 {
            let (place, order) = begin(&world.street);
            assert!(post(&world.street, place, &order, 0).await);
        }
        let report = told_of(&world, "Messenger's messages go twice").await;
        relay.end().await;
        assert_eq!(report.repeated() > 0, twice, "{report}: {:?}", report.faults);
    }
}
