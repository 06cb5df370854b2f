//! The one way of a question about stored transits from a request to its answer: its grounds, its turn
//! among the searches that may run at once, what the policy lets its asker see, what may be processed, the audit line, and only then the
//! answer. Handlers parse, ask and shape; what they refuse leaves its line in [`super::attempts`].

use varco_proto::time::UtcTime;

use super::errors::ApiError;
use super::opener::StoredOpener;
use super::standing::Standing;
use super::state::HubState;
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;
use crate::lookups::question::{Answered, Asking, QuestionLine};
use crate::lookups::store::TransitStore;
use crate::policy::Deed;
use crate::policy::caller::Caller;
use crate::transits::allowed::Allowed;

/// Whoever asks, and what the policy calls it.
pub(super) struct Asker {
    pub(super) actor: Actor,
    pub(super) caller: Caller,
    pub(super) deed: Deed,
}

/// A question that somebody may ask, and why they do.
pub(super) struct Question {
    state: HubState,
    asker: Asker,
    grounds: Option<Grounds>,
}

/// What a question is answered from.
pub(super) struct Sources<'a> {
    /// The stored transits.
    pub(super) store: &'a TransitStore,
    /// Opens what is shown.
    pub(super) opener: &'a StoredOpener,
    /// What may be processed.
    pub(super) allowed: &'a Allowed,
    /// By the hub's clock.
    pub(super) now: UtcTime,
}

impl Question {
    /// A question, with its grounds unless its answer tells of nobody.
    pub(super) fn on(state: HubState, asker: Asker, grounds: Option<Grounds>) -> Self {
        Self {
            state,
            asker,
            grounds,
        }
    }

    /// Answers it with what `find` finds, once the line of what it says is committed.
    pub(super) async fn answer<T: Send + 'static>(
        self,
        find: impl FnOnce(&Sources<'_>) -> Result<(T, QuestionLine), ApiError> + Send + 'static,
    ) -> Result<Answered<T>, ApiError> {
        self.in_turn(move |state, asking| {
            let opener = StoredOpener::of(state)?;
            state.archive.ask(asking, |allowed| {
                find(&Sources {
                    store: &state.archive,
                    opener: &opener,
                    allowed,
                    now: asking.now,
                })
            })
        })
        .await
    }

    /// Waits for its turn among the searches, and works off the async threads: `work` asks the store for
    /// itself, which commits the line before it gives anything.
    pub(super) async fn in_turn<T: Send + 'static>(
        self,
        work: impl FnOnce(&HubState, &Asking<'_>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let Self {
            state,
            asker,
            grounds,
        } = self;
        let searching = move |state: &HubState| {
            let now = state.clock.now();
            let purpose = grounds.as_ref().map(|grounds| grounds.purpose);
            let standing = Standing::of(state, &state.main()?, &asker.caller, now)?;
            let asking = Asking {
                actor: &asker.actor,
                grounds: grounds.as_ref(),
                reach: &standing.reach(asker.deed, purpose)?,
                now,
                key: &state.key,
            };
            work(state, &asking)
        };
        state.search(searching).await
    }
}
