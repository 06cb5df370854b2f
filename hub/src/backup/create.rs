//! Making a backup while the hub runs.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use varco_proto::time::UtcTime;

use super::BackupError;
use super::bundle::{Bundle, seal_file};
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::{self, AuditEntry};
use crate::config::backup::BackupPlace;
use crate::home::lock::{Act, Holder, Lock};
use crate::home::{Home, HomeError};
use crate::hours::keys::HourKeys;
use crate::hours::partition::Partition;
use crate::machine::files;
use crate::opening::floor::{self, Floor};
use crate::store::{self, Doing as _, StoreError};
use crate::transits::{names, rows};
use varco_proto::cipher::Key;

/// Files of the home that go into the keys file, besides those of `private` and `certificates`.
const FILES: [&str; 4] = [
    "hub.toml",
    "ca.crt",
    "mosquitto/mosquitto.conf",
    "mosquitto/acl",
];

/// What a backup holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// When it was made, RFC 3339; empty before the first.
    pub made_at: String,
    /// Rows of each hour, by the hour's text.
    pub hours: BTreeMap<String, u32>,
    /// Rows of each hour that were destroyed before it.
    #[serde(default)]
    pub purged: BTreeMap<String, u32>,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// Hours in the backup.
    pub hours: usize,
    /// Transits in it.
    pub transits: u64,
    /// Hours copied by this run; the others were there already.
    pub copied: usize,
    /// Hours removed by this run, because they are destroyed.
    pub removed: usize,
    /// The recovery key, when this run made it: shown once.
    pub recovery_key: Option<String>,
}

impl BackupPlace {
    /// Checks that copies of the data never hold the keys.
    ///
    /// # Errors
    /// [`BackupError::Place`], [`BackupError::File`].
    pub fn prepare(&self) -> Result<(), BackupError> {
        files::make_private_folder(&self.hours())?;
        files::make_private_folder(&self.keys)?;
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if real(&self.keys).starts_with(real(&self.data)) {
            return Err(BackupError::Place);
        }
        Ok(())
    }
}

/// The last manifest; an empty one when there is none.
#[must_use]
pub fn manifest(place: &BackupPlace) -> Manifest {
    let bytes = fs::read(place.manifest_file()).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Brings a backup up to date: the main database, hours that changed, and the keys, in this order.
/// What the hub stores meanwhile is in the next run.
///
/// # Errors
/// [`BackupError`]; the backup before this run stays usable.
pub fn create(home: &Home, place: &BackupPlace, now: UtcTime) -> Result<BackupReport, BackupError> {
    home.expect()?;
    let holder = Holder::this("varco-hub backup create", now);
    let _lock = Lock::of_act(home, Act::Backup, &holder).map_err(HomeError::from)?;
    place.prepare()?;
    let _writing = place.lock_for_writing(&holder)?;
    let begun = AuditEntry::plain(Actor::console(), Action::BackupBegun, serde_json::json!({}));
    let key = home.sealing_key()?;
    let line = audit::append_alone(&mut home.open_main()?, &begun, now, &key);
    line.map_err(StoreError::from)?;
    let before = floor_before(home, place)?;
    let (recovery, fresh) = recovery_key(home)?;
    // Before the main database is copied too: cut off behind that, its copy finds the keys of what it holds.
    write_keys(home, place, &before, &recovery, now)?;
    let (hours, purged) = copy_main(home, place, &recovery.derive(b"backup main")?)?;
    let last = manifest(place);
    let mut report = BackupReport {
        hours: 0,
        transits: 0,
        copied: 0,
        removed: 0,
        recovery_key: fresh,
    };
    let mut now_there = Manifest {
        made_at: now.to_string(),
        hours: BTreeMap::new(),
        purged: purged
            .iter()
            .map(|(hour, rows)| (hour.to_string(), *rows))
            .collect(),
    };
    for (hour, count) in hours {
        let copy = rows::rows_file(&place.hours(), hour);
        let text = hour.to_string();
        let same = last.hours.get(&text) == Some(&count)
            && last.purged.get(&text) == now_there.purged.get(&text);
        let known = same && copy.exists();
        if !known && !copy_hour(home, hour, &copy)? {
            continue; // Destroyed meanwhile.
        }
        report.copied += usize::from(!known);
        report.hours += 1;
        let gone = purged.get(&hour).copied().unwrap_or(0);
        report.transits += u64::from(count.saturating_sub(gone));
        now_there.hours.insert(text, count);
    }
    // Read after the main database was copied: what ends meanwhile has ended in the copy too.
    write_keys(home, place, &before, &recovery, now)?;
    for hour in rows::hours(&place.hours())? {
        if !now_there.hours.contains_key(&hour.to_string()) {
            rows::destroy(&place.hours(), hour)?;
            report.removed += 1;
        }
    }
    let text = serde_json::to_vec_pretty(&now_there)
        .map_err(|_| BackupError::Damaged(place.manifest_file()))?;
    files::write_private(&place.manifest_file(), &text)?;
    Ok(report)
}

/// Writes the keys file, with what has ended by now and by the last run.
fn write_keys(
    home: &Home,
    place: &BackupPlace,
    before: &Floor,
    recovery: &Key,
    now: UtcTime,
) -> Result<(), BackupError> {
    let floor = floor::keep(home, &home.open_main()?)?.and(before);
    let keys = HourKeys::open(&home.hour_keys(), &home.store_key_file())?;
    secrets(home, &keys, Bundle::of(home.root(), floor, now))?.write(place, recovery)
}

/// What had ended at the last run into this place. A file that does not open is another hub's, or
/// damaged: it is not written over.
fn floor_before(home: &Home, place: &BackupPlace) -> Result<Floor, BackupError> {
    let path = place.keys_file();
    if !path.exists() {
        return Ok(Floor::default());
    }
    let key = fs::read(home.recovery_key_file()).ok();
    let key = key.and_then(|bytes| Key::from_bytes(&bytes));
    let Some(key) = key else {
        return Err(BackupError::Foreign(path));
    };
    let bundle = Bundle::read(place, &key).map_err(|_| BackupError::Foreign(path))?;
    Ok(bundle.floor().clone())
}

/// The recovery key, and its text when it was made now.
fn recovery_key(home: &Home) -> Result<(Key, Option<String>), BackupError> {
    let path = home.recovery_key_file();
    if path.exists() {
        let key = Key::from_bytes(&files::read(&path)?);
        return Ok((key.ok_or(BackupError::RecoveryKey)?, None));
    }
    let key = Key::random()?;
    files::write_private(&path, key.bytes())?;
    let text = hex::encode(key.bytes());
    Ok((key, Some(text)))
}

/// The hours with their rows, and how many of these were destroyed before their hour.
type Hours = (Vec<(Partition, u32)>, HashMap<Partition, u32>);

/// Copies the main database as it is at one moment, and gives the hours that count in it.
fn copy_main(home: &Home, place: &BackupPlace, key: &Key) -> Result<Hours, BackupError> {
    let folder = tempfile::tempdir_in(home.root()).map_err(|source| BackupError::Copy {
        doing: "make a folder in",
        path: home.root().to_owned(),
        source,
    })?;
    let copy = folder.path().join("main.sqlite");
    copy_database(&home.main_database(), &copy)?;
    let main = store::open(&copy)?;
    let hours = (names::hours(&main)?, names::purged(&main)?);
    drop(main);
    // What opening it left beside it is empty: it is closed again, and only read here.
    seal_file(key, &copy, &place.main_file())?;
    Ok(hours)
}

/// Copies a database that others write to.
fn copy_database(from: &Path, to: &Path) -> Result<(), BackupError> {
    let source = store::open(from)?;
    let target = to.to_string_lossy().into_owned();
    source
        .execute("VACUUM INTO ?", [target])
        .doing("copy a database")?;
    Ok(())
}

/// Copies an hour's rows; false when the hour is no more.
fn copy_hour(home: &Home, hour: Partition, to: &Path) -> Result<bool, BackupError> {
    let from = rows::rows_file(&home.partitions_folder(), hour);
    if !from.exists() {
        return Ok(false);
    }
    let fresh = to.with_extension("new");
    fs::remove_file(&fresh).ok();
    copy_database(&from, &fresh)?;
    fs::rename(&fresh, to).map_err(|source| BackupError::Copy {
        doing: "write",
        path: to.to_owned(),
        source,
    })?;
    Ok(true)
}

/// Everything secret, as it is now.
fn secrets(home: &Home, keys: &HourKeys, mut bundle: Bundle) -> Result<Bundle, BackupError> {
    let mut names: Vec<PathBuf> = FILES.iter().map(PathBuf::from).collect();
    for folder in ["private", "certificates"] {
        let entries = fs::read_dir(home.root().join(folder)).into_iter().flatten();
        names.extend(
            entries
                .flatten()
                .map(|entry| Path::new(folder).join(entry.file_name())),
        );
    }
    for name in names {
        let path = home.root().join(&name);
        // The recovery key opens this file; it is not in it.
        if path.is_file() && path != home.recovery_key_file() {
            let mode = fs::metadata(&path).map_or(0, |found| found.mode());
            let private = mode & 0o077 == 0;
            bundle.add_file(&name.to_string_lossy(), private, &files::read(&path)?);
        }
    }
    for (hour, wrapped) in keys.wrapped()? {
        bundle.add_hour(hour.number(), &wrapped);
    }
    let (cases, lists) = (home.case_keys()?, home.list_keys()?);
    let main = home.open_main()?;
    cases.destroy_closed(&main)?;
    for (id, wrapped) in cases.wrapped()? {
        bundle.add_case(id, &wrapped);
    }
    lists.destroy_closed(&main)?;
    for (id, wrapped) in lists.wrapped()? {
        bundle.add_hotlist(id, &wrapped);
    }
    Ok(bundle)
}
