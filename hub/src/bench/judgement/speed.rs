//! What the judgement takes: a person with ten thousand searches, among as many rows as are wished for.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use varco_proto::cipher::Key;
use varco_proto::time::UtcTime;

use super::super::fill::{plate, scrambled};
use super::super::{Quantiles, number};
use super::fill::{FilledSearches, fill};
use crate::audit::actor::{Actor, ActorKind};
use crate::audit::purpose::Grounds;
use crate::judgement::SCHEMA;
use crate::judgement::judge::{Judge, SearchTarget, Searcher};
use crate::judgement::marks::SearchMarks;
use crate::machine::stopwatch::Stopwatch;
use crate::plates::pattern::PlatePattern;
use crate::store;

/// What a judgement may take.
const LIMIT_MS: f64 = 2.0;
/// Searches of the one who is judged.
const OF_PERSON: u64 = 10_000;
/// Their references: each plate was searched under most of them.
const REFERENCES: u64 = 64;
/// Their plates, each searched a hundred times, and one in ten of them again and again.
const PLATES: u64 = 100;

/// What a judgement takes.
#[derive(Debug, Serialize)]
pub(super) struct SpeedFigures {
    /// Searches stored.
    pub(super) rows: u64,
    /// Of these, of the person who is judged.
    pub(super) of_person: u64,
    /// A search of a plate, judged.
    pub(super) plate: Quantiles,
    /// A wide question, judged.
    pub(super) wide: Quantiles,
    /// Noting what was judged, without a commit.
    pub(super) note: Quantiles,
    /// What it may take.
    pub(super) limit_ms: f64,
    /// The slowest hundredth of the slower kind, as a share of that.
    pub(super) ratio_to_limit: f64,
    /// Seconds to make the rows.
    pub(super) fill_s: f64,
    /// Bytes of the table and its indexes for each row.
    pub(super) bytes_a_row: f64,
}

/// What the table is filled with.
fn filled(
    rows: u64,
    until: UtcTime,
    marks: &SearchMarks,
    person: &str,
    plates: &[PlatePattern],
) -> FilledSearches {
    FilledSearches {
        rows,
        of_person: OF_PERSON,
        person: marks.person(person),
        plates: plates
            .iter()
            .map(|plate| marks.pattern(plate).plate)
            .collect(),
        references: (0..REFERENCES)
            .map(|number| marks.reference(&format!("PG {number}/2026")))
            .collect(),
        until,
    }
}

pub(super) fn speed(folder: &Path, rows: u64, count: u32) -> anyhow::Result<SpeedFigures> {
    let path = folder.join("searches.sqlite");
    let mut main = store::open(&path)?;
    store::migrate(&mut main, &[SCHEMA])?;
    let key = Key::random()?;
    let (judge, marks) = (
        Judge::new(Key::from_bytes(key.bytes()).context("a key")?),
        SearchMarks::under(&key),
    );
    let person = Actor::known("a1".to_owned(), ActorKind::Person, "bench".to_owned());
    let now: UtcTime = "2026-11-22T12:00:00Z".parse()?;
    let plates: Vec<PlatePattern> = (0..PLATES)
        .map(|number| PlatePattern::normalise(&plate(scrambled(number))))
        .collect::<Result<_, _>>()?;
    let begun = Stopwatch::start();
    fill(&mut main, &filled(rows, now, &marks, person.id(), &plates))?;
    let fill_s = begun.elapsed().as_secs_f64();
    let grounds = Grounds::stated(Some("traffic"), Some("PG 1/2026"))?;
    let searcher = Searcher {
        actor: &person,
        grounds: &grounds,
        grown_at: None,
        now,
    };
    let (mut of_plate, mut wide, mut note) = (Vec::new(), Vec::new(), Vec::new());
    let transaction = main.transaction()?;
    for at in 0..u64::from(count) {
        let place = usize::try_from(scrambled(at) % PLATES)?;
        let pattern = plates.get(place).context("a plate")?;
        let timed = |target, times: &mut Vec<Duration>| {
            let begun = Stopwatch::start();
            let judged = judge.judge(&transaction, &searcher, target, &[])?;
            times.push(begun.elapsed());
            anyhow::Ok(judged)
        };
        let target = SearchTarget::Plate {
            pattern,
            places: "",
        };
        let judged = timed(target, &mut of_plate)?;
        timed(SearchTarget::Everything { places: "" }, &mut wide)?;
        let begun = Stopwatch::start();
        judge.note(&transaction, &searcher, &judged, 1)?;
        note.push(begun.elapsed());
    }
    transaction.rollback()?;
    let (plate, wide, note) = (
        Quantiles::of(of_plate),
        Quantiles::of(wide),
        Quantiles::of(note),
    );
    let bytes = std::fs::metadata(&path)?.len();
    Ok(SpeedFigures {
        rows,
        of_person: OF_PERSON,
        ratio_to_limit: plate.p99_ms.max(wide.p99_ms) / LIMIT_MS,
        plate,
        wide,
        note,
        limit_ms: LIMIT_MS,
        fill_s,
        bytes_a_row: number(bytes >> 10) * 1024.0 / number(rows),
    })
}
