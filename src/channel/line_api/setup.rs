//! What is set up at LINE: the webhook's address, with LINE's own test of it, and the rich menu.
//!
//! Source: Messaging API description (2026-07-01): webhook endpoint, rich menus. A rich menu is a picture with areas and
//! is never changed: a new one is made, gets its picture, becomes the default, and then the old one goes. Dies in
//! between: the default still is the old one, and what was made for nothing is known by its name and goes with the next
//! run. There are no variants by language; the menu is in the shop's. The picture shows signs without words: each area
//! names itself to screen readers, and a tap says in the chat what was tapped.

use super::Official;
use crate::channel::ask::{self, No};
use crate::channel::setup::{Desk, Menu, Piece, Stands, Wish};
use crate::channel::text;
use crate::channel::wire::bearer;
use crate::domain::verdict::Answer;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The size of the small rich menu ("Requirements for rich menu image").
const SIZE: (usize, usize) = (2500, 843);
/// Largest picture. Bytes.
const PICTURE: usize = 1024 * 1024;
/// Longest words on the bar, and of an area's name, as people count them.
const BAR: usize = 14;
const LABEL: usize = 20;
/// How menus of ours are named; customers never see it.
const NAME: &str = "orderwire ";
const MENU: &str = "menu";
const WEBHOOK: &str = "see LINE's console, Messaging API, Webhook settings";
const REMEDY: &str = "see that the access token belongs to this account, then run it again";

impl Official {
    /// Compares, and with `install` changes what differs.
    pub(in crate::channel) async fn set_up(&self, wish: &Wish, install: bool) -> Vec<Piece> {
        let mut desk = Desk::new(install);
        let headers = match self.tokens.get(&self.wire).await {
            Ok(token) => bearer(token.expose()).unwrap_or_default(),
            Err(no) => return vec![Piece::failed("account", super::ask::told(no.into()), REMEDY)],
        };
        if let Some(url) = desk.callback(wish) {
            self.endpoint(&mut desk, &headers, url).await;
        }
        if let Some(menu) = wish.menus.first() {
            let drawn = || picture(menu.items.len());
            match wish.picture.clone().or_else(drawn).filter(|p| p.len() <= PICTURE) {
                Some(picture) => self.menu(&mut desk, &headers, menu, picture).await,
                None => desk.note(Piece::failed(MENU, "the picture is larger than 1 MB", "choose a smaller one")),
            }
        }
        desk.done()
    }

    async fn endpoint(&self, desk: &mut Desk, headers: &HeaderMap, url: &str) {
        let held = none_at_404(self.read("channel/webhook/endpoint", headers).await);
        let off = held.as_ref().is_ok_and(|h| h.get("active").and_then(Value::as_bool) == Some(false));
        let wanted = json!({ "endpoint": url });
        let put = async {
            let at = format!("{}/v2/bot/channel/webhook/endpoint", self.api_url);
            done(&self.wire.put_json(&at, headers.clone(), wanted.to_string()).await)
        };
        if !desk.compare("callback", held, &wanted, (put, WEBHOOK)).await {
            return;
        }
        if off {
            desk.note(Piece::failed("callback", "the webhook is switched off", "switch it on in LINE's console"));
        }
        if desk.installs() {
            self.try_out(desk, headers, url).await;
        }
    }

    /// LINE calls the address itself and says what it met.
    async fn try_out(&self, desk: &mut Desk, headers: &HeaderMap, url: &str) {
        const ABOUT: &str = "callback, tried by LINE";
        const HOW: &str = "see that `orderwire serve` runs and the proxy passes /callbacks on, then run it again";
        let at = format!("{}/v2/bot/channel/webhook/test", self.api_url);
        let asked = self.wire.post_json(&at, headers.clone(), json!({ "endpoint": url }).to_string()).await;
        match ask::document(&asked, ask::never) {
            Err(no) => desk.note(Piece::failed(ABOUT, no.words, HOW)),
            Ok(told) if told.get("success").and_then(Value::as_bool) == Some(true) => {
                let said = "it was reached".to_string();
                desk.note(Piece { about: ABOUT.into(), stands: Stands::Same, said, remedy: None });
            }
            Ok(told) => {
                let status = told.get("statusCode").and_then(Value::as_i64).unwrap_or_default();
                let reason = text::cut(&text::one_line(ask::text(&told, "/reason")), LABEL * 2, text::graphemes);
                desk.note(Piece::failed(ABOUT, format!("{status} {reason}"), HOW));
            }
        }
    }

    async fn menu(&self, desk: &mut Desk, headers: &HeaderMap, menu: &Menu, picture: Vec<u8>) {
        let wanted = rich_menu(menu, &picture);
        let held = self.default_menu(headers).await;
        let change = self.replace(headers, &wanted, picture);
        desk.compare(MENU, held, &wanted, (change, REMEDY)).await;
        // What a run that died left behind, and the one that was just replaced.
        let stale = self.stale(headers).await;
        let held = stale.as_ref().map(|all| json!({ "left": all.len() })).map_err(|no| No {
            status: no.status,
            body: Value::Null,
            words: no.words.clone(),
        });
        let drop = async {
            for id in stale.iter().flatten() {
                let at = format!("{}/v2/bot/richmenu/{id}", self.api_url);
                done(&self.wire.delete(&at, headers.clone()).await)?;
            }
            Ok(())
        };
        desk.compare("earlier menus of ours", held, &json!({ "left": 0 }), (drop, REMEDY)).await;
    }

    /// The menu that everybody sees; null: there is none.
    async fn default_menu(&self, headers: &HeaderMap) -> Result<Value, No> {
        let default = none_at_404(self.read("user/all/richmenu", headers).await)?;
        match ask::text(&default, "/richMenuId") {
            "" => Ok(Value::Null),
            id => none_at_404(self.read(&format!("richmenu/{id}"), headers).await),
        }
    }

    async fn replace(&self, headers: &HeaderMap, wanted: &Value, picture: Vec<u8>) -> Result<(), No> {
        let at = format!("{}/v2/bot/richmenu", self.api_url);
        let made = self.wire.post_json(&at, headers.clone(), wanted.to_string()).await;
        let made = ask::document(&made, |body| ask::text(body, "/richMenuId").is_empty())?;
        let id = ask::text(&made, "/richMenuId");
        let kind = if picture.starts_with(&[0xff, 0xd8]) { "image/jpeg" } else { "image/png" };
        let at = format!("{}/v2/bot/richmenu/{id}/content", data_url(&self.api_url));
        done(&self.wire.post_bytes(&at, headers.clone(), kind, picture).await)?;
        let at = format!("{}/v2/bot/user/all/richmenu/{id}", self.api_url);
        done(&self.wire.post_json(&at, headers.clone(), String::new()).await)
    }

    /// Menus of ours that nobody sees.
    async fn stale(&self, headers: &HeaderMap) -> Result<Vec<String>, No> {
        let default = none_at_404(self.read("user/all/richmenu", headers).await)?;
        let shown = ask::text(&default, "/richMenuId");
        let list = self.read("richmenu/list", headers).await?;
        let all = list.get("richmenus").and_then(Value::as_array).into_iter().flatten();
        let ours = all.filter(|menu| ask::text(menu, "/name").starts_with(NAME));
        Ok(ours.map(|menu| ask::text(menu, "/richMenuId")).filter(|id| *id != shown).map(String::from).collect())
    }
}

fn none_at_404(read: Result<Value, No>) -> Result<Value, No> {
    match read {
        Err(No { status: Some(404), .. }) => Ok(Value::Null),
        other => other,
    }
}

/// A good status is all there is to know.
fn done(answer: &Answer) -> Result<(), No> {
    ask::document(answer, ask::never).map(|_| ())
}

/// Pictures lie on a host of their own.
fn data_url(api_url: &str) -> String {
    if api_url == super::api_url() { "https://api-data.line.me".into() } else { api_url.into() }
}

/// The menu as LINE keeps it. Its name holds the picture's digest: another picture is another menu.
fn rich_menu(menu: &Menu, picture: &[u8]) -> Value {
    let (width, height) = SIZE;
    let columns = menu.items.len().max(1);
    let edge = |i: usize| i * width / columns;
    let areas = menu.items.iter().enumerate().map(|(i, item)| {
        let label = text::cut(&item.label, LABEL, text::graphemes);
        json!({
            "bounds": { "x": edge(i), "y": 0, "width": edge(i + 1) - edge(i), "height": height },
            "action": { "type": "postback", "label": label, "data": item.data, "displayText": label },
        })
    });
    let mark = hex::encode(&Sha256::digest(picture)[..8]);
    json!({
        "size": { "width": width, "height": height },
        "selected": false,
        "name": format!("{NAME}{mark}"),
        "chatBarText": text::cut(&menu.title, BAR, text::graphemes),
        "areas": areas.collect::<Vec<_>>(),
    })
}

/// The picture: a parcel, two sliders, a speech bubble, in columns of the areas' width.
fn picture(columns: usize) -> Option<Vec<u8>> {
    let ((width, height), columns) = (SIZE, columns.max(1));
    let shade = |i: usize| {
        let (x, y) = (i % width, i / width);
        let column = x * columns / width;
        let middle = (2 * column + 1) * width / (2 * columns);
        let line = column > 0 && x.abs_diff(column * width / columns) < 2;
        let at = |v: usize, middle: usize| i32::try_from(v).unwrap_or(0) - i32::try_from(middle).unwrap_or(0);
        let dark = sign(column, at(x, middle), at(y, height / 2));
        if dark {
            0x33
        } else if line {
            0xdd
        } else {
            0xff
        }
    };
    let pixels: Vec<u8> = (0..width * height).map(shade).collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(out)
}

/// Whether a sign is drawn at this place, counted from its middle.
fn sign(which: usize, x: i32, y: i32) -> bool {
    const STROKE: i32 = 18;
    let frame = |half_x: i32, half_y: i32, x: i32, y: i32| {
        let inside = |by: i32| x.abs() <= half_x - by && y.abs() <= half_y - by;
        inside(0) && !inside(STROKE)
    };
    let knob = |x: i32, y: i32| x * x + y * y <= 48 * 48;
    match which % 3 {
        0 => {
            frame(180, 150, x, y)
                || (y.abs() <= 150 && (y + 60).abs() <= STROKE / 2 && x.abs() <= 180)
                || (x.abs() <= 45 && (-150..=-10).contains(&y) && !(x.abs() <= 45 - STROKE && y < -10 - STROKE))
        }
        1 => [(-85, -70), (85, 70)]
            .iter()
            .any(|(row, at)| ((y - row).abs() <= STROKE / 2 && x.abs() <= 180) || knob(x - at, y - row)),
        _ => {
            let tail = (100..=170).contains(&y) && (-110..=-110 + (170 - y)).contains(&x);
            frame(190, 118, x, y + 20)
                || tail
                || ((y + 20).abs() <= 24 && [-85, 0, 85].iter().any(|at| (x - at).abs() <= 24))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::setup::Item;

    #[test]
    fn the_menu_fits_what_line_takes() {
        let item =
            |label: &str| Item { label: label.into(), data: "ow:orders".into(), command: "orders", spoken: true };
        let items = vec![item("My orders"), item("通知設定"), item("Thông báo đơn hàng của cửa hàng")];
        let menu = Menu { locale: "en", title: "A title that is far too long".into(), items };
        let picture = picture(3).expect("a picture");
        assert!(picture.starts_with(&[0x89, b'P', b'N', b'G']) && picture.len() < PICTURE / 4, "{}", picture.len());
        let made = rich_menu(&menu, &picture);
        assert!(ask::text(&made, "/chatBarText").chars().count() <= BAR);
        let areas = made["areas"].as_array().expect("areas");
        assert_eq!(areas.iter().map(|a| a["bounds"]["width"].as_i64().unwrap_or(0)).sum::<i64>(), 2500);
        assert!(areas.iter().all(|a| ask::text(a, "/action/label").chars().count() <= LABEL));
        assert_ne!(made["name"], rich_menu(&menu, b"another")["name"]);
    }
}
