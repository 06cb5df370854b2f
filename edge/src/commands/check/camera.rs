//! Watches one camera: whether it gives frames, and how good its picture is.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::adapters::capture::camera::{CameraCapture, CameraEvent};
use crate::adapters::capture::clock_offset::{ClockFrom, ClockOffset};
use crate::adapters::capture::logins::CameraLogins;
use crate::adapters::capture::stream::StreamFormat;
use crate::adapters::clock::SharedClock;
use crate::commands::camera_clock::clock_words;
use crate::commands::parts;
use crate::config::Camera;
use crate::core::frame::Frame;
use crate::core::sighting::PlateLook;
use crate::core::survey::advice::{Verdict, judge};
use crate::core::survey::{Findings, SeenPlate, Survey};
use crate::core::view::gate::Following;
use crate::core::view::{View, ViewSettings};
use crate::core::vision::{Search, Vision};
use crate::logging::chain;

/// Longest wait for a camera's first frame.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
const WAIT: Duration = Duration::from_millis(100);
/// Cameras send a sender report every five seconds, and the first one soon.
const REPORT_WITHIN: Duration = Duration::from_secs(6);
/// A camera's clock differs from this box's by no more than this.
const OFFSET_MAX: Duration = Duration::from_secs(2);

/// A camera that gives frames.
pub(super) struct Watched {
    /// Of its stream.
    pub(super) says: String,
    /// Of its clock.
    pub(super) clock: String,
    /// Of its picture.
    pub(super) picture: Picture,
}

/// How cameras are watched.
pub(super) struct Looking<'a> {
    /// For how long.
    pub(super) span: Duration,
    pub(super) logins: &'a Arc<CameraLogins>,
    pub(super) clock: &'a SharedClock,
}

/// How good a camera's picture is.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    #[serde(flatten)]
    findings: Findings,
    frames_per_second: f64,
    /// What to do, in words.
    to_do: Vec<&'static str>,
    #[serde(skip)]
    verdict: Verdict,
    /// Why no plate could be searched.
    #[serde(skip)]
    blind: Option<String>,
}

impl Picture {
    /// Whether plates can be read from it.
    pub(super) fn works(&self) -> bool {
        self.verdict.works
    }

    /// What was found, and what to do, in one line.
    pub(super) fn says(&self) -> String {
        let mut says = self.verdict.found.clone();
        if let Some(why) = &self.blind {
            says = format!("{says}; plates could not be searched: {why}");
        }
        if !self.to_do.is_empty() {
            says = format!("{says}. To do: {}", self.to_do.join("; "));
        }
        says
    }
}

/// What watches.
struct Watch<'a> {
    view: View,
    survey: Survey,
    vision: Option<&'a mut Vision>,
    blind: Option<String>,
}

impl Watch<'_> {
    fn take(&mut self, mut frame: Frame) {
        // Masks first: what they cover is not judged either.
        self.view.take(&mut frame, Following::Nothing);
        let looks = match &mut self.vision {
            None => Ok(Vec::new()),
            Some(vision) => vision.look(&frame, Search::Frame),
        };
        let looks = looks.unwrap_or_else(|error| {
            self.blind = Some(chain(&error));
            Vec::new()
        });
        // What is no plate would be measured as one.
        let read = looks
            .iter()
            .filter(|PlateLook { look, .. }| look.reading.rows > 0);
        let seen = read.map(|PlateLook { plate, look }| SeenPlate {
            quad: plate.quad,
            rows: look.reading.rows,
            confidence: look.reading.confidence,
        });
        self.survey.take(&frame, seen);
    }
}

/// Watches a camera for so long, and a little longer for its clock; without nets no plates are
/// searched. It logs in once.
pub(super) fn watch(
    camera: &Camera,
    vision: Option<&mut Vision>,
    looking: &Looking<'_>,
) -> anyhow::Result<Watched> {
    let (span, clock) = (looking.span, looking.clock);
    let mut source = parts::camera_source(camera)?;
    // All its frames are counted, not only those that the daemon takes.
    source.frames_per_second_max = 120.0;
    let mut capture = CameraCapture::new(source, Arc::clone(looking.logins), Arc::clone(clock));
    let mut watch = Watch {
        view: View::new(ViewSettings {
            masks: camera.masks.clone(),
            frozen_after: camera.frozen_after,
            whole_look_every: None,
        }),
        survey: Survey::new(&camera.masks),
        blind: vision
            .is_none()
            .then(|| "the models do not load".to_owned()),
        vision,
    };
    let begun = clock.monotonic();
    let mut connected: Option<(Duration, StreamFormat)> = None;
    let mut taken: u32 = 0;
    loop {
        let now = clock.monotonic();
        let since = connected.as_ref().map(|(since, _)| *since);
        let reported = capture
            .camera_clock()
            .is_some_and(|it| it.from == ClockFrom::Report);
        let span = if reported {
            span
        } else {
            span.max(REPORT_WITHIN)
        };
        if since.is_some_and(|since| now.saturating_sub(since) >= span) {
            break;
        }
        if since.is_none() && now.saturating_sub(begun) >= FIRST_WITHIN {
            bail!("no frame within {} s", FIRST_WITHIN.as_secs());
        }
        match capture.next(WAIT) {
            CameraEvent::Failed { error, .. } => return Err(error.into()),
            CameraEvent::Connected(format) => connected = Some((clock.monotonic(), format)),
            CameraEvent::Frame(frame) => {
                taken = taken.saturating_add(1);
                watch.take(frame);
            }
            CameraEvent::Quiet => {}
        }
    }
    let (since, format) = connected.context("no frame")?;
    let watched = clock.monotonic().saturating_sub(since);
    // Those that were passed over while plates were searched count too.
    let skipped = u32::try_from(capture.frames_skipped()).unwrap_or(u32::MAX);
    let rate = f64::from(taken.saturating_add(skipped)) / watched.as_secs_f64().max(0.001);
    Ok(Watched {
        says: stream(camera, &format, rate),
        clock: clock_says(capture.camera_clock()),
        picture: watch.picture(camera, rate),
    })
}

impl Watch<'_> {
    fn picture(self, camera: &Camera, frames_per_second: f64) -> Picture {
        let findings = self.survey.findings();
        let verdict = judge(&findings, frames_per_second, camera.frames_per_second_max);
        Picture {
            findings,
            frames_per_second,
            to_do: verdict.to_do.clone(),
            verdict,
            blind: self.blind,
        }
    }
}

/// Its times are not taken when they are wrong: then those of the arrival are, with more doubt.
fn clock_says(clock: Option<ClockOffset>) -> String {
    let words = clock_words(clock);
    match clock {
        Some(clock) if clock.off() <= OFFSET_MAX => words,
        Some(_) => format!(
            "{words}. To do: let camera and box take the time from the same NTP server, and set the \
             camera's time zone; until then passages are timed by their arrival here"
        ),
        None => format!("{words}; passages are timed by their arrival here"),
    }
}

fn stream(camera: &Camera, format: &StreamFormat, rate: f64) -> String {
    format!(
        "{} {}x{} by {}, about {rate:.0} frames/s, at most {} taken",
        format.codec,
        format.width_px,
        format.height_px,
        format.decoder,
        camera.frames_per_second_max
    )
}
