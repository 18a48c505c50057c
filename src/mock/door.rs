//! Connections in, and the one way every HTTP request goes: whose is it, does a fault strike, is it taken.

use super::book::{Refused, Taken};
use super::fault::FaultKind;
use super::reply::{Manner, Reply};
use super::request::{Conn, NoRequest, Request};
use super::{ALL, House, control};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Rest after a connection that could not be taken: out of files, most likely.
const BREATH: Duration = Duration::from_millis(10);

/// A provider over HTTP.
pub(super) struct Understudy {
    /// Its name in lists.
    pub(super) name: &'static str,
    /// What a request wants, where its address is this provider's.
    pub(super) read: fn(&House, &Request) -> Option<Errand>,
    /// Its words for "too fast" and "used up", to whom it was sent.
    pub(super) too_many: fn(&FaultKind, &str) -> Reply,
}

/// What a request wants.
pub(super) struct Errand {
    /// Which faults strike it: the provider's name, for calls that send nothing with `:api`.
    pub(super) lane: &'static str,
    /// To whom, as far as it could be read.
    pub(super) to: String,
    /// What becomes of it on a good day.
    pub(super) outcome: Outcome,
}

/// What becomes of a request on a good day.
pub(super) enum Outcome {
    /// Refused, by the provider's rules.
    Refuse(Reply),
    /// Answered; nothing is sent to anybody.
    Tell(Reply),
    /// A message, by which rules it is settled, and what it is.
    Take(Settle, Box<Taken>),
}

/// Writes a message down and gives the answer. The number: receipts come so many ms late.
pub(super) type Settle = fn(&Arc<House>, Taken, Option<u64>) -> Reply;

/// The answer to a request, and how it is given.
struct Played {
    reply: Reply,
    manner: Manner,
    /// The message that was taken.
    n: Option<u64>,
}

impl Played {
    fn plain(reply: Reply) -> Played {
        Played { reply, manner: Manner::Plain, n: None }
    }
}

/// Takes connections until stopped; `serve` lives as long as its connection.
pub(super) async fn listen<F>(
    listener: TcpListener,
    house: Arc<House>,
    mut stopped: watch::Receiver<bool>,
    serve: fn(TcpStream, Arc<House>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // An error means that the mock itself is gone.
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        // A failed accept is the client's or the system's bad moment; the door stays open.
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        stream.set_nodelay(true).ok();
        let (task, mut stopped) = (serve(stream, house.clone()), stopped.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        });
    }
}

/// One HTTP connection.
pub(super) async fn serve(stream: TcpStream, house: Arc<House>) {
    let mut conn = Conn::new(stream);
    loop {
        let request = match conn.next().await {
            Ok(request) => request,
            Err(NoRequest::Gone) => return,
            Err(NoRequest::Bad(status)) => {
                conn.last = true;
                // It is closed either way.
                conn.answer(&Reply::text(status, "this request cannot be read\n"), Manner::Plain).await.ok();
                return;
            }
        };
        let played = play(&house, &request).await;
        let again = conn.answer(&played.reply, played.manner).await;
        if let (Some(n), Err(_)) = (played.n, &again) {
            house.book.unanswered(n);
        }
        if !again.unwrap_or(false) {
            return;
        }
    }
}

async fn play(house: &Arc<House>, request: &Request) -> Played {
    for understudy in ALL {
        if let Some(errand) = (understudy.read)(house, request) {
            return act(house, understudy, errand);
        }
    }
    Played::plain(control::answer(house, request).await)
}

fn act(house: &Arc<House>, understudy: &Understudy, errand: Errand) -> Played {
    let fault = house.faults.pick(errand.lane, &errand.to, FaultKind::over_http);
    let manner = fault.as_ref().map_or(Manner::Plain, Manner::of);
    match &fault {
        Some(kind @ (FaultKind::Rate429 | FaultKind::Rate429After(_) | FaultKind::Quota429)) => {
            return Played::plain((understudy.too_many)(kind, &errand.to));
        }
        Some(FaultKind::Status(status, body)) => return Played::plain(Reply::told(*status, body.clone())),
        Some(FaultKind::HangBefore(_) | FaultKind::CutBefore) => {
            return Played { reply: Reply::default(), manner, n: None };
        }
        _ => {}
    }
    match errand.outcome {
        Outcome::Tell(reply) => Played { reply, manner, n: None },
        Outcome::Refuse(reply) => {
            let why = String::from_utf8_lossy(&reply.body).into_owned();
            let (channel, to, status, at) = (understudy.name, errand.to, reply.status, house.now());
            house.book.refuse(Refused { channel, at, to, status, why });
            Played { reply, manner, n: None }
        }
        Outcome::Take(settle, mut taken) => {
            let late = match fault {
                Some(FaultKind::LateReceipt(ms)) => Some(ms),
                _ => None,
            };
            taken.n = house.book.number();
            taken.channel = understudy.name;
            taken.at = house.now();
            taken.to = errand.to;
            taken.answered = manner.answers();
            let n = Some(taken.n);
            Played { reply: settle(house, *taken, late), manner, n }
        }
    }
}
