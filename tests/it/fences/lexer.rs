//! Just enough of Rust's lexical rules to see paths and nothing that only looks like one.

/// A word or sign that matters to paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word.
    Word(String),
    /// `::`
    Colons,
    /// Any other sign, one character.
    Sign(char),
}

impl Token {
    /// Is it this word?
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(w) if w == word)
    }
}

/// The tokens of a source text, each with its line, without comments, strings and characters.
pub fn tokens(source: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = source.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0, line: 1, tokens: Vec::new() };
    while lexer.at < chars.len() {
        lexer.step();
    }
    lexer.tokens
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
    line: usize,
    tokens: Vec<(usize, Token)>,
}

impl Lexer<'_> {
    fn see(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.line += usize::from(self.see(0) == '\n');
            self.at += 1;
        }
    }

    fn step(&mut self) {
        match (self.see(0), self.see(1)) {
            ('/', '/') => {
                while self.at < self.chars.len() && self.see(0) != '\n' {
                    self.skip(1);
                }
            }
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            (c, _) if c.is_alphabetic() || c == '_' => self.word(),
            (c, _) if c.is_ascii_digit() => {
                // `0_usize` is no word.
                while self.see(0).is_alphanumeric() || self.see(0) == '_' {
                    self.skip(1);
                }
            }
            (':', ':') => {
                self.tokens.push((self.line, Token::Colons));
                self.skip(2);
            }
            (c, _) => {
                if !c.is_whitespace() {
                    self.tokens.push((self.line, Token::Sign(c)));
                }
                self.skip(1);
            }
        }
    }

    /// Comments of this kind nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.see(0), self.see(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.skip(2);
                }
                ('*', '/') => {
                    depth -= 1;
                    self.skip(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.skip(1),
            }
        }
    }

    fn string(&mut self) {
        self.skip(1);
        while self.at < self.chars.len() {
            match self.see(0) {
                '\\' => self.skip(2),
                '"' => return self.skip(1),
                _ => self.skip(1),
            }
        }
    }

    /// A character, or a lifetime.
    fn quote(&mut self) {
        if self.see(1) == '\\' {
            self.skip(3);
            while self.at < self.chars.len() && self.see(0) != '\'' {
                self.skip(1);
            }
            self.skip(1);
        } else if self.see(2) == '\'' {
            self.skip(3);
        } else {
            self.skip(1);
            while self.see(0).is_alphanumeric() || self.see(0) == '_' {
                self.skip(1);
            }
        }
    }

    fn word(&mut self) {
        let (start, line) = (self.at, self.line);
        while self.see(0).is_alphanumeric() || self.see(0) == '_' {
            self.skip(1);
        }
        let word: String = self.chars[start..self.at].iter().collect();
        let raw = ["r", "br", "cr"].contains(&word.as_str());
        match self.see(0) {
            '"' if raw => return self.raw_string(),
            '#' if raw => {
                let hashes = (0..).take_while(|i| self.see(*i) == '#').count();
                if self.see(hashes) == '"' {
                    return self.raw_string();
                }
                if word == "r" && hashes == 1 {
                    // `r#type` is the word `type`.
                    self.skip(1);
                    return self.word();
                }
            }
            '"' if ["b", "c"].contains(&word.as_str()) => return self.string(),
            '\'' if word == "b" => return self.quote(),
            _ => {}
        }
        self.tokens.push((line, Token::Word(word)));
    }

    fn raw_string(&mut self) {
        let hashes = (0..).take_while(|i| self.see(*i) == '#').count();
        self.skip(hashes + 1);
        while self.at < self.chars.len() {
            let closes = self.see(0) == '"' && (1..=hashes).all(|i| self.see(i) == '#');
            self.skip(1);
            if closes {
                return self.skip(hashes);
            }
        }
    }
}

#[test]
fn only_code_is_seen() {
    let source = r####"
        // crate::a
        /* crate::b /* crate::c */ crate::d */
        let s = "crate::e \" crate::f"; let r = r#"crate::g " crate::h"#; let b = br"crate::i";
        let c = '"'; let l: &'static str = x; let q = '\''; let u = '\u{1F600}'; let y = b'"';
        crate :: real
    "####;
    let words: Vec<String> = tokens(source)
        .into_iter()
        .filter_map(|(_, t)| match t {
            Token::Word(w) => Some(w),
            _ => None,
        })
        .collect();
    let wanted = [
        "let", "s", "let", "r", "let", "b", "let", "c", "let", "l", "str", "x", "let", "q", "let", "u", "let", "y",
        "crate", "real",
    ];
    assert_eq!(words, wanted);
    let lines: Vec<usize> = tokens("a\n\"x\ny\"\nb").into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 4]);
}
