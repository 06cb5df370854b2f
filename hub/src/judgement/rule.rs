//! The rule: whether a search may be answered to one person alone, by what that person searched before.
//! Values in, values out.

use std::collections::BTreeSet;
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::thresholds::Thresholds;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Searches off duty that lie closer are one occasion: a night at work.
const OCCASION: Duration = Duration::from_secs(8 * 3600);
/// Hours of a day.
const HOURS: usize = 24;
const HOUR_US: i64 = 3_600_000_000;

/// Stands for a plate or a reference without telling it: an HMAC under the hub's key.
pub type Mark = i64;

/// Which rule asks for a second person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SearchRule {
    /// A plate that a body lists as its own people's or their families'.
    OwnPeople,
    /// One plate again and again, without a case that grows.
    OnePlate,
    /// Plates that go together again and again, as those of a household do.
    Household,
    /// Off duty.
    OffDuty,
    /// One reference for plates that have nothing to do with each other, over weeks.
    OneReference,
    /// Plate after plate, number after number, camera after camera.
    Enumeration,
}

impl SearchRule {
    /// Every rule with its name, in the order in which they are tried.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::OwnPeople, "own-people"),
        (Self::OnePlate, "one-plate"),
        (Self::Household, "household"),
        (Self::OffDuty, "off-duty"),
        (Self::OneReference, "one-reference"),
        (Self::Enumeration, "enumeration"),
    ];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(rule, _)| *rule == self);
        found.map_or("", |(_, name)| name)
    }

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(rule, _)| *rule)
    }

    /// Whether a second person's word is about one plate; else it is about a reference, whatever plate.
    #[must_use]
    pub fn is_about_a_plate(self) -> bool {
        matches!(self, Self::OwnPeople | Self::OnePlate | Self::Household)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchOf {
    /// One plate, or a pattern that is about one.
    Plate(Mark),
    /// A pattern with few letters, all that passed somewhere: by what and where, whatever the time and the page.
    Wide(Mark),
}

/// A search, before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchAsked {
    /// By the hub's clock.
    pub at: UtcTime,
    /// What for.
    pub of: SearchOf,
}

/// A search of the last 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentSearch {
    /// When.
    pub at: UtcTime,
    /// What for.
    pub of: SearchOf,
}

/// What is known of a person's duty at the moment of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Their body says that they are on duty.
    On,
    /// Their body says that they are not.
    Off,
    /// Nobody says; it is learned from when they search.
    Unknown,
}

/// What one person searched before, as far as it matters for one search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPast {
    /// When they searched this plate since its case last grew, oldest first.
    pub same: Vec<UtcTime>,
    /// The same where colleagues who search it too do not count as growth, oldest first.
    pub same_without_colleagues: Vec<UtcTime>,
    /// Looks at each other plate that goes with this one (searched under the same reference, or within the
    /// same half hour), where there were two or more without a case that grew.
    pub household: Vec<u32>,
    /// Their searches under this reference since its case last grew.
    pub reference: ReferencePast,
    /// Their searches of the last 24 hours.
    pub recent: Vec<RecentSearch>,
    /// How many plates they searched in a row, one number after the other, next to this one.
    pub run: u32,
    /// Whether a body lists this plate.
    pub is_listed: bool,
    /// Their duty now.
    pub duty: Duty,
    /// When they searched, newest first; from it duty hours are learned.
    pub times: Vec<SearchTime>,
    /// Their searches off duty, of this plate and of others.
    pub off_duty: Vec<OffDutySearch>,
    /// What a second person agreed to and still holds.
    pub agreed: Agreed,
}

/// When somebody searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchTime {
    /// When.
    pub at: UtcTime,
    /// Whether it was off duty.
    pub is_off_duty: bool,
}

/// A search off duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffDutySearch {
    /// When.
    pub at: UtcTime,
    /// Whether it was of this plate.
    pub is_same: bool,
}

/// What one person searched under one reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReferencePast {
    /// When first.
    pub first_at: Option<UtcTime>,
    /// How many different plates.
    pub plates: u32,
    /// Whether this plate is among them.
    pub has_this: bool,
    /// How many other people search under it.
    pub shared_by: u32,
}

/// What a second person agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Agreed {
    /// That this plate is searched under this reference.
    pub plate: bool,
    /// That is searched under this reference, whatever plate.
    pub reference: bool,
}

/// How near a search is to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearness {
    /// Which.
    pub rule: SearchRule,
    /// How many there are with this one.
    pub count: u32,
    /// At how many a second person is needed.
    pub of: u32,
    /// Since how many days; 0 for today.
    pub days: u64,
}

/// What the rule says of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The rule that needs a second person, and why; none when the search is answered.
    pub needs_second: Option<Nearness>,
    /// How near it is to the rules that count something here, in the order of the rules.
    pub near: Vec<Nearness>,
    /// Whether it is off duty.
    pub is_off_duty: bool,
}

/// Judges a search against its person's past.
#[must_use]
pub fn judge(past: &SearchPast, asked: &SearchAsked, limits: &Thresholds) -> Verdict {
    let is_off_duty = is_off_duty(past, asked.at, limits);
    let mut near = Vec::new();
    if let SearchOf::Plate(_) = asked.of {
        near.extend(own_people(past));
        near.push(one_plate(past, asked, limits));
        near.push(among_colleagues(past, asked, limits));
        near.extend(household(past, asked, limits));
    }
    if is_off_duty {
        near.extend(off_duty(past, asked, limits));
    }
    near.extend(one_reference(past, asked, limits));
    near.extend(enumeration(past, asked, limits));
    let agreed = |rule: SearchRule| match rule.is_about_a_plate() {
        true => past.agreed.plate,
        false => past.agreed.reference,
    };
    let fired = |one: &&Nearness| one.count >= one.of && !agreed(one.rule);
    Verdict {
        needs_second: near.iter().find(fired).copied(),
        near,
        is_off_duty,
    }
}

/// How many looks there are in searches that are oldest first: a look lasts so long from its first search.
#[must_use]
pub fn looks(searches: impl IntoIterator<Item = UtcTime>, look: Duration) -> u32 {
    let mut count = 0;
    let mut begun: Option<UtcTime> = None;
    for at in searches {
        if begun.is_none_or(|begun| at >= begun + look) {
            begun = Some(at);
            count += 1;
        }
    }
    count
}

fn own_people(past: &SearchPast) -> Option<Nearness> {
    past.is_listed.then_some(Nearness {
        rule: SearchRule::OwnPeople,
        count: 1,
        of: 1,
        days: 0,
    })
}

fn one_plate(past: &SearchPast, asked: &SearchAsked, limits: &Thresholds) -> Nearness {
    let with_this = past.same.iter().copied().chain([asked.at]);
    Nearness {
        rule: SearchRule::OnePlate,
        count: looks(with_this, limits.look),
        of: limits.looks,
        days: days(past.same.first().copied(), asked.at),
    }
}

/// Two people who search for each other's plates are no case that grows for ever.
fn among_colleagues(past: &SearchPast, asked: &SearchAsked, limits: &Thresholds) -> Nearness {
    let before = &past.same_without_colleagues;
    Nearness {
        rule: SearchRule::OnePlate,
        count: looks(before.iter().copied().chain([asked.at]), limits.look),
        of: limits.looks_among_colleagues,
        days: days(before.first().copied(), asked.at),
    }
}

/// A plate that is looked at again and again joins those that were before.
fn household(past: &SearchPast, asked: &SearchAsked, limits: &Thresholds) -> Option<Nearness> {
    let this = one_plate(past, asked, limits);
    let least = limits.household_looks_each;
    let repeated = past.household.iter().filter(|looks| **looks >= least);
    let others: u32 = repeated.sum();
    (others > 0 && this.count >= least).then_some(Nearness {
        rule: SearchRule::Household,
        count: others + this.count,
        of: limits.household_looks,
        days: this.days,
    })
}

fn off_duty(past: &SearchPast, asked: &SearchAsked, limits: &Thresholds) -> Vec<Nearness> {
    let since = asked.at - limits.off_duty_memory;
    let before = || past.off_duty.iter().filter(|search| search.at >= since);
    let occasions = |times: &mut dyn Iterator<Item = UtcTime>| {
        let mut times: Vec<UtcTime> = times.chain([asked.at]).collect();
        times.sort_unstable();
        looks(times, OCCASION)
    };
    let days = days(before().map(|search| search.at).min(), asked.at);
    let mut near = Vec::new();
    if matches!(asked.of, SearchOf::Plate(_)) {
        let of_this = &mut before()
            .filter(|search| search.is_same)
            .map(|search| search.at);
        near.push(Nearness {
            rule: SearchRule::OffDuty,
            count: occasions(of_this),
            of: limits.off_duty_looks,
            days,
        });
    }
    near.push(Nearness {
        rule: SearchRule::OffDuty,
        count: occasions(&mut before().map(|search| search.at)),
        of: limits.off_duty_occasions,
        days,
    });
    near
}

fn one_reference(past: &SearchPast, asked: &SearchAsked, limits: &Thresholds) -> Option<Nearness> {
    let reference = past.reference;
    let first_at = reference.first_at?;
    let is_old = asked.at >= first_at + limits.reference_age;
    let is_another = matches!(asked.of, SearchOf::Plate(_)) && !reference.has_this;
    (is_old && is_another && reference.shared_by < limits.shared_by).then(|| Nearness {
        rule: SearchRule::OneReference,
        count: reference.plates + 1,
        of: limits.reference_plates,
        days: days(Some(first_at), asked.at),
    })
}

fn enumeration(past: &SearchPast, asked: &SearchAsked, limits: &Thresholds) -> Vec<Nearness> {
    let near = |count: u32, of: u32| Nearness {
        rule: SearchRule::Enumeration,
        count: count + 1,
        of,
        days: 0,
    };
    let within = |span: Duration| {
        let since = asked.at - span;
        past.recent.iter().filter(move |search| search.at > since)
    };
    match asked.of {
        SearchOf::Wide(this) => {
            let others = |span| {
                let wide = within(span).filter_map(|search| match search.of {
                    SearchOf::Wide(of) => (of != this).then_some(of),
                    SearchOf::Plate(_) => None,
                });
                counted(wide.collect::<BTreeSet<_>>().len())
            };
            vec![
                near(others(HOUR), limits.wide_an_hour),
                near(others(DAY), limits.wide_a_day),
            ]
        }
        SearchOf::Plate(this) => {
            let others = |span| {
                let plates = within(span).filter_map(|search| match search.of {
                    SearchOf::Plate(plate) => (plate != this).then_some(plate),
                    SearchOf::Wide(_) => None,
                });
                counted(plates.collect::<BTreeSet<_>>().len())
            };
            vec![
                near(past.run, limits.run),
                near(others(HOUR), limits.plates_an_hour),
                near(others(DAY), limits.plates_a_day),
            ]
        }
    }
}

/// Whether a moment is off duty: as their body says, else as they learned it to be.
fn is_off_duty(past: &SearchPast, at: UtcTime, limits: &Thresholds) -> bool {
    match past.duty {
        Duty::On => false,
        Duty::Off => true,
        Duty::Unknown => is_unusual(&past.times, at, limits),
    }
}

/// Whether somebody hardly ever searches at this time of the day, give or take an hour (summer time). What was
/// off duty itself teaches nothing, else whoever searches by night each week would be on duty by night; only a
/// person of whom all the last days were so has been moved.
fn is_unusual(times: &[SearchTime], at: UtcTime, limits: &Thresholds) -> bool {
    let here = hour_of(at);
    let about = [here + HOURS - 1, here, here + 1].map(|hour| hour % HOURS);
    let mut days: Vec<SearchDay> = Vec::new();
    // The day of the search itself says nothing about itself.
    for time in times.iter().filter(|time| day_of(time.at) != day_of(at)) {
        let number = day_of(time.at);
        if days.last().is_none_or(|day| day.number != number) {
            days.push(SearchDay {
                number,
                ..SearchDay::default()
            });
        }
        let Some(day) = days.last_mut() else { continue };
        let is_about = about.contains(&hour_of(time.at));
        day.has_any |= is_about;
        day.has_on_duty |= is_about && !time.is_off_duty;
    }
    let known = counted(days.len());
    let usual = counted(days.iter().filter(|day| day.has_on_duty).count());
    let mut newest = days.iter().take(limits.moved_days);
    known >= limits.learned_days
        && usual.saturating_mul(limits.learned_share) < known
        && !newest.all(|day| day.has_any)
}

/// A day of somebody's past.
#[derive(Debug, Default)]
struct SearchDay {
    number: i64,
    /// Whether they searched about the hour in question.
    has_any: bool,
    /// Whether they did so on duty.
    has_on_duty: bool,
}

fn day_of(at: UtcTime) -> i64 {
    at.unix_us().div_euclid(24 * HOUR_US)
}

fn hour_of(at: UtcTime) -> usize {
    let hour = at.unix_us().div_euclid(HOUR_US).rem_euclid(24);
    usize::try_from(hour).unwrap_or(0) // 0 to 23.
}

fn days(since: Option<UtcTime>, at: UtcTime) -> u64 {
    since.map_or(0, |since| at.since(since).as_secs() / DAY.as_secs()) // None is today.
}

/// A count; more than fits is more than any threshold.
fn counted(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX) // Beyond every threshold.
}

impl SearchPast {
    /// Of somebody who never searched.
    #[must_use]
    pub fn nothing(duty: Duty) -> Self {
        Self {
            same: Vec::new(),
            same_without_colleagues: Vec::new(),
            household: Vec::new(),
            reference: ReferencePast::default(),
            recent: Vec::new(),
            run: 0,
            is_listed: false,
            duty,
            times: Vec::new(),
            off_duty: Vec::new(),
            agreed: Agreed::default(),
        }
    }
}

impl Verdict {
    /// Which look at its plate this is, since the plate's case last grew; 0 for a wide question.
    #[must_use]
    pub fn looks(&self) -> u32 {
        let of_plate = self
            .near
            .iter()
            .find(|near| near.rule == SearchRule::OnePlate);
        of_plate.map_or(0, |near| near.count) // A wide question has none.
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;
