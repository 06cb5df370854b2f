//! Passkeys of accounts. This module owns the table `passkeys`.
//!
//! A passkey is made by its person, has a name of theirs, and is revoked for good. It counts as password and
//! second factor together: its device shows it only once it has recognised its person.

use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::webauthn::{KeptPasskey, KnownKey, MadeKey};
use crate::store::sql::{Connection, OptionalExtension as _, Params, Row, ToSql, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`]. `moving` has the counter, which each use moves.
pub const SCHEMA: &str = "
    CREATE TABLE passkeys (
        id TEXT PRIMARY KEY,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        credential BLOB NOT NULL UNIQUE,
        fixed BLOB NOT NULL,
        moving BLOB NOT NULL,
        transports INTEGER NOT NULL,
        made_at_us INTEGER NOT NULL,
        used_at_us INTEGER,
        revoked_at_us INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX passkeys_by_account ON passkeys (account);";

/// Most passkeys of an account that hold.
pub const OF_ACCOUNT_MAX: usize = 8;
/// Most characters of a name.
pub const NAME_CHARACTERS_MAX: usize = 64;

/// A passkey as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Its id, which names it in lists and lines and opens nothing.
    pub id: String,
    /// Whose account.
    pub account: String,
    /// What its person calls it, 1 to 64 characters.
    pub name: String,
    /// What its device made.
    pub key: MadeKey,
    /// When it was made.
    pub made_at: UtcTime,
    /// When it was shown last.
    pub used_at: Option<UtcTime>,
    /// Since when it lets nobody in.
    pub revoked_at: Option<UtcTime>,
}

impl Passkey {
    /// What an answer is checked by.
    #[must_use]
    pub fn kept(&self) -> KeptPasskey<'_> {
        KeptPasskey {
            account: &self.account,
            credential: &self.key.credential,
            fixed: &self.key.fixed,
            moving: &self.key.moving,
        }
    }

    /// What a line says of its key: the SHA-256 of its credential id and of what never changes, hexadecimal,
    /// so that another in its place is found.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut all = self.key.fixed.clone();
        all.extend_from_slice(Digest::of(&self.key.credential).as_bytes());
        Digest::of(&all).to_string()
    }
}

const COLUMNS: &str = "id, account, name, credential, fixed, moving, transports, made_at_us, used_at_us, revoked_at_us";

fn from_row(row: &Row<'_>) -> Result<Passkey, StoreError> {
    const DOING: &str = "read a passkey";
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let bytes = |at: usize| row.get::<_, Vec<u8>>(at).doing(DOING);
    let maybe = |at: usize| {
        let us: Option<i64> = row.get(at).doing(DOING)?;
        Ok::<_, StoreError>(us.map(UtcTime::from_unix_us))
    };
    Ok(Passkey {
        id: text(0)?,
        account: text(1)?,
        name: text(2)?,
        key: MadeKey {
            credential: bytes(3)?,
            fixed: bytes(4)?,
            moving: bytes(5)?,
            transports: row.get(6).doing(DOING)?,
        },
        made_at: row.get(7).map(UtcTime::from_unix_us).doing(DOING)?,
        used_at: maybe(8)?,
        revoked_at: maybe(9)?,
    })
}

fn find(main: &Connection, column: &str, value: impl ToSql) -> Result<Option<Passkey>, StoreError> {
    const DOING: &str = "look a passkey up";
    let sql = format!("SELECT {COLUMNS} FROM passkeys WHERE {column} = ?");
    let mut statement = main.prepare_cached(&sql).doing(DOING)?;
    let found = statement.query_row([value], |row| Ok(from_row(row)));
    found.optional().doing(DOING)?.transpose()
}

/// A passkey, by its id.
///
/// # Errors
/// [`StoreError`].
pub fn of_id(main: &Connection, id: &str) -> Result<Option<Passkey>, StoreError> {
    find(main, "id", id)
}

/// A passkey, by its credential id, also one that is revoked.
///
/// # Errors
/// [`StoreError`].
pub fn of_credential(main: &Connection, credential: &[u8]) -> Result<Option<Passkey>, StoreError> {
    find(main, "credential", credential)
}

/// Every passkey, also those that are revoked, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<Passkey>, StoreError> {
    some(main, "1", [])
}

/// The passkeys of an account that hold, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn of_account(main: &Connection, account: &str) -> Result<Vec<Passkey>, StoreError> {
    some(main, "account = ? AND revoked_at_us IS NULL", [account])
}

/// Those that a rule in SQL takes, oldest first.
fn some(main: &Connection, rule: &str, values: impl Params) -> Result<Vec<Passkey>, StoreError> {
    const DOING: &str = "list the passkeys";
    let sql = format!("SELECT {COLUMNS} FROM passkeys WHERE {rule} ORDER BY made_at_us, id");
    let mut statement = main.prepare_cached(&sql).doing(DOING)?;
    let mut rows = statement.query(values).doing(DOING)?;
    let mut some = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        some.push(from_row(row)?);
    }
    Ok(some)
}

/// The same, as a device is told of them.
pub(super) fn known(main: &Connection, account: &str) -> Result<Vec<KnownKey>, StoreError> {
    let found = of_account(main, account)?.into_iter();
    let known = found.map(|one| KnownKey {
        credential: one.key.credential,
        transports: one.key.transports,
    });
    Ok(known.collect())
}

/// Keeps a passkey.
pub(super) fn make(main: &Connection, made: &Passkey) -> Result<(), StoreError> {
    let sql = "INSERT INTO passkeys (id, account, name, credential, fixed, moving, transports, made_at_us)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let key = &made.key;
    let kept = params![
        made.id,
        made.account,
        made.name,
        key.credential,
        key.fixed,
        key.moving,
        key.transports,
        made.made_at.unix_us()
    ];
    main.execute(sql, kept).doing("keep a passkey")?;
    Ok(())
}

/// Notes that a passkey was shown, and its counter. False when it was shown meanwhile, or is revoked.
pub(super) fn used(
    main: &Connection,
    before: &Passkey,
    moving: &[u8],
    now: UtcTime,
) -> Result<bool, StoreError> {
    let sql = "UPDATE passkeys SET moving = ?, used_at_us = ? WHERE id = ? AND moving = ?
               AND revoked_at_us IS NULL";
    let used = params![moving, now.unix_us(), before.id, before.key.moving];
    let changed = main
        .execute(sql, used)
        .doing("note that a passkey was used");
    Ok(changed? == 1)
}

/// Revokes a passkey for good.
pub(super) fn revoke(main: &Connection, id: &str, now: UtcTime) -> Result<(), StoreError> {
    let sql = "UPDATE passkeys SET revoked_at_us = ? WHERE id = ? AND revoked_at_us IS NULL";
    let changed = main.execute(sql, params![now.unix_us(), id]);
    changed.doing("revoke a passkey")?;
    Ok(())
}
