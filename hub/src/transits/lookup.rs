//! Looking transits up: nothing is given back before its audit line is committed.

use std::sync::{Mutex, PoisonError};

use thiserror::Error;
use varco_proto::ids::Digest;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::archive::Archive;
use super::entry::Entry as TransitEntry;
use super::horizon::Horizon;
use super::query::{Cursor, Filter, Query};
use super::rows::Head;
use super::search::{Hit, Hits};
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;
use crate::audit::{self, AuditEntry as Entry, AuditError};
use crate::hours::partition::Partition;
use crate::map::gates::Within;
use crate::plates::misread::Neighbour;
use crate::plates::pattern::PlatePattern;
use crate::plates::plate::folded;
use crate::store::awaited;
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError, number};

/// Transits of one plate in one microsecond that are looked through for one of them.
const SAME_MOMENT_MAX: u32 = 100;

/// A transit as it lies in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTransit {
    /// What the hub knows of it.
    pub head: Head,
    /// The edge that sealed it.
    pub edge: String,
    /// The sealed original.
    pub envelope: Vec<u8>,
    /// Why it matched a plate that may have been misread; none when the text matched.
    pub misread: Option<Neighbour>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// In the order asked for, at most the query's limit.
    pub transits: Vec<StoredTransit>,
    /// How many match in all, beyond the limit and before the cursor too.
    pub total: u64,
    /// Whether `total` is estimated, because counting would have taken long.
    pub total_is_estimate: bool,
    /// Transits that cannot be read any more; run `varco-hub audit verify`.
    pub broken: u64,
    /// Transits that match and are left out, because they are blocked.
    pub hidden: u64,
    /// Where to go on; none when this was the end.
    pub next: Option<Cursor>,
    /// First moment that was searched: the query's, or the beginning of the term.
    pub searched_from: UtcTime,
    /// The audit line that this lookup left.
    pub audit_sequence: u64,
}

/// A lookup is not answered.
#[derive(Debug, Error)]
pub enum LookupError {
    /// The audit line cannot be written, so nothing is shown.
    #[error("the audit line cannot be written, so the lookup is refused")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who asks, why and when.
pub struct Asking<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// Why.
    pub grounds: &'a Grounds,
    /// By the hub's clock.
    pub now: UtcTime,
    /// Signs the audit line.
    pub key: &'a SealingKey,
}

impl Archive {
    /// Looks up: reads, and commits the audit line before anything is given back. Nothing older
    /// than the term is shown, to the microsecond.
    ///
    /// # Errors
    /// [`LookupError`]; then nothing was shown.
    pub fn look_up(&self, query: &Query, asking: &Asking<'_>) -> Result<Found, LookupError> {
        let allowed = self.allowed(asking.now)?;
        let searched_from = query.from.max(allowed.horizon().begins());
        let mut hits = self.search(query, &allowed)?;
        // More than fits in memory is no limit.
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let more = hits.page.len() > most;
        hits.page.truncate(most);
        let next = hits.page.last().filter(|_| more).map(|hit| Cursor {
            captured_at: hit.at(),
            row: hit.entry.row,
            term: hit.place.hour.term(),
        });
        let (transits, broken) = self.fetch(&hits)?;
        let page = Page {
            transits,
            total: hits.total,
            is_estimate: hits.is_estimate,
            broken,
            left_out: hits.left_out,
            next,
            searched_from,
        };
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
        let hits = self.search(&query, &self.allowed(now)?)?;
        let (transits, _) = self.fetch(&hits)?;
        Ok(transits.into_iter().find(|stored| stored.head.id == *id))
    }

    /// The sealed originals of these, in their order; what is gone or does not open is left out.
    pub(super) fn stored_of(
        &self,
        passes: &[(Partition, TransitEntry)],
    ) -> Result<Vec<StoredTransit>, StoreError> {
        let hits = {
            let state = self.read();
            let hit = |(hour, entry): &(Partition, TransitEntry)| {
                let place = state.hours.get(hour)?.place.clone();
                let entry = *entry;
                Some(Hit { place, entry })
            };
            Hits {
                page: passes.iter().filter_map(hit).collect(),
                ..Hits::default()
            }
        };
        Ok(self.fetch(&hits)?.0)
    }

    /// Reads the rows of a page. What cannot be read is counted.
    pub(super) fn fetch(&self, hits: &Hits) -> Result<(Vec<StoredTransit>, u64), StoreError> {
        let mut transits = Vec::with_capacity(hits.page.len());
        let mut broken = 0;
        for of_one_hour in hits.page.chunk_by(|a, b| a.place.hour == b.place.hour) {
            let Some(Hit { place, .. }) = of_one_hour.first() else {
                continue;
            };
            if !place.rows_file().exists() {
                continue; // Destroyed meanwhile: its term was over.
            }
            let connection = self.reader(place)?;
            for hit in of_one_hour {
                match place.read(&connection, hit.entry.row) {
                    // An index that points at another transit would show a wrong plate.
                    Ok((head, envelope)) if head.entry == hit.entry => {
                        let edge = self.read().names.name(head.edge).map(str::to_owned);
                        let Some(edge) = edge else {
                            broken += 1;
                            continue;
                        };
                        let neighbour = hits.neighbours.get(&folded(&head.entry.plate));
                        transits.push(StoredTransit {
                            head,
                            edge,
                            envelope,
                            misread: neighbour.filter(|n| n.cost > 0).cloned(),
                        });
                    }
                    Ok(_) | Err(StoreError::Damaged { .. }) => broken += 1,
                    Err(error) => return Err(error),
                }
            }
            self.give_back(place.hour, connection);
        }
        Ok((transits, broken))
    }
}

/// What finds one transit.
pub(crate) fn query_of_one(plate: &str, at: UtcTime) -> Result<Query, StoreError> {
    let damaged = StoreError::Damaged { what: "plate" };
    Ok(Query {
        plate: PlatePattern::normalise(plate).map_err(|_| damaged)?,
        fold: false,
        misread: false,
        from: at,
        to: at,
        filter: Filter::default(),
        limit: SAME_MOMENT_MAX,
        oldest_first: false,
        after: None,
    })
}

/// What a store found, before its audit line.
pub(crate) struct Page {
    pub(crate) transits: Vec<StoredTransit>,
    pub(crate) total: u64,
    pub(crate) is_estimate: bool,
    pub(crate) broken: u64,
    pub(crate) left_out: u64,
    pub(crate) next: Option<Cursor>,
    pub(crate) searched_from: UtcTime,
}

impl Page {
    /// Commits the audit line, and only then gives out what was found.
    pub(crate) fn told(
        self,
        main: &mut Connection,
        turn: &Mutex<()>,
        query: &Query,
        asking: &Asking<'_>,
    ) -> Result<Found, LookupError> {
        let entry = self.entry(query, asking)?;
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        // A line would say that somebody was shown these.
        awaited::check()?;
        let transaction = main.transaction().doing("begin the audit line")?;
        let audit_sequence = audit::append(&transaction, &entry, asking.now, asking.key)?;
        transaction.commit().doing("commit the audit line")?;
        Ok(Found {
            transits: self.transits,
            total: self.total,
            total_is_estimate: self.is_estimate,
            broken: self.broken,
            hidden: self.left_out,
            next: self.next,
            searched_from: self.searched_from,
            audit_sequence,
        })
    }

    fn entry(&self, query: &Query, asking: &Asking<'_>) -> Result<Entry, StoreError> {
        let filter = &query.filter;
        let digests: Vec<Digest> = self.transits.iter().map(|t| t.head.digest).collect();
        Ok(Entry {
            actor: asking.actor.clone(),
            action: Action::Lookup,
            grounds: Some(asking.grounds.clone()),
            query: Some(query.plate.as_str().to_owned()),
            details: serde_json::json!({
                "from": query.from, "to": query.to, "searched_from": self.searched_from,
                "cameras": filter.cameras, "gates": filter.gates,
                "area": filter.within.as_ref().map(Within::told),
                "municipalities": filter.municipal.as_ref().map(|of| &of.names),
                "fold": query.fold, "misread": query.misread, "limit": query.limit,
                "after": query.after.map(Cursor::to_text),
                "total": self.total, "total_is_estimate": self.is_estimate,
                "hidden": self.left_out,
            }),
            result_count: Some(number::count(self.transits.len())?),
            result_digests: digests,
        })
    }
}
