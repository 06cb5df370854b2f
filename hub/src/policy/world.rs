//! What the policy judges by besides the caller: whose gates are, what they are for, and which agreements hold.

use std::collections::{BTreeMap, BTreeSet};

use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use crate::agreements::{self, Agreement};
use crate::approvals::approval::Approval;
use crate::approvals::subject::{ApprovalFor, ApprovalSubject};
use crate::approvals::{claims, desk};
use crate::audit::purpose::Purpose;
use crate::bodies::{self, Body, BodyId};
use crate::municipalities::owners::Ownership;
use crate::municipalities::{self, KnownMunicipality, Municipality};
use crate::purposes::PurposesInForce;
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
    /// Agreements that hold, each for the purposes that all its members have.
    pub agreements: Vec<Agreement>,
    /// Bodies that an officer on duty of a municipality let in.
    pub admitted: BTreeSet<Admission>,
    /// Gates that the first level uses.
    pub claimed: BTreeSet<GateId>,
    /// What gates are for.
    pub purposes: PurposesInForce,
    /// Whose the body is that runs the hub: what nobody has is for what its gates are for.
    pub owner: Option<Municipality>,
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

/// Gates of one municipality that are for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alike<'a> {
    pub(super) purposes: Vec<Purpose>,
    pub(super) gates: Vec<(&'a GateId, &'a Ownership)>,
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
        let bodies = bodies::all(main)?;
        let purposes = PurposesInForce::read(main, now)?;
        let changes = all.iter().filter_map(|one| one.changes_after(now));
        let changes = changes
            .chain(unlocked.iter().filter_map(|one| one.until))
            .chain(claimed.iter().flat_map(|one| [one.from, one.until]))
            .chain(purposes.next_change);
        let changes_at = changes.filter(|moment| *moment > now).min();
        let holding = all.into_iter().filter(|agreement| agreement.holds_at(now));
        let common = |agreement: Agreement| Agreement {
            purposes: common(&agreement, &purposes, &bodies, now),
            ..agreement
        };
        Ok(Self {
            world: World {
                municipalities: municipalities::all(main)?,
                agreements: holding.map(common).collect(),
                admitted: admitted(unlocked),
                claimed: (claimed.into_iter())
                    .filter(|one| one.holds_at(now))
                    .map(|one| one.gate)
                    .collect(),
                owner: (bodies.into_values())
                    .find(|body| body.is_owner)
                    .and_then(|owner| owner.municipality),
                purposes,
                now,
            },
            changes_at,
        })
    }
}

impl World {
    /// What a municipality's gates, or those that none has, are for.
    #[must_use]
    pub fn purposes(&self, of: Option<&Municipality>) -> BTreeSet<Purpose> {
        self.purposes.of_municipality(of.or(self.owner.as_ref()))
    }

    /// A municipality's gates, those together that are for the same.
    pub(super) fn alike<'a>(
        &self,
        name: &Municipality,
        known: &'a KnownMunicipality,
    ) -> Vec<Alike<'a>> {
        let mut alike: BTreeMap<BTreeSet<Purpose>, Vec<_>> = BTreeMap::new();
        for owned in &known.owned {
            let purposes = self.purposes.of_gate(owned.0, Some(name));
            alike.entry(purposes).or_default().push(owned);
        }
        let alike = alike.into_iter().map(|(purposes, gates)| Alike {
            purposes: purposes.into_iter().collect(),
            gates,
        });
        alike.collect()
    }

    /// What the gates are for that a body may see for anything at all: its own municipality's, and those of the
    /// agreements to which it is a party. None when there are no such gates.
    #[must_use]
    pub fn purposes_of(&self, body: &Body) -> Option<BTreeSet<Purpose>> {
        let own = match &body.municipality {
            Some(name) => Some(self.purposes(Some(name))),
            None => body.is_owner.then(|| self.purposes(None)),
        };
        let received = (self.agreements.iter())
            .filter(|agreement| agreement.receives(&body.id, self.now))
            .map(|agreement| agreement.purposes.clone());
        own.into_iter()
            .chain(received)
            .reduce(|all, more| &all | &more)
    }

    /// Whether a body may state a purpose. One that sees no gate yet may prepare for the regulation's nine.
    #[must_use]
    pub fn may_state(&self, body: &Body, purpose: Purpose) -> bool {
        match self.purposes_of(body) {
            Some(purposes) => purposes.contains(&purpose),
            None => Purpose::REGULATION.contains(&purpose),
        }
    }
}

/// What all members of an agreement have in common with what it is for: the municipalities that give, and those
/// whose offices receive.
fn common(
    agreement: &Agreement,
    purposes: &PurposesInForce,
    bodies: &BTreeMap<BodyId, Body>,
    now: UtcTime,
) -> BTreeSet<Purpose> {
    let givers = agreement.givers.iter().filter(|giver| giver.holds_at(now));
    let receivers = agreement.receivers.iter().filter(|one| one.holds_at(now));
    let receiving = receivers.filter_map(|one| bodies.get(&one.who)?.municipality.as_ref());
    let members = givers.map(|giver| &giver.who).chain(receiving);
    members.fold(agreement.purposes.clone(), |common, name| {
        &common & &purposes.of_municipality(Some(name))
    })
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
