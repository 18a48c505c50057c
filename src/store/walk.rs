//! A walk over everything that is kept of shops' orders, page by page.
//!
//! There is no list of a shop's orders, nor of a person's: it would be one more place that ties people to what
//! they bought, and one more write before every commit. Erasing and handing out are rare and may take a while, so
//! they look at every order: some 20,000 a second. A walk finds whatever was there when it began and is still
//! there (that is what `SCAN` promises); it may find an order twice. A place in it is good for one start of the server:
//! the next one keeps its keys in another order, and whoever went on there would pass over some. So the place says
//! which start it is of, and elsewhere the walk begins again.

use super::Store;
use super::error::StoreError;
use super::keys::{Keys, Member};
use super::link::Repeat;
use super::order::Record;
use super::script::Call;
use super::value;
use crate::domain::ids::Tag;
use redis::Value;

/// Keys looked at in one page, about: the server gives more or fewer.
const PAGE: usize = 400;

/// A page of a walk.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Units of the shops walked, opened.
    pub units: Vec<(Member, Record)>,
    /// Units of any shop that are sealed with a key that is gone.
    pub closed: u64,
    /// Where to go on; `None`: that was the last.
    pub cursor: Option<String>,
}

impl Store {
    /// The next page of all that is kept of these shops' orders and of what waits for them. A key name says
    /// nothing of its shop, so each is tried with every shop's tag. What has no snapshot (a tombstone) is passed
    /// over.
    ///
    /// # Errors
    /// The store's; the same page again does no harm.
    pub async fn walk(&self, shops: &[Tag], cursor: Option<&str>) -> Result<Page, StoreError> {
        let Scanned { names, cursor } = self.keys_page(&self.keys.all_orders(), PAGE, cursor).await?;
        let hashes: Vec<&str> = names.iter().filter_map(|key| Keys::order_hash(key)).collect();
        let mut page = Page { cursor, ..Page::default() };
        // The tag does not change which keys a unit has, so any serves to read them.
        let read: Vec<Member> = hashes.iter().filter_map(|hash| Member::of_shop(Tag::NONE, hash)).collect();
        let calls: Vec<Call> = read.iter().flat_map(|m| self.read_calls(m)).collect();
        let mut answers = self.work.flight(&calls, Repeat::Once).await?.into_iter();
        for member in read {
            let (ord, snp) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
            if snp == Value::Nil {
                continue;
            }
            let of = |tag: &Tag| {
                let member = Member::of_shop(*tag, member.hash())?;
                self.record(&member, ord.clone(), snp.clone()).ok().map(|record| (member, record))
            };
            match shops.iter().find_map(of) {
                Some(unit) => page.units.push(unit),
                // Another shop's opens with none of these shops' names.
                None => page.closed += u64::from(!value::bytes(snp)?.is_some_and(|s| self.seal.knows(&s))),
            }
        }
        Ok(page)
    }

    /// The next page of the keys that match, about `count` of all keys looked at; the cursor as given before.
    pub(super) async fn keys_page(
        &self,
        pattern: &str,
        count: usize,
        cursor: Option<&str>,
    ) -> Result<Scanned, StoreError> {
        let (start, place) = cursor.and_then(|c| c.split_once('.')).unwrap_or_default();
        let mut place = if place.is_empty() { "0" } else { place };
        loop {
            let scan = Call::new("SCAN").arg(place).arg("MATCH").arg(pattern).arg("COUNT").arg(count);
            // In one flight, so that both are of one start.
            let mut answers =
                self.work.flight(&[scan, Call::new("INFO").arg("server")], Repeat::Once).await?.into_iter();
            let mut page = value::list(answers.next().unwrap_or_default())?.into_iter();
            let info = value::text(answers.next().unwrap_or_default())?;
            let now = info.lines().find_map(|l| l.strip_prefix("run_id:")).unwrap_or_default().trim();
            if place != "0" && now != start {
                place = "0";
                continue;
            }
            let next = value::text(page.next().unwrap_or_default())?;
            let names = value::list(page.next().unwrap_or_default())?;
            let names = names.into_iter().map(value::text).collect::<Result<_, _>>()?;
            return Ok(Scanned { names, cursor: (next != "0").then(|| format!("{now}.{next}")) });
        }
    }
}

/// A page of keys.
pub(super) struct Scanned {
    pub names: Vec<String>,
    /// Where to go on, and of which start of the server; `None`: that was the last.
    pub cursor: Option<String>,
}
