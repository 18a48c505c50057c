//! Markup in text from a shop: tags and entities, in one place for all shop systems.

/// Longest tag recognised as one, in bytes: a `<` without its `>` must not make every later one search far.
const TAG_MAX: usize = 1024;

/// Removes tags. Ends of blocks become line ends, a link's address follows its words in brackets.
pub(in crate::platform) fn strip(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    let mut link: Option<(String, usize)> = None;
    // Behind the last `>` no tag ends any more, and none is looked for.
    let last = html.rfind('>').unwrap_or(0);
    while let Some((before, after)) = rest.split_once('<').filter(|(_, after)| html.len() - after.len() <= last) {
        out.push_str(before);
        let Some((tag, tail)) = split_tag(after) else {
            out.push('<');
            rest = after;
            continue;
        };
        rest = tail;
        match tag_name(tag).as_str() {
            name @ ("script" | "style") => rest = after_closing(tail, name),
            "br" | "p" | "/p" | "div" | "/div" | "tr" | "/tr" | "/ul" | "/ol" | "h1" | "h2" | "h3" | "/h1" | "/h2"
            | "/h3" => out.push('\n'),
            "li" => out.push_str("\n- "),
            "a" => link = href(tag).map(|url| (url, out.len())),
            "/a" => close_link(&mut out, link.take()),
            _ => {}
        }
    }
    out.push_str(rest);
    out
}

/// Splits what follows a `<` at the end of its tag; `None` where it is no tag but text.
fn split_tag(after: &str) -> Option<(&str, &str)> {
    let first = after.chars().next()?;
    if !(first.is_ascii_alphabetic() || matches!(first, '/' | '!' | '?')) {
        return None;
    }
    if let Some(comment) = after.strip_prefix("!--") {
        return comment.split_once("-->");
    }
    let mut quote: Option<char> = None;
    for (i, c) in after.char_indices().take_while(|(i, _)| *i < TAG_MAX) {
        match (quote, c) {
            (None, '>') => return after.split_at_checked(i).and_then(|(tag, end)| Some((tag, end.strip_prefix('>')?))),
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if c == q => quote = None,
            _ => {}
        }
    }
    None
}

/// The tag's name in lower case, with its slash where it closes.
fn tag_name(tag: &str) -> String {
    let (slash, name) = tag.strip_prefix('/').map_or(("", tag), |name| ("/", name));
    let name: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!("{slash}{}", name.to_ascii_lowercase())
}

/// What follows the closing tag of an element whose content is not text; nothing where it is never closed.
fn after_closing<'a>(tail: &'a str, name: &str) -> &'a str {
    let mut rest = tail;
    while let Some((_, after)) = rest.split_once("</") {
        let candidate = after.get(..name.len()).unwrap_or_default();
        if candidate.eq_ignore_ascii_case(name) {
            return after.split_once('>').map_or("", |(_, tail)| tail);
        }
        rest = after;
    }
    ""
}

/// The address of an `<a …>`, web addresses only.
fn href(tag: &str) -> Option<String> {
    let at = tag.to_ascii_lowercase().find("href")?;
    let value = tag.get(at + 4..)?.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let url = match quote {
        Some(q) => value.strip_prefix(q)?.split(q).next()?,
        None => value.split(|c: char| c.is_whitespace()).next()?,
    };
    (url.starts_with("https://") || url.starts_with("http://")).then(|| url.to_string())
}

/// Adds a link's address behind its words, unless the words are the address.
fn close_link(out: &mut String, link: Option<(String, usize)>) {
    let Some((url, from)) = link else { return };
    let words = out.get(from..).unwrap_or_default().trim();
    if words == url {
        return;
    }
    let addition = if words.is_empty() { url } else { format!(" ({url})") };
    out.push_str(&addition);
}

/// Replaces entities in one pass; what is no entity stays as it is.
pub(in crate::platform) fn decode(text: &str, known: fn(&str) -> Option<char>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        // The longest name below has eight letters; numbers may be padded with zeros.
        let end = after.char_indices().take(12).find(|(_, c)| *c == ';').map(|(i, _)| i);
        let entity = end.and_then(|i| after.split_at_checked(i));
        match entity.and_then(|(name, tail)| Some((known(name)?, tail.strip_prefix(';')?))) {
            Some((c, tail)) => {
                out.push(c);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The entities that shop systems and their plugins write into texts, and all numeric ones.
pub(in crate::platform) fn named(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" | "ensp" | "emsp" | "thinsp" => ' ',
        "times" => '×',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "laquo" => '«',
        "raquo" => '»',
        "bull" => '•',
        "middot" => '·',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "deg" => '°',
        "euro" => '€',
        "pound" => '£',
        "yen" => '¥',
        "rarr" => '→',
        "larr" => '←',
        _ => return numeric(name),
    })
}

/// `#x27`, `#39`.
pub(in crate::platform) fn numeric(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let code = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse::<u32>(),
    };
    code.ok().and_then(char::from_u32)
}
