//! What is destroyed within an hour of the home's own store, because its municipality shortened its
//! term: that it is gone from the disk and the backup, and that nothing else can be made to go so.

use std::time::Duration;

use varco_hub::backup::create::create;
use varco_hub::config::backup::BackupPlace;
use varco_hub::proof::verification::verify;
use varco_hub::store;
use varco_hub::timekeeping::Clock as _;

use crate::support::{DAY, House, SECOND};
use crate::terms::{edges, give_north, plates, upkeep, verified};

/// Two days ago, in one hour: five of the north, and five of the south.
fn house() -> House {
    let house = House::new();
    let (mut north, mut south) = edges(&house);
    let at = house.clock.now() - 2 * DAY;
    let mut batch = Vec::new();
    for k in 0..5 {
        let at = at + SECOND * k;
        batch.push(north.seal(&format!("NO00{k}RD"), at));
        batch.push(south.seal(&format!("SU00{k}DD"), at));
    }
    house.writer().take(&batch).unwrap();
    house.archive().seal(house.hours()[0]).unwrap();
    house
}

/// What the rows of the only hour hold, in their order.
fn sealed(house: &House) -> Vec<(Vec<u8>, Vec<u8>)> {
    let hour = store::open(&house.hour_files()[0]).unwrap();
    let mut rows = hour
        .prepare("SELECT head, envelope FROM rows ORDER BY row")
        .unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// Whether some file of a folder has these bytes.
fn is_in(folder: &std::path::Path, bytes: &[u8]) -> bool {
    let needle = &bytes[..bytes.len().min(48)];
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let content = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        content.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn c30_what_a_shorter_term_ends_is_gone_from_disk_and_backup() {
    let house = house();
    let folder = tempfile::tempdir().unwrap();
    let place = BackupPlace {
        data: folder.path().join("data"),
        keys: folder.path().join("keys"),
    };
    let back_up = || create(&house.home, &place, house.clock.now()).unwrap();
    assert_eq!((back_up().transits, back_up().copied), (10, 0));
    let before = sealed(&house);
    let partitions = house.home.partitions_folder();
    let copies = place.data.join("hours");
    assert!(
        before
            .iter()
            .all(|(head, _)| is_in(&copies, head) && is_in(&partitions, head))
    );

    give_north(&house, Some(24));
    assert_eq!(upkeep(&house), 5);
    let report = back_up();
    assert_eq!((report.transits, report.copied), (5, 1));
    for (row, (head, envelope)) in before.iter().enumerate() {
        let stays = row % 2 == 1;
        for folder in [&partitions, &copies] {
            let there = (is_in(folder, head), is_in(folder, envelope));
            assert_eq!(there, (stays, stays), "row {row} in {}", folder.display());
        }
    }
    let index = std::fs::read(house.hour_files()[0].with_extension("index")).unwrap();
    house.restart();
    house.archive().seal(house.hours()[0]).unwrap();
    let again = std::fs::read(house.hour_files()[0].with_extension("index")).unwrap();
    assert_eq!(
        index, again,
        "the index is not made anew: it knows that they are gone"
    );
    assert_eq!(plates(&house).len(), 5);
}

#[test]
fn a_cut_while_they_go_leaves_them_to_be_found_again() {
    let house = house();
    give_north(&house, Some(24));
    // As if the power had failed when two rows were overwritten, and before the index was written.
    let hour = store::open(&house.hour_files()[0]).unwrap();
    hour.execute_batch("UPDATE rows SET head = x'', envelope = x'' WHERE row IN (1, 3)")
        .unwrap();
    drop(hour);
    house.restart();
    assert_eq!(plates(&house).len(), 5);
    upkeep(&house);
    assert!(verified(&house));
    let empty = sealed(&house)
        .iter()
        .filter(|(head, _)| head.is_empty())
        .count();
    assert_eq!((empty, plates(&house).len()), (5, 5));
    // The index is lost as well: it is made anew from the rows that are left.
    std::fs::remove_file(house.hour_files()[0].with_extension("index")).unwrap();
    house.restart();
    assert_eq!((plates(&house).len(), upkeep(&house)), (5, 0));
}

#[test]
fn nobody_makes_a_transit_go_by_the_same_way() {
    let house = house();
    give_north(&house, Some(24));
    upkeep(&house);
    assert!(verified(&house));
    let hour = store::open(&house.hour_files()[0]).unwrap();
    hour.execute_batch("UPDATE rows SET head = x'', envelope = x'' WHERE row = 2")
        .unwrap();
    let verification = verify(&house.home, house.clock.now()).unwrap();
    let what: Vec<&str> = verification
        .broken_transits
        .iter()
        .map(|one| one.what.as_str())
        .collect();
    assert_eq!(what, ["it is in its edge's chain, but its transit is gone"]);
}

#[test]
fn what_should_have_gone_is_a_fault() {
    let house = house();
    give_north(&house, Some(24));
    // Within minutes the hub destroys it; it did not.
    house.clock.advance(Duration::from_secs(600));
    let verification = verify(&house.home, house.clock.now()).unwrap();
    assert_eq!(verification.broken_transits.len(), 5);
    let what = &verification.broken_transits[0].what;
    assert_eq!(what, "its municipality's term is over");
    upkeep(&house);
    assert!(verified(&house));
}
