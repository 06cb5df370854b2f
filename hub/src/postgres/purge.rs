//! The end of transits in PostgreSQL whose municipality shortened its term after they were stored.
//!
//! As in the home: an hour is done when the shorter term of its last moment is over, and its audit line
//! stands first. Rows and what the hour's plates say of them go in one transaction; the table is then
//! written anew, because a deleted row stays in its page until something else takes its room.

use std::collections::HashMap;
use std::sync::Arc;

use super::batch::{mark, tail};
use super::connection::PgConnection;
use super::find::head_in;
use super::plates;
use super::schema::{LOCK_CLASS, column, table_of};
use super::server::Server;
use crate::plates::plate::{Plate, folded};
use crate::transits::entry::Entry;
use crate::transits::purge::{Going, Leaving, PurgeTurn};
use crate::transits::retention::RetentionError;
use crate::transits::rows::Head;

impl Server {
    /// Destroys what the turn's gates have in its hour; gives how many went.
    pub(super) fn purge_hour(&self, turn: &mut PurgeTurn<'_>) -> Result<u64, RetentionError> {
        let hour = turn.hour;
        let mut link = PgConnection::to(Arc::clone(&self.address));
        link.ready()?;
        link.run("begin to destroy", "BEGIN")?;
        let done = self.purge_in(&mut link, turn);
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = link.run("end destroying", end);
        let purged = done?;
        ended?;
        if purged > 0 {
            let anew = format!("VACUUM FULL {}", table_of(hour));
            link.run("write an hour anew", &anew)?;
            self.forget_some(hour, purged);
        }
        Ok(purged)
    }

    /// Destroys what the turn's gates have in its hour, in the caller's transaction; gives how many.
    fn purge_in(
        &self,
        link: &mut PgConnection,
        turn: &mut PurgeTurn<'_>,
    ) -> Result<u64, RetentionError> {
        const DOING: &str = "destroy transits";
        let hour = turn.hour;
        // Another hub is at it, or the hour is just ending.
        let lock = format!("SELECT pg_try_advisory_xact_lock({LOCK_CLASS}, $1)");
        let lock = link.row(DOING, &lock, &[&column(hour)])?;
        let secret = self.secrets.of(hour)?;
        let (true, Some(secret)) = (lock.is_some_and(|row| row.get(0)), secret) else {
            return Ok(0);
        };
        let table = table_of(hour);
        let rows = match turn.leaving() {
            Leaving::Gates(_) => {
                let cameras = turn.cameras().into_iter();
                let cameras: Vec<i64> = cameras.map(|camera| secret.camera(camera)).collect();
                let sql = format!("SELECT id, head FROM {table} WHERE $2 OR camera = ANY($1)");
                link.rows(DOING, &sql, &[&cameras, &turn.is_older()])?
            }
            Leaving::Erased(erasing) => {
                // A version before kept the random half of an id.
                let marks = erasing.ids.iter().flat_map(|id| [mark(id), tail(id)]);
                let marks: Vec<i64> = marks.collect();
                let sql = format!("SELECT id, head FROM {table} WHERE id = ANY($1)");
                link.rows(DOING, &sql, &[&marks])?
            }
        };
        let opened = rows.iter().filter_map(|row| {
            let id: i64 = row.get(0);
            Some((id, head_in(&secret, hour, id, row.get(1))?))
        });
        let goes = |head: &Head| match turn.leaving() {
            Leaving::Gates(_) => turn.has(&head.entry),
            Leaving::Erased(erasing) => erasing.ids.contains(&head.id),
        };
        let going: Vec<(i64, Head)> = opened.filter(|(_, head)| goes(head)).collect();
        if going.is_empty() {
            return Ok(0);
        }
        let ids: Vec<[u8; 16]> = going.iter().map(|(_, head)| head.id).collect();
        let entries: Vec<Entry> = going.iter().map(|(_, head)| head.entry).collect();
        let heads = match turn.leaving() {
            Leaving::Gates(_) => &[],
            Leaving::Erased(_) => &going[..],
        };
        let told = Going::of(&entries, heads.iter().map(|(_, head)| head));
        turn.begin(told)?.forget(&ids)?;
        let ids: Vec<i64> = going.iter().map(|(id, _)| *id).collect();
        let sql = format!("DELETE FROM {table} WHERE id = ANY($1)");
        let gone = link.change(DOING, &sql, &[&ids])?;
        let mut counts: HashMap<Plate, u32> = HashMap::new();
        for (_, head) in &going {
            *counts.entry(folded(&head.entry.plate)).or_insert(0) += 1;
        }
        plates::take_out(link, &secret, hour, &counts)?;
        Ok(gone)
    }
}
