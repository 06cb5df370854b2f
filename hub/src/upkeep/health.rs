//! Whether the hub is as it should be, check by check, each with what to do.

use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::time::UtcTime;

use crate::alerts::webhook::WebhookCounts;
use crate::boxes::anomalies;
use crate::boxes::{edges, forks, tampering};
use crate::chains;
use crate::home::disk::Room;
use crate::hotlists::list::ListId;
use crate::hours::partition::Partition;
use crate::machine::files;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::timekeeping::Reading;
use crate::witnessing::standing::WitnessStanding;

/// Room on the disk below which the hub is not ready, in bytes.
const DISK_FREE_MIN: u64 = 1024 * 1024 * 1024;
/// And below which somebody should look.
const DISK_FREE_LOW: u64 = 10 * DISK_FREE_MIN;
/// An edge that said nothing for so long is silent: it reports each minute, in microseconds.
const SILENT_US: i64 = 5 * 60 * 1_000_000;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Somebody should look; the hub does its work.
    Warning,
    /// The hub does not do its work, or cannot show that it does.
    Fault,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do; empty when there is nothing.
    pub what_to_do: String,
}

impl Check {
    /// As it should be.
    #[must_use]
    pub fn ok(name: &str, found: impl Into<String>) -> Self {
        Self::of(name, State::Ok, found, "")
    }

    /// With a state and what to do.
    #[must_use]
    pub fn of(name: &str, state: State, found: impl Into<String>, what_to_do: &str) -> Self {
        Self {
            name: name.to_owned(),
            state,
            found: found.into(),
            what_to_do: what_to_do.to_owned(),
        }
    }
}

/// Edges by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EdgeCounts {
    /// Registered and not revoked.
    pub registered: usize,
    /// Of these, that said nothing for minutes.
    pub silent: usize,
    /// Of these, that keep their transits back.
    pub suspended: usize,
    /// Of these, with a forked chain.
    pub forked: usize,
    /// Records that they sealed and the hub does not have.
    pub missing: u64,
    /// Of these, with something wrong, and gates that send less than usual.
    pub wrong: usize,
}

/// Counts the edges.
///
/// # Errors
/// [`StoreError`].
pub fn count_edges(main: &Connection, now: UtcTime) -> Result<EdgeCounts, StoreError> {
    let mut counts = EdgeCounts::default();
    for edge in edges::all(main)?
        .into_iter()
        .filter(|edge| edge.revoked_at.is_none())
    {
        counts.registered += 1;
        let heard = edge.report.map(|report| report.reported_at.unix_us());
        let quiet = heard.is_none_or(|at| now.unix_us().saturating_sub(at) > SILENT_US);
        counts.silent += usize::from(quiet);
        counts.wrong += usize::from(!anomalies::open_of(main, Some(&edge.id))?.is_empty());
        counts.suspended += usize::from(!tampering::open_events(main, &edge.id)?.is_empty());
        counts.forked += usize::from(forks::open_fork(main, &edge.id)?.is_some());
        counts.missing += chains::state(main, &edge.id)?.missing;
    }
    counts.wrong += anomalies::open_of(main, None)?.len();
    Ok(counts)
}

/// The edges.
#[must_use]
pub fn edges_check(counts: &EdgeCounts) -> Check {
    let EdgeCounts {
        registered,
        silent,
        suspended,
        forked,
        missing,
        wrong,
    } = counts;
    let found = format!(
        "{registered} registered, {silent} silent, {suspended} keep transits back, {forked} forked, \
         {missing} records missing; with something wrong: {wrong}"
    );
    if silent + suspended + forked + wrong == 0 {
        Check::ok("edges", found)
    } else {
        let what =
            "`varco-hub edge list` says which and why, `varco-hub edge show EDGE` since when";
        Check::of("edges", State::Warning, found, what)
    }
}

/// The witnesses of the audit: one that has cosigned nothing for an hour is an alarm.
#[must_use]
pub fn witnesses_check(all: &[WitnessStanding], now: UtcTime) -> Check {
    let missing = all.iter().filter(|witness| witness.is_missing(now));
    let told: Vec<_> = missing
        .map(|witness| match (&witness.cosigned_at, &witness.fault) {
            (Some(at), Some(fault)) => format!("{} since {at}: {fault}", witness.name),
            (Some(at), None) => format!("{} since {at}", witness.name),
            (None, Some(fault)) => format!("{} never: {fault}", witness.name),
            (None, None) => format!("{} never", witness.name),
        })
        .collect();
    if all.is_empty() {
        let what = "name one in hub.toml, on a machine of somebody else: `varco-hub witness init`";
        return Check::of(
            "witnesses",
            State::Warning,
            "nobody witnesses the audit: whoever has this machine could rewrite it unseen",
            what,
        );
    }
    if told.is_empty() {
        let found = format!("{} cosigned within the hour", all.len());
        return Check::ok("witnesses", found);
    }
    let found = format!(
        "{} of {} have not cosigned: {}",
        told.len(),
        all.len(),
        told.join("; ")
    );
    let what = "see to the witness or the way there; if it says that lines were cut or changed, keep a copy of the \
                home and run `varco-hub audit verify`";
    Check::of("witnesses", State::Fault, found, what)
}

/// Hours past their term: there must be none.
#[must_use]
pub fn retention_check(overdue: &[Partition]) -> Check {
    match overdue {
        [] => Check::ok("retention", "nothing is stored past its term"),
        [oldest, ..] => Check::of(
            "retention",
            State::Fault,
            format!(
                "{} hours past their term are there, from {oldest}",
                overdue.len()
            ),
            "start the hub, which destroys them at once; if it runs, its log says why it cannot",
        ),
    }
}

/// Room on the disk.
#[must_use]
pub fn disk_check(home: &Path) -> (Check, u64) {
    let Ok(free) = files::free_bytes(home) else {
        let what = "check that the disk is mounted";
        return (
            Check::of("disk", State::Fault, "the room cannot be told", what),
            0,
        );
    };
    let found = format!("{:.1} GiB free", gib(free));
    let what = "a day of a million transits takes about 0.6 GiB; make room or move the home";
    let check = match free {
        free if free < DISK_FREE_MIN => Check::of("disk", State::Fault, found, what),
        free if free < DISK_FREE_LOW => Check::of("disk", State::Warning, found, what),
        _ => Check::ok("disk", found),
    };
    (check, free)
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0 * 1024.0)
}

/// Whether the disk takes what is written, and keeps room for the end of transits.
#[must_use]
pub fn writing_check(room: &Room) -> Check {
    let what = "make room on the disk of the home; edges keep what they have until then";
    if let Err(why) = room.trial.write() {
        let found = format!("the disk does not take what is written: {why}");
        return Check::of("writing", State::Fault, found, what);
    }
    if room.reserve.is_missing() {
        let found = "there is no room for the reserve, so nothing is taken in";
        return Check::of("writing", State::Fault, found, what);
    }
    Check::ok("writing", "the disk takes what is written")
}

/// Whether the hub may destroy and prove by its clock.
#[must_use]
pub fn clock_check(reading: &Reading) -> Check {
    let Some(doubt) = reading.doubt() else {
        return Check::ok("clock", "nothing speaks against it");
    };
    let found = format!(
        "{}: it says {}, the hub keeps {}; nothing is destroyed or proved, and what may be past its term \
         is hidden",
        doubt.why(),
        reading.system(),
        reading.kept()
    );
    let what = "install chrony or switch systemd-timesyncd on; or set the clock right and run \
                `varco-hub clock confirm`";
    Check::of("clock", State::Fault, found, what)
}

/// The hotlists.
#[must_use]
pub fn hotlists_check(damaged: &[ListId], plates: usize) -> Check {
    if damaged.is_empty() {
        return Check::ok("hotlists", format!("{plates} plates are waited for"));
    }
    let names: Vec<_> = damaged.iter().map(ToString::to_string).collect();
    Check::of(
        "hotlists",
        State::Fault,
        format!("the plates of {} do not open", names.join(", ")),
        "import them again: `varco-hub hotlist import ID FILE`",
    )
}

/// The webhooks.
#[must_use]
pub fn webhooks_check(counts: &WebhookCounts) -> Check {
    let WebhookCounts {
        all,
        failing,
        parked,
        waiting,
    } = counts;
    let found = format!(
        "{all}, of them {failing} failing, {parked} parked or gone; {waiting} messages wait"
    );
    if failing + parked == 0 {
        return Check::ok("webhooks", found);
    }
    let what =
        "`varco-hub webhook list` says which and why; mend it, then `varco-hub webhook resume`";
    Check::of("webhooks", State::Warning, found, what)
}

/// The broker.
#[must_use]
pub fn broker_check(connected: bool) -> Check {
    if connected {
        return Check::ok("broker", "connected");
    }
    Check::of(
        "broker",
        State::Fault,
        "not connected: nothing comes in; edges keep what they have",
        "start the broker with the configuration that `init` wrote, and see the hub's log",
    )
}
