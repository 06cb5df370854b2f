//! A database of a version before: which cameras its transits have at which gates is not known.

use varco_hub::home::whereabouts;
use varco_hub::home::whereabouts::Whereabouts;
use varco_hub::lookups::counts::{By, Counting, Scope};
use varco_hub::timekeeping::Clock as _;
use varco_hub::transits::query::Query;

use crate::backing;
use crate::lookups::{found, query};
use crate::places::pass;
use crate::support::{House, SECOND};

fn at_gate(house: &House, gate: &str) -> Query {
    let mut asked = query(house, "*");
    asked.filter.gates = vec![gate.parse().unwrap()];
    asked
}

#[test]
fn hours_of_a_version_before_are_searched_whole_and_new_ones_by_the_cameras_of_the_gate() {
    let house = House::new();
    let (mut nord, mut sud) = (house.edge("nord-01"), house.edge("sud-01"));
    let now = house.clock.now();
    let then = now - SECOND * 7200;
    pass(&house, &mut nord, "nord", "AB001CD", then);
    pass(&house, &mut sud, "sud", "AB002CD", then);
    let schema = backing::schema(&house.home);
    assert_eq!(schema.sql("SELECT count(*) FROM met"), "2");
    assert_eq!(schema.sql("SELECT count(*) FROM hours WHERE all_met"), "1");
    schema.sql(
        "DROP TABLE belongs_to; DROP TABLE met; ALTER TABLE hours DROP COLUMN all_met;
         DELETE FROM varco_schema; INSERT INTO varco_schema VALUES (1)",
    );
    let main = house.home.open_main().unwrap();
    whereabouts::say(&main, &Whereabouts::Unsaid).unwrap();
    house.restart();
    assert_eq!(found(&house, &at_gate(&house, "nord")).len(), 1);
    assert_eq!(schema.sql("SELECT count(*) FROM hours WHERE all_met"), "0");
    // The hour of before goes on, and a new one begins.
    pass(&house, &mut nord, "nord", "AB003CD", then);
    pass(&house, &mut nord, "nord", "AB004CD", now);
    pass(&house, &mut sud, "sud", "AB005CD", now);
    assert_eq!(found(&house, &at_gate(&house, "nord")).len(), 3);
    assert_eq!(found(&house, &at_gate(&house, "sud")).len(), 2);
    assert_eq!(schema.sql("SELECT count(*) FROM hours WHERE all_met"), "1");
    // In the new hour only cameras of the gate are read: without them nothing is found there.
    schema.sql("DELETE FROM met");
    assert_eq!(found(&house, &at_gate(&house, "nord")).len(), 2);
}

#[test]
fn a_camera_that_another_hub_met_first_is_found_at_its_gate() {
    let house = House::new();
    let mut nord = house.edge("nord-01");
    pass(&house, &mut nord, "nord", "AB001CD", house.clock.now());
    let asked = at_gate(&house, "nord");
    assert_eq!(found(&house, &asked).len(), 1);
    let this_hub = house.archive();
    house.restart();
    let mut far = house.edge("nord-02");
    for _ in 0..5 {
        pass(&house, &mut far, "nord", "AB002CD", house.clock.now());
    }
    let met = this_hub.cameras_at_gates().unwrap();
    assert_eq!(met.len(), 2);
    house.clock.advance(SECOND * 7200);
    let counting = Counting {
        from: asked.from,
        to: house.clock.now(),
        scope: Scope {
            gates: asked.filter.gates,
            ..Scope::default()
        },
        by: By::Camera,
        daily: true,
    };
    let counted = this_hub
        .count_by(
            &counting,
            house.clock.now(),
            &this_hub
                .allowed(
                    house.clock.now(),
                    &varco_hub::municipalities::reach::Reach::everywhere(),
                )
                .unwrap(),
        )
        .unwrap();
    let told: Vec<_> = counted
        .cells
        .iter()
        .map(|cell| (cell.of.as_str(), cell.count))
        .collect();
    assert_eq!(
        told,
        [("nord-02", 5)],
        "the first one's only pass is not told"
    );
}
