//! The pages in a real browser, on a phone's screen, in four languages, by day and by night. `make browser` runs it, and
//! leaves the pictures in `target/screens` to be looked at.

use super::customer::forms;
use super::track::with_form;
use crate::support::chromium::Chromium;
use crate::support::orders::{EMAIL, LINE_USER, PHONE, woo, woo_order};
use crate::support::provider::Provider;
use crate::support::redis::shared;
use crate::support::relay::{Plan, Relay};
use orderwire::boot::run::Role;
use orderwire::domain::clock::plus_secs;
use orderwire::domain::person::Address;
use orderwire::flow::kept::write_order;
use orderwire::store::keys::Unit;
use orderwire::store::order::{Commit, Committed};
use orderwire::words::{LOCALES, sample};
use std::path::PathBuf;

/// What must hold of every page; gives what does not, in words.
const LOOK: &str = r#"(() => {
  const wrong = [], all = s => [...document.querySelectorAll(s)];
  if (document.documentElement.scrollWidth > innerWidth) wrong.push('it scrolls sideways: ' + document.documentElement.scrollWidth);
  const levels = all('h1,h2,h3,h4').map(h => +h.tagName[1]);
  if (levels.filter(l => l === 1).length > 1 || levels.some((l, i) => i && l > levels[i - 1] + 1)) wrong.push('headings ' + levels);
  if (all('main').length !== 1) wrong.push('no main');
  if (!document.title) wrong.push('no title');
  for (const e of all('a, button, input:not([type=hidden])')) {
    const r = e.getBoundingClientRect();
    if (r.height < 43.5) wrong.push('small: ' + e.outerHTML + r.height);
  }
  for (const e of all('input:not([type=hidden])')) if (!e.labels.length) wrong.push('no label: ' + e.outerHTML);
  const ids = all('[id]').map(e => e.id);
  if (new Set(ids).size !== ids.length) wrong.push('an id twice');
  for (const e of all('[aria-labelledby], [aria-describedby]'))
    for (const name of ['aria-labelledby', 'aria-describedby'])
      if (e.hasAttribute(name) && !document.getElementById(e.getAttribute(name))) wrong.push('points nowhere: ' + e.outerHTML);
  const rgb = c => c.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c; } return [255, 255, 255]; };
  for (const e of all('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) wrong.push('contrast ' + ratio.toFixed(2) + ': ' + e.outerHTML.slice(0, 120));
  }
  return wrong;
})()"#;

struct Stage {
    relay: Relay,
    browser: Chromium,
    screens: PathBuf,
    wrong: Vec<String>,
}

impl Stage {
    async fn new() -> Stage {
        let line = Provider::line().await;
        let plan = Plan::on(shared()).provider(&line.url);
        let text = with_form(&plan.text()).replacen("country = \"TW\"", "name = \"好日茶 Tea\"\ncountry = \"TW\"", 1);
        let relay = Relay::start_text(&text, &plan.prefix, Role::All).await;
        let screens = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screens");
        std::fs::create_dir_all(&screens).unwrap();
        Stage { relay, browser: Chromium::start(), screens, wrong: Vec::new() }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.relay.web)
    }

    /// An order of which everything is known, as people of this language have it.
    async fn full(&self, id: u64, locale: &'static str) -> String {
        let mut order = sample::full(locale).order;
        (order.shop, order.id) = ("woo".into(), id.to_string().into());
        order.deleted_at = None;
        let head = &mut order.head.as_mut().unwrap().value;
        head.contact.identities = vec![("line".into(), LINE_USER.into())];
        (head.contact.emails, head.contact.phones) = (vec![EMAIL.into()], vec![PHONE.into()]);
        let now = self.relay.app.clock.now();
        let commit = Commit {
            expected: 0,
            parked: None,
            seen: Vec::new(),
            seen_until: plus_secs(now, 60),
            drop_seen: Vec::new(),
            snapshot: write_order(&order).unwrap(),
            owed: Vec::new(),
            due: None,
            ledger: Vec::new(),
        };
        let member = self.relay.app.store.member(&Unit::order(&order.shop, order.id.as_str()));
        assert!(matches!(self.relay.app.store.commit(&member, commit).await.unwrap(), Committed::Stored { .. }));
        self.relay.page(id, "line-main", &Address::new("line", LINE_USER))
    }

    /// Looks at what is open now, and takes its picture.
    fn look(&mut self, name: &str, locale: &str, status: &str) {
        let place = format!("{name} {locale}");
        let mut wrong: Vec<String> =
            self.browser.ask(LOOK).as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_string()).collect();
        if self.browser.ask("document.documentElement.lang") != locale {
            wrong.push("another language".into());
        }
        wrong.extend(self.browser.complaints().into_iter().filter(|c| status.is_empty() || !c.contains(status)));
        wrong.extend(self.browser.requests().into_iter().filter(|u| !u.contains("/p/") && !u.contains("/t/")));
        self.browser.picture(&self.screens.join(format!("{name}.png")));
        self.wrong.extend(wrong.into_iter().map(|w| format!("{place}: {w}")));
    }

    fn scripts(&mut self, off: bool) {
        self.browser.call("Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": off }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium: make browser"]
async fn on_a_phones_screen_in_four_languages_by_day_and_by_night() {
    let mut stage = Stage::new().await;
    stage.relay.post(&woo("order.created", woo_order(801, "pending", 9).to_string().as_bytes())).await;
    stage.relay.comes_to("woo", 801, "order_placed", "sent").await;
    let unpaid = stage.relay.page(801, "mail", &Address::new("email", EMAIL));
    let mut fulls = Vec::new();
    for (n, locale) in LOCALES.into_iter().enumerate() {
        fulls.push(stage.full(810 + u64::try_from(n).unwrap(), locale).await);
    }
    for scheme in ["light", "dark"] {
        stage.browser.phone(scheme);
        for (locale, full) in LOCALES.into_iter().zip(&fulls) {
            for (name, path) in [("order", full.as_str()), ("unpaid", &unpaid), ("track", "/t/woo")] {
                let url = stage.url(&format!("{path}?lang={locale}"));
                stage.browser.open(&url);
                stage.look(&format!("{name}-{locale}-{scheme}"), locale, "");
            }
        }
        let gone = stage.url("/p/forged");
        stage.browser.open(&gone);
        stage.look(&format!("gone-{scheme}"), "en", "404");
    }
    assert!(stage.wrong.is_empty(), "{}", stage.wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium: make browser"]
async fn everything_works_by_finger_and_by_keys_with_scripts_switched_off() {
    let mut stage = Stage::new().await;
    let path = stage.full(821, "zh-TW").await;
    stage.browser.phone("light");
    let url = stage.url(&format!("{path}?lang=vi"));
    stage.browser.open(&url);
    // By keys: what has the focus is seen to have it.
    for kind in ["keyDown", "keyUp"] {
        let tab = serde_json::json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
        stage.browser.call("Input.dispatchKeyEvent", tab);
    }
    let outline =
        stage.browser.ask("getComputedStyle(document.activeElement).outlineStyle + document.activeElement.tagName");
    assert!(outline.as_str().unwrap().starts_with("solid") && !outline.as_str().unwrap().contains("BODY"), "{outline}");
    stage.scripts(true);
    stage.browser.open(&url);
    stage.browser.press("button");
    assert!(!stage.relay.order("woo", 821).await.unwrap().1.muted.is_empty(), "pressed, and off for this order");
    stage.scripts(false);
    stage.look("pressed-vi-light", "vi", "");
    let page = stage.browser.ask("document.body.innerHTML");
    assert!(forms(page.as_str().unwrap()).len() == 6 && page.as_str().unwrap().contains("role=\"status\""), "{page}");
    // The form, with a code that cannot be right.
    stage.scripts(true);
    let url = stage.url("/t/woo?lang=zh-CN");
    stage.browser.open(&url);
    for (field, text) in [("number", "821"), ("contact", "nobody@example.com")] {
        stage.browser.ask(&format!("document.getElementById('{field}').focus()"));
        stage.browser.call("Input.insertText", serde_json::json!({ "text": text }));
    }
    stage.browser.press("button");
    stage.look("code-zh-CN-light", "zh-CN", "");
    stage.browser.ask("document.getElementById('code').focus()");
    stage.browser.call("Input.insertText", serde_json::json!({ "text": "123456" }));
    stage.browser.press("button");
    stage.look("wrong-zh-CN-light", "zh-CN", "403");
    // What the policy keeps out is heard of: else nothing above would have been.
    stage.scripts(false);
    stage.browser.open(&url);
    assert_eq!(stage.browser.complaints(), [""; 0]);
    stage.browser.ask("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')");
    assert!(stage.browser.complaints().concat().contains("style-src"), "{:?}", stage.browser.complaints());
    assert!(stage.wrong.is_empty(), "{}", stage.wrong.join("\n"));
}
