//! Alarms of edges, and their release.

use std::time::Duration;

use varco_hub::boxes::tampering::{due_releases, note_suspended_by, open_events, release_sent};
use varco_hub::enrolment::desk::{self, EdgeDeskError};
use varco_hub::proof::verification;
use varco_hub::timekeeping::Clock as _;
use varco_proto::envelope::open;
use varco_proto::record::RecordBody;
use varco_proto::tamper::{Release, TamperEvent, TamperKind};

use crate::support::{House, TestEdge};

fn alarm(
    house: &House,
    edge: &mut TestEdge,
    kind: TamperKind,
) -> varco_hub::intake::writer::Message {
    let now = house.clock.now();
    let body = RecordBody::Tamper(TamperEvent {
        kind,
        camera: None,
        noticed_at: now,
        detail: "noticed in a test".to_owned(),
        suspends: true,
    });
    let (head, sealed) = edge.head.seal_next(&edge.id, body, now, &edge.key);
    edge.head = head;
    edge.message(&sealed)
}

#[test]
fn c31_part_an_alarm_is_stored_receipted_and_shown_and_the_chain_stays_whole() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writer = house.writer();
    let first = edge.seal("AB123CD", house.clock.now());
    let alarm = alarm(&house, &mut edge, TamperKind::Cabinet);
    let last = edge.seal("XY987ZW", house.clock.now());
    // The alarm overtakes the transit that its edge keeps back.
    let taken = writer.take(std::slice::from_ref(&alarm)).unwrap();
    assert_eq!(house.receipts(&taken), [2]);
    assert!(
        taken.stored.is_empty(),
        "nobody is shown an alarm as a transit"
    );
    let taken = writer.take(&[first, last, alarm]).unwrap();
    assert_eq!(
        house.receipts(&taken),
        [1, 3, 2],
        "the alarm a second time, as a replay"
    );
    assert_eq!(house.stored(), 2);
    assert_eq!(house.count("SELECT count(*) FROM tamper_events"), 1);
    let view = &house.edge_views()[0];
    assert_eq!((view.last_sequence, view.missing), (3, 0));
    assert_eq!(view.suspended_by.len(), 1);
    assert_eq!(view.suspended_by[0].kind, "cabinet");
    let verified = verification::verify(&house.home, house.clock.now()).unwrap();
    assert!(verified.intact, "{verified:?}");
    assert_eq!(verified.transits, 2);
}

#[test]
fn c33_part_a_release_is_signed_audited_and_sent_until_its_edge_shows_it() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writer = house.writer();
    let now = house.clock.now();
    let none = desk::release_edge(&house.home, &edge.id, "nothing was there", now);
    assert!(matches!(none, Err(EdgeDeskError::NotSuspended(_))));
    for kind in [TamperKind::Turned, TamperKind::Reboot] {
        let alarm = alarm(&house, &mut edge, kind);
        writer.take(&[alarm]).unwrap();
    }
    let short = desk::release_edge(&house.home, &edge.id, " a ", now);
    assert!(matches!(short, Err(EdgeDeskError::Purpose)));
    let purpose = "the bracket was bent by a lorry, set right";
    let release = desk::release_edge(&house.home, &edge.id, purpose, now).unwrap();
    assert_eq!(release.up_to_sequence, 2);
    let main = house.home.open_main().unwrap();
    assert!(open_events(&main, &edge.id).unwrap().is_empty());
    let line: String = main
        .query_row(
            "SELECT line FROM audit WHERE action = 'edge-released'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(
        line.contains("bracket") && line.contains("turned"),
        "{line}"
    );

    let due = due_releases(&main, now).unwrap();
    let hub_key = house.home.sealing_key().unwrap().opening_key();
    let opened = open::<Release>(&due[0].envelope, &hub_key).unwrap();
    assert_eq!(opened.value(), &release);
    release_sent(&main, &due[0], now).unwrap();
    let later = now + Duration::from_secs(61);
    assert!(
        due_releases(&main, later).unwrap().is_empty(),
        "nobody asks for it"
    );
    note_suspended_by(&main, &edge.id, 2).unwrap();
    assert!(
        due_releases(&main, now).unwrap().is_empty(),
        "it was sent just now"
    );
    assert_eq!(
        due_releases(&main, later).unwrap().len(),
        1,
        "it was lost on its way"
    );
    note_suspended_by(&main, &edge.id, 0).unwrap();
    assert!(due_releases(&main, later).unwrap().is_empty());
}
