//! Backups that restore, and that live no longer than what they hold (C30).

use std::fs;
use std::path::Path;

use base64::Engine as _;
use varco_hub::backup::BackupError;
use varco_hub::backup::create::create;
use varco_hub::backup::restore::{recovery_key, restore, try_out};
use varco_hub::config::backup::BackupPlace;
use varco_hub::home::lock::{Holder, Lock, LockError};
use varco_hub::home::{Home, HomeError};
use varco_hub::hours::keys::HourKeys;
use varco_hub::timekeeping::Clock as _;
use varco_hub::transits::stored::StoredHours as _;
use varco_proto::cipher::Key;

use crate::support::{DAY, House, SECOND};

struct BackedUp {
    house: House,
    folder: tempfile::TempDir,
    place: BackupPlace,
    key: Key,
}

/// A house with five transits, an hour apart, and its backup.
fn backed_up() -> BackedUp {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writer = house.writer();
    for number in 0..5 {
        let plate = format!("AB12{number}CD");
        let message = edge.seal(&plate, house.clock.now());
        writer.take(&[message]).unwrap();
        house.clock.advance(SECOND * 3600);
    }
    let folder = tempfile::tempdir().unwrap();
    let place = BackupPlace {
        data: folder.path().join("data"),
        keys: folder.path().join("keys"),
    };
    let report = create(&house.home, &place, house.clock.now()).unwrap();
    assert_eq!((report.hours, report.transits, report.copied), (5, 5, 5));
    let key = recovery_key(&report.recovery_key.unwrap()).unwrap();
    BackedUp {
        house,
        folder,
        place,
        key,
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn c30_a_backup_is_restored_whole_and_found_again() {
    let backed_up = backed_up();
    let now = backed_up.house.clock.now();
    let tried = try_out(
        &backed_up.place,
        &backed_up.key,
        backed_up.folder.path(),
        now,
    )
    .unwrap();
    assert!(tried.intact);
    assert_eq!((tried.hours, tried.dead, tried.transits), (5, 0, 5));
    let begun = "SELECT count(*) FROM audit WHERE action = 'backup-begun'";
    assert_eq!(backed_up.house.count(begun), 1);
    let home = Home::at(backed_up.folder.path().join("new"));
    restore(&backed_up.place, &backed_up.key, &home, now).unwrap();
    let archive = home.open_archive(home.config().unwrap().retention).unwrap();
    assert_eq!(archive.size().unwrap().transits, 5);
    home.sealing_key().unwrap();
    home.authority().unwrap();
    let conf = fs::read_to_string(home.broker_configuration()).unwrap();
    let old = backed_up.house.home.root().display().to_string();
    assert!(
        !conf.contains(&old),
        "the broker would look into the old home"
    );
    let again = restore(&backed_up.place, &backed_up.key, &home, now);
    assert!(matches!(again, Err(BackupError::There(_))));
}

#[test]
fn c30_a_backup_dies_with_its_hours() {
    let backed_up = backed_up();
    let BackedUp {
        house,
        place,
        key,
        folder,
    } = &backed_up;
    let kept = BackupPlace {
        data: folder.path().join("kept"),
        keys: place.keys.clone(),
    };
    copy_folder(&place.data, &kept.data);
    // Two of the five hours come to their end, and the next run follows.
    house.clock.advance(DAY * 7 - SECOND * 3600 * 3);
    let expired = house.writer().expire(9).unwrap();
    assert_eq!(expired.hours.len(), 2);
    let report = create(&house.home, place, house.clock.now()).unwrap();
    assert_eq!((report.hours, report.removed, report.copied), (3, 2, 0));
    let now = house.clock.now();
    let tried = try_out(&kept, key, folder.path(), now).unwrap();
    assert_eq!(
        (tried.hours, tried.dead, tried.transits),
        (3, 2, 3),
        "an old copy is dead too"
    );
    let tried = try_out(place, key, folder.path(), now).unwrap();
    assert!(tried.intact);
    assert_eq!((tried.hours, tried.transits), (3, 3));
    // By their keys, not by the clock: at a moment when no term was over yet.
    let early = now - DAY * 6;
    let tried = try_out(&kept, key, folder.path(), early).unwrap();
    assert_eq!((tried.hours, tried.dead), (3, 2), "their keys are gone");
    // Past the term nothing is restored, though the keys are still there.
    let late = now + DAY * 7;
    assert_eq!(
        try_out(place, key, folder.path(), late).unwrap().transits,
        0
    );
}

#[test]
fn c22_part_a_backup_shows_nothing_to_whom_it_is_not_for() {
    let backed_up = backed_up();
    let BackedUp {
        house,
        place,
        folder,
        ..
    } = &backed_up;
    let other = Key::random().unwrap();
    let now = house.clock.now();
    let tried = try_out(place, &other, folder.path(), now);
    assert!(matches!(tried, Err(BackupError::Closed(_))), "{tried:?}");
    let mut files = vec![place.data.clone(), place.keys.clone()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for secret in [&b"AB120CD"[..], b"porta-nord", b"PRIVATE KEY"] {
            let there = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!there, "{}", path.display());
        }
    }
}

#[test]
fn c30_part_no_key_lies_in_the_data_folder() {
    let backed_up = backed_up();
    let BackedUp {
        house,
        place,
        key,
        folder,
    } = &backed_up;
    let home = &house.home;
    let keys = HourKeys::open(&home.hour_keys(), &home.store_key_file()).unwrap();
    let mut secrets: Vec<Vec<u8>> = keys.wrapped().unwrap().into_iter().map(|k| k.1).collect();
    assert_eq!(secrets.len(), 5);
    secrets.push(fs::read(home.store_key_file()).unwrap());
    secrets.push(fs::read(home.recovery_key_file()).unwrap());
    let found = |bytes: &[u8]| {
        let has = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
        let mut forms = secrets.iter().flat_map(|secret| {
            let base64 = base64::engine::general_purpose::STANDARD.encode(secret);
            [secret.clone(), hex::encode(secret).into(), base64.into()]
        });
        forms.any(|form| has(&form))
    };
    let mut names = Vec::new();
    for folder in [place.data.clone(), place.data.join("hours")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                assert!(!found(&fs::read(&path).unwrap()), "{}", path.display());
                names.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    names.retain(|name| !name.starts_with("2026-11-22T"));
    names.sort();
    assert_eq!(names, ["backup.lock", "main.sealed", "manifest.json"]);
    // Nor in what the main database's copy holds once it is opened.
    let restored = Home::at(folder.path().join("restored"));
    restore(place, key, &restored, house.clock.now()).unwrap();
    assert!(!found(&fs::read(restored.main_database()).unwrap()));
    let main = restored.open_main().unwrap();
    let tables = "SELECT count(*) FROM sqlite_master WHERE name LIKE '%keys%'
        AND name NOT LIKE '%passkeys%'";
    let tables: i64 = main.query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn a_changed_backup_is_not_taken_for_whole() {
    let backed_up = backed_up();
    let BackedUp {
        house,
        place,
        key,
        folder,
    } = &backed_up;
    let now = house.clock.now();
    let hour = fs::read_dir(place.data.join("hours"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let rows = varco_hub::store::open(&hour).unwrap();
    rows.execute_batch("UPDATE rows SET envelope = zeroblob(length(envelope))")
        .unwrap();
    drop(rows);
    assert!(!try_out(place, key, folder.path(), now).unwrap().intact);
    let keys = place.keys.join("varco.keys");
    let mut bytes = fs::read(&keys).unwrap();
    bytes[40] ^= 1;
    fs::write(&keys, bytes).unwrap();
    assert!(try_out(place, key, folder.path(), now).is_err());
}

#[test]
fn the_keys_never_lie_within_the_data() {
    let backed_up = backed_up();
    let place = BackupPlace {
        data: backed_up.place.data.clone(),
        keys: backed_up.place.data.join("keys"),
    };
    let made = create(&backed_up.house.home, &place, backed_up.house.clock.now());
    assert!(matches!(made, Err(BackupError::Place)));
}

#[test]
fn c30_a_backup_is_made_while_the_hub_stores() {
    let backed_up = backed_up();
    let BackedUp {
        house,
        place,
        key,
        folder,
    } = &backed_up;
    let mut edge = house.edge("porta-sud-01");
    let now = house.clock.now();
    let mut writer = house.writer();
    let messages: Vec<_> = (0..400).map(|_| edge.seal("EF456GH", now)).collect();
    std::thread::scope(|scope| {
        let storing = scope.spawn(|| {
            for batch in messages.chunks(10) {
                writer.take(batch).unwrap();
            }
        });
        let mut runs = 0;
        while !storing.is_finished() || runs == 0 {
            create(&house.home, place, now).unwrap();
            let tried = try_out(place, key, folder.path(), now).unwrap();
            assert!(tried.intact, "{tried:?}");
            runs += 1;
        }
    });
    create(&house.home, place, now).unwrap();
    assert_eq!(
        try_out(place, key, folder.path(), now).unwrap().transits,
        405
    );
}

#[test]
fn a_backup_that_is_being_made_is_neither_made_nor_read_by_another() {
    let backed_up = backed_up();
    let BackedUp {
        house,
        place,
        key,
        folder,
    } = &backed_up;
    let now = house.clock.now();
    let held = Lock::of_backup_folder(&place.keys, &Holder::this("backup create", now)).unwrap();
    let refused = |error: BackupError| {
        let lock = matches!(
            error,
            BackupError::Home(HomeError::Lock(LockError::Held { .. }))
        );
        assert!(lock, "{error}");
        assert!(error.to_string().contains("`backup create`"), "{error}");
    };
    refused(create(&house.home, place, now).unwrap_err());
    refused(try_out(place, key, folder.path(), now).unwrap_err());
    drop(held);
    create(&house.home, place, now).unwrap();
    // Nor does one restore into a home in which somebody is at work.
    let home = Home::at(folder.path().join("new"));
    fs::create_dir(home.root()).unwrap();
    let held = Lock::alone(&home, &Holder::this("backup create", now)).unwrap();
    refused(restore(place, key, &home, now).unwrap_err());
    drop(held);
    restore(place, key, &home, now).unwrap();
}

#[test]
fn the_backup_of_another_hub_is_not_written_over() {
    let (one, other) = (backed_up(), House::new());
    let made = create(&other.home, &one.place, other.clock.now());
    assert!(matches!(made, Err(BackupError::Foreign(_))), "{made:?}");
    assert!(
        !other.home.recovery_key_file().exists(),
        "no recovery key is made that nobody is shown"
    );
    let own = BackupPlace {
        data: one.folder.path().join("own"),
        keys: one.folder.path().join("own-keys"),
    };
    create(&other.home, &own, other.clock.now()).unwrap();
    let made = create(&other.home, &one.place, other.clock.now());
    assert!(matches!(made, Err(BackupError::Foreign(_))), "{made:?}");
    let now = one.house.clock.now();
    assert!(try_out(&one.place, &one.key, one.folder.path(), now).is_ok());
}
