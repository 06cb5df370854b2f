//! What a query wants, made ready to be held against entries: the same for every store.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

use varco_proto::ids::{CameraId, GateId};
use varco_proto::time::UtcTime;

use super::allowed::Allowed;
use super::dictionary::{Dictionaries, Known};
use super::entry::Entry;
use super::horizon::Limits;
use super::names::{NameKind, Names};
use super::query::{Filter, Query};
use crate::hours::partition::{Partition, Term};
use crate::map::gates::Within;
use crate::municipalities::owners::Ownership;
use crate::municipalities::reach::NumberedReach;
use crate::plates::misread::{Neighbour, neighbours};
use crate::plates::pattern::Glob;
use crate::plates::plate::{Plate, folded, plate_of};

/// Which plates are wanted.
pub(crate) enum Wanted {
    /// All of them.
    Every,
    /// These, folded.
    Plates(Vec<Plate>),
    /// Those that fit a pattern, folded.
    Fitting(Glob),
}

impl Wanted {
    /// Which plates a query wants; those that may have been read instead go to `reasons`.
    pub(crate) fn by(query: &Query, reasons: &mut HashMap<Plate, Neighbour>) -> Self {
        if query.plate.is_any() {
            return Self::Every;
        }
        if !query.plate.is_exact() {
            return Self::Fitting(Glob::of(&query.plate));
        }
        let plate = folded(&plate_of(query.plate.as_str()));
        if !query.misread {
            return Self::Plates(vec![plate]);
        }
        let all = neighbours(&plate);
        let plates = all.iter().map(|neighbour| neighbour.plate).collect();
        reasons.extend(all.into_iter().map(|n| (n.plate, n)));
        Self::Plates(plates)
    }

    /// What dictionaries know of the wanted plates, by term; nothing when every plate is wanted.
    pub(crate) fn known(&self, dictionaries: &Dictionaries) -> BTreeMap<Term, Vec<Known>> {
        dictionaries.each(|dictionary| match self {
            Self::Every => Vec::new(),
            Self::Plates(plates) => plates.iter().filter_map(|p| dictionary.find(p)).collect(),
            Self::Fitting(glob) => dictionary.matching(glob),
        })
    }

    /// Whether a plate, as it was read, is wanted.
    pub(crate) fn has(&self, plate: &Plate) -> bool {
        let plate = folded(plate);
        match self {
            Self::Every => true,
            Self::Plates(plates) => plates.contains(&plate),
            Self::Fitting(glob) => glob.fits(&plate),
        }
    }
}

/// A query with numbers for names, held against what may be processed.
pub struct Numbers<'a> {
    cameras: Vec<u32>,
    gates: Vec<u32>,
    area: Option<Stands>,
    /// The gates of the municipalities that are asked for.
    municipal: Option<BTreeMap<u32, Ownership>>,
    /// What whoever asks may see; none when everything.
    reach: Option<NumberedReach>,
    /// The cameras that can have what fits; none when any can.
    path: Option<Vec<u32>>,
    /// Hours in which others can too.
    older: HashSet<Partition>,
    filter: &'a Filter,
    confidence_min: u8,
    /// Plates as they were read must fit this.
    unfolded: Option<Glob>,
    limits: Limits,
    allowed: &'a Allowed,
    pub(crate) from: UtcTime,
    pub(crate) to: UtcTime,
}

impl<'a> Numbers<'a> {
    pub(crate) fn of(query: &'a Query, allowed: &'a Allowed, names: &Names) -> Self {
        let horizon = allowed.horizon();
        let filter = &query.filter;
        let numbers = |kind, wanted: Vec<&str>| {
            let number = |name| names.number(kind, name);
            wanted.into_iter().filter_map(number).collect::<Vec<_>>()
        };
        let cameras = filter.cameras.iter().map(|id| id.as_str()).collect();
        let gates = filter.gates.iter().map(|id| id.as_str()).collect();
        let strict = !query.fold && !query.misread && !query.plate.is_any();
        let cameras = numbers(NameKind::Camera, cameras);
        let gates = numbers(NameKind::Gate, gates);
        let area = filter.within.as_ref().map(|w| Stands::of(w, names));
        let municipal = filter.municipal.as_ref().map(|municipal| {
            let gates = municipal.gates.iter();
            let owned = |(gate, owned): (&GateId, &Ownership)| {
                Some((names.number(NameKind::Gate, gate.as_str())?, owned.clone()))
            };
            gates
                .filter_map(owned)
                .collect::<BTreeMap<u32, Ownership>>()
        });
        let number = |gate: &GateId| names.number(NameKind::Gate, gate.as_str());
        let reach = allowed.reach().numbered(number);
        let places = Places {
            cameras: &cameras,
            gates: &gates,
            area: area.as_ref(),
            municipal: municipal.as_ref(),
            reach: reach.as_ref(),
        };
        let path = places.path(names);
        Self {
            cameras,
            gates,
            area,
            municipal,
            reach,
            path,
            older: names.older().clone(),
            filter,
            confidence_min: filter.confidence_min.map_or(0, super::batch::of_255),
            unfolded: strict.then(|| Glob::unfolded(&query.plate)),
            limits: horizon.numbered(names),
            allowed,
            from: query.from.max(horizon.begins()),
            to: query.to,
        }
    }

    /// The cameras of an hour that have to be read; none when all have.
    pub(crate) fn path(&self, hour: Partition) -> Option<&[u32]> {
        if self.older.contains(&hour) {
            (!self.cameras.is_empty()).then_some(&self.cameras)
        } else {
            self.path.as_deref()
        }
    }

    /// Whether nothing can match: only names that nobody knows, or no time at all.
    pub(crate) fn finds_nothing(&self) -> bool {
        self.is_empty() || self.from > self.to
    }

    /// Whether only names that nobody knows were given, or nothing is within reach.
    fn is_empty(&self) -> bool {
        let unknown = |names: usize, numbers: &[u32]| names > 0 && numbers.is_empty();
        unknown(self.filter.cameras.len(), &self.cameras)
            || unknown(self.filter.gates.len(), &self.gates)
            || self.area.as_ref().is_some_and(Stands::is_empty)
            || self.municipal.as_ref().is_some_and(BTreeMap::is_empty)
            || self.reach.as_ref().is_some_and(NumberedReach::is_empty)
    }

    /// Whether nothing but the time is asked, and everything is within reach.
    pub(crate) fn is_open(&self) -> bool {
        *self.filter == Filter::default() && self.unfolded.is_none() && self.reach.is_none()
    }

    /// Whether an entry is wanted and may be processed.
    pub(crate) fn fits(&self, hour: Partition, entry: &Entry) -> bool {
        self.matches(hour, entry) && !self.allowed.blocked_in(hour).contains(entry)
    }

    /// The blocked transits of an hour that a search leaves out.
    pub(crate) fn left_out_in(
        &self,
        hour: Partition,
        wanted: &Wanted,
    ) -> impl Iterator<Item = &Entry> {
        let blocked = self.allowed.blocked_in(hour).iter();
        blocked.filter(move |entry| wanted.has(&entry.plate) && self.matches(hour, entry))
    }

    /// How many blocked transits a search leaves out.
    pub(crate) fn left_out(&self, wanted: &Wanted) -> u64 {
        let blocked = self.allowed.blocked();
        let left_out =
            blocked.filter(|(hour, entry)| wanted.has(&entry.plate) && self.matches(*hour, entry));
        u64::try_from(left_out.count()).unwrap_or(u64::MAX)
    }

    fn matches(&self, hour: Partition, entry: &Entry) -> bool {
        let at = hour.at(entry.offset_us);
        let filter = self.filter;
        at >= self.from
            && at <= self.to
            && self.limits.show(hour, entry.gate, at)
            && filter.time_of_day.is_none_or(|within| within.has(at))
            && (self.cameras.is_empty() || self.cameras.contains(&entry.camera))
            && (self.gates.is_empty() || self.gates.contains(&entry.gate))
            && (self.area.as_ref()).is_none_or(|area| area.has(entry.gate, entry.camera))
            && (self.municipal.as_ref())
                .is_none_or(|gates| gates.get(&entry.gate).is_some_and(|owned| owned.has(at)))
            && (self.reach.as_ref()).is_none_or(|reach| reach.has(entry.gate, at))
            && filter
                .direction
                .is_none_or(|wanted| entry.marks.direction() == Some(wanted))
            && filter
                .travel
                .is_none_or(|wanted| entry.marks.travel() == Some(wanted))
            && filter.country.is_none_or(|wanted| entry.country == wanted)
            && entry.confidence >= self.confidence_min
            && self
                .unfolded
                .as_ref()
                .is_none_or(|glob| glob.fits(&entry.plate))
    }

    /// The part of an hour that lies in the window, as offsets, both included.
    pub(crate) fn offsets(&self, hour: Partition) -> RangeInclusive<u32> {
        hour.offset_us(self.from)..=hour.offset_us(self.to)
    }

    /// The partitions that the window touches, the first and the last.
    pub(crate) fn window(&self) -> (Partition, Partition) {
        let ends = |at| Partition::of(at, Term::WHOLE).span();
        (ends(self.from).0, ends(self.to).1)
    }

    pub(crate) fn has_whole(&self, hour: Partition) -> bool {
        self.from <= hour.start() && hour.end() <= self.to && self.limits.show_all(hour)
    }
}

/// What stands in an area, with numbers for names.
struct Stands {
    gates: BTreeSet<u32>,
    /// Gate and camera.
    cameras: BTreeSet<(u32, u32)>,
    /// Of gates in the area, but themselves outside.
    elsewhere: BTreeSet<(u32, u32)>,
}

impl Stands {
    fn of(within: &Within, names: &Names) -> Self {
        let gate = |id: &GateId| names.number(NameKind::Gate, id.as_str());
        let camera = |(at, id): &(GateId, CameraId)| {
            Some((gate(at)?, names.number(NameKind::Camera, id.as_str())?))
        };
        Self {
            gates: within.gates.iter().filter_map(gate).collect(),
            cameras: within.cameras.iter().filter_map(camera).collect(),
            elsewhere: within.elsewhere.iter().filter_map(camera).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.gates.is_empty() && self.cameras.is_empty()
    }

    fn has(&self, gate: u32, camera: u32) -> bool {
        self.cameras.contains(&(gate, camera))
            || (self.gates.contains(&gate) && !self.elsewhere.contains(&(gate, camera)))
    }
}

/// Where is looked, with numbers for names.
struct Places<'a> {
    cameras: &'a [u32],
    gates: &'a [u32],
    area: Option<&'a Stands>,
    municipal: Option<&'a BTreeMap<u32, Ownership>>,
    reach: Option<&'a NumberedReach>,
}

impl Places<'_> {
    /// The cameras that can have what fits, in their order; none when any can.
    fn path(&self, names: &Names) -> Option<Vec<u32>> {
        let by_gate = self.area.is_some() || self.municipal.is_some() || self.reach.is_some();
        if self.gates.is_empty() && !by_gate {
            return (!self.cameras.is_empty()).then(|| self.cameras.to_vec());
        }
        let fits = |(gate, camera): &(u32, u32)| {
            (self.cameras.is_empty() || self.cameras.contains(camera))
                && (self.gates.is_empty() || self.gates.contains(gate))
                && self.area.is_none_or(|area| area.has(*gate, *camera))
                && self.municipal.is_none_or(|gates| gates.contains_key(gate))
                && self.reach.is_none_or(|reach| reach.has_ever(*gate))
        };
        let fitting: BTreeSet<u32> = names.met().filter(fits).map(|(_, camera)| camera).collect();
        Some(fitting.into_iter().collect())
    }
}
