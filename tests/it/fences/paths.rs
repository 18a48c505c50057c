//! Paths into the crate, out of the tokens of a file.

use super::lexer::{Token, tokens};

/// Somewhere in a file, a path that leads out of the module it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To a thing at the root of the crate: `crate::store::…`.
    Root(String),
    /// Two steps up, or another way that hides where it leads.
    Hidden(&'static str),
}

/// All such paths of a file, each with its line. `depth` is how many modules deep the file is: 1 for
/// `src/store/mod.rs` and `src/boot.rs`, 2 for `src/store/order.rs`.
pub fn ways(source: &str, depth: usize) -> Vec<(usize, Way)> {
    let tokens = tokens(source);
    let mut ways = Vec::new();
    // For each open brace, whether it is that of an inline module.
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while let Some((line, token)) = tokens.get(at) {
        let before = at.checked_sub(1).and_then(|i| tokens.get(i)).map(|(_, t)| t);
        match token {
            Token::Sign('{') => {
                let module = at >= 2 && tokens[at - 2].1.is("mod");
                braces.push(module);
            }
            Token::Sign('}') => drop(braces.pop()),
            Token::Sign('#') if is(&tokens, at + 1, '[') && word(&tokens, at + 2) == Some("path") => {
                ways.push((*line, Way::Hidden("#[path] hides which file a module is")));
            }
            Token::Word(first) if before != Some(&Token::Colons) => {
                let here = depth + braces.iter().filter(|module| **module).count();
                at = start(&tokens, at, first, here, before, &mut ways);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    ways
}

fn is(tokens: &[(usize, Token)], at: usize, sign: char) -> bool {
    matches!(tokens.get(at), Some((_, Token::Sign(c))) if *c == sign)
}

fn word(tokens: &[(usize, Token)], at: usize) -> Option<&str> {
    match tokens.get(at) {
        Some((_, Token::Word(word))) => Some(word),
        _ => None,
    }
}

/// A path may begin at `at`; gives where to go on.
fn start(
    tokens: &[(usize, Token)],
    at: usize,
    first: &str,
    depth: usize,
    before: Option<&Token>,
    ways: &mut Vec<(usize, Way)>,
) -> usize {
    let line = tokens[at].0;
    let followed = matches!(tokens.get(at + 1), Some((_, Token::Colons)));
    match first {
        "crate" | "orderwire" | "super" | "self" if followed => {
            let mut paths = Vec::new();
            let end = tree(tokens, at, &[], &mut paths);
            for (line, path) in paths {
                if let Some(way) = judge(&path, depth) {
                    ways.push((line, way));
                }
            }
            end
        }
        "crate" if before.is_some_and(|t| t.is("extern")) => {
            ways.push((line, Way::Hidden("`extern crate` gives a crate a second name")));
            at + 1
        }
        "crate" | "super" if word(tokens, at + 1) == Some("as") => {
            ways.push((line, Way::Hidden("a second name for a module hides where paths lead")));
            at + 1
        }
        _ => at + 1,
    }
}

/// Reads a path, groups in braces too, into whole paths; gives where it ends.
fn tree(tokens: &[(usize, Token)], mut at: usize, prefix: &[String], paths: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |(line, _)| *line);
    loop {
        match tokens.get(at) {
            Some((_, Token::Word(word))) => path.push(word.clone()),
            Some((_, Token::Sign('*'))) => path.push("*".into()),
            Some((_, Token::Sign('{'))) => {
                at += 1;
                while at < tokens.len() && !is(tokens, at, '}') {
                    at = tree(tokens, at, &path, paths);
                    // `as name` and the comma behind a member.
                    while at < tokens.len() && !is(tokens, at, '}') && !is(tokens, at - 1, ',') {
                        at += 1;
                    }
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        match tokens.get(at) {
            Some((_, Token::Colons)) => at += 1,
            _ => break,
        }
    }
    paths.push((line, path));
    // Something must have been passed, or a stray sign would never be left behind.
    if paths.last().is_some_and(|(_, p)| p.len() == prefix.len()) { at + 1 } else { at }
}

fn judge(path: &[String], depth: usize) -> Option<Way> {
    let mut rest = path.iter().map(String::as_str).skip_while(|s| *s == "self").peekable();
    let mut up = 0;
    match rest.peek() {
        Some(&("crate" | "orderwire")) => drop(rest.next()),
        Some(&"super") => {
            while rest.next_if(|s| *s == "super" || *s == "self").is_some_and(|s| s == "super") {
                up += 1;
            }
            if up > 1 {
                return Some(Way::Hidden("super::super: write the whole path from `crate`"));
            }
            if up < depth {
                return None;
            }
        }
        _ => return None,
    }
    match rest.next() {
        Some("*") => Some(Way::Hidden("a glob of the whole crate: name what is used")),
        Some("self") | None => Some(Way::Hidden("a second name for the crate hides where paths lead")),
        Some(name) => Some(Way::Root(name.to_string())),
    }
}

#[test]
fn groups_are_followed() {
    let roots = |source: &str, depth| {
        ways(source, depth)
            .into_iter()
            .map(|(line, way)| match way {
                Way::Root(name) => format!("{line} {name}"),
                Way::Hidden(_) => format!("{line} hidden"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        roots("use crate::a::b;\nuse crate::{\n  c::{d, e::{f}},\n  g as h,\n  i::*,\n};", 2),
        ["1 a", "3 c", "3 c", "4 g", "5 i"]
    );
    assert_eq!(roots("fn f() -> crate::a::B { crate :: c::d::<crate::e::F>(self.crate_x) }", 2), ["1 a", "1 c", "1 e"]);
    assert_eq!(roots("pub(crate) fn f(x: $crate::a::B) {}", 2), ["1 a"]);
    assert_eq!(roots("orderwire::cli::run(); x::orderwire::y();", 1), ["1 cli"]);
    // One step up is the room's own, except from the room's `mod.rs`, where it is the whole crate.
    assert_eq!(roots("use super::a;", 2), [""; 0]);
    assert_eq!(roots("use super::{a, b::c};", 1), ["1 a", "1 b"]);
    assert_eq!(roots("use self::super::a;", 1), ["1 a"]);
    assert_eq!(roots("mod tests { use super::*; } use super::x;", 1), ["1 x"]);
    for hidden in [
        "use super::super::a;",
        "use super::{a, super::b};",
        "use crate::*;",
        "use crate::{self as x};",
        "use crate as x;",
        "extern crate orderwire;",
        "#[path = \"../store/mod.rs\"] mod x;",
        "mod tests { fn f() { super::super::a() } }",
    ] {
        assert!(roots(hidden, 2).iter().any(|w| w.ends_with("hidden")), "{hidden}");
    }
}
