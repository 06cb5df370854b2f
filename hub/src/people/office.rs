//! A body's office as it stands at a moment: who answers for it, what they delegated, who keeps its keys, and which
//! people of firms come in.

use serde::Serialize;
use varco_proto::time::UtcTime;

use super::custody::{self, KeptKey};
use super::external_staff::{self, StaffEntry};
use super::{actors, appointments, delegations};
use crate::bodies::BodyId;
use crate::store::StoreError;
use crate::store::sql::Connection;

/// A body's office. Times are RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Office {
    /// Whose.
    pub body: String,
    /// Who answers for it; none when nobody does.
    pub responsible: Option<OfficeResponsible>,
    /// Who keeps each key.
    pub keys: Vec<OfficeKey>,
    /// What was delegated, oldest first.
    pub delegations: Vec<OfficeDelegation>,
    /// Who of firms was named to it, oldest first.
    pub external_staff: Vec<OfficeStaff>,
}

/// Who answers for a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfficeResponsible {
    /// Their name.
    pub person: String,
    /// The act that appoints them.
    pub act: String,
    /// Since when.
    pub from: String,
}

/// Who keeps a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfficeKey {
    /// Which.
    pub key: String,
    /// Who; none when nobody does.
    pub holder: Option<String>,
}

/// A delegation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfficeDelegation {
    /// Its number.
    pub number: i64,
    /// By whom.
    pub by: String,
    /// To whom.
    pub to: String,
    /// Which functions, with blanks between.
    pub functions: String,
    /// By which act.
    pub act: String,
    /// On which day the Mayor was told.
    pub mayor_told_on: String,
    /// Under which reference.
    pub notice: String,
    /// From when.
    pub from: String,
    /// Until when.
    pub until: String,
    /// Since when it has ended before its end.
    pub ended_at: Option<String>,
    /// Whether it holds, and both hold their offices.
    pub is_in_force: bool,
}

/// Somebody of a firm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfficeStaff {
    /// The entry's number.
    pub number: i64,
    /// Who.
    pub person: String,
    /// Of which firm.
    pub firm: String,
    /// What they do.
    pub work: String,
    /// In which writing they were named.
    pub communication: String,
    /// On which day.
    pub communicated_on: String,
    /// Where their signed declaration that they keep secret what they see is kept.
    pub secrecy: Option<String>,
    /// When they signed it.
    pub secrecy_on: Option<String>,
    /// From when.
    pub from: String,
    /// Until when.
    pub until: String,
    /// Since when it has ended before its end.
    pub ended_at: Option<String>,
    /// Whether it holds.
    pub holds: bool,
}

impl Office {
    /// Reads it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn of(main: &Connection, body: &BodyId, now: UtcTime) -> Result<Self, StoreError> {
        let responsible = appointments::responsible(main, body, now)?;
        let responsible = responsible.map(|held| {
            Ok::<_, StoreError>(OfficeResponsible {
                person: name(main, &held.actor_id)?,
                act: held.act,
                from: held.from.to_string(),
            })
        });
        let keys = KeptKey::ALL.iter().map(|(key, word)| {
            let holder = custody::holder(main, body, *key, now)?;
            let holder = holder.map(|holder| name(main, &holder)).transpose()?;
            let key = (*word).to_owned();
            Ok(OfficeKey { key, holder })
        });
        let given = delegations::all(main)?.into_iter();
        let given = given.filter(|one| one.body == *body);
        let delegations = given.map(|one| {
            Ok(OfficeDelegation {
                number: one.number,
                by: name(main, &one.by)?,
                to: name(main, &one.to)?,
                functions: one.functions.to_text(),
                act: one.act.clone(),
                mayor_told_on: one.mayor_told_on.clone(),
                notice: one.notice.clone(),
                from: one.from.to_string(),
                until: one.until.to_string(),
                ended_at: one.ended_at.map(|at| at.to_string()),
                is_in_force: one.is_in_force(main, now)?,
            })
        });
        let staff = external_staff::all(main)?.into_iter();
        let staff = staff.filter(|one| one.body == *body);
        let staff = staff.map(|one| of_staff(main, &one, now));
        Ok(Self {
            body: body.to_string(),
            responsible: responsible.transpose()?,
            keys: keys.collect::<Result<_, StoreError>>()?,
            delegations: delegations.collect::<Result<_, StoreError>>()?,
            external_staff: staff.collect::<Result<_, StoreError>>()?,
        })
    }
}

fn of_staff(main: &Connection, one: &StaffEntry, now: UtcTime) -> Result<OfficeStaff, StoreError> {
    Ok(OfficeStaff {
        number: one.number,
        person: name(main, &one.actor_id)?,
        firm: one.firm.clone(),
        work: one.work.to_string(),
        communication: one.communication.clone(),
        communicated_on: one.communicated_on.clone(),
        secrecy: one.secrecy.clone(),
        secrecy_on: one.secrecy_on.clone(),
        from: one.from.to_string(),
        until: one.until.to_string(),
        ended_at: one.ended_at.map(|at| at.to_string()),
        holds: one.holds_at(now),
    })
}

fn name(main: &Connection, actor_id: &str) -> Result<String, StoreError> {
    let actor = actors::of_id(main, actor_id)?;
    let actor = actor.ok_or(StoreError::Damaged { what: "actor" })?;
    Ok(actor.name().to_owned())
}
