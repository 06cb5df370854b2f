//! The term of lines: a year at least, then their texts end, with the plates and the names in them.
//!
//! What stays of a line ([`crate::audit::log::Remains`]) keeps chain and tree whole, and a line tells which have ended.
//!
//! Lines that made what stands in the tables, or that prove a destruction, stay: tables are held against them.
//! They name no plate. This module owns the table `audit_ended`.

use std::time::Duration;

use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{LinesEnded, Told as _};
use crate::audit::{AuditError, AuditLine, append};
use crate::store::sql::{Connection, OptionalExtension as _, TransactionBehavior, params};
use crate::store::{Doing as _, number};

/// Least span that a line is kept: the year of Perugia's regulation (art. 9 c. 2 C c4), and a day.
pub const TERM_MIN: Duration = Duration::from_secs(366 * DAY_S);
const DAY_S: u64 = 86_400;
const DAY_US: i64 = 86_400_000_000;
/// Most lines that end in one commit.
const LINES_MAX: i64 = 10_000;
const ENDING: &str = "end audit lines";

/// Before which moment lines have ended; and that nothing else of a line may ever be changed.
pub const SCHEMA_ENDED: &str = "
    CREATE TABLE audit_ended (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        before_us INTEGER NOT NULL
    ) STRICT;
    INSERT INTO audit_ended VALUES (1, 0);
    CREATE TRIGGER audit_ended_goes_on BEFORE UPDATE ON audit_ended
        WHEN NEW.before_us < OLD.before_us
        BEGIN SELECT raise(ABORT, 'what has ended stays ended'); END;
    CREATE TRIGGER audit_ended_stays BEFORE DELETE ON audit_ended
        BEGIN SELECT raise(ABORT, 'what has ended stays ended'); END;
    DROP TRIGGER audit_is_never_changed;
    CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
        WHEN NOT (NEW.sequence = OLD.sequence AND NEW.at_us = OLD.at_us AND NEW.digest = OLD.digest
            AND NEW.signature = OLD.signature AND NEW.line = '' AND NEW.actor = ''
            AND NEW.action = '' AND OLD.action NOT IN (
                'hub-initialised', 'edge-added', 'edge-enrolled', 'edge-revoked', 'token-issued',
                'token-revoked', 'tables-noted', 'case-opened', 'case-closing-asked', 'case-closed',
                'hotlist-made', 'hotlist-closed', 'transit-blocked', 'block-lifted',
                'partition-begun', 'partition-expired', 'transits-purged', 'transits-expired',
                'hub-restored', 'witnesses-changed', 'audit-lines-ended')
            AND OLD.at_us < (SELECT before_us FROM audit_ended WHERE id = 1))
        BEGIN SELECT raise(ABORT, 'audit lines are never changed'); END;
    CREATE INDEX audit_by_time ON audit (at_us) WHERE line <> '';";

/// More lines stay, since more tables are held against theirs.
pub const SCHEMA_STAYING: &str = "
    DROP TRIGGER audit_is_never_changed;
    CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
        WHEN NOT (NEW.sequence = OLD.sequence AND NEW.at_us = OLD.at_us AND NEW.digest = OLD.digest
            AND NEW.signature = OLD.signature AND NEW.line = '' AND NEW.actor = ''
            AND NEW.action = '' AND OLD.action NOT IN (
                'hub-initialised', 'edge-added', 'edge-enrolled', 'edge-revoked', 'token-issued',
                'token-revoked', 'tables-noted', 'case-opened', 'case-closing-asked', 'case-closed',
                'hotlist-made', 'hotlist-closed', 'transit-blocked', 'block-lifted', 'partition-begun',
                'partition-expired', 'transits-purged', 'transits-expired', 'transits-erased',
                'hub-restored', 'witnesses-changed', 'audit-lines-ended', 'person-appointed', 'person-dismissed',
                'functions-delegated', 'delegation-ended', 'key-handed-over', 'staff-entered',
                'staff-ended', 'body-changed', 'reference-form-set', 'body-ended', 'purposes-set',
                'agreement-made', 'agreement-led', 'agreement-ended', 'agreement-joined', 'agreement-left',
                'municipality-changed', 'municipality-ceased', 'gate-given', 'destruction-certified',
                'access-entered', 'access-left', 'access-entries-ended', 'standing-permit-made',
                'standing-permit-ended', 'webhook-made', 'webhook-removed', 'gate-placed', 'edge-allowed',
                'edge-invited', 'account-invited', 'account-opened', 'account-disabled', 'account-enabled',
                'accounts-told', 'post-invited', 'post-enrolled', 'post-revoked', 'passkey-made',
                'passkey-revoked')
            AND OLD.at_us < (SELECT before_us FROM audit_ended WHERE id = 1))
        BEGIN SELECT raise(ABORT, 'audit lines are never changed'); END;";

/// Lines that stay, as the trigger of [`SCHEMA_STAYING`] names them too.
pub const STAYING: [Action; 62] = [
    Action::HubInitialised,
    Action::EdgeAdded,
    Action::EdgeEnrolled,
    Action::EdgeRevoked,
    Action::TokenIssued,
    Action::TokenRevoked,
    Action::TablesNoted,
    Action::CaseOpened,
    Action::CaseClosingAsked,
    Action::CaseClosed,
    Action::HotlistMade,
    Action::HotlistClosed,
    Action::TransitBlocked,
    Action::BlockLifted,
    Action::PartitionBegun,
    Action::PartitionExpired,
    Action::TransitsPurged,
    Action::TransitsExpired,
    Action::TransitsErased,
    Action::HubRestored,
    Action::WitnessesChanged,
    Action::AuditLinesEnded,
    Action::PersonAppointed,
    Action::PersonDismissed,
    Action::FunctionsDelegated,
    Action::DelegationEnded,
    Action::KeyHandedOver,
    Action::StaffEntered,
    Action::StaffEnded,
    Action::BodyChanged,
    Action::ReferenceFormSet,
    Action::BodyEnded,
    Action::PurposesSet,
    Action::AgreementMade,
    Action::AgreementLed,
    Action::AgreementEnded,
    Action::AgreementJoined,
    Action::AgreementLeft,
    Action::MunicipalityChanged,
    Action::MunicipalityCeased,
    Action::GateGiven,
    Action::DestructionCertified,
    Action::AccessEntered,
    Action::AccessLeft,
    Action::AccessEntriesEnded,
    Action::StandingPermitMade,
    Action::StandingPermitEnded,
    Action::WebhookMade,
    Action::WebhookRemoved,
    Action::GatePlaced,
    Action::EdgeAllowed,
    Action::EdgeInvited,
    Action::AccountInvited,
    Action::AccountOpened,
    Action::AccountDisabled,
    Action::AccountEnabled,
    Action::AccountsTold,
    Action::PostInvited,
    Action::PostEnrolled,
    Action::PostRevoked,
    Action::PasskeyMade,
    Action::PasskeyRevoked,
];

/// Ends the texts of lines that are past their term, some at a time, each time with a line that tells which. `now`
/// is a moment that is vouched for. Gives what ended; none when nothing is due.
///
/// # Errors
/// [`AuditError`]; nothing has ended then.
pub fn end_due(
    main: &mut Connection,
    term: Duration,
    now: UtcTime,
    key: &SealingKey,
) -> Result<Option<LinesEnded>, AuditError> {
    let before = (now - term.max(TERM_MIN)).unix_us();
    // Whole days: a line of its own for each hour would be more than what it ends.
    let before = before.div_euclid(DAY_US) * DAY_US;
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing(ENDING)?;
    let mut staying = Vec::new();
    for action in STAYING {
        staying.push(action.name()?);
    }
    let staying = serde_json::to_string(&staying)?;
    let due = "SELECT sequence FROM audit WHERE line <> '' AND at_us < ?1
         AND action NOT IN (SELECT value FROM json_each(?2)) ORDER BY sequence LIMIT ?3";
    let sql = format!("SELECT min(sequence), max(sequence), count(*) FROM ({due})");
    let found = transaction
        .query_row(&sql, params![before, staying, LINES_MAX], |row| {
            let (first, last): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
            Ok((first.zip(last), row.get::<_, i64>(2)?))
        })
        .optional()
        .doing(ENDING)?;
    let Some((Some((first, last)), count)) = found else {
        return Ok(None);
    };
    transaction
        .execute(
            "UPDATE audit_ended SET before_us = max(before_us, ?) WHERE id = 1",
            [before],
        )
        .doing(ENDING)?;
    let sql =
        format!("UPDATE audit SET line = '', actor = '', action = '' WHERE sequence IN ({due})");
    transaction
        .execute(&sql, params![before, staying, LINES_MAX])
        .doing(ENDING)?;
    let told = LinesEnded {
        first: number::unsigned(first, "audit line")?,
        last: number::unsigned(last, "audit line")?,
        lines: number::unsigned(count, "audit line")?,
        before: UtcTime::from_unix_us(before),
    };
    let entry = told.entry(Actor::hub(), Action::AuditLinesEnded)?;
    append(&transaction, &entry, now, key)?;
    transaction.commit().doing(ENDING)?;
    Ok(Some(told))
}

/// Lines without a text, and the lines that tell of them.
#[derive(Debug, Default)]
pub(super) struct Endings {
    ended: Vec<EndedLine>,
    told: Vec<LinesEnded>,
}

#[derive(Debug)]
struct EndedLine {
    sequence: i64,
    at: UtcTime,
}

impl Endings {
    /// A line has no text.
    pub(super) fn ended(&mut self, sequence: i64, at: UtcTime) {
        self.ended.push(EndedLine { sequence, at });
    }

    /// Takes a line that the hub signed.
    ///
    /// # Errors
    /// What is wrong with what it tells.
    pub(super) fn take(&mut self, line: &AuditLine) -> Result<(), &'static str> {
        if line.action.known() != Some(Action::AuditLinesEnded) {
            return Ok(());
        }
        let told = LinesEnded::of(line).map_err(|_| "it does not say which lines ended")?;
        if told.before + TERM_MIN > line.at {
            return Err("it ended lines that were not yet a year old");
        }
        self.told.push(told);
        Ok(())
    }

    /// The lines of which nothing tells that they ended.
    pub(super) fn untold(&self) -> impl Iterator<Item = i64> {
        let is_told = |line: &&EndedLine| {
            self.told.iter().any(|told| {
                let within = u64::try_from(line.sequence)
                    .is_ok_and(|sequence| (told.first..=told.last).contains(&sequence));
                within && line.at < told.before
            })
        };
        let untold = self.ended.iter().filter(move |line| !is_told(line));
        untold.map(|line| line.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c28_part_the_trigger_names_the_lines_that_stay() {
        let (_, names) = SCHEMA_STAYING.split_once("NOT IN (").unwrap();
        let (names, _) = names.split_once(')').unwrap();
        let names: Vec<_> = names
            .split(',')
            .map(|name| name.trim().trim_matches('\''))
            .collect();
        let staying = STAYING.map(|action| action.name().unwrap());
        assert_eq!(names, staying);
    }
}
