//! A camera's frames for ever: connects again after every failure.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use varco_proto::time::UtcTime;
use varco_proto::transit::{CaptureTime, ClockSource};

use super::clock_offset::ClockOffset;
use super::error::CaptureError;
use super::logins::CameraLogins;
use super::rtsp::url::Url;
use super::source::CameraSource;
use super::stream::{Arrived, Opening, Stream, StreamFormat};
use super::{decoders, picture};
use crate::adapters::clock::SharedClock;
use crate::adapters::random;
use crate::core::frame::Frame;
use varco_proto::backoff::Backoff;

const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Frames must be back within 5 s of the cause's end, this wait and a new connection included.
const RETRY_LONGEST: Duration = Duration::from_secs(2);
/// Between two looks whether a refused login may be tried again: it may have been mended meanwhile.
const LOGIN_LOOK: Duration = Duration::from_secs(10);
/// When a camera lets nobody in, or not by any way that is spoken here.
const RETRY_REFUSED: Duration = Duration::from_secs(5 * 60);
/// Longest wait that a camera may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5 * 60);
/// Seconds from 1900, where NTP counts from, to 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;
/// Least doubt of a time that the camera stamps itself.
const CAMERA_DOUBT: Duration = Duration::from_millis(100);
/// Doubt of an arrival: encoder, network and decoder lie before it.
const ARRIVAL_DOUBT: Duration = Duration::from_secs(1);
/// A frame cannot arrive longer after its capture than this, or before it; a camera that says so
/// has a wrong clock.
const CAMERA_LATE_MAX: Duration = Duration::from_secs(3);
const CAMERA_EARLY_MAX: Duration = Duration::from_millis(500);

/// What a camera gives next.
#[derive(Debug)]
pub enum CameraEvent {
    /// The newest frame.
    Frame(Frame),
    /// Frames of this format come from now on: a new connection, or the camera's settings were
    /// changed while it runs.
    Connected(StreamFormat),
    /// The connection failed; the next try comes by itself.
    Failed {
        /// Why, and what to do.
        error: CaptureError,
        /// Whether it is another failure than the last one reported: only then a person need know.
        new: bool,
        /// The wait before the next try.
        again_in: Duration,
    },
    /// Nothing new.
    Quiet,
}

/// One camera, connected again and again.
#[derive(Debug)]
pub struct CameraCapture {
    source: CameraSource,
    logins: Arc<CameraLogins>,
    clock: SharedClock,
    stream: Option<Stream>,
    /// What the camera's clock said last.
    camera_clock: Option<ClockOffset>,
    /// None while there is no connection that gives frames.
    format: Option<StreamFormat>,
    /// Decoders of hardware that failed here, not tried again.
    avoided: Vec<&'static str>,
    silences: usize,
    waiting: Option<Frame>,
    retry_at: Duration,
    due: Duration,
    backoff: Backoff,
    reported: Option<CaptureError>,
    skipped_before: u64,
    frames_before: u64,
    last_index: u64,
    last_at: UtcTime,
}

impl CameraCapture {
    /// Connects at the first call of [`Self::next`].
    #[must_use]
    pub fn new(source: CameraSource, logins: Arc<CameraLogins>, clock: SharedClock) -> Self {
        Self {
            source,
            logins,
            clock,
            stream: None,
            camera_clock: None,
            format: None,
            avoided: Vec::new(),
            silences: 0,
            waiting: None,
            retry_at: Duration::ZERO,
            due: Duration::ZERO,
            backoff: Backoff::new(RETRY_FIRST, RETRY_LONGEST),
            reported: None,
            skipped_before: 0,
            frames_before: 0,
            last_index: 0,
            last_at: UtcTime::from_unix_us(i64::MIN),
        }
    }

    /// The next event, after at most about `wait`. Frames come no faster than the camera's
    /// highest rate, each the newest of its moment.
    pub fn next(&mut self, wait: Duration) -> CameraEvent {
        if let Some(frame) = self.waiting.take() {
            return CameraEvent::Frame(frame);
        }
        let now = self.clock.monotonic();
        let Some(stream) = &mut self.stream else {
            if now < self.retry_at {
                std::thread::sleep((self.retry_at - now).min(wait));
                return CameraEvent::Quiet;
            }
            let opening = Opening {
                source: &self.source,
                logins: &self.logins,
                avoided: &self.avoided,
                silences: self.silences,
            };
            let opened = Stream::open(&opening, Arc::clone(&self.clock));
            return match opened {
                Ok(stream) => {
                    self.stream = Some(stream);
                    CameraEvent::Quiet
                }
                Err(error) => self.failed(error),
            };
        };
        if now < self.due {
            let pause = self.due - now;
            if pause > wait {
                std::thread::sleep(wait);
                return CameraEvent::Quiet;
            }
            std::thread::sleep(pause);
        }
        match stream.newest(wait) {
            Ok(None) => CameraEvent::Quiet,
            Ok(Some(arrived)) => self.arrived(&arrived),
            Err(error) => self.failed(error),
        }
    }

    /// Decoded frames that were passed over since the first connection.
    #[must_use]
    pub fn frames_skipped(&self) -> u64 {
        self.skipped_before + self.stream.as_ref().map_or(0, Stream::skipped)
    }

    /// What the camera's own clock said last, however wrong it is.
    #[must_use]
    pub fn camera_clock(&self) -> Option<ClockOffset> {
        let reported = self.stream.as_ref().and_then(Stream::camera_clock);
        reported.or(self.camera_clock)
    }

    fn arrived(&mut self, arrived: &Arrived) -> CameraEvent {
        let now = self.clock.monotonic();
        let interval = Duration::from_secs_f64(1.0 / self.source.frames_per_second_max);
        // Keeps the rhythm after a short delay, and starts anew after a long one.
        self.due = (self.due + interval).max(now.saturating_sub(interval) + interval / 2);
        let captured = self.captured(arrived);
        let index = self.frames_before + arrived.index;
        self.last_index = index;
        let frame = match picture::frame(&arrived.sample, captured, index) {
            Ok(frame) => frame,
            Err(error) => return self.failed(error),
        };
        let sides = (frame.width_px, frame.height_px);
        let known = self.format.as_ref();
        if known.is_some_and(|known| (known.width_px, known.height_px) == sides) {
            return CameraEvent::Frame(frame);
        }
        self.backoff.reset();
        self.reported = None;
        let (codec, decoder) = self
            .stream
            .as_ref()
            .and_then(Stream::codec)
            .unwrap_or_default();
        let format = StreamFormat {
            codec,
            decoder,
            width_px: frame.width_px,
            height_px: frame.height_px,
        };
        self.format = Some(format.clone());
        self.waiting = Some(frame);
        CameraEvent::Connected(format)
    }

    /// The camera's own time when it is plausible, the arrival otherwise. Times never go back:
    /// a frame that seems older than the one before is given the same moment, and more doubt.
    fn captured(&mut self, arrived: &Arrived) -> CaptureTime {
        let mut time = capture_time(stamped(&arrived.sample), arrived.at, self.clock.error());
        if time.at < self.last_at && self.last_at.since(time.at) < Duration::from_secs(60) {
            time.uncertainty += self.last_at.since(time.at);
            time.at = self.last_at;
        }
        self.last_at = time.at;
        time
    }

    fn failed(&mut self, error: CaptureError) -> CameraEvent {
        if let Some(stream) = self.stream.take() {
            self.avoid_decoder(&stream, &error);
            self.camera_clock = stream.camera_clock().or(self.camera_clock);
            self.silences = if stream.silent() {
                self.silences + 1
            } else {
                0
            };
            self.skipped_before += stream.skipped();
            self.frames_before = self.last_index + 1;
        }
        self.format = None;
        self.waiting = None;
        let again_in = self.again_in(&error);
        self.retry_at = self.clock.monotonic() + again_in;
        let reported = self.reported.as_ref();
        let new = !reported.is_some_and(|reported| error.is_like(reported));
        if new {
            self.reported = Some(error.clone());
        }
        let again_in = self.wait_asked_for(&error).unwrap_or(again_in);
        CameraEvent::Failed {
            error,
            new,
            again_in,
        }
    }
}

impl CameraCapture {
    /// When a refused login is tried again.
    fn wait_asked_for(&self, error: &CaptureError) -> Option<Duration> {
        match error {
            CaptureError::Unauthorized => {
                let url = Url::parse(&self.source.url)?;
                self.logins.withheld(&url, self.source.login.as_ref()?)
            }
            CaptureError::LoginWithheld { again_in } => Some(*again_in),
            _ => None,
        }
    }

    /// The wait before the next try. A refusal to let in is no cut cable: what is tried again soon is
    /// only whether the login may be tried yet, without a word to the camera.
    fn again_in(&mut self, error: &CaptureError) -> Duration {
        match error {
            CaptureError::Unauthorized => LOGIN_LOOK,
            CaptureError::LoginWithheld { again_in } => LOGIN_LOOK.min(*again_in),
            error if error.is_login() => RETRY_REFUSED,
            CaptureError::Busy {
                retry_after: Some(after),
            } => (*after).clamp(RETRY_FIRST, RETRY_AFTER_MAX),
            _ => self.backoff.wait(random::jitter()),
        }
    }

    /// A decoder of hardware that fails before its first frame is not tried again: a driver that
    /// is there but does not work must not keep the camera dark.
    fn avoid_decoder(&mut self, stream: &Stream, error: &CaptureError) {
        let Some((_, decoder)) = stream.codec() else {
            return;
        };
        let decoders_fault = matches!(
            error,
            CaptureError::Stream(_) | CaptureError::Picture(_) | CaptureError::Stalled(_)
        );
        if self.format.is_none() && decoders_fault && decoders::is_hardware(decoder) {
            tracing::warn!(decoder, %error, "this decoder gives no picture; others are used");
            self.avoided.push(decoder);
        }
    }
}

/// The camera's NTP time of a picture, which comes with the first RTCP sender report.
fn stamped(sample: &gst::Sample) -> Option<UtcTime> {
    let buffer = sample.buffer()?;
    let meta = buffer
        .iter_meta::<gst::ReferenceTimestampMeta>()
        .find(|meta| {
            let name = meta.reference().structure(0).map(gst::StructureRef::name);
            name.is_some_and(|name| name.as_str() == "timestamp/x-ntp")
        })?;
    let unix_us = meta
        .timestamp()
        .useconds()
        .checked_sub(NTP_TO_UNIX_S * 1_000_000)?;
    i64::try_from(unix_us).ok().map(UtcTime::from_unix_us)
}

/// `error` is that of the clock which `arrived` was taken from. A camera's stamp is doubted by as
/// much as it differs from the arrival: whether the picture was on its way for so long or the
/// camera's clock is off cannot be told apart.
fn capture_time(stamped: Option<UtcTime>, arrived: UtcTime, error: Duration) -> CaptureTime {
    let plausible = |at: &UtcTime| {
        arrived.since(*at) <= CAMERA_LATE_MAX && at.since(arrived) <= CAMERA_EARLY_MAX
    };
    match stamped.filter(plausible) {
        Some(at) => CaptureTime {
            at,
            uncertainty: CAMERA_DOUBT.max(arrived.since(at)).max(at.since(arrived)) + error,
            source: ClockSource::Camera,
        },
        None => CaptureTime {
            at: arrived,
            uncertainty: ARRIVAL_DOUBT + error,
            source: ClockSource::Arrival,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_with_a_wrong_clock_is_not_believed() {
        let arrived = UtcTime::from_unix_us(1_800_000_000_000_000);
        let ms = Duration::from_millis;
        let good = capture_time(Some(arrived - ms(300)), arrived, ms(7));
        assert_eq!(good.uncertainty, ms(307));
        assert_eq!(
            (good.at, good.source),
            (arrived - ms(300), ClockSource::Camera)
        );
        for wrong in [
            UtcTime::from_unix_us(0),
            arrived - ms(4000),
            arrived + ms(900),
        ] {
            let time = capture_time(Some(wrong), arrived, Duration::ZERO);
            assert_eq!((time.at, time.source), (arrived, ClockSource::Arrival));
            assert_eq!(time.uncertainty, ARRIVAL_DOUBT);
        }
        assert_eq!(
            capture_time(None, arrived, ms(7)).source,
            ClockSource::Arrival
        );
        assert_eq!(
            capture_time(None, arrived, ms(7)).uncertainty,
            ARRIVAL_DOUBT + ms(7)
        );
    }
}
