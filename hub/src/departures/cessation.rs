//! A municipality that ceases to take part: it leaves its agreements at once, what its gates have stored is destroyed
//! under the shortest term, and when nothing is left the hub certifies it.

use std::collections::BTreeMap;

use serde_json::json;
use varco_proto::ids::{Digest, GateId};
use varco_proto::time::UtcTime;

use super::certificate::{CertifiedParty, DestructionCertificate};
use super::desk::DepartureError;
use super::held::Shared;
use super::{CertificateRow, find, keep, next};
use crate::agreements::AgreementId;
use crate::agreements::desk as agreements;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{self, AuditEntry};
use crate::bodies;
use crate::cases::keys::CaseKeys;
use crate::municipalities::owners::Ownership;
use crate::municipalities::{self, Municipality, desk as municipal};
use crate::store::sql::{Connection, OptionalExtension as _, TransactionBehavior, params};
use crate::store::{Doing as _, StoreError};

/// Fewest and most characters of an act.
const ACT_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=200;

/// That a municipality ceased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cessation {
    /// By which act.
    pub act: String,
    /// When.
    pub at: UtcTime,
}

/// When and why a municipality ceased; none when it did not.
///
/// # Errors
/// [`StoreError`].
pub fn of(main: &Connection, name: &Municipality) -> Result<Option<Cessation>, StoreError> {
    let sql = "SELECT act, ceased_at_us FROM ceased_municipalities WHERE municipality = ?";
    main.query_row(sql, [name.as_str()], |row| {
        Ok(Cessation {
            act: row.get(0)?,
            at: UtcTime::from_unix_us(row.get(1)?),
        })
    })
    .optional()
    .doing("look whether a municipality ceased")
}

/// Notes that a municipality ceases to take part. It leaves every agreement at once, and its transits get the shortest
/// term. Gives the agreements that it left.
///
/// # Errors
/// [`DepartureError`]; above all while it leads an agreement.
pub fn cease(
    main: &mut Connection,
    name: &Municipality,
    act: &str,
    acting: &Acting<'_>,
) -> Result<Vec<AgreementId>, DepartureError> {
    acting.change(main, |main| {
        let act = act.trim();
        if !ACT_CHARACTERS.contains(&act.chars().count()) || act.chars().any(char::is_control) {
            return Err(DepartureError::Act);
        }
        if of(main, name)?.is_some() {
            return Err(DepartureError::Ceased(name.clone()));
        }
        let known = municipal::let_go(main, name, acting.now)?;
        let left = agreements::leave_all(main, name, acting.now)?;
        let sql = "INSERT INTO ceased_municipalities VALUES (?, ?, ?)";
        main.execute(sql, params![name.as_str(), act, acting.now.unix_us()])
            .doing("note that a municipality ceased")?;
        let details = json!({
            "municipality": name, "act": act, "agreements": left, "gates": known.gates,
            "before": { "term_hours": known.term.hours() }, "term_hours": 1,
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::MunicipalityCeased, details);
        Ok((left, entry))
    })
}

/// The certificate of a municipality that ceased: made once nothing of its gates is stored any more, which `stored`
/// counts, else as it was made.
///
/// # Errors
/// [`DepartureError`]; above all while something is stored.
pub fn certify<E: std::fmt::Display>(
    main: &mut Connection,
    keys: &CaseKeys,
    name: &Municipality,
    stored: impl FnOnce(&BTreeMap<GateId, Ownership>) -> Result<u64, E>,
    acting: &Acting<'_>,
) -> Result<String, DepartureError> {
    let ceased = of(main, name)?.ok_or_else(|| DepartureError::NotCeased(name.clone()))?;
    let row = CertificateRow {
        agreement: "",
        party: "municipality",
        who: name.as_str(),
        until: ceased.at,
    };
    if let Some(text) = find(main, &row)? {
        return Ok(text);
    }
    let known = municipalities::all(main)?.remove(name);
    // One that was removed since has no gates any more.
    let gates = known.map_or_else(BTreeMap::new, |known| known.owned);
    let stored = stored(&gates).map_err(|error| DepartureError::Counted(error.to_string()))?;
    if stored > 0 {
        return Err(DepartureError::Stored(stored));
    }
    let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = transaction.doing("begin a certificate")?;
    let owned = gates
        .into_iter()
        .map(|(gate, when)| (gate, vec![(name.clone(), when)]));
    let shared = Shared {
        gates: owned.collect::<BTreeMap<_, _>>(),
        receivers: bodies::all(&transaction)?,
        own_too: true,
    };
    let kept = shared.kept_in_cases(&transaction, keys, acting.now)?;
    let held: u64 = kept.iter().map(|one| one.transits).sum();
    let says = format!(
        "Il Comune di {name} ha cessato di partecipare il {} ({}): dei transiti dei suoi varchi il centro non conserva \
         più nulla; {held} transiti restano eccezionalmente conservati in {} fascicoli (art. 14 del regolamento di \
         Perugia).",
        ceased.at,
        ceased.act,
        kept.len()
    );
    let number = next(&transaction)?;
    let certificate = DestructionCertificate {
        number,
        hub_key: acting.key.opening_key().to_string(),
        issued_at: acting.now,
        agreement: None,
        title: ceased.act,
        left: CertifiedParty::Municipality(name.to_string()),
        since: ceased.at,
        gates: shared.gates.keys().cloned().collect(),
        stored: Some(stored),
        looked_at: shared.receivers.keys().map(ToString::to_string).collect(),
        shared_otherwise: std::collections::BTreeSet::new(),
        alerts_destroyed: 0,
        kept_for_proceedings: kept,
        lists: Vec::new(),
        says,
    };
    let text = certificate.sign(acting.key)?.text()?;
    keep(&transaction, number, &row, &text, acting.now)?;
    let details = json!({
        "certificate": number, "municipality": name, "since": ceased.at,
        "digest": Digest::of(text.as_bytes()).to_string(),
    });
    let entry = AuditEntry::plain(acting.actor.clone(), Action::DestructionCertified, details);
    audit::append(&transaction, &entry, acting.now, acting.key)?;
    transaction.commit().doing("commit a certificate")?;
    Ok(text)
}
