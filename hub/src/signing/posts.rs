//! Posts: the workstations from which persons sign in (C04, C21). This module owns the table `posts`.
//!
//! A post has a key that cannot leave its workstation; the hub knows the public part. It is enrolled with
//! a one-time code and revoked for good: lent apparatus is called back.

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use crate::store::sql::{Connection, OptionalExtension as _, Row, ToSql, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`]. A name is free again once its post is revoked.
pub const SCHEMA: &str = "
    CREATE TABLE posts (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        body TEXT NOT NULL,
        made_at_us INTEGER NOT NULL,
        code_digest BLOB UNIQUE CHECK (length(code_digest) = 32),
        code_ends_us INTEGER,
        public_key BLOB UNIQUE CHECK (length(public_key) = 65),
        enrolled_at_us INTEGER,
        seen_at_us INTEGER,
        revoked_at_us INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX posts_by_name ON posts (name COLLATE NOCASE) WHERE revoked_at_us IS NULL;";

/// Bytes of a public key: a point of P-256, uncompressed.
pub const KEY_BYTES: usize = 65;
/// Bytes of a signature: r and s.
pub const SIGNATURE_BYTES: usize = 64;

/// A post as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Its id, which never changes.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub body: String,
    /// When it was invited.
    pub made_at: UtcTime,
    /// Until when its code holds, when it was not used.
    pub code_ends_at: Option<UtcTime>,
    /// Its public key, once it is enrolled.
    pub public_key: Option<Vec<u8>>,
    /// When it was enrolled.
    pub enrolled_at: Option<UtcTime>,
    /// When somebody signed in from it last.
    pub seen_at: Option<UtcTime>,
    /// Since when nobody signs in from it any more.
    pub revoked_at: Option<UtcTime>,
}

impl Post {
    /// Whether persons may sign in from it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.revoked_at.is_none() && self.public_key.is_some()
    }

    /// Whether its key signed some bytes.
    #[must_use]
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        let key = self.public_key.as_deref();
        self.holds() && key.is_some_and(|key| is_signed(key, bytes, signature))
    }
}

/// Whether a key (65 bytes) signed some bytes: ECDSA over P-256 with SHA-256, 64 bytes of r and s.
#[must_use]
pub fn is_signed(key: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
    key.verify(bytes, signature).is_ok()
}

/// What a line says of a public key: its SHA-256, hexadecimal.
#[must_use]
pub fn key_digest(key: &[u8]) -> String {
    Digest::of(key).to_string()
}

const COLUMNS: &str =
    "id, name, body, made_at_us, code_ends_us, public_key, enrolled_at_us, seen_at_us,
    revoked_at_us";

fn from_row(row: &Row<'_>) -> Result<Post, StoreError> {
    const DOING: &str = "read a post";
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let maybe = |at: usize| {
        let us: Option<i64> = row.get(at).doing(DOING)?;
        Ok::<_, StoreError>(us.map(UtcTime::from_unix_us))
    };
    Ok(Post {
        id: text(0)?,
        name: text(1)?,
        body: text(2)?,
        made_at: row.get(3).map(UtcTime::from_unix_us).doing(DOING)?,
        code_ends_at: maybe(4)?,
        public_key: row.get(5).doing(DOING)?,
        enrolled_at: maybe(6)?,
        seen_at: maybe(7)?,
        revoked_at: maybe(8)?,
    })
}

fn find(main: &Connection, rule: &str, value: impl ToSql) -> Result<Option<Post>, StoreError> {
    const DOING: &str = "look a post up";
    let sql = format!("SELECT {COLUMNS} FROM posts WHERE {rule}");
    let mut statement = main.prepare_cached(&sql).doing(DOING)?;
    let found = statement.query_row([value], |row| Ok(from_row(row)));
    found.optional().doing(DOING)?.transpose()
}

/// A post, by its id.
///
/// # Errors
/// [`StoreError`].
pub fn of_id(main: &Connection, id: &str) -> Result<Option<Post>, StoreError> {
    find(main, "id = ?", id)
}

/// The post of a name that is not revoked.
///
/// # Errors
/// [`StoreError`].
pub fn of_name(main: &Connection, name: &str) -> Result<Option<Post>, StoreError> {
    find(
        main,
        "name = ? COLLATE NOCASE AND revoked_at_us IS NULL",
        name,
    )
}

/// The post that is yet to be enrolled with a code of this digest, whether the code still holds or not.
///
/// # Errors
/// [`StoreError`].
pub fn of_code(main: &Connection, code: &Digest) -> Result<Option<Post>, StoreError> {
    find(main, "code_digest = ?", code.as_bytes())
}

/// Every post, by name.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<Post>, StoreError> {
    const DOING: &str = "list the posts";
    let sql = format!("SELECT {COLUMNS} FROM posts ORDER BY name, made_at_us");
    let mut statement = main.prepare(&sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(from_row(row)?);
    }
    Ok(all)
}

/// Keeps an invited post with the digest of its code.
pub(super) fn make(main: &Connection, post: &Post, code: &Digest) -> Result<(), StoreError> {
    let sql = "INSERT INTO posts (id, name, body, made_at_us, code_digest, code_ends_us)
               VALUES (?, ?, ?, ?, ?, ?)";
    let ends_us = post.code_ends_at.map(UtcTime::unix_us);
    let (made_us, code) = (post.made_at.unix_us(), code.as_bytes());
    let made = params![post.id, post.name, post.body, made_us, code, ends_us];
    main.execute(sql, made).doing("invite a post")?;
    Ok(())
}

/// Keeps the key that came with the code. False when another used the code first.
pub(super) fn enrol(
    main: &Connection,
    id: &str,
    key: &[u8],
    now: UtcTime,
) -> Result<bool, StoreError> {
    let sql = "UPDATE posts SET public_key = ?, enrolled_at_us = ?, code_digest = NULL,
               code_ends_us = NULL WHERE id = ? AND code_digest IS NOT NULL AND revoked_at_us IS NULL";
    let changed = main.execute(sql, params![key, now.unix_us(), id]);
    Ok(changed.doing("enrol a post")? == 1)
}

/// Whether a key is some post's, also of one that is revoked.
pub(super) fn is_known_key(main: &Connection, key: &[u8]) -> Result<bool, StoreError> {
    Ok(find(main, "public_key = ?", key)?.is_some())
}

/// Notes that somebody signed in from a post.
pub(super) fn seen(main: &Connection, id: &str, now: UtcTime) -> Result<(), StoreError> {
    let sql = "UPDATE posts SET seen_at_us = ? WHERE id = ?";
    main.execute(sql, params![now.unix_us(), id])
        .doing("note that a post was used")?;
    Ok(())
}

/// Revokes a post for good. False when it was.
pub(super) fn revoke(main: &Connection, id: &str, now: UtcTime) -> Result<bool, StoreError> {
    let sql = "UPDATE posts SET revoked_at_us = ?, code_digest = NULL, code_ends_us = NULL
               WHERE id = ? AND revoked_at_us IS NULL";
    let changed = main.execute(sql, params![now.unix_us(), id]);
    Ok(changed.doing("revoke a post")? == 1)
}
