//! Logs: JSON for machines, lines for people, one event a line on stderr (stdout belongs to the commands'
//! results).

use crate::domain::settings::Mistake;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people on a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Human,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged: a level (`info`), or levels by part (`info,orderwire::flow=debug`). Of the libraries
    /// nothing below `info` is ever logged: they would show tokens and bodies.
    pub filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings { format: LogFormat::Auto, filter: "info".into() }
    }
}

impl LogSettings {
    /// What is wrong with them.
    pub fn mistakes(&self) -> Vec<Mistake> {
        parse(&self.filter).err().into_iter().map(|message| Mistake::new("filter", message)).collect()
    }
}

/// Starts logging, once per process; panics are logged too, without what they say.
///
/// # Errors
/// `filter` is none, or logging has been started before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), String> {
    let terminal = std::io::stderr().is_terminal();
    subscriber(format, filter, terminal, std::io::stderr)?
        .try_init()
        .map_err(|_| "logging was started before".to_string())?;
    silence_panics();
    Ok(())
}

/// From now on a panic is a line of the log that says where, and not what: the message of a panic repeats what was
/// being read ("byte index 3 is not a char boundary; it is inside …"), which may be a person or a secret.
fn silence_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at, "the code panicked; what it said is not shown, it may repeat what it was reading");
    }));
}

/// The same without starting it, for tests: events go to `writer`, which is a `terminal` or not. Colour is
/// for terminals only, and there `NO_COLOR` is honoured.
///
/// # Errors
/// `filter` is none.
pub fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    terminal: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, String>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = parse(filter)?;
    let human = match format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let lines = layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match human {
        // Left alone, the layer asks `NO_COLOR` itself.
        true if terminal => lines.fmt_fields(debug_fn(field).delimited(" ")).boxed(),
        true => lines.with_ansi(false).fmt_fields(debug_fn(field).delimited(" ")).boxed(),
        false => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    Ok(Box::new(tracing_subscriber::registry().with(lines.with_filter(filter_fn(ours_or_calm)).and_then(filter))))
}

/// Our own events, and of the libraries' only what is `info` or graver: below it they log what goes over
/// the wire, tokens and people included, and no filter may switch that on.
fn ours_or_calm(event: &Metadata<'_>) -> bool {
    let target = event.target();
    let ours = target == "orderwire" || target.starts_with("orderwire::");
    ours || *event.level() <= Level::INFO
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    let default = LevelFilter::INFO.into();
    EnvFilter::builder().with_default_directive(default).parse(filter).map_err(|_| {
        "is no filter; write a level (`error`, `warn`, `info`, `debug`, `trace`) or `part=level,…`".to_string()
    })
}

/// One field for people. Whatever came from outside cannot break the line or colour the terminal.
fn field(writer: &mut Writer<'_>, field: &tracing::field::Field, value: &dyn std::fmt::Debug) -> std::fmt::Result {
    match field.name() {
        // Where a record of the `log` crate came from; the target says it.
        name if name.starts_with("log.") => return Ok(()),
        "message" => {}
        name => write!(writer, "{name}=")?,
    }
    let mut safe = Escape(writer);
    write!(safe, "{value:?}")
}

/// Writes control characters (and those that turn the direction of text) in their escaped form.
struct Escape<'a, 'w>(&'a mut Writer<'w>);

impl std::fmt::Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for c in text.chars() {
            match super::mask::harmful(c) {
                true => write!(self.0, "{}", c.escape_default())?,
                false => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str, terminal: bool, log: impl FnOnce()) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = subscriber(format, filter, terminal, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn hostile() {
        let order = "1\n2026 ERROR forged\u{1b}[31m\u{202e}";
        let span = tracing::info_span!("webhook", shop = %order);
        span.in_scope(|| tracing::info!(order = %order, count = 3, "taken {order}"));
    }

    #[test]
    fn a_human_line_stays_one_line() {
        let text = logged(LogFormat::Human, "info", false, hostile);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().chars().any(crate::telemetry::mask::harmful), "{text:?}");
        assert!(text.contains("taken 1\\n2026 ERROR forged\\u{1b}[31m\\u{202e} order=1\\n"), "{text}");
        assert!(text.contains("count=3"), "{text}");
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields() {
        let text = logged(LogFormat::Auto, "info", false, hostile);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((line["level"].as_str(), line["count"].as_i64()), (Some("INFO"), Some(3)));
        assert!(line["span"]["shop"].as_str().is_some_and(|s| s.ends_with('\u{202e}')), "{text}");
    }

    #[test]
    fn without_a_terminal_there_is_no_colour() {
        assert!(!logged(LogFormat::Human, "info", false, || tracing::warn!("x")).contains('\u{1b}'));
        // On a terminal the tester's own NO_COLOR decides; it is a line for people in any case.
        assert!(!logged(LogFormat::Auto, "info", true, || tracing::warn!("x")).starts_with('{'));
    }

    #[test]
    fn libraries_are_never_heard_below_info() {
        let text = logged(LogFormat::Json, "trace", false, || {
            tracing::trace!(target: "orderwire::flow", "ours");
            tracing::debug!(target: "hyper::proto", "token");
            tracing::debug!(target: "orderwired", "token");
            tracing::info!(target: "hyper::proto", "theirs");
        });
        assert!(text.contains("ours") && text.contains("theirs") && !text.contains("token"), "{text}");
        let text = logged(LogFormat::Json, "warn,orderwire::flow=debug", false, || {
            tracing::debug!(target: "orderwire::flow", "seen");
            tracing::info!(target: "orderwire::store", "hidden");
        });
        assert!(text.contains("seen") && !text.contains("hidden"), "{text}");
    }

    #[test]
    fn a_wrong_filter_is_a_mistake() {
        let settings = LogSettings { filter: "orderwire=loud".into(), ..LogSettings::default() };
        assert_eq!(settings.mistakes().len(), 1);
        assert!(LogSettings::default().mistakes().is_empty());
    }
}
