//! Where gates and cameras stand on the map. This module owns the table `gate_places`.
//!
//! A gate stands somewhere, and its cameras stand there with it; a camera that stands apart, as on
//! the far side of a wide crossing, has a place of its own. Transits state their gate and camera by
//! name, signed: the place of a name is the hub's own knowledge, and holds for what is stored too.

use std::collections::{BTreeMap, BTreeSet};

use varco_proto::ids::{CameraId, GateId};

use crate::hours::partition::Term;
use crate::map::area::Area;
use crate::map::place::Place;
use crate::municipalities::{KnownMunicipality, Municipality};
use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`]. An empty camera stands for the gate itself; places are
/// in ten-millionths of a degree.
pub const SCHEMA: &str = "
    CREATE TABLE gate_places (
        gate TEXT NOT NULL,
        camera TEXT NOT NULL,
        latitude_e7 INTEGER NOT NULL CHECK (latitude_e7 BETWEEN -850000000 AND 850000000),
        longitude_e7 INTEGER NOT NULL CHECK (longitude_e7 BETWEEN -1800000000 AND 1800000000),
        PRIMARY KEY (gate, camera)
    ) STRICT, WITHOUT ROWID;";

/// What stands somewhere: a gate, or one of its cameras.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The gate.
    pub gate: GateId,
    /// One of its cameras; none for the gate itself.
    pub camera: Option<CameraId>,
}

impl Spot {
    fn columns(&self) -> (&str, &str) {
        let camera = self.camera.as_ref().map_or("", CameraId::as_str);
        (self.gate.as_str(), camera)
    }
}

/// Where a gate or camera stands; none when nobody said.
///
/// # Errors
/// [`StoreError`].
pub fn find(main: &Connection, spot: &Spot) -> Result<Option<Place>, StoreError> {
    const DOING: &str = "look the place up";
    let (gate, camera) = spot.columns();
    let found: Option<(i32, i32)> = main
        .query_row(
            "SELECT latitude_e7, longitude_e7 FROM gate_places WHERE gate = ? AND camera = ?",
            [gate, camera],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .doing(DOING)?;
    found.map(|e7: (i32, i32)| place_of(e7.0, e7.1)).transpose()
}

/// Keeps where a gate or camera stands.
///
/// # Errors
/// [`StoreError`].
pub fn keep(main: &Connection, spot: &Spot, place: Place) -> Result<(), StoreError> {
    let ((gate, camera), (latitude_e7, longitude_e7)) = (spot.columns(), place.e7());
    main.execute(
        "INSERT OR REPLACE INTO gate_places VALUES (?, ?, ?, ?)",
        params![gate, camera, latitude_e7, longitude_e7],
    )
    .doing("keep the place")?;
    Ok(())
}

/// Forgets where a gate or camera stands.
///
/// # Errors
/// [`StoreError`].
pub fn forget(main: &Connection, spot: &Spot) -> Result<(), StoreError> {
    let (gate, camera) = spot.columns();
    main.execute(
        "DELETE FROM gate_places WHERE gate = ? AND camera = ?",
        [gate, camera],
    )
    .doing("forget the place")?;
    Ok(())
}

/// All places.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<(Spot, Place)>, StoreError> {
    const DOING: &str = "read the places";
    let mut statement = main
        .prepare_cached("SELECT gate, camera, latitude_e7, longitude_e7 FROM gate_places")
        .doing(DOING)?;
    let rows = statement
        .query_map([], |row| {
            let names: (String, String) = (row.get(0)?, row.get(1)?);
            Ok((names, (row.get(2)?, row.get(3)?)))
        })
        .doing(DOING)?;
    let damaged = || StoreError::Damaged { what: "place" };
    rows.map(|row| {
        let ((gate, camera), e7) = row.doing(DOING)?;
        let camera = (!camera.is_empty()).then(|| camera.parse()).transpose();
        let spot = Spot {
            gate: gate.parse().map_err(|_| damaged())?,
            camera: camera.map_err(|_| damaged())?,
        };
        Ok((spot, place_of(e7.0, e7.1)?))
    })
    .collect()
}

fn place_of(latitude_e7: i32, longitude_e7: i32) -> Result<Place, StoreError> {
    let place = Place::from_e7(latitude_e7, longitude_e7);
    place.map_err(|_| StoreError::Damaged { what: "place" })
}

/// A gate as the map has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gate {
    /// Where it stands; none when nobody said.
    pub place: Option<Place>,
    /// Its cameras, as far as they are known, with their own places.
    pub cameras: BTreeMap<CameraId, Option<Place>>,
}

impl Gate {
    /// Whether any of its cameras may stand anywhere.
    fn is_unplaced(&self) -> bool {
        let cameras = || self.cameras.values();
        self.place.is_none() && (cameras().len() == 0 || cameras().any(Option::is_none))
    }
}

/// The gates that there are, with and without a place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GateMap {
    /// By name.
    pub gates: BTreeMap<GateId, Gate>,
    /// The municipalities with their gates.
    pub municipalities: BTreeMap<Municipality, KnownMunicipality>,
}

impl GateMap {
    /// Puts together what has a place, the gates that are registered, and the cameras whose transits
    /// came, each with its gate.
    #[must_use]
    pub fn of(
        placed: Vec<(Spot, Place)>,
        registered: Vec<GateId>,
        met: Vec<(GateId, CameraId)>,
    ) -> Self {
        let mut gates: BTreeMap<GateId, Gate> = BTreeMap::new();
        for gate in registered {
            gates.entry(gate).or_default();
        }
        for (gate, camera) in met {
            gates.entry(gate).or_default().cameras.insert(camera, None);
        }
        for (spot, place) in placed {
            let gate = gates.entry(spot.gate).or_default();
            match spot.camera {
                None => gate.place = Some(place),
                Some(camera) => {
                    gate.cameras.insert(camera, Some(place));
                }
            }
        }
        Self {
            gates,
            municipalities: BTreeMap::new(),
        }
    }

    /// With the municipalities, whose gates are on the map too.
    #[must_use]
    pub fn with(mut self, municipalities: BTreeMap<Municipality, KnownMunicipality>) -> Self {
        for gate in municipalities.values().flat_map(|known| &known.gates) {
            self.gates.entry(gate.clone()).or_default();
        }
        self.municipalities = municipalities;
        self
    }

    /// Whose gate it is, with the municipality's term; none when nobody said.
    #[must_use]
    pub fn municipality_of(&self, gate: &GateId) -> Option<(&Municipality, Term)> {
        let mut all = self.municipalities.iter();
        let found = all.find(|(_, known)| known.gates.contains(gate));
        found.map(|(name, known)| (name, known.term))
    }

    /// What of them lies in an area.
    #[must_use]
    pub fn within(&self, area: Area) -> Within {
        let mut within = Within {
            area,
            gates: BTreeSet::new(),
            cameras: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            unplaced: 0,
        };
        for (name, gate) in &self.gates {
            if gate.place.is_some_and(|place| area.has(place)) {
                within.gates.insert(name.clone());
            }
            for (camera, place) in &gate.cameras {
                let own = (name.clone(), camera.clone());
                match place {
                    Some(place) if area.has(*place) => within.cameras.insert(own),
                    Some(_) => within.elsewhere.insert(own),
                    None => false,
                };
            }
            within.unplaced += usize::from(gate.is_unplaced());
        }
        within
    }
}

/// What lies in an area.
#[derive(Debug, Clone, PartialEq)]
pub struct Within {
    /// As it was asked for.
    pub area: Area,
    /// Gates that stand in it.
    pub gates: BTreeSet<GateId>,
    /// Cameras with a place of their own in it, each with its gate.
    pub cameras: BTreeSet<(GateId, CameraId)>,
    /// Cameras with a place of their own outside, wherever their gate is.
    pub elsewhere: BTreeSet<(GateId, CameraId)>,
    /// Gates of which nobody said where they stand: they may be in it, and are not searched.
    pub unplaced: usize,
}

impl Within {
    /// Whether a camera at a gate stands in it.
    #[must_use]
    pub fn has(&self, gate: &GateId, camera: &CameraId) -> bool {
        let own = (gate.clone(), camera.clone());
        self.cameras.contains(&own) || (self.gates.contains(gate) && !self.elsewhere.contains(&own))
    }

    /// Gates that stand in it, with themselves or with a camera.
    #[must_use]
    pub fn gates_touched(&self) -> BTreeSet<&GateId> {
        let by_camera = self.cameras.iter().map(|(gate, _)| gate);
        self.gates.iter().chain(by_camera).collect()
    }

    /// How it stands in an audit line. Where the gates stood then is told by the lines before it.
    #[must_use]
    pub fn told(&self) -> serde_json::Value {
        serde_json::json!({
            "asked": self.area,
            "gates": self.gates_touched().len(),
            "gates_without_place": self.unplaced,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::map::gates::*;

    fn spot(gate: &str, camera: Option<&str>) -> Spot {
        Spot {
            gate: gate.parse().unwrap(),
            camera: camera.map(|camera| camera.parse().unwrap()),
        }
    }

    fn place(latitude: f64, longitude: f64) -> Place {
        Place::new(latitude, longitude).unwrap()
    }

    #[test]
    fn a_camera_stands_with_its_gate_unless_it_has_a_place_of_its_own() {
        let (inside, outside) = (place(43.1, 12.4), place(44.0, 12.4));
        let met = [
            ("nord", "a"),
            ("nord", "b"),
            ("sud", "c"),
            ("est", "d"),
            ("est", "e"),
        ];
        let met = met.map(|(gate, camera)| (gate.parse().unwrap(), camera.parse().unwrap()));
        let placed = vec![
            (spot("nord", None), inside),
            (spot("nord", Some("b")), outside),
            (spot("sud", None), outside),
            (spot("sud", Some("c")), inside),
            (spot("est", Some("d")), outside),
        ];
        let map = GateMap::of(placed, vec!["ovest".parse().unwrap()], met.to_vec());
        let within = map.within(Area::rectangle(43.0, 12.0, 43.2, 12.5).unwrap());
        let name = |(gate, camera): &(GateId, CameraId)| format!("{gate} {camera}");
        let names = |of: &BTreeSet<_>| of.iter().map(name).collect::<Vec<_>>();
        let gates: Vec<_> = within.gates.iter().map(GateId::as_str).collect();
        assert_eq!(gates, ["nord"]);
        assert_eq!(names(&within.cameras), ["sud c"]);
        assert_eq!(names(&within.elsewhere), ["est d", "nord b"]);
        assert_eq!(within.unplaced, 2, "ovest, and camera e of est");
        assert_eq!(within.gates_touched().len(), 2);
        let has =
            |gate: &str, camera: &str| within.has(&gate.parse().unwrap(), &camera.parse().unwrap());
        assert!(has("nord", "a") && has("sud", "c"));
        assert!(!has("nord", "b") && !has("est", "d") && !has("est", "e"));
    }

    #[test]
    fn a_gate_whose_cameras_all_have_places_is_not_without_one() {
        let met = vec![("est".parse().unwrap(), "d".parse().unwrap())];
        let placed = vec![(spot("est", Some("d")), place(43.1, 12.4))];
        let area = Area::rectangle(10.0, 10.0, 11.0, 11.0).unwrap();
        let within = GateMap::of(placed, Vec::new(), met).within(area);
        assert_eq!((within.unplaced, within.gates_touched().len()), (0, 0));
    }
}
