//! `GET /api/v1/purposes`: what the gates are for that the asker's office may see, and how it writes references.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::{ApiError, ErrorBody};
use super::request::{LookUp, May};
use super::standing::Standing;
use super::state::{HubState, blocking};
use super::words::PurposeView;
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::audit::purpose::Purpose;

/// What an office may state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PurposesAnswer {
    /// The purposes for which there is a gate that the office may see, in the regulation's order.
    pub purposes: Vec<PurposeView>,
    /// How the office writes the references of its cases: `#` a digit, `#+` digits, `@` a letter, `@+` letters,
    /// `YYYY` a year, ` | ` between two forms; null while any will do.
    pub reference_form: Option<String>,
}

/// Shows what the caller's office may search for. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/purposes", tag = "lookups", security(("token" = [])),
    responses(
        (status = 200, description = "What the office may state", body = PurposesAnswer),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn list_purposes(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<LookUp>,
) -> Result<Json<PurposesAnswer>, ApiError> {
    let answer = blocking(move || {
        let entry = AuditEntry::plain(actor, Action::PurposesListed, serde_json::json!({}));
        state.note(&entry)?;
        let standing = Standing::of(&state, &*state.main()?, &caller, state.clock.now())?;
        let purposes = standing.world().purposes_of(&caller.body);
        let purposes: BTreeSet<Purpose> = purposes.unwrap_or_else(|| Purpose::REGULATION.into());
        let is_for = |purpose: &Purpose| {
            let bounds = caller.bounds.as_ref();
            bounds.is_none_or(|bounds| bounds.purposes.contains(purpose))
        };
        let purposes = purposes.into_iter().filter(is_for);
        let form = caller.body.reference_form.as_ref();
        Ok(PurposesAnswer {
            purposes: purposes.map(PurposeView::from).collect(),
            reference_form: form.map(ToString::to_string),
        })
    });
    answer.await.map(Json)
}
