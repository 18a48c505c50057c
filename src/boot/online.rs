//! Asks the provider of every configured account what it says of credentials, callback and templates. Reads only:
//! nothing is sent to anybody, nothing is changed at a provider, no token that works once is used.

use super::rehearse::address;
use super::{Settings, seal};
use crate::channel::{Finding, Question, Wanted};
use crate::domain::channel::{Audience, Errand, Form, Message, Reference, ShapeFault};
use crate::domain::ids::ChannelId;
use crate::domain::keeper::Keeper;
use crate::flow::account::Account;
use crate::flow::live::{Live, Shop};
use crate::milestone;
use crate::store::Store;
use crate::store::settings::StoreSettings;
use crate::words::{LOCALES, sample};
use futures_util::future::{BoxFuture, join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Longest for one account, all its questions together.
const LONGEST: Duration = Duration::from_secs(60);

/// What was found of one account.
pub struct Asked {
    /// The account.
    pub channel: ChannelId,
    /// Its kind.
    pub kind: &'static str,
    /// One for each thing that was asked about.
    pub findings: Vec<Finding>,
}

/// Asks all of them, side by side.
pub async fn ask(settings: &Settings) -> Vec<Asked> {
    let live = &settings.live;
    let store = settings.parts.store.clone();
    let kept: Arc<dyn Keeper> = Arc::new(Kept { settings: store, store: OnceCell::new() });
    let public_url = settings.parts.server.public_url.as_deref();
    join_all(live.channels.values().map(|account| {
        let kept = Arc::clone(&kept);
        async move {
            account.channel.kept_by(&kept);
            let callback = public_url.map(|url| format!("{}/callbacks/{}", url.trim_end_matches('/'), account.id));
            let (templates, unfit) = templates(live, account);
            let question = Question { callback, templates };
            let asked = tokio::time::timeout(LONGEST, account.channel.ask(&question)).await;
            let mut findings = asked.unwrap_or_else(|_| {
                let said = format!("no answers within {} s", LONGEST.as_secs());
                vec![Finding::trouble("account", said, "ask again later; see docs/network.md for what must be reached")]
            });
            findings.extend(unfit);
            Asked { channel: account.id.clone(), kind: account.kind.name, findings }
        }
    }))
    .await
}

/// Every template that routes lead to this account with, filled from the sample order of each language; and the words
/// that do not fill theirs.
fn templates(live: &Live, account: &Account) -> (Vec<Wanted>, Vec<Finding>) {
    let mut wanted = BTreeMap::new();
    let mut unfit = BTreeSet::new();
    let leads = |r: &&crate::plan::Route| r.channels.iter().chain(&r.also).any(|id| *id == account.id);
    for route in live.routes.iter().filter(|r| r.audience == Audience::Customer).filter(leads) {
        for shop in live.shops.values().filter(|s| route.shops.as_ref().is_none_or(|ids| ids.contains(&s.rules.id))) {
            for milestone in milestone::ALL.iter().map(|m| m.id).filter(|m| route.tells(m)) {
                for locale in LOCALES {
                    let place = format!("{milestone} in {locale}");
                    for form in [Form::Template, Form::Grant] {
                        match one(live, shop, account, (milestone, locale), form) {
                            Some(Ok(envelope)) => {
                                wanted.entry((place.clone(), envelope.body.clone())).or_insert(envelope);
                            }
                            Some(Err(fault)) => drop(unfit.insert((place.clone(), fault.to_string()))),
                            None => {}
                        }
                    }
                }
            }
        }
    }
    let wanted = wanted.into_iter().map(|((place, _), envelope)| Wanted { place, envelope }).collect();
    let finding = |(place, fault): (String, String)| {
        Finding::trouble(format!("words of {place}"), fault, "correct the words' section of this channel")
    };
    (wanted, unfit.into_iter().map(finding).collect())
}

/// The template message of one milestone in one language; `None`: the words name no template here.
fn one(
    live: &Live,
    shop: &Shop,
    account: &Account,
    (milestone, locale): (&'static str, &'static str),
    form: Form,
) -> Option<Result<crate::domain::channel::Envelope, ShapeFault>> {
    let section = account.kind.section();
    let named = live.words.section(milestone, locale, section);
    let names = match form {
        Form::Grant => account.channel.granted_template(&named).is_some(),
        _ => account.channel.names_template(&named),
    };
    if !names {
        return None;
    }
    let mut order = sample::full(locale);
    order.rules = shop.rules.clone();
    let subject = sample::subject(milestone);
    let mut telling = order.telling(milestone, &[], &subject);
    telling.section = section;
    // Words that do not render are found where they are proven.
    let message = live.words.render(&telling).ok()?;
    let message = Message { shop_id: shop.rules.id.to_string(), ..message };
    let address = address(account, shop.rules.country.as_deref())?;
    let errand = Errand {
        address: Some(&address),
        form,
        key: Uuid::nil(),
        thread: Uuid::nil(),
        reference: &Reference("00000000/00000000000000000000000000000000.1".into()),
        reply_token: None,
        unsubscribe_url: None,
        quiet: false,
        now: order.now,
    };
    Some(account.channel.shape(&message, &errand))
}

/// What accounts keep in Redis, for reading: it is opened when the first of them asks, and nothing is put there.
struct Kept {
    settings: StoreSettings,
    store: OnceCell<Result<Store, String>>,
}

impl Kept {
    async fn open(&self) -> Result<Store, String> {
        if self.settings.url.is_none() {
            return Err("it lies in the relay's private Redis, which nobody else opens".into());
        }
        let seal = seal(&self.settings).map_err(|e| e.to_string())?;
        Store::open(&self.settings.options(), Arc::new(seal)).await.map_err(|e| e.to_string())
    }
}

impl Keeper for Kept {
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>> {
        Box::pin(async move {
            match self.store.get_or_init(|| self.open()).await {
                Ok(store) => store.load(name).await,
                Err(why) => Err(why.clone()),
            }
        })
    }

    fn swap<'a>(&'a self, _: &'a str, _: Option<&'a [u8]>, _: &'a [u8]) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(async { Err("none is good now, and a check renews none: the relay does when it sends".into()) })
    }
}
