//! Destroying transits before their term, at the request of whom they are about: by the same way as those whose
//! municipality shortened its term ([`super::purge`]). Its audit line stands first.

use std::collections::HashSet;

use varco_proto::keys::SealingKey;

use super::erasures::{self, Erasure};
use super::purge::{Leaving, PurgeTurn, Purged};
use super::retention::RetentionError;
use super::stored::StoredHours;
use crate::hours::partition::Partition;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::timekeeping::Vouched;

/// Transits of one order in one hour.
#[derive(Debug)]
pub(crate) struct Erasing {
    /// Their rows in the home's own store.
    pub(crate) rows: HashSet<u32>,
    /// Their ids.
    pub(crate) ids: HashSet<[u8; 16]>,
    pub(super) erasure: Erasure,
}

impl dyn StoredHours + '_ {
    /// Destroys, in one hour, the transits of one order; none when nothing is left to be destroyed, or another hub is
    /// at it.
    ///
    /// # Errors
    /// [`RetentionError`]; the next run goes on.
    pub fn erase_one(
        &self,
        main: &mut Connection,
        now: Vouched,
        key: &SealingKey,
    ) -> Result<Option<Purged>, RetentionError> {
        self.place_erasures(main, now)?;
        let pending = erasures::pending(main)?;
        let Some((hour, erasing)) = first(pending) else {
            return Ok(None);
        };
        let names = self.names()?;
        let transits = self.purge(&mut PurgeTurn {
            hour,
            leaving: Leaving::Erased(&erasing),
            names: &names,
            main,
            turn: self.turn_lock(),
            ends_with: self.settings().ends_with,
            now: now.at(),
            key,
        })?;
        let left: HashSet<_> = self.stored_among(&erasing.ids)?;
        let gone = erasing.ids.difference(&left).copied().collect();
        let turn = self.turn();
        erasures::note_done(main, &gone, now.at())?;
        drop(turn);
        match transits > 0 || left.is_empty() {
            true => Ok(Some(Purged { transits })),
            false => Ok(None),
        }
    }

    /// Notes where those lie that were not looked for; what is not stored is done.
    fn place_erasures(&self, main: &Connection, now: Vouched) -> Result<(), StoreError> {
        let pending = erasures::pending(main)?.into_iter();
        let mut sought: HashSet<[u8; 16]> = pending
            .filter(|one| one.place.is_none())
            .map(|one| one.transit)
            .collect();
        if sought.is_empty() {
            return Ok(());
        }
        let placed = self.placed(&sought)?;
        let _turn = self.turn();
        for one in placed {
            erasures::note_place(main, &one.id, one.hour, one.entry.row)?;
            sought.remove(&one.id);
        }
        erasures::note_done(main, &sought, now.at())
    }
}

/// Of the first order, those that lie in its first hour.
fn first(pending: Vec<Erasure>) -> Option<(Partition, Erasing)> {
    let erasure = pending.iter().find(|one| one.place.is_some())?.clone();
    let (hour, _) = erasure.place?;
    let mut erasing = Erasing {
        rows: HashSet::new(),
        ids: HashSet::new(),
        erasure,
    };
    for one in pending {
        let same = one.order.approval == erasing.erasure.order.approval;
        if let Some((_, row)) = one.place.filter(|(of, _)| same && *of == hour) {
            erasing.rows.insert(row);
            erasing.ids.insert(one.transit);
        }
    }
    Some((hour, erasing))
}
