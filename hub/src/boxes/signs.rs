//! What a report shows to be wrong. Pure: reports come in, signs go out.

use std::time::Duration;

use varco_proto::time::UtcTime;

use super::anomalies::{Anomaly, Sign};
use super::kinds::Kind;
use super::report::{BoxReport, CameraReport, Picture};

/// How far the clocks of box and hub may be apart.
pub const CLOCK_APART_MAX: Duration = Duration::from_secs(5 * 60);
/// A camera that reads plates is believed about the time within this.
const READER_CLOCK_MS_MAX: u64 = 30_000;
/// Records that wait longer than this pile up, in milliseconds.
const WAITING_MS_MAX: u64 = 10 * 60 * 1000;
/// Room on a box's disk below which it is low, in bytes.
const DISK_FREE_MIN: u64 = 512 * 1024 * 1024;
/// Room above which it is no longer low.
const DISK_FREE_WELL: u64 = 640 * 1024 * 1024;
/// A camera has so long after the daemon's start to connect, in seconds.
const CONNECTING_S: u64 = 60;
/// The part of its validity that a certificate which is renewed in time always has left.
const CERTIFICATE_LEFT: u32 = 6;

/// What is known beside the report.
#[derive(Debug, Clone, Copy)]
pub struct KnownOfBox<'a> {
    /// The report before.
    pub before: Option<&'a BoxReport>,
    /// What is wrong with the box as far as was known.
    pub open: &'a [Anomaly],
    /// When the box's newest certificate was issued.
    pub certificate_issued_at: Option<UtcTime>,
}

impl KnownOfBox<'_> {
    fn is_open(&self, kind: Kind, subject: &str) -> bool {
        let is = |open: &&Anomaly| {
            open.kind == kind && open.subject.as_deref().unwrap_or_default() == subject
        };
        self.open.iter().any(|open| is(&open))
    }
}

/// What a report shows to be wrong.
#[must_use]
pub fn signs(report: &BoxReport, known: &KnownOfBox<'_>) -> Vec<Sign> {
    let mut signs = of_clock(report);
    signs.extend(of_disk(report, known));
    signs.extend(of_spool(report, known));
    signs.extend(of_certificate(report, known));
    for (id, camera) in &report.cameras {
        let before = known.before.and_then(|before| before.cameras.get(id));
        signs.extend(of_camera(
            id.as_str(),
            camera,
            before,
            known,
            report.uptime_s,
        ));
    }
    signs
}

fn of_clock(report: &BoxReport) -> Vec<Sign> {
    let mut signs = Vec::new();
    if report.clock_kept == Some(false) {
        let what = "nobody keeps the box's clock; see to chrony or systemd-timesyncd there";
        signs.push(Sign::of_box(Kind::ClockNotKept, what));
    }
    let behind = report.received_at.since(report.reported_at);
    if behind > CLOCK_APART_MAX {
        signs.push(apart(behind, "behind"));
    }
    signs
}

/// That the clocks of box and hub are apart.
#[must_use]
pub fn apart(span: Duration, which: &str) -> Sign {
    let seconds = span.as_secs();
    let detail = format!("the box's clock is {seconds} s {which} the hub's");
    Sign::of_box(Kind::ClockWrong, detail)
}

fn of_disk(report: &BoxReport, known: &KnownOfBox<'_>) -> Vec<Sign> {
    let mut signs = Vec::new();
    let enough = if known.is_open(Kind::DiskLow, "") {
        DISK_FREE_WELL
    } else {
        DISK_FREE_MIN
    };
    if let Some(free) = report.disk_free_bytes.filter(|free| *free < enough) {
        let detail = format!("{} MiB are free on the box's disk", free / 1_048_576);
        signs.push(Sign::of_box(Kind::DiskLow, detail));
    }
    if report.records_in_memory > 0 {
        let held = report.records_in_memory;
        let detail = format!("the box's disk takes nothing; {held} records wait in memory");
        signs.push(Sign::of_box(Kind::DiskFailing, detail));
    }
    signs
}

fn of_spool(report: &BoxReport, known: &KnownOfBox<'_>) -> Vec<Sign> {
    let mut signs = Vec::new();
    // What an alarm keeps back waits on purpose, and the alarm is told.
    if report.suspended_by == 0 && report.spool_oldest_age_ms > WAITING_MS_MAX {
        let (depth, minutes) = (report.spool_depth, report.spool_oldest_age_ms / 60_000);
        let detail = format!("{depth} records wait, the oldest for {minutes} minutes");
        signs.push(Sign::of_box(Kind::SpoolGrowing, detail));
    }
    let dropped = known.before.map(|before| before.spool_dropped);
    if dropped.is_some_and(|dropped| report.spool_dropped > dropped) {
        let detail = format!("the box has let {} records go", report.spool_dropped);
        signs.push(Sign::of_box(Kind::SpoolDropping, detail));
    }
    signs
}

fn of_certificate(report: &BoxReport, known: &KnownOfBox<'_>) -> Option<Sign> {
    let (ends, issued) = (report.certificate_ends_at?, known.certificate_issued_at?);
    let left = ends.since(report.received_at);
    let detail = format!("its certificate ends {ends} and is not renewed");
    (left < ends.since(issued) / CERTIFICATE_LEFT)
        .then(|| Sign::of_box(Kind::CertificateEnding, detail))
}

fn of_camera(
    id: &str,
    camera: &CameraReport,
    before: Option<&CameraReport>,
    known: &KnownOfBox<'_>,
    uptime_s: u64,
) -> Vec<Sign> {
    let mut signs = Vec::new();
    // One that reads plates itself is there when a vehicle passes.
    let is_due = camera.connections > 0 || uptime_s >= CONNECTING_S;
    if !camera.connected && !camera.reads_itself && is_due {
        signs.push(Sign::of(Kind::CameraAway, id, "no frames come"));
    }
    let picture = match camera.picture {
        _ if !camera.connected => None,
        Picture::Unknown | Picture::Fine => None,
        Picture::Black => Some((Kind::PictureBlack, "covered, unlit, or the sensor is dead")),
        Picture::Blank => Some((Kind::PictureBlank, "covered, fogged, or overexposed")),
        Picture::Frozen => Some((Kind::PictureFrozen, "the same picture for long")),
    };
    signs.extend(picture.map(|(kind, detail)| Sign::of(kind, id, detail)));
    let fell_back = before.is_some_and(|before| is_hardware(&before.decoder))
        || known.is_open(Kind::DecoderFallback, id);
    if fell_back && !camera.decoder.is_empty() && !is_hardware(&camera.decoder) {
        let detail = format!("decoded by {}, no longer by hardware", camera.decoder);
        signs.push(Sign::of(Kind::DecoderFallback, id, detail));
    }
    let behind = camera.clock_behind_ms.unwrap_or_default();
    if behind.unsigned_abs() > READER_CLOCK_MS_MAX {
        let seconds = behind / 1000;
        let detail = format!("the camera's clock is {seconds} s behind the box's; set it by NTP");
        signs.push(Sign::of(Kind::ReaderClock, id, detail));
    }
    signs
}

/// GStreamer's decoders that need no hardware bear these names.
fn is_hardware(decoder: &str) -> bool {
    let software = [
        "avdec_", "openh264", "jpegdec", "libde265", "dav1d", "vp8", "vp9",
    ];
    !decoder.is_empty() && !software.iter().any(|start| decoder.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use varco_proto::wire;

    const NOW_US: i64 = 1_800_000_000_000_000;

    fn report(change: impl FnOnce(&mut wire::EdgeStatus)) -> BoxReport {
        let mut sent = wire::EdgeStatus {
            reported_at_unix_us: NOW_US,
            clock: wire::ClockState::Synchronised.into(),
            uptime_ms: 3_600_000,
            disk_free_bytes: Some(8 << 30),
            cameras: vec![wire::CameraStatus {
                camera_id: "nord-1".to_owned(),
                connected: true,
                connections: 1,
                picture: wire::PictureState::Fine.into(),
                decoder: "vah264dec".to_owned(),
                ..wire::CameraStatus::default()
            }],
            ..wire::EdgeStatus::default()
        };
        change(&mut sent);
        BoxReport::of(&sent, UtcTime::from_unix_us(NOW_US))
    }

    fn kinds(report: &BoxReport, known: &KnownOfBox<'_>) -> Vec<Kind> {
        signs(report, known).iter().map(|sign| sign.kind).collect()
    }

    const NONE: [Kind; 0] = [];
    const NOTHING: KnownOfBox<'static> = KnownOfBox {
        before: None,
        open: &[],
        certificate_issued_at: None,
    };

    #[test]
    fn each_fault_of_a_report_is_seen_and_a_sound_one_shows_nothing() {
        type Change = fn(&mut wire::EdgeStatus);
        let minute: i64 = 60_000_000;
        let late = move |s: &mut wire::EdgeStatus| s.reported_at_unix_us -= 6 * minute;
        assert_eq!(kinds(&report(late), &NOTHING), [Kind::ClockWrong]);
        let cases: [(Change, Option<Kind>); 15] = [
            (|_| {}, None),
            (
                |s| s.clock = wire::ClockState::Unsynchronised.into(),
                Some(Kind::ClockNotKept),
            ),
            (|s| s.clock = 0, None),
            (|s| s.cameras[0].connected = false, Some(Kind::CameraAway)),
            (
                |s| {
                    s.cameras[0].connected = false;
                    s.cameras[0].reads_itself = true;
                },
                None,
            ),
            (
                |s| {
                    s.cameras[0].connected = false;
                    s.cameras[0].connections = 0;
                    s.uptime_ms = 20_000;
                },
                None,
            ),
            (|s| s.cameras[0].picture = 2, Some(Kind::PictureBlack)),
            (|s| s.cameras[0].picture = 3, Some(Kind::PictureBlank)),
            (|s| s.cameras[0].picture = 4, Some(Kind::PictureFrozen)),
            (
                |s| s.cameras[0].clock_behind_ms = Some(-3_600_000),
                Some(Kind::ReaderClock),
            ),
            (|s| s.disk_free_bytes = Some(1 << 20), Some(Kind::DiskLow)),
            (|s| s.disk_free_bytes = None, None),
            (|s| s.records_in_memory = 3, Some(Kind::DiskFailing)),
            (
                |s| s.spool_oldest_age_ms = 700_000,
                Some(Kind::SpoolGrowing),
            ),
            (
                |s| {
                    s.spool_oldest_age_ms = 700_000;
                    s.suspended_by_sequence = 7;
                },
                None,
            ),
        ];
        for (at, (change, expected)) in cases.into_iter().enumerate() {
            let found = kinds(&report(change), &NOTHING);
            assert_eq!(found, Vec::from_iter(expected), "case {at}");
        }
    }

    #[test]
    fn what_is_seen_only_beside_the_report_before() {
        let before = report(|_| {});
        let known = KnownOfBox {
            before: Some(&before),
            ..NOTHING
        };
        let software = report(|s| s.cameras[0].decoder = "avdec_h264".to_owned());
        assert_eq!(kinds(&software, &known), [Kind::DecoderFallback]);
        assert_eq!(kinds(&software, &NOTHING), NONE);
        let dropping = report(|s| s.spool_dropped = 1);
        assert_eq!(kinds(&dropping, &known), [Kind::SpoolDropping]);
        assert_eq!(kinds(&dropping, &NOTHING), NONE);
    }

    #[test]
    fn a_certificate_is_told_when_less_is_left_than_renewing_in_time_leaves() {
        let day: i64 = 86_400_000_000;
        let ends_in = |days: i64| report(|s| s.certificate_ends_unix_us = NOW_US + days * day);
        let issued_before = |days: i64| KnownOfBox {
            certificate_issued_at: Some(UtcTime::from_unix_us(NOW_US - days * day)),
            ..NOTHING
        };
        assert_eq!(kinds(&ends_in(29), &issued_before(61)), NONE);
        let due = kinds(&ends_in(10), &issued_before(80));
        assert_eq!(due, [Kind::CertificateEnding]);
    }

    #[test]
    fn a_disk_is_low_until_it_has_clearly_more_room() {
        let open = [Anomaly {
            id: 1,
            edge: Some("a".to_owned()),
            kind: Kind::DiskLow,
            subject: None,
            detail: String::new(),
            began_at: UtcTime::from_unix_us(0),
            ended_at: None,
        }];
        let low = KnownOfBox {
            open: &open,
            ..NOTHING
        };
        let between = report(|s| s.disk_free_bytes = Some(600 << 20));
        assert_eq!(kinds(&between, &NOTHING), NONE);
        assert_eq!(kinds(&between, &low), [Kind::DiskLow]);
    }
}
