//! Persons are appointed and dismissed, each with its line.

use serde_json::json;
use thiserror::Error;
use varco_proto::time::UtcTime;

use super::actors::{self, ActorError};
use super::appointments::{self, Appointment, Role};
use super::tokens::Permissions;
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::{Actor, ActorKind};
use crate::audit::{self, AuditEntry, AuditError};
use crate::bodies::{self, BodyId};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Longest reference of an act, in characters.
const ACT_CHARACTERS_MAX: usize = 200;

/// Nobody was appointed or dismissed.
#[derive(Debug, Error)]
pub enum AppointingError {
    /// The name.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// There is none.
    #[error("there is no body `{0}`; `varco-hub body list` shows those there are")]
    Body(BodyId),
    /// There is none.
    #[error("nobody called `{0}` is appointed; `varco-hub person list` shows who is")]
    Unknown(String),
    /// It must be said.
    #[error(
        "say the act that appoints them, in 3 to {ACT_CHARACTERS_MAX} characters: its number, date and office"
    )]
    Act,
    /// Its time.
    #[error("an appointment ends after it begins, and not in the past")]
    Term,
    /// One answers, and no two.
    #[error(
        "`{0}` is responsible for the body then: a body has one responsible person at a time; appoint the new one \
         with --in-place-of"
    )]
    HasResponsible(String),
    /// Only who answers now is replaced, and from now on.
    #[error("`{0}` is not responsible for the body now, or the new appointment begins later")]
    NotInPlace(String),
    /// The day.
    #[error("the day of the training is written YYYY-MM-DD and lies in the past")]
    Training,
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an appointment is to be.
#[derive(Debug, Clone)]
pub struct WantedAppointment {
    /// Whom; made when nobody bears the name.
    pub name: String,
    /// For which body.
    pub body: BodyId,
    /// As what.
    pub role: Role,
    /// Which tasks.
    pub may: Permissions,
    /// By which act.
    pub act: String,
    /// Whether they are of Judicial Police.
    pub is_police: bool,
    /// When they were last trained: YYYY-MM-DD.
    pub trained_on: Option<String>,
    /// From when.
    pub from: UtcTime,
    /// Until when.
    pub until: Option<UtcTime>,
}

/// Appoints a person. It ends the appointment that they had.
///
/// # Errors
/// [`AppointingError`].
pub fn appoint(
    main: &mut Connection,
    wanted: &WantedAppointment,
    acting: &Acting<'_>,
) -> Result<Actor, AppointingError> {
    acting.change(main, |main| appoint_within(main, wanted, None, acting))
}

/// Appoints who is responsible for a body from now on, in the place of who is, whose appointment ends with it.
///
/// # Errors
/// [`AppointingError`].
pub fn appoint_in_place_of(
    main: &mut Connection,
    wanted: &WantedAppointment,
    before: &str,
    acting: &Acting<'_>,
) -> Result<Actor, AppointingError> {
    acting.change(main, |main| {
        let not_in_place = || AppointingError::NotInPlace(before.to_owned());
        let actor = actors::of_name(main, before)?.ok_or_else(not_in_place)?;
        let held = appointments::responsible(main, &wanted.body, acting.now)?;
        let is_it = held.is_some_and(|held| held.actor_id == actor.id());
        if !is_it || wanted.role != Role::Responsible || wanted.from > acting.now {
            return Err(not_in_place());
        }
        appointments::end(main, actor.id(), acting.now)?;
        appoint_within(main, wanted, Some(&actor), acting)
    })
}

/// Whether a text can refer to an act: 3 to 200 characters that can be read.
pub(super) fn is_reference(text: &str) -> bool {
    let characters = text.trim().chars().count();
    (3..=ACT_CHARACTERS_MAX).contains(&characters) && !text.chars().any(char::is_control)
}

/// The first moment of a day that is written YYYY-MM-DD.
pub(super) fn day_of(day: &str) -> Option<UtcTime> {
    let midnight = format!("{day}T00:00:00Z").parse().ok();
    midnight.filter(|_| day.len() == "2026-01-01".len())
}

/// Refuses a second person who would be responsible for the same body at the same time.
fn expect_alone(main: &Connection, new: &Appointment, now: UtcTime) -> Result<(), AppointingError> {
    for held in appointments::all(main)? {
        let is_other = held.role == Role::Responsible
            && held.body == new.body
            && held.actor_id != new.actor_id;
        if is_other && held.meets(new, now) {
            let name = actors::of_id(main, &held.actor_id)?;
            let name = name.map_or(held.actor_id, |actor| actor.name().to_owned());
            return Err(AppointingError::HasResponsible(name));
        }
    }
    Ok(())
}

fn appoint_within(
    main: &Connection,
    wanted: &WantedAppointment,
    in_place_of: Option<&Actor>,
    acting: &Acting<'_>,
) -> Result<(Actor, AuditEntry), AppointingError> {
    if !is_reference(&wanted.act) {
        return Err(AppointingError::Act);
    }
    let ends = |until: UtcTime| until > wanted.from && until > acting.now;
    if !wanted.until.is_none_or(ends) {
        return Err(AppointingError::Term);
    }
    let trained = |day: &String| day_of(day).is_some_and(|day| day <= acting.now);
    if !wanted.trained_on.as_ref().is_none_or(trained) {
        return Err(AppointingError::Training);
    }
    let body = bodies::find(main, &wanted.body)?.filter(|body| body.holds());
    if body.is_none() {
        return Err(AppointingError::Body(wanted.body.clone()));
    }
    let actor = actors::named(main, &wanted.name, ActorKind::Person, acting.now)?;
    let before = appointments::of(main, actor.id(), acting.now)?;
    let appointment = Appointment {
        actor_id: actor.id().to_owned(),
        body: wanted.body.clone(),
        role: wanted.role,
        may: wanted.may.clone(),
        act: wanted.act.trim().to_owned(),
        is_police: wanted.is_police,
        trained_on: wanted.trained_on.clone(),
        from: wanted.from,
        until: wanted.until,
        made_at: acting.now,
        ended_at: None,
    };
    if appointment.role == Role::Responsible {
        expect_alone(main, &appointment, acting.now)?;
    }
    appointments::add(main, &appointment)?;
    let details = json!({
        "for": actor.name(), "actor_id": actor.id(), "body": appointment.body,
        "role": appointment.role.as_str(), "may": appointment.may.to_text(),
        "act": appointment.act, "is_police": appointment.is_police,
        "trained_on": appointment.trained_on, "from": appointment.from,
        "until": appointment.until,
        "in_place_of": in_place_of.map(|was| json!({ "name": was.name(), "actor_id": was.id() })),
        "before": before.map(|was| json!({
            "body": was.body, "role": was.role.as_str(), "may": was.may.to_text(), "act": was.act,
        })),
    });
    let entry = AuditEntry::plain(acting.actor.clone(), Action::PersonAppointed, details);
    Ok((actor, entry))
}

/// Ends for good the appointments whose time is over by now: a clock that is set back afterwards brings none of
/// them back. Within
/// the caller's transaction; gives how many.
///
/// # Errors
/// [`AuditError`]; the caller rolls back, and all are over by their own time.
pub fn end_over(main: &Connection, acting: &Acting<'_>) -> Result<usize, AuditError> {
    let is_over =
        |held: &Appointment| held.ended_at.is_none() && !held.is_before_its_end(acting.now);
    let over = appointments::all(main)?.into_iter().filter(is_over);
    let mut ended = 0;
    for held in over {
        appointments::end_over(main, &held.actor_id, acting.now)?;
        let name = actors::of_id(main, &held.actor_id)?;
        let details = json!({
            "for": name.as_ref().map(Actor::name), "actor_id": held.actor_id, "body": held.body,
            "role": held.role.as_str(), "act": held.act, "why": "its time is over",
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::PersonDismissed, details);
        audit::append(main, &entry, acting.now, acting.key)?;
        ended += 1;
    }
    Ok(ended)
}

/// Ends a person's appointment: from now on they may nothing.
///
/// # Errors
/// [`AppointingError`].
pub fn dismiss(
    main: &mut Connection,
    name: &str,
    why: &str,
    acting: &Acting<'_>,
) -> Result<Appointment, AppointingError> {
    acting.change(main, |main| {
        let unknown = || AppointingError::Unknown(name.to_owned());
        let actor = actors::of_name(main, name)?.ok_or_else(unknown)?;
        let held = appointments::newest(main, actor.id())?.ok_or_else(unknown)?;
        if appointments::end(main, actor.id(), acting.now)? == 0 {
            return Err(unknown());
        }
        let details = json!({
            "for": actor.name(), "actor_id": actor.id(), "body": held.body,
            "role": held.role.as_str(), "act": held.act, "why": why,
        });
        let entry = AuditEntry::plain(acting.actor.clone(), Action::PersonDismissed, details);
        Ok((held, entry))
    })
}
