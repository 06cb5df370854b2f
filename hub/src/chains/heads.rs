//! Where every chain stands, in memory. The tables say the same: after a kill they are read again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use varco_proto::envelope::Verified;
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::record::{Record, RecordBody};
use varco_proto::time::UtcTime;

use crate::chains::links::{Change, Links};
use crate::chains::{digest, whole};
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};

/// Links of an edge that are moved to the keyed table together. They fill about two pages there.
pub const RUN_LINKS: usize = 64;
/// Rows of `chain_recent` that are kept for their runs to grow: beyond, edges are settled however
/// few links they have. This bounds the memory, and what is read after a kill, to some 20 MB.
pub const RECENT_ROWS_MAX: i64 = 1 << 17;

/// What a record is in the chain.
const KINDS: [&str; 3] = ["transit", "tamper", "drops"];

/// A record's place in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainLink {
    /// Its place.
    pub sequence: u64,
    /// Its digest.
    pub digest: Digest,
    /// Digest of the record before, as it says.
    pub previous: Digest,
    /// The moment it tells of, by the edge's clock.
    pub captured_at_us: i64,
    /// By the hub's clock.
    pub received_at_us: i64,
    /// Whether it was stored; else it was refused, and only its place is known.
    pub stored: bool,
    /// `transit`, `tamper` or `drops`.
    pub kind: &'static str,
}

impl ChainLink {
    /// The link of a record.
    #[must_use]
    pub fn of(verified: &Verified<Record>, stored: bool, now: UtcTime) -> Self {
        let record = verified.value();
        let kind = match &record.body {
            RecordBody::Transit(_) => 0,
            RecordBody::Tamper(_) => 1,
            RecordBody::Drops(_) => 2,
        };
        Self {
            sequence: record.sequence,
            digest: verified.digest(),
            previous: record.previous,
            captured_at_us: record.body.at().unix_us(),
            received_at_us: now.unix_us(),
            stored,
            kind: KINDS[kind],
        }
    }
}

/// Where a chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Highest sequence known; 0 for none.
    pub sequence: u64,
    /// Digest of that record; [`Digest::ZERO`] for none.
    pub digest: Digest,
    /// When it came.
    pub received_at_us: i64,
    /// What `chain_recent` has up to here stands in the keyed table.
    pub settled_through: u64,
    /// Links up to here were pruned, but for those within gaps that were open then.
    pub pruned_through: u64,
}

impl Standing {
    /// Before the first record.
    pub const START: Self = Self {
        sequence: 0,
        digest: Digest::ZERO,
        received_at_us: 0,
        settled_through: 0,
        pruned_through: 0,
    };
}

/// A chain in memory.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) standing: Standing,
    /// Links that only `chain_recent` has, each with its row, ascending.
    pub(super) pending: Vec<(i64, ChainLink)>,
}

/// Every chain in memory.
#[derive(Debug, Default)]
pub struct Heads {
    /// The turn in which the tables said the same; none when they must be read.
    pub(super) turn: Option<i64>,
    pub(super) edges: HashMap<EdgeId, Head>,
    /// Edges by the row of their oldest pending link.
    pub(super) by_row: BTreeMap<i64, EdgeId>,
    /// Edges with a run to be moved.
    pub(super) due: BTreeSet<EdgeId>,
    /// First row of `chain_recent` that may be there.
    pub(super) first_row: i64,
    /// Row of the next link.
    pub(super) next_row: i64,
}

impl Heads {
    /// Begins a batch within the caller's transaction, reading the tables when the memory is not
    /// of their last turn: at the start, after a failed commit, and when another wrote to them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(&mut self, main: &Connection) -> Result<Links<'_>, StoreError> {
        self.refresh(main)?;
        Ok(Links::over(self))
    }

    /// Forgets everything, after a commit of which nobody knows whether it happened.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Reads the tables when their turn is another than the memory's.
    pub(super) fn refresh(&mut self, main: &Connection) -> Result<(), StoreError> {
        let turn: i64 = main
            .prepare_cached("SELECT turn FROM chain_turn")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .doing("read the chain's turn")?;
        if self.turn != Some(turn) {
            *self = Self::read(main)?;
            self.turn = Some(turn);
        }
        Ok(())
    }

    /// Takes over what a batch came to, once it is committed.
    pub fn apply(&mut self, change: Change) {
        self.turn = Some(change.turn);
        self.first_row = change.first_row;
        self.next_row = change.next_row;
        for (edge, touched) in change.touched {
            let head = self.edges.entry(edge.clone()).or_insert_with(|| Head {
                standing: Standing::START,
                pending: Vec::new(),
            });
            if touched.settled {
                if let Some((row, _)) = head.pending.first() {
                    self.by_row.remove(row);
                }
                head.pending.clear();
                self.due.remove(&edge);
            }
            head.standing = touched.standing;
            if let (true, Some((row, _))) = (head.pending.is_empty(), touched.appended.first()) {
                self.by_row.insert(*row, edge.clone());
            }
            head.pending.extend(touched.appended);
            if head.pending.len() >= RUN_LINKS {
                self.due.insert(edge);
            }
        }
    }

    fn read(main: &Connection) -> Result<Self, StoreError> {
        const DOING: &str = "read the chains' heads";
        let mut heads = Self::default();
        let named = |name: String| {
            name.parse::<EdgeId>()
                .map_err(|_| StoreError::Damaged { what: "head" })
        };
        let mut statement = main
            .prepare(
                "SELECT edge, sequence, digest, received_at_us, settled_through, pruned_through
                 FROM heads",
            )
            .doing(DOING)?;
        let mut rows = statement.query([]).doing(DOING)?;
        while let Some(row) = rows.next().doing(DOING)? {
            let standing = Standing {
                sequence: whole(row.get(1).doing(DOING)?)?,
                digest: digest(&row.get::<_, Vec<u8>>(2).doing(DOING)?)?,
                received_at_us: row.get(3).doing(DOING)?,
                settled_through: whole(row.get(4).doing(DOING)?)?,
                pruned_through: whole(row.get(5).doing(DOING)?)?,
            };
            let pending = Vec::new();
            let head = Head { standing, pending };
            heads.edges.insert(named(row.get(0).doing(DOING)?)?, head);
        }
        let mut statement = main
            .prepare(
                "SELECT row, edge, sequence, digest, previous, captured_at_us, received_at_us,
                 stored, kind FROM chain_recent ORDER BY row",
            )
            .doing(DOING)?;
        let mut rows = statement.query([]).doing(DOING)?;
        while let Some(row) = rows.next().doing(DOING)? {
            let number: i64 = row.get(0).doing(DOING)?;
            if heads.next_row == 0 {
                heads.first_row = number;
            }
            heads.next_row = number + 1;
            let kind: String = row.get(8).doing(DOING)?;
            let kind = KINDS.into_iter().find(|known| *known == kind);
            let link = ChainLink {
                sequence: whole(row.get(2).doing(DOING)?)?,
                digest: digest(&row.get::<_, Vec<u8>>(3).doing(DOING)?)?,
                previous: digest(&row.get::<_, Vec<u8>>(4).doing(DOING)?)?,
                captured_at_us: row.get(5).doing(DOING)?,
                received_at_us: row.get(6).doing(DOING)?,
                stored: row.get(7).doing(DOING)?,
                kind: kind.ok_or(StoreError::Damaged { what: "link" })?,
            };
            let edge = named(row.get(1).doing(DOING)?)?;
            let head = heads.edges.get_mut(&edge);
            let head = head.ok_or(StoreError::Damaged { what: "head" })?;
            if link.sequence > head.standing.settled_through {
                head.pending.push((number, link));
            }
        }
        for (edge, head) in &heads.edges {
            if let Some((row, _)) = head.pending.first() {
                heads.by_row.insert(*row, edge.clone());
            }
            if head.pending.len() >= RUN_LINKS {
                heads.due.insert(edge.clone());
            }
        }
        if heads.next_row == 0 {
            (heads.first_row, heads.next_row) = (1, 1);
        }
        Ok(heads)
    }
}
