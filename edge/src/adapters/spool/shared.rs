//! The spool as cameras and uplink share it, with the records that it could not yet take.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use varco_proto::drops::{DropReason, DropReport};
use varco_proto::record::RecordBody;

use super::error::SpoolError;
use super::kind::Kind;
use super::taken::Taken;
use super::{Depth, Spool};
use crate::adapters::clock::SharedClock;

/// Most records held in memory while the disk takes none: some minutes of dense traffic, and at
/// most a few megabytes. A full spool is no reason to hold any: it lets its oldest go.
pub const HELD_MAX: usize = 256;

/// One spool for several threads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedSpool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    clock: SharedClock,
    sealed: Notify,
}

#[derive(Debug)]
struct State {
    spool: Spool,
    held: VecDeque<Held>,
    lost: u64,
    /// Of those lost, the ones that no report names yet.
    unreported: u64,
}

/// A record held in memory.
#[derive(Debug)]
struct Held {
    body: RecordBody,
    /// What a reading is known by: without it, one that is sent again after a restart would be
    /// sealed again.
    taken: Option<Taken>,
}

/// What became of a record.
#[derive(Debug)]
pub enum Keeping {
    /// Sealed under this sequence, on the disk.
    Sealed(u64),
    /// Held in memory until the disk takes it again.
    Held(SpoolError),
    /// Held, and the oldest transit in memory is lost for it, and counted: the next report says
    /// so.
    Lost(SpoolError),
}

impl SharedSpool {
    /// Shares a spool.
    #[must_use]
    pub fn new(spool: Spool, clock: SharedClock) -> Self {
        let state = Mutex::new(State {
            spool,
            held: VecDeque::new(),
            lost: 0,
            unreported: 0,
        });
        Self {
            inner: Arc::new(Inner {
                state,
                clock,
                sealed: Notify::new(),
            }),
        }
    }

    /// Seals a record behind those that are held, or holds it too.
    pub fn keep(&self, body: RecordBody) -> Keeping {
        let mut state = self.state();
        let tried = self.seal_held(&mut state).and_then(|()| {
            let now = self.inner.clock.now();
            state.spool.seal(body.clone(), now)
        });
        match tried {
            Ok(sequence) => {
                self.inner.sealed.notify_one();
                Keeping::Sealed(sequence)
            }
            Err(error) => {
                state.held.push_back(Held { body, taken: None });
                if state.held.len() <= HELD_MAX {
                    return Keeping::Held(error);
                }
                let is_transit = |held: &Held| Kind::of(&held.body) == Kind::Transit;
                let oldest = state.held.iter().position(is_transit).unwrap_or(0);
                state.held.remove(oldest);
                state.lost += 1;
                state.unreported += 1;
                Keeping::Lost(error)
            }
        }
    }

    /// Seals a reading behind the records that are held, or not at all.
    ///
    /// # Errors
    /// What keeps the spool from sealing.
    pub fn seal(&self, body: RecordBody, taken: &Taken) -> Result<u64, SpoolError> {
        let mut state = self.state();
        self.seal_held(&mut state)?;
        let now = self.inner.clock.now();
        let sequence = state.spool.seal_taken(body, taken, now)?;
        self.inner.sealed.notify_one();
        Ok(sequence)
    }

    /// Holds a reading in memory until the disk takes it, while there is room; says whether there
    /// was. Unlike [`Self::keep`] it lets nothing else go.
    pub fn hold(&self, body: RecordBody, taken: &Taken) -> bool {
        let mut state = self.state();
        let has_room = state.held.len() < HELD_MAX;
        if has_room {
            let taken = Some(taken.clone());
            state.held.push_back(Held { body, taken });
        }
        has_room
    }

    /// Tries again to seal what is held. Gives how many records are still held.
    ///
    /// # Errors
    /// What keeps the spool from sealing.
    pub fn retry(&self) -> Result<usize, SpoolError> {
        let mut state = self.state();
        if !state.held.is_empty() || state.unreported > 0 {
            self.seal_held(&mut state)?;
            self.inner.sealed.notify_one();
        }
        Ok(state.held.len())
    }

    fn seal_held(&self, state: &mut State) -> Result<(), SpoolError> {
        while let Some(held) = state.held.front() {
            let (body, now) = (held.body.clone(), self.inner.clock.now());
            match &held.taken {
                Some(taken) => state.spool.seal_taken(body, taken, now)?,
                None => state.spool.seal(body, now)?,
            };
            state.held.pop_front();
        }
        if state.unreported > 0 {
            let now = self.inner.clock.now();
            let report = DropReport {
                reason: DropReason::Unsealed,
                ranges: Vec::new(),
                count: state.unreported,
                dropped_at: now,
            };
            state.spool.seal(RecordBody::Drops(report), now)?;
            state.unreported = 0;
        }
        Ok(())
    }

    /// Lets go what is older than it may be kept. The clock must be good: one set wrong would
    /// empty the spool.
    ///
    /// # Errors
    /// Nothing went; the next call tries again.
    pub fn expire(&self) -> Result<u64, SpoolError> {
        let mut state = self.state();
        let gone = state.spool.expire(self.inner.clock.now())?;
        if gone > 0 {
            self.inner.sealed.notify_one();
        }
        Ok(gone)
    }

    /// Lets go a record that the disk has altered.
    ///
    /// # Errors
    /// It stays.
    pub fn give_up(&self, sequence: u64) -> Result<(), SpoolError> {
        let mut state = self.state();
        state.spool.give_up(sequence, self.inner.clock.now())
    }

    /// Records held in memory, and records lost since the start.
    #[must_use]
    pub fn held_and_lost(&self) -> (usize, u64) {
        let state = self.state();
        (state.held.len(), state.lost)
    }

    /// How much waits.
    ///
    /// # Errors
    /// As for [`Spool::depth`].
    pub fn depth(&self) -> Result<Depth, SpoolError> {
        self.state().spool.depth()
    }

    /// Uses the spool while no other thread does. It writes to the disk: not for async code.
    pub fn with<T>(&self, work: impl FnOnce(&mut Spool) -> T) -> T {
        work(&mut self.state().spool)
    }

    /// Returns when something was sealed since the last call.
    pub async fn sealed(&self) {
        self.inner.sealed.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one SQLite transaction: a panic elsewhere leaves nothing half done.
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
