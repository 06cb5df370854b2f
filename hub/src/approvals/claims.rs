//! Gates in use by the first level, which goes first (art. 8 c. 2 A a1, a2).
//!
//! While they are, the second level sees nothing of them live and finds nothing of them. A claim ends by itself. This
//! module owns `gate_claims`.

use std::collections::BTreeMap;
use std::time::Duration;

use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use super::approval::ApprovalError;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::told::{GatesClaimed, Told as _};
use crate::municipalities::{self, Municipality};
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// The longest time for which a gate is claimed at once; it can be claimed again.
pub const LONGEST: Duration = Duration::from_secs(30 * 60);
/// The shortest.
const SHORTEST: Duration = Duration::from_secs(60);

/// A gate in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateClaim {
    /// Which.
    pub gate: GateId,
    /// Whose it is.
    pub municipality: Municipality,
    /// Who uses it, by id.
    pub actor_id: String,
    /// Who uses it, by the name of then.
    pub name: String,
    /// Since when.
    pub from: UtcTime,
    /// The first moment in which it is in use no more.
    pub until: UtcTime,
}

impl GateClaim {
    /// Whether it holds at a moment.
    #[must_use]
    pub fn holds_at(&self, now: UtcTime) -> bool {
        self.from <= now && now < self.until
    }
}

/// Gates that are to be claimed.
#[derive(Debug, Clone, Copy)]
pub struct WantedClaim<'a> {
    /// Whose gates; those of the claimer's own municipality.
    pub municipality: &'a Municipality,
    /// Which.
    pub gates: &'a [GateId],
    /// For how long.
    pub lasts: Duration,
}

/// Claims gates of one's own municipality, or claims them for longer; all or none. Gives until when.
///
/// # Errors
/// [`ApprovalError::Field`] when one of them is not the municipality's, [`ApprovalError::Lasts`].
pub fn claim(
    main: &mut Connection,
    wanted: WantedClaim<'_>,
    acting: &Acting<'_>,
) -> Result<UtcTime, ApprovalError> {
    if !(SHORTEST..=LONGEST).contains(&wanted.lasts) {
        return Err(ApprovalError::Lasts(LONGEST));
    }
    let (now, until) = (acting.now, acting.now + wanted.lasts);
    acting.change(main, |main| {
        let known = municipalities::all(main)?.remove(wanted.municipality);
        let known = known.ok_or(ApprovalError::Field("gates"))?;
        let is_own = |gate: &GateId| known.owned.get(gate).is_some_and(|when| when.has(now));
        if wanted.gates.is_empty() || !wanted.gates.iter().all(is_own) {
            return Err(ApprovalError::Field("gates"));
        }
        let sql =
            "INSERT INTO gate_claims (gate, municipality, actor_id, name, body, from_us, until_us)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (gate) DO UPDATE SET municipality = ?2,
            actor_id = ?3, name = ?4, body = ?5, from_us = ?6, until_us = max(?7, CASE
            WHEN municipality = ?2 THEN until_us ELSE 0 END)";
        for gate in wanted.gates {
            let values = params![
                gate.as_str(),
                wanted.municipality.as_str(),
                acting.actor.id(),
                acting.actor.name(),
                acting.actor.body().ok_or(ApprovalError::NoPerson)?,
                now.unix_us(),
                until.unix_us(),
            ];
            main.execute(sql, values).doing("claim a gate")?;
        }
        let told = GatesClaimed {
            gates: wanted.gates.iter().map(ToString::to_string).collect(),
            until: Some(until),
        };
        let entry = told.entry(acting.actor.clone(), Action::GatesClaimed)?;
        Ok((until, entry))
    })
}

/// Frees gates of one's own municipality, whoever claimed them.
///
/// # Errors
/// [`ApprovalError::Unknown`] when none of them is in use.
pub fn free(
    main: &mut Connection,
    municipality: &Municipality,
    gates: &[GateId],
    acting: &Acting<'_>,
) -> Result<(), ApprovalError> {
    acting.change(main, |main| {
        let mut freed = Vec::new();
        for gate in gates {
            let sql =
                "DELETE FROM gate_claims WHERE gate = ? AND municipality = ? AND until_us > ?";
            let values = params![gate.as_str(), municipality.as_str(), acting.now.unix_us()];
            if main.execute(sql, values).doing("free a gate")? > 0 {
                freed.push(gate.to_string());
            }
        }
        if freed.is_empty() {
            return Err(ApprovalError::Unknown);
        }
        let told = GatesClaimed {
            gates: freed,
            until: None,
        };
        let entry = told.entry(acting.actor.clone(), Action::GatesFreed)?;
        Ok(((), entry))
    })
}

/// The gates in use at a moment, by gate.
///
/// # Errors
/// [`StoreError`].
pub fn held(main: &Connection, now: UtcTime) -> Result<BTreeMap<GateId, GateClaim>, StoreError> {
    let held = not_over(main, now)?.into_iter();
    let held = held.filter(|claim| claim.holds_at(now));
    Ok(held.map(|claim| (claim.gate.clone(), claim)).collect())
}

/// Those whose end is still to come.
///
/// # Errors
/// [`StoreError`].
pub fn not_over(main: &Connection, now: UtcTime) -> Result<Vec<GateClaim>, StoreError> {
    const DOING: &str = "read which gates are in use";
    const DAMAGED: StoreError = StoreError::Damaged {
        what: "gate in use",
    };
    let sql = "SELECT gate, municipality, actor_id, name, from_us, until_us FROM gate_claims WHERE until_us > ?";
    let mut statement = main.prepare_cached(sql).doing(DOING)?;
    let mut rows = statement.query([now.unix_us()]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let text = |at: usize| row.get::<_, String>(at).doing(DOING);
        let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
        let claim = GateClaim {
            gate: text(0)?.parse().map_err(|_| DAMAGED)?,
            municipality: text(1)?.parse().map_err(|_| DAMAGED)?,
            actor_id: text(2)?,
            name: text(3)?,
            from: time(4)?,
            until: time(5)?,
        };
        all.push(claim);
    }
    Ok(all)
}

/// Forgets claims whose time is over; their lines stay.
///
/// # Errors
/// [`StoreError`].
pub(super) fn forget(main: &Connection, now: UtcTime) -> Result<(), StoreError> {
    main.execute(
        "DELETE FROM gate_claims WHERE until_us <= ?",
        [now.unix_us()],
    )
    .doing("forget gates that were in use")?;
    Ok(())
}
