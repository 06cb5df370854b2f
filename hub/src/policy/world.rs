//! What the policy judges by besides the caller: whose gates are, and which agreements hold.

use std::collections::{BTreeMap, BTreeSet};

use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use crate::agreements::{self, Agreement};
use crate::approvals::approval::Approval;
use crate::approvals::subject::{ApprovalFor, ApprovalSubject};
use crate::approvals::{claims, desk};
use crate::audit::purpose::Purpose;
use crate::bodies::BodyId;
use crate::municipalities::{self, KnownMunicipality, Municipality};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// That a body is let in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Admission {
    /// Under which agreement, by its id.
    pub agreement: String,
    /// Whose transits.
    pub municipality: Municipality,
    /// Who.
    pub body: BodyId,
}

/// The world at a moment.
#[derive(Debug, Clone)]
pub struct World {
    /// Municipalities with their gates, and when these were theirs.
    pub municipalities: BTreeMap<Municipality, KnownMunicipality>,
    /// Agreements that hold.
    pub agreements: Vec<Agreement>,
    /// Bodies that an officer on duty of a municipality let in.
    pub admitted: BTreeSet<Admission>,
    /// Gates that the first level uses.
    pub claimed: BTreeSet<GateId>,
    /// When.
    pub now: UtcTime,
}

/// The world as it was read.
#[derive(Debug, Clone)]
pub struct WorldRead {
    /// At its moment.
    pub world: World,
    /// The next moment at which something in it begins or ends by itself; none when nothing does.
    pub changes_at: Option<UtcTime>,
}

impl WorldRead {
    /// Reads it. Each table that is read here has triggers that count its changes ([`crate::agreements::rights`]),
    /// and each moment by which something holds is among those at which it changes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn at(main: &Connection, now: UtcTime) -> Result<Self, StoreError> {
        let all = agreements::all(main)?;
        let unlocked = desk::unlocked(main, ApprovalFor::Admission, now)?;
        let claimed = claims::not_over(main, now)?;
        let changes = all.iter().filter_map(|one| one.changes_after(now));
        let changes = changes
            .chain(unlocked.iter().filter_map(|one| one.until))
            .chain(claimed.iter().flat_map(|one| [one.from, one.until]));
        let changes_at = changes.filter(|moment| *moment > now).min();
        let holding = all.into_iter().filter(|agreement| agreement.holds_at(now));
        Ok(Self {
            world: World {
                municipalities: municipalities::all(main)?,
                agreements: holding.collect(),
                admitted: admitted(unlocked),
                claimed: (claimed.into_iter())
                    .filter(|one| one.holds_at(now))
                    .map(|one| one.gate)
                    .collect(),
                now,
            },
            changes_at,
        })
    }
}

impl World {
    /// What a municipality's gates, or those that none has, may be used for.
    #[must_use]
    pub fn purposes(&self, _of: Option<&Municipality>) -> Vec<Purpose> {
        Purpose::ALL.map(|(purpose, _)| purpose).to_vec()
    }
}

/// Who is let in by what is unlocked.
fn admitted(unlocked: Vec<Approval>) -> BTreeSet<Admission> {
    let admitted = unlocked.into_iter().filter_map(|one| match one.subject {
        ApprovalSubject::Admission {
            agreement,
            municipality,
            body,
        } => Some(Admission {
            agreement,
            municipality,
            body,
        }),
        _ => None,
    });
    admitted.collect()
}
