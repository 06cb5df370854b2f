//! Accounts of persons. This module owns the table `accounts`.
//!
//! An account is one person's. It lets nobody in until its person has set a password and a second factor
//! with a one-time code; each further code takes both away, so that recovery and a first beginning are one
//! way. An account is never removed: it is disabled, with the reason.

use std::time::Duration;

use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::user_name::UserName;
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError, number};

/// The table, for [`crate::store::migrate`]. `changed_at_us` moves with each invitation, each opening and
/// each time it is disabled or enabled.
pub const SCHEMA: &str = "
    CREATE TABLE accounts (
        id TEXT PRIMARY KEY,
        actor_id TEXT NOT NULL UNIQUE,
        user_name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        made_at_us INTEGER NOT NULL,
        changed_at_us INTEGER NOT NULL,
        invitation_digest BLOB UNIQUE CHECK (length(invitation_digest) = 32),
        invitation_ends_us INTEGER,
        invitation_secret BLOB,
        password TEXT,
        second_factor BLOB,
        last_step INTEGER NOT NULL DEFAULT 0,
        used_at_us INTEGER,
        disabled_at_us INTEGER,
        disabled_why TEXT
    ) STRICT, WITHOUT ROWID;";

/// How long an account may lie unused (C29): as long as the shortest six months of a calendar, so that it
/// is never later than six months.
pub const UNUSED_MAX: Duration = Duration::from_secs(181 * 86_400);

/// Why an account lets nobody in any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyDisabled {
    /// Somebody who sees to the accounts said so.
    ByHand,
    /// It lay unused for six months.
    Unused,
    /// Its person holds no office any more.
    NoOffice,
}

impl WhyDisabled {
    const ALL: [(Self, &'static str); 3] = [
        (Self::ByHand, "by hand"),
        (Self::Unused, "unused for six months"),
        (Self::NoOffice, "no appointment holds"),
    ];

    /// The words, as lines and the table have them.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(why, _)| *why == self);
        found.map_or("", |(_, words)| words)
    }
}

/// What lets a person in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The PHC string of the password.
    pub password: String,
    /// The second factor's secret, sealed.
    pub second_factor: Vec<u8>,
}

impl Credentials {
    /// What a line says of them: their SHA-256, so that others put in their place are found.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut all = self.password.clone().into_bytes();
        all.push(0);
        all.extend_from_slice(&self.second_factor);
        Digest::of(&all)
    }
}

/// An open invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenInvitation {
    /// Of the code.
    pub digest: Digest,
    /// Until when the code holds.
    pub ends_at: UtcTime,
    /// The secret of the second factor to come, sealed.
    pub secret: Vec<u8>,
}

/// An account as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonAccount {
    /// Its id, which never changes.
    pub id: String,
    /// Whose it is.
    pub actor_id: String,
    /// What its person types.
    pub user_name: UserName,
    /// When it was made.
    pub made_at: UtcTime,
    /// When it was last invited, opened, disabled or enabled.
    pub changed_at: UtcTime,
    /// The code that is yet to be used.
    pub invitation: Option<OpenInvitation>,
    /// What lets its person in; none before it is opened.
    pub credentials: Option<Credentials>,
    /// The last step of the second factor that was taken.
    pub last_step: u64,
    /// When its person signed in last.
    pub used_at: Option<UtcTime>,
    /// Since when it lets nobody in.
    pub disabled_at: Option<UtcTime>,
    /// Why.
    pub disabled_why: Option<String>,
}

impl PersonAccount {
    /// Whether it lay unused for too long.
    #[must_use]
    pub fn is_unused(&self, now: UtcTime) -> bool {
        let last = self.used_at.unwrap_or(self.changed_at);
        now >= last + UNUSED_MAX
    }
}

const COLUMNS: &str = "id, actor_id, user_name, made_at_us, changed_at_us, invitation_digest,
    invitation_ends_us, invitation_secret, password, second_factor, last_step, used_at_us,
    disabled_at_us, disabled_why";

fn from_row(row: &Row<'_>) -> Result<PersonAccount, StoreError> {
    const DOING: &str = "read an account";
    const DAMAGED: StoreError = StoreError::Damaged { what: "account" };
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
    let maybe = |at: usize| {
        let us: Option<i64> = row.get(at).doing(DOING)?;
        Ok::<_, StoreError>(us.map(UtcTime::from_unix_us))
    };
    let bytes = |at: usize| row.get::<_, Option<Vec<u8>>>(at).doing(DOING);
    let invitation = match (bytes(5)?, maybe(6)?, bytes(7)?) {
        (Some(digest), Some(ends_at), Some(secret)) => {
            let digest = Digest::try_from(digest.as_slice()).map_err(|_| DAMAGED)?;
            Some(OpenInvitation {
                digest,
                ends_at,
                secret,
            })
        }
        (None, None, None) => None,
        _ => return Err(DAMAGED),
    };
    let password: Option<String> = row.get(8).doing(DOING)?;
    let credentials = match (password, bytes(9)?) {
        (Some(password), Some(second_factor)) => Some(Credentials {
            password,
            second_factor,
        }),
        (None, None) => None,
        _ => return Err(DAMAGED),
    };
    Ok(PersonAccount {
        id: text(0)?,
        actor_id: text(1)?,
        user_name: text(2)?.parse().map_err(|_| DAMAGED)?,
        made_at: time(3)?,
        changed_at: time(4)?,
        invitation,
        credentials,
        last_step: number::unsigned(row.get(10).doing(DOING)?, "account")?,
        used_at: maybe(11)?,
        disabled_at: maybe(12)?,
        disabled_why: row.get(13).doing(DOING)?,
    })
}

fn find(
    main: &Connection,
    column: &str,
    value: impl crate::store::sql::ToSql,
) -> Result<Option<PersonAccount>, StoreError> {
    const DOING: &str = "look an account up";
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE {column} = ?");
    let mut statement = main.prepare_cached(&sql).doing(DOING)?;
    let found = statement.query_row([value], |row| Ok(from_row(row)));
    found.optional().doing(DOING)?.transpose()
}

/// An account, by its id.
///
/// # Errors
/// [`StoreError`].
pub fn of_id(main: &Connection, id: &str) -> Result<Option<PersonAccount>, StoreError> {
    find(main, "id", id)
}

/// An account, by its user name.
///
/// # Errors
/// [`StoreError`].
pub fn of_user(main: &Connection, name: &UserName) -> Result<Option<PersonAccount>, StoreError> {
    find(main, "user_name", name.as_str())
}

/// The account of an actor.
///
/// # Errors
/// [`StoreError`].
pub fn of_actor(main: &Connection, actor_id: &str) -> Result<Option<PersonAccount>, StoreError> {
    find(main, "actor_id", actor_id)
}

/// The account whose invitation has a code of this digest, whether it still holds or not.
///
/// # Errors
/// [`StoreError`].
pub fn of_code(main: &Connection, code: &Digest) -> Result<Option<PersonAccount>, StoreError> {
    find(main, "invitation_digest", code.as_bytes())
}

/// Every account, by user name.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<PersonAccount>, StoreError> {
    const DOING: &str = "list the accounts";
    let sql = format!("SELECT {COLUMNS} FROM accounts ORDER BY user_name");
    let mut statement = main.prepare(&sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(from_row(row)?);
    }
    Ok(all)
}

/// What a new account is.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewAccount<'a> {
    pub(super) id: &'a str,
    pub(super) actor_id: &'a str,
    pub(super) user_name: &'a UserName,
}

/// Makes an account that lets nobody in.
pub(super) fn make(main: &Connection, new: NewAccount<'_>, now: UtcTime) -> Result<(), StoreError> {
    let sql = "INSERT INTO accounts (id, actor_id, user_name, made_at_us, changed_at_us)
               VALUES (?, ?, ?, ?, ?)";
    let now = now.unix_us();
    let made = params![new.id, new.actor_id, new.user_name.as_str(), now, now];
    main.execute(sql, made).doing("make an account")?;
    Ok(())
}

/// Keeps a code in the place of what was there, and takes password and second factor away. A disabled
/// account is enabled.
pub(super) fn invite(
    main: &Connection,
    id: &str,
    invitation: &OpenInvitation,
    now: UtcTime,
) -> Result<(), StoreError> {
    let sql = "UPDATE accounts SET invitation_digest = ?, invitation_ends_us = ?,
               invitation_secret = ?, password = NULL, second_factor = NULL, used_at_us = NULL,
               disabled_at_us = NULL, disabled_why = NULL, changed_at_us = ? WHERE id = ?";
    let kept = params![
        invitation.digest.as_bytes(),
        invitation.ends_at.unix_us(),
        invitation.secret,
        now.unix_us(),
        id
    ];
    main.execute(sql, kept).doing("invite to an account")?;
    Ok(())
}

/// Keeps what its person set with the code, and the step that showed it. False when another used the code
/// first.
pub(super) fn open(
    main: &Connection,
    account: &PersonAccount,
    set: &Credentials,
    step: u64,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let Some(invitation) = &account.invitation else {
        return Ok(false);
    };
    let sql = "UPDATE accounts SET password = ?, second_factor = ?, last_step = ?, used_at_us = ?,
               changed_at_us = ?, invitation_digest = NULL, invitation_ends_us = NULL,
               invitation_secret = NULL WHERE id = ? AND invitation_digest = ?
               AND disabled_at_us IS NULL";
    let (step, now) = (number::signed(step, "account")?, now.unix_us());
    let code = invitation.digest.as_bytes();
    let kept = params![
        set.password,
        set.second_factor,
        step,
        now,
        now,
        account.id,
        code
    ];
    Ok(main.execute(sql, kept).doing("open an account")? == 1)
}

/// Notes that its person signed in with this step. False when that step, or a later one, was taken before.
pub(super) fn take_step(
    main: &Connection,
    id: &str,
    step: u64,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let sql = "UPDATE accounts SET last_step = ?1, used_at_us = ?2 WHERE id = ?3 AND last_step < ?1
               AND disabled_at_us IS NULL AND password IS NOT NULL";
    let taken = params![number::signed(step, "account")?, now.unix_us(), id];
    Ok(main
        .execute(sql, taken)
        .doing("take a step of a second factor")?
        == 1)
}

/// Notes that its person signed in, by something else than a step. False when it lets nobody in.
pub(super) fn used(main: &Connection, id: &str, now: UtcTime) -> Result<bool, StoreError> {
    let sql = "UPDATE accounts SET used_at_us = ? WHERE id = ? AND disabled_at_us IS NULL
               AND password IS NOT NULL";
    let changed = main.execute(sql, params![now.unix_us(), id]);
    Ok(changed.doing("note that an account was used")? == 1)
}

/// Disables an account. False when it was.
pub(super) fn disable(
    main: &Connection,
    id: &str,
    why: WhyDisabled,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let sql = "UPDATE accounts SET disabled_at_us = ?1, disabled_why = ?2, changed_at_us = ?1
               WHERE id = ?3 AND disabled_at_us IS NULL";
    let changed = main.execute(sql, params![now.unix_us(), why.as_str(), id]);
    Ok(changed.doing("disable an account")? == 1)
}

/// Enables an account, which counts as used now. False when it was.
pub(super) fn enable(main: &Connection, id: &str, now: UtcTime) -> Result<bool, StoreError> {
    let sql = "UPDATE accounts SET disabled_at_us = NULL, disabled_why = NULL, used_at_us = ?1,
               changed_at_us = ?1 WHERE id = ?2 AND disabled_at_us IS NOT NULL";
    let changed = main.execute(sql, params![now.unix_us(), id]);
    Ok(changed.doing("enable an account")? == 1)
}
