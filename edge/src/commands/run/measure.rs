//! The metrics of this edge. Never a plate: counts, ages and states alone.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use varco_proto::ids::Digest;

use crate::adapters::clock::SharedClock;
use crate::adapters::spool::shared::SharedSpool;
use crate::adapters::{disk, machine};
use crate::status::{CameraCounters, ClockHealth, WatchedCamera};

/// What is measured.
pub(super) struct Measure {
    pub(super) cameras: Vec<WatchedCamera>,
    /// Of the cameras, from here on they read themselves.
    pub(super) readers_from: usize,
    pub(super) health: Arc<ClockHealth>,
    pub(super) spool: SharedSpool,
    pub(super) clock: SharedClock,
    pub(super) state_folder: PathBuf,
    pub(super) models: Digest,
    pub(super) configuration: Digest,
    /// Frames of each camera at the last asking, and when that was.
    pub(super) before: Mutex<(Duration, Vec<u64>)>,
}

/// Prometheus' text format.
#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP varco_edge_{name} {help}");
        let _ = writeln!(self.0, "# TYPE varco_edge_{name} {kind}");
    }

    /// Labels hold names, digests and versions alone: nothing in them needs escaping.
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.0, "varco_edge_{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.head(name, "gauge", help);
            self.line(name, &[], value);
        }
    }
}

impl Measure {
    pub(super) fn text(&self) -> String {
        let mut text = Text::default();
        text.head("info", "gauge", "What runs here, by digest.");
        let (models, configuration) = (self.models.to_string(), self.configuration.to_string());
        let labels = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("models", &*models),
            ("configuration", &*configuration),
        ];
        text.line("info", &labels, 1.0);
        self.box_itself(&mut text);
        self.spool(&mut text);
        self.cameras(&mut text);
        self.readers(&mut text);
        text.0
    }

    fn box_itself(&self, text: &mut Text) {
        let uptime = self.clock.monotonic().as_secs_f64();
        let kept = self.health.is_kept.load(Relaxed);
        let error = self.clock.error().as_secs_f64();
        let free = disk::free_bytes(&self.state_folder).ok().map(number);
        text.gauge("uptime_seconds", "Since the daemon started.", Some(uptime));
        text.gauge(
            "clock_synchronised",
            "1 when somebody keeps the clock.",
            Some(flag(kept)),
        );
        text.gauge(
            "clock_error_seconds",
            "The clock is off by at most this.",
            Some(error),
        );
        text.gauge("disk_free_bytes", "Free under the state folder.", free);
        let memory = machine::memory_bytes().map(number);
        text.gauge("memory_bytes", "Resident memory of the daemon.", memory);
        let warmth = machine::temperature_celsius();
        text.gauge(
            "temperature_celsius",
            "The warmest sensor of the box.",
            warmth,
        );
    }

    fn spool(&self, text: &mut Text) {
        let (held, lost) = self.spool.held_and_lost();
        let held = number(u64::try_from(held).unwrap_or(u64::MAX));
        text.gauge(
            "spool_held",
            "Records in memory, because the spool cannot seal.",
            Some(held),
        );
        text.head(
            "spool_lost_total",
            "counter",
            "Records lost since the start.",
        );
        text.line("spool_lost_total", &[], number(lost));
        let Ok(depth) = self.spool.depth() else {
            return;
        };
        let age = depth.oldest_sealed_at.map(|at| self.clock.now().since(at));
        let age = age.unwrap_or_default().as_secs_f64();
        let suspended = flag(depth.suspended_by > 0);
        text.gauge(
            "spool_depth",
            "Records without a receipt.",
            Some(number(depth.waiting)),
        );
        text.gauge(
            "spool_oldest_seconds",
            "Age of the oldest of them.",
            Some(age),
        );
        text.gauge(
            "spool_refused",
            "Records that the hub refused.",
            Some(number(depth.refused)),
        );
        text.gauge(
            "suspended",
            "1 while an alarm keeps transits back.",
            Some(suspended),
        );
    }

    fn cameras(&self, text: &mut Text) {
        type Get = fn(&CameraCounters) -> u64;
        let each: [(&str, &str, &str, Get); 7] = [
            ("camera_connected", "gauge", "1 while it sends.", |of| {
                u64::from(of.connected.load(Relaxed))
            }),
            (
                "camera_login_refused",
                "gauge",
                "1 while the camera refuses the login: it is tried by minutes only.",
                |of| u64::from(of.login_refused.load(Relaxed)),
            ),
            (
                "frames_processed_total",
                "counter",
                "Frames searched for plates.",
                |of| of.frames_processed.load(Relaxed),
            ),
            (
                "frames_skipped_total",
                "counter",
                "Frames passed over for newer ones.",
                |of| of.frames_skipped.load(Relaxed),
            ),
            (
                "frames_gated_total",
                "counter",
                "Frames in which nothing moved.",
                |of| of.frames_gated.load(Relaxed),
            ),
            ("transits_total", "counter", "Vehicles that passed.", |of| {
                of.transits.load(Relaxed)
            }),
            (
                "connections_total",
                "counter",
                "Connections that gave frames.",
                |of| of.connections.load(Relaxed),
            ),
        ];
        for (name, kind, help, get) in each {
            text.head(name, kind, help);
            for WatchedCamera { id, counters } in &self.cameras {
                text.line(name, &[("camera", id.as_str())], number(get(counters)));
            }
        }
        let name = "last_transit_seconds";
        text.head(
            name,
            "gauge",
            "Since the last vehicle that passed; absent before the first.",
        );
        let now = self.clock.monotonic();
        for WatchedCamera { id, counters } in &self.cameras {
            if let Some(at) = counters.last_transit() {
                let age = now.saturating_sub(at).as_secs_f64();
                text.line(name, &[("camera", id.as_str())], age);
            }
        }
        self.rates(text);
    }

    fn rates(&self, text: &mut Text) {
        let name = "frames_per_second";
        text.head(
            name,
            "gauge",
            "Frames searched for plates, since the last asking.",
        );
        let now = self.clock.monotonic();
        let frames = self
            .cameras
            .iter()
            .map(|of| of.counters.frames_processed.load(Relaxed));
        let frames: Vec<_> = frames.collect();
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let span = now.saturating_sub(before.0).as_secs_f64().max(0.001);
        for (at, WatchedCamera { id, .. }) in
            self.cameras.iter().take(self.readers_from).enumerate()
        {
            let old = before.1.get(at).copied().unwrap_or_default();
            let fresh = frames.get(at).map_or(0, |new| new.saturating_sub(old));
            text.line(name, &[("camera", id.as_str())], number(fresh) / span);
        }
        *before = (now, frames);
    }

    fn readers(&self, text: &mut Text) {
        let readers = || self.cameras.iter().skip(self.readers_from);
        let name = "reader_messages_total";
        text.head(
            name,
            "counter",
            "Messages of cameras that read plates themselves.",
        );
        for WatchedCamera { id, counters } in readers() {
            let of = &counters.pushed;
            for (outcome, count) in [
                ("taken", &of.taken),
                ("repeated", &of.repeated),
                ("other", &of.other),
                ("malformed", &of.malformed),
                ("busy", &of.busy),
                ("turned_away", &of.turned_away),
            ] {
                let labels = [("camera", id.as_str()), ("outcome", outcome)];
                text.line(name, &labels, number(count.load(Relaxed)));
            }
        }
        let name = "reader_fields_left_out_total";
        text.head(
            name,
            "counter",
            "Fields of readings that could not be used as they came.",
        );
        for WatchedCamera { id, counters } in readers() {
            let count = number(counters.pushed.left_out.load(Relaxed));
            text.line(name, &[("camera", id.as_str())], count);
        }
        let name = "reader_clock_offset_seconds";
        text.head(
            name,
            "gauge",
            "How far the camera's clock is behind the edge's.",
        );
        for WatchedCamera { id, counters } in readers() {
            let offset_us = counters.pushed.clock_offset_us.load(Relaxed);
            let whole = number(offset_us.unsigned_abs()) / 1e6;
            let offset = if offset_us < 0 { -whole } else { whole };
            text.line(name, &[("camera", id.as_str())], offset);
        }
        let name = "reader_clock_wrong";
        text.head(
            name,
            "gauge",
            "Whether the camera's clock is not believed: 1 or 0.",
        );
        for WatchedCamera { id, counters } in readers() {
            let wrong = counters.pushed.clock_wrong.load(Relaxed);
            text.line(name, &[("camera", id.as_str())], f64::from(u8::from(wrong)));
        }
    }
}

fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// Counts above 2^53 lose their last digits, which nobody reads.
fn number(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & 0xffff_ffff).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}
