//! The lists that hold now, as intake sees them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use varco_proto::time::UtcTime;

use super::keys::ListKeys;
use super::list::{self, Hotlist, ListError, ListId};
use super::matcher::{Listed, Matcher, seconds};
use super::pages::{self, Extent, HotlistEntry};
use crate::plates::plate::{folded, plate_of};
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};
use varco_proto::cipher::Key;

/// Pages that are opened in the writer's turn. Larger changes are read beside it.
const PAGES_IN_TURN: usize = 8;

/// All lists at one version.
#[derive(Debug, Default)]
pub struct Current {
    /// See [`list::version`].
    pub version: i64,
    /// Every plate.
    pub matcher: Matcher,
    /// By place in the matcher.
    pub lists: Vec<Hotlist>,
    /// Where the pages of each lie.
    pub extents: Vec<Extent>,
    /// Lists whose plates do not open: they raise no alert until they are imported again.
    pub damaged: Vec<ListId>,
    /// What the plates of each are sealed under.
    keys: HashMap<ListId, Arc<Key>>,
    loaded: HashMap<ListId, Loaded>,
}

impl Current {
    /// What a list's plates are sealed under; none when that is destroyed.
    #[must_use]
    pub fn key_of(&self, id: &ListId) -> Option<&Key> {
        self.keys.get(id).map(Arc::as_ref)
    }
}

/// A list's plates, in memory.
#[derive(Debug, Clone)]
struct Loaded {
    first_page: i64,
    /// Single changes after it are not in it.
    version: i64,
    plates: Arc<Vec<Listed>>,
}

/// The lists that hold, swapped whole when they change.
#[derive(Debug)]
pub struct ActiveLists {
    keys: Arc<ListKeys>,
    current: RwLock<Arc<Current>>,
    /// Plates that an import of this process is about to put on a list.
    offered: Mutex<HashMap<ListId, Loaded>>,
}

/// How a change is read.
struct Reading<'a> {
    snapshot: &'a Connection,
    keys: &'a ListKeys,
    before: &'a Current,
    offered: HashMap<ListId, Loaded>,
    /// Pages that may still be opened; without end when none.
    pages_left: Option<usize>,
}

impl ActiveLists {
    /// The lists as the database has them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(main: &Connection, keys: Arc<ListKeys>) -> Result<Self, StoreError> {
        let lists = Self {
            keys,
            current: RwLock::new(Arc::new(Current {
                version: -1,
                ..Current::default()
            })),
            offered: Mutex::default(),
        };
        lists.refresh(main)?;
        Ok(lists)
    }

    /// As they are now.
    #[must_use]
    pub fn current(&self) -> Arc<Current> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// What seals the plates.
    #[must_use]
    pub fn keys(&self) -> &Arc<ListKeys> {
        &self.keys
    }

    /// Takes what changed, and says whether anything did. Of a large change every page is opened:
    /// not for the writer's turn.
    ///
    /// # Errors
    /// [`StoreError`]; the lists stay as they were.
    pub fn refresh(&self, main: &Connection) -> Result<bool, StoreError> {
        self.take(main, None)
    }

    /// Takes what changed if that is soon done, in the writer's turn; a large list that another
    /// process imported is left to [`ActiveLists::refresh`].
    ///
    /// # Errors
    /// [`StoreError`]; the lists stay as they were.
    pub fn refresh_in_turn(&self, main: &Connection) -> Result<bool, StoreError> {
        self.take(main, Some(PAGES_IN_TURN))
    }

    /// Keeps the plates of pages that are about to be adopted, so that nobody has to open them.
    pub(super) fn offer(&self, id: &ListId, extent: Extent, mut plates: Vec<Listed>) {
        sort(&mut plates);
        let loaded = Loaded {
            first_page: extent.first,
            version: 0,
            plates: Arc::new(plates),
        };
        self.offered().insert(id.clone(), loaded);
    }

    /// Forgets what was offered: it was adopted, or never will be.
    pub(super) fn withdraw(&self, id: &ListId) {
        self.offered().remove(id);
    }

    fn offered(&self) -> std::sync::MutexGuard<'_, HashMap<ListId, Loaded>> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, main: &Connection, pages_max: Option<usize>) -> Result<bool, StoreError> {
        let before = self.current();
        if list::version(main)? == before.version {
            return Ok(false);
        }
        let read = |snapshot: &Connection| {
            let mut reading = Reading {
                snapshot,
                keys: &self.keys,
                before: &before,
                offered: self.offered().clone(),
                pages_left: pages_max,
            };
            reading.current()
        };
        let fresh = if main.is_autocommit() {
            // One look at the database: what is replaced meanwhile is taken with the next version.
            let snapshot = main
                .unchecked_transaction()
                .doing("begin to read the hotlists")?;
            read(&snapshot)?
        } else {
            read(main)?
        };
        let Some(fresh) = fresh else {
            return Ok(false);
        };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if fresh.version > current.version {
            *current = Arc::new(fresh);
        }
        Ok(true)
    }
}

impl Reading<'_> {
    /// Everything at the version that the database has; none when that would take too long.
    fn current(&mut self) -> Result<Option<Current>, StoreError> {
        let mut current = Current {
            version: list::version(self.snapshot)?,
            ..Current::default()
        };
        let mut tables = Vec::new();
        let open = list::all(self.snapshot)?.into_iter();
        for hotlist in open.filter(|list| list.closed_at.is_none()) {
            let Ok(place) = u16::try_from(current.lists.len()) else {
                break;
            };
            let extent = match pages::extent(self.snapshot, &hotlist.id) {
                Ok(extent) => extent,
                Err(ListError::Store(error)) => return Err(error),
                Err(_) => continue,
            };
            let plates = match self.key(&hotlist.id) {
                Ok(key) => {
                    let plates = self.plates(&hotlist, extent, &key);
                    current.keys.insert(hotlist.id.clone(), key);
                    plates
                }
                Err(error) => Err(error),
            };
            match plates {
                Ok(None) => return Ok(None),
                Ok(Some(plates)) => {
                    tables.push((place, Arc::clone(&plates)));
                    let loaded = Loaded {
                        first_page: extent.first,
                        version: current.version,
                        plates,
                    };
                    current.loaded.insert(hotlist.id.clone(), loaded);
                }
                Err(StoreError::Damaged { .. }) => {
                    tracing::error!(
                        list = %hotlist.id,
                        "the plates of a hotlist do not open; import it again"
                    );
                    current.damaged.push(hotlist.id.clone());
                }
                Err(error) => return Err(error),
            }
            current.lists.push(hotlist);
            current.extents.push(extent);
        }
        let near = current.lists.iter().map(|list| list.near).collect();
        current.matcher = Matcher::over(tables, near);
        Ok(Some(current))
    }

    /// A list's key, which stays the same while it is open.
    fn key(&self, id: &ListId) -> Result<Arc<Key>, StoreError> {
        if let Some(key) = self.before.keys.get(id) {
            return Ok(Arc::clone(key));
        }
        let damaged = StoreError::Damaged {
            what: "hotlist's key",
        };
        self.keys.get(id)?.map(Arc::new).ok_or(damaged)
    }

    /// A list's plates: those in memory with what changed since, else all from the database.
    fn plates(
        &mut self,
        hotlist: &Hotlist,
        extent: Extent,
        key: &Key,
    ) -> Result<Option<Arc<Vec<Listed>>>, StoreError> {
        let known = [
            self.before.loaded.get(&hotlist.id),
            self.offered.get(&hotlist.id),
        ];
        let known = known.into_iter().flatten();
        let known = known
            .filter(|loaded| loaded.first_page == extent.first)
            .max_by_key(|l| l.version);
        let (mut plates, pages): (Vec<Listed>, Vec<i64>) = match known {
            Some(loaded) => {
                let changed = pages::changed_since(self.snapshot, &hotlist.id, loaded.version)?;
                if changed.is_empty() {
                    return whole(Arc::clone(&loaded.plates), hotlist).map(Some);
                }
                let again: HashSet<i64> = changed.iter().copied().collect();
                let kept = loaded
                    .plates
                    .iter()
                    .filter(|one| !again.contains(&extent.page_of(one.number)));
                (kept.copied().collect(), changed)
            }
            None => (Vec::new(), extent.numbers().collect()),
        };
        if let Some(left) = &mut self.pages_left {
            let Some(less) = left.checked_sub(pages.len()) else {
                return Ok(None);
            };
            *left = less;
        }
        for page in pages {
            let entries = pages::expect(self.snapshot, key, &hotlist.id, page)?;
            plates.extend(listed(hotlist, extent, page, &entries));
        }
        sort(&mut plates);
        whole(Arc::new(plates), hotlist).map(Some)
    }
}

fn whole(plates: Arc<Vec<Listed>>, hotlist: &Hotlist) -> Result<Arc<Vec<Listed>>, StoreError> {
    if u64::try_from(plates.len()) != Ok(hotlist.entries) {
        return Err(StoreError::Damaged {
            what: "hotlist's plates",
        });
    }
    Ok(plates)
}

fn sort(plates: &mut Vec<Listed>) {
    // Mostly in order already: what changed stands behind the rest.
    plates.sort_by_key(|one| (one.plate, one.number));
    plates.shrink_to_fit();
}

/// A page's entries as the matcher holds them.
pub(super) fn listed(
    hotlist: &Hotlist,
    extent: Extent,
    page: i64,
    entries: &[HotlistEntry],
) -> impl Iterator<Item = Listed> {
    entries.iter().enumerate().map(move |(within, entry)| {
        let from = entry.valid_from.unwrap_or(hotlist.valid_from);
        let to = entry.valid_to.unwrap_or(hotlist.valid_to);
        Listed {
            plate: folded(&plate_of(entry.plate.as_str())),
            list: 0,
            number: extent.entry_number(page, within),
            from_s: seconds(UtcTime::max(from, hotlist.valid_from)),
            to_s: seconds(UtcTime::min(to, hotlist.valid_to)),
        }
    })
}
