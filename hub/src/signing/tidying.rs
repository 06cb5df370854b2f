//! What the running hub does by itself: locks sessions that lie idle, ends those whose time is over, and
//! disables accounts that lie unused or whose person holds no office (C29). Each leaves its line.

use super::accounts;
use super::desk;
use super::sessions::{self, WhyEnded};
use super::sign_in::ends_by_rule;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::told::{SessionTurned, Told as _};
use crate::audit::{self, AuditError};
use crate::store::Doing as _;
use crate::store::sql::{Connection, TransactionBehavior};

/// Locks and ends sessions. Gives how many changed.
///
/// # Errors
/// [`AuditError`]; it is tried again. None of them holds meanwhile: that is worked out when it is shown.
pub fn sessions(main: &mut Connection, acting: &Acting<'_>) -> Result<usize, AuditError> {
    let now = acting.now;
    let due = sessions::open_rows(main)?.into_iter();
    let due =
        due.filter(|row| now >= row.ends_at || (row.locked_at.is_none() && now >= row.idle_at));
    let due: Vec<_> = due.collect();
    if due.is_empty() {
        return Ok(0);
    }
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to tidy sessions")?;
    let mut changed = 0;
    // Read again: a session may have been used meanwhile.
    let rows = sessions::open_rows(&transaction)?.into_iter();
    for row in rows.filter(|row| due.iter().any(|due| due.id == row.id)) {
        if now >= row.ends_at {
            if sessions::end(&transaction, &row.id, WhyEnded::Over, now)? {
                let why = WhyEnded::Over.as_str();
                desk::note(&transaction, &row.id, &row.account, why, acting)?;
                changed += 1;
            }
        } else if row.locked_at.is_none()
            && now >= row.idle_at
            && sessions::lock(&transaction, &row.id, now)?
        {
            let told = SessionTurned {
                session: row.id,
                account: row.account,
                why: "it lay idle".to_owned(),
            };
            let entry = told.entry(acting.actor.clone(), Action::SessionLocked)?;
            audit::append(&transaction, &entry, now, acting.key)?;
            changed += 1;
        }
    }
    transaction.commit().doing("commit tidied sessions")?;
    Ok(changed)
}

/// Disables accounts by the rules. Gives how many.
///
/// # Errors
/// [`AuditError`]; it is tried again.
pub fn accounts(main: &mut Connection, acting: &Acting<'_>) -> Result<usize, AuditError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to look for unused accounts")?;
    let mut disabled = 0;
    for account in accounts::all(&transaction)? {
        // One that nobody opened yet has nothing to disable: its code ends by itself.
        if account.disabled_at.is_some() || account.credentials.is_none() {
            continue;
        }
        if let Some(why) = ends_by_rule(&transaction, &account, acting.now)?
            && desk::disable_by_rule(&transaction, &account.id, why, acting)?
        {
            disabled += 1;
        }
    }
    sessions::forget(&transaction, acting.now)?;
    transaction.commit().doing("commit disabled accounts")?;
    Ok(disabled)
}
