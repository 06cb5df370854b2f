//! `GET /api/v1/office`: who answers for the asker's own body, what they delegated, who keeps its keys, and which
//! people of firms come in.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::{ApiError, ErrorBody};
use super::request::{May, Oversee};
use super::state::{HubState, blocking};
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::people::office::{Office, OfficeDelegation, OfficeStaff};

/// A body's office. Times are RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfficeAnswer {
    /// Whose.
    pub body: String,
    /// Who answers for it; null when nobody does.
    pub responsible: Option<ResponsibleView>,
    /// Who keeps each key.
    pub keys: Vec<KeyView>,
    /// What was delegated, oldest first.
    pub delegations: Vec<DelegationView>,
    /// Who of firms was named to it, oldest first.
    pub external_staff: Vec<StaffView>,
}

/// Who answers for a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResponsibleView {
    /// Their name.
    pub person: String,
    /// The act that appoints them.
    pub act: String,
    /// Since when.
    pub from: String,
}

/// Who keeps a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// `server-room`, `media-cabinet` or `encryption`.
    pub key: String,
    /// Who; null when nobody does.
    pub holder: Option<String>,
}

/// A delegation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DelegationView {
    /// Its number.
    pub number: i64,
    /// By whom.
    pub by: String,
    /// To whom.
    pub to: String,
    /// Which functions, with blanks between: `persons`, `admission`, `oversight`.
    pub functions: String,
    /// By which act.
    pub act: String,
    /// On which day the Mayor was told, YYYY-MM-DD.
    pub mayor_told_on: String,
    /// Under which reference.
    pub notice: String,
    /// From when.
    pub from: String,
    /// Until when.
    pub until: String,
    /// Since when it has ended before its end; null while it has not.
    pub ended_at: Option<String>,
    /// Whether it holds, and both hold their offices.
    pub in_force: bool,
}

/// Somebody of a firm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StaffView {
    /// The entry's number.
    pub number: i64,
    /// Who.
    pub person: String,
    /// Of which firm.
    pub firm: String,
    /// `maintenance` or `cleaning`.
    pub work: String,
    /// In which writing they were named.
    pub communication: String,
    /// On which day, YYYY-MM-DD.
    pub communicated_on: String,
    /// Where their signed declaration that they keep secret what they see is kept; null when there is none.
    pub secrecy: Option<String>,
    /// When they signed it, YYYY-MM-DD; null when they did not.
    pub secrecy_on: Option<String>,
    /// From when.
    pub from: String,
    /// Until when.
    pub until: String,
    /// Since when it has ended before its end; null while it has not.
    pub ended_at: Option<String>,
    /// Whether it holds.
    pub holds: bool,
}

impl From<OfficeDelegation> for DelegationView {
    fn from(one: OfficeDelegation) -> Self {
        Self {
            number: one.number,
            by: one.by,
            to: one.to,
            functions: one.functions,
            act: one.act,
            mayor_told_on: one.mayor_told_on,
            notice: one.notice,
            from: one.from,
            until: one.until,
            ended_at: one.ended_at,
            in_force: one.is_in_force,
        }
    }
}

impl From<OfficeStaff> for StaffView {
    fn from(one: OfficeStaff) -> Self {
        Self {
            number: one.number,
            person: one.person,
            firm: one.firm,
            work: one.work,
            communication: one.communication,
            communicated_on: one.communicated_on,
            secrecy: one.secrecy,
            secrecy_on: one.secrecy_on,
            from: one.from,
            until: one.until,
            ended_at: one.ended_at,
            holds: one.holds,
        }
    }
}

impl From<Office> for OfficeAnswer {
    fn from(office: Office) -> Self {
        let keys = office.keys.into_iter();
        Self {
            body: office.body,
            responsible: office.responsible.map(|held| ResponsibleView {
                person: held.person,
                act: held.act,
                from: held.from,
            }),
            keys: keys
                .map(|one| KeyView {
                    key: one.key,
                    holder: one.holder,
                })
                .collect(),
            delegations: office.delegations.into_iter().map(Into::into).collect(),
            external_staff: office.external_staff.into_iter().map(Into::into).collect(),
        }
    }
}

/// Shows the office of the caller's own body. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/office", tag = "audit", security(("token" = [])),
    responses(
        (status = 200, description = "The office", body = OfficeAnswer),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn show_office(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Oversee>,
) -> Result<Json<OfficeAnswer>, ApiError> {
    let office = blocking(move || {
        let details = serde_json::json!({ "body": caller.body.id });
        state.note(&AuditEntry::plain(actor, Action::OfficeShown, details))?;
        let office = Office::of(&*state.main()?, &caller.body.id, state.clock.now());
        office.map_err(ApiError::store)
    });
    Ok(Json(office.await?.into()))
}
