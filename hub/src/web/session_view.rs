//! A session as its own page sees it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::arrival::ShownSession;
use super::errors::ApiError;
use super::state::{HubState, blocking};
use super::unsigned::Unsigned;
use crate::people::permissions::Permissions;
use crate::people::{actors, appointments};
use crate::signing::accounts;
use crate::signing::posts;
use crate::signing::sessions::KnownSession;
use crate::store::sql::Connection;

/// A session, as its own page sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionAnswer {
    /// Its id, as lines name it.
    pub session: String,
    /// Who signed in.
    pub user_name: String,
    /// The person's name.
    pub name: String,
    /// What the post is called; null where none was shown.
    pub post: Option<String>,
    /// What the person may do; empty while it is locked.
    pub may: Vec<String>,
    /// The act that appoints the person: its number, date and office; null while it is locked, or when none holds.
    pub act: Option<String>,
    /// Whether the password is asked first.
    pub locked: bool,
    /// After how many idle seconds it is locked.
    pub idle_s: u64,
    /// When it ends at the latest.
    pub ends_at: String,
    /// What `X-Varco-Session` must say with whatever changes something.
    pub mark: String,
}

/// A session as its own page is to see it.
pub(super) struct SeenSession<'a> {
    pub(super) session: &'a KnownSession,
    pub(super) cookie: &'a str,
    pub(super) may: Option<&'a Permissions>,
    pub(super) is_locked: bool,
}

impl SeenSession<'_> {
    /// What its page is told.
    pub(super) fn answer(
        &self,
        main: &Connection,
        state: &HubState,
    ) -> Result<SessionAnswer, ApiError> {
        let session = self.session;
        let account = accounts::of_id(main, &session.account)?.ok_or(Unsigned::Ended)?;
        let actor = actors::of_id(main, &session.actor_id)?;
        let post = match &session.post {
            Some(id) => posts::of_id(main, id)?.map(|post| post.name),
            None => None,
        };
        let may = self
            .may
            .filter(|_| !self.is_locked)
            .map(Permissions::to_text);
        let may = may.unwrap_or_default();
        let act = match self.is_locked {
            false => appointments::of(main, &session.actor_id, state.clock.now())?,
            true => None,
        };
        Ok(SessionAnswer {
            session: session.id.clone(),
            user_name: account.user_name.to_string(),
            name: actor.ok_or(Unsigned::Ended)?.name().to_owned(),
            post,
            may: may.split_whitespace().map(str::to_owned).collect(),
            act: act.map(|held| held.act),
            locked: self.is_locked,
            idle_s: session.idle.as_secs(),
            ends_at: session.ends_at.to_string(),
            mark: state.signing.mark(self.cookie),
        })
    }
}

/// What the page of a session that was shown is told.
pub(super) async fn answer_of(
    state: &HubState,
    shown: ShownSession,
) -> Result<SessionAnswer, ApiError> {
    let hub = state.clone();
    blocking(move || {
        let seen = SeenSession {
            session: &shown.session,
            cookie: &shown.cookie,
            may: shown.caller.as_ref().map(|caller| &caller.may),
            is_locked: shown.is_locked,
        };
        seen.answer(&*hub.main()?, &hub)
    })
    .await
}
