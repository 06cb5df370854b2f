//! Names of cameras, gates and edges as numbers. This module owns the tables `transit_names` and
//! `transit_hours` of the main database: which numbers there are, and how many rows of each hour
//! count.

use std::collections::{BTreeSet, HashMap, HashSet};

use varco_proto::ids::{CameraId, GateId};

use crate::hours::partition::Partition;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// The tables, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE transit_names (
        number INTEGER PRIMARY KEY CHECK (number > 0),
        kind TEXT NOT NULL CHECK (kind IN ('camera', 'gate', 'edge')),
        name TEXT NOT NULL,
        UNIQUE (kind, name)
    ) STRICT;
    CREATE TABLE transit_hours (
        hour INTEGER PRIMARY KEY,
        rows INTEGER NOT NULL
    ) STRICT;";

/// How many of the rows that count were destroyed before their hour.
pub const SCHEMA_PURGED: &str =
    "ALTER TABLE transit_hours ADD COLUMN purged INTEGER NOT NULL DEFAULT 0;";

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A camera.
    Camera,
    /// A gate.
    Gate,
    /// An edge.
    Edge,
}

impl NameKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Gate => "gate",
            Self::Edge => "edge",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = [Self::Camera, Self::Gate, Self::Edge];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The names that are committed.
#[derive(Debug, Default, Clone)]
pub struct Names {
    numbers: HashMap<(NameKind, String), u32>,
    names: HashMap<u32, String>,
    last: u32,
    /// Which camera was met at which gate: gate and camera of every transit that may be found.
    met: BTreeSet<(u32, u32)>,
    /// The gate at which each camera was met last, by the camera's number: mostly its only one.
    gate_of: HashMap<u32, u32>,
    /// Hours with transits that are not among those met: a version before stored them.
    older: HashSet<Partition>,
}

impl Names {
    /// Reads all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(main: &Connection) -> Result<Self, StoreError> {
        const DOING: &str = "read the names";
        let mut names = Self::default();
        let mut statement = main
            .prepare("SELECT number, kind, name FROM transit_names")
            .doing(DOING)?;
        let mut rows = statement.query([]).doing(DOING)?;
        while let Some(row) = rows.next().doing(DOING)? {
            let kind: String = row.get(1).doing(DOING)?;
            let kind = NameKind::parse(&kind).ok_or(StoreError::Damaged { what: "name" })?;
            names.add(
                row.get(0).doing(DOING)?,
                kind,
                &row.get::<_, String>(2).doing(DOING)?,
            );
        }
        Ok(names)
    }

    /// Takes a committed name in.
    pub fn add(&mut self, number: u32, kind: NameKind, name: &str) {
        self.numbers.insert((kind, name.to_owned()), number);
        self.names.insert(number, name.to_owned());
        self.last = self.last.max(number);
    }

    /// The number of a name.
    #[must_use]
    pub fn number(&self, kind: NameKind, name: &str) -> Option<u32> {
        self.numbers.get(&(kind, name.to_owned())).copied()
    }

    /// The name of a number.
    #[must_use]
    pub fn name(&self, number: u32) -> Option<&str> {
        self.names.get(&number).map(String::as_str)
    }

    /// All names of a kind.
    #[must_use]
    pub fn of(&self, kind: NameKind) -> Vec<String> {
        let of_kind = self.numbers.keys().filter(|(of, _)| *of == kind);
        of_kind.map(|(_, name)| name.clone()).collect()
    }

    /// Notes that a transit has this gate and this camera.
    pub fn meet(&mut self, gate: u32, camera: u32) {
        // Told of every stored transit when an archive is opened.
        if self.gate_of.insert(camera, gate) != Some(gate) {
            self.met.insert((gate, camera));
        }
    }

    /// Whether [`Names::meet`] told of these.
    #[must_use]
    pub fn has_met(&self, gate: u32, camera: u32) -> bool {
        self.met.contains(&(gate, camera))
    }

    /// Notes that an hour has transits of which [`Names::meet`] was not told.
    pub fn add_older(&mut self, hour: Partition) {
        self.older.insert(hour);
    }

    /// Hours with transits of which [`Names::meet`] was not told.
    #[must_use]
    pub fn older(&self) -> &HashSet<Partition> {
        &self.older
    }

    /// Every gate with a camera that was met there, as numbers.
    pub fn met(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.met.iter().copied()
    }

    /// Every gate with a camera that was met there.
    #[must_use]
    pub fn cameras_at_gates(&self) -> Vec<(GateId, CameraId)> {
        let named = self.met.iter().filter_map(|(gate, camera)| {
            let (gate, camera) = (self.name(*gate)?, self.name(*camera)?);
            Some((gate.parse().ok()?, camera.parse().ok()?))
        });
        named.collect()
    }

    /// The highest number.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.last
    }
}

/// Keeps a name, in the caller's transaction.
///
/// # Errors
/// [`StoreError`].
pub fn keep(main: &Connection, number: u32, kind: NameKind, name: &str) -> Result<(), StoreError> {
    main.execute(
        "INSERT INTO transit_names (number, kind, name) VALUES (?, ?, ?)",
        params![number, kind.as_str(), name],
    )
    .doing("keep a name")?;
    Ok(())
}

/// Notes how many rows of an hour count, in the caller's transaction.
///
/// # Errors
/// [`StoreError`].
pub fn note_rows(main: &Connection, hour: Partition, rows: u32) -> Result<(), StoreError> {
    main.prepare_cached(
        "INSERT INTO transit_hours (hour, rows) VALUES (?1, ?2)
         ON CONFLICT (hour) DO UPDATE SET rows = ?2",
    )
    .and_then(|mut statement| statement.execute(params![hour.number(), rows]))
    .doing("note the hour's rows")?;
    Ok(())
}

/// Notes that so many more rows of an hour were destroyed before it, in the caller's transaction.
///
/// # Errors
/// [`StoreError`].
pub fn note_purged(main: &Connection, hour: Partition, rows: u32) -> Result<(), StoreError> {
    main.execute(
        "UPDATE transit_hours SET purged = purged + ? WHERE hour = ?",
        params![rows, hour.number()],
    )
    .doing("note the hour's destroyed rows")?;
    Ok(())
}

/// The hours of which rows were destroyed before them, with how many.
///
/// # Errors
/// [`StoreError`].
pub fn purged(main: &Connection) -> Result<HashMap<Partition, u32>, StoreError> {
    const DOING: &str = "read the hours' destroyed rows";
    let mut statement = main
        .prepare("SELECT hour, purged FROM transit_hours WHERE purged > 0")
        .doing(DOING)?;
    let rows = statement
        .query_map([], |row| {
            Ok((Partition::from_number(row.get(0)?), row.get(1)?))
        })
        .doing(DOING)?;
    rows.map(|row| row.doing(DOING)).collect()
}

/// Forgets an hour, in the caller's transaction.
///
/// # Errors
/// [`StoreError`].
pub fn forget_hour(main: &Connection, hour: Partition) -> Result<(), StoreError> {
    main.execute(
        "DELETE FROM transit_hours WHERE hour = ?",
        params![hour.number()],
    )
    .doing("forget an hour")?;
    Ok(())
}

/// Forgets all hours and names, in the caller's transaction: another store has the transits.
///
/// # Errors
/// [`StoreError`].
pub fn forget_all(main: &Connection) -> Result<(), StoreError> {
    main.execute_batch("DELETE FROM transit_hours; DELETE FROM transit_names;")
        .doing("forget the hours")
}

/// The hours with how many of their rows count, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn hours(main: &Connection) -> Result<Vec<(Partition, u32)>, StoreError> {
    const DOING: &str = "read the hours";
    let mut statement = main
        .prepare("SELECT hour, rows FROM transit_hours")
        .doing(DOING)?;
    let rows = statement
        .query_map([], |row| {
            Ok((Partition::from_number(row.get(0)?), row.get(1)?))
        })
        .doing(DOING)?;
    let mut hours: Vec<(Partition, u32)> = rows
        .map(|row| row.doing(DOING))
        .collect::<Result<_, StoreError>>()?;
    // Their numbers go by term first.
    hours.sort_unstable();
    Ok(hours)
}
