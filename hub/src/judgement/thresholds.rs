//! The numbers of the rules, in one place, each with where it comes from.

use std::time::Duration;

const MINUTE: u64 = 60;
const A_DAY: u64 = 24 * 3600;

/// From where on a search needs a second person.
///
/// The published abuse of plate readers (`field-2026.md`, "Misuse") is 69 searches of a former partner, 24
/// of her mother and 15 of her father over months. Outsiders who read such logs take searches of one plate
/// that lie eight hours apart as one sign of it. The other numbers stand where the simulated year of 300
/// officers (`varco-hub bench judgement`) stops every published kind of abuse and at most one lawful search
/// in a thousand, over worlds that are busier, quieter and sloppier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// How far back a person's past counts, and how long it is kept: 180 days, the longest span of the
    /// published cases, and not longer because it is data about officers.
    pub memory: Duration,
    /// Searches of one plate so close together are one look: paging, another camera, a typing error.
    pub look: Duration,
    /// The look at one plate, without a case that grows, that needs a second person: the fourth (issue 20).
    pub looks: u32,
    /// The look at one plate that needs a second person although colleagues search it too, as long as the case
    /// does not grow otherwise: two people who cover each other get no further.
    pub looks_among_colleagues: u32,
    /// Looks in all at several plates that go together, so that nobody rotates over a household below `looks`:
    /// three plates at three looks each pass, a fourth does not.
    pub household_looks: u32,
    /// Looks at a plate from which on it counts towards that.
    pub household_looks_each: u32,
    /// Other people who search under a reference, from which on it is a service's and not one person's.
    pub shared_by: u32,
    /// Plates under one reference of one person, weeks apart, from which on they are unrelated.
    pub reference_plates: u32,
    /// How long a reference is in use before that counts: six weeks, in which a case grows or is over.
    pub reference_age: Duration,
    /// Different whole plates in an hour: twice what two people at a checkpoint type.
    pub plates_an_hour: u32,
    /// Different whole plates in 24 hours: twice a whole shift of that at its usual pace.
    pub plates_a_day: u32,
    /// Different wide questions in an hour: patterns with few letters, all that passed a camera, two places.
    /// The next page of one is no other.
    pub wide_an_hour: u32,
    /// Different wide questions in 24 hours.
    pub wide_a_day: u32,
    /// Plates in a row, each one number after the other.
    pub run: u32,
    /// Occasions off duty in a month that need a second person: the fourth, since overtime is lawful.
    pub off_duty_occasions: u32,
    /// Occasions off duty in a month on which one plate was looked at: the second.
    pub off_duty_looks: u32,
    /// How long an occasion off duty counts.
    pub off_duty_memory: Duration,
    /// Days with searches from which on a person's duty hours are learned.
    pub learned_days: u32,
    /// An hour of the day with searches on less than one in so many days is off duty.
    pub learned_share: u32,
    /// The newest days that all have searches about an hour: their person was moved to it.
    pub moved_days: usize,
    /// Most plates of an answer of which each counts as looked at: more is not about any of them.
    pub narrow_plates: usize,
    /// Letters and digits from which on a pattern is about a plate; fewer make a wide question.
    pub pattern_characters: usize,
}

/// Those that hold.
pub const THRESHOLDS: Thresholds = Thresholds {
    memory: Duration::from_secs(180 * A_DAY),
    look: Duration::from_secs(30 * MINUTE),
    looks: 4,
    looks_among_colleagues: 12,
    household_looks: 10,
    household_looks_each: 3,
    shared_by: 2,
    reference_plates: 15,
    reference_age: Duration::from_secs(42 * A_DAY),
    plates_an_hour: 150,
    plates_a_day: 600,
    wide_an_hour: 60,
    wide_a_day: 200,
    run: 6,
    off_duty_occasions: 4,
    off_duty_looks: 2,
    off_duty_memory: Duration::from_secs(30 * A_DAY),
    learned_days: 30,
    learned_share: 20,
    moved_days: 3,
    narrow_plates: 3,
    pattern_characters: 5,
};

/// 24 hours.
pub const DAY: Duration = Duration::from_secs(24 * 3600);
/// Most searches of one plate that are read, newest first: more is beyond every threshold.
pub const SAME_MAX: usize = 32;
/// Most references of one plate of which it is read whether their case grew, those that were used last; under
/// the others none did.
pub const GROWN_MAX: usize = 8;
/// Most searches of the last 24 hours that are read: more is beyond every threshold.
pub const RECENT_MAX: usize = 700;
/// Most searches under one reference of which the plates are counted.
pub const REFERENCE_MAX: usize = 200;
/// Most repeated searches among which a household is looked for.
pub const REPEATED_MAX: usize = 300;
/// Most plates that are taken for one household, those that were searched last.
pub const HOUSEHOLD_MAX: usize = 16;
/// Most searches from which duty hours are learned.
pub const TIMES_MAX: usize = 500;
/// Most searches off duty that are read.
pub const OFF_DUTY_MAX: usize = 100;
/// Searches so close together are of plates that go together.
pub const TOGETHER: Duration = Duration::from_secs(30 * MINUTE);
