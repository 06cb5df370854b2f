//! What a witness does with a checkpoint that it is sent. This module owns the witness's own database: the tables
//! `seen`, `cosigned` and `evidence`.
//!
//! For each log it knows the last size and root that it cosigned. It cosigns what continues that, and commits the
//! new size before it answers; two requests at once come one after the other.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use varco_proto::time::UtcTime;

use crate::store::sql::{Connection, OptionalExtension as _, TransactionBehavior, params};
use crate::store::{self, Doing as _, StoreError, number};
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::note::{NOTE_BYTES_MAX, Note, NoteKey, NoteSigner};
use crate::tlog::tree::{PROOF_HASHES_MAX, TreeHash, TreeHead, check_consistency};

/// Largest request, in bytes.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 8 * 1024;
/// Most requests that are kept because they show a fork.
const EVIDENCE_MAX: i64 = 1000;
const HOUR_US: i64 = 3_600_000_000;
const MICROSECONDS: i64 = 1_000_000;

const SCHEMA: &str = "
    CREATE TABLE seen (
        origin TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        root BLOB NOT NULL CHECK (length(root) = 32),
        at_us INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER seen_never_shrinks BEFORE UPDATE ON seen WHEN NEW.size < OLD.size
        BEGIN SELECT raise(ABORT, 'a witness never goes back'); END;
    CREATE TRIGGER seen_is_never_deleted BEFORE DELETE ON seen
        BEGIN SELECT raise(ABORT, 'a witness never forgets'); END;
    CREATE TABLE cosigned (
        origin TEXT NOT NULL,
        hour INTEGER NOT NULL,
        size INTEGER NOT NULL,
        note TEXT NOT NULL,
        PRIMARY KEY (origin, hour)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE evidence (
        id INTEGER PRIMARY KEY,
        at_us INTEGER NOT NULL,
        status INTEGER NOT NULL,
        request TEXT NOT NULL
    ) STRICT;";

/// What a witness answers. The numbers are those of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WitnessAnswer {
    /// 200: its cosignature, a line of a note.
    Cosigned(String),
    /// 400: it is no such request.
    Malformed,
    /// 403: the log did not sign it.
    NotSigned,
    /// 404: it knows no such log.
    UnknownLog,
    /// 409: it has cosigned so many lines; or another tree of the same size.
    Conflict(u64),
    /// 422: the tree does not continue the one that it cosigned.
    NotConsistent,
}

/// What a witness found of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// What it answers.
    pub answer: WitnessAnswer,
    /// That the request shows a fork: it is kept as evidence.
    pub fork: Option<ShownFork>,
}

/// A log that does not continue what a witness cosigned of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownFork {
    /// The log's name.
    pub log: String,
    /// How many lines the witness had cosigned.
    pub cosigned: u64,
    /// How many lines the checkpoint is of that does not continue them.
    pub shown: u64,
}

/// A witness.
#[derive(Debug)]
pub struct Witness {
    main: Mutex<Connection>,
    signer: NoteSigner,
    logs: Vec<NoteKey>,
}

/// A request that can be read.
struct Request {
    old: u64,
    proof: Vec<TreeHash>,
    note: Note,
    checkpoint: Checkpoint,
}

impl Request {
    fn parse(body: &str) -> Option<Self> {
        let (head, note) = body.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = lines.next()?.strip_prefix("old ")?;
        let size: u64 = old.parse().ok()?;
        let proof: Option<Vec<TreeHash>> = lines.map(|line| line.parse().ok()).collect();
        let proof = proof.filter(|proof| proof.len() <= PROOF_HASHES_MAX)?;
        let note = Note::parse(note).ok()?;
        let checkpoint = Checkpoint::of(&note).ok()?;
        let is_written_once = size.to_string() == old;
        is_written_once.then_some(Self {
            old: size,
            proof,
            note,
            checkpoint,
        })
    }
}

/// The size that a request for a cosignature names, when it can be read; for the crate `fuzz`.
#[cfg(feature = "fuzzing")]
#[must_use]
pub fn request_of(body: &str) -> Option<u64> {
    Request::parse(body).map(|request| request.old)
}

/// Makes the database of a new witness.
///
/// # Errors
/// [`StoreError`].
pub(super) fn make_database(path: &Path) -> Result<(), StoreError> {
    let mut main = store::open(path)?;
    store::migrate(&mut main, &[SCHEMA])
}

impl Witness {
    /// Opens a witness that was made.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn open(
        path: &Path,
        signer: NoteSigner,
        logs: Vec<NoteKey>,
    ) -> Result<Self, StoreError> {
        let main = store::open(path)?;
        if store::version(&main)? == 0 {
            // An empty file has forgotten as much as none.
            return Err(StoreError::Damaged {
                what: "memory of the witness",
            });
        }
        let mut main = main;
        store::migrate(&mut main, &[SCHEMA])?;
        Ok(Self {
            main: Mutex::new(main),
            signer,
            logs,
        })
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> &NoteKey {
        self.signer.public()
    }

    /// Answers a request by its body, at a moment.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing was cosigned.
    pub fn answer(&self, body: &str, now: UtcTime) -> Result<WitnessAnswer, StoreError> {
        Ok(self.witness(body, now)?.answer)
    }

    /// The same, with the fork that the request shows.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing was cosigned.
    pub fn witness(&self, body: &str, now: UtcTime) -> Result<Witnessed, StoreError> {
        let plain = |answer| Witnessed { answer, fork: None };
        let Some(request) = Request::parse(body) else {
            return Ok(plain(WitnessAnswer::Malformed));
        };
        let origin = &request.checkpoint.origin;
        let Some(log) = self.logs.iter().find(|log| log.name() == origin) else {
            return Ok(plain(WitnessAnswer::UnknownLog));
        };
        if !matches!(request.note.signed_by(log), Ok(Some(_))) {
            return Ok(plain(WitnessAnswer::NotSigned));
        }
        if request.old > request.checkpoint.head.size {
            return Ok(plain(WitnessAnswer::Malformed));
        }
        let mut main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin to witness")?;
        let (answer, status) = self.judge(&transaction, &request, now)?;
        let mut is_new = false;
        if let Some(status) = status {
            is_new = keep_evidence(&transaction, status, body, now)?;
        }
        // On the disk before it is answered: `store::open` writes through.
        transaction.commit().doing("commit what was witnessed")?;
        let fork = is_new.then(|| ShownFork {
            log: request.checkpoint.origin.clone(),
            cosigned: request.old,
            shown: request.checkpoint.head.size,
        });
        Ok(Witnessed { answer, fork })
    }

    /// The answer; and the status of one that shows a fork.
    fn judge(
        &self,
        main: &Connection,
        request: &Request,
        now: UtcTime,
    ) -> Result<(WitnessAnswer, Option<u16>), StoreError> {
        let Checkpoint { origin, head } = &request.checkpoint;
        let last = seen(main, origin)?;
        if request.old != last.size {
            return Ok((WitnessAnswer::Conflict(last.size), None));
        }
        if request.old == head.size && head.root != last.root {
            return Ok((WitnessAnswer::Conflict(last.size), Some(409)));
        }
        if check_consistency(&request.proof, &last, head).is_err() {
            // From nothing every tree goes on: the proof was not written as it should be.
            let status = (last.size > 0).then_some(422);
            return Ok((WitnessAnswer::NotConsistent, status));
        }
        let at_s = number::unsigned(now.unix_us().div_euclid(MICROSECONDS), "clock")?;
        let own = self.signer.sign(&request.note.text, at_s);
        let mut note = request.note.clone();
        // Only what it has checked: the log's and its own.
        let log = self.logs.iter().find(|log| log.name() == *origin);
        note.signatures.retain(|signature| {
            let one = Note {
                text: note.text.clone(),
                signatures: vec![signature.clone()],
            };
            log.is_some_and(|log| matches!(one.signed_by(log), Ok(Some(_))))
        });
        note.signatures.push(own.clone());
        keep(main, &request.checkpoint, &note, now)?;
        Ok((WitnessAnswer::Cosigned(own.to_string()), None))
    }

    /// What it has cosigned, of each hour the last; of one log or of all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cosigned(&self, origin: Option<&str>) -> Result<Vec<String>, StoreError> {
        const READING: &str = "read what was witnessed";
        let main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = main
            .prepare(
                "SELECT note FROM cosigned WHERE ?1 IS NULL OR origin = ?1
                 ORDER BY origin, size, hour",
            )
            .doing(READING)?;
        let notes = statement
            .query_map([origin], |row| row.get(0))
            .doing(READING)?;
        let notes: Result<Vec<String>, _> = notes.collect();
        notes.doing(READING)
    }

    /// The requests that showed a fork, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn evidence(&self) -> Result<Vec<String>, StoreError> {
        const READING: &str = "read the evidence";
        let main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = main
            .prepare("SELECT request FROM evidence ORDER BY id DESC")
            .doing(READING)?;
        let all = statement.query_map([], |row| row.get(0)).doing(READING)?;
        let all: Result<Vec<String>, _> = all.collect();
        all.doing(READING)
    }
}

/// What it has cosigned of a log last; an empty tree when nothing.
fn seen(main: &Connection, origin: &str) -> Result<TreeHead, StoreError> {
    const WHAT: &str = "memory of the witness";
    let row = main
        .query_row(
            "SELECT size, root FROM seen WHERE origin = ?",
            [origin],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)),
        )
        .optional()
        .doing("read what was witnessed")?;
    let Some((size, root)) = row else {
        return Ok(TreeHead {
            size: 0,
            root: TreeHash::EMPTY,
        });
    };
    Ok(TreeHead {
        size: number::unsigned(size, WHAT)?,
        root: TreeHash::from_bytes(&root).map_err(|_| StoreError::Damaged { what: WHAT })?,
    })
}

fn keep(
    main: &Connection,
    checkpoint: &Checkpoint,
    note: &Note,
    now: UtcTime,
) -> Result<(), StoreError> {
    const KEEPING: &str = "keep what was witnessed";
    let Checkpoint { origin, head } = checkpoint;
    let size = number::signed(head.size, "checkpoint")?;
    main.execute(
        "INSERT INTO seen VALUES (?, ?, ?, ?)
         ON CONFLICT (origin) DO UPDATE SET
            size = excluded.size, root = excluded.root, at_us = excluded.at_us",
        params![origin, size, head.root.0, now.unix_us()],
    )
    .doing(KEEPING)?;
    let hour = now.unix_us().div_euclid(HOUR_US);
    main.execute(
        "INSERT INTO cosigned VALUES (?, ?, ?, ?)
         ON CONFLICT (origin, hour) DO UPDATE SET size = excluded.size, note = excluded.note",
        params![origin, hour, size, note.to_string()],
    )
    .doing(KEEPING)?;
    Ok(())
}

/// Whether it was kept: the first ones are, and a flood of later ones does not wash them away.
fn keep_evidence(
    main: &Connection,
    status: u16,
    request: &str,
    now: UtcTime,
) -> Result<bool, StoreError> {
    const KEEPING: &str = "keep the evidence of a fork";
    let kept = main.execute(
        "INSERT INTO evidence (at_us, status, request)
         SELECT ?, ?, ? WHERE (SELECT count(*) FROM evidence) < ?",
        params![now.unix_us(), status, request, EVIDENCE_MAX],
    );
    Ok(kept.doing(KEEPING)? > 0)
}
