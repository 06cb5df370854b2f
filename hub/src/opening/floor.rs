//! What has ended, kept outside the main database: no restored copy of that goes below it.
//!
//! It lies in the keys file of a backup, which each run replaces, and beside the main database. Who
//! puts an older main database in place, by a restore or by hand, does not bring back what was ended
//! since: it is ended again before anything is opened.

use std::path::Path;

use serde::{Deserialize, Serialize};
use varco_proto::time::UtcTime;

use crate::agreements::ended::{self as agreements, EndedAgreements};
use crate::alerts::ended::{self as alerts, EndedWebhooks, MadeWebhooks};
use crate::approvals::ended::{self as approvals, EndedApprovals};
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::head::{self, HeadStanding, SignedHead};
use crate::audit::{self, AuditEntry, AuditError};
use crate::bodies::ended::{self as bodies, EndedBodies};
use crate::boxes::ended::{self as boxes, EndedEdges, LastInvitations};
use crate::boxes::{anomalies, revocation};
use crate::cases::ended::{self as cases, Blocks, EndedCases};
use crate::chains::leaving;
use crate::evidence::ended::{self as evidence, EndedPermits};
use crate::home::lock;
use crate::home::whereabouts::{self, DatabaseId, Whereabouts};
use crate::home::{Home, HomeError};
use crate::hotlists::ended::{self as hotlists, EndedLists};
use crate::machine::files;
use crate::municipalities::ended::{self as municipalities, GateTerms};
use crate::people::ended::{self as people, EndedAppointments, EndedOffices, EndedTokens};
use crate::purposes::ended::{self as purposes, MadeLists};
use crate::signing::ended::{EndedSigning, SigningEndedAgain};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use crate::transits::ended::{self as erased, ErasedTransits};
use crate::transits::names;

/// What has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Floor {
    edges: EndedEdges,
    tokens: EndedTokens,
    appointments: EndedAppointments,
    offices: EndedOffices,
    bodies: EndedBodies,
    agreements: EndedAgreements,
    signing: EndedSigning,
    purposes: MadeLists,
    approvals: EndedApprovals,
    erased: ErasedTransits,
    permits: EndedPermits,
    cases: EndedCases,
    hotlists: EndedLists,
    /// The highest number of an alert.
    alert: i64,
    /// The highest number of the boxes' news.
    news: i64,
    webhooks: EndedWebhooks,
    webhooks_made: MadeWebhooks,
    invitations: LastInvitations,
    gate_terms: GateTerms,
    blocks: Blocks,
    /// The audit's head, as far as the chain went through the one that was known before.
    audit: Option<SignedHead>,
    /// The database that the transits were moved into, and how hub.toml names it.
    database: Option<(String, String)>,
}

/// What lived in a main database though it had ended, and was ended again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Raised {
    /// Edges, revoked.
    pub edges: Vec<String>,
    /// Tokens, ended.
    pub tokens: usize,
    /// Actors whose appointments were ended; ids.
    pub appointments: Vec<String>,
    /// Delegations, custodies of keys and entries of external staff, ended: each as its table, its number and when it
    /// was made, microseconds since 1970.
    pub offices: Vec<String>,
    /// Bodies, ended.
    pub bodies: Vec<String>,
    /// Agreements, ended whole or for a member.
    pub agreements: Vec<String>,
    /// Municipalities and gates whose lists of purposes were made again.
    pub purposes: Vec<String>,
    /// These lists, by kind, name and number.
    pub purposes_made: MadeLists,
    /// Accounts, posts and sessions.
    pub signing: SigningEndedAgain,
    /// Requests, ended.
    pub approvals: Vec<String>,
    /// Transits that were erased at the request of whom they are about, and are to be destroyed again.
    pub erased: Vec<String>,
    /// Standing authorisations, ended: each as its number and when it was given, microseconds since 1970.
    pub permits: Vec<String>,
    /// Cases, closed.
    pub cases: Vec<String>,
    /// Hotlists, closed.
    pub hotlists: Vec<String>,
    /// Webhooks, removed.
    pub webhooks: Vec<String>,
    /// Names whose invitations were ended.
    pub invitations: Vec<String>,
    /// Gates whose term was shortened.
    pub gates: Vec<String>,
    /// Their municipalities, with the hours.
    pub terms: GateTerms,
    /// Transits, blocked; ids in hexadecimal digits.
    pub blocks: Vec<String>,
}

impl Raised {
    /// Whether nothing lived that had ended.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Floor {
    /// What a main database knows, and what was known before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn of(main: &Connection, before: &Self) -> Result<Self, StoreError> {
        let mut floor = before.clone();
        floor.edges.extend(boxes::read(main)?);
        floor.tokens.extend(people::read(main)?);
        floor.appointments.extend(people::appointments(main)?);
        floor.offices.extend(people::offices(main)?);
        floor.bodies.extend(bodies::read(main)?);
        floor.agreements.extend(agreements::read(main)?);
        floor.signing = EndedSigning::of(main, &before.signing)?;
        floor.purposes.extend(purposes::read(main)?);
        floor.approvals.extend(approvals::read(main)?);
        floor.erased.extend(erased::read(main)?);
        floor.permits.extend(evidence::read(main)?);
        floor.cases.extend(cases::read(main)?);
        floor.hotlists.extend(hotlists::read(main)?);
        floor.alert = floor.alert.max(alerts::highest(main)?);
        floor.news = floor.news.max(anomalies::newest(main)?);
        // These can be taken back: what holds now counts.
        floor.webhooks = alerts::read(main)?;
        floor.webhooks_made = alerts::made(main)?;
        floor.invitations = boxes::invitations(main)?;
        floor.gate_terms = municipalities::gate_terms(main)?;
        floor.blocks = cases::blocks(main)?;
        floor.audit = audit_head(main, before.audit.as_ref())?;
        if let Whereabouts::Postgres { id, lines } = whereabouts::read(main)? {
            floor.database = Some((hex::encode(id.as_bytes()), lines));
        }
        Ok(floor)
    }

    /// The audit's head when this was last written.
    #[must_use]
    pub fn audit_head(&self) -> Option<&SignedHead> {
        self.audit.as_ref()
    }

    /// Whether a token, by its digest in hexadecimal digits, had ended.
    #[must_use]
    pub fn has_ended_token(&self, digest: &str) -> bool {
        self.tokens.contains_key(&digest.to_uppercase())
    }

    /// What this knows, and for what is never taken back, what another knows too.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let missing = |own: &Self| other.clone().without(own);
        let Self {
            edges,
            tokens,
            appointments,
            bodies,
            cases,
            hotlists,
            ..
        } = missing(&self);
        self.edges.extend(edges);
        self.tokens.extend(tokens);
        self.appointments.extend(appointments);
        self.bodies.extend(bodies);
        self.agreements.extend(other.agreements.clone());
        self.signing = self.signing.and(&other.signing);
        for (what, at_us) in &other.offices {
            self.offices.entry(what.clone()).or_insert(*at_us);
        }
        for (list, made) in &other.purposes {
            let own = self.purposes.entry(list.clone());
            own.or_insert_with(|| made.clone());
        }
        self.approvals.extend(other.approvals.clone());
        self.erased.extend(other.erased.clone());
        self.permits.extend(other.permits.clone());
        self.cases.extend(cases);
        self.hotlists.extend(hotlists);
        self.alert = self.alert.max(other.alert);
        self.news = self.news.max(other.news);
        self.database = self.database.or_else(|| other.database.clone());
        self
    }

    fn without(mut self, other: &Self) -> Self {
        self.edges.retain(|id, _| !other.edges.contains_key(id));
        self.tokens.retain(|id, _| !other.tokens.contains_key(id));
        let appointments = &other.appointments;
        self.appointments
            .retain(|id, at| appointments.get(id).is_none_or(|known| known < at));
        self.bodies.retain(|id, _| !other.bodies.contains_key(id));
        self.cases.retain(|id, _| !other.cases.contains_key(id));
        let lists = &other.hotlists;
        self.hotlists.retain(|id, _| !lists.contains_key(id));
        self
    }

    /// Ends again, in the caller's transaction, what is never taken back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raise(&self, main: &Connection) -> Result<Raised, StoreError> {
        alerts::begin_above(main, self.alert)?;
        anomalies::begin_above(main, self.news)?;
        let purposes_made = purposes::make(main, &self.purposes)?;
        Ok(Raised {
            edges: boxes::end(main, &self.edges)?,
            tokens: people::end(main, &self.tokens)?,
            appointments: people::end_appointments(main, &self.appointments)?,
            offices: people::end_offices(main, &self.offices)?,
            bodies: bodies::end(main, &self.bodies)?,
            agreements: agreements::end(main, &self.agreements)?,
            purposes: purposes::whose(&purposes_made),
            purposes_made,
            signing: self.signing.raise(main)?,
            approvals: approvals::end(main, &self.approvals)?,
            erased: erased::end(main, &self.erased)?,
            permits: evidence::end(main, &self.permits)?,
            cases: texts(&cases::end(main, &self.cases)?),
            hotlists: texts(&hotlists::end(main, &self.hotlists)?),
            ..Raised::default()
        })
    }

    /// The same, and what could have been taken back: for a main database that is known to be older.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raise_all(&self, main: &Connection, now: UtcTime) -> Result<Raised, StoreError> {
        self.put_away(main)?;
        let mut webhooks = alerts::end(main, &self.webhooks)?;
        webhooks.extend(alerts::end_replaced(main, &self.webhooks_made)?);
        let gates = municipalities::shorten(main, &self.gate_terms, now)?;
        let mut terms = self.gate_terms.clone();
        terms.retain(|gate, _| gates.contains(gate));
        Ok(Raised {
            webhooks,
            invitations: boxes::end_invitations(main, &self.invitations)?,
            gates,
            terms,
            blocks: cases::block_again(main, &self.blocks)?,
            signing: self.signing.raise_all(main, now.unix_us())?,
            ..self.raise(main)?
        })
    }

    /// The transits are in PostgreSQL since: what a copy of before has of them would fork the chains.
    fn put_away(&self, main: &Connection) -> Result<(), StoreError> {
        let Some((id, lines)) = &self.database else {
            return Ok(());
        };
        if matches!(whereabouts::read(main)?, Whereabouts::Postgres { .. }) {
            return Ok(());
        }
        let id = hex::decode(id)
            .ok()
            .as_deref()
            .and_then(DatabaseId::from_bytes);
        let damaged = StoreError::Damaged { what: "floor" };
        let (id, lines) = (id.ok_or(damaged)?, lines.clone());
        leaving::let_go(main)?;
        names::forget_all(main)?;
        whereabouts::say(main, &Whereabouts::Postgres { id, lines })
    }
}

/// The head that is to be known from now on. One that the chain does not go through stays known: lines
/// were cut, or an older copy was put in place, and what is written since must not hide that.
fn audit_head(
    main: &Connection,
    before: Option<&SignedHead>,
) -> Result<Option<SignedHead>, StoreError> {
    if let Some(before) = before
        && head::standing(main, before.head.sequence, &before.head.digest)? != HeadStanding::Within
    {
        return Ok(Some(before.clone()));
    }
    let now = head::read(main)?.signed;
    Ok(now.or_else(|| before.cloned()))
}

fn texts<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// The floor beside a main database; an empty one when there is none.
///
/// # Errors
/// [`HomeError::File`]; one that is damaged is told and gives way.
pub fn kept(home: &Home) -> Result<Floor, HomeError> {
    let path = home.floor_file();
    if !path.exists() {
        return Ok(Floor::default());
    }
    let kept = serde_json::from_slice(&files::read(&path)?);
    if kept.is_err() {
        tracing::error!(path = %path.display(), "what was ended cannot be read; it is written anew");
    }
    // The main database knows itself what ended in it.
    Ok(kept.unwrap_or_default())
}

/// Brings the floor beside the main database up to date.
///
/// # Errors
/// [`HomeError`]; it is tried again.
pub fn keep(home: &Home, main: &Connection) -> Result<Floor, HomeError> {
    // A command and the hub may come at once: neither may write over what the other has just noted.
    let _turn = lock::turn(home, "floor")?;
    let before = kept(home)?;
    let floor = Floor::of(main, &before)?;
    if floor != before {
        write(&home.floor_file(), &floor)?;
    }
    Ok(floor)
}

fn write(path: &Path, floor: &Floor) -> Result<(), HomeError> {
    let text = serde_json::to_vec(floor).map_err(|_| StoreError::Damaged { what: "floor" })?;
    files::write_private(path, &text)?;
    Ok(())
}

/// Ends again what a main database that somebody put in place brought back to life; with an audit
/// line, and the list of revoked certificates written anew.
///
/// # Errors
/// [`FloorError`]: then nothing may be opened.
pub fn hold(home: &Home, main: &mut Connection, now: UtcTime) -> Result<Raised, FloorError> {
    let floor = kept(home)?;
    if let Some(known) = floor.audit_head()
        && head::standing(main, known.head.sequence, &known.head.digest)? != HeadStanding::Within
    {
        tracing::error!(
            line = known.head.sequence,
            "the audit does not go through a line that it had: lines were cut, or an older main \
             database lies here; see `varco-hub audit verify`"
        );
    }
    let held = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin to end again what had ended")?;
    let raised = floor.raise(&held)?;
    if !raised.is_nothing() {
        note(
            &held,
            home,
            serde_json::json!({ "ended_again": raised }),
            now,
        )?;
    }
    held.commit().doing("commit what had ended")?;
    if !raised.edges.is_empty() {
        revocation::write_list(home, main, now)?;
    }
    Ok(raised)
}

/// Notes in the audit that the main database is a copy of an earlier one.
///
/// # Errors
/// [`FloorError`].
pub fn note(
    main: &Connection,
    home: &Home,
    details: serde_json::Value,
    now: UtcTime,
) -> Result<(), FloorError> {
    let entry = AuditEntry::plain(Actor::console(), Action::HubRestored, details);
    audit::append(main, &entry, now, &*home.sealing_key()?)?;
    Ok(())
}

/// What had ended cannot be ended again, so that nothing may be opened.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No audit line, no change.
    #[error(transparent)]
    Audit(#[from] AuditError),
}
