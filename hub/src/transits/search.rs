//! Finding entries: which plates are wanted, in which hours they are, and what of them fits.
//!
//! Hours are gone through in the order of the answer, and those that cannot be needed any more are
//! not read. What was not read is estimated for the total, and the answer says so.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use varco_proto::time::UtcTime;

use super::allowed::Allowed;
use super::archive::{Archive, State};
use super::dictionary::{Dictionaries, Known, count, has};
use super::entry::Entry;
use super::query::Query;
use super::rows::Place;
use super::sealed::Sealed;
use super::wanted::{Numbers, Wanted};
use crate::hours::partition::{Partition, Term};
use crate::plates::misread::Neighbour;
use crate::plates::plate::Plate;
use crate::store::StoreError;
use crate::store::awaited;

/// Blocks of sealed indexes that are read to count exactly what no page needs.
const BLOCKS_TO_COUNT: usize = 600;

/// An entry with its hour.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) place: Place,
    pub(super) entry: Entry,
}

impl Hit {
    pub(super) fn at(&self) -> UtcTime {
        self.place.hour.at(self.entry.offset_us)
    }

    fn key(&self) -> (UtcTime, u32, Term) {
        (self.at(), self.entry.row, self.place.hour.term())
    }
}

/// What a search came to.
#[derive(Debug, Default)]
pub(super) struct Hits {
    /// In the answer's order, one more than the limit when there are more.
    pub(super) page: Vec<Hit>,
    /// How many match in all.
    pub(super) total: u64,
    /// Whether `total` is estimated.
    pub(super) is_estimate: bool,
    /// What matches and is left out, because it is blocked.
    pub(super) left_out: u64,
    /// What may have been read instead, by folded plate.
    pub(super) neighbours: HashMap<Plate, Neighbour>,
}

/// An hour as a search sees it.
struct View {
    place: Place,
    sealed: Option<Arc<Sealed>>,
    /// What matches in memory already.
    hot: Vec<Entry>,
    /// How many the hour has in memory, matching or not.
    hot_all: u64,
}

impl Archive {
    /// Finds what a query asks and may be processed.
    pub(super) fn search(&self, query: &Query, allowed: &Allowed) -> Result<Hits, StoreError> {
        let mut hits = Hits::default();
        let wanted = Wanted::by(query, &mut hits.neighbours);
        let (numbers, mut views, dictionaries) = {
            let state = self.read();
            let numbers = Numbers::of(query, allowed, &state.names);
            let views = views(&state, &numbers, &wanted);
            (numbers, views, state.dictionaries.clone())
        };
        if numbers.is_empty() {
            return Ok(hits);
        }
        hits.left_out = numbers.left_out(&wanted);
        let known = known(&wanted, &dictionaries);
        if !query.oldest_first {
            views.reverse();
        }
        let most = usize::try_from(query.limit)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let mut blocks = 0;
        let same_hour = |a: &View, b: &View| a.place.hour.hour() == b.place.hour.hour();
        for of_one_hour in views.chunk_by(same_hour) {
            awaited::check()?;
            let is_full = hits.page.len() >= most;
            let mut together = Vec::new();
            for view in of_one_hour {
                if is_full && blocks > BLOCKS_TO_COUNT {
                    hits.is_estimate = true;
                    hits.total += estimate(view, &known, &wanted, &numbers);
                    continue;
                }
                let open = matches!(wanted, Wanted::Every) && numbers.is_open();
                if is_full && open && numbers.has_whole(view.place.hour) {
                    let sealed = view.sealed.as_ref().map_or(0, |sealed| sealed.count());
                    let all = view.hot_all + u64::from(sealed);
                    let left_out = numbers.left_out_in(view.place.hour, &wanted).count();
                    hits.total += all.saturating_sub(u64::try_from(left_out).unwrap_or(0));
                    continue;
                }
                let mut found = view.hot.clone();
                blocks += sealed_entries(view, &wanted, &known, &numbers, &mut found)?;
                hits.total += u64::try_from(found.len()).unwrap_or(u64::MAX);
                if !is_full {
                    together.extend(found.into_iter().map(|entry| view.hit(entry)));
                }
            }
            if !is_full {
                hits.take(together, query, most);
            }
        }
        Ok(hits)
    }
}

impl Archive {
    /// Gives every entry that a query asks for, oldest hour first, each hour's by plate or camera:
    /// without its limit and cursor, and without reading a row.
    pub(super) fn visit(
        &self,
        query: &Query,
        allowed: &Allowed,
        mut take: impl FnMut(Partition, &Entry),
    ) -> Result<(), StoreError> {
        let wanted = Wanted::by(query, &mut HashMap::new());
        let (numbers, views, dictionaries) = {
            let state = self.read();
            let numbers = Numbers::of(query, allowed, &state.names);
            let views = views(&state, &numbers, &wanted);
            (numbers, views, state.dictionaries.clone())
        };
        if numbers.is_empty() {
            return Ok(());
        }
        let known = known(&wanted, &dictionaries);
        for mut view in views {
            awaited::check()?;
            let mut found = std::mem::take(&mut view.hot);
            sealed_entries(&view, &wanted, &known, &numbers, &mut found)?;
            for entry in &found {
                take(view.place.hour, entry);
            }
        }
        Ok(())
    }
}

/// What is known of the wanted plates, by term.
type KnownByTerm = BTreeMap<Term, Vec<Known>>;

fn known(wanted: &Wanted, dictionaries: &Dictionaries) -> KnownByTerm {
    dictionaries.each(|dictionary| match wanted {
        Wanted::Every => Vec::new(),
        Wanted::Plates(plates) => plates.iter().filter_map(|p| dictionary.find(p)).collect(),
        Wanted::Fitting(glob) => dictionary.matching(glob),
    })
}

impl View {
    fn hit(&self, entry: Entry) -> Hit {
        let place = self.place.clone();
        Hit { place, entry }
    }

    /// What its term's dictionary has of it.
    fn known<'a>(&self, known: &'a KnownByTerm) -> impl Iterator<Item = &'a Known> {
        let hour = self.place.hour;
        let known = known.get(&hour.term()).into_iter().flatten();
        known.filter(move |known| has(&known.hours, hour))
    }
}

impl Hits {
    /// Takes what an hour has, of whichever term, in the answer's order and behind the cursor.
    fn take(&mut self, mut hits: Vec<Hit>, query: &Query, most: usize) {
        hits.sort_unstable_by_key(Hit::key);
        if !query.oldest_first {
            hits.reverse();
        }
        let behind = |hit: &Hit| {
            query.after.is_none_or(|cursor| {
                let cursor = (cursor.captured_at, cursor.row, cursor.term);
                if query.oldest_first {
                    hit.key() > cursor
                } else {
                    hit.key() < cursor
                }
            })
        };
        let room = most.saturating_sub(self.page.len());
        self.page.extend(hits.into_iter().filter(behind).take(room));
    }
}

/// The hours of the window, oldest first, with what matches in memory.
fn views(state: &State, numbers: &Numbers<'_>, wanted: &Wanted) -> Vec<View> {
    if numbers.from > numbers.to {
        return Vec::new();
    }
    let (first, last) = numbers.window();
    let view = |(hour, slot): (&Partition, &super::archive::Slot)| {
        let mut hot = Vec::new();
        let mut take = |entry: &Entry| {
            if numbers.fits(*hour, entry) {
                hot.push(*entry);
            }
        };
        match wanted {
            // Most hours are indexed, and a plate has a thousand neighbours.
            _ if slot.hot.is_empty() => {}
            Wanted::Every => slot.hot.all().iter().for_each(|(entry, _)| take(entry)),
            Wanted::Plates(plates) => {
                for plate in plates {
                    slot.hot.of_plate(plate, &mut take);
                }
            }
            Wanted::Fitting(glob) => {
                for plate in slot.hot.plates().filter(|plate| glob.fits(plate)) {
                    slot.hot.of_plate(plate, &mut take);
                }
            }
        }
        View {
            place: slot.place.clone(),
            sealed: slot.sealed.clone(),
            hot,
            hot_all: u64::try_from(slot.hot.len()).unwrap_or(u64::MAX),
        }
    };
    state.hours.range(first..=last).map(view).collect()
}

/// What matches in an hour's sealed index. Gives the blocks that were read.
fn sealed_entries(
    view: &View,
    wanted: &Wanted,
    known: &KnownByTerm,
    numbers: &Numbers<'_>,
    found: &mut Vec<Entry>,
) -> Result<usize, StoreError> {
    let Some(sealed) = &view.sealed else {
        return Ok(0);
    };
    let hour = view.place.hour;
    let mut blocks = 0;
    let mut take = |entry: &Entry| {
        if numbers.fits(hour, entry) {
            found.push(*entry);
        }
    };
    if !matches!(wanted, Wanted::Every) {
        for known in view.known(known) {
            blocks += sealed.of_plate(&known.plate, &mut take)?;
        }
    } else {
        // Each camera reads a block at least: so many of them read the whole hour cheaper.
        match numbers
            .path(hour)
            .filter(|path| path.len() < sealed.blocks())
        {
            None => blocks += sealed.each(&mut take)?,
            Some(path) => {
                for camera in path {
                    blocks += sealed.of_camera(*camera, numbers.offsets(hour), &mut take)?;
                }
            }
        }
    }
    Ok(blocks)
}

/// How many an hour that is not read may have.
fn estimate(view: &View, known: &KnownByTerm, wanted: &Wanted, numbers: &Numbers<'_>) -> u64 {
    let hot = u64::try_from(view.hot.len()).unwrap_or(u64::MAX);
    let sealed = match wanted {
        Wanted::Every => {
            let all = view.sealed.as_ref().map_or(0, |sealed| sealed.count());
            match (numbers.path(view.place.hour)).map(|path| u64::try_from(path.len())) {
                Some(Ok(cameras)) => u64::from(all).min(cameras),
                _ => u64::from(all),
            }
        }
        _ => {
            let here = view.known(known);
            here.map(|known| {
                let hours = count(&known.hours);
                u64::from(known.count.div_ceil(hours.max(1)))
            })
            .sum()
        }
    };
    // What is left out of those in memory is not among them already.
    let rows = view.sealed.as_ref().map_or(0, |sealed| sealed.rows());
    let left_out = numbers.left_out_in(view.place.hour, wanted);
    let left_out = left_out.filter(|entry| entry.row <= rows).count();
    hot + sealed.saturating_sub(u64::try_from(left_out).unwrap_or(0))
}
