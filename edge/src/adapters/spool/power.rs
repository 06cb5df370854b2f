//! The power fails: processes that seal are killed, and logs are cut and torn at any byte.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use varco_proto::drops::SequenceRange;
use varco_proto::ids::Digest;
use varco_proto::keys::SealingKey;

use super::tests::{NOW, alarm, body, edge, new_key, owner, record, spool};
use super::*;
use crate::adapters::random;

/// Tells the child where to seal.
const FOLDER: &str = "VARCO_TEST_SEAL_IN";
/// The child's key, PKCS#8 in hexadecimal.
const KEY: &str = "VARCO_TEST_SEAL_KEY";

fn below(limit: u64) -> u64 {
    u64::from_be_bytes(random::bytes().unwrap()) % limit
}

/// No test of its own: seals until it is killed, and says what it sealed once `seal` has returned.
#[test]
fn a_child_that_seals() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let key = hex::decode(std::env::var(KEY).unwrap()).unwrap();
    let key = Arc::new(SealingKey::from_pkcs8(&key).unwrap());
    let mut spool = spool(Path::new(&folder), &key);
    let mut out = std::io::stdout();
    loop {
        let sequence = spool.seal(body(1), NOW).unwrap();
        let digest = spool.head().unwrap().digest;
        out.write_all(format!("\nsealed {sequence} {digest} .\n").as_bytes())
            .unwrap();
        out.flush().unwrap();
    }
}

/// Kills a child at a random moment, so many times, and checks the chain after each.
fn kill_and_check(times: u32) {
    let folder = tempfile::tempdir().unwrap();
    let bytes = SealingKey::generate().unwrap();
    let key = Arc::new(SealingKey::from_pkcs8(&bytes).unwrap());
    let (mut checked, mut previous, mut told) = (0, Digest::ZERO, 0);
    for _ in 0..times {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "adapters::spool::power::a_child_that_seals",
                "--nocapture",
            ])
            .env(FOLDER, folder.path())
            .env(KEY, hex::encode(&bytes))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Until it seals, and then a moment that no two rounds share.
        let mut out = child.stdout.take().unwrap();
        let mut text = vec![0; 400];
        out.read_exact(&mut text).unwrap();
        std::thread::sleep(Duration::from_micros(below(40_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        out.read_to_end(&mut text).unwrap();
        let mut acknowledged = BTreeMap::new();
        for line in String::from_utf8_lossy(&text).lines() {
            if let ["sealed", sequence, digest, "."] = line.split(' ').collect::<Vec<_>>()[..] {
                acknowledged.insert(sequence.parse::<u64>().unwrap(), digest.to_owned());
            }
        }
        assert!(!acknowledged.is_empty(), "it was killed before it sealed");
        told += acknowledged.len();
        let spool = spool(folder.path(), &key);
        let head = spool.head().unwrap();
        assert!(*acknowledged.keys().next_back().unwrap() <= head.sequence);
        for sequence in checked + 1..=head.sequence {
            let record = record(&spool, sequence, &key);
            assert_eq!(record.value().sequence, sequence);
            assert_eq!(record.value().previous, previous, "record {sequence}");
            assert!(record.value().body.transit().is_some(), "nothing was lost");
            previous = record.digest();
            if let Some(digest) = acknowledged.get(&sequence) {
                assert_eq!(
                    *digest,
                    previous.to_string(),
                    "record {sequence} is another"
                );
            }
        }
        assert_eq!(head.digest, previous);
        assert!(head.sequence > checked);
        assert_eq!(spool.depth().unwrap().waiting, head.sequence);
        checked = head.sequence;
    }
    assert!(told >= usize::try_from(times).unwrap());
}

#[test]
fn c22_part_a_sealing_process_killed_at_any_moment_leaves_neither_hole_nor_double() {
    kill_and_check(25);
}

#[test]
#[ignore = "the long form of the test above"]
fn c22_part_a_sealing_process_killed_four_hundred_times_leaves_neither_hole_nor_double() {
    kill_and_check(400);
}

/// The files of a live spool as a power cut finds them, and what `seal` had said of them.
struct Cut {
    base: Vec<u8>,
    log: Vec<u8>,
    /// After each seal: how long the log was, the witness, and the chain's head.
    after: Vec<(usize, Vec<u8>, ChainHead)>,
    key: Arc<SealingKey>,
}

fn cut() -> Cut {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let mut live = spool(folder.path(), &key);
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    // The tables stand in the database, the records in the log.
    live.db
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let base = read("spool.sqlite");
    let mut after = Vec::new();
    for number in 0..12 {
        let body = if number == 5 {
            alarm(false)
        } else {
            body(number)
        };
        live.seal(body, NOW).unwrap();
        let log = read("spool.sqlite-wal").len();
        after.push((log, read("spool.head"), live.head().unwrap()));
    }
    assert_eq!(read("spool.sqlite"), base);
    Cut {
        log: read("spool.sqlite-wal"),
        base,
        after,
        key,
    }
}

impl Cut {
    fn lay(&self, log: &[u8], witness: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spool.sqlite"), &self.base).unwrap();
        std::fs::write(folder.path().join("spool.sqlite-wal"), log).unwrap();
        std::fs::write(folder.path().join("spool.head"), witness).unwrap();
        folder
    }

    /// Opens what is left, or sees a clear refusal; whatever `seal` had acknowledged up to `told`
    /// is there or reported as lost, and no place in the chain is given a second time.
    fn check(&self, folder: &Path, told: usize) -> Option<u64> {
        let mut spool = match Spool::open(folder, owner(&self.key), NOW) {
            Ok(spool) => spool,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return None;
            }
        };
        let acknowledged = self.after[told - 1].2;
        let next = spool.seal(body(99), NOW).unwrap();
        assert!(next > acknowledged.sequence, "a second record in one place");
        let mut lost = Vec::new();
        let mut previous = Digest::ZERO;
        for sequence in 1..=next {
            match spool.envelope(sequence).unwrap() {
                None => {
                    let place = usize::try_from(sequence - 1).unwrap();
                    lost.push(sequence);
                    previous = self.after[place].2.digest;
                }
                Some(_) => {
                    let record = record(&spool, sequence, &self.key);
                    assert_eq!(record.value().previous, previous, "record {sequence}");
                    previous = record.digest();
                }
            }
        }
        assert_eq!(
            spool.depth().unwrap().dropped,
            u64::try_from(lost.len()).unwrap()
        );
        if let Some(last) = lost.last() {
            let RecordBody::Drops(report) =
                record(&spool, last + 1, &self.key).value().body.clone()
            else {
                panic!("what is lost is not told");
            };
            assert_eq!(report.reason, DropReason::Damage);
            assert_eq!(report.ranges, SequenceRange::of(&lost));
        }
        assert_eq!(spool.owner.edge, edge());
        Some(u64::try_from(lost.len()).unwrap())
    }
}

#[test]
fn c22_part_a_log_cut_after_the_last_acknowledged_record_loses_nothing() {
    let cut = cut();
    for _ in 0..60 {
        let told = usize::try_from(below(12)).unwrap() + 1;
        let (least, witness, _) = &cut.after[told - 1];
        let room = u64::try_from(cut.log.len() - least).unwrap();
        let length = least + usize::try_from(below(room + 1)).unwrap();
        let folder = cut.lay(&cut.log[..length], witness);
        assert_eq!(cut.check(folder.path(), told), Some(0), "cut at {length}");
    }
}

#[test]
fn c22_part_a_log_cut_or_torn_at_any_byte_is_told_and_never_forks_the_chain() {
    let cut = cut();
    let (_, witness, _) = cut.after.last().unwrap();
    let (mut opened, mut lost) = (0, 0);
    for round in 0..120 {
        let mut log = cut.log.clone();
        let at = usize::try_from(below(u64::try_from(log.len()).unwrap())).unwrap();
        if round % 2 == 0 {
            log.truncate(at);
        } else {
            let end = (at + 1 + usize::try_from(below(600)).unwrap()).min(log.len());
            log[at..end].iter_mut().for_each(|byte| *byte ^= 0x5a);
        }
        let folder = cut.lay(&log, witness);
        if let Some(gone) = cut.check(folder.path(), 12) {
            opened += 1;
            lost += gone;
        }
    }
    assert!(opened >= 100, "{opened} of 120 opened");
    assert!(lost > 0, "the cuts fell where it matters");
}

#[test]
fn c22_part_a_torn_witness_stops_nothing_and_one_that_says_nothing_is_refused() {
    let cut = cut();
    let (_, witness, head) = cut.after.last().unwrap();
    let newest = usize::try_from(head.sequence % 2).unwrap() * 4096;
    let mut torn = witness.clone();
    torn[newest + 20] ^= 1;
    let folder = cut.lay(&cut.log, &torn);
    assert_eq!(cut.check(folder.path(), 12), Some(0));
    torn[4096 - newest + 20] ^= 1;
    let folder = cut.lay(&cut.log, &torn);
    let error = Spool::open(folder.path(), owner(&cut.key), NOW).unwrap_err();
    assert!(matches!(error, SpoolError::Witness { .. }), "{error}");
    // Without one, as after an update, the database alone says where the chain stands.
    let folder = cut.lay(&cut.log, &[]);
    assert_eq!(cut.check(folder.path(), 12), Some(0));
}
