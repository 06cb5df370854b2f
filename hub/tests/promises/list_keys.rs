//! Each hotlist has a key of its own: what is closed is dead in every copy.

use std::fs;

use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::backup::create::create;
use varco_hub::backup::restore::{recovery_key, restore};
use varco_hub::config::backup::BackupPlace;
use varco_hub::home::Home;
use varco_hub::hotlists::active::ActiveLists;
use varco_hub::hotlists::desk::{self, DeskError, HotlistShelf, ListFile};
use varco_hub::hotlists::import::How;
use varco_hub::hotlists::list::{Hotlist, ListError, ListId};
use varco_hub::hotlists::{ended, pages};
use varco_hub::machine::files;
use varco_hub::proof::verification::verify;
use varco_hub::store;
use varco_hub::store::sql::Connection;
use varco_hub::timekeeping::Clock as _;
use varco_proto::cipher::Key;

use crate::ended::hotlist;
use crate::support::{DAY, House, SECOND};

const FILE: &[u8] = b"targa;motivo\nAB123CD;armato\n";

fn id(text: &str) -> ListId {
    text.parse().unwrap()
}

fn act<T>(house: &House, act: impl FnOnce(&mut Connection, &Acting<'_>) -> T) -> T {
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    act(&mut house.home.open_main().unwrap(), &acting)
}

fn import(house: &House, name: &str) -> Result<(), DeskError> {
    let keys = house.home.list_keys().unwrap();
    let shelf = HotlistShelf {
        keys: &keys,
        active: None,
        turns: None,
    };
    let file = ListFile {
        list: &id(name),
        bytes: FILE,
        how: &How::default(),
    };
    act(house, |main, acting| {
        desk::import(main, &shelf, file, acting).map(drop)
    })
}

/// A house with lists of one plate each.
fn house_with(names: &[&str]) -> House {
    let house = House::new();
    let keys = house.home.list_keys().unwrap();
    for name in names {
        let now = house.clock.now();
        let list = Hotlist {
            id: id(name),
            ..hotlist(now)
        };
        act(&house, |main, acting| {
            desk::make(main, &keys, &list, acting).unwrap();
        });
        import(&house, name).unwrap();
    }
    house
}

fn close(house: &House, name: &str) {
    let keys = house.home.list_keys().unwrap();
    act(house, |main, acting| {
        desk::close(main, &keys, &id(name), acting).unwrap();
    });
}

/// Every key that a home has and that could have sealed a list's plates.
fn keys_of(home: &Home) -> Vec<Key> {
    let store_key = files::read(&home.store_key_file()).unwrap();
    let store_key = Key::from_bytes(&store_key).unwrap();
    let usages: [&[u8]; 3] = [b"hotlists", b"hotlist keys", b"cases"];
    let mut all: Vec<Key> = usages.map(|usage| store_key.derive(usage).unwrap()).into();
    all.push(store_key);
    for (name, wrapped) in home.list_keys().unwrap().wrapped().unwrap() {
        let place = format!("hotlist {name} key");
        let opened = all
            .iter()
            .find_map(|key| key.open(place.as_bytes(), &wrapped).ok());
        all.push(Key::from_bytes(&opened.expect("it is wrapped by one of these")).unwrap());
    }
    all
}

/// How many pages of a main database there are, and how many of them a home's keys open.
fn opened(main: &Connection, home: &Home) -> (usize, usize) {
    let keys = keys_of(home);
    let mut statement = main
        .prepare("SELECT list, page, sealed FROM hotlist_pages")
        .unwrap();
    let rows = statement.query_map([], |row| {
        let (list, page): (String, i64) = (row.get(0)?, row.get(1)?);
        Ok((list, page, row.get::<_, Vec<u8>>(2)?))
    });
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    let opens = |(list, page, sealed): &&(String, i64, Vec<u8>)| {
        let place = format!("hotlist {list} page {page}");
        keys.iter()
            .any(|key| key.open(place.as_bytes(), sealed).is_ok())
    };
    (rows.len(), rows.iter().filter(opens).count())
}

fn copy_of(house: &House, folder: &tempfile::TempDir) -> std::path::PathBuf {
    let copy = folder.path().join("older.sqlite");
    let main = house.home.open_main().unwrap();
    main.execute("VACUUM INTO ?", [copy.to_string_lossy()])
        .unwrap();
    copy
}

fn loaded(home: &Home) -> ActiveLists {
    let main = home.open_main().unwrap();
    ActiveLists::load(&main, home.list_keys().unwrap().into()).unwrap()
}

/// How many plates are waited for, and how many lists do not open.
fn waited_for(home: &Home) -> (usize, usize) {
    let current = loaded(home).current();
    (current.matcher.len(), current.damaged.len())
}

#[test]
fn no_key_that_is_left_opens_a_closed_lists_plates_in_an_older_copy() {
    let house = house_with(&["rubate", "altra"]);
    let folder = tempfile::tempdir().unwrap();
    let copy = copy_of(&house, &folder);
    let older = store::open(&copy).unwrap();
    assert_eq!(opened(&older, &house.home), (2, 2));
    close(&house, "rubate");
    assert_eq!(opened(&older, &house.home), (2, 1), "the other's alone");
    drop(older);
    // The older one is put in place, and no floor is there to close the list again.
    house.restart();
    for side in ["sqlite-wal", "sqlite-shm"] {
        fs::remove_file(house.home.main_database().with_extension(side)).ok();
    }
    fs::copy(&copy, house.home.main_database()).unwrap();
    assert_eq!(waited_for(&house.home), (1, 1));
    let refused = import(&house, "rubate");
    let is_keyless = matches!(refused, Err(DeskError::List(ListError::Keyless(_))));
    assert!(is_keyless, "{refused:?}");
    close(&house, "rubate");
    assert_eq!(waited_for(&house.home), (1, 0));
}

#[test]
fn a_key_that_stayed_after_its_list_was_closed_goes_with_the_next_round() {
    let house = house_with(&["rubate", "altra"]);
    let keys = house.home.list_keys().unwrap();
    let main = house.home.open_main().unwrap();
    let closed = [(id("rubate"), house.clock.now().unix_us())].into();
    assert_eq!(ended::end(&main, &closed).unwrap(), [id("rubate")]);
    assert_eq!(keys.wrapped().unwrap().len(), 2);
    keys.destroy_closed(&main).unwrap();
    let left = keys.wrapped().unwrap();
    assert_eq!((left.len(), &*left[0].0), (1, "altra"));
}

#[test]
fn the_end_of_a_lists_validity_destroys_its_key() {
    let house = house_with(&["rubate"]);
    house.clock.advance(DAY * 101);
    let keys = house.home.list_keys().unwrap();
    let closed = act(&house, |main, acting| {
        desk::close_past(main, &keys, acting).unwrap()
    });
    assert_eq!(closed, [id("rubate")]);
    assert!(keys.wrapped().unwrap().is_empty());
}

/// Seals a list's plates as a version before did; its own key stays.
fn seal_as_before(house: &House, name: &str) {
    let main = store::open(&house.home.main_database()).unwrap();
    let (before, list) = (house.home.webhook_key().unwrap(), id(name));
    let (number, entries) = plates_of(house, name);
    let sealed = pages::sealed(&before, &list, number, &entries).unwrap();
    pages::write(&main, &list, &[(number, sealed)]).unwrap();
    let sql = "UPDATE hotlists SET own_key = 0 WHERE id = ?";
    assert_eq!(main.execute(sql, [name]).unwrap(), 1);
}

/// The one page of a list.
fn plates_of(house: &House, name: &str) -> (i64, Vec<pages::HotlistEntry>) {
    let main = store::open(&house.home.main_database()).unwrap();
    let list = id(name);
    let number = pages::extent(&main, &list).unwrap().first;
    let entries = keys_of(&house.home)
        .iter()
        .find_map(|key| pages::expect(&main, key, &list, number).ok());
    (number, entries.unwrap())
}

/// Makes a home one of the version before: its lists have no keys of their own.
fn as_before(house: &House, names: &[&str]) {
    for name in names {
        seal_as_before(house, name);
    }
    let keys = store::open(&house.home.hour_keys()).unwrap();
    keys.execute_batch("DELETE FROM hotlist_keys").unwrap();
}

/// Whether what sealed all lists before opens any page.
fn opens_as_before(house: &House) -> bool {
    let main = house.home.open_main().unwrap();
    let before = house.home.webhook_key().unwrap();
    let lists = ["rubate", "altra"].map(id);
    lists.iter().any(|list| {
        let number = pages::extent(&main, list).unwrap().first;
        pages::expect(&main, &before, list, number).is_ok()
    })
}

#[test]
fn lists_of_a_version_before_get_keys_of_their_own_and_raise_their_alerts() {
    let house = house_with(&["rubate", "altra"]);
    as_before(&house, &["rubate", "altra"]);
    let mut edge = house.edge("porta-nord-01");
    assert!(
        !opens_as_before(&house),
        "opening the home sealed them anew"
    );
    assert_eq!(house.home.list_keys().unwrap().wrapped().unwrap().len(), 2);
    assert_eq!(waited_for(&house.home), (2, 0));
    let (_, entries) = plates_of(&house, "rubate");
    assert_eq!(entries[0].note.as_deref(), Some("armato"));
    let passing = edge.seal("AB123CD", house.clock.now());
    house.writer().take(&[passing]).unwrap();
    assert_eq!(house.count("SELECT count(*) FROM alerts"), 2);
    let checked = verify(&house.home, house.clock.now()).unwrap();
    assert!(checked.intact, "{checked:?}");
    close(&house, "rubate");
    assert_eq!(waited_for(&house.home), (1, 0));
}

#[test]
fn what_a_kill_left_half_brought_forward_is_brought_forward_once() {
    let house = house_with(&["altra", "rubate"]);
    // The first list was done, the second had its key and no page under it.
    let (_, altra) = plates_of(&house, "altra");
    let keys = house.home.list_keys().unwrap().wrapped().unwrap();
    seal_as_before(&house, "rubate");
    assert!(
        !opens_as_before(&house),
        "the next that opens the home goes on"
    );
    let again = house.home.list_keys().unwrap().wrapped().unwrap();
    assert_eq!(again, keys, "no key is made twice");
    assert_eq!(plates_of(&house, "altra").1, altra);
    assert_eq!(waited_for(&house.home), (2, 0));
}

#[test]
fn a_backup_has_the_keys_of_open_lists_apart_and_those_of_closed_ones_nowhere() {
    let house = house_with(&["rubate", "altra"]);
    let folder = tempfile::tempdir().unwrap();
    let place = BackupPlace {
        data: folder.path().join("data"),
        keys: folder.path().join("keys"),
    };
    let now = house.clock.now();
    let report = create(&house.home, &place, now).unwrap();
    let key = recovery_key(&report.recovery_key.unwrap()).unwrap();
    let open = Home::at(folder.path().join("open"));
    assert!(restore(&place, &key, &open, now).unwrap().intact);
    assert_eq!(waited_for(&open), (2, 0));
    // The data of before with the keys of after, and a floor that never knew of the closing.
    let old = BackupPlace {
        data: folder.path().join("old"),
        keys: place.keys.clone(),
    };
    fs::rename(&place.data, &old.data).unwrap();
    let main = house.home.open_main().unwrap();
    let closed = [(id("rubate"), now.unix_us())].into();
    ended::end(&main, &closed).unwrap();
    create(&house.home, &place, now + SECOND).unwrap();
    let home = Home::at(folder.path().join("closed"));
    let report = restore(&old, &key, &home, now + SECOND).unwrap();
    assert!(report.intact, "{report:?}");
    assert_eq!(report.ended_again.hotlists, ["rubate"]);
    assert_eq!(waited_for(&home), (1, 0));
    let left = home.list_keys().unwrap().wrapped().unwrap();
    assert_eq!((left.len(), &*left[0].0), (1, "altra"));
}

/// Puts a main database into a data folder, as a run does with one of less than a piece.
fn put_into(place: &BackupPlace, key: &Key, main: &std::path::Path) {
    let bytes = fs::read(main).unwrap();
    let key = key.derive(b"backup main").unwrap();
    let sealed = key.seal(b"varco backup main v1 0 true", &bytes).unwrap();
    let length = u32::try_from(sealed.len()).unwrap().to_le_bytes();
    let file = [&length[..], &sealed].concat();
    fs::write(place.data.join("main.sealed"), file).unwrap();
}

#[test]
fn a_data_folder_of_a_version_before_opens_with_todays_keys() {
    let house = house_with(&["rubate"]);
    let folder = tempfile::tempdir().unwrap();
    let place = BackupPlace {
        data: folder.path().join("data"),
        keys: folder.path().join("keys"),
    };
    let now = house.clock.now();
    let report = create(&house.home, &place, now).unwrap();
    let key = recovery_key(&report.recovery_key.unwrap()).unwrap();
    seal_as_before(&house, "rubate");
    let before = folder.path().join("before.sqlite");
    let main = store::open(&house.home.main_database()).unwrap();
    main.execute("VACUUM INTO ?", [before.to_string_lossy()])
        .unwrap();
    put_into(&place, &key, &before);
    let home = Home::at(folder.path().join("restored"));
    assert!(restore(&place, &key, &home, now).unwrap().intact);
    assert_eq!(waited_for(&home), (1, 0));
    let keys = |home: &Home| home.list_keys().unwrap().wrapped().unwrap();
    assert_eq!(keys(&home), keys(&house.home), "not one more");
}
