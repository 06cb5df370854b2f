//! A person vouches for the system's clock.

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::time::UtcTime;

use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::{self, AuditEntry, AuditError};
use crate::home::{Home, HomeError};
use crate::store::StoreError;
use crate::timekeeping::{Clock as _, Doubt, HubClock};

/// The person's time and the system's must not be further apart.
const APART_MAX: Duration = Duration::from_secs(120);
/// Shortest and longest reason, in characters.
const WHY_MIN: usize = 3;
const WHY_MAX: usize = 120;

/// The clock is not vouched for.
#[derive(Debug, Error)]
pub enum ConfirmError {
    /// The person's clock says another time: set the system's clock first.
    #[error(
        "the system's clock says {system}, which is not the time that you gave: set it right \
         (`timedatectl set-time`, or install chrony), then confirm it"
    )]
    Apart {
        /// What the system says.
        system: UtcTime,
    },
    /// No reason: say how the time was compared.
    #[error("say how you know the time, in {WHY_MIN} to {WHY_MAX} characters: --purpose TEXT")]
    Purpose,
    /// The kernel does not tell its boot, so that nothing can be remembered.
    #[error("this machine does not tell its uptime and boot: install chrony, which can vouch")]
    NoBoot,
    /// The memory cannot be written: check the disk and the owner of the home.
    #[error("what is confirmed cannot be remembered in the home")]
    Memory(#[source] std::io::Error),
    /// No audit line, no confirmation.
    #[error("the audit line cannot be written, so nothing is confirmed")]
    Audit(#[from] AuditError),
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confirmed {
    /// The time that holds now.
    pub at: UtcTime,
    /// What the hub had kept until then.
    pub kept: UtcTime,
    /// The audit line that says so.
    pub audit_line: u64,
}

/// Vouches for the system's clock, for the hub of this home and those that run on it. The audit line
/// stands first.
///
/// # Errors
/// [`ConfirmError`]: then nothing is confirmed.
pub fn confirm(
    home: &Home,
    clock: &HubClock,
    actor: &Actor,
    purpose: &str,
    time: UtcTime,
) -> Result<Confirmed, ConfirmError> {
    let purpose = purpose.trim();
    if !(WHY_MIN..=WHY_MAX).contains(&purpose.chars().count()) {
        return Err(ConfirmError::Purpose);
    }
    let boot = clock.boot().ok_or(ConfirmError::NoBoot)?;
    let reading = clock.reading();
    let system = reading.system();
    if system.since(time).max(time.since(system)) > APART_MAX {
        return Err(ConfirmError::Apart { system });
    }
    let details = serde_json::json!({
        "system": system, "kept": reading.kept(), "purpose": purpose,
        "doubt": reading.doubt().map(Doubt::why),
    });
    let entry = AuditEntry::plain(actor.clone(), Action::ClockConfirmed, details);
    let (mut main, key) = (home.open_main()?, home.sealing_key()?);
    let audit_line = audit::append_alone(&mut main, &entry, system, &key)?;
    clock.confirm(boot).map_err(ConfirmError::Memory)?;
    Ok(Confirmed {
        at: system,
        kept: reading.kept(),
        audit_line,
    })
}
