//! Somebody asks two questions and subtracts. The world is small, so that lone vehicles are common: one
//! camera stands under two gates, one gate has a shorter term, some transits are blocked, the first
//! hours are partly past their term and the last is not over.

use std::collections::{BTreeMap, BTreeSet};

use crate::hours::partition::Term;
use crate::lookups::counts::table::{Of, Table, part};
use crate::lookups::counts::*;
use crate::map::area::Area;
use crate::municipalities::owners::Ownership;
use crate::municipalities::reach::Reach;
use crate::plates::plate::plate_of;
use crate::transits::allowed::{Allowed, Placed};
use crate::transits::entry::{Entry, Marks};
use crate::transits::horizon::Horizon;
use crate::transits::names::{NameKind, Names};
use crate::transits::wanted::Numbers;

const PAIRS: usize = 10_000;
const CAMERAS: [&str; 4] = ["a", "b", "c", "d"];
const GATES: [&str; 3] = ["est", "nord", "sud"];
/// Gate and camera.
const PLACES: [(usize, usize); 5] = [(0, 0), (0, 1), (1, 2), (2, 2), (2, 3)];
const HOURS: i64 = 33;

/// `SplitMix64`, from a stated seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = u64::try_from(end).unwrap();
        usize::try_from((z ^ (z >> 31)) % end).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Some of them, at least one.
    fn some<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        let sure = self.below(of.len());
        let chosen = of.iter().enumerate();
        let mut take = |place| place == sure || self.below(2) == 0;
        chosen
            .filter(|(place, _)| take(*place))
            .map(|(_, one)| one.clone())
            .collect()
    }
}

struct World {
    names: Names,
    begins: Partition,
    now: UtcTime,
    allowed: Allowed,
    transits: Vec<(Partition, Entry)>,
}

/// An answer: how many by hour or day and by what. None is a number that is hidden.
type Answer = BTreeMap<(i64, Of), Option<u64>>;

fn horizon(now: UtcTime) -> Horizon {
    let main = crate::store::sql::Connection::open_in_memory().unwrap();
    main.execute_batch(crate::municipalities::SCHEMA).unwrap();
    main.execute_batch(
        "INSERT INTO municipalities VALUES ('Macerata', 12);
         INSERT INTO municipality_gates VALUES ('sud', 'Macerata');",
    )
    .unwrap();
    Horizon::at(&main, now, Duration::from_secs(30 * 3600)).unwrap()
}

impl World {
    fn new(dice: &mut Dice) -> Self {
        let begins: Partition = "2026-11-21T02".parse().unwrap();
        let now = begins.start() + Duration::from_secs((32 * 60 + 40) * 60);
        let mut names = Names::default();
        for (number, name) in (1..).zip(CAMERAS) {
            names.add(number, NameKind::Camera, name);
        }
        for (number, name) in (11..).zip(GATES) {
            names.add(number, NameKind::Gate, name);
        }
        let mut transits = Vec::new();
        for hour in 0..HOURS {
            for (gate, camera) in PLACES {
                for _ in 0..dice.below(12) {
                    transits.push(transit(dice, begins.number() + hour, (gate, camera)));
                }
            }
        }
        transits.retain(|(hour, entry)| hour.at(entry.offset_us) <= now);
        let blocked = transits.iter().filter(|_| dice.below(40) == 0);
        let blocked = blocked.map(|(hour, entry)| Placed {
            id: [0; 16],
            hour: *hour,
            entry: *entry,
        });
        let allowed = Allowed::of(horizon(now), blocked.collect(), Reach::everywhere());
        for (_, entry) in &transits {
            names.meet(entry.gate, entry.camera);
        }
        Self {
            names,
            begins,
            now,
            allowed,
            transits,
        }
    }

    fn visit(&self, query: &Query, allowed: &Allowed, mut take: impl FnMut(Partition, &Entry)) {
        let numbers = Numbers::of(query, allowed, &self.names);
        let fits = |(hour, entry): &&(Partition, Entry)| numbers.fits(*hour, entry);
        for (hour, entry) in self.transits.iter().filter(fits) {
            take(*hour, entry);
        }
    }

    /// As the stores do it.
    fn answer(&self, asked: &Counting) -> Answer {
        let allowed = self.allowed.clone().in_whole_hours();
        let begins = allowed.horizon().begins();
        let Some(hours) = Hours::whole(asked.from, asked.to, begins, self.now) else {
            return Answer::new();
        };
        let mut table = Table::by(asked.by);
        let query = asked.scope.query(hours).unwrap();
        self.visit(&query, &allowed, |hour, entry| table.add(hour, entry));
        let sums = table.tell(asked.daily).sums.into_iter();
        sums.map(|(of, count)| (of, Some(count))).collect()
    }

    /// The way that does not hold: what the question selects is counted, and small numbers are hidden.
    fn naive_answer(&self, asked: &Counting) -> Answer {
        let whole = Hours { first: 0, end: 1 };
        let query = Query {
            from: asked.from,
            to: asked.to,
            ..asked.scope.query(whole).unwrap()
        };
        let mut counts: BTreeMap<(i64, Of), u64> = BTreeMap::new();
        self.visit(&query, &self.allowed, |hour, entry| {
            let hour = hour.hour();
            let day = hour - hour.rem_euclid(24);
            let begins = if asked.daily { day } else { hour };
            *counts.entry((begins, part(asked.by, entry))).or_default() += 1;
        });
        let hidden = |count| (count >= CELL_MIN).then_some(count);
        let counts = counts.into_iter();
        counts.map(|(of, count)| (of, hidden(count))).collect()
    }

    /// A question, and one that asks for less.
    fn nested(&self, dice: &mut Dice) -> (Counting, Counting) {
        let minutes = usize::try_from(HOURS).unwrap() * 60;
        let (a, b) = (dice.below(minutes), dice.below(minutes));
        let (mut from, mut to) = (a.min(b), a.max(b));
        if dice.below(2) == 0 {
            (from, to) = (from / 60 * 60, to / 60 * 60);
        }
        let at = |minute: usize| {
            self.begins.start() + Duration::from_secs(u64::try_from(minute).unwrap() * 60)
        };
        let wide = Counting {
            from: at(from),
            to: at(to),
            scope: narrowed(Scope::default(), dice),
            by: dice.one(&[By::All, By::Camera, By::Gate, By::Country, By::Way]),
            daily: dice.below(2) == 0,
        };
        let mut narrow = wide.clone();
        match dice.below(5) {
            0 => {}
            1 => narrow.to = at(to.saturating_sub(1).max(from)),
            2 => narrow.to = at(to.saturating_sub(60).max(from)),
            3 => narrow.from = at((from + 1).min(to)),
            _ => narrow.from = at(from + dice.below(to - from + 1)),
        }
        if dice.below(4) > 0 {
            narrow.scope = narrowed(narrow.scope, dice);
        }
        (wide, narrow)
    }
}

fn transit(dice: &mut Dice, hour: i64, (gate, camera): (usize, usize)) -> (Partition, Entry) {
    // The gate's term was not always its own.
    let own = gate == 2 && dice.below(10) > 0;
    let term = Term::of_hours(12).filter(|_| own).unwrap_or_default();
    let hour = Partition::of(Partition::from_number(hour).start(), term);
    let number = |place: usize| u32::try_from(place).unwrap();
    let mut entry = Entry {
        plate: plate_of("AB123CD"),
        offset_us: number(dice.below(3600)) * 1_000_000,
        row: number(dice.below(1_000_000)),
        camera: 1 + number(camera),
        confidence: 250,
        marks: Marks::default(),
        country: *dice.one(&[b"IT", b"IT", b"IT", b"DE", b"FR"]),
        gate: 11 + number(gate),
    };
    let way = if dice.below(2) == 0 {
        4
    } else {
        dice.one(&[8_u8, 1, 0])
    };
    let mut bytes = entry.to_bytes();
    bytes[crate::transits::entry::ENTRY_BYTES - 3] = way;
    entry.marks = Entry::from_bytes(&bytes).unwrap().marks;
    (hour, entry)
}

/// A scope that takes less, or the same.
fn narrowed(mut scope: Scope, dice: &mut Dice) -> Scope {
    let ids = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    let gates: Vec<GateId> = GATES.map(|name| name.parse().unwrap()).to_vec();
    match dice.below(5) {
        0 if scope.cameras.is_empty() => scope.cameras = ids(&dice.some(&CAMERAS)),
        0 => scope.cameras = dice.some(&scope.cameras),
        1 if scope.gates.is_empty() => scope.gates = dice.some(&gates),
        1 => scope.gates = dice.some(&scope.gates),
        2 if scope.within.is_none() => {
            let (gate, camera) = dice.one(&PLACES);
            let apart = (gates[gate].clone(), CAMERAS[camera].parse().unwrap());
            let (inside, outside) = (dice.below(2) == 0, BTreeSet::from([apart]));
            scope.within = Some(Within {
                area: Area::rectangle(43.0, 12.0, 43.2, 12.5).unwrap(),
                gates: dice.some(&gates).into_iter().collect(),
                cameras: if inside {
                    outside.clone()
                } else {
                    BTreeSet::new()
                },
                elsewhere: if inside { BTreeSet::new() } else { outside },
                unplaced: 0,
            });
        }
        3 if scope.municipal.is_none() => {
            scope.municipal = Some(Municipal {
                names: BTreeSet::new(),
                gates: dice
                    .some(&gates)
                    .into_iter()
                    .map(|gate| (gate, Ownership::always()))
                    .collect(),
            });
        }
        _ => {}
    }
    scope
}

/// How often a difference told of one to four vehicles, by how it was taken.
#[derive(Debug, Default, PartialEq, Eq)]
struct Breaches {
    nested: usize,
    parts: usize,
    days: usize,
}

fn is_lone(a: u64, b: u64) -> bool {
    (1..CELL_MIN).contains(&a.abs_diff(b))
}

/// How many of the cells that both tell of differ by one to four; what is not listed is nothing.
fn differing(a: &Answer, b: &Answer) -> usize {
    let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let count = |answer: &Answer, key| answer.get(key).map_or(Some(0), |count| *count);
    let both = keys
        .iter()
        .filter_map(|key| Some((count(a, key)?, count(b, key)?)));
    both.filter(|(a, b)| is_lone(*a, *b)).count()
}

/// The told numbers of an answer, summed up by what a key becomes.
fn summed(answer: &Answer, to: impl Fn((i64, Of)) -> (i64, Of)) -> Answer {
    let mut sums: BTreeMap<(i64, Of), u64> = BTreeMap::new();
    for (key, count) in answer {
        *sums.entry(to(*key)).or_default() += count.unwrap_or(0);
    }
    let sums = sums.into_iter();
    sums.map(|(key, count)| (key, Some(count))).collect()
}

fn attack(world: &World, dice: &mut Dice, answer: impl Fn(&Counting) -> Answer) -> Breaches {
    let mut breaches = Breaches::default();
    let total = |answer: &Answer| answer.values().map(|count| count.unwrap_or(0)).sum();
    let in_all = |(begins, _)| (begins, Of::All);
    for _ in 0..PAIRS {
        let (wide, narrow) = world.nested(dice);
        let (a, b) = (answer(&wide), answer(&narrow));
        breaches.nested += differing(&a, &b) + usize::from(is_lone(total(&a), total(&b)));
        let whole = Counting {
            by: By::All,
            ..wide.clone()
        };
        let whole = answer(&whole);
        breaches.parts += differing(&whole, &summed(&a, in_all));
        breaches.parts += differing(&whole, &summed(&b, in_all));
        let other = Counting {
            daily: !wide.daily,
            ..wide
        };
        let (hours, days) = if other.daily {
            (a, answer(&other))
        } else {
            (answer(&other), a)
        };
        let in_days = |(hour, of): (i64, Of)| (hour - hour.rem_euclid(24), of);
        breaches.days += differing(&days, &summed(&hours, in_days));
    }
    breaches
}

#[test]
fn c02_part_no_two_of_ten_thousand_pairs_of_counts_can_be_subtracted_to_tell_of_one_to_four() {
    let world = World::new(&mut Dice(19));
    assert!(world.transits.len() > 700, "{}", world.transits.len());
    let breaches = attack(&world, &mut Dice(8), |asked| world.answer(asked));
    assert_eq!(breaches, Breaches::default());
    let naive = attack(&world, &mut Dice(8), |asked| world.naive_answer(asked));
    let each = [naive.nested, naive.parts, naive.days];
    let found = each.iter().all(|breaches| *breaches > 1000);
    assert!(found, "the attack finds what it looks for: {naive:?}");
}

#[test]
fn c02_part_the_hour_that_goes_on_can_be_asked_for_every_minute() {
    let mut world = World::new(&mut Dice(20));
    let all = std::mem::take(&mut world.transits);
    let end = world.now;
    let mut before: Option<Answer> = None;
    let (mut told, mut naive_differs) = (0, false);
    let mut naive_before = Answer::new();
    for minute in (0..200).rev() {
        world.now = end - Duration::from_secs(minute * 60);
        let come = all
            .iter()
            .filter(|(hour, entry)| hour.at(entry.offset_us) <= world.now);
        world.transits = come.copied().collect();
        world.allowed = Allowed::of(horizon(world.now), Vec::new(), Reach::everywhere());
        let asked = Counting {
            from: world.begins.start(),
            to: world.now,
            scope: Scope::default(),
            by: By::All,
            daily: true,
        };
        let answer = world.answer(&asked);
        let naive = world.naive_answer(&asked);
        naive_differs |= differing(&naive, &naive_before) > 0;
        naive_before = naive;
        if let Some(before) = before {
            assert_eq!(differing(&answer, &before), 0, "{minute}");
            told += usize::from(answer != before);
        }
        before = Some(answer);
    }
    assert!(
        told > 3,
        "hours came to their end, and to that of their term: {told}"
    );
    assert!(
        naive_differs,
        "each transit is seen in the minute in which it comes"
    );
}
