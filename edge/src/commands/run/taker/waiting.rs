//! Readings that wait in memory until the edge's clock is good, because most cameras do not send
//! again what was not taken.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::onboard::pushed::Picture;
use crate::onboard::pushed::Pushed;

/// Most readings that wait.
const READINGS_MAX: usize = 256;
/// Most bytes of their pictures.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// A reading, and when it came by the monotonic clock.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) reader: usize,
    pub(super) pushed: Pushed,
    pub(super) came: Duration,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.pushed.picture.as_ref().map_or(0, Picture::size)
    }
}

/// Who waits, in the order of coming.
#[derive(Debug, Default)]
pub(super) struct WaitingRoom(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    all: VecDeque<Waiting>,
    bytes: usize,
}

impl WaitingRoom {
    /// Takes one more, or says that there is no room.
    pub(super) fn put(&self, waiting: Waiting) -> bool {
        let mut inside = self.inside();
        let bytes = inside.bytes.saturating_add(waiting.bytes());
        if inside.all.len() >= READINGS_MAX || bytes > BYTES_MAX {
            tracing::error!("no more readings can wait for the clock: they are refused");
            return false;
        }
        if inside.all.is_empty() {
            tracing::warn!("readings wait in memory until the clock is synchronised");
        }
        inside.bytes = bytes;
        inside.all.push_back(waiting);
        true
    }

    /// Whose reading waits longest.
    pub(super) fn first(&self) -> Option<usize> {
        self.inside().all.front().map(|waiting| waiting.reader)
    }

    /// Whether any of this reader waits.
    pub(super) fn has(&self, reader: usize) -> bool {
        self.inside().all.iter().any(|it| it.reader == reader)
    }

    /// The one of this reader that waits longest.
    pub(super) fn next_of(&self, reader: usize) -> Option<Waiting> {
        let mut inside = self.inside();
        let at = inside.all.iter().position(|it| it.reader == reader)?;
        let next = inside.all.remove(at)?;
        inside.bytes = inside.bytes.saturating_sub(next.bytes());
        Some(next)
    }

    /// It has to wait on, before all others.
    pub(super) fn put_back(&self, waiting: Waiting) {
        let mut inside = self.inside();
        inside.bytes = inside.bytes.saturating_add(waiting.bytes());
        inside.all.push_front(waiting);
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.inside().all.len()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Whole readings are put in and taken out: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
