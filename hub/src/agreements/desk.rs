//! What people decide of agreements: each act with its audit line, in one transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use thiserror::Error;
use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use super::{Agreement, AgreementId, GIVERS, Member, RECEIVERS};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::purpose::Purpose;
use crate::audit::{self, AuditEntry, AuditError};
use crate::bodies::{self, BodyId};
use crate::municipalities::{self, Municipality};
use crate::people::tokens::{Permission, Permissions};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// How long an agreement may hold (Macerata's protocol, art. 4 c. 1): two years.
pub const LONGEST: Duration = Duration::from_secs(731 * 86_400);
/// Longest title and legal basis, in characters.
const TEXT_CHARACTERS_MAX: usize = 300;
/// What an agreement can let others do.
const CAN_BE_GIVEN: [Permission; 6] = [
    Permission::Lookups,
    Permission::Alerts,
    Permission::Hotlists,
    Permission::Statistics,
    Permission::Convoys,
    Permission::Cases,
];

/// Nothing was changed.
#[derive(Debug, Error)]
pub enum AgreementError {
    /// The id is taken.
    #[error("there is or was an agreement `{0}`: an id is never used twice")]
    Taken(AgreementId),
    /// There is none.
    #[error("no agreement `{0}` holds; `varco-hub agreement list` shows those there are")]
    Unknown(AgreementId),
    /// A text.
    #[error("say the {0} of the agreement, in 1 to {TEXT_CHARACTERS_MAX} characters")]
    Text(&'static str),
    /// Its time.
    #[error("an agreement ends after it begins, not in the past, and after two years at most")]
    Term,
    /// Nothing.
    #[error("say at least one {0}")]
    Empty(&'static str),
    /// Something that no agreement gives.
    #[error("an agreement cannot give `{0}`")]
    NotGiven(&'static str),
    /// There is none.
    #[error("there is no municipality `{0}`; `varco-hub municipality list` shows those there are")]
    Municipality(Municipality),
    /// There is none.
    #[error("there is no body `{0}`; `varco-hub body list` shows those there are")]
    Body(BodyId),
    /// It is not.
    #[error("it is no member of the agreement")]
    NoMember,
    /// It is.
    #[error("it is a member of the agreement already")]
    IsMember,
    /// Who leads must be one.
    #[error("`{0}` leads the agreement: let another lead before it leaves")]
    Leads(Municipality),
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an agreement is to be.
#[derive(Debug, Clone)]
pub struct WantedAgreement {
    /// Its id.
    pub id: AgreementId,
    /// As people call it.
    pub title: String,
    /// What allows it.
    pub legal_basis: String,
    /// Who leads; one of the givers.
    pub lead: Municipality,
    /// For what.
    pub purposes: BTreeSet<Purpose>,
    /// What may be done.
    pub may: Permissions,
    /// Whether officers on duty let each office in.
    pub admission: bool,
    /// From when.
    pub from: UtcTime,
    /// Until when.
    pub until: UtcTime,
    /// Whose transits.
    pub givers: BTreeSet<Municipality>,
    /// Who sees them.
    pub receivers: BTreeSet<BodyId>,
    /// Only these gates; all when empty.
    pub gates: BTreeSet<GateId>,
}

/// Somebody who joins or leaves.
#[derive(Debug, Clone)]
pub enum Party {
    /// A municipality whose transits are seen.
    Giver(Municipality),
    /// A body that sees them.
    Receiver(BodyId),
}

/// Makes an agreement.
///
/// # Errors
/// [`AgreementError`].
pub fn make(
    main: &mut Connection,
    wanted: &WantedAgreement,
    acting: &Acting<'_>,
) -> Result<Agreement, AgreementError> {
    acting.change(main, |main| {
        if super::find(main, &wanted.id)?.is_some() {
            return Err(AgreementError::Taken(wanted.id.clone()));
        }
        check(main, wanted, acting.now)?;
        let since = acting.now;
        let agreement = Agreement {
            id: wanted.id.clone(),
            title: wanted.title.clone(),
            legal_basis: wanted.legal_basis.clone(),
            lead: wanted.lead.clone(),
            purposes: wanted.purposes.clone(),
            may: wanted.may.clone(),
            admission: wanted.admission,
            from: wanted.from,
            until: wanted.until,
            made_at: since,
            ended_at: None,
            givers: members(&wanted.givers, since),
            receivers: members(&wanted.receivers, since),
            gates: wanted.gates.clone(),
        };
        super::add(main, &agreement)?;
        let details = json!({
            "agreement": agreement.id, "title": agreement.title,
            "legal_basis": agreement.legal_basis, "lead": agreement.lead,
            "purposes": agreement.purposes.iter().map(|p| p.as_str()).collect::<Vec<_>>(),
            "may": agreement.may.to_text(), "admission": agreement.admission,
            "from": agreement.from, "until": agreement.until, "givers": wanted.givers,
            "receivers": wanted.receivers, "gates": wanted.gates,
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::AgreementMade, details);
        Ok((agreement, entry))
    })
}

fn members<T: Clone>(of: &BTreeSet<T>, since: UtcTime) -> Vec<Member<T>> {
    let member = |who: &T| Member {
        who: who.clone(),
        joined_at: since,
        left_at: None,
    };
    of.iter().map(member).collect()
}

fn check(main: &Connection, wanted: &WantedAgreement, now: UtcTime) -> Result<(), AgreementError> {
    for (what, text) in [
        ("title", &wanted.title),
        ("legal basis", &wanted.legal_basis),
    ] {
        let characters = text.trim().chars().count();
        if !(1..=TEXT_CHARACTERS_MAX).contains(&characters) || text.chars().any(char::is_control) {
            return Err(AgreementError::Text(what));
        }
    }
    let ends = wanted.until > wanted.from && wanted.until > now;
    if !ends || wanted.until > wanted.from + LONGEST {
        return Err(AgreementError::Term);
    }
    for (what, is_empty) in [
        ("purpose", wanted.purposes.is_empty()),
        ("thing that it lets be done", wanted.may.is_empty()),
        (
            "municipality whose transits are seen",
            wanted.givers.is_empty(),
        ),
        ("body that sees them", wanted.receivers.is_empty()),
    ] {
        if is_empty {
            return Err(AgreementError::Empty(what));
        }
    }
    if let Some(never) = wanted.may.iter().find(|one| !CAN_BE_GIVEN.contains(one)) {
        return Err(AgreementError::NotGiven(never.as_str()));
    }
    if !wanted.givers.contains(&wanted.lead) {
        return Err(AgreementError::NoMember);
    }
    for giver in &wanted.givers {
        expect_municipality(main, giver)?;
    }
    for receiver in &wanted.receivers {
        expect_body(main, receiver)?;
    }
    Ok(())
}

fn expect_municipality(main: &Connection, name: &Municipality) -> Result<(), AgreementError> {
    match municipalities::all(main)?.contains_key(name) {
        true => Ok(()),
        false => Err(AgreementError::Municipality(name.clone())),
    }
}

fn expect_body(main: &Connection, id: &BodyId) -> Result<(), AgreementError> {
    match bodies::find(main, id)?.is_some_and(|body| body.holds()) {
        true => Ok(()),
        false => Err(AgreementError::Body(id.clone())),
    }
}

/// Lets a member join. What the others have goes on.
///
/// # Errors
/// [`AgreementError`].
pub fn join(
    main: &mut Connection,
    id: &AgreementId,
    party: &Party,
    acting: &Acting<'_>,
) -> Result<(), AgreementError> {
    let now = acting.now;
    acting.change(main, |main| {
        let agreement = expect(main, id, now)?;
        let is_member = match party {
            Party::Giver(name) => {
                expect_municipality(main, name)?;
                agreement.gives(name, now)
            }
            Party::Receiver(body) => {
                expect_body(main, body)?;
                agreement.receives(body, now)
            }
        };
        if is_member {
            return Err(AgreementError::IsMember);
        }
        match party {
            Party::Giver(name) => GIVERS.join(main, id, name.as_str(), now)?,
            Party::Receiver(body) => RECEIVERS.join(main, id, body.as_str(), now)?,
        }
        Ok(((), entry(acting, id, Action::AgreementJoined, party)))
    })
}

/// Lets a member leave: from this moment on it gives or sees nothing under the agreement.
///
/// # Errors
/// [`AgreementError`].
pub fn leave(
    main: &mut Connection,
    id: &AgreementId,
    party: &Party,
    acting: &Acting<'_>,
) -> Result<(), AgreementError> {
    let now = acting.now;
    acting.change(main, |main| {
        let agreement = expect(main, id, now)?;
        let left = match party {
            Party::Giver(name) if *name == agreement.lead => {
                return Err(AgreementError::Leads(name.clone()));
            }
            Party::Giver(name) => GIVERS.leave(main, id, name.as_str(), now)?,
            Party::Receiver(body) => RECEIVERS.leave(main, id, body.as_str(), now)?,
        };
        match left {
            0 => Err(AgreementError::NoMember),
            _ => Ok(((), entry(acting, id, Action::AgreementLeft, party))),
        }
    })
}

/// Lets a municipality leave every agreement in which it gives, within the caller's transaction and line. Gives
/// which.
///
/// # Errors
/// [`AgreementError::Leads`] when it leads one that has not ended.
pub fn leave_all(
    main: &Connection,
    name: &Municipality,
    now: UtcTime,
) -> Result<Vec<AgreementId>, AgreementError> {
    let all = super::all(main)?.into_iter();
    let living = all.filter(|one| one.ended_at.is_none() && now < one.until);
    let mut left = Vec::new();
    for agreement in living {
        if agreement.lead == *name {
            return Err(AgreementError::Leads(name.clone()));
        }
        if GIVERS.leave(main, &agreement.id, name.as_str(), now)? > 0 {
            left.push(agreement.id);
        }
    }
    Ok(left)
}

/// Lets another of the givers lead.
///
/// # Errors
/// [`AgreementError`].
pub fn let_lead(
    main: &mut Connection,
    id: &AgreementId,
    lead: &Municipality,
    acting: &Acting<'_>,
) -> Result<Municipality, AgreementError> {
    acting.change(main, |main| {
        let agreement = expect(main, id, acting.now)?;
        if !agreement.gives(lead, acting.now) {
            return Err(AgreementError::NoMember);
        }
        super::lead(main, id, lead)?;
        let details = json!({ "agreement": id, "lead": lead, "before": agreement.lead });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::AgreementLed, details);
        Ok((agreement.lead, entry))
    })
}

/// Ends an agreement before its end.
///
/// # Errors
/// [`AgreementError`].
pub fn end(
    main: &mut Connection,
    id: &AgreementId,
    acting: &Acting<'_>,
) -> Result<(), AgreementError> {
    acting.change(main, |main| {
        expect(main, id, acting.now)?;
        super::end(main, id, acting.now)?;
        let details = json!({ "agreement": id });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::AgreementEnded, details);
        Ok(((), entry))
    })
}

/// Ends for good the agreements whose time is over by now: a clock that is set back afterwards brings none of them
/// back. Within
/// the caller's transaction; gives how many.
///
/// # Errors
/// [`AuditError`]; the caller rolls back, and all are over by their own time.
pub fn end_over(main: &Connection, acting: &Acting<'_>) -> Result<usize, AuditError> {
    let is_over = |one: &Agreement| one.ended_at.is_none() && one.until <= acting.now;
    let over = super::all(main)?.into_iter().filter(is_over);
    let mut ended = 0;
    for agreement in over {
        super::end(main, &agreement.id, acting.now)?;
        let details = json!({ "agreement": agreement.id, "why": "its time is over" });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::AgreementEnded, details);
        audit::append(main, &entry, acting.now, acting.key)?;
        ended += 1;
    }
    Ok(ended)
}

/// One that has not ended; it may begin later.
fn expect(main: &Connection, id: &AgreementId, now: UtcTime) -> Result<Agreement, AgreementError> {
    let found = super::find(main, id)?;
    let lives = |agreement: &Agreement| agreement.ended_at.is_none() && now < agreement.until;
    found
        .filter(lives)
        .ok_or_else(|| AgreementError::Unknown(id.clone()))
}

fn entry(acting: &Acting<'_>, id: &AgreementId, action: Action, party: &Party) -> AuditEntry {
    let details = match party {
        Party::Giver(name) => json!({ "agreement": id, "giver": name }),
        Party::Receiver(body) => json!({ "agreement": id, "receiver": body }),
    };
    AuditEntry::plain(acting.actor.clone(), action, details)
}
