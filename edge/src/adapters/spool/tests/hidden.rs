//! Nothing in the clear on the disk, of this version or of earlier ones.

use rusqlite::params;
use varco_proto::record::ChainHead;

use super::*;

/// The tables as format 2 had them.
const FORMAT_2: &str = "
CREATE TABLE chain (one INTEGER PRIMARY KEY CHECK (one = 1), edge TEXT NOT NULL,
    public_key BLOB NOT NULL, sequence INTEGER NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TABLE waiting (sequence INTEGER PRIMARY KEY, digest BLOB NOT NULL,
    envelope_digest BLOB NOT NULL, envelope BLOB NOT NULL,
    sealed_at_unix_us INTEGER NOT NULL) STRICT;
CREATE INDEX waiting_envelope_digest ON waiting (envelope_digest);
CREATE TABLE refused (sequence INTEGER PRIMARY KEY, digest BLOB NOT NULL, envelope BLOB NOT NULL,
    sealed_at_unix_us INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    refused_at_unix_us INTEGER NOT NULL) STRICT;
ALTER TABLE waiting ADD COLUMN tamper INTEGER NOT NULL DEFAULT 0;
CREATE INDEX waiting_tamper ON waiting (sequence) WHERE tamper = 1;
ALTER TABLE chain ADD COLUMN suspended_by INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 2;";

/// Whether a text lies in any file of the folder, the log included.
fn is_told(folder: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|part| part == text)
    })
}

const PLATE: &[u8] = b"AB123CD";

/// A spool of format 2: five transits, of which one was refused and one has gone, and an alarm.
fn write_format_2(folder: &Path, key: &SealingKey) -> ChainHead {
    let db = Connection::open(folder.join("spool.sqlite")).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.execute_batch(FORMAT_2).unwrap();
    let mut head = ChainHead::START;
    for number in 1..=6 {
        let body = if number == 6 {
            alarm(true)
        } else {
            body(number)
        };
        let (next, sealed) = head.seal_next(&edge(), body, NOW, key);
        head = next;
        let digest = Digest::of(&sealed.envelope);
        db.execute(
            "INSERT INTO waiting VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                i64::from(number),
                sealed.digest.as_bytes(),
                digest.as_bytes(),
                sealed.envelope,
                NOW.unix_us(),
                number == 6,
            ],
        )
        .unwrap();
    }
    db.execute_batch(
        "INSERT INTO refused SELECT sequence, digest, envelope, sealed_at_unix_us, 'too-old', '', 1
             FROM waiting WHERE sequence = 2;
         DELETE FROM waiting WHERE sequence IN (2, 4);",
    )
    .unwrap();
    db.execute(
        "INSERT INTO chain VALUES (1, ?1, ?2, 6, ?3, 6)",
        params![
            edge().as_str(),
            key.opening_key().as_bytes(),
            head.digest.as_bytes()
        ],
    )
    .unwrap();
    head
}

#[test]
fn c66_part_no_plate_lies_in_the_clear_in_any_file_of_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let mut spool = spool(folder.path(), &key);
    for number in 1..=5 {
        spool.seal(body(number), NOW).unwrap();
    }
    let two = record(&spool, 2, &key).digest();
    spool
        .take_refusal(&refusal(&hub, 2, two, RefusalReason::TooOld))
        .unwrap();
    let envelope = spool.envelope(1).unwrap().unwrap();
    assert!(
        envelope.windows(7).any(|part| part == PLATE),
        "the search would find it"
    );
    assert!(!is_told(folder.path(), PLATE));
    drop(spool);
    assert!(!is_told(folder.path(), PLATE));
}

#[test]
fn c66_part_a_clear_spool_of_the_version_before_is_encrypted_and_its_clear_text_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let head = write_format_2(folder.path(), &key);
    assert!(
        is_told(folder.path(), PLATE),
        "the search finds what is there"
    );
    let mut spool = spool(folder.path(), &key);
    assert!(
        !is_told(folder.path(), PLATE),
        "not even in the log or in free pages"
    );
    assert_eq!(spool.head().unwrap(), head);
    let depth = spool.depth().unwrap();
    assert_eq!((depth.waiting, depth.refused), (4, 1));
    assert_eq!(depth.suspended_by, 6);
    assert_eq!(record(&spool, 3, &key).value().body, body(3));
    assert_eq!(record(&spool, 6, &key).value().body, alarm(true));
    assert_eq!(spool.due(9).unwrap(), [6]);
    assert_eq!(spool.seal(body(7), NOW).unwrap(), 7);
    assert_eq!(record(&spool, 7, &key).value().previous, head.digest);
    assert_eq!(spool.usage, Usage::of(&spool.db).unwrap());
}

#[test]
fn c66_part_an_encryption_that_was_cut_before_its_cleaning_is_cleaned_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    write_format_2(folder.path(), &key);
    let path = folder.path().join("spool.sqlite");
    let mut db = Connection::open(&path).unwrap();
    forward::encrypt(&mut db, &owner(&key), 2, &path).unwrap();
    drop(db);
    let is_clean = |db: &Connection| -> i64 {
        db.query_row("SELECT clean FROM chain", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(is_clean(&Connection::open(&path).unwrap()), 0);
    let spool = spool(folder.path(), &key);
    assert_eq!(is_clean(&spool.db), 1);
    assert!(!is_told(folder.path(), PLATE));
}

#[test]
fn c66_part_another_box_key_is_refused_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let mut first = spool(folder.path(), &key);
    first.seal(body(1), NOW).unwrap();
    drop(first);
    let before = std::fs::read(folder.path().join("spool.sqlite")).unwrap();
    let wrong = Owner {
        cipher: BoxKey::from_bytes([8; 32]).cipher(Purpose::Spool),
        ..owner(&key)
    };
    let error = Spool::open(folder.path(), wrong, NOW).unwrap_err();
    assert!(matches!(error, SpoolError::BoxKey { .. }), "{error}");
    assert!(error.to_string().contains("restore the key"), "{error}");
    assert_eq!(
        std::fs::read(folder.path().join("spool.sqlite")).unwrap(),
        before
    );
    let spool = spool(folder.path(), &key);
    assert_eq!(record(&spool, 1, &key).value().body, body(1));
}

#[test]
fn c66_part_a_spool_of_the_format_before_is_not_changed_by_another_box_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let mut first = spool(folder.path(), &key);
    first.seal(body(1), NOW).unwrap();
    first
        .db
        .execute_batch("DROP TABLE taken; DROP TABLE clocks; PRAGMA user_version = 3;")
        .unwrap();
    drop(first);
    let version = || -> i64 {
        let db = Connection::open(folder.path().join("spool.sqlite")).unwrap();
        db.query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap()
    };
    let wrong = Owner {
        cipher: BoxKey::from_bytes([8; 32]).cipher(Purpose::Spool),
        ..owner(&key)
    };
    let error = Spool::open(folder.path(), wrong, NOW).unwrap_err();
    assert!(matches!(error, SpoolError::BoxKey { .. }), "{error}");
    assert_eq!(version(), schema::ENCRYPTED);
    let spool = spool(folder.path(), &key);
    assert_eq!(version(), schema::VERSION);
    assert_eq!(record(&spool, 1, &key).value().body, body(1));
}

#[test]
fn c66_part_rows_that_are_swapped_do_not_open_and_do_not_hold_up_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let mut spool = spool(folder.path(), &key);
    for number in 1..=3 {
        spool.seal(body(number), NOW).unwrap();
    }
    spool
        .db
        .execute_batch(
            "UPDATE waiting SET envelope = (SELECT envelope FROM waiting WHERE sequence = 1)
             WHERE sequence = 2",
        )
        .unwrap();
    let error = spool.envelope(2).unwrap_err();
    assert!(
        matches!(error, SpoolError::Damaged { sequence: 2 }),
        "{error}"
    );
    spool.give_up(2, NOW).unwrap();
    assert_eq!(spool.due(9).unwrap(), [1, 3, 4]);
    let RecordBody::Drops(report) = record(&spool, 4, &key).value().body.clone() else {
        panic!("no report");
    };
    assert_eq!((report.reason, report.count), (DropReason::Damage, 1));
}
