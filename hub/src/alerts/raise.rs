//! Raising alerts, in the transaction that stores the transit.

use std::sync::Arc;

use varco_proto::time::UtcTime;
use varco_proto::transit::Transit;

use super::alert::{self, Content, Difference, New};
use super::deliveries;
use crate::hotlists::active::{ActiveLists, Current};
use crate::hotlists::matcher::Match;
use crate::hotlists::pages;
use crate::intake::notes::Notes;
use crate::store::StoreError;
use crate::store::cipher::Key;
use crate::store::sql::Connection;
use crate::transits::partition::Partition;
use varco_proto::ids::Digest;

/// Holds what a batch stores against the lists.
#[derive(Debug)]
pub struct Watch {
    lists: Arc<ActiveLists>,
    current: Arc<Current>,
    raised: usize,
}

impl Watch {
    /// Begins a batch, with the lists as they are in its transaction: a plate that was just put on a
    /// list is waited for, one that was just taken off is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(lists: &Arc<ActiveLists>, main: &Connection) -> Result<Self, StoreError> {
        lists.refresh(main)?;
        Ok(Self {
            current: lists.current(),
            lists: Arc::clone(lists),
            raised: 0,
        })
    }

    /// Alerts that the batch raised.
    #[must_use]
    pub fn raised(&self) -> usize {
        self.raised
    }

    /// Raises what a transit gives cause for. `hour_key` gives its partition with the key.
    ///
    /// # Errors
    /// [`StoreError`]; the batch is then given up whole.
    pub fn hold(
        &mut self,
        notes: &Notes<'_>,
        (transit, digest): (&Transit, Digest),
        now: UtcTime,
        hour_key: impl FnOnce() -> Result<(Partition, Arc<Key>), StoreError>,
    ) -> Result<(), StoreError> {
        let found = self.current.matcher.matches(&transit.plate, now);
        if found.is_empty() {
            return Ok(());
        }
        let (main, (hour, key)) = (notes.writing()?, hour_key()?);
        for one in found {
            let Some(new) = self.alert_of(main, transit, digest, &one)? else {
                continue;
            };
            if let Some(id) = alert::keep(main, &new, (hour, &key), now)? {
                deliveries::enqueue_alert(main, id, &new.list, now)?;
                self.raised += 1;
            }
        }
        Ok(())
    }

    fn alert_of(
        &self,
        main: &Connection,
        transit: &Transit,
        digest: Digest,
        one: &Match,
    ) -> Result<Option<New>, StoreError> {
        let Some(list) = self.current.lists.get(usize::from(one.list)) else {
            return Ok(None);
        };
        let number = usize::try_from(one.number).unwrap_or(usize::MAX);
        let entry = match pages::entry(main, self.lists.key(), &list.id, number) {
            Ok(entry) => entry,
            Err(StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let listed = listed_text(transit, one);
        let entry = entry.filter(|entry| entry.plate.folded() == listed);
        let (listed, note, country) = match entry {
            Some(entry) => (entry.plate.to_string(), entry.note, entry.country),
            None => (listed, None, None),
        };
        let differences = one.differences.iter();
        Ok(Some(New {
            transit: *transit.id.as_bytes(),
            digest,
            list: list.id.clone(),
            priority: list.priority,
            content: Content {
                listed,
                read: transit.plate.text.to_string(),
                captured_at: transit.captured_at.at,
                share: one.share,
                differences: differences
                    .map(|(place, listed, read)| Difference {
                        place: *place,
                        listed: *listed,
                        read: *read,
                    })
                    .collect(),
                note,
                country,
            },
        }))
    }
}

/// The listed plate, folded: the read one with what differs put in.
fn listed_text(transit: &Transit, one: &Match) -> String {
    let mut text: Vec<char> = transit.plate.text.folded().chars().collect();
    for (place, listed, _) in &one.differences {
        if let Some(symbol) = text.get_mut(place - 1) {
            *symbol = *listed;
        }
    }
    text.into_iter().collect()
}
