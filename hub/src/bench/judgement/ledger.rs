//! Searches in memory, with the same questions as the hub's table: a year of 300 officers is a million searches.
//! A test holds both against each other.

use std::collections::{BTreeMap, HashMap};

use varco_proto::time::UtcTime;

use crate::judgement::rule::{
    Agreed, Duty, Mark, OffDutySearch, RecentSearch, ReferencePast, SearchAsked, SearchOf,
    SearchPast, SearchTime, Verdict, judge,
};
use crate::judgement::thresholds::{
    DAY, GROWN_MAX, HOUSEHOLD_MAX, OFF_DUTY_MAX, RECENT_MAX, REFERENCE_MAX, REPEATED_MAX, SAME_MAX,
    TIMES_MAX, TOGETHER, Thresholds,
};

/// Who searches, by number.
pub(super) type Officer = usize;

/// A search as it is asked in a simulation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    pub(super) officer: Officer,
    pub(super) at: UtcTime,
    pub(super) of: SearchOf,
    pub(super) reference: Mark,
    /// Plates in a row that lead to this one.
    pub(super) run: u32,
    pub(super) duty: Duty,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    at: UtcTime,
    of: SearchOf,
    reference: Mark,
    looks: u32,
    is_off_duty: bool,
    grown_at: Option<UtcTime>,
}

impl Row {
    fn plate(&self) -> Option<Mark> {
        match self.of {
            SearchOf::Plate(plate) => Some(plate),
            SearchOf::Wide(_) => None,
        }
    }
}

#[derive(Debug, Default)]
struct Person {
    rows: Vec<Row>,
    of_plate: HashMap<Mark, Vec<usize>>,
    of_reference: HashMap<Mark, Vec<usize>>,
    repeated: Vec<usize>,
    off_duty: Vec<usize>,
}

impl Person {
    fn off_duty(&self, search: &Search, limits: &Thresholds, since: UtcTime) -> Vec<OffDutySearch> {
        let plate = match search.of {
            SearchOf::Plate(plate) => Some(plate),
            SearchOf::Wide(_) => None,
        };
        let newest = self
            .off_duty
            .iter()
            .rev()
            .filter_map(|at| self.rows.get(*at));
        let since = since.max(search.at - limits.off_duty_memory);
        let newest = newest.take_while(|row| row.at >= since).take(OFF_DUTY_MAX);
        let of = |row: &Row| OffDutySearch {
            at: row.at,
            is_same: row.plate() == plate,
        };
        newest.map(of).collect()
    }
}

/// Everybody's searches.
#[derive(Debug, Default)]
pub(super) struct SearchLedger {
    people: Vec<Person>,
    /// The newest search of a plate under a reference, by person.
    under: HashMap<Pair, BTreeMap<Officer, UtcTime>>,
    /// Who searches under a reference.
    sharing: HashMap<Mark, BTreeMap<Officer, UtcTime>>,
    /// When a case grew.
    grown: HashMap<Mark, UtcTime>,
    /// What second persons agreed to, by person.
    agreed: HashMap<Officer, Vec<AgreedTo>>,
    listed: std::collections::HashSet<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Pair {
    plate: Mark,
    reference: Mark,
}

#[derive(Debug, Clone, Copy)]
struct AgreedTo {
    plate: Option<Mark>,
    reference: Mark,
    at: UtcTime,
}

/// Looks at one plate since its case last grew.
struct SameLooks {
    same: Vec<UtcTime>,
    /// Colleagues apart.
    without: Vec<UtcTime>,
}

impl SearchLedger {
    pub(super) fn of(officers: usize) -> Self {
        let mut ledger = Self::default();
        ledger.people.resize_with(officers, Person::default);
        ledger
    }

    /// A body lists a plate.
    pub(super) fn list(&mut self, plate: Mark) {
        self.listed.insert(plate);
    }

    /// A case grew: something was held, or an alert was raised.
    pub(super) fn grow(&mut self, reference: Mark, at: UtcTime) {
        self.grown.insert(reference, at);
    }

    /// When a case last grew.
    #[cfg(test)]
    pub(super) fn grown_at(&self, reference: Mark) -> Option<UtcTime> {
        self.grown.get(&reference).copied()
    }

    /// A second person agrees.
    pub(super) fn agree(&mut self, search: &Search, is_about_a_plate: bool) {
        let plate = match search.of {
            SearchOf::Plate(plate) if is_about_a_plate => Some(plate),
            _ => None,
        };
        let to = AgreedTo {
            plate,
            reference: search.reference,
            at: search.at,
        };
        self.agreed.entry(search.officer).or_default().push(to);
    }

    pub(super) fn judge(&self, search: &Search, limits: &Thresholds) -> Verdict {
        let asked = SearchAsked {
            at: search.at,
            of: search.of,
        };
        judge(&self.past(search, limits), &asked, limits)
    }

    /// Notes a search, answered or stopped: whoever goes on trying is not forgotten.
    pub(super) fn note(&mut self, search: &Search, verdict: &Verdict) {
        let grown_at = self.grown.get(&search.reference).copied();
        let Some(person) = self.people.get_mut(search.officer) else {
            return;
        };
        let looks = verdict.looks();
        let at = person.rows.len();
        person.rows.push(Row {
            at: search.at,
            of: search.of,
            reference: search.reference,
            looks,
            is_off_duty: verdict.is_off_duty,
            grown_at,
        });
        if verdict.is_off_duty {
            person.off_duty.push(at);
        }
        let is_stopped = verdict.needs_second.is_some();
        if let SearchOf::Plate(plate) = search.of {
            person.of_plate.entry(plate).or_default().push(at);
            if looks >= 2 {
                person.repeated.push(at);
            }
            let pair = Pair {
                plate,
                reference: search.reference,
            };
            if !is_stopped {
                self.under
                    .entry(pair)
                    .or_default()
                    .insert(search.officer, search.at);
            }
        }
        if is_stopped {
            return;
        }
        person
            .of_reference
            .entry(search.reference)
            .or_default()
            .push(at);
        let sharing = self.sharing.entry(search.reference).or_default();
        sharing.insert(search.officer, search.at);
    }

    fn past(&self, search: &Search, limits: &Thresholds) -> SearchPast {
        let since = search.at - limits.memory;
        let Some(person) = self.people.get(search.officer) else {
            return SearchPast::nothing(search.duty);
        };
        let newest = |rows: &[usize], most: usize| -> Vec<Row> {
            let rows = rows.iter().rev().filter_map(|at| person.rows.get(*at));
            rows.take_while(|row| row.at >= since)
                .take(most)
                .copied()
                .collect()
        };
        let plate = match search.of {
            SearchOf::Plate(plate) => Some(plate),
            SearchOf::Wide(_) => None,
        };
        let rows = plate.and_then(|plate| person.of_plate.get(&plate));
        let same_rows = rows.map_or_else(Vec::new, |rows| newest(rows, SAME_MAX));
        let SameLooks { same, without } = self.same(search, plate, &same_rows);
        let recent = person.rows.iter().rev().take(RECENT_MAX);
        let recent = recent.take_while(|row| row.at > search.at - DAY);
        SearchPast {
            household: self.household(
                person,
                search,
                &same_rows,
                newest(&person.repeated, REPEATED_MAX),
            ),
            reference: self.reference(person, search, limits),
            recent: recent
                .map(|row| RecentSearch {
                    at: row.at,
                    of: row.of,
                })
                .collect(),
            run: search.run,
            is_listed: plate.is_some_and(|plate| self.listed.contains(&plate)),
            duty: search.duty,
            times: person
                .rows
                .iter()
                .rev()
                .take(TIMES_MAX)
                .take_while(|row| row.at >= since)
                .map(|row| SearchTime {
                    at: row.at,
                    is_off_duty: row.is_off_duty,
                })
                .collect(),
            off_duty: person.off_duty(search, limits, since),
            agreed: self.agreed(search),
            same,
            same_without_colleagues: without,
        }
    }

    /// The looks at a plate since its case last grew.
    fn same(&self, search: &Search, plate: Option<Mark>, same_rows: &[Row]) -> SameLooks {
        let (mut same, mut without) = (Vec::new(), Vec::new());
        let mut read: Vec<Mark> = Vec::new();
        for row in same_rows {
            if read.len() < GROWN_MAX && !read.contains(&row.reference) {
                read.push(row.reference);
            }
        }
        for row in same_rows.iter().rev() {
            if !read.contains(&row.reference) {
                without.push(row.at);
                same.push(row.at);
                continue;
            }
            let grown = self.hard_growth(search, same_rows, row.reference);
            if grown.is_none_or(|grown| row.at > grown) {
                without.push(row.at);
                let shared =
                    plate.and_then(|plate| self.by_others(search.officer, plate, row.reference));
                if shared.is_none_or(|shared| row.at > shared) {
                    same.push(row.at);
                }
            }
        }
        SameLooks { same, without }
    }

    /// When the case of a plate's search grew, colleagues apart.
    fn hard_growth(&self, search: &Search, same: &[Row], reference: Mark) -> Option<UtcTime> {
        let told = same.iter().filter(|row| row.reference == reference);
        let told = told.filter_map(|row| row.grown_at).max();
        let now = (reference == search.reference).then(|| self.grown.get(&reference).copied());
        let agreed = self.agreed.get(&search.officer).into_iter().flatten();
        let agreed = agreed.filter(|to| {
            to.reference == reference
                && to
                    .plate
                    .is_some_and(|plate| SearchOf::Plate(plate) == search.of)
        });
        [told, now.flatten(), agreed.map(|to| to.at).max()]
            .into_iter()
            .flatten()
            .max()
    }

    fn by_others(&self, officer: Officer, plate: Mark, reference: Mark) -> Option<UtcTime> {
        let under = self.under.get(&Pair { plate, reference })?;
        under
            .iter()
            .filter(|(other, _)| **other != officer)
            .map(|(_, at)| *at)
            .max()
    }

    fn household(
        &self,
        person: &Person,
        search: &Search,
        same: &[Row],
        repeated: Vec<Row>,
    ) -> Vec<u32> {
        let near = |a: UtcTime, b: UtcTime| a.since(b).max(b.since(a)) <= TOGETHER;
        let goes_with = |row: &&Row| {
            row.of != search.of
                && (row.reference == search.reference
                    || near(row.at, search.at)
                    || same.iter().any(|one| near(one.at, row.at)))
        };
        let mut plates: Vec<Mark> = Vec::new();
        for row in repeated.iter().filter(goes_with) {
            if let SearchOf::Plate(plate) = row.of
                && plates.len() < HOUSEHOLD_MAX
                && !plates.contains(&plate)
            {
                plates.push(plate);
            }
        }
        let grown = self.grown.get(&search.reference).copied();
        let newest = plates.iter().filter_map(|plate| {
            let row = person.rows.get(*person.of_plate.get(plate)?.last()?)?;
            let is_grown =
                row.reference == search.reference && grown.is_some_and(|grown| row.at <= grown);
            (!is_grown && row.looks >= 2).then_some(row.looks)
        });
        newest.collect()
    }

    fn reference(&self, person: &Person, search: &Search, limits: &Thresholds) -> ReferencePast {
        let since = search.at - limits.memory;
        let agreed = self.agreed.get(&search.officer).into_iter().flatten();
        let agreed = agreed.filter(|to| to.reference == search.reference && to.plate.is_none());
        let grown = self.grown.get(&search.reference).copied();
        let grown = [grown, agreed.map(|to| to.at).max()]
            .into_iter()
            .flatten()
            .max();
        let rows = person.of_reference.get(&search.reference);
        let rows = rows.map_or(&[][..], Vec::as_slice);
        let is_before = |at: &usize| {
            let row = person.rows.get(*at);
            row.is_some_and(|row| row.at < since || grown.is_some_and(|grown| row.at <= grown))
        };
        let rows = rows
            .get(rows.partition_point(is_before)..)
            .unwrap_or_default();
        let newest = rows.iter().rev().take(REFERENCE_MAX);
        let plates: std::collections::BTreeSet<Mark> = newest
            .filter_map(|at| match person.rows.get(*at)?.of {
                SearchOf::Plate(plate) => Some(plate),
                SearchOf::Wide(_) => None,
            })
            .collect();
        let first_at = rows.first().and_then(|at| Some(person.rows.get(*at)?.at));
        let sharing = self.sharing.get(&search.reference);
        let most = usize::try_from(limits.shared_by).unwrap_or(usize::MAX);
        let others = sharing.map_or(0, |people| {
            let others = people.keys().filter(|other| **other != search.officer);
            others.take(most).count()
        });
        ReferencePast {
            first_at,
            has_this: matches!(search.of, SearchOf::Plate(plate) if plates.contains(&plate)),
            plates: u32::try_from(plates.len()).unwrap_or(u32::MAX),
            shared_by: u32::try_from(others).unwrap_or(u32::MAX),
        }
    }

    fn agreed(&self, search: &Search) -> Agreed {
        let mut agreed = Agreed::default();
        for to in self.agreed.get(&search.officer).into_iter().flatten().rev() {
            if to.reference != search.reference || search.at >= to.at + DAY {
                continue;
            }
            match to.plate {
                None => agreed.reference = true,
                Some(plate) => agreed.plate |= SearchOf::Plate(plate) == search.of,
            }
        }
        agreed
    }
}
