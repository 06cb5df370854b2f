//! What a committed batch is answered with: receipts by batch and edge, and refusals.

use std::collections::BTreeMap;
use std::sync::Arc;

use varco_proto::envelope::{Verified, seal};
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::{RECEIPT_LINES_MAX, Receipt, ReceiptLine, Refusal};
use varco_proto::record::Record;
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;

use super::judge::Refused;
use super::pool::Pool;
use crate::machine::measures;

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

/// What a batch came to, its answers not sealed yet. The writer gives it out once the batch is
/// committed: sealing needs no database, so that the next batch does not wait for it.
#[derive(Debug)]
pub struct BatchOutcome {
    receipts: BTreeMap<EdgeId, Vec<ReceiptLine>>,
    refused: Vec<(EdgeId, Refused)>,
    stored: Vec<Arc<Verified<Record>>>,
    alerts: usize,
    at: UtcTime,
}

/// An answer before its sealing.
enum Unsealed {
    Receipt(Receipt),
    Refusal(Refusal),
}

impl Unsealed {
    fn seal(&self, key: &SealingKey) -> Answer {
        match self {
            Self::Receipt(receipt) => Answer {
                topic: Topic::Receipt(receipt.edge.clone()),
                envelope: seal(receipt, key).envelope,
            },
            Self::Refusal(refusal) => Answer {
                topic: Topic::Refusal(refusal.edge.clone()),
                envelope: seal(refusal, key).envelope,
            },
        }
    }
}

impl BatchOutcome {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            receipts: BTreeMap::new(),
            refused: Vec::new(),
            stored: Vec::new(),
            alerts: 0,
            at: UtcTime::from_unix_us(0),
        }
    }

    pub(super) fn receipt(&mut self, record: &Record, digest: Digest) {
        let lines = self.receipts.entry(record.edge.clone()).or_default();
        lines.push(ReceiptLine {
            sequence: record.sequence,
            digest,
        });
    }

    pub(super) fn refuse(&mut self, edge: EdgeId, refused: Refused) {
        measures::refused(refused.reason.as_str());
        self.refused.push((edge, refused));
    }

    pub(super) fn stored(&mut self, verified: Arc<Verified<Record>>) {
        self.stored.push(verified);
    }

    pub(super) fn raised(&mut self, alerts: usize) {
        self.alerts += alerts;
    }

    /// Alerts that it raised.
    #[must_use]
    pub fn alerts(&self) -> usize {
        self.alerts
    }

    pub(super) fn committed(self, at: UtcTime) -> Self {
        Self { at, ..self }
    }

    /// The transits that were stored for the first time.
    pub fn transits(&self) -> impl Iterator<Item = &Arc<Verified<Record>>> {
        self.stored.iter()
    }

    fn unsealed(&mut self) -> Vec<Unsealed> {
        let at = self.at;
        let mut answers = Vec::new();
        for (edge, lines) in std::mem::take(&mut self.receipts) {
            answers.extend(lines.chunks(RECEIPT_LINES_MAX).map(|lines| {
                Unsealed::Receipt(Receipt {
                    edge: edge.clone(),
                    lines: lines.to_vec(),
                    stored_at: at,
                })
            }));
        }
        let refused = std::mem::take(&mut self.refused).into_iter();
        answers.extend(refused.map(|(edge, refused)| {
            Unsealed::Refusal(Refusal {
                edge,
                sequence: refused.sequence,
                digest: refused.digest,
                reason: refused.reason,
                detail: refused.detail,
                refused_at: at,
            })
        }));
        answers
    }

    /// Seals the answers here.
    #[must_use]
    pub fn sealed(mut self, key: &SealingKey) -> Taken {
        let answers = self.unsealed();
        Taken {
            answers: answers.iter().map(|answer| answer.seal(key)).collect(),
            stored: self.stored,
        }
    }

    /// Seals the answers on all cores: with many edges a batch has nearly as many receipts as
    /// records, and each is a signature.
    #[must_use]
    pub fn sealed_by(mut self, key: &Arc<SealingKey>, pool: &Pool) -> Taken {
        let answers = self.unsealed();
        let sealed = pool.map(&answers, |answer| answer.seal(key));
        let sealed = answers.iter().zip(sealed);
        Taken {
            answers: sealed
                .map(|(answer, sealed)| sealed.unwrap_or_else(|| answer.seal(key)))
                .collect(),
            stored: self.stored,
        }
    }
}

impl Default for BatchOutcome {
    fn default() -> Self {
        Self::new()
    }
}
