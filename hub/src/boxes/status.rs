//! A status that came, within its batch's transaction: whether its time can be right, what it shows,
//! and what of it is kept.

use varco_proto::ids::EdgeId;
use varco_proto::receipt::RefusalReason;
use varco_proto::time::UtcTime;
use varco_proto::wire;

use super::anomalies;
use super::history;
use super::kinds::Kind;
use super::report::{BoxReport, MOMENT_US_MAX};
use super::signs::{self, CLOCK_APART_MAX, KnownOfBox};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Why a verified status is not taken.
pub type StatusRefused = (RefusalReason, &'static str);

/// By what a status is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judging {
    /// The time that the hub may claim.
    pub now: UtcTime,
    /// The latest that it may be; without doubt, that is now.
    pub latest: UtcTime,
    /// Whether the hub's clock is in doubt: then nothing is said of a box's clock, neither that it is
    /// wrong nor that it is right again.
    pub in_doubt: bool,
}

/// Whether the time of a status can be right: later than the one before, and not of the future. A
/// status before that was of the future counts for nothing, so that it never shuts the true ones out.
fn judge(reported_at: UtcTime, before: Option<UtcTime>, latest: UtcTime) -> Option<StatusRefused> {
    let latest = latest + CLOCK_APART_MAX;
    if !(0..MOMENT_US_MAX).contains(&reported_at.unix_us()) {
        return Some((RefusalReason::Malformed, "its time is none"));
    }
    if reported_at > latest {
        let what = "its time is minutes after the hub's; see to the box's clock";
        return Some((RefusalReason::FromTheFuture, what));
    }
    let before = before.filter(|before| *before <= latest);
    let what = "one as late or later came before";
    before
        .is_some_and(|before| reported_at <= before)
        .then_some((RefusalReason::Replay, what))
}

/// Takes a verified status of an edge that is registered.
///
/// # Errors
/// [`StoreError`].
pub fn take(
    main: &Connection,
    edge: &EdgeId,
    sent: &wire::EdgeStatus,
    judging: Judging,
) -> Result<Option<StatusRefused>, StoreError> {
    let Judging {
        now,
        latest,
        in_doubt,
    } = judging;
    let before = history::latest(main, edge)?;
    let reported_at = UtcTime::from_unix_us(sent.reported_at_unix_us);
    let refused = judge(reported_at, before.as_ref().map(|b| b.reported_at), latest);
    if let Some((reason, _)) = refused {
        if reason == RefusalReason::FromTheFuture {
            // Nobody else can have signed it: the box is there, and its clock is wrong or the hub's.
            history::heard(main, edge, now)?;
            if !in_doubt {
                let ahead = signs::apart(reported_at.since(now), "ahead of");
                anomalies::see(main, Some(edge), &ahead, now)?;
            }
        }
        return Ok(refused);
    }
    let report = BoxReport::of(sent, now);
    let known = KnownOfBox {
        before: before.as_ref(),
        open: &anomalies::open_of(main, Some(edge))?,
        certificate_issued_at: crate::boxes::edges::certificate_issued_at(main, edge)?,
    };
    let mut signs = signs::signs(&report, &known);
    let is_told = |kind: Kind| kind.is_of_status() && !(in_doubt && kind == Kind::ClockWrong);
    signs.retain(|sign| is_told(sign.kind));
    for sign in &signs {
        anomalies::see(main, Some(edge), sign, now)?;
    }
    anomalies::note_away(main, Some(edge), is_told, &signs, now)?;
    history::heard(main, edge, now)?;
    history::keep(main, edge, &report)?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_status_is_later_than_the_one_before_and_not_of_the_future() {
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        let (second, year) = (Duration::from_secs(1), Duration::from_secs(365 * 86_400));
        let last = Some(now - second);
        for (reported_at, before, expected) in [
            (now, None, None),
            (now, last, None),
            (now - second, last, Some(RefusalReason::Replay)),
            (now - year, last, Some(RefusalReason::Replay)),
            (now - year, None, None),
            (now + CLOCK_APART_MAX, last, None),
            (now + year, last, Some(RefusalReason::FromTheFuture)),
            (
                now + CLOCK_APART_MAX + second,
                None,
                Some(RefusalReason::FromTheFuture),
            ),
            // A version before took one of the future.
            (now, Some(now + year), None),
            (
                UtcTime::from_unix_us(i64::MIN),
                last,
                Some(RefusalReason::Malformed),
            ),
            (
                UtcTime::from_unix_us(i64::MAX),
                last,
                Some(RefusalReason::Malformed),
            ),
        ] {
            let judged = judge(reported_at, before, now).map(|(reason, _)| reason);
            assert_eq!(judged, expected, "{reported_at} after {before:?}");
        }
    }
}
