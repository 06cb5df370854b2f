//! Storing a batch: judge, commit, and say what to answer. Its envelopes were opened before
//! ([`super::opening`]), outside the transaction.
//!
//! In the home the hours are committed first, the main database after. A kill between the two leaves
//! transits that no chain knows yet: they were verified, and the edge, which got no receipt, sends
//! them again; they are found in their hour and noted in the chain then.
//!
//! In PostgreSQL transits and chains are committed as one. What is noted in the main database
//! (refusals, tampering, forks, reports) is committed just before; noting it twice changes nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use varco_proto::envelope::{Verified, open};
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::RefusalReason;
use varco_proto::record::{Record, RecordBody};
use varco_proto::status::EdgeStatus;
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;

pub use super::answers::{Answer, Outcome, Taken};
use super::chain::heads::Heads;
use super::chain::prune::{self, Pruned};
use super::judge::{Judgement, Limits, Missing, Refused, judge, open_record, reason_of};
use super::ledger::{Embedded, Ledger};
use super::notes::Notes;
use super::opening::{Opened, Opening};
use super::{drops, refusals};
use crate::alerts::raise::Watch;
use crate::clock::SharedClock;
use crate::hotlists::active::ActiveLists;
use crate::places::edges::{self, Edge};
use crate::places::{forks, tampering};
use crate::postgres::Shelf;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use crate::transits::archive::Archive;
use crate::transits::batch::Inserted;
use crate::transits::retention::{self, Expired, RetentionError};
use crate::transits::store::TransitStore;

/// One message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// On which topic it came.
    pub topic: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The one writer of transits.
pub struct Writer {
    main: Connection,
    into: Target,
    key: Arc<SealingKey>,
    clock: SharedClock,
    limits: Limits,
    hotlists: Option<Arc<ActiveLists>>,
}

/// Where the writer's transits and chains go.
enum Target {
    Embedded {
        archive: Arc<Archive>,
        heads: Heads,
        pruned_after: Option<EdgeId>,
    },
    Postgres(Shelf),
}

impl Writer {
    /// A writer over the main database and the store of the transits.
    #[must_use]
    pub fn new(
        main: Connection,
        store: impl Into<TransitStore>,
        key: Arc<SealingKey>,
        clock: SharedClock,
        limits: Limits,
    ) -> Self {
        let into = match store.into() {
            TransitStore::Embedded(archive) => Target::Embedded {
                archive,
                heads: Heads::default(),
                pruned_after: None,
            },
            TransitStore::Postgres(server) => Target::Postgres(Shelf::of(server)),
        };
        Self {
            main,
            into,
            key,
            clock,
            limits,
            hotlists: None,
        }
    }

    /// Holds what it stores against hotlists.
    #[must_use]
    pub fn watching(self, hotlists: Arc<ActiveLists>) -> Self {
        Self {
            hotlists: Some(hotlists),
            ..self
        }
    }

    /// What its answers are sealed with.
    #[must_use]
    pub fn key(&self) -> Arc<SealingKey> {
        self.key.clone()
    }

    /// Takes a batch, opening and sealing here: all of it is committed when this returns, or none.
    ///
    /// # Errors
    /// As [`Writer::take_opened`].
    pub fn take(&mut self, batch: &[Message]) -> Result<Taken, StoreError> {
        let opened = Opened::from(Arc::from(batch));
        Ok(self.take_opened(&opened)?.sealed(&self.key))
    }

    /// Takes a batch: all of it is committed when this returns, or none.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be acknowledged; the same batch is tried again, unless
    /// [`StoreError::is_of_the_record`].
    pub fn take_opened(&mut self, batch: &Opened) -> Result<Outcome, StoreError> {
        let now = self.clock.now();
        let taking = Taking {
            main: &self.main,
            lists: self.hotlists.as_ref(),
            batch,
            limits: &self.limits,
            now,
        };
        let outcome = match &mut self.into {
            Target::Embedded { archive, heads, .. } => taking.embedded(archive, heads),
            Target::Postgres(shelf) => taking.postgres(shelf),
        };
        Ok(outcome?.committed(self.clock.now()))
    }

    /// Refuses one message that the store cannot hold, so that it never stops the line.
    ///
    /// # Errors
    /// [`StoreError`] when not even the refusal can be noted.
    pub fn refuse(&mut self, message: &Message) -> Result<Outcome, StoreError> {
        let now = self.clock.now();
        let mut outcome = Outcome::new();
        if let Some(edge) = Topic::parse(&message.topic).map(edge_of) {
            let refused = Refused {
                reason: RefusalReason::Malformed,
                detail: "the hub's store cannot hold it".to_owned(),
                sequence: 0,
                digest: Digest::of(&message.bytes),
            };
            refusals::note(&self.main, &edge, &refused, now)?;
            outcome.refuse(edge, refused);
        }
        Ok(outcome.committed(now))
    }

    /// Lets go of links that no question can come to any more: one small step, so that no batch
    /// waits for long.
    ///
    /// # Errors
    /// [`StoreError`]; the next step tries the same again.
    pub fn prune(&mut self) -> Result<Pruned, StoreError> {
        let before = self.clock.now() - self.limits.term - prune::MARGIN;
        match &mut self.into {
            Target::Embedded {
                heads,
                pruned_after,
                ..
            } => prune_embedded(&mut self.main, heads, pruned_after, before),
            Target::Postgres(shelf) => shelf.prune(before),
        }
    }

    /// Destroys the keys of what is past its term, of `most` hours at most: intake waits meanwhile.
    ///
    /// # Errors
    /// [`RetentionError`]; the next run goes on.
    pub fn expire(&mut self, most: usize) -> Result<Expired, RetentionError> {
        let now = self.clock.now();
        let (main, term, key) = (&mut self.main, self.limits.term, &self.key);
        match &mut self.into {
            Target::Embedded { archive, .. } => {
                retention::expire(main, archive, term, now, key, most)
            }
            Target::Postgres(shelf) => shelf.expire(main, term, now, key, most),
        }
    }
}

/// A batch that is to be taken, with what it is taken by.
struct Taking<'a> {
    main: &'a Connection,
    lists: Option<&'a Arc<ActiveLists>>,
    batch: &'a Opened,
    limits: &'a Limits,
    now: UtcTime,
}

impl Taking<'_> {
    fn embedded(self, archive: &Archive, heads: &mut Heads) -> Result<Outcome, StoreError> {
        let mut hours = archive.batch();
        let notes = Notes::over(self.main, archive.turn_lock());
        notes.writing()?;
        let mut ledger = Embedded {
            main: self.main,
            links: heads.begin(self.main)?,
            hours: &mut hours,
        };
        let outcome = self.step(&notes, &mut ledger)?;
        let change = ledger.links.finish(self.main)?;
        hours.commit(self.main)?;
        if let Err(error) = notes.commit() {
            heads.forget();
            return Err(error);
        }
        heads.apply(change);
        hours.publish(self.now);
        Ok(outcome)
    }

    fn postgres(self, shelf: &mut Shelf) -> Result<Outcome, StoreError> {
        let server = shelf.server();
        let notes = Notes::over(self.main, server.turn_lock());
        let mut ledger = shelf.begin(self.batch, self.limits, self.now)?;
        // Only now: a fork that another hub noted for these edges before it let them go must count.
        let outcome = self.step(&notes, &mut ledger)?;
        ledger.write()?;
        notes.commit()?;
        ledger.commit()?;
        Ok(outcome)
    }

    fn step<L: Ledger>(&self, notes: &Notes<'_>, ledger: &mut L) -> Result<Outcome, StoreError> {
        let watch = match self.lists {
            Some(lists) => Some(Watch::begin(lists, notes)?),
            None => None,
        };
        let mut step = Step {
            main: notes,
            watch,
            limits: self.limits,
            now: self.now,
            current: self.batch.version() == Some(edges::version(notes)?),
            known: HashMap::new(),
            shut: HashSet::new(),
            ledger,
            outcome: Outcome::new(),
        };
        for (message, opening) in self.batch.iter() {
            step.take(message, opening)?;
        }
        let Step {
            watch, mut outcome, ..
        } = step;
        outcome.raised(watch.as_ref().map_or(0, Watch::raised));
        Ok(outcome)
    }
}

fn prune_embedded(
    main: &mut Connection,
    heads: &mut Heads,
    pruned_after: &mut Option<EdgeId>,
    before: UtcTime,
) -> Result<Pruned, StoreError> {
    let main = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the pruning")?;
    let pruned = heads.prune(&main, pruned_after.as_ref(), before)?;
    if let Err(error) = main.commit().doing("commit the pruning") {
        heads.forget();
        return Err(error);
    }
    heads.apply_pruned(&pruned);
    *pruned_after = if pruned.finished {
        None
    } else {
        pruned.after.clone()
    };
    Ok(pruned)
}

fn edge_of(topic: Topic) -> EdgeId {
    match topic {
        Topic::Record(edge)
        | Topic::Status(edge)
        | Topic::Receipt(edge)
        | Topic::Refusal(edge)
        | Topic::Release(edge) => edge,
    }
}

/// What a record showed of its edge's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chain {
    Whole,
    Forked,
}

/// Taking the messages of a batch, one by one.
struct Step<'a, 'main, L> {
    main: &'a Notes<'main>,
    watch: Option<Watch>,
    limits: &'a Limits,
    now: UtcTime,
    /// Whether the batch was opened with the edges as they are in this transaction.
    current: bool,
    /// Edges that were looked up.
    known: HashMap<EdgeId, Option<Edge>>,
    /// Edges that forked in this batch: what was opened ahead of that does not count.
    shut: HashSet<EdgeId>,
    ledger: &'a mut L,
    outcome: Outcome,
}

impl<L: Ledger> Step<'_, '_, L> {
    fn take(&mut self, message: &Message, opening: Option<&Opening>) -> Result<(), StoreError> {
        let edge = match Topic::parse(&message.topic) {
            Some(Topic::Record(edge)) => edge,
            Some(Topic::Status(edge)) => return self.take_status(message, &edge),
            _ => {
                tracing::warn!("a message on a topic that is none of ours is left aside");
                return Ok(());
            }
        };
        let opening = match opening {
            Some(opening) if self.current && !self.shut.contains(&edge) => opening.clone(),
            _ => {
                let registered = self.registered(&edge)?;
                open_record(&message.bytes, &edge, registered).map(Arc::new)
            }
        };
        let verified = match opening {
            Ok(verified) => verified,
            Err(refused) => return self.refuse(&edge, refused),
        };
        if self.take_record(verified)? == Chain::Forked {
            // The next record of this batch must find the edge shut out.
            self.known.remove(&edge);
            self.shut.insert(edge);
        }
        Ok(())
    }

    fn registered(&mut self, edge: &EdgeId) -> Result<Option<&Edge>, StoreError> {
        if !self.known.contains_key(edge) {
            let found = edges::find(self.main, edge)?;
            self.known.insert(edge.clone(), found);
        }
        Ok(self.known.get(edge).and_then(Option::as_ref))
    }

    fn take_record(&mut self, verified: Arc<Verified<Record>>) -> Result<Chain, StoreError> {
        let now = self.now;
        let (record, digest) = (verified.value(), verified.digest());
        let refused = |reason, detail: String| Refused {
            reason,
            detail,
            sequence: record.sequence,
            digest,
        };
        let around = self.ledger.around(record)?;
        match judge(record, digest, &around, self.limits, now) {
            Judgement::Refuse {
                reason,
                detail,
                keeps_place,
            } => {
                if keeps_place && around.here.is_none() {
                    self.note_gap_before(record, around.head)?;
                    self.ledger.note(&verified, false, now)?;
                }
                self.refused(record, refused(reason, detail))
            }
            Judgement::Replay => {
                let detail = "stored before; receipted again".to_owned();
                self.outcome.receipt(record, digest);
                self.refused(record, refused(RefusalReason::Replay, detail))
            }
            Judgement::Store(missing) => {
                if let Some((reason, detail)) = self.put(&verified)? {
                    return self.refused(record, refused(reason, detail.to_owned()));
                }
                if let Some(missing) = missing {
                    self.ledger.open_gap(&record.edge, missing, now)?;
                }
                let missing = missing.filter(|_| self.ledger.tells_gaps());
                if let Some(missing) = missing.or_else(|| self.ledger.gap_to_tell(&record.edge)) {
                    let detail = format!(
                        "records {} to {} are missing; send them",
                        missing.first, missing.last
                    );
                    self.refuse(&record.edge, refused(RefusalReason::Gap, detail))?;
                }
                self.ledger.note(&verified, true, now)?;
                self.outcome.receipt(record, digest);
                match &record.body {
                    RecordBody::Transit(_) => self.outcome.stored(verified.clone()),
                    // By now what it explains stands in the gaps.
                    RecordBody::Drops(report) => {
                        let main = self.main.writing()?;
                        drops::note(main, self.ledger, &verified, report, now)?;
                        tracing::warn!(
                            edge.id = %record.edge, reason = %report.reason, count = report.count,
                            "an edge tells of records that it let go"
                        );
                    }
                    RecordBody::Tamper(_) => {}
                }
                Ok(Chain::Whole)
            }
        }
    }

    /// Refuses a record; two in one place shut their edge out.
    fn refused(&mut self, record: &Record, refused: Refused) -> Result<Chain, StoreError> {
        let (reason, digest) = (refused.reason, refused.digest);
        self.refuse(&record.edge, refused)?;
        if reason != RefusalReason::Fork {
            return Ok(Chain::Whole);
        }
        let main = self.main.writing()?;
        forks::note(main, &record.edge, record.sequence, digest, self.now)?;
        tracing::error!(
            edge.id = %record.edge, record.sequence = record.sequence,
            "two records claim one place in this edge's chain, as when a box is copied: nothing \
             of it is taken until `varco-hub edge release --fork`"
        );
        Ok(Chain::Forked)
    }

    /// Puts a record where its kind belongs, or says why it cannot be there.
    fn put(
        &mut self,
        verified: &Verified<Record>,
    ) -> Result<Option<(RefusalReason, &'static str)>, StoreError> {
        match &verified.value().body {
            RecordBody::Transit(_) => {}
            RecordBody::Tamper(event) => {
                let edge = &verified.value().edge;
                tampering::note(self.main.writing()?, verified, event, self.now)?;
                tracing::warn!(
                    edge.id = %edge, kind = %event.kind, suspends = event.suspends,
                    "an edge tells of hands laid on it"
                );
                return Ok(None);
            }
            RecordBody::Drops(_) => return Ok(None),
        }
        Ok(match self.ledger.insert(verified, self.now)? {
            Inserted::New => {
                self.hold_against_hotlists(verified)?;
                None
            }
            Inserted::IdTaken => Some((
                RefusalReason::Malformed,
                "its transit id is that of another record",
            )),
        })
    }

    fn hold_against_hotlists(&mut self, verified: &Verified<Record>) -> Result<(), StoreError> {
        let (Some(watch), Some(transit)) = (&mut self.watch, verified.value().body.transit())
        else {
            return Ok(());
        };
        let ledger = &self.ledger;
        let key = || ledger.hour_key(transit.captured_at.at);
        watch.hold(self.main, (transit, verified.digest()), self.now, key)
    }

    /// A refused record that keeps its place still shows that those before it are missing.
    fn note_gap_before(&mut self, record: &Record, head: u64) -> Result<(), StoreError> {
        if record.sequence > head.saturating_add(1) {
            let missing = Missing {
                first: head + 1,
                last: record.sequence - 1,
            };
            self.ledger.open_gap(&record.edge, missing, self.now)?;
        }
        Ok(())
    }

    fn take_status(&mut self, message: &Message, topic_edge: &EdgeId) -> Result<(), StoreError> {
        let main = self.main;
        let refused = |reason, detail: &str| Refused {
            reason,
            detail: format!("status: {detail}"),
            sequence: 0,
            digest: Digest::of(&message.bytes),
        };
        let registered = self.registered(topic_edge)?;
        let Some(edge) = registered.filter(|edge| edge.revoked_at.is_none()) else {
            let why = refused(RefusalReason::UnknownKey, "the edge is unknown or revoked");
            return self.refuse(topic_edge, why);
        };
        match open::<EdgeStatus>(&message.bytes, &edge.opening_key) {
            Ok(status) if status.value().edge == *topic_edge => {
                let report = &status.value().report;
                let main = main.writing()?;
                edges::note_report(main, topic_edge, report)?;
                tampering::note_suspended_by(main, topic_edge, report.suspended_by_sequence)
            }
            Ok(_) => {
                let why = refused(RefusalReason::WrongEdge, "it names another edge");
                self.refuse(topic_edge, why)
            }
            Err(error) => {
                let why = refused(reason_of(&error), &error.to_string());
                self.refuse(topic_edge, why)
            }
        }
    }

    fn refuse(&mut self, edge: &EdgeId, refused: Refused) -> Result<(), StoreError> {
        refusals::note(self.main.writing()?, edge, &refused, self.now)?;
        let (sequence, reason) = (refused.sequence, refused.reason);
        if reason.is_stored() {
            // Ordinary after every lost connection.
            tracing::debug!(edge.id = %edge, record.sequence = sequence, %reason, "told the edge");
        } else {
            tracing::warn!(
                edge.id = %edge, record.sequence = sequence, %reason, "an envelope is refused"
            );
        }
        self.outcome.refuse(edge.clone(), refused);
        Ok(())
    }
}
