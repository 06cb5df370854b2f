//! Every reason for a refusal, through the writer, with its row and its sealed answer.

use varco_hub::enrolment::desk;
use varco_hub::intake::writer::Message;
use varco_hub::timekeeping::Clock as _;
use varco_proto::envelope::{ENVELOPE_BYTES_MAX, seal};
use varco_proto::receipt::RefusalReason;
use varco_proto::record::{ChainHead, Record, RecordBody};
use varco_proto::topics::Topic;
use varco_proto::transit::ClockSource;

use crate::support::{DAY, House, SECOND, TestEdge};

/// Takes one message that is refused, and checks the row, the answer and that nothing is stored.
fn refused(house: &House, message: Message, reason: RefusalReason) {
    let before = house.stored();
    let taken = house.writer().take(&[message]).unwrap();
    let reasons: Vec<_> = house.refusals(&taken).iter().map(|(_, r)| *r).collect();
    assert_eq!(reasons, [reason]);
    assert!(house.receipts(&taken).is_empty());
    assert_eq!(house.stored(), before);
    let rows = format!("SELECT count(*) FROM refusals WHERE reason = '{reason}' AND times = 1");
    assert_eq!(house.count(&rows), 1);
}

fn house() -> (House, TestEdge) {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    (house, edge)
}

#[test]
fn an_unknown_edge_is_refused() {
    let (house, mut edge) = house();
    let mut message = edge.seal("AB123CD", house.clock.now());
    message.topic = Topic::Record("porta-sud-01".parse().unwrap()).name();
    refused(&house, message, RefusalReason::UnknownKey);
}

#[test]
fn a_revoked_edge_is_refused() {
    let (house, mut edge) = house();
    let mut writer = house.writer();
    let first = edge.seal("AB123CD", house.clock.now());
    assert_eq!(house.receipts(&writer.take(&[first]).unwrap()), [1]);
    desk::revoke_edge(&house.home, &edge.id, house.clock.now()).unwrap();
    // The running writer notices with the next batch.
    let second = edge.seal("AB123CD", house.clock.now());
    let taken = writer.take(&[second]).unwrap();
    assert_eq!(house.refusals(&taken), [(0, RefusalReason::UnknownKey)]);
    assert_eq!(house.stored(), 1);
}

#[test]
fn an_oversized_envelope_is_refused() {
    let (house, mut edge) = house();
    let mut message = edge.seal("AB123CD", house.clock.now());
    message.bytes.resize(ENVELOPE_BYTES_MAX + 1, 0);
    refused(&house, message, RefusalReason::Oversized);
}

#[test]
fn a_malformed_envelope_is_refused() {
    let (house, mut edge) = house();
    let mut message = edge.seal("AB123CD", house.clock.now());
    message.bytes = b"no envelope".to_vec();
    refused(&house, message, RefusalReason::Malformed);
}

#[test]
fn c22_part_a_forged_signature_is_refused() {
    let (house, mut edge) = house();
    let mut message = edge.seal("AB123CD", house.clock.now());
    *message.bytes.last_mut().unwrap() ^= 1;
    refused(&house, message, RefusalReason::BadSignature);
}

#[test]
fn a_record_of_another_edge_is_refused() {
    let (house, mut edge) = house();
    let other = "porta-sud-01".parse().unwrap();
    let transit = edge.transit("AB123CD", house.clock.now());
    let body = RecordBody::Transit(transit);
    let (_, sealed) = ChainHead::START.seal_next(&other, body, house.clock.now(), &edge.key);
    refused(&house, edge.message(&sealed), RefusalReason::WrongEdge);
}

#[test]
fn c39_a_record_older_than_seven_days_is_refused() {
    let (house, mut edge) = house();
    let just_too_old = house.clock.now() - 7 * DAY - SECOND;
    let message = edge.seal("AB123CD", just_too_old);
    refused(&house, message, RefusalReason::TooOld);
    // Its place in the chain is known all the same: the next record leaves no gap.
    let next = edge.seal("AB123CD", house.clock.now());
    let taken = house.writer().take(&[next]).unwrap();
    assert_eq!(house.receipts(&taken), [2]);
    assert!(house.refusals(&taken).is_empty());
}

#[test]
fn a_record_from_the_future_is_refused_until_its_time_comes() {
    let (house, mut edge) = house();
    let message = edge.seal("AB123CD", house.clock.now() + 61 * SECOND);
    refused(&house, message.clone(), RefusalReason::FromTheFuture);
    house.clock.advance(2 * SECOND);
    let taken = house.writer().take(&[message]).unwrap();
    assert_eq!(house.receipts(&taken), [1]);
    assert_eq!(house.stored(), 1);
}

#[test]
fn a_time_from_a_file_is_refused() {
    let (house, mut edge) = house();
    let mut transit = edge.transit("AB123CD", house.clock.now());
    transit.captured_at.source = ClockSource::File;
    let message = edge.seal_transit(transit);
    refused(&house, message, RefusalReason::Malformed);
}

#[test]
fn a_replay_is_receipted_again_counted_and_never_stored_twice() {
    let (house, mut edge) = house();
    let mut writer = house.writer();
    let message = edge.seal("AB123CD", house.clock.now());
    writer.take(std::slice::from_ref(&message)).unwrap();
    for _ in 0..2 {
        let taken = writer.take(&[message.clone(), message.clone()]).unwrap();
        assert_eq!(house.receipts(&taken), [1, 1]);
        assert_eq!(house.refusals(&taken), [(1, RefusalReason::Replay); 2]);
        assert!(taken.stored.is_empty());
    }
    assert_eq!(house.stored(), 1);
    let counted = "SELECT times FROM refusals WHERE reason = 'replay'";
    assert_eq!(house.count(counted), 4);
}

#[test]
fn an_edge_that_missed_a_receipt_gets_it_even_after_the_term() {
    let (house, mut edge) = house();
    let message = edge.seal("AB123CD", house.clock.now());
    house.writer().take(std::slice::from_ref(&message)).unwrap();
    house.clock.advance(8 * DAY);
    let mut writer = house.writer();
    writer.expire(usize::MAX).unwrap();
    assert_eq!(house.receipts(&writer.take(&[message]).unwrap()), [1]);
    assert_eq!(house.stored(), 0);
}

#[test]
fn two_records_for_one_place_are_refused_as_a_fork() {
    let (house, mut edge) = house();
    let start = edge.head;
    let first = edge.seal("AB123CD", house.clock.now());
    house.writer().take(&[first]).unwrap();
    edge.head = start;
    let second = edge.seal("ZZ999ZZ", house.clock.now());
    refused(&house, second, RefusalReason::Fork);
}

#[test]
fn a_record_that_follows_another_than_the_stored_one_is_refused_as_a_fork() {
    let (house, mut edge) = house();
    let first = edge.seal("AB123CD", house.clock.now());
    house.writer().take(&[first]).unwrap();
    edge.head.digest = varco_proto::ids::Digest::of(b"another history");
    let second = edge.seal("ZZ999ZZ", house.clock.now());
    refused(&house, second, RefusalReason::Fork);
}

#[test]
fn a_record_that_the_stored_one_after_it_does_not_follow_is_refused_as_a_fork() {
    let (house, mut edge) = house();
    let start = edge.head;
    edge.seal("AB123CD", house.clock.now());
    let second = edge.seal("AB123CD", house.clock.now());
    house.writer().take(&[second]).unwrap();
    edge.head = start;
    let other_first = edge.seal("ZZ999ZZ", house.clock.now());
    refused(&house, other_first, RefusalReason::Fork);
}

#[test]
fn a_gap_is_stored_told_and_closed_when_filled() {
    let (house, mut edge) = house();
    let mut writer = house.writer();
    let messages: Vec<_> = (0..5)
        .map(|_| edge.seal("AB123CD", house.clock.now()))
        .collect();
    let taken = writer
        .take(&[messages[0].clone(), messages[4].clone()])
        .unwrap();
    assert_eq!(house.receipts(&taken), [1, 5], "stored and receipted");
    assert_eq!(house.refusals(&taken), [(5, RefusalReason::Gap)]);
    let open = "SELECT coalesce(sum(missing), 0) FROM gaps WHERE closed_at_us IS NULL";
    assert_eq!(house.count(open), 3);
    let range = "SELECT first * 100 + last FROM gaps";
    assert_eq!(house.count(range), 204);
    for at in [2, 1, 3] {
        let taken = writer.take(&[messages[at].clone()]).unwrap();
        assert!(house.refusals(&taken).is_empty());
    }
    assert_eq!(house.count(open), 0);
    let closed = "SELECT count(*) FROM gaps WHERE closed_at_us IS NOT NULL";
    assert_eq!((house.count(closed), house.stored()), (1, 5));
}

#[test]
fn a_transit_id_that_is_taken_is_refused() {
    let (house, mut edge) = house();
    let transit = edge.transit("AB123CD", house.clock.now());
    let first = edge.seal_transit(transit.clone());
    house.writer().take(&[first]).unwrap();
    let second = edge.seal_transit(transit);
    refused(&house, second, RefusalReason::Malformed);
}

#[test]
fn a_poison_message_does_not_stop_the_others() {
    let (house, mut edge) = house();
    let good = edge.seal("AB123CD", house.clock.now());
    let poison = |bytes: &[u8]| Message {
        topic: good.topic.clone(),
        bytes: bytes.to_vec(),
    };
    let strange = Message {
        topic: "varco/v1/edge/a/b/c".into(),
        bytes: vec![],
    };
    let batch = [poison(&[]), strange, good.clone(), poison(&[0xff; 900])];
    let taken = house.writer().take(&batch).unwrap();
    assert_eq!(house.receipts(&taken), [1]);
    assert_eq!(house.refusals(&taken).len(), 2);
}

#[test]
fn an_edge_gone_mad_does_not_fill_the_refusals() {
    let (house, edge) = house();
    let mut writer = house.writer();
    let topic = Topic::Record(edge.id.clone()).name();
    let mad = |n: u32| Message {
        topic: topic.clone(),
        bytes: n.to_be_bytes().to_vec(),
    };
    let batch: Vec<_> = (0..10_050).map(mad).collect();
    writer.take(&batch).unwrap();
    assert_eq!(house.count("SELECT count(*) FROM refusals"), 10_001);
    assert_eq!(house.count("SELECT sum(times) FROM refusals"), 10_050);
}

#[test]
fn a_record_with_an_impossible_sequence_is_refused() {
    let (house, mut edge) = house();
    let transit = edge.transit("AB123CD", house.clock.now());
    let record = Record {
        edge: edge.id.clone(),
        sequence: u64::MAX,
        previous: varco_proto::ids::Digest::of(b"x"),
        sealed_at: house.clock.now(),
        body: RecordBody::Transit(transit),
    };
    let message = edge.message(&seal(&record, &edge.key));
    refused(&house, message, RefusalReason::Malformed);
}
