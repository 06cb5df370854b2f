//! `varco-hub gate`: where gates and cameras stand on the map.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use varco_proto::ids::{CameraId, GateId};

use super::clock::time_of;
use super::municipalities;
use super::output::{Output, json, table};
use super::purposes::{self, GatePurposes};
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::boxes::{edges, invitations};
use crate::home::Home;
use crate::map::desk;
use crate::map::gates::{self, GateMap, Spot};
use crate::map::place::{Place, PlaceError, PlaceView};
use crate::municipalities::Municipality;
use crate::store::sql::Connection;
use crate::transits::names::{NameKind, Names};

/// `gate`.
#[derive(Debug, Subcommand)]
pub enum GateCommand {
    /// Say where a gate stands, or one of its cameras that stands apart; lookups by area go by it.
    ///
    /// It holds for the transits that are stored too. It leaves an audit line with the place before.
    Place(GatePlace),
    /// Say whose a gate is: its transits are kept as long as that municipality says.
    ///
    /// It holds for the transits that are stored too, where the term gets shorter. It leaves an audit
    /// line with whose it was before.
    Municipality(GateMunicipality),
    /// Say by an act which of its municipality's purposes a gate is for.
    Purposes(GatePurposes),
    /// List the gates with their places and municipalities.
    List,
}

/// `gate place`.
#[derive(Debug, Args)]
pub struct GatePlace {
    /// The gate.
    pub gate: GateId,
    /// One of its cameras, when that stands apart; known from its first transit on.
    #[arg(long, value_name = "ID")]
    pub camera: Option<CameraId>,
    /// Where.
    #[command(flatten)]
    pub at: At,
    /// It has no place any more; a camera then stands with its gate.
    #[arg(long, conflicts_with_all = ["latitude", "longitude"])]
    pub remove: bool,
}

/// `gate municipality`.
#[derive(Debug, Args)]
pub struct GateMunicipality {
    /// The gate.
    pub gate: GateId,
    /// The municipality, named before with `municipality set`.
    #[arg(long, value_name = "NAME", required_unless_present = "none")]
    pub of: Option<Municipality>,
    /// It is no municipality's: the hub's own term holds.
    #[arg(long, conflicts_with = "of")]
    pub none: bool,
}

/// A place in arguments.
#[derive(Debug, Clone, Copy, Args)]
pub struct At {
    /// WGS84, in degrees, north positive.
    #[arg(
        long,
        value_name = "DEGREES",
        requires = "longitude",
        allow_hyphen_values = true
    )]
    pub latitude: Option<f64>,
    /// WGS84, in degrees, east positive.
    #[arg(
        long,
        value_name = "DEGREES",
        requires = "latitude",
        allow_hyphen_values = true
    )]
    pub longitude: Option<f64>,
}

impl At {
    /// The place; none when none was given.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn place(self) -> Result<Option<Place>, PlaceError> {
        let both = self.latitude.zip(self.longitude);
        both.map(|(latitude, longitude)| Place::new(latitude, longitude))
            .transpose()
    }
}

/// A gate of the list.
#[derive(Debug, Serialize)]
struct Row {
    gate: GateId,
    municipality: Option<Municipality>,
    place: Option<PlaceView>,
    cameras: Vec<CameraRow>,
}

/// A camera that stands apart.
#[derive(Debug, Serialize)]
struct CameraRow {
    camera: CameraId,
    place: Option<PlaceView>,
}

/// Says or lists where gates stand.
///
/// # Errors
/// What is wrong, and what to do.
pub fn gate(
    home: &Home,
    command: GateCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    home.expect()?;
    let mut main = home.open_main()?;
    match command {
        GateCommand::List => list(home, &main, output, out),
        GateCommand::Municipality(asked) => {
            let spot = Spot {
                gate: asked.gate,
                camera: None,
            };
            check_known(home, &main, &spot)?;
            municipalities::give(home, &mut main, &spot.gate, asked.of.as_ref(), output, out)
        }
        GateCommand::Purposes(asked) => {
            let spot = Spot {
                gate: asked.gate.clone(),
                camera: None,
            };
            check_known(home, &main, &spot)?;
            let acting = Acting {
                actor: &Actor::console(),
                now: time_of(home)?.kept(),
                key: &*home.sealing_key()?,
            };
            purposes::of_gate(&mut main, asked, &acting, output, out)
        }
        GateCommand::Place(asked) => {
            let place = asked.at.place()?;
            if place.is_none() && !asked.remove {
                bail!("give --latitude and --longitude, or --remove");
            }
            let spot = Spot {
                gate: asked.gate,
                camera: asked.camera,
            };
            check_known(home, &main, &spot)?;
            let acting = Acting {
                actor: &Actor::console(),
                now: time_of(home)?.kept(),
                key: &*home.sealing_key()?,
            };
            let before = desk::place(&mut main, &spot, place, &acting)?;
            let (before_view, view) = (before.map(PlaceView::from), place.map(PlaceView::from));
            let what = json!({
                "gate": spot.gate, "camera": spot.camera, "before": before_view, "place": view,
            });
            let now = place.map_or("has no place of its own any more".to_owned(), |place| {
                format!("stands at {place}")
            });
            let name = spot
                .camera
                .as_ref()
                .map_or(spot.gate.as_str(), CameraId::as_str);
            let said = match before {
                Some(before) => format!("{name} {now}; before it was {before}"),
                None => format!("{name} {now}"),
            };
            output.done(out, &what, &said)?;
            Ok(())
        }
    }
}

/// A name that nobody knows is a slip of the pen.
fn check_known(home: &Home, main: &Connection, spot: &Spot) -> anyhow::Result<()> {
    if gates::find(main, spot)?.is_some() {
        return Ok(());
    }
    if !known_gates(home, main)?.contains(&spot.gate) {
        let gate = &spot.gate;
        bail!("no edge has a gate `{gate}`; `varco-hub gate list` shows those there are");
    }
    if let Some(camera) = &spot.camera
        && !met(home, main, NameKind::Camera)?.contains(&camera.to_string())
    {
        bail!(
            "no transit of a camera `{camera}` has come yet: place the gate, or wait for the camera's \
             first transit"
        );
    }
    Ok(())
}

/// The names that transits stated.
fn met(home: &Home, main: &Connection, kind: NameKind) -> anyhow::Result<Vec<String>> {
    Ok(match home.open_server(&home.config()?)? {
        Some(server) => server.names_of(kind)?,
        None => Names::load(main)?.of(kind),
    })
}

/// The gates of all edges, invited ones too, and those that transits stated.
fn known_gates(home: &Home, main: &Connection) -> anyhow::Result<BTreeSet<GateId>> {
    let registered = edges::all(main)?.into_iter().map(|edge| edge.gate);
    let mut known: BTreeSet<GateId> = registered.chain(invitations::gates(main)?).collect();
    for gate in met(home, main, NameKind::Gate)? {
        known.insert(gate.parse()?);
    }
    Ok(known)
}

fn list(
    home: &Home,
    main: &Connection,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let registered = known_gates(home, main)?.into_iter().collect();
    let map = GateMap::of(gates::all(main)?, registered, Vec::new());
    let map = map.with(crate::municipalities::all(main)?);
    let whose = |id: &GateId| map.municipality_of(id).map(|(name, _)| name.clone());
    let rows: Vec<Row> = map
        .gates
        .clone()
        .into_iter()
        .map(|(id, gate)| Row {
            municipality: whose(&id),
            gate: id,
            place: gate.place.map(PlaceView::from),
            cameras: gate
                .cameras
                .into_iter()
                .map(|(camera, place)| CameraRow {
                    camera,
                    place: place.map(PlaceView::from),
                })
                .collect(),
        })
        .collect();
    if output.json {
        return Ok(json(out, &json!({ "gates": rows }))?);
    }
    if rows.is_empty() {
        writeln!(
            out,
            "No gates yet; invite an edge with `varco-hub edge invite`."
        )?;
        return Ok(());
    }
    let mut table = table(&["gate", "municipality", "camera", "place"]);
    for row in rows {
        let (gate, whose) = (row.gate.to_string(), row.municipality.map(String::from));
        let whose = whose.unwrap_or_default();
        table.add_row([gate.clone(), whose.clone(), String::new(), shown(row.place)]);
        for camera in row.cameras {
            let (name, place) = (camera.camera.to_string(), shown(camera.place));
            table.add_row([gate.clone(), whose.clone(), name, place]);
        }
    }
    writeln!(out, "{table}")?;
    Ok(())
}

/// `43.11070, 12.39080`, or that nobody said.
pub(super) fn shown(place: Option<PlaceView>) -> String {
    match place {
        Some(place) => format!("{:.5}, {:.5}", place.latitude, place.longitude),
        None => "not said".to_owned(),
    }
}
