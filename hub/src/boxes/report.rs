//! What a box reports of itself, as the hub keeps it: every text and number within bounds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::ids::CameraId;
use varco_proto::time::UtcTime;
use varco_proto::wire;

/// Longest text of a box that is kept, in characters.
const TEXT_CHARACTERS_MAX: usize = 40;
/// Moments beyond this have no text form, and no clock shows them: 1 January 9000.
pub(super) const MOMENT_US_MAX: i64 = 221_845_392_000_000_000;

/// What a box said of itself at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BoxReport {
    /// By the box's clock.
    #[schema(value_type = String, format = DateTime)]
    pub reported_at: UtcTime,
    /// When it came, by the hub's clock.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: UtcTime,
    /// Whether somebody keeps the box's clock; null when it does not say.
    pub clock_kept: Option<bool>,
    /// The box's clock is off by at most so much, as far as it knows.
    pub clock_error_ms: u32,
    /// Records that wait for a receipt.
    pub spool_depth: u64,
    /// Age of the oldest of them.
    pub spool_oldest_age_ms: u64,
    /// Bytes of all records on the box.
    pub spool_bytes: u64,
    /// Records let go since the spool was begun.
    pub spool_dropped: u64,
    /// The record whose alarm keeps transits back; 0 for none.
    pub suspended_by: u64,
    /// Room on the box's disk; null when it does not say.
    pub disk_free_bytes: Option<u64>,
    /// Records in memory, because the disk takes none.
    pub records_in_memory: u64,
    /// When its certificate ends; null when it does not say.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub certificate_ends_at: Option<UtcTime>,
    /// Version of its daemon.
    pub software_version: String,
    /// Since its daemon started.
    pub uptime_s: u64,
    /// Its cameras, by name.
    #[schema(value_type = BTreeMap<String, CameraReport>)]
    pub cameras: BTreeMap<CameraId, CameraReport>,
}

/// What a box said of one camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CameraReport {
    /// Whether frames or readings come.
    pub connected: bool,
    /// What the picture looks like.
    pub picture: Picture,
    /// Frames looked at in a second, over the last minute.
    pub frames_per_second: f32,
    /// Of the stream; empty before its first connection.
    pub codec: String,
    /// What decodes it.
    pub decoder: String,
    /// Of the picture, in pixels.
    pub width_px: u32,
    /// Of the picture, in pixels.
    pub height_px: u32,
    /// Connections since the daemon started; above 1 the stream was lost and came back.
    pub connections: u64,
    /// Transits since the daemon started.
    pub transits: u64,
    /// When the last frame was taken; null before the first.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_frame_at: Option<UtcTime>,
    /// Whether the camera reads plates itself and pushes its readings.
    pub reads_itself: bool,
    /// Of such a camera: how far its clock is behind the box's; null when it says no time.
    pub clock_behind_ms: Option<i64>,
}

/// What a picture looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Picture {
    /// Nothing is said: no frame yet, or the camera sends none.
    Unknown,
    /// As it should be.
    Fine,
    /// As good as no light anywhere.
    Black,
    /// One even brightness.
    Blank,
    /// The same picture again and again.
    Frozen,
}

impl BoxReport {
    /// What came, within bounds; cameras whose names are none are left out.
    #[must_use]
    pub fn of(sent: &wire::EdgeStatus, received_at: UtcTime) -> Self {
        let cameras = sent.cameras.iter().filter_map(|camera| {
            let id: CameraId = camera.camera_id.parse().ok()?;
            Some((id, CameraReport::of(camera)))
        });
        Self {
            reported_at: UtcTime::from_unix_us(sent.reported_at_unix_us),
            received_at,
            clock_kept: match sent.clock() {
                wire::ClockState::Synchronised => Some(true),
                wire::ClockState::Unsynchronised => Some(false),
                wire::ClockState::Unspecified => None,
            },
            clock_error_ms: sent.clock_error_ms,
            spool_depth: sent.spool_depth,
            spool_oldest_age_ms: sent.spool_oldest_age_ms,
            spool_bytes: sent.spool_bytes,
            spool_dropped: sent.spool_dropped,
            suspended_by: sent.suspended_by_sequence,
            disk_free_bytes: sent.disk_free_bytes,
            records_in_memory: sent.records_in_memory,
            certificate_ends_at: moment(sent.certificate_ends_unix_us),
            software_version: shortened(&sent.software_version),
            uptime_s: sent.uptime_ms / 1000,
            cameras: cameras.collect(),
        }
    }
}

impl CameraReport {
    fn of(sent: &wire::CameraStatus) -> Self {
        let rate = sent.frames_per_second;
        Self {
            connected: sent.connected,
            picture: match sent.picture() {
                wire::PictureState::Unspecified => Picture::Unknown,
                wire::PictureState::Fine => Picture::Fine,
                wire::PictureState::Black => Picture::Black,
                wire::PictureState::Blank => Picture::Blank,
                wire::PictureState::Frozen => Picture::Frozen,
            },
            // JSON has no word for what is no number.
            frames_per_second: if rate.is_finite() { rate } else { 0.0 },
            codec: shortened(&sent.codec),
            decoder: shortened(&sent.decoder),
            width_px: sent.width_px,
            height_px: sent.height_px,
            connections: sent.connections,
            transits: sent.transits,
            last_frame_at: moment(sent.last_frame_unix_us),
            reads_itself: sent.reads_itself,
            clock_behind_ms: sent.clock_behind_ms,
        }
    }
}

fn moment(unix_us: i64) -> Option<UtcTime> {
    (1..MOMENT_US_MAX)
        .contains(&unix_us)
        .then(|| UtcTime::from_unix_us(unix_us))
}

/// Without what could confuse a terminal, a page or a table.
fn shortened(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_graphic() || *c == ' ';
    text.chars()
        .filter(plain)
        .take(TEXT_CHARACTERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_box_says_is_kept_within_bounds() {
        let camera = |name: &str| wire::CameraStatus {
            camera_id: name.to_owned(),
            frames_per_second: f32::NAN,
            decoder: "x".repeat(1000),
            ..wire::CameraStatus::default()
        };
        let sent = wire::EdgeStatus {
            software_version: "<script>\u{1b}[2J\nè</script>".repeat(40),
            cameras: vec![camera("nord-1"), camera("NO NAME"), camera("")],
            ..wire::EdgeStatus::default()
        };
        let kept = BoxReport::of(&sent, UtcTime::from_unix_us(1));
        assert_eq!(kept.cameras.len(), 1);
        assert_eq!(kept.software_version.len(), TEXT_CHARACTERS_MAX);
        assert!(!kept.software_version.contains(['\u{1b}', '\n']));
        let text = serde_json::to_string(&kept).unwrap();
        assert!(text.len() < 1000, "{text}");
        assert_eq!(serde_json::from_str::<BoxReport>(&text).unwrap(), kept);
    }
}
