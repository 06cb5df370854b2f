//! The chains of a batch's edges in PostgreSQL: locked and read at its beginning, judged by in
//! memory, and written once at its end.
//!
//! The edges' heads are locked in their order, so that two hubs with records of one edge take it in
//! turns, and those with records of others never meet. While an edge's head is locked, nobody else
//! writes to its links, gaps and drops.

mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use varco_proto::drops::SequenceRange;
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::record::Record;
use varco_proto::time::UtcTime;

use super::connection::PgConnection;
use crate::chains::heads::ChainLink;
use crate::chains::place::{Around, KnownLink, Missing};
use crate::chains::ranges::{Range, Ranges};
use crate::chains::{ChainState, digest, place, whole};
use crate::store::StoreError;

/// What a place is compared by.
#[derive(Debug, Clone, Copy)]
struct Place {
    digest: Digest,
    previous: Digest,
    stored: bool,
}

/// One edge's chain within a batch.
#[derive(Debug)]
struct Chain {
    number: i32,
    sequence: u64,
    digest: Digest,
    received_at_us: i64,
    pruned_through: u64,
    changed: bool,
    /// Places that were asked for, or that the batch filled.
    places: HashMap<u64, Option<Place>>,
    /// Gaps and drops, once something else than the next record came.
    ranges: Option<Ranges>,
    /// Links that came, to be added.
    fresh: Vec<ChainLink>,
    /// Places that were known as refused, and are stored now.
    taken: BTreeMap<u64, (bool, i64)>,
}

/// The chains of a batch.
#[derive(Debug, Default)]
pub(super) struct Chains(HashMap<EdgeId, Chain>);

/// Locks the heads of edges, with their numbers among the names, and reads where they stand.
///
/// # Errors
/// [`StoreError`].
pub(super) fn lock(
    link: &mut PgConnection,
    edges: &BTreeMap<i32, EdgeId>,
) -> Result<Chains, StoreError> {
    const DOING: &str = "lock the chains' heads";
    const SQL: &str = "SELECT edge, sequence, digest, received_at_us, pruned_through FROM heads
        WHERE edge = ANY($1) ORDER BY edge FOR UPDATE";
    let numbers: Vec<i32> = edges.keys().copied().collect();
    let mut rows = link.rows(DOING, SQL, &[&numbers])?;
    if rows.len() < numbers.len() {
        let zero = Digest::ZERO.as_bytes().to_vec();
        link.change(
            DOING,
            "INSERT INTO heads SELECT edge, 0, $2, 0, 0 FROM unnest($1::integer[]) AS edge
             ORDER BY edge ON CONFLICT DO NOTHING",
            &[&numbers, &zero],
        )?;
        rows = link.rows(DOING, SQL, &[&numbers])?;
    }
    let mut chains = HashMap::new();
    for row in rows {
        let number = row.get(0);
        let chain = Chain {
            number,
            sequence: whole(row.get(1))?,
            digest: digest(row.get(2))?,
            received_at_us: row.get(3),
            pruned_through: whole(row.get(4))?,
            changed: false,
            places: HashMap::new(),
            ranges: None,
            fresh: Vec::new(),
            taken: BTreeMap::new(),
        };
        if let Some(edge) = edges.get(&number) {
            chains.insert(edge.clone(), chain);
        }
    }
    Ok(Chains(chains))
}

impl Chains {
    fn of(&mut self, edge: &EdgeId) -> Result<&mut Chain, StoreError> {
        let unlocked = StoreError::Damaged { what: "head" };
        self.0.get_mut(edge).ok_or(unlocked)
    }

    /// Whether an edge's chain is locked for this batch.
    pub(super) fn has(&self, edge: &EdgeId) -> bool {
        self.0.contains_key(edge)
    }

    /// Takes further chains in.
    pub(super) fn join(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Reads ahead, in as few questions as there are tables, what the batch's records will be
    /// judged by that do not simply follow.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn read_ahead<'r>(
        &mut self,
        link: &mut PgConnection,
        records: impl Iterator<Item = (&'r Record, Digest)>,
    ) -> Result<(), StoreError> {
        let mut ends: HashMap<EdgeId, (u64, Digest)> = HashMap::new();
        let mut wanted: BTreeSet<(EdgeId, u64)> = BTreeSet::new();
        for (record, own) in records {
            let Some(chain) = self.0.get(&record.edge) else {
                continue;
            };
            let end = ends.entry(record.edge.clone());
            let end = end.or_insert((chain.sequence, chain.digest));
            if record.sequence == end.0 + 1 && record.previous == end.1 {
                *end = (record.sequence, own);
                continue;
            }
            if record.sequence > end.0 {
                *end = (record.sequence, own);
            }
            for place in record.sequence.saturating_sub(1)..=record.sequence.saturating_add(1) {
                wanted.insert((record.edge.clone(), place));
            }
        }
        let wanted: Vec<_> = wanted.into_iter().collect();
        self.read_places(link, &wanted)?;
        let mut edges: Vec<EdgeId> = wanted.into_iter().map(|(edge, _)| edge).collect();
        edges.dedup();
        self.read_ranges(link, &edges)
    }

    fn read_places(
        &mut self,
        link: &mut PgConnection,
        wanted: &[(EdgeId, u64)],
    ) -> Result<(), StoreError> {
        let (mut numbers, mut sequences) = (Vec::new(), Vec::new());
        let mut edges = HashMap::new();
        for (edge, place) in wanted {
            let chain = self.of(edge)?;
            if chain.places.contains_key(place) {
                continue;
            }
            chain.places.insert(*place, None);
            numbers.push(chain.number);
            sequences.push(self::place(*place));
            edges.insert(chain.number, edge.clone());
        }
        if numbers.is_empty() {
            return Ok(());
        }
        let rows = link.rows(
            "read the edges' chains",
            "SELECT edge, sequence, digest, previous, stored FROM links
             JOIN unnest($1::integer[], $2::bigint[]) AS w (edge, sequence) USING (edge, sequence)",
            &[&numbers, &sequences],
        )?;
        for row in rows {
            let place = Place {
                digest: digest(row.get(2))?,
                previous: digest(row.get(3))?,
                stored: row.get(4),
            };
            if let Some(edge) = edges.get(&row.get::<_, i32>(0)) {
                let places = &mut self.of(edge)?.places;
                places.insert(whole(row.get(1))?, Some(place));
            }
        }
        Ok(())
    }

    fn read_ranges(&mut self, link: &mut PgConnection, edges: &[EdgeId]) -> Result<(), StoreError> {
        const DOING: &str = "read the gaps";
        let mut by_number = HashMap::new();
        for edge in edges {
            let chain = self.of(edge)?;
            if chain.ranges.is_none() {
                chain.ranges = Some(Ranges::default());
                by_number.insert(chain.number, edge.clone());
            }
        }
        if by_number.is_empty() {
            return Ok(());
        }
        let numbers: Vec<i32> = by_number.keys().copied().collect();
        for (sql, is_gap) in [
            (
                "SELECT edge, first, last, missing, opened_at_us FROM gaps
                 WHERE edge = ANY($1) AND closed_at_us IS NULL ORDER BY edge, first",
                true,
            ),
            (
                "SELECT edge, first, last, missing, 0::bigint FROM dropped
                 WHERE edge = ANY($1) ORDER BY edge, first",
                false,
            ),
        ] {
            for row in link.rows(DOING, sql, &[&numbers])? {
                let range = Range {
                    first: whole(row.get(1))?,
                    last: whole(row.get(2))?,
                    missing: whole(row.get(3))?,
                    opened_at_us: row.get(4),
                    closed_at_us: None,
                    changed: false,
                };
                let Some(edge) = by_number.get(&row.get::<_, i32>(0)) else {
                    continue;
                };
                let ranges = self.of(edge)?.ranges.get_or_insert_default();
                let kind = if is_gap {
                    &mut ranges.gaps
                } else {
                    &mut ranges.dropped
                };
                kind.push(range);
            }
        }
        Ok(())
    }

    /// What is known around a record's place in its chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn around(
        &mut self,
        link: &mut PgConnection,
        record: &Record,
    ) -> Result<Around, StoreError> {
        let (edge, sequence) = (&record.edge, record.sequence);
        let chain = self.of(edge)?;
        let mut around = Around {
            head: chain.sequence,
            ..Around::default()
        };
        if sequence == chain.sequence + 1 && record.previous == chain.digest {
            around.before = (chain.sequence > 0).then_some(chain.digest);
            return Ok(around);
        }
        let (before, after) = (sequence.saturating_sub(1), sequence.saturating_add(1));
        let wanted = [before, sequence, after].map(|place| (edge.clone(), place));
        self.read_places(link, &wanted)?;
        self.read_ranges(link, std::slice::from_ref(edge))?;
        let chain = self.of(edge)?;
        let place = |sequence| chain.places.get(&sequence).copied().flatten();
        around.before = place(before).map(|place| place.digest);
        around.after_follows = place(after).map(|place| place.previous);
        around.here = place(sequence).map(|place| KnownLink {
            digest: place.digest,
            stored: place.stored,
        });
        if around.here.is_none() && sequence <= chain.pruned_through {
            let gaps = chain.ranges.iter().flat_map(|ranges| &ranges.gaps);
            around.pruned = !gaps
                .into_iter()
                .any(|gap| gap.is_open() && gap.has(sequence));
        }
        Ok(around)
    }

    /// Notes a record in its edge's chain, and closes or narrows the gap that it fills.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn note(
        &mut self,
        link: &mut PgConnection,
        edge: &EdgeId,
        fresh: ChainLink,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        let sequence = fresh.sequence;
        if sequence != self.of(edge)?.sequence + 1 {
            self.read_places(link, &[(edge.clone(), sequence)])?;
            self.read_ranges(link, std::slice::from_ref(edge))?;
        }
        let chain = self.of(edge)?;
        let follows = sequence == chain.sequence + 1;
        let known = chain.places.get(&sequence).copied().flatten().is_some();
        let place = Place {
            digest: fresh.digest,
            previous: fresh.previous,
            stored: fresh.stored,
        };
        chain.places.insert(sequence, Some(place));
        if sequence >= chain.sequence {
            chain.sequence = sequence;
            chain.digest = fresh.digest;
            chain.received_at_us = fresh.received_at_us;
            chain.changed = true;
        }
        if known {
            // Refused before, and taken now.
            let here = chain
                .fresh
                .iter_mut()
                .find(|link| link.sequence == sequence);
            match here {
                Some(link) => *link = fresh,
                None => drop(chain.taken.insert(sequence, (fresh.stored, now.unix_us()))),
            }
            return Ok(());
        }
        chain.fresh.push(fresh);
        if !follows && let Some(ranges) = &mut chain.ranges {
            ranges.fill(sequence, now);
        }
        Ok(())
    }

    /// Notes that records are missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn open_gap(
        &mut self,
        link: &mut PgConnection,
        edge: &EdgeId,
        missing: Missing,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        self.read_ranges(link, std::slice::from_ref(edge))?;
        let ranges = self.of(edge)?.ranges.get_or_insert_default();
        ranges.open(missing, now);
        Ok(())
    }

    /// Takes what an edge let go out of its gaps. What an earlier report explained stays with that
    /// one, so that a second time changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn explain(
        &mut self,
        link: &mut PgConnection,
        edge: &EdgeId,
        range: SequenceRange,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        const DOING: &str = "explain missing records";
        self.read_ranges(link, std::slice::from_ref(edge))?;
        let chain = self.of(edge)?;
        let Some(ranges) = &mut chain.ranges else {
            return Ok(());
        };
        let (number, fresh) = (chain.number, &chain.fresh);
        ranges.explain(range, now, |from, to| {
            let there = link.row(
                DOING,
                "SELECT count(*) FROM links WHERE edge = $1 AND sequence BETWEEN $2 AND $3",
                &[&number, &place(from), &place(to)],
            )?;
            let there = there.map_or(Ok(0), |row| whole(row.get(0)))?;
            let came = fresh.iter().map(|link| link.sequence);
            let came = came.filter(|sequence| (from..=to).contains(sequence));
            let damaged = |_| StoreError::Damaged { what: "chain" };
            Ok(there + u64::try_from(came.count()).map_err(damaged)?)
        })?;
        Ok(())
    }
}

/// How long a gap may stay before its edge is told, when several hubs share the edges: longer than
/// what is missing takes through another hub.
const GAP_PATIENCE: Duration = Duration::from_secs(10);
/// When it is told again.
const GAP_TOLD_AGAIN: Duration = Duration::from_secs(600);

/// Gaps of these edges that have been open for a while and were not reported for long, one of each edge;
/// they count as reported from now on.
///
/// # Errors
/// [`StoreError`].
pub(super) fn gaps_to_tell(
    link: &mut PgConnection,
    edges: &BTreeMap<i32, EdgeId>,
    now: UtcTime,
) -> Result<HashMap<EdgeId, Missing>, StoreError> {
    let numbers: Vec<i32> = edges.keys().copied().collect();
    let rows = link.rows(
        "look for gaps that stay",
        "UPDATE gaps SET told_at_us = $4 WHERE edge = ANY($1) AND closed_at_us IS NULL
             AND opened_at_us < $2 AND coalesce(told_at_us, 0) < $3
         RETURNING edge, first, last",
        &[
            &numbers,
            &(now - GAP_PATIENCE).unix_us(),
            &(now - GAP_TOLD_AGAIN).unix_us(),
            &now.unix_us(),
        ],
    )?;
    let mut gaps = HashMap::new();
    for row in rows {
        let missing = Missing {
            first: whole(row.get(1))?,
            last: whole(row.get(2))?,
        };
        if let Some(edge) = edges.get(&row.get::<_, i32>(0)) {
            gaps.insert(edge.clone(), missing);
        }
    }
    Ok(gaps)
}

/// Where an edge's chain stands; `edge` is its number among the names.
///
/// # Errors
/// [`StoreError`].
pub(super) fn state(link: &mut PgConnection, edge: i32) -> Result<ChainState, StoreError> {
    let row = link.row(
        "read the chain's state",
        "SELECT sequence, received_at_us,
             (SELECT coalesce(sum(missing), 0)::bigint FROM gaps
              WHERE edge = $1 AND closed_at_us IS NULL),
             (SELECT coalesce(sum(missing), 0)::bigint FROM dropped WHERE edge = $1)
         FROM heads WHERE edge = $1",
        &[&edge],
    )?;
    let Some(row) = row else {
        return Ok(ChainState::default());
    };
    let head = whole(row.get(0))?;
    Ok(ChainState {
        head,
        missing: whole(row.get(2))?,
        dropped: whole(row.get(3))?,
        received_at: (head > 0).then(|| UtcTime::from_unix_us(row.get(1))),
    })
}
