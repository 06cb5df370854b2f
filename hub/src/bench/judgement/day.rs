//! One day of the made-up force: who is on duty, and what each lawful kind of work searches.

use varco_proto::time::UtcTime;

use super::dice::Dice;
use super::ledger::{Officer, Search};
use super::world::World;
use crate::judgement::rule::{Duty, Mark, SearchOf};

pub(super) const MINUTE_US: i64 = 60_000_000;
pub(super) const DAY_MINUTES: i64 = 24 * 60;

/// Lawful work, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum LawfulWork {
    /// A patrol checks vehicles that it meets.
    Check,
    /// A stolen vehicle is followed for hours or days.
    Stolen,
    /// An investigation looks at its vehicles, day after day.
    Investigation,
    /// The office looks a vehicle up after an accident.
    Office,
    /// A course: everybody searches the same few plates.
    Course,
    /// What passed a camera after a robbery.
    Scan,
}

/// What is searched, and what comes of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<W> {
    pub(super) search: Search,
    pub(super) work: W,
    /// Whether the case grows by it.
    pub(super) grows: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Days,
    Turns,
    Nights,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    pattern: Pattern,
    is_investigator: bool,
    is_in_office: bool,
    has_own_reference: bool,
}

#[derive(Debug, Clone)]
struct Investigation {
    reference: Mark,
    team: Vec<Officer>,
    plates: Vec<Mark>,
    ends: u64,
    is_dead: bool,
}

#[derive(Debug, Clone, Copy)]
struct Theft {
    reference: Mark,
    plate: Mark,
    desk: Officer,
    looks: u64,
    is_listed: bool,
}

/// The force.
#[derive(Debug)]
pub(super) struct Force {
    world: World,
    members: Vec<Member>,
    investigations: Vec<Investigation>,
    references: Mark,
}

/// When somebody is on duty, in minutes of the simulation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift {
    pub(super) from: i64,
    pub(super) minutes: u64,
}

/// References that do not come from a counter.
const SHARED: Mark = -1;
const COURSE: Mark = -2;
/// Plates beyond the vehicles that a patrol meets.
const COURSE_PLATES: Mark = 2_000_000_000;

impl Force {
    pub(super) fn of(world: World, dice: &mut Dice) -> Self {
        let member = |_| {
            let pattern = match dice.below(100) {
                0..40 => Pattern::Days,
                40..92 => Pattern::Turns,
                _ => Pattern::Nights,
            };
            let role = dice.below(100);
            Member {
                pattern,
                is_investigator: role < 20,
                is_in_office: (20..30).contains(&role),
                has_own_reference: dice.chance(world.own_reference),
            }
        };
        Self {
            world,
            members: (0..world.officers).map(member).collect(),
            investigations: Vec::new(),
            references: 0,
        }
    }

    pub(super) fn new_reference(&mut self) -> Mark {
        self.references += 1;
        self.references
    }

    /// Whether somebody works by day alone.
    pub(super) fn is_by_day(&self, officer: Officer) -> bool {
        let member = self.members.get(officer);
        member.is_some_and(|member| member.pattern == Pattern::Days)
    }

    /// The shift of one day; none on a day off.
    pub(super) fn shift(&self, officer: Officer, day: u64) -> Option<Shift> {
        let member = self.members.get(officer)?;
        let turn = (day + u64::try_from(officer).ok()?) % 7;
        let hour = match (member.pattern, turn) {
            (_, 5 | 6) => return None,
            (Pattern::Days, turn) => [7, 7, 8, 13, 13]
                .get(usize::try_from(turn).ok()?)
                .copied()?,
            (Pattern::Turns, turn) => [7, 7, 13, 13, 19]
                .get(usize::try_from(turn).ok()?)
                .copied()?,
            (Pattern::Nights, turn) => [19, 19, 22, 22, 1]
                .get(usize::try_from(turn).ok()?)
                .copied()?,
        };
        Some(Shift {
            from: i64::try_from(day).ok()? * DAY_MINUTES + hour * 60,
            minutes: 6 * 60,
        })
    }

    /// All lawful searches of a day, in no order.
    pub(super) fn day(&mut self, day: u64, dice: &mut Dice) -> Vec<Event<LawfulWork>> {
        let mut events = Vec::new();
        self.begin_cases(day, dice);
        for officer in 0..self.members.len() {
            let Some(mut shift) = self.shift(officer, day) else {
                continue;
            };
            // Overtime, now and then.
            if dice.chance(30) {
                shift.minutes += dice.between(60, 240);
            }
            self.work(officer, shift, dice, &mut events);
        }
        self.investigate(day, dice, &mut events);
        self.follow_thefts(day, dice, &mut events);
        if day % 30 == 12 {
            self.course(day, dice, &mut events);
        }
        refine(&mut events, dice);
        events
    }

    fn work(
        &mut self,
        officer: Officer,
        shift: Shift,
        dice: &mut Dice,
        events: &mut Vec<Event<LawfulWork>>,
    ) {
        let Some(member) = self.members.get(officer).copied() else {
            return;
        };
        let (work, most) = match member {
            Member {
                is_investigator: true,
                ..
            } => (LawfulWork::Check, self.world.checks / 3),
            Member {
                is_in_office: true, ..
            } => (LawfulWork::Office, self.world.checks),
            _ => (LawfulWork::Check, self.world.checks * 2),
        };
        let turn = self.new_reference();
        let own = -10 - Mark::try_from(officer).unwrap_or_default();
        for _ in 0..dice.between(0, most) {
            let reference = match () {
                () if member.has_own_reference => own,
                () if dice.chance(self.world.shared_reference) => SHARED,
                () if work == LawfulWork::Office => self.new_reference(),
                () => turn,
            };
            // A few vehicles are met again and again.
            let plate = match dice.chance(30) {
                true => dice.below(self.world.vehicles / 100),
                false => dice.below(self.world.vehicles),
            };
            let minute = dice.below(shift.minutes);
            let event = self.event(officer, shift, minute, plate_mark(plate), reference);
            let again = dice.chance(if work == LawfulWork::Office { 250 } else { 40 });
            events.push(Event {
                work,
                grows: false,
                ..event
            });
            if again {
                let minute = minute + dice.between(1, 90);
                let event = self.event(officer, shift, minute, plate_mark(plate), reference);
                events.push(Event {
                    work,
                    grows: false,
                    ..event
                });
            }
        }
        if member.is_investigator && dice.chance(40) {
            let reference = self.new_reference();
            let begun = dice.below(shift.minutes);
            for step in 0..dice.between(4, 25) {
                let mut event = self.event(officer, shift, begun + 2 * step, 0, reference);
                event.search.of = SearchOf::Wide(plate_mark(step));
                events.push(Event {
                    work: LawfulWork::Scan,
                    ..event
                });
            }
        }
    }

    fn event(
        &self,
        officer: Officer,
        shift: Shift,
        minute: u64,
        plate: Mark,
        reference: Mark,
    ) -> Event<LawfulWork> {
        let minute = shift.from + i64::try_from(minute).unwrap_or_default();
        let duty = match self.world.has_rosters {
            true => Duty::On,
            false => Duty::Unknown,
        };
        Event {
            search: Search {
                officer,
                at: UtcTime::from_unix_us(minute * MINUTE_US),
                of: SearchOf::Plate(plate),
                reference,
                run: 0,
                duty,
            },
            work: LawfulWork::Investigation,
            grows: false,
        }
    }

    fn begin_cases(&mut self, day: u64, dice: &mut Dice) {
        self.investigations.retain(|case| case.ends > day);
        for officer in 0..self.members.len() {
            let is_theirs = self
                .members
                .get(officer)
                .is_some_and(|member| member.is_investigator);
            if !is_theirs || !dice.chance(self.world.cases_a_month * 1000 / 30) {
                continue;
            }
            let is_dead = dice.chance(self.world.dead);
            let mut team = vec![officer];
            if !is_dead {
                let others = dice.between(0, 3);
                let count = u64::try_from(self.members.len()).unwrap_or_default();
                team.extend((0..others).filter_map(|_| usize::try_from(dice.below(count)).ok()));
            }
            let plates =
                (0..dice.between(1, 4)).map(|_| plate_mark(dice.below(self.world.vehicles)));
            let case = Investigation {
                plates: plates.collect(),
                reference: 0,
                team,
                ends: day
                    + if is_dead {
                        dice.between(3, 15)
                    } else {
                        dice.between(5, 60)
                    },
                is_dead,
            };
            let reference = self.new_reference();
            self.investigations
                .push(Investigation { reference, ..case });
        }
    }

    fn investigate(&self, day: u64, dice: &mut Dice, events: &mut Vec<Event<LawfulWork>>) {
        for case in &self.investigations {
            for (place, officer) in case.team.iter().enumerate() {
                let Some(shift) = self.shift(*officer, day) else {
                    continue;
                };
                let looks = match (case.is_dead, place) {
                    (true, _) => 200,
                    (false, 0) => 200,
                    (false, _) => 120,
                };
                if !dice.chance(looks) {
                    continue;
                }
                let mut minute = dice.below(shift.minutes);
                for plate in &case.plates {
                    if dice.chance(200) {
                        continue;
                    }
                    minute += dice.between(1, 15);
                    let event = self.event(*officer, shift, minute, *plate, case.reference);
                    let grows = !case.is_dead && dice.chance(self.world.grows);
                    events.push(Event { grows, ..event });
                }
            }
        }
    }

    /// A stolen vehicle is on a list, and its passes raise alerts; a desk looks where it went.
    fn follow_thefts(&mut self, day: u64, dice: &mut Dice, events: &mut Vec<Event<LawfulWork>>) {
        let count = u64::try_from(self.members.len()).unwrap_or_default();
        // Two a day for 300 people.
        for _ in 0..count.div_ceil(150) {
            let Some(desk) = usize::try_from(dice.below(count)).ok() else {
                continue;
            };
            let Some(shift) = self.shift(desk, day) else {
                continue;
            };
            let theft = Theft {
                reference: self.new_reference(),
                plate: plate_mark(dice.below(self.world.vehicles)),
                desk,
                looks: dice.between(1, 8),
                is_listed: dice.chance(900),
            };
            let mut minute = dice.below(120);
            for _ in 0..theft.looks {
                minute += dice.between(5, 50);
                let event = self.event(theft.desk, shift, minute, theft.plate, theft.reference);
                let grows = theft.is_listed && dice.chance(500);
                events.push(Event {
                    work: LawfulWork::Stolen,
                    grows,
                    ..event
                });
            }
        }
    }

    fn course(&self, day: u64, dice: &mut Dice, events: &mut Vec<Event<LawfulWork>>) {
        let count = u64::try_from(self.members.len()).unwrap_or_default();
        let Ok(begins) = i64::try_from(day) else {
            return;
        };
        let shift = Shift {
            from: begins * DAY_MINUTES + 9 * 60,
            minutes: 180,
        };
        let instructor = 0;
        let pupils: Vec<Officer> = (0..12)
            .filter_map(|_| usize::try_from(dice.below(count)).ok())
            .collect();
        for officer in pupils.into_iter().chain([instructor]) {
            for _ in 0..dice.between(8, 20) {
                let plate = COURSE_PLATES + Mark::try_from(dice.below(6)).unwrap_or_default();
                let reference = COURSE - begins * 1000;
                let event = self.event(officer, shift, dice.below(180), plate, reference);
                events.push(Event {
                    work: LawfulWork::Course,
                    ..event
                });
            }
        }
    }
}

/// One search in seven is asked again within minutes: the next page, another camera, a wider window.
fn refine(events: &mut Vec<Event<LawfulWork>>, dice: &mut Dice) {
    for at in 0..events.len() {
        let Some(event) = events.get(at).copied() else {
            continue;
        };
        if !dice.chance(150) {
            continue;
        }
        for _ in 0..dice.between(1, 3) {
            let mut again = event;
            let later = std::time::Duration::from_secs(dice.between(20, 900));
            again.search.at = again.search.at + later;
            again.grows = false;
            events.push(again);
        }
    }
}

/// The mark of a vehicle that a patrol may meet.
pub(super) fn plate_mark(vehicle: u64) -> Mark {
    Mark::try_from(vehicle).unwrap_or_default()
}
