//! A member that left gets its certificate: what others still had is destroyed, the certificate is signed, and its line
//! is written, all in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use thiserror::Error;
use varco_proto::ids::{Digest, GateId};
use varco_proto::time::UtcTime;

use super::certificate::{CertifiedParty, DestructionCertificate, KeptInCase};
use super::held::{Looking, Shared};
use super::{CertificateRow, find, keep, next};
use crate::agreements::desk::{AgreementError, Party};
use crate::agreements::{self, Agreement, AgreementId, Member};
use crate::alerts::alert;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{self, AuditEntry, AuditError};
use crate::bodies::{self, Body, BodyId};
use crate::cases::case::CaseError;
use crate::cases::keys::CaseKeys;
use crate::hours::keys::HourKeys;
use crate::municipalities::desk::MunicipalDeskError;
use crate::municipalities::owners::Ownership;
use crate::municipalities::{self, Municipality};
use crate::policy::world::WorldRead;
use crate::policy::{Policy, PolicyError};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};

/// Nothing is certified.
#[derive(Debug, Error)]
pub enum DepartureError {
    /// There is none.
    #[error("there is no agreement `{0}`; `varco-hub agreement list` shows those there are")]
    Unknown(AgreementId),
    /// They never were.
    #[error("it was never a member of the agreement")]
    NoMember,
    /// They are.
    #[error(
        "it is a member of the agreement: it leaves first (`varco-hub agreement leave`), or the agreement ends"
    )]
    IsMember,
    /// The policy says otherwise.
    #[error("what it shared can still be reached under the agreement, so nothing was certified")]
    StillShared,
    /// It did not.
    #[error("`{0}` has not ceased to take part; `varco-hub municipality cease` notes that it does")]
    NotCeased(Municipality),
    /// It did.
    #[error("`{0}` has ceased to take part already")]
    Ceased(Municipality),
    /// It must be said.
    #[error("say the act by which it leaves, in 3 to 200 characters: its number, date and office")]
    Act,
    /// What the hub destroys takes its time.
    #[error(
        "{0} transits of its gates are still stored, so nothing was certified: a running hub destroys them within two \
         hours after the last came; revoke the boxes that still send"
    )]
    Stored(u64),
    /// It cannot leave.
    #[error(transparent)]
    Agreement(#[from] AgreementError),
    /// Its term.
    #[error(transparent)]
    Municipality(#[from] MunicipalDeskError),
    /// What is stored cannot be counted.
    #[error("what is still stored cannot be counted, so nothing was certified: {0}")]
    Counted(String),
    /// A case holds what cannot be read.
    #[error(
        "a case holds a transit that cannot be opened, so nothing was certified; run `varco-hub audit verify`"
    )]
    Broken,
    /// A case cannot be read.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The policy cannot judge.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// It cannot be written.
    #[error("the certificate cannot be written")]
    Text(#[from] serde_json::Error),
    /// No audit line, no certificate.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys under which alerts and cases lie.
pub struct DepartureKeys {
    /// Of the hours.
    pub hours: HourKeys,
    /// Of the cases.
    pub cases: CaseKeys,
}

/// The certificate of a member that left: made when there is none yet, else as it was made.
///
/// # Errors
/// [`DepartureError`].
pub fn certify(
    main: &mut Connection,
    keys: &DepartureKeys,
    id: &AgreementId,
    party: &Party,
    acting: &Acting<'_>,
) -> Result<String, DepartureError> {
    let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = transaction.doing("begin a certificate")?;
    let agreement = agreements::find(&transaction, id)?;
    let agreement = agreement.ok_or_else(|| DepartureError::Unknown(id.clone()))?;
    let since = left_at(&agreement, party, acting.now)?;
    let (kind, who) = match party {
        Party::Giver(name) => ("giver", name.as_str()),
        Party::Receiver(body) => ("receiver", body.as_str()),
    };
    let row = CertificateRow {
        agreement: id.as_str(),
        party: kind,
        who,
        until: since,
    };
    if let Some(text) = find(&transaction, &row)? {
        return Ok(text);
    }
    let departure = Departure {
        main: &transaction,
        agreement: &agreement,
        party,
        since,
        acting,
    };
    let certificate = departure.certificate(keys)?;
    let number = certificate.number;
    let text = certificate.sign(acting.key)?.text()?;
    keep(&transaction, number, &row, &text, acting.now)?;
    let details = json!({
        "certificate": number, "agreement": id, kind: who, "since": since,
        "digest": Digest::of(text.as_bytes()).to_string(),
    });
    let entry = AuditEntry::plain(acting.actor.clone(), Action::DestructionCertified, details);
    audit::append(&transaction, &entry, acting.now, acting.key)?;
    transaction.commit().doing("commit a certificate")?;
    Ok(text)
}

/// The first moment in which somebody is no member any more.
fn left_at(agreement: &Agreement, party: &Party, now: UtcTime) -> Result<UtcTime, DepartureError> {
    fn last<T: PartialEq>(members: &[Member<T>], who: &T) -> Option<Option<UtcTime>> {
        let of_them = members.iter().filter(|member| member.who == *who);
        let newest = of_them.max_by_key(|member| member.joined_at.unix_us());
        newest.map(|member| member.left_at)
    }
    let left = match party {
        Party::Giver(name) => last(&agreement.givers, name),
        Party::Receiver(body) => last(&agreement.receivers, body),
    };
    let over = agreement.ended_at.unwrap_or(agreement.until);
    let over = over.min(agreement.until);
    let since = match left {
        None => return Err(DepartureError::NoMember),
        Some(left) => left.map_or(over, |left| left.min(over)),
    };
    match since <= now {
        true => Ok(since),
        false => Err(DepartureError::IsMember),
    }
}

struct Departure<'a> {
    main: &'a Connection,
    agreement: &'a Agreement,
    party: &'a Party,
    since: UtcTime,
    acting: &'a Acting<'a>,
}

impl Departure<'_> {
    /// Destroys what others still had, and says what is kept.
    fn certificate(&self, keys: &DepartureKeys) -> Result<DestructionCertificate, DepartureError> {
        let (main, now) = (self.main, self.acting.now);
        let shared = self.shared()?;
        let WorldRead { world, .. } = WorldRead::at(main, now)?;
        let looking = Looking {
            main,
            policy: &Policy::built_in()?,
            world: &world,
            shared: &shared,
            now,
        };
        if looking.is_still_shared(self.agreement)? {
            return Err(DepartureError::StillShared);
        }
        let (going, lists) = looking.alerts(&keys.hours)?;
        for alert in &going {
            alert::forget(main, *alert)?;
        }
        let kept = looking.cases(&keys.cases)?;
        let alerts = crate::store::number::count(going.len())?;
        let left = match self.party {
            Party::Giver(name) => CertifiedParty::Giver(name.to_string()),
            Party::Receiver(body) => CertifiedParty::Receiver(body.to_string()),
        };
        Ok(DestructionCertificate {
            number: next(main)?,
            hub_key: self.acting.key.opening_key().to_string(),
            issued_at: now,
            agreement: Some(self.agreement.id.to_string()),
            stored: None,
            title: self.agreement.title.clone(),
            says: self.says(alerts, &kept),
            left,
            since: self.since,
            gates: shared.gates.keys().cloned().collect(),
            looked_at: shared.receivers.keys().map(ToString::to_string).collect(),
            shared_otherwise: looking.shared_otherwise(self.agreement)?,
            alerts_destroyed: alerts,
            kept_for_proceedings: kept,
            lists,
        })
    }

    /// What the agreement shared of who leaves, or with them.
    fn shared(&self) -> Result<Shared, StoreError> {
        let agreement = self.agreement;
        let bodies = bodies::all(self.main)?;
        let givers: BTreeSet<&Municipality> = match self.party {
            Party::Giver(name) => BTreeSet::from([name]),
            Party::Receiver(_) => agreement.givers.iter().map(|giver| &giver.who).collect(),
        };
        let receivers: BTreeSet<&BodyId> = match self.party {
            Party::Giver(_) => agreement.receivers.iter().map(|one| &one.who).collect(),
            Party::Receiver(body) => BTreeSet::from([body]),
        };
        let mut gates: BTreeMap<GateId, Vec<(Municipality, Ownership)>> = BTreeMap::new();
        for (name, known) in municipalities::all(self.main)? {
            if !givers.contains(&name) {
                continue;
            }
            let is_given =
                |gate: &GateId| agreement.gates.is_empty() || agreement.gates.contains(gate);
            for (gate, when) in known.owned.into_iter().filter(|(gate, _)| is_given(gate)) {
                gates.entry(gate).or_default().push((name.clone(), when));
            }
        }
        let receivers = receivers.into_iter().filter_map(|id| bodies.get(id));
        let receivers: BTreeMap<BodyId, Body> = receivers
            .map(|body| (body.id.clone(), body.clone()))
            .collect();
        Ok(Shared {
            gates,
            receivers,
            own_too: false,
        })
    }

    fn says(&self, alerts: u64, kept: &[KeptInCase]) -> String {
        let (title, since) = (&self.agreement.title, self.since);
        let who = match self.party {
            Party::Giver(name) => format!(
                "i transiti dei varchi di {name} non sono più raggiungibili da chi li vedeva"
            ),
            Party::Receiver(body) => {
                format!("l'ente {body} non raggiunge più i transiti che vedeva")
            }
        };
        let transits: u64 = kept.iter().map(|one| one.transits).sum();
        let kept = match kept.len() {
            0 => "Nessun fascicolo ne conserva".to_owned(),
            cases => format!(
                "Restano eccezionalmente conservati {transits} transiti in {cases} fascicoli, per i procedimenti indicati"
            ),
        };
        format!(
            "Dal {since}, cessata la partecipazione all'accordo «{title}», {who}; distrutti {alerts} allarmi. {kept} \
             (art. 14 del regolamento di Perugia)."
        )
    }
}
