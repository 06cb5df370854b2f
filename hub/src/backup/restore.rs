//! Restoring a backup, and trying whether it could be.

use std::fs;
use std::path::Path;

use serde::Serialize;
use varco_proto::time::UtcTime;

use super::bundle::{Bundle, open_file};
use super::{BackupError, create};
use crate::boxes::revocation;
use crate::cases::ended;
use crate::config::backup::BackupPlace;
use crate::home::lock::{Holder, Lock};
use crate::home::whereabouts::{self, Whereabouts};
use crate::home::{Home, HomeError};
use crate::hotlists::ended as lists_ended;
use crate::hours::keys::HourKeys;
use crate::hours::partition::Partition;
use crate::machine::files;
use crate::opening::floor::{self, FloorError, Raised};
use crate::proof::destruction;
use crate::proof::verification;
use crate::store::Doing as _;
use crate::transits::rows;
use varco_proto::cipher::{KEY_BYTES, Key};

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// When the backup was made.
    pub made_at: String,
    /// Hours that live again.
    pub hours: usize,
    /// Hours of the backup that stay dead: their keys are destroyed, or their term is over.
    pub dead: usize,
    /// Transits that open, checked against their edges' signatures.
    pub transits: u64,
    /// When the keys file was made; empty when a version before made it.
    pub keys_made_at: String,
    /// What lived in the backup's main database, had ended when the keys file was made, and was ended
    /// again.
    pub ended_again: Raised,
    /// Whether audit, transits and retention were all found whole.
    pub intact: bool,
}

/// Reads a recovery key as it was printed.
///
/// # Errors
/// [`BackupError::RecoveryKey`].
pub fn recovery_key(text: &str) -> Result<Key, BackupError> {
    let mut bytes = [0; KEY_BYTES];
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| BackupError::RecoveryKey)?;
    Key::from_bytes(&bytes).ok_or(BackupError::RecoveryKey)
}

/// Restores into a new home, and checks all of it. Hours past their term are left dead.
///
/// # Errors
/// [`BackupError`]; what was begun in the new folder is of no use.
pub fn restore(
    place: &BackupPlace,
    recovery: &Key,
    home: &Home,
    now: UtcTime,
) -> Result<RestoreReport, BackupError> {
    expect_empty(home)?;
    let _reading = place.lock_for_reading()?;
    let bundle = Bundle::read(place, recovery)?;
    files::make_private_folder(home.root())?;
    let holder = Holder::this("varco-hub backup restore", now);
    let _lock = Lock::alone(home, &holder).map_err(HomeError::from)?;
    expect_empty(home)?; // Another may have been faster.
    for folder in ["private", "certificates", "mosquitto", "partitions"] {
        files::make_private_folder(&home.root().join(folder))?;
    }
    write_files(place, &bundle, home)?;
    files::write_private(&home.recovery_key_file(), recovery.bytes())?;
    let main_key = recovery.derive(b"backup main")?;
    open_file(&main_key, &place.main_file(), &home.main_database())?;
    let term = home.config()?.retention;
    let keys = HourKeys::open(&home.hour_keys(), &home.store_key_file())?;
    let (mut alive, mut dead) = (0, 0);
    let wrapped: Vec<(i64, Vec<u8>)> = bundle
        .hours()
        .filter_map(|(number, wrapped)| Some((number, wrapped?)))
        .collect();
    for hour in rows::hours(&place.hours())? {
        let key = wrapped.iter().find(|(number, _)| *number == hour.number());
        let Some((_, wrapped)) = key.filter(|_| hour.gone_at(term) > now) else {
            dead += 1;
            continue;
        };
        keys.put_wrapped(hour, wrapped)?;
        copy(place, hour, home)?;
        alive += 1;
    }
    drop(keys);
    let made_at = create::manifest(place).made_at;
    let details = serde_json::json!({ "backup": made_at, "hours": alive, "dead": dead });
    let ended_again = end_again(home, &bundle, details, now)?;
    // Opening it takes back what the main database of the backup does not count.
    drop(home.open_archive(term)?);
    let verification = verification::verify(home, now)?;
    let proof = destruction::proof(home, now)?;
    Ok(RestoreReport {
        made_at,
        hours: alive,
        dead,
        keys_made_at: bundle.made_at().to_owned(),
        ended_again,
        transits: verification.transits,
        // What an older version left untold is no fault of the backup.
        intact: !verification.is_broken() && proof.holds,
    })
}

/// Nothing is written over. Who was refused the lock of a folder may have left that behind.
fn expect_empty(home: &Home) -> Result<(), BackupError> {
    let mut entries = fs::read_dir(home.root()).into_iter().flatten().flatten();
    if entries.any(|entry| entry.path() != home.lock_folder()) {
        return Err(BackupError::There(home.root().to_owned()));
    }
    Ok(())
}

/// Tries a restore, in a folder that goes again, and says what came of it.
///
/// # Errors
/// [`BackupError`]: it could not be restored.
pub fn try_out(
    place: &BackupPlace,
    recovery: &Key,
    scratch: &Path,
    now: UtcTime,
) -> Result<RestoreReport, BackupError> {
    let folder = tempfile::tempdir_in(scratch).map_err(|source| BackupError::Copy {
        doing: "make a folder in",
        path: scratch.to_owned(),
        source,
    })?;
    restore(place, recovery, &Home::at(folder.path().join("home")), now)
}

fn write_files(place: &BackupPlace, bundle: &Bundle, home: &Home) -> Result<(), BackupError> {
    for file in bundle.files() {
        // A name leads nowhere but into the home.
        let inside = Path::new(file.name)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let (Some(bytes), true) = (file.bytes, inside) else {
            return Err(BackupError::Damaged(place.keys_file()));
        };
        let path = home.root().join(file.name);
        // The broker's configuration names the home.
        let bytes = match String::from_utf8(bytes) {
            Ok(text) if file.name.starts_with("mosquitto/") => {
                let root = home.root().display().to_string();
                text.replace(bundle.root(), &root).into_bytes()
            }
            Ok(text) => text.into_bytes(),
            Err(bytes) => bytes.into_bytes(),
        };
        if file.private {
            files::write_private(&path, &bytes)?;
        } else {
            files::write_public(&path, &bytes)?;
        }
    }
    Ok(())
}

fn copy(place: &BackupPlace, hour: Partition, home: &Home) -> Result<(), BackupError> {
    let from = rows::rows_file(&place.hours(), hour);
    let to = rows::rows_file(&home.partitions_folder(), hour);
    fs::copy(&from, &to)
        .map(drop)
        .map_err(|source| BackupError::Copy {
            doing: "copy",
            path: from,
            source,
        })
}

/// Ends again what had ended when the keys file was made, before anything is opened.
fn end_again(
    home: &Home,
    bundle: &Bundle,
    mut details: serde_json::Value,
    now: UtcTime,
) -> Result<Raised, BackupError> {
    let keys = home.case_keys()?;
    for (id, wrapped) in bundle.cases() {
        keys.put_wrapped(&id, &wrapped)?;
    }
    // Before the main database is opened, which seals lists of a version before under their keys.
    let list_keys = home.list_keys()?;
    for (id, wrapped) in bundle.hotlists() {
        list_keys.put_wrapped(&id, &wrapped)?;
    }
    let mut main = home.open_main()?;
    let held = main.transaction().doing("begin the restore")?;
    let mut raised = bundle.floor().raise_all(&held, now)?;
    let keyless = ended::end_without_key(&held, &keys, now)?;
    raised.cases.extend(keyless.iter().map(ToString::to_string));
    let keyless = lists_ended::end_without_key(&held, &list_keys, now)?;
    raised
        .hotlists
        .extend(keyless.iter().map(ToString::to_string));
    details["ended_again"] = serde_json::json!(raised);
    floor::note(&held, home, details, now)?;
    held.commit().doing("commit the restore")?;
    keys.destroy_closed(&main)?;
    list_keys.destroy_closed(&main)?;
    revocation::write_list(home, &main, now).map_err(FloorError::from)?;
    floor::keep(home, &main)?;
    if matches!(whereabouts::read(&main)?, Whereabouts::Postgres { .. }) {
        for hour in rows::hours(&home.partitions_folder())? {
            rows::destroy(&home.partitions_folder(), hour)?;
        }
    }
    Ok(raised)
}
