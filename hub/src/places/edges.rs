//! The registered edges. This module owns the table `edges`.

use std::collections::HashMap;

use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;
use varco_proto::ids::{EdgeId, GateId};
use varco_proto::keys::OpeningKey;
use varco_proto::time::UtcTime;
use varco_proto::wire;

use crate::certificates::Revoked;
use crate::mosquitto::HUB_USER;
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE edges (
        id TEXT PRIMARY KEY,
        gate TEXT NOT NULL,
        opening_key BLOB NOT NULL CHECK (length(opening_key) = 32),
        certificate_serial BLOB NOT NULL,
        registered_at_us INTEGER NOT NULL,
        revoked_at_us INTEGER,
        reported_at_us INTEGER,
        spool_depth INTEGER,
        cameras_connected INTEGER,
        cameras INTEGER,
        software_version TEXT
    ) STRICT, WITHOUT ROWID;";

/// An edge is not registered or changed.
#[derive(Debug, Error)]
pub enum EdgeError {
    /// The name is taken, for good: audit and old records name the edge that bore it.
    #[error("the edge `{0}` is already registered: choose another name, names are never reused")]
    Taken(EdgeId),
    /// The hub itself bears this name at the broker.
    #[error("`{HUB_USER}` is the hub's own name at the broker: choose another")]
    Reserved,
    /// No such edge: `varco-hub edge list` shows those there are.
    #[error("there is no edge `{0}`; `varco-hub edge list` shows those there are")]
    Unknown(EdgeId),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A registered edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Its name, also the common name of its certificate.
    pub id: EdgeId,
    /// The gate that it watches.
    pub gate: GateId,
    /// Opens what it seals.
    pub opening_key: OpeningKey,
    /// Of its client certificate.
    pub certificate_serial: Vec<u8>,
    /// When it was registered.
    pub registered_at: UtcTime,
    /// Since when nothing of it is taken.
    pub revoked_at: Option<UtcTime>,
    /// What it last said of itself.
    pub report: Option<EdgeReport>,
}

/// What an edge last said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EdgeReport {
    /// When, by the edge's clock.
    #[schema(value_type = String, format = DateTime)]
    pub reported_at: UtcTime,
    /// Records waiting for a receipt.
    pub spool_depth: i64,
    /// Cameras that deliver frames.
    pub cameras_connected: i64,
    /// Cameras it has.
    pub cameras: i64,
    /// Version of its daemon.
    pub software_version: String,
}

/// Registers an edge.
///
/// # Errors
/// [`EdgeError::Taken`], [`EdgeError::Reserved`], [`EdgeError::Store`].
pub fn register(connection: &Connection, edge: &Edge) -> Result<(), EdgeError> {
    if edge.id.as_str() == HUB_USER {
        return Err(EdgeError::Reserved);
    }
    let added = connection
        .execute(
            "INSERT OR IGNORE INTO edges
             (id, gate, opening_key, certificate_serial, registered_at_us) VALUES (?, ?, ?, ?, ?)",
            params![
                edge.id.as_str(),
                edge.gate.as_str(),
                edge.opening_key.as_bytes(),
                edge.certificate_serial,
                edge.registered_at.unix_us(),
            ],
        )
        .doing("register the edge")?;
    if added == 0 {
        return Err(EdgeError::Taken(edge.id.clone()));
    }
    Ok(())
}

/// Revokes an edge; a second time changes nothing. Gives the moment since when it is revoked.
///
/// # Errors
/// [`EdgeError::Unknown`], [`EdgeError::Store`].
pub fn revoke(connection: &Connection, id: &EdgeId, now: UtcTime) -> Result<UtcTime, EdgeError> {
    connection
        .query_row(
            "UPDATE edges SET revoked_at_us = coalesce(revoked_at_us, ?2) WHERE id = ?1
             RETURNING revoked_at_us",
            params![id.as_str(), now.unix_us()],
            |row| row.get(0),
        )
        .optional()
        .doing("revoke the edge")?
        .map(UtcTime::from_unix_us)
        .ok_or_else(|| EdgeError::Unknown(id.clone()))
}

const COLUMNS: &str = "id, gate, opening_key, certificate_serial, registered_at_us, revoked_at_us,
    reported_at_us, spool_depth, cameras_connected, cameras, software_version";

/// One edge.
///
/// # Errors
/// [`StoreError`].
pub fn find(connection: &Connection, id: &EdgeId) -> Result<Option<Edge>, StoreError> {
    let mut statement = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM edges WHERE id = ?"))
        .doing("look the edge up")?;
    let found = statement
        .query_row([id.as_str()], |row| Ok(read(row)))
        .optional()
        .doing("look the edge up")?;
    found.transpose()
}

/// Every edge, by name.
///
/// # Errors
/// [`StoreError`].
pub fn all(connection: &Connection) -> Result<Vec<Edge>, StoreError> {
    let mut statement = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM edges ORDER BY id"))
        .doing("list the edges")?;
    let rows = statement
        .query_map([], |row| Ok(read(row)))
        .doing("list the edges")?;
    rows.map(|row| row.doing("list the edges")?).collect()
}

/// The key of every edge, the revoked ones' too: what they sealed before stays verifiable.
///
/// # Errors
/// [`StoreError`].
pub fn opening_keys(connection: &Connection) -> Result<HashMap<EdgeId, OpeningKey>, StoreError> {
    let edges = all(connection)?;
    Ok(edges.into_iter().map(|e| (e.id, e.opening_key)).collect())
}

/// The revoked certificates, for the list of revoked ones.
///
/// # Errors
/// [`StoreError`].
pub fn revoked(connection: &Connection) -> Result<Vec<Revoked>, StoreError> {
    let revoked = |edge: Edge| {
        edge.revoked_at.map(|at| Revoked {
            serial: edge.certificate_serial,
            at,
        })
    };
    Ok(all(connection)?.into_iter().filter_map(revoked).collect())
}

/// Notes what an edge says of itself.
///
/// # Errors
/// [`StoreError`].
pub fn note_report(
    connection: &Connection,
    id: &EdgeId,
    report: &wire::EdgeStatus,
) -> Result<(), StoreError> {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let connected = report.cameras.iter().filter(|camera| camera.connected);
    connection
        .execute(
            "UPDATE edges SET reported_at_us = ?2, spool_depth = ?3, cameras_connected = ?4,
             cameras = ?5, software_version = ?6
             WHERE id = ?1 AND coalesce(reported_at_us, ?2) <= ?2",
            params![
                id.as_str(),
                report.reported_at_unix_us,
                i64::try_from(report.spool_depth).unwrap_or(i64::MAX),
                count(connected.count()),
                count(report.cameras.len()),
                report.software_version.chars().take(40).collect::<String>(),
            ],
        )
        .doing("note the edge's status")?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Edge, StoreError> {
    const DOING: &str = "read an edge";
    let damaged = || StoreError::Damaged { what: "edge" };
    let id: String = row.get(0).doing(DOING)?;
    let gate: String = row.get(1).doing(DOING)?;
    let key: Vec<u8> = row.get(2).doing(DOING)?;
    let revoked_at: Option<i64> = row.get(5).doing(DOING)?;
    let reported_at: Option<i64> = row.get(6).doing(DOING)?;
    let report = match reported_at {
        None => None,
        Some(reported_at) => Some(EdgeReport {
            reported_at: UtcTime::from_unix_us(reported_at),
            spool_depth: row.get(7).doing(DOING)?,
            cameras_connected: row.get(8).doing(DOING)?,
            cameras: row.get(9).doing(DOING)?,
            software_version: row.get(10).doing(DOING)?,
        }),
    };
    Ok(Edge {
        id: id.parse().map_err(|_| damaged())?,
        gate: gate.parse().map_err(|_| damaged())?,
        opening_key: OpeningKey::from_bytes(&key).map_err(|_| damaged())?,
        certificate_serial: row.get(3).doing(DOING)?,
        registered_at: UtcTime::from_unix_us(row.get(4).doing(DOING)?),
        revoked_at: revoked_at.map(UtcTime::from_unix_us),
        report,
    })
}
