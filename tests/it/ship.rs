//! What is shipped beside the binary speaks of what the binary does: alerts and the dashboard name no measure, label or
//! word that it does not export, and every alert has its page.

use crate::support::child::{orderwire, run, run_in};
use crate::support::dir::Dir;
use orderwire::domain::decision::Reason;
use orderwire::domain::owed::State;
use orderwire::domain::verdict::Verdict;
use orderwire::store::error::ErrorKind;
use orderwire::telemetry::{
    CallbackOutcome, Metrics, Names, QueueState, ReconcileResult, ReloadResult, WriteBackOutcome,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What whoever scrapes adds to every series.
const ADDED: [&str; 4] = ["namespace", "job", "pod", "instance"];

/// Sample → label → values seen.
type Exported = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Everything that can be exported, with every word of the closed lists that alerts look at.
fn exported() -> Exported {
    let m = Metrics::new(Names::new([("shop", "woocommerce")], [("line", "line")], ["shipped"]));
    m.webhook_signed("shop", 0, 1.0);
    m.webhook_answered("shop", 0.1);
    m.accepted_after("line", 1.0);
    m.callback("line", CallbackOutcome::Taken);
    m.callback_applied("line", 1.0);
    m.attempt("line", &Verdict::Refused { detail: String::new() }, 0.1);
    m.outcome("shipped", State::Skipped, Some(Reason::OptedOut));
    m.wait(Reason::QuietHours);
    m.rate_limited("line", 0.1);
    m.set_quota("line", 1, 0.5);
    m.set_templates_stopped("line", 0);
    m.set_parked("line", 1);
    QueueState::ALL.iter().for_each(|s| m.set_queue(*s, 1));
    m.redis("commit", 0.1);
    use ErrorKind::{Away, Bug, Full, Loading, ReadOnly, Setup, Timeout, Unreplicated};
    let kinds = [Timeout, Away, Unreplicated, Full, ReadOnly, Loading, Setup, Bug];
    kinds.iter().for_each(|kind| m.redis_error(kind.as_str()));
    m.spool_flushed(0.1);
    m.reload(ReloadResult::Done);
    m.write_back("shop", WriteBackOutcome::Written);
    m.reconciled("shop", ReconcileResult::Seen);
    m.reconciled("shop", ReconcileResult::Missed);
    m.polled("shop", 1.0);
    let mut out = Exported::new();
    for line in m.encode().lines().filter(|l| !l.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("a sample");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let seen = out.entry(name.to_string()).or_default();
        for (label, value) in matchers(labels.trim_end_matches('}')) {
            seen.entry(label).or_default().extend(value);
        }
    }
    out
}

/// `a="b",c=~"d|e"` → label and the words it may have; words of an expression that is more than a list are none.
fn matchers(inside: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = inside;
    while let Some((label, after)) = rest.split_once(['=', '!']) {
        let Some((_, after)) = after.split_once('"') else { break };
        let Some((value, after)) = after.split_once('"') else { break };
        let plain = |w: &&str| w.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+'));
        let words = value.split('|').filter(|w| !w.is_empty()).filter(plain).map(str::to_string).collect();
        found.push((label.trim().trim_matches([',', '~']).trim().to_string(), words));
        rest = after;
    }
    found
}

/// What is wrong with an expression.
fn faults(expr: &str, exported: &Exported) -> Vec<String> {
    let mut out = Vec::new();
    for (at, _) in expr.match_indices("orderwire_") {
        let rest = expr.get(at..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let Some(labels) = exported.get(name) else {
            out.push(format!("{name} is not exported"));
            continue;
        };
        let inside = rest.strip_prefix('{').and_then(|r| r.split_once('}')).map_or("", |(inside, _)| inside);
        for (label, words) in matchers(inside).into_iter().filter(|(l, _)| !ADDED.contains(&l.as_str())) {
            match labels.get(&label) {
                None => out.push(format!("{name} has no label {label}")),
                Some(known) => {
                    let strange = words.into_iter().filter(|w| !known.contains(w));
                    out.extend(strange.map(|w| format!("{name} has no {label} {w}")));
                }
            }
        }
    }
    out
}

fn rules() -> Vec<Value> {
    let all: Value = serde_saphyr::from_str(&text("helm/orderwire/files/alerts.yaml")).expect("YAML");
    let groups = all["groups"].as_array().expect("groups").clone();
    groups.iter().flat_map(|g| g["rules"].as_array().expect("rules").clone()).collect()
}

/// Every expression and query of a dashboard, wherever it stands.
fn queries(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match inner.as_str() {
                    Some(text) if matches!(key.as_str(), "expr" | "query" | "definition") => out.push(text.to_string()),
                    _ => queries(inner, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| queries(inner, out)),
        _ => {}
    }
}

#[test]
fn alerts_and_dashboard_name_only_what_is_exported() {
    let exported = exported();
    let mut expressions: Vec<String> =
        rules().iter().map(|r| r["expr"].as_str().expect("an expression").to_string()).collect();
    assert!(expressions.len() > 20, "{} rules", expressions.len());
    let dashboard: Value = serde_json::from_str(&text("helm/orderwire/files/dashboard.json")).expect("JSON");
    let rules = expressions.len();
    queries(&dashboard, &mut expressions);
    assert!(expressions.len() > rules + 20, "the dashboard has {} queries", expressions.len() - rules);
    expressions.push(text("helm/orderwire/templates/worker.yaml").replace("\\\"", "\""));
    let wrong: Vec<String> = expressions
        .iter()
        .flat_map(|e| faults(e, &exported).into_iter().map(move |fault| format!("{fault}: {e}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_exported_is_found() {
    let exported = exported();
    assert_eq!(
        faults("sum(rate(orderwire_webhooks_total{outcome!~\"taken|unavailable\", job=\"x\"}[5m]))", &exported),
        [""; 0]
    );
    for (expr, fault) in [
        ("rate(orderwire_webhooks[5m])", "orderwire_webhooks is not exported"),
        ("orderwire_webhooks_total{store=\"a\"}", "orderwire_webhooks_total has no label store"),
        ("orderwire_webhooks_total{outcome=~\"taken|lost\"}", "orderwire_webhooks_total has no outcome lost"),
        ("orderwire_webhook_to_acceptance_seconds_bucket{le=\"301.0\"}", "no le 301.0"),
    ] {
        let found = faults(expr, &exported);
        assert!(found.len() == 1 && found[0].contains(fault), "{expr}: {found:?}");
    }
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let alerts: BTreeMap<String, String> = rules()
        .iter()
        .filter_map(|r| {
            let page = r["annotations"]["runbook_url"].as_str().unwrap_or_default();
            Some((r["alert"].as_str()?.to_string(), page.to_string()))
        })
        .collect();
    for (alert, page) in &alerts {
        assert_eq!(*page, format!("docs/alerts/{alert}.md"));
    }
    let pages: Vec<PathBuf> =
        std::fs::read_dir(root().join("docs/alerts")).expect("pages").map(|e| e.expect("a page").path()).collect();
    let names: BTreeSet<String> =
        pages.iter().map(|p| p.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!(names, alerts.keys().cloned().collect(), "pages, alerts");
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a page");
        for part in ["## What it means", "## Look", "## Do"] {
            assert!(text.contains(part), "{} has no part {part:?}", page.display());
        }
    }
}

/// An image that lacks them must not leave anybody guessing.
#[test]
fn without_certificates_of_authorities_the_remedy_is_said() {
    let dir = Dir::new();
    let line = "id = \"line\"\nkind = \"line\"\naccess_token = { value = \"t\" }\nchannel_secret = { value = \"s\" }\n";
    let file = dir.write("orderwire.toml", &format!("[[channel]]\n{line}"));
    let args = ["-c", &file.display().to_string(), "check"];
    assert_eq!(run(&args).code, 0);
    let none = run_in(orderwire().env("SSL_CERT_FILE", dir.write("none.pem", "")), &args);
    assert_eq!(none.code, 2, "{none:?}");
    assert!(none.out.contains("install ca-certificates, or name a file"), "{none:?}");
}

#[test]
fn every_kind_of_channel_says_where_it_connects_to() {
    let page = text("docs/network.md");
    for kind in orderwire::channel::ALL {
        assert!(page.contains(&format!("| kind `{}` |", kind.name)), "docs/network.md has no line for {}", kind.name);
    }
}
