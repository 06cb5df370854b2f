//! What stood in the tables when this version first ran on a home of an older one, which did not write a
//! line of every row: one line says it, so that from then on every row has one.

use std::collections::BTreeSet;

use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{HubMade, NotedToken, TablesNoted, Told as _};
use crate::audit::{AuditError, append, of_action};
use crate::hours::partition::Partition;
use crate::store::sql::{Connection, TransactionBehavior, params};
use crate::store::{Doing as _, StoreError};

/// Whether every row has a line already.
fn is_known(main: &Connection) -> Result<bool, StoreError> {
    if !of_action(main, Action::TablesNoted)?.is_empty() {
        return Ok(true);
    }
    let made = of_action(main, Action::HubInitialised)?;
    let damaged = StoreError::Damaged { what: "audit line" };
    match made.first() {
        Some(line) => Ok(HubMade::of(line).map_err(|_| damaged)?.tells_all),
        None => Ok(false),
    }
}

/// Writes that line, unless it is there or not needed. `hours` are those that are stored; `tokens` reads
/// those that there are, in the same transaction.
///
/// # Errors
/// [`AuditError`].
pub fn note(
    main: &mut Connection,
    hours: &BTreeSet<Partition>,
    tokens: impl FnOnce(&Connection) -> Result<Vec<NotedToken>, StoreError>,
    now: UtcTime,
    key: &SealingKey,
) -> Result<bool, AuditError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to note what an older version left")?;
    if is_known(&transaction)? {
        return Ok(false);
    }
    let told = TablesNoted {
        tokens: tokens(&transaction)?,
        hours: hours.iter().map(Partition::to_string).collect(),
    };
    for hour in hours {
        transaction
            .execute(
                "INSERT INTO audit_hours VALUES (?) ON CONFLICT DO NOTHING",
                params![hour.number()],
            )
            .doing("note the hours of an older version")?;
    }
    let entry = told.entry(Actor::hub(), Action::TablesNoted)?;
    append(&transaction, &entry, now, key)?;
    transaction
        .commit()
        .doing("commit what an older version left")?;
    Ok(true)
}
