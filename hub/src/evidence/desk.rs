//! Extracting: a package is made by an authorisation, which is used up in the transaction that writes its line.

use std::collections::BTreeMap;

use thiserror::Error;
use varco_proto::keys::SealingKey;

use super::contents::{ExtractionPermit, PackageKeys, PermitKind};
use super::draft::{EvidenceError, EvidenceSource, MadePackage, PackageBasis, PackageDraft};
use super::standing::{self, StandingPermitError};
use crate::approvals::ApprovalId;
use crate::approvals::approval::{self, ApprovalError, ApprovalState};
use crate::approvals::using;
use crate::audit::acting::Acting;
use crate::audit::export::ExportedLine;
use crate::audit::log::{self, LogError, StoredTree};
use crate::audit::{self, AuditError, reading};
use crate::bodies::BodyId;
use crate::boxes::edges;
use crate::evidence::contents::WantedExtraction;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::note::NoteKey;
use crate::tlog::proof::LeafProof;
use crate::transits::blocks;

/// Nothing is extracted.
#[derive(Debug, Error)]
pub enum ExtractionError {
    /// The authorisation.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// The standing authorisation.
    #[error(transparent)]
    Standing(#[from] StandingPermitError),
    /// It stands for other recipients.
    #[error("the standing authorisation is for other recipients")]
    OtherRecipient,
    /// Somebody blocked a transit meanwhile.
    #[error("a transit was blocked in the meantime, and nothing was extracted")]
    Blocked,
    /// The package.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// No audit line, no package.
    #[error("the audit line cannot be written, so nothing was extracted")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// By what somebody extracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermitChoice {
    /// A request that was approved.
    Approval(ApprovalId),
    /// A standing authorisation, by its number.
    Standing(i64),
}

/// What an authorisation says, before it is used. It is looked at again when it is.
///
/// # Errors
/// [`ExtractionError`]: then nothing may be read for it.
pub fn permit(
    main: &Connection,
    choice: &PermitChoice,
    wanted: &WantedExtraction,
    body: &BodyId,
    acting: &Acting<'_>,
) -> Result<ExtractionPermit, ExtractionError> {
    match choice {
        PermitChoice::Approval(id) => {
            let found = approval::find(main, id)?.ok_or(ApprovalError::Unknown)?;
            if found.asked_by != acting.actor.id() {
                return Err(ApprovalError::NotTheirs.into());
            }
            if found.subject != wanted.subject() {
                return Err(ApprovalError::Other.into());
            }
            let state = found.state_at(acting.now);
            let mut words = found.decisions.iter().filter(|word| word.approves);
            let word = words
                .next_back()
                .filter(|_| state == ApprovalState::Approved);
            let word = word.ok_or(ApprovalError::Locked(state))?;
            Ok(ExtractionPermit {
                kind: PermitKind::CaseByCase,
                id: id.to_string(),
                given_by: word.name.clone(),
                body: word.body.to_string(),
                given_at: word.at,
                act: Some(word.note.clone()).filter(|note| !note.is_empty()),
                asked_by: found.asked_name.clone(),
            })
        }
        PermitChoice::Standing(number) => {
            let found = standing::holding(main, *number, body, acting.now)?;
            if found.recipient_kind != wanted.recipient_kind {
                return Err(ExtractionError::OtherRecipient);
            }
            Ok(ExtractionPermit {
                kind: PermitKind::Standing,
                id: number.to_string(),
                given_by: found.given_by,
                body: found.body.to_string(),
                given_at: found.given_at,
                act: Some(found.act),
                asked_by: acting.actor.name().to_owned(),
            })
        }
    }
}

/// The keys that go into a package.
///
/// # Errors
/// [`ExtractionError`].
pub fn keys(
    main: &Connection,
    key: &SealingKey,
    sources: &[EvidenceSource],
    witnesses: &[NoteKey],
) -> Result<PackageKeys, ExtractionError> {
    let of_edges = edges::opening_keys(main)?;
    let named = sources.iter().filter_map(|source| {
        let edge = &source.verified.value().edge;
        Some((edge.to_string(), of_edges.get(edge)?.to_string()))
    });
    Ok(PackageKeys {
        hub: key.opening_key().to_string(),
        log: log::public_key(key)?.to_string(),
        edges: named.collect::<BTreeMap<_, _>>(),
        witnesses: witnesses.iter().map(NoteKey::to_string).collect(),
    })
}

/// An extraction whose records were read.
#[derive(Debug)]
pub struct ReadExtraction {
    /// By what.
    pub choice: PermitChoice,
    /// What it was found to say.
    pub basis: PackageBasis,
    /// For whose people.
    pub body: BodyId,
    /// The package without its line.
    pub draft: PackageDraft,
    /// Which of its records are another municipality's, as its line tells it; null when none is.
    pub communicated: serde_json::Value,
}

/// An extraction whose line is committed: its authorisation is used.
#[derive(Debug)]
pub struct CommittedExtraction {
    line: u64,
    draft: PackageDraft,
}

impl CommittedExtraction {
    /// Whether a witness has cosigned a checkpoint that has the line.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn is_cosigned(&self, main: &Connection) -> Result<bool, LogError> {
        let Some(note) = log::last_cosigned(main)? else {
            return Ok(false);
        };
        Ok(Checkpoint::of(&note)?.head.size >= self.line)
    }
}

/// Uses the authorisation up and writes the line, both or neither.
///
/// # Errors
/// [`ExtractionError`].
pub fn commit(
    main: &mut Connection,
    read: ReadExtraction,
    acting: &Acting<'_>,
) -> Result<CommittedExtraction, ExtractionError> {
    let wanted = &read.basis.wanted;
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the extraction")?;
    let again = permit(&transaction, &read.choice, wanted, &read.body, acting)?;
    if again != read.basis.permit {
        return Err(ApprovalError::Other.into());
    }
    if let PermitChoice::Approval(id) = &read.choice {
        using::use_up(&transaction, id, &wanted.subject(), acting)?;
    }
    for id in wanted.check().map_err(EvidenceError::from)? {
        if blocks::has(&transaction, &id)? {
            return Err(ExtractionError::Blocked);
        }
    }
    let mut entry = read.draft.entry(acting.actor.clone());
    if let Some(details) = (entry.details.as_object_mut()).filter(|_| !read.communicated.is_null())
    {
        details.insert("communicated".to_owned(), read.communicated);
    }
    let line = audit::append(&transaction, &entry, acting.now, acting.key)?;
    transaction.commit().doing("commit the extraction")?;
    Ok(CommittedExtraction {
        line,
        draft: read.draft,
    })
}

/// Makes the file of a committed extraction, with a checkpoint that witnesses cosigned if one has the line.
///
/// # Errors
/// [`ExtractionError`]: the authorisation is used all the same, as the line stands.
pub fn finish(
    main: &Connection,
    committed: CommittedExtraction,
    key: &SealingKey,
) -> Result<MadePackage, ExtractionError> {
    let line = committed.line;
    let stored = reading::line(main, line)?;
    let stored = stored.ok_or(StoreError::Damaged { what: "audit line" })?;
    let checkpoint = log::checkpoint_with(main, key, line)?;
    let size = Checkpoint::of(&checkpoint)
        .map_err(LogError::from)?
        .head
        .size;
    let proof = LeafProof {
        index: line.saturating_sub(1),
        hashes: StoredTree::of(main).inclusion(line, size)?,
        checkpoint,
    };
    Ok(committed
        .draft
        .finish(&ExportedLine::of(stored), &proof, key)?)
}
