//! What the policy judges by besides the caller: whose gates are, and which agreements hold.

use std::collections::{BTreeMap, BTreeSet};

use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use crate::agreements::{self, Agreement};
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

impl World {
    /// Reads it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(main: &Connection, now: UtcTime) -> Result<Self, StoreError> {
        let all = agreements::all(main)?.into_iter();
        Ok(Self {
            municipalities: municipalities::all(main)?,
            agreements: all.filter(|agreement| agreement.holds_at(now)).collect(),
            admitted: admitted(main, now)?,
            claimed: claims::held(main, now)?.into_keys().collect(),
            now,
        })
    }

    /// What a municipality's gates, or those that none has, may be used for.
    #[must_use]
    pub fn purposes(&self, _of: Option<&Municipality>) -> Vec<Purpose> {
        Purpose::ALL.map(|(purpose, _)| purpose).to_vec()
    }
}

/// Who is let in at a moment.
fn admitted(main: &Connection, now: UtcTime) -> Result<BTreeSet<Admission>, StoreError> {
    let unlocked = desk::unlocked(main, ApprovalFor::Admission, now)?.into_iter();
    let admitted = unlocked.filter_map(|one| match one.subject {
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
    Ok(admitted.collect())
}
