//! Accounts that were disabled or set anew, posts that were enrolled or revoked, passkeys that were revoked and
//! sessions that ended, for the floor that no restored database goes below.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sessions::WhyEnded;
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// How long after the newest session an ended one is remembered: each was over long before.
const REMEMBERED_US: i64 = 7 * 86_400 * 1_000_000;

/// An account as it was last known; times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAccount {
    changed_at_us: i64,
    disabled: Option<DisabledAccount>,
}

/// Since when and why an account lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DisabledAccount {
    at_us: i64,
    why: Option<String>,
}

/// By the account's id.
pub type LastAccounts = BTreeMap<String, LastAccount>;

/// A post as it was last known; times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastPost {
    enrolled: bool,
    revoked_at_us: Option<i64>,
}

/// By the post's id.
pub type LastPosts = BTreeMap<String, LastPost>;

/// A session that ended; times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedSession {
    ended_at_us: i64,
    ends_at_us: i64,
}

/// By the session's id.
pub type EndedSessions = BTreeMap<String, EndedSession>;

/// Passkeys that were revoked, by their ids; when, in microseconds.
pub type EndedPasskeys = BTreeMap<String, i64>;

/// What had ended of how persons sign in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndedSigning {
    accounts: LastAccounts,
    posts: LastPosts,
    passkeys: EndedPasskeys,
    sessions: EndedSessions,
}

/// What lived though it had ended, and was ended again; ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SigningEndedAgain {
    /// Accounts whose credentials or codes were taken away, or that were disabled.
    pub accounts: Vec<String>,
    /// Posts that were revoked, or whose code was taken away.
    pub posts: Vec<String>,
    /// Passkeys that were revoked.
    pub passkeys: Vec<String>,
    /// Sessions.
    pub sessions: Vec<String>,
}

impl EndedSigning {
    /// What a main database knows, and what was known before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn of(main: &Connection, before: &Self) -> Result<Self, StoreError> {
        let now = Self {
            accounts: accounts(main)?,
            posts: posts(main)?,
            passkeys: ended_passkeys(main)?,
            sessions: ended_sessions(main)?,
        };
        Ok(before.clone().and(&now))
    }

    /// What this knows, and what another knows too.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (id, account) in &other.accounts {
            let known = self.accounts.get(id);
            if known.is_none_or(|known| known.changed_at_us <= account.changed_at_us) {
                self.accounts.insert(id.clone(), account.clone());
            }
        }
        for (id, post) in &other.posts {
            let known = self.posts.entry(id.clone()).or_insert_with(|| post.clone());
            known.enrolled |= post.enrolled;
            known.revoked_at_us = known.revoked_at_us.or(post.revoked_at_us);
        }
        self.passkeys.extend(other.passkeys.clone());
        self.sessions.extend(other.sessions.clone());
        let newest = self
            .sessions
            .values()
            .map(|session| session.ends_at_us)
            .max();
        if let Some(newest) = newest {
            let is_near = |session: &EndedSession| session.ends_at_us >= newest - REMEMBERED_US;
            self.sessions.retain(|_, session| is_near(session));
        }
        self
    }

    /// Ends again, in the caller's transaction, what lives though it had ended. An account that was set
    /// anew since needs a new code; one that was enabled since stays as disabled as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raise(&self, main: &Connection) -> Result<SigningEndedAgain, StoreError> {
        let mut again = SigningEndedAgain::default();
        for (id, account) in &self.accounts {
            if raise_account(main, id, account)? {
                again.accounts.push(id.clone());
            }
        }
        for (id, post) in &self.posts {
            if raise_post(main, id, post)? {
                again.posts.push(id.clone());
            }
        }
        for (id, at_us) in &self.passkeys {
            if raise_passkey(main, id, *at_us)? {
                again.passkeys.push(id.clone());
            }
        }
        for (id, session) in &self.sessions {
            let sql = "UPDATE sessions SET ended_at_us = ?, ended_why = ? WHERE id = ?
                       AND ended_at_us IS NULL";
            let ended = params![session.ended_at_us, WhyEnded::Restored.as_str(), id];
            if main.execute(sql, ended).doing("end a session again")? == 1 {
                again.sessions.push(id.clone());
            }
        }
        Ok(again)
    }

    /// The same, and ends every session: for a main database that is known to be older.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raise_all(
        &self,
        main: &Connection,
        now_us: i64,
    ) -> Result<SigningEndedAgain, StoreError> {
        const DOING: &str = "end every session";
        let mut again = self.raise(main)?;
        let sql = "UPDATE sessions SET ended_at_us = ?, ended_why = ? WHERE ended_at_us IS NULL
                   RETURNING id";
        let mut statement = main.prepare(sql).doing(DOING)?;
        let ended = params![now_us, WhyEnded::Restored.as_str()];
        let rows = statement.query_map(ended, |row| row.get::<_, String>(0));
        for id in rows.doing(DOING)? {
            again.sessions.push(id.doing(DOING)?);
        }
        Ok(again)
    }
}

fn raise_account(main: &Connection, id: &str, last: &LastAccount) -> Result<bool, StoreError> {
    const DOING: &str = "end an account again";
    let sql = "SELECT changed_at_us FROM accounts WHERE id = ?";
    let found: Option<i64> = main
        .query_row(sql, [id], |row| row.get(0))
        .optional()
        .doing(DOING)?;
    if found.is_none_or(|changed_at_us| changed_at_us >= last.changed_at_us) {
        return Ok(false);
    }
    // What was set since is not here, and what is here had ended.
    let sql = "UPDATE accounts SET password = NULL, second_factor = NULL, invitation_digest = NULL,
               invitation_ends_us = NULL, invitation_secret = NULL, changed_at_us = ? WHERE id = ?";
    main.execute(sql, params![last.changed_at_us, id])
        .doing(DOING)?;
    if let Some(disabled) = &last.disabled {
        let sql = "UPDATE accounts SET disabled_at_us = ?, disabled_why = ? WHERE id = ?
                   AND disabled_at_us IS NULL";
        main.execute(sql, params![disabled.at_us, disabled.why, id])
            .doing(DOING)?;
    }
    Ok(true)
}

fn raise_post(main: &Connection, id: &str, last: &LastPost) -> Result<bool, StoreError> {
    const DOING: &str = "end a post again";
    if let Some(at_us) = last.revoked_at_us {
        let sql = "UPDATE posts SET revoked_at_us = ?, code_digest = NULL, code_ends_us = NULL
                   WHERE id = ? AND revoked_at_us IS NULL";
        return Ok(main.execute(sql, params![at_us, id]).doing(DOING)? == 1);
    }
    if !last.enrolled {
        return Ok(false);
    }
    // The key that came with the code is not here, and the code was used.
    let sql = "UPDATE posts SET code_digest = NULL, code_ends_us = NULL WHERE id = ?
               AND public_key IS NULL AND code_digest IS NOT NULL";
    Ok(main.execute(sql, [id]).doing(DOING)? == 1)
}

fn raise_passkey(main: &Connection, id: &str, at_us: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE passkeys SET revoked_at_us = ? WHERE id = ? AND revoked_at_us IS NULL";
    let changed = main.execute(sql, params![at_us, id]);
    Ok(changed.doing("revoke a passkey again")? == 1)
}

fn ended_passkeys(main: &Connection) -> Result<EndedPasskeys, StoreError> {
    const DOING: &str = "list the revoked passkeys";
    let sql = "SELECT id, revoked_at_us FROM passkeys WHERE revoked_at_us IS NOT NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

fn accounts(main: &Connection) -> Result<LastAccounts, StoreError> {
    const DOING: &str = "list the accounts";
    let sql = "SELECT id, changed_at_us, disabled_at_us, disabled_why FROM accounts";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| {
        let (at_us, why): (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
        let account = LastAccount {
            changed_at_us: row.get(1)?,
            disabled: at_us.map(|at_us| DisabledAccount { at_us, why }),
        };
        Ok((row.get(0)?, account))
    });
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

fn posts(main: &Connection) -> Result<LastPosts, StoreError> {
    const DOING: &str = "list the posts";
    let sql = "SELECT id, public_key IS NOT NULL, revoked_at_us FROM posts";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| {
        let post = LastPost {
            enrolled: row.get(1)?,
            revoked_at_us: row.get(2)?,
        };
        Ok((row.get(0)?, post))
    });
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

fn ended_sessions(main: &Connection) -> Result<EndedSessions, StoreError> {
    const DOING: &str = "list the ended sessions";
    let sql = "SELECT id, ended_at_us, ends_at_us FROM sessions WHERE ended_at_us IS NOT NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| {
        let session = EndedSession {
            ended_at_us: row.get(1)?,
            ends_at_us: row.get(2)?,
        };
        Ok((row.get(0)?, session))
    });
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}
