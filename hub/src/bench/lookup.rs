//! Lookups of each kind, while intake runs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use super::authorising::authorising;
use super::fill::{self, Filled, camera, gate_of, plate, plates_of, scrambled};
use super::intake::Feed;
use super::{BenchSettings, Quantiles, memory_mib, number};
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;
use crate::lookups::question::Asking;
use crate::machine::stopwatch::Stopwatch;
use crate::map::area::Area;
use crate::map::gates::Within;
use crate::plates::pattern::PlatePattern;
use crate::transits::query::{Filter, Query};

/// Transits that come in each second meanwhile.
const INTAKE_A_SECOND: u32 = 250;
/// Cameras that stand in an area.
const CAMERAS_IN_AREA: u64 = 8;
/// Results of a page.
const LIMIT: u32 = 50;

/// What lookups took, audit line and its durable commit included.
#[derive(Debug, Serialize)]
pub struct LookupFigures {
    /// Transits stored.
    pub rows: u64,
    /// By kind.
    pub kinds: Kinds,
    /// A durable commit of one small row alone, in the same run: every lookup has one.
    pub commit: Quantiles,
    /// To know a caller by a token, and what the policy lets them see, among twenty municipalities that share.
    pub authorising: Quantiles,
    /// Transits that came in each second meanwhile.
    pub intake_per_second: f64,
    /// Seconds to open the archive: the dictionary is built.
    pub open_s: f64,
    /// Seconds to make the transits, until they are on the disk; they are not signed.
    pub fill_s: f64,
    /// After the lookups.
    pub memory_mib: Option<f64>,
    /// Of rows and indexes.
    pub bytes_a_transit: f64,
}

/// One for each kind of lookup.
#[derive(Debug, Serialize)]
pub struct Kinds {
    /// A plate.
    pub exact: Quantiles,
    /// Three literal characters in a row, anywhere.
    pub wildcard: Quantiles,
    /// A plate and its neighbours.
    pub misread: Quantiles,
    /// A camera over an hour.
    pub camera: Quantiles,
    /// Any plate at some cameras that stand in an area, over the whole term.
    pub area: Quantiles,
    /// A plate, oldest first.
    pub route: Quantiles,
}

/// Measures them.
///
/// # Errors
/// When a part does not work.
pub fn lookup(settings: &BenchSettings) -> anyhow::Result<LookupFigures> {
    let folder = super::fill_folder(settings)?;
    let filled = fill::fill(folder.path(), settings)?;
    lookup_on(&filled, settings)
}

/// Measures them on what is stored already.
pub(super) fn lookup_on(
    filled: &Filled,
    settings: &BenchSettings,
) -> anyhow::Result<LookupFigures> {
    let lookups = settings.lookups;
    let stop = AtomicBool::new(false);
    let feed = Feed::new(filled, "asker")?;
    std::thread::scope(|scope| {
        let feeding = scope.spawn(|| feed.run(INTAKE_A_SECOND, &stop));
        let measured = measure(filled, lookups);
        stop.store(true, Ordering::Relaxed);
        let fed = feeding.join().ok().context("the intake broke off")??;
        let (kinds, commit) = measured?;
        let authorising = authorising(settings)?;
        Ok(LookupFigures {
            rows: filled.rows,
            kinds,
            commit,
            authorising,
            intake_per_second: fed,
            open_s: filled.open_s,
            fill_s: filled.fill_s,
            memory_mib: memory_mib(),
            bytes_a_transit: number(filled.bytes >> 10) * 1024.0 / number(filled.rows),
        })
    })
}

fn measure(filled: &Filled, lookups: u32) -> anyhow::Result<(Kinds, Quantiles)> {
    let plates = plates_of(filled.rows);
    let any = |k: u64| plate(scrambled(k) % plates);
    let exact = |k| query(filled, &any(k));
    let wildcard = |k| {
        let text = any(k);
        query(filled, &format!("*{}*", text.get(2..5).unwrap_or("123")))
    };
    // Letters and digits across the parts of a plate.
    let wildcard = |k: u64| {
        if k.is_multiple_of(2) {
            return wildcard(k);
        }
        let text = any(k);
        query(filled, &format!("*{}*", text.get(1..4).unwrap_or("A12")))
    };
    let misread = |k| {
        query(filled, &any(k)).map(|query| Query {
            misread: true,
            ..query
        })
    };
    let of_camera = |k: u64| {
        let number = u32::try_from(scrambled(k) % u64::from(filled.cameras))?;
        let back = Duration::from_secs(3600 * (1 + scrambled(k) % 160));
        let every = query(filled, "*")?;
        Ok(Query {
            from: filled.now - back - Duration::from_secs(3600),
            to: filled.now - back,
            filter: Filter {
                cameras: vec![camera(number).parse()?],
                ..Filter::default()
            },
            ..every
        })
    };
    let of_area = |k| {
        let within = Some(within(filled, k)?);
        let filter = Filter {
            within,
            ..Filter::default()
        };
        query(filled, "*").map(|query| Query { filter, ..query })
    };
    let route = |k| {
        query(filled, &any(k)).map(|query| Query {
            oldest_first: true,
            ..query
        })
    };
    let kinds = Kinds {
        exact: timed(filled, lookups, exact)?,
        wildcard: timed(filled, lookups, wildcard)?,
        misread: timed(filled, lookups, misread)?,
        camera: timed(filled, lookups, of_camera)?,
        area: timed(filled, lookups, of_area)?,
        route: timed(filled, lookups, route)?,
    };
    Ok((kinds, commits(filled, lookups)?))
}

/// Some cameras in a row, as if they alone stood in an area.
fn within(filled: &Filled, k: u64) -> anyhow::Result<Within> {
    let first = scrambled(k) % u64::from(filled.cameras);
    let cameras = (0..CAMERAS_IN_AREA).map(|next| {
        let number = u32::try_from((first + next) % u64::from(filled.cameras))?;
        Ok((gate_of(number).parse()?, camera(number).parse()?))
    });
    Ok(Within {
        area: Area::rectangle(43.0, 12.0, 43.1, 12.1)?,
        gates: BTreeSet::new(),
        cameras: cameras.collect::<anyhow::Result<_>>()?,
        elsewhere: BTreeSet::new(),
        unplaced: 0,
    })
}

fn query(filled: &Filled, text: &str) -> anyhow::Result<Query> {
    Ok(Query {
        plate: PlatePattern::normalise(text)?,
        fold: true,
        misread: false,
        from: filled.now - filled.store.settings().term,
        to: filled.now + Duration::from_secs(3600),
        filter: Filter::default(),
        limit: LIMIT,
        oldest_first: false,
        after: None,
    })
}

fn timed(
    filled: &Filled,
    lookups: u32,
    ask: impl Fn(u64) -> anyhow::Result<Query>,
) -> anyhow::Result<Quantiles> {
    let (key, judge) = (filled.home.sealing_key()?, filled.home.judge()?);
    let asking = Asking {
        actor: &Actor::at_console("bench")?,
        grounds: Some(&Grounds::stated(Some("traffic"), Some("bench"))?),
        reach: &crate::municipalities::reach::Reach::everywhere(),
        now: filled.now,
        key: &key,
        judge: &judge,
        grown_at: None,
    };
    let mut times = Vec::new();
    let mut found = 0;
    for k in 0..u64::from(lookups) {
        let query = ask(k)?;
        let begun = Stopwatch::start();
        found += filled.store.look_up(&query, &asking)?.transits.len();
        times.push(begun.elapsed());
    }
    anyhow::ensure!(
        found > 0,
        "the lookups found nothing: there is nothing to measure"
    );
    Ok(Quantiles::of(times))
}

/// What the disk takes for one durable commit, beside the same intake.
fn commits(filled: &Filled, count: u32) -> anyhow::Result<Quantiles> {
    let connection = crate::store::open(&filled.home.root().join("commit.sqlite"))?;
    connection.execute_batch("CREATE TABLE a (b INTEGER)")?;
    let mut times = Vec::new();
    for k in 0..count {
        let begun = Stopwatch::start();
        connection.execute("INSERT INTO a VALUES (?)", [k])?;
        times.push(begun.elapsed());
    }
    Ok(Quantiles::of(times))
}
