//! What systemd is told: ready, alive, ending. The only door to sd-notify.

use std::time::Duration;

use sd_notify::NotifyState;

/// Tells what systemd asked to be told; without systemd it does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Systemd;

impl Systemd {
    /// Everything runs.
    pub fn ready(self) {
        tell(&NotifyState::Ready);
    }

    /// Everything still gets on.
    pub fn alive(self) {
        tell(&NotifyState::Watchdog);
    }

    /// The end is on its way.
    pub fn stopping(self) {
        tell(&NotifyState::Stopping);
    }

    /// How long systemd waits for a sign of life; none when it does not.
    #[must_use]
    pub fn watchdog(self) -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }
}

fn tell(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::debug!(%error, "systemd is not told");
    }
}
