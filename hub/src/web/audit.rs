//! `/api/v1/audit`: the lines, for those who oversee, and what proves them.
//!
//! Under this prefix lie `checkpoint` and `tile/…` of a tiled log (C2SP tlog-tiles). Each reading is a line itself, written before the answer.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use varco_proto::time::UtcTime;

use super::errors::{ApiError, ErrorBody};
use super::request::{May, Oversee, Path, Sent, UrlQuery as Query};
use super::state::{HubState, blocking};
use crate::audit::actor::Actor;
use crate::audit::log::{self, LogError, StoredTree};
use crate::audit::overseen::Overseen;
use crate::audit::reading::{self, LINES_MAX, LineSearch, StoredLine, WantedLines};
use crate::policy::caller::Caller;
use crate::store::StoreError;
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::proof::LeafProof;
use crate::tlog::tile::{TileKind, TreeTile, bundle};
use crate::tlog::tree::{TreeError, TreeHash};

/// Lines of one answer when no number is asked for.
const LINES_DEFAULT: u32 = 100;

/// Which lines: those that fit all that is given.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditSearchRequest {
    /// Who acted: a name, an id or a credential.
    pub actor: Option<String>,
    /// What was done, as lines name it.
    #[schema(example = "lookup")]
    pub action: Option<String>,
    /// Of which body whoever acted was.
    pub body: Option<String>,
    /// Written then or later, RFC 3339.
    #[schema(format = DateTime)]
    pub from: Option<String>,
    /// Written before, RFC 3339.
    #[schema(format = DateTime)]
    pub to: Option<String>,
    /// The case or request that was stated.
    pub case_reference: Option<String>,
    /// The plate that was asked for, or acted on.
    pub plate: Option<String>,
    /// Only lines before this one: the last of the answer before.
    pub before: Option<u64>,
    /// Most lines, 1 to 1,000.
    pub limit: Option<u32>,
}

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLineView {
    /// From 1.
    pub sequence: u64,
    /// When it was written, RFC 3339, UTC.
    pub at: String,
    /// SHA-256 of its signed text, hexadecimal.
    pub digest: String,
    /// The hub's signature, hexadecimal.
    pub signature: String,
    /// The signed text, which is JSON; null once its term was over.
    pub line: Option<String>,
}

/// The lines that were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLinesAnswer {
    /// Newest first.
    pub lines: Vec<AuditLineView>,
    /// Give it as `before` for older ones; null when there are none.
    pub next: Option<u64>,
}

/// That a line is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineProofView {
    /// The line.
    pub line: AuditLineView,
    /// The hash of its leaf, base64.
    pub leaf: String,
    /// The proof with its checkpoint, in the form of C2SP tlog-proof.
    pub proof: String,
}

/// Two sizes of the log.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub struct ConsistencyQuery {
    /// Lines of the older.
    old: u64,
    /// Lines of the newer; all when left out.
    new: Option<u64>,
}

/// That the log of so many lines begins with that of fewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyView {
    /// Lines of the older.
    pub old: u64,
    /// Its root, base64.
    pub old_root: String,
    /// Lines of the newer.
    pub new: u64,
    /// Its root, base64.
    pub new_root: String,
    /// The proof (RFC 6962), base64.
    pub hashes: Vec<String>,
}

impl AuditLineView {
    fn of(stored: StoredLine) -> Self {
        let remains = stored.remains;
        Self {
            sequence: remains.sequence,
            at: remains.at.to_string(),
            digest: hex::encode(remains.digest),
            signature: hex::encode(remains.signature),
            line: stored.text,
        }
    }
}

fn log_fault(error: LogError) -> ApiError {
    match error {
        LogError::Tree(TreeError::Range) => ApiError::NotFound,
        error => ApiError::store(StoreError::from(error)),
    }
}

fn time(field: &'static str, text: Option<&str>) -> Result<Option<UtcTime>, ApiError> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|_| ApiError::field(field, "write it as RFC 3339: 2026-11-22T12:00:00Z"))
}

impl AuditSearchRequest {
    fn wanted(self) -> Result<WantedLines, ApiError> {
        Ok(WantedLines {
            from: time("from", self.from.as_deref())?,
            to: time("to", self.to.as_deref())?,
            actor: self.actor,
            action: self.action,
            body: self.body,
            case_reference: self.case_reference,
            plate: self.plate,
            before: self.before,
        })
    }
}

/// What a caller oversees.
fn overseen(caller: &Caller) -> Overseen {
    let body = &caller.body;
    Overseen::Body {
        id: body.id.to_string(),
        municipality: body.municipality.as_ref().map(ToString::to_string),
        is_owner: body.is_owner,
    }
}

/// Searches the audit: what one's own body did, and what others were shown of one's own gates.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/audit/search", tag = "audit", security(("token" = [])),
    request_body = AuditSearchRequest,
    responses(
        (status = 200, description = "The lines, newest first", body = AuditLinesAnswer),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 422, description = "A field is wrong", body = ErrorBody),
    )
)]
pub async fn search_audit(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Oversee>,
    Sent(request): Sent<AuditSearchRequest>,
) -> Result<Json<AuditLinesAnswer>, ApiError> {
    let limit = request.limit.unwrap_or(LINES_DEFAULT);
    if !(1..=LINES_MAX).contains(&limit) {
        return Err(ApiError::field("limit", format!("1 to {LINES_MAX}")));
    }
    let wanted = request.wanted()?;
    // A search reads much: it takes a turn among the searches.
    let found = state
        .search(move |state| {
            state.note(&wanted.entry(actor))?;
            let of = &overseen(&caller);
            let asked = LineSearch {
                wanted: &wanted,
                of,
                limit,
            };
            Ok(reading::search(&*state.main()?, &asked)?)
        })
        .await?;
    let is_full = u32::try_from(found.len()) == Ok(limit);
    let next = found.last().map(|line| line.remains.sequence);
    Ok(Json(AuditLinesAnswer {
        next: next.filter(|_| is_full),
        lines: found.into_iter().map(AuditLineView::of).collect(),
    }))
}

/// Writes the line of a reading, and reads.
async fn read<T: Send + 'static>(
    state: HubState,
    actor: Actor,
    what: &'static str,
    which: serde_json::Value,
    work: impl FnOnce(&HubState) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    blocking(move || {
        state.note(&reading::noted(actor, what, which))?;
        work(&state)
    })
    .await
}

/// A line that is there and that the caller oversees.
fn line_of(state: &HubState, caller: &Caller, sequence: u64) -> Result<StoredLine, ApiError> {
    let found = reading::line(&*state.main()?, sequence)?;
    let found = found.ok_or(ApiError::NotFound)?;
    match overseen(caller).has(&found)? {
        true => Ok(found),
        false => Err(ApiError::NotFound),
    }
}

/// Shows one line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/audit/lines/{id}", tag = "audit", security(("token" = [])),
    params(("id" = u64, Path, description = "The line, from 1")),
    responses(
        (status = 200, description = "The line", body = AuditLineView),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 404, description = "There is no such line among those that one oversees", body = ErrorBody),
    )
)]
pub async fn show_audit_line(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Oversee>,
    Path(sequence): Path<u64>,
) -> Result<Json<AuditLineView>, ApiError> {
    let which = serde_json::json!({ "line": sequence });
    let found = read(state, actor, "line", which, move |state| {
        line_of(state, &caller, sequence)
    });
    Ok(Json(AuditLineView::of(found.await?)))
}

/// Proves that a line is in the log, by the newest checkpoint that witnesses cosigned and that has it.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/audit/lines/{id}/proof", tag = "audit", security(("token" = [])),
    params(("id" = u64, Path, description = "The line, from 1")),
    responses(
        (status = 200, description = "The line and its proof", body = LineProofView),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 404, description = "There is no such line among those that one oversees", body = ErrorBody),
    )
)]
pub async fn prove_audit_line(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<Oversee>,
    Path(sequence): Path<u64>,
) -> Result<Json<LineProofView>, ApiError> {
    let which = serde_json::json!({ "line": sequence });
    let proved = read(state, actor, "inclusion", which, move |state| {
        let found = line_of(state, &caller, sequence)?;
        let main = state.main()?;
        let checkpoint = log::checkpoint_with(&main, &state.key, sequence).map_err(log_fault)?;
        let said = Checkpoint::of(&checkpoint).map_err(|error| log_fault(error.into()))?;
        let tree = StoredTree::of(&main);
        let hashes = tree
            .inclusion(sequence, said.head.size)
            .map_err(log_fault)?;
        let proof = LeafProof {
            index: sequence.saturating_sub(1),
            hashes,
            checkpoint,
        };
        Ok(LineProofView {
            leaf: found.remains.leaf().to_string(),
            line: AuditLineView::of(found),
            proof: proof.to_string(),
        })
    });
    Ok(Json(proved.await?))
}

/// Proves that the log of so many lines begins with that of fewer.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/audit/consistency", tag = "audit", security(("token" = [])),
    params(ConsistencyQuery),
    responses(
        (status = 200, description = "The proof", body = ConsistencyView),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 404, description = "There are not so many lines", body = ErrorBody),
    )
)]
pub async fn prove_audit_consistency(
    State(state): State<HubState>,
    May { actor, .. }: May<Oversee>,
    Query(query): Query<ConsistencyQuery>,
) -> Result<Json<ConsistencyView>, ApiError> {
    let ConsistencyQuery { old, new } = query;
    let which = serde_json::json!({ "old": old, "new": new });
    let proved = read(state, actor, "consistency", which, move |state| {
        let main = state.main()?;
        let size = log::size(&main)?;
        let new = new.unwrap_or(size);
        if new > size {
            return Err(ApiError::NotFound);
        }
        let tree = StoredTree::of(&main);
        let root = |size| tree.root(size).map_err(log_fault);
        let hashes = tree.consistency(old, new).map_err(log_fault)?;
        Ok(ConsistencyView {
            old,
            old_root: root(old)?.to_string(),
            new,
            new_root: root(new)?.to_string(),
            hashes: hashes.iter().map(TreeHash::to_string).collect(),
        })
    });
    Ok(Json(proved.await?))
}

/// Shows the checkpoint of all lines, with the witnesses' cosignatures where they have it already.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/audit/checkpoint", tag = "audit", security(("token" = [])),
    responses(
        (status = 200, description = "A signed note (C2SP tlog-checkpoint)", body = String,
            content_type = "text/plain; charset=utf-8"),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn show_audit_checkpoint(
    State(state): State<HubState>,
    May { actor, .. }: May<Oversee>,
) -> Result<Response, ApiError> {
    let which = serde_json::json!({});
    let note = read(state, actor, "checkpoint", which, |state| {
        log::checkpoint(&*state.main()?, &state.key).map_err(log_fault)
    });
    let kind = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, note.await?.to_string()).into_response())
}

/// Gives a tile of the tree, or a bundle of entries, which tell nothing of a line. Its address has a length of its
/// own, so that the description does not have it.
pub(super) async fn show_audit_tile(
    State(state): State<HubState>,
    May { actor, .. }: May<Oversee>,
    Path(path): Path<String>,
) -> Result<Response, ApiError> {
    let tile = TreeTile::parse(&path).map_err(|_| ApiError::NotFound)?;
    let which = serde_json::json!({ "tile": path });
    let bytes = read(state, actor, "tile", which, move |state| {
        let main = state.main()?;
        if !tile.is_within(log::size(&main)?) {
            return Err(ApiError::NotFound);
        }
        if tile.kind != TileKind::Entries {
            let hashes = tile.hashes(&StoredTree::of(&main));
            return hashes.map_err(|error| log_fault(error.into()));
        }
        let (first, last) = (tile.begins() + 1, tile.begins() + tile.width);
        let mut entries = Vec::new();
        log::each_remains(&main, first, last, |line| {
            entries.push(line.entry());
            Ok(())
        })
        .map_err(log_fault)?;
        bundle(&entries).map_err(|error| log_fault(error.into()))
    });
    let kind = [(CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, bytes.await?).into_response())
}
