//! One plate more, changed or less, without a file.

use varco_proto::plate::PlateText;

use super::desk::{self, DeskError, HotlistShelf};
use super::import::ENTRIES_MAX;
use super::import::single::Single;
use super::list::{self, Hotlist, ListId};
use super::pages::{self, Extent, HotlistEntry, PAGE_ENTRIES, Rewritten};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::store::StoreError;
use crate::store::sql::Connection;
use varco_proto::cipher::Key;

/// How often a change is tried again when another came in between.
const TRIES_MAX: usize = 5;

/// What becomes of a plate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlateChange {
    /// Put on the list, beside what it says of the plate.
    Add(Single),
    /// All that the list says of the plate is replaced.
    Change(Single),
    /// Taken off, with all that the list says of it.
    Remove(String),
}

/// What is done to a plate, checked.
enum Act {
    Add(HotlistEntry),
    Change(HotlistEntry),
    Remove(PlateText),
}

impl Act {
    fn of(change: &PlateChange, list: &Hotlist, acting: &Acting<'_>) -> Result<Self, DeskError> {
        let term = desk::term_of(list, acting.now);
        Ok(match change {
            PlateChange::Add(single) => Self::Add(single.entry(&term)?),
            PlateChange::Change(single) => Self::Change(single.entry(&term)?),
            PlateChange::Remove(plate) => {
                let single = Single {
                    plate: plate.clone(),
                    ..Single::default()
                };
                Self::Remove(single.entry(&term)?.plate)
            }
        })
    }

    fn plate(&self) -> &PlateText {
        match self {
            Self::Add(entry) | Self::Change(entry) => &entry.plate,
            Self::Remove(plate) => plate,
        }
    }

    fn action(&self) -> Action {
        match self {
            Self::Add(_) => Action::HotlistPlateAdded,
            Self::Change(_) => Action::HotlistPlateChanged,
            Self::Remove(_) => Action::HotlistPlateRemoved,
        }
    }
}

/// Changes one plate of a list, with its audit line. The pages are found outside of the writer's
/// turn; in it, a few are written.
///
/// # Errors
/// [`DeskError`]; the list keeps what it has.
pub fn change(
    main: &mut Connection,
    shelf: &HotlistShelf<'_>,
    id: &ListId,
    change: &PlateChange,
    acting: &Acting<'_>,
) -> Result<(), DeskError> {
    for _ in 0..TRIES_MAX {
        let version = list::version(main)?;
        let list = desk::open(main, id, acting.actor)?;
        let act = Act::of(change, &list, acting)?;
        let rewritten = rewritten(main, shelf, &list, &act)?;
        let details = serde_json::json!({ "list": id, "entries": rewritten.entries });
        let mut line = desk::line_of(&list, acting.actor, act.action(), details);
        line.query = Some(act.plate().to_string());
        let _turn = shelf.turns.map(|store| store.turn());
        let done = acting.act(main, &line, |main| {
            if list::version(main)? != version {
                return Err(DeskError::Meanwhile);
            }
            Ok(pages::rewrite(main, id, &rewritten, acting.now)?)
        });
        match done {
            Err(DeskError::Meanwhile) => {}
            done => return done,
        }
    }
    Err(DeskError::Meanwhile)
}

/// The pages as they are then.
fn rewritten(
    main: &Connection,
    shelf: &HotlistShelf<'_>,
    list: &Hotlist,
    act: &Act,
) -> Result<Rewritten, DeskError> {
    let key = &shelf.keys.expect(&list.id)?;
    let extent = pages::extent(main, &list.id)?;
    let found = found(main, key, &list.id, extent, act.plate())?;
    let before = i64::try_from(list.entries).unwrap_or(i64::MAX);
    if let Act::Add(entry) = act {
        if found.iter().any(|(_, page)| page.contains(entry)) {
            return Err(DeskError::Already);
        }
        if list.entries >= u64::try_from(ENTRIES_MAX).unwrap_or(u64::MAX) {
            return Err(super::import::ImportError::TooLong.into());
        }
        return added(main, key, &list.id, extent, before, entry);
    }
    if found.is_empty() {
        return Err(DeskError::NotListed);
    }
    let mut instead = match act {
        Act::Change(entry) => Some(entry.clone()),
        _ => None,
    };
    let mut rewritten = Rewritten {
        extent,
        entries: before,
        pages: Vec::new(),
    };
    for (number, page) in found {
        let mut kept = Vec::with_capacity(page.len());
        for entry in page {
            if entry.plate != *act.plate() {
                kept.push(entry);
            } else if let Some(new) = instead.take() {
                kept.push(new);
            } else {
                rewritten.entries -= 1;
            }
        }
        let sealed = pages::sealed(key, &list.id, number, &kept)?;
        rewritten.pages.push((number, sealed));
    }
    Ok(rewritten)
}

/// The pages that name a plate.
fn found(
    main: &Connection,
    key: &Key,
    id: &ListId,
    extent: Extent,
    plate: &PlateText,
) -> Result<Vec<(i64, Vec<HotlistEntry>)>, StoreError> {
    let mut found = Vec::new();
    for number in extent.numbers() {
        let page = pages::expect(main, key, id, number)?;
        if page.iter().any(|entry| entry.plate == *plate) {
            found.push((number, page));
        }
    }
    Ok(found)
}

/// With an entry more, on the last page or a new one.
fn added(
    main: &Connection,
    key: &Key,
    id: &ListId,
    mut extent: Extent,
    before: i64,
    entry: &HotlistEntry,
) -> Result<Rewritten, DeskError> {
    let last = extent.numbers().next_back();
    let last =
        last.map(|number| Ok::<_, StoreError>((number, pages::expect(main, key, id, number)?)));
    let (number, mut page) = match last.transpose()? {
        Some((number, page)) if page.len() < PAGE_ENTRIES => (number, page),
        _ => {
            extent.count += 1;
            (extent.numbers().end - 1, Vec::new())
        }
    };
    page.push(entry.clone());
    Ok(Rewritten {
        extent,
        entries: before + 1,
        pages: vec![(number, pages::sealed(key, id, number, &page)?)],
    })
}
