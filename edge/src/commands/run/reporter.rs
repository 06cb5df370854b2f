//! Reports to the hub how the edge is: each minute, and when something has changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use varco_proto::envelope::seal;
use varco_proto::keys::SealingKey;
use varco_proto::wire;

use crate::adapters::clock::SharedClock;
use crate::adapters::disk;
use crate::adapters::spool::shared::SharedSpool;
use crate::adapters::uplink::StatusSource;
use crate::core::view::health::PictureState;
use crate::status::{ClockHealth, StatusReporter, WatchedCamera};

/// Shares of a spool that are reported when they are crossed, in percent.
const SPOOL_PERCENTS: [u64; 3] = [50, 80, 95];

/// See the module.
pub(super) struct Reporter {
    pub(super) reporter: StatusReporter,
    pub(super) cameras: Vec<WatchedCamera>,
    pub(super) health: Arc<ClockHealth>,
    pub(super) spool: SharedSpool,
    pub(super) records_max: u64,
    pub(super) key: Arc<SealingKey>,
    pub(super) clock: SharedClock,
    pub(super) state_folder: PathBuf,
    /// Of the cameras, from here on they read themselves.
    pub(super) readers_from: usize,
    pub(super) reported: Option<Looks>,
}

/// What is worth a report when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looks {
    connected: Vec<bool>,
    pictures: Vec<Option<PictureState>>,
    clock_is_kept: bool,
    suspended_by: u64,
    spool_mark: usize,
}

impl Reporter {
    fn looks(&self) -> Option<Looks> {
        let depth = self.spool.depth().ok()?;
        let percent = depth.waiting.saturating_mul(100) / self.records_max.max(1);
        let counters = || self.cameras.iter().map(|of| &of.counters);
        Some(Looks {
            connected: counters()
                .map(|of| of.connected.load(Ordering::Relaxed))
                .collect(),
            pictures: counters().map(|of| of.picture()).collect(),
            clock_is_kept: self.health.is_kept.load(Ordering::Relaxed),
            suspended_by: depth.suspended_by,
            spool_mark: SPOOL_PERCENTS
                .iter()
                .filter(|mark| percent >= **mark)
                .count(),
        })
    }

    /// What the box's disk and its readers' clocks are like.
    fn add_box(&self, report: &mut wire::EdgeStatus) {
        report.disk_free_bytes = disk::free_bytes(&self.state_folder).ok();
        let (held, _) = self.spool.held_and_lost();
        report.records_in_memory = u64::try_from(held).unwrap_or(u64::MAX);
        let watched = report.cameras.iter_mut().zip(&self.cameras);
        for (camera, WatchedCamera { counters, .. }) in watched.skip(self.readers_from) {
            camera.reads_itself = true;
            let behind_us = counters.pushed.clock_offset_us.load(Ordering::Relaxed);
            let has_said = counters.connected.load(Ordering::Relaxed);
            camera.clock_behind_ms = has_said.then_some(behind_us / 1000);
        }
    }
}

impl StatusSource for Reporter {
    fn has_changed(&mut self) -> bool {
        let looks = self.looks();
        looks.is_some() && looks != self.reported
    }

    fn sealed(&mut self) -> Option<Vec<u8>> {
        // Before the report: what changes meanwhile is reported once more.
        self.reported = self.looks();
        let depth = self.spool.depth().ok()?;
        let mut status = self.reporter.report(depth, self.clock.as_ref());
        self.add_box(&mut status.report);
        Some(seal(&status, &self.key).envelope)
    }
}
