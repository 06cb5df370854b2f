//! How the edge is: counted by its threads, reported each minute.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use varco_proto::ids::{CameraId, Digest, EdgeId};
use varco_proto::status::EdgeStatus;
use varco_proto::wire;

use crate::adapters::capture::stream::StreamFormat;
use crate::adapters::clock::Clock;
use crate::adapters::spool::Depth;
use crate::core::view::health::PictureState;

/// What one camera's thread counts since the daemon started.
#[derive(Debug, Default)]
pub struct CameraCounters {
    /// Whether frames come.
    pub connected: AtomicBool,
    /// Whether the camera refuses the login, so that it is tried by minutes only.
    pub login_refused: AtomicBool,
    /// Decoded frames that were passed over because a newer one was there, or by the rate.
    pub frames_skipped: AtomicU64,
    /// Frames taken for detection.
    pub frames_processed: AtomicU64,
    /// Frames taken but not looked at, because nothing moved.
    pub frames_gated: AtomicU64,
    /// Transits made.
    pub transits: AtomicU64,
    /// Capture time of the last frame, microseconds since 1970; 0 when none.
    pub last_frame_unix_us: AtomicI64,
    /// Connections that gave frames.
    pub connections: AtomicU64,
    /// When the last transit was made, milliseconds of the monotonic clock and one; 0 when none.
    last_transit_ms: AtomicU64,
    /// For a camera that reads plates itself: what it pushed.
    pub pushed: PushCounters,
    seen: Mutex<SeenStream>,
}

/// What became of a camera's own messages.
#[derive(Debug, Default)]
pub struct PushCounters {
    /// Sealed.
    pub taken: AtomicU64,
    /// Sent again.
    pub repeated: AtomicU64,
    /// Nothing to seal in them.
    pub other: AtomicU64,
    /// Not understood.
    pub malformed: AtomicU64,
    /// Asked for again, because they could not be sealed.
    pub busy: AtomicU64,
    /// Fields that readings were taken without, or that were changed to be used.
    pub left_out: AtomicU64,
    /// Without the right login, or too large.
    pub turned_away: AtomicU64,
    /// How far the camera's clock is behind the edge's by its last reading, microseconds.
    pub clock_offset_us: AtomicI64,
    /// That clock is not believed.
    pub clock_wrong: AtomicBool,
}

/// What a camera sends.
#[derive(Debug, Clone, Default)]
struct SeenStream {
    format: Option<StreamFormat>,
    picture: Option<PictureState>,
}

impl CameraCounters {
    /// A transit was made, at this moment of the monotonic clock.
    pub fn passes(&self, now: Duration) {
        self.transits.fetch_add(1, Ordering::Relaxed);
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let millis = millis.saturating_add(1);
        self.last_transit_ms.store(millis, Ordering::Relaxed);
    }

    /// When the last transit was made, by the monotonic clock.
    #[must_use]
    pub fn last_transit(&self) -> Option<Duration> {
        let millis = self
            .last_transit_ms
            .load(Ordering::Relaxed)
            .checked_sub(1)?;
        Some(Duration::from_millis(millis))
    }

    /// A camera that pushes its readings is there.
    pub fn comes(&self) {
        if !self.connected.swap(true, Ordering::Relaxed) {
            self.connections.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What the camera sends, once it does.
    #[must_use]
    pub fn format(&self) -> Option<StreamFormat> {
        self.seen().format.clone()
    }

    /// What its picture looks like, once there is one.
    #[must_use]
    pub fn picture(&self) -> Option<PictureState> {
        self.seen().picture
    }

    /// A connection gives frames of this format.
    pub fn sends(&self, format: StreamFormat) {
        self.seen().format = Some(format);
    }

    /// What the picture looks like; gives what it looked like before when that is another state.
    pub fn looks(&self, picture: PictureState) -> Option<PictureState> {
        let before = self.seen().picture.replace(picture).unwrap_or_default();
        (before != picture).then_some(before)
    }

    fn seen(&self) -> MutexGuard<'_, SeenStream> {
        // Whole values are put in: a panic elsewhere leaves nothing half done.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the reports of one edge.
#[derive(Debug)]
pub struct StatusReporter {
    edge: EdgeId,
    model_digest: Digest,
    cameras: Vec<ReportedCamera>,
    last: Option<Duration>,
    clock_health: Arc<ClockHealth>,
}

/// Whether the clock is good enough to seal, whether anybody keeps it, and what ends by it.
#[derive(Debug, Default)]
pub struct ClockHealth {
    /// Cameras are watched from now on.
    pub is_good: AtomicBool,
    /// Somebody vouched for the clock when last asked.
    pub is_kept: AtomicBool,
    /// When the edge's certificate ends, microseconds since 1970; 0 when not known.
    pub certificate_ends_unix_us: AtomicI64,
}

/// A camera, or a reader, with what is counted of it.
#[derive(Debug, Clone)]
pub struct WatchedCamera {
    /// Its name.
    pub id: CameraId,
    /// What is counted.
    pub counters: Arc<CameraCounters>,
}

/// A camera between two reports.
#[derive(Debug)]
struct ReportedCamera {
    watched: WatchedCamera,
    processed_before: u64,
}

impl StatusReporter {
    /// Begins with cameras that have counted nothing.
    #[must_use]
    pub fn new(
        edge: EdgeId,
        model_digest: Digest,
        clock_health: Arc<ClockHealth>,
        cameras: impl IntoIterator<Item = WatchedCamera>,
    ) -> Self {
        let reported = |watched| ReportedCamera {
            watched,
            processed_before: 0,
        };
        Self {
            edge,
            model_digest,
            cameras: cameras.into_iter().map(reported).collect(),
            last: None,
            clock_health,
        }
    }

    /// The report of this moment. The clock's monotonic time counts from the daemon's start; frame
    /// rates are taken over the time since the last report.
    pub fn report(&mut self, depth: Depth, clock: &dyn Clock) -> EdgeStatus {
        let (now, uptime) = (clock.now(), clock.monotonic());
        let kept = self.clock_health.is_kept.load(Ordering::Relaxed);
        let span = uptime.saturating_sub(self.last.replace(uptime).unwrap_or_default());
        let oldest = depth.oldest_sealed_at.map(|at| now.since(at));
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        EdgeStatus {
            edge: self.edge.clone(),
            report: wire::EdgeStatus {
                edge_id: self.edge.to_string(),
                reported_at_unix_us: now.unix_us(),
                spool_depth: depth.waiting,
                spool_oldest_age_ms: oldest.map_or(0, millis),
                last_sequence: depth.last_sequence,
                cameras: self.cameras.iter_mut().map(|c| c.report(span)).collect(),
                model_digest: self.model_digest.as_bytes().to_vec(),
                software_version: env!("CARGO_PKG_VERSION").to_owned(),
                uptime_ms: millis(uptime),
                suspended_by_sequence: depth.suspended_by,
                spool_bytes: depth.bytes,
                spool_dropped: depth.dropped,
                certificate_ends_unix_us: self
                    .clock_health
                    .certificate_ends_unix_us
                    .load(Ordering::Relaxed),
                clock: if kept {
                    wire::ClockState::Synchronised
                } else {
                    wire::ClockState::Unsynchronised
                }
                .into(),
                clock_error_ms: u32::try_from(clock.error().as_millis()).unwrap_or(u32::MAX),
                // The box's own state: whoever seals the status adds it.
                disk_free_bytes: None,
                records_in_memory: 0,
            },
        }
    }
}

impl ReportedCamera {
    fn report(&mut self, span: Duration) -> wire::CameraStatus {
        let WatchedCamera { id, counters } = &self.watched;
        let processed = counters.frames_processed.load(Ordering::Relaxed);
        let fresh = processed.saturating_sub(self.processed_before);
        self.processed_before = processed;
        let fresh = f32::from(u16::try_from(fresh).unwrap_or(u16::MAX));
        let seconds = span.as_secs_f32();
        let seen = counters.seen().clone();
        let format = seen.format.unwrap_or_default();
        wire::CameraStatus {
            camera_id: id.to_string(),
            connected: counters.connected.load(Ordering::Relaxed),
            frames_per_second: if seconds > 0.0 { fresh / seconds } else { 0.0 },
            frames_skipped: counters.frames_skipped.load(Ordering::Relaxed),
            frames_processed: processed,
            transits: counters.transits.load(Ordering::Relaxed),
            last_frame_unix_us: counters.last_frame_unix_us.load(Ordering::Relaxed),
            picture: picture_on_wire(seen.picture).into(),
            connections: counters.connections.load(Ordering::Relaxed),
            codec: format.codec.to_owned(),
            decoder: format.decoder.to_owned(),
            frames_gated: counters.frames_gated.load(Ordering::Relaxed),
            width_px: format.width_px,
            height_px: format.height_px,
            login_refused: counters.login_refused.load(Ordering::Relaxed),
            clock_behind_ms: None,
            reads_itself: false,
        }
    }
}

fn picture_on_wire(picture: Option<PictureState>) -> wire::PictureState {
    match picture {
        None => wire::PictureState::Unspecified,
        Some(PictureState::Fine) => wire::PictureState::Fine,
        Some(PictureState::Black) => wire::PictureState::Black,
        Some(PictureState::Blank) => wire::PictureState::Blank,
        Some(PictureState::Frozen) => wire::PictureState::Frozen,
    }
}

#[cfg(test)]
mod tests {
    use varco_proto::envelope::{open, seal};
    use varco_proto::keys::SealingKey;
    use varco_proto::time::UtcTime;

    use super::*;
    use crate::adapters::clock::HandClock;

    #[test]
    fn a_report_gives_the_rate_since_the_last_one_and_can_be_opened() {
        let counters = Arc::new(CameraCounters::default());
        let camera = WatchedCamera {
            id: "nord-1".parse().unwrap(),
            counters: Arc::clone(&counters),
        };
        let mut reporter = StatusReporter::new(
            "box-1".parse().unwrap(),
            Digest::ZERO,
            Arc::default(),
            [camera],
        );
        let depth = Depth {
            waiting: 3,
            refused: 0,
            oldest_sealed_at: Some(UtcTime::from_unix_us(1_000_000)),
            last_sequence: 9,
            suspended_by: 0,
            ..Depth::default()
        };
        let clock = HandClock::at(10_000_000);
        let minute = Duration::from_secs(60);
        counters.frames_processed.store(100, Ordering::Relaxed);
        let _ = reporter.report(depth, clock.as_ref());
        clock.advance(minute);
        counters.frames_processed.store(700, Ordering::Relaxed);
        counters.login_refused.store(true, Ordering::Relaxed);
        let status = reporter.report(depth, clock.as_ref());
        assert!((status.report.cameras[0].frames_per_second - 10.0).abs() < 0.01);
        assert_eq!(status.report.spool_oldest_age_ms, 69_000);
        assert!(status.report.cameras[0].login_refused);
        let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
        let sealed = seal(&status, &key);
        let opened = open::<EdgeStatus>(&sealed.envelope, &key.opening_key()).unwrap();
        assert_eq!(opened.value(), &status);
    }
}
