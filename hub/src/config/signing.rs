//! `[signing]`: how long a person stays signed in, and from where.

use std::time::Duration;

use serde::Deserialize;
use varco_proto::config::Faults;

/// How persons sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningConfig {
    /// How long a session may lie idle before it is locked.
    pub idle: Duration,
    /// How long a session lasts at most.
    pub longest: Duration,
    /// Whether persons sign in from enrolled posts alone.
    pub post_required: bool,
}

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct SigningFile {
    idle_lock_minutes: u32,
    session_hours: u32,
    post_required: bool,
}

impl Default for SigningFile {
    fn default() -> Self {
        Self {
            idle_lock_minutes: 10,
            session_hours: 12,
            post_required: true,
        }
    }
}

impl SigningFile {
    /// Checks it.
    pub(super) fn check(&self, faults: &mut Faults) -> SigningConfig {
        for (key, value, most) in [
            ("idle_lock_minutes", self.idle_lock_minutes, 120),
            ("session_hours", self.session_hours, 24),
        ] {
            let what = format!("{value} is not within 1 to {most}");
            let holds = (1..=most).contains(&value);
            faults.check(holds, &format!("signing.{key}"), what);
        }
        SigningConfig {
            idle: Duration::from_secs(u64::from(self.idle_lock_minutes) * 60),
            longest: Duration::from_secs(u64::from(self.session_hours) * 3600),
            post_required: self.post_required,
        }
    }
}
