//! Seven days from the capture, by moving the clock.

use std::time::Duration;

use varco_hub::clock::Clock as _;
use varco_hub::people::audit;
use varco_hub::people::purpose::Grounds;
use varco_hub::people::tokens::Actor;
use varco_hub::transits::lookup::{Asking, Query};
use varco_hub::transits::pattern::PlatePattern;
use varco_proto::time::UtcTime;

use crate::support::{DAY, House, SECOND};

fn shown(house: &House, now: UtcTime) -> usize {
    let query = Query {
        plate: PlatePattern::normalise("AB123CD").unwrap(),
        fold: false,
        from: now - 30 * DAY,
        to: now,
        cameras: Vec::new(),
        limit: 100,
        after: None,
    };
    let key = house.home.sealing_key().unwrap();
    let asking = Asking {
        actor: &Actor::named("test").unwrap(),
        grounds: &Grounds::stated(Some("traffic"), Some("PG 1")).unwrap(),
        now,
        key: &key,
    };
    let found = house.archive().look_up(&query, &asking).unwrap();
    assert_eq!(found.total, u64::try_from(found.transits.len()).unwrap());
    found.transits.len()
}

#[test]
fn c39_nothing_older_than_seven_days_is_shown() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let transits = [edge.seal("AB123CD", now - DAY), edge.seal("AB123CD", now)];
    house.writer().take(&transits).unwrap();
    assert_eq!(shown(&house, now), 2);
    // No expiry run happens here: the lookup itself stops at the second.
    assert_eq!(shown(&house, now + 6 * DAY), 2, "seven days to the second");
    assert_eq!(shown(&house, now + 6 * DAY + SECOND), 1);
    assert_eq!(shown(&house, now + 7 * DAY), 1);
    assert_eq!(shown(&house, now + 7 * DAY + SECOND), 0);
    assert_eq!(house.stored(), 2);
}

#[test]
fn k04_what_is_past_its_term_is_destroyed_and_leaves_an_audit_line() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let hour = Duration::from_secs(3600);
    let captures = (0..4)
        .map(|hours| now - hours * hour)
        .chain([now - 2 * DAY]);
    let batch: Vec<_> = captures.map(|at| edge.seal("AB123CD", at)).collect();
    let mut writer = house.writer();
    writer.take(&batch).unwrap();
    assert_eq!(
        writer.expire().unwrap().transits,
        0,
        "nothing is past its term"
    );

    house.clock.set(now + 7 * DAY - 2 * hour + SECOND);
    let expired = writer.expire().unwrap();
    assert_eq!(expired.days, ["2026-11-20"], "unlinked whole");
    assert_eq!(expired.transits, 2, "of the day that the term runs through");
    assert!(
        !house
            .home
            .partitions()
            .path("2026-11-20".parse().unwrap())
            .exists()
    );
    assert_eq!(house.stored(), 2);
    let again = writer.expire().unwrap();
    assert!(again.days.is_empty() && again.transits == 0);

    house.clock.set(now + 9 * DAY);
    assert_eq!(writer.expire().unwrap().days, ["2026-11-22"]);
    assert_eq!(house.stored(), 0);
    let lines = "SELECT count(*) FROM audit WHERE action LIKE '%-expired'";
    assert_eq!(house.count(lines), 3);
}

#[test]
fn an_expiry_that_was_killed_goes_on_at_the_next_start() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let batch = [edge.seal("AB123CD", house.clock.now())];
    house.writer().take(&batch).unwrap();
    house.clock.advance(9 * DAY);
    // The line was written and the process killed: the day is still there, so a new run begins.
    assert_eq!(house.writer().expire().unwrap().days.len(), 1);
    assert_eq!(house.writer().expire().unwrap().days.len(), 0);
}

#[test]
fn c27_c28_access_history_is_kept_at_least_a_year() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch = [edge.seal("AB123CD", now)];
    let mut writer = house.writer();
    writer.take(&batch).unwrap();
    shown(&house, now);
    let lookups = "SELECT count(*) FROM audit WHERE action = 'lookup'";
    for _ in 0..366 {
        house.clock.advance(DAY);
        writer.expire().unwrap();
        assert_eq!(house.count(lookups), 1);
    }
    let main = house.home.open_main().unwrap();
    for forbidden in ["DELETE FROM audit", "UPDATE audit SET actor = 'nobody'"] {
        let refused = main.execute(forbidden, []).unwrap_err();
        assert!(refused.to_string().contains("audit lines are never"));
    }
    let key = house.home.sealing_key().unwrap().opening_key();
    let (_, broken) = audit::verify(&main, &key).unwrap();
    assert!(broken.is_empty());
}
