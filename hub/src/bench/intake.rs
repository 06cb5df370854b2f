//! Transits that come in: as fast as they can be taken, and so many a second beside other work.

use crate::machine::stopwatch::Stopwatch;
use crate::timekeeping::SharedClock;
use crate::timekeeping::SystemClock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use serde::Serialize;
use varco_proto::envelope::open;
use varco_proto::receipt::Receipt;

use super::fill::{self, Filled, scrambled};
use super::senders::{self, Sender};
use super::{BenchSettings, memory_mib, number};
use crate::chains::place::Limits;
use crate::hotlists::active::ActiveLists;
use crate::intake::answers::BatchOutcome;
use crate::intake::opening::Opener;
use crate::intake::pool::Pool;
use crate::intake::writer::{Message, Writer};
use crate::lookups::store::TransitStore;
use crate::postgres::Scratch;
use crate::store;

/// Records that come in while intake is measured.
const RECORDS: usize = 60_000;
/// Records that an edge sends in a row when its link comes back.
const BURST: usize = 64;
/// Records of a batch, as the hub's configuration has them when it says nothing.
const BATCH: usize = 2048;
/// Edges beside other work.
const FEEDERS: u32 = 20;
/// Times that each pattern is measured: a pass takes some two seconds, in which a neighbour can be
/// heard.
const PASSES: u32 = 3;
/// Between two batches beside other work.
const FEED_EVERY: Duration = Duration::from_millis(40);

/// How fast intake is.
#[derive(Debug, Serialize)]
pub struct IntakeFigures {
    /// Transits stored before.
    pub rows: u64,
    /// Verified, durable and receipted; the slower of both patterns.
    pub per_second: f64,
    /// Against checking signatures alone, on one core, in the same run.
    pub ratio_to_verify_only: f64,
    /// Against inserting the same bytes alone, as durably, in batches as large.
    pub ratio_to_store_only: f64,
    /// Each pattern of sending.
    pub patterns: Vec<Pattern>,
    /// Several hubs on one PostgreSQL, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// Afterwards.
    pub memory_mib: Option<f64>,
}

/// Several hubs on one PostgreSQL, on this machine.
#[derive(Debug, Serialize)]
pub struct Together {
    /// How many.
    pub hubs: u32,
    /// Taken by all of them.
    pub per_second: f64,
    /// Taken by one with the same records.
    pub one_per_second: f64,
    /// The first against the second.
    pub ratio_to_one: f64,
}

/// One pattern of sending; the pass in the middle of three.
#[derive(Debug, Serialize)]
pub struct Pattern {
    /// `bursts` of one edge after the other, or `round-robin`.
    pub name: &'static str,
    /// Taken.
    pub per_second: f64,
    /// The first floor.
    pub verify_only_per_second: f64,
    /// The second floor.
    pub store_only_per_second: f64,
    /// Seconds that opening was busy; the three overlap.
    pub opening_s: f64,
    /// Seconds that storing was busy.
    pub storing_s: f64,
    /// Seconds that sealing receipts was busy.
    pub sealing_s: f64,
}

impl Pattern {
    /// Against verifying alone.
    fn ratio(&self) -> f64 {
        self.per_second / self.verify_only_per_second
    }
}

/// Measures it.
///
/// # Errors
/// When a part does not work, or a record gets no receipt.
pub fn intake(settings: &BenchSettings) -> anyhow::Result<IntakeFigures> {
    let folder = super::fill_folder(settings)?;
    let filled = fill::fill(folder.path(), settings)?;
    intake_on(&filled, settings.hubs)
}

/// Measures it on what is stored already.
pub(super) fn intake_on(filled: &Filled, hubs: u32) -> anyhow::Result<IntakeFigures> {
    let mut senders = senders::register(&filled.home, "sender", filled.cameras, filled.now)?;
    let mut patterns = Vec::new();
    for order in [BURSTS, IN_TURNS] {
        let passes = (0..PASSES).map(|pass| pattern(filled, &mut senders, order, pass, None));
        let mut passes: Vec<Pattern> = passes.collect::<anyhow::Result<_>>()?;
        passes.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        patterns.extend(passes.into_iter().nth(1));
    }
    let together = match &filled.scratch {
        Some(scratch) if hubs > 1 => Some(together(filled, scratch, &mut senders, hubs)?),
        _ => None,
    };
    let least =
        |of: &dyn Fn(&Pattern) -> f64| patterns.iter().map(of).fold(f64::INFINITY, f64::min);
    Ok(IntakeFigures {
        rows: filled.rows,
        per_second: least(&|p| p.per_second),
        ratio_to_verify_only: least(&Pattern::ratio),
        ratio_to_store_only: least(&|p| p.per_second / p.store_only_per_second),
        patterns,
        together,
        memory_mib: memory_mib(),
    })
}

/// In which order records come: so many of one sender behind each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) name: &'static str,
    pub(super) in_a_row: usize,
}

/// As an edge sends what it kept while the link was away.
pub(super) const BURSTS: Order = Order {
    name: "bursts",
    in_a_row: BURST,
};
/// One of each edge in turns.
const IN_TURNS: Order = Order {
    name: "round-robin",
    in_a_row: 1,
};

pub(super) fn pattern(
    filled: &Filled,
    senders: &mut [Sender],
    order: Order,
    pass: u32,
    lists: Option<&Arc<ActiveLists>>,
) -> anyhow::Result<Pattern> {
    let Order { name, in_a_row } = order;
    let now = crate::timekeeping::Clock::now(&SystemClock);
    let seed = scrambled(in_a_row as u64 | u64::from(pass << 1 | u32::from(lists.is_some())) << 32);
    let messages = senders::seal(senders, RECORDS, in_a_row, now, seed)?;
    let before = verify_only(senders, &messages)?;
    let store_only_per_second = store_only(filled, &messages)?;
    let mut writer = writer(filled, Arc::new(SystemClock))?;
    if let Some(lists) = lists {
        writer = writer.watching(Arc::clone(lists));
    }
    let busy = run(filled, writer, &messages)?;
    // The floor again, as the neighbours may have changed meanwhile.
    let after = verify_only(senders, &messages)?;
    Ok(Pattern {
        name,
        per_second: rate(messages.len(), busy.all),
        verify_only_per_second: f64::midpoint(before, after),
        store_only_per_second,
        opening_s: busy.opening.as_secs_f64(),
        storing_s: busy.storing.as_secs_f64(),
        sealing_s: busy.sealing.as_secs_f64(),
    })
}

fn rate(count: usize, span: Duration) -> f64 {
    number(u64::try_from(count).unwrap_or(u64::MAX)) / span.as_secs_f64()
}

/// A part is enough for the floors.
fn some(messages: &[Message]) -> &[Message] {
    messages.get(..20_000).unwrap_or(messages)
}

fn verify_only(senders: &[Sender], messages: &[Message]) -> anyhow::Result<f64> {
    let signed: Vec<_> = senders
        .iter()
        .zip(messages)
        .map(|(edge, message)| {
            (
                edge.key.opening_key(),
                &message.bytes,
                edge.key.sign(&message.bytes),
            )
        })
        .collect();
    let begun = Stopwatch::start();
    let count = some(messages).len();
    for (key, bytes, signature) in signed.iter().cycle().take(count) {
        ensure!(key.verifies(bytes, signature), "its own signature");
    }
    Ok(rate(count, begun.elapsed()))
}

fn store_only(filled: &Filled, messages: &[Message]) -> anyhow::Result<f64> {
    if let Some(scratch) = &filled.scratch {
        return store_only_in(scratch, some(messages));
    }
    let path = filled.home.root().join("floor.sqlite");
    let floor = store::open(&path)?;
    floor.execute_batch("CREATE TABLE IF NOT EXISTS floor (bytes BLOB)")?;
    let begun = Stopwatch::start();
    for batch in some(messages).chunks(BATCH) {
        floor.execute_batch("BEGIN IMMEDIATE")?;
        for message in batch {
            floor
                .prepare_cached("INSERT INTO floor VALUES (?1)")?
                .execute([&message.bytes])?;
        }
        floor.execute_batch("COMMIT")?;
    }
    Ok(rate(some(messages).len(), begun.elapsed()))
}

fn store_only_in(scratch: &Scratch, messages: &[Message]) -> anyhow::Result<f64> {
    let begun = Stopwatch::start();
    for batch in messages.chunks(BATCH) {
        let values: Vec<&[u8]> = batch.iter().map(|message| &message.bytes[..]).collect();
        scratch.store(&values)?;
    }
    Ok(rate(messages.len(), begun.elapsed()))
}

/// Several hubs on one PostgreSQL, each with its own connections and its own share of the edges,
/// against one hub with all of them, in the same run.
fn together(
    filled: &Filled,
    scratch: &Scratch,
    senders: &mut [Sender],
    hubs: u32,
) -> anyhow::Result<Together> {
    let count = usize::try_from(hubs)?;
    let now = crate::timekeeping::Clock::now(&SystemClock);
    let mut rates = Vec::new();
    for (of, seed) in [(1, 11), (count, 12), (1, 13), (count, 14)] {
        let share = senders.len().div_ceil(of);
        let mut shares = Vec::new();
        for (at, senders) in senders.chunks_mut(share).enumerate() {
            let seed = scrambled(seed << 8 | u64::try_from(at)?);
            let messages = senders::seal(senders, RECORDS / of, BURST, now, seed)?;
            let store: TransitStore = fill::open_server(&filled.home, scratch)?.into();
            shares.push((store, messages));
        }
        let begun = Stopwatch::start();
        let done: anyhow::Result<Vec<Busy>> = thread::scope(|scope| {
            let running: Vec<_> = shares
                .iter()
                .map(|(store, messages)| {
                    scope.spawn(|| {
                        let writer = writer_over(filled, store.clone(), Arc::new(SystemClock))?;
                        run(filled, writer, messages)
                    })
                })
                .collect();
            let hubs = running.into_iter();
            hubs.map(|hub| hub.join().map_err(|_| anyhow!("a hub panicked"))?)
                .collect()
        });
        done?;
        rates.push(rate(RECORDS / of * shares.len(), begun.elapsed()));
    }
    let mean = |at: usize| f64::midpoint(rates[at], rates[at + 2]);
    Ok(Together {
        hubs,
        per_second: mean(1),
        one_per_second: mean(0),
        ratio_to_one: mean(1) / mean(0),
    })
}

/// A writer over what is filled, by a clock.
pub(super) fn writer(filled: &Filled, clock: SharedClock) -> anyhow::Result<Writer> {
    writer_over(filled, filled.store.clone(), clock)
}

fn writer_over(filled: &Filled, store: TransitStore, clock: SharedClock) -> anyhow::Result<Writer> {
    let limits = Limits {
        term: filled.store.settings().term,
        ahead_max: Duration::from_secs(60),
    };
    Ok(Writer::new(
        filled.home.open_main()?,
        store,
        filled.home.sealing_key()?,
        clock,
        limits,
    ))
}

#[derive(Default)]
struct Busy {
    all: Duration,
    opening: Duration,
    storing: Duration,
    sealing: Duration,
}

/// The three stages as the hub's batcher runs them, without a broker at either end.
fn run(filled: &Filled, mut writer: Writer, messages: &[Message]) -> anyhow::Result<Busy> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let pool = Arc::new(Pool::start(cores)?);
    let key = filled.home.sealing_key()?;
    let mut opener = Opener::new(filled.home.open_main()?, pool.clone());
    let batches: Vec<Arc<[Message]>> = messages.chunks(BATCH).map(Arc::from).collect();
    let mut busy = Busy::default();
    let begun = Stopwatch::start();
    thread::scope(|scope| {
        let (opened, to_store) = sync_channel(1);
        let (stored, to_seal) = sync_channel(1);
        let opening = scope.spawn(move || {
            let mut spent = Duration::ZERO;
            for batch in batches {
                let begun = Stopwatch::start();
                let batch = opener.open(batch);
                spent += begun.elapsed();
                if opened.send(batch).is_err() {
                    break;
                }
            }
            spent
        });
        let sealing = scope.spawn(move || {
            let (mut spent, mut answers) = (Duration::ZERO, Vec::new());
            for outcome in to_seal {
                let begun = Stopwatch::start();
                let outcome: BatchOutcome = outcome;
                answers.extend(outcome.sealed_by(&key, &pool).answers);
                spent += begun.elapsed();
            }
            (spent, answers)
        });
        for batch in to_store {
            let begun = Stopwatch::start();
            stored.send(writer.take_opened(&batch)?)?;
            busy.storing += begun.elapsed();
        }
        drop(stored);
        let panicked = |_| anyhow!("a stage panicked");
        busy.opening = opening.join().map_err(panicked)?;
        let (spent, answers) = sealing.join().map_err(panicked)?;
        busy.sealing = spent;
        busy.all = begun.elapsed();
        let key = filled.home.sealing_key()?.opening_key();
        let mut lines = 0;
        for answer in answers {
            lines += open::<Receipt>(&answer.envelope, &key)?.value().lines.len();
        }
        ensure!(
            lines == messages.len(),
            "{lines} of {} are receipted",
            messages.len()
        );
        Ok(busy)
    })
}

/// Intake at a given pace, beside other work.
pub(super) struct Feed {
    writer: Mutex<Writer>,
    senders: Mutex<Vec<Sender>>,
    longest_us: AtomicU64,
}

impl Feed {
    pub(super) fn new(filled: &Filled, name: &str) -> anyhow::Result<Self> {
        Ok(Self {
            writer: Mutex::new(writer(filled, Arc::new(SystemClock))?),
            senders: Mutex::new(senders::register(&filled.home, name, FEEDERS, filled.now)?),
            longest_us: AtomicU64::new(0),
        })
    }

    /// Takes so many a second until it is told to stop; gives how many it was.
    pub(super) fn run(&self, a_second: u32, stop: &AtomicBool) -> anyhow::Result<f64> {
        let begun = Stopwatch::start();
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: u32 = 0;
        while !stop.load(Ordering::Relaxed) {
            let due = begun.elapsed().as_millis() * u128::from(a_second) / 1000;
            let due = u32::try_from(due)?;
            let count = usize::try_from(due.saturating_sub(taken))?;
            if count > 0 {
                let now = crate::timekeeping::Clock::now(&SystemClock);
                let seed = scrambled(u64::from(taken) | 1 << 40);
                let batch = senders::seal(&mut senders, count, 1, now, seed)?;
                let span = Stopwatch::start();
                let answered = self.with_writer(|writer| writer.take(&batch))?;
                ensure!(!answered.answers.is_empty(), "a batch got no receipt");
                let span = u64::try_from(span.elapsed().as_micros())?;
                self.longest_us.fetch_max(span, Ordering::Relaxed);
                taken = due;
            }
            thread::sleep(FEED_EVERY);
        }
        Ok(f64::from(taken) / begun.elapsed().as_secs_f64())
    }

    /// Does something while intake waits.
    pub(super) fn with_writer<T>(&self, act: impl FnOnce(&mut Writer) -> T) -> T {
        act(&mut self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The longest batch since this was last asked, waiting for the writer included.
    pub(super) fn longest_batch_ms(&self) -> f64 {
        number(self.longest_us.swap(0, Ordering::Relaxed)) / 1e3
    }
}
