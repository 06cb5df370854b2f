//! Sessions: somebody signed in, from a post, for at most half a day. This module owns the table
//! `sessions`.
//!
//! A session is known by 32 random bytes in a cookie, of which only the SHA-256 is stored. What it is now
//! is worked out from its row each time it is shown, from those of its account and of its post too: none of
//! them ends without it.

use std::time::Duration;

use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`]. `idle_us` is how long it may lie idle before it is locked.
pub const SCHEMA: &str = "
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
        account TEXT NOT NULL,
        actor_id TEXT NOT NULL,
        post TEXT,
        made_at_us INTEGER NOT NULL,
        seen_at_us INTEGER NOT NULL,
        idle_us INTEGER NOT NULL,
        ends_at_us INTEGER NOT NULL,
        locked_at_us INTEGER,
        misses INTEGER NOT NULL DEFAULT 0,
        ended_at_us INTEGER,
        ended_why TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_by_account ON sessions (account) WHERE ended_at_us IS NULL;
    CREATE INDEX sessions_by_post ON sessions (post) WHERE ended_at_us IS NULL;";

/// Wrong passwords at a locked session before it ends.
pub const MISSES_MAX: u32 = 5;
/// How long after its time an ended session is remembered, in microseconds.
const REMEMBERED_US: i64 = 31 * 86_400 * 1_000_000;
/// In how many parts an idle time is noted: a session is locked at most one part early.
const NOTED_PARTS: u32 = 20;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyEnded {
    /// Its person signed out.
    SignedOut,
    /// It had lasted as long as one may.
    Over,
    /// Somebody who sees to the sessions ended it.
    ByHand,
    /// Its account was disabled, or invited anew.
    Account,
    /// Its post was revoked.
    Post,
    /// Too many wrong passwords were given while it was locked.
    Misses,
    /// Its person signed in again from the same browser.
    Replaced,
    /// An older copy of the database was put in place.
    Restored,
}

impl WhyEnded {
    const ALL: [(Self, &'static str); 8] = [
        (Self::SignedOut, "signed out"),
        (Self::Over, "its time was over"),
        (Self::ByHand, "by hand"),
        (Self::Account, "its account was disabled or invited anew"),
        (Self::Post, "its post was revoked"),
        (Self::Misses, "too many wrong passwords while it was locked"),
        (Self::Replaced, "signed in anew"),
        (Self::Restored, "an older database was put in place"),
    ];

    /// The words, as lines and the table have them.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(why, _)| *why == self);
        found.map_or("", |(_, words)| words)
    }
}

/// A session that was shown and was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSession {
    /// Its id, which names it in lists and lines and opens nothing.
    pub id: String,
    /// Whose account.
    pub account: String,
    /// Who.
    pub actor_id: String,
    /// From which post; none where none is needed.
    pub post: Option<String>,
    /// When it was last noted that its person did something.
    pub seen_at: UtcTime,
    /// How long it may lie idle.
    pub idle: Duration,
    /// When it ends at the latest.
    pub ends_at: UtcTime,
}

impl KnownSession {
    /// Whether it is time to note that its person does something.
    #[must_use]
    pub fn is_to_be_noted(&self, now: UtcTime) -> bool {
        now < self.seen_at || now.since(self.seen_at) >= self.idle / NOTED_PARTS
    }
}

/// What a session that was shown is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionShown {
    /// It holds.
    Holds(KnownSession),
    /// It lay idle, or its person locked it: the password is asked first.
    Locked(KnownSession),
    /// It ended, by itself or with its account or post.
    Ended(KnownSession),
    /// Nobody's.
    Unknown,
}

/// What is kept of a cookie.
#[must_use]
pub fn digest_of(cookie: &str) -> Digest {
    Digest::of(cookie.as_bytes())
}

/// What the session of a cookie is at a moment.
///
/// # Errors
/// [`StoreError`].
pub fn shown(main: &Connection, cookie: &str, now: UtcTime) -> Result<SessionShown, StoreError> {
    shown_by(main, &digest_of(cookie), now)
}

/// The same, by what is kept of the cookie.
///
/// # Errors
/// [`StoreError`].
pub fn shown_by(
    main: &Connection,
    digest: &Digest,
    now: UtcTime,
) -> Result<SessionShown, StoreError> {
    let mut statement = main.prepare_cached(&shown_where("digest")).doing(LOOKING)?;
    let found = statement.query_row([digest.as_bytes()], |row| Ok(of_row(row, now)));
    let found = found.optional().doing(LOOKING)?.transpose()?;
    Ok(found.unwrap_or(SessionShown::Unknown))
}

/// The same, by its id: for whoever asks whether somebody else is signed in.
///
/// # Errors
/// [`StoreError`].
pub fn shown_of(main: &Connection, id: &str, now: UtcTime) -> Result<SessionShown, StoreError> {
    let mut statement = main.prepare_cached(&shown_where("id")).doing(LOOKING)?;
    let found = statement.query_row([id], |row| Ok(of_row(row, now)));
    let found = found.optional().doing(LOOKING)?.transpose()?;
    Ok(found.unwrap_or(SessionShown::Unknown))
}

const LOOKING: &str = "look a session up";

/// A session whose account or post is not there, or does not hold, has ended.
fn shown_where(column: &str) -> String {
    format!(
        "SELECT s.id, s.account, s.actor_id, s.post, s.seen_at_us, s.idle_us, s.ends_at_us,
               s.locked_at_us, s.ended_at_us, s.made_at_us,
               a.id IS NOT NULL AND a.disabled_at_us IS NULL AND a.password IS NOT NULL
                   AND a.actor_id = s.actor_id,
               s.post IS NULL OR (p.id IS NOT NULL AND p.revoked_at_us IS NULL)
               FROM sessions s LEFT JOIN accounts a ON a.id = s.account
               LEFT JOIN posts p ON p.id = s.post WHERE s.{column} = ?"
    )
}

fn of_row(row: &Row<'_>, now: UtcTime) -> Result<SessionShown, StoreError> {
    const DOING: &str = "read a session";
    let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
    let is_set =
        |at: usize| Ok::<_, StoreError>(row.get::<_, Option<i64>>(at).doing(DOING)?.is_some());
    let idle_us: i64 = row.get(5).doing(DOING)?;
    let idle_us = u64::try_from(idle_us).map_err(|_| StoreError::Damaged { what: "session" })?;
    let session = KnownSession {
        id: row.get(0).doing(DOING)?,
        account: row.get(1).doing(DOING)?,
        actor_id: row.get(2).doing(DOING)?,
        post: row.get(3).doing(DOING)?,
        seen_at: time(4)?,
        idle: Duration::from_micros(idle_us),
        ends_at: time(6)?,
    };
    let (is_locked, is_ended) = (is_set(7)?, is_set(8)?);
    let (account_holds, post_holds): (bool, bool) =
        (row.get(10).doing(DOING)?, row.get(11).doing(DOING)?);
    // A clock that went back before it was made gives it no longer life.
    let is_over = now >= session.ends_at || now < time(9)?;
    if is_ended || is_over || !account_holds || !post_holds {
        return Ok(SessionShown::Ended(session));
    }
    if is_locked || now >= session.seen_at + session.idle {
        return Ok(SessionShown::Locked(session));
    }
    Ok(SessionShown::Holds(session))
}

/// What a new session is.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewSession<'a> {
    pub(super) id: &'a str,
    pub(super) digest: &'a Digest,
    pub(super) account: &'a str,
    pub(super) actor_id: &'a str,
    pub(super) post: Option<&'a str>,
    pub(super) idle: Duration,
    pub(super) ends_at: UtcTime,
}

/// Keeps a new session.
pub(super) fn make(main: &Connection, new: NewSession<'_>, now: UtcTime) -> Result<(), StoreError> {
    let damaged = |_| StoreError::Damaged { what: "session" };
    let idle_us = i64::try_from(new.idle.as_micros()).map_err(damaged)?;
    let sql = "INSERT INTO sessions (id, digest, account, actor_id, post, made_at_us, seen_at_us,
               idle_us, ends_at_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)";
    let made = params![
        new.id,
        new.digest.as_bytes(),
        new.account,
        new.actor_id,
        new.post,
        now.unix_us(),
        idle_us,
        new.ends_at.unix_us()
    ];
    main.execute(sql, made).doing("begin a session")?;
    Ok(())
}

/// Notes that its person does something.
///
/// # Errors
/// [`StoreError`].
pub fn touch(main: &Connection, id: &str, now: UtcTime) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET seen_at_us = ? WHERE id = ? AND locked_at_us IS NULL
               AND ended_at_us IS NULL";
    main.execute(sql, params![now.unix_us(), id])
        .doing("note that a session is used")?;
    Ok(())
}

/// Locks a session. False when it was, or has ended.
pub(super) fn lock(main: &Connection, id: &str, now: UtcTime) -> Result<bool, StoreError> {
    let sql = "UPDATE sessions SET locked_at_us = ? WHERE id = ? AND locked_at_us IS NULL
               AND ended_at_us IS NULL";
    let changed = main.execute(sql, params![now.unix_us(), id]);
    Ok(changed.doing("lock a session")? == 1)
}

/// Unlocks a session. False when it has ended.
pub(super) fn unlock(main: &Connection, id: &str, now: UtcTime) -> Result<bool, StoreError> {
    let sql = "UPDATE sessions SET locked_at_us = NULL, misses = 0, seen_at_us = ? WHERE id = ?
               AND ended_at_us IS NULL";
    let changed = main.execute(sql, params![now.unix_us(), id]);
    Ok(changed.doing("unlock a session")? == 1)
}

/// Counts a wrong password at a locked session, and gives how many there were.
pub(super) fn miss(main: &Connection, id: &str) -> Result<u32, StoreError> {
    let sql = "UPDATE sessions SET misses = misses + 1 WHERE id = ? RETURNING misses";
    main.query_row(sql, [id], |row| row.get(0))
        .doing("count a wrong password")
}

/// Ends a session for good. False when it had ended.
pub(super) fn end(
    main: &Connection,
    id: &str,
    why: WhyEnded,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let sql = "UPDATE sessions SET ended_at_us = ?, ended_why = ? WHERE id = ?
               AND ended_at_us IS NULL";
    let changed = main.execute(sql, params![now.unix_us(), why.as_str(), id]);
    Ok(changed.doing("end a session")? == 1)
}

/// Forgets sessions that ended long ago; their lines stay.
pub(super) fn forget(main: &Connection, now: UtcTime) -> Result<(), StoreError> {
    let sql = "DELETE FROM sessions WHERE ended_at_us IS NOT NULL AND ends_at_us < ?";
    let before = now.unix_us().saturating_sub(REMEMBERED_US);
    main.execute(sql, [before]).doing("forget old sessions")?;
    Ok(())
}

/// Whose sessions are meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    /// Those of an account.
    Account(&'a str),
    /// Those from a post.
    Post(&'a str),
}

/// Ends all sessions of an account or of a post, and gives which lived.
pub(super) fn end_all(
    main: &Connection,
    of: Of<'_>,
    why: WhyEnded,
    now: UtcTime,
) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "end sessions";
    let (column, value) = match of {
        Of::Account(id) => ("account", id),
        Of::Post(id) => ("post", id),
    };
    let sql = format!(
        "UPDATE sessions SET ended_at_us = ?, ended_why = ? WHERE {column} = ?
         AND ended_at_us IS NULL RETURNING id"
    );
    let mut statement = main.prepare(&sql).doing(DOING)?;
    let rows = statement.query_map(params![now.unix_us(), why.as_str(), value], |row| {
        row.get(0)
    });
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// A session as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// Whose account.
    pub account: String,
    /// Who.
    pub actor_id: String,
    /// From which post.
    pub post: Option<String>,
    /// When its person signed in.
    pub made_at: UtcTime,
    /// When it was last noted that its person did something.
    pub seen_at: UtcTime,
    /// When it lies idle for too long.
    pub idle_at: UtcTime,
    /// When it ends at the latest.
    pub ends_at: UtcTime,
    /// Since when it is locked.
    pub locked_at: Option<UtcTime>,
}

/// The sessions that nothing ended yet, also those whose time is over, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn open_rows(main: &Connection) -> Result<Vec<SessionRow>, StoreError> {
    const DOING: &str = "list the sessions";
    let sql = "SELECT id, account, actor_id, post, made_at_us, seen_at_us, seen_at_us + idle_us,
               ends_at_us, locked_at_us FROM sessions WHERE ended_at_us IS NULL
               ORDER BY made_at_us, id";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| {
        let locked: Option<i64> = row.get(8)?;
        let time = |at: usize| row.get(at).map(UtcTime::from_unix_us);
        Ok(SessionRow {
            id: row.get(0)?,
            account: row.get(1)?,
            actor_id: row.get(2)?,
            post: row.get(3)?,
            made_at: time(4)?,
            seen_at: time(5)?,
            idle_at: time(6)?,
            ends_at: time(7)?,
            locked_at: locked.map(UtcTime::from_unix_us),
        })
    });
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}
