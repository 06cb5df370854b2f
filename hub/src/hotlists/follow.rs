//! Taking, beside the writer's turn, what another process did to the lists.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::active::ActiveLists;
use crate::store::{self, StoreError};

/// How often it is looked whether lists changed. A large list that `varco-hub hotlist import` put in
/// place is waited for within this time and that of reading it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Follows the lists until the hub stops.
pub async fn follow(main: PathBuf, lists: Arc<ActiveLists>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let (main, lists) = (main.clone(), lists.clone());
        let looked = tokio::task::spawn_blocking(move || look(&main, &lists)).await;
        if let Ok(Err(error)) = looked {
            tracing::error!(error = %error, "the hotlists cannot be looked at; tried again");
        }
    }
}

fn look(main: &std::path::Path, lists: &ActiveLists) -> Result<(), StoreError> {
    lists.refresh(&store::open(main)?)?;
    Ok(())
}
