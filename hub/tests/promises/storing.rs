//! What holds of storing, whatever the store is.

use std::sync::{Arc, Mutex};

use varco_hub::intake::batcher;
use varco_hub::intake::writer::Message;
use varco_hub::timekeeping::Clock as _;
use varco_proto::ids::TransitId;
use varco_proto::receipt::RefusalReason;
use varco_proto::time::UtcTime;

use crate::support::{House, SECOND, TestEdge};

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

/// Seals a transit under an id of this moment and random half.
fn with_id(edge: &mut TestEdge, plate: &str, at: UtcTime, random: [u8; 10]) -> Message {
    let mut transit = edge.transit(plate, at);
    transit.id = TransitId::from_parts(at.unix_ms(), random);
    edge.seal_transit(transit)
}

#[test]
fn transits_of_one_hour_whose_ids_share_the_random_half_are_stored_once_each() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let random = [9; 10];
    let first = with_id(&mut edge, "AB123CD", now - 65 * SECOND, random);
    let taken = house.writer().take(&[first]).unwrap();
    assert_eq!(house.receipts(&taken), [1]);
    // Each writer opens the store anew: what it knows comes from the disk.
    let second = with_id(&mut edge, "AB123CD", now, random);
    let taken = house.writer().take(&[second]).unwrap();
    assert_eq!(
        house.receipts(&taken),
        [2],
        "a minute later is another transit"
    );
    assert_eq!(house.stored(), 2);
}

#[test]
fn a_transit_told_in_two_records_is_stored_once_and_leaves_no_gap() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let told = with_id(&mut edge, "AB123CD", now, [9; 10]);
    let again = with_id(&mut edge, "AB123CD", now, [9; 10]);
    let next = edge.seal("AB124CD", now);
    let taken = house.writer().take(&[told]).unwrap();
    assert_eq!(house.receipts(&taken), [1]);
    let taken = house.writer().take(&[again]).unwrap();
    assert_eq!(house.refusals(&taken), [(2, RefusalReason::Malformed)]);
    let taken = house.writer().take(&[next]).unwrap();
    assert_eq!(house.receipts(&taken), [3]);
    assert!(house.refusals(&taken).is_empty(), "its place is filled");
    assert_eq!(house.stored(), 2);
}
