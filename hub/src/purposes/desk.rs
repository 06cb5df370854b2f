//! What municipalities decide that their gates are for: each list with its audit line, in one transaction.

use std::collections::BTreeSet;

use serde_json::json;
use thiserror::Error;
use varco_proto::time::UtcTime;

use super::{PurposeList, PurposeScope, PurposesInForce};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::purpose::Purpose;
use crate::audit::{AuditEntry, AuditError};
use crate::municipalities::{self, Municipality};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Longest reference of an act or a regulation, in characters.
const ACT_CHARACTERS_MAX: usize = 200;

/// No list was made.
#[derive(Debug, Error)]
pub enum PurposeDeskError {
    /// There is none.
    #[error("there is no municipality `{0}`; `varco-hub municipality list` shows those there are")]
    Municipality(Municipality),
    /// Nothing.
    #[error("say at least one purpose")]
    Empty,
    /// It must be said.
    #[error("say the {0}, in 3 to {ACT_CHARACTERS_MAX} characters: its number, date and office")]
    Act(&'static str),
    /// Perugia's regulation forbids it, and the default list has it not.
    #[error(
        "`sanction` is a purpose only where a regulation allows it: give that with --sanction-basis"
    )]
    NoBasis,
    /// Nothing that it would allow.
    #[error("a regulation that allows sanctions goes with the purpose `sanction`")]
    BasisAlone,
    /// Only what its municipality's are for.
    #[error(
        "the gate's municipality is not for `{0}`; `varco-hub purpose list` shows what it is for"
    )]
    NotOfMunicipality(Purpose),
    /// Its beginning.
    #[error("a list of purposes does not begin in the past")]
    Past,
    /// No audit line, no list.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a list is to be.
#[derive(Debug, Clone)]
pub struct WantedPurposes {
    /// Whose.
    pub scope: PurposeScope,
    /// Its purposes; none for a gate that is to be for all of its municipality's.
    pub purposes: BTreeSet<Purpose>,
    /// By which act or resolution.
    pub act: String,
    /// The regulation that allows sanctions.
    pub sanction_basis: Option<String>,
    /// From when.
    pub from: UtcTime,
}

/// Makes a list. It takes the place of the one before, from its beginning on.
///
/// # Errors
/// [`PurposeDeskError`].
pub fn set(
    main: &mut Connection,
    wanted: &WantedPurposes,
    acting: &Acting<'_>,
) -> Result<PurposeList, PurposeDeskError> {
    acting.change(main, |main| {
        check(main, wanted, acting.now)?;
        let mut made = super::all(main)?.into_iter();
        let before = made.rfind(|list| list.scope == wanted.scope);
        let list = PurposeList {
            scope: wanted.scope.clone(),
            number: before.as_ref().map_or(1, |before| before.number + 1),
            purposes: wanted.purposes.clone(),
            act: wanted.act.trim().to_owned(),
            sanction_basis: wanted
                .sanction_basis
                .as_deref()
                .map(str::trim)
                .map(str::to_owned),
            from: wanted.from,
            made_at: acting.now,
        };
        super::add(main, &list)?;
        let names = |of: &BTreeSet<Purpose>| of.iter().map(|p| p.as_str()).collect::<Vec<_>>();
        let [scope, name] = list.scope.columns();
        let details = json!({
            scope: name, "number": list.number, "purposes": names(&list.purposes),
            "act": list.act, "sanction_basis": list.sanction_basis, "from": list.from,
            "before": before.map(|was| json!({
                "number": was.number, "purposes": names(&was.purposes), "from": was.from,
            })),
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::PurposesSet, details);
        Ok((list, entry))
    })
}

fn check(main: &Connection, wanted: &WantedPurposes, now: UtcTime) -> Result<(), PurposeDeskError> {
    let basis = wanted.sanction_basis.as_deref();
    for (what, text) in [
        ("act that makes the list", Some(wanted.act.as_str())),
        ("regulation that allows sanctions", basis),
    ] {
        let characters = text.map_or(3, |text| text.trim().chars().count());
        let is_readable = !text.is_some_and(|text| text.chars().any(char::is_control));
        if !(3..=ACT_CHARACTERS_MAX).contains(&characters) || !is_readable {
            return Err(PurposeDeskError::Act(what));
        }
    }
    if wanted.from < now {
        return Err(PurposeDeskError::Past);
    }
    let has_sanction = wanted.purposes.contains(&Purpose::Sanction);
    match &wanted.scope {
        PurposeScope::Municipality(name) => {
            if !municipalities::all(main)?.contains_key(name) {
                return Err(PurposeDeskError::Municipality(name.clone()));
            }
            if wanted.purposes.is_empty() {
                return Err(PurposeDeskError::Empty);
            }
            match (has_sanction, basis) {
                (true, None) => Err(PurposeDeskError::NoBasis),
                (false, Some(_)) => Err(PurposeDeskError::BasisAlone),
                _ => Ok(()),
            }
        }
        PurposeScope::Gate(gate) => {
            if basis.is_some() {
                return Err(PurposeDeskError::BasisAlone);
            }
            let whose = municipalities::of_gate(main, gate)?;
            let held = PurposesInForce::read(main, wanted.from)?;
            let of_all = held.of_municipality(whose.as_ref());
            match wanted.purposes.difference(&of_all).next() {
                Some(other) => Err(PurposeDeskError::NotOfMunicipality(*other)),
                None => Ok(()),
            }
        }
    }
}
