//! What ends by itself: requests that nobody decided, and what was unlocked for a time. It counts from the very
//! moment on, whether it is noted or not; noted once, no clock brings it back.

use std::time::Duration;

use varco_proto::time::UtcTime;

use super::approval::{self, Approval, ApprovalEnd, ApprovalError, ApprovalState};
use super::claims;
use super::desk::turned;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::store::Doing as _;
use crate::store::sql::{Connection, TransactionBehavior};

/// How long a request that is over is remembered, less than its lines are.
const REMEMBERED: Duration = Duration::from_secs(180 * 86_400);

/// Notes what is over. Gives how many requests were.
///
/// # Errors
/// [`ApprovalError`]; it is tried again.
pub fn note_ended(main: &mut Connection, acting: &Acting<'_>) -> Result<usize, ApprovalError> {
    let mut noted = 0;
    for one in due(main, acting)? {
        let (why, action) = match one.state_at(acting.now) {
            ApprovalState::Expired => (ApprovalEnd::Expired, Action::ApprovalExpired),
            ApprovalState::Over => (ApprovalEnd::Over, Action::ApprovalEnded),
            _ => continue,
        };
        let ended = acting.change(main, |main| {
            // Somebody may have decided since it was read.
            let again = approval::find(main, &one.id)?.ok_or(ApprovalError::Unknown)?;
            match again.state_at(acting.now) {
                state if state == one.state_at(acting.now) && again.ended_at.is_none() => {}
                other => return Err(ApprovalError::Settled(other)),
            }
            approval::end(main, &one.id, why, acting.now)?;
            Ok(((), turned(&one, why, action, acting)?))
        });
        match ended {
            Ok(()) => noted += 1,
            Err(ApprovalError::Settled(_)) => {}
            Err(error) => return Err(error),
        }
    }
    claims::forget(main, acting.now)?;
    forget_old(main, acting.now)?;
    Ok(noted)
}

/// Forgets requests that were over half a year ago, in one piece.
fn forget_old(main: &mut Connection, now: UtcTime) -> Result<(), ApprovalError> {
    const DOING: &str = "forget old requests";
    let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = transaction.doing(DOING)?;
    approval::forget(&transaction, now - REMEMBERED)?;
    transaction.commit().doing(DOING)?;
    Ok(())
}

/// Those that are over and not noted.
fn due(main: &Connection, acting: &Acting<'_>) -> Result<Vec<Approval>, ApprovalError> {
    let mut all = approval::waiting(main)?;
    all.extend(approval::all_open(main)?);
    all.retain(|one| match one.decided_at {
        None => one.waits_until <= acting.now,
        Some(_) => one.until.is_some_and(|until| until <= acting.now),
    });
    Ok(all)
}
