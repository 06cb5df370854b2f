//! What holds of storing, whatever the store is.

use std::sync::{Arc, Mutex};

use varco_hub::clock::Clock as _;
use varco_hub::intake::batcher;
use varco_proto::receipt::RefusalReason;

use crate::support::{House, SECOND};

#[test]
fn transits_of_several_hours_are_stored_each_in_its_own() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let hour = 3600 * SECOND;
    let batch: Vec<_> = (0..3)
        .map(|hours| edge.seal("AB123CD", now - hours * hour))
        .collect();
    house.writer().take(&batch).unwrap();
    let names: Vec<_> = house.hours().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["2026-11-22T10", "2026-11-22T11", "2026-11-22T12"]);
}

#[tokio::test]
async fn a_record_that_the_store_cannot_hold_is_refused_and_the_others_are_stored() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    house.refuse_poison(&mut edge);
    let batch: Arc<[_]> = [
        edge.seal("AB123CD", now),
        edge.poison(now),
        edge.seal("AB124CD", now),
    ]
    .into();
    let writer = Arc::new(Mutex::new(house.writer()));
    let taken = batcher::store(&writer, batch).await;
    let receipts: Vec<_> = taken.iter().flat_map(|t| house.receipts(t)).collect();
    assert_eq!(receipts, [2, 4]);
    let refusals = taken.iter().flat_map(|t| house.refusals(t));
    let reasons: Vec<_> = refusals.map(|(_, reason)| reason).collect();
    assert_eq!(reasons, [RefusalReason::Malformed, RefusalReason::Gap]);
    assert_eq!(house.stored(), 3);
}
