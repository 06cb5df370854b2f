//! Seven days from the capture, by moving the clock.

use std::time::Duration;

use varco_hub::audit;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::purpose::Grounds;
use varco_hub::hours::keys::HourKeys;
use varco_hub::lookups::question::Asking;
use varco_hub::plates::pattern::PlatePattern;
use varco_hub::proof::destruction::proof;
use varco_hub::timekeeping::Clock as _;
use varco_hub::transits::query::{Filter, Query};
use varco_proto::time::UtcTime;

use crate::support::{DAY, House, SECOND};

pub(crate) fn shown(house: &House, now: UtcTime) -> usize {
    let query = Query {
        plate: PlatePattern::normalise("AB123CD").unwrap(),
        fold: false,
        misread: false,
        oldest_first: false,
        filter: Filter::default(),
        from: now - 30 * DAY,
        to: now,
        limit: 10_000,
        after: None,
    };
    let key = house.home.sealing_key().unwrap();
    let asking = Asking {
        actor: &Actor::at_console("test").unwrap(),
        grounds: Some(&Grounds::stated(Some("traffic"), Some("PG 1")).unwrap()),
        reach: &varco_hub::municipalities::reach::Reach::everywhere(),
        now,
        key: &key,
        judge: &house.home.judge().unwrap(),
        grown_at: None,
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
fn k04_what_is_past_its_term_goes_by_the_hour_and_leaves_an_audit_line() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let hour = Duration::from_secs(3600);
    let captures = (0..4).map(|hours| now - hours * hour);
    let batch: Vec<_> = captures.map(|at| edge.seal("AB123CD", at)).collect();
    let mut writer = house.writer();
    writer.take(&batch).unwrap();
    assert_eq!(writer.expire(usize::MAX).unwrap().hours, []);
    // An hour goes whole once the term of its last moment is over, and not before.
    house.clock.set(now + 7 * DAY - 2 * hour - SECOND);
    assert_eq!(writer.expire(usize::MAX).unwrap().hours, []);
    house.clock.set(now + 7 * DAY - 2 * hour);
    let expired = writer.expire(1).unwrap();
    let names: Vec<_> = expired.hours.iter().map(ToString::to_string).collect();
    assert_eq!(
        (names, expired.transits),
        (vec!["2026-11-22T09".to_owned()], 1)
    );
    let keys = HourKeys::open(&house.home.hour_keys(), &house.home.store_key_file()).unwrap();
    assert_eq!(keys.hours().unwrap().len(), 3, "the key is gone at once");
    house.archive().unlink(&expired.hours).unwrap();
    assert_eq!((house.stored(), house.hours().len()), (3, 3));
    house.clock.set(now + 9 * DAY);
    let expired = writer.expire(usize::MAX).unwrap();
    house.archive().unlink(&expired.hours).unwrap();
    assert_eq!(
        (expired.hours.len(), house.stored(), house.hours().len()),
        (3, 0, 0)
    );
    assert_eq!(writer.expire(usize::MAX).unwrap().hours, []);
    let lines = "SELECT count(*) FROM audit WHERE action LIKE '%-expired'";
    assert_eq!(house.count(lines), 4);
}

#[test]
fn c39_part_the_proof_shows_what_went_and_finds_what_did_not() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch = [edge.seal("AB123CD", now - DAY), edge.seal("AB123CD", now)];
    house.writer().take(&batch).unwrap();
    house.clock.set(now + 6 * DAY + Duration::from_secs(3900));
    let before = proof(&house.home, house.clock.now()).unwrap();
    assert!(!before.holds, "no run has come yet");
    assert_eq!(before.overdue, ["2026-11-21T12"]);
    let expired = house.writer().expire(usize::MAX).unwrap();
    house.archive().unlink(&expired.hours).unwrap();
    let after = proof(&house.home, house.clock.now()).unwrap();
    assert!(after.holds, "{after:?}");
    assert_eq!((after.hours, after.transits), (1, 1));
    assert_eq!(after.oldest_hour.as_deref(), Some("2026-11-22T12"));
    assert_eq!(after.destroyed.len(), 1);
    assert_eq!(
        (
            after.destroyed[0].hour.as_str(),
            after.destroyed[0].transits
        ),
        ("2026-11-21T12", 1)
    );
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
        writer.expire(usize::MAX).unwrap();
        assert_eq!(house.count(lookups), 1);
    }
    let main = house.home.open_main().unwrap();
    for forbidden in ["DELETE FROM audit", "UPDATE audit SET actor = 'nobody'"] {
        let refused = main.execute(forbidden, []).unwrap_err();
        assert!(refused.to_string().contains("audit lines are never"));
    }
    let key = house.home.sealing_key().unwrap().opening_key();
    let (_, broken) = audit::check::verify(&main, &key).unwrap();
    assert!(broken.is_empty());
}
