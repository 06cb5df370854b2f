//! An edge is believed about its gate and cameras only as far as it is registered for them.

use varco_hub::boxes::anomalies::{self, Anomaly};
use varco_hub::boxes::desk::BoxDeskError;
use varco_hub::boxes::kinds::Kind;
use varco_hub::boxes::registered::{self, CAMERAS_MAX, Claimed};
use varco_hub::boxes::watch::{Since, look};
use varco_hub::enrolment::desk;
use varco_hub::intake::writer::Message;
use varco_hub::proof::verification;
use varco_hub::timekeeping::Clock as _;
use varco_proto::receipt::RefusalReason;

use crate::lookups::{found, query};
use crate::support::{House, SECOND, TestEdge};

fn camera(name: &str) -> Claimed {
    Claimed::Camera(name.parse().unwrap())
}

fn gate(name: &str) -> Claimed {
    Claimed::Gate(name.parse().unwrap())
}

/// A transit of another gate or camera than the edge's own.
fn of(house: &House, edge: &mut TestEdge, gate: &str, camera: &str, plate: &str) -> Message {
    let mut transit = edge.transit(plate, house.clock.now());
    transit.gate = gate.parse().unwrap();
    transit.camera = camera.parse().unwrap();
    edge.seal_transit(transit)
}

fn wrong(house: &House, edge: &TestEdge) -> Vec<(Kind, Option<String>)> {
    let main = house.home.open_main().unwrap();
    let open = anomalies::open_of(&main, Some(&edge.id)).unwrap();
    let told = |one: Anomaly| (one.kind, one.subject);
    open.into_iter().map(told).collect()
}

#[test]
fn what_an_edge_claims_of_another_or_invents_waits_until_a_person_allows_it_and_comes_in_once() {
    let house = House::new();
    let mut nord = house.edge_at("nord-01", "porta-nord");
    let mut sud = house.edge_at("sud-01", "porta-sud");
    let mut writer = house.writer();
    let first = [
        nord.seal("AB001CD", house.clock.now()),
        of(&house, &mut sud, "porta-sud", "sud-01", "AB002CD"),
    ];
    assert_eq!(house.receipts(&writer.take(&first).unwrap()), [1, 1]);

    let claims = [
        of(&house, &mut sud, "porta-nord", "sud-01", "AB003CD"),
        of(&house, &mut sud, "via-inventata-9", "sud-01", "AB004CD"),
        of(&house, &mut sud, "porta-sud", "nord-01", "AB005CD"),
        of(&house, &mut sud, "porta-sud", "sud-01", "AB006CD"),
    ];
    let taken = writer.take(&claims).unwrap();
    assert_eq!(house.receipts(&taken), [5], "its own comes through");
    let held = [2, 3, 4].map(|sequence| (sequence, RefusalReason::OnHold));
    assert_eq!(house.refusals(&taken), held, "nothing is asked for again");
    assert_eq!(found(&house, &query(&house, "AB00*CD")).len(), 3);
    let told = [
        (Kind::ForeignGate, Some("porta-nord".to_owned())),
        (Kind::ForeignGate, Some("via-inventata-9".to_owned())),
        (Kind::ForeignCamera, Some("nord-01".to_owned())),
    ];
    assert_eq!(wrong(&house, &sud), told);
    assert!(wrong(&house, &nord).is_empty());
    let again = writer.take(&claims[..3]).unwrap();
    assert_eq!(house.refusals(&again), held, "the box tries again");
    assert_eq!(wrong(&house, &sud).len(), 3, "and that is nothing new");

    house.allow(&sud, gate("porta-nord")).unwrap();
    let taken = writer.take(&claims[..3]).unwrap();
    assert_eq!(house.receipts(&taken), [2]);
    house.allow(&sud, gate("via-inventata-9")).unwrap();
    house.allow(&sud, camera("nord-01")).unwrap();
    let taken = writer.take(&claims).unwrap();
    assert_eq!(house.receipts(&taken), [2, 3, 4, 5]);
    let replayed = [2, 5].map(|sequence| (sequence, RefusalReason::Replay));
    assert_eq!(house.refusals(&taken), replayed);
    assert_eq!(found(&house, &query(&house, "AB00*CD")).len(), 6);
    assert_eq!(house.stored(), 6);
    let chain = house.chain(&sud.id);
    assert_eq!((chain.head, chain.missing), (5, 0));
    let checked = verification::verify(&house.home, house.clock.now()).unwrap();
    assert!(checked.intact, "{checked:?}");

    let main = house.home.open_main().unwrap();
    let now = house.clock.now();
    look(&main, &mut Since::now(now), now).unwrap();
    assert!(
        wrong(&house, &sud).is_empty(),
        "what is allowed is over at once"
    );
    let lines = "SELECT count(*) FROM audit WHERE action = 'edge-allowed'";
    let lines: i64 = main.query_row(lines, [], |row| row.get(0)).unwrap();
    assert_eq!(lines, 3);
}

#[test]
fn a_camera_is_its_first_edges_alone_and_an_edge_takes_only_so_many() {
    let house = House::new();
    let mut nord = house.edge_at("nord-01", "porta");
    let mut sud = house.edge_at("sud-01", "porta");
    let mut writer = house.writer();
    let batch = [
        of(&house, &mut nord, "porta", "lato-est", "AB001CD"),
        of(&house, &mut sud, "porta", "lato-est", "AB002CD"),
    ];
    let taken = writer.take(&batch).unwrap();
    assert_eq!(house.receipts(&taken), [1], "also within one batch");
    assert_eq!(house.refusals(&taken), [(1, RefusalReason::OnHold)]);
    let more: Vec<Message> = (0..CAMERAS_MAX + 5)
        .map(|number| {
            let name = format!("flood-{number:05}");
            of(&house, &mut nord, "porta", &name, "AB003CD")
        })
        .collect();
    let taken = writer.take(&more).unwrap();
    // Its own name and the first one are among them.
    assert_eq!(house.receipts(&taken).len(), CAMERAS_MAX - 2);
    let own = of(&house, &mut nord, "porta", "nord-01", "AB004CD");
    assert_eq!(house.receipts(&writer.take(&[own]).unwrap()).len(), 1);

    // A box that is gone for good keeps its cameras from nobody.
    desk::revoke_edge(&house.home, &nord.id, house.clock.now()).unwrap();
    let taken = writer.take(&batch[1..]).unwrap();
    assert_eq!(house.receipts(&taken), [1]);
    let refused = house.allow(&nord, camera("lato-ovest"));
    assert!(
        matches!(refused, Err(BoxDeskError::Revoked(_))),
        "{refused:?}"
    );
}

#[test]
fn a_batch_that_is_given_up_registers_nothing() {
    let house = House::new();
    let mut edge = house.edge_at("nord-01", "porta");
    house.refuse_poison(&mut edge);
    let mut writer = house.writer();
    let first = of(&house, &mut edge, "porta", "lato-est", "AB001CD");
    let poison = edge.poison(house.clock.now());
    assert!(writer.take(&[first.clone(), poison]).is_err());
    let main = house.home.open_main().unwrap();
    let cameras = || registered::of_edge(&main, &edge.id).unwrap().cameras;
    if house.archive().server().is_none() {
        assert_eq!(cameras(), ["nord-01"]);
    }
    assert_eq!(house.receipts(&writer.take(&[first]).unwrap()), [2]);
    assert_eq!(cameras(), ["lato-est", "nord-01"]);
}

#[test]
fn edges_of_a_version_before_are_registered_by_what_is_stored_of_them() {
    let house = House::new();
    let mut nord = house.edge_at("nord-01", "porta-nord");
    let mut sud = house.edge_at("sud-01", "porta-sud");
    for claimed in [gate("ponte"), camera("cam-1")] {
        house.allow(&nord, claimed.clone()).unwrap();
        house.allow(&sud, claimed).unwrap();
    }
    let mut writer = house.writer();
    let batch = [
        of(&house, &mut nord, "ponte", "cam-1", "AB001CD"),
        of(&house, &mut sud, "porta-sud", "cam-1", "AB002CD"),
    ];
    assert_eq!(house.receipts(&writer.take(&batch).unwrap()), [1, 1]);
    drop(writer);
    let main = house.home.open_main().unwrap();
    main.execute_batch(
        "DELETE FROM edge_registrations WHERE way <> 'enrolment' OR kind = 'camera';
         INSERT INTO edges_to_learn SELECT id FROM edges;
         UPDATE edge_registrations_version SET version = version + 1;",
    )
    .unwrap();
    house.restart();
    drop(house.archive());
    let of_nord = registered::of_edge(&main, &nord.id).unwrap();
    assert_eq!(of_nord.gates, ["ponte", "porta-nord"]);
    assert_eq!(of_nord.cameras, ["cam-1"]);
    let of_sud = registered::of_edge(&main, &sud.id).unwrap();
    assert_eq!(
        (of_sud.gates, of_sud.cameras),
        (vec!["porta-sud".to_owned()], vec!["cam-1".to_owned()])
    );
    house.clock.advance(SECOND);
    let batch = [
        of(&house, &mut nord, "ponte", "cam-1", "AB003CD"),
        of(&house, &mut sud, "porta-sud", "cam-1", "AB004CD"),
        of(&house, &mut sud, "ponte", "cam-1", "AB005CD"),
    ];
    let taken = house.writer().take(&batch).unwrap();
    assert_eq!(house.receipts(&taken), [2, 2]);
    assert_eq!(house.refusals(&taken), [(3, RefusalReason::OnHold)]);
}
