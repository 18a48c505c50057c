//! Sealing anew: every kind of record, under other writers, and nothing left of the old key.

use super::*;
use orderwire::domain::keeper::Keeper as _;
use orderwire::domain::ledger::{Entry, LedgerEntry};
use orderwire::domain::person::{Address, PersonChange};
use orderwire::domain::webhook::RawWebhook;
use orderwire::seal::Seal;
use orderwire::store::StoreOptions;
use orderwire::store::rekey::Tally;
use orderwire::store::work::Begun;
use std::sync::Arc;

/// The key of `support::seal`, and another.
pub(super) fn keys() -> ([u8; 32], [u8; 32]) {
    let key = |x: u8| std::array::from_fn(|i| u8::try_from(i).unwrap().wrapping_mul(97) ^ x);
    (key(0x5a), key(0xa5))
}

/// What every record of a key begins with.
fn mark(key: [u8; 32]) -> Vec<u8> {
    Seal::new(&[key]).unwrap().seal(&[], b"")[..5].to_vec()
}

impl World {
    async fn with(&self, seal: Seal) -> Store {
        let o = StoreOptions { prefix: self.prefix.clone(), ..support::options() };
        Store::open(&o, Arc::new(seal)).await.unwrap()
    }

    /// Keys of this world in whose value these bytes lie.
    fn holding(&mut self, mark: &[u8]) -> Vec<String> {
        let keys: Vec<String> = self.ask(&["KEYS", &format!("{}:*", self.prefix)]);
        let holds = |key: &String| {
            let dump: Vec<u8> = redis::cmd("DUMP").arg(key).query(&mut self.raw).unwrap_or_default();
            dump.windows(mark.len()).any(|w| w == mark)
        };
        keys.into_iter().filter(holds).collect()
    }

    /// One of everything that is sealed.
    async fn one_of_each(&mut self) -> Member {
        let m = self.order("1");
        self.owe(&m, 1, 0).await;
        for i in 0..5 {
            let note = Entry::Operator { action: "x".into(), note: format!("line {i}") };
            self.store.append_ledger(&m, &[LedgerEntry { at: self.now, what: note }]).await.unwrap();
        }
        let leased = self.take(&m).await;
        let r = self.store.read(&m).await.unwrap();
        assert_eq!(self.store.begin(&[ask(self, &leased, &r, 1)]).await.unwrap(), [Begun::Go]);
        let (channel, person) = person();
        let change = PersonChange { reply_token: Some(("token".into(), self.after(60))), ..PersonChange::default() };
        self.store.apply(&channel, &person, "e1", self.now, &change, true).await.unwrap();
        assert_eq!(self.store.swap("a channel's", None, b"token").await, Ok(true));
        self.store.put_duty("d1", b"open").await.unwrap();
        self.store.put_duty("d2", b"to be done").await.unwrap();
        let duties = self.store.duties().await.unwrap();
        self.store.move_duty(&duties[1], None, Some(b"done")).await.unwrap().unwrap();
        for i in 0..12 {
            self.odd(i).await;
        }
        m
    }

    async fn odd(&self, i: u32) {
        let raw = RawWebhook::post(&[], format!("{{broken {i}").into_bytes(), self.now);
        self.store.keep_odd(&ShopId::from("demo"), &raw, "broken").await.unwrap();
    }
}

fn person() -> (ChannelId, Address) {
    (ChannelId::from("line-main"), Address::new("line", "U1"))
}

pub(super) async fn pass(store: &Store, shops: &[Tag], write: bool) -> Tally {
    let (mut sum, mut cursor) = (Tally::default(), None);
    loop {
        let page = store.reseal(shops, cursor.as_deref(), write).await.unwrap();
        sum.add(&page.tally);
        cursor = page.cursor;
        if cursor.is_none() {
            return sum;
        }
    }
}

async fn ids(store: &Store) -> Vec<(String, Vec<u8>)> {
    let (page, next) = store.odd(None, 100).await.unwrap();
    assert_eq!(next, None);
    page.into_iter().map(|o| (o.id, o.raw.body.to_vec())).collect()
}

#[tokio::test]
async fn everything_is_sealed_anew_and_opens_without_the_old_key() {
    let mut w = World::new().await;
    let m = w.one_of_each().await;
    let (old, new) = keys();
    let demo = [ShopId::from("demo").tag()];
    let (unreadable, ledger) = (ids(&w.store).await, w.store.ledger(&m).await.unwrap());
    assert!(w.holding(&mark(old)).len() >= 7, "there is something to do: {:?}", w.holding(&mark(old)));
    let both = w.with(Seal::new(&[new, old]).unwrap()).await;
    let dry = pass(&both, &demo, false).await;
    assert!(dry.old >= 20 && dry.old == dry.seen && (dry.anew, dry.strange, dry.closed) == (0, 0, 0), "{dry:?}");
    assert!(w.holding(&mark(new)).is_empty(), "looking changes nothing");
    let lives: Vec<(String, i64)> = {
        let keys: Vec<String> = w.ask(&["KEYS", &format!("{}:*", w.prefix)]);
        keys.into_iter().map(|k| (k.clone(), w.ask::<i64>(&["PEXPIRETIME", &k]))).collect()
    };
    let done = pass(&both, &demo, true).await;
    assert_eq!((done.old, done.anew), (dry.old, dry.old));
    assert_eq!(pass(&both, &demo, true).await, Tally { old: 0, ..dry });
    assert_eq!(w.holding(&mark(old)), Vec::<String>::new());
    for (key, end) in lives {
        let now: i64 = w.ask(&["PEXPIRETIME", &key]);
        assert!((now - end).abs() < 3, "{key} is kept as long as before: {end} {now}");
    }
    let alone = w.with(Seal::with_lookup(&[new], Some(&both_lookup(old, new))).unwrap()).await;
    assert_eq!(alone.read(&m).await.unwrap().snapshot.unwrap(), b"snapshot 1");
    assert_eq!(alone.ledger(&m).await.unwrap(), ledger);
    assert_eq!(alone.envelopes(&m).await.unwrap().len(), 1);
    assert_eq!(ids(&alone).await, unreadable, "under the same ids, in the same order");
    assert_eq!(alone.duties().await.unwrap()[0].said, b"open");
    assert_eq!(alone.duties_done().await.unwrap()[0].said, b"done");
    let (channel, address) = person();
    assert!(alone.facts(&[(channel.clone(), address.clone())]).await.is_ok());
    assert_eq!(alone.take_reply_token(&channel, &address).await.unwrap().as_deref(), Some("token"));
}

fn both_lookup(old: [u8; 32], new: [u8; 32]) -> [u8; 32] {
    *Seal::new(&[new, old]).unwrap().lookup_key()
}

#[tokio::test]
async fn whoever_writes_meanwhile_wins() {
    let mut w = World::new().await;
    let m = w.one_of_each().await;
    let (old, new) = keys();
    let demo = [ShopId::from("demo").tag()];
    let both = w.with(Seal::new(&[new, old]).unwrap()).await;
    // One that knows both and still has the old one in front.
    let behind = w.with(Seal::with_lookup(&[old, new], Some(&both_lookup(old, new))).unwrap()).await;
    // Between a read and its replacement: the script compares with what was read.
    let snp = w.key(&m, "snp");
    let read: Vec<u8> = redis::cmd("GET").arg(&snp).query(&mut w.raw).unwrap();
    let ((), passes) = tokio::join!(
        async {
            for i in 0..40_u32 {
                let r = behind.read(&m).await.unwrap();
                behind.commit(&m, w.news(&r, u64::from(100 + i), 3600)).await.unwrap();
                w.odd(100 + i).await;
            }
        },
        async {
            let mut passes = 0;
            for _ in 0..10 {
                passes += u64::from(pass(&both, &demo, true).await.old > 0);
            }
            passes
        }
    );
    assert!(passes > 0);
    let r = w.store.read_closed(&m).await.unwrap();
    assert_eq!(r.items.len(), 41, "no commit was lost");
    assert_eq!(both.read(&m).await.unwrap().snapshot.unwrap(), b"snapshot 139");
    assert_eq!(ids(&both).await.len(), 52, "nor an unreadable webhook");
    while pass(&both, &demo, true).await.old > 0 {}
    assert_eq!(w.holding(&mark(old)), Vec::<String>::new());
    let now: Vec<u8> = redis::cmd("GET").arg(&snp).query(&mut w.raw).unwrap();
    assert_ne!(now, read);
}

#[tokio::test]
async fn what_no_shop_of_ours_opens_is_counted_and_left() {
    let mut w = World::new().await;
    let m = w.one_of_each().await;
    let (old, new) = keys();
    let both = w.with(Seal::new(&[new, old]).unwrap()).await;
    let other = [ShopId::from("other").tag()];
    let sum = pass(&both, &other, true).await;
    assert!(sum.strange >= 3 && sum.anew + sum.strange == sum.old, "snapshot, ledger, envelope: {sum:?}");
    assert_eq!(both.read(&m).await.unwrap().snapshot.unwrap(), b"snapshot 1");
    let alone = w.with(Seal::with_lookup(&[new], Some(&both_lookup(old, new))).unwrap()).await;
    assert_eq!(pass(&alone, &other, true).await.closed, sum.strange, "without its key it is a record nobody reads");
    assert_eq!(w.holding(&mark(old)).len(), 3);
}
