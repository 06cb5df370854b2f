//! The chain's end: links that no question can come to any more are let go, a few at a time.
//!
//! What is counted from is when the hub received a link: it never goes backwards in a run, and no
//! edge's clock can hold it up. A record captured within the term was received within it too.

use std::time::Duration;

use varco_proto::ids::EdgeId;
use varco_proto::time::UtcTime;

use crate::chains::heads::Heads;
use crate::chains::whole;
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// How long links are kept beyond the term of their transits: replays in the meantime are still
/// known as such, so that an edge which missed a receipt gets it.
pub const MARGIN: Duration = Duration::from_secs(24 * 3600);
/// Most links pruned in one step, which the intake waits for.
const LINKS_MAX: u32 = 1000;
/// Most edges looked at in one step.
const EDGES_MAX: u32 = 64;

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Links let go.
    pub links: u64,
    /// Whether every edge was looked at; else the next step goes on after `after`.
    pub finished: bool,
    /// The last edge that nothing more can go of.
    pub after: Option<EdgeId>,
    /// How far each chain is pruned now.
    through: Vec<(EdgeId, u64)>,
}

impl Pruned {
    /// What a step did of a store that has no memory to be told of it.
    pub(crate) fn of(links: u64, finished: bool) -> Self {
        Self {
            links,
            finished,
            ..Self::default()
        }
    }
}

/// Prunes links that were received before a moment, beginning after an edge. The newest link of
/// an edge always stays, and so do those within an open gap: what fills it is counted by them.
///
/// # Errors
/// [`StoreError`].
fn step(main: &Connection, after: Option<&EdgeId>, before: UtcTime) -> Result<Pruned, StoreError> {
    const DOING: &str = "read the chains' ends";
    let mut statement = main
        .prepare_cached(
            "SELECT edge, sequence, pruned_through FROM heads WHERE edge > ? ORDER BY edge LIMIT ?",
        )
        .doing(DOING)?;
    let rows = statement
        .query_map(
            params![after.map_or("", EdgeId::as_str), EDGES_MAX],
            |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)),
        )
        .doing(DOING)?;
    let edges: Vec<(String, i64, i64)> = rows.collect::<Result<_, _>>().doing(DOING)?;
    let count =
        |length: usize| u32::try_from(length).map_err(|_| StoreError::Damaged { what: "chain" });
    let more = count(edges.len())? == EDGES_MAX;
    let mut pruned = Pruned {
        after: after.cloned(),
        ..Pruned::default()
    };
    let mut left = LINKS_MAX;
    for (name, head, through) in edges {
        let edge: EdgeId = name
            .parse()
            .map_err(|_| StoreError::Damaged { what: "head" })?;
        if left == 0 {
            return Ok(pruned);
        }
        let old = old_links(main, &edge, through, head, before, left)?;
        if count(old.len())? == left {
            // Perhaps more of this edge: the next step begins with it again.
            left = 0;
        } else {
            left -= count(old.len())?;
            pruned.after = Some(edge.clone());
        }
        if let (Some(first), Some(last)) = (old.first(), old.last()) {
            pruned.links += delete(main, &edge, *first, *last)?;
            pruned.through.push((edge, whole(*last)?));
        }
    }
    pruned.finished = !more && left > 0;
    Ok(pruned)
}

/// The oldest links of a chain, beyond those pruned before, as far as they may go.
fn old_links(
    main: &Connection,
    edge: &EdgeId,
    through: i64,
    head: i64,
    before: UtcTime,
    most: u32,
) -> Result<Vec<i64>, StoreError> {
    const DOING: &str = "read a chain's end";
    let mut statement = main
        .prepare_cached(
            "SELECT sequence, received_at_us FROM chain_settled
             WHERE edge = ? AND sequence > ? AND sequence < ? ORDER BY sequence LIMIT ?",
        )
        .doing(DOING)?;
    let mut rows = statement
        .query(params![edge.as_str(), through, head, most])
        .doing(DOING)?;
    let mut old = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        if row.get::<_, i64>(1).doing(DOING)? >= before.unix_us() {
            break;
        }
        old.push(row.get(0).doing(DOING)?);
    }
    Ok(old)
}

fn delete(main: &Connection, edge: &EdgeId, first: i64, last: i64) -> Result<u64, StoreError> {
    const DOING: &str = "prune a chain";
    let range = params![edge.as_str(), first, last];
    let gaps: bool = main
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM gaps
             WHERE edge = ?1 AND closed_at_us IS NULL AND first <= ?3 AND last >= ?2)",
        )
        .and_then(|mut statement| statement.query_row(range, |row| row.get(0)))
        .doing(DOING)?;
    let sql = if gaps {
        "DELETE FROM chain_settled AS c WHERE edge = ?1 AND sequence BETWEEN ?2 AND ?3
             AND NOT EXISTS (SELECT 1 FROM gaps AS g WHERE g.edge = ?1
                 AND g.closed_at_us IS NULL AND c.sequence BETWEEN g.first AND g.last)"
    } else {
        "DELETE FROM chain_settled WHERE edge = ?1 AND sequence BETWEEN ?2 AND ?3"
    };
    let gone = main
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(range))
        .doing(DOING)?;
    main.prepare_cached("UPDATE heads SET pruned_through = ?2 WHERE edge = ?1")
        .and_then(|mut statement| statement.execute(params![edge.as_str(), last]))
        .doing(DOING)?;
    u64::try_from(gone).map_err(|_| StoreError::Damaged { what: "chain" })
}

impl Heads {
    /// Takes over what a step did, once it is committed.
    pub fn apply_pruned(&mut self, pruned: &Pruned) {
        for (edge, through) in &pruned.through {
            if let Some(head) = self.edges.get_mut(edge) {
                head.standing.pruned_through = *through;
            }
        }
    }

    /// Prunes one step within the caller's transaction; the memory follows with
    /// [`Heads::apply_pruned`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn prune(
        &mut self,
        main: &Connection,
        after: Option<&EdgeId>,
        before: UtcTime,
    ) -> Result<Pruned, StoreError> {
        self.refresh(main)?;
        step(main, after, before)
    }
}
