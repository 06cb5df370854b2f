//! Taking the chains over from the home's own store, at the end of a move.

use tokio_postgres::types::{ToSql, Type};

use super::batch::Shelf;
use super::names::column;
use crate::chains::whole;
use crate::hours::partition::Partition;
use crate::store::StoreError;

/// Stands in the column of hours for the chains, which are moved at the end.
const CHAINS: i32 = -1;

/// Where a chain stands; sequences and times as their columns have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedChain {
    /// The edge's number among the names.
    pub edge: u32,
    /// Highest sequence known.
    pub sequence: i64,
    /// Its digest, 32 bytes.
    pub digest: Vec<u8>,
    /// When it came, in microseconds.
    pub received_at_us: i64,
    /// How far its links are let go.
    pub pruned_through: i64,
}

/// A link of a chain; as [`MovedChain`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedLink {
    /// The edge's number among the names.
    pub edge: u32,
    /// Its place.
    pub sequence: i64,
    /// Its digest, 32 bytes.
    pub digest: Vec<u8>,
    /// The digest that it follows, 32 bytes.
    pub previous: Vec<u8>,
    /// By the edge's clock, in microseconds.
    pub captured_at_us: i64,
    /// By the hub's clock, in microseconds.
    pub received_at_us: i64,
    /// Whether it was stored.
    pub stored: bool,
    /// What it is.
    pub kind: String,
}

/// Records that are missing, or that an edge let go; as [`MovedChain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedGap {
    /// The edge's number among the names.
    pub edge: u32,
    /// First of them.
    pub first: i64,
    /// Last of them.
    pub last: i64,
    /// How many never came.
    pub missing: i64,
    /// Since when, in microseconds; none for what the edge let go.
    pub opened_at_us: Option<i64>,
    /// When the last of them came, in microseconds.
    pub closed_at_us: Option<i64>,
}

impl Shelf {
    /// The last row of the home's own file of an hour that is here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn moved_through(&mut self, hour: Partition) -> Result<u32, StoreError> {
        self.link.ready()?;
        let row = self.link.row(
            "read how far the move is",
            "SELECT rows FROM moved WHERE hour = $1",
            &[&super::schema::column(hour)],
        )?;
        let rows = row.map_or(Ok(0), |row| whole(row.get(0)))?;
        u32::try_from(rows).map_err(|_| StoreError::Damaged { what: "move" })
    }

    /// Whether there are chains here that no move brought: those of a hub that works here already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_chains_of_its_own(&mut self) -> Result<bool, StoreError> {
        self.link.ready()?;
        let row = self.link.row(
            "look for chains",
            "SELECT EXISTS (SELECT 1 FROM heads) AND NOT EXISTS
                 (SELECT 1 FROM moved WHERE hour = $1)",
            &[&CHAINS],
        )?;
        Ok(row.is_some_and(|row| row.get(0)))
    }

    /// Takes all chains over, in one transaction; `links` is called until it gives none.
    ///
    /// # Errors
    /// [`StoreError`]; no chain was taken over.
    pub fn take_over(
        &mut self,
        chains: &[MovedChain],
        gaps: &[MovedGap],
        mut links: impl FnMut() -> Result<Vec<MovedLink>, StoreError>,
    ) -> Result<u64, StoreError> {
        self.transaction(|shelf| {
            // Of a run that was broken off before the home let its own go.
            let clear = "TRUNCATE heads, links, gaps, dropped";
            shelf.link.run("take the chains over", clear)?;
            shelf.copy_heads(chains)?;
            shelf.copy_gaps(gaps)?;
            let mut count = 0;
            loop {
                let some = links()?;
                if some.is_empty() {
                    break;
                }
                count += shelf.copy_links(&some)?;
            }
            shelf.note_moved(CHAINS, 0)?;
            Ok(count)
        })
    }

    fn copy_heads(&self, chains: &[MovedChain]) -> Result<(), StoreError> {
        let edges = chains.iter().map(|chain| column(chain.edge));
        let edges: Vec<i32> = edges.collect::<Result<_, _>>()?;
        let rows = chains.iter().zip(&edges).map(|(chain, edge)| {
            let row: Vec<&(dyn ToSql + Sync)> = vec![
                edge,
                &chain.sequence,
                &chain.digest,
                &chain.received_at_us,
                &chain.pruned_through,
            ];
            row
        });
        let types = [Type::INT4, Type::INT8, Type::BYTEA, Type::INT8, Type::INT8];
        self.link
            .copy("take the heads over", "heads", &types, rows)?;
        Ok(())
    }

    fn copy_links(&self, links: &[MovedLink]) -> Result<u64, StoreError> {
        let edges = links.iter().map(|link| column(link.edge));
        let edges: Vec<i32> = edges.collect::<Result<_, _>>()?;
        let rows = links.iter().zip(&edges).map(|(link, edge)| {
            let row: Vec<&(dyn ToSql + Sync)> = vec![
                edge,
                &link.sequence,
                &link.digest,
                &link.previous,
                &link.captured_at_us,
                &link.received_at_us,
                &link.stored,
                &link.kind,
            ];
            row
        });
        let types = [
            Type::INT4,
            Type::INT8,
            Type::BYTEA,
            Type::BYTEA,
            Type::INT8,
            Type::INT8,
            Type::BOOL,
            Type::TEXT,
        ];
        self.link.copy("take the links over", "links", &types, rows)
    }

    fn copy_gaps(&mut self, gaps: &[MovedGap]) -> Result<(), StoreError> {
        const DOING: &str = "take the gaps over";
        for gap in gaps {
            let edge = column(gap.edge)?;
            match gap.opened_at_us {
                Some(opened_at_us) => self.link.change(
                    DOING,
                    "INSERT INTO gaps VALUES ($1, $2, $3, $4, $5, $6)",
                    &[
                        &edge,
                        &gap.first,
                        &gap.last,
                        &gap.missing,
                        &opened_at_us,
                        &gap.closed_at_us,
                    ],
                )?,
                None => self.link.change(
                    DOING,
                    "INSERT INTO dropped VALUES ($1, $2, $3, $4)",
                    &[&edge, &gap.first, &gap.last, &gap.missing],
                )?,
            };
        }
        Ok(())
    }
}
