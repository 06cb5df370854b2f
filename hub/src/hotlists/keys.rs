//! The keys of the lists. They lie in the table `hotlist_keys` of the database of the hours' keys:
//! no backup of the data has it, so that every copy of a closed list's plates is dead with its key.

use super::list::{self, ListError, ListId};
use super::pages;
use crate::hours::keys::HourKeys;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::wrapped::{KeyTable, NamedKeys};
use crate::store::{Doing as _, StoreError};
use varco_proto::cipher::Key;

static TABLE: KeyTable = KeyTable {
    name: "hotlist_keys",
    owner: "id",
    what: "hotlist's key",
};

/// The keys, each wrapped by a key derived from the store key.
#[derive(Debug)]
pub struct ListKeys {
    keys: NamedKeys,
    /// What sealed the plates of all lists in versions before.
    before: Key,
}

impl ListKeys {
    /// Over the database of the hours' keys; `before` sealed the plates of all lists in versions before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn over(keys: HourKeys, before: Key) -> Result<Self, StoreError> {
        let keys = keys.named(b"hotlist keys", &TABLE, "hotlist")?;
        Ok(Self { keys, before })
    }

    /// Makes the key of a list that is being made. It is on the disk when this returns; that of a list
    /// of this name whose making failed gives way.
    pub(super) fn make(&self, id: &ListId) -> Result<(), StoreError> {
        self.keys.make(id.as_str())
    }

    /// The key of an open list; none when it is destroyed.
    pub(super) fn get(&self, id: &ListId) -> Result<Option<Key>, StoreError> {
        self.keys.get(id.as_str())
    }

    /// The key of an open list, to put plates on it or to change them.
    ///
    /// # Errors
    /// [`ListError::Keyless`], [`ListError::Store`].
    pub(super) fn expect(&self, id: &ListId) -> Result<Key, ListError> {
        self.get(id)?.ok_or_else(|| ListError::Keyless(id.clone()))
    }

    /// Destroys the keys of closed lists, also in the log of their database.
    ///
    /// # Errors
    /// [`StoreError`]; it is tried again.
    pub fn destroy_closed(&self, main: &Connection) -> Result<(), StoreError> {
        self.keys.destroy_where(|id| list::is_closed(main, id))
    }

    /// Destroys them after a list was closed; a key that stays is destroyed with the next round.
    pub(super) fn destroy_after_closing(&self, main: &Connection) {
        if let Err(error) = self.destroy_closed(main) {
            tracing::error!(error = %error, "the key of a closed hotlist is not destroyed yet");
        }
    }

    /// Seals the plates of lists that a version before made under a key of their own. A cut on the way
    /// leaves what the next one goes on with; two at once do it once.
    ///
    /// # Errors
    /// [`StoreError`]; the next process that opens the home goes on.
    pub fn bring_forward(&self, main: &mut Connection) -> Result<(), StoreError> {
        for id in list::without_own_key(main)? {
            let key = self.keys.get_or_make(id.as_str())?;
            let transaction = main
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .doing("begin to seal a hotlist's plates anew")?;
            if list::without_own_key(&transaction)?.contains(&id) {
                pages::seal_anew(&transaction, &id, &self.before, &key)?;
                list::note_own_key(&transaction, &id)?;
            }
            transaction
                .commit()
                .doing("commit a hotlist's plates sealed anew")?;
        }
        Ok(())
    }

    /// The keys as they are kept, wrapped.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wrapped(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.keys.wrapped()
    }

    /// Puts a key back as [`ListKeys::wrapped`] gave it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_wrapped(&self, id: &ListId, wrapped: &[u8]) -> Result<(), StoreError> {
        self.keys.put_wrapped(id.as_str(), wrapped)
    }
}
