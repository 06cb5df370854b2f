//! What abusers search, each in the way of a published case or of the one who knows the rules.

use varco_proto::time::UtcTime;

use super::day::{DAY_MINUTES, Force, MINUTE_US};
use super::dice::Dice;
use super::ledger::{Officer, Search};
use super::world::World;
use crate::judgement::rule::{Duty, Mark, SearchOf};

/// Abuse, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Abuse {
    /// 69 searches of a former partner, 24 of her mother, 15 of her father over seven months, one reference.
    Published,
    /// The same, with a new reference each time.
    PublishedNewReferences,
    /// The same, under the reference that the whole force shares.
    PublishedSharedReference,
    /// The same, each search two to four times within minutes.
    PublishedInBursts,
    /// One search a week of one plate, for a year.
    Weekly,
    /// One search a month of one plate.
    Monthly,
    /// Somebody who works by day searches at night, another plate each time.
    OffDuty,
    /// A row of plates, one number after the other.
    Row,
    /// Everything that passed, camera after camera.
    Walk,
    /// As many plates as can be typed.
    Flood,
    /// The reference of one real case for an acquaintance every third day.
    OneReference,
    /// Three looks at one plate in half a year, and no more: knows the rule.
    JustBelow,
    /// Three at one and two at another, and no more: knows the rule of the household too.
    HouseholdJustBelow,
    /// Two who search for each other's plate under one reference, so that each seems to have a colleague.
    Pair,
}

impl Abuse {
    /// Every kind with its name.
    pub(super) const ALL: [(Self, &'static str); 14] = [
        (Self::Published, "published"),
        (Self::PublishedNewReferences, "published-new-references"),
        (Self::PublishedSharedReference, "published-shared-reference"),
        (Self::PublishedInBursts, "published-in-bursts"),
        (Self::Weekly, "weekly"),
        (Self::Monthly, "monthly"),
        (Self::OffDuty, "off-duty"),
        (Self::Row, "row"),
        (Self::Walk, "walk"),
        (Self::Flood, "flood"),
        (Self::OneReference, "one-reference"),
        (Self::JustBelow, "just-below"),
        (Self::HouseholdJustBelow, "household-just-below"),
        (Self::Pair, "pair"),
    ];

    /// The name.
    pub(super) fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(abuse, _)| *abuse == self);
        found.map_or("", |(_, name)| name)
    }
}

/// One search of an abuser.
#[derive(Debug, Clone, Copy)]
pub(super) struct Misuse {
    pub(super) search: Search,
    pub(super) abuse: Abuse,
    /// Which abuser of the run.
    pub(super) abuser: usize,
}

/// Plates that no patrol meets.
const PRIVATE: Mark = 3_000_000_000;

/// Everything that all abusers of a year search, in no order.
pub(super) fn plan(world: &World, force: &mut Force, dice: &mut Dice) -> Vec<Misuse> {
    let mut all = Vec::new();
    let mut officers = (1..world.officers).filter(|officer| officer % 3 == 0);
    let mut abuser = 0;
    for (abuse, _) in Abuse::ALL {
        for _ in 0..world.abusers_of_each {
            let wanted = |officer: &Officer| abuse != Abuse::OffDuty || force.is_by_day(*officer);
            let Some(officer) = officers.find(wanted) else {
                return all;
            };
            let by = By {
                abuse,
                abuser,
                officer,
                duty: Duty::Unknown,
                has_rosters: world.has_rosters,
            };
            by.plan(force, dice, world.days, &mut all);
            abuser += 1;
        }
    }
    all
}

#[derive(Debug, Clone, Copy)]
struct By {
    abuse: Abuse,
    abuser: usize,
    officer: Officer,
    duty: Duty,
    has_rosters: bool,
}

impl By {
    fn misuse(&self, minute: i64, of: SearchOf, reference: Mark) -> Misuse {
        Misuse {
            search: Search {
                officer: self.officer,
                at: UtcTime::from_unix_us(minute * MINUTE_US),
                of,
                reference,
                run: 0,
                duty: self.duty,
            },
            abuse: self.abuse,
            abuser: self.abuser,
        }
    }

    /// A minute on duty of about this day.
    fn on_duty(&self, force: &Force, day: u64, dice: &mut Dice) -> i64 {
        let shifts = (day..day + 7).find_map(|day| force.shift(self.officer, day));
        let from = shifts.map_or(0, |shift| shift.from);
        from + i64::try_from(dice.below(350)).unwrap_or_default()
    }

    fn plate(&self, number: Mark) -> Mark {
        PRIVATE + Mark::try_from(self.abuser).unwrap_or_default() * 1000 + number
    }

    fn plan(mut self, force: &mut Force, dice: &mut Dice, days: u64, all: &mut Vec<Misuse>) {
        if self.has_rosters {
            self.duty = match self.abuse {
                Abuse::OffDuty => Duty::Off,
                _ => Duty::On,
            };
        }
        let own = force.new_reference();
        // After the others have a past of their own.
        let begins = 60.min(days / 4);
        match self.abuse {
            Abuse::Published
            | Abuse::PublishedNewReferences
            | Abuse::PublishedSharedReference
            | Abuse::PublishedInBursts => self.pursue(force, dice, own, days, all),
            Abuse::Weekly | Abuse::Monthly => {
                let step = if self.abuse == Abuse::Weekly { 7 } else { 30 };
                let mut day = begins;
                while day + 8 < days {
                    let minute = self.on_duty(force, day, dice);
                    all.push(self.misuse(minute, SearchOf::Plate(self.plate(0)), own));
                    day += step;
                }
            }
            Abuse::OffDuty => {
                let mut day = begins;
                while day + 8 < days {
                    let minute = i64::try_from(day).unwrap_or_default() * DAY_MINUTES + 23 * 60;
                    let number = Mark::try_from(day).unwrap_or_default();
                    let reference = force.new_reference();
                    let late = i64::try_from(dice.below(200)).unwrap_or_default();
                    all.push(self.misuse(
                        minute + late,
                        SearchOf::Plate(self.plate(number)),
                        reference,
                    ));
                    day += 7;
                }
            }
            Abuse::Row | Abuse::Walk | Abuse::Flood => self.enumerate(force, dice, begins, all),
            Abuse::OneReference => {
                let mut day = begins;
                while day + 8 < days {
                    let minute = self.on_duty(force, day, dice);
                    let number = Mark::try_from(day).unwrap_or_default();
                    all.push(self.misuse(minute, SearchOf::Plate(self.plate(number)), own));
                    day += 3;
                }
            }
            Abuse::JustBelow | Abuse::HouseholdJustBelow => {
                let looks = match self.abuse {
                    Abuse::JustBelow => vec![0, 0, 0],
                    _ => vec![0, 0, 0, 1, 1],
                };
                for half in [begins, begins + 181] {
                    for (step, number) in looks.iter().zip(0_u64..) {
                        if half + number * 7 + 8 < days {
                            let minute = self.on_duty(force, half + number * 7, dice);
                            all.push(self.misuse(minute, SearchOf::Plate(self.plate(*step)), own));
                        }
                    }
                }
            }
            Abuse::Pair => self.pair_up(force, dice, own, days, all),
        }
    }

    /// Each of two searches the plate every fourth day.
    fn pair_up(self, force: &Force, dice: &mut Dice, own: Mark, days: u64, all: &mut Vec<Misuse>) {
        let begins = 60.min(days / 4);
        let friend = By {
            officer: self.officer + 1,
            ..self
        };
        let mut day = begins;
        while day + 16 < days {
            let minute = self.on_duty(force, day, dice);
            all.push(self.misuse(minute, SearchOf::Plate(self.plate(0)), own));
            let minute = friend.on_duty(force, day + 2, dice);
            all.push(friend.misuse(minute, SearchOf::Plate(self.plate(0)), own));
            day += 4;
        }
    }

    /// 69, 24 and 15 times over seven months, no two of one plate within an hour.
    fn pursue(
        self,
        force: &mut Force,
        dice: &mut Dice,
        own: Mark,
        days: u64,
        all: &mut Vec<Misuse>,
    ) {
        let begins = 60.min(days / 4);
        for (number, count) in [(0, 69), (1, 24), (2, 15)] {
            let mut minutes: Vec<i64> = Vec::new();
            let mut tries = 0;
            while minutes.len() < count && tries < 1000 {
                tries += 1;
                let day = begins + dice.below(210.min(days.saturating_sub(begins + 8)));
                let minute = self.on_duty(force, day, dice);
                if minutes.iter().all(|other| (other - minute).abs() >= 60) {
                    minutes.push(minute);
                }
            }
            for minute in minutes {
                let reference = match self.abuse {
                    Abuse::PublishedNewReferences => force.new_reference(),
                    Abuse::PublishedSharedReference => -1,
                    _ => own,
                };
                let times = match self.abuse {
                    Abuse::PublishedInBursts => i64::try_from(dice.between(2, 4)).unwrap_or(2),
                    _ => 1,
                };
                for step in 0..times {
                    let of = SearchOf::Plate(self.plate(number));
                    all.push(self.misuse(minute + 4 * step, of, reference));
                }
            }
        }
    }

    fn enumerate(&self, force: &Force, dice: &mut Dice, begins: u64, all: &mut Vec<Misuse>) {
        let minute = self.on_duty(force, begins, dice);
        let count = if self.abuse == Abuse::Row { 60 } else { 400 };
        for step in 0..count {
            let of = match self.abuse {
                Abuse::Walk => SearchOf::Wide(step),
                _ => SearchOf::Plate(self.plate(0) * 1000 + step),
            };
            let mut misuse = self.misuse(minute + step / 4, of, 0);
            misuse.search.at = misuse.search.at + std::time::Duration::from_secs(15);
            if self.abuse == Abuse::Row {
                misuse.search.run = u32::try_from(step).unwrap_or_default();
            }
            all.push(misuse);
        }
    }
}
