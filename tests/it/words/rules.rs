//! What no message may look like, over every milestone, language, sample order and join.

use orderwire::domain::channel::{Audience, Message};
use orderwire::domain::milestone::Subject;
use orderwire::words::{LOCALES, built_in_milestones, sample};
use std::collections::HashSet;
use std::sync::LazyLock;

/// Characters that only one of the two Chinese scripts uses, common in these messages.
const SIMPLIFIED: &str = "单货发运递签请时订购户达门节约联系问题这个来们还没处于换选择过给对会说开关点击查询谢该并动";
const TRADITIONAL: &str = "單貨發運遞簽請時訂購戶達門節約聯繫問題這個來們還沒處於換選擇過給對會說開關點擊查詢謝該並動";

/// A message, and how it came about.
struct Case {
    place: String,
    locale: &'static str,
    staff: bool,
    message: Message,
}

/// Every different message that the built-in words can make of the sample orders.
static ALL: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let words = super::built_in();
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for locale in LOCALES {
        let proofs = sample::proofs(locale);
        for milestone in built_in_milestones() {
            let own = sample::subject(milestone);
            let joins = sample::joins(milestone).iter().map(|j| (*j, &own, Audience::Customer));
            let others = [(&[][..], &Subject::Order, Audience::Customer), (&[][..], &own, Audience::Staff)];
            for (joined, subject, audience) in joins.chain(others) {
                for proof in proofs.iter().filter(|p| joined.is_empty() || sample::is_whole(p)) {
                    let mut telling = proof.telling(milestone, joined, subject);
                    telling.audience = audience;
                    let place = format!("{locale} {milestone} {joined:?} {} {audience:?}", proof.name);
                    let message = words.render(&telling).unwrap_or_else(|e| panic!("{place}: {e}"));
                    if seen.insert(format!("{audience:?} {message:?}")) {
                        all.push(Case { place, locale, staff: audience == Audience::Staff, message });
                    }
                }
            }
        }
    }
    all
});

fn each(check: impl Fn(&str, &'static str, &Message)) {
    assert!(ALL.len() > 1000, "only {} messages", ALL.len());
    ALL.iter().for_each(|case| check(&case.place, case.locale, &case.message));
}

fn texts(message: &Message) -> Vec<&str> {
    let labels = message.buttons.iter().map(|b| b.label.as_str());
    [message.title.as_str(), message.body.as_str()].into_iter().chain(labels).collect()
}

#[test]
fn the_built_in_words_prove_without_a_mistake() {
    let mistakes = super::built_in().prove_all();
    let shown: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn no_message_shows_a_seam() {
    each(|place, _, message| {
        assert!(!message.title.is_empty() && !message.body.is_empty(), "{place}: an empty text");
        for text in texts(message) {
            for bad in ["None", "none", "undefined", "{{", "{%", "  ", "\n\n\n", " .", " ,", "..", "。。", ",,", "()"]
            {
                assert!(!text.contains(bad), "{place}: {bad:?} in {text:?}");
            }
            assert!(!text.contains("NT$") || !text.contains(".00"), "{place}: decimals in {text:?}");
            for line in text.lines() {
                assert_eq!(line, line.trim(), "{place}: blanks around {line:?}");
                for link in line.split("https://").skip(1) {
                    let end = link.split_whitespace().next().unwrap_or_default().chars().last();
                    assert!(
                        end.is_some_and(|c| c.is_ascii_alphanumeric()),
                        "{place}: {end:?} after a link in {line:?}"
                    );
                }
            }
        }
    });
}

#[test]
fn titles_fit_the_first_line_of_a_phone() {
    for Case { place, locale, message, .. } in ALL.iter().filter(|c| !c.staff) {
        let (limit, length) = (if locale.starts_with("zh") { 40 } else { 80 }, message.title.chars().count());
        assert!(length <= limit, "{place}: {length} characters in {:?}", message.title);
    }
}

#[test]
fn each_chinese_keeps_its_own_script() {
    each(|place, locale, message| {
        let foreign = match locale {
            "zh-TW" => SIMPLIFIED,
            "zh-CN" => TRADITIONAL,
            _ => return,
        };
        // Some characters are the same in both.
        let shared = |c: char| SIMPLIFIED.contains(c) && TRADITIONAL.contains(c);
        for text in texts(message) {
            let found = text.chars().find(|c| foreign.contains(*c) && !shared(*c));
            assert_eq!(found, None, "{place}: {text:?}");
        }
    });
}

#[test]
fn chinese_punctuation_is_full_width_between_chinese_words() {
    each(|place, locale, message| {
        if !locale.starts_with("zh") {
            return;
        }
        let han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        for text in texts(message) {
            let chars: Vec<char> = text.chars().collect();
            let half = chars.windows(2).find(|w| han(w[0]) && matches!(w[1], '.' | ';' | '!' | '?'));
            assert_eq!(half, None, "{place}: {text:?}");
        }
    });
}

#[test]
fn other_languages_do_not_leak() {
    each(|place, locale, message| {
        for text in texts(message) {
            let han = text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            let english = [" your ", "order ", "Order ", "parcel", "please", " the "].iter().any(|w| text.contains(w));
            match locale {
                "en" => assert!(!han, "{place}: {text:?}"),
                "vi" => assert!(!han && !english, "{place}: {text:?}"),
                _ => assert!(!english, "{place}: {text:?}"),
            }
        }
    });
}

#[test]
fn vietnamese_addresses_the_reader_in_one_way() {
    each(|place, locale, message| {
        if locale == "vi" {
            let mixed = message.body.split(|c: char| !c.is_alphabetic()).any(|w| w.eq_ignore_ascii_case("bạn"));
            assert!(!mixed, "{place}: bạn beside quý khách in {:?}", message.body);
        }
    });
}

#[test]
fn what_is_told_together_is_said_together() {
    let words = super::built_in();
    for locale in LOCALES {
        let full = sample::full(locale);
        for milestone in built_in_milestones() {
            let subject = sample::subject(milestone);
            let alone = words.render(&full.telling(milestone, &[], &subject)).expect("it renders");
            for other in built_in_milestones().into_iter().filter(|o| *o != milestone) {
                let joined = [milestone, other];
                let both = words.render(&full.telling(milestone, &joined, &subject)).expect("it renders");
                let more = both.title != alone.title || both.body != alone.body;
                assert!(more, "{locale}: {milestone} told with {other} says nothing of {other}");
            }
        }
    }
}

#[test]
fn staff_never_get_the_customers_own_pages() {
    let words = super::built_in();
    for locale in LOCALES {
        let mut full = sample::full(locale);
        full.links.status = None;
        for milestone in built_in_milestones() {
            let subject = sample::subject(milestone);
            let mut telling = full.telling(milestone, &[], &subject);
            telling.audience = Audience::Staff;
            let message = words.render(&telling).expect("it renders");
            assert!(!format!("{message:?}").contains("key="), "{locale} {milestone}");
            assert!(message.title.contains("#1001"), "{locale} {milestone}: staff must see which order");
        }
    }
}

#[test]
fn reasons_that_are_nobodys_business_are_not_said() {
    let words = super::built_in();
    for locale in LOCALES {
        let mut order = sample::full(locale);
        let mut said = Vec::new();
        for reason in [None, Some("fraud"), Some("declined"), Some("staff"), Some("other")] {
            order.order.cancel_reason = reason.map(String::from);
            said.push(words.render(&order.telling("cancelled", &[], &Subject::Order)).expect("it renders"));
        }
        assert!(said.windows(2).all(|w| w[0] == w[1]), "{locale}: {said:?}");
    }
}

#[test]
fn the_amount_is_that_of_what_is_told() {
    let words = super::built_in();
    let mut full = sample::full("zh-TW");
    let mut second = full.order.refunds[0].clone();
    second.id = "r2".into();
    full.order.refunds.push(second);
    for (milestone, joined, subject, amount) in [
        ("partially_refunded", &[][..], Subject::Refund("r2".into()), "NT$350"),
        ("refunded", &[], Subject::Refund("order".into()), "NT$700"),
        ("cancelled", &["refunded"], Subject::Order, "NT$700"),
        ("payment_received", &[], Subject::Transaction("paid".into()), "NT$1,200"),
        ("payment_partially_received", &[], Subject::Transaction("partial".into()), "NT$500"),
    ] {
        let message = words.render(&full.telling(milestone, joined, &subject)).expect("it renders");
        assert!(message.body.contains(amount), "{milestone} {subject:?}: {amount} in {:?}", message.body);
    }
    let message = words.render(&full.telling("payment_authorized", &["payment_received"], &Subject::Order));
    let message = message.expect("it renders");
    assert!(!message.body.contains("尚未請款"), "paid and yet not charged: {:?}", message.body);
}
