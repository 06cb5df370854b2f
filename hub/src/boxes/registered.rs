//! Which gates and cameras each box is believed about. This module owns the tables
//! `edge_registrations` and `edges_to_learn`.
//!
//! A box is registered for the gate of its invitation, for a camera of its own name, and for what a
//! person allows. A camera that no other box is registered for is taken at its first transit, up to a
//! number. Anything else is held back: the box keeps it and sends it again.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::ids::{CameraId, EdgeId, GateId};
use varco_proto::time::UtcTime;
use varco_proto::transit::Transit;

use super::anomalies::Sign;
use super::kinds::Kind;
use crate::boxes::edges;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// The tables, for [`crate::store::migrate`]. The edges that are there already are registered by
/// what is stored of them, when the store is next opened.
pub const SCHEMA: &str = "
    CREATE TABLE edge_registrations (
        edge TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('gate', 'camera')),
        name TEXT NOT NULL,
        since_us INTEGER NOT NULL,
        way TEXT NOT NULL CHECK (way IN ('enrolment', 'first-use', 'person', 'stored')),
        PRIMARY KEY (edge, kind, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE edge_registrations_version (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL
    ) STRICT;
    INSERT INTO edge_registrations_version VALUES (1, 1);
    CREATE TRIGGER an_edge_is_registered_for_more AFTER INSERT ON edge_registrations
        BEGIN UPDATE edge_registrations_version SET version = version + 1; END;
    CREATE TABLE edges_to_learn (edge TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    INSERT INTO edges_to_learn SELECT id FROM edges;
    INSERT INTO edge_registrations SELECT id, 'gate', gate, registered_at_us, 'enrolment' FROM edges;";

/// Most cameras that a box is registered for without a person.
pub const CAMERAS_MAX: usize = 64;

/// How a box came to be registered for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Its invitation or its bundle says so.
    Enrolment,
    /// It was the first to send transits of it.
    FirstUse,
    /// Somebody allowed it.
    Person,
    /// A version before stored transits of it.
    Stored,
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::FirstUse => "first-use",
            Self::Person => "person",
            Self::Stored => "stored",
        }
    }
}

/// A gate or a camera, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// A gate.
    Gate(GateId),
    /// A camera.
    Camera(CameraId),
}

impl Claimed {
    /// `gate` or `camera`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Gate(_) => "gate",
            Self::Camera(_) => "camera",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Gate(gate) => gate.as_str(),
            Self::Camera(camera) => camera.as_str(),
        }
    }

    /// What its unasked claim is told as.
    #[must_use]
    pub fn anomaly(&self) -> Kind {
        match self {
            Self::Gate(_) => Kind::ForeignGate,
            Self::Camera(_) => Kind::ForeignCamera,
        }
    }
}

/// Registers a box for something; a second time changes nothing. Gives whether it is new.
///
/// # Errors
/// [`StoreError`].
pub fn register(
    main: &Connection,
    edge: &EdgeId,
    claimed: &Claimed,
    way: Way,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let (kind, name) = (claimed.kind(), claimed.name());
    let added = main
        .execute(
            "INSERT OR IGNORE INTO edge_registrations VALUES (?, ?, ?, ?, ?)",
            params![edge.as_str(), kind, name, now.unix_us(), way.as_str()],
        )
        .doing("register an edge for a gate or camera")?;
    Ok(added == 1)
}

/// What a box is registered for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct RegisteredFor {
    /// Gates, by name.
    pub gates: Vec<String>,
    /// Cameras, by name.
    pub cameras: Vec<String>,
}

/// What a box is registered for.
///
/// # Errors
/// [`StoreError`].
pub fn of_edge(main: &Connection, edge: &EdgeId) -> Result<RegisteredFor, StoreError> {
    const DOING: &str = "read what an edge is registered for";
    let mut statement = main
        .prepare_cached("SELECT kind, name FROM edge_registrations WHERE edge = ? ORDER BY name")
        .doing(DOING)?;
    let mut rows = statement.query([edge.as_str()]).doing(DOING)?;
    let mut found = RegisteredFor::default();
    while let Some(row) = rows.next().doing(DOING)? {
        let (kind, name): (String, String) = (row.get(0).doing(DOING)?, row.get(1).doing(DOING)?);
        if kind == "gate" {
            found.gates.push(name);
        } else {
            found.cameras.push(name);
        }
    }
    Ok(found)
}

/// What a transit's gate and camera are to its box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Its own.
    Own,
    /// A camera that nobody has: its own from now on.
    New(CameraId),
    /// Not its own.
    Foreign(Claimed, &'static str),
}

/// What every box is registered for, in memory.
#[derive(Debug, Default)]
pub struct Registrations {
    /// The versions of edges and registrations that this is of; none of nothing.
    version: Option<(i64, i64)>,
    edges: HashMap<EdgeId, Own>,
    /// Cameras of edges that are not revoked.
    taken: HashSet<CameraId>,
}

#[derive(Debug, Default)]
struct Own {
    gates: HashSet<GateId>,
    cameras: HashSet<CameraId>,
}

impl Registrations {
    /// Brings it up to date, within a batch.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn refresh(&mut self, main: &Connection) -> Result<(), StoreError> {
        let version: i64 = main
            .prepare_cached("SELECT version FROM edge_registrations_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .doing("read the registrations' version")?;
        let version = Some((edges::version(main)?, version));
        if self.version != version {
            *self = Self::read(main)?;
            self.version = version;
        }
        Ok(())
    }

    fn read(main: &Connection) -> Result<Self, StoreError> {
        const DOING: &str = "read what the edges are registered for";
        let damaged = || StoreError::Damaged {
            what: "registration",
        };
        let mut statement = main
            .prepare_cached(
                "SELECT edge, kind, name, revoked_at_us IS NULL FROM edge_registrations
                 JOIN edges ON id = edge",
            )
            .doing(DOING)?;
        let mut rows = statement.query([]).doing(DOING)?;
        let mut found = Self::default();
        while let Some(row) = rows.next().doing(DOING)? {
            let text = |at: usize| row.get::<_, String>(at).doing(DOING);
            let edge: EdgeId = text(0)?.parse().map_err(|_| damaged())?;
            let own = found.edges.entry(edge).or_default();
            if text(1)? == "gate" {
                own.gates.insert(text(2)?.parse().map_err(|_| damaged())?);
                continue;
            }
            let camera: CameraId = text(2)?.parse().map_err(|_| damaged())?;
            if row.get(3).doing(DOING)? {
                found.taken.insert(camera.clone());
            }
            own.cameras.insert(camera);
        }
        Ok(found)
    }

    /// What a transit's gate and camera are to the box that sealed it.
    #[must_use]
    pub fn judge(&self, edge: &EdgeId, transit: &Transit) -> Claim {
        let own = self.edges.get(edge);
        if !own.is_some_and(|own| own.gates.contains(&transit.gate)) {
            let gate = Claimed::Gate(transit.gate.clone());
            return Claim::Foreign(gate, "the edge is not registered for this gate");
        }
        if own.is_some_and(|own| own.cameras.contains(&transit.camera)) {
            return Claim::Own;
        }
        let camera = transit.camera.clone();
        if self.taken.contains(&camera) {
            let what = "the camera is another edge's";
            return Claim::Foreign(Claimed::Camera(camera), what);
        }
        if own.is_some_and(|own| own.cameras.len() >= CAMERAS_MAX) {
            let what = "the edge has as many cameras as it may have unasked";
            return Claim::Foreign(Claimed::Camera(camera), what);
        }
        Claim::New(camera)
    }

    /// Registers a camera at its first transit, in the batch's transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn first_use(
        &mut self,
        main: &Connection,
        edge: &EdgeId,
        camera: CameraId,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        // What is here is ahead of the disk until the batch is committed: it is read anew then.
        self.version = None;
        let claimed = Claimed::Camera(camera.clone());
        register(main, edge, &claimed, Way::FirstUse, now)?;
        tracing::warn!(
            edge.id = %edge, camera.id = %camera,
            "an edge sends of a camera for the first time; it is registered for it from now on"
        );
        self.taken.insert(camera.clone());
        let own = self.edges.entry(edge.clone()).or_default();
        own.cameras.insert(camera);
        Ok(())
    }
}

/// What a claim of something that is not the box's own is told as.
#[must_use]
pub fn sign(claimed: &Claimed, why: &str) -> Sign {
    let (kind, name) = (claimed.kind(), claimed.name());
    let detail = format!(
        "{why}; its transits wait on the box until `varco-hub edge allow EDGE --{kind} {name}`, or \
         edge.toml is mended"
    );
    Sign::of(claimed.anomaly(), name, detail)
}
