//! Whoever works on the hub's machine with its own command: the home that is opened, and as whom they act.

use std::sync::Arc;

use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::clock::time_of;
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::home::Home;
use crate::store::sql::Connection;

/// The hub's key, the time and the actor of one command.
pub(super) struct Console {
    actor: Actor,
    now: UtcTime,
    key: Arc<SealingKey>,
}

impl Console {
    /// Opens a home that must be there: its main database, and what acts need.
    pub(super) fn open(home: &Home) -> anyhow::Result<(Connection, Self)> {
        home.expect()?;
        let main = home.open_main()?;
        let console = Self {
            actor: Actor::console(),
            now: time_of(home)?.kept(),
            key: home.sealing_key()?,
        };
        Ok((main, console))
    }

    pub(super) fn acting(&self) -> Acting<'_> {
        Acting {
            actor: &self.actor,
            now: self.now,
            key: &self.key,
        }
    }
}
