//! The registered edges. This module owns the tables `edges`, `edge_certificates`
//! and `edges_version`.

use std::collections::HashMap;

use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;
use varco_proto::ids::{CameraId, EdgeId, GateId};
use varco_proto::keys::OpeningKey;
use varco_proto::time::UtcTime;
use varco_proto::wire;

use crate::boxes::mosquitto::{HUB_USER, is_hub_user};
use crate::boxes::registered::{self, Claimed, Way};
use crate::certificates::authority::Revoked;
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

/// Every certificate that an edge was given: a revoked edge's are all revoked.
pub const SCHEMA_CERTIFICATES: &str = "
    CREATE TABLE edge_certificates (
        edge TEXT NOT NULL,
        serial BLOB NOT NULL,
        issued_at_us INTEGER NOT NULL,
        PRIMARY KEY (edge, serial)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO edge_certificates SELECT id, certificate_serial, registered_at_us FROM edges;
    ALTER TABLE edges ADD COLUMN renewal_asked_at_us INTEGER NOT NULL DEFAULT 0;";

/// A number that moves whenever what decides over an edge's envelopes changes: who is registered,
/// with which key, revoked or shut out. A status moves nothing.
pub const SCHEMA_VERSION: &str = "
    CREATE TABLE edges_version (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL
    ) STRICT;
    INSERT INTO edges_version VALUES (1, 1);
    CREATE TRIGGER an_edge_is_added AFTER INSERT ON edges
        BEGIN UPDATE edges_version SET version = version + 1; END;
    CREATE TRIGGER an_edge_is_changed
        AFTER UPDATE OF opening_key, revoked_at_us, forked_at_us ON edges
        BEGIN UPDATE edges_version SET version = version + 1; END;
    CREATE TRIGGER an_edge_is_removed AFTER DELETE ON edges
        BEGIN UPDATE edges_version SET version = version + 1; END;";

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
    /// Of its first client certificate.
    pub certificate_serial: Vec<u8>,
    /// When it was registered.
    pub registered_at: UtcTime,
    /// Since when nothing of it is taken.
    pub revoked_at: Option<UtcTime>,
    /// Since when its chain is forked, so that nothing of it is taken until its release.
    pub forked_at: Option<UtcTime>,
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
    if is_hub_user(edge.id.as_str()) {
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
    note_certificate(
        connection,
        &edge.id,
        &edge.certificate_serial,
        edge.registered_at,
    )?;
    // Its configuration, as it is written for it, has one camera of its own name.
    let camera = CameraId::try_from(edge.id.to_string()).map(Claimed::Camera);
    for claimed in camera.into_iter().chain([Claimed::Gate(edge.gate.clone())]) {
        registered::register(
            connection,
            &edge.id,
            &claimed,
            Way::Enrolment,
            edge.registered_at,
        )?;
    }
    Ok(())
}

/// When an edge's newest certificate was issued.
///
/// # Errors
/// [`StoreError`].
pub fn certificate_issued_at(
    connection: &Connection,
    id: &EdgeId,
) -> Result<Option<UtcTime>, StoreError> {
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(issued_at_us) FROM edge_certificates WHERE edge = ?")
        .and_then(|mut statement| statement.query_row([id.as_str()], |row| row.get(0)))
        .doing("read when the edge's certificate was issued")?;
    Ok(newest.map(UtcTime::from_unix_us))
}

/// Notes a certificate that an edge was given.
///
/// # Errors
/// [`StoreError`].
pub fn note_certificate(
    connection: &Connection,
    id: &EdgeId,
    serial: &[u8],
    now: UtcTime,
) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT OR IGNORE INTO edge_certificates VALUES (?, ?, ?)",
            params![id.as_str(), serial, now.unix_us()],
        )
        .doing("note the edge's certificate")?;
    Ok(())
}

/// Notes when an edge asked for a new certificate. Gives whether that is later than the last
/// time: a request that is repeated is not.
///
/// # Errors
/// [`StoreError`].
pub fn note_renewal(
    connection: &Connection,
    id: &EdgeId,
    requested_at: UtcTime,
) -> Result<bool, StoreError> {
    let changed = connection
        .execute(
            "UPDATE edges SET renewal_asked_at_us = ?2
             WHERE id = ?1 AND renewal_asked_at_us < ?2",
            params![id.as_str(), requested_at.unix_us()],
        )
        .doing("note the renewal")?;
    Ok(changed == 1)
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
    reported_at_us, spool_depth, cameras_connected, cameras, software_version, forked_at_us";

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

/// The gates of the edges that are not revoked, or since this moment only.
///
/// # Errors
/// [`StoreError`].
pub fn gates_since(connection: &Connection, since: UtcTime) -> Result<Vec<GateId>, StoreError> {
    const DOING: &str = "list the gates";
    let mut statement = connection
        .prepare_cached(
            "SELECT DISTINCT gate FROM edges
             WHERE revoked_at_us IS NULL OR revoked_at_us >= ? ORDER BY gate",
        )
        .doing(DOING)?;
    let rows = statement
        .query_map([since.unix_us()], |row| row.get::<_, String>(0))
        .doing(DOING)?;
    rows.map(|gate| {
        let gate = gate.doing(DOING)?.parse();
        gate.map_err(|_| StoreError::Damaged { what: "edge" })
    })
    .collect()
}

/// The number that moves when any edge's key or standing does.
///
/// # Errors
/// [`StoreError`].
pub fn version(connection: &Connection) -> Result<i64, StoreError> {
    connection
        .prepare_cached("SELECT version FROM edges_version")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .doing("read the edges' version")
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
    const DOING: &str = "list the revoked certificates";
    let mut statement = connection
        .prepare_cached(
            "SELECT serial, revoked_at_us FROM edge_certificates JOIN edges ON id = edge
             WHERE revoked_at_us IS NOT NULL ORDER BY edge, serial",
        )
        .doing(DOING)?;
    let rows = statement
        .query_map([], |row| {
            Ok(Revoked {
                serial: row.get(0)?,
                at: UtcTime::from_unix_us(row.get(1)?),
            })
        })
        .doing(DOING)?;
    rows.map(|row| row.doing(DOING)).collect()
}

/// Notes what an edge says of itself, once it is taken.
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
             WHERE id = ?1",
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
    let forked_at: Option<i64> = row.get(11).doing(DOING)?;
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
        forked_at: forked_at.map(UtcTime::from_unix_us),
        report,
    })
}
