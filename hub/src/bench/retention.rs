//! The end of a day, while intake runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use super::fill::{self, Filled, GATE_OF_TOWN};
use super::intake::{self, Feed};
use super::{BenchSettings, memory_mib};
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::hours::partition::Term;
use crate::machine::stopwatch::Stopwatch;
use crate::municipalities::Municipality;
use crate::municipalities::desk;
use crate::timekeeping::Reading;
use crate::timekeeping::SetClock;
use varco_proto::time::UtcTime;

/// Transits that come in each second meanwhile.
const INTAKE_A_SECOND: u32 = 250;

/// What the end of the oldest day took.
#[derive(Debug, Serialize)]
pub struct RetentionFigures {
    /// Transits stored.
    pub rows: u64,
    /// Of these, destroyed.
    pub transits: u64,
    /// Hours that were destroyed.
    pub hours: usize,
    /// Until the last key was destroyed: nobody can read them any more.
    pub keys_s: f64,
    /// Until the files were unlinked too.
    pub seconds: f64,
    /// The longest that intake's writer had to wait for it; in PostgreSQL, where it does not, its
    /// longest batch meanwhile.
    pub longest_stall_ms: f64,
    /// The longest batch of intake meanwhile, its own durable commits included.
    pub longest_batch_ms: f64,
    /// The longest batch of intake before, without an expiry.
    pub longest_batch_before_ms: f64,
    /// A municipality with every twelfth camera shortened its term to a day then.
    pub shortened: Shortened,
    /// Afterwards.
    pub memory_mib: Option<f64>,
}

/// What it took to destroy what a municipality kept for longer before.
#[derive(Debug, Serialize)]
pub struct Shortened {
    /// Transits that went, each from among others that stay.
    pub transits: u64,
    /// Hours that had some.
    pub hours: usize,
    /// Until the last was gone.
    pub seconds: f64,
    /// The longest batch of intake meanwhile.
    pub longest_batch_ms: f64,
}

/// Measures it.
///
/// # Errors
/// When a part does not work.
pub fn retention(settings: &BenchSettings) -> anyhow::Result<RetentionFigures> {
    let folder = super::fill_folder(settings)?;
    let filled = fill::fill(folder.path(), settings)?;
    retention_on(&filled)
}

/// Measures it on what is stored already, of which the oldest day goes.
pub(super) fn retention_on(filled: &Filled) -> anyhow::Result<RetentionFigures> {
    let feed = Feed::new(filled, "ender")?;
    let stop = AtomicBool::new(false);
    // A day later, the oldest day is past its term.
    let then = filled.now + Duration::from_secs(24 * 3600);
    std::thread::scope(|scope| {
        let feeding = scope.spawn(|| feed.run(INTAKE_A_SECOND, &stop));
        std::thread::sleep(Duration::from_secs(3));
        let longest_batch_before_ms = feed.longest_batch_ms();
        let begun = Stopwatch::start();
        let mut expiring = intake::writer(filled, SetClock::at(then))?;
        let (mut hours, mut transits, mut longest) = (Vec::new(), 0, Duration::ZERO);
        // As the hub does it: one hour at a time, so that the writer never waits for more.
        loop {
            let turn = Stopwatch::start();
            let expired = match filled.store.server() {
                None => feed.with_writer(|_| expiring.expire(1))?,
                // In PostgreSQL nobody waits for the writer of the expiry.
                Some(_) => expiring.expire(1)?,
            };
            longest = longest.max(turn.elapsed());
            if expired.hours.iter().all(|hour| hours.contains(hour)) {
                break;
            }
            transits += expired.transits;
            hours.extend(expired.hours);
        }
        let keys_s = begun.elapsed().as_secs_f64();
        filled.store.unlink(&hours)?;
        let seconds = begun.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_secs(1));
        let longest_batch_ms = feed.longest_batch_ms();
        let shortened = shorten(filled, then, &feed)?;
        stop.store(true, Ordering::Relaxed);
        feeding.join().ok().context("the intake broke off")??;
        let longest_stall_ms = match filled.store.server() {
            None => longest.as_secs_f64() * 1e3,
            Some(_) => longest_batch_ms,
        };
        Ok(RetentionFigures {
            rows: filled.rows,
            transits,
            hours: hours.len(),
            keys_s,
            seconds,
            longest_stall_ms,
            longest_batch_ms,
            longest_batch_before_ms,
            shortened,
            memory_mib: memory_mib(),
        })
    })
}

/// A municipality shortens its term to a day: what is older of its transits goes, as the hub does it.
fn shorten(filled: &Filled, now: UtcTime, feed: &Feed) -> anyhow::Result<Shortened> {
    let (mut main, key) = (filled.home.open_main()?, filled.home.sealing_key()?);
    let acting = Acting {
        actor: &Actor::console(),
        now,
        key: &key,
    };
    let town: Municipality = "Town".parse()?;
    let day = Term::of_hours(24).unwrap_or_default();
    desk::set(&mut main, &town, day, None, &acting)?;
    desk::give(&mut main, &GATE_OF_TOWN.parse()?, Some(&town), &acting)?;
    let vouched = Reading::vouched(now).may_destroy();
    let vouched = vouched.context("a moment that somebody vouches for")?;
    let begun = Stopwatch::start();
    let (mut transits, mut hours) = (0, 0);
    while let Some(purged) = filled.store.purge_one(&mut main, vouched, &key)? {
        transits += purged.transits;
        hours += 1;
    }
    Ok(Shortened {
        transits,
        hours,
        seconds: begun.elapsed().as_secs_f64(),
        longest_batch_ms: feed.longest_batch_ms(),
    })
}
