//! What the hub looks at by itself, every few seconds: who has fallen silent, which gate is quiet,
//! what is over.

use std::sync::Arc;
use std::time::Duration;

use varco_proto::ids::EdgeId;
use varco_proto::time::UtcTime;

use super::anomalies::{self, Sign};
use super::gate_hours::{self, Compared, GateCounts};
use super::history;
use super::kinds::Kind;
use crate::boxes::edges::{self, Edge};
use crate::boxes::tampering;
use crate::lookups::store::TransitStore;
use crate::store::sql::{Connection, TransactionBehavior, params};
use crate::store::{self, Doing as _, StoreError};
use crate::timekeeping::SharedClock;

/// A box that was not heard for so long is silent: it reports each minute.
pub const SILENT_AFTER: Duration = Duration::from_secs(5 * 60);
/// How often the hub looks.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// When the hub's clock moves further between two looks, it jumped or the machine slept.
const LOOK_LATE: Duration = Duration::from_secs(60);
/// An hour is compared when so much time has passed since its end.
const HOUR_SETTLES: Duration = Duration::from_secs(10 * 60);
/// A claim that was not repeated for so long is given up.
const CLAIM_GIVEN_UP: Duration = Duration::from_secs(24 * 3600);
/// So many transits show that a gate sends again, though nothing says how many are usual.
const SENDS_AGAIN: u32 = 20;

/// What looks.
pub struct BoxWatch {
    /// The store, for its turn and the main database.
    pub store: TransitStore,
    /// What was stored since the last look.
    pub counts: Arc<GateCounts>,
    /// The hub's clock.
    pub clock: SharedClock,
    /// One of several hubs is enough.
    pub alone: bool,
}

/// Since when the hub would have heard a box, and what it looked at.
#[derive(Debug, Clone, Copy)]
pub struct Since {
    /// Since when the hub listens without a break.
    pub listening: UtcTime,
    last: UtcTime,
    hour: Option<i64>,
}

impl Since {
    /// Begins to listen.
    #[must_use]
    pub fn now(now: UtcTime) -> Self {
        Self {
            listening: now,
            last: now,
            hour: None,
        }
    }

    /// A look: whether the broker is there, and whether the clock went on as it should.
    fn moved(&mut self, is_connected: bool, now: UtcTime) {
        if !is_connected || now < self.last || now.since(self.last) > LOOK_LATE {
            self.listening = now;
        }
        self.last = now;
    }

    /// Whether the hub listens since before an hour began. What was passed while it did not may still
    /// wait on the boxes, or at the broker.
    fn heard_whole(&self, hour: i64) -> bool {
        self.listening <= gate_hours::begin_of(hour)
    }
}

impl BoxWatch {
    /// One look. While the broker is not there, nobody is silent.
    ///
    /// # Errors
    /// [`StoreError`]; the next look tries again, and nothing that was counted is lost.
    pub fn look(&self, since: &mut Since, has_broker: bool) -> Result<(), StoreError> {
        let now = self.clock.now();
        since.moved(has_broker, now);
        let counted = self.counts.take();
        if counted.is_empty() && !self.alone {
            return Ok(());
        }
        let done = self.look_within(&counted, since, now);
        if done.is_err() {
            self.counts.give_back(counted);
        }
        done
    }

    fn look_within(
        &self,
        counted: &std::collections::HashMap<(varco_proto::ids::GateId, i64), u32>,
        since: &mut Since,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        let mut main = store::open(&self.store.settings().main)?;
        let _turn = self.store.turn();
        let transaction = main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin the look at the boxes")?;
        if !counted.is_empty() {
            gate_hours::add(&transaction, counted, now)?;
        }
        if self.alone {
            look(&transaction, since, now)?;
        }
        transaction.commit().doing("commit the look at the boxes")
    }
}

/// Looks at everything, in the caller's transaction.
///
/// # Errors
/// [`StoreError`].
pub fn look(main: &Connection, since: &mut Since, now: UtcTime) -> Result<(), StoreError> {
    let edges = edges::all(main)?;
    silent(main, &edges, since.listening, now)?;
    tampering_over(main, &edges, now)?;
    claims_over(main, now)?;
    let hour = gate_hours::hour_of(now - HOUR_SETTLES) - 1;
    if since.hour != Some(hour) {
        if since.heard_whole(hour) {
            quiet(main, &edges, hour, now)?;
        }
        anomalies::forget(main, now)?;
        history::forget(main, now)?;
        since.hour = Some(hour);
    }
    revoked(main, &edges, now)?;
    anomalies::end_due(main, now)?;
    Ok(())
}

fn silent(
    main: &Connection,
    edges: &[Edge],
    listening: UtcTime,
    now: UtcTime,
) -> Result<(), StoreError> {
    let heard = history::heard_at(main)?;
    for edge in edges.iter().filter(|edge| edge.revoked_at.is_none()) {
        let at = heard.iter().find(|(id, _)| id == edge.id.as_str());
        let at = at.map(|(_, at)| *at);
        let quiet_since = at.unwrap_or(edge.registered_at).max(listening);
        if now.since(quiet_since) <= SILENT_AFTER {
            continue;
        }
        let detail = match at {
            Some(at) => format!("last heard {at}; see to its power and its link"),
            None => "never heard; is it installed, and does its broker let it in?".to_owned(),
        };
        let sign = Sign::of_box(Kind::Silent, detail);
        anomalies::see(main, Some(&edge.id), &sign, now)?;
    }
    Ok(())
}

/// An alarm is over when a person has released it; one that suspends nothing, by itself.
fn tampering_over(main: &Connection, edges: &[Edge], now: UtcTime) -> Result<(), StoreError> {
    for edge in edges {
        let open = anomalies::open_of(main, Some(&edge.id))?;
        if !open.iter().any(|open| open.kind.is_of_tampering()) {
            continue;
        }
        let unreleased = tampering::open_events(main, &edge.id)?;
        let there: Vec<Sign> = unreleased.iter().filter_map(tampering::sign_of).collect();
        anomalies::note_away(main, Some(&edge.id), Kind::is_of_tampering, &there, now)?;
    }
    Ok(())
}

/// A claim is over when the edge is registered for it, or does not repeat it.
fn claims_over(main: &Connection, now: UtcTime) -> Result<(), StoreError> {
    const DOING: &str = "look at what edges claim";
    let mut statement = main
        .prepare_cached(
            "SELECT id FROM box_anomalies AS a
             WHERE ended_at_us IS NULL AND kind IN ('foreign-gate', 'foreign-camera')
               AND (seen_at_us < ?1 OR EXISTS (SELECT 1 FROM edge_registrations AS r
                    WHERE r.edge = a.edge AND 'foreign-' || r.kind = a.kind
                      AND r.name = a.subject))",
        )
        .doing(DOING)?;
    let over: Result<Vec<i64>, _> = statement
        .query_map(params![(now - CLAIM_GIVEN_UP).unix_us()], |row| row.get(0))
        .doing(DOING)?
        .collect();
    for id in over.doing(DOING)? {
        anomalies::end(main, id, now)?;
    }
    Ok(())
}

fn quiet(main: &Connection, edges: &[Edge], hour: i64, now: UtcTime) -> Result<(), StoreError> {
    let open = anomalies::open_of(main, None)?;
    for (gate, hours) in gate_hours::all(main)? {
        let watched = |edge: &&Edge| edge.gate.as_str() == gate && edge.revoked_at.is_none();
        let mut boxes = edges.iter().filter(watched).peekable();
        let is_known = open
            .iter()
            .find(|open| open.kind == Kind::GateQuiet && open.subject.as_deref() == Some(&*gate));
        let sent = hours.get(&hour).copied().unwrap_or(0);
        match gate_hours::compare(&hours, hour) {
            Compared::Quiet { sent, expected } if boxes.peek().is_some() => {
                if boxes
                    .map(|edge| is_silent(main, &edge.id))
                    .all(|s| s.unwrap_or(false))
                {
                    continue; // That is told, and says more.
                }
                let detail = format!("{sent} transits in an hour in which {expected} are usual");
                let sign = Sign::of(Kind::GateQuiet, &gate, detail);
                anomalies::see(main, None, &sign, now)?;
            }
            Compared::Quiet { .. } => {}
            compared => {
                let is_well = compared == Compared::Usual || sent >= SENDS_AGAIN;
                if let Some(known) = is_known.filter(|_| is_well) {
                    anomalies::end(main, known.id, now)?;
                }
            }
        }
    }
    Ok(())
}

fn is_silent(main: &Connection, edge: &EdgeId) -> Result<bool, StoreError> {
    let open = anomalies::open_of(main, Some(edge))?;
    Ok(open.iter().any(|open| open.kind == Kind::Silent))
}

fn revoked(main: &Connection, edges: &[Edge], now: UtcTime) -> Result<(), StoreError> {
    for edge in edges.iter().filter(|edge| edge.revoked_at.is_some()) {
        for open in anomalies::open_of(main, Some(&edge.id))? {
            anomalies::end(main, open.id, now)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_heard_whole_when_the_hub_listened_from_its_beginning_on() {
        let begun: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        let hour = gate_hours::hour_of(begun);
        let minute = Duration::from_secs(60);
        // Minutes from the beginning on in which the broker is away; the hour, and the next one.
        for (away, expected) in [
            (0..1_u32, [true, true]),
            (0..20, [false, true]),
            (30..31, [false, true]),
            (50..70, [false, false]),
            (65..66, [false, false]),
        ] {
            let mut since = Since::now(begun);
            for number in 0..=70_u32 {
                since.moved(!away.contains(&number), begun + minute * number);
            }
            let heard = [hour, hour + 1].map(|hour| since.heard_whole(hour));
            assert_eq!(heard, expected, "{away:?}");
        }
    }
}
