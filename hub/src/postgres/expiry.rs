//! The end of transits and links in PostgreSQL.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Duration;

use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::batch::Shelf;
use super::link::Link;
use super::schema::{LOCK_CLASS, column, table_of};
use super::server::{Server, count, hours};
use crate::alerts::alert;
use crate::audit;
use crate::hours::partition::Partition;
use crate::intake::chain::prune::Pruned;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use crate::timekeeping::Vouched;
use crate::transits::retention::{Expired, RUNS_APART, RetentionError, end_entry};

/// Most links pruned in one step.
const LINKS_MAX: i64 = 1000;
/// Most edges looked at in one step.
const EDGES_MAX: i64 = 64;

/// What is over, and who says so.
struct Over<'a> {
    term: Duration,
    now: UtcTime,
    key: &'a SealingKey,
    /// Most hours at once.
    most: usize,
}

impl Shelf {
    /// Destroys what is past its term, of `most` hours at most, oldest first: each hour's audit line,
    /// then its key, then its table. An hour that another hub destroys at the moment is left to it.
    ///
    /// The keys are in the home. When PostgreSQL is away, or has no room, they are destroyed all the
    /// same, and the tables go when it is back.
    ///
    /// # Errors
    /// [`RetentionError`]; the next run goes on.
    pub fn expire(
        &mut self,
        main: &mut Connection,
        term: Duration,
        now: Vouched,
        key: &SealingKey,
        most: usize,
    ) -> Result<Expired, RetentionError> {
        let server = self.server();
        let over = Over {
            term,
            now: now.at(),
            key,
            most,
        };
        let expired = match self.expire_there(main, &over) {
            Err(RetentionError::Store(error @ StoreError::Server { .. })) => {
                let expired = end_keys(&server, main, &over)?;
                if expired.hours.is_empty() {
                    return Err(error.into());
                }
                tracing::error!(
                    error = %error, hours = expired.hours.len(),
                    "PostgreSQL did not take the end of hours; their keys are destroyed, and their \
                     tables go when it does"
                );
                expired
            }
            other => other?,
        };
        // What another hub destroyed must go from this one's memory too.
        server.forget_where(|hour| hour.gone_at(term) <= over.now);
        Ok(expired)
    }

    fn expire_there(
        &mut self,
        main: &mut Connection,
        over: &Over<'_>,
    ) -> Result<Expired, RetentionError> {
        let server = self.server();
        self.link.ready()?;
        let mut expired = Expired::default();
        let due = due(&server, &mut self.link, (over.term, over.now))?;
        for hour in due.into_iter().take(over.most) {
            self.link.run("begin the expiry", "BEGIN")?;
            let known = &mut self.ending;
            let ended = end(&server, (&mut self.link, known), main, hour, over);
            let close = if ended.is_ok() { "COMMIT" } else { "ROLLBACK" };
            let closed = self.link.run("commit the expiry", close);
            if let Some(transits) = ended? {
                expired.hours.push(hour);
                expired.transits += transits;
            }
            closed?;
            self.ending.remove(&hour);
        }
        Ok(expired)
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

impl Server {
    /// Hours that should have been destroyed by now: runs come each minute, so there are none but for
    /// a fault.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn overdue(&self, now: UtcTime) -> Result<Vec<Partition>, StoreError> {
        self.with(|link| due(self, link, (self.settings.term, now - RUNS_APART)))
    }
}

/// The hours past their term, oldest first: those that have a table, and those that have a key.
fn due(
    server: &Server,
    link: &mut Link,
    (term, now): (Duration, UtcTime),
) -> Result<Vec<Partition>, StoreError> {
    let mut due = hours(link)?;
    due.extend(server.secrets.keys().hours()?);
    due.retain(|hour| hour.gone_at(term) <= now);
    due.sort_unstable();
    due.dedup();
    Ok(due)
}

/// Ends one hour within the caller's transaction, and gives how many transits it had; none when
/// another hub is at it, or was.
fn end(
    server: &Server,
    (link, ending): (&mut Link, &mut HashSet<Partition>),
    main: &mut Connection,
    hour: Partition,
    over: &Over<'_>,
) -> Result<Option<u64>, RetentionError> {
    const DOING: &str = "destroy an hour";
    let number = column(hour);
    let lock = format!("SELECT pg_try_advisory_xact_lock({LOCK_CLASS}, $1)");
    let lock = link.row(DOING, &lock, &[&number])?;
    if !lock.is_some_and(|row| row.get(0)) {
        return Ok(None);
    }
    let there = "SELECT 1 FROM hours WHERE hour = $1";
    let there = link.row(DOING, there, &[&number])?.is_some();
    let has_key = server.secrets.keys().hours()?.contains(&hour);
    if !there && !has_key {
        return Ok(None);
    }
    let transits = if there { count(link, hour)? } else { 0 };
    // A table that did not go the last time is no second end.
    if has_key || !ending.contains(&hour) {
        end_key(server, main, (hour, transits), over)?;
        ending.insert(hour);
    }
    server.forget_where(|other| other == hour);
    link.run(DOING, &format!("DROP TABLE IF EXISTS {}", table_of(hour)))?;
    link.change(DOING, "DELETE FROM plates WHERE hour = $1", &[&number])?;
    link.change(DOING, "DELETE FROM hours WHERE hour = $1", &[&number])?;
    Ok(Some(transits))
}

/// Destroys the keys of hours past their term while PostgreSQL cannot be asked. How many transits they
/// had stands in a second line, when their tables go.
fn end_keys(
    server: &Server,
    main: &mut Connection,
    over: &Over<'_>,
) -> Result<Expired, RetentionError> {
    let mut expired = Expired::default();
    let mut hours = server.secrets.keys().hours()?;
    hours.retain(|hour| hour.gone_at(over.term) <= over.now);
    for hour in hours.into_iter().take(over.most) {
        end_key(server, main, (hour, 0), over)?;
        expired.hours.push(hour);
    }
    Ok(expired)
}

/// The line of an hour's end, and then the end of its key.
fn end_key(
    server: &Server,
    main: &mut Connection,
    (hour, transits): (Partition, u64),
    over: &Over<'_>,
) -> Result<(), RetentionError> {
    let entry = end_entry(hour, transits)?;
    let turn = server.turn_lock().lock();
    let _turn = turn.unwrap_or_else(PoisonError::into_inner);
    let line = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the expiry's audit line")?;
    audit::append(&line, &entry, over.now, over.key)?;
    audit::hours::end(&line, hour)?;
    line.commit().doing("commit the expiry's audit line")?;
    server.secrets.keys().destroy(hour)?;
    alert::forget_hour(main, hour)?;
    Ok(())
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
