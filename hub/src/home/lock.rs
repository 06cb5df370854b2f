//! Who holds a home: one writer at a time for what cannot be shared.
//!
//! The operating system's own lock on a file decides (`flock`): it goes with its process, however that
//! ends. What stands in the file says who took it, for people alone; nothing is decided by it.
//!
//! A command that writes takes its lock before it opens a database, a key or a socket:
//!
//! | who | the home | a slot |
//! |---|---|---|
//! | `run --hub N` | shared | `hub-N`, alone |
//! | a change through the main database, beside a running hub | shared | none |
//! | a backup, the copying of a move | shared | `backup`, `move`, alone |
//! | `init`, `backup restore`, `store move --finish` | alone | none |
//!
//! Commands that only read take none.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::time::UtcTime;

use crate::home::Home;
use crate::machine::files::{self, FileError};

/// Exit code when somebody else holds what a command needs (`EX_TEMPFAIL`): it may go later.
pub const EXIT_HELD: u8 = 75;
/// The file that stands for the whole home.
const WHOLE: &str = "home";
/// In the folders of a backup.
const BACKUP_LOCK: &str = "backup.lock";
/// Longest note that is read, in bytes.
const NOTE_BYTES_MAX: u64 = 1024;
/// Most holders that are named.
const NAMED_MAX: usize = 8;
/// Most files that are looked at for holders.
const LOOKED_AT_MAX: usize = 64;
/// So often a lock is asked for: somebody may just be looking whether it is held, or be dying.
const TRIES: u32 = 10;
/// Between two tries.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// What a command needs is held, or cannot be asked for. Nothing was opened or changed.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody else works there: wait, or stop them.
    #[error("`{place}` is in use: {holders}. {advice}. Nothing was opened or changed")]
    Held {
        /// What is in use.
        place: PathBuf,
        /// Who holds it, as far as they said.
        holders: String,
        /// What to do.
        advice: &'static str,
    },
    /// The lock's file cannot be used: check its owner and the disk.
    #[error("cannot lock `{path}`, so nothing was opened or changed")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The lock's folder cannot be made.
    #[error(transparent)]
    Folder(#[from] FileError),
}

/// What whoever takes a lock says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pid: u32,
    /// What was called.
    command: String,
    /// Since when, RFC 3339.
    since: String,
}

impl Holder {
    /// This process.
    #[must_use]
    pub fn this(command: &str, now: UtcTime) -> Self {
        Self {
            pid: std::process::id(),
            command: command.to_owned(),
            since: now.to_string(),
        }
    }

    fn said(&self) -> String {
        let clean = |text: &str| -> String { text.chars().filter(|c| !c.is_control()).collect() };
        let (command, since) = (clean(&self.command), clean(&self.since));
        format!("`{command}` (process {}) since {since}", self.pid)
    }
}

/// Something that one command at a time does to a home, while its hub may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Making a backup.
    Backup,
    /// Copying into PostgreSQL.
    Move,
}

impl Act {
    fn file(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Move => "move",
        }
    }
}

/// A lock; it is held until this is dropped, or the process ends.
#[derive(Debug)]
#[must_use = "the lock goes when this is dropped"]
pub struct Lock {
    files: Vec<File>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shared,
    Alone,
}

impl Lock {
    /// As one of the hubs of a home, the first being 0.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn of_hub(home: &Home, number: usize, holder: &Holder) -> Result<Self, LockError> {
        const ADVICE: &str = "A home has one hub of each number: stop that one first, or leave it \
                              to its work";
        let slot = format!("hub-{}", number + 1);
        Self::in_slot(home, &slot, holder, ADVICE)
    }

    /// For what one command at a time may do, beside a running hub.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn of_act(home: &Home, act: Act, holder: &Holder) -> Result<Self, LockError> {
        Self::in_slot(home, act.file(), holder, "Wait until it is done")
    }

    fn in_slot(
        home: &Home,
        slot: &str,
        holder: &Holder,
        advice: &'static str,
    ) -> Result<Self, LockError> {
        let whole = Self::beside_others(home)?;
        let path = home.lock_folder().join(slot);
        let file = open(&path)?;
        if !take(&file, &path, Kind::Alone)? {
            return Err(held(home.root(), &[noted(&path)], advice));
        }
        note(&file, &path, holder)?;
        let mut files = whole.files;
        files.push(file);
        Ok(Self { files })
    }

    /// For a change through the main database, which may go on beside a running hub.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn beside_others(home: &Home) -> Result<Self, LockError> {
        const ADVICE: &str = "It needs the home for itself: wait until it is done";
        let path = whole_file(home)?;
        let file = open(&path)?;
        if !take(&file, &path, Kind::Shared)? {
            return Err(held(home.root(), &[noted(&path)], ADVICE));
        }
        Ok(Self { files: vec![file] })
    }

    /// For what needs the home for itself: no hub runs, and nobody changes anything.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn alone(home: &Home, holder: &Holder) -> Result<Self, LockError> {
        const ADVICE: &str = "This needs the home for itself: stop the hub, and wait for commands \
                              that still work";
        let path = whole_file(home)?;
        let file = open(&path)?;
        if !take(&file, &path, Kind::Alone)? {
            return Err(held(home.root(), &holders(home), ADVICE));
        }
        note(&file, &path, holder)?;
        Ok(Self { files: vec![file] })
    }

    /// For writing into a folder of a backup.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn of_backup_folder(folder: &Path, holder: &Holder) -> Result<Self, LockError> {
        const ADVICE: &str = "Wait until it is done, or name other folders";
        let path = folder.join(BACKUP_LOCK);
        let file = open(&path)?;
        if !take(&file, &path, Kind::Alone)? {
            return Err(held(folder, &[noted(&path)], ADVICE));
        }
        note(&file, &path, holder)?;
        Ok(Self { files: vec![file] })
    }

    /// For reading a folder of a backup. One without a lock was copied from elsewhere, or lies on a
    /// medium that nobody writes to.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn of_read_backup(folder: &Path) -> Result<Self, LockError> {
        const ADVICE: &str = "Wait until it is done";
        let path = folder.join(BACKUP_LOCK);
        let Ok(file) = File::open(&path) else {
            return Ok(Self { files: Vec::new() });
        };
        if !take(&file, &path, Kind::Shared)? {
            return Err(held(folder, &[noted(&path)], ADVICE));
        }
        Ok(Self { files: vec![file] })
    }

    /// Whether any hub of a home runs.
    #[must_use]
    pub fn is_any_hub_running(home: &Home) -> bool {
        let is_hub = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("hub-")
        };
        slots(home).iter().any(|path| is_hub(path) && is_held(path))
    }
}

/// Waits for the turn to write a file of the home that commands and the hub write alike; it ends when what
/// is given is dropped.
///
/// # Errors
/// [`LockError::File`].
pub fn turn(home: &Home, name: &str) -> Result<File, LockError> {
    let folder = whole_file(home)?.with_file_name("turns");
    make_folder(home, &folder)?;
    let path = folder.join(name);
    let file = open(&path)?;
    file.lock().map_err(failed(&path))?;
    Ok(file)
}

fn whole_file(home: &Home) -> Result<PathBuf, LockError> {
    let folder = home.lock_folder();
    make_folder(home, &folder)?;
    Ok(folder.join(WHOLE))
}

/// Makes a folder of locks, which belongs to whom the home belongs to.
fn make_folder(home: &Home, folder: &Path) -> Result<(), LockError> {
    if folder.is_dir() {
        return Ok(());
    }
    files::make_private_folder(folder)?;
    if let Ok(made) = File::open(folder) {
        give(home.root(), &made);
    }
    Ok(())
}

/// A command of root leaves the hub's own user its locks; where that fails, its next start names the file.
fn give(folder: &Path, made: &File) {
    let _ = files::give_to_owner_of(folder, made);
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> LockError {
    let path = path.to_owned();
    move |source| LockError::File { path, source }
}

/// Opens a lock's file, making it when it is missing. It is never removed: of two that lock files of
/// one name, neither may hold one that is gone.
fn open(path: &Path) -> Result<File, LockError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed(path))?;
    if let Some(folder) = path.parent() {
        give(folder, &file);
    }
    Ok(file)
}

/// Takes a lock; false when somebody else holds it.
fn take(file: &File, path: &Path, kind: Kind) -> Result<bool, LockError> {
    for attempt in 1..=TRIES {
        let tried = match kind {
            Kind::Shared => file.try_lock_shared(),
            Kind::Alone => file.try_lock(),
        };
        match tried {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(TRY_EVERY),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(failed(path)(source)),
        }
    }
    Ok(false)
}

/// Whether somebody holds a lock for itself.
fn is_held(path: &Path) -> bool {
    let file = File::open(path).ok();
    let tried = file.map(|file| file.try_lock_shared());
    matches!(tried, Some(Err(TryLockError::WouldBlock)))
}

fn note(mut file: &File, path: &Path, holder: &Holder) -> Result<(), LockError> {
    let text = serde_json::to_vec(holder).unwrap_or_default();
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(&text))
        .map_err(failed(path))
}

/// What a holder said of itself.
fn noted(path: &Path) -> String {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(NOTE_BYTES_MAX).read_to_string(&mut text));
    let holder = read.ok().and_then(|_| serde_json::from_str(&text).ok());
    holder.map_or_else(
        || "another process, which did not say who it is".to_owned(),
        |holder: Holder| holder.said(),
    )
}

fn slots(home: &Home) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.lock_folder()).into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    let mut slots: Vec<_> = paths.filter(|path| path.is_file()).collect();
    slots.sort();
    slots.truncate(LOOKED_AT_MAX);
    slots
}

/// All that hold a slot of the home, or the home itself.
fn holders(home: &Home) -> Vec<String> {
    let held = slots(home).into_iter().filter(|path| is_held(path));
    held.map(|path| noted(&path)).take(NAMED_MAX).collect()
}

fn held(place: &Path, holders: &[String], advice: &'static str) -> LockError {
    let holders = if holders.is_empty() {
        "a `varco-hub` command that changes something there".to_owned()
    } else {
        holders.join(", ")
    };
    LockError::Held {
        place: place.to_owned(),
        holders,
        advice,
    }
}

#[cfg(test)]
mod tests {
    use crate::home::lock::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_owned());
        (folder, home)
    }

    fn me(command: &str) -> Holder {
        Holder::this(command, UtcTime::from_unix_us(0))
    }

    #[test]
    fn two_hubs_of_one_number_do_not_go_and_two_of_two_numbers_do() {
        let (_folder, home) = home();
        let first = Lock::of_hub(&home, 0, &me("varco-hub run")).unwrap();
        let _second = Lock::of_hub(&home, 1, &me("varco-hub run --hub 2")).unwrap();
        let refused = Lock::of_hub(&home, 0, &me("varco-hub run")).unwrap_err();
        let said = refused.to_string();
        let pid = format!("process {}", std::process::id());
        for word in [
            "`varco-hub run`",
            &pid,
            "since 1970-01-01",
            "Nothing was opened",
        ] {
            assert!(said.contains(word), "{said}");
        }
        assert!(Lock::is_any_hub_running(&home));
        drop(first);
        let _again = Lock::of_hub(&home, 0, &me("varco-hub run")).unwrap();
    }

    #[test]
    fn who_needs_the_home_alone_waits_for_hubs_and_changes_and_they_for_it() {
        let (_folder, home) = home();
        let hub = Lock::of_hub(&home, 0, &me("varco-hub run")).unwrap();
        let change = Lock::beside_others(&home).unwrap();
        let said = Lock::alone(&home, &me("move")).unwrap_err().to_string();
        assert!(said.contains("varco-hub run"), "{said}");
        drop(hub);
        let said = Lock::alone(&home, &me("move")).unwrap_err().to_string();
        assert!(said.contains("a `varco-hub` command"), "{said}");
        drop(change);
        let alone = Lock::alone(&home, &me("move")).unwrap();
        assert!(Lock::of_hub(&home, 0, &me("varco-hub run")).is_err());
        assert!(Lock::of_act(&home, Act::Backup, &me("backup")).is_err());
        let said = Lock::beside_others(&home).unwrap_err().to_string();
        assert!(said.contains("`move`"), "{said}");
        drop(alone);
        let _change = Lock::beside_others(&home).unwrap();
    }

    #[test]
    fn a_note_decides_nothing() {
        let (_folder, home) = home();
        drop(Lock::of_hub(&home, 0, &me("varco-hub run")).unwrap());
        // The note of one that was killed still stands there.
        let slot = home.lock_folder().join("hub-1");
        assert!(!std::fs::read(&slot).unwrap().is_empty());
        let held = Lock::of_hub(&home, 0, &me("varco-hub run")).unwrap();
        std::fs::write(&slot, "\u{1b}[2J nonsense").unwrap();
        let said = Lock::of_hub(&home, 0, &me("x")).unwrap_err().to_string();
        assert!(said.contains("did not say who it is"), "{said}");
        drop(held);
    }

    #[test]
    fn one_backup_at_a_time_is_made_and_none_is_read_meanwhile() {
        let (folder, home) = home();
        let making = Lock::of_act(&home, Act::Backup, &me("backup create")).unwrap();
        assert!(Lock::of_act(&home, Act::Backup, &me("backup create")).is_err());
        let _moving = Lock::of_act(&home, Act::Move, &me("store move")).unwrap();
        drop(making);
        let writing = Lock::of_backup_folder(folder.path(), &me("backup create")).unwrap();
        assert!(Lock::of_read_backup(folder.path()).is_err());
        drop(writing);
        let _one = Lock::of_read_backup(folder.path()).unwrap();
        let _other = Lock::of_read_backup(folder.path()).unwrap();
    }
}
