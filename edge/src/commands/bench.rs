//! `varco-edge bench`: how long a frame takes, step by step.

mod camera;
mod compare;
mod figures;
mod work;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use self::figures::{ms, quantile};
use self::work::{WARM_UP_FRAMES, Work};
use super::evaluate::{Kind, read_index};
use super::models::ModelFlags;
use super::{table, workers};
use crate::adapters::clock::{SharedClock, SystemClock};
use crate::adapters::machine;
use crate::core::pipeline::Pipeline;
use crate::core::stages::{Stage, StageHook};
use crate::core::track::TrackSettings;
use crate::core::vision::Vision;

/// What the chain may take of a frame of 1280 x 720 with one plate on one thread, decoding not
/// counted.
const CHAIN_LIMIT_MS: f64 = 8.0;
/// The steps, in their order.
const STAGES: [&str; 4] = ["decode", "detect", "read", "track"];

/// Measure how long each frame takes.
///
/// Prints the milliseconds of each step (median and 95th of a hundred), the frames that one core
/// does in a second when it does all four steps, and the most memory held. `decode` is the time
/// of the video decoder, or of opening a picture; the chain is all that follows. Its median in
/// the frames with one plate is held against the 8 ms that it may take there (1280 x 720, one
/// thread). Every thread goes through all frames on its own, with models of its own; the first
/// frames of each are left out.
///
/// A video is also played once as the daemon treats a camera: each frame decoded, at most
/// 12 a second glanced at, those searched in which something moves. `camera` says what share of a
/// core that takes at the clip's own pace, held against 0.4 with traffic and 0.12 on an empty road
/// (1920 x 1080, 25 frames a second), and how many vehicles passed and alarms were raised.
///
/// With --compare both nets are then run alone on the same frames, one thread, in turns with
/// those of another folder: the unquantised ones. `ratio` is how many times as long these take;
/// on a busy machine that of the least times says most.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    varco-edge bench --video gate.mp4\n  \
    varco-edge bench --index dev.jsonl --source gate --threads 2 --json\n  \
    varco-edge bench --video gate.mp4 --models models --compare other-models")]
pub struct BenchArgs {
    /// Index of pictures, JSON lines as `evaluate` takes them; crops are left out
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "video",
        conflicts_with = "video"
    )]
    pub index: Option<PathBuf>,
    /// Only this source of the index
    #[arg(long, value_name = "NAME", requires = "index")]
    pub source: Option<String>,
    /// A video file instead of an index
    #[arg(long, value_name = "FILE")]
    pub video: Option<PathBuf>,
    /// Threads that work side by side
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = super::threads)]
    pub threads: usize,
    /// Also run the nets in turns with those of this folder: the same, unquantised
    #[arg(long, value_name = "FOLDER")]
    pub compare: Option<PathBuf>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would show it as the command's own help")]
    pub models: ModelFlags,
}

/// One frame.
#[derive(Debug, Clone, Copy)]
struct FrameTimes {
    /// Milliseconds in the order of [`STAGES`].
    steps: [f64; 4],
    /// Plates seen in it.
    plates: usize,
}

impl FrameTimes {
    fn whole(&self) -> f64 {
        self.steps.iter().sum()
    }

    /// All steps but decoding.
    fn chain(&self) -> f64 {
        self.steps.iter().skip(1).sum()
    }
}

/// Runs the command.
///
/// # Errors
/// Models or library that cannot be loaded, an index, a picture or a clip that cannot be read.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let work = frames_of(args)?;
    // First, so that the memory is that of one camera.
    let camera = match &work {
        Work::Video(_) => {
            let vision = args.models.visions(1)?.pop().context("no nets")?;
            Some(camera::measure(&work, vision)?)
        }
        Work::Pictures(_) => None,
    };
    let visions = args.models.visions(args.threads)?;
    let times = workers::each(visions, |vision| measure(&work, vision))?.concat();
    if times.is_empty() {
        bail!("there are too few frames to measure: more than {WARM_UP_FRAMES} are needed");
    }
    let compared = match &args.compare {
        Some(folder) => Some(compare::measure(&work, &args.models, folder)?),
        None => None,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut printed = figures(&times, args.threads);
        if let Some(camera) = camera {
            printed["camera"] = serde_json::to_value(camera)?;
        }
        if let Some(compared) = compared {
            printed["compare"] = compared.figures();
        }
        writeln!(out, "{printed}")?;
    } else {
        writeln!(out, "{}", shown(&times, args.threads))?;
        if let Some(camera) = camera {
            writeln!(out, "{}", camera.shown())?;
        }
        if let Some(compared) = compared {
            writeln!(out, "\n{}", compared.shown())?;
        }
    }
    Ok(())
}

fn frames_of(args: &BenchArgs) -> anyhow::Result<Work> {
    match (&args.video, &args.index) {
        (Some(path), _) => Ok(Work::Video(path.clone())),
        (None, Some(path)) => {
            let pictures = read_index(path, args.source.as_deref())?;
            let scenes = pictures.into_iter().filter(|p| p.kind == Kind::Scene);
            Ok(Work::Pictures(scenes.map(|p| p.path).collect()))
        }
        (None, None) => bail!("name a video or an index"),
    }
}

fn measure(work: &Work, vision: Vision) -> anyhow::Result<Vec<FrameTimes>> {
    let clock = SystemClock::shared();
    let stopwatch = Stopwatch::new(Arc::clone(&clock));
    let mut pipeline = Pipeline::new(vision, TrackSettings::default());
    pipeline.watch(Box::new(stopwatch.clone()));
    work.each(&clock, |decode, frame| {
        stopwatch.decoded(decode);
        pipeline.take(frame)?;
        stopwatch.seen(pipeline.seen_at(frame.captured.at));
        Ok(true)
    })?;
    Ok(stopwatch.times())
}

/// Notes when each step ends.
#[derive(Debug, Clone)]
struct Stopwatch {
    clock: SharedClock,
    state: Arc<Mutex<StopwatchState>>,
}

#[derive(Debug, Default)]
struct StopwatchState {
    last: Duration,
    frames: Vec<FrameTimes>,
}

impl Stopwatch {
    fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            state: Arc::default(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut StopwatchState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A frame has been decoded in this time; its other steps follow.
    fn decoded(&self, took: Duration) {
        let steps = [ms(took), 0.0, 0.0, 0.0];
        self.with(|state| state.frames.push(FrameTimes { steps, plates: 0 }));
    }

    /// So many plates were seen in the last frame.
    fn seen(&self, plates: usize) {
        self.with(|state| {
            if let Some(frame) = state.frames.last_mut() {
                frame.plates = plates;
            }
        });
    }

    fn times(&self) -> Vec<FrameTimes> {
        self.with(|state| state.frames.iter().skip(WARM_UP_FRAMES).copied().collect())
    }
}

impl StageHook for Stopwatch {
    fn begin(&mut self) {
        let now = self.clock.monotonic();
        self.with(|state| state.last = now);
    }

    fn end(&mut self, stage: Stage) {
        let now = self.clock.monotonic();
        let place = match stage {
            Stage::Detect => 1,
            Stage::Read => 2,
            Stage::Track => 3,
        };
        self.with(|state| {
            let took = ms(now.saturating_sub(state.last));
            state.last = now;
            if let Some(frame) = state.frames.last_mut() {
                frame.steps[place] = took;
            }
        });
    }
}

fn quantiles(times: &[FrameTimes], of: impl Fn(&FrameTimes) -> f64) -> (f64, f64) {
    let mut values: Vec<f64> = times.iter().map(of).collect();
    (quantile(&mut values, 50), quantile(&mut values, 95))
}

/// The frames with one plate; none when there are none.
fn with_one_plate(times: &[FrameTimes]) -> Option<Vec<FrameTimes>> {
    let one: Vec<FrameTimes> = times.iter().filter(|t| t.plates == 1).copied().collect();
    (!one.is_empty()).then_some(one)
}

fn per_core(times: &[FrameTimes]) -> f64 {
    let total_ms: f64 = times.iter().map(FrameTimes::whole).sum();
    let count = u32::try_from(times.len()).map_or(0.0, f64::from);
    if total_ms > 0.0 {
        count * 1e3 / total_ms
    } else {
        0.0
    }
}

fn figures(times: &[FrameTimes], threads: usize) -> Value {
    let pair = |(median, p95): (f64, f64)| json!({ "median_ms": median, "p95_ms": p95 });
    let stages: BTreeMap<&str, Value> = STAGES
        .iter()
        .enumerate()
        .map(|(place, name)| (*name, pair(quantiles(times, |t| t.steps[place]))))
        .collect();
    let one = with_one_plate(times);
    let one_chain = one.as_ref().map(|one| quantiles(one, FrameTimes::chain));
    json!({
        "stages": stages,
        "frame": pair(quantiles(times, FrameTimes::whole)),
        "chain": pair(quantiles(times, FrameTimes::chain)),
        "chain_ms": quantiles(times, FrameTimes::chain).0,
        "chain_one_plate": one_chain.map(pair),
        "chain_of_limit": one_chain.map(|chain| chain.0 / CHAIN_LIMIT_MS),
        "frames_one_plate": one.map_or(0, |one| one.len()),
        "frames_per_second_per_core": per_core(times),
        "peak_rss_mib": peak_rss_mib(),
        "frames": times.len(),
        "threads": threads,
    })
}

fn shown(times: &[FrameTimes], threads: usize) -> String {
    let row = |name: &str, (median, p95): (f64, f64)| {
        vec![name.to_owned(), format!("{median:.2}"), format!("{p95:.2}")]
    };
    let mut rows: Vec<Vec<String>> = STAGES
        .iter()
        .enumerate()
        .map(|(place, name)| row(name, quantiles(times, |t| t.steps[place])))
        .collect();
    rows.push(row("chain", quantiles(times, FrameTimes::chain)));
    let mut held = "no frame shows one plate".to_owned();
    if let Some(one) = with_one_plate(times) {
        let chain = quantiles(&one, FrameTimes::chain);
        rows.push(row("with one plate", chain));
        held = format!(
            "the chain takes {:.2} of its {CHAIN_LIMIT_MS:.0} ms in the {} with one plate",
            chain.0 / CHAIN_LIMIT_MS,
            one.len()
        );
    }
    rows.push(row("frame", quantiles(times, FrameTimes::whole)));
    format!(
        "{}\n{} frames, {threads} threads, {:.1} frames/s a core, peak {} MiB; {held}",
        table::markdown(&["step", "median ms", "p95 ms"], rows),
        times.len(),
        per_core(times),
        peak_rss_mib().map_or("unknown".to_owned(), |mib| format!("{mib:.0}")),
    )
}

/// The most memory this process has held; none where the kernel does not tell.
fn peak_rss_mib() -> Option<f64> {
    let kib = machine::peak_memory_kib()?;
    Some(f64::from(kib) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(steps: [f64; 4], plates: usize) -> FrameTimes {
        FrameTimes { steps, plates }
    }

    #[test]
    fn the_median_and_the_95th_are_values_that_occurred() {
        let times: Vec<FrameTimes> = (1..=100_u32)
            .map(|k| frame([f64::from(k), 0.0, 1.0, 0.0], 0))
            .collect();
        assert_eq!(quantiles(&times, |t| t.steps[0]), (51.0, 96.0));
        assert_eq!(quantiles(&times[..1], |t| t.steps[0]), (1.0, 1.0));
    }

    #[test]
    fn the_limit_is_held_against_frames_with_one_plate_alone() {
        let crowded = frame([1.0, 6.0, 9.0, 0.5], 3);
        let one = frame([1.0, 5.0, 1.0, 0.0], 1);
        let times = [crowded, crowded, one];
        let told = figures(&times, 1);
        assert_eq!(told["frames_one_plate"], 1);
        assert_eq!(told["chain_of_limit"], 6.0 / CHAIN_LIMIT_MS);
        assert_eq!(told["chain"]["median_ms"], 15.5);
        assert!(shown(&times, 1).contains("| with one plate |"));
        assert!(shown(&times[..2], 1).contains("no frame shows one plate"));
        assert!(figures(&times[..2], 1)["chain_of_limit"].is_null());
    }

    #[test]
    fn a_core_does_as_many_frames_as_fit_its_second() {
        let times = vec![frame([1.0, 2.0, 0.5, 0.5], 1); 10];
        assert!((per_core(&times) - 250.0).abs() < 1e-9);
        assert!(per_core(&[]).abs() < 1e-9);
    }
}
