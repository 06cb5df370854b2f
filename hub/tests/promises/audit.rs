//! Tampering is found.

use varco_hub::clock::Clock as _;
use varco_hub::verify::{Verification, verify};

use crate::support::House;

fn house_with_transits() -> House {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch: Vec<_> = (0..3).map(|_| edge.seal("AB123CD", now)).collect();
    house.writer().take(&batch).unwrap();
    house
}

fn check(house: &House) -> Verification {
    verify(&house.home, house.clock.now()).unwrap()
}

fn tamper_with_hour(house: &House, sql: &str) {
    let hour = varco_hub::store::open(&house.hour_files()[0]).unwrap();
    assert_eq!(hour.execute(sql, []).unwrap(), 1, "{sql}");
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
fn a_tampered_row_is_found() {
    for sql in [
        "UPDATE rows SET head = randomblob(length(head)) WHERE row = 2",
        "UPDATE rows SET head = (SELECT head FROM rows WHERE row = 1) WHERE row = 2",
        "UPDATE rows SET envelope = (SELECT envelope FROM rows WHERE row = 3) WHERE row = 2",
        "UPDATE rows SET envelope = substr(envelope, 1, length(envelope) - 1) WHERE row = 2",
        "DELETE FROM rows WHERE row = 2",
    ] {
        let house = house_with_transits();
        tamper_with_hour(&house, sql);
        let checked = check(&house);
        let gone: Vec<_> = checked
            .broken_transits
            .iter()
            .filter(|t| t.sequence == 2)
            .collect();
        assert_eq!(gone.len(), 1, "{sql}: {checked:?}");
        assert!(gone[0].what.contains("gone") && checked.transits == 2);
    }
}

#[test]
fn an_hour_taken_away_or_without_its_key_is_found() {
    for away in ["file", "key"] {
        let house = house_with_transits();
        if away == "file" {
            std::fs::remove_file(&house.hour_files()[0]).unwrap();
        } else {
            let keys = varco_hub::store::open(&house.home.hour_keys()).unwrap();
            assert_eq!(keys.execute("DELETE FROM hour_keys", []).unwrap(), 1);
        }
        let checked = check(&house);
        assert_eq!(
            checked.broken_transits.len(),
            4,
            "the hour, and each of its transits"
        );
    }
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
    house.writer().expire(usize::MAX).unwrap();
    let checked = check(&house);
    assert!(checked.intact, "{checked:?}");
    assert_eq!(checked.transits, 0);
}
