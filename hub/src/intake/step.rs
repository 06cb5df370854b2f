//! Taking the messages of a batch, one by one, within its transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use varco_proto::envelope::{Verified, open};
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::receipt::RefusalReason;
use varco_proto::record::{Record, RecordBody};
use varco_proto::status::EdgeStatus;
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;

use super::answers::BatchOutcome;
use super::judge::{Judgement, Refused, judge, open_record, reason_of};
use super::opening::Opening;
use super::writer::Message;
use super::{drops, refusals};
use crate::alerts::raise::Watch;
use crate::boxes::anomalies::{self, Sign};
use crate::boxes::edges::{self, Edge};
use crate::boxes::kinds::Kind;
use crate::boxes::registered::{self, Claim, Claimed, Registrations};
use crate::boxes::status::{self, Judging};
use crate::boxes::{forks, tampering};
use crate::chains::ledger::Ledger;
use crate::chains::place::{Around, Limits, Missing};
use crate::hours::partition::Term;
use crate::municipalities::Terms;
use crate::store::StoreError;
use crate::store::notes::Notes;
use crate::timekeeping::Reading;
use crate::transits::batch::Inserted;

/// Why a record is not stored.
type Why = (RefusalReason, &'static str);

/// What a record showed of its edge's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chain {
    Whole,
    Forked,
}

/// What the messages of a batch are judged by.
pub(super) struct StepRules<'a> {
    pub(super) limits: &'a Limits,
    pub(super) terms: &'a Terms,
    pub(super) reading: Reading,
    /// Whether the batch was opened with the edges as they are in this transaction.
    pub(super) current: bool,
}

/// Taking the messages of a batch, one by one.
pub(super) struct Step<'a, 'main, L> {
    main: &'a Notes<'main>,
    watch: Option<Watch>,
    limits: &'a Limits,
    terms: &'a Terms,
    /// Both readings of the time: records are too old by the earlier alone.
    reading: Reading,
    /// The time that the hub may claim.
    now: UtcTime,
    /// Whether the batch was opened with the edges as they are in this transaction.
    current: bool,
    /// Edges that were looked up.
    known: HashMap<EdgeId, Option<Edge>>,
    /// Edges that forked in this batch: what was opened ahead of that does not count.
    shut: HashSet<EdgeId>,
    registrations: &'a mut Registrations,
    ledger: &'a mut L,
    outcome: BatchOutcome,
}

impl<'a, 'main, L: Ledger> Step<'a, 'main, L> {
    /// Begins.
    pub(super) fn new(
        main: &'a Notes<'main>,
        ledger: &'a mut L,
        registrations: &'a mut Registrations,
        rules: StepRules<'a>,
    ) -> Self {
        let StepRules {
            limits,
            terms,
            reading,
            current,
        } = rules;
        Self {
            main,
            watch: None,
            limits,
            terms,
            reading,
            now: reading.kept(),
            current,
            known: HashMap::new(),
            shut: HashSet::new(),
            registrations,
            ledger,
            outcome: BatchOutcome::new(),
        }
    }

    /// Holds what is stored against the hotlists, when there are any.
    pub(super) fn watching(self, watch: Option<Watch>) -> Self {
        Self { watch, ..self }
    }

    /// What came of the batch.
    pub(super) fn done(self) -> BatchOutcome {
        let Self {
            watch, mut outcome, ..
        } = self;
        outcome.raised(watch.as_ref().map_or(0, Watch::raised));
        outcome
    }

    /// Takes a message.
    ///
    /// # Errors
    /// [`StoreError`]: the batch is taken back.
    pub(super) fn take(
        &mut self,
        message: &Message,
        opening: Option<&Opening>,
    ) -> Result<(), StoreError> {
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
        let limits = self.limits_of(record);
        match judge(record, digest, &around, &limits, self.reading.earliest()) {
            Judgement::Refuse {
                reason,
                detail,
                keeps_place,
            } => {
                if keeps_place {
                    self.note_place(&verified, &around)?;
                }
                self.refused(record, refused(reason, detail))
            }
            Judgement::Replay => {
                let detail = "stored before; receipted again".to_owned();
                self.outcome.receipt(record, digest);
                self.refused(record, refused(RefusalReason::Replay, detail))
            }
            Judgement::Store(missing) => {
                if let Some((reason, detail)) = self.believe(record)? {
                    self.note_place(&verified, &around)?;
                    return self.refused(record, refused(reason, detail.to_owned()));
                }
                if let Some((reason, detail)) = self.put(&verified)? {
                    // It is the chain's own all the same: its place is filled, and no gap is left.
                    self.note_place(&verified, &around)?;
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

    /// Says why an edge is not believed about its transit's gate or camera; a camera that nobody has
    /// is its own from now on. The place in the chain is the record's all the same, so that the edge
    /// is not asked for what it has to keep.
    fn believe(&mut self, record: &Record) -> Result<Option<Why>, StoreError> {
        let Some(transit) = record.body.transit() else {
            return Ok(None);
        };
        match self.registrations.judge(&record.edge, transit) {
            Claim::Own => Ok(None),
            Claim::New(camera) => {
                let main = self.main.writing()?;
                // Another hub of this home may have given it to another edge meanwhile.
                self.registrations.refresh(main)?;
                match self.registrations.judge(&record.edge, transit) {
                    Claim::New(_) => {
                        let registrations = &mut *self.registrations;
                        registrations.first_use(main, &record.edge, camera, self.now)?;
                        Ok(None)
                    }
                    Claim::Own => Ok(None),
                    Claim::Foreign(claimed, why) => self.hold_back(&record.edge, &claimed, why),
                }
            }
            Claim::Foreign(claimed, why) => self.hold_back(&record.edge, &claimed, why),
        }
    }

    fn hold_back(
        &mut self,
        edge: &EdgeId,
        claimed: &Claimed,
        why: &'static str,
    ) -> Result<Option<Why>, StoreError> {
        let sign = registered::sign(claimed, why);
        anomalies::see(self.main.writing()?, Some(edge), &sign, self.now)?;
        Ok(Some((RefusalReason::OnHold, why)))
    }

    /// The limits for a record: its gate's municipality may have a shorter term.
    fn limits_of(&self, record: &Record) -> Limits {
        let term = record.body.transit();
        let term = term.map_or(Term::WHOLE, |transit| self.terms.of(&transit.gate));
        Limits {
            term: term.within(self.limits.term),
            ..*self.limits
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
    fn put(&mut self, verified: &Verified<Record>) -> Result<Option<Why>, StoreError> {
        match &verified.value().body {
            RecordBody::Transit(_) => {}
            RecordBody::Tamper(event) => {
                let edge = &verified.value().edge;
                let main = self.main.writing()?;
                tampering::note(main, verified, event, self.now)?;
                let camera = event.camera.as_ref().map_or("", |camera| camera.as_str());
                let kind = Kind::of_tampering(event.kind);
                let sign = Sign::of(kind, camera, &*event.detail);
                anomalies::see(main, Some(edge), &sign, self.now)?;
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
        let key = || ledger.hour_key(transit);
        watch.hold(self.main, transit, verified.digest(), self.now, key)
    }

    /// A refused record that keeps its place still shows that those before it are missing.
    fn note_place(
        &mut self,
        verified: &Verified<Record>,
        around: &Around,
    ) -> Result<(), StoreError> {
        if around.here.is_some() {
            return Ok(());
        }
        let record = verified.value();
        if record.sequence > around.head.saturating_add(1) {
            let missing = Missing {
                first: around.head + 1,
                last: record.sequence - 1,
            };
            self.ledger.open_gap(&record.edge, missing, self.now)?;
        }
        self.ledger.note(verified, false, self.now)
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
                let judging = self.judging();
                if let Some((reason, detail)) = status::take(main, topic_edge, report, judging)? {
                    return self.refuse(topic_edge, refused(reason, detail));
                }
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

    /// By what a status is judged. In doubt it may be as late as a record may be: the machine may have
    /// been off, and then the edges know what time it is.
    fn judging(&self) -> Judging {
        let in_doubt = self.reading.doubt().is_some();
        let latest = if in_doubt {
            self.reading.earliest() + self.limits.ahead_max
        } else {
            self.now
        };
        Judging {
            now: self.now,
            latest,
            in_doubt,
        }
    }

    fn refuse(&mut self, edge: &EdgeId, refused: Refused) -> Result<(), StoreError> {
        refusals::note(self.main.writing()?, edge, &refused, self.now)?;
        let (sequence, reason) = (refused.sequence, refused.reason);
        if reason.is_stored() || (reason == RefusalReason::OnHold && sequence > 0) {
            // Ordinary after every lost connection; what is held back is told as an anomaly.
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
