//! A year of a made-up force, lawful work and abuse, judged by the hub's own rule: what is stopped that should
//! be, and what is stopped that should not.

mod abuse;
mod day;
mod dice;
mod fill;
mod ledger;
mod speed;
mod world;

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Serialize;
use varco_proto::time::UtcTime;

use abuse::{Abuse, Misuse};
use day::{Event, Force, LawfulWork};
use dice::Dice;
use ledger::SearchLedger;

use super::BenchSettings;
use crate::judgement::rule::{Mark, SearchOf, Verdict, looks};
use crate::judgement::thresholds::{THRESHOLDS, Thresholds};

use speed::SpeedFigures;
use world::{NamedWorld, World, worlds};

/// Years that are lived through in each world.
const SEEDS: u64 = 2;

/// What the judgement takes, and what it stops.
#[derive(Debug, Serialize)]
pub struct JudgementFigures {
    /// What it takes.
    speed: SpeedFigures,
    /// Most false stops in a thousand lawful searches, of all years.
    pub false_in_a_thousand_most: f64,
    /// The latest search at which the published pattern was stopped, of all years.
    pub published_stopped_at: u64,
    /// Each year, by world and seed.
    pub years: BTreeMap<String, SimulatedYear>,
}

/// Measures the judgement on so many stored searches, and lives through a year in each world.
///
/// # Errors
/// When a part does not work.
pub fn judgement(settings: &BenchSettings) -> anyhow::Result<JudgementFigures> {
    let folder = super::fill_folder(settings)?;
    let speed = speed::speed(folder.path(), settings.rows, settings.lookups)?;
    let mut years = BTreeMap::new();
    std::thread::scope(|scope| {
        let mut living = Vec::new();
        for NamedWorld { name, world } in worlds() {
            living.push(scope.spawn(move || {
                let year = |seed| (format!("{name} {seed}"), simulate(&world, seed));
                (1..=SEEDS).map(year).collect::<Vec<_>>()
            }));
        }
        for world in living {
            let lived = world.join().ok().context("a simulation broke off")?;
            years.extend(lived);
        }
        anyhow::Ok(())
    })?;
    let of = |year: &SimulatedYear| year.published_stopped_at();
    Ok(JudgementFigures {
        speed,
        false_in_a_thousand_most: years
            .values()
            .map(|year| year.false_in_a_thousand)
            .fold(0.0, f64::max),
        published_stopped_at: years.values().map(of).max().unwrap_or_default(),
        years,
    })
}

/// What the rule did in one world.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SimulatedYear {
    /// By kind of lawful work.
    pub lawful: BTreeMap<String, LawfulCount>,
    /// By kind of abuse.
    pub abuse: BTreeMap<&'static str, AbuseCount>,
    /// False stops by rule.
    pub false_stops_by_rule: BTreeMap<&'static str, u64>,
    /// Lawful searches in all.
    pub lawful_searches: u64,
    /// Those that were stopped.
    pub false_stops: u64,
    /// The same in a thousand.
    pub false_in_a_thousand: f64,
}

/// Lawful searches of a kind.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct LawfulCount {
    /// How many.
    pub searches: u64,
    /// Those that were stopped.
    pub stopped: u64,
}

/// Abusers of a kind.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct AbuseCount {
    /// How many.
    pub abusers: u64,
    /// Those that were stopped at least once.
    pub stopped: u64,
    /// What they searched.
    pub searches: u64,
    /// What they were answered.
    pub answered: u64,
    /// Of the plate that was searched longest before anything stopped it: which search was the first that was
    /// stopped, among plates with four searches or more.
    pub first_stop_of_plate: u64,
    /// Most answers about one plate.
    pub answered_of_plate: u64,
    /// Most looks at one plate that were answered: answers within half an hour are one look.
    pub looks_of_plate: u32,
    /// The latest first stop among all searches of one abuser.
    pub first_stop: u64,
}

impl SimulatedYear {
    /// The latest search of one plate at which the published pattern was stopped, whatever its references.
    #[must_use]
    pub fn published_stopped_at(&self) -> u64 {
        let kinds = [
            Abuse::Published,
            Abuse::PublishedNewReferences,
            Abuse::PublishedSharedReference,
        ];
        let of = |kind: Abuse| {
            self.abuse
                .get(kind.as_str())
                .map(|of| of.first_stop_of_plate)
        };
        // One that is not there was not stopped.
        kinds
            .map(|kind| of(kind).unwrap_or(u64::MAX))
            .into_iter()
            .max()
            .unwrap_or(u64::MAX)
    }
}

/// Lives through a world and judges every search.
#[must_use]
fn simulate(world: &World, seed: u64) -> SimulatedYear {
    simulate_by(world, seed, &THRESHOLDS)
}

fn simulate_by(world: &World, seed: u64, limits: &Thresholds) -> SimulatedYear {
    let mut dice = Dice::seeded(seed);
    let mut force = Force::of(*world, &mut dice);
    let mut misuses = abuse::plan(world, &mut force, &mut dice);
    misuses.sort_by_key(|misuse| misuse.search.at);
    let mut run = Run {
        ledger: SearchLedger::of(world.officers),
        limits,
        year: SimulatedYear::default(),
        abusers: BTreeMap::new(),
    };
    for listed in 0..world.listed {
        let step = world.vehicles / world.listed.max(1);
        run.ledger.list(day::plate_mark(listed * step + 1));
    }
    let mut misuses = misuses.into_iter().peekable();
    for number in 0..world.days {
        let mut events = force.day(number, &mut dice);
        events.sort_by_key(|event| event.search.at);
        for event in &events {
            while let Some(misuse) = misuses.next_if(|misuse| misuse.search.at <= event.search.at) {
                run.misuse(&misuse);
            }
            run.lawful(event);
        }
    }
    misuses.for_each(|misuse| run.misuse(&misuse));
    run.end()
}

struct Run<'a> {
    ledger: SearchLedger,
    limits: &'a Thresholds,
    year: SimulatedYear,
    abusers: BTreeMap<usize, Abuser>,
}

#[derive(Debug, Clone)]
struct Abuser {
    abuse: Abuse,
    searches: u64,
    first_stop: Option<u64>,
    of_plate: BTreeMap<Option<Mark>, Pursued>,
}

/// What became of an abuser's searches of one plate.
#[derive(Debug, Clone, Default)]
struct Pursued {
    searches: u64,
    answered: Vec<UtcTime>,
    first_stop: Option<u64>,
}

impl Run<'_> {
    fn lawful(&mut self, event: &Event<LawfulWork>) {
        let verdict = self.ledger.judge(&event.search, self.limits);
        let count = self
            .year
            .lawful
            .entry(format!("{:?}", event.work))
            .or_default();
        count.searches += 1;
        self.year.lawful_searches += 1;
        if let Some(why) = verdict.needs_second {
            count.stopped += 1;
            self.year.false_stops += 1;
            *self
                .year
                .false_stops_by_rule
                .entry(why.rule.as_str())
                .or_default() += 1;
            self.ledger.note(&event.search, &verdict);
            // A colleague agrees: it is lawful work.
            self.ledger
                .agree(&event.search, why.rule.is_about_a_plate());
        }
        let verdict = Verdict {
            needs_second: None,
            ..verdict
        };
        self.ledger.note(&event.search, &verdict);
        if event.grows {
            self.ledger.grow(event.search.reference, event.search.at);
        }
    }

    fn misuse(&mut self, misuse: &Misuse) {
        let verdict = self.ledger.judge(&misuse.search, self.limits);
        let abuser = self.abusers.entry(misuse.abuser).or_insert_with(|| Abuser {
            abuse: misuse.abuse,
            searches: 0,
            first_stop: None,
            of_plate: BTreeMap::new(),
        });
        abuser.searches += 1;
        let plate = match misuse.search.of {
            SearchOf::Plate(plate) => Some(plate),
            SearchOf::Wide(_) => None,
        };
        let pursued = abuser.of_plate.entry(plate).or_default();
        pursued.searches += 1;
        match verdict.needs_second {
            // No colleague agrees.
            Some(_) => {
                abuser.first_stop.get_or_insert(abuser.searches);
                pursued.first_stop.get_or_insert(pursued.searches);
            }
            None => pursued.answered.push(misuse.search.at),
        }
        self.ledger.note(&misuse.search, &verdict);
    }

    fn end(mut self) -> SimulatedYear {
        for abuser in self.abusers.values() {
            let count = self.year.abuse.entry(abuser.abuse.as_str()).or_default();
            count.abusers += 1;
            count.stopped += u64::from(abuser.first_stop.is_some());
            count.searches += abuser.searches;
            count.first_stop = count.first_stop.max(abuser.first_stop.unwrap_or_default());
            for pursued in abuser.of_plate.values() {
                let answered = u64::try_from(pursued.answered.len()).unwrap_or(u64::MAX);
                count.answered += answered;
                count.answered_of_plate = count.answered_of_plate.max(answered);
                let seen = looks(pursued.answered.iter().copied(), THRESHOLDS.look);
                count.looks_of_plate = count.looks_of_plate.max(seen);
                if pursued.searches >= 4 {
                    let first = pursued.first_stop.unwrap_or(pursued.searches + 1);
                    count.first_stop_of_plate = count.first_stop_of_plate.max(first);
                }
            }
        }
        let in_thousands = super::number(self.year.lawful_searches.max(1)) / 1000.0;
        self.year.false_in_a_thousand = super::number(self.year.false_stops) / in_thousands;
        self.year
    }
}

#[cfg(test)]
mod tests;
