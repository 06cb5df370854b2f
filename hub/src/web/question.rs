//! The one way of a question about stored transits from a request to its answer: its grounds, its turn
//! among the searches that may run at once, what the policy lets its asker see, what may be processed, the audit line, and only then the
//! answer. Handlers parse, ask and shape; what they refuse leaves its line in [`super::attempts`].

use varco_proto::time::UtcTime;

use super::errors::ApiError;
use super::opener::StoredOpener;
use super::standing::Standing;
use super::state::HubState;
use crate::alerts::alert;
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;
use crate::cases::case;
use crate::hotlists::list;
use crate::judgement::judge::SearchTarget;
use crate::judgement::marks::is_same_reference;
use crate::lookups::question::{Answered, Asking, QuestionLine};
use crate::lookups::store::TransitStore;
use crate::plates::pattern::PlatePattern;
use crate::policy::Deed;
use crate::policy::caller::Caller;
use crate::store::StoreError;
use crate::store::sql::Connection;
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

/// What a question is about.
pub(super) enum About {
    /// Nobody: it counts.
    Nobody,
    /// A plate.
    Plate(PlatePattern),
    /// Whatever passed at these places, which are always written in one way.
    Places(String),
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
        about: About,
        find: impl FnOnce(&Sources<'_>) -> Result<(T, QuestionLine), ApiError> + Send + 'static,
    ) -> Result<Answered<T>, ApiError> {
        self.in_turn(move |state, asking| {
            let opener = StoredOpener::of(state)?;
            let target = match &about {
                About::Nobody => SearchTarget::Nobody,
                About::Plate(pattern) => SearchTarget::Plate {
                    pattern,
                    places: "",
                },
                About::Places(places) => SearchTarget::Everything { places },
            };
            state.archive.ask(asking, target, |allowed| {
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
            let standing = Standing::of(state, &*state.main()?, &asker.caller, now)?;
            if let Some(grounds) = &grounds {
                standing.allow(grounds)?;
            }
            let grown_at = match &grounds {
                Some(grounds) => grown_at(&state.archive.main(), &asker.actor, grounds)?,
                None => None,
            };
            let asking = Asking {
                actor: &asker.actor,
                grounds: grounds.as_ref(),
                reach: &standing.reach(asker.deed, purpose)?,
                now,
                key: &state.key,
                judge: &state.judge,
                grown_at,
            };
            work(state, &asking)
        };
        state.search(searching).await
    }
}

/// When the case of these grounds last grew by the work of somebody else: transits that a case holds, alerts of
/// a short list. None where nothing did. A list of every stolen vehicle is no case.
///
/// # Errors
/// [`StoreError`].
pub(super) fn grown_at(
    main: &Connection,
    actor: &Actor,
    grounds: &Grounds,
) -> Result<Option<UtcTime>, StoreError> {
    let is_it = |reference: &str| is_same_reference(reference, &grounds.case_reference);
    let mut grown = None;
    for case in case::open_references(main)? {
        if is_it(&case.reference) && case.opened_by != actor.name() {
            grown = grown.max(case::held_at(main, &case.id)?);
        }
    }
    for list in list::short_lists(main)? {
        if is_it(&list.reference) && list.made_by != actor.id() {
            grown = grown.max(alert::raised_at(main, &list.id)?);
        }
    }
    Ok(grown)
}
