//! The lists that hold now, as intake sees them.

use std::sync::{Arc, PoisonError, RwLock};

use varco_proto::time::UtcTime;

use super::list::{self, Hotlist, ListId};
use super::matcher::{Listed, Matcher, seconds};
use super::pages;
use crate::store::cipher::Key;
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};
use crate::transits::entry::{folded, plate_of};

/// All lists at one version.
#[derive(Debug, Default)]
pub struct Current {
    /// See [`list::version`].
    pub version: i64,
    /// Every plate.
    pub matcher: Matcher,
    /// By place in the matcher.
    pub lists: Vec<Hotlist>,
    /// Lists whose plates do not open: they raise no alert until they are imported again.
    pub damaged: Vec<ListId>,
}

/// The lists that hold, swapped whole when they change.
#[derive(Debug)]
pub struct ActiveLists {
    key: Key,
    current: RwLock<Arc<Current>>,
}

impl ActiveLists {
    /// The lists as the database has them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(main: &Connection, key: Key) -> Result<Self, StoreError> {
        let current = RwLock::new(Arc::new(load(main, &key)?));
        Ok(Self { key, current })
    }

    /// As they are now.
    #[must_use]
    pub fn current(&self) -> Arc<Current> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// What seals the plates.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Takes what changed, and says whether anything did.
    ///
    /// # Errors
    /// [`StoreError`]; the lists stay as they were.
    pub fn refresh(&self, main: &Connection) -> Result<bool, StoreError> {
        if list::version(main)? == self.current().version {
            return Ok(false);
        }
        let fresh = Arc::new(load(main, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }
}

fn load(main: &Connection, key: &Key) -> Result<Current, StoreError> {
    if !main.is_autocommit() {
        return load_within(main, key);
    }
    // One look at the database: a list that is replaced meanwhile is taken with the next version.
    let snapshot = main
        .unchecked_transaction()
        .doing("begin to read the hotlists")?;
    load_within(&snapshot, key)
}

fn load_within(snapshot: &Connection, key: &Key) -> Result<Current, StoreError> {
    let version = list::version(snapshot)?;
    let mut current = Current {
        version,
        ..Current::default()
    };
    let (mut listed, mut near) = (Vec::new(), Vec::new());
    let open = list::all(snapshot)?.into_iter();
    for hotlist in open.filter(|list| list.closed_at.is_none()) {
        let Ok(place) = u16::try_from(current.lists.len()) else {
            break;
        };
        match plates(snapshot, key, &hotlist, place) {
            Ok(plates) => listed.extend(plates),
            Err(StoreError::Damaged { .. }) => {
                tracing::error!(
                    list = %hotlist.id,
                    "the plates of a hotlist do not open; import it again"
                );
                current.damaged.push(hotlist.id.clone());
            }
            Err(error) => return Err(error),
        }
        near.push(hotlist.near);
        current.lists.push(hotlist);
    }
    current.matcher = Matcher::of(listed, near);
    Ok(current)
}

fn plates(
    main: &Connection,
    key: &Key,
    hotlist: &Hotlist,
    place: u16,
) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::with_capacity(usize::try_from(hotlist.entries).unwrap_or(0));
    for number in 0.. {
        let Some(entries) = pages::page(main, key, &hotlist.id, number)? else {
            break;
        };
        for (within, entry) in entries.iter().enumerate() {
            let from = entry.valid_from.unwrap_or(hotlist.valid_from);
            let to = entry.valid_to.unwrap_or(hotlist.valid_to);
            listed.push(Listed {
                plate: folded(&plate_of(entry.plate.as_str())),
                list: place,
                number: u32::try_from(number * pages::PAGE_ENTRIES + within).unwrap_or(u32::MAX),
                from_s: seconds(UtcTime::max(from, hotlist.valid_from)),
                to_s: seconds(UtcTime::min(to, hotlist.valid_to)),
            });
        }
    }
    if u64::try_from(listed.len()) != Ok(hotlist.entries) {
        return Err(StoreError::Damaged {
            what: "hotlist's plates",
        });
    }
    Ok(listed)
}
