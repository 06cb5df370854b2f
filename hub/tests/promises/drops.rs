//! Records that an edge let go: told by it, and no open gap.

use varco_hub::intake::writer::Message;
use varco_hub::proof::verification;
use varco_hub::timekeeping::Clock as _;
use varco_hub::web::edges::EdgeView;
use varco_proto::drops::{DropReason, DropReport, SequenceRange};
use varco_proto::record::RecordBody;

use crate::support::{House, TestEdge};

fn report(
    house: &House,
    edge: &mut TestEdge,
    reason: DropReason,
    first: u64,
    last: u64,
) -> Message {
    let range = SequenceRange { first, last };
    let (ranges, count) = match reason {
        DropReason::Unsealed => (Vec::new(), last),
        _ => (vec![range], range.count()),
    };
    let now = house.clock.now();
    let body = RecordBody::Drops(DropReport {
        reason,
        ranges,
        count,
        dropped_at: now,
    });
    let (head, sealed) = edge.head.seal_next(&edge.id, body, now, &edge.key);
    edge.head = head;
    edge.message(&sealed)
}

fn view(house: &House) -> EdgeView {
    house.edge_views().remove(0)
}

fn missing_and_dropped(house: &House) -> (u64, u64) {
    let view = view(house);
    (view.missing, view.dropped)
}

#[test]
fn e03_what_an_edge_let_go_is_told_and_no_gap_any_more() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writer = house.writer();
    let messages: Vec<_> = (0..8)
        .map(|_| edge.seal("AB123CD", house.clock.now()))
        .collect();
    // 1 comes; 2 to 6 are let go, 7 is yet to come, 8 came.
    writer
        .take(&[messages[0].clone(), messages[7].clone()])
        .unwrap();
    assert_eq!(missing_and_dropped(&house), (6, 0));
    let told = report(&house, &mut edge, DropReason::Size, 2, 6);
    let taken = writer.take(std::slice::from_ref(&told)).unwrap();
    assert_eq!(house.receipts(&taken), [9]);
    assert!(
        taken.stored.is_empty(),
        "nobody is shown a report as a transit"
    );
    assert_eq!(missing_and_dropped(&house), (1, 5));
    let shown = view(&house).drops.remove(0);
    assert_eq!((shown.sequence, shown.reason.as_str()), (9, "size"));
    assert_eq!(
        (shown.first, shown.last, shown.count),
        (Some(2), Some(6), 5)
    );
    // A replay changes nothing; a second report of the same explains it once.
    writer.take(std::slice::from_ref(&told)).unwrap();
    let again = report(&house, &mut edge, DropReason::Damage, 3, 7);
    writer.take(std::slice::from_ref(&again)).unwrap();
    assert_eq!(missing_and_dropped(&house), (0, 6));
    // One was on its way all the same, and one that was not told of never was missing.
    writer
        .take(&[messages[2].clone(), messages[0].clone()])
        .unwrap();
    assert_eq!(missing_and_dropped(&house), (0, 5));
    assert_eq!(house.stored(), 3);
    let verified = verification::verify(&house.home, house.clock.now()).unwrap();
    assert!(verified.intact, "{verified:?}");
}

#[test]
fn e03_a_report_that_comes_before_all_else_opens_no_gap_of_what_it_tells() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writer = house.writer();
    for _ in 0..5 {
        edge.seal("AB123CD", house.clock.now());
    }
    let told = report(&house, &mut edge, DropReason::Age, 1, 4);
    writer.take(std::slice::from_ref(&told)).unwrap();
    assert_eq!(missing_and_dropped(&house), (1, 4));
    // Transits that were never sealed have no place in the chain, and are counted.
    let unsealed = report(&house, &mut edge, DropReason::Unsealed, 0, 3);
    writer.take(std::slice::from_ref(&unsealed)).unwrap();
    assert_eq!(missing_and_dropped(&house), (1, 7));
    let shown = view(&house).drops.remove(0);
    assert_eq!((shown.first, shown.count), (None, 3));
}

#[test]
fn a_report_of_what_is_yet_to_come_is_refused() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writer = house.writer();
    let first = edge.seal("AB123CD", house.clock.now());
    writer.take(&[first]).unwrap();
    let lie = report(&house, &mut edge, DropReason::Size, 1, 1 << 40);
    let taken = writer.take(std::slice::from_ref(&lie)).unwrap();
    assert!(house.receipts(&taken).is_empty());
    assert_eq!(missing_and_dropped(&house), (0, 0));
}
