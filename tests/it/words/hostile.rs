//! Data that wants to be more than data.

use orderwire::domain::channel::Audience;
use orderwire::domain::milestone::Subject;
use orderwire::words::{LOCALES, Words, built_in_milestones, sample};

const ATTACKS: &[&str] = &[
    "{{7*7}}",
    "{% for x in range(999999) %}x{% endfor %}",
    "{{ order.customer }}{# #}",
    "\u{202e}gnihtemos\u{202c}\u{200f}",
    "line\r\nBcc: everyone@example.com",
    "<!channel> @everyone <b>x</b> *b* [x](javascript:alert(1))",
    "\u{0}\u{1b}[31mred\u{7}",
    "https://evil.example/login",
];

fn attacked(locale: &'static str, attack: &str) -> sample::Sample {
    let mut sample = sample::full(locale);
    let text = Some(attack.to_string());
    let order = &mut sample.order;
    let head = &mut order.head.as_mut().expect("a head").value;
    head.name = attack.into();
    (head.contact.first_name, head.contact.last_name) = (text.clone(), text.clone());
    head.payment_method = text.clone();
    head.source.store_name = text.clone();
    head.status_url = text.clone();
    head.tags = vec![attack.into()];
    head.items.iter_mut().for_each(|i| (i.title, i.image) = (attack.into(), text.clone()));
    order.cancel_reason = text.clone();
    let pay = &mut order.pay.as_mut().expect("how to pay").value;
    (pay.url, pay.account, pay.bank_code, pay.store_code) = (text.clone(), text.clone(), text.clone(), text.clone());
    pay.barcodes = vec![attack.into()];
    for parcel in &mut order.parcels {
        for tracking in &mut parcel.tracking {
            (tracking.number, tracking.carrier, tracking.url) = (attack.into(), text.clone(), text.clone());
        }
    }
    for part in &mut order.returns {
        (part.name, part.decline_note) = (text.clone(), text.clone());
        let label = &mut part.label.as_mut().expect("a label").value;
        (label.url, label.carrier, label.number) = (text.clone(), text.clone(), text.clone());
    }
    order.notes.iter_mut().for_each(|n| n.text = attack.into());
    let mut store = order.pickup.now().expect("a store").clone();
    (store.name, store.chain, store.address) = (text.clone(), text.clone(), text);
    order.pickup = Default::default();
    order.pickup.see(store, sample.now);
    sample.links.status = Some(attack.into());
    sample.links.page = Some(attack.into());
    sample.links.connect = Some(attack.into());
    sample
}

fn every_message(words: &Words, attack: &str, check: impl Fn(&str, &orderwire::domain::channel::Message)) {
    for locale in LOCALES {
        let sample = attacked(locale, attack);
        for milestone in built_in_milestones() {
            let subject = sample::subject(milestone);
            for audience in [Audience::Customer, Audience::Staff] {
                let mut telling = sample.telling(milestone, &[], &subject);
                telling.audience = audience;
                let message = words.render(&telling).unwrap_or_else(|e| panic!("{milestone} {attack:?}: {e}"));
                check(milestone, &message);
            }
        }
    }
}

#[test]
fn values_are_data_and_nothing_else() {
    let words = super::built_in();
    for attack in ATTACKS {
        every_message(&words, attack, |milestone, message| {
            let all = format!("{}\n{}", message.title, message.body);
            let allowed = |c: char| c == '\n' || !c.is_control();
            assert!(all.chars().all(allowed), "{milestone}: control characters of {attack:?}");
            assert!(!all.contains(['\u{202e}', '\u{202c}', '\u{200f}']), "{milestone}: {attack:?}");
            assert!(!message.title.contains('\n'), "{milestone}: {attack:?} broke the title");
            assert!(!all.contains("49"), "{milestone}: {attack:?} was calculated");
            for button in &message.buttons {
                assert!(button.url.starts_with("https://"), "{milestone}: {}", button.url);
            }
            assert!(message.image.as_deref().is_none_or(|i| i.starts_with("https://")));
        });
    }
}

#[test]
fn a_template_in_a_value_is_shown_as_it_is() {
    let words = super::built_in();
    let sample = attacked("en", "{{7*7}}");
    let message = words.render(&sample.telling("order_placed", &[], &Subject::Order)).expect("it renders");
    assert!(message.title.contains("{{7*7}}"), "{}", message.title);
    let note = Subject::Note("n1".into());
    let message = words.render(&sample.telling("customer_note", &[], &note)).expect("it renders");
    assert_eq!(message.body, "{{7*7}}");
}

#[test]
fn very_long_values_are_cut_between_characters() {
    let words = super::built_in();
    for attack in
        ["長".repeat(10_000), "👨‍👩‍👧‍👦".repeat(10_000), format!("a{}", "\u{301}".repeat(10_000)), " ".repeat(10_000)]
    {
        every_message(&words, &attack, |milestone, message| {
            assert!(message.title.chars().count() < 1200, "{milestone}: a title of {}", message.title.chars().count());
            assert!(message.body.chars().count() < 20_000, "{milestone}: {}", message.body.chars().count());
            assert!(!message.title.is_empty(), "{milestone}: nothing left of the title");
        });
    }
}

#[test]
fn an_address_in_a_name_is_no_name() {
    let dir = super::own_files::folder(&[(
        "en/order_placed.toml",
        "body = \"Hello {{ order.customer.first_name or 'you' }}.\"",
    )]);
    let words = super::load(Some(dir.path())).expect("sound words");
    let sample = attacked("en", "evil.example");
    let message = words.render(&sample.telling("order_placed", &[], &Subject::Order)).expect("it renders");
    assert_eq!(message.body, "Hello you.");
}

#[test]
fn markup_in_an_html_section_is_escaped() {
    let dir = super::own_files::folder(&[(
        "en/customer_note.toml",
        "[email]\nsubject = \"{{ order.name }}\"\nhtml = \"<p>{{ note.text or '-' }}</p>\"",
    )]);
    let words = super::load(Some(dir.path())).expect("sound words");
    let sample = attacked("en", "<script>x</script>");
    let note = Subject::Note("n1".into());
    let mut telling = sample.telling("customer_note", &[], &note);
    telling.section = "email";
    let message = words.render(&telling).expect("it renders");
    assert_eq!(message.extra["html"], "<p>&lt;script&gt;x&lt;&#x2f;script&gt;</p>");
    assert_eq!(message.extra["subject"], "<script>x</script>");
}
