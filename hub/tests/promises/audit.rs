//! Tampering is found.

use varco_hub::clock::Clock as _;
use varco_hub::verify::{Verification, verify};

use crate::support::{House, SECOND};

fn house_with_transits() -> House {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch: Vec<_> = (0..3).map(|_| edge.seal("AB123CD", now)).collect();
    house.writer().take(&batch).unwrap();
    // Past the time in which a day may be ahead of its chain.
    house.clock.advance(100 * SECOND);
    house
}

fn check(house: &House) -> Verification {
    verify(&house.home, house.clock.now()).unwrap()
}

fn tamper_with_day(house: &House, sql: &str) {
    let partitions = house.home.partitions();
    let day = partitions.days().unwrap()[0];
    let connection = partitions.open(day).unwrap();
    assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
}

fn tamper_with_main(house: &House, sql: &str) {
    let main = house.home.open_main().unwrap();
    main.execute_batch("DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_deleted;")
        .unwrap();
    assert_eq!(main.execute(sql, []).unwrap(), 1, "{sql}");
}

#[test]
fn an_untouched_hub_is_intact() {
    let checked = check(&house_with_transits());
    assert!(checked.intact, "{checked:?}");
    assert_eq!((checked.transits, checked.audit_lines), (3, 3));
}

#[test]
fn c43_a_tampered_audit_line_is_found() {
    for (sql, sequence) in [
        (
            "UPDATE audit SET line = replace(line, 'porta', 'parte') WHERE sequence = 3",
            3,
        ),
        ("UPDATE audit SET actor = 'nobody' WHERE sequence = 2", 2),
        ("UPDATE audit SET at_us = at_us + 1 WHERE sequence = 2", 2),
        (
            "UPDATE audit SET digest = randomblob(32) WHERE sequence = 1",
            1,
        ),
        ("DELETE FROM audit WHERE sequence = 2", 3),
        ("DELETE FROM audit WHERE sequence = 3", 3),
    ] {
        let house = house_with_transits();
        tamper_with_main(&house, sql);
        let checked = check(&house);
        assert!(!checked.intact, "{sql}");
        let found = checked
            .broken_audit_lines
            .iter()
            .any(|l| l.sequence == sequence);
        assert!(found, "{sql}: {checked:?}");
    }
}

#[test]
fn a_tampered_column_of_a_transit_is_found() {
    for set in [
        "plate = 'ZZ999ZZ'",
        "plate_folded = 'ZZ999ZZ'",
        "captured_at_us = captured_at_us - 3600000000",
        "camera = 'elsewhere'",
        "confidence = 0.1",
        "digest = randomblob(32)",
        "candidates = ''",
    ] {
        let house = house_with_transits();
        tamper_with_day(
            &house,
            &format!("UPDATE transits SET {set} WHERE sequence = 2"),
        );
        let checked = check(&house);
        assert!(!checked.intact, "{set}");
        assert!(checked.broken_transits.iter().all(|t| t.sequence == 2));
    }
}

#[test]
fn a_tampered_envelope_is_found() {
    let house = house_with_transits();
    tamper_with_day(
        &house,
        "UPDATE transits SET envelope = substr(envelope, 1, length(envelope) - 1)
         WHERE sequence = 1",
    );
    let checked = check(&house);
    let what: Vec<_> = checked.broken_transits.iter().map(|t| &t.what).collect();
    assert!(what[0].contains("does not open"), "{what:?}");
}

#[test]
fn a_transit_deleted_behind_the_hubs_back_is_found() {
    let house = house_with_transits();
    tamper_with_day(&house, "DELETE FROM transits WHERE sequence = 2");
    let checked = check(&house);
    assert_eq!(checked.broken_transits.len(), 1);
    assert!(checked.broken_transits[0].what.contains("gone"));
}

#[test]
fn a_changed_chain_is_found() {
    let house = house_with_transits();
    tamper_with_main(
        &house,
        "UPDATE chain_recent SET digest = randomblob(32) WHERE sequence = 2",
    );
    assert!(!check(&house).intact);
}

#[test]
fn a_transit_past_its_term_is_not_missed() {
    let house = house_with_transits();
    house.clock.advance(8 * crate::support::DAY);
    house.writer().expire().unwrap();
    let checked = check(&house);
    assert!(checked.intact, "{checked:?}");
    assert_eq!(checked.transits, 0);
}
