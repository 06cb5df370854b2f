//! Both bars in a small world, and that the ledger of the simulation asks what the hub's table asks.

use varco_proto::time::UtcTime;

use super::ledger::Search;
use super::*;
use crate::judgement::SCHEMA;
use crate::judgement::past::PastOf;
use crate::judgement::rule::{Duty, SearchAsked, SearchRule, judge};
use crate::judgement::searches::{self, NotedSearch};
use crate::store::sql::{Connection, params};

/// As the usual one, with as many people as a test has time for.
fn small(seed: u64) -> SimulatedYear {
    let usual = worlds().into_iter().next().unwrap().world;
    let world = World {
        officers: 120,
        days: 280,
        checks: 5,
        cases_a_month: 1,
        vehicles: 150_000,
        listed: 30,
        abusers_of_each: 2,
        ..usual
    };
    simulate(&world, seed)
}

#[test]
fn the_published_pattern_is_stopped_by_its_fourth_search_and_one_lawful_search_in_a_thousand_at_most()
 {
    for seed in [11, 12] {
        let year = small(seed);
        assert_eq!(year.published_stopped_at(), 4, "{year:?}");
        assert!(year.false_in_a_thousand <= 1.0, "{year:?}");
        assert!(year.lawful_searches > 50_000, "{year:?}");
        for (kind, of) in &year.abuse {
            let is_below = kind.contains("just-below");
            assert!(is_below || of.stopped == of.abusers, "{kind}: {of:?}");
            assert!(of.abusers > 0, "{kind}");
        }
        let published = year.abuse["published"];
        assert_eq!(published.looks_of_plate, 3, "{published:?}");
        assert_eq!(year.abuse["published-in-bursts"].looks_of_plate, 3);
    }
}

#[test]
#[ignore = "a year of 300 officers in six worlds takes minutes: run it, or `varco-hub bench judgement`"]
fn both_bars_hold_for_300_officers_in_every_world() {
    for NamedWorld { name, world } in worlds() {
        for seed in 1..=SEEDS {
            let year = simulate(&world, seed);
            println!(
                "{name} {seed}: {:.3} in a thousand",
                year.false_in_a_thousand
            );
            assert_eq!(year.published_stopped_at(), 4, "{name} {seed}: {year:?}");
            assert!(year.false_in_a_thousand <= 1.0, "{name} {seed}: {year:?}");
        }
    }
}

/// The hub's table beside the ledger.
struct Table {
    main: Connection,
    ledger: SearchLedger,
    compared: u64,
    stops: BTreeMap<SearchRule, u64>,
}

impl Table {
    fn new(officers: usize) -> Self {
        let main = Connection::open_in_memory().unwrap();
        main.execute_batch(SCHEMA).unwrap();
        Self {
            main,
            ledger: SearchLedger::of(officers),
            compared: 0,
            stops: BTreeMap::new(),
        }
    }

    fn past_of<'a>(&self, search: &Search) -> PastOf<'a> {
        PastOf {
            person: Mark::try_from(search.officer).unwrap(),
            at: search.at,
            of: search.of,
            next_to: &[],
            reference: search.reference,
            grown_at: self.ledger.grown_at(search.reference),
            is_listed: false,
            duty: search.duty,
        }
    }

    fn search(&mut self, search: &Search, is_lawful: bool) {
        let search = Search { run: 0, ..*search };
        let past = self.past_of(&search);
        let read = past.read(&self.main, &THRESHOLDS).unwrap();
        let asked = SearchAsked {
            at: search.at,
            of: search.of,
        };
        let verdict = judge(&read, &asked, &THRESHOLDS);
        let by_ledger = self.ledger.judge(&search, &THRESHOLDS);
        assert_eq!(verdict, by_ledger, "{search:?}\n{read:?}");
        self.compared += 1;
        self.note(&search, &verdict);
        if let Some(why) = verdict.needs_second {
            *self.stops.entry(why.rule).or_default() += 1;
            if is_lawful {
                self.agree(&search, why.rule);
                let verdict = Verdict {
                    needs_second: None,
                    ..verdict
                };
                self.note(&search, &verdict);
            }
        }
    }

    fn note(&mut self, search: &Search, verdict: &Verdict) {
        let past = self.past_of(search);
        let noted = NotedSearch {
            person: past.person,
            at: search.at,
            of: search.of,
            exact: match search.of {
                SearchOf::Plate(mark) | SearchOf::Wide(mark) => mark,
            },
            reference: search.reference,
            purpose: "traffic",
            shown: 0,
            run: 0,
            grown_at: past.grown_at,
        };
        searches::note(&self.main, &noted, verdict).unwrap();
        self.ledger.note(search, verdict);
    }

    fn agree(&mut self, search: &Search, rule: SearchRule) {
        self.ledger.agree(search, rule.is_about_a_plate());
        let plate = match search.of {
            SearchOf::Plate(plate) if rule.is_about_a_plate() => Some(plate),
            _ => None,
        };
        let sql = "INSERT INTO second_looks (asked_by, asked_name, body, person, plate, reference, rule, purpose,
            case_reference, asked_at_us, decided_at_us, decided_by, agreed)
            VALUES ('a', 'a', 'owner', ?, ?, ?, ?, 'traffic', 'x', ?, ?, 'b', 1)";
        let person = Mark::try_from(search.officer).unwrap();
        let at = search.at.unix_us();
        let values = params![person, plate, search.reference, rule.as_str(), at, at];
        self.main.execute(sql, values).unwrap();
    }
}

#[test]
#[ignore = "ten million rows take minutes and gigabytes: run it, or `varco-hub bench judgement --rows 10000000`"]
fn a_judgement_costs_under_two_milliseconds_among_ten_million_searches() {
    let folder = tempfile::tempdir().unwrap();
    let rows = std::env::var("VARCO_ROWS").map_or(10_000_000, |rows| rows.parse().unwrap());
    let figures = speed::speed(folder.path(), rows, 1000).unwrap();
    println!("{}", serde_json::to_string_pretty(&figures).unwrap());
    assert!(figures.ratio_to_limit < 1.0, "{figures:?}");
}

/// Lives through a world in the table and in the ledger at once.
fn compared(world: World, seed: u64) -> Table {
    let mut dice = Dice::seeded(seed);
    let mut force = Force::of(world, &mut dice);
    let mut misuses = abuse::plan(&world, &mut force, &mut dice);
    misuses.retain(|misuse| misuse.abuse != Abuse::Flood);
    misuses.sort_by_key(|misuse| misuse.search.at);
    let mut misuses = misuses.into_iter().peekable();
    let mut table = Table::new(world.officers);
    for day in 0..world.days {
        let mut events = force.day(day, &mut dice);
        events.sort_by_key(|event| event.search.at);
        for event in &events {
            while let Some(misuse) = misuses.next_if(|misuse| misuse.search.at <= event.search.at) {
                table.search(&misuse.search, false);
            }
            table.search(&event.search, true);
            if event.grows {
                table.ledger.grow(event.search.reference, event.search.at);
            }
        }
    }
    table
}

#[test]
fn the_ledger_of_the_simulation_judges_as_the_hubs_table_does() {
    let usual = worlds().into_iter().next().unwrap().world;
    let learned = World {
        officers: 80,
        days: 100,
        checks: 3,
        grows: 120,
        own_reference: 200,
        abusers_of_each: 1,
        ..usual
    };
    let told = World {
        officers: 60,
        days: 70,
        has_rosters: true,
        ..learned
    };
    let table = compared(learned, 5);
    let other = compared(told, 6);
    let compared = table.compared + other.compared;
    assert!(compared > 10_000, "{compared}");
    let fired =
        |rule: &SearchRule| table.stops.contains_key(rule) || other.stops.contains_key(rule);
    for rule in [
        SearchRule::OnePlate,
        SearchRule::Household,
        SearchRule::OffDuty,
        SearchRule::OneReference,
        SearchRule::Enumeration,
    ] {
        assert!(fired(&rule), "{rule:?} never fired: {:?}", table.stops);
    }
    let none = SearchOf::Wide(0);
    let late = UtcTime::from_unix_us(i64::MAX / 2);
    let search = Search {
        officer: 0,
        at: late,
        of: none,
        reference: 0,
        run: 0,
        duty: Duty::On,
    };
    let before = table.past_of(&search).at - THRESHOLDS.memory;
    while searches::is_more_left(searches::forget(&table.main, before).unwrap()) {}
    let left: i64 = table
        .main
        .query_row("SELECT count(*) FROM searches", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0, "nothing outlives the memory");
}
