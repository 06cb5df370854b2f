//! Revoking passkeys for good, each with its line.

use super::passkeys::{self, Passkey};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::told::{PasskeyEnded, Told as _};
use crate::audit::{self, AuditError};
use crate::store::Doing as _;
use crate::store::sql::{Connection, TransactionBehavior};

/// Revokes a passkey of an account for good, by its id. False when the account has none that holds by this id.
///
/// # Errors
/// [`AuditError`].
pub fn revoke(
    main: &mut Connection,
    id: &str,
    account: &str,
    acting: &Acting<'_>,
) -> Result<bool, AuditError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to revoke a passkey")?;
    let found = passkeys::of_id(&transaction, id)?;
    let found = found.filter(|one| one.account == account && one.revoked_at.is_none());
    let Some(found) = found else {
        return Ok(false);
    };
    end(&transaction, &found, acting)?;
    transaction
        .commit()
        .doing("commit that a passkey is revoked")?;
    Ok(true)
}

/// Revokes all passkeys of an account within the caller's transaction.
pub(super) fn revoke_all(
    main: &Connection,
    account: &str,
    acting: &Acting<'_>,
) -> Result<(), AuditError> {
    for one in passkeys::of_account(main, account)? {
        end(main, &one, acting)?;
    }
    Ok(())
}

fn end(main: &Connection, passkey: &Passkey, acting: &Acting<'_>) -> Result<(), AuditError> {
    passkeys::revoke(main, &passkey.id, acting.now)?;
    let told = PasskeyEnded {
        passkey: passkey.id.clone(),
        account: passkey.account.clone(),
    };
    let entry = told.entry(acting.actor.clone(), Action::PasskeyRevoked)?;
    audit::append(main, &entry, acting.now, acting.key)?;
    Ok(())
}
