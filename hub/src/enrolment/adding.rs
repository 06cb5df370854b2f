//! Adding an edge with keys that are made at the hub: for demonstrations.

use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;
use varco_proto::ids::{EdgeId, GateId};
use varco_proto::keys::{KeyError, SealingKey};
use varco_proto::time::UtcTime;

use super::bundle::{BundleSettings, edge_configuration};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{EdgeMade, Told as _};
use crate::audit::{self, AuditError};
use crate::boxes::edges::{self, Edge, EdgeError};
use crate::certificates::authority::CertificateError;
use crate::home::{Home, HomeError};
use crate::machine::files::{self, FileError};
use crate::map::desk::{self, PlaceDeskError};
use crate::map::place::Place;
use crate::opening::pairs::write_pair;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// An edge could not be added; it is not registered.
#[derive(Debug, Error)]
pub enum AddEdgeError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A sealing key.
    #[error("cannot make a sealing key")]
    Key(#[from] KeyError),
    /// An edge.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// Where its gate stands.
    #[error(transparent)]
    Place(#[from] PlaceDeskError),
    /// The audit.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bundle's folder already holds an edge's files: choose an empty one.
    #[error("`{0}` already holds an edge's files: choose an empty folder")]
    BundleThere(PathBuf),
}

/// What an enrolled edge got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddedEdge {
    /// The edge.
    pub edge: EdgeId,
    /// Its gate.
    pub gate: GateId,
    /// The folder of its files; all of it goes to the edge, and the hub keeps no copy.
    pub bundle: PathBuf,
    /// Its configuration in there.
    pub configuration: PathBuf,
    /// Its public key, as registered.
    pub edge_key: String,
}

/// An edge that is to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewEdge<'a> {
    /// Its name.
    pub id: &'a EdgeId,
    /// Its gate.
    pub gate: &'a GateId,
    /// Where its gate stands, when that is said now.
    pub place: Option<Place>,
}

/// Enrols an edge: certificate, sealing key, configuration. The private keys are in the bundle
/// alone.
///
/// # Errors
/// [`AddEdgeError`].
pub fn add_edge(
    home: &Home,
    new: NewEdge<'_>,
    settings: &BundleSettings,
    now: UtcTime,
) -> Result<AddedEdge, AddEdgeError> {
    let NewEdge { id, gate, place } = new;
    let config = home.config()?;
    let hub_key = home.sealing_key()?;
    let out = &settings.out;
    if out.join("edge.key").exists() || out.join("signing.pk8").exists() {
        return Err(AddEdgeError::BundleThere(out.clone()));
    }
    let mut main = home.open_main()?;
    if edges::find(&main, id)?.is_some() {
        return Err(EdgeError::Taken(id.clone()).into());
    }
    let issued = home.authority()?.client(id.as_str(), now)?;
    let key_bytes = SealingKey::generate()?;
    let edge = Edge {
        id: id.clone(),
        gate: gate.clone(),
        opening_key: SealingKey::from_pkcs8(&key_bytes)?.opening_key(),
        certificate_serial: issued.serial.clone(),
        registered_at: now,
        revoked_at: None,
        forked_at: None,
        report: None,
    };
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the change")?;
    edges::register(&transaction, &edge)?;
    let told = EdgeMade {
        edge: id.to_string(),
        gate: gate.to_string(),
        edge_key: edge.opening_key.to_string(),
        certificate_ends: None,
    };
    let entry = told.entry(Actor::console(), Action::EdgeAdded)?;
    audit::append(&transaction, &entry, now, &hub_key)?;
    if let Some(place) = place {
        place_gate(&transaction, gate, place, now, &hub_key)?;
    }
    // The files come before the commit: an edge without its files could never be made whole,
    // because its name would be taken.
    files::make_private_folder(out)?;
    let authority = files::read(&home.authority_certificate())?;
    files::write_public(&out.join("ca.crt"), &authority)?;
    write_pair(&issued, &out.join("edge.crt"), &out.join("edge.key"))?;
    files::write_private(&out.join("signing.pk8"), &key_bytes)?;
    let text = edge_configuration(&edge, settings, &config, &hub_key.opening_key());
    files::write_private(&out.join("edge.toml"), text.as_bytes())?;
    transaction.commit().doing("commit the edge")?;
    Ok(AddedEdge {
        edge: edge.id,
        gate: edge.gate,
        bundle: out.clone(),
        configuration: out.join("edge.toml"),
        edge_key: edge.opening_key.to_string(),
    })
}

fn place_gate(
    transaction: &Connection,
    gate: &GateId,
    place: Place,
    now: UtcTime,
    key: &SealingKey,
) -> Result<(), AddEdgeError> {
    let acting = Acting {
        actor: &Actor::console(),
        now,
        key,
    };
    Ok(desk::place_of_new_edge(transaction, gate, place, &acting)?)
}
