//! Revoking an edge, and releasing one that was shut out or that keeps its transits back: each act with its
//! audit line, in one transaction.

use thiserror::Error;
use varco_proto::envelope::seal;
use varco_proto::ids::EdgeId;
use varco_proto::tamper::{PURPOSE_CHARACTERS, Release};
use varco_proto::time::UtcTime;

use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{EdgeEnded, Told as _};
use crate::audit::{AuditEntry, AuditError};
use crate::boxes::edges::{self, EdgeError};
use crate::boxes::{forks, revocation, tampering};
use crate::home::{Home, HomeError};
use crate::store::StoreError;

/// Nothing was revoked or released.
#[derive(Debug, Error)]
pub enum EdgeDeskError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// An edge.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// The audit.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The purpose is missing or too long: say what was found and done.
    #[error("say what was found and done, in 3 to 120 characters: --purpose TEXT")]
    Purpose,
    /// Nothing is to be released.
    #[error("nothing keeps the transits of `{0}` back; `varco-hub edge list` shows what does")]
    NotSuspended(EdgeId),
    /// The edge's chain is whole.
    #[error("the chain of `{0}` has not forked; `varco-hub edge list` shows its state")]
    NotForked(EdgeId),
}

/// Revokes an edge: the hub refuses it from the next batch on, and the list of revoked
/// certificates is written anew for the broker.
///
/// # Errors
/// [`EdgeDeskError`].
pub fn revoke_edge(home: &Home, id: &EdgeId, now: UtcTime) -> Result<UtcTime, EdgeDeskError> {
    home.expect()?;
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let acting = Acting {
        actor: &Actor::console(),
        now,
        key: &key,
    };
    let revoked_at = acting.change(&mut main, |main| {
        let revoked_at = edges::revoke(main, id, now)?;
        let told = EdgeEnded {
            edge: id.to_string(),
            revoked_at,
        };
        let entry = told.entry(Actor::console(), Action::EdgeRevoked)?;
        Ok::<_, EdgeDeskError>((revoked_at, entry))
    })?;
    revocation::write_list(home, &main, now)?;
    Ok(revoked_at)
}

/// Releases an edge from everything that it has told of so far. The running hub sends it.
///
/// # Errors
/// [`EdgeDeskError`]; without its audit line nothing is released.
pub fn release_edge(
    home: &Home,
    id: &EdgeId,
    purpose: &str,
    now: UtcTime,
) -> Result<Release, EdgeDeskError> {
    home.expect()?;
    let purpose = purpose_of(purpose)?;
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let acting = Acting {
        actor: &Actor::console(),
        now,
        key: &key,
    };
    acting.change(&mut main, |main| {
        if edges::find(main, id)?.is_none() {
            return Err(EdgeError::Unknown(id.clone()).into());
        }
        let events = tampering::open_events(main, id)?;
        let Some(last) = events.last() else {
            return Err(EdgeDeskError::NotSuspended(id.clone()));
        };
        let release = Release {
            edge: id.clone(),
            up_to_sequence: last.sequence,
            purpose,
            released_at: now,
        };
        let envelope = seal(&release, &key).envelope;
        tampering::keep_release(main, &release, &envelope)?;
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        let details = serde_json::json!({
            "edge": id, "up_to_sequence": last.sequence, "kinds": kinds, "purpose": release.purpose,
        });
        let entry = AuditEntry::plain(Actor::console(), Action::EdgeReleased, details);
        Ok((release, entry))
    })
}

fn purpose_of(text: &str) -> Result<String, EdgeDeskError> {
    let text = text.trim();
    let fits = PURPOSE_CHARACTERS.contains(&text.chars().count());
    if !fits || text.chars().any(char::is_control) {
        return Err(EdgeDeskError::Purpose);
    }
    Ok(text.to_owned())
}

/// Lets an edge in again after its chain had forked, on the chain that the hub has. Gives the
/// place of the fork.
///
/// # Errors
/// [`EdgeDeskError`]; without its audit line nothing is released.
pub fn release_fork(
    home: &Home,
    id: &EdgeId,
    purpose: &str,
    now: UtcTime,
) -> Result<u64, EdgeDeskError> {
    home.expect()?;
    let purpose = purpose_of(purpose)?;
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let acting = Acting {
        actor: &Actor::console(),
        now,
        key: &key,
    };
    acting.change(&mut main, |main| {
        if edges::find(main, id)?.is_none() {
            return Err(EdgeError::Unknown(id.clone()).into());
        }
        let Some(fork) = forks::open_fork(main, id)? else {
            return Err(EdgeDeskError::NotForked(id.clone()));
        };
        forks::release(main, id)?;
        let details = serde_json::json!({
            "edge": id, "sequence": fork.sequence, "noticed_at": fork.noticed_at,
            "purpose": purpose,
        });
        let entry = AuditEntry::plain(Actor::console(), Action::ForkReleased, details);
        Ok((fork.sequence, entry))
    })
}
