//! Whether who was let in may still be: what ends an open stream within seconds when a session, a token, a
//! post, an account or an appointment ends.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use varco_proto::ids::Digest;

use super::request::Needs;
use super::state::{HubState, blocking};
use crate::people::appointments;
use crate::people::tokens::{self, Shown};
use crate::signing::sessions::{self, SessionShown};

/// How often it is looked whether something ended that another process ended.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// By what somebody was let in; what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LetInBy {
    Token(Digest),
    Session(Digest),
}

/// By what somebody was let in, and for what.
#[derive(Debug, Clone)]
pub struct Permit {
    pub(super) by: LetInBy,
    pub(super) needs: &'static Needs,
}

impl Permit {
    /// Whether it holds; a session that is locked shows nothing, and what cannot be read holds nothing.
    async fn holds(&self, state: &HubState) -> bool {
        let (asking, by, needs) = (state.clone(), self.by.clone(), self.needs);
        let looked = blocking(move || {
            let (main, now) = (asking.main()?, asking.clock.now());
            let may = match by {
                LetInBy::Token(digest) => match tokens::shown_by(&main, &digest, now)? {
                    Shown::Holds(_, may) => Some(may),
                    Shown::Ended(_) | Shown::Unknown => None,
                },
                LetInBy::Session(digest) => match sessions::shown_by(&main, &digest, now)? {
                    SessionShown::Holds(session) => {
                        appointments::permissions(&main, &session.actor_id, now)?
                    }
                    _ => None,
                },
            };
            Ok(may.is_some_and(|may| needs.lacking(&may).is_none()))
        });
        looked.await.unwrap_or(false)
    }

    async fn ended(self, state: HubState) {
        let mut endings = state.connections.endings();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = endings.changed() => {}
            }
            if !self.holds(&state).await {
                return;
            }
        }
    }

    /// A stream that ends when this does.
    pub(super) fn while_it_holds<S: Stream>(
        self,
        events: S,
        state: HubState,
    ) -> impl Stream<Item = S::Item> + use<S> {
        events.take_until(Box::pin(self.ended(state)))
    }
}
