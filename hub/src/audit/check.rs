//! Recomputing the audit's chain.

use serde::Serialize;
use varco_proto::envelope::pre_authentication_encoding;
use varco_proto::ids::Digest;
use varco_proto::keys::{OpeningKey, SealingKey};
use varco_proto::time::UtcTime;

use crate::audit::ending::Endings;
use crate::audit::head::{self, HeadRow};
use crate::audit::log::{self, LogError, StoredTree};
use crate::audit::{AuditLine, LINE_TYPE};
use crate::store::sql::{Connection, Row};
use crate::store::{Doing as _, StoreError};
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::note::Note;
use crate::tlog::tree::Frontier;

const DOING: &str = "read the audit";

/// Something wrong with the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenLine {
    /// Which line.
    pub sequence: i64,
    /// What is wrong with it.
    pub what: String,
}

/// Recomputes the whole chain. Gives the number of lines and every broken one.
///
/// # Errors
/// [`StoreError`] when the table cannot be read at all.
pub fn verify(
    connection: &Connection,
    key: &OpeningKey,
) -> Result<(u64, Vec<BrokenLine>), StoreError> {
    verify_each(connection, key, |_| Ok(()))
}

/// The same; each line that the hub signed is handed to `each` in its order, which says what is wrong
/// with what it tells.
///
/// # Errors
/// [`StoreError`] when the table cannot be read at all.
pub fn verify_each(
    connection: &Connection,
    key: &OpeningKey,
    mut each: impl FnMut(&AuditLine) -> Result<(), &'static str>,
) -> Result<(u64, Vec<BrokenLine>), StoreError> {
    let mut statement = connection
        .prepare(
            "SELECT sequence, at_us, actor, action, line, digest, signature FROM audit
             ORDER BY sequence",
        )
        .doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let (mut broken, mut lines) = (Vec::new(), 0_u64);
    let mut endings = Endings::default();
    let mut before = LineBefore {
        sequence: 0,
        digest: Digest::ZERO.as_bytes().to_vec(),
    };
    while let Some(row) = rows.next().doing(DOING)? {
        let sequence: i64 = row.get(0).doing(DOING)?;
        let digest: Vec<u8> = row.get(5).doing(DOING)?;
        let of_line = |what: &str| BrokenLine {
            sequence,
            what: what.to_owned(),
        };
        let faults = if row.get::<_, String>(4).doing(DOING)?.is_empty() {
            let at = UtcTime::from_unix_us(row.get(1).doing(DOING)?);
            endings.ended(sequence, at);
            sequence_fault(sequence, &before).into_iter().collect()
        } else {
            line_faults(row, key, &before, &mut |line| {
                endings.take(line)?;
                each(line)
            })?
        };
        broken.extend(faults.into_iter().map(of_line));
        before = LineBefore { sequence, digest };
        lines += 1;
    }
    broken.extend(endings.untold().map(|sequence| BrokenLine {
        sequence,
        what: "its text is gone, and no line tells that its term was over".to_owned(),
    }));
    if lines == 0 {
        broken.push(BrokenLine {
            sequence: 0,
            what: "there is no line, and the making of a home leaves the first".to_owned(),
        });
    }
    let head = head::read(connection)?;
    broken.extend(head_fault(&head, &before, key).map(|what| BrokenLine {
        sequence: i64::try_from(head.sequence).unwrap_or(before.sequence), // It came from such a column.
        what: what.to_owned(),
    }));
    Ok((lines, broken))
}

/// The line before the one that is checked; none before the first.
struct LineBefore {
    sequence: i64,
    digest: Vec<u8>,
}

fn sequence_fault(sequence: i64, before: &LineBefore) -> Option<&'static str> {
    (Some(sequence) != before.sequence.checked_add(1)).then_some("lines before it are missing")
}

/// Holds the tree against the lines, and the checkpoints that witnesses cosigned against the tree.
///
/// # Errors
/// [`LogError`] when it cannot be read at all.
pub fn verify_tree(main: &Connection, key: &SealingKey) -> Result<Vec<BrokenLine>, LogError> {
    verify_tree_with(main, key, &[])
}

/// The same, also with checkpoints that somebody brought.
///
/// # Errors
/// [`LogError`] when it cannot be read at all.
pub fn verify_tree_with(
    main: &Connection,
    key: &SealingKey,
    brought: &[Note],
) -> Result<Vec<BrokenLine>, LogError> {
    let (stored, mut broken) = (StoredTree::of(main), Vec::new());
    let fault = |sequence: u64, what: String| {
        let damaged = |_| StoreError::Damaged { what: "audit line" };
        let sequence = i64::try_from(sequence).map_err(damaged)?;
        Ok::<_, StoreError>(BrokenLine { sequence, what })
    };
    let mut known = Vec::new();
    let public = log::public_key(key)?;
    let kept = log::cosigned(main)?;
    for note in kept.iter().chain(brought) {
        let said = Checkpoint::of(note)?;
        let size = said.head.size;
        if !matches!(note.signed_by(&public), Ok(Some(_))) || said.origin != public.name() {
            let what = format!("the log did not sign the checkpoint of {size} lines");
            broken.push(fault(size, what)?);
        }
        known.push(said.head);
    }
    known.sort_by_key(|head| head.size);
    let mut tree = Frontier::default();
    let mut heads = known.iter().peekable();
    let mut forked = false;
    log::each_remains(main, 1, log::size(main)?, |line| {
        let leaf = line.leaf();
        if stored.leaf(line.sequence)? != Some(leaf) {
            let what = "it is not the line whose hash is in the tree".to_owned();
            broken.push(fault(line.sequence, what)?);
        }
        tree.push(leaf);
        while let Some(head) = heads.next_if(|head| head.size <= tree.size()) {
            // What follows a fork differs because of it.
            if !forked && (head.size != tree.size() || head.root != tree.root()) {
                forked = true;
                let size = head.size;
                let what = format!("the lines up to {size} are not those that witnesses cosigned");
                broken.push(fault(size, what)?);
            }
        }
        Ok(())
    })?;
    for head in heads {
        let (was, is) = (head.size, tree.size());
        let what = format!("there are {is} lines, and witnesses cosigned {was}: lines were cut");
        broken.push(fault(is, what)?);
    }
    if !forked && broken.is_empty() && stored.root(tree.size())? != tree.root() {
        let what = "the hashes of the tree are not those of the lines".to_owned();
        broken.push(fault(tree.size(), what)?);
    }
    Ok(broken)
}

/// What is wrong with one line.
fn line_faults(
    row: &Row<'_>,
    key: &OpeningKey,
    before: &LineBefore,
    each: &mut impl FnMut(&AuditLine) -> Result<(), &'static str>,
) -> Result<Vec<&'static str>, StoreError> {
    let mut faults = Vec::new();
    let sequence: i64 = row.get(0).doing(DOING)?;
    let text: String = row.get(4).doing(DOING)?;
    let digest: Vec<u8> = row.get(5).doing(DOING)?;
    let signature: Vec<u8> = row.get(6).doing(DOING)?;
    let signed = pre_authentication_encoding(LINE_TYPE, text.as_bytes());
    if Digest::of(&signed).as_bytes()[..] != digest[..] {
        faults.push("its digest is not that of its text");
    }
    let is_signed = key.verifies(&signed, &signature);
    if !is_signed {
        faults.push("the hub's signature does not hold");
    }
    faults.extend(sequence_fault(sequence, before));
    let Ok(line) = serde_json::from_str::<AuditLine>(&text) else {
        faults.push("its text is no audit line");
        return Ok(faults);
    };
    if line.previous != hex::encode(&before.digest) {
        faults.push("it does not follow the line before");
    }
    let columns = (
        row.get::<_, i64>(1).doing(DOING)?,
        row.get::<_, String>(2).doing(DOING)?,
        row.get::<_, String>(3).doing(DOING)?,
    );
    if is_signed && let Err(what) = each(&line) {
        faults.push(what);
    }
    let name = line.action.name();
    let name = name.map_err(|_| StoreError::Damaged { what: "audit line" })?;
    let told = (line.at.unix_us(), line.actor, name);
    if i64::try_from(line.sequence) != Ok(sequence) || columns != told {
        faults.push("its columns are not those of its signed text");
    }
    Ok(faults)
}

/// What is wrong with the head.
fn head_fault(head: &HeadRow, last: &LineBefore, key: &OpeningKey) -> Option<&'static str> {
    if i64::try_from(head.sequence) != Ok(last.sequence) || head.digest != hex::encode(&last.digest)
    {
        return Some("the chain's head is another line: lines at the end are missing");
    }
    let signed = head.signed.as_ref()?;
    (!signed.holds(key)).then_some(
        "the hub did not sign it as the last line: the head was set back, or lines at the end are \
         missing",
    )
}

#[cfg(test)]
mod tests {
    use crate::audit::action::{Action, ActionRead};
    use crate::audit::actor::Actor;
    use crate::audit::check::*;
    use crate::audit::{AuditEntry, append};
    use crate::store;

    #[test]
    fn a_line_of_a_later_version_holds_in_the_chain_and_is_handed_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut main = store::open(&folder.path().join("main")).unwrap();
        store::migrate(
            &mut main,
            &[super::super::SCHEMA, head::SCHEMA_HEAD, log::SCHEMA_LOG],
        )
        .unwrap();
        let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        let entry = AuditEntry::plain(Actor::hub(), Action::Lookup, serde_json::json!({}));
        append(&main, &entry, now, &key).unwrap();
        // What a later version would have written in its place.
        let text: String = main
            .query_row("SELECT line FROM audit", [], |row| row.get(0))
            .unwrap();
        let text = text.replace("\"lookup\"", "\"looked-ahead\"");
        let signed = pre_authentication_encoding(LINE_TYPE, text.as_bytes());
        let digest = Digest::of(&signed);
        let signed_head = head::AuditHead {
            sequence: 1,
            digest: digest.to_string(),
            at: now,
        };
        main.execute_batch("DROP TRIGGER audit_is_never_changed")
            .unwrap();
        let sql = "UPDATE audit SET action = 'looked-ahead', line = ?, digest = ?, signature = ?";
        let row = (text, digest.as_bytes().to_vec(), key.sign(&signed).to_vec());
        main.execute(sql, row).unwrap();
        head::write(&main, &signed_head.sign(&key).unwrap()).unwrap();
        let mut read = Vec::new();
        let (lines, broken) = verify_each(&main, &key.opening_key(), |line| {
            read.push(line.action.clone());
            Ok(())
        })
        .unwrap();
        assert_eq!((lines, broken), (1, Vec::new()));
        assert_eq!(read, [ActionRead::Later("looked-ahead".to_owned())]);
    }
}
