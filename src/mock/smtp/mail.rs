//! A mail as a person reads it: decoded headers, plain text, HTML.

use crate::mock::book::Taken;
use mailparse::{MailHeaderMap, ParsedMail};

/// Fills in what the mail in `taken.body` says. A body that is no mail is kept as it is.
pub(super) fn open(taken: &mut Taken) {
    let Ok(mail) = mailparse::parse_mail(&taken.body) else { return };
    let headers = mail.headers.iter().map(|h| (h.get_key().to_ascii_lowercase(), h.get_value())).collect();
    let title = mail.headers.get_first_value("Subject").unwrap_or_default();
    let key = mail.headers.get_first_value("Message-ID");
    let html = part(&mail, "text/html");
    let text = part(&mail, "text/plain").unwrap_or_default();
    taken.headers = headers;
    taken.title = title;
    taken.key = key;
    taken.html = html;
    taken.text = text.replace("\r\n", "\n").trim_end().to_string();
}

/// The first part of this kind.
fn part(mail: &ParsedMail<'_>, kind: &str) -> Option<String> {
    mail.parts().find(|part| part.ctype.mimetype.eq_ignore_ascii_case(kind)).and_then(|part| part.get_body().ok())
}
