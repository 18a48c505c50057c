//! A walk over everything that is kept of shops' orders, page by page.
//!
//! There is no list of a shop's orders, nor of a person's: it would be one more place that ties people to what
//! they bought, and one more write before every commit. Erasing and handing out are rare and may take a while, so
//! they look at every order: some 20,000 a second. A walk finds whatever was there when it began and is still
//! there (that is what `SCAN` promises); it may find an order twice. A place in it is good for one start of the server:
//! the next one keeps its keys in another order, and whoever went on there would pass over some. So the place says
//! which start it is of, and elsewhere the walk begins again. So it does at its end, when the keys no longer lie as at
//! its beginning: after a failover, or in a cluster when a slot was moved.

use super::Store;
use super::error::StoreError;
use super::keys::{Keys, Member};
use super::link::Repeat;
use super::order::Record;
use super::script::Call;
use super::value;
use crate::domain::ids::{Digest8, Tag};
use redis::Value;

/// Keys looked at in one page, about: the server gives more or fewer.
const PAGE: usize = 400;

/// Where a walk is.
struct Place {
    /// How the keys lay at its beginning.
    lay: Digest8,
    /// At which server.
    server: usize,
    /// Which start of that server.
    run: String,
    /// Its own cursor.
    cursor: String,
}

impl Place {
    fn read(text: &str) -> Option<Place> {
        let mut parts = text.splitn(4, '.');
        let lay = u64::from_str_radix(parts.next()?, 16).ok()?;
        let (server, run, cursor) = (parts.next()?.parse().ok()?, parts.next()?.into(), parts.next()?.into());
        Some(Place { lay: Digest8(lay), server, run, cursor })
    }

    fn beginning(lay: Digest8) -> Place {
        Place { lay, server: 0, run: String::new(), cursor: "0".into() }
    }

    fn text(&self) -> String {
        format!("{:x}.{}.{}.{}", self.lay.0, self.server, self.run, self.cursor)
    }
}

/// A page of a walk.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Units of the shops walked, opened.
    pub units: Vec<(Member, Record)>,
    /// Units of any shop that are sealed with a key that is gone.
    pub closed: u64,
    /// Where to go on, from the beginning if it is empty; `None`: that was the last.
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
        let mut place = cursor.and_then(Place::read);
        loop {
            let at = match place.take() {
                Some(place) => place,
                None => Place::beginning(self.lay_of_the_keys().await?),
            };
            let scan = Call::bare("SCAN").arg(&at.cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(count);
            // In one flight, so that both are of one start.
            let Some(answers) = self.work.at(at.server, &[scan, Call::bare("INFO").arg("server")]).await? else {
                return Ok(Scanned { names: Vec::new(), cursor: self.behind_the_last(at.lay).await? });
            };
            let mut answers = answers.into_iter();
            let mut page = value::list(answers.next().unwrap_or_default())?.into_iter();
            let info = value::text(answers.next().unwrap_or_default())?;
            let run = info.lines().find_map(|l| l.strip_prefix("run_id:")).unwrap_or_default().trim();
            if at.cursor != "0" && run != at.run {
                continue;
            }
            let next = value::text(page.next().unwrap_or_default())?;
            let names = value::list(page.next().unwrap_or_default())?;
            let names = names.into_iter().map(value::text).collect::<Result<_, _>>()?;
            if next == "0" && !self.is_cluster() {
                return Ok(Scanned { names, cursor: self.behind_the_last(at.lay).await? });
            }
            let server = at.server + usize::from(next == "0");
            let place = Place { lay: at.lay, server, run: run.into(), cursor: next };
            return Ok(Scanned { names, cursor: Some(place.text()) });
        }
    }

    /// Where a walk goes on that has seen every server: nowhere, or at its beginning.
    async fn behind_the_last(&self, lay: Digest8) -> Result<Option<String>, StoreError> {
        Ok((self.lay_of_the_keys().await? != lay).then(String::new))
    }
}

/// A page of keys.
pub(super) struct Scanned {
    pub names: Vec<String>,
    /// Where to go on, from the beginning if it is empty; `None`: that was the last.
    pub cursor: Option<String>,
}
