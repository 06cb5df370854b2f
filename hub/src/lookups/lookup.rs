//! Looking transits up: nothing is given back before its audit line is committed.

use varco_proto::time::UtcTime;

use super::left_out;
use super::question::{Asking, LookupError, QuestionLine, ShownRecord};
use super::search::{Hits, SAME_MOMENT_MAX, search, searched_from};
use crate::audit::action::Action;
use crate::judgement::judge::{JudgedSearch, SearchTarget};
use crate::lookups::store::TransitStore;
use crate::map::gates::Within;
use crate::municipalities::reach::{LeftOut, Reach};
use crate::plates::pattern::PlatePattern;
use crate::store::StoreError;
use crate::transits::query::{Cursor, Filter, Query};
use crate::transits::stored::{Fetched, StoredTransit};

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
    /// The gates that were not searched, of those that were asked for.
    pub left_out: Vec<LeftOut>,
    /// The audit line that this lookup left.
    pub audit_sequence: u64,
    /// How near it was to a rule against misuse.
    pub judged: Vec<JudgedSearch>,
}

impl TransitStore {
    /// Looks up: reads, and commits the audit line before anything is given back. Nothing older
    /// than the term is shown, to the microsecond.
    ///
    /// # Errors
    /// [`LookupError`]; then nothing was shown.
    pub fn look_up(&self, query: &Query, asking: &Asking<'_>) -> Result<Found, LookupError> {
        let target = SearchTarget::Plate {
            pattern: &query.plate,
            places: &format!("{:?}", query.filter),
        };
        let answered = self.ask(asking, target, |allowed| {
            let hits = search(self.hours(), query, allowed)?;
            let fetched = hits.fetch(self.hours())?;
            let page = Page {
                searched_from: searched_from(query, allowed),
                left_out: left_out::of(asking.reach, &[&query.filter]),
                hits,
                fetched,
            };
            let said = page.said(query);
            Ok::<_, LookupError>((page, said))
        })?;
        let Page {
            hits,
            fetched,
            searched_from,
            left_out,
        } = answered.answer;
        Ok(Found {
            transits: fetched.transits,
            total: hits.total,
            total_is_estimate: hits.is_estimate,
            broken: hits.broken + fetched.broken,
            hidden: hits.left_out,
            next: hits.next,
            searched_from,
            left_out,
            audit_sequence: answered.audit_line,
            judged: answered.judged,
        })
    }

    /// One stored transit, by its id and by what finds it; none when it is not there, past its term, blocked or
    /// out of reach. The caller writes the audit line.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn one(
        &self,
        wanted: &OneTransit<'_>,
        now: UtcTime,
        reach: &Reach,
    ) -> Result<Option<StoredTransit>, StoreError> {
        let query = wanted.query()?;
        let hits = search(self.hours(), &query, &self.allowed(now, reach)?)?;
        let mut transits = hits.fetch(self.hours())?.transits.into_iter();
        Ok(transits.find(|stored| stored.head.id == *wanted.id))
    }
}

/// One stored transit, by what finds it.
#[derive(Debug, Clone, Copy)]
pub struct OneTransit<'a> {
    /// Its id.
    pub id: &'a [u8; 16],
    /// Its plate, as it was read.
    pub plate: &'a str,
    /// When it was captured.
    pub captured_at: UtcTime,
}

impl OneTransit<'_> {
    fn query(&self) -> Result<Query, StoreError> {
        let damaged = StoreError::Damaged { what: "plate" };
        Ok(Query {
            plate: PlatePattern::normalise(self.plate).map_err(|_| damaged)?,
            fold: false,
            misread: false,
            from: self.captured_at,
            to: self.captured_at,
            filter: Filter::default(),
            limit: SAME_MOMENT_MAX,
            oldest_first: false,
            after: None,
        })
    }
}

/// What was found, before its audit line.
struct Page {
    hits: Hits,
    fetched: Fetched,
    searched_from: UtcTime,
    left_out: Vec<LeftOut>,
}

impl Page {
    fn said(&self, query: &Query) -> QuestionLine {
        let filter = &query.filter;
        QuestionLine {
            action: Action::Lookup,
            plate: Some(query.plate.as_str().to_owned()),
            details: serde_json::json!({
                "from": query.from, "to": query.to, "searched_from": self.searched_from,
                "cameras": filter.cameras, "gates": filter.gates,
                "area": filter.within.as_ref().map(Within::told),
                "municipalities": filter.municipal.as_ref().map(|of| &of.names),
                "fold": query.fold, "misread": query.misread, "limit": query.limit,
                "after": query.after.map(Cursor::to_text),
                "total": self.hits.total, "total_is_estimate": self.hits.is_estimate,
                "hidden": self.hits.left_out,
            }),
            left_out: self.left_out.clone(),
            plates: self.hits.page.iter().map(|hit| hit.entry.plate).collect(),
            shown: Some(
                self.fetched
                    .transits
                    .iter()
                    .map(ShownRecord::from)
                    .collect(),
            ),
        }
    }
}
