//! What the home remembers of the time, from one process to the next.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use varco_proto::time::UtcTime;

use super::source::{Machine, Moment, Source};
use crate::machine::files;

/// Who vouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Voucher {
    /// Whoever made the home.
    Beginning,
    /// chrony or systemd.
    Keeper,
    /// A person.
    Person,
}

/// A time at an uptime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The time.
    pub at: UtcTime,
    /// The uptime, in microseconds.
    pub uptime_us: u64,
}

impl Anchor {
    /// The system's time at a moment.
    #[must_use]
    pub fn of(moment: &Moment) -> Self {
        Self::kept(moment.system, moment.uptime)
    }

    /// A kept time at an uptime.
    #[must_use]
    pub fn kept(at: UtcTime, uptime: Duration) -> Self {
        let uptime_us = u64::try_from(uptime.as_micros()).unwrap_or(u64::MAX);
        Self { at, uptime_us }
    }

    /// How long ago it was.
    #[must_use]
    pub fn elapsed(&self, uptime: Duration) -> Duration {
        uptime.saturating_sub(Duration::from_micros(self.uptime_us))
    }

    /// What time it is when the clock went on steadily.
    #[must_use]
    pub fn expected(&self, uptime: Duration) -> UtcTime {
        self.at + self.elapsed(uptime)
    }
}

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Of which boot the uptimes are.
    pub boot: String,
    /// Where the clock was last seen without doubt.
    pub kept: Anchor,
    /// When somebody last vouched for it.
    pub vouched: Anchor,
    /// Who.
    pub by: Voucher,
}

impl Memory {
    /// Somebody vouches for the system's clock at a moment.
    #[must_use]
    pub fn vouched(boot: String, moment: &Moment, by: Voucher) -> Self {
        let anchor = Anchor::of(moment);
        Self {
            boot,
            kept: anchor,
            vouched: anchor,
            by,
        }
    }

    /// What a home remembers; none when it has nothing, or nothing that can be read.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::error!(error = %error, "what is remembered of the time cannot be read");
                }
                return None;
            }
        };
        let memory = serde_json::from_slice(&text);
        if memory.is_err() {
            tracing::error!("what is remembered of the time is damaged, and is not believed");
        }
        memory.ok()
    }

    /// Whether it is of this boot, and not of its future.
    #[must_use]
    pub fn is_of(&self, boot: Option<&str>, uptime: Duration) -> bool {
        let until = Duration::from_micros(self.kept.uptime_us);
        boot == Some(self.boot.as_str()) && until <= uptime
    }

    /// Writes it, whole or not at all, also when several hubs of a home do so at once. It belongs to
    /// whom the home belongs to.
    ///
    /// # Errors
    /// The system's: what was remembered before stays.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let bytes = serde_json::to_vec(self)?;
        let written = put(&fresh, &bytes).and_then(|()| fs::rename(&fresh, path));
        if written.is_err() {
            // A disk without room must not be left with less.
            fs::remove_file(&fresh).ok();
        }
        written
    }
}

fn put(fresh: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match fresh.parent() {
        Some(home) => files::give_to_owner_of(home, &file),
        None => Ok(()),
    }
}

/// Begins to remember, in the file of a home that is just made by somebody who looked at the clock.
///
/// # Errors
/// The system's.
pub fn begin(file: &Path, now: UtcTime) -> std::io::Result<()> {
    let machine = Machine::new();
    let uptime = machine.moment().uptime;
    let Some(boot) = machine.boot() else {
        return Ok(());
    };
    let moment = Moment {
        system: now,
        uptime,
    };
    Memory::vouched(boot, &moment, Voucher::Beginning).write(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        let moment = Moment {
            system: "2026-11-22T12:00:00Z".parse().unwrap(),
            uptime: Duration::from_secs(100),
        };
        Memory::vouched("a".to_owned(), &moment, Voucher::Person)
    }

    #[test]
    fn what_is_remembered_is_read_back_and_a_torn_file_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clock.json");
        assert_eq!(Memory::read(&path), None);
        memory().write(&path).unwrap();
        assert_eq!(Memory::read(&path), Some(memory()));
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert_eq!(Memory::read(&path), None);
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "nothing is left beside it");
    }

    #[test]
    fn another_boot_or_an_earlier_uptime_is_not_this_one() {
        let second = Duration::from_secs;
        assert!(memory().is_of(Some("a"), second(100)));
        assert!(!memory().is_of(Some("a"), second(99)));
        assert!(!memory().is_of(Some("b"), second(100)));
        assert!(!memory().is_of(None, second(100)));
    }
}
