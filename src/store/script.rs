//! The scripts: text, hash, and calls with every key declared.

use super::cluster::slot_of;
use redis::{Arg, Cmd, Pipeline, ToRedisArgs};
use std::sync::LazyLock;

/// A script as the server gets it: the file's first line, the common functions, the file.
pub(super) struct Script {
    text: String,
    sha: String,
}

impl Script {
    fn new(file: &str) -> Script {
        let (first, body) = file.split_once('\n').unwrap_or((file, ""));
        let text = format!("{first}\n{}\n{body}", include_str!("lua/common.lua"));
        let sha = redis::Script::new(&text).get_hash().to_string();
        Script { text, sha }
    }
}

/// Where a command's first key stands among its words.
#[derive(Clone, Copy)]
enum KeyAt {
    /// At this place.
    Word(usize),
    /// It has none, and goes where this slot is.
    Slot(u16),
    /// It has none, and one server is as good as another.
    Anywhere,
}

/// One command of a flight, or several that are done as one.
#[derive(Clone)]
pub(super) struct Call {
    /// What goes before it, and must go well too.
    before: Vec<Cmd>,
    cmd: Cmd,
    script: Option<&'static Script>,
    key: KeyAt,
    asking: bool,
}

impl Call {
    /// A plain command whose first argument is its key.
    pub(super) fn new(name: &str) -> Call {
        Call::of(redis::cmd(name), KeyAt::Word(1))
    }

    fn of(cmd: Cmd, key: KeyAt) -> Call {
        Call { before: Vec::new(), cmd, script: None, key, asking: false }
    }

    /// A command without a key.
    pub(super) fn bare(name: &str) -> Call {
        Call::of(redis::cmd(name), KeyAt::Anywhere)
    }

    /// A script with all the keys it touches.
    pub(super) fn script<K: AsRef<str>>(script: &'static Script, keys: &[K]) -> Call {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&script.sha).arg(keys.len());
        for key in keys {
            cmd.arg(key.as_ref());
        }
        Call { script: Some(script), ..Call::of(cmd, KeyAt::Word(3)) }
    }

    /// Commands done together; the answer is the list of theirs. All their keys are of one slot, that of `key`.
    pub(super) fn together(calls: Vec<Call>, key: &str) -> Call {
        let before = std::iter::once(redis::cmd("MULTI")).chain(calls.into_iter().map(|c| c.cmd)).collect();
        Call { before, ..Call::bare("EXEC").beside(key) }
    }

    /// Goes to the server that has this key.
    pub(super) fn beside(self, key: &str) -> Call {
        Call { key: KeyAt::Slot(slot_of(key.as_bytes())), ..self }
    }

    /// The same at a server that is only just being given the slot.
    pub(super) fn asking(self) -> Call {
        Call { asking: true, ..self }
    }

    /// A further argument.
    pub(super) fn arg(mut self, arg: impl ToRedisArgs) -> Call {
        self.cmd.arg(arg);
        self
    }

    /// A further argument, in a loop.
    pub(super) fn push(&mut self, arg: impl ToRedisArgs) {
        self.cmd.arg(arg);
    }

    /// The slot of its first key; `None`: it has none.
    pub(super) fn slot(&self) -> Option<u16> {
        match self.key {
            KeyAt::Slot(slot) => Some(slot),
            KeyAt::Anywhere => None,
            KeyAt::Word(place) => match self.cmd.args_iter().nth(place) {
                Some(Arg::Simple(key)) => Some(slot_of(key)),
                _ => None,
            },
        }
    }

    /// A key of its own in the slot of its first key, for what is written only to be waited for.
    pub(super) fn mark(&self) -> Option<Vec<u8>> {
        let KeyAt::Word(place) = self.key else { return None };
        let Some(Arg::Simple(key)) = self.cmd.args_iter().nth(place) else { return None };
        let tagged = key.get(..=key.iter().position(|b| *b == b'}')?)?;
        Some([tagged, b":fence"].concat())
    }

    /// Puts it into a pipeline; how many answers that gives.
    pub(super) fn put(&self, pipe: &mut Pipeline) -> usize {
        self.put_as(self.cmd.clone(), pipe)
    }

    /// The same with the script's text, for a server that does not know it: its memory of scripts is empty after
    /// every start and failover.
    pub(super) fn put_in_full(&self, pipe: &mut Pipeline) -> usize {
        let Some(script) = self.script else { return self.put(pipe) };
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(&script.text);
        for arg in self.cmd.args_iter().skip(2) {
            if let Arg::Simple(bytes) = arg {
                cmd.arg(bytes);
            }
        }
        self.put_as(cmd, pipe)
    }

    fn put_as(&self, cmd: Cmd, pipe: &mut Pipeline) -> usize {
        // It counts for the very next command alone, so what is done together cannot be asked for.
        if self.asking {
            pipe.add_command(redis::cmd("ASKING"));
        }
        for cmd in &self.before {
            pipe.add_command(cmd.clone());
        }
        pipe.add_command(cmd);
        usize::from(self.asking) + self.before.len() + 1
    }
}

macro_rules! scripts {
    ($($name:ident $file:literal),+ $(,)?) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(include_str!(concat!("lua/", $file, ".lua"))));)+

        /// Every script, by file name, as it stands in the file.
        #[cfg(test)]
        const FILES: &[(&str, &str)] = &[$(($file, include_str!(concat!("lua/", $file, ".lua")))),+];
    };
}

scripts! {
    COMMIT "commit", LEASE "lease", BEGIN "begin", SETTLE "settle", RELEASE "release", EXTEND "extend",
    TICK "tick", WAKE "wake", RECEIPT "receipt", CHANGE "change", MUTE "mute", PAUSE "pause", PACE "pace",
    PERSON "person", TAKE "take", NOTE "note", FIND "find", ODD "odd", FORGET "forget", CLAIM "claim",
    ERASE "erase", APPEND "append", UNKNOW "unknow", PURGE "purge", DUTY "duty",
    GAP "gap", RESEAL "reseal", SWAP "swap", STAND "stand", OFFER "offer", REDEEM "redeem", CODE "code", DAY "day",
}

#[cfg(test)]
mod tests {
    use super::FILES;
    use std::collections::BTreeSet;

    /// Names that hold a key: bound to KEYS, by themselves or in a list.
    fn key_names(text: &str) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for line in text.lines() {
            let Some((left, right)) = line.trim().strip_prefix("local ").and_then(|l| l.split_once(" = ")) else {
                continue;
            };
            if right.starts_with("unpack(KEYS, ") {
                let count = left.split(',').count();
                assert!(right.ends_with(&format!(", {count})")), "{line}: as many names as keys");
                names.extend(left.split(',').map(str::trim));
            } else {
                let values = right.split(", ");
                names.extend(
                    left.split(',').map(str::trim).zip(values).filter(|(_, v)| v.starts_with("KEYS[")).map(|(n, _)| n),
                );
            }
        }
        names
    }

    /// Every first argument of every `redis.call` that takes a key.
    fn touched(text: &str) -> Vec<&str> {
        text.split("redis.call('")
            .skip(1)
            .filter_map(|rest| rest.split_once("', ").map(|(_, args)| args))
            .filter_map(|args| args.split([',', ')']).next())
            .map(str::trim)
            .collect()
    }

    #[test]
    fn scripts_touch_declared_keys_only() {
        for (file, text) in FILES {
            let names = key_names(text);
            assert!(!names.is_empty(), "{file} binds its keys to names");
            for key in touched(text) {
                let alternatives: Vec<&str> = key.split(" and ").flat_map(|k| k.split(" or ")).map(str::trim).collect();
                let known = |k: &str| names.contains(k) || k.starts_with("stands_");
                assert!(alternatives.iter().all(|k| known(k)), "{file}: {key} is none of its keys {names:?}");
            }
        }
        let common = include_str!("lua/common.lua");
        for key in touched(common) {
            assert!(["ctl", "vt", "ready", "wait", "parked"].contains(&key), "common: {key} is no argument");
        }
        assert!(!common.contains("KEYS["), "common functions get keys as arguments");
    }

    #[test]
    fn scripts_open_with_flags_and_contract() {
        // What may be refused when memory is full: accepting. Everything that drains must run.
        let refusable = BTreeSet::from(["commit", "person", "odd", "offer"]);
        for (file, text) in FILES {
            let first = text.lines().next().unwrap();
            let expected = if refusable.contains(file) { "#!lua" } else { "#!lua flags=allow-oom" };
            assert_eq!(first, expected, "{file}");
            let head: Vec<&str> = text.lines().skip(1).take_while(|l| l.starts_with("--")).collect();
            for part in [&format!("-- {file}: "), "-- KEYS 1", "-- → ", "Repeated"] {
                assert!(head.iter().any(|l| l.contains(part)), "{file} says {part:?} at its head");
            }
            for banned in ["error_reply", "'KEYS'", "'SCAN'", "'SORT'", "cjson", "cmsgpack", "pcall"] {
                assert!(!text.contains(banned), "{file} uses {banned}");
            }
        }
    }

    #[test]
    fn every_file_is_a_script_of_the_list() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/lua");
        let mut found: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|f| f != "common")
            .collect();
        let mut listed: Vec<String> = FILES.iter().map(|(f, _)| (*f).to_string()).collect();
        found.sort();
        listed.sort();
        assert_eq!(found, listed);
    }
}
