//! Putting in what was stored elsewhere before: the move out of the home, and made-up transits.

use std::collections::{BTreeSet, HashMap};

use super::batch::{Shelf, copy_rows, known, mark, sealed};
use super::schema::{self, column};
use super::{names, plates};
use crate::hours::partition::Partition;
use crate::plates::plate::{Plate, folded};
use crate::store::StoreError;
use crate::transits::names::NameKind;
use crate::transits::rows::Head;

impl Shelf {
    /// The numbers of names, which are kept when they are new, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn numbers(&mut self, wanted: &[(NameKind, &str)]) -> Result<Vec<u32>, StoreError> {
        self.link.ready()?;
        let link = &mut self.link;
        let wanted = wanted.iter();
        wanted
            .map(|(kind, name)| names::number_of(link, *kind, name))
            .collect()
    }

    /// Puts transits into an hour, in one transaction: those that it does not have yet. Their heads
    /// have the numbers that [`Shelf::numbers`] gave. `through` is the last row of the home's own file
    /// that is there then, for the next run to go on behind it. Gives how many were put in.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was put in.
    pub fn put(
        &mut self,
        hour: Partition,
        transits: &[(Head, Vec<u8>)],
        through: u32,
    ) -> Result<u64, StoreError> {
        self.transaction(|shelf| {
            let count = shelf.put_within(hour, transits)?;
            shelf.note_moved(column(hour), through)?;
            Ok(count)
        })
    }

    /// Does all of `work` or nothing.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        const DOING: &str = "put in what was stored elsewhere";
        self.link.ready()?;
        self.link.run(DOING, "BEGIN")?;
        let done = work(self);
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.link.run(DOING, end);
        let value = done?;
        ended?;
        Ok(value)
    }

    pub(super) fn note_moved(&mut self, hour: i32, through: u32) -> Result<(), StoreError> {
        self.link.change(
            "note how far the move is",
            "INSERT INTO moved VALUES ($1, $2)
             ON CONFLICT (hour) DO UPDATE SET rows = greatest(moved.rows, excluded.rows)",
            &[&hour, &i64::from(through)],
        )?;
        Ok(())
    }

    fn put_within(
        &mut self,
        hour: Partition,
        transits: &[(Head, Vec<u8>)],
    ) -> Result<u64, StoreError> {
        let server = self.server();
        schema::make_hour(&mut self.link, hour, server.citus)?;
        let secret = server.secrets.of_or_make(hour)?;
        let ids: Vec<[u8; 16]> = transits.iter().map(|(head, _)| head.id).collect();
        let mut known = known(&mut self.link, hour, &secret, &ids)?;
        let mut counts: HashMap<Plate, u32> = HashMap::new();
        let mut rows = Vec::new();
        let mut met = BTreeSet::new();
        for (head, envelope) in transits {
            let id = mark(&head.id);
            if known.insert(id) {
                let mut head = *head;
                head.entry.row = super::batch::row_of(id);
                met.insert((head.entry.gate, head.entry.camera));
                rows.push(sealed(&secret, hour, id, &head, envelope)?);
                *counts.entry(folded(&head.entry.plate)).or_insert(0) += 1;
            }
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let count = copy_rows(&self.link, hour, &rows)?;
        let mut counted: Vec<(Plate, u32)> = counts.into_iter().collect();
        counted.sort_unstable();
        plates::keep(&mut self.link, hour, &plates::seal(&secret, &counted)?)?;
        names::keep_met(&mut self.link, &met)?;
        Ok(count)
    }
}
