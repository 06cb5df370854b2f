//! What people decide of bodies: each act with its audit line, in one transaction.

use serde_json::json;
use thiserror::Error;

use super::reference::ReferenceForm;
use super::{Body, BodyId, BodyKind, is_name};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{AuditEntry, AuditError};
use crate::municipalities::{self, Municipality};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Nothing was changed.
#[derive(Debug, Error)]
pub enum BodyDeskError {
    /// There is none.
    #[error("there is no body `{0}`; `varco-hub body list` shows those there are")]
    Unknown(BodyId),
    /// It is there, and is something else.
    #[error("`{0}` is a {1} for good: give the new body an id of its own")]
    Kind(BodyId, &'static str),
    /// Two bodies of one name.
    #[error("`{0}` is the name of the body `{1}`")]
    NameTaken(String, BodyId),
    /// The name.
    #[error(
        "the name of a body has 1 to 120 characters that can be read, without spaces at its ends"
    )]
    Name,
    /// It needs one.
    #[error("a body of the kind `{0}` is of a municipality: say which, as its name or ISTAT code")]
    NeedsMunicipality(&'static str),
    /// It has none.
    #[error("a body of the kind `{0}` is of no municipality; agreements say what it may see")]
    NoMunicipality(&'static str),
    /// There is none.
    #[error("there is no municipality `{0}`; `varco-hub municipality list` shows those there are")]
    Municipality(String),
    /// Whoever runs the hub.
    #[error("the hub's owner cannot end")]
    Owner,
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a body is to be.
#[derive(Debug, Clone)]
pub struct WantedBody {
    /// Its id; one that there is gets another name or municipality.
    pub id: BodyId,
    /// As people call it.
    pub name: String,
    /// What it is; none leaves it as it is.
    pub kind: Option<BodyKind>,
    /// Whose it is, by name or ISTAT code.
    pub municipality: Option<String>,
}

/// Names a body, or changes its name and municipality. Gives what it is now.
///
/// # Errors
/// [`BodyDeskError`].
pub fn set(
    main: &mut Connection,
    wanted: &WantedBody,
    acting: &Acting<'_>,
) -> Result<Body, BodyDeskError> {
    acting.change(main, |main| {
        let mut all = super::all(main)?;
        let before = all.remove(&wanted.id);
        let body = body_of(main, wanted, before.as_ref(), acting)?;
        let same = |other: &&Body| other.name.to_lowercase() == body.name.to_lowercase();
        if let Some(other) = all.values().find(same) {
            return Err(BodyDeskError::NameTaken(body.name, other.id.clone()));
        }
        super::keep(main, &body)?;
        let details = json!({
            "body": body.id, "name": body.name, "kind": body.kind.as_str(),
            "municipality": body.municipality,
            "before": before.map(|was| json!({ "name": was.name, "municipality": was.municipality })),
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::BodyChanged, details);
        Ok((body, entry))
    })
}

fn body_of(
    main: &Connection,
    wanted: &WantedBody,
    before: Option<&Body>,
    acting: &Acting<'_>,
) -> Result<Body, BodyDeskError> {
    if !is_name(&wanted.name) {
        return Err(BodyDeskError::Name);
    }
    let kind = match (before, wanted.kind) {
        (None, None) => return Err(BodyDeskError::Unknown(wanted.id.clone())),
        (None, Some(kind)) => kind,
        (Some(before), wished) if wished.is_none_or(|kind| kind == before.kind) => before.kind,
        (Some(before), _) => {
            return Err(BodyDeskError::Kind(wanted.id.clone(), before.kind.as_str()));
        }
    };
    let municipality = match &wanted.municipality {
        Some(asked) => Some(municipality(main, asked)?),
        None => before.and_then(|before| before.municipality.clone()),
    };
    let is_owner = before.is_some_and(|before| before.is_owner);
    match (kind.is_municipal(), &municipality) {
        (true, None) if !is_owner => return Err(BodyDeskError::NeedsMunicipality(kind.as_str())),
        (false, Some(_)) => return Err(BodyDeskError::NoMunicipality(kind.as_str())),
        _ => {}
    }
    Ok(Body {
        id: wanted.id.clone(),
        name: wanted.name.clone(),
        kind,
        municipality,
        reference_form: before.and_then(|before| before.reference_form.clone()),
        is_owner,
        made_at: before.map_or(acting.now, |before| before.made_at),
        ended_at: before.and_then(|before| before.ended_at),
    })
}

/// The municipality of a name or an ISTAT code.
///
/// # Errors
/// [`BodyDeskError::Municipality`], [`BodyDeskError::Store`].
pub fn municipality(main: &Connection, asked: &str) -> Result<Municipality, BodyDeskError> {
    let unknown = || BodyDeskError::Municipality(asked.to_owned());
    let all = municipalities::all(main)?.into_iter();
    let mut found = all.filter(|(name, known)| {
        name.as_str() == asked
            || known
                .istat
                .as_ref()
                .is_some_and(|code| code.as_str() == asked)
    });
    found.next().map(|(name, _)| name).ok_or_else(unknown)
}

/// Says how a body writes the references of its cases; none when any will do. Gives what it is now.
///
/// # Errors
/// [`BodyDeskError`].
pub fn set_reference_form(
    main: &mut Connection,
    id: &BodyId,
    form: Option<&ReferenceForm>,
    acting: &Acting<'_>,
) -> Result<Body, BodyDeskError> {
    acting.change(main, |main| {
        let body = super::find(main, id)?.filter(|body| body.holds());
        let mut body = body.ok_or_else(|| BodyDeskError::Unknown(id.clone()))?;
        let before = std::mem::replace(&mut body.reference_form, form.cloned());
        super::keep(main, &body)?;
        let text = |form: Option<&ReferenceForm>| form.map(ToString::to_string);
        let details = json!({
            "body": body.id, "reference_form": text(form), "before": text(before.as_ref()),
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::ReferenceFormSet, details);
        Ok((body, entry))
    })
}

/// Ends a body: its people and systems may nothing from now on.
///
/// # Errors
/// [`BodyDeskError`].
pub fn end(main: &mut Connection, id: &BodyId, acting: &Acting<'_>) -> Result<Body, BodyDeskError> {
    acting.change(main, |main| {
        let body = super::find(main, id)?.filter(|body| body.holds());
        let mut body = body.ok_or_else(|| BodyDeskError::Unknown(id.clone()))?;
        if body.is_owner {
            return Err(BodyDeskError::Owner);
        }
        body.ended_at = Some(acting.now);
        super::keep(main, &body)?;
        let details = json!({ "body": body.id, "name": body.name });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::BodyEnded, details);
        Ok((body, entry))
    })
}
