//! Mitake's HTTP API: `SmSend` and `SmQuery`, and the delivery callback.
//!
//! Vendor's documents: B2C HTTP API v2.14 of 2024-06-18 (public transcript). Every answer is HTTP 200 in lines of
//! text; a refusal of the account has no `[id]` line, and its words are Big5.

use super::House;
use super::book::Taken;
use super::door::{Errand, Outcome, Understudy};
use super::fault::FaultKind;
use super::reply::Reply;
use super::request::Request;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

pub(super) static UNDERSTUDY: Understudy = Understudy { name: "mitake", read, too_many };

const PATH: &str = "/b2c/mtk/";
/// What the line `[…]` and the callback's answer begin with.
const ANSWER: &str = "magicid=sms_gateway_rpack\n";

/// An account at Mitake.
#[derive(Clone)]
pub struct MitakeOptions {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
    /// Points at the start.
    pub points: u64,
    /// Long messages are allowed; else the rest is cut without a word.
    pub long: bool,
    /// What became of messages is told.
    pub receipts: bool,
}

impl Default for MitakeOptions {
    fn default() -> Self {
        MitakeOptions {
            username: "mock".into(),
            password: "mock-mitake-password".into(),
            points: 300,
            long: false,
            receipts: true,
        }
    }
}

/// Ids seen, with the message each made; and the points used.
#[derive(Default)]
pub(super) struct Memory(Mutex<(HashMap<String, String>, u64)>);

/// "Invalid connection address", as Mitake writes it: Big5.
const NO_ADDRESS: &[u8] = b"statuscode=k\r\nError=\xb5L\xae\xc4\xaa\xba\xb3s\xbdu\xa6\xec\xa7}\r\n";

fn too_many(_kind: &FaultKind, _to: &str) -> Reply {
    account("l")
}

/// A refusal of the account.
fn account(code: &str) -> Reply {
    if code == "k" {
        return Reply { status: 200, kind: "text/plain", headers: Vec::new(), body: NO_ADDRESS.to_vec() };
    }
    Reply::text(200, &format!("statuscode={code}\r\n"))
}

/// A refusal of one message.
fn message(id: &str, code: &str) -> Reply {
    Reply::text(200, &format!("[{id}]\r\nstatuscode={code}\r\nAccountPoint=300\r\n"))
}

fn read(house: &House, request: &Request) -> Option<Errand> {
    let call = request.path().strip_prefix(PATH)?;
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let own = &house.options.mitake;
    let known = match (field("username"), field("password")) {
        ("", _) => Err(account("c")),
        (_, "") => Err(account("d")),
        (user, word) if user == own.username && word == own.password => Ok(()),
        _ => Err(account("e")),
    };
    if call == "SmQuery" {
        let points = own.points.saturating_sub(house.mitake.0.lock().map_or(0, |m| m.1));
        let reply = known.map_or_else(|no| no, |()| Reply::text(200, &format!("AccountPoint={points}\r\n")));
        return Some(Errand { lane: "mitake:api", to: String::new(), outcome: Outcome::Tell(reply) });
    }
    if call != "SmSend" {
        return None;
    }
    let outcome = match known.and_then(|()| accept(house, request, &form)) {
        Ok(taken) => Outcome::Take(settle, Box::new(taken)),
        Err(refusal) => Outcome::Refuse(refusal),
    };
    Some(Errand { lane: "mitake", to: field("dstaddr").to_string(), outcome })
}

fn accept(house: &House, request: &Request, form: &BTreeMap<String, String>) -> Result<Taken, Reply> {
    let own = &house.options.mitake;
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let id = Some(field("clientid")).filter(|id| !id.is_empty()).unwrap_or("1");
    // Without this the bytes are read as Big5, and nobody can read the text.
    if !matches!(request.query("CharsetURL").as_deref(), Some("UTF8" | "UTF-8")) {
        return Err(message(id, "5"));
    }
    let to = field("dstaddr");
    let mobile = to.len() == 10 && to.starts_with("09") && to.bytes().all(|b| b.is_ascii_digit());
    if !mobile || house.people.unknown("mitake", to) {
        return Err(message(id, "v"));
    }
    let text = field("smbody");
    if text.is_empty() {
        return Err(message(id, "u"));
    }
    if text.contains('\n') || id.len() > 36 || field("response").len() > 256 {
        return Err(message(id, "y"));
    }
    let text: String = text.replace('\u{6}', "\n");
    // What the account may not send is cut off, and the rest goes out.
    let whole = text.encode_utf16().count() <= 70 || (text.is_ascii() && text.len() <= 160);
    let shown = if own.long || whole { text } else { text.chars().take(70).collect() };
    let mut taken = Taken { form: "sms", delivered: true, body: request.body.clone(), ..Taken::default() };
    taken.key = Some(id.to_string());
    taken.title = shown.lines().next().unwrap_or_default().to_string();
    taken.text = shown;
    let response = Some(field("response")).filter(|r| !r.is_empty());
    taken.headers = response.map(|r| ("response".to_string(), r.to_string())).into_iter().collect();
    Ok(taken)
}

fn settle(house: &Arc<House>, mut taken: Taken, _late: Option<u64>) -> Reply {
    taken.status = 200;
    let id = taken.key.clone().unwrap_or_default();
    let fresh = format!("{:09}", taken.n);
    let (number, points) = {
        let Ok(mut memory) = house.mitake.0.lock() else { return account("*") };
        let known = memory.0.get(&id).cloned().filter(|_| id != "1");
        taken.duplicate = known.is_some();
        let number = known.unwrap_or_else(|| fresh.clone());
        if !taken.duplicate {
            memory.0.insert(id.clone(), number.clone());
            memory.1 += 1;
        }
        (number, house.options.mitake.points.saturating_sub(memory.1))
    };
    let again = if taken.duplicate { "Duplicate=Y\r\n" } else { "" };
    taken.ids = vec![number.clone()];
    let reply =
        Reply::text(200, &format!("[{id}]\r\nmsgid=#{number}\r\nstatuscode=1\r\nAccountPoint={points}\r\n{again}"));
    let response = taken.header("response").map(str::to_string);
    let (house, to, tells) = (house.clone(), taken.to.clone(), !taken.duplicate && house.options.mitake.receipts);
    house.book.take(taken);
    if let (true, Some(response)) = (tells, response) {
        tokio::spawn(async move {
            if let Err(why) = arrived(&house, &response, &number, &to).await {
                tracing::debug!(%why, "the mock's callback was not heard");
            }
        });
    }
    reply
}

/// The callback: fields behind whatever the address holds already, and an answer in set words.
async fn arrived(house: &House, response: &str, number: &str, to: &str) -> Result<(), String> {
    let path = response.find("/callbacks/").and_then(|at| response.get(at..)).ok_or("it leads to no channel")?;
    let told = format!(
        "msgid={number}&dstaddr={to}&dlvtime=20261125160000&donetime=20261125160002&statuscode=0&statusstr=DELIVRD&StatusFlag=4"
    );
    let join = if path.contains('?') { '&' } else { '?' };
    let (status, body) = house.relay.get(&format!("{path}{join}{told}")).await?;
    let due = format!("{ANSWER}msgid={number}\n");
    if status == 200 && body == due { Ok(()) } else { Err(format!("status {status}, and not the answer that is due")) }
}
