//! What the routes of the running hub share.

use std::sync::Arc;

use tokio::sync::{Semaphore, broadcast, watch};
use varco_proto::envelope::Verified;
use varco_proto::keys::SealingKey;
use varco_proto::record::Record;

use super::HubError;
use crate::config::Config;
use crate::home::Home;
use crate::hotlists::active::ActiveLists;
use crate::intake::broker::Connected;
use crate::lookups::store::TransitStore;
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
