//! A search through the transits in PostgreSQL.
//!
//! The dictionary says in which hours the wanted plates are; there their tokens find the rows, and
//! the opened heads say what of them fits. Some hours are asked for at once.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::PoisonError;

use tokio_postgres::types::ToSql;

use super::connection::PgConnection;
use super::plates::Here;
use super::schema::table_of;
use super::secrets::Secret;
use super::server::{Lent, Server};
use crate::hours::partition::Partition;
use crate::store::StoreError;
use crate::transits::allowed::Allowed;
use crate::transits::names::NameKind;
use crate::transits::query::Query;
use crate::transits::rows::Head;
use crate::transits::stored::{Fetched, Hit, Look, StoredTransit, Wish};
use crate::transits::wanted::Numbers;

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

impl Server {
    pub(super) fn numbers_of<'q>(
        &self,
        link: &mut PgConnection,
        query: &'q Query,
        allowed: &'q Allowed,
    ) -> Result<Numbers<'q>, StoreError> {
        let filter = &query.filter;
        for camera in &filter.cameras {
            self.number(link, NameKind::Camera, camera.as_str())?;
        }
        for gate in &filter.gates {
            self.number(link, NameKind::Gate, gate.as_str())?;
        }
        let unmet = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            let mut gates = allowed.horizon().gates();
            gates.any(|(gate, _)| names.number(NameKind::Gate, gate).is_none())
        };
        if unmet
            || filter.within.is_some()
            || filter.municipal.is_some()
            || !allowed.reach().is_everywhere()
            || !filter.gates.is_empty()
        {
            // Another hub may have met cameras there.
            self.reload_names(link)?;
        }
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Numbers::of(query, allowed, &names))
    }

    /// The rows of some hours that may match, in the hours' order: each with its id, and its head
    /// when it opens.
    #[allow(
        clippy::type_complexity,
        reason = "an hour with its rows, which live for one loop"
    )]
    fn rows_of(
        &self,
        link: &mut PgConnection,
        hours: &[(Partition, &Here)],
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

    /// Reads the sealed originals of hits. What cannot be read is counted.
    pub(super) fn fetch_from(
        &self,
        link: &mut PgConnection,
        hits: &[Hit],
    ) -> Result<Fetched, StoreError> {
        let of_hours: Vec<&[Hit]> = hits.chunk_by(|a, b| a.hour == b.hour).collect();
        let mut sealed = HashMap::new();
        for some in of_hours.chunks(HOURS_AT_ONCE) {
            let asked: Vec<_> = some
                .iter()
                .filter_map(|hits| {
                    let table = table_of(hits.first()?.hour);
                    let sql = format!("SELECT id, head, envelope FROM {table} WHERE id = ANY($1)");
                    let ids: Vec<i64> = hits.iter().map(|hit| hit.row_id).collect();
                    let values: Vec<Box<dyn ToSql + Sync>> = vec![Box::new(ids)];
                    Some((sql, values))
                })
                .collect();
            let answers = link.each("read the transits", &asked)?;
            for (hits, rows) in some.iter().zip(answers) {
                let Some(hour) = hits.first().map(|hit| hit.hour) else {
                    continue;
                };
                for row in rows {
                    let both: (Vec<u8>, Vec<u8>) = (row.get(1), row.get(2));
                    sealed.insert((hour, row.get::<_, i64>(0)), both);
                }
            }
        }
        let mut opened = Vec::with_capacity(hits.len());
        let mut fetched = Fetched::default();
        for hit in hits {
            // Destroyed meanwhile: its term was over.
            let Some(secret) = self.secrets.of(hit.hour)? else {
                continue;
            };
            let row = sealed.get(&(hit.hour, hit.row_id));
            let row = row.and_then(|(head, envelope)| {
                let head = head_in(&secret, hit.hour, hit.row_id, head)?;
                let place = place_of(ENVELOPE, hit.hour, hit.row_id);
                let envelope = secret.key.open(&place, envelope).ok()?;
                (head.entry == hit.entry).then_some((head, hit.at(), envelope))
            });
            match row {
                Some(row) => opened.push(row),
                None => fetched.broken += 1,
            }
        }
        self.name_edges(link, opened.iter().map(|(head, ..)| head.edge))?;
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        for (head, captured_at, envelope) in opened {
            match names.name(head.edge).map(str::to_owned) {
                Some(edge) => fetched.transits.push(StoredTransit {
                    head,
                    captured_at,
                    edge,
                    envelope,
                    misread: None,
                }),
                None => fetched.broken += 1,
            }
        }
        Ok(fetched)
    }

    /// Makes sure that edges can be named: another hub may have met them first.
    fn name_edges(
        &self,
        link: &mut PgConnection,
        mut edges: impl Iterator<Item = u32>,
    ) -> Result<(), StoreError> {
        let unknown = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            edges.any(|edge| names.name(edge).is_none())
        };
        if unknown {
            self.reload_names(link)
        } else {
            Ok(())
        }
    }
}

/// A search through the transits in PostgreSQL.
pub(super) struct ServerLook<'a> {
    server: &'a Server,
    link: Lent<'a>,
    wish: &'a Wish<'a>,
    hours: Vec<Partition>,
    here: Vec<Here>,
    /// Hours that were asked for, and rows that were opened.
    asked: usize,
    opened: usize,
    broken: u64,
}

impl<'a> ServerLook<'a> {
    pub(super) fn begin(server: &'a Server, wish: &'a Wish<'a>) -> Result<Self, StoreError> {
        let (first, last) = wish.numbers.window();
        let mut link = server.lend();
        let found = link.work(|link| Ok(server.book(link)?.find(&wish.wanted, first, last)))?;
        let (hours, here) = found.into_iter().unzip();
        Ok(Self {
            server,
            link,
            wish,
            hours,
            here,
            asked: 0,
            opened: 0,
            broken: 0,
        })
    }

    /// Whether a row is wanted. A token may be another value's: what was meant is compared.
    fn fits(&self, hour: Partition, head: &Head) -> bool {
        self.wish.wanted.has(&head.entry.plate) && self.wish.numbers.fits(hour, &head.entry)
    }
}

impl Look for ServerLook<'_> {
    fn hours(&self) -> &[Partition] {
        &self.hours
    }

    fn at_once(&self) -> usize {
        HOURS_AT_ONCE
    }

    fn read(&mut self, hours: Range<usize>) -> Result<Vec<Hit>, StoreError> {
        let some = self.hours.get(hours.clone()).unwrap_or_default();
        let some = some.iter().copied();
        let here = self.here.get(hours).unwrap_or_default();
        let asked: Vec<(Partition, &Here)> = some.zip(here).collect();
        self.asked += asked.len();
        let (server, wish) = (self.server, self.wish);
        let link = &mut self.link;
        let of_hours = link.work(|link| server.rows_of(link, &asked, &wish.numbers))?;
        let mut hits = Vec::new();
        for (hour, rows) in of_hours {
            self.opened += rows.len();
            for (row_id, head) in rows {
                match head {
                    None => self.broken += 1,
                    Some(head) if self.fits(hour, &head) => hits.push(Hit {
                        hour,
                        entry: head.entry,
                        row_id,
                    }),
                    Some(_) => {}
                }
            }
        }
        Ok(hits)
    }

    fn all(&self, hour: usize) -> u64 {
        self.here.get(hour).map_or(0, |here| here.about)
    }

    fn about(&self, hour: usize) -> u64 {
        let (Some(hour), Some(here)) = (self.hours.get(hour), self.here.get(hour)) else {
            return 0;
        };
        let left_out = self.wish.numbers.left_out_in(*hour, &self.wish.wanted);
        let left_out = u64::try_from(left_out.count()).unwrap_or(0);
        here.about.saturating_sub(left_out)
    }

    fn is_dear(&self) -> bool {
        self.asked >= HOURS_TO_COUNT || self.opened >= ROWS_TO_COUNT
    }

    fn broken(&self) -> u64 {
        self.broken
    }
}
