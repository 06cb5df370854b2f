//! `GET /readyz`, and what Prometheus measures on an address of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};
use utoipa::ToSchema;
use varco_proto::time::UtcTime;

use super::connections::HttpConnections;
use super::server::serve_plain;
use super::state::HubState;
use crate::alerts::alert;
use crate::alerts::webhook::{self, WebhookCounts};
use crate::boxes::anomalies::{self, Anomaly};
use crate::boxes::kinds::Kind;
use crate::config::http_limits::HttpLimits;
use crate::machine::measures::{self, MetricsError, PrometheusHandle};
use crate::store::StoreError;
use crate::upkeep::health::{self, Check, EdgeCounts, State as Condition};
use crate::witnessing::standing::{self, WitnessStanding};

/// Looks at the hub's readiness at once; more wait.
static LOOKS: Semaphore = Semaphore::const_new(2);
/// Most connections that measure; for one more the oldest goes.
const MEASURING_MAX: usize = 16;

/// Whether the hub does its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether no check is a fault.
    pub ready: bool,
    /// Each check.
    pub checks: Vec<Check>,
}

/// What was counted on the way.
#[derive(Debug, Default)]
struct Counted {
    edges: EdgeCounts,
    overdue: usize,
    disk_free: u64,
    alerts_open: u64,
    webhooks: WebhookCounts,
    /// How far the clocks are apart, while the hub's is in doubt.
    clock_apart_s: Option<u64>,
    writes: bool,
    witnesses: Vec<WitnessStanding>,
    anomalies: Vec<Anomaly>,
}

/// Says whether the hub does its work: 200 when every check holds, 503 when one is a fault. It
/// tells counts, and no name of an edge or a person.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses(
        (status = 200, description = "The hub does its work", body = Readiness),
        (status = 503, description = "It does not, or cannot show that it does", body = Readiness),
    )
)]
pub async fn readiness(State(state): State<HubState>) -> (StatusCode, Json<Readiness>) {
    // Anybody may ask; it must not take the threads that lookups need.
    let Ok(_turn) = LOOKS.acquire().await else {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(of(vec![broken()])));
    };
    let looked = tokio::task::spawn_blocking(move || look(&state).0).await;
    let readiness = looked.unwrap_or_else(|_| of(vec![broken()]));
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}

fn broken() -> Check {
    let what = "try again shortly; if it stays so, see the hub's log";
    Check::of(
        "store",
        Condition::Fault,
        "the databases cannot be read",
        what,
    )
}

fn of(checks: Vec<Check>) -> Readiness {
    let ready = checks.iter().all(|check| check.state < Condition::Fault);
    Readiness { ready, checks }
}

fn look(state: &HubState) -> (Readiness, Counted) {
    let mut checks = vec![health::broker_check(state.broker.get())];
    let mut counted = Counted::default();
    let home = state.archive.settings().main.parent();
    if let Some(home) = home {
        let (check, free) = health::disk_check(home);
        checks.push(check);
        counted.disk_free = free;
    }
    checks.extend(state.enrolment.certificates(state.clock.now()));
    let reading = state.clock.reading();
    counted.clock_apart_s = reading.doubt().map(|_| reading.apart().as_secs());
    checks.push(health::clock_check(&reading));
    let writing = health::writing_check(&state.archive.settings().room);
    counted.writes = writing.state < Condition::Fault;
    checks.push(writing);
    let current = state.hotlists.current();
    checks.push(health::hotlists_check(
        &current.damaged,
        current.matcher.waited_for(state.clock.now()),
    ));
    match look_into_store(state, &mut counted) {
        Ok(more) => checks.extend(more),
        Err(error) => {
            tracing::error!(error = %error, "a check of readiness cannot be made");
            checks.push(broken());
        }
    }
    (of(checks), counted)
}

fn look_into_store(state: &HubState, counted: &mut Counted) -> Result<Vec<Check>, StoreError> {
    let now = state.clock.now();
    let main = state.main_pool.take()?;
    counted.edges = health::count_edges(&main, now)?;
    counted.anomalies = anomalies::open(&main)?;
    let overdue = state.archive.overdue(now)?;
    counted.overdue = overdue.len();
    counted.alerts_open = alert::count_open(&main)?;
    counted.webhooks = webhook::count(&main)?;
    counted.witnesses = standing::all(&main)?;
    Ok(vec![
        Check::ok("store", "the databases are read"),
        health::edges_check(&counted.edges),
        health::retention_check(&overdue),
        health::webhooks_check(&counted.webhooks),
        witnesses_counted(&counted.witnesses, now),
    ])
}

/// How the witnesses stand, without their names.
fn witnesses_counted(all: &[WitnessStanding], now: UtcTime) -> Check {
    let missing = all.iter().filter(|one| one.is_missing(now)).count();
    let check = health::witnesses_check(all, now);
    match missing {
        0 => check,
        missing => Check {
            found: format!(
                "{missing} of {} have cosigned nothing for an hour",
                all.len()
            ),
            ..check
        },
    }
}

fn measure_witnesses(all: &[WitnessStanding], now: UtcTime) {
    let missing = all.iter().filter(|one| one.is_missing(now)).count();
    for (name, count) in [
        ("varco_hub_audit_witnesses", all.len()),
        ("varco_hub_audit_witnesses_missing", missing),
    ] {
        measures::set(name, u64::try_from(count).unwrap_or(u64::MAX));
    }
}

/// A hub that is measured: it counts from now on, and its socket is taken.
pub struct Measuring {
    listener: TcpListener,
    recorded: Arc<PrometheusHandle>,
}

impl Measuring {
    /// Takes the socket and begins to count. What happens before this is in no count, so the hub
    /// begins here before it does anything else.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn begin(address: SocketAddr) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let recorded = Arc::new(measures::record()?);
        Ok(Self { listener, recorded })
    }
}

/// Answers `GET /metrics`, in Prometheus' text format.
///
/// # Errors
/// [`MetricsError`].
pub async fn serve_metrics(
    measuring: Measuring,
    state: HubState,
    stop: watch::Receiver<bool>,
) -> Result<(), MetricsError> {
    let Measuring { listener, recorded } = measuring;
    let address = listener.local_addr().map_err(MetricsError::Broken)?;
    let failed = |source| MetricsError::Listen { address, source };
    let answer = move || {
        let (state, recorded) = (state.clone(), recorded.clone());
        async move {
            let written = tokio::task::spawn_blocking(move || {
                measure(&state);
                recorded.run_upkeep();
                recorded.render()
            });
            write(written.await.ok())
        }
    };
    let router = Router::new().route("/metrics", get(answer));
    tracing::info!(%address, "measured");
    let few = HttpLimits {
        connections_max: MEASURING_MAX + 1,
        strangers_max: MEASURING_MAX,
        strangers_per_address_max: MEASURING_MAX,
        ..HttpLimits::default()
    };
    serve_plain(listener, router, HttpConnections::new(few), stop)
        .await
        .map_err(failed)
}

fn write(text: Option<String>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    match text {
        Some(text) => ([(CONTENT_TYPE, kind)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Sets the states of this moment.
fn measure(state: &HubState) {
    let (readiness, counted) = look(state);
    // When PostgreSQL is away, the check of the store says so.
    let size = state.archive.size().unwrap_or_default();
    let current = state.hotlists.current();
    let now = state.clock.now();
    let holding = current
        .lists
        .iter()
        .filter(|list| list.holds_at(now))
        .count();
    let whole = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    for (name, value) in [
        ("varco_hub_ready", u64::from(readiness.ready)),
        ("varco_hub_broker_connected", u64::from(state.broker.get())),
        ("varco_hub_transits", size.transits),
        ("varco_hub_hours", whole(size.hours)),
        ("varco_hub_transits_in_memory", size.hot),
        ("varco_hub_plates", whole(size.plates)),
        ("varco_hub_hours_overdue", whole(counted.overdue)),
        ("varco_hub_records_missing", counted.edges.missing),
        ("varco_hub_hotlists", whole(holding)),
        (
            "varco_hub_hotlist_plates",
            whole(current.matcher.waited_for(now)),
        ),
        ("varco_hub_alerts_open", counted.alerts_open),
        ("varco_hub_deliveries_waiting", counted.webhooks.waiting),
        ("varco_hub_webhooks", counted.webhooks.all),
        ("varco_hub_webhooks_failing", counted.webhooks.failing),
        ("varco_hub_webhooks_parked", counted.webhooks.parked),
        ("varco_hub_disk_free_bytes", counted.disk_free),
        ("varco_hub_disk_takes_writes", u64::from(counted.writes)),
        (
            "varco_hub_clock_vouched",
            u64::from(counted.clock_apart_s.is_none()),
        ),
        (
            "varco_hub_clock_apart_seconds",
            counted.clock_apart_s.unwrap_or(0),
        ),
    ] {
        measures::set(name, value);
    }
    measure_witnesses(&counted.witnesses, now);
    for (which, ends) in state.enrolment.certificates_end(state.clock.now()) {
        measures::set_certificate(which, ends);
    }
    let connections = state.connections.counts();
    measures::set_connections(connections.known, connections.strangers);
    let edges = counted.edges;
    for (name, count) in [
        ("registered", edges.registered),
        ("silent", edges.silent),
        ("suspended", edges.suspended),
        ("forked", edges.forked),
        ("wrong", edges.wrong),
    ] {
        measures::set_edges(name, count);
    }
    for (kind, name) in Kind::ALL {
        let open = counted.anomalies.iter().filter(|open| open.kind == kind);
        measures::set_anomalies(name, open.count());
    }
}
