//! What somebody could reach under an agreement and still holds of it: looked at when a member leaves.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use varco_proto::envelope::open;
use varco_proto::ids::{EdgeId, GateId};
use varco_proto::keys::OpeningKey;
use varco_proto::record::Record;
use varco_proto::time::UtcTime;

use super::certificate::{KeptInCase, ListGoesOn};
use super::desk::DepartureError;
use crate::agreements::Agreement;
use crate::alerts::alert::{self, WantedAlerts};
use crate::audit::purpose::Purpose;
use crate::bodies::{Body, BodyId};
use crate::boxes::edges;
use crate::cases::case::{self, Item};
use crate::cases::keys::CaseKeys;
use crate::hotlists::list::{self, Hotlist};
use crate::hours::keys::HourKeys;
use crate::municipalities::Municipality;
use crate::municipalities::owners::Ownership;
use crate::municipalities::reach::Reach;
use crate::people::appointments::Role;
use crate::people::tokens::{Permission, Permissions};
use crate::policy::caller::{Caller, CallerKind};
use crate::policy::world::World;
use crate::policy::{Deed, Policy};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Alerts that are read at once.
const ALERTS_AT_ONCE: u32 = 1000;

/// What an agreement shared of the one who leaves, or with them.
pub(super) struct Shared {
    /// The gates, with whose they were and when.
    pub(super) gates: BTreeMap<GateId, Vec<(Municipality, Ownership)>>,
    /// The bodies that could see them.
    pub(super) receivers: BTreeMap<BodyId, Body>,
    /// Whether what a municipality's own offices hold counts too.
    pub(super) own_too: bool,
}

impl Shared {
    /// Whether what a gate saw at a moment was shared with a body: its own municipality's was its own.
    fn has(&self, body: &Body, gate: &GateId, at: UtcTime) -> bool {
        let owners = self.gates.get(gate).into_iter().flatten();
        let mut others =
            owners.filter(|(whose, _)| self.own_too || body.municipality.as_ref() != Some(whose));
        others.any(|(_, when)| when.has(at))
    }
}

/// What is looked at.
pub(super) struct Looking<'a> {
    pub(super) main: &'a Connection,
    pub(super) policy: &'a Policy,
    pub(super) world: &'a World,
    pub(super) shared: &'a Shared,
    pub(super) now: UtcTime,
}

/// Somebody of a body who may do whatever a body's people may, at a post.
fn anybody(body: &Body) -> Caller {
    Caller {
        id: String::new(),
        kind: CallerKind::Person {
            role: Role::Responsible,
            is_police: true,
        },
        body: body.clone(),
        may: Permissions::of(&Permission::ALL.map(|(task, _)| task)),
        delegated: Permissions::of(&[]),
        bounds: None,
        at_post: true,
        second_present: false,
        beside: None,
    }
}

impl Looking<'_> {
    /// Whether anybody can still do anything with these gates under the agreement: it must be nobody.
    pub(super) fn is_still_shared(&self, agreement: &Agreement) -> Result<bool, DepartureError> {
        let mut alone = self.world.clone();
        alone.agreements.retain(|one| one.id == agreement.id);
        self.is_reached(&alone)
    }

    /// Other agreements that share some of it with some of them.
    pub(super) fn shared_otherwise(
        &self,
        agreement: &Agreement,
    ) -> Result<BTreeSet<String>, DepartureError> {
        let mut others = BTreeSet::new();
        for other in self
            .world
            .agreements
            .iter()
            .filter(|one| one.id != agreement.id)
        {
            let mut alone = self.world.clone();
            alone.agreements = vec![other.clone()];
            if self.is_reached(&alone)? {
                others.insert(other.id.to_string());
            }
        }
        Ok(others)
    }

    /// Whether a body reaches any of the gates by an agreement of a world; what it has of its own does not count.
    fn is_reached(&self, world: &World) -> Result<bool, DepartureError> {
        for body in self.shared.receivers.values() {
            // As if it had no gates of its own.
            let own = body.municipality.as_ref();
            let stranger = anybody(&Body {
                municipality: None,
                is_owner: false,
                ..body.clone()
            });
            for (deed, _) in Deed::ALL.iter().filter(|(deed, _)| deed.is_on_sites()) {
                let purposes = Purpose::ALL.iter().map(|(purpose, _)| Some(*purpose));
                for purpose in purposes.chain([None]) {
                    let reach = self.policy.reach(&stranger, *deed, purpose, world)?;
                    let is_others = |owners: &[(Municipality, Ownership)]| {
                        owners.iter().any(|(whose, _)| own != Some(whose))
                    };
                    let mut gates = self.shared.gates.iter();
                    if gates.any(|(gate, owners)| is_others(owners) && reach.has_ever(gate)) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// The alerts of the bodies' lists from these gates that they may not see any more, by their ids, with their
    /// lists; and every list that the bodies have.
    pub(super) fn alerts(
        &self,
        keys: &HourKeys,
    ) -> Result<(Vec<i64>, Vec<ListGoesOn>), DepartureError> {
        let lists = list::all(self.main)?.into_iter();
        let theirs = lists.filter(|list| self.shared.receivers.contains_key(&list.body));
        let theirs: BTreeMap<String, Hotlist> =
            theirs.map(|list| (list.id.to_string(), list)).collect();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut reaches: HashMap<(BodyId, Purpose), Reach> = HashMap::new();
        let (mut going, mut after) = (Vec::new(), 0);
        loop {
            let some = alert::some(self.main, WantedAlerts::After(after), ALERTS_AT_ONCE)?;
            let Some(last) = some.last() else {
                break;
            };
            after = last.id;
            for alert in some {
                let Some(list) = theirs.get(alert.list.as_str()) else {
                    continue;
                };
                if self.goes(&alert, list, keys, &mut reaches)? {
                    going.push(alert.id);
                    *counts.entry(list.id.to_string()).or_default() += 1;
                }
            }
        }
        let open = theirs.into_values().filter(|list| list.closed_at.is_none());
        let lists = open.map(|list| {
            let id = list.id.to_string();
            ListGoesOn {
                body: list.body.to_string(),
                alerts_destroyed: counts.get(&id).copied().unwrap_or(0),
                list: id,
            }
        });
        Ok((going, lists.collect()))
    }

    /// Whether an alert is a copy of what its list's body may not see any more.
    fn goes(
        &self,
        alert: &alert::Alert,
        list: &Hotlist,
        keys: &HourKeys,
        reaches: &mut HashMap<(BodyId, Purpose), Reach>,
    ) -> Result<bool, DepartureError> {
        let damaged = StoreError::Damaged { what: "body" };
        let body = self.shared.receivers.get(&list.body).ok_or(damaged)?;
        let Some(key) = keys.get(alert.hour)? else {
            return Ok(false); // It died with its hour.
        };
        let content = alert.content(&key)?;
        let Some(gate) = content.gate else {
            return Ok(false);
        };
        if !self.shared.has(body, &gate, content.captured_at) {
            return Ok(false);
        }
        let purpose = list.grounds.purpose;
        let reach = match reaches.entry((body.id.clone(), purpose)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => {
                let (caller, deed) = (anybody(body), Deed::SeeAlerts);
                free.insert(
                    self.policy
                        .reach(&caller, deed, Some(purpose), self.world)?,
                )
            }
        };
        Ok(!reach.has(&gate, content.captured_at))
    }

    /// What the bodies' open cases hold of these gates, blocked or not.
    pub(super) fn cases(&self, keys: &CaseKeys) -> Result<Vec<KeptInCase>, DepartureError> {
        self.shared.kept_in_cases(self.main, keys, self.now)
    }
}

impl Shared {
    /// What the bodies' open cases hold of these gates, blocked or not.
    pub(super) fn kept_in_cases(
        &self,
        main: &Connection,
        keys: &CaseKeys,
        now: UtcTime,
    ) -> Result<Vec<KeptInCase>, DepartureError> {
        let opening = edges::opening_keys(main)?;
        let mut kept = Vec::new();
        for case in case::all(main)? {
            let Some(body) = self.receivers.get(&case.body) else {
                continue;
            };
            if case.closed_at.is_some() || case.until <= now {
                continue;
            }
            let items = case::items_with_blocked(main, keys, &case.id)?;
            let mut transits = 0;
            for item in &items {
                let (gate, at) = where_from(item, &opening)?;
                transits += u64::from(self.has(body, &gate, at));
            }
            if transits > 0 {
                kept.push(KeptInCase {
                    case: case.id.to_string(),
                    body: case.body.to_string(),
                    authority: case.authority,
                    order: case.order,
                    until: case.until,
                    transits,
                });
            }
        }
        Ok(kept)
    }
}

/// Where and when a case's transit was captured, by its sealed original.
fn where_from(
    item: &Item,
    keys: &HashMap<EdgeId, OpeningKey>,
) -> Result<(GateId, UtcTime), DepartureError> {
    let broken = || DepartureError::Broken;
    let edge: EdgeId = item.edge.parse().map_err(|_| broken())?;
    let key = keys.get(&edge).ok_or_else(broken)?;
    let verified = open::<Record>(&item.envelope, key).map_err(|_| broken())?;
    let transit = verified.value().body.transit().ok_or_else(broken)?;
    Ok((transit.gate.clone(), transit.captured_at.at))
}
