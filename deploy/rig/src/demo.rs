//! The demo: a show before the camera, and what the hub knows of it afterwards.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};
use varco_proto::plate::PlateText;
use varco_proto::time::UtcTime;

use crate::camera::clip::Clip;
use crate::camera::pictures::{Choice, Pictures};
use crate::camera::{Camera, Codec, Show, Shown, StreamSettings};
use crate::clock;
use crate::consortium::{self, Sharing};
use crate::house::{CameraAddress, House, Programs};
use crate::lookup::{Found, Hub};

/// After the last vehicle: time for its pass to end, be sealed, sent, stored.
const SETTLE: Duration = Duration::from_secs(6);
/// A demo that shows nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);
/// The chain is said to work when at least this share of what was shown is found.
const FOUND_MIN: f64 = 0.5;
const CREDENTIALS: (&str, &str) = ("varco", "a-password-of-the-demo");

/// What the demo is asked to do.
#[derive(Debug, Clone, clap::Args)]
pub struct Wish {
    /// End when the show ends, look every shown plate up, print shown against found
    #[arg(long)]
    pub once: bool,
    /// Print one JSON object: shown, found, `stored_twice`, seconds (with --once)
    #[arg(long, requires = "once")]
    pub json: bool,
    /// Show pictures of this index (JSON lines) instead of the project's own clip
    #[arg(long, value_name = "INDEX")]
    pub pictures: Option<PathBuf>,
    /// Only pictures of this source of the index
    #[arg(long, requires = "pictures")]
    pub source: Option<String>,
    /// At most so many pictures
    #[arg(long, requires = "pictures")]
    pub limit: Option<usize>,
    /// Show this clip; its truth lies beside it, as NAME.json
    #[arg(long, value_name = "FILE", conflicts_with = "pictures")]
    pub clip: Option<PathBuf>,
    /// What the simulated camera sends
    #[arg(long, value_enum, default_value_t)]
    pub codec: Codec,
    /// Keep hub, spool and logs in this folder, which must be empty, instead of a temporary one
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
    /// Folder of the project's own clips
    #[arg(long, default_value = "deploy/clips", hide = true)]
    pub clips: PathBuf,
}

/// What was shown against what was found.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Plates shown.
    pub shown: usize,
    /// Of these, found by lookup, O=0 and I=1.
    pub found: usize,
    /// Of these, found exactly as written.
    pub found_strict: usize,
    /// Plates with more transits than passes.
    pub stored_twice: usize,
    /// Transits stored in all.
    pub transits: usize,
    /// Transits whose text was never shown.
    pub never_shown: usize,
    /// From the first frame to the last lookup.
    pub seconds: f64,
    /// Each plate.
    pub plates: Vec<Line>,
    /// What the consortium came to.
    pub sharing: Option<Sharing>,
}

/// One plate of the outcome.
#[derive(Debug, Serialize)]
pub struct Line {
    /// As shown.
    pub text: String,
    /// Passes shown.
    pub shown: usize,
    /// Transits found.
    pub found: usize,
    /// As read, when found.
    pub read: Option<String>,
    /// Highest confidence.
    pub confidence: Option<f32>,
    /// Frames that read the same.
    pub agreeing_reads: Option<u32>,
}

impl Outcome {
    /// Whether the chain worked from the camera to the lookup, and the consortium after it.
    #[must_use]
    pub fn worked(&self) -> bool {
        let shares = self.sharing.as_ref().is_none_or(Sharing::worked);
        self.stored_twice == 0 && share(self.found, self.shown) >= FOUND_MIN && shares
    }
}

impl Outcome {
    /// Shows the consortium, with a plate that was read.
    async fn share(&mut self, house: &House, from: UtcTime) -> anyhow::Result<()> {
        if let Some(plate) = self.plates.iter().find_map(|line| line.read.clone()) {
            let to = clock::now() + SETTLE;
            self.sharing = Some(consortium::show(house, &plate, from, to).await?);
        }
        Ok(())
    }
}

fn share(part: usize, whole: usize) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    if whole == 0 {
        0.0
    } else {
        number(part) / number(whole)
    }
}

fn open_show(wish: &Wish) -> anyhow::Result<Box<dyn Show>> {
    if let Some(index) = &wish.pictures {
        let choice = Choice {
            source: wish.source.clone(),
            limit: wish.limit,
        };
        return Ok(Box::new(Pictures::open(index, &choice)?));
    }
    let clip = wish
        .clip
        .clone()
        .unwrap_or_else(|| wish.clips.join("street.mp4"));
    Ok(Box::new(Clip::open(&clip, !wish.once)?))
}

/// Runs the demo. Gives an outcome with `--once`, else nothing after Ctrl-C.
///
/// # Errors
/// When a part of the chain cannot be started or fails on the way.
pub async fn run(wish: &Wish) -> anyhow::Result<Option<Outcome>> {
    let programs = Programs::find()?;
    let show = open_show(wish)?;
    let shown = show.shown();
    let temporary = match &wish.keep {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("varco-demo-").tempdir()?),
    };
    let folder = match (&wish.keep, &temporary) {
        (Some(keep), _) => empty_folder(keep)?,
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => bail!("no folder for the demo"),
    };
    let credentials = Some((CREDENTIALS.0.to_owned(), CREDENTIALS.1.to_owned()));
    let settings = StreamSettings {
        codec: wish.codec,
        credentials: credentials.clone(),
        ..StreamSettings::default()
    };
    let camera = Camera::start(show, &settings)?;
    let mut house = House::lay(
        &folder,
        programs,
        &CameraAddress {
            url: camera.url(),
            credentials,
        },
    )?;
    house.start_broker()?;
    house.start_hub()?;
    let hub = house.hub()?;
    say(wish, &format!("camera  {}", camera.url()));
    say(
        wish,
        &format!(
            "hub     {}   (token: {})",
            house.hub_url(),
            house.token_file().display()
        ),
    );
    let watching = tokio::spawn(watch(hub.clone(), wish.json));
    let from = clock::now();
    let begin = clock::instant();
    house.start_edge()?;
    let outcome = if wish.once {
        until_over(&camera, &mut house).await?;
        tokio::time::sleep(SETTLE).await;
        house.check_running()?;
        let mut outcome = compare(&hub, &shown, from).await?;
        outcome.seconds = begin.elapsed().as_secs_f64();
        say(wish, "two municipalities and a Questura share the gate …");
        outcome.share(&house, from).await?;
        Some(outcome)
    } else {
        say(wish, "Ctrl-C ends the demo and removes all it made.");
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            fault = until_fault(&mut house) => fault?,
        }
        None
    };
    watching.abort();
    drop(camera);
    house.end()?;
    Ok(outcome)
}

fn empty_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    if std::fs::read_dir(folder)?.next().is_some() {
        bail!(
            "{} is not empty: name a folder for this demo alone",
            folder.display()
        );
    }
    folder.canonicalize().context("the folder went away")
}

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the demo talks to a person"
)]
fn say(wish: &Wish, text: &str) {
    if wish.json {
        eprintln!("{text}");
    } else {
        println!("{text}");
    }
}

/// Of a live event only what the demo prints.
#[derive(Debug, Deserialize)]
struct Event {
    plate: String,
    confidence: f32,
    gate: String,
    captured_at: String,
    agreeing_reads: u32,
}

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the demo talks to a person"
)]
async fn watch(hub: Hub, aside: bool) {
    let each = |text: &str| {
        let Ok(event) = serde_json::from_str::<Event>(text) else {
            return;
        };
        let line = format!(
            "{}  {}  {:<10} {:>5.1} %  {} frames agree",
            event.captured_at.get(11..19).unwrap_or(&event.captured_at),
            event.gate,
            event.plate,
            event.confidence * 100.0,
            event.agreeing_reads,
        );
        if aside {
            eprintln!("{line}")
        } else {
            println!("{line}")
        }
    };
    if let Err(error) = hub.watch(each).await {
        eprintln!("the live stream ended: {error:#}");
    }
}

async fn until_over(camera: &Camera, house: &mut House) -> anyhow::Result<()> {
    let (mut frames, mut since) = (0, clock::instant());
    while !camera.is_over() {
        tokio::time::sleep(POLL).await;
        house.check_running()?;
        if camera.frames() != frames {
            (frames, since) = (camera.frames(), clock::instant());
        }
        if since.elapsed() > SILENCE_MAX {
            bail!(
                "the edge has not watched the camera for {SILENCE_MAX:?}; see {}",
                house.log("edge").display()
            );
        }
    }
    match camera.fault() {
        Some(fault) => bail!("the camera stopped: {fault}"),
        None => Ok(()),
    }
}

async fn until_fault(house: &mut House) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(POLL).await;
        house.check_running()?;
    }
}

/// Looks every shown plate up.
async fn compare(hub: &Hub, shown: &[Shown], from: UtcTime) -> anyhow::Result<Outcome> {
    let to = clock::now() + SETTLE;
    let mut passes: HashMap<String, usize> = HashMap::new();
    let mut order = Vec::new();
    for plate in shown {
        let count = passes.entry(plate.text.clone()).or_default();
        if *count == 0 {
            order.push(plate.text.clone());
        }
        *count += 1;
    }
    let mut plates = Vec::new();
    for text in order {
        let found = hub.find(&text, from, to).await?;
        plates.push(line(text, &passes, &found));
    }
    let all = hub.all(from, to).await?;
    let folded: Vec<_> = shown.iter().filter_map(|plate| fold(&plate.text)).collect();
    let never = all
        .iter()
        .filter(|one| fold(&one.plate).is_none_or(|text| !folded.contains(&text)));
    Ok(Outcome {
        shown: shown.len(),
        found: plates.iter().map(|line| line.found.min(line.shown)).sum(),
        found_strict: plates
            .iter()
            .filter(|line| line.read.as_ref() == Some(&line.text))
            .count(),
        stored_twice: plates.iter().filter(|line| line.found > line.shown).count(),
        transits: all.len(),
        never_shown: never.count(),
        seconds: 0.0,
        plates,
        sharing: None,
    })
}

fn fold(text: &str) -> Option<String> {
    PlateText::normalise(text).ok().map(|plate| plate.folded())
}

fn line(text: String, passes: &HashMap<String, usize>, found: &[Found]) -> Line {
    let best = found
        .iter()
        .max_by(|a, b| a.confidence.total_cmp(&b.confidence));
    Line {
        shown: passes.get(&text).copied().unwrap_or(0),
        found: found.len(),
        read: best.map(|one| one.plate.clone()),
        confidence: best.map(|one| one.confidence),
        agreeing_reads: best.map(|one| one.agreeing_reads),
        text,
    }
}

/// The outcome as a table for a person.
#[must_use]
pub fn table(outcome: &Outcome) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "shown",
        "passes",
        "found",
        "read",
        "confidence",
        "frames agree",
    ]);
    for line in &outcome.plates {
        table.add_row([
            line.text.clone(),
            line.shown.to_string(),
            line.found.to_string(),
            line.read.clone().unwrap_or_else(|| "-".into()),
            line.confidence
                .map_or_else(String::new, |c| format!("{:.1} %", c * 100.0)),
            line.agreeing_reads
                .map_or_else(String::new, |n| n.to_string()),
        ]);
    }
    format!(
        "{table}\n{} of {} found ({} to the letter), {} stored twice, {} of {} transits never shown, {:.1} s",
        outcome.found,
        outcome.shown,
        outcome.found_strict,
        outcome.stored_twice,
        outcome.never_shown,
        outcome.transits,
        outcome.seconds,
    ) + &outcome
        .sharing
        .as_ref()
        .map_or_else(String::new, |sharing| format!("\n{}", sharing.told()))
}
