//! Which vehicles passed both here and there, and which travel with another.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use thiserror::Error;
use varco_proto::time::UtcTime;

use super::allowed::Allowed;
use super::entry::Entry;
use super::lookup::{LookupError, StoredTransit};
use super::query::{CAMERAS_MAX, Filter, Query};
use super::store::TransitStore;
use crate::hours::partition::Partition;
use crate::plates::pattern::PlatePattern;
use crate::plates::plate::{Plate, folded, plate_of, text_of};
use crate::store::StoreError;

/// Passes of the vehicle that is asked about, most: a taxi of a region in seven days has fewer.
const PASSES_MAX: u32 = 1000;
/// Longest time between two vehicles that travel together.
pub const WINDOW_MAX: Duration = Duration::from_secs(600);
/// Fewest times that two must pass together: once is chance.
pub const TOGETHER_MIN: u32 = 2;

/// A query about several vehicles asks too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TogetherError {
    /// Every vehicle would match.
    #[error(
        "name cameras or gates for both places, or an area with at most {CAMERAS_MAX} of them, and \
         different ones or different times"
    )]
    Place,
    /// Too long a window.
    #[error("the window is 1 to {} seconds", WINDOW_MAX.as_secs())]
    Window,
    /// Too few passes.
    #[error("vehicles travel together from {TOGETHER_MIN} passes on; ask for at least so many")]
    Least,
    /// A pattern.
    #[error("name one whole plate, without `*` and `?`")]
    Plate,
}

/// One place and time.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Cameras, gates and what else must hold.
    pub filter: Filter,
    /// First moment.
    pub from: UtcTime,
    /// Last moment.
    pub to: UtcTime,
}

impl Stretch {
    fn query(&self) -> Result<Query, StoreError> {
        Ok(Query {
            plate: any()?,
            fold: false,
            misread: false,
            from: self.from,
            to: self.to,
            filter: self.filter.clone(),
            limit: 1,
            oldest_first: true,
            after: None,
        })
    }

    /// Checks that two stretches are two, and not everywhere.
    ///
    /// # Errors
    /// [`TogetherError::Place`].
    pub fn check_both(here: &Self, there: &Self) -> Result<(), TogetherError> {
        let named = |stretch: &Self| !stretch.filter.is_anywhere();
        if named(here) && named(there) && here != there {
            Ok(())
        } else {
            Err(TogetherError::Place)
        }
    }
}

fn any() -> Result<PlatePattern, StoreError> {
    let damaged = StoreError::Damaged { what: "pattern" };
    PlatePattern::normalise("*").map_err(|_| damaged)
}

/// A vehicle that passed both.
#[derive(Debug, Clone, PartialEq)]
pub struct Both {
    /// Its first pass here.
    pub here: StoredTransit,
    /// Its pass there that is nearest in time to that one.
    pub there: StoredTransit,
}

/// A vehicle that may travel with the one asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Companion {
    /// Its plate, as most often read.
    pub plate: String,
    /// Passes of the asked one that it passed with.
    pub together: u32,
    /// Cameras where it did.
    pub cameras: u32,
    /// Its own passes there, oldest first.
    pub passes: Vec<StoredTransit>,
}

/// What was found, before its audit line.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched<T> {
    /// At most as many as asked for.
    pub found: Vec<T>,
    /// How many there are in all.
    pub total: usize,
}

#[derive(Clone, Copy)]
struct Pass {
    hour: Partition,
    entry: Entry,
}

impl Pass {
    fn at(&self) -> UtcTime {
        self.hour.at(self.entry.offset_us)
    }
}

impl TransitStore {
    /// The vehicles that passed both, those with the shortest time between first. The caller writes
    /// the audit line before anything is shown.
    ///
    /// # Errors
    /// [`LookupError`].
    pub fn both(
        &self,
        here: &Stretch,
        there: &Stretch,
        (limit, now): (usize, UtcTime),
    ) -> Result<Matched<Both>, LookupError> {
        let allowed = self.allowed(now)?;
        let mut first: HashMap<Plate, Pass> = HashMap::new();
        self.visit(&here.query()?, &allowed, |hour, entry| {
            let pass = Pass {
                hour,
                entry: *entry,
            };
            first.entry(folded(&entry.plate)).or_insert(pass);
        })?;
        let mut nearest: HashMap<Plate, Pass> = HashMap::new();
        self.visit(&there.query()?, &allowed, |hour, entry| {
            let plate = folded(&entry.plate);
            let Some(other) = first.get(&plate) else {
                return;
            };
            let pass = Pass {
                hour,
                entry: *entry,
            };
            // One pass is not both.
            if (pass.hour, pass.entry.row) == (other.hour, other.entry.row) {
                return;
            }
            let known = nearest.entry(plate).or_insert(pass);
            if apart(pass.at(), other.at()) < apart(known.at(), other.at()) {
                *known = pass;
            }
        })?;
        let mut pairs: Vec<(Pass, Pass)> = nearest
            .into_iter()
            .filter_map(|(plate, there)| Some((*first.get(&plate)?, there)))
            .collect();
        pairs.sort_unstable_by_key(|(here, there)| (apart(here.at(), there.at()), here.at()));
        let total = pairs.len();
        let mut found = Vec::new();
        for (here, there) in pairs.into_iter().take(limit) {
            let both = (self.stored(&[here])?.pop(), self.stored(&[there])?.pop());
            if let (Some(here), Some(there)) = both {
                found.push(Both { here, there });
            }
        }
        Ok(Matched { found, total })
    }

    /// The vehicles that passed the same cameras as one, shortly before or after, at least `least`
    /// times; the most often first. The caller writes the audit line before anything is shown.
    ///
    /// # Errors
    /// [`LookupError`].
    pub fn companions(
        &self,
        (plate, from, to): (&PlatePattern, UtcTime, UtcTime),
        (window, least): (Duration, u32),
        (limit, now): (usize, UtcTime),
    ) -> Result<Matched<Companion>, LookupError> {
        let allowed = self.allowed(now)?;
        let asked = folded(&plate_of(plate.as_str()));
        let query = Query {
            plate: plate.clone(),
            fold: true,
            misread: false,
            from,
            to,
            filter: Filter::default(),
            limit: PASSES_MAX,
            oldest_first: true,
            after: None,
        };
        let own: Vec<Pass> = {
            let page = self.page_of(&query, &allowed)?.into_iter();
            page.map(|(hour, entry)| Pass { hour, entry }).collect()
        };
        let mut met: HashMap<Plate, HashMap<usize, Pass>> = HashMap::new();
        for (number, hit) in own.iter().enumerate() {
            for (hour, entry) in self.around(hit, window, &allowed)? {
                let other = folded(&entry.plate);
                if other != asked {
                    let passes = met.entry(other).or_default();
                    passes.entry(number).or_insert(Pass { hour, entry });
                }
            }
        }
        met.retain(|_, passes| u32::try_from(passes.len()).unwrap_or(u32::MAX) >= least);
        let total = met.len();
        let cameras = |passes: &HashMap<usize, Pass>| {
            let cameras: HashSet<u32> = passes.values().map(|pass| pass.entry.camera).collect();
            cameras.len()
        };
        let mut ranked: Vec<_> = met.into_iter().collect();
        ranked.sort_unstable_by_key(|(plate, passes)| {
            (std::cmp::Reverse((cameras(passes), passes.len())), *plate)
        });
        let mut found = Vec::new();
        for (plate, passes) in ranked.into_iter().take(limit) {
            let whole = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let (together, cameras) = (whole(passes.len()), whole(cameras(&passes)));
            let mut passes: Vec<Pass> = passes.into_values().collect();
            passes.sort_unstable_by_key(|pass| (pass.at(), pass.entry.row));
            found.push(Companion {
                plate: text_of(&passes.first().map_or(plate, |pass| pass.entry.plate)),
                together,
                cameras,
                passes: self.stored(&passes)?,
            });
        }
        Ok(Matched { found, total })
    }

    /// What passed the same camera shortly before or after.
    fn around(
        &self,
        hit: &Pass,
        window: Duration,
        allowed: &Allowed,
    ) -> Result<Vec<(Partition, Entry)>, StoreError> {
        let camera = self.name(hit.entry.camera);
        let Some(camera) = camera.and_then(|name| name.parse().ok()) else {
            return Ok(Vec::new());
        };
        let stretch = Stretch {
            filter: Filter {
                cameras: vec![camera],
                ..Filter::default()
            },
            from: hit.at() - window,
            to: hit.at() + window,
        };
        let mut found = Vec::new();
        self.visit(&stretch.query()?, allowed, |hour, entry| {
            found.push((hour, *entry));
        })?;
        Ok(found)
    }

    /// The sealed originals of these, in their order; what is gone or does not open is left out.
    fn stored(&self, passes: &[Pass]) -> Result<Vec<StoredTransit>, LookupError> {
        let wanted: Vec<_> = passes.iter().map(|pass| (pass.hour, pass.entry)).collect();
        Ok(self.stored_of(&wanted)?)
    }
}

fn apart(a: UtcTime, b: UtcTime) -> i64 {
    a.unix_us().saturating_sub(b.unix_us()).saturating_abs()
}
