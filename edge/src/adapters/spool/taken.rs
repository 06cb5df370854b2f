//! What the sealed readings of cameras were known by: it lasts over a restart, so that one that its
//! camera sends again is sealed once.
//!
//! Everything here is a keyed digest, a name of a camera or a time.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use varco_proto::ids::{CameraId, Digest};
use varco_proto::record::RecordBody;
use varco_proto::time::UtcTime;

use super::change::Change;
use super::error::{SpoolError, doing};
use super::{Spool, schema};
use crate::onboard::pushed::Telling;
use crate::onboard::repeat::{EVENTS_MAX, Identity, KNOWN};

/// Most readings remembered of all cameras.
const ROWS_MAX: usize = 16 * EVENTS_MAX;

/// A reading that is sealed.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Whose.
    pub camera: CameraId,
    /// What it is known by.
    pub identity: Identity,
    /// What its camera's clock is worth.
    pub clock: ClockNote,
}

/// What a camera's clock was worth at its last reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockNote {
    /// The newest time that it has said while it was right.
    pub newest: Option<UtcTime>,
    /// How far it is behind, in microseconds; none when it says no time.
    pub behind_us: Option<i64>,
    /// Whether its times are not believed.
    pub is_bad: bool,
    /// When the reading came.
    pub seen_at: UtcTime,
}

impl Spool {
    /// Seals a reading as [`Spool::seal`] does, and remembers what it was known by.
    ///
    /// # Errors
    /// As for [`Spool::seal`].
    pub fn seal_taken(
        &mut self,
        body: RecordBody,
        taken: &Taken,
        now: UtcTime,
    ) -> Result<u64, SpoolError> {
        self.change("seal a reading", |change| {
            let sequence = change.append(body, now)?;
            change.remember(taken, now)?;
            change.make_room(now)?;
            Ok(sequence)
        })
    }

    /// What a camera's readings of late were known by, each with its age.
    ///
    /// # Errors
    /// [`SpoolError::Database`].
    pub fn taken_of(
        &self,
        camera: &CameraId,
        now: UtcTime,
    ) -> Result<Vec<(Identity, Duration)>, SpoolError> {
        let read = || -> rusqlite::Result<Vec<(Identity, Duration)>> {
            let mut statement = self.db.prepare(
                "SELECT event, vehicle, plate, moment_us, known_s, noted_us FROM taken
                 WHERE camera = ?1 ORDER BY row",
            )?;
            let rows = statement.query_map([camera.as_str()], |row| {
                let known: u32 = row.get(4)?;
                let identity = Identity {
                    event: digest(row.get(0)?)?,
                    vehicle: row.get::<_, Option<Vec<u8>>>(1)?.map(digest).transpose()?,
                    plate: digest(row.get(2)?)?,
                    moment: UtcTime::from_unix_us(row.get(3)?),
                    telling: Telling::Whole,
                    known: Duration::from_secs(known.into()),
                };
                Ok((identity, now.since(UtcTime::from_unix_us(row.get(5)?))))
            })?;
            rows.collect()
        };
        read().map_err(doing("read what was taken", &self.path))
    }

    /// What a camera's clock was worth.
    ///
    /// # Errors
    /// [`SpoolError::Database`].
    pub fn clock_of(&self, camera: &CameraId) -> Result<Option<ClockNote>, SpoolError> {
        clock_of(&self.db, camera).map_err(doing("read a camera's clock", &self.path))
    }
}

/// What a camera's clock was worth, by the spool of a daemon that may be running; none when there is
/// no spool or no reading yet.
///
/// # Errors
/// [`SpoolError::Database`].
pub fn clock_in(folder: &Path, camera: &CameraId) -> Result<Option<ClockNote>, SpoolError> {
    let path = folder.join("spool.sqlite");
    if !path.exists() {
        return Ok(None);
    }
    let read = || {
        let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(Duration::from_secs(1))?;
        let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match version < schema::VERSION {
            true => Ok(None),
            false => clock_of(&db, camera),
        }
    };
    read().map_err(doing("read a camera's clock", &path))
}

fn clock_of(db: &Connection, camera: &CameraId) -> rusqlite::Result<Option<ClockNote>> {
    let sql = "SELECT newest_us, behind_us, is_bad, seen_us FROM clocks WHERE camera = ?1";
    db.query_row(sql, [camera.as_str()], |row| {
        Ok(ClockNote {
            newest: row.get::<_, Option<i64>>(0)?.map(UtcTime::from_unix_us),
            behind_us: row.get(1)?,
            is_bad: row.get(2)?,
            seen_at: UtcTime::from_unix_us(row.get(3)?),
        })
    })
    .optional()
}

fn digest(bytes: Vec<u8>) -> rusqlite::Result<Digest> {
    Digest::try_from(&bytes[..]).map_err(|error| {
        let blob = rusqlite::types::Type::Blob;
        rusqlite::Error::FromSqlConversionFailure(0, blob, Box::new(error))
    })
}

impl Change<'_> {
    fn remember(&mut self, taken: &Taken, now: UtcTime) -> Result<(), SpoolError> {
        self.forget(now).map_err(self.fault())?;
        let write = || -> rusqlite::Result<()> {
            let (identity, clock) = (&taken.identity, &taken.clock);
            self.tx
                .prepare_cached(
                    "INSERT OR REPLACE INTO taken
                     (camera, event, vehicle, plate, moment_us, known_s, noted_us)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    taken.camera.as_str(),
                    identity.event.as_bytes(),
                    identity.vehicle.as_ref().map(Digest::as_bytes),
                    identity.plate.as_bytes(),
                    identity.moment.unix_us(),
                    u32::try_from(identity.known.as_secs()).unwrap_or(u32::MAX),
                    now.unix_us(),
                ])?;
            self.tx
                .prepare_cached("INSERT OR REPLACE INTO clocks VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    taken.camera.as_str(),
                    clock.newest.map(UtcTime::unix_us),
                    clock.behind_us,
                    clock.is_bad,
                    clock.seen_at.unix_us(),
                ])?;
            Ok(())
        };
        write().map_err(self.fault())
    }

    /// What is known no longer, and what a clock that was set anew left in the future.
    fn forget(&self, now: UtcTime) -> rusqlite::Result<()> {
        let rows_max = i64::try_from(ROWS_MAX).unwrap_or(i64::MAX);
        self.tx
            .prepare_cached(
                "DELETE FROM taken WHERE noted_us < ?1 OR noted_us > ?2
                 OR row <= (SELECT max(row) FROM taken) - ?3",
            )?
            .execute(params![
                (now - KNOWN).unix_us(),
                (now + KNOWN).unix_us(),
                rows_max,
            ])?;
        Ok(())
    }
}
