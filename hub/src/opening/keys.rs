//! The keys of a home's lists, cases, webhooks and searches, of how persons sign in, and of the access register.

use crate::cases::keys::CaseKeys;
use crate::home::{Home, HomeError};
use crate::hotlists::keys::ListKeys;
use crate::hours::keys::HourKeys;
use crate::judgement::judge::Judge;
use varco_proto::cipher::Key;

impl Home {
    /// What seals the secrets of webhooks. It bears the name of the lists, whose plates it sealed before
    /// they had keys of their own.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn webhook_key(&self) -> Result<Key, HomeError> {
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        Ok(keys.derived(b"hotlists")?)
    }

    /// What judges searches: its marks are under a key that lies with those of the hours.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn judge(&self) -> Result<Judge, HomeError> {
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        Ok(Judge::new(keys.derived(b"searches")?))
    }

    /// The keys of the hotlists.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn list_keys(&self) -> Result<ListKeys, HomeError> {
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        let before = keys.derived(b"hotlists")?;
        Ok(ListKeys::over(keys, before)?)
    }

    /// The keys of the cases.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn case_keys(&self) -> Result<CaseKeys, HomeError> {
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        Ok(CaseKeys::over(keys)?)
    }

    /// What seals second factors, and marks challenges and sessions.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn signing_key(&self) -> Result<Key, HomeError> {
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        Ok(keys.derived(b"signing in")?)
    }

    /// What seals who was let in to see recordings.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn access_key(&self) -> Result<Key, HomeError> {
        let keys = HourKeys::open(&self.hour_keys(), &self.store_key_file())?;
        Ok(keys.derived(b"access register")?)
    }
}
