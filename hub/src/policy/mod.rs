//! The one policy: who may do what, where, for which purpose, under which agreement.
//!
//! Everything that is allowed is
//! allowed here, by rules that are data (`policy.cedar`), evaluated by Cedar; what no rule permits is denied. The
//! one door to Cedar. This room owns no table: it is handed what it judges by.

pub mod caller;
mod entities;
pub mod reaching;
pub mod rights;
pub mod world;

#[cfg(test)]
mod mutants;
#[cfg(test)]
mod regulation;

use cedar_policy::{Authorizer, Decision, PolicySet, Schema, ValidationMode, Validator};
use thiserror::Error;

use self::caller::Caller;
use self::entities::{Entities, Words};
use crate::agreements::Agreement;
use crate::approvals::subject::ApprovalFor;
use crate::audit::purpose::Purpose;
use crate::bodies::BodyId;
use crate::municipalities::Municipality;
use crate::people::tokens::{Permission, Permissions};
use varco_proto::time::UtcTime;

/// The policy that comes with the hub.
pub const BUILT_IN: &str = include_str!("policy.cedar");
const SCHEMA: &str = include_str!("schema.cedarschema");

/// A policy cannot be used.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// It is not written as policies are.
    #[error("the policy cannot be read: {0}")]
    Text(String),
    /// It speaks of what there is not.
    #[error("the policy does not hold against the schema: {0}")]
    Invalid(String),
    /// What it judges by cannot be put into its words; a bug.
    #[error("what the policy judges by cannot be put into its words: {0}")]
    Entities(String),
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deed {
    /// Look transits up.
    LookUp,
    /// Watch them as they come.
    Watch,
    /// Ask which vehicles travel together.
    FindCompanions,
    /// Be told of alerts and acknowledge them.
    SeeAlerts,
    /// Search transits and hold them in a case.
    Hold,
    /// Count transits, without plates.
    Count,
    /// See which hotlists there are.
    SeeHotlists,
    /// Make, fill and close hotlists.
    KeepHotlists,
    /// Open, show and close cases, and block transits.
    KeepCases,
    /// See which boxes there are and how they are.
    SeeEdges,
    /// See to them.
    MindEdges,
    /// Read the audit.
    Oversee,
    /// Appoint and dismiss.
    KeepPersons,
    /// Let another office in.
    Admit,
    /// Be told of what an officer on duty decided.
    ReadNotices,
    /// Sit beside a technician.
    Accompany,
    /// Use gates before others do.
    Claim,
    /// Let records leave the hub, or end before their term.
    Authorise,
    /// Ask for something that another must allow.
    Ask,
    /// See a record whole, as it could be taken away: with crop, id and digest.
    SeeWhole,
    /// Extract records into a package that leaves the hub, by an authorisation.
    Extract,
    /// Correct a text that was misread.
    Correct,
}

impl Deed {
    /// Every deed with its word in the policy.
    pub const ALL: [(Self, &'static str); 22] = [
        (Self::LookUp, "look-up"),
        (Self::Watch, "watch"),
        (Self::FindCompanions, "find-companions"),
        (Self::SeeAlerts, "see-alerts"),
        (Self::Hold, "hold"),
        (Self::Count, "count"),
        (Self::SeeHotlists, "see-hotlists"),
        (Self::KeepHotlists, "keep-hotlists"),
        (Self::KeepCases, "keep-cases"),
        (Self::SeeEdges, "see-edges"),
        (Self::MindEdges, "mind-edges"),
        (Self::Oversee, "oversee"),
        (Self::KeepPersons, "keep-persons"),
        (Self::Admit, "admit"),
        (Self::ReadNotices, "read-notices"),
        (Self::Accompany, "accompany"),
        (Self::Claim, "claim"),
        (Self::Authorise, "authorise"),
        (Self::Ask, "ask"),
        (Self::SeeWhole, "see-whole"),
        (Self::Extract, "extract"),
        (Self::Correct, "correct"),
    ];

    /// What it takes to decide about a request of this kind.
    #[must_use]
    pub fn deciding(what: ApprovalFor) -> Self {
        match what {
            ApprovalFor::Admission => Self::Admit,
            ApprovalFor::Maintenance => Self::Accompany,
            ApprovalFor::Extraction | ApprovalFor::EarlyDeletion | ApprovalFor::PolicyWidening => {
                Self::Authorise
            }
            ApprovalFor::CaseClosing | ApprovalFor::SecondLook | ApprovalFor::BlockLifting => {
                Self::KeepCases
            }
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(deed, _)| *deed == self);
        found.map_or("", |(_, name)| name)
    }

    /// A task that somebody lacks for it; none when the tasks suffice. It names what to ask for; whether the
    /// deed may be done the policy alone says.
    #[must_use]
    pub fn lacking(self, may: &Permissions) -> Option<Permission> {
        let all = |tasks: &[Permission]| tasks.iter().copied().find(|task| !may.has(*task));
        let one = |tasks: &[Permission]| match tasks.iter().any(|task| may.has(*task)) {
            true => None,
            false => tasks.first().copied(),
        };
        match self {
            Self::LookUp | Self::Watch | Self::Correct | Self::Accompany | Self::Claim => {
                all(&[Permission::Lookups])
            }
            Self::FindCompanions => all(&[Permission::Convoys]),
            Self::SeeAlerts => all(&[Permission::Alerts]),
            Self::Hold | Self::Extract => all(&[Permission::Cases, Permission::Lookups]),
            Self::Count => all(&[Permission::Statistics]),
            Self::SeeHotlists => one(&[Permission::Hotlists, Permission::Alerts]),
            Self::KeepHotlists => all(&[Permission::Hotlists]),
            Self::KeepCases | Self::Authorise => all(&[Permission::Cases]),
            Self::SeeEdges => one(&[Permission::Lookups, Permission::Edges]),
            Self::MindEdges => all(&[Permission::Edges]),
            Self::Oversee => all(&[Permission::Oversight]),
            Self::KeepPersons => all(&[Permission::Persons]),
            Self::Admit | Self::ReadNotices => all(&[Permission::Admission]),
            Self::Ask | Self::SeeWhole => None,
        }
    }

    /// Whether it is about transits of gates, so that it matters whose these are.
    #[must_use]
    pub fn is_on_sites(self) -> bool {
        matches!(
            self,
            Self::LookUp
                | Self::Watch
                | Self::FindCompanions
                | Self::SeeAlerts
                | Self::Hold
                | Self::Count
                | Self::Extract
                | Self::Correct
        )
    }
}

/// Gates of one municipality, or those that none has, and what is known of the question about them.
#[derive(Debug, Clone, Copy)]
pub struct OnSite<'a> {
    /// Whose; none when nobody's.
    pub municipality: Option<&'a Municipality>,
    /// For what; none for a count, which shows nobody.
    pub purpose: Option<Purpose>,
    /// What the site may be used for.
    pub purposes: &'a [Purpose],
    /// Under which agreement.
    pub agreement: Option<&'a Agreement>,
    /// Whether an officer on duty let the caller's body in.
    pub admitted: bool,
    /// Whether the first level uses them.
    pub claimed: bool,
    /// When: members join and leave.
    pub now: UtcTime,
}

/// To whom it is left to decide about a request.
#[derive(Debug, Clone, Copy)]
pub enum LeftTo<'a> {
    /// A municipality's own.
    Municipality(&'a Municipality),
    /// This body.
    Body(&'a BodyId),
}

/// The rules, ready to be asked.
pub struct Policy {
    rules: PolicySet,
    words: Words,
    authorizer: Authorizer,
}

impl Policy {
    /// Reads rules, and holds them against the schema.
    ///
    /// # Errors
    /// [`PolicyError::Text`], [`PolicyError::Invalid`].
    pub fn read(text: &str) -> Result<Self, PolicyError> {
        let unread = |error: &dyn std::fmt::Display| PolicyError::Text(error.to_string());
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| unread(&error))?;
        let rules: PolicySet = text.parse().map_err(|error| unread(&error))?;
        let checked = Validator::new(schema.clone()).validate(&rules, ValidationMode::Strict);
        let mut faults = checked.validation_errors().map(ToString::to_string);
        if let Some(fault) = faults.next() {
            return Err(PolicyError::Invalid(fault));
        }
        Ok(Self {
            rules,
            words: Words::of(schema)?,
            authorizer: Authorizer::new(),
        })
    }

    /// The same, with each request held against the schema.
    #[cfg(test)]
    fn strictly(self) -> Self {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
        Self {
            words: self.words.strictly(schema),
            ..self
        }
    }

    /// The rules that come with the hub.
    ///
    /// # Errors
    /// [`PolicyError`]; a bug.
    pub fn built_in() -> Result<Self, PolicyError> {
        Self::read(BUILT_IN)
    }

    /// Whether something may be tried at all, wherever.
    ///
    /// # Errors
    /// [`PolicyError::Entities`]: then it may not.
    pub fn may_try(&self, caller: &Caller, deed: Deed) -> Result<bool, PolicyError> {
        self.decide(&Entities::on_hub(caller, deed, &self.words)?)
    }

    /// Whether something may be done with what gates saw.
    ///
    /// # Errors
    /// [`PolicyError::Entities`]: then it may not.
    pub fn may_on(
        &self,
        caller: &Caller,
        deed: Deed,
        site: &OnSite<'_>,
    ) -> Result<bool, PolicyError> {
        self.decide(&Entities::on_site(caller, deed, site, &self.words)?)
    }

    /// Whether a request may be decided about.
    ///
    /// # Errors
    /// [`PolicyError::Entities`]: then it may not.
    pub fn may_decide(
        &self,
        caller: &Caller,
        deed: Deed,
        left_to: LeftTo<'_>,
    ) -> Result<bool, PolicyError> {
        self.decide(&Entities::on_request(caller, deed, left_to, &self.words)?)
    }

    fn decide(&self, asked: &Entities) -> Result<bool, PolicyError> {
        let answer = self
            .authorizer
            .is_authorized(&asked.request, &self.rules, &asked.all);
        // A rule that could not be evaluated may have been one that forbids.
        if let Some(error) = answer.diagnostics().errors().next() {
            return Err(PolicyError::Entities(error.to_string()));
        }
        Ok(answer.decision() == Decision::Allow)
    }
}
