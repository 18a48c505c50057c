//! The languages words exist in, and which of them suits somebody.

/// The languages, in the order in which they are documented; the first is the last resort. A language more
/// is a row here, a line in `built_in`, a folder under `config/templates`, and its habits in `money` and
/// `date`.
pub const ALL: [&str; 4] = ["en", "zh-TW", "zh-CN", "vi"];

/// The best language for a list of wishes, most wanted first (`zh-Hant-HK`, `vi_VN`, `fr`).
pub(super) fn best(wanted: &[&str]) -> &'static str {
    wanted.iter().find_map(|w| of(w)).unwrap_or(ALL[0])
}

/// The language for one tag, if there is one.
fn of(tag: &str) -> Option<&'static str> {
    let tag = tag.trim().to_ascii_lowercase().replace('_', "-");
    let mut parts = tag.split('-');
    match parts.next()? {
        "en" => Some("en"),
        "vi" => Some("vi"),
        // The script, where it is named, says more than the region: zh-Hans-HK reads simplified.
        "zh" => {
            let rest: Vec<&str> = parts.collect();
            let traditional = match rest.first() {
                Some(&"hant") => true,
                Some(&"hans") => false,
                _ => rest.iter().any(|p| matches!(*p, "tw" | "hk" | "mo")),
            };
            Some(if traditional { "zh-TW" } else { "zh-CN" })
        }
        _ => None,
    }
}

/// How the names of two things that are told together are joined.
pub(super) fn and(locale: &str) -> &'static str {
    match locale {
        "zh-TW" | "zh-CN" => "、",
        _ => ", ",
    }
}

/// What ends a sentence.
pub(super) fn full_stop(locale: &str) -> &'static str {
    match locale {
        "zh-TW" | "zh-CN" => "。",
        _ => ".",
    }
}

/// What stands between two sentences.
pub(super) fn between_sentences(locale: &str) -> &'static str {
    match locale {
        "zh-TW" | "zh-CN" => "",
        _ => " ",
    }
}

#[cfg(test)]
mod tests {
    use super::best;

    #[test]
    fn wishes_find_the_nearest_language() {
        for (wanted, expected) in [
            (&["zh-TW"][..], "zh-TW"),
            (&["zh-Hant"], "zh-TW"),
            (&["zh-Hant-HK"], "zh-TW"),
            (&["zh_HK"], "zh-TW"),
            (&["zh-MO"], "zh-TW"),
            (&["zh"], "zh-CN"),
            (&["zh-Hans-HK"], "zh-CN"),
            (&["zh-SG"], "zh-CN"),
            (&["vi-VN"], "vi"),
            (&["fr-FR", "vi"], "vi"),
            (&["", "en-GB"], "en"),
            (&["de"], "en"),
            (&[], "en"),
        ] {
            assert_eq!(best(wanted), expected, "{wanted:?}");
        }
    }
}
