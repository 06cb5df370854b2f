//! What people do to hotlists: each act with its audit line, in one transaction.

use thiserror::Error;
use varco_proto::time::UtcTime;

use super::active::{self, ActiveLists};
use super::compare::compare;
use super::import::account::{Account, AccountLine};
use super::import::single::SingleError;
use super::import::{self, HotlistTerm, How, ImportError};
use super::keys::ListKeys;
use super::list::{self, Hotlist, ListError, ListId};
use super::pages::{self, Extent, HotlistEntry};
use crate::audit::acting::Acting;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::told::{ListEnded, ListMade, Told as _};
use crate::audit::{AuditEntry, AuditError};
use crate::lookups::store::TransitStore;
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use varco_proto::cipher::Key;

/// Pages that are written or destroyed in one turn.
const PAGES_AT_ONCE: usize = 8;

/// Nothing was done.
#[derive(Debug, Error)]
pub enum DeskError {
    /// The list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The file.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The plate, as it was written.
    #[error(transparent)]
    Single(#[from] SingleError),
    /// The plate is there already, with all that is said of it.
    #[error("the plate is on the hotlist already, with the same note, country and term")]
    Already,
    /// The plate is not there.
    #[error("the plate is not on the hotlist, so there is nothing to change or remove")]
    NotListed,
    /// Another act came in between: do it again.
    #[error("somebody else changed the hotlist in the meantime, and nothing was done: do it again")]
    Meanwhile,
    /// No audit line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The line of something that is done to a list, on its grounds.
pub(super) fn line_of(
    list: &Hotlist,
    actor: &Actor,
    action: Action,
    details: serde_json::Value,
) -> AuditEntry {
    AuditEntry {
        grounds: Some(list.grounds.clone()),
        ..AuditEntry::plain(actor.clone(), action, details)
    }
}

/// Makes a list, without plates yet, and its key.
///
/// # Errors
/// [`DeskError`].
pub fn make(
    main: &mut Connection,
    keys: &ListKeys,
    list: &Hotlist,
    acting: &Acting<'_>,
) -> Result<(), DeskError> {
    let told = ListMade {
        list: list.id.to_string(),
        name: list.name.clone(),
        reason: list.reason.clone(),
        owner: list.owner.clone(),
        priority: list.priority,
        near: list.near,
        valid_from: list.valid_from,
        valid_to: list.valid_to,
        seen_by: list.seen_by.clone(),
    };
    let line = AuditEntry {
        grounds: Some(list.grounds.clone()),
        ..told.entry(acting.actor.clone(), Action::HotlistMade)?
    };
    acting.act(main, &line, |main| {
        list::make(main, list)?;
        // Within the transaction that adds the list: nobody else makes one of this name meanwhile.
        Ok(keys.make(&list.id)?)
    })
}

/// Where plates are sealed and kept.
#[derive(Clone, Copy)]
pub struct HotlistShelf<'a> {
    /// What seals them.
    pub keys: &'a ListKeys,
    /// The lists that this process holds reads against, if it does.
    pub active: Option<&'a ActiveLists>,
    /// Whose turn to write is waited for, in the process that takes transits in.
    pub turns: Option<&'a TransitStore>,
}

impl HotlistShelf<'_> {
    /// Writes something small, in a turn of its own.
    fn in_turn<T, E: From<StoreError>>(
        &self,
        main: &mut Connection,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let _turn = self.turns.map(|store| store.turn());
        let transaction = main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin the change")?;
        let done = work(&transaction)?;
        transaction.commit().doing("commit the change")?;
        Ok(done)
    }

    /// Destroys pages of a range that the list does not hold, a few in a turn.
    fn destroy(
        &self,
        main: &mut Connection,
        id: &ListId,
        range: &std::ops::Range<i64>,
    ) -> Result<(), StoreError> {
        loop {
            let destroyed = self.in_turn(main, |main| {
                pages::destroy(main, id, range.clone(), PAGES_AT_ONCE)
            })?;
            if destroyed == 0 {
                return Ok(());
            }
        }
    }
}

/// An import that is written and not yet adopted.
#[derive(Debug)]
pub struct Prepared {
    list: Hotlist,
    extent: Extent,
    account: Account,
    file_digest: String,
}

/// A file with the plates of a list.
#[derive(Debug, Clone, Copy)]
pub struct ListFile<'a> {
    /// Of which list.
    pub list: &'a ListId,
    /// As it came.
    pub bytes: &'a [u8],
    /// How it is to be read.
    pub how: &'a How,
}

/// Reads a file and, unless only the account is wanted, writes its plates beside those that hold.
/// All of it is done outside of the writer's turn but for a few pages at a time.
///
/// # Errors
/// [`DeskError`]; the list keeps what it has.
pub fn prepare(
    main: &mut Connection,
    shelf: &HotlistShelf<'_>,
    actor: &Actor,
    file: ListFile<'_>,
    now: UtcTime,
    tell: &mut dyn FnMut(&AccountLine),
) -> Result<Prepared, DeskError> {
    let ListFile {
        list: id,
        bytes,
        how,
    } = file;
    let list = open(main, id, actor)?;
    let term = term_of(&list, now);
    let (entries, mut account) = import::read(bytes, how, &term, tell)?;
    let key = shelf.keys.expect(id)?;
    account.difference = compare(main, &key, id, &entries)?;
    let extent = if how.dry_run {
        Extent::default()
    } else {
        stage(main, shelf, &list, &key, &entries)?
    };
    Ok(Prepared {
        list,
        extent,
        account,
        file_digest: varco_proto::ids::Digest::of(bytes).to_string(),
    })
}

/// Writes the plates beside those that hold.
fn stage(
    main: &mut Connection,
    shelf: &HotlistShelf<'_>,
    list: &Hotlist,
    key: &Key,
    entries: &[HotlistEntry],
) -> Result<Extent, DeskError> {
    let id = &list.id;
    let count = entries.len().div_ceil(pages::PAGE_ENTRIES);
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let extent = shelf.in_turn(main, |main| pages::reserve(main, id, count))?;
    let mut numbered = extent.numbers().zip(entries.chunks(pages::PAGE_ENTRIES));
    loop {
        let few: Result<Vec<_>, StoreError> = numbered
            .by_ref()
            .take(PAGES_AT_ONCE)
            .map(|(number, page)| Ok((number, pages::sealed(key, id, number, page)?)))
            .collect();
        let few = few?;
        if few.is_empty() {
            break;
        }
        let written = shelf.in_turn(main, |main| pages::write(main, id, &few));
        if let Err(error) = written {
            shelf.destroy(main, id, &extent.numbers())?;
            return Err(error.into());
        }
    }
    if let Some(lists) = shelf.active {
        let chunks = extent.numbers().zip(entries.chunks(pages::PAGE_ENTRIES));
        let plates = chunks.flat_map(|(page, few)| active::listed(list, extent, page, few));
        lists.offer(id, extent, plates.collect());
    }
    Ok(extent)
}

/// Puts prepared plates in the place of all that the list had, with its audit line; of a dry run
/// the line alone.
///
/// # Errors
/// [`DeskError`]; the list keeps what it has.
pub fn adopt(
    main: &mut Connection,
    shelf: &HotlistShelf<'_>,
    prepared: Prepared,
    acting: &Acting<'_>,
) -> Result<Account, DeskError> {
    let Prepared {
        list,
        extent,
        account,
        file_digest,
    } = prepared;
    let details = serde_json::json!({
        "list": list.id, "entries": account.entries, "rows": account.rows, "taken": account.taken,
        "folded": account.folded, "refused": account.refused, "file_digest": file_digest,
    });
    let id = &list.id;
    let turn = shelf.turns.map(|store| store.turn());
    if account.dry_run {
        let line = line_of(&list, acting.actor, Action::HotlistCompared, details);
        acting.act(main, &line, |_| Ok::<_, DeskError>(()))?;
        return Ok(account);
    }
    let line = line_of(&list, acting.actor, Action::HotlistImported, details);
    let adopted = acting.act(main, &line, |main| {
        if pages::adopt(main, id, extent, account.entries, acting.now)? {
            Ok(())
        } else {
            Err(DeskError::Meanwhile)
        }
    });
    if let Some(lists) = shelf.active {
        // Within the turn, so that nothing passes between the commit and the plates.
        if let Err(error) = lists.refresh_in_turn(main) {
            tracing::warn!(error = %error, "the hotlists cannot be looked at; tried again");
        }
        lists.withdraw(id);
    }
    drop(turn);
    let old = match adopted {
        Ok(()) => 0..extent.first,
        Err(_) => extent.numbers(),
    };
    shelf.destroy(main, id, &old)?;
    adopted?;
    Ok(account)
}

/// Puts the plates of a file in the place of all that a list had: [`prepare`] and [`adopt`].
///
/// # Errors
/// [`DeskError`]; the list keeps what it has.
pub fn import(
    main: &mut Connection,
    shelf: &HotlistShelf<'_>,
    file: ListFile<'_>,
    acting: &Acting<'_>,
) -> Result<Account, DeskError> {
    let prepared = prepare(main, shelf, acting.actor, file, acting.now, &mut |_| {})?;
    adopt(main, shelf, prepared, acting)
}

/// Destroys what imports left that were cut short: at the hub's start, before anything else writes.
///
/// # Errors
/// [`StoreError`].
pub fn destroy_left_over(main: &mut Connection, keys: &ListKeys) -> Result<(), StoreError> {
    let shelf = HotlistShelf {
        keys,
        active: None,
        turns: None,
    };
    for list in list::all(main)? {
        shelf.destroy(main, &list.id, &(0..i64::MAX))?;
    }
    Ok(())
}

/// The term of a list's entries, for whoever reads them.
pub(super) fn term_of(list: &Hotlist, now: UtcTime) -> HotlistTerm {
    HotlistTerm {
        now,
        from: list.valid_from,
        to: list.valid_to,
    }
}

/// Closes a list for good and destroys its plates, with its key.
///
/// # Errors
/// [`DeskError`].
pub fn close(
    main: &mut Connection,
    keys: &ListKeys,
    id: &ListId,
    acting: &Acting<'_>,
) -> Result<(), DeskError> {
    let list = open(main, id, acting.actor)?;
    let told = ListEnded {
        list: id.to_string(),
    };
    let line = AuditEntry {
        grounds: Some(list.grounds.clone()),
        ..told.entry(acting.actor.clone(), Action::HotlistClosed)?
    };
    acting.act(main, &line, |main| {
        Ok::<_, DeskError>(list::close(main, id, acting.now)?)
    })?;
    keys.destroy_after_closing(main);
    Ok(())
}

/// Closes the lists whose validity is over.
///
/// # Errors
/// [`DeskError`].
pub fn close_past(
    main: &mut Connection,
    keys: &ListKeys,
    acting: &Acting<'_>,
) -> Result<Vec<ListId>, DeskError> {
    let past = list::all(main)?.into_iter();
    let past = past.filter(|list| list.closed_at.is_none() && list.valid_to <= acting.now);
    let mut closed = Vec::new();
    for list in past {
        close(main, keys, &list.id, acting)?;
        closed.push(list.id);
    }
    Ok(closed)
}

/// A list that is open, and of which an actor may know.
pub(super) fn open(main: &Connection, id: &ListId, actor: &Actor) -> Result<Hotlist, DeskError> {
    let found = list::find(main, id)?;
    let found = found.filter(|list| list.closed_at.is_none() && list.is_named_to(actor));
    Ok(found.ok_or_else(|| ListError::Unknown(id.clone()))?)
}
