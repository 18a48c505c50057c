//! An account of every kind by its documented example, with secrets that can be found again.

use super::stand_in::secret;
use orderwire::channel::Kind;
use orderwire::domain::settings::SECRET_KEY;
use serde_json::Value;

/// The secrets of the accounts here, with a word that is found nowhere else: the first, or where a kind asks for
/// another form of secret, the first that it takes. For some kinds the address is the secret.
const CANARIES: [&str; 9] = [
    "https://hooks.slack.com/services/T0/B0/canary4f1d9c",
    "https://discord.com/api/webhooks/100000000000000001/canary4f1d9c",
    "https://mock.environment.api.powerplatform.com/workflows/1?sig=canary4f1d9c",
    "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=canary4f1d9c",
    "whsec_canary4f1d9cAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "123456:canary4f1d9cAAAAAAAAAA",
    "canary4f1d9c_0123456789abcdef",
    "canary4f1d9c",
    "canary4f1d9cAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];
/// The first of them.
pub const CANARY: &str = CANARIES[0];

/// The kind's example as settings of a part: uncommented, secrets resolved, without what `config` reads itself.
pub fn example(kind: &Kind) -> Value {
    let text: String = kind.example.lines().map(|l| format!("{}\n", uncomment(l))).collect();
    let document: toml::Table = text.parse().unwrap_or_else(|e| panic!("the example of {}: {e}", kind.name));
    let channel = document["channel"].as_array().expect("[[channel]]")[0].clone();
    let mut settings = serde_json::to_value(channel).unwrap();
    assert_eq!(settings["kind"], kind.name, "the example's kind");
    assert!(settings["id"].is_string(), "the example of {} has an id", kind.name);
    let fields = settings.as_object_mut().unwrap();
    fields.remove("kind");
    fields.remove("id");
    resolve(&mut settings, CANARY);
    for key in settings.as_object().unwrap().keys().cloned().collect::<Vec<_>>() {
        for canary in CANARIES.iter().skip(1) {
            let mistakes = (kind.open)("a".into(), settings.clone()).err().unwrap_or_default();
            if !mistakes.iter().any(|m| m.key.split('[').next() == Some(&key)) {
                break;
            }
            match &mut settings[&key] {
                Value::Array(items) if secret_in(&items[0]) => items[0] = secret(canary),
                item if secret_in(item) => *item = secret(canary),
                _ => break,
            }
        }
    }
    settings
}

/// Whether this is a resolved secret.
pub fn secret_in(value: &Value) -> bool {
    value.get(SECRET_KEY).is_some()
}

/// A line of an example, taken in.
pub fn uncomment(line: &str) -> &str {
    line.strip_prefix("# ").or_else(|| line.strip_prefix('#')).unwrap_or(line)
}

/// Puts `value` in the place of every `{ env = … }`, `{ file = … }`, `{ value = … }`.
fn resolve(settings: &mut Value, value: &str) {
    let is_secret = settings.as_object().is_some_and(|o| {
        o.len() == 1 && ["env", "file", "value"].iter().any(|key| o.get(*key).is_some_and(Value::is_string))
    });
    if is_secret {
        *settings = secret(value);
    } else {
        let parts: Vec<&mut Value> = match settings {
            Value::Array(items) => items.iter_mut().collect(),
            Value::Object(fields) => fields.values_mut().collect(),
            _ => Vec::new(),
        };
        for part in parts {
            resolve(part, value);
        }
    }
}
