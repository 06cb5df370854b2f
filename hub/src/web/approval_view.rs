//! A request as the API shows it, and what it is about as the API takes it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use varco_proto::ids::{GateId, TransitId};
use varco_proto::time::UtcTime;

use super::errors::ApiError;
use super::words::{DataRightView, ExtractionCaseView, RecipientView};
use crate::approvals::approval::Approval;
use crate::approvals::subject::{ApprovalSubject, LookSubject};
use crate::bodies::BodyId;
use crate::municipalities::Municipality;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "for", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SubjectView {
    /// A body of the second level is let in, for 12 hours at most.
    Admission {
        /// Under which agreement.
        agreement: String,
        /// Whose transits.
        municipality: String,
        /// Who is let in; left out when asking, as one asks for one's own body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// A technician works beside somebody who may, for 4 hours at most.
    Maintenance {
        /// Whose gates; left out for gates that no municipality has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        municipality: Option<String>,
        /// Which.
        gates: Vec<String>,
        /// Where the technician's declaration of secrecy is kept.
        secrecy: String,
    },
    /// Records leave the hub as evidence.
    Extraction {
        /// In which of the three cases.
        case_type: ExtractionCaseView,
        /// Its reference.
        reference: String,
        /// What the recipient is.
        recipient_kind: RecipientView,
        /// Who receives it.
        recipient: String,
        /// Which transits.
        transits: Vec<String>,
        /// The case that holds them; left out when they are within their term.
        #[serde(default)]
        held_in: Option<String>,
        /// Whether the edges' sealed originals go along: for a judicial authority alone.
        #[serde(default)]
        originals: bool,
        /// For which purpose.
        purpose: String,
        /// The case or request that it serves.
        case_reference: String,
    },
    /// A case is closed before its order's term.
    CaseClosing {
        /// The case.
        case: String,
    },
    /// Transits end before their term, at the request of whom they are about. Who answers for the municipality's body
    /// decides; then the hub destroys them by itself within seconds.
    EarlyDeletion {
        /// Whose transits.
        municipality: String,
        /// The request's reference, never a name.
        request: String,
        /// On which day it was made, YYYY-MM-DD.
        #[serde(default)]
        requested_on: Option<String>,
        /// Which right is used.
        #[serde(default)]
        right: Option<DataRightView>,
        /// Which.
        transits: Vec<String>,
    },
    /// The policy allows more than before.
    PolicyWidening {
        /// SHA-256 of the policy that is to hold, hexadecimal.
        policy: String,
    },
    /// A search that the rule against misuse stopped is answered for 24 hours; asked for at
    /// `POST /api/v1/second-looks`. `GET` there shows the plate to whoever may decide.
    SecondLook(LookView),
    /// Transits that are blocked are processed again; asked for at `POST /api/v1/blocks`.
    BlockLifting {
        /// Which.
        transits: Vec<String>,
        /// By which order or request.
        order: String,
        /// For which purpose.
        purpose: String,
        /// The case or request that it serves.
        case_reference: String,
    },
}

fn of_name(name: &str) -> Result<Municipality, ApiError> {
    name.parse()
        .map_err(|_| ApiError::field("municipality", "the name of a municipality"))
}

fn of_transits(ids: &[String]) -> Result<BTreeSet<TransitId>, ApiError> {
    let id = |text: &String| {
        text.parse()
            .map_err(|_| ApiError::field("transits", "UUIDs as a lookup shows them"))
    };
    ids.iter().map(id).collect()
}

fn of_gates(ids: &[String]) -> Result<BTreeSet<GateId>, ApiError> {
    let id = |text: &String| {
        text.parse()
            .map_err(|_| ApiError::field("gates", "names of gates"))
    };
    ids.iter().map(id).collect()
}

impl SubjectView {
    /// What is asked for by somebody of this body.
    pub(super) fn check(self, asker: &BodyId) -> Result<ApprovalSubject, ApiError> {
        Ok(match self {
            Self::Admission {
                agreement,
                municipality,
                body,
            } => {
                if body.is_some_and(|body| body != asker.as_str()) {
                    return Err(ApiError::field("body", "your own body, or left out"));
                }
                ApprovalSubject::Admission {
                    agreement,
                    municipality: of_name(&municipality)?,
                    body: asker.clone(),
                }
            }
            Self::Maintenance {
                municipality,
                gates,
                secrecy,
            } => ApprovalSubject::Maintenance {
                municipality: municipality.as_deref().map(of_name).transpose()?,
                gates: of_gates(&gates)?,
                secrecy,
            },
            Self::Extraction {
                case_type,
                reference,
                recipient_kind,
                recipient,
                transits,
                held_in,
                originals,
                purpose,
                case_reference,
            } => ApprovalSubject::Extraction {
                case_type: case_type.into(),
                reference,
                recipient_kind: recipient_kind.into(),
                recipient,
                transits: of_transits(&transits)?,
                held_in,
                originals,
                purpose,
                case_reference,
            },
            Self::CaseClosing { case } => ApprovalSubject::CaseClosing { case },
            Self::EarlyDeletion {
                municipality,
                request,
                requested_on,
                right,
                transits,
            } => ApprovalSubject::EarlyDeletion {
                municipality: of_name(&municipality)?,
                request,
                requested_on,
                right: right.map(Into::into),
                transits: of_transits(&transits)?,
            },
            Self::PolicyWidening { policy } => ApprovalSubject::PolicyWidening { policy },
            Self::SecondLook(_) => return elsewhere("/api/v1/second-looks"),
            Self::BlockLifting { .. } => return elsewhere("/api/v1/blocks"),
        })
    }
}

/// A search that the rule against misuse stopped, without its plate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LookView {
    /// Its number.
    pub number: u64,
    /// The rule that stopped the search.
    pub rule: String,
    /// For which purpose.
    pub purpose: String,
    /// The case or request that it serves.
    pub case_reference: String,
}

impl From<&LookSubject> for LookView {
    fn from(look: &LookSubject) -> Self {
        Self {
            number: look.number,
            rule: look.rule.clone(),
            purpose: look.purpose.clone(),
            case_reference: look.case_reference.clone(),
        }
    }
}

/// It is asked for where what it is about is looked at.
fn elsewhere(path: &str) -> Result<ApprovalSubject, ApiError> {
    Err(ApiError::field("for", format!("ask for this at {path}")))
}

fn texts<T: ToString>(all: &BTreeSet<T>) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

impl From<&ApprovalSubject> for SubjectView {
    fn from(subject: &ApprovalSubject) -> Self {
        match subject {
            ApprovalSubject::Admission {
                agreement,
                municipality,
                body,
            } => Self::Admission {
                agreement: agreement.clone(),
                municipality: municipality.to_string(),
                body: Some(body.to_string()),
            },
            ApprovalSubject::Maintenance {
                municipality,
                gates,
                secrecy,
            } => Self::Maintenance {
                municipality: municipality.as_ref().map(ToString::to_string),
                gates: texts(gates),
                secrecy: secrecy.clone(),
            },
            ApprovalSubject::Extraction {
                case_type,
                reference,
                recipient_kind,
                recipient,
                transits,
                held_in,
                originals,
                purpose,
                case_reference,
            } => Self::Extraction {
                case_type: (*case_type).into(),
                reference: reference.clone(),
                recipient_kind: (*recipient_kind).into(),
                recipient: recipient.clone(),
                transits: texts(transits),
                held_in: held_in.clone(),
                originals: *originals,
                purpose: purpose.clone(),
                case_reference: case_reference.clone(),
            },
            ApprovalSubject::CaseClosing { case } => Self::CaseClosing { case: case.clone() },
            ApprovalSubject::EarlyDeletion {
                municipality,
                request,
                requested_on,
                right,
                transits,
            } => Self::EarlyDeletion {
                municipality: municipality.to_string(),
                request: request.clone(),
                requested_on: requested_on.clone(),
                right: right.map(Into::into),
                transits: texts(transits),
            },
            ApprovalSubject::PolicyWidening { policy } => Self::PolicyWidening {
                policy: policy.clone(),
            },
            ApprovalSubject::SecondLook(look) => Self::SecondLook(look.into()),
            ApprovalSubject::BlockLifting {
                transits,
                order,
                purpose,
                case_reference,
            } => Self::BlockLifting {
                transits: texts(transits),
                order: order.clone(),
                purpose: purpose.clone(),
                case_reference: case_reference.clone(),
            },
        }
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalView {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub subject: SubjectView,
    /// Who asked.
    pub asked_by: String,
    /// For which body.
    pub body: String,
    /// When, RFC 3339, UTC.
    pub asked_at: String,
    /// Why.
    pub reason: String,
    /// Until when it waits, RFC 3339, UTC.
    pub waits_until: String,
    /// For how many minutes it unlocks, from the last word on.
    pub minutes: u64,
    /// How many other persons must agree.
    pub needed: u32,
    /// Where it stands: `waiting`, `approved` (unlocked now), `refused`, `used`, `expired`, `withdrawn`, `taken-back`
    /// or `over`.
    pub state: String,
    /// Until when what it is for is unlocked, RFC 3339, UTC; null while it waits, and when it was refused.
    pub until: Option<String>,
    /// Who said what, oldest first.
    pub decisions: Vec<ApprovalDecisionView>,
}

/// What somebody said of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalDecisionView {
    /// Who.
    pub by: String,
    /// For which body.
    pub body: String,
    /// When, RFC 3339, UTC.
    pub at: String,
    /// Whether they agreed.
    pub approves: bool,
    /// What they added.
    pub note: String,
}

impl ApprovalView {
    /// As it stands at a moment.
    #[must_use]
    pub fn of(approval: &Approval, now: UtcTime) -> Self {
        let decisions = approval.decisions.iter().map(|one| ApprovalDecisionView {
            by: one.name.clone(),
            body: one.body.to_string(),
            at: one.at.to_string(),
            approves: one.approves,
            note: one.note.clone(),
        });
        Self {
            id: approval.id.to_string(),
            subject: SubjectView::from(&approval.subject),
            asked_by: approval.asked_name.clone(),
            body: approval.asked_body.to_string(),
            asked_at: approval.asked_at.to_string(),
            reason: approval.reason.clone(),
            waits_until: approval.waits_until.to_string(),
            minutes: approval.lasts.as_secs() / 60,
            needed: approval.needed,
            state: approval.state_at(now).as_str().to_owned(),
            until: approval.until.map(|until| until.to_string()),
            decisions: decisions.collect(),
        }
    }
}
