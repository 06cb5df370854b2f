//! Appointments: by which act a person works for a body, as what, with which tasks, and from when until when
//! (art. 7 of Perugia's regulation). This module owns the table `appointments`.
//!
//! A person has one at a time: a new one ends the one before. One that ended stays, for the lines that name it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use varco_proto::time::UtcTime;

use super::actors;
use super::tokens::Permissions;
use crate::bodies::BodyId;
use crate::store::sql::{Connection, OptionalExtension as _, Row, params};
use crate::store::{Doing as _, StoreError};

/// The table, and whose body each actor is of, for [`crate::store::migrate`]. Those of a version before work for
/// whoever runs the hub.
pub const SCHEMA: &str = "
    ALTER TABLE actors ADD COLUMN body TEXT NOT NULL DEFAULT 'owner';
    CREATE TABLE appointments (
        number INTEGER PRIMARY KEY,
        actor_id TEXT NOT NULL,
        body TEXT NOT NULL,
        role TEXT NOT NULL,
        may TEXT NOT NULL,
        act TEXT NOT NULL,
        is_police INTEGER NOT NULL CHECK (is_police IN (0, 1)),
        trained_on TEXT,
        from_us INTEGER NOT NULL,
        until_us INTEGER,
        made_at_us INTEGER NOT NULL,
        ended_at_us INTEGER
    ) STRICT;
    CREATE INDEX appointments_by_actor ON appointments (actor_id, number);";

/// As what a person works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Answers for the body's use of the system (*responsabile*, art. 6).
    Responsible,
    /// The officer on duty in the operations room who lets others in (*Tenente*, *Maresciallo addetto*, art. 8
    /// c. 2 A a3).
    DutyOfficer,
    /// Works in the operations room: views, records, extracts (art. 7 c. 4).
    Operator,
    /// Works in the guard corps: views, and extracts nothing (art. 7 c. 4).
    GuardCorps,
    /// Watches over the rest and sees no transit: the controller, the data protection officer (art. 6 c. 5).
    Oversight,
    /// Runs the hub, and sees no transit.
    Administrator,
    /// Comes from a firm that maintains it (art. 8 c. 2 A a4).
    Maintenance,
}

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no such role; there are {}", roles())]
pub struct RoleError;

fn roles() -> String {
    Role::ALL.map(|(_, name)| name).join(", ")
}

impl Role {
    /// Every role with its word.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Responsible, "responsible"),
        (Self::DutyOfficer, "duty-officer"),
        (Self::Operator, "operator"),
        (Self::GuardCorps, "guard-corps"),
        (Self::Oversight, "oversight"),
        (Self::Administrator, "administrator"),
        (Self::Maintenance, "maintenance"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(role, _)| *role == self);
        found.map_or("", |(_, name)| name)
    }
}

impl FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Self, RoleError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(role, _)| *role).ok_or(RoleError)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// Whom.
    pub actor_id: String,
    /// For which body.
    pub body: BodyId,
    /// As what.
    pub role: Role,
    /// The tasks that the act names: nothing else, whatever the role could do.
    pub may: Permissions,
    /// The act, as people refer to it.
    pub act: String,
    /// Whether they are officers or agents of Judicial Police (art. 57 of the code; art. 7 c. 2).
    pub is_police: bool,
    /// The day on which they were last trained (art. 7 c. 3), RFC 3339; none while nobody noted it.
    pub trained_on: Option<String>,
    /// From when.
    pub from: UtcTime,
    /// The first moment in which it does not hold any more; none while no end is set.
    pub until: Option<UtcTime>,
    /// When it was written here.
    pub made_at: UtcTime,
    /// When it was ended before its end.
    pub ended_at: Option<UtcTime>,
}

impl Appointment {
    /// Whether there is a moment, from now on, in which both hold.
    #[must_use]
    pub(super) fn meets(&self, other: &Self, now: UtcTime) -> bool {
        let lasts = |one: &Self, from: UtcTime| {
            one.ended_at.is_none() && one.until.is_none_or(|until| until > from.max(now))
        };
        lasts(self, other.from) && lasts(other, self.from)
    }

    /// Whether it holds at a moment. What was ended has ended, also for a clock that was set back.
    #[must_use]
    pub fn holds_at(&self, now: UtcTime) -> bool {
        self.from <= now && self.is_before_its_end(now) && self.ended_at.is_none()
    }

    /// Whether the end that its act set is still to come.
    #[must_use]
    pub(super) fn is_before_its_end(&self, now: UtcTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

const COLUMNS: &str = "actor_id, body, role, may, act, is_police, trained_on, from_us, until_us,
    made_at_us, ended_at_us";

/// The newest appointment of a person, whether it holds or not.
///
/// # Errors
/// [`StoreError`].
pub fn newest(main: &Connection, actor_id: &str) -> Result<Option<Appointment>, StoreError> {
    const DOING: &str = "look an appointment up";
    let sql = format!(
        "SELECT {COLUMNS} FROM appointments WHERE actor_id = ? ORDER BY number DESC LIMIT 1"
    );
    let mut statement = main.prepare_cached(&sql).doing(DOING)?;
    let found = statement.query_row([actor_id], |row| Ok(from_row(row)));
    found.optional().doing(DOING)?.transpose()
}

/// The appointment of a person that holds at a moment.
///
/// # Errors
/// [`StoreError`].
pub fn of(
    main: &Connection,
    actor_id: &str,
    now: UtcTime,
) -> Result<Option<Appointment>, StoreError> {
    Ok(newest(main, actor_id)?.filter(|newest| newest.holds_at(now)))
}

/// What a person may do by the appointment that holds; none when none does.
///
/// # Errors
/// [`StoreError`].
pub fn permissions(
    main: &Connection,
    actor_id: &str,
    now: UtcTime,
) -> Result<Option<Permissions>, StoreError> {
    Ok(of(main, actor_id, now)?.map(|appointment| appointment.may))
}

/// The appointment by which somebody is responsible for a body at a moment.
///
/// # Errors
/// [`StoreError`].
pub fn responsible(
    main: &Connection,
    body: &BodyId,
    now: UtcTime,
) -> Result<Option<Appointment>, StoreError> {
    let is_it = |held: &Appointment| {
        held.role == Role::Responsible && held.body == *body && held.holds_at(now)
    };
    Ok(all(main)?.into_iter().find(is_it))
}

/// Every appointment, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn all(main: &Connection) -> Result<Vec<Appointment>, StoreError> {
    const DOING: &str = "list the appointments";
    let sql = format!("SELECT {COLUMNS} FROM appointments ORDER BY number");
    let mut statement = main.prepare(&sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        all.push(from_row(row)?);
    }
    Ok(all)
}

fn from_row(row: &Row<'_>) -> Result<Appointment, StoreError> {
    const DOING: &str = "read an appointment";
    const DAMAGED: StoreError = StoreError::Damaged {
        what: "appointment",
    };
    let text = |at: usize| row.get::<_, String>(at).doing(DOING);
    let time = |at: usize| row.get(at).map(UtcTime::from_unix_us).doing(DOING);
    let end = |at: usize| {
        let end: Option<i64> = row.get(at).doing(DOING)?;
        Ok::<_, StoreError>(end.map(UtcTime::from_unix_us))
    };
    Ok(Appointment {
        actor_id: text(0)?,
        body: text(1)?.parse().map_err(|_| DAMAGED)?,
        role: text(2)?.parse().map_err(|_| DAMAGED)?,
        may: Permissions::read(&text(3)?).ok_or(DAMAGED)?,
        act: text(4)?,
        is_police: row.get(5).doing(DOING)?,
        trained_on: row.get(6).doing(DOING)?,
        from: time(7)?,
        until: end(8)?,
        made_at: time(9)?,
        ended_at: end(10)?,
    })
}

/// Writes an appointment down; the person works for its body from then on.
///
/// # Errors
/// [`StoreError`].
pub(super) fn add(main: &Connection, appointment: &Appointment) -> Result<(), StoreError> {
    const DOING: &str = "write the appointment down";
    end(main, &appointment.actor_id, appointment.made_at)?;
    let sql =
        format!("INSERT INTO appointments ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)");
    main.execute(
        &sql,
        params![
            appointment.actor_id,
            appointment.body.as_str(),
            appointment.role.as_str(),
            appointment.may.to_text(),
            appointment.act,
            appointment.is_police,
            appointment.trained_on,
            appointment.from.unix_us(),
            appointment.until.map(UtcTime::unix_us),
            appointment.made_at.unix_us(),
        ],
    )
    .doing(DOING)?;
    actors::assign(main, &appointment.actor_id, &appointment.body)
}

/// Ends the appointments of a person whose own end has come.
///
/// # Errors
/// [`StoreError`].
pub(super) fn end_over(main: &Connection, actor_id: &str, now: UtcTime) -> Result<(), StoreError> {
    let sql = "UPDATE appointments SET ended_at_us = ?2 WHERE actor_id = ?1
        AND ended_at_us IS NULL AND until_us <= ?2";
    main.execute(sql, params![actor_id, now.unix_us()])
        .doing("end an appointment whose time is over")?;
    Ok(())
}

/// Ends whatever appointment a person has. Gives how many ended.
///
/// # Errors
/// [`StoreError`].
pub(super) fn end(main: &Connection, actor_id: &str, now: UtcTime) -> Result<usize, StoreError> {
    let sql = "UPDATE appointments SET ended_at_us = ?2 WHERE actor_id = ?1
        AND ended_at_us IS NULL AND (until_us IS NULL OR until_us > ?2)";
    main.execute(sql, params![actor_id, now.unix_us()])
        .doing("end an appointment")
}
