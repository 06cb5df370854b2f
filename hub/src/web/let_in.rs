//! Whether who was let in may still be: what ends an open stream within seconds when a session, a token, a
//! post, an account or an appointment ends.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use varco_proto::ids::Digest;

use super::arrival::caller_of;
use super::errors::ApiError;
use super::state::{HubState, blocking};
use crate::people::actors;
use crate::people::tokens::{self, Shown};
use crate::policy::Deed;
use crate::policy::caller::Caller;
use crate::signing::sessions::{self, SessionShown};
use crate::store::sql::Connection;

/// How often it is looked whether something ended that another process ended.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// By what somebody was let in; what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LetInBy {
    Token(Digest),
    Session(Digest),
}

/// Whoever was let in by this, as they are now; none when it holds no more.
pub(super) fn caller_by(
    main: &Connection,
    state: &HubState,
    by: &LetInBy,
) -> Result<Option<Caller>, ApiError> {
    let now = state.clock.now();
    match by {
        LetInBy::Token(digest) => match tokens::shown_by(main, digest, now)? {
            Shown::Holds(held) => Ok(Caller::by_token(main, &held)?),
            Shown::Ended(_) | Shown::Unknown => Ok(None),
        },
        LetInBy::Session(digest) => match sessions::shown_by(main, digest, now)? {
            SessionShown::Holds(session) => match actors::of_id(main, &session.actor_id)? {
                Some(actor) => caller_of(main, state, &actor, &session),
                None => Ok(None),
            },
            _ => Ok(None),
        },
    }
}

/// By what somebody was let in, and for what.
#[derive(Debug, Clone)]
pub struct Permit {
    pub(super) by: LetInBy,
    pub(super) deed: Deed,
}

impl Permit {
    /// Whether it holds; a session that is locked shows nothing, and what cannot be read holds nothing.
    async fn holds(&self, state: &HubState) -> bool {
        let (asking, by, deed) = (state.clone(), self.by.clone(), self.deed);
        let looked = blocking(move || {
            let caller = caller_by(&*asking.main()?, &asking, &by)?;
            match caller {
                Some(caller) => Ok(asking.rights.may_try(&caller, deed)?),
                None => Ok(false),
            }
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
