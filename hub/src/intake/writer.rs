//! Storing a batch: verify, judge, commit, and say what to answer.
//!
//! The hours are committed first, the main database after. A kill between the two leaves rows that
//! do not count: they are taken back, and the edge, which got no receipt, sends them again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use varco_proto::envelope::{Verified, open, seal};
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::{RECEIPT_LINES_MAX, Receipt, ReceiptLine, Refusal, RefusalReason};
use varco_proto::record::{Record, RecordBody};
use varco_proto::status::EdgeStatus;
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;

use super::judge::{Judgement, Limits, Refused, judge, open_record, reason_of};
use super::{chain, drops, refusals};
use crate::clock::SharedClock;
use crate::places::edges::{self, Edge};
use crate::places::{forks, tampering};
use crate::store::sql::{Connection, Transaction, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use crate::transits::archive::Archive;
use crate::transits::batch::{Batch as Hours, Inserted};
use crate::transits::retention::{self, Expired, RetentionError};

/// One message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// On which topic it came.
    pub topic: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A sealed answer on its way to an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Where to.
    pub topic: Topic,
    /// The sealed envelope.
    pub envelope: Vec<u8>,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Taken {
    /// To be published, now that everything is committed.
    pub answers: Vec<Answer>,
    /// Transits stored for the first time.
    pub stored: Vec<Arc<Verified<Record>>>,
}

/// The one writer of transits.
pub struct Writer {
    main: Connection,
    archive: Arc<Archive>,
    key: Arc<SealingKey>,
    clock: SharedClock,
    limits: Limits,
}

/// What a batch has come to so far.
#[derive(Default)]
struct Batch {
    receipts: BTreeMap<EdgeId, Vec<ReceiptLine>>,
    refused: Vec<(EdgeId, Refused)>,
    stored: Vec<Arc<Verified<Record>>>,
}

impl Writer {
    /// A writer over the main database and the archive. There is one.
    #[must_use]
    pub fn new(
        main: Connection,
        archive: Arc<Archive>,
        key: Arc<SealingKey>,
        clock: SharedClock,
        limits: Limits,
    ) -> Self {
        Self {
            main,
            archive,
            key,
            clock,
            limits,
        }
    }

    /// Takes a batch: all of it is committed when this returns, or none.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be acknowledged; the same batch is tried again, unless
    /// [`StoreError::is_of_the_record`].
    pub fn take(&mut self, batch: &[Message]) -> Result<Taken, StoreError> {
        let now = self.clock.now();
        let mut hours = self.archive.batch();
        let main = self
            .main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin the batch")?;
        let mut outcome = Batch::default();
        let mut known = HashMap::new();
        let taken = batch.iter().try_for_each(|message| {
            let step = Step {
                main: &main,
                limits: &self.limits,
                now,
            };
            step.take(message, &mut known, &mut hours, &mut outcome)
        });
        taken?;
        hours.commit(&main)?;
        main.commit().doing("commit the batch")?;
        hours.publish(now);
        let stored_at = self.clock.now();
        Ok(outcome.answered(&self.key, stored_at))
    }

    /// Refuses one message that the store cannot hold, so that it never stops the line.
    ///
    /// # Errors
    /// [`StoreError`] when not even the refusal can be noted.
    pub fn refuse(&mut self, message: &Message) -> Result<Taken, StoreError> {
        let now = self.clock.now();
        let mut outcome = Batch::default();
        if let Some(edge) = Topic::parse(&message.topic).map(edge_of) {
            let refused = Refused {
                reason: RefusalReason::Malformed,
                detail: "the hub's store cannot hold it".to_owned(),
                sequence: 0,
                digest: Digest::of(&message.bytes),
            };
            refusals::note(&self.main, &edge, &refused, now)?;
            outcome.refused.push((edge, refused));
        }
        Ok(outcome.answered(&self.key, now))
    }

    /// Destroys the keys of what is past its term, of `most` hours at most: intake waits meanwhile.
    ///
    /// # Errors
    /// [`RetentionError`]; the next run goes on.
    pub fn expire(&mut self, most: usize) -> Result<Expired, RetentionError> {
        let now = self.clock.now();
        retention::expire(
            &mut self.main,
            &self.archive,
            self.limits.term,
            now,
            &self.key,
            most,
        )
    }
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

/// Taking one message within a batch.
struct Step<'a> {
    main: &'a Transaction<'a>,
    limits: &'a Limits,
    now: UtcTime,
}

impl Step<'_> {
    fn take(
        &self,
        message: &Message,
        known: &mut HashMap<EdgeId, Option<Edge>>,
        hours: &mut Hours<'_>,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let (edge, is_record) = match Topic::parse(&message.topic) {
            Some(Topic::Record(edge)) => (edge, true),
            Some(Topic::Status(edge)) => (edge, false),
            _ => {
                tracing::warn!("a message on a topic that is none of ours is left aside");
                return Ok(());
            }
        };
        if !known.contains_key(&edge) {
            known.insert(edge.clone(), edges::find(self.main, &edge)?);
        }
        let registered = known.get(&edge).and_then(Option::as_ref);
        if !is_record {
            return self.take_status(message, &edge, registered, batch);
        }
        match open_record(&message.bytes, &edge, registered) {
            Err(refused) => self.refuse(&edge, refused, batch),
            Ok(verified) => {
                if self.take_record(verified, hours, batch)? == Chain::Forked {
                    // The next record of this batch must find the edge shut out.
                    known.remove(&edge);
                }
                Ok(())
            }
        }
    }

    fn take_record(
        &self,
        verified: Verified<Record>,
        hours: &mut Hours<'_>,
        batch: &mut Batch,
    ) -> Result<Chain, StoreError> {
        let (record, digest) = (verified.value(), verified.digest());
        let refused = |reason, detail: String| Refused {
            reason,
            detail,
            sequence: record.sequence,
            digest,
        };
        let around = chain::around(self.main, &record.edge, record.sequence)?;
        match judge(record, digest, &around, self.limits, self.now) {
            Judgement::Refuse {
                reason,
                detail,
                keeps_place,
            } => {
                if keeps_place && around.here.is_none() {
                    self.note_gap_before(record, around.head)?;
                    chain::note(self.main, &verified, false, self.now)?;
                }
                self.refused(record, refused(reason, detail), batch)
            }
            Judgement::Replay => {
                let detail = "stored before; receipted again".to_owned();
                batch.receipt(record, digest);
                self.refused(record, refused(RefusalReason::Replay, detail), batch)
            }
            Judgement::Store(missing) => {
                if let Some((reason, detail)) = self.put(&verified, hours)? {
                    return self.refused(record, refused(reason, detail.to_owned()), batch);
                }
                if let Some(missing) = missing {
                    chain::open_gap(self.main, &record.edge, missing, self.now)?;
                    let detail = format!(
                        "records {} to {} are missing; send them",
                        missing.first, missing.last
                    );
                    self.refuse(&record.edge, refused(RefusalReason::Gap, detail), batch)?;
                }
                chain::note(self.main, &verified, true, self.now)?;
                batch.receipt(record, digest);
                match &record.body {
                    RecordBody::Transit(_) => batch.stored.push(Arc::new(verified)),
                    // By now what it explains stands in the gaps.
                    RecordBody::Drops(report) => {
                        drops::note(self.main, &verified, report, self.now)?;
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
    fn refused(
        &self,
        record: &Record,
        refused: Refused,
        batch: &mut Batch,
    ) -> Result<Chain, StoreError> {
        let (reason, digest) = (refused.reason, refused.digest);
        self.refuse(&record.edge, refused, batch)?;
        if reason != RefusalReason::Fork {
            return Ok(Chain::Whole);
        }
        forks::note(self.main, &record.edge, record.sequence, digest, self.now)?;
        tracing::error!(
            edge.id = %record.edge, record.sequence = record.sequence,
            "two records claim one place in this edge's chain, as when a box is copied: nothing \
             of it is taken until `varco-hub edge release --fork`"
        );
        Ok(Chain::Forked)
    }

    /// Puts a record where its kind belongs, or says why it cannot be there.
    fn put(
        &self,
        verified: &Verified<Record>,
        hours: &mut Hours<'_>,
    ) -> Result<Option<(RefusalReason, &'static str)>, StoreError> {
        match &verified.value().body {
            RecordBody::Transit(_) => {}
            RecordBody::Tamper(event) => {
                let edge = &verified.value().edge;
                tampering::note(self.main, verified, event, self.now)?;
                tracing::warn!(
                    edge.id = %edge, kind = %event.kind, suspends = event.suspends,
                    "an edge tells of hands laid on it"
                );
                return Ok(None);
            }
            RecordBody::Drops(_) => return Ok(None),
        }
        Ok(match hours.insert(self.main, verified, self.now)? {
            Inserted::New => None,
            Inserted::IdTaken => Some((
                RefusalReason::Malformed,
                "its transit id is that of another record",
            )),
        })
    }

    /// A refused record that keeps its place still shows that those before it are missing.
    fn note_gap_before(&self, record: &Record, head: u64) -> Result<(), StoreError> {
        if record.sequence > head.saturating_add(1) {
            let missing = super::judge::Missing {
                first: head + 1,
                last: record.sequence - 1,
            };
            chain::open_gap(self.main, &record.edge, missing, self.now)?;
        }
        Ok(())
    }

    fn take_status(
        &self,
        message: &Message,
        topic_edge: &EdgeId,
        registered: Option<&Edge>,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let refused = |reason, detail: &str| Refused {
            reason,
            detail: format!("status: {detail}"),
            sequence: 0,
            digest: Digest::of(&message.bytes),
        };
        let Some(edge) = registered.filter(|edge| edge.revoked_at.is_none()) else {
            let why = refused(RefusalReason::UnknownKey, "the edge is unknown or revoked");
            return self.refuse(topic_edge, why, batch);
        };
        match open::<EdgeStatus>(&message.bytes, &edge.opening_key) {
            Ok(status) if status.value().edge == *topic_edge => {
                let report = &status.value().report;
                edges::note_report(self.main, topic_edge, report)?;
                tampering::note_suspended_by(self.main, topic_edge, report.suspended_by_sequence)
            }
            Ok(_) => {
                let why = refused(RefusalReason::WrongEdge, "it names another edge");
                self.refuse(topic_edge, why, batch)
            }
            Err(error) => {
                let why = refused(reason_of(&error), &error.to_string());
                self.refuse(topic_edge, why, batch)
            }
        }
    }

    fn refuse(&self, edge: &EdgeId, refused: Refused, batch: &mut Batch) -> Result<(), StoreError> {
        refusals::note(self.main, edge, &refused, self.now)?;
        let (sequence, reason) = (refused.sequence, refused.reason);
        if reason.is_stored() {
            // Ordinary after every lost connection.
            tracing::debug!(edge.id = %edge, record.sequence = sequence, %reason, "told the edge");
        } else {
            tracing::warn!(
                edge.id = %edge, record.sequence = sequence, %reason, "an envelope is refused"
            );
        }
        batch.refused.push((edge.clone(), refused));
        Ok(())
    }
}

impl Batch {
    fn receipt(&mut self, record: &Record, digest: Digest) {
        let lines = self.receipts.entry(record.edge.clone()).or_default();
        lines.push(ReceiptLine {
            sequence: record.sequence,
            digest,
        });
    }

    fn answered(self, key: &SealingKey, at: UtcTime) -> Taken {
        let mut answers = Vec::new();
        for (edge, lines) in self.receipts {
            for lines in lines.chunks(RECEIPT_LINES_MAX) {
                let receipt = Receipt {
                    edge: edge.clone(),
                    lines: lines.to_vec(),
                    stored_at: at,
                };
                answers.push(Answer {
                    topic: Topic::Receipt(edge.clone()),
                    envelope: seal(&receipt, key).envelope,
                });
            }
        }
        for (edge, refused) in self.refused {
            let refusal = Refusal {
                edge: edge.clone(),
                sequence: refused.sequence,
                digest: refused.digest,
                reason: refused.reason,
                detail: refused.detail,
                refused_at: at,
            };
            answers.push(Answer {
                topic: Topic::Refusal(edge),
                envelope: seal(&refusal, key).envelope,
            });
        }
        Taken {
            answers,
            stored: self.stored,
        }
    }
}
