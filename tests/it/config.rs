//! Settings: every mistake at once, at its place, with its remedy and without its value.

use orderwire::config::{self, Document, Problem};
use orderwire::domain::settings::{Mistake, Secret, Span};
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Server {
    /// Address to listen on.
    listen: Option<String>,
    port: u16,
    durability: Durability,
    keys: Vec<Secret>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Durability {
    /// Quick.
    Relaxed,
    /// Usual.
    #[default]
    Local,
    /// Safe.
    Replicated,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Shop {
    /// Name of the shop in the webhook's address.
    id: String,
    /// Shop system: `woocommerce`.
    platform: String,
    #[serde(default)]
    secrets: Vec<Secret>,
    timezone: Option<String>,
    payment_deadline: Option<Span>,
    #[serde(default)]
    statuses: BTreeMap<String, String>,
    api: Option<Api>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Api {
    url: String,
    secret: Secret,
    auth: Option<Auth>,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Auth {
    Basic { user: String },
    Bearer { scope: String, ttl: Option<u8> },
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Line {
    access_token: Secret,
    channel_number: String,
    #[serde(default)]
    rate: u32,
}

fn env(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect()
}

fn document(text: &str, variables: &[(&str, &str)]) -> Document {
    Document::from_text("config/orderwire.toml", text, &env(variables)).expect("the text is TOML")
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// Takes everything that these tests know, as the program does.
fn take(mut document: Document) -> (Option<Server>, Vec<Shop>, Vec<config::Table>, Vec<Problem>) {
    let mut problems = Vec::new();
    let server = document.part::<Server>("server", &mut problems);
    let shops = document.parts::<Shop>("shop", &mut problems);
    let kind_of = |common: &BTreeMap<String, String>| match common["kind"].as_str() {
        "line" => Ok(schema_for!(Line)),
        _ => Err(Mistake::new("kind", "unknown kind; there is `line`")),
    };
    let tables = document.tables("channel", &[("kind", "which messenger it is")], kind_of, &mut problems);
    for table in &tables {
        if let Err(e) = Line::deserialize(&table.value) {
            document.mistakes("channel", table.index, vec![Mistake::new("", e.to_string())], &mut problems);
        }
    }
    document.finish(&["route"], &mut problems);
    (server, shops.into_iter().map(|e| e.value).collect(), tables, problems)
}

#[test]
fn good_settings_come_through_whole() {
    let text = r#"
        [server]
        port = 8080
        durability = "replicated"
        keys = [{ env = "KEY" }, { value = "second" }]
        [[shop]]
        id = "demo-tw"
        platform = "woocommerce"
        payment_deadline = "60m"
        timezone = "Asia/Taipei"
        secrets = [{ value = "a" }]
        [shop.statuses]
        value = "shipped"
        [shop.api]
        url = "https://shop.example.com"
        secret = { env = "KEY" }
        auth = { kind = "bearer", scope = "read" }
        [[channel]]
        id = "line-main"
        kind = "line"
        access_token = { env = "KEY" }
        channel_number = "12"
        [[route]]
        id = "somebody else's"
    "#;
    let (server, shops, tables, problems) = take(document(text, &[("KEY", "the-key")]));
    assert_eq!(problems, []);
    let server = server.expect("no mistakes");
    assert_eq!((server.port, server.durability, server.listen), (8080, Durability::Replicated, None));
    assert_eq!(server.keys.iter().map(Secret::expose).collect::<Vec<_>>(), ["the-key", "second"]);
    let shop = &shops[0];
    assert_eq!(shop.timezone.as_deref(), Some("Asia/Taipei"));
    assert_eq!(shop.secrets.len(), 1);
    assert_eq!((shop.id.as_str(), shop.platform.as_str()), ("demo-tw", "woocommerce"));
    assert_eq!(shop.payment_deadline, Some(Span(3600)));
    // A custom status called `value` is no secret.
    assert_eq!(shop.statuses, env(&[("value", "shipped")]));
    let api = shop.api.as_ref().expect("there is one");
    assert_eq!((api.url.as_str(), api.secret.expose()), ("https://shop.example.com", "the-key"));
    assert_eq!(api.auth, Some(Auth::Bearer { scope: "read".into(), ttl: None }));
    assert_eq!(tables[0].id.as_deref(), Some("line-main"));
    assert_eq!(tables[0].common["kind"], "line");
    let line = Line::deserialize(&tables[0].value).expect("no mistakes");
    assert_eq!((line.access_token.expose(), line.channel_number.as_str(), line.rate), ("the-key", "12", 0));
}

#[test]
fn an_absent_part_is_an_empty_one() {
    let (server, shops, tables, problems) = take(document("", &[]));
    assert!(server.is_some_and(|s| s.port == 0) && shops.is_empty() && tables.is_empty() && problems.is_empty());
}

/// Each folder in `tests/golden/config` holds an `orderwire.toml` and what is said of it, a line each.
#[test]
fn all_mistakes_come_at_once_each_at_its_place() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut cases = 0;
    for case in fs::read_dir(&golden).unwrap() {
        let case = case.unwrap().path();
        let mut files: Vec<_> = fs::read_dir(&case).unwrap().map(|f| f.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["orderwire.toml", "problems.txt"], "{}", case.display());
        let text = fs::read_to_string(case.join("orderwire.toml")).unwrap();
        let said = match Document::from_text("orderwire.toml", &text, &env(&[("KEY", "the-key")])) {
            Ok(document) => take(document).3,
            Err(problems) => problems,
        };
        let said = shown(&said).join("\n") + "\n";
        let wanted = fs::read_to_string(case.join("problems.txt")).unwrap();
        assert!(said == wanted, "{}:\n{said}", case.display());
        cases += 1;
    }
    assert!(cases >= 2, "only {cases} cases");
}

#[test]
fn nothing_of_a_value_is_ever_shown() {
    // Each value is a canary, in every place where a mistake can be made.
    let text = r#"
        server = { port = "canary1", durability = "canary2", keys = ["canary3", { value = "canary4", file = "canary5" }, { env = "canary6" }, { file = "canary7" }] }
        [[shop]]
        id = 5
        platform = { canary8 = "canary9" }
        timezone = ["canary10"]
        payment_deadline = "canary11"
        api = "canary12"
        [[channel]]
        id = "a"
        kind = "line"
        access_token = { value = "canary13" }
        channel_number = 4242424242
        rate = "canary14"
    "#;
    let variables = [("ORDERWIRE__SERVER__PORT__X", "canary15"), ("ORDERWIRE__CHANNEL__ZZ__RATE", "canary16")];
    let refused = Document::from_text("f.toml", text, &env(&variables)).expect_err("nothing can be set there");
    let mut document = document(text, &[]);
    let debug = format!("{document:?}");
    let mut problems = Vec::new();
    let tables = document.tables("channel", &[("kind", "")], |_| Ok(schema_for!(Line)), &mut problems);
    let leaky = Mistake::new("access_token", "the provider refused canary13 (\"canary13\")");
    document.mistakes("channel", 0, vec![leaky], &mut problems);
    let debug = format!("{debug} {tables:?}");
    let (_, _, _, rest) = take(document);
    let all = format!("{debug} {:?} {:?} {:?}", shown(&refused), shown(&problems), shown(&rest));
    assert!(problems.iter().any(|p| p.key == "channel.a.access_token" && p.message.contains("refused …")), "{all}");
    // `canary8` is a key: keys are shown.
    assert!(!all.replace("canary8", "").contains("canary") && !all.contains("4242424242"), "{all}");
    assert!(rest.len() >= 8, "{all}");
}

#[test]
fn the_environment_goes_over_the_file() {
    let text = "[server]\nport = 1\nkeys = [{ env = \"A\" }]\n[[channel]]\nid = \"line-main\"\nkind = \"line\"\naccess_token = { env = \"A\" }\nchannel_number = \"1\"\n";
    let variables = [
        ("A", "from A"),
        ("orderwire__server__port", "9090"),
        ("ORDERWIRE__SERVER__LISTEN", "127.0.0.1:80"),
        ("ORDERWIRE__SERVER__KEYS__1", "{ env = \"A\" }"),
        // A token of digits stays text, and a bare one is a secret where a secret is wanted.
        ("ORDERWIRE__CHANNEL__LINE_MAIN__ACCESS_TOKEN", "0123456789"),
        ("ORDERWIRE__CHANNEL__0__CHANNEL_NUMBER", "+886912345678"),
        ("ORDERWIRE__CHANNEL__LINE_MAIN__RATE", "5"),
    ];
    let (server, _, tables, problems) = take(document(text, &variables));
    assert_eq!(problems, []);
    let server = server.expect("no mistakes");
    assert_eq!((server.port, server.listen.as_deref()), (9090, Some("127.0.0.1:80")));
    assert_eq!(server.keys.iter().map(Secret::expose).collect::<Vec<_>>(), ["from A", "from A"]);
    let line = Line::deserialize(&tables[0].value).expect("no mistakes");
    assert_eq!((line.access_token.expose(), line.channel_number.as_str()), ("0123456789", "+886912345678"));
    assert_eq!(line.rate, 5);
}

#[test]
fn a_mistake_in_a_variable_names_the_variable() {
    let variables =
        [("ORDERWIRE__SERVER__PORT", "ninety"), ("ORDERWIRE__SERVER__PROT", "1"), ("ORDERWIRE__SEVER", "1")];
    let (_, _, _, problems) = take(document("[server]\nport = 1\n", &variables));
    assert_eq!(
        shown(&problems),
        [
            "environment variable ORDERWIRE__SERVER__PORT: server.port: should be a whole number",
            "environment variable ORDERWIRE__SERVER__PROT: server.prot: unknown key; did you mean `port`?",
            "environment variable ORDERWIRE__SEVER: sever: unknown key; did you mean `server`?",
        ]
    );
}

#[test]
fn a_table_and_a_list_are_not_confused() {
    let (_, _, _, problems) = take(document("[[server]]\nport = 1\n[shop]\nid = \"a\"\n", &[]));
    assert_eq!(
        shown(&problems),
        [
            "config/orderwire.toml:1: server: there is only one of it: write [server], not [[server]]",
            "config/orderwire.toml:3: shop: there may be several of it: write [[shop]], not [shop]",
        ]
    );
}

#[test]
fn ids_of_entries_with_mistakes_are_known_too() {
    let mut document = document("[[channel]]\nid = \"a\"\n[[channel]]\n[[channel]]\nid = \"c\"\n", &[]);
    let mut problems = Vec::new();
    document.tables("channel", &[("kind", "")], |_| Ok(schema_for!(Line)), &mut problems);
    assert_eq!(document.ids("channel"), ["a", "c"]);
}

#[test]
fn files_are_read_and_watched() {
    let folder = std::env::temp_dir().join(format!("orderwire-config-{}", std::process::id()));
    fs::create_dir_all(folder.join("run")).unwrap();
    let file = folder.join("orderwire.toml");
    fs::write(&file, "[server]\nkeys = [{ file = \"run/a\" }, { file = \"run/b\" }, { file = \"run/c\" }]\n").unwrap();
    for (name, text) in [("a", "one\n"), ("b", " two\n\n"), ("c", "three\r\n")] {
        fs::write(folder.join("run").join(name), text).unwrap();
    }
    let mut document = Document::load(Some(&file), &env(&[])).expect("it is there");
    let secrets: Vec<PathBuf> = ["a", "b", "c"].map(|n| folder.join("run").join(n)).into();
    assert_eq!(document.files(), [vec![file.clone()], secrets].concat());
    let server = document.part::<Server>("server", &mut Vec::new()).expect("no mistakes");
    // One line end is cut, nothing else.
    assert_eq!(server.keys.iter().map(Secret::expose).collect::<Vec<_>>(), ["one", " two\n", "three"]);

    fs::write(&file, b"a = 1\nb = \"\xff\"\n").unwrap();
    let refused = shown(&Document::load(Some(&file), &env(&[])).expect_err("not UTF-8"));
    assert!(refused[0].ends_with("is not UTF-8 text (line 2); save it as UTF-8"), "{refused:?}");
    fs::remove_dir_all(&folder).unwrap();
    let refused = shown(&Document::load(Some(&file), &env(&[])).expect_err("gone"));
    assert!(refused[0].contains("orderwire.toml: cannot be read (entity not found)"), "{refused:?}");
}

#[test]
fn the_schema_of_the_whole_is_put_together() {
    let channels = config::schema::by_kind(
        "kind",
        &[("id", "its name"), ("kind", "which messenger")],
        &[("line", schema_for!(Line)), ("twin", schema_for!(Line))],
    );
    let parts =
        [("server", false, schema_for!(Server)), ("shop", true, schema_for!(Shop)), ("channel", true, channels)];
    let whole = config::schema::document(&parts);
    let schema = schemars::Schema::try_from(whole.clone()).expect("a schema is an object");
    let good = serde_json::json!({
        "server": { "port": 1 },
        "shop": [{ "id": "a", "platform": "p", "api": { "url": "u", "secret": { "env": "A" } } }],
        "channel": [{ "id": "a", "kind": "twin", "access_token": { "env": "A" }, "channel_number": "1" }],
    });
    assert_eq!(config::unknown_keys(&good, &schema), []);
    let mut bad = good;
    bad["channel"][0]["ratee"] = 1.into();
    bad["shop"][0]["api"]["ulr"] = "x".into();
    let found = config::unknown_keys(&bad, &schema);
    let keys: Vec<_> = found.iter().map(|m| (m.key.as_str(), m.message.as_str())).collect();
    assert_eq!(
        keys,
        [
            ("channel.a.ratee", "unknown key; did you mean `rate`?"),
            ("shop.a.api.ulr", "unknown key; did you mean `url`?"),
        ]
        .map(|(k, m)| (k.replace(".a.", "[0]."), m))
        .iter()
        .map(|(k, m)| (k.as_str(), *m))
        .collect::<Vec<_>>()
    );
    // Every reference leads somewhere.
    let text = whole.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(whole.pointer(reference).is_some(), "{reference}");
    }
    assert!(whole["$defs"]["Secret"]["oneOf"].is_array());
}

#[test]
fn definitions_of_one_name_and_two_meanings_are_kept_apart() {
    mod other {
        /// Another thing of the same name.
        #[derive(schemars::JsonSchema)]
        pub struct Api {
            pub _port: u16,
        }
        #[derive(schemars::JsonSchema)]
        pub struct Part {
            pub _api: Api,
        }
    }
    let whole = config::schema::document(&[("shop", true, schema_for!(Shop)), ("b", false, schema_for!(other::Part))]);
    assert_eq!(whole["properties"]["b"]["properties"]["_api"]["$ref"], "#/$defs/b_Api");
    assert!(whole["$defs"]["b_Api"]["properties"]["_port"].is_object());
    assert!(whole["$defs"]["Api"]["properties"]["url"].is_object());
}

proptest::proptest! {
    #[test]
    fn any_text_and_any_variable_is_answered(text in "[\\[\\]a-c.=\"{}0-9,\n #'é]{0,60}", name in "[A-Z0-9_é]{0,20}", value in ".{0,20}") {
        let variables = env(&[(&format!("ORDERWIRE__{name}"), &value)]);
        if let Ok(document) = Document::from_text("f", &text, &variables) {
            take(document);
        }
    }
}
