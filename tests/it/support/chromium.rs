//! A real browser: headless Chromium, told what to do over two pipes by its own protocol (CDP), without a driver.

use super::dir::Dir;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// No step takes longer, on a machine that does other things besides.
const PATIENCE: Duration = Duration::from_secs(40);
/// Never to a network, nothing kept, nothing asked.
const FLAGS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=127.0.0.1",
    "--remote-debugging-pipe",
];

/// One page of a browser of its own.
pub struct Chromium {
    child: Child,
    to: File,
    from: Receiver<Value>,
    session: Option<String>,
    count: u64,
    /// What it said by itself since it was last asked for.
    events: Vec<Value>,
    _dir: Dir,
}

impl Chromium {
    /// Starts `chromium`, with a profile of its own.
    pub fn start() -> Chromium {
        let dir = Dir::new();
        let (to, from) = (dir.join("to"), dir.join("from"));
        assert!(Command::new("mkfifo").arg(&to).arg(&from).status().unwrap().success());
        // The shell gives it the two pipes under the numbers that it expects, and becomes it.
        let child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<\"$OW_TO\" 4>\"$OW_FROM\"", "sh", "chromium"])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", dir.join("profile").display()))
            .env("OW_TO", &to)
            .env("OW_FROM", &from)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = File::create(&to).unwrap();
        let from = BufReader::new(File::open(&from).unwrap());
        let (heard, inbox) = channel();
        std::thread::spawn(move || {
            for message in from.split(0).map_while(Result::ok) {
                if heard.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut browser = Chromium { child, to, from: inbox, session: None, count: 0, events: Vec::new(), _dir: dir };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = Some(attached["sessionId"].as_str().unwrap().into());
        for domain in ["Page", "Log", "Runtime", "Network", "Audits"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Does one thing.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.count += 1;
        let mut message = json!({ "id": self.count, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let heard = self.from.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{method}: {e}"));
            if heard["id"] == self.count {
                assert!(heard["error"].is_null(), "{method}: {heard}");
                return heard["result"].clone();
            }
            self.events.push(heard);
        }
    }

    /// Waits for something that it says by itself.
    fn wait(&mut self, method: &str) {
        while !self.events.iter().any(|e| e["method"] == method) {
            let heard = self.from.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("waited for {method}: {e}"));
            self.events.push(heard);
        }
    }

    /// A phone's screen, light or dark.
    pub fn phone(&mut self, scheme: &str) {
        let screen = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", media);
    }

    /// Opens an address and waits until all of it is there.
    pub fn open(&mut self, url: &str) {
        self.events.clear();
        let went = self.call("Page.navigate", json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{url}: {went}");
        self.wait("Page.loadEventFired");
    }

    /// What an expression gives on the page.
    pub fn ask(&mut self, expression: &str) -> Value {
        let answer = self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Presses the middle of the first thing that this selector finds, as a finger would, and waits for the next page.
    pub fn press(&mut self, selector: &str) {
        let find = format!(
            "(() => {{ const e = document.querySelector('{selector}'); e.scrollIntoView({{block: 'center'}}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        );
        let at = self.ask(&find);
        self.events.clear();
        for kind in ["mousePressed", "mouseReleased"] {
            let mouse = json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", mouse);
        }
        self.wait("Page.loadEventFired");
    }

    /// A picture of the whole page.
    pub fn picture(&mut self, file: &Path) {
        let taken = self.call("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        std::fs::write(file, STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    /// What went wrong since the page was opened: errors in the console, what a policy kept out.
    pub fn complaints(&self) -> Vec<String> {
        const BAD: [&str; 4] =
            ["Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Audits.issueAdded"];
        self.events.iter().filter(|e| BAD.iter().any(|bad| e["method"] == *bad)).map(Value::to_string).collect()
    }

    /// Addresses asked for since the page was opened.
    pub fn requests(&self) -> Vec<String> {
        let asked = self.events.iter().filter(|e| e["method"] == "Network.requestWillBeSent");
        asked.map(|e| e["params"]["request"]["url"].as_str().unwrap().to_string()).collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
