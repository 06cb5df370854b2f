//! What a request is for, and what it is about; values in, values out.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use varco_proto::ids::{GateId, TransitId};
use varco_proto::time::UtcDay;

use crate::bodies::BodyId;
use crate::judgement::second_looks::HOLDS;
use crate::municipalities::Municipality;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Longest text of a subject, in characters.
const TEXT_CHARACTERS_MAX: usize = 200;
/// Most gates of one request.
pub const GATES_MAX: usize = 200;
/// Most transits of one request.
pub const TRANSITS_MAX: usize = 1000;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalFor {
    /// A body of the second level is let in (art. 8 c. 2 A a3 of Perugia's regulation).
    Admission,
    /// A technician works beside somebody who may (art. 8 c. 2 A a4, B b2).
    Maintenance,
    /// Records leave the hub as evidence (art. 7 c. 4; annex 1 c. 7).
    Extraction,
    /// A case is closed before its order's term, and what it holds destroyed.
    CaseClosing,
    /// Transits are destroyed before their term, for whom they are about (art. 9 c. 2 C c10).
    EarlyDeletion,
    /// The policy allows more than before.
    PolicyWidening,
    /// A search that the rule against misuse stopped is answered.
    SecondLook,
    /// Transits that nobody may process are processed again (art. 2 c. 1 k).
    BlockLifting,
}

/// How requests of one kind wait, and what they unlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalTerms {
    /// How long a request waits.
    pub waits: Duration,
    /// The longest time for which it unlocks.
    pub longest: Duration,
    /// How many other persons must agree.
    pub needed: u32,
    /// Whether what it unlocks is done once.
    pub once: bool,
}

impl ApprovalFor {
    /// Every kind with its word.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Admission, "admission"),
        (Self::Maintenance, "maintenance"),
        (Self::Extraction, "extraction"),
        (Self::CaseClosing, "case-closing"),
        (Self::EarlyDeletion, "early-deletion"),
        (Self::PolicyWidening, "policy-widening"),
        (Self::SecondLook, "second-look"),
        (Self::BlockLifting, "block-lifting"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(what, _)| *what == self);
        found.map_or("", |(_, name)| name)
    }

    /// The kind of a word; none when it is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(what, _)| *what)
    }

    /// How such requests wait, and what they unlock.
    #[must_use]
    pub fn terms(self) -> ApprovalTerms {
        let of = |waits, longest| ApprovalTerms {
            waits,
            longest,
            needed: 1,
            once: true,
        };
        match self {
            // A shift, and not a habit.
            Self::Admission => ApprovalTerms {
                once: false,
                ..of(12 * HOUR, 12 * HOUR)
            },
            Self::Maintenance => ApprovalTerms {
                once: false,
                ..of(30 * MINUTE, 4 * HOUR)
            },
            Self::Extraction => of(7 * DAY, 3 * DAY),
            Self::CaseClosing | Self::EarlyDeletion | Self::BlockLifting => of(7 * DAY, DAY),
            Self::SecondLook => ApprovalTerms {
                once: false,
                ..of(HOLDS, HOLDS)
            },
            Self::PolicyWidening => ApprovalTerms {
                needed: 2,
                ..of(7 * DAY, DAY)
            },
        }
    }
}

impl fmt::Display for ApprovalFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One of the three cases in which records leave the hub (art. 3 c. 3 of Sesto's regulation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExtractionCase {
    /// A citizen complained to the police.
    Complaint,
    /// Operators saw a crime or an illicit act.
    Illicit,
    /// Another need of the institution.
    Institutional,
}

impl ExtractionCase {
    /// Every case with its word.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Complaint, "complaint"),
        (Self::Illicit, "illicit"),
        (Self::Institutional, "institutional"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(case, _)| *case == self);
        found.map_or("", |(_, word)| word)
    }
}

/// To whom a package goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientKind {
    /// A court or a prosecutor.
    JudicialAuthority,
    /// Officers of Judicial Police who investigate.
    JudicialPolice,
    /// The person whom the pictures show (*il terzo*).
    Subject,
    /// Another office.
    Office,
}

impl RecipientKind {
    /// Every kind with its word.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::JudicialAuthority, "judicial-authority"),
        (Self::JudicialPolice, "judicial-police"),
        (Self::Subject, "subject"),
        (Self::Office, "office"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, word)| word)
    }

    /// Whether it investigates crimes, so that an authorisation may stand for its requests (art. 17 c. 2).
    #[must_use]
    pub fn is_judicial(self) -> bool {
        matches!(self, Self::JudicialAuthority | Self::JudicialPolice)
    }
}

/// A search that the rule against misuse stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookSubject {
    /// The look, by its number.
    pub number: u64,
    /// The rule that stopped the search.
    pub rule: String,
    /// For which purpose it is made.
    pub purpose: String,
    /// The case or request that it serves.
    pub case_reference: String,
}

/// The right by which somebody asks that what is about them be destroyed (art. 18 c. 2 and 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataRight {
    /// It was processed unlawfully, or is needed no more (GDPR, art. 17).
    Erasure,
    /// They object, for reasons of their own (GDPR, art. 21).
    Objection,
}

impl DataRight {
    /// Every right with its word.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Erasure, "erasure"), (Self::Objection, "objection")];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(right, _)| *right == self);
        found.map_or("", |(_, word)| word)
    }
}

/// What a request is about, by its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ApprovalSubject {
    /// See [`ApprovalFor::Admission`].
    Admission {
        /// Under which agreement, by its id.
        agreement: String,
        /// Whose transits.
        municipality: Municipality,
        /// Who is let in.
        body: BodyId,
    },
    /// See [`ApprovalFor::Maintenance`]. The technician is who asks.
    Maintenance {
        /// Whose gates; those of whoever runs the hub, that no municipality has, when none.
        municipality: Option<Municipality>,
        /// Which.
        gates: BTreeSet<GateId>,
        /// Where the technician's declaration of secrecy is kept.
        secrecy: String,
    },
    /// See [`ApprovalFor::Extraction`].
    Extraction {
        /// In which of the three cases.
        case_type: ExtractionCase,
        /// Its reference: the complaint, the report, the protocol.
        reference: String,
        /// What the recipient is.
        recipient_kind: RecipientKind,
        /// Who receives it.
        recipient: String,
        /// Which transits; no other may be in what leaves.
        transits: BTreeSet<TransitId>,
        /// The case that holds them; none when they are within their term.
        held_in: Option<String>,
        /// Whether the edges' sealed originals go along.
        originals: bool,
        /// For which purpose.
        purpose: String,
        /// The case or request that it serves.
        case_reference: String,
    },
    /// See [`ApprovalFor::CaseClosing`].
    CaseClosing {
        /// The case, by its id.
        case: String,
    },
    /// See [`ApprovalFor::EarlyDeletion`].
    EarlyDeletion {
        /// Whose transits.
        municipality: Municipality,
        /// The request of whom the transits are about, by its reference, never by a name.
        request: String,
        /// On which day they asked, YYYY-MM-DD. Versions before did not say; without it nothing is destroyed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_on: Option<String>,
        /// Which of their rights they use. Versions before did not say; without it nothing is destroyed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        right: Option<DataRight>,
        /// Which.
        transits: BTreeSet<TransitId>,
    },
    /// See [`ApprovalFor::PolicyWidening`].
    PolicyWidening {
        /// SHA-256 of the policy that is to hold, hexadecimal.
        policy: String,
    },
    /// See [`ApprovalFor::SecondLook`]. The plate is in no request: only whoever may decide is shown it.
    SecondLook(LookSubject),
    /// See [`ApprovalFor::BlockLifting`].
    BlockLifting {
        /// Which.
        transits: BTreeSet<TransitId>,
        /// By which order or request.
        order: String,
        /// For which purpose.
        purpose: String,
        /// The case or request that it serves.
        case_reference: String,
    },
}

impl ApprovalSubject {
    /// What it is for.
    #[must_use]
    pub fn what(&self) -> ApprovalFor {
        match self {
            Self::Admission { .. } => ApprovalFor::Admission,
            Self::Maintenance { .. } => ApprovalFor::Maintenance,
            Self::Extraction { .. } => ApprovalFor::Extraction,
            Self::CaseClosing { .. } => ApprovalFor::CaseClosing,
            Self::EarlyDeletion { .. } => ApprovalFor::EarlyDeletion,
            Self::PolicyWidening { .. } => ApprovalFor::PolicyWidening,
            Self::SecondLook(_) => ApprovalFor::SecondLook,
            Self::BlockLifting { .. } => ApprovalFor::BlockLifting,
        }
    }

    /// The municipality whose transits or gates it is about, which then decides; none where the asker's own body
    /// does, or whoever runs the hub.
    #[must_use]
    pub fn municipality(&self) -> Option<&Municipality> {
        match self {
            Self::Admission { municipality, .. } | Self::EarlyDeletion { municipality, .. } => {
                Some(municipality)
            }
            Self::Maintenance { municipality, .. } => municipality.as_ref(),
            Self::Extraction { .. }
            | Self::CaseClosing { .. }
            | Self::PolicyWidening { .. }
            | Self::SecondLook(_)
            | Self::BlockLifting { .. } => None,
        }
    }

    /// The field that is not as it must be; none when all are.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let texts: &[(&'static str, &str)] = match self {
            Self::Admission { agreement, .. } => &[("agreement", agreement)],
            Self::Maintenance { secrecy, .. } => &[("secrecy", secrecy)],
            Self::Extraction {
                reference,
                recipient,
                ..
            } => &[("reference", reference), ("recipient", recipient)],
            Self::CaseClosing { case } => &[("case", case)],
            Self::EarlyDeletion { request, .. } => &[("request", request)],
            Self::PolicyWidening { policy } => &[("policy", policy)],
            Self::SecondLook(look) => &[("case_reference", &look.case_reference)],
            Self::BlockLifting { order, .. } => &[("order", order)],
        };
        if let Some((field, _)) = texts.iter().find(|(_, text)| !is_text(text)) {
            return Some(field);
        }
        match self {
            Self::EarlyDeletion { requested_on, .. } if !is_day(requested_on.as_deref()) => {
                Some("requested_on")
            }
            Self::EarlyDeletion { right: None, .. } => Some("right"),
            Self::Maintenance { gates, .. } => {
                (!(1..=GATES_MAX).contains(&gates.len())).then_some("gates")
            }
            Self::Extraction { transits, .. }
            | Self::EarlyDeletion { transits, .. }
            | Self::BlockLifting { transits, .. } => {
                (!(1..=TRANSITS_MAX).contains(&transits.len())).then_some("transits")
            }
            Self::PolicyWidening { policy } => {
                let is_digest = policy.len() == 64 && hex::decode(policy).is_ok();
                (!is_digest).then_some("policy")
            }
            Self::Admission { .. } | Self::CaseClosing { .. } | Self::SecondLook(_) => None,
        }
    }
}

fn is_day(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.len() == 10 && text.parse::<UtcDay>().is_ok())
}

/// Whether a text is one to 200 printable characters, without spaces at its ends.
#[must_use]
pub(super) fn is_text(text: &str) -> bool {
    (1..=TEXT_CHARACTERS_MAX).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_written_and_read_as_one() {
        let subject = ApprovalSubject::Admission {
            agreement: "perugia-questura".to_owned(),
            municipality: "Perugia".parse().unwrap(),
            body: "questura".parse().unwrap(),
        };
        let text = serde_json::to_string(&subject).unwrap();
        assert!(text.starts_with(r#"{"for":"admission""#), "{text}");
        assert_eq!(
            serde_json::from_str::<ApprovalSubject>(&text).unwrap(),
            subject
        );
        let more = text.replace('}', r#","gate":"x"}"#);
        assert!(serde_json::from_str::<ApprovalSubject>(&more).is_err());
    }

    #[test]
    fn every_kind_has_its_word_and_ends_by_itself() {
        for (what, name) in ApprovalFor::ALL {
            assert_eq!(ApprovalFor::named(name), Some(what));
            let terms = what.terms();
            assert!(terms.needed > 0 && terms.longest <= 7 * DAY && terms.waits <= 7 * DAY);
        }
    }

    #[test]
    fn what_is_empty_or_too_long_is_named() {
        let closing = |case: &str| ApprovalSubject::CaseClosing {
            case: case.to_owned(),
        };
        assert_eq!(closing("c1").fault(), None);
        for case in ["", " c1", "c\n1", &"c".repeat(201)] {
            assert_eq!(closing(case).fault(), Some("case"), "{case}");
        }
        let deletion = ApprovalSubject::EarlyDeletion {
            municipality: "Perugia".parse().unwrap(),
            request: "Istanza 3/2026".to_owned(),
            requested_on: Some("2026-11-20".to_owned()),
            right: Some(DataRight::Erasure),
            transits: BTreeSet::new(),
        };
        assert_eq!(deletion.fault(), Some("transits"));
        let widening = ApprovalSubject::PolicyWidening {
            policy: "no digest".to_owned(),
        };
        assert_eq!(widening.fault(), Some("policy"));
    }
}
