//! `GET /api/v1/agreements`: what the asker's own body gives and gets, under which agreements. They are made and ended
//! at the hub's console.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::time::UtcTime;

use super::errors::{ApiError, ErrorBody};
use super::request::{LookUp, May};
use super::standing::Standing;
use super::state::{HubState, blocking};
use super::words::PurposeView;
use crate::agreements::{self, Agreement, Member};
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::audit::purpose::Purpose;
use crate::bodies::Body;

/// An agreement to which the asker's body is or was a party. Times are RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgreementView {
    /// Its id.
    pub id: String,
    /// As people call it.
    pub title: String,
    /// What allows it.
    pub legal_basis: String,
    /// The municipality that leads.
    pub lead: String,
    /// Whether the body's municipality gives now.
    pub gives: bool,
    /// Whether the body gets now.
    pub gets: bool,
    /// The purposes that it names.
    pub purposes: Vec<PurposeView>,
    /// Those of them that all its members have, for which it serves now; empty when it does not hold.
    pub common_purposes: Vec<PurposeView>,
    /// What it lets be done, with blanks between.
    pub may: String,
    /// Whether officers on duty of the giver's police let each office in.
    pub admission: bool,
    /// When it begins.
    pub from: String,
    /// The first moment in which it does not hold any more.
    pub until: String,
    /// When it was ended before its end; null when it was not.
    pub ended_at: Option<String>,
    /// Whether it holds now.
    pub holds: bool,
    /// The municipalities whose transits are seen now.
    pub givers: Vec<String>,
    /// The bodies that see them now.
    pub receivers: Vec<String>,
    /// Only these gates of the givers; all when empty.
    pub gates: Vec<String>,
}

/// The agreements of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgreementsAnswer {
    /// By id.
    pub agreements: Vec<AgreementView>,
}

fn members<T: ToString>(members: &[Member<T>], now: UtcTime) -> Vec<String> {
    let now = members.iter().filter(|member| member.holds_at(now));
    now.map(|member| member.who.to_string()).collect()
}

fn views(purposes: &BTreeSet<Purpose>) -> Vec<PurposeView> {
    purposes.iter().copied().map(PurposeView::from).collect()
}

/// Whether a body is or was a party.
fn is_party(agreement: &Agreement, body: &Body) -> bool {
    let own = body.municipality.as_ref();
    agreement.receivers.iter().any(|one| one.who == body.id)
        || agreement.givers.iter().any(|one| Some(&one.who) == own)
}

fn view(agreement: &Agreement, common: &[Agreement], body: &Body, now: UtcTime) -> AgreementView {
    let holds = agreement.holds_at(now);
    let gives = |name| agreement.gives(name, now);
    let common = common.iter().find(|one| one.id == agreement.id);
    AgreementView {
        id: agreement.id.to_string(),
        title: agreement.title.clone(),
        legal_basis: agreement.legal_basis.clone(),
        lead: agreement.lead.to_string(),
        gives: holds && body.municipality.as_ref().is_some_and(gives),
        gets: holds && agreement.receives(&body.id, now),
        purposes: views(&agreement.purposes),
        common_purposes: common.map_or_else(Vec::new, |one| views(&one.purposes)),
        may: agreement.may.to_text(),
        admission: agreement.admission,
        from: agreement.from.to_string(),
        until: agreement.until.to_string(),
        ended_at: agreement.ended_at.map(|at| at.to_string()),
        holds,
        givers: members(&agreement.givers, now),
        receivers: members(&agreement.receivers, now),
        gates: agreement.gates.iter().map(ToString::to_string).collect(),
    }
}

/// Shows what the caller's own body gives and gets. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/agreements", tag = "lookups", security(("token" = [])),
    responses(
        (status = 200, description = "The agreements of the body, by id", body = AgreementsAnswer),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn list_agreements(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<LookUp>,
) -> Result<Json<AgreementsAnswer>, ApiError> {
    let answer = blocking(move || {
        let entry = AuditEntry::plain(actor, Action::AgreementsListed, serde_json::json!({}));
        state.note(&entry)?;
        let (main, now) = (state.main()?, state.clock.now());
        let standing = Standing::of(&state, &main, &caller, now)?;
        let common = &standing.world().agreements;
        let all = agreements::all(&main)?.into_iter();
        let all = all.filter(|agreement| is_party(agreement, &caller.body));
        let views = all.map(|agreement| view(&agreement, common, &caller.body, now));
        Ok(AgreementsAnswer {
            agreements: views.collect(),
        })
    });
    answer.await.map(Json)
}
