//! What Prometheus is told: counts, spans and states, never a plate, a person or a name of an edge.
//! The one door to the metrics crates.

use std::net::SocketAddr;
use std::time::Duration;

use metrics::{
    Counter, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
pub use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use thiserror::Error;

use varco_proto::time::UtcTime;

use crate::machine::stopwatch::Stopwatch;

/// Bounds of the histograms over seconds.
const SECONDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Metrics cannot be given.
#[derive(Debug, Error)]
pub enum MetricsError {
    /// The recorder.
    #[error("cannot set the metrics up")]
    Build(#[from] BuildError),
    /// One is there already in this process.
    #[error("metrics are recorded already")]
    Twice,
    /// The address.
    #[error("cannot listen on {address}; change `metrics.address` in hub.toml or free the port")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The socket that was taken is of no use.
    #[error("cannot use the socket that the hub is measured at")]
    Broken(#[source] std::io::Error),
}

/// Records from now on, and gives what writes it all down.
///
/// # Errors
/// [`MetricsError`].
pub fn record() -> Result<PrometheusHandle, MetricsError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Twice)?;
    describe_counter!(
        "varco_hub_transits_stored_total",
        "Transits stored for the first time."
    );
    describe_counter!("varco_hub_refused_total", "Records refused, by reason.");
    describe_counter!("varco_hub_alerts_raised_total", "Alerts raised.");
    describe_counter!("varco_hub_lookups_total", "Lookups, by what came of them.");
    describe_counter!(
        "varco_hub_deliveries_total",
        "Attempts to tell a system of an alert."
    );
    describe_counter!(
        "varco_hub_deliveries_dropped_total",
        "Messages that a system was never told, because too many waited for it."
    );
    describe_counter!(
        "varco_hub_connections_refused_total",
        "Connections and streams that were turned away or ended by a limit, by which."
    );
    describe_counter!(
        "varco_hub_hours_expired_total",
        "Hours destroyed at their term."
    );
    describe_counter!(
        "varco_hub_transits_expired_total",
        "Transits destroyed at their term."
    );
    describe_counter!(
        "varco_hub_batches_failed_total",
        "Batches that the store did not take."
    );
    describe_histogram!(
        "varco_hub_batch_seconds",
        "From the batch's begin to its commit."
    );
    describe_histogram!(
        "varco_hub_lookup_seconds",
        "From the question to the answer."
    );
    for (name, text) in GAUGES {
        describe_gauge!(name, text);
    }
    begin_at_zero();
    Ok(handle)
}

/// A count that nothing was added to is shown as zero, so that an alarm on it has something to watch.
fn begin_at_zero() {
    for name in [
        "varco_hub_transits_stored_total",
        "varco_hub_alerts_raised_total",
        "varco_hub_deliveries_dropped_total",
        "varco_hub_hours_expired_total",
        "varco_hub_transits_expired_total",
        "varco_hub_batches_failed_total",
    ] {
        counter!(name).increment(0);
    }
    for outcome in LookedUp::ALL {
        outcome.count().increment(0);
    }
    for delivered in [true, false] {
        deliveries(delivered).increment(0);
    }
}

const GAUGES: [(&str, &str); 26] = [
    (
        "varco_hub_backup_made_timestamp_seconds",
        "When the backup was last brought up to date.",
    ),
    ("varco_hub_ready", "1 when every check of readiness holds."),
    ("varco_hub_broker_connected", "1 while the broker is there."),
    ("varco_hub_transits", "Transits stored now."),
    ("varco_hub_hours", "Hours that hold transits."),
    (
        "varco_hub_transits_in_memory",
        "Transits that no sealed index has yet.",
    ),
    (
        "varco_hub_plates",
        "Different plates in the sealed indexes.",
    ),
    (
        "varco_hub_hours_overdue",
        "Hours past their term that are not destroyed: must be 0.",
    ),
    ("varco_hub_edges", "Edges, by state."),
    (
        "varco_hub_anomalies",
        "What is wrong with boxes and gates now, by kind.",
    ),
    (
        "varco_hub_records_missing",
        "Records that edges sealed and the hub does not have.",
    ),
    ("varco_hub_hotlists", "Hotlists that hold now."),
    ("varco_hub_hotlist_plates", "Plates that are waited for."),
    ("varco_hub_alerts_open", "Alerts that nobody acknowledged."),
    (
        "varco_hub_deliveries_waiting",
        "Alerts that systems are still to be told.",
    ),
    ("varco_hub_webhooks", "Systems that are told of alerts."),
    (
        "varco_hub_webhooks_failing",
        "Of these, that do not take what they are told, and are tried again.",
    ),
    (
        "varco_hub_webhooks_parked",
        "Of these, that took nothing for a day, or said that they are gone.",
    ),
    (
        "varco_hub_certificate_ends_timestamp_seconds",
        "When a certificate ends, by which.",
    ),
    (
        "varco_hub_connections",
        "HTTPS connections that are open, by whether a token was shown on them.",
    ),
    (
        "varco_hub_disk_takes_writes",
        "1 when the disk of the home takes what is written, and keeps its reserve.",
    ),
    (
        "varco_hub_clock_vouched",
        "0 while the clock is in doubt: nothing is destroyed or proved.",
    ),
    (
        "varco_hub_clock_apart_seconds",
        "While the clock is in doubt, how far the system's is from the kept time.",
    ),
    (
        "varco_hub_audit_witnesses",
        "Witnesses of the audit that hub.toml names.",
    ),
    (
        "varco_hub_audit_witnesses_missing",
        "Of these, that have cosigned nothing for an hour: must be 0.",
    ),
    (
        "varco_hub_disk_free_bytes",
        "Room on the disk of the hub's home.",
    ),
];

/// Sets a state.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub fn set(name: &'static str, value: u64) {
    gauge!(name).set(value as f64);
}

/// Sets how many edges are in a state.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub fn set_edges(state: &'static str, count: usize) {
    gauge!("varco_hub_edges", "state" => state).set(count as f64);
}

/// Sets how many anomalies of a kind there are: as many series as there are kinds, whatever the edges.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub fn set_anomalies(kind: &'static str, count: usize) {
    gauge!("varco_hub_anomalies", "kind" => kind).set(count as f64);
}

/// A batch was committed.
pub fn batch_stored(since: Stopwatch, transits: usize, alerts: usize) {
    histogram!("varco_hub_batch_seconds").record(since.elapsed().as_secs_f64());
    counter!("varco_hub_transits_stored_total").increment(whole(transits));
    counter!("varco_hub_alerts_raised_total").increment(whole(alerts));
}

/// A record was refused.
pub fn refused(reason: &'static str) {
    counter!("varco_hub_refused_total", "reason" => reason).increment(1);
}

/// The store did not take a batch.
pub fn batch_failed() {
    counter!("varco_hub_batches_failed_total").increment(1);
}

/// What came of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookedUp {
    /// It was answered.
    Answered,
    /// It could not be asked so.
    Refused,
    /// It broke off.
    Failed,
}

impl LookedUp {
    const ALL: [Self; 3] = [Self::Answered, Self::Refused, Self::Failed];

    fn count(self) -> Counter {
        let outcome = match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        };
        counter!("varco_hub_lookups_total", "outcome" => outcome)
    }
}

/// A lookup came to its end.
pub fn looked_up(outcome: LookedUp, took: Duration) {
    outcome.count().increment(1);
    histogram!("varco_hub_lookup_seconds").record(took.as_secs_f64());
}

fn deliveries(delivered: bool) -> Counter {
    let outcome = if delivered { "delivered" } else { "failed" };
    counter!("varco_hub_deliveries_total", "outcome" => outcome)
}

/// Somebody was told of an alert, or could not be.
pub fn told(delivered: bool) {
    deliveries(delivered).increment(1);
}

/// Messages were let go of, because too many waited for a system.
pub fn dropped(messages: u64) {
    counter!("varco_hub_deliveries_dropped_total").increment(messages);
}

/// A connection or a stream was turned away, or ended, by a limit.
pub fn turned_away(limit: &'static str) {
    counter!("varco_hub_connections_refused_total", "limit" => limit).increment(1);
}

/// Sets how many connections are open.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub fn set_connections(known: usize, strangers: usize) {
    for (token, count) in [("shown", known), ("none", strangers)] {
        gauge!("varco_hub_connections", "token" => token).set(count as f64);
    }
}

/// Sets when a certificate ends.
#[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
pub fn set_certificate(which: &'static str, ends: UtcTime) {
    let seconds = ends.unix_us() as f64 / 1e6;
    gauge!("varco_hub_certificate_ends_timestamp_seconds", "certificate" => which).set(seconds);
}

/// A backup was brought up to date.
#[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
pub fn backed_up(at: UtcTime) {
    gauge!("varco_hub_backup_made_timestamp_seconds").set(at.unix_us() as f64 / 1e6);
}

/// Hours came to their end.
pub fn expired(hours: usize, transits: u64) {
    counter!("varco_hub_hours_expired_total").increment(whole(hours));
    counter!("varco_hub_transits_expired_total").increment(transits);
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
