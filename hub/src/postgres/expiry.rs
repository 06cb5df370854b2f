//! The end of transits and links in PostgreSQL.

use varco_proto::time::UtcTime;

use super::batch::Shelf;
use super::link::Link;
use super::schema::{LOCK_CLASS, column, table_of};
use super::server::{count, hours};
use crate::hours::partition::Partition;
use crate::intake::chain::prune::Pruned;
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::retention::{Ending, Ends};
use crate::transits::stored::StoredHours;

/// Most links pruned in one step.
const LINKS_MAX: i64 = 1000;
/// Most edges looked at in one step.
const EDGES_MAX: i64 = 64;

/// The end of hours in PostgreSQL, each in a transaction of its own that [`Ends::begin`] opens. An hour
/// that another hub ends at the moment is left to it.
impl Ends for Shelf {
    fn store(&self) -> &dyn StoredHours {
        self.server.as_ref()
    }

    fn hours(&mut self) -> Result<Vec<Partition>, StoreError> {
        self.link.ready()?;
        hours(&mut self.link)
    }

    fn begin(&mut self, hour: Partition) -> Result<Option<Ending>, StoreError> {
        self.link.run("begin the expiry", "BEGIN")?;
        let ending = self.taken(hour);
        if !matches!(ending, Ok(Some(_))) {
            self.give_up();
        }
        ending
    }

    fn kill(&mut self, hour: Partition) -> Result<(), StoreError> {
        self.server.secrets.keys().destroy(hour)?;
        self.server.forget_where(|other| other == hour);
        Ok(())
    }

    fn clear(&mut self, _main: &Connection, hour: Partition) -> Result<(), StoreError> {
        const DOING: &str = "destroy an hour";
        let number = column(hour);
        // A table that does not go now is no second end the next time.
        self.ending.insert(hour);
        let link = &mut self.link;
        link.run(DOING, &format!("DROP TABLE IF EXISTS {}", table_of(hour)))?;
        link.change(DOING, "DELETE FROM plates WHERE hour = $1", &[&number])?;
        link.change(DOING, "DELETE FROM hours WHERE hour = $1", &[&number])?;
        link.run("commit the expiry", "COMMIT")?;
        self.ending.remove(&hour);
        Ok(())
    }

    fn give_up(&mut self) {
        if let Err(error) = self.link.run("give the expiry up", "ROLLBACK") {
            tracing::warn!(error = %error, "PostgreSQL gives up what it could not end by itself");
        }
    }

    fn forget(&mut self, gone: &dyn Fn(Partition) -> bool) {
        self.server.forget_where(gone);
    }
}

impl Shelf {
    /// Locks an hour within the open transaction; none when another hub is at it, or was.
    fn taken(&mut self, hour: Partition) -> Result<Option<Ending>, StoreError> {
        const DOING: &str = "destroy an hour";
        let number = column(hour);
        let lock = format!("SELECT pg_try_advisory_xact_lock({LOCK_CLASS}, $1)");
        let lock = self.link.row(DOING, &lock, &[&number])?;
        if !lock.is_some_and(|row| row.get(0)) {
            return Ok(None);
        }
        let there = "SELECT 1 FROM hours WHERE hour = $1";
        let there = self.link.row(DOING, there, &[&number])?.is_some();
        let has_key = self.server.secrets.keys().hours()?.contains(&hour);
        if !there && !has_key {
            return Ok(None);
        }
        let transits = if there {
            count(&mut self.link, hour)?
        } else {
            0
        };
        Ok(Some(Ending {
            transits,
            is_dead: !has_key && self.ending.contains(&hour),
        }))
    }

    /// Lets go of links that were received before a moment, in one small step. The newest link of an
    /// edge always stays, and so do those within an open gap: what fills it is counted by them.
    ///
    /// # Errors
    /// [`StoreError`]; the next step tries the same again.
    pub fn prune(&mut self, before: UtcTime) -> Result<Pruned, StoreError> {
        self.link.ready()?;
        self.link.run("begin the pruning", "BEGIN")?;
        let pruned = prune_some(&mut self.link, self.pruned_after, before);
        let close = if pruned.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let closed = self.link.run("commit the pruning", close);
        let (links, next) = pruned?;
        closed?;
        self.pruned_after = next.unwrap_or(0);
        Ok(Pruned::of(links, next.is_none()))
    }
}

/// Prunes some edges behind `after`; gives the links that went, and where the next step begins, none
/// when this was the end.
fn prune_some(
    link: &mut Link,
    after: i32,
    before: UtcTime,
) -> Result<(u64, Option<i32>), StoreError> {
    const DOING: &str = "prune the chains";
    let edges = link.rows(
        DOING,
        "SELECT edge, sequence, pruned_through FROM heads WHERE edge > $1
         ORDER BY edge LIMIT $2 FOR UPDATE",
        &[&after, &EDGES_MAX],
    )?;
    let more = i64::try_from(edges.len()).unwrap_or(i64::MAX) == EDGES_MAX;
    let (mut gone, mut left, mut done) = (0, LINKS_MAX, after);
    for row in edges {
        let (edge, head, through): (i32, i64, i64) = (row.get(0), row.get(1), row.get(2));
        let old = link.rows(
            DOING,
            "SELECT sequence FROM
                 (SELECT sequence, received_at_us FROM links
                  WHERE edge = $1 AND sequence > $2 AND sequence < $3
                  ORDER BY sequence LIMIT $4) AS oldest
             WHERE sequence < coalesce(
                 (SELECT min(sequence) FROM links WHERE edge = $1 AND sequence > $2
                  AND sequence < $3 AND received_at_us >= $5), $3)
             ORDER BY sequence",
            &[&edge, &through, &head, &left, &before.unix_us()],
        )?;
        let count = i64::try_from(old.len()).unwrap_or(i64::MAX);
        if let (Some(first), Some(last)) = (old.first(), old.last()) {
            let (first, last): (i64, i64) = (first.get(0), last.get(0));
            gone += link.change(
                DOING,
                "DELETE FROM links AS l WHERE edge = $1 AND sequence BETWEEN $2 AND $3
                     AND NOT EXISTS (SELECT 1 FROM gaps AS g WHERE g.edge = $1
                         AND g.closed_at_us IS NULL AND l.sequence BETWEEN g.first AND g.last)",
                &[&edge, &first, &last],
            )?;
            let through = "UPDATE heads SET pruned_through = $2 WHERE edge = $1";
            link.change(DOING, through, &[&edge, &last])?;
        }
        if count == left {
            // Perhaps more of this edge: the next step begins with it again.
            return Ok((gone, Some(done)));
        }
        left -= count;
        done = edge;
    }
    let closed = "DELETE FROM gaps WHERE closed_at_us < $1";
    link.change(DOING, closed, &[&before.unix_us()])?;
    Ok((gone, more.then_some(done)))
}
