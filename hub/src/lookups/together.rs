//! Which vehicles passed both here and there, and which travel with another.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use thiserror::Error;
use varco_proto::time::UtcTime;

use super::search::{search, visit};
use crate::lookups::store::TransitStore;
use crate::plates::pattern::PlatePattern;
use crate::plates::plate::{Plate, folded, plate_of, text_of};
use crate::store::StoreError;
use crate::transits::allowed::Allowed;
use crate::transits::query::{CAMERAS_MAX, Filter, Query};
use crate::transits::stored::{Hit, StoredTransit};

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

/// Which vehicles travel with one.
#[derive(Debug, Clone, PartialEq)]
pub struct Company {
    /// The plate of the one, whole.
    pub plate: PlatePattern,
    /// First moment.
    pub from: UtcTime,
    /// Last moment.
    pub to: UtcTime,
    /// Longest time between the two at one camera, at most [`WINDOW_MAX`].
    pub window: Duration,
    /// Fewest passes together, at least [`TOGETHER_MIN`].
    pub least: u32,
}

impl TransitStore {
    /// The vehicles that passed both, those with the shortest time between first; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn both(
        &self,
        here: &Stretch,
        there: &Stretch,
        limit: usize,
        allowed: &Allowed,
    ) -> Result<Matched<Both>, StoreError> {
        let mut first: HashMap<Plate, Hit> = HashMap::new();
        visit(self.hours(), &here.query()?, allowed, |hit| {
            let known = first.entry(folded(&hit.entry.plate)).or_insert(*hit);
            if hit.key() < known.key() {
                *known = *hit;
            }
        })?;
        let mut nearest: HashMap<Plate, Hit> = HashMap::new();
        visit(self.hours(), &there.query()?, allowed, |hit| {
            let plate = folded(&hit.entry.plate);
            // One pass is not both.
            let Some(other) = first.get(&plate).filter(|other| other.key() != hit.key()) else {
                return;
            };
            let known = nearest.entry(plate).or_insert(*hit);
            let far = |hit: &Hit| (apart(hit.at(), other.at()), hit.key());
            if far(hit) < far(known) {
                *known = *hit;
            }
        })?;
        let mut pairs: Vec<(Hit, Hit)> = nearest
            .into_iter()
            .filter_map(|(plate, there)| Some((*first.get(&plate)?, there)))
            .collect();
        pairs.sort_unstable_by_key(|(here, there)| (apart(here.at(), there.at()), here.key()));
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

    /// The vehicles that passed the same cameras as one, shortly before or after; the most often first,
    /// at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn companions(
        &self,
        company: &Company,
        limit: usize,
        allowed: &Allowed,
    ) -> Result<Matched<Companion>, StoreError> {
        let asked = folded(&plate_of(company.plate.as_str()));
        let query = Query {
            plate: company.plate.clone(),
            fold: true,
            misread: false,
            from: company.from,
            to: company.to,
            filter: Filter::default(),
            limit: PASSES_MAX,
            oldest_first: true,
            after: None,
        };
        let own = search(self.hours(), &query, allowed)?.page;
        let mut met: HashMap<Plate, HashMap<usize, Hit>> = HashMap::new();
        for (number, pass) in own.iter().enumerate() {
            for hit in self.around(pass, company.window, allowed)? {
                let other = folded(&hit.entry.plate);
                if other != asked {
                    let passes = met.entry(other).or_default();
                    passes.entry(number).or_insert(hit);
                }
            }
        }
        met.retain(|_, passes| u32::try_from(passes.len()).is_ok_and(|n| n >= company.least));
        let total = met.len();
        let cameras = |passes: &HashMap<usize, Hit>| {
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
            let mut passes: Vec<Hit> = passes.into_values().collect();
            passes.sort_unstable_by_key(Hit::key);
            found.push(Companion {
                plate: text_of(&passes.first().map_or(plate, |pass| pass.entry.plate)),
                together,
                cameras,
                passes: self.stored(&passes)?,
            });
        }
        Ok(Matched { found, total })
    }

    /// What passed the same camera shortly before or after, oldest first.
    fn around(
        &self,
        pass: &Hit,
        window: Duration,
        allowed: &Allowed,
    ) -> Result<Vec<Hit>, StoreError> {
        let camera = self.name(pass.entry.camera);
        let Some(camera) = camera.and_then(|name| name.parse().ok()) else {
            return Ok(Vec::new());
        };
        let stretch = Stretch {
            filter: Filter {
                cameras: vec![camera],
                ..Filter::default()
            },
            from: pass.at() - window,
            to: pass.at() + window,
        };
        let mut found = Vec::new();
        visit(self.hours(), &stretch.query()?, allowed, |hit| {
            found.push(*hit)
        })?;
        found.sort_unstable_by_key(Hit::key);
        Ok(found)
    }

    /// The sealed originals of these, in their order; what is gone or does not open is left out.
    fn stored(&self, hits: &[Hit]) -> Result<Vec<StoredTransit>, StoreError> {
        Ok(self.fetch(hits)?.transits)
    }
}

fn apart(a: UtcTime, b: UtcTime) -> i64 {
    a.unix_us().saturating_sub(b.unix_us()).saturating_abs()
}
