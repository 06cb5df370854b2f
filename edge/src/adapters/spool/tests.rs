mod bounds;
mod hidden;

use std::sync::Arc;
use std::time::Duration;

use varco_proto::confidence::Confidence;
use varco_proto::envelope::{Verified, open, seal};
use varco_proto::ids::{Digest, TransitId};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::{Receipt, ReceiptLine, Refusal, RefusalReason};
use varco_proto::record::Record;
use varco_proto::transit::{
    CaptureTime, CharacterCandidate, ClockSource, PlateCrop, PlateRead, Transit,
};

use super::answers::Refused;
use super::shared::{HELD_MAX, Keeping, SharedSpool};
use super::taken::{ClockNote, Taken};
use super::*;
use crate::adapters::clock::HandClock;
use crate::adapters::vault::{BoxKey, Purpose};
use crate::config::SpoolLimits;
use crate::onboard::pushed::Telling;
use crate::onboard::repeat::Identity;

pub(super) const NOW: UtcTime = UtcTime::from_unix_us(1_800_000_000_000_000);

pub(super) fn new_key() -> Arc<SealingKey> {
    Arc::new(SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap())
}

pub(super) fn edge() -> EdgeId {
    "porta-nord-01".parse().unwrap()
}

/// The owner of most tests' spools, with one box key for all of them.
pub(super) fn owner(key: &Arc<SealingKey>) -> Owner {
    Owner {
        edge: edge(),
        key: Arc::clone(key),
        cipher: BoxKey::from_bytes([7; 32]).cipher(Purpose::Spool),
        limits: SpoolLimits::default(),
    }
}

fn with_records_max(key: &Arc<SealingKey>, records_max: u64) -> Owner {
    let mut owner = owner(key);
    owner.limits.records_max = records_max;
    owner
}

pub(super) fn spool(folder: &Path, key: &Arc<SealingKey>) -> Spool {
    Spool::open(folder, owner(key), NOW).unwrap()
}

/// A transit with a crop of some kilobytes.
pub(super) fn body(number: u8) -> RecordBody {
    let text = "AB123CD";
    let symbol = |symbol| {
        vec![CharacterCandidate {
            symbol,
            confidence: Confidence::ONE,
        }]
    };
    let mut jpeg = vec![number; 6000];
    jpeg[..2].copy_from_slice(&[0xff, 0xd8]);
    RecordBody::Transit(Transit {
        id: TransitId::from_parts(NOW.unix_ms(), [number; 10]),
        camera: "nord-1".parse().unwrap(),
        gate: "nord".parse().unwrap(),
        captured_at: CaptureTime {
            at: NOW,
            uncertainty: Duration::from_millis(100),
            source: ClockSource::Camera,
        },
        first_seen: NOW,
        last_seen: NOW,
        direction: None,
        lane: None,
        travel: None,
        plate: PlateRead {
            text: text.parse().unwrap(),
            confidence: Confidence::ONE,
            characters: text.chars().map(symbol).collect(),
            agreeing_reads: 3,
            reads: 4,
            countries: Vec::new(),
            rows: 1,
        },
        crop: PlateCrop {
            jpeg,
            width_px: 100,
            height_px: 30,
        },
        model_digest: Digest::ZERO,
        onboard: None,
    })
}

pub(super) fn record(spool: &Spool, sequence: u64, key: &SealingKey) -> Verified<Record> {
    let envelope = spool.envelope(sequence).unwrap().unwrap();
    open(&envelope, &key.opening_key()).unwrap()
}

fn receipt(hub: &SealingKey, lines: &[(u64, Digest)]) -> Verified<Receipt> {
    let line = |(sequence, digest): &(u64, Digest)| ReceiptLine {
        sequence: *sequence,
        digest: *digest,
    };
    let receipt = Receipt {
        edge: edge(),
        lines: lines.iter().map(line).collect(),
        stored_at: NOW,
    };
    open(&seal(&receipt, hub).envelope, &hub.opening_key()).unwrap()
}

fn refusal(
    hub: &SealingKey,
    sequence: u64,
    digest: Digest,
    reason: RefusalReason,
) -> Verified<Refusal> {
    let refusal = Refusal {
        edge: edge(),
        sequence,
        digest,
        reason,
        detail: "as the test says".to_owned(),
        refused_at: NOW,
    };
    open(&seal(&refusal, hub).envelope, &hub.opening_key()).unwrap()
}

/// Every record links to the one before, over what waits and what was refused.
fn assert_chain(spool: &Spool, key: &SealingKey, last: u64) {
    let mut previous = Digest::ZERO;
    for sequence in 1..=last {
        let record = record(spool, sequence, key);
        assert_eq!(record.value().sequence, sequence);
        assert_eq!(record.value().previous, previous, "record {sequence}");
        previous = record.digest();
    }
    let head = spool.head().unwrap();
    assert_eq!((head.sequence, head.digest), (last, previous));
}

#[test]
fn records_are_chained_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let mut first = spool(folder.path(), &key);
    for number in 1..=3 {
        assert_eq!(first.seal(body(number), NOW).unwrap(), u64::from(number));
    }
    drop(first);
    let mut second = spool(folder.path(), &key);
    assert_eq!(second.seal(body(4), NOW).unwrap(), 4);
    assert_eq!(second.due(3).unwrap(), [1, 2, 3]);
    assert_chain(&second, &key, 4);
}

#[test]
fn only_a_receipt_with_sequence_and_digest_deletes() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let mut spool = spool(folder.path(), &key);
    for number in 1..=3 {
        spool.seal(body(number), NOW).unwrap();
    }
    let two = record(&spool, 2, &key).digest();
    let three = record(&spool, 3, &key).digest();
    let wrong = receipt(&hub, &[(1, two), (9, three)]);
    assert_eq!(spool.take_receipt(&wrong).unwrap(), 0);
    let right = receipt(&hub, &[(2, two), (3, three)]);
    assert_eq!(spool.take_receipt(&right).unwrap(), 2);
    assert_eq!(spool.take_receipt(&right).unwrap(), 0);
    assert_eq!(spool.due(9).unwrap(), [1]);
    let depth = spool.depth().unwrap();
    assert_eq!((depth.waiting, depth.last_sequence), (1, 3));
    assert_eq!(depth.oldest_sealed_at, Some(NOW));
}

#[test]
fn the_chain_goes_on_when_the_spool_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let mut spool = spool(folder.path(), &key);
    spool.seal(body(1), NOW).unwrap();
    let one = record(&spool, 1, &key).digest();
    spool.take_receipt(&receipt(&hub, &[(1, one)])).unwrap();
    assert_eq!(spool.seal(body(2), NOW).unwrap(), 2);
    assert_eq!(record(&spool, 2, &key).value().previous, one);
}

#[test]
fn a_final_refusal_moves_a_record_aside_and_a_replay_or_gap_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let mut spool = spool(folder.path(), &key);
    for number in 1..=3 {
        spool.seal(body(number), NOW).unwrap();
    }
    let two = record(&spool, 2, &key).digest();
    let bytes = Digest::of(&spool.envelope(3).unwrap().unwrap());
    let mut take = |sequence, digest, reason| {
        spool
            .take_refusal(&refusal(&hub, sequence, digest, reason))
            .unwrap()
    };
    assert_eq!(take(2, two, RefusalReason::Replay), Refused::Stored);
    assert_eq!(take(2, two, RefusalReason::Gap), Refused::SendAgain);
    assert_eq!(take(1, two, RefusalReason::Fork), Refused::Unknown);
    let moved = |sequence| Refused::Moved { sequence };
    assert_eq!(take(2, two, RefusalReason::TooOld), moved(2));
    assert_eq!(take(2, two, RefusalReason::TooOld), Refused::Unknown);
    // A hub that could not open the envelope knows no sequence.
    assert_eq!(take(0, bytes, RefusalReason::Malformed), moved(3));
    let depth = spool.depth().unwrap();
    assert_eq!((depth.waiting, depth.refused), (1, 2));
}

#[test]
fn an_answer_for_another_edge_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let other = "porta-sud-01".parse().unwrap();
    let owner = Owner {
        edge: other,
        ..owner(&key)
    };
    let mut spool = Spool::open(folder.path(), owner, NOW).unwrap();
    spool.seal(body(1), NOW).unwrap();
    let answer = receipt(&hub, &[(1, Digest::ZERO)]);
    let error = spool.take_receipt(&answer).unwrap_err();
    assert!(matches!(error, SpoolError::WrongEdge { .. }), "{error}");
}

#[test]
fn a_full_disk_seals_nothing_and_the_chain_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let mut spool = spool(folder.path(), &key);
    spool.db.pragma_update(None, "max_page_count", 40).unwrap();
    let mut sealed = 0;
    let error = loop {
        match spool.seal(body(1), NOW) {
            Ok(sequence) => sealed = sequence,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SpoolError::DiskFull { .. }), "{error:?}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(sealed > 1);
    assert_chain(&spool, &key, sealed);
    // Receipts make room again.
    let one = record(&spool, 1, &key).digest();
    assert_eq!(spool.take_receipt(&receipt(&hub, &[(1, one)])).unwrap(), 1);
    assert_eq!(spool.seal(body(2), NOW).unwrap(), sealed + 1);
}

/// Lets the database grow no more, as a full disk would; or lets it grow again.
fn fill_disk(spool: &Spool, is_full: bool) {
    let pages: i64 = spool
        .db
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    let most = if is_full { pages } else { 1_000_000 };
    spool
        .db
        .pragma_update(None, "max_page_count", most)
        .unwrap();
}

#[test]
fn what_cannot_be_sealed_is_held_and_sealed_later_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let clock = HandClock::at(NOW.unix_us());
    let shared = SharedSpool::new(spool(folder.path(), &key), clock.clone());
    assert!(matches!(shared.keep(body(1)), Keeping::Sealed(1)));
    shared.with(|spool| fill_disk(spool, true));
    for number in [2, 3] {
        assert!(matches!(shared.keep(body(number)), Keeping::Held(_)));
    }
    assert!(shared.retry().is_err());
    clock.advance(Duration::from_secs(5));
    shared.with(|spool| fill_disk(spool, false));
    assert_eq!(shared.retry().unwrap(), 0);
    shared.with(|spool| {
        assert_chain(spool, &key, 3);
        assert_eq!(record(spool, 2, &key).value().body, body(2));
    });
}

#[test]
fn a_reading_that_was_held_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let clock = HandClock::at(NOW.unix_us());
    let shared = SharedSpool::new(spool(folder.path(), &key), clock);
    let taken = Taken {
        camera: "nord-1".parse().unwrap(),
        identity: Identity {
            event: Digest::of(b"event"),
            vehicle: None,
            plate: Digest::of(b"plate"),
            moment: NOW,
            telling: Telling::Whole,
            known: Duration::from_secs(60),
        },
        clock: ClockNote {
            newest: Some(NOW),
            behind_us: None,
            is_bad: false,
            seen_at: NOW,
        },
    };
    shared.with(|spool| fill_disk(spool, true));
    assert!(shared.seal(body(1), &taken).is_err());
    assert!(shared.hold(body(1), &taken));
    shared.with(|spool| fill_disk(spool, false));
    assert_eq!(shared.retry().unwrap(), 0);
    drop(shared);
    let spool = spool(folder.path(), &key);
    let known = spool.taken_of(&taken.camera, NOW).unwrap();
    assert_eq!(known, [(taken.identity, Duration::ZERO)]);
    let clock = spool.clock_of(&taken.camera).unwrap();
    assert_eq!(clock, Some(taken.clock));
}

#[test]
fn a_full_memory_loses_its_oldest_transit_keeps_alarms_and_says_so_in_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let clock = HandClock::at(NOW.unix_us());
    let shared = SharedSpool::new(spool(folder.path(), &key), clock);
    shared.with(|spool| fill_disk(spool, true));
    assert!(matches!(shared.keep(body(9)), Keeping::Held(_)));
    assert!(matches!(shared.keep(alarm(false)), Keeping::Held(_)));
    for _ in 2..HELD_MAX {
        assert!(matches!(shared.keep(body(1)), Keeping::Held(_)));
    }
    assert!(matches!(shared.keep(body(2)), Keeping::Lost(_)));
    assert_eq!(shared.held_and_lost(), (HELD_MAX, 1));
    shared.with(|spool| fill_disk(spool, false));
    assert_eq!(shared.retry().unwrap(), 0);
    shared.with(|spool| {
        let last = spool.head().unwrap().sequence;
        assert_chain(spool, &key, last);
        assert_eq!(record(spool, 1, &key).value().body, alarm(false));
        let RecordBody::Drops(report) = &record(spool, last, &key).value().body.clone() else {
            panic!("no report of the lost transits");
        };
        assert_eq!((report.reason, report.count), (DropReason::Unsealed, 1));
        assert_eq!(spool.depth().unwrap().dropped, 1);
        assert_eq!(record(spool, last - 1, &key).value().body, body(2));
    });
}

#[test]
fn a_spool_serves_one_process_one_edge_and_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let first = spool(folder.path(), &key);
    let error = Spool::open(folder.path(), owner(&key), NOW).unwrap_err();
    assert!(matches!(error, SpoolError::InUse { .. }), "{error}");
    drop(first);
    let error = Spool::open(folder.path(), owner(&new_key()), NOW).unwrap_err();
    assert!(matches!(error, SpoolError::OtherEdge { .. }), "{error}");
    let other = Owner {
        edge: "b".parse().unwrap(),
        ..owner(&key)
    };
    let error = Spool::open(folder.path(), other, NOW).unwrap_err();
    assert!(matches!(error, SpoolError::OtherEdge { .. }), "{error}");
}

#[test]
fn a_spool_cut_short_at_any_write_is_consistent_when_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let mut live = spool(folder.path(), &key);
    for number in 1..=4 {
        live.seal(body(number), NOW).unwrap();
    }
    // The files as a killed process leaves them, the log cut at every few hundred bytes.
    let base = std::fs::read(folder.path().join("spool.sqlite")).unwrap();
    let log = std::fs::read(folder.path().join("spool.sqlite-wal")).unwrap();
    assert!(log.len() > 10_000, "the records stand in the log");
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..=log.len()).step_by(997) {
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("spool.sqlite"), &base).unwrap();
        std::fs::write(copy.path().join("spool.sqlite-wal"), &log[..cut]).unwrap();
        // So early that the tables are missing, the spool begins anew.
        let mut again = spool(copy.path(), &key);
        let last = again.head().unwrap().sequence;
        assert_chain(&again, &key, last);
        assert_eq!(again.seal(body(7), NOW).unwrap(), last + 1);
        seen.insert(last);
    }
    assert!(seen.len() >= 4, "cuts fell into several records: {seen:?}");
}

pub(super) fn alarm(suspends: bool) -> RecordBody {
    RecordBody::Tamper(varco_proto::tamper::TamperEvent {
        kind: varco_proto::tamper::TamperKind::Cabinet,
        camera: None,
        noticed_at: UtcTime::from_unix_us(9),
        detail: "the door is open".to_owned(),
        suspends,
    })
}

fn release(spool: &mut Spool, up_to_sequence: u64) -> bool {
    let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
    let release = varco_proto::tamper::Release {
        edge: spool.owner.edge.clone(),
        up_to_sequence,
        purpose: "the fitter was there".to_owned(),
        released_at: UtcTime::from_unix_us(10),
    };
    let sealed = varco_proto::envelope::seal(&release, &key);
    let opened = varco_proto::envelope::open(&sealed.envelope, &key.opening_key()).unwrap();
    spool.take_release(&opened).unwrap()
}

#[test]
fn c33_part_an_alarm_keeps_transits_back_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key();
    let opened = || spool(folder.path(), &key);
    let mut spool = opened();
    let now = UtcTime::from_unix_us(9);
    spool.seal(body(1), now).unwrap();
    spool.seal(alarm(false), now).unwrap();
    assert_eq!(spool.due(9).unwrap(), [1, 2], "one that does not suspend");
    spool.seal(alarm(true), now).unwrap();
    spool.seal(body(2), now).unwrap();
    assert_eq!(spool.due(9).unwrap(), [2, 3]);
    // A restart forgets nothing.
    spool.seal(alarm(true), now).unwrap();
    drop(spool);
    let mut spool = opened();
    assert_eq!(spool.depth().unwrap().suspended_by, 5);
    assert_eq!(spool.due(9).unwrap(), [2, 3, 5]);
    assert!(!release(&mut spool, 3), "a newer alarm than it covers");
    assert!(
        !release(&mut spool, 99),
        "one of a chain that is not this one"
    );
    assert_eq!(spool.due(9).unwrap(), [2, 3, 5]);
    assert!(release(&mut spool, 5));
    assert!(!release(&mut spool, 5), "a second time changes nothing");
    assert_eq!(spool.due(9).unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(spool.depth().unwrap().suspended_by, 0);
}

#[test]
fn records_that_the_hub_has_on_hold_stand_in_nobodys_way_and_go_when_it_takes_one() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hub) = (new_key(), new_key());
    let mut spool = spool(folder.path(), &key);
    // Odd ones are of a camera that is not this edge's.
    let mut digests = vec![Digest::ZERO];
    for number in 1..=100 {
        let sequence = spool.seal(body(number), NOW).unwrap();
        digests.push(record(&spool, sequence, &key).digest());
    }
    let mut taken = Vec::new();
    for _ in 0..20 {
        for sequence in spool.due(16).unwrap() {
            let digest = digests[usize::try_from(sequence).unwrap()];
            if sequence % 2 == 1 {
                let refusal = refusal(&hub, sequence, digest, RefusalReason::OnHold);
                let effect = spool.take_refusal(&refusal).unwrap();
                assert!(matches!(effect, Refused::Held { .. }), "{effect:?}");
            } else {
                let receipt = receipt(&hub, &[(sequence, digest)]);
                assert_eq!(spool.take_receipt(&receipt).unwrap(), 1);
                taken.push(sequence);
            }
        }
    }
    assert_eq!(
        taken.len(),
        50,
        "those behind the ones on hold came through"
    );
    assert_eq!(spool.depth().unwrap().waiting, 50);
    assert_eq!(spool.due(16).unwrap(), Vec::<u64>::new());
    // Somebody lets the camera in: the first that is tried shows it, and all follow.
    spool.try_on_hold().unwrap();
    let tried = spool.due(64).unwrap();
    assert!((1..50).contains(&tried.len()), "{tried:?}");
    let digest = digests[usize::try_from(tried[0]).unwrap()];
    spool
        .take_receipt(&receipt(&hub, &[(tried[0], digest)]))
        .unwrap();
    assert_eq!(spool.due(64).unwrap().len(), 49);
}
