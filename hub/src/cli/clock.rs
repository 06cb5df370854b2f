//! `varco-hub clock`, and the time by which every command acts.

use std::io::Write;

use clap::Subcommand;
use serde_json::json;
use varco_proto::time::UtcTime;

use super::output::Output;
use crate::audit::actor::Actor;
use crate::home::Home;
use crate::opening::{clock, clock_confirmation};
use crate::timekeeping::{self, Reading, Voucher};
use crate::timekeeping::{Clock as _, SystemClock};

/// `clock`.
#[derive(Debug, Subcommand)]
pub enum ClockCommand {
    /// Show what time the hub keeps, what the system's clock says, and who vouched for it last.
    Show,
    /// Vouch for the system's clock, after it was compared with another one. What waited for it is then
    /// destroyed. It leaves an audit line.
    ///
    /// Needed only where neither chrony nor systemd-timesyncd keeps the clock, and it jumped or the
    /// machine was started anew.
    Confirm {
        /// The time by another clock, in UTC, to two minutes.
        #[arg(long, value_name = "RFC3339")]
        time: UtcTime,
        /// Who compared the clocks.
        #[arg(long, value_name = "NAME")]
        actor: String,
        /// With what it was compared, and why it was wrong.
        #[arg(long, value_name = "TEXT")]
        purpose: String,
    },
}

/// The time by which a command acts on a home; before there is one, the system's.
///
/// # Errors
/// When what the home knows of the time cannot be read.
pub(super) fn time_of(home: &Home) -> anyhow::Result<Reading> {
    if !home.exists() {
        return Ok(Reading::vouched(SystemClock.now()));
    }
    Ok(clock::of(home)?.reading())
}

/// Shows the clock, or vouches for it.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn clock(
    home: &Home,
    command: ClockCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    home.expect()?;
    let clock = clock::of(home)?;
    match command {
        ClockCommand::Show => {
            let (reading, vouched) = (clock.reading(), clock.last_vouched());
            let doubt = reading.doubt().map(timekeeping::Doubt::why);
            let what = json!({
                "kept": reading.kept(), "system": reading.system(), "doubt": doubt,
                "vouched_by": vouched.map(|(by, _)| by), "vouched_at": vouched.map(|(_, at)| at),
            });
            let who = vouched.map_or("nobody since the machine was started".to_owned(), |last| {
                let by = match last.0 {
                    Voucher::Beginning => "whoever made the home",
                    Voucher::Keeper => "a keeper of time (chrony or systemd)",
                    Voucher::Person => "a person",
                };
                format!("{by}, at {}", last.1)
            });
            let verdict = doubt.map_or("It is not in doubt.".to_owned(), |why| {
                format!("It is IN DOUBT: {why}. Nothing is destroyed or proved meanwhile.")
            });
            let said = format!(
                "The hub keeps {}; the system's clock says {}.\nVouched for by {who}.\n{verdict}",
                reading.kept(),
                reading.system(),
            );
            output.done(out, &what, &said)?;
        }
        ClockCommand::Confirm {
            time,
            actor,
            purpose,
        } => {
            let actor = Actor::at_console(&actor)?;
            let confirmed = clock_confirmation::confirm(home, &clock, &actor, &purpose, time)?;
            let said = format!(
                "{} holds now; the hub had kept {}. Audit line {}.",
                confirmed.at, confirmed.kept, confirmed.audit_line
            );
            output.done(out, &json!(confirmed), &said)?;
        }
    }
    Ok(())
}
