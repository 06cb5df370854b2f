//! The audit as a transparency log: a Merkle tree over the lines, of which a checkpoint says size and root.
//! This module owns the tables `audit_tree` and `audit_cosigned`.
//!
//! What a leaf has of a line reveals nothing of it ([`entry`]), so that whoever is shown one line, with its
//! proof, learns nothing of those beside it.

use std::cell::RefCell;

use varco_proto::envelope::pre_authentication_encoding;
use varco_proto::ids::Digest;
use varco_proto::keys::{KeyError, OpeningKey, SealingKey};
use varco_proto::time::UtcTime;

use thiserror::Error;

use crate::store::sql::{Connection, OptionalExtension as _, TransactionBehavior, params};
use crate::store::{Doing as _, StoreError, number};
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::note::{Note, NoteError, NoteKey, NoteKind, NoteSigner};
use crate::tlog::tree::{self, TreeError, TreeHash, TreeHead, TreeStore};

/// The hashes of the tree, and the checkpoints that witnesses cosigned: of each hour the last.
pub const SCHEMA_LOG: &str = "
    CREATE TABLE audit_tree (
        place INTEGER PRIMARY KEY CHECK (place >= 0),
        hash BLOB NOT NULL CHECK (length(hash) = 32)
    ) STRICT;
    CREATE TRIGGER audit_tree_is_never_changed BEFORE UPDATE ON audit_tree
        BEGIN SELECT raise(ABORT, 'hashes of the audit are never changed'); END;
    CREATE TRIGGER audit_tree_is_never_deleted BEFORE DELETE ON audit_tree
        BEGIN SELECT raise(ABORT, 'hashes of the audit are never deleted'); END;
    CREATE TABLE audit_cosigned (
        hour INTEGER PRIMARY KEY,
        size INTEGER NOT NULL,
        note TEXT NOT NULL
    ) STRICT;";

/// What an entry's digest is bound to.
const ENTRY_TYPE: &str = "application/vnd.varco.audit-entry.v1";
/// What the log's key is derived for.
const KEY_PURPOSE: &str = "audit transparency log, checkpoints";
/// What the origin of every hub's log begins with.
const ORIGIN: &str = "varco-hub/";
const HOUR_US: i64 = 3_600_000_000;
const DOING: &str = "write the audit's tree";

/// The log cannot be read or written.
#[derive(Debug, Error)]
pub enum LogError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tree: there is no such line or size, or a hash is missing, which `audit verify` names.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The log's key.
    #[error("cannot derive the log's key")]
    Key(#[from] KeyError),
}

impl From<LogError> for StoreError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Store(error) => error,
            _ => Self::Damaged { what: "audit tree" },
        }
    }
}

/// What of a line stays for good, also when its term is over and its text is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// From 1.
    pub sequence: u64,
    /// When it was written.
    pub at: UtcTime,
    /// SHA-256 of its signed text.
    pub digest: [u8; 32],
    /// The hub's, over its text.
    pub signature: [u8; 64],
}

impl Remains {
    /// What is logged of a line: a digest of what stays of it. The digest of its text alone could be guessed,
    /// as a line has few words that are not known (a plate, a moment); the hub's signature cannot be, by
    /// anybody without its key.
    #[must_use]
    pub fn entry(&self) -> [u8; 32] {
        let mut bytes = self.sequence.to_be_bytes().to_vec();
        bytes.extend(self.at.unix_us().to_be_bytes());
        bytes.extend(self.digest);
        bytes.extend(self.signature);
        *Digest::of(&pre_authentication_encoding(ENTRY_TYPE, &bytes)).as_bytes()
    }

    /// Its leaf.
    #[must_use]
    pub fn leaf(&self) -> TreeHash {
        TreeHash::of_leaf(&self.entry())
    }
}

/// The hashes that are stored.
pub struct StoredTree<'a> {
    main: &'a Connection,
    fault: RefCell<Option<StoreError>>,
}

impl<'a> StoredTree<'a> {
    /// Of a main database.
    #[must_use]
    pub fn of(main: &'a Connection) -> Self {
        Self {
            main,
            fault: RefCell::default(),
        }
    }

    /// What came of reading; the database's own fault before the tree's.
    fn read<T>(&self, read: Result<T, TreeError>) -> Result<T, LogError> {
        match self.fault.take() {
            Some(fault) => Err(fault.into()),
            None => Ok(read?),
        }
    }

    fn stored(&self, place: u64) -> Result<Option<TreeHash>, StoreError> {
        let place = number::signed(place, "audit tree")?;
        let hash: Option<Vec<u8>> = self
            .main
            .prepare_cached("SELECT hash FROM audit_tree WHERE place = ?")
            .and_then(|mut statement| statement.query_row([place], |row| row.get(0)).optional())
            .doing("read the audit's tree")?;
        let damaged = |_| StoreError::Damaged { what: "audit tree" };
        let hash = hash.map(|hash| TreeHash::from_bytes(&hash).map_err(damaged));
        hash.transpose()
    }

    /// The root of the first `size` lines.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn root(&self, size: u64) -> Result<TreeHash, LogError> {
        self.read(tree::root(size, self))
    }

    /// The proof that a line, from 1, is among the first `size`.
    ///
    /// # Errors
    /// [`LogError`]; [`TreeError::Range`] when there is no such line or size.
    pub fn inclusion(&self, line: u64, size: u64) -> Result<Vec<TreeHash>, LogError> {
        let index = line.checked_sub(1).ok_or(TreeError::Range)?;
        self.read(tree::prove_inclusion(index, size, self))
    }

    /// The proof that the first `new` lines begin with the first `old`.
    ///
    /// # Errors
    /// [`LogError`]; [`TreeError::Range`] when there are no such sizes.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<TreeHash>, LogError> {
        self.read(tree::prove_consistency(old, new, self))
    }

    /// The leaf of a line, from 1; none when the tree does not have it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn leaf(&self, line: u64) -> Result<Option<TreeHash>, StoreError> {
        match line.checked_sub(1) {
            Some(index) => self.stored(tree::place(0, index)),
            None => Ok(None),
        }
    }
}

impl TreeStore for StoredTree<'_> {
    fn hash(&self, place: u64) -> Option<TreeHash> {
        self.stored(place).unwrap_or_else(|error| {
            // Told by `read`: the tree's functions know no database.
            *self.fault.borrow_mut() = Some(error);
            None
        })
    }
}

/// Takes a line into the tree, in the transaction that writes it. The lines before it are there.
///
/// # Errors
/// [`LogError`]; the caller rolls back.
pub(super) fn grow(main: &Connection, line: &Remains) -> Result<(), LogError> {
    let stored = StoredTree::of(main);
    let index = line.sequence.checked_sub(1).ok_or(TreeError::Range)?;
    let hashes = stored.read(tree::grown(index, line.leaf(), &stored))?;
    let mut insert = main
        .prepare_cached("INSERT INTO audit_tree (place, hash) VALUES (?, ?)")
        .doing(DOING)?;
    for (place, hash) in (tree::place(0, index)..).zip(hashes) {
        let place = number::signed(place, "audit tree")?;
        let inserted = insert.execute(params![place, hash.0]).doing(DOING);
        // A hash that is there already is of a line that was cut off: no fault of what is written now.
        inserted.map_err(|error| match error.is_of_the_record() {
            true => StoreError::Damaged { what: "audit tree" },
            false => error,
        })?;
    }
    Ok(())
}

/// How many lines there are, and how many of them the tree has.
fn extent(main: &Connection) -> Result<Extent, StoreError> {
    let lines: i64 = main
        .query_row("SELECT sequence FROM audit_head WHERE id = 1", [], |row| {
            row.get(0)
        })
        .optional()
        .doing("read the audit's head")?
        .ok_or(StoreError::Damaged { what: "audit head" })?;
    let lines = number::unsigned(lines, "audit head")?;
    let is_whole = lines == 0 || StoredTree::of(main).leaf(lines)?.is_some();
    Ok(Extent { lines, is_whole })
}

struct Extent {
    lines: u64,
    is_whole: bool,
}

/// Takes lines in that a version without a tree wrote. Gives how many.
///
/// # Errors
/// [`LogError`]; nothing is taken in then.
pub fn take_in(main: &mut Connection) -> Result<u64, LogError> {
    if extent(main)?.is_whole {
        return Ok(0);
    }
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the audit's tree")?;
    // Another may have been faster.
    let taken = take_in_within(&transaction, extent(&transaction)?.lines)?;
    transaction.commit().doing("commit the audit's tree")?;
    Ok(taken)
}

/// The same for the first `lines`, in the caller's transaction, which has the write lock already.
///
/// # Errors
/// [`LogError`]; the caller rolls back.
pub(super) fn take_in_within(main: &Connection, lines: u64) -> Result<u64, LogError> {
    let stored = StoredTree::of(main);
    if lines == 0 || stored.leaf(lines)?.is_some() {
        return Ok(0);
    }
    let mut first = 1;
    while first <= lines && stored.leaf(first)?.is_some() {
        first += 1;
    }
    let mut taken = 0;
    each_remains(main, first, lines, |line| {
        taken += 1;
        grow(main, line)
    })?;
    Ok(taken)
}

/// Hands what stays of each line on, from `first` through `last`, in their order.
///
/// # Errors
/// [`LogError`], also from `each`.
pub fn each_remains(
    main: &Connection,
    first: u64,
    last: u64,
    mut each: impl FnMut(&Remains) -> Result<(), LogError>,
) -> Result<(), LogError> {
    const READING: &str = "read the audit";
    let (first, last) = (
        number::signed(first, "audit line")?,
        number::signed(last, "audit line")?,
    );
    let mut statement = main
        .prepare(
            "SELECT sequence, at_us, digest, signature FROM audit
             WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
        )
        .doing(READING)?;
    let mut rows = statement.query([first, last]).doing(READING)?;
    while let Some(row) = rows.next().doing(READING)? {
        let sequence: i64 = row.get(0).doing(READING)?;
        each(&Remains {
            sequence: number::unsigned(sequence, "audit line")?,
            at: UtcTime::from_unix_us(row.get(1).doing(READING)?),
            digest: row.get(2).doing(READING)?,
            signature: row.get(3).doing(READING)?,
        })?;
    }
    Ok(())
}

/// The name of a hub's log: no other hub's has it.
#[must_use]
pub fn origin(hub: &OpeningKey) -> String {
    format!("{ORIGIN}{}", hex::encode(hub.id()))
}

/// What signs a hub's checkpoints. Its key is derived from the hub's, and signs nothing else.
///
/// # Errors
/// [`LogError::Key`].
pub fn signer(key: &SealingKey) -> Result<NoteSigner, LogError> {
    let derived = key.derived(KEY_PURPOSE)?;
    let origin = origin(&key.opening_key());
    Ok(NoteSigner::new(&origin, NoteKind::Log, derived)?)
}

/// How many lines the tree has now.
///
/// # Errors
/// [`StoreError`].
pub fn size(main: &Connection) -> Result<u64, StoreError> {
    Ok(extent(main)?.lines)
}

/// The checkpoint of the first `size` lines, signed by the log.
///
/// # Errors
/// [`LogError`].
pub fn checkpoint_at(main: &Connection, key: &SealingKey, size: u64) -> Result<Note, LogError> {
    let root = StoredTree::of(main).root(size)?;
    let signer = signer(key)?;
    let text = Checkpoint {
        origin: signer.public().name().to_owned(),
        head: TreeHead { size, root },
    }
    .text();
    let signatures = vec![signer.sign(&text, 0)];
    Ok(Note { text, signatures })
}

/// The checkpoint of all lines.
///
/// # Errors
/// [`LogError`].
pub fn checkpoint(main: &Connection, key: &SealingKey) -> Result<Note, LogError> {
    checkpoint_at(main, key, size(main)?)
}

/// Keeps a checkpoint that witnesses cosigned at a moment.
///
/// # Errors
/// [`LogError`].
pub fn keep_cosigned(main: &Connection, note: &Note, now: UtcTime) -> Result<(), LogError> {
    let size = Checkpoint::of(note)?.head.size;
    let size = number::signed(size, "checkpoint")?;
    main.execute(
        "INSERT INTO audit_cosigned (hour, size, note) VALUES (?, ?, ?)
         ON CONFLICT (hour) DO UPDATE SET size = excluded.size, note = excluded.note
         WHERE excluded.size >= audit_cosigned.size",
        params![now.unix_us().div_euclid(HOUR_US), size, note.to_string()],
    )
    .doing("keep a cosigned checkpoint")?;
    Ok(())
}

/// Every checkpoint that is kept, by its size.
///
/// # Errors
/// [`LogError`].
pub fn cosigned(main: &Connection) -> Result<Vec<Note>, LogError> {
    const READING: &str = "read the cosigned checkpoints";
    let mut statement = main
        .prepare("SELECT note FROM audit_cosigned ORDER BY size, hour")
        .doing(READING)?;
    let notes = statement
        .query_map([], |row| row.get::<_, String>(0))
        .doing(READING)?;
    let mut all = Vec::new();
    for note in notes {
        all.push(Note::parse(&note.doing(READING)?)?);
    }
    Ok(all)
}

/// The newest checkpoint that witnesses cosigned; none before the first.
///
/// # Errors
/// [`LogError`].
pub fn last_cosigned(main: &Connection) -> Result<Option<Note>, LogError> {
    let sql = "SELECT note FROM audit_cosigned ORDER BY size DESC, hour DESC LIMIT 1";
    let note: Option<String> = main
        .query_row(sql, [], |row| row.get(0))
        .optional()
        .doing("read the cosigned checkpoints")?;
    Ok(note.map(|note| Note::parse(&note)).transpose()?)
}

/// The newest checkpoint that witnesses cosigned and that has a line, else one of all lines.
///
/// # Errors
/// [`LogError`].
pub fn checkpoint_with(main: &Connection, key: &SealingKey, line: u64) -> Result<Note, LogError> {
    if let Some(note) = last_cosigned(main)?
        && Checkpoint::of(&note)?.head.size >= line
    {
        return Ok(note);
    }
    checkpoint(main, key)
}

/// The public key of a hub's log.
///
/// # Errors
/// [`LogError`].
pub fn public_key(key: &SealingKey) -> Result<NoteKey, LogError> {
    Ok(signer(key)?.public().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::action::Action;
    use crate::audit::actor::Actor;
    use crate::audit::head::SCHEMA_HEAD;
    use crate::audit::{AuditEntry, SCHEMA, append};
    use crate::store;
    use crate::tlog::tree::Frontier;

    fn database(folder: &std::path::Path) -> Connection {
        let mut main = store::open(&folder.join("main")).unwrap();
        store::migrate(&mut main, &[SCHEMA, SCHEMA_HEAD, SCHEMA_LOG]).unwrap();
        main
    }

    fn key() -> SealingKey {
        SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap()
    }

    fn write(main: &Connection, key: &SealingKey, lines: u64) {
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        for number in 0..lines {
            let entry = AuditEntry::plain(
                Actor::hub(),
                Action::Lookup,
                serde_json::json!({ "number": number }),
            );
            append(main, &entry, now, key).unwrap();
        }
    }

    fn root_of_lines(main: &Connection) -> TreeHash {
        let mut frontier = Frontier::default();
        each_remains(main, 1, 1000, |line| {
            frontier.push(line.leaf());
            Ok(())
        })
        .unwrap();
        frontier.root()
    }

    #[test]
    fn every_line_is_in_the_tree_when_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (main, key) = (database(folder.path()), key());
        write(&main, &key, 67);
        let note = checkpoint(&main, &key).unwrap();
        let said = Checkpoint::of(&note).unwrap();
        assert_eq!(said.head.size, 67);
        assert_eq!(said.head.root, root_of_lines(&main));
        let public = public_key(&key).unwrap();
        assert!(note.signed_by(&public).unwrap().is_some());
        assert_eq!(said.origin, origin(&key.opening_key()));
        let tree = StoredTree::of(&main);
        let line = tree.inclusion(68, 67).unwrap_err();
        assert!(matches!(line, LogError::Tree(TreeError::Range)));
        assert!(tree.inclusion(0, 67).is_err() && tree.inclusion(67, 67).is_ok());
    }

    #[test]
    fn lines_of_an_older_version_are_taken_in_with_the_first_that_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (mut main, key) = (database(folder.path()), key());
        write(&main, &key, 20);
        let before = StoredTree::of(&main).root(20).unwrap();
        main.execute_batch("DROP TRIGGER audit_tree_is_never_deleted; DELETE FROM audit_tree;")
            .unwrap();
        write(&main, &key, 3);
        assert_eq!(StoredTree::of(&main).root(20).unwrap(), before);
        assert_eq!(
            StoredTree::of(&main).root(23).unwrap(),
            root_of_lines(&main)
        );
        assert_eq!(take_in(&mut main).unwrap(), 0);
        main.execute_batch("DELETE FROM audit_tree").unwrap();
        assert_eq!(take_in(&mut main).unwrap(), 23);
        assert_eq!(
            StoredTree::of(&main).root(23).unwrap(),
            root_of_lines(&main)
        );
    }

    #[test]
    fn what_is_logged_of_a_line_cannot_be_computed_from_its_text() {
        let line = Remains {
            sequence: 7,
            at: "2026-11-22T12:00:00Z".parse().unwrap(),
            digest: [1; 32],
            signature: [2; 64],
        };
        let others = [
            Remains {
                sequence: 8,
                ..line.clone()
            },
            Remains {
                at: line.at + std::time::Duration::from_micros(1),
                ..line.clone()
            },
            Remains {
                digest: [3; 32],
                ..line.clone()
            },
            Remains {
                signature: [3; 64],
                ..line.clone()
            },
        ];
        assert!(others.iter().all(|other| other.entry() != line.entry()));
    }
}
