//! `/api/v1/evidence`: records leave the hub, by an authorisation and masked; `/api/v1/extraction-permits`: standing
//! authorisations for judicial authority and Judicial Police.

use std::collections::HashSet;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::envelope::{Verified, open};
use varco_proto::ids::{Digest, EdgeId, TransitId};
use varco_proto::record::Record;

use super::communicated::{self, PassedAt};
use super::errors::{ApiError, ErrorBody};
use super::grounds::GroundsRequest;
use super::lookups::moment;
use super::request::{Authorise, Extract, May, Path, Sent};
use super::standing::Standing;
use super::state::{HubState, blocking};
use super::words::{ExtractionCaseView, RecipientView, Word};
use crate::approvals::approval::ApprovalError;
use crate::approvals::subject::RecipientKind;
use crate::audit::AuditEntry;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::bodies::Body;
use crate::boxes::edges;
use crate::cases::case::CaseError;
use crate::cases::desk as cases;
use crate::cases::desk::CaseDeskError;
use crate::evidence::contents::CorrectedText;
use crate::evidence::contents::WantedExtraction;
use crate::evidence::desk::{
    self, CommittedExtraction, ExtractionError, PermitChoice, ReadExtraction,
};
use crate::evidence::draft::{EvidenceSource, MadePackage, PackageBasis, PackageDraft};
use crate::evidence::standing::{self, StandingPermit, StandingPermitError};
use crate::lookups::lookup::OneTransit;
use crate::plates::plate::text_of;
use crate::policy::Deed;
use crate::policy::caller::Caller;
use crate::store::StoreError;
use crate::transits::corrections::Correction;

/// What opens the sealed originals; it stands here and nowhere else.
const ORIGINALS_KEY: HeaderName = HeaderName::from_static("varco-originals-key");
/// How long a package waits for a witness to cosign its line. Without that it says so.
const COSIGNED_WITHIN: Duration = Duration::from_secs(8);
/// How often it is looked whether one has.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// SHA-256 of the package.
const PACKAGE_DIGEST: HeaderName = HeaderName::from_static("varco-package-sha256");

/// What is to be extracted. It must be what was authorised, to the letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceRequest {
    /// Which of the three cases in which recordings are acquired.
    #[schema(value_type = ExtractionCaseView)]
    pub case_type: Word<ExtractionCaseView>,
    /// The complaint, the report or the request, with its date, 3 to 120 characters.
    #[schema(min_length = 3, max_length = 120)]
    pub reference: String,
    /// What the recipient is.
    #[schema(value_type = RecipientView)]
    pub recipient_kind: Word<RecipientView>,
    /// Who it is, 3 to 120 characters.
    #[schema(min_length = 3, max_length = 120)]
    pub recipient: String,
    /// UUIDs of the transits, 100 at most.
    #[schema(format = "uuid", min_items = 1, max_items = 100)]
    pub transits: Vec<String>,
    /// The case that holds them; left out when they are within their term.
    #[serde(default)]
    pub held_in: Option<String>,
    /// Whether the edges' sealed originals go along, under a key of their own: for a judicial authority alone.
    #[serde(default)]
    pub originals: bool,
    /// The request that was approved; or name a standing authorisation.
    #[serde(default)]
    pub approval: Option<String>,
    /// The number of a standing authorisation.
    #[serde(default)]
    pub standing: Option<i64>,
    /// Why.
    #[serde(flatten)]
    pub grounds: GroundsRequest,
}

impl EvidenceRequest {
    fn check(&self, body: &Body) -> Result<(WantedExtraction, PermitChoice), ApiError> {
        let grounds = self.grounds.check(body)?;
        let id = |text: &String| {
            let id: Result<TransitId, _> = text.parse();
            id.map_err(|_| ApiError::field("transits", "UUIDs as a lookup shows them"))
        };
        let wanted = WantedExtraction {
            case_type: self.case_type.check("case_type")?.into(),
            reference: self.reference.trim().to_owned(),
            recipient_kind: self.recipient_kind.check("recipient_kind")?.into(),
            recipient: self.recipient.trim().to_owned(),
            transits: self.transits.iter().map(id).collect::<Result<_, _>>()?,
            held_in: self.held_in.clone(),
            originals: self.originals,
            purpose: grounds.purpose.to_string(),
            case_reference: grounds.case_reference,
        };
        if wanted.transits.len() != self.transits.len() {
            return Err(ApiError::field("transits", "each once"));
        }
        wanted
            .check()
            .map_err(|error| ApiError::field("extraction", error.to_string()))?;
        let choice = match (&self.approval, self.standing) {
            (Some(id), None) => {
                let id = id.parse();
                PermitChoice::Approval(
                    id.map_err(|_| ApiError::field("approval", "as it was given when asked for"))?,
                )
            }
            (None, Some(number)) => PermitChoice::Standing(number),
            _ => {
                let what = "the id of an approved request, or `standing` with the number of a standing authorisation";
                return Err(ApiError::field("approval", what));
            }
        };
        Ok((wanted, choice))
    }
}

fn refused(error: ExtractionError) -> ApiError {
    match error {
        ExtractionError::Audit(error) | ExtractionError::Approval(ApprovalError::Audit(error)) => {
            ApiError::audit(error)
        }
        ExtractionError::Store(error) | ExtractionError::Approval(ApprovalError::Store(error)) => {
            ApiError::store(error)
        }
        ExtractionError::Standing(error) => permit_refused(error),
        ExtractionError::Approval(error) => not_authorised(error.to_string()),
        ExtractionError::OtherRecipient => not_authorised(error.to_string()),
        ExtractionError::Blocked => ApiError::Conflict(error.to_string()),
        ExtractionError::Evidence(_) | ExtractionError::Log(_) => {
            tracing::error!(error = %error, "a package cannot be made");
            ApiError::Internal
        }
    }
}

/// Without an authorisation nothing leaves.
fn not_authorised(why: String) -> ApiError {
    ApiError::Refused {
        why,
        what_to_do: "ask the responsible person of your office: POST /api/v1/approvals; what was approved is \
            extracted once, within its time, as it was asked for"
            .to_owned(),
    }
}

/// Extracts records into a package that anybody checks elsewhere (`varco-hub evidence verify`).
///
/// It takes an authorisation, which is used up. Pictures are masked. The answer is the file; its digest, and the key of the
/// sealed originals where they were authorised, stand in the headers `varco-package-sha256` and
/// `varco-originals-key`.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/evidence", tag = "evidence", request_body = EvidenceRequest,
    security(("token" = [])),
    responses(
        (status = 200, description = "The package", body = Vec<u8>, content_type = "application/zip"),
        (status = 403, description = "Not for this token, or not authorised", body = ErrorBody),
        (status = 409, description = "There is no such case that is open, or a transit was blocked meanwhile",
            body = ErrorBody),
        (status = 422, description = "A field is missing or wrong, or a transit is not there", body = ErrorBody),
    )
)]
pub async fn extract_evidence(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Extract>,
    Sent(request): Sent<EvidenceRequest>,
) -> Result<Response, ApiError> {
    let (wanted, choice) = request.check(&caller.body)?;
    let (reading, who) = (state.clone(), actor.clone());
    let mut read = blocking(move || read_for(&reading, &who, &caller, wanted, choice)).await?;
    if let Some(stamper) = &state.evidence.stamper {
        let stamped = stamper.stamp(read.draft.contents_digest()).await;
        let token = stamped.map_err(|error| {
            tracing::error!(error = %error, "a package gets no time stamp, so that it is not made");
            ApiError::Internal
        })?;
        read.draft = read.draft.stamped(token);
    }
    let committed = state
        .clone()
        .act(actor, move |main, _, acting| {
            desk::commit(main, read, acting).map_err(refused)
        })
        .await?;
    let made = finished(&state, committed).await?;
    Ok(answer(made))
}

/// The file, once a witness has cosigned the line, or the wait for that is over.
async fn finished(
    state: &HubState,
    mut committed: CommittedExtraction,
) -> Result<MadePackage, ApiError> {
    let mut waited = Duration::ZERO;
    while !state.evidence.witnesses.is_empty() && waited < COSIGNED_WITHIN {
        let looking = state.clone();
        let (same, is_cosigned) = blocking(move || {
            let main = looking.main()?;
            let is_cosigned = committed.is_cosigned(&main);
            let is_cosigned = is_cosigned.map_err(|error| refused(error.into()))?;
            Ok((committed, is_cosigned))
        })
        .await?;
        committed = same;
        if is_cosigned {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        waited += LOOK_EVERY;
    }
    let state = state.clone();
    blocking(move || {
        let main = state.main()?;
        desk::finish(&main, committed, &state.key).map_err(refused)
    })
    .await
}

fn answer(made: MadePackage) -> Response {
    let text = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    let name = format!("attachment; filename=\"varco-{}.zip\"", made.id);
    let mut headers = vec![
        (CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (CONTENT_DISPOSITION, text(name)),
        (PACKAGE_DIGEST, text(Digest::of(&made.bytes).to_string())),
    ];
    headers.extend(made.originals_key.map(|key| (ORIGINALS_KEY, text(key))));
    let mut response = made.bytes.into_response();
    response.headers_mut().extend(headers);
    response
}

/// Reads what was authorised: nothing is read before the authorisation is found to hold.
fn read_for(
    state: &HubState,
    actor: &Actor,
    caller: &Caller,
    wanted: WantedExtraction,
    choice: PermitChoice,
) -> Result<ReadExtraction, ApiError> {
    let main = state.main()?;
    let acting = Acting {
        actor,
        now: state.clock.now(),
        key: &state.key,
    };
    // Also of what a case holds: no package is for a purpose that no gate is for.
    if let Some(grounds) = wanted.grounds() {
        Standing::of(state, &main, caller, acting.now)?.allow(&grounds)?;
    }
    let body = caller.body.id.clone();
    let permit = desk::permit(&main, &choice, &wanted, &body, &acting).map_err(refused)?;
    let sources = match &wanted.held_in {
        Some(case) => from_case(state, &wanted, case, &acting)?,
        None => from_store(state, caller, &wanted, &acting)?,
    };
    if wanted.recipient_kind == RecipientKind::Subject && plates(&sources) > 1 {
        let what = "records of one vehicle: whoever is shown gets their own (All. 1 c. 8)";
        return Err(ApiError::field("transits", what));
    }
    let passes: Vec<_> = sources.iter().map(passed).collect();
    let mut told = serde_json::json!({});
    communicated::tell_others(&mut told, &main, &caller.body, &passes)?;
    let witnesses = &state.evidence.witnesses;
    let keys = desk::keys(&main, &state.key, &sources, witnesses).map_err(refused)?;
    let basis = PackageBasis {
        wanted,
        permit,
        keys,
        made_at: acting.now,
    };
    let draft = PackageDraft::make(&basis, &sources);
    let draft = draft.map_err(|error| refused(error.into()))?;
    Ok(ReadExtraction {
        choice,
        basis,
        body,
        draft,
        communicated: told["communicated"].take(),
    })
}

fn passed(source: &EvidenceSource) -> Option<PassedAt> {
    let transit = source.verified.value().body.transit()?;
    Some(PassedAt {
        gate: transit.gate.clone(),
        at: transit.captured_at.at,
    })
}

/// How many plates records have, by the texts that hold.
fn plates(sources: &[EvidenceSource]) -> usize {
    let texts = sources.iter().filter_map(|source| {
        let read = source.verified.value().body.transit()?.plate.text.as_str();
        let corrected = source.corrections.last();
        Some(corrected.map_or(read, |last| last.plate.as_str()))
    });
    texts.collect::<HashSet<_>>().len()
}

fn missing() -> ApiError {
    ApiError::field(
        "transits",
        "only transits that are there, within your reach, not past their term and not blocked; nothing was extracted",
    )
}

fn from_store(
    state: &HubState,
    caller: &Caller,
    wanted: &WantedExtraction,
    acting: &Acting<'_>,
) -> Result<Vec<EvidenceSource>, ApiError> {
    let purpose = wanted.grounds().map(|grounds| grounds.purpose);
    let standing = Standing::of(state, &*state.main()?, caller, acting.now)?;
    let reach = standing.reach(Deed::Extract, purpose)?;
    let ids: HashSet<[u8; 16]> = wanted.transits.iter().map(|id| *id.as_bytes()).collect();
    let mut placed = state.archive.placed(&ids)?;
    if placed.len() != ids.len() {
        return Err(missing());
    }
    placed.sort_by_key(|one| one.hour.at(one.entry.offset_us));
    let mut corrections = state.archive.corrections_of(ids)?;
    let keys = edges::opening_keys(&*state.main()?)?;
    let mut sources = Vec::new();
    for one in placed {
        let of = OneTransit {
            id: &one.id,
            plate: &text_of(&one.entry.plate),
            captured_at: one.hour.at(one.entry.offset_us),
        };
        let stored = state
            .archive
            .one(&of, acting.now, &reach)?
            .ok_or_else(missing)?;
        let edge: Option<EdgeId> = stored.edge.parse().ok();
        let key = edge
            .and_then(|edge| keys.get(&edge))
            .ok_or(StoreError::Damaged { what: "edge" })?;
        let verified = opened(&stored.envelope, key)?;
        if verified.digest() != stored.head.digest {
            return Err(StoreError::Damaged { what: "transit" }.into());
        }
        let corrections = corrections.remove(&one.id).unwrap_or_else(Vec::new);
        sources.push(EvidenceSource {
            verified,
            corrections: corrections.into_iter().map(told).collect(),
        });
    }
    Ok(sources)
}

fn opened(
    envelope: &[u8],
    key: &varco_proto::keys::OpeningKey,
) -> Result<Verified<Record>, ApiError> {
    open::<Record>(envelope, key).map_err(|_| StoreError::Damaged { what: "transit" }.into())
}

fn told(one: Correction) -> CorrectedText {
    CorrectedText {
        plate: one.plate,
        by: one.by,
        at: one.at,
        reason: one.reason,
    }
}

fn from_case(
    state: &HubState,
    wanted: &WantedExtraction,
    case: &str,
    acting: &Acting<'_>,
) -> Result<Vec<EvidenceSource>, ApiError> {
    let id = case
        .parse()
        .map_err(|_| ApiError::field("held_in", "the id of a case"))?;
    let main = state.main()?;
    // An order that is over by either reading of the time gives nothing.
    let latest = Acting {
        now: state.clock.reading().latest(),
        ..*acting
    };
    let items =
        cases::held(&main, &state.case_keys, &id, &latest).map_err(|error| match error {
            CaseDeskError::Store(error) | CaseDeskError::Case(CaseError::Store(error)) => {
                ApiError::store(error)
            }
            error => ApiError::Conflict(error.to_string()),
        })?;
    let keys = edges::opening_keys(&main)?;
    let mut sources = Vec::new();
    for item in items {
        let id = TransitId::try_from(&item.transit[..]);
        if !id.is_ok_and(|id| wanted.transits.contains(&id)) {
            continue;
        }
        let edge: Option<EdgeId> = item.edge.parse().ok();
        let key = edge
            .and_then(|edge| keys.get(&edge))
            .ok_or(StoreError::Damaged { what: "edge" })?;
        sources.push(EvidenceSource {
            verified: opened(&item.envelope, key)?,
            corrections: Vec::new(),
        });
    }
    if sources.len() != wanted.transits.len() {
        return Err(missing());
    }
    Ok(sources)
}

/// A standing authorisation to be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingPermitRequest {
    /// For whose requests: `judicial-authority` or `judicial-police`.
    #[schema(value_type = RecipientView)]
    pub recipient_kind: Word<RecipientView>,
    /// The act that it rests on, 3 to 120 characters.
    #[schema(min_length = 3, max_length = 120)]
    pub act: String,
    /// Until when, RFC 3339; a year on at most.
    #[schema(format = DateTime)]
    pub until: String,
}

/// A standing authorisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StandingPermitView {
    /// Its number.
    pub number: i64,
    /// For whose requests.
    pub recipient_kind: RecipientView,
    /// The act.
    pub act: String,
    /// Who gave it.
    pub given_by: String,
    /// When, RFC 3339, UTC.
    pub given_at: String,
    /// Until when, RFC 3339, UTC.
    pub until: String,
    /// When it was ended before; null while it was not.
    pub ended_at: Option<String>,
}

impl From<StandingPermit> for StandingPermitView {
    fn from(permit: StandingPermit) -> Self {
        Self {
            number: permit.number,
            recipient_kind: permit.recipient_kind.into(),
            act: permit.act,
            given_by: permit.given_by,
            given_at: permit.given_at.to_string(),
            until: permit.until.to_string(),
            ended_at: permit.ended_at.map(|at| at.to_string()),
        }
    }
}

/// The standing authorisations of one's office.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StandingPermitsAnswer {
    /// Newest first.
    pub permits: Vec<StandingPermitView>,
}

fn permit_refused(error: StandingPermitError) -> ApiError {
    match error {
        StandingPermitError::Audit(error) => ApiError::audit(error),
        StandingPermitError::Store(error) => ApiError::store(error),
        StandingPermitError::Recipient => ApiError::field("recipient_kind", error.to_string()),
        StandingPermitError::Act => ApiError::field("act", error.to_string()),
        StandingPermitError::Until => ApiError::field("until", error.to_string()),
        StandingPermitError::Unknown(_) => not_authorised(error.to_string()),
    }
}

/// Records a standing authorisation for the requests of judicial authority or Judicial Police (art. 17 c. 2). The
/// responsible person of an office does.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/extraction-permits", tag = "evidence", request_body = StandingPermitRequest,
    security(("token" = [])),
    responses(
        (status = 201, description = "Recorded", body = StandingPermitView),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn record_permit(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Authorise>,
    Sent(request): Sent<StandingPermitRequest>,
) -> Result<(StatusCode, Json<StandingPermitView>), ApiError> {
    let mut wanted = StandingPermit {
        number: 0,
        body: caller.body.id,
        recipient_kind: request.recipient_kind.check("recipient_kind")?.into(),
        act: request.act.trim().to_owned(),
        given_by: actor.name().to_owned(),
        given_at: state.clock.now(),
        until: moment("until", Some(&request.until))?,
        ended_at: None,
    };
    let made = state.act(actor, move |main, _, acting| {
        wanted.given_at = acting.now;
        wanted.number = standing::make(main, &wanted, acting).map_err(permit_refused)?;
        Ok(wanted)
    });
    Ok((StatusCode::CREATED, Json(made.await?.into())))
}

/// Shows the standing authorisations of one's office. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/extraction-permits", tag = "evidence", security(("token" = [])),
    responses(
        (status = 200, description = "Newest first", body = StandingPermitsAnswer),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn list_permits(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Extract>,
) -> Result<Json<StandingPermitsAnswer>, ApiError> {
    let permits = blocking(move || {
        let nothing = serde_json::json!({});
        state.note(&AuditEntry::plain(
            actor,
            Action::StandingPermitsListed,
            nothing,
        ))?;
        Ok(standing::of_body(&*state.main()?, &caller.body.id)?)
    });
    let permits = permits.await?.into_iter().map(Into::into).collect();
    Ok(Json(StandingPermitsAnswer { permits }))
}

/// Ends a standing authorisation of one's office.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/extraction-permits/{id}/end", tag = "evidence",
    params(("id" = i64, Path, description = "Its number")), security(("token" = [])),
    responses(
        (status = 204, description = "Ended"),
        (status = 403, description = "Not for this token, or no such one holds", body = ErrorBody),
    )
)]
pub async fn end_permit(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Authorise>,
    Path(number): Path<i64>,
) -> Result<StatusCode, ApiError> {
    state
        .act(actor, move |main, _, acting| {
            standing::end(main, number, &caller.body.id, acting).map_err(permit_refused)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
