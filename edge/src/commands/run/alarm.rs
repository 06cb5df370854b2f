//! Reports to the hub that hands were laid on the box, by a sealed record.

use std::sync::Arc;

use varco_proto::ids::CameraId;
use varco_proto::record::RecordBody;
use varco_proto::tamper::{DETAIL_BYTES_MAX, TamperEvent, TamperKind};

use crate::adapters::clock::SharedClock;
use crate::adapters::spool::shared::{Keeping, SharedSpool};
use crate::config::Tamper;
use crate::logging::chain;

/// One for all threads. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Alarm {
    spool: SharedSpool,
    clock: SharedClock,
    rules: Arc<Tamper>,
}

impl Alarm {
    pub(super) fn new(spool: SharedSpool, clock: SharedClock, rules: Tamper) -> Self {
        Self {
            spool,
            clock,
            rules: Arc::new(rules),
        }
    }

    /// Seals an event, unless the configuration says that its kind is ignored. From then on no
    /// transit leaves until the hub's release, unless its kind is only reported.
    pub(super) fn raise(&self, kind: TamperKind, camera: Option<&CameraId>, detail: &str) {
        if self.rules.ignored.contains(&kind) {
            tracing::debug!(%kind, detail, "ignored, as `tamper.ignored` says");
            return;
        }
        let suspends = !self.rules.told_only.contains(&kind);
        self.seal(kind, camera, detail, suspends);
    }

    /// Seals an event that keeps no transit back, whatever its kind, unless the configuration says
    /// that its kind is ignored.
    pub(super) fn report(&self, kind: TamperKind, camera: Option<&CameraId>, detail: &str) {
        if !self.rules.ignored.contains(&kind) {
            self.seal(kind, camera, detail, false);
        }
    }

    fn seal(&self, kind: TamperKind, camera: Option<&CameraId>, detail: &str, suspends: bool) {
        let mut end = DETAIL_BYTES_MAX.min(detail.len());
        while !detail.is_char_boundary(end) {
            end -= 1;
        }
        let event = TamperEvent {
            kind,
            camera: camera.cloned(),
            noticed_at: self.clock.now(),
            detail: detail.get(..end).unwrap_or_default().to_owned(),
            suspends,
        };
        let of = camera.map_or("the box", |camera| camera.as_str());
        tracing::error!(%kind, of, suspends, detail, "hands may have been laid on this edge");
        match self.spool.keep(RecordBody::Tamper(event)) {
            Keeping::Sealed(_) => {}
            Keeping::Held(error) | Keeping::Lost(error) => {
                tracing::error!(%kind, error = %chain(&error), "the alarm is not sealed yet");
            }
        }
    }
}
