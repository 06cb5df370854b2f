//! Searching, the same over every store.
//!
//! Hours are gone through in the order of the answer, and those that cannot be needed any more are
//! not read. What was not read is estimated for the total, and the answer says so.

use std::collections::HashMap;
use std::ops::Range;

use varco_proto::time::UtcTime;

use crate::hours::partition::Partition;
use crate::plates::misread::Neighbour;
use crate::plates::pattern::{Glob, PlatePattern};
use crate::plates::plate::{Plate, folded, text_of};
use crate::store::StoreError;
use crate::store::awaited;
use crate::transits::allowed::Allowed;
use crate::transits::query::{Cursor, Query};
use crate::transits::stored::{Fetched, Hit, Look, StoredHours, Wish};
use crate::transits::wanted::Wanted;

/// Transits of one plate in one microsecond that are looked through for one of them.
pub(super) const SAME_MOMENT_MAX: u32 = 100;

/// What a search came to.
#[derive(Debug, Default)]
pub(super) struct Hits {
    /// In the answer's order, at most the query's limit.
    pub(super) page: Vec<Hit>,
    /// Where the next page begins; none when this was the last.
    pub(super) next: Option<Cursor>,
    /// How many match in all.
    pub(super) total: u64,
    /// Whether `total` is estimated.
    pub(super) is_estimate: bool,
    /// Rows that cannot be read any more.
    pub(super) broken: u64,
    /// What matches and is left out, because it is blocked.
    pub(super) left_out: u64,
    /// What may have been read instead, by folded plate.
    neighbours: HashMap<Plate, Neighbour>,
}

impl Hits {
    /// Takes hits that another text of theirs found, behind the cursor, before [`Hits::end_page`].
    fn take_more(&mut self, more: Vec<Hit>, query: &Query) -> Result<(), StoreError> {
        self.total += count(more.len())?;
        let behind = more.into_iter().filter(|hit| is_behind(hit, query));
        self.page.extend(behind);
        self.page.sort_unstable_by_key(Hit::key);
        if !query.oldest_first {
            self.page.reverse();
        }
        Ok(())
    }

    /// Reads the sealed originals of the page, and says of each why it may be a misread plate.
    pub(super) fn fetch(&self, store: &dyn StoredHours) -> Result<Fetched, StoreError> {
        let mut fetched = store.fetch(&self.page)?;
        for stored in &mut fetched.transits {
            let neighbour = self.neighbours.get(&folded(&stored.head.entry.plate));
            stored.misread = neighbour.filter(|n| n.cost > 0).cloned();
        }
        Ok(fetched)
    }

    /// Takes what an hour has, of whichever term, in the answer's order and behind the cursor.
    fn take(&mut self, hits: &mut Vec<Hit>, query: &Query, most: usize) {
        hits.sort_unstable_by_key(Hit::key);
        if !query.oldest_first {
            hits.reverse();
        }
        let room = most.saturating_sub(self.page.len());
        let behind = hits.drain(..).filter(|hit| is_behind(hit, query));
        self.page.extend(behind.take(room));
    }

    /// Cuts the page to its limit, and notes where the next one begins.
    fn end_page(&mut self, most: usize) {
        if self.page.len() > most {
            self.page.truncate(most);
            self.next = self.page.last().map(|hit| {
                let (captured_at, row, term) = hit.key();
                Cursor {
                    captured_at,
                    row,
                    term,
                }
            });
        }
    }
}

/// Whether a hit comes after the page before.
fn is_behind(hit: &Hit, query: &Query) -> bool {
    query.after.is_none_or(|cursor| {
        let cursor = (cursor.captured_at, cursor.row, cursor.term);
        if query.oldest_first {
            hit.key() > cursor
        } else {
            hit.key() < cursor
        }
    })
}

/// Finds what a query asks and may be processed: by what was read, and by what that was corrected to.
pub(super) fn search(
    store: &dyn StoredHours,
    query: &Query,
    allowed: &Allowed,
) -> Result<Hits, StoreError> {
    let more = corrected(store, query, allowed)?;
    let mut hits = search_read(store, query, allowed)?;
    if !more.is_empty() {
        hits.take_more(more, query)?;
    }
    // More than fits in memory is no limit.
    hits.end_page(usize::try_from(query.limit).unwrap_or(usize::MAX));
    Ok(hits)
}

/// What fits by the text that a person corrected it to, and not by what was read. The last correction holds.
fn corrected(
    store: &dyn StoredHours,
    query: &Query,
    allowed: &Allowed,
) -> Result<Vec<Hit>, StoreError> {
    if query.plate.is_any() {
        return Ok(Vec::new()); // Whatever was read fits.
    }
    let made = store.corrections_between(query.from, query.to)?;
    if made.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = Wanted::by(query, &mut HashMap::new());
    let strict = (!query.fold && !query.misread).then(|| Glob::unfolded(&query.plate));
    let fits =
        |plate: &Plate| wanted.has(plate) && strict.as_ref().is_none_or(|glob| glob.fits(plate));
    let mut newest: HashMap<[u8; 16], Plate> = HashMap::new();
    for correction in made {
        newest.insert(correction.transit, correction.plate());
    }
    newest.retain(|_, plate| fits(plate));
    if newest.is_empty() {
        return Ok(Vec::new());
    }
    let ids = newest.into_keys().collect();
    let mut more = Vec::new();
    for placed in store.placed(&ids)? {
        if fits(&placed.entry.plate) {
            continue; // Found by what was read.
        }
        let at = placed.hour.at(placed.entry.offset_us);
        let damaged = |_| StoreError::Damaged { what: "plate" };
        let of_one = Query {
            plate: PlatePattern::normalise(&text_of(&placed.entry.plate)).map_err(damaged)?,
            fold: false,
            misread: false,
            from: at,
            to: at,
            filter: query.filter.clone(),
            limit: SAME_MOMENT_MAX,
            oldest_first: false,
            after: None,
        };
        let found = search_read(store, &of_one, allowed)?.page.into_iter();
        more.extend(found.filter(|hit| hit.hour == placed.hour && hit.entry == placed.entry));
    }
    Ok(more)
}

/// Finds by what was read, without ending the page.
fn search_read(
    store: &dyn StoredHours,
    query: &Query,
    allowed: &Allowed,
) -> Result<Hits, StoreError> {
    let mut hits = Hits::default();
    let wish = wish(store, query, allowed)?;
    if wish.numbers.finds_nothing() {
        return Ok(hits);
    }
    // More than fits in memory is no limit.
    let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
    hits.left_out = wish.numbers.left_out(&wish.wanted);
    let mut look = store.look(&wish)?;
    let is_open = matches!(wish.wanted, Wanted::Every) && wish.numbers.is_open();
    let mut groups = whole_hours(look.hours(), look.at_once());
    if !query.oldest_first {
        groups.reverse();
    }
    for group in groups {
        awaited::check()?;
        if hits.page.len() <= most {
            let mut found = look.read(group)?;
            hits.total += count(found.len())?;
            take_by_hours(&mut hits, &mut found, query, most.saturating_add(1));
            continue;
        }
        if !is_open {
            hits.total += counted(look.as_mut(), group, &mut hits.is_estimate)?;
            continue;
        }
        for at in group {
            let hour = look.hours().get(at).copied();
            hits.total += match hour.filter(|hour| wish.numbers.has_whole(*hour)) {
                // Nothing but the time is asked, and the hour's count is at hand.
                Some(hour) => {
                    let left_out = wish.numbers.left_out_in(hour, &wish.wanted).count();
                    look.all(at).saturating_sub(count(left_out)?)
                }
                None => counted(look.as_mut(), at..at + 1, &mut hits.is_estimate)?,
            };
        }
    }
    hits.broken = look.broken();
    drop(look);
    hits.neighbours = wish.neighbours;
    Ok(hits)
}

/// How many of some hours fit: read, or estimated once much was read.
fn counted(
    look: &mut dyn Look,
    hours: Range<usize>,
    is_estimate: &mut bool,
) -> Result<u64, StoreError> {
    if look.is_dear() {
        *is_estimate = true;
        return Ok(hours.map(|at| look.about(at)).sum());
    }
    count(look.read(hours)?.len())
}

/// Gives every transit that a query asks for and that may be processed, oldest hour first, and in no
/// order within an hour: without the query's limit and cursor, and without reading a sealed original.
pub(super) fn visit(
    store: &dyn StoredHours,
    query: &Query,
    allowed: &Allowed,
    mut each: impl FnMut(&Hit),
) -> Result<(), StoreError> {
    let wish = wish(store, query, allowed)?;
    if wish.numbers.finds_nothing() {
        return Ok(());
    }
    let mut look = store.look(&wish)?;
    for group in whole_hours(look.hours(), look.at_once()) {
        awaited::check()?;
        look.read(group)?.iter().for_each(&mut each);
    }
    Ok(())
}

fn wish<'q>(
    store: &dyn StoredHours,
    query: &'q Query,
    allowed: &'q Allowed,
) -> Result<Wish<'q>, StoreError> {
    let mut neighbours = HashMap::new();
    Ok(Wish {
        wanted: Wanted::by(query, &mut neighbours),
        numbers: store.numbers(query, allowed)?,
        neighbours,
    })
}

/// Takes hits of several hours, which stand in the hours' order, oldest first, hour by hour.
fn take_by_hours(hits: &mut Hits, found: &mut Vec<Hit>, query: &Query, most: usize) {
    let same_hour = |a: &Hit, b: &Hit| a.hour.hour() == b.hour.hour();
    if found
        .iter()
        .zip(found.iter().skip(1))
        .all(|(a, b)| same_hour(a, b))
    {
        hits.take(found, query, most);
        return;
    }
    let mut of_hours: Vec<Vec<Hit>> = found.chunk_by(same_hour).map(<[Hit]>::to_vec).collect();
    if !query.oldest_first {
        of_hours.reverse();
    }
    for of_one_hour in &mut of_hours {
        hits.take(of_one_hour, query, most);
    }
}

/// Some partitions at once, never cutting between two of one hour.
fn whole_hours(hours: &[Partition], at_once: usize) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for of_one_hour in hours.chunk_by(|a, b| a.hour() == b.hour()) {
        end += of_one_hour.len();
        if end - begin >= at_once {
            groups.push(begin..end);
            begin = end;
        }
    }
    if begin < end {
        groups.push(begin..end);
    }
    groups
}

fn count(count: usize) -> Result<u64, StoreError> {
    u64::try_from(count).map_err(|_| StoreError::Damaged { what: "count" })
}

/// The first moment that is searched: the query's, or the beginning of the term.
pub(super) fn searched_from(query: &Query, allowed: &Allowed) -> UtcTime {
    query.from.max(allowed.horizon().begins())
}
