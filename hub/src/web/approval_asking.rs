//! Whether somebody may ask for what they ask for.

use std::collections::{BTreeSet, HashSet};

use varco_proto::ids::{GateId, TransitId};
use varco_proto::time::{UtcDay, UtcTime};

use super::errors::ApiError;
use super::state::HubState;
use crate::agreements;
use crate::approvals::subject::ApprovalSubject;
use crate::municipalities::{self, Municipality};
use crate::people::external_staff;
use crate::policy::Deed;
use crate::policy::caller::Caller;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::blocks;

/// Who maintains was named in writing and is bound to secrecy (art. 9 c. 2 A a1; art. 8 c. 2 B b2).
const UNREGISTERED: &str = "a technician asks for this whose name was communicated in writing, with a signed \
    declaration of secrecy: `varco-hub office enter-staff`";

/// Whether somebody could use what they ask for: else nobody need decide.
///
/// # Errors
/// [`ApiError`].
pub(super) fn check_asker(
    main: &Connection,
    state: &HubState,
    caller: &Caller,
    subject: &ApprovalSubject,
) -> Result<(), ApiError> {
    let now = state.clock.now();
    match subject {
        ApprovalSubject::Admission {
            agreement,
            municipality,
            body,
        } => {
            let all = agreements::all(main)?;
            let fits = all.iter().any(|one| {
                one.id.as_str() == agreement
                    && one.holds_at(now)
                    && one.admission
                    && one.gives(municipality, now)
                    && one.receives(body, now)
            });
            let what = "an agreement that holds and lets this municipality's officers on duty let your body in";
            must(fits, "agreement", what)
        }
        ApprovalSubject::Maintenance { .. } => check_maintenance(main, caller, subject, now),
        ApprovalSubject::Extraction { .. } => match state.rights.may_try(caller, Deed::Extract)? {
            true => Ok(()),
            false => Err(ApiError::Denied(Deed::Extract)),
        },
        ApprovalSubject::EarlyDeletion {
            municipality,
            requested_on,
            transits,
            ..
        } => {
            let is_own = caller.body.municipality.as_ref() == Some(municipality);
            must(is_own, "municipality", "your own municipality")?;
            let day = requested_on.as_deref();
            let day = day.and_then(|day| day.parse::<UtcDay>().ok());
            let is_past = day.is_some_and(|day| day.start() <= now);
            must(
                is_past,
                "requested_on",
                "a day, YYYY-MM-DD, that is not in the future",
            )?;
            can_be_erased(main, state, municipality, transits)
        }
        ApprovalSubject::PolicyWidening { .. } => must(
            caller.body.is_owner,
            "for",
            "whoever runs the hub asks for this",
        ),
        ApprovalSubject::CaseClosing { .. } => elsewhere("/api/v1/cases/{id}/closing"),
        ApprovalSubject::SecondLook(_) => elsewhere("/api/v1/second-looks"),
        ApprovalSubject::BlockLifting { .. } => elsewhere("/api/v1/blocks"),
    }
}

fn must(holds: bool, field: &'static str, what: &str) -> Result<(), ApiError> {
    match holds {
        true => Ok(()),
        false => Err(ApiError::field(field, what)),
    }
}

/// Whether who asks may work on these gates: a technician who was named in writing, bound to secrecy, on gates that are
/// whose they say.
fn check_maintenance(
    main: &Connection,
    caller: &Caller,
    subject: &ApprovalSubject,
    now: UtcTime,
) -> Result<(), ApiError> {
    let ApprovalSubject::Maintenance {
        municipality,
        gates,
        secrecy,
    } = subject
    else {
        return must(false, "for", "maintenance");
    };
    must(caller.is_technician(), "for", "a technician asks for this")?;
    let entry = external_staff::maintaining(main, &caller.id, now)?;
    let entry = entry.ok_or_else(|| ApiError::field("for", UNREGISTERED))?;
    must(
        entry.secrecy.as_deref() == Some(secrecy.as_str()),
        "secrecy",
        "the document that your entry in the external staff names",
    )?;
    let known = municipalities::all(main)?;
    let owned_by_any = |gate| {
        let mut all = known.values();
        all.any(|one| one.owned.get(gate).is_some_and(|when| when.has(now)))
    };
    let fits = match municipality {
        Some(name) => known.get(name).is_some_and(|one| {
            let mut gates = gates.iter();
            gates.all(|gate| one.owned.get(gate).is_some_and(|when| when.has(now)))
        }),
        None => !gates.iter().any(owned_by_any),
    };
    must(fits, "gates", "gates of this municipality, or of none")
}

/// Whether all of these transits are there, of gates of the municipality when they were captured, and not blocked.
fn can_be_erased(
    main: &Connection,
    state: &HubState,
    municipality: &Municipality,
    transits: &BTreeSet<TransitId>,
) -> Result<(), ApiError> {
    const DAMAGED: StoreError = StoreError::Damaged { what: "name" };
    let ids: HashSet<[u8; 16]> = transits.iter().map(|id| *id.as_bytes()).collect();
    let known = municipalities::all(main)?;
    let known = known.get(municipality);
    let mut fitting = HashSet::new();
    for one in state.archive.placed(&ids)? {
        let gate = state.archive.name(one.entry.gate).ok_or(DAMAGED)?;
        let gate: GateId = gate.parse().map_err(|_| DAMAGED)?;
        let at = one.hour.at(one.entry.offset_us);
        let is_theirs =
            known.is_some_and(|known| known.owned.get(&gate).is_some_and(|when| when.has(at)));
        if is_theirs && !blocks::has(main, &one.id)? {
            fitting.insert(one.id);
        }
    }
    match fitting.len() == ids.len() {
        true => Ok(()),
        false => Err(ApiError::field(
            "transits",
            "only transits that are stored, of your municipality's gates, and not blocked; nothing was asked",
        )),
    }
}

/// It is asked for where what it is about is looked at.
fn elsewhere(path: &str) -> Result<(), ApiError> {
    Err(ApiError::field("for", format!("ask for this at {path}")))
}
