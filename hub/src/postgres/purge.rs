//! The end of transits in PostgreSQL whose municipality shortened its term after they were stored.
//!
//! As in the home: an hour is done when the shorter term of its last moment is over, and its audit line
//! stands first. Rows and what the hour's plates say of them go in one transaction; the table is then
//! written anew, because a deleted row stays in its page until something else takes its room.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use super::find::head_in;
use super::link::Link;
use super::plates;
use super::schema::{LOCK_CLASS, column, table_of};
use super::server::Server;
use crate::alerts::alert;
use crate::hours::partition::Partition;
use crate::plates::plate::{Plate, folded};
use crate::store::StoreError;
use crate::store::sql::Connection;
use crate::transits::purge::{Purged, write_line};
use crate::transits::retention::RetentionError;
use crate::transits::rows::Head;

impl Server {
    /// Destroys, in one hour, the transits of gates whose shorter term is over there; none when no
    /// hour has such.
    ///
    /// # Errors
    /// [`RetentionError`]; the next run goes on.
    pub fn purge_one(
        &self,
        main: &mut Connection,
        now: UtcTime,
        key: &SealingKey,
    ) -> Result<Option<Purged>, RetentionError> {
        for (hour, transits, gates) in self.to_purge(now)? {
            let mut link = Link::to(Arc::clone(&self.address));
            link.ready()?;
            link.run("begin to destroy", "BEGIN")?;
            let done = self.purge(&mut link, main, (hour, &gates), (now, key));
            let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
            let ended = link.run("end destroying", end);
            let purged = done?;
            ended?;
            if purged > 0 {
                link.run(
                    "write an hour anew",
                    &format!("VACUUM FULL {}", table_of(hour)),
                )?;
            }
            let left = transits.saturating_sub(purged);
            self.clean.note(hour, left, gates);
            if purged > 0 {
                self.forget_some(hour, purged);
                return Ok(Some(Purged { transits: purged }));
            }
        }
        Ok(None)
    }

    /// The hours in which gates may have transits whose shorter term is over, with how many transits
    /// each has in all, and with these gates.
    fn to_purge(&self, now: UtcTime) -> Result<Vec<(Partition, u64, Vec<u32>)>, StoreError> {
        let horizon = self.horizon(now)?;
        if horizon.gates().next().is_none() {
            return Ok(Vec::new());
        }
        let hours = self.with(|link| {
            self.reload_names(link)?;
            Ok(self.book(link)?.hours())
        })?;
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let due = hours.into_iter().filter_map(|(hour, transits)| {
            let gates = horizon.over_in(hour, &names);
            let clean = self.clean.has(hour, transits, &gates);
            (!gates.is_empty() && !clean).then_some((hour, transits, gates))
        });
        Ok(due.collect())
    }

    /// Destroys what these gates have in an hour, in the caller's transaction; gives how many.
    fn purge(
        &self,
        link: &mut Link,
        main: &mut Connection,
        (hour, gates): (Partition, &[u32]),
        (now, key): (UtcTime, &SealingKey),
    ) -> Result<u64, RetentionError> {
        const DOING: &str = "destroy transits";
        // Another hub is at it, or the hour is just ending.
        let lock = format!("SELECT pg_try_advisory_xact_lock({LOCK_CLASS}, $1)");
        let lock = link.row(DOING, &lock, &[&column(hour)])?;
        let secret = self.secrets.of(hour)?;
        let (true, Some(secret)) = (lock.is_some_and(|row| row.get(0)), secret) else {
            return Ok(0);
        };
        let (cameras, named, all) = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            let met = names.met().filter(|(gate, _)| gates.contains(gate));
            let cameras: Vec<i64> = met.map(|(_, camera)| secret.camera(camera)).collect();
            let named = gates.iter().filter_map(|gate| names.name(*gate));
            let named: Vec<String> = named.map(str::to_owned).collect();
            (cameras, named, names.older().contains(&hour))
        };
        let table = table_of(hour);
        let sql = format!("SELECT id, head FROM {table} WHERE $2 OR camera = ANY($1)");
        let rows = link.rows(DOING, &sql, &[&cameras, &all])?;
        let opened = rows.iter().filter_map(|row| {
            let id: i64 = row.get(0);
            Some((id, head_in(&secret, hour, id, row.get(1))?))
        });
        let going: Vec<(i64, Head)> = opened
            .filter(|(_, head)| gates.contains(&head.entry.gate))
            .collect();
        if going.is_empty() {
            return Ok(0);
        }
        {
            let turn = self.turn_lock().lock();
            let _turn = turn.unwrap_or_else(PoisonError::into_inner);
            write_line(main, (hour, going.len(), &named), now, key)?;
            let ids: Vec<[u8; 16]> = going.iter().map(|(_, head)| head.id).collect();
            alert::forget_transits(main, &ids)?;
        }
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
