//! Invitations to edges that are yet to be enrolled. This module owns the table `invitations`.
//!
//! A token is kept as its digest. It holds until its end and for one box: the sealing key that
//! first came with it. That one may come again, when the answer was lost on its way.

use varco_proto::ids::{Digest, EdgeId, GateId};
use varco_proto::keys::OpeningKey;
use varco_proto::time::UtcTime;

use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE invitations (
        edge TEXT PRIMARY KEY,
        gate TEXT NOT NULL,
        token_digest BLOB NOT NULL UNIQUE CHECK (length(token_digest) = 32),
        broker_host TEXT,
        broker_port INTEGER,
        expires_at_us INTEGER NOT NULL,
        used_by BLOB
    ) STRICT, WITHOUT ROWID;";

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Whom.
    pub edge: EdgeId,
    /// The gate that it will watch.
    pub gate: GateId,
    /// The broker as the edge reaches it, when that is another name than the hub's own.
    pub broker_host: Option<String>,
    /// Its port.
    pub broker_port: Option<u16>,
    /// Until when.
    pub expires_at: UtcTime,
    /// The sealing key that came with the token.
    pub used_by: Option<OpeningKey>,
}

/// Keeps an invitation; an earlier one for the same edge holds no more.
///
/// # Errors
/// [`StoreError`].
pub fn keep(main: &Connection, invitation: &Invitation, token: &Digest) -> Result<(), StoreError> {
    main.execute(
        "INSERT OR REPLACE INTO invitations
         (edge, gate, token_digest, broker_host, broker_port, expires_at_us)
         VALUES (?, ?, ?, ?, ?, ?)",
        params![
            invitation.edge.as_str(),
            invitation.gate.as_str(),
            token.as_bytes(),
            invitation.broker_host,
            invitation.broker_port,
            invitation.expires_at.unix_us(),
        ],
    )
    .doing("keep the invitation")?;
    Ok(())
}

/// The invitation of a token, whether it still holds or not.
///
/// # Errors
/// [`StoreError`].
pub fn find(main: &Connection, token: &Digest) -> Result<Option<Invitation>, StoreError> {
    const DOING: &str = "look the invitation up";
    type Columns = (
        String,
        String,
        Option<String>,
        Option<u16>,
        i64,
        Option<Vec<u8>>,
    );
    let found: Option<Columns> = main
        .query_row(
            "SELECT edge, gate, broker_host, broker_port, expires_at_us, used_by
             FROM invitations WHERE token_digest = ?",
            [token.as_bytes()],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                ))
            },
        )
        .optional()
        .doing(DOING)?;
    let Some((edge, gate, broker_host, broker_port, expires_at, used_by)) = found else {
        return Ok(None);
    };
    let damaged = || StoreError::Damaged { what: "invitation" };
    let used_by = used_by.map(|key| OpeningKey::from_bytes(&key)).transpose();
    Ok(Some(Invitation {
        edge: edge.parse().map_err(|_| damaged())?,
        gate: gate.parse().map_err(|_| damaged())?,
        broker_host,
        broker_port,
        expires_at: UtcTime::from_unix_us(expires_at),
        used_by: used_by.map_err(|_| damaged())?,
    }))
}

/// The gates of all invitations.
///
/// # Errors
/// [`StoreError`].
pub fn gates(main: &Connection) -> Result<Vec<GateId>, StoreError> {
    const DOING: &str = "list the invitations' gates";
    let mut statement = main
        .prepare_cached("SELECT DISTINCT gate FROM invitations")
        .doing(DOING)?;
    let rows = statement
        .query_map([], |row| row.get::<_, String>(0))
        .doing(DOING)?;
    rows.map(|gate| {
        let gate = gate.doing(DOING)?.parse();
        gate.map_err(|_| StoreError::Damaged { what: "invitation" })
    })
    .collect()
}

/// Notes which key came with the token.
///
/// # Errors
/// [`StoreError`].
pub fn used(main: &Connection, edge: &EdgeId, by: &OpeningKey) -> Result<(), StoreError> {
    main.execute(
        "UPDATE invitations SET used_by = ?2 WHERE edge = ?1",
        params![edge.as_str(), by.as_bytes()],
    )
    .doing("note that the invitation is used")?;
    Ok(())
}
