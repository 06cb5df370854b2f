//! The witness that a hub runs for other hubs, beside its own work: in a folder of its own, with a key of its own, by
//! the same rules as `varco-hub witness run`.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::watch;

use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::certificates::tls::{self, TlsError};
use crate::machine::files::{self, FileError};
use crate::web::server::{self, ServeError};
use crate::web::state::HubState;
use crate::web::witness::{ForkTold, WitnessDesk, serve_witness};
use crate::witnessing::settings::{WitnessError, WitnessFolder};
use crate::witnessing::witness::{ShownFork, Witness};

/// The hub cannot witness for others; it does its own work all the same.
#[derive(Debug, Error)]
pub(super) enum HubWitnessError {
    /// Its folder.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// Its socket.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Its certificate.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its certificate.
    #[error("cannot set up TLS for the witness")]
    Tls(#[from] TlsError),
}

/// A witness that holds its socket.
pub(super) struct HubWitness {
    listener: TcpListener,
    witness: Arc<Witness>,
    /// Of its own; none when it shows the hub's.
    server_tls: Option<rustls::ServerConfig>,
}

impl HubWitness {
    /// Opens the witness of a folder and takes its socket; none when that cannot be, which is told.
    pub(super) fn begin(folder: &Path) -> Option<Self> {
        let begun = Self::open(&WitnessFolder::at(folder));
        if let Err(error) = &begun {
            tracing::error!(error = %error, "this hub cannot witness the logs of others");
        }
        begun.ok()
    }

    fn open(folder: &WitnessFolder) -> Result<Self, HubWitnessError> {
        let config = folder.config()?;
        let server_tls = match &config.tls {
            None => None,
            Some(of) => {
                let certificate = files::read_text(&of.certificate_file)?;
                Some(tls::server(&certificate, &files::read_text(&of.key_file)?)?)
            }
        };
        Ok(Self {
            witness: Arc::new(folder.open(&config)?),
            listener: server::listen(config.listen)?,
            server_tls,
        })
    }

    /// Cosigns until `stop` says so, over HTTPS with the hub's certificate where the witness has none of its own.
    pub(super) async fn serve(
        self,
        of_hub: rustls::ServerConfig,
        state: HubState,
        stop: watch::Receiver<bool>,
    ) {
        let desk = WitnessDesk {
            witness: self.witness,
            clock: state.clock.clone(),
            told: Some(telling(state)),
        };
        let server_tls = Some(self.server_tls.unwrap_or(of_hub));
        if let Err(error) = serve_witness(self.listener, server_tls, desk, stop).await {
            tracing::error!(error = %error, "this hub witnesses the logs of others no more");
        }
    }
}

/// A fork that another hub's log shows is a line of this hub's own audit.
fn telling(state: HubState) -> ForkTold {
    Arc::new(move |fork: &ShownFork| {
        let details = serde_json::json!({
            "log": fork.log, "cosigned": fork.cosigned, "shown": fork.shown,
        });
        let entry = AuditEntry::plain(Actor::hub(), Action::WitnessRefused, details);
        if let Err(error) = state.line(&entry) {
            tracing::error!(error = %error, "that a log was refused cannot be noted");
        }
    })
}
