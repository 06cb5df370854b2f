//! Who of a body is signed in, as whoever answers for it sees it, and ending one of these sessions.

use super::desk::AccountError;
use super::posts;
use super::sessions::{self, SessionRow, WhyEnded};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::told::{SessionTurned, Told as _};
use crate::bodies::BodyId;
use crate::people::actors;
use crate::store::StoreError;
use crate::store::sql::Connection;
use varco_proto::time::UtcTime;

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Their session.
    pub row: SessionRow,
    /// Their name.
    pub person: String,
    /// What the post is called; none where none is needed.
    pub post: Option<String>,
}

/// Who of a body is signed in now, oldest first; sessions whose time is over are left out.
///
/// # Errors
/// [`StoreError`].
pub fn signed_in(
    main: &Connection,
    body: &BodyId,
    now: UtcTime,
) -> Result<Vec<SignedIn>, StoreError> {
    let mut all = Vec::new();
    for row in sessions::open_rows(main)? {
        if !is_of(main, &row, body, now)? {
            continue;
        }
        let damaged = StoreError::Damaged { what: "session" };
        let person = actors::of_id(main, &row.actor_id)?.ok_or(damaged)?;
        let post = match &row.post {
            Some(id) => posts::of_id(main, id)?.map(|post| post.name),
            None => None,
        };
        all.push(SignedIn {
            person: person.name().to_owned(),
            row,
            post,
        });
    }
    Ok(all)
}

fn is_of(
    main: &Connection,
    row: &SessionRow,
    body: &BodyId,
    now: UtcTime,
) -> Result<bool, StoreError> {
    Ok(now < row.ends_at && actors::body_of(main, &row.actor_id)? == *body)
}

/// Ends the session of somebody of a body, with its line.
///
/// # Errors
/// [`AccountError::NoSession`] where nobody of the body has it; [`AccountError::Audit`],
/// [`AccountError::Store`].
pub fn end(
    main: &mut Connection,
    body: &BodyId,
    id: &str,
    acting: &Acting<'_>,
) -> Result<(), AccountError> {
    acting.change(main, |main| {
        let none = || AccountError::NoSession(id.to_owned());
        let rows = sessions::open_rows(main)?;
        let row = rows.into_iter().find(|row| row.id == id).ok_or_else(none)?;
        if !is_of(main, &row, body, acting.now)?
            || !sessions::end(main, id, WhyEnded::ByHand, acting.now)?
        {
            return Err(none());
        }
        let told = SessionTurned {
            session: row.id,
            account: row.account,
            why: WhyEnded::ByHand.as_str().to_owned(),
        };
        Ok(((), told.entry(acting.actor.clone(), Action::SessionEnded)?))
    })
}
