//! What a query wants, made ready to be held against entries: the same for every store.

use std::collections::HashMap;

use varco_proto::time::UtcTime;

use super::entry::{Entry, Plate, folded, plate_of};
use super::hour::UtcHour;
use super::misread::{Neighbour, neighbours};
use super::names::{Kind, Names};
use super::pattern::Glob;
use super::query::{Filter, Query};

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
}

/// The filter with numbers for names; none when a name is unknown, so that nothing can match.
pub(crate) struct Numbers<'a> {
    pub(crate) cameras: Vec<u32>,
    gates: Vec<u32>,
    filter: &'a Filter,
    confidence_min: u8,
    /// Plates as they were read must fit this.
    unfolded: Option<Glob>,
    pub(crate) from: UtcTime,
    pub(crate) to: UtcTime,
}

impl<'a> Numbers<'a> {
    pub(crate) fn of(query: &'a Query, from: UtcTime, names: &Names) -> Self {
        let filter = &query.filter;
        let all = names;
        let numbers = |kind, names: Vec<&str>| {
            let number = |name| all.number(kind, name);
            names.into_iter().filter_map(number).collect::<Vec<_>>()
        };
        let cameras = filter.cameras.iter().map(|id| id.as_str()).collect();
        let gates = filter.gates.iter().map(|id| id.as_str()).collect();
        let strict = !query.fold && !query.misread && !query.plate.is_any();
        Self {
            cameras: numbers(Kind::Camera, cameras),
            gates: numbers(Kind::Gate, gates),
            filter,
            confidence_min: filter.confidence_min.map_or(0, super::batch::of_255),
            unfolded: strict.then(|| Glob::unfolded(&query.plate)),
            from,
            to: query.to,
        }
    }

    /// Whether only names that nobody knows were given.
    pub(crate) fn is_empty(&self) -> bool {
        let unknown = |names: usize, numbers: &[u32]| names > 0 && numbers.is_empty();
        unknown(self.filter.cameras.len(), &self.cameras)
            || unknown(self.filter.gates.len(), &self.gates)
    }

    /// Whether nothing but the time is asked.
    pub(crate) fn is_open(&self) -> bool {
        *self.filter == Filter::default() && self.unfolded.is_none()
    }

    pub(crate) fn fits(&self, hour: UtcHour, entry: &Entry) -> bool {
        let at = hour.at(entry.offset_us);
        let filter = self.filter;
        at >= self.from
            && at <= self.to
            && filter.time_of_day.is_none_or(|within| within.has(at))
            && (self.cameras.is_empty() || self.cameras.contains(&entry.camera))
            && (self.gates.is_empty() || self.gates.contains(&entry.gate))
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
    pub(crate) fn offsets(&self, hour: UtcHour) -> (u32, u32) {
        (hour.offset_us(self.from), hour.offset_us(self.to))
    }

    pub(crate) fn has_whole(&self, hour: UtcHour) -> bool {
        self.from <= hour.start() && hour.end() <= self.to
    }
}
