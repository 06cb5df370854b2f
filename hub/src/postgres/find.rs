//! Lookups in PostgreSQL: the same questions as in the home, with the same answers.
//!
//! The dictionary says in which hours the wanted plates are; there their tokens find the rows, and
//! the opened heads say what of them fits. Hours are gone through in the order of the answer, some
//! at once, and those that the page does not need any more are counted while that is cheap, and
//! estimated after that.

use std::collections::HashMap;
use std::sync::PoisonError;

use tokio_postgres::types::ToSql;

use super::link::Link;
use super::plates::{Here, about};
use super::schema::table_of;
use super::secrets::Secret;
use super::server::Server;
use crate::hours::partition::{Partition, Term};
use crate::plates::misread::Neighbour;
use crate::plates::plate::{Plate, folded};
use crate::store::StoreError;
use crate::store::awaited;
use crate::transits::allowed::Allowed;
use crate::transits::entry::Entry;
use crate::transits::horizon::Horizon;
use crate::transits::lookup::{Asking, Found, LookupError, Page, StoredTransit, query_of_one};
use crate::transits::names::Kind;
use crate::transits::query::{Cursor, Query};
use crate::transits::rows::Head;
use crate::transits::wanted::{Numbers, Wanted};
use varco_proto::ids::{CameraId, GateId};
use varco_proto::time::UtcTime;

/// Hours asked for at once.
const HOURS_AT_ONCE: usize = 16;
/// Hours asked for to count exactly what no page needs.
const HOURS_TO_COUNT: usize = 208;
/// Rows opened to count exactly what no page needs.
const ROWS_TO_COUNT: usize = 640;

/// What a sealed value is.
pub(super) const HEAD: &[u8] = b"head";
/// What a sealed value is.
pub(super) const ENVELOPE: &[u8] = b"envelope";

/// What a sealed value is bound to: another row's or another hour's does not open there.
pub(super) fn place_of(what: &[u8], hour: Partition, id: i64) -> Vec<u8> {
    let hour = hour.number().to_le_bytes();
    [b"pg ", what, &hour, &id.to_le_bytes()].concat()
}

/// Opens a row's head; none when it was changed.
pub(super) fn head_in(secret: &Secret, hour: Partition, id: i64, sealed: &[u8]) -> Option<Head> {
    let bytes = secret.key.open(&place_of(HEAD, hour, id), sealed).ok()?;
    let head = Head::from_bytes(&bytes)?;
    let is_its = super::batch::mark(&head.id) == id || super::batch::tail(&head.id) == id;
    is_its.then_some(head)
}

/// A row that matches.
#[derive(Debug, Clone)]
struct Hit {
    hour: Partition,
    id: i64,
    head: Head,
}

impl Hit {
    fn key(&self) -> (UtcTime, u32, Term) {
        let entry = &self.head.entry;
        (self.hour.at(entry.offset_us), entry.row, self.hour.term())
    }
}

/// What a search came to.
#[derive(Default)]
struct Hits {
    page: Vec<Hit>,
    total: u64,
    is_estimate: bool,
    broken: u64,
    /// What matches and is left out, because it is blocked.
    left_out: u64,
    neighbours: HashMap<Plate, Neighbour>,
}

impl Server {
    /// Looks up: reads, and commits the audit line before anything is given back. Nothing older
    /// than the term is shown, to the microsecond.
    ///
    /// # Errors
    /// [`LookupError`]; then nothing was shown.
    pub fn look_up(&self, query: &Query, asking: &Asking<'_>) -> Result<Found, LookupError> {
        let allowed = self.allowed(asking.now)?;
        let searched_from = query.from.max(allowed.horizon().begins());
        let page = self.with(|link| {
            let mut hits = self.search(link, query, &allowed)?;
            let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
            let more = hits.page.len() > most;
            hits.page.truncate(most);
            let next = hits.page.last().filter(|_| more).map(|hit| {
                let (captured_at, row, term) = hit.key();
                Cursor {
                    captured_at,
                    row,
                    term,
                }
            });
            let (transits, broken) = self.fetch(link, &hits)?;
            Ok(Page {
                transits,
                total: hits.total,
                is_estimate: hits.is_estimate,
                broken: hits.broken + broken,
                left_out: hits.left_out,
                next,
                searched_from,
            })
        })?;
        page.told(&mut self.audit(), self.turn_lock(), query, asking)
    }

    /// How far back transits may be shown now.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing may be shown.
    pub fn horizon(&self, now: UtcTime) -> Result<Horizon, StoreError> {
        let latest = self.settings.lead.latest(now);
        Horizon::at(&self.audit(), latest, self.settings.term)
    }

    /// One stored transit, by its id and by what finds it; none when it is not there, past its term or
    /// blocked. The caller writes the audit line.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn one(
        &self,
        (id, plate, at): (&[u8; 16], &str, UtcTime),
        now: UtcTime,
    ) -> Result<Option<StoredTransit>, StoreError> {
        let query = query_of_one(plate, at)?;
        let allowed = self.allowed(now)?;
        let (transits, _) = self.with(|link| {
            let hits = self.search(link, &query, &allowed)?;
            self.fetch(link, &hits)
        })?;
        Ok(transits.into_iter().find(|stored| stored.head.id == *id))
    }

    /// Gives every entry that a query asks for, oldest hour first, each hour's by plate: without its
    /// limit and cursor, and without reading a sealed original.
    pub(crate) fn visit(
        &self,
        query: &Query,
        allowed: &Allowed,
        take: &mut dyn FnMut(Partition, &Entry),
    ) -> Result<(), StoreError> {
        self.with(|link| {
            let mut hits = Hits::default();
            let wanted = Wanted::by(query, &mut hits.neighbours);
            let numbers = self.numbers_of(link, query, allowed)?;
            if numbers.is_empty() || numbers.from > query.to {
                return Ok(());
            }
            let (first, last) = numbers.window();
            let hours = self.book(link)?.find(&wanted, first, last);
            for some in hours.chunks(HOURS_AT_ONCE) {
                awaited::check()?;
                for (hour, rows) in self.rows_of(link, some, &numbers)? {
                    let mut found = hits.fitting(hour, rows, &numbers, &wanted);
                    found.sort_unstable_by_key(|hit| hit.head.entry.plate_key());
                    for hit in &found {
                        take(hour, &hit.head.entry);
                    }
                }
            }
            Ok(())
        })
    }

    /// The entries of a query's page.
    pub(crate) fn page_of(
        &self,
        query: &Query,
        allowed: &Allowed,
    ) -> Result<Vec<(Partition, Entry)>, StoreError> {
        let page = self.with(|link| Ok(self.search(link, query, allowed)?.page))?;
        let page = page.into_iter();
        Ok(page.map(|hit| (hit.hour, hit.head.entry)).collect())
    }

    /// The name of a camera, a gate or an edge, by its number.
    pub(crate) fn name(&self, number: u32) -> Option<String> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.name(number).map(str::to_owned)
    }

    /// The sealed originals of these, in their order; what is gone or does not open is left out.
    pub(crate) fn stored_of(
        &self,
        passes: &[(Partition, Entry)],
    ) -> Result<Vec<StoredTransit>, StoreError> {
        self.with(|link| {
            let mut asked: Vec<(String, Vec<Box<dyn ToSql + Sync>>)> = Vec::new();
            let mut secrets = Vec::new();
            for (hour, entry) in passes {
                let Some(secret) = self.secrets.of(*hour)? else {
                    continue;
                };
                let table = table_of(*hour);
                let sql = format!("SELECT id, head FROM {table} WHERE plate = $1");
                asked.push((sql, vec![Box::new(secret.plate(&entry.plate))]));
                secrets.push((*hour, entry, secret));
            }
            let answers = link.each("look the transits up", &asked)?;
            let mut hits = Hits::default();
            for ((hour, entry, secret), rows) in secrets.into_iter().zip(answers) {
                let hit = rows.iter().find_map(|row| {
                    let id = row.get(0);
                    let head = head_in(&secret, hour, id, row.get(1))?;
                    (head.entry == *entry).then_some(Hit { hour, id, head })
                });
                hits.page.extend(hit);
            }
            Ok(self.fetch(link, &hits)?.0)
        })
    }

    fn numbers_of<'q>(
        &self,
        link: &mut Link,
        query: &'q Query,
        allowed: &'q Allowed,
    ) -> Result<Numbers<'q>, StoreError> {
        let filter = &query.filter;
        for camera in &filter.cameras {
            self.number(link, Kind::Camera, camera.as_str())?;
        }
        for gate in &filter.gates {
            self.number(link, Kind::Gate, gate.as_str())?;
        }
        let unmet = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            let mut gates = allowed.horizon().gates();
            gates.any(|(gate, _)| names.number(Kind::Gate, gate).is_none())
        };
        if unmet
            || filter.within.is_some()
            || filter.municipal.is_some()
            || !filter.gates.is_empty()
        {
            // Another hub may have met cameras there.
            self.reload_names(link)?;
        }
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Numbers::of(query, allowed, &names))
    }

    /// Every gate with a camera that was met there, by whichever hub.
    pub(crate) fn cameras_at_gates(&self) -> Result<Vec<(GateId, CameraId)>, StoreError> {
        self.with(|link| self.reload_names(link))?;
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        Ok(names.cameras_at_gates())
    }

    fn search(
        &self,
        link: &mut Link,
        query: &Query,
        allowed: &Allowed,
    ) -> Result<Hits, StoreError> {
        let mut hits = Hits::default();
        let wanted = Wanted::by(query, &mut hits.neighbours);
        let numbers = self.numbers_of(link, query, allowed)?;
        if numbers.is_empty() || numbers.from > query.to {
            return Ok(hits);
        }
        hits.left_out = numbers.left_out(&wanted);
        let (first, last) = numbers.window();
        let mut hours = self.book(link)?.find(&wanted, first, last);
        if !query.oldest_first {
            hours.reverse();
        }
        let most = usize::try_from(query.limit)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let (mut asked, mut opened) = (0, 0);
        for some in whole_hours(&hours) {
            awaited::check()?;
            let is_full = hits.page.len() >= most;
            if is_full && (asked >= HOURS_TO_COUNT || opened >= ROWS_TO_COUNT) {
                hits.is_estimate = true;
                hits.total += about(some, &numbers, &wanted);
                continue;
            }
            if is_full && matches!(wanted, Wanted::Every) && numbers.is_open() {
                // Nothing but the time is asked, and the hours' counts are at hand.
                hits.total += about(some, &numbers, &wanted);
                hits.is_estimate |= !some.iter().all(|(hour, _)| numbers.has_whole(*hour));
                continue;
            }
            asked += some.len();
            let mut found: Vec<Hit> = Vec::new();
            for (hour, rows) in self.rows_of(link, some, &numbers)? {
                opened += rows.len();
                // What passed in one hour is shown together, whatever its terms.
                if found
                    .last()
                    .is_some_and(|hit| hit.hour.hour() != hour.hour())
                {
                    hits.take(std::mem::take(&mut found), query, most);
                }
                found.extend(hits.fitting(hour, rows, &numbers, &wanted));
            }
            hits.take(found, query, most);
        }
        Ok(hits)
    }

    /// The rows of some hours that may match, in the hours' order: each with its id, and its head
    /// when it opens.
    #[allow(
        clippy::type_complexity,
        reason = "an hour with its rows, which live for one loop"
    )]
    fn rows_of(
        &self,
        link: &mut Link,
        hours: &[(Partition, Here)],
        numbers: &Numbers<'_>,
    ) -> Result<Vec<(Partition, Vec<(i64, Option<Head>)>)>, StoreError> {
        let mut asked: Vec<(String, Vec<Box<dyn ToSql + Sync>>)> = Vec::new();
        let mut secrets = Vec::new();
        for (hour, here) in hours {
            // Destroyed meanwhile: its term was over.
            let Some(secret) = self.secrets.of(*hour)? else {
                continue;
            };
            let table = table_of(*hour);
            let rows = format!("SELECT id, head FROM {table}");
            asked.push(if !here.plates.is_empty() {
                let tokens: Vec<i64> = here.plates.iter().map(|p| secret.plate(p)).collect();
                (
                    format!("{rows} WHERE plate = ANY($1)"),
                    vec![Box::new(tokens)],
                )
            } else if let Some(path) = numbers.path(*hour) {
                let tokens: Vec<i64> = path.iter().map(|camera| secret.camera(*camera)).collect();
                (
                    format!("{rows} WHERE camera = ANY($1)"),
                    vec![Box::new(tokens)],
                )
            } else {
                (rows, Vec::new())
            });
            secrets.push((*hour, secret));
        }
        let answers = link.each("look the transits up", &asked)?;
        let of_hours = secrets.into_iter().zip(answers);
        Ok(of_hours
            .map(|((hour, secret), rows)| {
                let opened = rows.iter().map(|row| {
                    let id = row.get(0);
                    (id, head_in(&secret, hour, id, row.get(1)))
                });
                (hour, opened.collect())
            })
            .collect())
    }

    /// Reads the sealed originals of a page. What cannot be read is counted.
    fn fetch(&self, link: &mut Link, hits: &Hits) -> Result<(Vec<StoredTransit>, u64), StoreError> {
        let of_hours: Vec<&[Hit]> = hits.page.chunk_by(|a, b| a.hour == b.hour).collect();
        let mut envelopes = HashMap::new();
        for some in of_hours.chunks(HOURS_AT_ONCE) {
            let asked: Vec<_> = some
                .iter()
                .filter_map(|hits| {
                    let table = table_of(hits.first()?.hour);
                    let sql = format!("SELECT id, envelope FROM {table} WHERE id = ANY($1)");
                    let ids: Vec<i64> = hits.iter().map(|hit| hit.id).collect();
                    let values: Vec<Box<dyn ToSql + Sync>> = vec![Box::new(ids)];
                    Some((sql, values))
                })
                .collect();
            let answers = link.each("read the transits", &asked)?;
            for (hits, rows) in some.iter().zip(answers) {
                for row in rows {
                    let hour = hits.first().map(|hit| hit.hour);
                    envelopes.insert((hour, row.get::<_, i64>(0)), row.get::<_, Vec<u8>>(1));
                }
            }
        }
        self.name_edges(link, hits)?;
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let mut transits = Vec::with_capacity(hits.page.len());
        let mut broken = 0;
        for hit in &hits.page {
            let Some(secret) = self.secrets.of(hit.hour)? else {
                continue;
            };
            let sealed = envelopes.get(&(Some(hit.hour), hit.id));
            let place = place_of(ENVELOPE, hit.hour, hit.id);
            let Some(Ok(envelope)) = sealed.map(|sealed| secret.key.open(&place, sealed)) else {
                broken += 1;
                continue;
            };
            let Some(edge) = names.name(hit.head.edge).map(str::to_owned) else {
                broken += 1;
                continue;
            };
            let neighbour = hits.neighbours.get(&folded(&hit.head.entry.plate));
            transits.push(StoredTransit {
                head: hit.head,
                edge,
                envelope,
                misread: neighbour.filter(|n| n.cost > 0).cloned(),
            });
        }
        Ok((transits, broken))
    }

    /// Makes sure that the edges of a page can be named: another hub may have met them first.
    fn name_edges(&self, link: &mut Link, hits: &Hits) -> Result<(), StoreError> {
        let unknown = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            let mut heads = hits.page.iter().map(|hit| hit.head.edge);
            heads.any(|edge| names.name(edge).is_none())
        };
        if unknown {
            self.reload_names(link)
        } else {
            Ok(())
        }
    }
}

/// Some hours at once, never cutting between two partitions of one hour.
fn whole_hours(hours: &[(Partition, Here)]) -> Vec<&[(Partition, Here)]> {
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for of_one_hour in hours.chunk_by(|a, b| a.0.hour() == b.0.hour()) {
        end += of_one_hour.len();
        if end - begin >= HOURS_AT_ONCE {
            parts.extend(hours.get(begin..end));
            begin = end;
        }
    }
    parts.extend(hours.get(begin..).filter(|rest| !rest.is_empty()));
    parts
}

impl Hits {
    /// What of an hour's rows fits. A token may be another value's: what was meant is compared.
    fn fitting(
        &mut self,
        hour: Partition,
        rows: Vec<(i64, Option<Head>)>,
        numbers: &Numbers<'_>,
        wanted: &Wanted,
    ) -> Vec<Hit> {
        let mut found = Vec::new();
        for (id, head) in rows {
            let Some(head) = head else {
                self.broken += 1;
                continue;
            };
            let plate = folded(&head.entry.plate);
            let meant = match wanted {
                Wanted::Every => true,
                Wanted::Plates(plates) => plates.contains(&plate),
                Wanted::Fitting(glob) => glob.fits(&plate),
            };
            if meant && numbers.fits(hour, &head.entry) {
                found.push(Hit { hour, id, head });
            }
        }
        self.total += u64::try_from(found.len()).unwrap_or(u64::MAX);
        found
    }

    /// Takes what an hour has, in the answer's order and behind the cursor.
    fn take(&mut self, mut found: Vec<Hit>, query: &Query, most: usize) {
        let room = most.saturating_sub(self.page.len());
        if room == 0 {
            return;
        }
        found.sort_unstable_by_key(Hit::key);
        if !query.oldest_first {
            found.reverse();
        }
        let behind = |hit: &Hit| {
            query.after.is_none_or(|cursor| {
                let cursor = (cursor.captured_at, cursor.row, cursor.term);
                if query.oldest_first {
                    hit.key() > cursor
                } else {
                    hit.key() < cursor
                }
            })
        };
        self.page
            .extend(found.into_iter().filter(behind).take(room));
    }
}
