//! Storing a batch: judge, commit, and say what to answer. Its envelopes were opened before
//! ([`super::opening`]), outside the transaction.
//!
//! In the home the hours are committed first, the main database after. A kill between the two leaves
//! transits that no chain knows yet: they were verified, and the edge, which got no receipt, sends
//! them again; they are found in their hour and noted in the chain then.
//!
//! In PostgreSQL transits and chains are committed as one. What is noted in the main database
//! (refusals, tampering, forks, reports) is committed just before; noting it twice changes nothing.

use std::sync::Arc;

use varco_proto::ids::{Digest, EdgeId};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::RefusalReason;
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;

pub use super::answers::{Answer, BatchOutcome, Taken};
use super::hours::ToldHours;
use super::judge::Refused;
use super::opening::Opened;
use super::refusals;
use super::step::{Step, StepRules};
use crate::alerts::raise::Watch;
use crate::boxes::edges;
use crate::boxes::gate_hours::GateCounts;
use crate::boxes::registered::Registrations;
use crate::chains::heads::Heads;
use crate::chains::ledger::{Coming, Embedded, Ledger};
use crate::chains::place::Limits;
use crate::chains::prune::{self, Pruned};
use crate::home::disk::Room;
use crate::hotlists::active::ActiveLists;
use crate::hours::partition::Partition;
use crate::lookups::store::TransitStore;
use crate::municipalities::{self, Terms};
use crate::postgres::{Server, Shelf};
use crate::store::notes::Notes;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use crate::timekeeping::Reading;
use crate::timekeeping::SharedClock;
use crate::transits::archive::Archive;
use crate::transits::names;
use crate::transits::retention::{self, Expired, Over, RetentionError};
use crate::transits::stored::StoredHours as _;

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
    registrations: Registrations,
    gates: Arc<GateCounts>,
    hours: ToldHours,
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

impl Target {
    /// The disk of the home.
    fn room(&self) -> Arc<Room> {
        match self {
            Self::Embedded { archive, .. } => Arc::clone(&archive.settings().room),
            Self::Postgres(shelf) => Arc::clone(&shelf.server().settings().room),
        }
    }
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
            registrations: Registrations::default(),
            gates: Arc::default(),
            hours: ToldHours::default(),
        }
    }

    /// What it counts of each gate.
    #[must_use]
    pub fn gates(&self) -> Arc<GateCounts> {
        Arc::clone(&self.gates)
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
    pub fn take_opened(&mut self, batch: &Opened) -> Result<BatchOutcome, StoreError> {
        self.into.room().reserve.spare()?;
        let reading = self.clock.reading();
        let limits = self.limits.by(&reading);
        let terms = municipalities::terms(&self.main)?;
        let taking = Taking {
            terms: &terms,
            main: &self.main,
            registrations: &mut self.registrations,
            lists: self.hotlists.as_ref(),
            batch,
            limits: &limits,
            reading,
            hours: &mut self.hours,
            key: &self.key,
        };
        let outcome = match &mut self.into {
            Target::Embedded { archive, heads, .. } => taking.embedded(archive, heads),
            Target::Postgres(shelf) => taking.postgres(shelf),
        };
        let outcome = outcome?;
        for stored in outcome.transits() {
            if let Some(transit) = stored.value().body.transit() {
                self.gates.count(&transit.gate, transit.captured_at.at);
            }
        }
        Ok(outcome.committed(self.clock.now()))
    }

    /// Refuses one message that the store cannot hold, so that it never stops the line.
    ///
    /// # Errors
    /// [`StoreError`] when not even the refusal can be noted.
    pub fn refuse(&mut self, message: &Message) -> Result<BatchOutcome, StoreError> {
        let now = self.clock.now();
        let mut outcome = BatchOutcome::new();
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
        let Some(now) = self.clock.reading().may_destroy() else {
            return Ok(Pruned::of(0, true));
        };
        let before = now.at() - self.limits.term - prune::MARGIN;
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
    /// While the clock is in doubt, nothing is.
    ///
    /// # Errors
    /// [`RetentionError`]; the next run goes on.
    pub fn expire(&mut self, most: usize) -> Result<Expired, RetentionError> {
        let Some(now) = self.clock.reading().may_destroy() else {
            return Ok(Expired::default());
        };
        let over = Over {
            term: self.limits.term,
            now,
            key: &self.key,
            most,
        };
        let room = self.into.room();
        let (main, into) = (&mut self.main, &mut self.into);
        room.reserve.lend(|| match into {
            Target::Embedded { archive, .. } => {
                retention::expire(&mut archive.as_ref(), main, &over)
            }
            Target::Postgres(shelf) => retention::expire(shelf, main, &over),
        })
    }
}

/// A batch that is to be taken, with what it is taken by.
struct Taking<'a> {
    main: &'a Connection,
    registrations: &'a mut Registrations,
    lists: Option<&'a Arc<ActiveLists>>,
    batch: &'a Opened,
    limits: &'a Limits,
    terms: &'a Terms,
    reading: Reading,
    hours: &'a mut ToldHours,
    key: &'a SealingKey,
}

impl Taking<'_> {
    fn embedded(
        mut self,
        archive: &Archive,
        heads: &mut Heads,
    ) -> Result<BatchOutcome, StoreError> {
        let mut hours = archive.batch(self.terms.clone());
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
        let begun = self.hours.untold(&hours.hours(), || {
            let stored = names::hours(self.main)?.into_iter();
            Ok(stored.map(|(hour, _)| hour).collect())
        })?;
        self.hours.tell(&notes, &begun, self.reading, self.key)?;
        if let Err(error) = notes.commit() {
            heads.forget();
            return Err(error);
        }
        self.hours.told(begun);
        heads.apply(change);
        hours.publish(self.reading.kept());
        Ok(outcome)
    }

    fn postgres(mut self, shelf: &mut Shelf) -> Result<BatchOutcome, StoreError> {
        let server = shelf.server();
        let notes = Notes::over(self.main, server.turn_lock());
        let mut ledger = shelf.begin(&Coming {
            edges: self.batch.edges(),
            records: self.batch.records(),
            limits: self.limits,
            terms: self.terms,
            now: self.reading.kept(),
            judged_at: self.reading.earliest(),
        })?;
        // Only now: a fork that another hub noted for these edges before it let them go must count.
        let outcome = self.step(&notes, &mut ledger)?;
        ledger.write()?;
        notes.commit()?;
        let hours = ledger.stored_hours();
        ledger.commit()?;
        if let Err(error) = self.tell_hours(&server, &hours) {
            tracing::error!(
                error = %error, "the beginning of an hour is not told yet; the next batch tells it"
            );
        }
        Ok(outcome)
    }

    /// Once the hours are committed in PostgreSQL: a line before could tell of one that never was.
    fn tell_hours(&mut self, server: &Server, hours: &[Partition]) -> Result<(), StoreError> {
        let begun = self.hours.untold(hours, || server.hours())?;
        if begun.is_empty() {
            return Ok(());
        }
        self.hours.wait_for(&begun);
        let notes = Notes::over(self.main, server.turn_lock());
        self.hours.tell(&notes, &begun, self.reading, self.key)?;
        notes.commit()?;
        self.hours.told(begun);
        Ok(())
    }

    fn step<L: Ledger>(
        &mut self,
        notes: &Notes<'_>,
        ledger: &mut L,
    ) -> Result<BatchOutcome, StoreError> {
        let watch = match self.lists {
            Some(lists) => Some(Watch::begin(lists, notes)?),
            None => None,
        };
        let current = self.batch.version() == Some(edges::version(notes)?);
        let rules = StepRules {
            limits: self.limits,
            terms: self.terms,
            reading: self.reading,
            current,
        };
        self.registrations.refresh(notes)?;
        let mut step = Step::new(notes, ledger, self.registrations, rules).watching(watch);
        for (message, opening) in self.batch.iter() {
            step.take(message, opening)?;
        }
        Ok(step.done())
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
