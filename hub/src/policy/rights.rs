//! The policy with what it came to: the same question of the same caller in the same world has the same answer, so
//! that a request asks for a version and not for everything anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use varco_proto::time::UtcTime;

use super::caller::Caller;
use super::world::{World, WorldRead};
use super::{Deed, Policy, PolicyError};
use crate::agreements::rights;
use crate::audit::purpose::Purpose;
use crate::municipalities::reach::Reach;
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Answers that are kept; beyond it all are forgotten. Callers of a busy hub have a handful each.
const ANSWERS_MAX: usize = 4096;

/// The policy, and answers that hold.
pub struct Rights {
    policy: Policy,
    tried: Answers<Tried, bool>,
    world: Mutex<Option<Arc<KeptWorld>>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Tried {
    caller: Caller,
    deed: Deed,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Reached {
    caller: Caller,
    deed: Deed,
    purpose: Option<Purpose>,
}

/// The world as it was read, until something in it changes, begins or ends.
pub struct KeptWorld {
    read: WorldRead,
    version: i64,
    reaches: Answers<Reached, Reach>,
}

impl Rights {
    /// Under a policy.
    #[must_use]
    pub fn under(policy: Policy) -> Self {
        Self {
            policy,
            tried: Answers::default(),
            world: Mutex::default(),
        }
    }

    /// Under the policy that comes with the hub.
    ///
    /// # Errors
    /// [`PolicyError`]; a bug.
    pub fn built_in() -> Result<Self, PolicyError> {
        Policy::built_in().map(Self::under)
    }

    /// Whether something may be tried at all, wherever.
    ///
    /// # Errors
    /// [`PolicyError::Entities`]: then it may not.
    pub fn may_try(&self, caller: &Caller, deed: Deed) -> Result<bool, PolicyError> {
        let tried = Tried {
            caller: caller.clone(),
            deed,
        };
        self.tried.get(tried, || self.policy.may_try(caller, deed))
    }

    /// The world at a moment: the one that is kept, if nothing in it changed since.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing is within reach.
    pub fn world(&self, main: &Connection, now: UtcTime) -> Result<Arc<KeptWorld>, StoreError> {
        // Before what it counts the changes of.
        let version = rights::version(main)?;
        let mut kept = locked(&self.world);
        if let Some(world) = kept.as_ref().filter(|world| world.holds(version, now)) {
            return Ok(Arc::clone(world));
        }
        let world = KeptWorld {
            read: WorldRead::at(main, now)?,
            version,
            reaches: Answers::default(),
        };
        Ok(Arc::clone(kept.insert(Arc::new(world))))
    }

    /// The policy itself, for what is not asked by each request.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The gates whose transits a caller may do this with, for this purpose.
    ///
    /// # Errors
    /// [`PolicyError::Entities`]: then it is none.
    pub fn reach(
        &self,
        caller: &Caller,
        deed: Deed,
        purpose: Option<Purpose>,
        world: &KeptWorld,
    ) -> Result<Reach, PolicyError> {
        let reached = Reached {
            caller: caller.clone(),
            deed,
            purpose,
        };
        world.reaches.get(reached, || {
            self.policy.reach(caller, deed, purpose, world.now())
        })
    }
}

impl KeptWorld {
    /// As it was read.
    #[must_use]
    pub fn now(&self) -> &World {
        &self.read.world
    }

    /// A clock that was set back asks for a world of before.
    fn holds(&self, version: i64, now: UtcTime) -> bool {
        let changes_at = self.read.changes_at;
        self.version == version
            && self.read.world.now <= now
            && changes_at.is_none_or(|changes_at| now < changes_at)
    }
}

/// Answers by what was asked.
struct Answers<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Answers<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + std::hash::Hash, V: Clone> Answers<K, V> {
    fn get<E>(&self, asked: K, ask: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some(known) = locked(&self.0).get(&asked) {
            return Ok(known.clone());
        }
        let answer = ask()?;
        let mut known = locked(&self.0);
        if known.len() >= ANSWERS_MAX {
            known.clear();
        }
        known.insert(asked, answer.clone());
        Ok(answer)
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept is put there whole.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
