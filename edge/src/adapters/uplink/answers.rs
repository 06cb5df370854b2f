//! Receipts and refusals of the hub.

use rumqttc::Publish;
use varco_proto::envelope::{OpenError, open};
use varco_proto::keys::OpeningKey;
use varco_proto::receipt::{Receipt, Refusal};
use varco_proto::tamper::Release;
use varco_proto::topics::Topic;

use crate::adapters::spool::answers::Refused;
use crate::adapters::spool::error::SpoolError;
use crate::adapters::spool::shared::SharedSpool;
use crate::logging::chain;

/// What an answer of the hub comes to.
pub(super) enum Answer {
    /// There may be room in the window.
    Room,
    /// All that wait are to be sent anew.
    Anew,
    /// The hub did not say it, or it could not be taken.
    Nothing,
}

/// Does what an answer asks for.
pub(super) fn answer(spool: &SharedSpool, publish: &Publish, key: &OpeningKey) -> Answer {
    let taken = match Topic::parse(&publish.topic) {
        Some(Topic::Receipt(_)) => open::<Receipt>(&publish.payload, key)
            .map_err(Trouble::Open)
            .and_then(|receipt| {
                let lines = receipt.value().lines.len();
                let deleted = spool.with(|s| s.take_receipt(&receipt))?;
                tracing::debug!(lines, deleted, "the hub has stored records");
                Ok(Answer::Room)
            }),
        Some(Topic::Refusal(_)) => open::<Refusal>(&publish.payload, key)
            .map_err(Trouble::Open)
            .and_then(|refusal| {
                let effect = spool.with(|s| s.take_refusal(&refusal))?;
                Ok(take_effect(effect, refusal.value()))
            }),
        Some(Topic::Release(_)) => open::<Release>(&publish.payload, key)
            .map_err(Trouble::Open)
            .and_then(|release| {
                let released = spool.with(|s| s.take_release(&release))?;
                tracing::warn!(
                    record.sequence = release.value().up_to_sequence,
                    released,
                    "the hub's release came; `released` says whether transits flow again"
                );
                Ok(Answer::Room)
            }),
        _ => return Answer::Nothing,
    };
    match taken {
        Ok(answer) => answer,
        Err(Trouble::Open(error)) => {
            tracing::warn!(
                error = %chain(&error),
                "an answer that this hub did not seal is ignored; when this repeats, check \
                 `hub.hub_key`"
            );
            Answer::Nothing
        }
        Err(Trouble::Spool(error)) => {
            tracing::error!(error = %chain(&error), "cannot take an answer of the hub");
            Answer::Nothing
        }
    }
}

enum Trouble {
    Open(OpenError),
    Spool(SpoolError),
}

impl From<SpoolError> for Trouble {
    fn from(error: SpoolError) -> Self {
        Self::Spool(error)
    }
}

fn take_effect(effect: Refused, refusal: &Refusal) -> Answer {
    let (reason, detail) = (refusal.reason.as_str(), refusal.detail.as_str());
    match effect {
        Refused::SendAgain => {
            tracing::info!(
                record.sequence = refusal.sequence,
                "the hub misses records before this one: all that wait are sent again"
            );
            return Answer::Anew;
        }
        Refused::OnHold => tracing::warn!(
            record.sequence = refusal.sequence,
            detail,
            "the hub takes nothing of this edge until a person releases it there; all waits here"
        ),
        Refused::Held { first: true } => tracing::warn!(
            record.sequence = refusal.sequence,
            detail,
            "the hub does not take this record, and others like it, until a person allows it there \
             (`varco-hub edge allow`); check `gate` and `id` of the cameras in edge.toml. They wait \
             here and are tried again"
        ),
        Refused::Moved { sequence } => tracing::error!(
            record.sequence = sequence,
            reason,
            detail,
            "the hub refuses a transit for good; it is kept in the spool's table `refused` until its term"
        ),
        Refused::Held { first: false } | Refused::Stored | Refused::Unknown => tracing::debug!(
            record.sequence = refusal.sequence,
            reason,
            detail,
            "a refusal that changes nothing here"
        ),
    }
    Answer::Room
}
