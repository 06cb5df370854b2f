//! The one way of a question about stored transits: what may be processed is decided first, then it is
//! searched, and nothing is given back before the line that says who asked what, and why, is committed.

use std::collections::BTreeMap;

use thiserror::Error;
use varco_proto::ids::{Digest, GateId};
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::left_out;
use super::store::TransitStore;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;
use crate::audit::{self, AuditEntry, AuditError};
use crate::judgement::judge::{Judge, JudgedSearch, NeedsSecond, SearchTarget, Searcher, stopped};
use crate::municipalities::reach::{LeftOut, Reach, SharedUnder};
use crate::plates::plate::Plate;
use crate::store::awaited;
use crate::store::sql::TransactionBehavior;
use crate::store::{Doing as _, StoreError, number};
use crate::transits::allowed::Allowed;
use crate::transits::stored::StoredTransit;

/// A question is not answered.
#[derive(Debug, Error)]
pub enum LookupError {
    /// The audit line cannot be written, so nothing is shown.
    #[error("the audit line cannot be written, so the lookup is refused")]
    Audit(#[from] AuditError),
    /// The rule against misuse needs a second person.
    #[error(transparent)]
    NeedsSecond(#[from] NeedsSecond),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who asks, why and when.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// Why; none for a count, which tells of nobody.
    pub grounds: Option<&'a Grounds>,
    /// The gates whose transits they may see.
    pub reach: &'a Reach,
    /// By the hub's clock.
    pub now: UtcTime,
    /// Signs the audit line.
    pub key: &'a SealingKey,
    /// Judges it by what its person asked before.
    pub judge: &'a Judge,
    /// When the case of its grounds last grew.
    pub grown_at: Option<UtcTime>,
}

impl<'a> Asking<'a> {
    /// As the judge sees it; none without grounds.
    fn searcher(&self) -> Option<Searcher<'a>> {
        self.grounds.map(|grounds| Searcher {
            actor: self.actor,
            grounds,
            grown_at: self.grown_at,
            now: self.now,
        })
    }
}

/// What the line says of a question and of its answer.
#[derive(Debug)]
pub struct QuestionLine {
    /// Which question.
    pub action: Action,
    /// The plate or pattern that was asked for.
    pub plate: Option<String>,
    /// What else was asked, and how much there is.
    pub details: serde_json::Value,
    /// The gates that were not searched, of those that were asked for.
    pub left_out: Vec<LeftOut>,
    /// The records that are shown; none when the answer has no records.
    pub shown: Option<Vec<ShownRecord>>,
    /// The plates that the answer shows, where a narrow answer counts as a search of each.
    pub plates: Vec<Plate>,
}

/// A record that an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownRecord {
    /// Which.
    pub digest: Digest,
    /// The gate that saw it, by its number among the store's names.
    pub gate: u32,
    /// When it was captured.
    pub at: UtcTime,
}

impl From<&StoredTransit> for ShownRecord {
    fn from(stored: &StoredTransit) -> Self {
        Self {
            digest: stored.head.digest,
            gate: stored.head.entry.gate,
            at: stored.captured_at,
        }
    }
}

/// An answer whose line is committed.
#[derive(Debug)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// The number of its line.
    pub audit_line: u64,
    /// How near the question was to a rule, and those of its answer; empty for a count.
    pub judged: Vec<JudgedSearch>,
}

impl TransitStore {
    /// Asks. The question is judged first, by what its person asked before, and not searched when it needs a
    /// second person. `find` gets what may be processed now, and gives what it found with what the line says of
    /// it; what it found is given back once the line is committed. A narrow answer is judged like the question
    /// before it is given.
    ///
    /// # Errors
    /// What `find` gives, [`NeedsSecond`], and when the line cannot be written; then nothing may be shown.
    pub fn ask<T, E: From<StoreError> + From<AuditError> + From<NeedsSecond>>(
        &self,
        asking: &Asking<'_>,
        target: SearchTarget<'_>,
        find: impl FnOnce(&Allowed) -> Result<(T, QuestionLine), E>,
    ) -> Result<Answered<T>, E> {
        let before = self.judged(asking, target)?;
        if let Some(why) = stopped(&before) {
            self.note_stop(asking, &before, why)?;
            return Err(why.into());
        }
        let allowed = self.allowed(asking.now, asking.reach)?;
        let (answer, said) = find(&allowed)?;
        let has_records = said.shown.is_some();
        let shown = said.shown.unwrap_or_default(); // A count shows no records.
        let mut details = said.details;
        self.tell_communicated(&mut details, asking.reach, &shown)?;
        if let Some(details) = details
            .as_object_mut()
            .filter(|_| !said.left_out.is_empty())
        {
            details.insert("left_out".to_owned(), left_out::told(&said.left_out));
        }
        let count = number::count(shown.len())?;
        let entry = AuditEntry {
            actor: asking.actor.clone(),
            action: said.action,
            grounds: asking.grounds.cloned(),
            query: said.plate,
            details,
            result_count: has_records.then_some(count),
            result_digests: shown.iter().map(|record| record.digest).collect(),
        };
        // The turn first: whoever waits for it must not keep the others from reading.
        let turn = self.turn();
        let mut main = self.main();
        // A line would say that somebody was shown these.
        awaited::check()?;
        let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.doing("begin the audit line")?;
        // Again, with what is shown and what was asked meanwhile: two questions at once are two.
        let judged = match asking.searcher() {
            Some(searcher) => asking
                .judge
                .judge(&transaction, &searcher, target, &said.plates)?,
            None => Vec::new(),
        };
        if let Some(why) = stopped(&judged) {
            drop(transaction);
            drop(main);
            drop(turn);
            self.note_stop(asking, &judged, why)?;
            return Err(why.into());
        }
        let audit_line = audit::append(&transaction, &entry, asking.now, asking.key)?;
        if let Some(searcher) = asking.searcher() {
            let shown = entry.result_count.unwrap_or(0); // What has no records shows none.
            asking.judge.note(&transaction, &searcher, &judged, shown)?;
        }
        transaction.commit().doing("commit the audit line")?;
        Ok(Answered {
            answer,
            audit_line,
            judged,
        })
    }

    /// Says which of the shown records are another municipality's, and under which agreement they are communicated:
    /// by their places, from 0, among the line's digests. What one's own appointed persons see is no communication
    /// (art. 17 c. 1 and c. 3).
    fn tell_communicated(
        &self,
        details: &mut serde_json::Value,
        reach: &Reach,
        shown: &[ShownRecord],
    ) -> Result<(), StoreError> {
        if reach.is_own() {
            return Ok(());
        }
        let mut places: BTreeMap<&SharedUnder, Vec<usize>> = BTreeMap::new();
        for (place, record) in shown.iter().enumerate() {
            let damaged = StoreError::Damaged { what: "gate" };
            let gate = self.hours().name(record.gate);
            let gate = gate.and_then(|gate| gate.parse::<GateId>().ok());
            for under in reach.shared(&gate.ok_or(damaged)?, record.at) {
                places.entry(under).or_default().push(place);
            }
        }
        let told = places.into_iter().map(|(under, places)| {
            serde_json::json!({
                "agreement": under.agreement, "municipality": under.municipality, "records": places,
            })
        });
        let told: Vec<_> = told.collect();
        if let Some(details) = details.as_object_mut().filter(|_| !told.is_empty()) {
            details.insert("communicated".to_owned(), told.into());
        }
        Ok(())
    }

    /// Judges a question before it is searched.
    fn judged(
        &self,
        asking: &Asking<'_>,
        target: SearchTarget<'_>,
    ) -> Result<Vec<JudgedSearch>, StoreError> {
        match asking.searcher() {
            Some(searcher) => asking.judge.judge(&self.main(), &searcher, target, &[]),
            None => Ok(Vec::new()),
        }
    }

    /// Notes that a question was stopped, with its line: whoever goes on trying is not forgotten.
    fn note_stop(
        &self,
        asking: &Asking<'_>,
        judged: &[JudgedSearch],
        why: NeedsSecond,
    ) -> Result<(), AuditError> {
        let Some(searcher) = asking.searcher() else {
            return Ok(());
        };
        let NeedsSecond(why) = why;
        let details = serde_json::json!({
            "rule": why.rule.as_str(), "count": why.count, "of": why.of, "days": why.days,
        });
        let entry = AuditEntry {
            grounds: asking.grounds.cloned(),
            ..AuditEntry::plain(asking.actor.clone(), Action::SearchStopped, details)
        };
        let _turn = self.turn();
        let mut main = self.main();
        let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.doing("begin to note a stopped search")?;
        audit::append(&transaction, &entry, asking.now, asking.key)?;
        asking.judge.note(&transaction, &searcher, judged, 0)?;
        transaction.commit().doing("commit a stopped search")?;
        Ok(())
    }
}
