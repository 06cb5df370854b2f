//! What people decide of municipalities: each act with its audit line, in one transaction.

use serde_json::json;
use thiserror::Error;
use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{AuditEntry, AuditError};
use crate::hours::partition::Term;
use crate::municipalities::{self, IstatCode, KnownMunicipality, Municipality};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Nothing was changed.
#[derive(Debug, Error)]
pub enum MunicipalDeskError {
    /// A slip of the pen must not make another municipality.
    #[error("there is no municipality `{0}`; `varco-hub municipality list` shows those there are")]
    Unknown(Municipality),
    /// Two would be meant by one code.
    #[error("that ISTAT code is the one of `{0}`; `varco-hub municipality list` shows them")]
    IstatTaken(Municipality),
    /// Its gates would be nobody's, and keep their transits longer.
    #[error(
        "`{name}` has {gates} gates, whose transits would be kept under another term: give these to \
         another municipality, or to none, with `varco-hub gate municipality`"
    )]
    HasGates {
        /// Which.
        name: Municipality,
        /// How many.
        gates: usize,
    },
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Names a municipality, or changes its term, and its ISTAT code when one is given. Gives what it was before;
/// none when it is new.
///
/// # Errors
/// [`MunicipalDeskError`].
pub fn set(
    main: &mut Connection,
    name: &Municipality,
    term: Term,
    istat: Option<&IstatCode>,
    acting: &Acting<'_>,
) -> Result<Option<KnownMunicipality>, MunicipalDeskError> {
    changed(main, acting, |main| {
        let mut all = municipalities::all(main)?;
        let before = all.remove(name);
        let has_it = |known: &KnownMunicipality| istat.is_some() && known.istat.as_ref() == istat;
        if let Some((other, _)) = all.into_iter().find(|(_, known)| has_it(known)) {
            return Err(MunicipalDeskError::IstatTaken(other));
        }
        municipalities::keep(main, name, term, istat)?;
        let details = json!({
            "municipality": name, "term_hours": term.hours(), "istat": istat,
            "before": before.as_ref().map(|known| json!({ "term_hours": known.term.hours() })),
            "gates": before.as_ref().map(|known| &known.gates),
        });
        Ok((before, Action::MunicipalityChanged, details))
    })
}

/// Gives a municipality the shortest term, within the caller's transaction and line: what it has stored is destroyed
/// within two hours. Gives what it was before.
///
/// # Errors
/// [`MunicipalDeskError`].
pub fn let_go(
    main: &Connection,
    name: &Municipality,
    now: UtcTime,
) -> Result<KnownMunicipality, MunicipalDeskError> {
    let known = expect(main, name)?;
    let before = municipalities::terms(main)?;
    let shortest = Term::of_hours(1).ok_or(StoreError::Damaged { what: "term" })?;
    municipalities::keep(main, name, shortest, None)?;
    municipalities::note_before(main, &before, now)?;
    Ok(known)
}

/// Removes a municipality that has no gates.
///
/// # Errors
/// [`MunicipalDeskError`].
pub fn remove(
    main: &mut Connection,
    name: &Municipality,
    acting: &Acting<'_>,
) -> Result<(), MunicipalDeskError> {
    changed(main, acting, |main| {
        let known = expect(main, name)?;
        if !known.gates.is_empty() {
            return Err(MunicipalDeskError::HasGates {
                name: name.clone(),
                gates: known.gates.len(),
            });
        }
        municipalities::forget(main, name)?;
        let details = json!({
            "municipality": name, "removed": true,
            "before": { "term_hours": known.term.hours() },
        });
        Ok(((), Action::MunicipalityChanged, details))
    })
}

/// Gives a gate to a municipality, or to none. Gives whose it was.
///
/// # Errors
/// [`MunicipalDeskError`].
pub fn give(
    main: &mut Connection,
    gate: &GateId,
    to: Option<&Municipality>,
    acting: &Acting<'_>,
) -> Result<Option<Municipality>, MunicipalDeskError> {
    changed(main, acting, |main| {
        let term = to.map(|name| expect(main, name)).transpose()?;
        let before = municipalities::of_gate(main, gate)?;
        municipalities::give(main, gate, to, acting.now)?;
        let details = json!({
            "gate": gate, "before": before, "after": to,
            "term_hours": term.and_then(|known| known.term.hours()),
        });
        Ok((before, Action::GateGiven, details))
    })
}

fn expect(main: &Connection, name: &Municipality) -> Result<KnownMunicipality, MunicipalDeskError> {
    let known = municipalities::all(main)?.remove(name);
    known.ok_or_else(|| MunicipalDeskError::Unknown(name.clone()))
}

/// Does something to the terms, and notes what they were and the act's line, or nothing of it.
fn changed<T>(
    main: &mut Connection,
    acting: &Acting<'_>,
    act: impl FnOnce(&Connection) -> Result<(T, Action, serde_json::Value), MunicipalDeskError>,
) -> Result<T, MunicipalDeskError> {
    acting.change(main, |main| {
        let before = municipalities::terms(main)?;
        let (value, action, details) = act(main)?;
        municipalities::note_before(main, &before, acting.now)?;
        Ok((
            value,
            AuditEntry::plain(acting.actor.clone(), action, details),
        ))
    })
}
