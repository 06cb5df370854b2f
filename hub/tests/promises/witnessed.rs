//! Whoever has the hub's disk and its key, and writes the audit anew after a witness has cosigned it, is named by
//! somebody else, on another machine, with public keys and what the witness has.

use std::path::{Path, PathBuf};

use varco_hub::audit::action::Action;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::export::{self, Exported};
use varco_hub::audit::exported::{FolderCheck, Trusted, Wrong, check};
use varco_hub::audit::log;
use varco_hub::audit::{self, AuditEntry};
use varco_hub::machine::stopwatch::Stopwatch;
use varco_hub::store::sql::Connection;
use varco_hub::store::{self};
use varco_hub::tlog::note::{Note, NoteKey, NoteKind, NoteSigner};
use varco_proto::ids::Digest;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use crate::support::{SECOND, loops};

/// Lines of the honest log.
const LINES: usize = 61;
/// After so many lines a witness cosigned.
const WITNESSED: [usize; 3] = [19, 40, 61];

/// Numbers that a seed gives.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below a bound.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}

pub(crate) fn new_key() -> SealingKey {
    SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap()
}

fn entry(number: u64) -> AuditEntry {
    let plate = format!("AB{:03}CD", number % 1000);
    AuditEntry {
        query: Some(plate),
        ..AuditEntry::plain(
            Actor::at_console("Rossi").unwrap(),
            Action::Lookup,
            serde_json::json!({ "number": number }),
        )
    }
}

/// A log of these entries, each written a second after the one before, with the key of the hub.
pub(crate) fn written(path: &Path, entries: &[AuditEntry], key: &SealingKey) -> Connection {
    let mut main = store::open(path).unwrap();
    let schema = [
        audit::SCHEMA,
        audit::head::SCHEMA_HEAD,
        log::SCHEMA_LOG,
        audit::ending::SCHEMA_ENDED,
    ];
    store::migrate(&mut main, &schema).unwrap();
    let mut now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
    let transaction = main.transaction().unwrap();
    for entry in entries {
        now = now + SECOND;
        audit::append(&transaction, entry, now, key).unwrap();
    }
    transaction.commit().unwrap();
    main
}

pub(crate) fn exported(main: &Connection, key: &SealingKey, folder: &Path) -> Exported {
    export::export(main, key, folder, |_| Ok(true)).unwrap()
}

/// What somebody elsewhere has.
struct Stranger {
    log: NoteKey,
    key: SealingKey,
    witness: NoteKey,
    checkpoints: Vec<Note>,
    earlier: PathBuf,
}

impl Stranger {
    fn trusted(&self, has_earlier: bool) -> Trusted {
        Trusted {
            log: self.log.clone(),
            hub: self.key.opening_key(),
            witnesses: vec![self.witness.clone()],
            checkpoints: self.checkpoints.clone(),
            earlier: has_earlier.then(|| self.earlier.clone()),
            is_part: false,
            each_signature: true,
        }
    }
}

/// The honest log, and the stranger who has its keys, a witness's checkpoints and an earlier export.
fn honest(folder: &Path) -> (Vec<AuditEntry>, Stranger) {
    let entries: Vec<_> = (0..u64::try_from(LINES).unwrap()).map(entry).collect();
    let key = new_key();
    let signer = NoteSigner::new("dpo.example.it", NoteKind::Witness, new_key()).unwrap();
    let main = written(&folder.join("honest"), &entries, &key);
    let checkpoints = WITNESSED.map(|size| {
        let size = u64::try_from(size).unwrap();
        let mut note = log::checkpoint_at(&main, &key, size).unwrap();
        note.signatures.push(signer.sign(&note.text, 1_800_000_000));
        note
    });
    let earlier = folder.join("earlier");
    exported(&main, &key, &earlier);
    let stranger = Stranger {
        log: log::public_key(&key).unwrap(),
        witness: signer.public().clone(),
        checkpoints: checkpoints.to_vec(),
        earlier,
        key,
    };
    (entries, stranger)
}

/// What somebody with disk and key does to the lines. Gives the first line that is another, counted from 1.
fn attack(entries: &mut Vec<AuditEntry>, numbers: &mut Numbers) -> (&'static str, usize) {
    let at = numbers.below(LINES);
    let other = |numbers: &mut Numbers| entry(1_000_000 + numbers.next() % 1_000_000);
    match numbers.below(6) {
        0 => {
            entries[at].query = Some("ZZ999ZZ".to_owned());
            ("a rewritten line", at + 1)
        }
        1 => {
            entries.truncate(at);
            ("a truncation", at + 1)
        }
        2 => {
            entries.truncate(at);
            while entries.len() < LINES + 3 {
                let more = other(numbers);
                entries.push(more);
            }
            ("a fork", at + 1)
        }
        3 => {
            entries.remove(at);
            let more = other(numbers);
            entries.push(more);
            ("a line taken out", at + 1)
        }
        4 => {
            let more = other(numbers);
            entries.insert(at, more);
            ("a line put in", at + 1)
        }
        _ => {
            let next = (at + 1) % LINES;
            entries.swap(at, next);
            ("two lines exchanged", at.min(next) + 1)
        }
    }
}

/// Whether what was found names the attack: the kind, and where it begins.
fn names(found: &FolderCheck, kind: &str, first: usize, exactly: bool) -> bool {
    let wrong = if kind == "a truncation" {
        Wrong::Cut
    } else {
        Wrong::Forked
    };
    let first = u64::try_from(first).unwrap();
    let sizes = WITNESSED.map(|size| u64::try_from(size).unwrap());
    let bracket = sizes.into_iter().rfind(|size| *size < first);
    let last_known = if wrong == Wrong::Cut || exactly {
        first - 1
    } else {
        bracket.unwrap_or(0)
    };
    let mut findings = found.findings.iter();
    findings.any(|one| one.wrong == wrong && one.line == Some(last_known))
}

#[test]
fn c43_part_a_thousand_rewrites_truncations_and_forks_with_disk_and_key_are_all_named_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (entries, stranger) = honest(folder.path());
    let untouched = check(&stranger.earlier, &stranger.trusted(true)).unwrap();
    assert!(untouched.intact, "{untouched:?}");
    assert_eq!(untouched.witnessed, 61);
    let mut numbers = Numbers(0x5eed_0000_0000_0001);
    let mut kinds = std::collections::BTreeMap::new();
    for round in 0..loops(1000) {
        let mut changed = entries.clone();
        let (kind, first) = attack(&mut changed, &mut numbers);
        let place = folder.path().join(format!("attack-{round}"));
        std::fs::create_dir(&place).unwrap();
        // Chain, tree, head and checkpoint are computed and signed anew, with the hub's own keys.
        let main = written(&place.join("main"), &changed, &stranger.key);
        let out = place.join("out");
        exported(&main, &stranger.key, &out);
        drop(main);
        for exactly in [false, true] {
            let found = check(&out, &stranger.trusted(exactly)).unwrap();
            assert!(!found.intact, "{round}: {kind} at {first}");
            let is_named = names(&found, kind, first, exactly);
            assert!(is_named, "{round}: {kind} at {first}: {:?}", found.findings);
        }
        *kinds.entry(kind).or_insert(0) += 1;
        std::fs::remove_dir_all(&place).unwrap();
    }
    assert_eq!(kinds.len(), 6, "{kinds:?}");
}

fn lines_of(folder: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join(export::LINES_FILE)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn put_lines(folder: &Path, lines: &[serde_json::Value]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.join(export::LINES_FILE), text).unwrap();
}

/// What is done to an exported folder without the hub's key, and what is said of it.
type Tampering = fn(&Path);
const TAMPERED: &[(&str, Tampering, Wrong, Option<u64>)] = &[
    (
        "a text",
        |folder| {
            let mut lines = lines_of(folder);
            let text = lines[6]["line"].as_str().unwrap().replace("Rossi", "Verdi");
            lines[6]["line"] = text.into();
            put_lines(folder, &lines);
        },
        Wrong::Rewritten,
        Some(7),
    ),
    (
        "a text with its digest",
        |folder| {
            let mut lines = lines_of(folder);
            let text = lines[6]["line"].as_str().unwrap().replace("Rossi", "Verdi");
            lines[6]["digest"] = hex(&audit::digest_of(&text)).into();
            lines[6]["line"] = text.into();
            put_lines(folder, &lines);
        },
        Wrong::Rewritten,
        Some(7),
    ),
    (
        "a text that is gone",
        |folder| {
            let mut lines = lines_of(folder);
            lines[6]["line"] = serde_json::Value::Null;
            put_lines(folder, &lines);
        },
        Wrong::Rewritten,
        Some(7),
    ),
    (
        "a signature",
        |folder| {
            let mut lines = lines_of(folder);
            lines[6]["signature"] = lines[7]["signature"].clone();
            put_lines(folder, &lines);
        },
        Wrong::BadSignature,
        Some(7),
    ),
    (
        "a time",
        |folder| {
            let mut lines = lines_of(folder);
            lines[6]["at"] = "2026-11-22T13:00:00Z".into();
            put_lines(folder, &lines);
        },
        Wrong::Rewritten,
        Some(7),
    ),
    (
        "lines at the end",
        |folder| put_lines(folder, &lines_of(folder)[..50]),
        Wrong::Cut,
        Some(50),
    ),
    (
        "a line in the middle",
        |folder| {
            let mut lines = lines_of(folder);
            lines.remove(30);
            put_lines(folder, &lines);
        },
        Wrong::Damaged,
        Some(31),
    ),
    (
        "a row that is none",
        |folder| {
            let text = std::fs::read_to_string(folder.join(export::LINES_FILE)).unwrap();
            let text = text.replacen("{\"sequence\":9,", "{\"sequence\":nine,", 1);
            std::fs::write(folder.join(export::LINES_FILE), text).unwrap();
        },
        Wrong::Damaged,
        Some(9),
    ),
    (
        "a tile",
        |folder| {
            let tile = folder.join("tile/0/000.p/61");
            let mut bytes = std::fs::read(&tile).unwrap();
            bytes[6 * 32] ^= 1;
            std::fs::write(tile, bytes).unwrap();
        },
        Wrong::Rewritten,
        Some(7),
    ),
    (
        "a tile that is gone",
        |folder| std::fs::remove_file(folder.join("tile/0/000.p/61")).unwrap(),
        Wrong::Damaged,
        Some(1),
    ),
    (
        "a bundle",
        |folder| {
            let bundle = folder.join("tile/entries/000.p/61");
            let mut bytes = std::fs::read(&bundle).unwrap();
            bytes[70] ^= 1;
            std::fs::write(bundle, bytes).unwrap();
        },
        Wrong::Damaged,
        None,
    ),
    (
        "the checkpoint's root",
        |folder| {
            let path = folder.join(export::CHECKPOINT_FILE);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, text.replacen("\n61\n", "\n60\n", 1)).unwrap();
        },
        Wrong::BadSignature,
        None,
    ),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn c43_part_whatever_is_changed_in_an_exported_folder_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let (_, stranger) = honest(folder.path());
    for (what, tamper, wrong, line) in TAMPERED {
        let changed = folder.path().join(what.replace(' ', "-"));
        copied(&stranger.earlier, &changed);
        tamper(&changed);
        let found = check(&changed, &stranger.trusted(false)).unwrap();
        let is_named = found
            .findings
            .iter()
            .any(|one| one.wrong == *wrong && (line.is_none() || one.line == *line));
        assert!(!found.intact && is_named, "{what}: {:?}", found.findings);
    }
    // Keys that are not those of this log, and a witness that has not cosigned.
    let other = Stranger {
        key: new_key(),
        log: stranger.log.clone(),
        ..honest(&folder.path().join("earlier")).1
    };
    let found = check(&stranger.earlier, &other.trusted(false)).unwrap();
    let has = |wrong| found.findings.iter().any(|one| one.wrong == wrong);
    assert!(has(Wrong::BadSignature) && has(Wrong::MissingWitness));
    let alone = Trusted {
        checkpoints: Vec::new(),
        ..stranger.trusted(false)
    };
    let found = check(&stranger.earlier, &alone).unwrap();
    let all: Vec<_> = found.findings.iter().map(|one| one.wrong).collect();
    assert_eq!(all, [Wrong::MissingWitness]);
}

#[test]
fn c43_part_lines_of_one_body_are_proved_without_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (entries, stranger) = honest(folder.path());
    let main = written(&folder.path().join("again"), &entries, &stranger.key);
    let part = folder.path().join("part");
    let takes = |line: &audit::reading::StoredLine| Ok(line.remains.sequence % 7 == 3);
    let told = export::export(&main, &stranger.key, &part, takes).unwrap();
    assert_eq!((told.lines, told.size), (9, 61));
    let shown = std::fs::read_to_string(part.join(export::LINES_FILE)).unwrap();
    assert!(!shown.contains("\"sequence\":4,"));
    let trusted = Trusted {
        is_part: true,
        ..stranger.trusted(true)
    };
    let found = check(&part, &trusted).unwrap();
    assert!(found.intact, "{:?}", found.findings);
    assert!(!check(&part, &stranger.trusted(true)).unwrap().intact);
    let mut lines = lines_of(&part);
    let text = lines[2]["line"].as_str().unwrap().replace("Rossi", "Verdi");
    lines[2]["digest"] = hex(&audit::digest_of(&text)).into();
    lines[2]["line"] = text.into();
    put_lines(&part, &lines);
    let found = check(&part, &trusted).unwrap();
    let rewritten = found.findings.iter();
    let rewritten: Vec<_> = rewritten
        .filter(|one| one.wrong == Wrong::Rewritten)
        .map(|one| one.line)
        .collect();
    assert_eq!(rewritten, [Some(17)]);
}

#[test]
fn c43_part_a_hundred_thousand_lines_are_checked_in_little_more_than_their_digest_takes() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let entries: Vec<_> = (0..100_000).map(entry).collect();
    let begun = Stopwatch::start();
    let mut main = written(&folder.path().join("main"), &entries, &key);
    println!("written in {:?}", begun.elapsed());
    // What the tree alone costs: that of lines which a version without one had written.
    main.execute_batch("DROP TRIGGER audit_tree_is_never_deleted; DELETE FROM audit_tree;")
        .unwrap();
    let begun = Stopwatch::start();
    assert_eq!(log::take_in(&mut main).unwrap(), 100_000);
    println!("taken into the tree in {:?}", begun.elapsed());
    let out = folder.path().join("out");
    let begun = Stopwatch::start();
    exported(&main, &key, &out);
    println!("exported in {:?}", begun.elapsed());
    let trusted = Trusted {
        log: log::public_key(&key).unwrap(),
        hub: key.opening_key(),
        witnesses: Vec::new(),
        checkpoints: Vec::new(),
        earlier: None,
        is_part: false,
        each_signature: false,
    };
    let begun = Stopwatch::start();
    let found = check(&out, &trusted).unwrap();
    let took = begun.elapsed();
    println!("checked in {took:?}");
    assert!(found.intact && found.lines == 100_000, "{found:?}");
    // Tests run beside others, and may be built without optimisation: held against the digest of the same bytes.
    let bytes = std::fs::read(out.join(export::LINES_FILE)).unwrap();
    let begun = Stopwatch::start();
    let digest = Digest::of(&bytes);
    let floor = begun.elapsed();
    println!("{digest} of {} bytes in {floor:?}", bytes.len());
    assert!(took < 150 * floor, "{took:?}, the floor is {floor:?}");
}
