//! Edges that were revoked and invitations that hold no more, for the floor that no restored database goes
//! below.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// A revoked edge, as it must be known again where it never was; bytes in hexadecimal digits, times
/// in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedEdge {
    gate: String,
    opening_key: String,
    certificate: String,
    registered_at_us: i64,
    revoked_at_us: i64,
    /// Every certificate that it was given.
    certificates: BTreeSet<String>,
}

/// By the edge's name.
pub type EndedEdges = BTreeMap<String, EndedEdge>;

/// The one invitation of a name that may hold, and the key that used it; in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastInvitation {
    token_digest: String,
    used_by: Option<String>,
}

/// By the edge's name.
pub type LastInvitations = BTreeMap<String, LastInvitation>;

/// The revoked edges.
///
/// # Errors
/// [`StoreError`].
pub fn read(main: &Connection) -> Result<EndedEdges, StoreError> {
    const DOING: &str = "list the revoked edges";
    let sql = "SELECT id, gate, hex(opening_key), hex(certificate_serial), registered_at_us,
               revoked_at_us FROM edges WHERE revoked_at_us IS NOT NULL";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| {
        let edge = EndedEdge {
            gate: row.get(1)?,
            opening_key: row.get(2)?,
            certificate: row.get(3)?,
            registered_at_us: row.get(4)?,
            revoked_at_us: row.get(5)?,
            certificates: BTreeSet::new(),
        };
        Ok((row.get::<_, String>(0)?, edge))
    });
    let rows = rows.doing(DOING)?.map(|row| row.doing(DOING));
    let mut edges: EndedEdges = rows.collect::<Result<_, StoreError>>()?;
    for (id, edge) in &mut edges {
        let sql = "SELECT hex(serial) FROM edge_certificates WHERE edge = ?";
        let mut statement = main.prepare_cached(sql).doing(DOING)?;
        let rows = statement.query_map([id], |row| row.get(0)).doing(DOING)?;
        edge.certificates = rows
            .map(|row| row.doing(DOING))
            .collect::<Result<_, StoreError>>()?;
    }
    Ok(edges)
}

fn bytes(digits: &str) -> Result<Vec<u8>, StoreError> {
    let damaged = |_| StoreError::Damaged {
        what: "revoked edge",
    };
    hex::decode(digits).map_err(damaged)
}

/// Revokes those of them that are not, and knows again those that never were. Gives which were not
/// revoked.
///
/// # Errors
/// [`StoreError`].
pub fn end(main: &Connection, ended: &EndedEdges) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "revoke an edge again";
    let mut revoked = Vec::new();
    for (id, edge) in ended {
        let added = main
            .execute(
                "INSERT OR IGNORE INTO edges (id, gate, opening_key, certificate_serial,
                 registered_at_us) VALUES (?, ?, ?, ?, ?)",
                params![
                    id,
                    edge.gate,
                    bytes(&edge.opening_key)?,
                    bytes(&edge.certificate)?,
                    edge.registered_at_us
                ],
            )
            .doing(DOING)?;
        let changed = main
            .execute(
                "UPDATE edges SET revoked_at_us = ? WHERE id = ? AND revoked_at_us IS NULL",
                params![edge.revoked_at_us, id],
            )
            .doing(DOING)?;
        for serial in &edge.certificates {
            main.execute(
                "INSERT OR IGNORE INTO edge_certificates VALUES (?, ?, ?)",
                params![id, bytes(serial)?, edge.registered_at_us],
            )
            .doing(DOING)?;
        }
        if changed + added > 0 {
            revoked.push(id.clone());
        }
    }
    Ok(revoked)
}

/// The invitations.
///
/// # Errors
/// [`StoreError`].
pub fn invitations(main: &Connection) -> Result<LastInvitations, StoreError> {
    const DOING: &str = "list the invitations";
    let sql = "SELECT edge, hex(token_digest), hex(used_by) FROM invitations";
    let mut statement = main.prepare(sql).doing(DOING)?;
    let rows = statement.query_map([], |row| {
        let used_by: Option<String> = row.get(2)?;
        let invitation = LastInvitation {
            token_digest: row.get(1)?,
            // `hex` of nothing is empty.
            used_by: used_by.filter(|digits| !digits.is_empty()),
        };
        Ok((row.get(0)?, invitation))
    });
    rows.doing(DOING)?.map(|row| row.doing(DOING)).collect()
}

/// Takes away invitations that others took the place of, and those that were used. Gives whose.
///
/// # Errors
/// [`StoreError`].
pub fn end_invitations(
    main: &Connection,
    last: &LastInvitations,
) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "end an invitation";
    let mut ended = Vec::new();
    for (edge, invitation) in last {
        let found: Option<(String, String)> = main
            .query_row(
                "SELECT hex(token_digest), hex(used_by) FROM invitations WHERE edge = ?",
                [edge],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .doing(DOING)?;
        let Some((digest, used_by)) = found else {
            continue;
        };
        let is_replaced = digest != invitation.token_digest;
        let is_used = used_by.is_empty() && invitation.used_by.is_some();
        if is_replaced || is_used {
            main.execute("DELETE FROM invitations WHERE edge = ?", [edge])
                .doing(DOING)?;
            ended.push(edge.clone());
        }
    }
    Ok(ended)
}
