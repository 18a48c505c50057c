//! What Slack tells of a bot and its place, for the check.

use crate::channel::wire::{Wire, bearer};
use crate::channel::{Finding, State, ask};
use crate::domain::settings::Secret;
use crate::domain::verdict::Answer;
use serde_json::Value;

/// Whose token it is, and whether the bot is where it is to write.
pub(super) async fn of_bot(wire: &Wire, url: &str, token: &Secret, channel: &str) -> Vec<Finding> {
    let headers = bearer(token.expose()).unwrap_or_default();
    let tested = wire.post_form(&format!("{url}/auth.test"), headers.clone(), &[]).await;
    let mut findings = vec![bot_found(&tested)];
    if findings.iter().all(|found| found.state == State::Fine) {
        findings.push(if is_id(channel) {
            let info = wire.post_form(&format!("{url}/conversations.info"), headers, &[("channel", channel)]).await;
            place_found(&info, channel, scopes(&tested))
        } else {
            Finding::not_asked("channel", format!("{channel} is a name: Slack tells of ids (C…) only"))
        });
    }
    findings
}

/// What the token may do, told in a header of every answer.
fn scopes(answer: &Answer) -> &str {
    answer.header("x-oauth-scopes").unwrap_or("chat:write")
}

fn may(scopes: &str, scope: &str) -> bool {
    scopes.split(',').any(|one| one.trim() == scope)
}

/// As Slack writes ids of channels: public, private.
fn is_id(channel: &str) -> bool {
    let rest = channel.strip_prefix(['C', 'G']).unwrap_or_default();
    rest.len() >= 6 && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn no_ok(body: &Value) -> bool {
    body.get("ok").and_then(Value::as_bool) != Some(true)
}

/// What `auth.test` tells: whose token it is and, in a header, what it may do.
fn bot_found(answer: &Answer) -> Finding {
    match ask::document(answer, no_ok) {
        Err(no) => no.trouble("account", "install the app anew and copy its bot token"),
        Ok(_) if !may(scopes(answer), "chat:write") => {
            Finding::trouble("account", "the token lacks chat:write", "grant it and install the app anew")
        }
        Ok(body) => Finding::fine("account", format!("{} in {}", ask::text(&body, "/user"), ask::text(&body, "/team"))),
    }
}

/// What `conversations.info` tells (Slack's reference of the method, read 2026-11-25): whether the bot is in the channel,
/// or need not be.
fn place_found(answer: &Answer, channel: &str, scopes: &str) -> Finding {
    const ABOUT: &str = "channel";
    const INVITE: &str = "invite the bot: /invite @app in the channel";
    let body = match ask::document(answer, no_ok) {
        Ok(body) => body,
        Err(no) => {
            return match ask::text(&no.body, "/error") {
                "missing_scope" => {
                    let why =
                        format!("the token may not read whether the bot is in {channel} (channels:read, groups:read)");
                    Finding::not_asked(ABOUT, why)
                }
                "channel_not_found" => {
                    let said = format!("{channel} is no channel that this bot sees");
                    Finding::trouble(ABOUT, said, "write the channel's id; into a private one the bot must be invited")
                }
                _ => no.trouble(ABOUT, "write the channel's id"),
            };
        }
    };
    let is = |key: &str| body.pointer(&format!("/channel/{key}")).and_then(Value::as_bool) == Some(true);
    let name = format!("{channel} #{}", ask::text(&body, "/channel/name"));
    if is("is_archived") {
        return Finding::trouble(ABOUT, format!("{name} is archived"), "write another channel's id");
    }
    let open = may(scopes, "chat:write.public") && !is("is_private");
    match is("is_member") || open {
        true => Finding::fine(ABOUT, name),
        false => Finding::trouble(ABOUT, format!("the bot is not in {name}"), INVITE),
    }
}
