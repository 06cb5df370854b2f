//! Locking sessions that lie idle, ending those whose time is over, and disabling accounts that lie unused.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use varco_proto::keys::SealingKey;

use super::Beat;
use crate::agreements::desk as agreements;
use crate::audit::AuditError;
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::lookups::store::TransitStore;
use crate::people::{appointing, desk as people};
use crate::signing::tidying;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{self, Doing as _};
use crate::timekeeping::SharedClock;

/// How often sessions are looked at.
const SESSIONS_EVERY: Duration = Duration::from_secs(5);
/// Every how many looks the accounts are looked at: each minute.
const ACCOUNTS_EVERY: u32 = 12;

/// What is looked after.
#[derive(Clone)]
pub(crate) struct SigningUpkeep {
    /// The main database.
    pub(crate) main: PathBuf,
    /// In whose turn it is written.
    pub(crate) archive: TransitStore,
    /// Signs audit lines.
    pub(crate) key: Arc<SealingKey>,
    /// The hub's clock.
    pub(crate) clock: SharedClock,
}

impl SigningUpkeep {
    /// Looks regularly, until the hub stops.
    pub(crate) async fn regularly(self, stop: watch::Receiver<bool>) {
        let mut beat = Beat::every(SESSIONS_EVERY, stop);
        let mut looks = 0_u32;
        while beat.next().await {
            let (looking, with_accounts) = (self.clone(), looks.is_multiple_of(ACCOUNTS_EVERY));
            looks = looks.wrapping_add(1);
            match tokio::task::spawn_blocking(move || looking.look(with_accounts)).await {
                Ok(Ok(0)) => {}
                Ok(Ok(disabled)) => {
                    tracing::info!(
                        disabled,
                        "accounts were disabled: unused, or without an office"
                    );
                }
                Ok(Err(error)) => {
                    tracing::error!(error = %error, "sessions and accounts cannot be looked at");
                }
                Err(_) => tracing::error!("a look at sessions and accounts broke off"),
            }
        }
    }

    /// Gives how many accounts were disabled.
    fn look(&self, with_accounts: bool) -> Result<usize, AuditError> {
        let mut main = store::open(&self.main)?;
        let acting = Acting {
            actor: &Actor::hub(),
            now: self.clock.now(),
            key: &self.key,
        };
        let _turn = self.archive.turn();
        tidying::sessions(&mut main, &acting)?;
        // A clock that jumped disables nobody.
        match self.clock.reading().may_destroy() {
            Some(now) if with_accounts => {
                let acting = Acting {
                    now: now.at(),
                    ..acting
                };
                settle(&mut main, &acting)?;
                tidying::accounts(&mut main, &acting)
            }
            _ => Ok(0),
        }
    }
}

/// What is over by its own time ends for good, so that no clock brings it back.
fn settle(main: &mut Connection, acting: &Acting<'_>) -> Result<(), AuditError> {
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to end what is over")?;
    let agreements = agreements::end_over(&transaction, acting)?;
    let appointments = appointing::end_over(&transaction, acting)?;
    let tokens = people::end_over(&transaction, acting)?;
    transaction
        .commit()
        .doing("commit that what is over ended")?;
    if agreements + appointments + tokens > 0 {
        tracing::info!(
            agreements,
            appointments,
            tokens,
            "ended what was over by its own time"
        );
    }
    Ok(())
}
