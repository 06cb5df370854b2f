//! How far back transits may be shown: the hub's term, and the shorter ones of municipalities.

use std::time::Duration;

use varco_proto::time::UtcTime;

use super::names::{NameKind, Names};
use crate::hours::partition::{HOUR_US, Partition, Term};
use crate::municipalities::{self, Terms};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// How far back transits may be shown at a moment. Nothing before it is shown, to the microsecond.
#[derive(Debug, Clone)]
pub struct Horizon {
    now: UtcTime,
    hub: Duration,
    terms: Terms,
}

impl Horizon {
    /// At a moment, with the hub's own term and those that the main database has for gates.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing may be shown.
    pub fn at(main: &Connection, now: UtcTime, hub: Duration) -> Result<Self, StoreError> {
        let terms = municipalities::terms(main)?;
        Ok(Self { now, hub, terms })
    }

    /// Where the hub's own term begins: nothing at all is shown before.
    #[must_use]
    pub fn begins(&self) -> UtcTime {
        self.now - self.hub
    }

    /// The hub's own term.
    #[must_use]
    pub fn hub(&self) -> Duration {
        self.hub
    }

    /// With no hour of which a part is past its term: a count has whole hours or none. Never further
    /// back than this one.
    #[must_use]
    pub(crate) fn in_whole_hours(&self) -> Self {
        const HOUR_S: u64 = 3600;
        let now_us = self.now.unix_us().saturating_add(HOUR_US - 1);
        Self {
            now: UtcTime::from_unix_us(now_us.div_euclid(HOUR_US).saturating_mul(HOUR_US)),
            hub: Duration::from_secs(self.hub.as_secs() / HOUR_S * HOUR_S),
            terms: self.terms.clone(),
        }
    }

    /// The gates with a term of their own.
    pub(crate) fn gates(&self) -> impl Iterator<Item = (&str, Term)> {
        self.terms.all()
    }

    /// The gates whose term is over for all that a partition can have of them, though the partition
    /// lasts longer; by number, in their order.
    pub(crate) fn over_in(&self, partition: Partition, names: &Names) -> Vec<u32> {
        let lasts = partition.term().within(self.hub);
        let over = self.terms.all().filter(|(_, term)| {
            let own = term.within(self.hub);
            own < lasts && partition.end() + own <= self.now
        });
        let mut gates: Vec<u32> = over
            .filter_map(|(gate, _)| names.number(NameKind::Gate, gate))
            .collect();
        gates.sort_unstable();
        gates
    }

    /// The gates by their numbers.
    pub(crate) fn numbered(&self, names: &Names) -> Limits {
        let begins = |term: Term| self.now - term.within(self.hub);
        let gates = self.terms.all().filter_map(|(gate, term)| {
            let number = names.number(NameKind::Gate, gate)?;
            Some((number, begins(term)))
        });
        let mut gates: Vec<(u32, UtcTime)> = gates.collect();
        gates.sort_unstable();
        let latest = gates.iter().map(|(_, begins)| *begins).max();
        Limits {
            horizon: (self.now, self.hub),
            latest: latest.unwrap_or(self.begins()),
            gates,
        }
    }
}

/// How far back the transits of each gate may be shown, the gates by their numbers.
#[derive(Debug)]
pub(crate) struct Limits {
    horizon: (UtcTime, Duration),
    latest: UtcTime,
    /// Those with a term of their own, by number.
    gates: Vec<(u32, UtcTime)>,
}

impl Limits {
    /// Whether what a gate saw then may be shown, stored in such a partition: by the gate's term now,
    /// and by the one under which it was stored.
    pub(crate) fn show(&self, partition: Partition, gate: u32, at: UtcTime) -> bool {
        let (now, hub) = self.horizon;
        if at < now - partition.term().within(hub) {
            return false;
        }
        let own = self.gates.binary_search_by_key(&gate, |(gate, _)| *gate);
        let own = own.ok().and_then(|place| self.gates.get(place));
        own.is_none_or(|(_, begins)| at >= *begins)
    }

    /// Whether everything in a partition may be shown.
    pub(crate) fn show_all(&self, partition: Partition) -> bool {
        let (now, hub) = self.horizon;
        partition.start() >= self.latest.max(now - partition.term().within(hub))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_whole_hours_nothing_is_shown_of_an_hour_that_is_past_its_term_in_part() {
        let main = Connection::open_in_memory().unwrap();
        main.execute_batch(municipalities::SCHEMA).unwrap();
        main.execute_batch(
            "INSERT INTO municipalities VALUES ('Macerata', 24);
             INSERT INTO municipality_gates VALUES ('nord', 'Macerata');",
        )
        .unwrap();
        let mut names = Names::default();
        names.add(1, NameKind::Gate, "nord");
        names.add(2, NameKind::Gate, "sud");
        let now: UtcTime = "2026-11-22T12:20:00Z".parse().unwrap();
        let ninety_minutes = Duration::from_secs(90 * 60);
        let hub = Duration::from_secs(48 * 3600);
        for (hub, gate, first) in [
            (hub, 1, "2026-11-21T13:00:00Z"),
            (hub, 2, "2026-11-20T13:00:00Z"),
            (hub + ninety_minutes, 2, "2026-11-20T12:00:00Z"),
            (ninety_minutes, 1, "2026-11-22T12:00:00Z"),
        ] {
            let whole = Horizon::at(&main, now, hub).unwrap();
            let in_hours = whole.in_whole_hours();
            assert!(in_hours.begins() >= whole.begins());
            let limits = in_hours.numbered(&names);
            let first: UtcTime = first.parse().unwrap();
            let show = |at| limits.show(Partition::of(at, Term::WHOLE), gate, at);
            assert!(
                show(first) && !show(first - Duration::from_micros(1)),
                "{first}"
            );
        }
        let whole = Horizon::at(&main, "2026-11-22T12:00:00Z".parse().unwrap(), hub).unwrap();
        assert_eq!(whole.in_whole_hours().begins(), whole.begins());
    }
}
