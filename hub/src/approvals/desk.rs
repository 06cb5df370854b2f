//! What people do with requests: asking, deciding, withdrawing, taking back. Each act with its line.

use std::time::Duration;

use serde_json::json;

use super::ApprovalId;
use super::approval::{
    self, Approval, ApprovalDecision, ApprovalEnd, ApprovalError, ApprovalState,
};
use super::subject::{ApprovalFor, ApprovalSubject};
use super::{notices, outcome};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::{Actor, ActorKind};
use crate::audit::told::{ApprovalAsk, ApprovalTurned, ApprovalWord, Told as _};
use crate::audit::{self, AuditEntry, AuditError};
use crate::bodies::BodyId;
use crate::judgement::second_looks::are_one_person;
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Most requests of one person that wait at once.
const WAITING_MAX: usize = 20;
/// Longest reason and note, in characters.
pub const REASON_CHARACTERS_MAX: usize = 500;
/// Shortest time for which a request unlocks.
const SHORTEST: Duration = Duration::from_secs(60);

/// What the policy says of whoever wants to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MayDecide {
    /// They may not.
    No,
    /// They may.
    Yes,
    /// They may, and somebody who answers for this body is told of it when they agree.
    AndTell(BodyId),
}

/// Judges, within the transaction, whether whoever acts may decide about a request at this moment. It reads anew
/// what they are: an office that was lost since they came in counts.
pub trait JudgesDeciders {
    /// What the policy says.
    ///
    /// # Errors
    /// [`ApprovalError`]: then nobody decides.
    fn may_decide(
        &self,
        main: &Connection,
        approval: &Approval,
    ) -> Result<MayDecide, ApprovalError>;
}

/// A request that is to be made.
#[derive(Debug, Clone)]
pub struct WantedApproval {
    /// What it is about.
    pub subject: ApprovalSubject,
    /// Why, in 1 to 500 characters.
    pub reason: String,
    /// For how long it is to be unlocked, from the last word on.
    pub lasts: Duration,
}

/// What somebody says of a request.
#[derive(Debug, Clone)]
pub struct ApprovalSaid {
    /// Whether they agree.
    pub approves: bool,
    /// What they add; may be empty.
    pub note: String,
}

fn is_written(text: &str, least: usize) -> bool {
    let characters = text.trim().chars().count();
    (least..=REASON_CHARACTERS_MAX).contains(&characters)
        && !text.chars().any(|one| one.is_control() && one != '\n')
}

fn expect_person(actor: &Actor) -> Result<BodyId, ApprovalError> {
    let body = actor.body().and_then(|body| body.parse().ok());
    match (actor.kind(), body) {
        (ActorKind::Person, Some(body)) => Ok(body),
        _ => Err(ApprovalError::NoPerson),
    }
}

/// Asks.
///
/// # Errors
/// [`ApprovalError`].
pub fn ask(
    main: &mut Connection,
    wanted: &WantedApproval,
    acting: &Acting<'_>,
) -> Result<Approval, ApprovalError> {
    acting.change(main, |main| ask_within(main, wanted, acting))
}

/// Asks within the caller's transaction; the caller writes the line.
///
/// # Errors
/// [`ApprovalError`].
pub fn ask_within(
    main: &Connection,
    wanted: &WantedApproval,
    acting: &Acting<'_>,
) -> Result<(Approval, AuditEntry), ApprovalError> {
    let body = expect_person(acting.actor)?;
    check(wanted)?;
    let (now, what) = (acting.now, wanted.subject.what());
    let terms = what.terms();
    let own = approval::waiting(main)?.into_iter().filter(|other| {
        other.asked_by == acting.actor.id() && other.state_at(now) == ApprovalState::Waiting
    });
    let own: Vec<Approval> = own.collect();
    if let Some(same) = own.iter().find(|other| other.subject == wanted.subject) {
        return Err(ApprovalError::Waits(same.id.clone()));
    }
    if own.len() >= WAITING_MAX {
        return Err(ApprovalError::TooMany);
    }
    let approval = Approval {
        id: ApprovalId::draw()?,
        subject: wanted.subject.clone(),
        asked_by: acting.actor.id().to_owned(),
        asked_name: acting.actor.name().to_owned(),
        asked_body: body,
        asked_session: acting.actor.session().map(str::to_owned),
        reason: wanted.reason.trim().to_owned(),
        asked_at: now,
        waits_until: now + terms.waits,
        needed: terms.needed,
        lasts: wanted.lasts,
        decisions: Vec::new(),
        decided_at: None,
        until: None,
        used_at: None,
        ended_at: None,
        ended_why: None,
    };
    approval::add(main, &approval)?;
    let entry = asked_line(&approval, acting)?;
    Ok((approval, entry))
}

fn check(wanted: &WantedApproval) -> Result<(), ApprovalError> {
    if let Some(field) = wanted.subject.fault() {
        return Err(ApprovalError::Field(field));
    }
    if !is_written(&wanted.reason, 1) {
        return Err(ApprovalError::Field("reason"));
    }
    let longest = wanted.subject.what().terms().longest;
    match (SHORTEST..=longest).contains(&wanted.lasts) {
        true => Ok(()),
        false => Err(ApprovalError::Lasts(longest)),
    }
}

fn asked_line(approval: &Approval, acting: &Acting<'_>) -> Result<AuditEntry, ApprovalError> {
    let told = ApprovalAsk {
        approval: approval.id.to_string(),
        subject: serde_json::to_value(&approval.subject).map_err(AuditError::from)?,
        reason: approval.reason.clone(),
        waits_until: approval.waits_until,
        lasts_s: approval.lasts.as_secs(),
        needed: approval.needed,
    };
    Ok(told.entry(acting.actor.clone(), Action::ApprovalAsked)?)
}

/// Decides: one refusal refuses, and as many other persons as are needed agree. Gives the request as it stands then.
///
/// # Errors
/// [`ApprovalError`].
pub fn decide(
    main: &mut Connection,
    id: &ApprovalId,
    said: &ApprovalSaid,
    judges: &dyn JudgesDeciders,
    acting: &Acting<'_>,
) -> Result<Approval, ApprovalError> {
    acting.change(main, |main| decide_within(main, id, said, judges, acting))
}

/// Decides within the caller's transaction; the caller writes the line.
///
/// # Errors
/// [`ApprovalError`].
pub fn decide_within(
    main: &Connection,
    id: &ApprovalId,
    said: &ApprovalSaid,
    judges: &dyn JudgesDeciders,
    acting: &Acting<'_>,
) -> Result<(Approval, AuditEntry), ApprovalError> {
    let (now, actor) = (acting.now, acting.actor);
    let body = expect_person(actor)?;
    if !is_written(&said.note, 0) {
        return Err(ApprovalError::Field("note"));
    }
    let before = approval::find(main, id)?.ok_or(ApprovalError::Unknown)?;
    let tells = match judges.may_decide(main, &before)? {
        MayDecide::No if before.asked_by == actor.id() => return Err(ApprovalError::OnePerson),
        MayDecide::No if before.asked_body == body => return Err(ApprovalError::MayNot),
        // Whoever may not decide about another body's request does not learn that there is one.
        MayDecide::No => return Err(ApprovalError::Unknown),
        MayDecide::Yes => None,
        MayDecide::AndTell(body) => Some(body),
    };
    if are_one_person(main, &before.asked_by, actor.id())? {
        return Err(ApprovalError::OnePerson);
    }
    for other in &before.decisions {
        if are_one_person(main, &other.actor_id, actor.id())? {
            return Err(ApprovalError::Twice);
        }
    }
    match before.state_at(now) {
        ApprovalState::Waiting => {}
        settled => return Err(ApprovalError::Settled(settled)),
    }
    let decision = ApprovalDecision {
        actor_id: actor.id().to_owned(),
        name: actor.name().to_owned(),
        body,
        session: actor.session().map(str::to_owned),
        at: now,
        approves: said.approves,
        note: said.note.trim().to_owned(),
    };
    approval::add_decision(main, id, &decision)?;
    let agreed = before.agreed() + usize::from(said.approves);
    let is_enough = u32::try_from(agreed).is_ok_and(|agreed| agreed >= before.needed);
    let until = (said.approves && is_enough).then(|| now + before.lasts);
    if !said.approves || is_enough {
        approval::settle(main, id, until, now)?;
    }
    if let (Some(body), Some(_)) = (&tells, until) {
        notices::leave(main, id, body, now)?;
    }
    let mut after = approval::find(main, id)?.ok_or(ApprovalError::Unknown)?;
    if after.decided_at.is_some() {
        outcome::settled(main, &after, acting)?;
        after = approval::find(main, id)?.ok_or(ApprovalError::Unknown)?;
    }
    let told = ApprovalWord {
        approval: id.to_string(),
        what: after.what().to_string(),
        asked_by: after.asked_by.clone(),
        approves: said.approves,
        note: decision.note,
        state: after.state_at(now).as_str().to_owned(),
        until,
        told: tells
            .filter(|_| until.is_some())
            .map(|body| body.to_string()),
    };
    let entry = told.entry(actor.clone(), Action::ApprovalDecided)?;
    Ok((after, entry))
}

/// Takes one's own request back while it waits.
///
/// # Errors
/// [`ApprovalError`].
pub fn withdraw(
    main: &mut Connection,
    id: &ApprovalId,
    acting: &Acting<'_>,
) -> Result<(), ApprovalError> {
    acting.change(main, |main| {
        let asked = approval::find(main, id)?.ok_or(ApprovalError::Unknown)?;
        if asked.asked_by != acting.actor.id() {
            return Err(ApprovalError::NotTheirs);
        }
        match asked.state_at(acting.now) {
            ApprovalState::Waiting => {}
            settled => return Err(ApprovalError::Settled(settled)),
        }
        approval::end(main, id, ApprovalEnd::Withdrawn, acting.now)?;
        outcome::taken_back(main, &asked, acting.now)?;
        let entry = turned(
            &asked,
            ApprovalEnd::Withdrawn,
            Action::ApprovalWithdrawn,
            acting,
        )?;
        Ok(((), entry))
    })
}

/// Takes back what a request unlocked: whoever may decide about it, or who asked.
///
/// # Errors
/// [`ApprovalError`].
pub fn take_back(
    main: &mut Connection,
    id: &ApprovalId,
    judges: &dyn JudgesDeciders,
    acting: &Acting<'_>,
) -> Result<Approval, ApprovalError> {
    acting.change(main, |main| {
        let before = approval::find(main, id)?.ok_or(ApprovalError::Unknown)?;
        let is_own = before.asked_by == acting.actor.id();
        let is_deciders = before
            .decisions
            .iter()
            .any(|one| one.actor_id == acting.actor.id());
        if !is_own && !is_deciders && judges.may_decide(main, &before)? == MayDecide::No {
            return Err(ApprovalError::Unknown);
        }
        match before.state_at(acting.now) {
            ApprovalState::Approved => {}
            locked => return Err(ApprovalError::Locked(locked)),
        }
        approval::end(main, id, ApprovalEnd::TakenBack, acting.now)?;
        outcome::taken_back(main, &before, acting.now)?;
        let entry = turned(
            &before,
            ApprovalEnd::TakenBack,
            Action::ApprovalEnded,
            acting,
        )?;
        Ok((before, entry))
    })
}

/// Ends, within the caller's transaction, what waits for or unlocks something that is done already; each with its line.
///
/// # Errors
/// [`ApprovalError`].
pub fn end_all_of(
    main: &Connection,
    subject: &ApprovalSubject,
    acting: &Acting<'_>,
) -> Result<(), ApprovalError> {
    let mut all = approval::waiting(main)?;
    all.extend(approval::open(main, subject.what())?);
    for one in all.iter().filter(|one| one.subject == *subject) {
        approval::end(main, &one.id, ApprovalEnd::Over, acting.now)?;
        let entry = turned(one, ApprovalEnd::Over, Action::ApprovalEnded, acting)?;
        audit::append(main, &entry, acting.now, acting.key)?;
    }
    Ok(())
}

/// The line of a request that turned.
pub(super) fn turned(
    of: &Approval,
    why: ApprovalEnd,
    action: Action,
    acting: &Acting<'_>,
) -> Result<AuditEntry, AuditError> {
    let told = ApprovalTurned {
        approval: of.id.to_string(),
        what: of.what().to_string(),
        asked_by: of.asked_by.clone(),
        why: why.as_str().to_owned(),
    };
    told.entry(acting.actor.clone(), action)
}

/// What a person is shown of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalsShown {
    /// Those that wait for them, oldest first.
    pub to_decide: Vec<Approval>,
    /// Those that they could take back: what is unlocked now, by their own word or within what they decide.
    pub unlocked: Vec<Approval>,
    /// Their own, newest first.
    pub asked: Vec<Approval>,
}

/// Shows somebody the requests that concern them; it leaves a line.
///
/// # Errors
/// [`ApprovalError`].
pub fn show(
    main: &mut Connection,
    judges: &dyn JudgesDeciders,
    acting: &Acting<'_>,
) -> Result<ApprovalsShown, ApprovalError> {
    /// Most of one's own that are shown.
    const OWN_MAX: u32 = 50;
    let (now, actor) = (acting.now, acting.actor);
    acting.change(main, |main| {
        let mut shown = ApprovalsShown {
            asked: approval::asked_by(main, actor.id(), OWN_MAX)?,
            ..ApprovalsShown::default()
        };
        for one in approval::waiting(main)? {
            let mut has_said = are_one_person(main, &one.asked_by, actor.id())?;
            for other in &one.decisions {
                has_said |= are_one_person(main, &other.actor_id, actor.id())?;
            }
            let waits = one.state_at(now) == ApprovalState::Waiting;
            if waits && !has_said && judges.may_decide(main, &one)? != MayDecide::No {
                shown.to_decide.push(one);
            }
        }
        for one in approval::all_open(main)? {
            let is_open = one.state_at(now) == ApprovalState::Approved;
            if is_open && judges.may_decide(main, &one)? != MayDecide::No {
                shown.unlocked.push(one);
            }
        }
        let details = json!({
            "to_decide": shown.to_decide.len(), "unlocked": shown.unlocked.len(),
            "asked": shown.asked.len(),
        });
        let entry = AuditEntry::plain(actor.clone(), Action::ApprovalsListed, details);
        Ok((shown, entry))
    })
}

/// What of one kind is unlocked at a moment.
///
/// # Errors
/// [`StoreError`].
pub fn unlocked(
    main: &Connection,
    what: ApprovalFor,
    now: varco_proto::time::UtcTime,
) -> Result<Vec<Approval>, StoreError> {
    let mut open = approval::open(main, what)?;
    open.retain(|one| one.state_at(now) == ApprovalState::Approved);
    Ok(open)
}
