//! Blocks of a sealed index, and walks through them: a block is opened once, and the first entry that is wanted
//! is found in it without reading those before.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use super::entry::{ENTRY_BYTES, Entry};
use super::sealed::{Sealed, Section};
use crate::plates::plate::{Plate, folded};
use crate::store::StoreError;

/// Entries in their index's order, as they lie in an opened block.
#[derive(Debug)]
pub(super) struct EntryBlock {
    bytes: Vec<u8>,
    count: usize,
}

impl EntryBlock {
    /// The first `count` entries of a block; what lies behind them fills it up.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it has not so many.
    pub(super) fn new(bytes: Vec<u8>, count: usize) -> Result<Self, StoreError> {
        if bytes.len() < count * ENTRY_BYTES {
            return Err(StoreError::Damaged { what: "index" });
        }
        Ok(Self { bytes, count })
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let begin = at.checked_mul(ENTRY_BYTES)?;
        let bytes = self.bytes.get(begin..begin + ENTRY_BYTES);
        bytes.and_then(Entry::from_bytes)
    }

    /// The entries from one on.
    pub(super) fn from(&self, first: usize) -> impl Iterator<Item = Entry> + '_ {
        (first..self.count).map_while(|at| self.entry(at))
    }

    /// The place of the first entry that does not lie before what is wanted.
    fn first(&self, order: impl Fn(&Entry) -> Ordering) -> usize {
        let (mut from, mut to) = (0, self.count);
        while from < to {
            let middle = from.midpoint(to);
            match self.entry(middle).map(|entry| order(&entry)) {
                Some(Ordering::Less) => from = middle + 1,
                _ => to = middle,
            }
        }
        from
    }
}

/// Walks through one sealed index. The block that was opened last is kept: plates that are near each other often
/// lie in one.
#[derive(Debug)]
pub(super) struct IndexWalk<'a> {
    sealed: &'a Sealed,
    last: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    section: Section,
    number: usize,
    block: EntryBlock,
}

impl<'a> IndexWalk<'a> {
    /// Through an index.
    #[must_use]
    pub(super) fn through(sealed: &'a Sealed) -> Self {
        Self { sealed, last: None }
    }

    /// Hands the entries of one folded plate to `each`, by time. Gives the blocks that were looked into.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn of_plate(
        &mut self,
        plate: &Plate,
        each: impl FnMut(&Entry),
    ) -> Result<usize, StoreError> {
        let first = self.sealed.block_of_plate(plate);
        let order = |entry: &Entry| folded(&entry.plate).cmp(plate);
        self.walk(Section::Plates, first, order, each)
    }

    /// Hands the entries of one camera between two offsets, both included, to `each`, by time.
    /// Gives the blocks that were looked into.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn of_camera(
        &mut self,
        camera: u32,
        offsets_us: RangeInclusive<u32>,
        each: impl FnMut(&Entry),
    ) -> Result<usize, StoreError> {
        let (from_us, to_us) = offsets_us.into_inner();
        let first = self.sealed.block_of_camera(camera, from_us);
        let order = |entry: &Entry| {
            let key = (entry.camera, entry.offset_us);
            if key < (camera, from_us) {
                Ordering::Less
            } else if key > (camera, to_us) {
                Ordering::Greater
            } else {
                Ordering::Equal
            }
        };
        self.walk(Section::Cameras, first, order, each)
    }

    /// Hands every entry to `each`, by camera and time. Gives the blocks that were looked into.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn each(&mut self, each: impl FnMut(&Entry)) -> Result<usize, StoreError> {
        self.walk(Section::Cameras, 0, |_| Ordering::Equal, each)
    }

    /// From a block on, what is neither before nor behind what is wanted.
    fn walk(
        &mut self,
        section: Section,
        first: usize,
        order: impl Fn(&Entry) -> Ordering,
        mut each: impl FnMut(&Entry),
    ) -> Result<usize, StoreError> {
        let mut blocks = 0;
        for number in first..self.sealed.blocks() {
            blocks += 1;
            let block = self.block(section, number)?;
            for entry in block.from(block.first(&order)) {
                if order(&entry) == Ordering::Greater {
                    return Ok(blocks);
                }
                each(&entry);
            }
        }
        Ok(blocks)
    }

    fn block(&mut self, section: Section, number: usize) -> Result<&EntryBlock, StoreError> {
        let kept = self.last.take();
        let kept = kept.filter(|last| last.section == section && last.number == number);
        let opened = match kept {
            Some(opened) => opened,
            None => Opened {
                section,
                number,
                block: self.sealed.entries(section, number)?,
            },
        };
        Ok(&self.last.insert(opened).block)
    }
}
