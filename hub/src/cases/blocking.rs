//! Blocking transits, and lifting blocks on two persons' word (art. 2 c. 1 k): each act with its audit line, in one
//! transaction.

use std::collections::HashSet;
use std::time::Duration;

use varco_proto::ids::TransitId;

use super::case;
use super::desk::CaseDeskError;
use crate::approvals::ApprovalId;
use crate::approvals::approval::Approval;
use crate::approvals::desk::{self as approvals, WantedApproval};
use crate::approvals::subject::ApprovalSubject;
use crate::approvals::using;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::purpose::Grounds;
use crate::audit::told::{Blocked, Told as _};
use crate::audit::{AuditEntry, AuditError};
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::blocks;

/// Unknown transits that a message names; it says how many more there are.
const NAMED_MAX: usize = 5;

/// Transits that are to be blocked, or whose blocks are to be lifted.
#[derive(Debug, Clone, Copy)]
pub struct Blocking<'a> {
    /// Which.
    pub transits: &'a [[u8; 16]],
    /// Those of them that are in the store.
    pub stored: &'a HashSet<[u8; 16]>,
    /// By which order.
    pub order: &'a str,
    /// On which grounds.
    pub grounds: &'a Grounds,
}

impl Blocking<'_> {
    fn entry(
        &self,
        action: Action,
        approval: Option<&ApprovalId>,
        acting: &Acting<'_>,
    ) -> Result<AuditEntry, AuditError> {
        let told = Blocked {
            transits: self.transits.iter().map(hex::encode).collect(),
            order: self.order.to_owned(),
            approval: approval.map(ToString::to_string),
        };
        Ok(AuditEntry {
            grounds: Some(self.grounds.clone()),
            ..told.entry(acting.actor.clone(), action)?
        })
    }

    /// What a request to lift them is about.
    fn lifting(&self) -> Result<ApprovalSubject, CaseDeskError> {
        let ids = self.transits.iter().map(|id| TransitId::try_from(&id[..]));
        let damaged = |_| StoreError::Damaged { what: "transit" };
        Ok(ApprovalSubject::BlockLifting {
            transits: ids.collect::<Result<_, _>>().map_err(damaged)?,
            order: self.order.to_owned(),
            purpose: self.grounds.purpose.as_str().to_owned(),
            case_reference: self.grounds.case_reference.clone(),
        })
    }
}

/// Blocks transits: all of them, or none. They must be in the store or in a case.
///
/// # Errors
/// [`CaseDeskError`].
pub fn block(
    main: &mut Connection,
    blocking: Blocking<'_>,
    acting: &Acting<'_>,
) -> Result<(), CaseDeskError> {
    let entry = blocking.entry(Action::TransitBlocked, None, acting)?;
    acting.act(main, &entry, |main| {
        check_known(main, blocking.transits, blocking.stored, false)?;
        for transit in blocking.transits {
            blocks::block(main, transit, blocking.order, acting.now)?;
        }
        Ok::<_, CaseDeskError>(())
    })
}

/// What came of a person's word that blocks be lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifting {
    /// It is a request now, and another person is waited for.
    Asked(Box<Approval>),
    /// Another had agreed: they are lifted.
    Done,
}

/// Lifts blocks, all of them or none, once another person agreed; asks for that while nobody did.
///
/// # Errors
/// [`CaseDeskError`].
pub fn lift(
    main: &mut Connection,
    blocking: Blocking<'_>,
    acting: &Acting<'_>,
) -> Result<Lifting, CaseDeskError> {
    /// How long the second person's word holds.
    const HOLDS: Duration = Duration::from_secs(86_400);
    let subject = blocking.lifting()?;
    acting.change(main, |main| {
        check_known(main, blocking.transits, blocking.stored, true)?;
        let agreed = approvals::unlocked(main, subject.what(), acting.now)?;
        let agreed = agreed
            .into_iter()
            .find(|one| one.subject == subject && one.asked_by == acting.actor.id());
        let Some(agreed) = agreed else {
            let wanted = WantedApproval {
                subject: subject.clone(),
                reason: blocking.order.to_owned(),
                lasts: HOLDS,
            };
            let (asked, entry) = approvals::ask_within(main, &wanted, acting)?;
            return Ok((Lifting::Asked(Box::new(asked)), entry));
        };
        using::use_up(main, &agreed.id, &subject, acting)?;
        for transit in blocking.transits {
            blocks::lift(main, transit, acting.now)?;
        }
        let entry = blocking.entry(Action::BlockLifted, Some(&agreed.id), acting)?;
        Ok((Lifting::Done, entry))
    })
}

/// Checks that all of these are there to be blocked, or that all are blocked.
fn check_known(
    main: &Connection,
    transits: &[[u8; 16]],
    stored: &HashSet<[u8; 16]>,
    lift: bool,
) -> Result<(), CaseDeskError> {
    let mut unknown = Vec::new();
    for transit in transits {
        let is_known = blocks::has(main, transit)?
            || (!lift && (stored.contains(transit) || case::holds(main, transit)?));
        if !is_known {
            unknown.push(*transit);
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let named = unknown.iter().take(NAMED_MAX);
    let named: Vec<String> = named
        .filter_map(|id| Some(TransitId::try_from(&id[..]).ok()?.to_string()))
        .collect();
    let mut named = named.join(", ");
    if unknown.len() > NAMED_MAX {
        named.push_str(&format!(" and {} more", unknown.len() - NAMED_MAX));
    }
    Err(CaseDeskError::Unknown(if lift {
        format!("only transits that are blocked; these are not, so no block was lifted: {named}")
    } else {
        format!(
            "only transits that are in the store or in a case; these are not, so nothing was \
             blocked: {named}"
        )
    }))
}
