//! `/api/v1/hotlists`: lists are made, filled and closed; none is deleted.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use varco_proto::time::UtcTime;

use super::errors::{ApiError, ErrorBody};
use super::grounds::GroundsRequest;
use super::lookups::moment;
use super::request::{KeepHotlists, May, Path, SeeHotlists, Sent, SentFile, UrlQuery as Query};
use super::standing;
use super::state::{HubState, blocking};
use super::words::PurposeView;
use crate::audit::AuditEntry;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::bodies::Body;
use crate::hotlists::desk::{self, DeskError, HotlistShelf, ListFile};
use crate::hotlists::import::How;
use crate::hotlists::import::account::Account;
use crate::hotlists::import::dates::DateOrder;
use crate::hotlists::import::mapping::Mapping;
use crate::hotlists::list::{self, Hotlist, ListError, ListId};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Priority when none is said.
const PRIORITY_DEFAULT: u8 = 50;
/// Most rows that an account tells when all are wanted.
const LINES_MAX: usize = 100_000;

/// A list to be made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HotlistRequest {
    /// 1 to 64 of a-z, 0-9 and `-`; never used twice.
    #[schema(pattern = "^[a-z0-9-]{1,64}$")]
    pub id: String,
    /// As people call it.
    #[schema(min_length = 1, max_length = 120)]
    pub name: String,
    /// Why the vehicles are waited for.
    #[schema(min_length = 1, max_length = 120)]
    pub reason: String,
    /// The office that answers for it.
    #[schema(min_length = 1, max_length = 120)]
    pub owner: String,
    /// Why.
    #[serde(flatten)]
    pub grounds: GroundsRequest,
    /// 0 to 100, 100 the most urgent; 50 when left out.
    #[schema(minimum = 0, maximum = 100)]
    pub priority: Option<u8>,
    /// Whether plates that may have been misread raise an alert too.
    #[serde(default)]
    pub near: bool,
    /// First moment, RFC 3339; now when left out.
    #[schema(format = DateTime)]
    pub valid_from: Option<String>,
    /// End, RFC 3339; at most 366 days on.
    #[schema(format = DateTime)]
    pub valid_to: String,
    /// Actors who see its alerts; whoever may see alerts when empty.
    #[serde(default)]
    pub seen_by: Vec<String>,
}

/// A list as it is shown: never its plates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HotlistView {
    /// Its id.
    pub id: String,
    /// As people call it.
    pub name: String,
    /// Why the vehicles are waited for.
    pub reason: String,
    /// The office that answers for it.
    pub owner: String,
    /// What it serves.
    pub purpose: PurposeView,
    /// The case or request that it serves.
    pub case_reference: String,
    /// 0 to 100, 100 the most urgent.
    pub priority: u8,
    /// Whether plates that may have been misread raise an alert too.
    pub near: bool,
    /// RFC 3339, UTC.
    pub valid_from: String,
    /// RFC 3339, UTC.
    pub valid_to: String,
    /// Actors who see its alerts; whoever may see alerts when empty.
    pub seen_by: Vec<String>,
    /// Plates on it.
    pub entries: u64,
    /// When these came; null when none did yet.
    pub imported_at: Option<String>,
    /// Since when it is closed; null while it is open.
    pub closed_at: Option<String>,
    /// Whether it raises alerts now.
    pub holds: bool,
}

/// Every list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HotlistsAnswer {
    /// By id.
    pub hotlists: Vec<HotlistView>,
}

impl HotlistView {
    /// Shows a list.
    #[must_use]
    pub fn of(list: &Hotlist, now: UtcTime) -> Self {
        Self {
            id: list.id.to_string(),
            name: list.name.clone(),
            reason: list.reason.clone(),
            owner: list.owner.clone(),
            purpose: list.grounds.purpose.into(),
            case_reference: list.grounds.case_reference.clone(),
            priority: list.priority,
            near: list.near,
            valid_from: list.valid_from.to_string(),
            valid_to: list.valid_to.to_string(),
            seen_by: list.seen_by.clone(),
            entries: list.entries,
            imported_at: list.imported_at.map(|at| at.to_string()),
            closed_at: list.closed_at.map(|at| at.to_string()),
            holds: list.holds_at(now) && list.entries > 0,
        }
    }
}

/// Every list that an actor may know of, by id, those closed behind the others.
///
/// # Errors
/// [`StoreError`].
pub fn views(
    main: &Connection,
    actor: &Actor,
    now: UtcTime,
) -> Result<Vec<HotlistView>, StoreError> {
    let lists = list::all(main)?;
    let mut views: Vec<_> = lists
        .iter()
        .filter(|list| list.is_named_to(actor))
        .map(|list| HotlistView::of(list, now))
        .collect();
    views.sort_by_key(|view| view.closed_at.is_some());
    Ok(views)
}

impl HotlistRequest {
    /// Checks what an actor sent, for a list of a body.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn check(&self, actor: &Actor, body: &Body, now: UtcTime) -> Result<Hotlist, ApiError> {
        let valid_from = match &self.valid_from {
            Some(text) => moment("valid_from", Some(text))?,
            None => now,
        };
        Ok(Hotlist {
            id: self.id.parse().map_err(refused)?,
            name: self.name.clone(),
            reason: self.reason.clone(),
            owner: self.owner.clone(),
            grounds: self.grounds.check(body)?,
            priority: self.priority.unwrap_or(PRIORITY_DEFAULT),
            near: self.near,
            valid_from,
            valid_to: moment("valid_to", Some(&self.valid_to))?,
            seen_by: self.seen_by.clone(),
            made_at: now,
            made_by: actor.id().to_owned(),
            body: body.id.clone(),
            closed_at: None,
            entries: 0,
            imported_at: None,
        })
    }
}

pub(super) fn refused(error: impl Into<DeskError>) -> ApiError {
    match error.into() {
        DeskError::List(ListError::Store(error)) | DeskError::Store(error) => {
            ApiError::store(error)
        }
        DeskError::Audit(_) => ApiError::Audit,
        DeskError::List(
            error @ (ListError::Taken(_) | ListError::Unknown(_) | ListError::Keyless(_)),
        ) => ApiError::Conflict(error.to_string()),
        error @ (DeskError::Already | DeskError::NotListed | DeskError::Meanwhile) => {
            ApiError::Conflict(error.to_string())
        }
        DeskError::Single(error) => ApiError::field("plate", error.to_string()),
        DeskError::List(error) => ApiError::field("hotlist", error.to_string()),
        DeskError::Import(error) => ApiError::field("file", error.to_string()),
    }
}

/// Does something at the desk, and has intake take it at once.
async fn at_the_desk<T: Send + 'static>(
    state: HubState,
    actor: Actor,
    work: impl FnOnce(&mut Connection, &HubState, &Acting<'_>) -> Result<T, DeskError> + Send + 'static,
) -> Result<T, ApiError> {
    let lists = state.clone();
    let done = state.act(actor, move |main, state, acting| {
        work(main, state, acting).map_err(refused)
    });
    let done = done.await?;
    // Intake looks before each batch; this only spares it the time.
    blocking(move || {
        lists
            .hotlists
            .refresh(&*lists.main()?)
            .map_err(ApiError::store)
    })
    .await?;
    Ok(done)
}

/// Does something at the desk that takes its turns itself, a little at a time.
pub(super) async fn beside_the_turn<T: Send + 'static>(
    state: HubState,
    work: impl FnOnce(&mut Connection, &HubState, &HotlistShelf<'_>) -> Result<T, DeskError>
    + Send
    + 'static,
) -> Result<T, ApiError> {
    blocking(move || {
        let mut main = state.main()?;
        let shelf = HotlistShelf {
            keys: state.hotlists.keys(),
            active: Some(&state.hotlists),
            turns: Some(&state.archive),
        };
        let done = work(&mut main, &state, &shelf).map_err(refused)?;
        state.hotlists.refresh(&main)?;
        Ok(done)
    })
    .await
}

/// Shows every list that the caller may know of, without its plates. It leaves an audit line.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    get, path = "/api/v1/hotlists", tag = "hotlists", security(("token" = [])),
    responses(
        (status = 200, description = "Every list, by id", body = HotlistsAnswer),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
    )
)]
pub async fn list_hotlists(
    State(state): State<HubState>,
    May { actor, .. }: May<SeeHotlists>,
) -> Result<Json<HotlistsAnswer>, ApiError> {
    let hotlists = blocking(move || {
        let entry = AuditEntry::plain(actor.clone(), Action::HotlistsListed, serde_json::json!({}));
        state.note(&entry)?;
        Ok(views(&*state.main()?, &actor, state.clock.now())?)
    })
    .await?;
    Ok(Json(HotlistsAnswer { hotlists }))
}

/// Makes a list, without plates yet.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/hotlists", tag = "hotlists", request_body = HotlistRequest,
    security(("token" = [])),
    responses(
        (status = 201, description = "Made", body = HotlistView),
        (status = 400, description = "The body cannot be read", body = ErrorBody),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "The id is or was taken", body = ErrorBody),
        (status = 422, description = "A field is missing or wrong", body = ErrorBody),
    )
)]
pub async fn make_hotlist(
    State(state): State<HubState>,
    May { actor, caller, .. }: May<KeepHotlists>,
    Sent(request): Sent<HotlistRequest>,
) -> Result<(StatusCode, Json<HotlistView>), ApiError> {
    let now = state.clock.now();
    let list = request.check(&actor, &caller.body, now)?;
    let (hub, grounds) = (state.clone(), list.grounds.clone());
    blocking(move || standing::allow(&hub, &*hub.main()?, &caller, &grounds)).await?;
    let view = HotlistView::of(&list, now);
    at_the_desk(state, actor, move |main, state, acting| {
        desk::make(main, state.hotlists.keys(), &list, acting)
    })
    .await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// How a file is taken.
#[derive(Debug, Clone, Deserialize, IntoParams)]
pub struct ImportQuery {
    /// Leave refused rows out, and tell them, instead of refusing the file.
    #[serde(default)]
    skip_faulty: bool,
    /// Only give the account, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Which columns mean what, by heading or number: `plate=PlateNumber,note=Reason,country=3`.
    map: Option<String>,
    /// Whether day or month stands first in dates, where they do not say it.
    #[param(inline)]
    dates: Option<DateOrder>,
    /// Tell up to 100,000 rows instead of the first 50 of which something has to be said.
    #[serde(default)]
    whole_account: bool,
}

impl ImportQuery {
    fn how(&self) -> Result<How, ApiError> {
        let mapping = self.map.as_deref().map(str::parse::<Mapping>).transpose();
        Ok(How {
            mapping: mapping
                .map_err(|error| ApiError::field("map", error.to_string()))?
                .unwrap_or_default(),
            dates: self.dates,
            skip_faulty: self.skip_faulty,
            dry_run: self.dry_run,
            lines_max: self.whole_account.then_some(LINES_MAX),
        })
    }
}

/// Puts the plates of a file in the place of all that a list has, and accounts for every row.
///
/// Rows are numbered by the line of the file that they begin on. `rows` are `taken`, `folded` (what
/// they say is said by another row), `refused` and `empty` together. With `dry_run` nothing changes.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/hotlists/{id}/entries", tag = "hotlists",
    params(("id" = String, Path, description = "The list"), ImportQuery),
    request_body(content = String, content_type = "text/csv",
        description = "Rows of cells under headings in Italian, English, German, French or \
            Spanish, or those of Genetec AutoVu and OpenALPR; separated by `;`, `,`, tabs or `|`"),
    security(("token" = [])),
    responses(
        (status = 200, description = "Taken, or with dry_run the account alone", body = Account),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "There is no such list, or it is closed, or somebody else \
            changed it in the meantime", body = ErrorBody),
        (status = 413, description = "The file is too large", body = ErrorBody),
        (status = 422, description = "Rows are refused, or the columns are not understood; nothing \
            was taken", body = ErrorBody),
    )
)]
pub async fn import_entries(
    State(state): State<HubState>,
    May { actor, .. }: May<KeepHotlists>,
    Path(id): Path<String>,
    Query(query): Query<ImportQuery>,
    SentFile(body): SentFile,
) -> Result<Json<Account>, ApiError> {
    let id: ListId = id.parse().map_err(refused)?;
    let how = query.how()?;
    let account = beside_the_turn(state, move |main, state, shelf| {
        let file = ListFile {
            list: &id,
            bytes: &body,
            how: &how,
        };
        let prepared = desk::prepare(main, shelf, &actor, file, state.clock.now(), &mut |_| {})?;
        // Reading took its time: the line bears the moment of the change.
        let acting = Acting {
            actor: &actor,
            now: state.clock.now(),
            key: &state.key,
        };
        desk::adopt(main, shelf, prepared, &acting)
    })
    .await?;
    Ok(Json(account))
}

/// Closes a list for good and destroys its plates.
///
/// # Errors
/// [`ApiError`].
#[utoipa::path(
    post, path = "/api/v1/hotlists/{id}/closing", tag = "hotlists",
    params(("id" = String, Path, description = "The list")), security(("token" = [])),
    responses(
        (status = 204, description = "Closed"),
        (status = 403, description = "The token is not for this", body = ErrorBody),
        (status = 409, description = "There is no such list, or it is closed", body = ErrorBody),
    )
)]
pub async fn close_hotlist(
    State(state): State<HubState>,
    May { actor, .. }: May<KeepHotlists>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id: ListId = id.parse().map_err(refused)?;
    at_the_desk(state, actor, move |main, state, acting| {
        desk::close(main, state.hotlists.keys(), &id, acting)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
