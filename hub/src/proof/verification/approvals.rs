//! Requests held against the lines: nothing is unlocked that no two persons unlocked, and nothing lives again that was
//! used up or ended. A row that is gone unlocks nothing, and is no fault.

use std::collections::BTreeMap;

use varco_proto::time::UtcTime;

use crate::approvals::approval::{self, Approval};
use crate::approvals::subject::ApprovalFor;
use crate::audit::AuditLine;
use crate::audit::action::Action;
use crate::audit::told::{ApprovalAsk, ApprovalTurned, ApprovalUsedUp, ApprovalWord, Told};
use crate::proof::verification::tables::Held;
use crate::store::StoreError;
use crate::store::sql::Connection;

/// What lines tell of one request.
#[derive(Debug, Default)]
struct ToldApproval {
    subject: serde_json::Value,
    asked_by: Option<String>,
    /// Who agreed, by id.
    agreed: Vec<String>,
    until: Option<UtcTime>,
    is_used: bool,
    is_ended: bool,
}

/// What lines tell of requests, by id.
#[derive(Debug, Default)]
pub(super) struct ToldApprovals(BTreeMap<String, ToldApproval>);

impl ToldApprovals {
    /// Takes a line in; none when it does not say what a line of its action says.
    pub(super) fn take(&mut self, action: Action, line: &AuditLine) -> Option<()> {
        match action {
            Action::ApprovalAsked => {
                let asked = ApprovalAsk::of(line).ok()?;
                let told = self.0.entry(asked.approval).or_default();
                told.subject = asked.subject;
                told.asked_by.clone_from(&line.actor_id);
            }
            Action::ApprovalDecided => {
                let word = ApprovalWord::of(line).ok()?;
                let told = self.0.entry(word.approval).or_default();
                if word.approves {
                    told.agreed.extend(line.actor_id.clone());
                }
                told.until = word.until.or(told.until);
            }
            Action::ApprovalUsed => {
                let used = ApprovalUsedUp::of(line).ok()?;
                self.0.entry(used.approval).or_default().is_used = true;
            }
            Action::ApprovalWithdrawn | Action::ApprovalExpired | Action::ApprovalEnded => {
                let turned = ApprovalTurned::of(line).ok()?;
                self.0.entry(turned.approval).or_default().is_ended = true;
            }
            _ => {}
        }
        Some(())
    }

    /// Whether two persons' word, one who asked and another who agreed, let this be done, and it was.
    pub(super) fn was_used(&self, id: &str, what: ApprovalFor) -> bool {
        self.0.get(id).is_some_and(|told| {
            let is_for = told.subject.get("for").and_then(serde_json::Value::as_str);
            let mut agreed = told.agreed.iter();
            is_for == Some(what.as_str())
                && told.is_used
                && agreed.any(|by| Some(by) != told.asked_by.as_ref())
        })
    }

    /// A restore ended them again.
    pub(super) fn end_again(&mut self, ids: Vec<String>) {
        for id in ids {
            self.0.entry(id).or_default().is_ended = true;
        }
    }

    /// What is wrong with a row; none when it is as the lines tell.
    fn fault(&self, row: &Approval) -> Option<&'static str> {
        let Some(told) = self.0.get(row.id.as_str()) else {
            return Some("no line made it");
        };
        let subject = serde_json::to_value(&row.subject).ok();
        let is_asked = told.asked_by.as_deref() == Some(&*row.asked_by);
        if subject.as_ref() != Some(&told.subject) || !is_asked {
            return Some("it is not what its line says");
        }
        let mut agreed = row.decisions.iter().filter(|one| one.approves);
        if !agreed.all(|one| told.agreed.contains(&one.actor_id)) || row.until > told.until {
            return Some("somebody agreed, and no line says so");
        }
        let is_open = row.used_at.is_none() && row.ended_at.is_none();
        ((told.is_used || told.is_ended) && is_open)
            .then_some("a line ended it, and its row says that it lives")
    }
}

/// Holds requests against their lines.
///
/// # Errors
/// [`StoreError`].
pub(super) fn hold(
    held: &mut Held,
    main: &Connection,
    told: &ToldApprovals,
) -> Result<(), StoreError> {
    for row in approval::all(main)? {
        if let Some(what) = told.fault(&row) {
            held.note("approvals", row.id.as_str(), what);
        }
    }
    Ok(())
}
