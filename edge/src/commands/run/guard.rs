//! Watches the box itself: what is other than at the last run, and the cabinet's door.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use varco_proto::ids::Digest;
use varco_proto::tamper::TamperKind;

use super::alarm::Alarm;
use crate::adapters::cabinet::is_open;
use crate::adapters::clock::SharedClock;
use crate::adapters::last_run::{LastRun, LastRunError, Run};
use crate::config::{Cabinet, Config};
use crate::progress::Beat;

/// How often the door is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Guard {
    alarm: Alarm,
    cabinet: Option<Cabinet>,
    last_run: LastRun,
    run: Option<Run>,
}

impl Guard {
    /// Compares with the last run, reports what differs, and remembers this run.
    pub(super) fn begin(config: &Config, file: &Path, models: Digest, alarm: Alarm) -> Self {
        let last_run = LastRun::in_folder(&config.state_folder);
        let run = compare(&last_run, file, models, &alarm)
            .map_err(|error| {
                let detail = format!("the last run cannot be compared: {error}");
                alarm.raise(TamperKind::Changed, None, &detail);
            })
            .ok();
        Self {
            alarm,
            cabinet: config.tamper.cabinet.clone(),
            last_run,
            run,
        }
    }

    /// Watches in a thread of its own.
    pub(super) fn start(
        self,
        beat: Beat,
        clock: SharedClock,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<JoinHandle<()>> {
        let stop = Arc::clone(stop);
        std::thread::Builder::new()
            .name("guard".to_owned())
            .spawn(move || self.watch(&beat, &clock, &stop))
            .context("cannot start the guard's thread")
    }

    /// Until `stop`, which is remembered as the run's end.
    fn watch(self, beat: &Beat, clock: &SharedClock, stop: &AtomicBool) {
        let mut was_open = false;
        while !stop.load(Ordering::Relaxed) {
            beat.on(clock.monotonic());
            let open = self.cabinet.as_ref().is_some_and(is_open);
            if open && !was_open {
                let detail = "the cabinet is open, or its contact cannot be read";
                self.alarm.raise(TamperKind::Cabinet, None, detail);
            } else if was_open && !open {
                tracing::info!("the cabinet is closed again");
            }
            was_open = open;
            std::thread::sleep(EVERY);
        }
        let Some(run) = self.run else {
            return;
        };
        if let Err(error) = self.last_run.write(&Run { ended: true, ..run }) {
            tracing::warn!(%error, "the next start will look like an unexpected one");
        }
    }
}

fn compare(
    last_run: &LastRun,
    file: &Path,
    models: Digest,
    alarm: &Alarm,
) -> Result<Run, LastRunError> {
    let run = Run::now(file, models)?;
    if let Some(before) = last_run.read()? {
        let differences = run.differences(&before);
        if differences.rebooted {
            let detail = "the box was switched off or restarted without the daemon being ended";
            alarm.raise(TamperKind::Reboot, None, detail);
        }
        if !differences.changed.is_empty() {
            let changed = differences.changed.join(", ");
            let detail = format!("other than at the last run: {changed}");
            alarm.raise(TamperKind::Changed, None, &detail);
        }
    }
    last_run.write(&run)?;
    Ok(run)
}
