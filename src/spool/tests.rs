use super::*;
use crate::domain::clock::from_millis;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

const KEY: &str = "3f9a1c0de4b85276aa10ff93c6d7e8b12b4d6f80913572c4e6a8b0d2f4163850";
const OTHER: &str = "ada360a54d91fbf764ea51f178001e047f4c0a47270fab9229f2651c47c5aa7a";

/// A folder of its own that goes away with the test.
struct Own(Options);

impl Own {
    fn new() -> Own {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ow-spool-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Own(Options { dir: std::env::temp_dir().join(name), max_bytes: 1 << 20, min_free_percent: 0 })
    }

    fn open(&self) -> Spool {
        self.open_with(&[KEY]).unwrap().0
    }

    fn open_with(&self, keys: &[&str]) -> Result<(Spool, u64), SpoolError> {
        let keys: Vec<[u8; 32]> = keys.iter().map(|k| Seal::key_from_text(k).unwrap()).collect();
        Spool::open(&self.0, Arc::new(Seal::new(&keys).unwrap()))
    }

    fn files(&self, end: &str) -> Vec<PathBuf> {
        files(&self.0.dir, end)
    }

    fn aside(&self) -> Vec<PathBuf> {
        files(&self.0.dir.join("aside"), "spool")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0.dir));
    }
}

fn files(dir: &Path, end: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut all: Vec<PathBuf> = all.filter(|p| p.extension().is_some_and(|e| e == end)).collect();
    all.sort();
    all
}

fn entry(n: u32) -> Entry {
    let raw = RawWebhook::post(&[("x-n", &n.to_string())], format!("Canaryname {n}"), from_millis(1_800_000_000_000));
    Entry {
        door: Door::Hook {
            platform: "woocommerce".into(),
            shop: "woo".into(),
            dedupe: format!("d{n}"),
            content: Digest8(7),
        },
        raw,
    }
}

async fn fill(spool: &Spool, numbers: std::ops::Range<u32>) {
    for n in numbers {
        spool.append(&entry(n)).await.unwrap();
    }
}

/// Everything that waits, in order.
async fn all(spool: &Spool) -> Vec<(Place, Result<Entry, Damage>)> {
    let mut out: Vec<(Place, Result<Entry, Damage>)> = Vec::new();
    while let Some(next) = spool.next(out.last().map(|(place, _)| *place)).await {
        out.push(next);
    }
    out
}

async fn numbers(spool: &Spool) -> Vec<u32> {
    let number = |e: Entry| e.raw.header("x-n").unwrap().parse().unwrap();
    all(spool).await.into_iter().map(|(_, read)| number(read.unwrap())).collect()
}

#[tokio::test]
async fn what_was_kept_is_read_in_order_sealed_and_gone_when_struck() {
    let own = Own::new();
    let spool = own.open();
    fill(&spool, 0..5).await;
    assert_eq!(numbers(&spool).await, [0, 1, 2, 3, 4]);
    assert_eq!(all(&spool).await[3].1, Ok(entry(3)));
    let file = std::fs::read(&own.files("spool")[0]).unwrap();
    assert!(!file.windows(6).any(|w| w == b"Canary"), "readable on disk");
    assert_eq!(spool.standing().bytes, file.len() as u64);
    for (place, _) in all(&spool).await {
        spool.strike(place).await;
        spool.strike(place).await;
    }
    assert_eq!((spool.standing().records, spool.standing().bytes), (0, 0));
    assert_eq!((own.files("spool"), own.files("struck")), (vec![], vec![]), "nothing stays behind");
    fill(&spool, 5..6).await;
    assert_eq!(numbers(&spool).await, [5]);
}

#[tokio::test]
async fn the_next_process_finds_what_was_not_struck() {
    let own = Own::new();
    let spool = own.open();
    fill(&spool, 0..4).await;
    let places: Vec<Place> = all(&spool).await.into_iter().map(|(p, _)| p).collect();
    spool.strike(places[1]).await;
    spool.close().await;
    assert_eq!(spool.append(&entry(9)).await, Err(SpoolError::Closed));
    assert!(!spool.standing().usable);
    // An entry of the list that a crash cut short, and a damaged one, count for nothing.
    let list = own.files("struck").remove(0);
    let mut text = std::fs::read(&list).unwrap();
    text.extend([0; 12]);
    text.extend([1, 2, 3]);
    std::fs::write(&list, text).unwrap();
    let spool = own.open();
    assert_eq!(numbers(&spool).await, [0, 2, 3]);
    fill(&spool, 4..5).await;
    assert_eq!(numbers(&spool).await, [0, 2, 3, 4], "behind those of the process before");
    assert!(all(&spool).await[3].0.segment > places[0].segment);
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_the_list_of_a_vanished_file_goes() {
    let own = Own::new();
    let spool = own.open();
    fill(&spool, 0..3).await;
    spool.close().await;
    let file = own.files("spool").remove(0);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let stray = file.with_file_name("00000000000000ff-0000000000000000.struck");
    std::fs::write(&stray, [0; 12]).unwrap();
    let (spool, cut) = own.open_with(&[KEY]).unwrap();
    assert_eq!(cut, (whole.len() / 3 - 1) as u64);
    assert_eq!(numbers(&spool).await, [0, 1]);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), (whole.len() / 3 * 2) as u64);
    assert!(!stray.exists() && own.aside().is_empty());
}

#[tokio::test]
async fn damage_is_set_aside_and_the_rest_goes_on() {
    let own = Own::new();
    let spool = own.open();
    fill(&spool, 0..3).await;
    spool.close().await;
    let file = own.files("spool").remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&file, &bytes).unwrap();
    let spool = own.open();
    let read = all(&spool).await;
    assert_eq!(
        read.iter().map(|(_, r)| r.clone().map(|_| ())).collect::<Vec<_>>(),
        [Ok(()), Err(Damage::Damaged), Ok(())]
    );
    spool.set_aside(read[1].0).await.unwrap();
    assert_eq!(numbers(&spool).await, [0, 2]);
    let third = bytes.len() / 3;
    assert_eq!(std::fs::read(&own.aside()[0]).unwrap(), bytes[third..2 * third], "byte by byte");
    assert_eq!((spool.standing().aside, spool.standing().bytes), (1, (bytes.len() + third) as u64));
    spool.close().await;
    let spool = own.open();
    assert_eq!(numbers(&spool).await, [0, 2], "not met again");
    assert_eq!(spool.standing().aside, 1);
    let place = spool.aside().await.unwrap().remove(0);
    assert_eq!(spool.look_aside(place).await.unwrap().0, Err(Damage::Damaged));
    spool.drop_aside(place).await.unwrap();
    spool.drop_aside(place).await.unwrap();
    assert_eq!((spool.standing().aside, spool.standing().bytes), (0, bytes.len() as u64));
    assert!(own.aside().is_empty() && spool.look_aside(place).await.is_err());
}

#[tokio::test]
async fn what_lies_aside_is_offered_again_when_moved_back() {
    let own = Own::new();
    let spool = own.open();
    fill(&spool, 0..3).await;
    let places: Vec<Place> = all(&spool).await.into_iter().map(|(p, _)| p).collect();
    spool.set_aside(places[1]).await.unwrap();
    spool.strike(places[0]).await;
    spool.strike(places[2]).await;
    spool.close().await;
    let aside = own.aside().remove(0);
    std::fs::rename(&aside, own.0.dir.join(aside.file_name().unwrap())).unwrap();
    let spool = own.open();
    assert_eq!(numbers(&spool).await, [1]);
    spool.strike(places[1]).await;
    assert_eq!((spool.standing().records, spool.standing().bytes, own.files("spool")), (0, 0, vec![]));
}

#[tokio::test]
async fn a_record_of_a_key_that_is_gone_waits_aside_for_it() {
    let own = Own::new();
    let spool = own.open();
    fill(&spool, 0..1).await;
    spool.close().await;
    let (spool, _) = own.open_with(&[OTHER]).unwrap();
    assert_eq!(all(&spool).await[0].1, Err(Damage::Unsealable));
    spool.close().await;
    let (spool, _) = own.open_with(&[OTHER, KEY]).unwrap();
    assert_eq!(numbers(&spool).await, [0]);
}

#[tokio::test]
async fn full_is_said_and_room_is_taken_again() {
    let mut own = Own::new();
    own.0.max_bytes = 1000;
    let spool = own.open();
    let mut kept = 0;
    while spool.append(&entry(kept)).await.is_ok() {
        kept += 1;
    }
    assert!(kept > 0 && matches!(spool.append(&entry(99)).await, Err(SpoolError::Full(_))));
    assert!(spool.standing().bytes <= 1000, "{:?}", spool.standing());
    let first = all(&spool).await[0].0;
    for (place, _) in all(&spool).await {
        spool.strike(place).await;
    }
    fill(&spool, 0..1).await;
    assert!(all(&spool).await[0].0 > first, "a place is never given out twice");
    spool.close().await;
    own.0.min_free_percent = 100;
    let spool = own.open();
    assert!(matches!(spool.append(&entry(1)).await, Err(SpoolError::Full(_))), "no disk is wholly free");
    assert!(!spool.standing().usable);
}

#[tokio::test]
async fn one_process_has_it() {
    let own = Own::new();
    let spool = own.open();
    let second = own.open_with(&[KEY]).map(|_| ()).unwrap_err();
    assert!(matches!(&second, SpoolError::Taken(_)) && second.to_string().contains("spool.dir"), "{second}");
    spool.close().await;
    own.open_with(&[KEY]).map(|_| ()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_share_flushes_and_are_all_kept() {
    let own = Own::new();
    let spool = Arc::new(own.open());
    let waiting = (0..200).map(|n| {
        let spool = Arc::clone(&spool);
        tokio::spawn(async move { spool.append(&entry(n)).await.unwrap().flushed.is_some() })
    });
    let flushes = futures_util::future::join_all(waiting).await.into_iter().filter(|f| *f.as_ref().unwrap()).count();
    assert!((1..=200).contains(&flushes));
    let mut kept = numbers(&spool).await;
    kept.sort_unstable();
    assert_eq!(kept, (0..200).collect::<Vec<_>>());
    spool.close().await;
    assert_eq!(numbers(&own.open()).await.len(), 200);
}

#[tokio::test]
async fn a_long_journal_is_cut_into_files_that_go_one_by_one() {
    let mut own = Own::new();
    own.0.max_bytes = 64 << 20;
    let spool = own.open();
    let long = Entry { raw: RawWebhook::post(&[], vec![b'x'; 6 << 20], from_millis(0)), ..entry(0) };
    for _ in 0..3 {
        spool.append(&long).await.unwrap();
    }
    assert_eq!(own.files("spool").len(), 3);
    spool.strike(all(&spool).await[1].0).await;
    assert_eq!(own.files("spool").len(), 2);
    assert_eq!(all(&spool).await.len(), 2);
}

#[tokio::test]
async fn a_disk_that_fails_is_never_a_yes_and_heals() {
    let own = Own::new();
    let spool = own.open();
    let aside = own.0.dir.with_extension("away");
    std::fs::rename(&own.0.dir, &aside).unwrap();
    assert!(matches!(spool.append(&entry(1)).await, Err(SpoolError::Disk(_))));
    assert!(!spool.standing().usable);
    std::fs::rename(&aside, &own.0.dir).unwrap();
    fill(&spool, 2..3).await;
    assert_eq!(numbers(&spool).await, [2]);
}
