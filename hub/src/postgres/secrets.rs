//! The hours' keys as a hub of PostgreSQL uses them. They stay in the home: no disk, log or copy of
//! the database ever has one, so that a destroyed hour is dead in all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::hours::keys::HourKeys;
use crate::hours::partition::Partition;
use crate::plates::plate::{Plate, folded};
use crate::store::StoreError;
use crate::store::tokens::Tokens;
use varco_proto::cipher::Key;

/// What tokens are of.
const KIND_PLATE: u8 = 1;
const KIND_CAMERA: u8 = 2;

/// An hour's key, and what makes its tokens.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) key: Arc<Key>,
    tokens: Tokens,
}

impl Secret {
    fn of(key: Arc<Key>) -> Arc<Self> {
        let tokens = Tokens::of(&key);
        Arc::new(Self { key, tokens })
    }

    /// What a plate is found by in this hour, read as its neighbours O and 0, I and 1 are.
    pub(super) fn plate(&self, plate: &Plate) -> i64 {
        self.tokens.token(KIND_PLATE, &folded(plate))
    }

    /// What a camera is found by in this hour.
    pub(super) fn camera(&self, number: u32) -> i64 {
        self.tokens.token(KIND_CAMERA, &number.to_le_bytes())
    }

    /// Seals bytes for their place.
    pub(super) fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let sealed = self.key.seal(place, plain);
        sealed.map_err(|source| StoreError::Server {
            doing: "seal what goes",
            state: String::new(),
            source: source.into(),
        })
    }
}

/// The hours' secrets, kept ready.
#[derive(Debug)]
pub(super) struct Secrets {
    keys: HourKeys,
    ready: Mutex<HashMap<Partition, Arc<Secret>>>,
}

impl Secrets {
    pub(super) fn over(keys: HourKeys) -> Self {
        Self {
            keys,
            ready: Mutex::default(),
        }
    }

    /// The keys themselves.
    pub(super) fn keys(&self) -> &HourKeys {
        &self.keys
    }

    fn ready(&self, hour: Partition) -> Option<Arc<Secret>> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.get(&hour).cloned()
    }

    fn keep(&self, hour: Partition, key: Arc<Key>) -> Arc<Secret> {
        let secret = Secret::of(key);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.insert(hour, Arc::clone(&secret));
        secret
    }

    /// An hour's secret; none when it was never made, or is destroyed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn of(&self, hour: Partition) -> Result<Option<Arc<Secret>>, StoreError> {
        if let Some(secret) = self.ready(hour) {
            return Ok(Some(secret));
        }
        Ok(self.keys.get(hour)?.map(|key| self.keep(hour, key)))
    }

    /// An hour's secret, made when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn of_or_make(&self, hour: Partition) -> Result<Arc<Secret>, StoreError> {
        match self.ready(hour) {
            Some(secret) => Ok(secret),
            None => Ok(self.keep(hour, self.keys.get_or_make(hour)?)),
        }
    }

    /// Forgets hours that nobody may read any more.
    pub(super) fn forget(&self, gone: impl Fn(Partition) -> bool) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.retain(|hour, _| !gone(*hour));
    }
}
