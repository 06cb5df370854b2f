//! Raising alerts, in the transaction that stores the transit.

use std::sync::Arc;

use varco_proto::time::UtcTime;
use varco_proto::transit::Transit;

use super::alert::{self, CharacterDifference, Content, New};
use super::deliveries;
use crate::hotlists::active::{ActiveLists, Current};
use crate::hotlists::list::Hotlist;
use crate::hotlists::matcher::Match;
use crate::hotlists::pages::{self, HotlistEntry};
use crate::hours::partition::Partition;
use crate::store::StoreError;
use crate::store::notes::Notes;
use crate::store::sql::Connection;
use varco_proto::cipher::Key;
use varco_proto::ids::Digest;

/// Holds what a batch stores against the lists.
#[derive(Debug)]
pub struct Watch {
    current: Arc<Current>,
    raised: usize,
}

impl Watch {
    /// Begins a batch, with the lists as they are in its transaction: a plate that was just put on a
    /// list is waited for, one that was just taken off is not. Only a large list that another process
    /// imported is taken a little later, so that no receipt waits for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(lists: &Arc<ActiveLists>, main: &Connection) -> Result<Self, StoreError> {
        lists.refresh_in_turn(main)?;
        Ok(Self {
            current: lists.current(),
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
        transit: &Transit,
        digest: Digest,
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
            if let Some(id) = alert::keep(main, &new, hour, &key, now)? {
                deliveries::enqueue_alert(main, id, &new.list, now)?;
                self.raised += 1;
            }
        }
        Ok(())
    }

    /// The entries of a match, as the list has them.
    fn entries(
        &self,
        main: &Connection,
        list: &Hotlist,
        one: &Match,
        listed: &str,
    ) -> Result<Vec<HotlistEntry>, StoreError> {
        let extent = self.current.extents.get(usize::from(one.list)).copied();
        let extent = extent.unwrap_or_default();
        let mut entries = Vec::new();
        let Some(key) = self.current.key_of(&list.id) else {
            return Ok(entries);
        };
        for number in &one.numbers {
            match pages::entry(main, key, &list.id, extent, *number) {
                Ok(entry) => entries.extend(entry.filter(|one| one.plate.folded() == listed)),
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
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
        let entries = self.entries(main, list, one, &listed_text(transit, one))?;
        let (listed, note, country) = said(&entries, transit, one);
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
                    .map(|(place, listed, read)| CharacterDifference {
                        place: *place,
                        listed: *listed,
                        read: *read,
                    })
                    .collect(),
                note,
                country,
                gate: Some(transit.gate.clone()),
            },
        }))
    }
}

/// What the list says of the plate: the entry of the very text that was read first, then what the
/// others say.
fn said(
    entries: &[HotlistEntry],
    transit: &Transit,
    one: &Match,
) -> (String, Option<String>, Option<String>) {
    let read = transit.plate.text.as_str();
    let first = entries
        .iter()
        .position(|entry| entry.plate.as_str() == read);
    let Some(first) = entries.get(first.unwrap_or(0)) else {
        return (listed_text(transit, one), None, None);
    };
    let others = entries.iter().filter(|entry| !std::ptr::eq(*entry, first));
    let mut notes: Vec<String> = Vec::new();
    for entry in std::iter::once(first).chain(others) {
        let mut parts: Vec<String> = Vec::new();
        if entry.plate != first.plate {
            parts.push(entry.plate.to_string());
        }
        if entry.country != first.country {
            parts.extend(entry.country.clone());
        }
        parts.extend(entry.original.as_ref().map(|text| format!("({text})")));
        parts.extend(entry.note.clone());
        let note = parts.join(" ");
        if !note.is_empty() && !notes.contains(&note) {
            notes.push(note);
        }
    }
    let note = (!notes.is_empty()).then(|| notes.join(" / "));
    (first.plate.to_string(), note, first.country.clone())
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
