//! A disk without room at the end of a term. It needs namespaces; where the system gives none, it is
//! said and nothing is proved.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use varco_hub::hours::keys::HourKeys;
use varco_hub::intake::batcher;
use varco_hub::proof::destruction::proof;
use varco_hub::timekeeping::Clock as _;
use varco_hub::upkeep::health::{self, State};

use crate::support::{DAY, House, SECOND};

/// Set in the process that has a small disk.
const INSIDE: &str = "VARCO_TEST_SMALL_DISK";

/// Runs a test of this program again where temporary folders lie on a disk of 24 MiB. False when this
/// process is already there, or when the system gives no namespaces.
#[expect(
    clippy::print_stderr,
    reason = "whoever runs the tests must see that nothing is proved"
)]
fn ran_on_a_small_disk(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let unshare = ["--map-root-user", "--mount"];
    let given = Command::new("unshare").args(unshare).arg("true").output();
    if !given.is_ok_and(|output| output.status.success()) {
        eprintln!("this system gives no namespaces: nothing is proved here");
        return true;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=24m none \"$TMPDIR\" && exec \"$@\"";
    let status = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("TMPDIR", folder.path())
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "see above");
    true
}

/// Writes until the disk has no room.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![7; size]).is_err() {
            size /= 2;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn k04_part_a_full_disk_keeps_no_key_past_its_term_and_intake_goes_on_afterwards() {
    const NAME: &str =
        "full::k04_part_a_full_disk_keeps_no_key_past_its_term_and_intake_goes_on_afterwards";
    if ran_on_a_small_disk(NAME) {
        return;
    }
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    // As the running hub does it.
    let room = house.archive().settings().room.clone();
    room.reserve.keep();
    assert!(room.reserve.is_laid());
    let captures = (0..30).map(|hour| now - hour * 3600 * SECOND);
    let batch: Vec<_> = captures.map(|at| edge.seal("AB123CD", at)).collect();
    let writer = Arc::new(Mutex::new(house.writer()));
    writer.lock().unwrap().take(&batch).unwrap();
    assert_eq!(health::writing_check(&room).state, State::Ok);

    fill(&house.home.root().join("fill"));
    let full = house.home.root().join("full");
    assert!(std::fs::write(&full, [0; 8192]).is_err());
    std::fs::remove_file(&full).ok();
    // Another process: the last trial of this one is not over.
    let other = varco_hub::home::disk::Room::of(house.home.reserve_file(), house.home.trial_file());
    let check = health::writing_check(&other);
    assert_eq!(check.state, State::Fault, "{check:?}");
    house.clock.set(now + 8 * DAY);
    let late: Arc<[_]> = (0..8)
        .map(|_| edge.seal("AB124CD", house.clock.now()))
        .collect();
    let (waiting, batch) = (writer.clone(), late.clone());
    let storing = tokio::spawn(async move { batcher::store(&waiting, batch).await });

    // As the running hub does it: hour by hour, and what is dead makes room for the next.
    let mut dead = Vec::new();
    for _ in 0..100 {
        let expired = writer.lock().unwrap().expire(1);
        match expired {
            Ok(expired) if expired.hours.is_empty() => break,
            Ok(expired) => dead.extend(expired.hours),
            Err(_) => house.archive().unlink(&dead).unwrap(),
        }
    }
    let keys = HourKeys::open(&house.home.hour_keys(), &house.home.store_key_file()).unwrap();
    let mut left = keys.hours().unwrap();
    left.retain(|hour| hour.gone_at(7 * DAY) <= house.clock.now());
    assert_eq!(left, [], "every key past its term is dead");
    house.archive().unlink(&dead).unwrap();
    room.reserve.lay_again();

    std::fs::remove_file(house.home.root().join("fill")).unwrap();
    let taken = storing.await.unwrap();
    assert_eq!(house.receipts(&taken[0]).len(), 8, "intake goes on");
    assert!(room.reserve.is_laid());
    let proof = proof(&house.home, house.clock.now()).unwrap();
    assert!(proof.holds, "{proof:?}");
    assert_eq!((proof.destroyed.len(), house.stored()), (30, 8));
}
