//! Who may close a case: its order's term, or two persons.
//!
//! Closing destroys the only copy of what a case holds, so that one person's word is not enough: one asks, another
//! confirms, both through `approvals`. [`Closing`] is made here alone, and nothing closes a case without one but the
//! floor, which closes again what was closed.

use std::collections::BTreeMap;
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::case::{Case, CaseId};
use crate::approvals::ApprovalId;
use crate::approvals::approval::{self, Approval, ApprovalState};
use crate::approvals::desk::WantedApproval;
use crate::approvals::subject::ApprovalSubject;
use crate::approvals::using::UsedApproval;
use crate::audit::actor::Actor;
use crate::store::StoreError;
use crate::store::sql::Connection;

/// The table of an older version, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE case_closings (
        id TEXT PRIMARY KEY,
        asked_by TEXT NOT NULL,
        asked_at_us INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

/// It went: requests are kept by `approvals`. Who had asked asks anew.
pub const SCHEMA_MOVED: &str = "DROP TABLE case_closings;";

/// How long the second person's word holds, where the first has yet to do it.
const HOLDS: Duration = Duration::from_secs(86_400);

/// Somebody asked for a case to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    id: ApprovalId,
    by: String,
    by_id: String,
    at: UtcTime,
    ends_at: UtcTime,
}

impl Asked {
    pub(super) fn of(approval: &Approval) -> Self {
        Self {
            id: approval.id.clone(),
            by: approval.asked_name.clone(),
            by_id: approval.asked_by.clone(),
            at: approval.asked_at,
            ends_at: approval.waits_until,
        }
    }

    /// The request.
    #[must_use]
    pub fn id(&self) -> &ApprovalId {
        &self.id
    }

    /// Who asked.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Who asked, by id.
    #[must_use]
    pub fn by_id(&self) -> &str {
        &self.by_id
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> UtcTime {
        self.at
    }

    /// Until when a second person may confirm.
    #[must_use]
    pub fn ends_at(&self) -> UtcTime {
        self.ends_at
    }
}

/// On whose word a case is closed.
#[derive(Debug)]
enum ClosedBy {
    Two(Box<UsedApproval>),
    Term,
}

/// That a case may be closed, and on whose word.
#[derive(Debug)]
pub struct Closing {
    case: CaseId,
    by: ClosedBy,
}

impl Closing {
    /// Its order's term is over; none while it is not.
    #[must_use]
    pub fn of_term(case: &Case, now: UtcTime) -> Option<Self> {
        (case.until <= now).then(|| Self {
            case: case.id.clone(),
            by: ClosedBy::Term,
        })
    }

    /// Two persons said so; none when what they said is about something else.
    #[must_use]
    pub fn of_two(case: &CaseId, used: UsedApproval) -> Option<Self> {
        (used.approval().subject == subject(case)).then(|| Self {
            case: case.clone(),
            by: ClosedBy::Two(Box::new(used)),
        })
    }

    /// Which case.
    #[must_use]
    pub fn case(&self) -> &CaseId {
        &self.case
    }

    /// Who asked for it; nobody when the term is over.
    #[must_use]
    pub fn asked_by(&self) -> Option<&str> {
        match &self.by {
            ClosedBy::Two(used) => Some(&used.approval().asked_name),
            ClosedBy::Term => None,
        }
    }

    /// Who had agreed, where whoever closes it is who asked.
    #[must_use]
    pub fn agreed_by(&self, closer: &Actor) -> Option<&str> {
        match &self.by {
            ClosedBy::Two(used) if used.approval().asked_by == closer.id() => {
                let mut said = used.approval().decisions.iter();
                said.find(|one| one.approves).map(|one| one.name.as_str())
            }
            ClosedBy::Two(_) | ClosedBy::Term => None,
        }
    }
}

/// What a request to close a case is about.
pub(super) fn subject(case: &CaseId) -> ApprovalSubject {
    ApprovalSubject::CaseClosing {
        case: case.to_string(),
    }
}

/// What is asked for.
pub(super) fn wanted(case: &Case) -> WantedApproval {
    WantedApproval {
        subject: subject(&case.id),
        reason: format!("{}: {}", case.authority, case.order),
        lasts: HOLDS,
    }
}

/// Who asked for which case to be closed, as far as it still waits for a second person.
///
/// # Errors
/// [`StoreError`].
pub fn waiting(main: &Connection, now: UtcTime) -> Result<BTreeMap<CaseId, Asked>, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged {
        what: "request to close a case",
    };
    let mut waiting = BTreeMap::new();
    for one in approval::waiting(main)? {
        let ApprovalSubject::CaseClosing { case } = &one.subject else {
            continue;
        };
        if one.state_at(now) == ApprovalState::Waiting {
            let case: CaseId = case.parse().map_err(|_| DAMAGED)?;
            waiting.entry(case).or_insert_with(|| Asked::of(&one));
        }
    }
    Ok(waiting)
}
