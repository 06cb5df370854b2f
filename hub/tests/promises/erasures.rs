//! What somebody asks to be destroyed before its term, because it is about them (art. 9 c. 2 C c10; art. 18 c. 2 and
//! 3): who may ask, who decides, what is gone then, and that there is no other way.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use varco_hub::backup::create::create;
use varco_hub::backup::restore::{recovery_key, restore};
use varco_hub::config::backup::BackupPlace;
use varco_hub::home::Home;
use varco_hub::lookups::store::TransitStore;
use varco_hub::opening::floor;
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::Permission;
use varco_hub::proof::{destruction, verification};
use varco_hub::store;
use varco_hub::timekeeping::{Clock as _, Reading};

use crate::described::all_permissions;
use crate::levels_support::{Hall, NORD, OFFICER, OPERATOR, id_of};
use crate::signed::lines;
use crate::support::{DAY, House, SECOND};

const PLATE: &str = "AB001CD";
/// Vehicles that pass besides, at the northern gate.
const OTHERS: u32 = 13;

fn subject(transits: &[String], change: Value) -> Value {
    let mut subject = json!({
        "for": "early-deletion", "municipality": "Perugia", "request": "Istanza 3/2026",
        "requested_on": "2026-11-20", "right": "erasure", "transits": transits,
    });
    for (field, value) in change.as_object().unwrap() {
        subject[field] = value.clone();
    }
    subject
}

/// As the running hub does it, every two seconds.
fn erase(house: &House) -> u64 {
    erase_in(&house.home, &house.archive(), house.clock.reading())
}

fn erase_in(home: &Home, archive: &TransitStore, now: Reading) -> u64 {
    let mut main = home.open_main().unwrap();
    let key = home.sealing_key().unwrap();
    let now = now.may_destroy().unwrap();
    let mut erased = 0;
    while let Some(one) = archive.erase_one(&mut main, now, &key).unwrap() {
        erased += one.transits;
    }
    erased
}

/// What every row of the hours' files holds.
fn sealed(house: &House) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for file in house.hour_files() {
        let hour = store::open(&file).unwrap();
        let mut rows = hour.prepare("SELECT head, envelope FROM rows").unwrap();
        let rows = rows.query_map([], |row| Ok([row.get(0)?, row.get(1)?]));
        all.extend(rows.unwrap().flat_map(Result::<[Vec<u8>; 2], _>::unwrap));
    }
    all.retain(|bytes| !bytes.is_empty());
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut all = Vec::new();
    for path in entries {
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => all.push(path),
        }
    }
    all
}

/// Whether some file of a folder has these bytes.
fn is_in(folder: &Path, bytes: &[u8]) -> bool {
    let needle = &bytes[..bytes.len().min(48)];
    files(folder).iter().any(|file| {
        let content = fs::read(file).unwrap();
        content.windows(needle.len()).any(|window| window == needle)
    })
}

/// The files of the source, by their paths, that have a text.
fn callers(text: &str) -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let has = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|code| code.contains(text));
    let named = |path: &PathBuf| {
        let inner = path.strip_prefix(&source).unwrap();
        inner.to_str().unwrap().to_owned()
    };
    let mut all: Vec<_> = files(&source)
        .iter()
        .filter(|path| has(path))
        .map(named)
        .collect();
    all.sort();
    all
}

/// A hall with a vehicle's three transits: one of them alerted about, one corrected, one held by an order.
struct Scene {
    hall: Hall,
    room: String,
    marshal: String,
    responsible: String,
    ids: Vec<String>,
}

impl Scene {
    async fn new() -> Self {
        let mut hall = Hall::new().await;
        let mut may = OPERATOR.to_vec();
        may.push(Permission::Hotlists);
        let room = hall.hire("Ag. Gialli", "owner", Role::Operator, &may);
        let marshal = hall.hire("Mar. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
        let responsible = hall.hire("Com. Rossi", "owner", Role::Responsible, &OFFICER);
        let list = json!({
            "id": "rubate", "name": "Rubate", "reason": "furto", "owner": "Questura", "priority": 50,
            "valid_from": "2026-11-22T00:00:00Z", "valid_to": "2026-11-29T00:00:00Z",
            "purpose": "public-safety", "case_reference": "PG 9/2026",
        });
        assert_eq!(hall.post(&room, "hotlists", &list).await.0, 201);
        let plate = json!({"plate": PLATE});
        let (status, told) = hall.post(&room, "hotlists/rubate/plates", &plate).await;
        assert!(status < 300, "{told}");
        let at = hall.house.clock.now();
        let mut messages = vec![hall.edges[0].seal(PLATE, at)];
        for number in 0..OTHERS {
            let plate = format!("BB{number:03}CD");
            messages.push(hall.edges[0].seal(&plate, at + SECOND * 10));
        }
        hall.house.writer().take(&messages).unwrap();
        let mut scene = Self {
            hall,
            room,
            marshal,
            responsible,
            ids: Vec::new(),
        };
        let (_, found) = scene.find(PLATE).await;
        let results = found["results"].as_array().unwrap().iter();
        let id = |one: &Value| one["transit_id"].as_str().unwrap().to_owned();
        scene.ids = results.map(id).collect();
        assert_eq!(scene.ids.len(), 3, "{found}");
        let correction = json!({
            "plate": "AB001OD", "reason": "la foto mostra O e non C", "purpose": "public-safety",
            "case_reference": "PG 9/2026",
        });
        let path = format!("transits/{}/corrections", scene.ids[0]);
        let (status, told) = scene.hall.post(&scene.room, &path, &correction).await;
        assert_eq!(status, 201, "{told}");
        scene
    }

    /// What somebody finds who never searched before.
    async fn find(&self, plate: &str) -> (u16, Value) {
        let number = self.hall.house.count("SELECT count(*) FROM audit");
        let name = format!("Ag. {number}");
        let token = self.hall.hire(&name, "owner", Role::Operator, &OPERATOR);
        let mut lookup = self.hall.lookup();
        lookup["plate"] = json!(plate);
        self.hall.post(&token, "lookups", &lookup).await
    }

    /// How many vehicles are counted at the northern gate.
    async fn counted(&self) -> u64 {
        let to = (self.hall.begins + DAY).to_string();
        let span = json!({"from": "2026-11-22T00:00:00Z", "to": to, "gates": [NORD]});
        let (status, counted) = self.hall.post(&self.room, "counts", &span).await;
        assert_eq!(status, 200, "{counted}");
        let cells = counted["cells"].as_array().unwrap().iter();
        cells.map(|cell| cell["count"].as_u64().unwrap()).sum()
    }

    /// An order keeps what is found of the vehicle.
    async fn hold(&self) {
        let case = json!({
            "id": "rgnr-5", "authority": "Procura", "order": "decreto 5/2026",
            "until": "2027-03-01T00:00:00Z", "purpose": "public-safety", "case_reference": "PG 9/2026",
        });
        assert_eq!(self.hall.post(&self.room, "cases", &case).await.0, 201);
        let mut lookup = self.hall.lookup();
        lookup["plate"] = json!("AB001OD");
        let held = self.hall.post(&self.room, "cases/rgnr-5/holdings", &lookup);
        assert_eq!(held.await.1["held"], 1);
    }

    /// Asks, and whoever answers for it grants it.
    async fn granted(&self) -> String {
        let (status, asked) = self
            .hall
            .ask(&self.room, subject(&self.ids, json!({})), 60)
            .await;
        assert_eq!(status, 201, "{asked}");
        let id = id_of(&asked);
        let (status, said) = self.hall.decide(&self.responsible, &id, true).await;
        assert_eq!((status, &said["state"]), (200, &json!("used")), "{said}");
        id
    }

    fn is_whole(&self) -> bool {
        let now = self.hall.house.clock.now();
        let found = verification::verify(&self.hall.house.home, now).unwrap();
        assert!(found.intact, "{found:?}");
        destruction::proof(&self.hall.house.home, now)
            .unwrap()
            .holds
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c34_deletion_before_term_only_to_satisfy_data_subject_rights() {
    let scene = Scene::new().await;
    scene.hold().await;
    let (hall, house) = (&scene.hall, &scene.hall.house);
    house.clock.advance(SECOND * 5400);
    // Half of it is in a sealed index, half in memory.
    house.archive().seal(house.hours()[0]).unwrap();
    let ids = &scene.ids;
    let unknown = "0193e2b4-0000-7000-8000-000000000000".to_owned();
    // Without a right, its date and its reference nothing is asked, nor of another's transits.
    for (change, status) in [
        (json!({"right": null}), 422),
        (json!({"right": "convenienza"}), 400),
        (json!({"requested_on": null}), 422),
        (json!({"requested_on": "ieri"}), 422),
        (json!({"requested_on": "2026-12-20"}), 422),
        (json!({"request": ""}), 422),
        (json!({"municipality": "Corciano"}), 422),
        (json!({"transits": []}), 422),
        (json!({"transits": [ids[0], unknown]}), 422),
    ] {
        let (got, told) = hall
            .ask(&scene.room, subject(ids, change.clone()), 60)
            .await;
        assert_eq!(got, status, "{change}: {told}");
    }
    let corciano = hall.hire("Ag. Neri", "pl-corciano", Role::Operator, &OPERATOR);
    let theirs = subject(ids, json!({"municipality": "Corciano"}));
    assert_eq!(hall.ask(&corciano, theirs, 60).await.0, 422);
    // Nobody decides but who answers for it, and never who asked.
    let (status, asked) = hall.ask(&scene.room, subject(ids, json!({})), 60).await;
    assert_eq!(status, 201, "{asked}");
    let others = [
        (Role::Operator, "owner"),
        (Role::GuardCorps, "owner"),
        (Role::Oversight, "owner"),
        (Role::Administrator, "owner"),
        (Role::Maintenance, "ditta"),
        (Role::Responsible, "questura"),
    ];
    let mut tokens = vec![scene.room.clone(), scene.marshal.clone()];
    for (role, body) in others {
        tokens.push(hall.hire(&format!("{role} {body}"), body, role, &all_permissions()));
    }
    for token in &tokens {
        let (status, told) = hall.decide(token, &id_of(&asked), true).await;
        assert!([403, 409].contains(&status), "{told}");
    }
    let own = subject(&ids[..1], json!({"right": "objection"}));
    let (_, own) = hall.ask(&scene.responsible, own, 60).await;
    let (status, told) = hall.decide(&scene.responsible, &id_of(&own), true).await;
    assert_eq!(status, 403, "their own: {told}");
    let (_, refused) = hall.decide(&scene.responsible, &id_of(&asked), false).await;
    assert_eq!(refused["state"], "refused", "{refused}");
    assert_eq!((erase(house), house.stored()), (0, 16), "nobody granted it");
    // What is blocked is kept, until its block is lifted.
    let block = json!({
        "transits": [ids[1]], "order": "istanza 9/2026", "purpose": "public-safety",
        "case_reference": "PG 9/2026",
    });
    let (_, waiting) = hall.ask(&scene.room, subject(ids, json!({})), 60).await;
    assert_eq!(hall.post(&scene.room, "blocks", &block).await.0, 204);
    let (status, told) = hall
        .decide(&scene.responsible, &id_of(&waiting), true)
        .await;
    assert_eq!(status, 409, "{told}");
    assert_eq!(
        hall.ask(&scene.marshal, subject(ids, json!({})), 60)
            .await
            .0,
        422
    );
    let mut lift = block.clone();
    lift["lift"] = json!(true);
    let (_, lifting) = hall.post(&scene.room, "blocks", &lift).await;
    assert_eq!(
        hall.decide(&scene.marshal, &id_of(&lifting), true).await.0,
        200
    );
    assert_eq!(hall.post(&scene.room, "blocks", &lift).await.0, 204);
    assert_eq!((erase(house), house.stored()), (0, 16));
    let before = sealed(house);
    let folder = house.home.partitions_folder();
    assert!(before.iter().all(|bytes| is_in(&folder, bytes)));
    let (_, alerts) = hall.get(&scene.room, "alerts").await;
    assert!(!alerts["alerts"].as_array().unwrap().is_empty(), "{alerts}");
    assert_eq!(scene.counted().await, 15, "with two of the vehicle");
    // Granted, it is processed no more from that moment on, and then it is gone.
    let (status, said) = hall
        .decide(&scene.responsible, &id_of(&waiting), true)
        .await;
    assert_eq!((status, &said["state"]), (200, &json!("used")), "{said}");
    assert_eq!(scene.find(PLATE).await.1["total"], 0, "at once");
    assert_eq!(erase(house), 3);
    for plate in [PLATE, "AB001OD", "AB001*"] {
        assert_eq!(scene.find(plate).await.1["total"], 0, "{plate}");
    }
    let (_, all) = scene.find("*").await;
    assert_eq!((&all["total"], &all["broken"]), (&json!(13), &json!(0)));
    assert!(!all.to_string().contains("AB001"), "{all}");
    assert_eq!(scene.counted().await, 13);
    let (_, alerts) = hall.get(&scene.room, "alerts").await;
    assert_eq!(alerts["alerts"], json!([]));
    assert_eq!(house.count("SELECT count(*) FROM corrections"), 0);
    // Byte by byte: of the sealed values of three transits none is left.
    let left: Vec<_> = before
        .iter()
        .filter(|bytes| is_in(&folder, bytes))
        .collect();
    assert_eq!((before.len(), left.len()), (32, 26));
    house.restart();
    for hour in house.hours() {
        house.archive().seal(hour).unwrap();
    }
    assert_eq!(scene.find("*").await.1["total"], 13);
    // The case keeps its copy, by its order, and the line says so.
    let (_, case) = hall.get(&scene.room, "cases/rgnr-5").await;
    assert_eq!(case["transits"].as_array().unwrap().len(), 1, "{case}");
    let told = lines(house, "transits-erased");
    let sum: u64 = told
        .iter()
        .map(|line| line["details"]["transits"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, 3);
    for line in &told {
        let details = &line["details"];
        assert_eq!(details["approval"], waiting["id"]);
        assert_eq!(
            (
                &details["request"],
                &details["requested_on"],
                &details["right"]
            ),
            (
                &json!("Istanza 3/2026"),
                &json!("2026-11-20"),
                &json!("erasure")
            )
        );
        assert!(!line.to_string().contains("AB001"), "{line}");
    }
    assert!(
        told.iter()
            .any(|line| line["details"]["kept_in_cases"] == json!(["rgnr-5"]))
    );
    assert!(scene.is_whole());
    let proof = destruction::proof(&house.home, house.clock.now()).unwrap();
    assert_eq!(proof.erased.iter().map(|one| one.transits).sum::<u64>(), 3);
    assert_eq!(proof.transits, 13);
    // It was granted once.
    let again = hall
        .decide(&scene.responsible, &id_of(&waiting), true)
        .await;
    assert_eq!(again.0, 403, "{}", again.1);
    // There is no other way: nothing orders an erasure but a request that was granted, and a floor that knows one;
    // nothing destroys rows but that, a municipality's shortened term, and the end of an hour.
    assert_eq!(
        callers("erasures::order("),
        ["approvals/outcome.rs", "transits/ended.rs"]
    );
    assert_eq!(callers("INSERT INTO erasures"), ["transits/erasures.rs"]);
    assert_eq!(
        callers("&mut PurgeTurn {"),
        ["transits/erase.rs", "transits/purge.rs"]
    );
    assert_eq!(callers(".erase_one("), ["upkeep/mod.rs"]);
    assert_eq!(callers("head = x''"), ["transits/rows.rs"]);
    assert_eq!(hall.gates(&scene.room).await, [NORD]);
}

#[tokio::test]
async fn c34_part_a_cut_leaves_them_to_be_destroyed_again_and_nobody_makes_one_go_by_the_same_way()
{
    let scene = Scene::new().await;
    let house = &scene.hall.house;
    for hour in house.hours() {
        house.archive().seal(hour).unwrap();
    }
    scene.granted().await;
    // As if the power had failed when the rows were overwritten, and before the index was written.
    let mut main = house.home.open_main().unwrap();
    main.execute_batch("CREATE TABLE kept AS SELECT * FROM erasures")
        .unwrap();
    erase(house);
    main.execute_batch(
        "DELETE FROM erasures; INSERT INTO erasures SELECT * FROM kept; DROP TABLE kept",
    )
    .unwrap();
    house.restart();
    erase(house);
    assert_eq!(scene.find("*").await.1["total"], 13);
    assert!(scene.is_whole());
    assert_eq!(
        house.count("SELECT count(*) FROM erasures WHERE done_at_us IS NULL"),
        0
    );
    // An older copy of the main database knows nothing of it: it is ordered again before anything is opened.
    floor::keep(&house.home, &main).unwrap();
    main.execute_batch("DELETE FROM erasures").unwrap();
    let raised = floor::hold(&house.home, &mut main, house.clock.now()).unwrap();
    assert_eq!(raised.erased.len(), 3);
    assert_eq!(erase(house), 0);
    let again = floor::hold(&house.home, &mut main, house.clock.now()).unwrap();
    assert!(again.is_nothing(), "{again:?}");
    drop(main);
    // A row that somebody empties without a line is missed.
    let hour = store::open(&house.hour_files()[0]).unwrap();
    hour.execute_batch("UPDATE rows SET head = x'', envelope = x''")
        .unwrap();
    let found = verification::verify(&house.home, house.clock.now()).unwrap();
    assert_eq!(found.broken_transits.len(), 13, "{found:?}");
}

#[tokio::test]
async fn c30_c34_part_what_was_erased_does_not_come_back_with_an_older_copy() {
    let scene = Scene::new().await;
    let house = &scene.hall.house;
    let folder = tempfile::tempdir().unwrap();
    let place = BackupPlace {
        data: folder.path().join("data"),
        keys: folder.path().join("keys"),
    };
    let report = create(&house.home, &place, house.clock.now()).unwrap();
    let key = recovery_key(&report.recovery_key.unwrap()).unwrap();
    let old = BackupPlace {
        data: folder.path().join("old"),
        keys: place.keys.clone(),
    };
    for file in files(&place.data) {
        let to = old.data.join(file.strip_prefix(&place.data).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, to).unwrap();
    }
    scene.granted().await;
    assert_eq!(erase(house), 3);
    house.clock.advance(SECOND);
    let report = create(&house.home, &place, house.clock.now()).unwrap();
    assert_eq!(report.transits, 13, "{report:?}");
    let home = Home::at(folder.path().join("restored"));
    let report = restore(&old, &key, &home, house.clock.now() + SECOND).unwrap();
    assert_eq!(report.ended_again.erased.len(), 3, "{report:?}");
    let term = home.config().unwrap().retention;
    let archive: TransitStore = home.open_archive(term).unwrap().into();
    assert_eq!(archive.size().unwrap().transits, 16, "the copy has them");
    house.clock.advance(SECOND * 2);
    assert_eq!(erase_in(&home, &archive, house.clock.reading()), 3);
    let proof = destruction::proof(&home, house.clock.now()).unwrap();
    assert_eq!((proof.transits, proof.holds), (13, true), "{proof:?}");
}
