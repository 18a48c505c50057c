//! `mock`: the providers' understudies on this machine, for trying settings out and for a shop's own CI.

use super::{Status, out};
use crate::mock::{Mock, MockOptions, WhatsAppTemplate};
use clap::Args as ClapArgs;
use std::net::SocketAddr;

/// `mock`.
#[derive(ClapArgs)]
pub struct Args {
    /// Where all providers but SMTP, and the control calls, listen.
    #[arg(long, default_value = "127.0.0.1:8090")]
    http: SocketAddr,
    /// Where SMTP listens.
    #[arg(long, default_value = "127.0.0.1:8025")]
    smtp: SocketAddr,
    /// Public address of the relay, for callbacks (http://127.0.0.1:8080).
    #[arg(long, value_name = "URL")]
    relay: Option<String>,
    /// LINE: access token and channel secret of the account.
    #[arg(long, value_name = "TOKEN", default_value = "line-token")]
    line_token: String,
    /// LINE: channel secret.
    #[arg(long, value_name = "SECRET", default_value = "line-channel-secret")]
    line_secret: String,
    /// LINE: messages that the account may still send this month; left out: no limit.
    #[arg(long, value_name = "MESSAGES")]
    line_quota: Option<u64>,
    /// Messenger: id of the page.
    #[arg(long, value_name = "ID", default_value = "100000000000001")]
    page_id: String,
    /// Messenger: access token of the page.
    #[arg(long, value_name = "TOKEN", default_value = "page-token")]
    page_token: String,
    /// Messenger: app secret.
    #[arg(long, value_name = "SECRET", default_value = "app-secret")]
    app_secret: String,
    /// Messenger: an approved utility template, NAME:LANGUAGE; may be given several times.
    #[arg(long = "template", value_name = "NAME:LANGUAGE")]
    templates: Vec<String>,
    /// WhatsApp: id of the business number.
    #[arg(long, value_name = "ID", default_value = "200000000000002")]
    whatsapp_number_id: String,
    /// WhatsApp: access token of the system user. Its app secret is Messenger's.
    #[arg(long, value_name = "TOKEN", default_value = "whatsapp-token")]
    whatsapp_token: String,
    /// WhatsApp: an approved template, NAME:LANGUAGE:PARAMETERS of its body; may be given several times.
    #[arg(long = "whatsapp-template", value_name = "NAME:LANGUAGE:N", value_parser = whatsapp_template)]
    whatsapp_templates: Vec<WhatsAppTemplate>,
    /// Outgoing webhooks: the secret with which they must be signed.
    #[arg(long, value_name = "SECRET", default_value = WEBHOOK_SECRET)]
    webhook_secret: String,
    /// Twilio: account SID.
    #[arg(long, value_name = "SID", default_value = "AC00000000000000000000000000000000")]
    twilio_sid: String,
    /// Twilio: auth token.
    #[arg(long, value_name = "TOKEN", default_value = "twilio-token")]
    twilio_token: String,
    /// Twilio: an approved Content template, by SID; may be given several times.
    #[arg(long = "content", value_name = "SID")]
    contents: Vec<String>,
    /// Twilio: the relay's server.public_url, which inbound messages are signed for.
    #[arg(long, value_name = "URL", default_value = "https://notify.example.com")]
    public_url: String,
    /// Mitake: user name.
    #[arg(long, value_name = "NAME", default_value = "mitake")]
    mitake_user: String,
    /// Mitake: password.
    #[arg(long, value_name = "PASSWORD", default_value = "mitake-password")]
    mitake_password: String,
}

fn whatsapp_template(text: &str) -> Result<WhatsAppTemplate, String> {
    let mut parts = text.split(':');
    let (name, language, count) = (parts.next(), parts.next(), parts.next().and_then(|n| n.parse().ok()));
    match (name, language, count, parts.next()) {
        (Some(name), Some(language), Some(count), None) => Ok((name.into(), language.into(), count)),
        _ => Err("write it like order_shipped:zh_TW:2".into()),
    }
}

/// What accounts of these must say, as they are played: who, setting, value.
fn keys(options: &MockOptions) -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("LINE", "access_token", options.line.token.clone()),
        ("LINE", "channel_secret", options.line.channel_secret.clone()),
        ("Messenger", "page_id", options.messenger.page_id.clone()),
        ("Messenger", "access_token", options.messenger.access_token.clone()),
        ("Messenger and WhatsApp", "app_secret", options.messenger.app_secret.clone()),
        ("WhatsApp", "phone_number_id", options.whatsapp.phone_number_id.clone()),
        ("WhatsApp", "access_token", options.whatsapp.access_token.clone()),
        ("WhatsApp", "business_account_id", options.whatsapp.business_account_id.clone()),
        ("Instagram", "account_id", options.instagram.account_id.clone()),
        ("Instagram", "access_token", options.instagram.access_token.clone()),
        ("Instagram", "app_secret", options.instagram.app_secret.clone()),
        ("Telegram", "bot_token", options.telegram.token.clone()),
        ("Telegram", "webhook_secrets", options.telegram.webhook_secret.clone()),
        ("Viber", "auth_token", options.viber.token.clone()),
        ("WeChat", "app_id", options.wechat.app_id.clone()),
        ("WeChat", "app_secret", options.wechat.app_secret.clone()),
        ("WeChat", "token", options.wechat.token.clone()),
        ("WeChat", "encoding_aes_key", options.wechat.encoding_aes_key.clone()),
        ("WeChat", "the approved template_id", options.wechat.templates.join(", ")),
        ("WeChat", "the approved subscription.template_id", options.wechat.subscriptions.join(", ")),
        ("WooCommerce", "[shop.api] key", options.shop.woo_key.0.clone()),
        ("WooCommerce", "[shop.api] secret", options.shop.woo_key.1.clone()),
        ("Shopify", "domain", options.shop.domain.clone()),
        ("Shopify", "secrets", options.shop.client_secret.clone()),
        ("Shopify", "[shop.api] secret", options.shop.token.clone()),
        ("Twilio", "account_sid", options.twilio.account_sid.clone()),
        ("Twilio", "auth_token", options.twilio.auth_token.clone()),
        ("Zalo", "app_id", options.zalo.app_id.clone()),
        ("Zalo", "app_secret", options.zalo.app_secret.clone()),
        ("Zalo", "oa_id", options.zalo.oa_id.clone()),
        ("Zalo", "oa_secret_key", options.zalo.oa_secret_key.clone()),
        ("Zalo", "refresh_token", options.zalo.refresh_token.clone()),
    ]
}

/// Of the mock alone: it is printed.
const WEBHOOK_SECRET: &str = "whsec_bW9jay13ZWJob29rLXNlY3JldC0wMTIzNDU2Nzg5";

/// Plays until told to stop.
pub async fn run(args: &Args) -> anyhow::Result<Status> {
    crate::channel::install_tls();
    let mut options =
        MockOptions { http: args.http, smtp: args.smtp, relay: args.relay.clone(), ..MockOptions::default() };
    options.line.token.clone_from(&args.line_token);
    options.line.channel_secret.clone_from(&args.line_secret);
    options.line.quota = args.line_quota;
    options.messenger.page_id.clone_from(&args.page_id);
    options.messenger.access_token.clone_from(&args.page_token);
    options.messenger.app_secret.clone_from(&args.app_secret);
    options.webhook.secrets = vec![args.webhook_secret.clone()];
    options.messenger.templates = args
        .templates
        .iter()
        .filter_map(|t| t.split_once(':'))
        .map(|(name, language)| (name.to_string(), language.to_string()))
        .collect();
    options.whatsapp.phone_number_id.clone_from(&args.whatsapp_number_id);
    options.whatsapp.access_token.clone_from(&args.whatsapp_token);
    options.whatsapp.app_secret.clone_from(&args.app_secret);
    options.whatsapp.templates.clone_from(&args.whatsapp_templates);
    options.twilio.account_sid.clone_from(&args.twilio_sid);
    options.twilio.auth_token.clone_from(&args.twilio_token);
    options.twilio.contents.clone_from(&args.contents);
    options.twilio.public_url.clone_from(&args.public_url);
    options.mitake.username.clone_from(&args.mitake_user);
    options.mitake.password.clone_from(&args.mitake_password);
    let keys = keys(&options);
    let mock = Mock::start(options).await?;
    out::line(&format!("both shops: [shop.api] url = \"{}\"", mock.http_url()));
    out::line(&format!("messengers, Twilio: api_url = \"{}\"", mock.http_url()));
    out::line(&format!("Mitake: api_url = \"{}\"", mock.mitake_api_url()));
    keys.iter().for_each(|(who, key, value)| out::line(&format!("{who}: {key} is {value}")));
    out::line(&format!("Slack: webhook_url = {{ value = \"{}\" }}", mock.slack_webhook_url()));
    out::line(&format!("Teams: webhook_url = {{ value = \"{}\" }}", mock.teams_url()));
    out::line(&format!("Discord: webhook_url = {{ value = \"{}\" }}", mock.discord_url()));
    out::line(&format!("Google Chat: webhook_url = {{ value = \"{}\" }}", mock.google_chat_url()));
    out::line(&format!(
        "webhook: url = {{ value = \"{}\" }}, loopback = true, secrets = [{{ value = \"{}\" }}]",
        mock.webhook_url(),
        args.webhook_secret
    ));
    out::line(&format!(
        "e-mail: host = \"{}\", port = {}, tls = \"none\"",
        mock.smtp_addr().ip(),
        mock.smtp_addr().port()
    ));
    out::line(&format!("what was received: {}/sent", mock.http_url()));
    tokio::signal::ctrl_c().await?;
    mock.stop();
    Ok(Status::Done)
}
