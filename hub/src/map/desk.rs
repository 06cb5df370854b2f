//! What people say of where gates stand: each act with its audit line, in one transaction.

use thiserror::Error;
use varco_proto::ids::GateId;

use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{self, AuditEntry, AuditError};
use crate::map::gates::{self, Spot};
use crate::map::place::{Place, PlaceView};
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};

/// Nothing was changed.
#[derive(Debug, Error)]
pub enum PlaceDeskError {
    /// The gate stands elsewhere, as somebody said before: that is changed on purpose.
    #[error(
        "the gate `{gate}` stands at {place} already; to move it, `varco-hub gate place {gate}`"
    )]
    Elsewhere {
        /// Which.
        gate: GateId,
        /// Where.
        place: Place,
    },
    /// Nobody said where it stands.
    #[error("`{0}` has no place of its own; `varco-hub gate list` shows which have")]
    None(String),
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Says where a gate or camera stands, or with none that it has no place of its own any more. Gives
/// the place before.
///
/// # Errors
/// [`PlaceDeskError`].
pub fn place(
    main: &mut Connection,
    spot: &Spot,
    place: Option<Place>,
    acting: &Acting<'_>,
) -> Result<Option<Place>, PlaceDeskError> {
    let transaction = main
        .transaction_with_behavior(crate::store::sql::TransactionBehavior::Immediate)
        .doing("begin the change")?;
    let before = gates::find(&transaction, spot)?;
    match place {
        Some(place) => gates::keep(&transaction, spot, place)?,
        None if before.is_none() => {
            let name = spot
                .camera
                .as_ref()
                .map_or(spot.gate.as_str(), |c| c.as_str());
            return Err(PlaceDeskError::None(name.to_owned()));
        }
        None => gates::forget(&transaction, spot)?,
    }
    let moved = Moved {
        before,
        after: place,
    };
    note(&transaction, spot, moved, acting)?;
    transaction.commit().doing("commit the place")?;
    Ok(before)
}

/// Says where the gate of a new edge stands, in the caller's transaction. The same again changes
/// nothing; another place is refused, so that a second box never moves its gate unseen.
///
/// # Errors
/// [`PlaceDeskError`].
pub fn place_of_new_edge(
    main: &Connection,
    gate: &GateId,
    place: Place,
    acting: &Acting<'_>,
) -> Result<(), PlaceDeskError> {
    let spot = Spot {
        gate: gate.clone(),
        camera: None,
    };
    match gates::find(main, &spot)? {
        Some(known) if known == place => Ok(()),
        Some(known) => Err(PlaceDeskError::Elsewhere {
            gate: gate.clone(),
            place: known,
        }),
        None => {
            gates::keep(main, &spot, place)?;
            let moved = Moved {
                before: None,
                after: Some(place),
            };
            note(main, &spot, moved, acting)
        }
    }
}

/// Where something stood, and where it stands.
struct Moved {
    before: Option<Place>,
    after: Option<Place>,
}

fn note(
    main: &Connection,
    spot: &Spot,
    moved: Moved,
    acting: &Acting<'_>,
) -> Result<(), PlaceDeskError> {
    let details = serde_json::json!({
        "gate": spot.gate, "camera": spot.camera,
        "before": moved.before.map(PlaceView::from), "after": moved.after.map(PlaceView::from),
    });
    let entry = AuditEntry::plain(acting.actor.clone(), Action::GatePlaced, details);
    audit::append(main, &entry, acting.now, acting.key)?;
    Ok(())
}
