//! Second looks as requests: who was stopped by the rule against misuse asks, and another person of their body decides.
//! The plate stays sealed in `judgement`, and only whoever may decide is shown it.

use serde_json::json;

use super::approval::{self, Approval, ApprovalError, ApprovalState};
use super::desk::{self, JudgesDeciders, MayDecide, WantedApproval};
use super::subject::{ApprovalSubject, LookSubject};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::{self, AuditEntry};
use crate::judgement::desk as judging;
use crate::judgement::judge::{Judge, Searcher};
use crate::judgement::rule::Nearness;
use crate::judgement::second_looks::{self, HOLDS, WaitingLook, are_one_person};
use crate::judgement::words;
use crate::plates::pattern::PlatePattern;
use crate::store::sql::Connection;

/// A second look that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookAsked {
    /// The request.
    pub approval: Approval,
    /// The rule that needs it, and why.
    pub why: Nearness,
}

/// A request for a second look, with the plate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookToDecide {
    /// The request.
    pub approval: Approval,
    /// What it is about.
    pub look: WaitingLook,
}

/// Asks for a second person, for a search that the rule stops; with the lines of both.
///
/// # Errors
/// [`ApprovalError`].
pub fn ask(
    main: &mut Connection,
    judge: &Judge,
    searcher: &Searcher<'_>,
    pattern: &PlatePattern,
    acting: &Acting<'_>,
) -> Result<LookAsked, ApprovalError> {
    acting.change(main, |main| {
        let (asked, entry) = judging::ask_within(main, judge, searcher, pattern, acting)?;
        audit::append(main, &entry, acting.now, acting.key)?;
        let wanted = WantedApproval {
            subject: ApprovalSubject::SecondLook(LookSubject {
                number: asked.number,
                rule: asked.why.rule.as_str().to_owned(),
                purpose: searcher.grounds.purpose.as_str().to_owned(),
                case_reference: searcher.grounds.case_reference.clone(),
            }),
            reason: words::stopped(&asked.why).it,
            lasts: HOLDS,
        };
        let (approval, entry) = desk::ask_within(main, &wanted, acting)?;
        let why = asked.why;
        Ok((LookAsked { approval, why }, entry))
    })
}

/// The second looks that wait for whoever acts, oldest first, with their plates; it leaves a line.
///
/// # Errors
/// [`ApprovalError`].
pub fn waiting(
    main: &mut Connection,
    judge: &Judge,
    judges: &dyn JudgesDeciders,
    acting: &Acting<'_>,
) -> Result<Vec<LookToDecide>, ApprovalError> {
    let (now, actor) = (acting.now, acting.actor);
    acting.change(main, |main| {
        let mut all = Vec::new();
        for approval in approval::waiting(main)? {
            let ApprovalSubject::SecondLook(LookSubject { number, .. }) = approval.subject else {
                continue;
            };
            if approval.state_at(now) != ApprovalState::Waiting
                || are_one_person(main, &approval.asked_by, actor.id())?
                || judges.may_decide(main, &approval)? == MayDecide::No
            {
                continue;
            }
            if let Some(look) = second_looks::one(main, &judge.key, number, now)? {
                all.push(LookToDecide { approval, look });
            }
        }
        let details = json!({ "waiting": all.len() });
        let entry = AuditEntry::plain(actor.clone(), Action::SecondLooksListed, details);
        Ok((all, entry))
    })
}
