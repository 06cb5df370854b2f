//! A search through the home's own store: in memory and in the sealed indexes, without reading a row.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::archive::{Archive, Slot, State};
use super::dictionary::{Known, count, has};
use super::entry::Entry;
use super::entry_block::IndexWalk;
use super::sealed::Sealed;
use super::stored::{Hit, Look, Wish};
use super::wanted::Wanted;
use crate::hours::partition::{Partition, Term};
use crate::store::StoreError;

/// Blocks of sealed indexes that are looked into to count exactly what no page needs.
const BLOCKS_TO_COUNT: usize = 600;

/// An hour as a search sees it.
struct View {
    sealed: Option<Arc<Sealed>>,
    /// What matches in memory already.
    hot: Vec<Entry>,
    /// How many the hour has in memory, matching or not.
    hot_all: u64,
}

/// A search through the home's store.
pub(super) struct ArchiveLook<'a> {
    wish: &'a Wish<'a>,
    hours: Vec<Partition>,
    views: Vec<View>,
    known: BTreeMap<Term, Vec<Known>>,
    /// Blocks that were looked into.
    blocks: usize,
}

impl<'a> ArchiveLook<'a> {
    pub(super) fn begin(archive: &Archive, wish: &'a Wish<'a>) -> Self {
        let (hours, views, dictionaries) = {
            let state = archive.read();
            let (hours, views) = views(&state, wish);
            (hours, views, state.dictionaries.clone())
        };
        Self {
            wish,
            hours,
            views,
            known: wish.wanted.known(&dictionaries),
            blocks: 0,
        }
    }

    /// What an hour's term's dictionary has of the hour.
    fn known(&self, hour: Partition) -> impl Iterator<Item = &Known> {
        let known = self.known.get(&hour.term()).into_iter().flatten();
        known.filter(move |known| has(&known.hours, hour))
    }

    /// What matches in an hour's sealed index. Gives the blocks that were looked into.
    fn sealed_entries(
        &self,
        hour: Partition,
        sealed: &Sealed,
        found: &mut Vec<Entry>,
    ) -> Result<usize, StoreError> {
        let numbers = &self.wish.numbers;
        let mut blocks = 0;
        let mut walk = IndexWalk::through(sealed);
        let mut take = |entry: &Entry| {
            if numbers.fits(hour, entry) {
                found.push(*entry);
            }
        };
        if !matches!(self.wish.wanted, Wanted::Every) {
            for known in self.known(hour) {
                blocks += walk.of_plate(&known.plate, &mut take)?;
            }
            return Ok(blocks);
        }
        // Each camera reads a block at least: so many of them read the whole hour cheaper.
        let path = numbers.path(hour);
        match path.filter(|path| path.len() < sealed.blocks()) {
            None => blocks += walk.each(&mut take)?,
            Some(path) => {
                for camera in path {
                    blocks += walk.of_camera(*camera, numbers.offsets(hour), &mut take)?;
                }
            }
        }
        Ok(blocks)
    }
}

impl Look for ArchiveLook<'_> {
    fn hours(&self) -> &[Partition] {
        &self.hours
    }

    fn at_once(&self) -> usize {
        1
    }

    fn read(&mut self, hours: Range<usize>) -> Result<Vec<Hit>, StoreError> {
        let mut hits = Vec::new();
        for at in hours {
            let (Some(hour), Some(view)) = (self.hours.get(at).copied(), self.views.get_mut(at))
            else {
                continue;
            };
            let mut found = std::mem::take(&mut view.hot);
            if let Some(sealed) = view.sealed.clone() {
                self.blocks += self.sealed_entries(hour, &sealed, &mut found)?;
            }
            let hit = |entry: Entry| Hit {
                hour,
                entry,
                row_id: i64::from(entry.row),
            };
            hits.extend(found.into_iter().map(hit));
        }
        Ok(hits)
    }

    fn all(&self, hour: usize) -> u64 {
        self.views.get(hour).map_or(0, |view| {
            let sealed = view.sealed.as_ref().map_or(0, |sealed| sealed.count());
            view.hot_all + u64::from(sealed)
        })
    }

    fn about(&self, hour: usize) -> u64 {
        let (Some(view), Some(partition)) = (self.views.get(hour), self.hours.get(hour)) else {
            return 0;
        };
        let (wanted, numbers) = (&self.wish.wanted, &self.wish.numbers);
        let hot = u64::try_from(view.hot.len()).unwrap_or(u64::MAX);
        let sealed = match wanted {
            Wanted::Every => {
                let all = view.sealed.as_ref().map_or(0, |sealed| sealed.count());
                match (numbers.path(*partition)).map(|path| u64::try_from(path.len())) {
                    Some(Ok(cameras)) => u64::from(all).min(cameras),
                    _ => u64::from(all),
                }
            }
            _ => {
                let here = self.known(*partition).map(|known| {
                    let hours = count(&known.hours);
                    u64::from(known.count.div_ceil(hours.max(1)))
                });
                here.sum()
            }
        };
        // What is left out of those in memory is not among them already.
        let rows = view.sealed.as_ref().map_or(0, |sealed| sealed.rows());
        let left_out = numbers.left_out_in(*partition, wanted);
        let left_out = left_out.filter(|entry| entry.row <= rows).count();
        hot + sealed.saturating_sub(u64::try_from(left_out).unwrap_or(0))
    }

    fn is_dear(&self) -> bool {
        self.blocks > BLOCKS_TO_COUNT
    }

    fn broken(&self) -> u64 {
        0
    }
}

/// The hours of the window, oldest first, with what matches in memory.
fn views(state: &State, wish: &Wish<'_>) -> (Vec<Partition>, Vec<View>) {
    let (wanted, numbers) = (&wish.wanted, &wish.numbers);
    if numbers.from > numbers.to {
        return Default::default();
    }
    let (first, last) = numbers.window();
    let view = |(hour, slot): (&Partition, &Slot)| {
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
        let view = View {
            sealed: slot.sealed.clone(),
            hot,
            hot_all: u64::try_from(slot.hot.len()).unwrap_or(u64::MAX),
        };
        (*hour, view)
    };
    state.hours.range(first..=last).map(view).unzip()
}
