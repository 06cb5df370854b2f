//! What systemd is notified of: ready, alive, ending. The only door to sd-notify.

use std::time::Duration;

use sd_notify::NotifyState;

/// Notifies systemd where it asked for that; without systemd it does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Systemd;

impl Systemd {
    /// Everything runs.
    pub fn ready(self) {
        notify(&NotifyState::Ready);
    }

    /// Everything still gets on.
    pub fn alive(self) {
        notify(&NotifyState::Watchdog);
    }

    /// The end is on its way.
    pub fn stopping(self) {
        notify(&NotifyState::Stopping);
    }

    /// How long systemd waits for a sign of life; none when it does not.
    #[must_use]
    pub fn watchdog(self) -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }
}

fn notify(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::debug!(%error, "systemd is not told");
    }
}
