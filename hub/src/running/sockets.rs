//! The sockets that a hub takes before it opens anything.

use std::net::TcpListener;

use super::witness::HubWitness;
use crate::config::Config;
use crate::web::readiness::Measuring;
use crate::web::server::{self, ServeError};

/// What the hub listens at.
pub(super) struct Sockets {
    pub(super) https: TcpListener,
    /// None when nobody measures, or its port is taken: the hub does its work without it.
    pub(super) metrics: Option<Measuring>,
    /// None when the hub witnesses for nobody, or cannot.
    pub(super) witness: Option<HubWitness>,
}

impl Sockets {
    /// Takes all of them.
    ///
    /// # Errors
    /// [`ServeError`].
    pub(super) fn take(config: &Config) -> Result<Self, ServeError> {
        let metrics = config.metrics.and_then(|address| {
            let bound = Measuring::begin(address);
            if let Err(error) = &bound {
                tracing::error!(error = %error, "the hub is not measured");
            }
            bound.ok()
        });
        Ok(Self {
            https: server::listen(config.listen)?,
            metrics,
            // One of several hubs is enough.
            witness: (config.witness.as_deref())
                .filter(|_| config.hub == 0)
                .and_then(HubWitness::begin),
        })
    }
}
