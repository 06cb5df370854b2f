//! A camera whose stream Varco reads.

use std::time::Duration;

use varco_proto::transit::ClockSource;

use super::points::{Point, Points};
use crate::adapters::capture::camera::{CameraCapture, CameraEvent};
use crate::adapters::capture::clock_offset::ClockOffset;
use crate::adapters::capture::elements;
use crate::adapters::capture::logins::{CameraLogins, Trying};
use crate::adapters::capture::stream::StreamFormat;
use crate::adapters::clock::{SharedClock, SystemClock};
use crate::adapters::onnx::Runtime;
use crate::commands::camera_clock::clock_words;
use crate::commands::parts;
use crate::config::{Camera, Config};
use crate::core::frame::Frame;
use crate::core::sighting::PlateLook;
use crate::core::survey::advice::PLATE_PX_GUIDANCE;
use crate::core::view::gate::Following;
use crate::core::view::health::PictureState;
use crate::core::view::{View, ViewSettings};
use crate::core::vision::{Search, Vision};

/// Longest wait for the first frame.
const FIRST_WITHIN: Duration = Duration::from_secs(15);
const WAIT: Duration = Duration::from_millis(100);
/// Fewest pixels of a picture's longer and shorter side: one that stands upright (corridor format)
/// shows as much.
const SIDES_PX_MIN: (u32, u32) = (1280, 720);
/// Fewest frames a second: at town speeds a vehicle is seen in three or more.
const FRAMES_PER_SECOND_MIN: f64 = 8.0;
/// Largest doubt of a capture time.
const DOUBT_MAX: Duration = Duration::from_secs(1);
/// A camera's clock differs from this box's by no more than this.
const OFFSET_MAX: Duration = Duration::from_secs(2);
/// Narrowest plate that is accepted, in pixels.
const PLATE_PX_MIN: f32 = 130.0;
/// Steepest plate, as its side's rise to its length.
const TILT_MAX: f32 = 0.35;

/// What was seen of a camera.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    failure: Option<String>,
    format: Option<StreamFormat>,
    frames: u32,
    span: Duration,
    picture: PictureState,
    source: Option<ClockSource>,
    doubt: Duration,
    /// Where the camera said nothing of its clock: none.
    clock: Option<ClockOffset>,
    plates: u32,
    plate_px: f32,
    tilt: f32,
    says_direction: bool,
}

/// Watches a camera for so long.
pub(super) fn watch(
    config: &Config,
    camera: &Camera,
    span: Duration,
) -> anyhow::Result<Vec<Point>> {
    let runtime = Runtime::load(config.models.onnxruntime_file.as_deref())?;
    let vision = runtime.vision(&config.models.folder, 1)?;
    elements::start()?;
    let mut source = parts::camera_source(camera)?;
    // All its frames are counted.
    source.frames_per_second_max = 120.0;
    let clock = SystemClock::shared();
    let folder = Some(config.state_folder.as_path());
    let logins = CameraLogins::open(folder, Trying::Person, clock.clone());
    let capture = CameraCapture::new(source, logins, clock.clone());
    let seen = see(capture, vision, camera, &clock, span);
    Ok(judge(&seen))
}

fn see(
    mut capture: CameraCapture,
    mut vision: Vision,
    camera: &Camera,
    clock: &SharedClock,
    span: Duration,
) -> Seen {
    let mut seen = Seen {
        says_direction: camera.zones.iter().any(|zone| zone.inward.is_some()),
        ..Seen::default()
    };
    let mut view = View::new(ViewSettings {
        masks: camera.masks.clone(),
        frozen_after: camera.frozen_after,
        whole_look_every: None,
    });
    let begun = clock.monotonic();
    let mut since = None;
    loop {
        let now = clock.monotonic();
        if since.is_some_and(|since| now.saturating_sub(since) >= span) {
            break;
        }
        if since.is_none() && now.saturating_sub(begun) >= FIRST_WITHIN {
            let waited = FIRST_WITHIN.as_secs();
            seen.failure = Some(format!("no frame within {waited} s"));
            break;
        }
        match capture.next(WAIT) {
            CameraEvent::Failed { error, .. } => {
                seen.failure = Some(error.to_string());
                break;
            }
            CameraEvent::Connected(format) => {
                since = Some(clock.monotonic());
                seen.format = Some(format);
            }
            CameraEvent::Frame(frame) => {
                seen.frames = seen.frames.saturating_add(1);
                seen.take(frame, &mut view, &mut vision);
            }
            CameraEvent::Quiet => {}
        }
    }
    seen.clock = capture.camera_clock();
    // Those that were passed over while plates were searched count too.
    let skipped = u32::try_from(capture.frames_skipped()).unwrap_or(u32::MAX);
    seen.frames = seen.frames.saturating_add(skipped);
    seen.span = since.map_or(Duration::ZERO, |since| {
        clock.monotonic().saturating_sub(since)
    });
    seen
}

impl Seen {
    fn take(&mut self, mut frame: Frame, view: &mut View, vision: &mut Vision) {
        let captured = frame.captured;
        self.source = Some(captured.source);
        self.doubt = captured.uncertainty;
        self.picture = view.take(&mut frame, Following::Nothing).picture;
        for PlateLook { plate, look } in vision.look(&frame, Search::Frame).unwrap_or_default() {
            // What is no plate would be measured as one.
            if look.reading.text().is_empty() {
                continue;
            }
            self.plates = self.plates.saturating_add(1);
            let width_px = plate.quad.width_px();
            if width_px > self.plate_px {
                self.plate_px = width_px;
                let [left, right, ..] = plate.quad.0;
                let rise = (right.y - left.y).abs();
                self.tilt = rise / (right.x - left.x).abs().max(1.0);
            }
        }
    }
}

/// Judges what was seen.
fn judge(seen: &Seen) -> Vec<Point> {
    let mut points = Points::default();
    let format = match (&seen.failure, &seen.format) {
        (None, Some(format)) => format,
        (failure, _) => {
            let found = failure.clone().unwrap_or("no stream".to_owned());
            let to_do = "correct the camera's address, login or transport; `varco-edge check` \
                         says what is wrong";
            points.add("stream", false, found, to_do);
            return points.0;
        }
    };
    points.add("stream", true, "it connects and gives frames", "");
    let codec = ["H264", "H265", "JPEG"].contains(&format.codec);
    let found = format!("{} by {}", format.codec, format.decoder);
    points.add(
        "codec",
        codec,
        found,
        "set the camera to H.264, H.265 or MJPEG",
    );
    let (width, height) = (format.width_px, format.height_px);
    let large = width.max(height) >= SIDES_PX_MIN.0 && width.min(height) >= SIDES_PX_MIN.1;
    let to_do = "take the camera's main stream, of at least 1280 x 720 pixels";
    points.add("resolution", large, format!("{width} x {height}"), to_do);
    let rate = f64::from(seen.frames) / seen.span.as_secs_f64().max(0.001);
    let to_do = "set the camera to at least 10 frames a second";
    let found = format!("{rate:.1} frames a second");
    points.add("frame rate", rate >= FRAMES_PER_SECOND_MIN, found, to_do);
    time(seen, &mut points);
    let fine = seen.picture == PictureState::Fine;
    let to_do = "look at the camera, its lens and its light";
    points.add("picture", fine, seen.picture.as_str(), to_do);
    plate(seen, &mut points);
    let to_do = "write [[cameras.zones]] with `in`, so that entry and exit are told apart";
    let found = match seen.says_direction {
        true => "a zone says which way leads in",
        false => "no zone says which way leads in",
    };
    points.add("direction", seen.says_direction, found, to_do);
    points.0
}

fn time(seen: &Seen, points: &mut Points) {
    let source = match seen.source {
        Some(ClockSource::Camera) => "the camera's clock",
        Some(ClockSource::Arrival) => "the arrival here",
        Some(ClockSource::File) | None => "none",
    };
    let known = matches!(
        seen.source,
        Some(ClockSource::Camera | ClockSource::Arrival)
    );
    let doubt_ms = seen.doubt.as_millis();
    let to_do = "switch on NTP and RTCP sender reports in the camera";
    let holds = known && seen.doubt <= DOUBT_MAX;
    let found = format!("by {source}, plus or minus {doubt_ms} ms");
    points.add("time source", holds, found, to_do);
    let to_do = "let camera and edge take the time from the same NTP server";
    let near = seen.clock.is_none_or(|clock| clock.off() <= OFFSET_MAX);
    points.add(
        "clock offset",
        known && near,
        clock_words(seen.clock),
        to_do,
    );
}

fn plate(seen: &Seen, points: &mut Points) {
    let to_do = "let a vehicle pass while this runs, or look whether the camera sees the plates";
    let found = format!("plates in {} frames", seen.plates);
    points.add("plate seen", seen.plates > 0, found, to_do);
    let wide = seen.plates > 0 && seen.plate_px >= PLATE_PX_MIN;
    let aim = PLATE_PX_GUIDANCE;
    let found = format!("{:.0} px at its widest; aim for {aim:.0} px", seen.plate_px);
    let to_do = "zoom in or bring the camera nearer, until plates are at least 130 px wide, \
                 better 170 px";
    points.add("plate width", wide, found, to_do);
    let level = seen.plates > 0 && seen.tilt <= TILT_MAX;
    let found = format!("it rises {:.0} % along its width", seen.tilt * 100.0);
    let to_do = "turn the camera about its axis until plates lie level";
    points.add("plate tilt", level, found, to_do);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::capture::clock_offset::ClockFrom;

    fn good() -> Seen {
        Seen {
            format: Some(StreamFormat {
                codec: "H264",
                decoder: "avdec_h264",
                width_px: 1920,
                height_px: 1080,
            }),
            frames: 250,
            span: Duration::from_secs(10),
            source: Some(ClockSource::Camera),
            doubt: Duration::from_millis(50),
            plates: 9,
            plate_px: 180.0,
            says_direction: true,
            ..Seen::default()
        }
    }

    fn failing(seen: &Seen) -> Vec<&'static str> {
        let points = judge(seen);
        for point in &points {
            assert_eq!(point.to_do.is_empty(), point.holds, "{point:?}");
        }
        let failed = points.iter().filter(|point| !point.holds);
        failed.map(|point| point.name).collect()
    }

    #[test]
    fn c62_part_a_good_camera_is_compatible_and_each_fault_is_told() {
        assert_eq!(failing(&good()), [""; 0]);
        type Spoil = fn(&mut Seen);
        let spoils: [(&[&str], Spoil); 9] = [
            (&["stream"], |seen| seen.failure = Some("401".to_owned())),
            (&["stream"], |seen| seen.format = None),
            (&["frame rate"], |seen| seen.frames = 50),
            (&["time source"], |seen| seen.doubt = Duration::from_secs(5)),
            (&["time source", "clock offset"], |seen| seen.source = None),
            (&["clock offset"], |seen| {
                seen.clock = Some(ClockOffset {
                    ahead_us: -60_000_000,
                    from: ClockFrom::Report,
                });
            }),
            (&["picture"], |seen| seen.picture = PictureState::Black),
            (&["plate seen", "plate width", "plate tilt"], |seen| {
                seen.plates = 0
            }),
            (&["plate width"], |seen| seen.plate_px = 90.0),
        ];
        for (names, spoil) in spoils {
            let mut seen = good();
            spoil(&mut seen);
            assert_eq!(failing(&seen), names);
        }
        let mut upright = good();
        if let Some(format) = &mut upright.format {
            (format.width_px, format.height_px) = (1080, 1920);
        }
        assert_eq!(failing(&upright), [""; 0], "corridor format");
        let mut small = good();
        small.says_direction = false;
        if let Some(format) = &mut small.format {
            format.width_px = 704;
            format.codec = "MPEG4";
        }
        assert_eq!(failing(&small), ["codec", "resolution", "direction"]);
    }
}
