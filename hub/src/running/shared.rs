//! What the routes of the running hub share.

use std::sync::Arc;

use tokio::sync::{Semaphore, broadcast, watch};
use varco_proto::envelope::Verified;
use varco_proto::keys::SealingKey;
use varco_proto::record::Record;
use varco_proto::time::UtcTime;

use super::HubError;
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::certificates::tls;
use crate::config::Config;
use crate::evidence::EvidenceDesk;
use crate::home::Home;
use crate::hotlists::active::ActiveLists;
use crate::intake::broker::{BrokerAddress, Connected, Sharing};
use crate::lookups::store::TransitStore;
use crate::machine::files;
use crate::opening::pairs;
use crate::policy::rights::Rights;
use crate::store::StoreError;
use crate::store::pool::ConnectionPool;
use crate::timekeeping::SharedClock;
use crate::web::connections::HttpConnections;
use crate::web::enrolments::EnrolmentDesk;
use crate::web::signing_desk::SigningDesk;
use crate::web::state::HubState;

/// What of the running hub its routes share.
pub(super) struct Parts {
    pub(super) archive: TransitStore,
    pub(super) key: Arc<SealingKey>,
    pub(super) clock: SharedClock,
    pub(super) live: broadcast::Sender<Arc<Verified<Record>>>,
    pub(super) alerts: watch::Receiver<u64>,
    pub(super) hotlists: Arc<ActiveLists>,
    pub(super) broker: Connected,
    pub(super) stop: watch::Receiver<bool>,
}

/// What the routes share.
pub(super) fn state(home: &Home, config: &Config, parts: Parts) -> Result<HubState, HubError> {
    Ok(HubState {
        main_pool: ConnectionPool::of(&home.main_database()),
        archive: parts.archive,
        key: parts.key,
        clock: parts.clock,
        live: parts.live,
        alerts: parts.alerts,
        hotlists: parts.hotlists,
        broker: parts.broker,
        lookups: Arc::new(Semaphore::new(config.lookups_at_once_max)),
        results_max: config.results_max,
        companions: config.companions,
        connections: HttpConnections::new(config.http_limits),
        judge: Arc::new(home.judge()?),
        case_keys: Arc::new(home.case_keys()?),
        webhook_key: Arc::new(home.webhook_key()?),
        enrolment: enrolment_desk(home, config),
        rights: Arc::new(Rights::built_in()?),
        signing: signing_desk(home, config)?,
        evidence: Arc::new(evidence_desk(home, config)?),
        stop: parts.stop,
    })
}

fn enrolment_desk(home: &Home, config: &Config) -> EnrolmentDesk {
    EnrolmentDesk::new(
        home.clone(),
        config.broker_host.clone(),
        config.broker_port,
        config.certificate_valid,
    )
}

fn signing_desk(home: &Home, config: &Config) -> Result<SigningDesk, HubError> {
    let desk = SigningDesk::new(home.signing_key()?, &config.signing);
    Ok(desk.map_err(StoreError::Key)?)
}

fn evidence_desk(home: &Home, config: &Config) -> Result<EvidenceDesk, HubError> {
    let witnesses = config.audit.witnesses.iter();
    let witnesses = witnesses.map(|witness| witness.key.clone()).collect();
    let stamping = config.stamping.as_ref();
    Ok(EvidenceDesk::new(home.access_key()?, stamping, witnesses)?)
}

/// Writes the line that this hub began its work, or ended it. It works without one: what is past its term must be
/// destroyed whatever the disk does.
pub(super) fn note_turn(state: &HubState, config: &Config, action: Action) {
    let details = serde_json::json!({
        "hub": config.hub + 1, "version": env!("CARGO_PKG_VERSION"),
    });
    let entry = AuditEntry::plain(Actor::hub(), action, details);
    if let Err(error) = state.line(&entry) {
        tracing::error!(error = %error, "that the hub began or ended cannot be noted");
    }
}

/// How this hub's connections share the records with one another and with other hubs.
pub(super) fn sharing(config: &Config) -> Sharing {
    Sharing {
        first: config.hub * config.broker_connections,
        shared: config.broker_connections > 1 || config.hubs > 1,
        others: config.hubs > 1,
    }
}

/// The broker's address with each certificate that the hub shows there.
pub(super) fn broker_addresses(
    home: &Home,
    config: &Config,
    now: UtcTime,
) -> Result<Vec<BrokerAddress>, HubError> {
    let authority = files::read_text(&home.authority_certificate())?;
    let address = |number| {
        let (certificate, key) = pairs::connection_pair(home, number, now)?;
        Ok(BrokerAddress {
            host: config.broker_host.clone(),
            port: config.broker_port,
            tls: tls::client_with_certificate(&authority, &certificate, &key)?,
        })
    };
    let first = config.hub * config.broker_connections;
    (first..first + config.broker_connections)
        .map(address)
        .collect()
}
