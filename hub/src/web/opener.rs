//! From what is stored to what is shown: the one way, past signatures. What is blocked does not come
//! here: see [`crate::transits::allowed`].

use std::collections::HashMap;

use varco_proto::envelope::open;
use varco_proto::ids::EdgeId;
use varco_proto::keys::OpeningKey;
use varco_proto::record::Record;
use varco_proto::transit::CharacterCandidate;

use super::communicated::PassedAt;
use super::errors::ApiError;
use super::state::HubState;
use super::view::{MisreadKind, MisreadView, TransitView};
use crate::boxes::edges;
use crate::plates::misread::{Neighbour, ReadDifference};
use crate::plates::plate::text_of;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::stored::StoredTransit;

/// What opens what is stored, as it is at one moment.
pub(super) struct StoredOpener {
    keys: HashMap<EdgeId, OpeningKey>,
}

impl StoredOpener {
    pub(super) fn of(state: &HubState) -> Result<Self, ApiError> {
        let main = state.main()?;
        Self::read(&main).map_err(ApiError::store)
    }

    pub(super) fn read(main: &Connection) -> Result<Self, StoreError> {
        Ok(Self {
            keys: edges::opening_keys(main)?,
        })
    }

    /// What is shown of a stored transit; none when it is broken, which is logged.
    pub(super) fn shown(&self, stored: &StoredTransit) -> Option<TransitView> {
        let view = self.open(stored);
        if view.is_none() {
            tracing::error!("a stored transit no longer opens; run `varco-hub audit verify`");
        }
        view
    }

    /// What a case holds, by the edge that sealed it.
    pub(super) fn held(&self, edge: &str, envelope: &[u8]) -> Option<TransitView> {
        let edge: EdgeId = edge.parse().ok()?;
        let verified = open::<Record>(envelope, self.keys.get(&edge)?).ok()?;
        TransitView::of(&verified)
    }

    /// Where and when that passed.
    pub(super) fn passed(&self, edge: &str, envelope: &[u8]) -> Option<PassedAt> {
        let edge: EdgeId = edge.parse().ok()?;
        let verified = open::<Record>(envelope, self.keys.get(&edge)?).ok()?;
        let transit = verified.value().body.transit()?;
        Some(PassedAt {
            gate: transit.gate.clone(),
            at: transit.captured_at.at,
        })
    }

    /// Opens a stored transit: what is shown comes from the sealed original, not from what lies
    /// beside it. None when that does not open, or is another's.
    pub(super) fn open(&self, stored: &StoredTransit) -> Option<TransitView> {
        let edge: EdgeId = stored.edge.parse().ok()?;
        let verified = open::<Record>(&stored.envelope, self.keys.get(&edge)?).ok()?;
        let mut view = TransitView::of(&verified)?;
        // A head that was changed would show a transit under a plate that is not its own.
        let same = view.plate == text_of(&stored.head.entry.plate)
            && verified.digest() == stored.head.digest;
        let characters = &verified.value().body.transit()?.plate.characters;
        let misread = stored.misread.as_ref();
        view.misread = misread.map(|neighbour| differences(neighbour, characters));
        same.then_some(view)
    }
}

/// How a plate that was read differs from the one that was searched.
fn differences(neighbour: &Neighbour, characters: &[Vec<CharacterCandidate>]) -> Vec<MisreadView> {
    let view = |difference: &ReadDifference| match *difference {
        ReadDifference::Other {
            place,
            searched,
            read,
        } => {
            let mut held = characters.get(place - 1).into_iter().flatten();
            let held = held.find(|candidate| candidate.symbol == searched);
            MisreadView {
                kind: MisreadKind::Other,
                position: place,
                searched: Some(searched),
                read: Some(read),
                confidence: held.map(|candidate| candidate.confidence.get()),
            }
        }
        ReadDifference::Missed { place, searched } => MisreadView {
            kind: MisreadKind::Missed,
            position: place,
            searched: Some(searched),
            read: None,
            confidence: None,
        },
        ReadDifference::TooMany { place, read } => MisreadView {
            kind: MisreadKind::TooMany,
            position: place,
            searched: None,
            read: Some(read),
            confidence: None,
        },
    };
    neighbour.differences.iter().map(view).collect()
}
