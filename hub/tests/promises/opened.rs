//! Batches that were opened ahead of their transaction, on a pool of threads.

use std::sync::{Arc, Mutex};

use varco_hub::enrolment::desk;
use varco_hub::intake::batcher;
use varco_hub::intake::opening::{Opened, Opener};
use varco_hub::intake::pool::Pool;
use varco_hub::intake::writer::{Message, Taken, Writer};
use varco_hub::timekeeping::Clock as _;
use varco_proto::receipt::RefusalReason;

use crate::support::{House, TestEdge};

fn opener(house: &House) -> Opener {
    let pool = Arc::new(Pool::start(2).unwrap());
    Opener::new(house.home.open_main().unwrap(), pool)
}

fn take(house: &House, writer: &mut Writer, opened: &Opened) -> Taken {
    let outcome = writer.take_opened(opened).unwrap();
    let pool = Pool::start(2).unwrap();
    outcome.sealed_by(&house.home.sealing_key().unwrap(), &pool)
}

fn seals(house: &House, edge: &mut TestEdge, count: usize) -> Vec<Message> {
    let now = house.clock.now();
    (0..count).map(|_| edge.seal("AB123CD", now)).collect()
}

#[test]
fn what_was_opened_ahead_is_stored_as_it_is_otherwise() {
    let house = House::new();
    let mut edges = ["porta-nord-01", "porta-sud-1"].map(|id| house.edge(id));
    let mut opener = opener(&house);
    let mut batch: Vec<_> = (0..50)
        .flat_map(|_| {
            edges
                .iter_mut()
                .flat_map(|e| seals(&house, e, 1))
                .collect::<Vec<_>>()
        })
        .collect();
    batch[7].bytes.truncate(40);
    *batch[8].bytes.last_mut().unwrap() ^= 1;
    batch[9].topic = "varco/v1/edge/a/b/c".into();
    let opened = opener.open(batch.into());
    assert_eq!(
        opened
            .iter()
            .filter(|(_, opening)| opening.is_some())
            .count(),
        99
    );
    let taken = take(&house, &mut house.writer(), &opened);
    assert_eq!(house.receipts(&taken).len(), 97);
    assert_eq!(taken.stored.len(), 97);
    let mut reasons: Vec<_> = house
        .refusals(&taken)
        .iter()
        .map(|(_, r)| r.as_str())
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["bad-signature", "gap", "gap", "malformed"]);
}

#[test]
fn a_revocation_between_opening_and_storing_counts_at_once() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut opener = opener(&house);
    let mut writer = house.writer();
    let first = opener.open(seals(&house, &mut edge, 1).into());
    assert_eq!(house.receipts(&take(&house, &mut writer, &first)), [1]);
    let second = opener.open(seals(&house, &mut edge, 1).into());
    desk::revoke_edge(&house.home, &edge.id, house.clock.now()).unwrap();
    let taken = take(&house, &mut writer, &second);
    assert_eq!(house.refusals(&taken), [(0, RefusalReason::UnknownKey)]);
    let third = opener.open(seals(&house, &mut edge, 1).into());
    let taken = take(&house, &mut writer, &third);
    assert_eq!(house.refusals(&taken), [(0, RefusalReason::UnknownKey)]);
    assert_eq!(house.stored(), 1);
}

#[test]
fn a_fork_in_one_batch_shuts_out_what_was_opened_for_the_next() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let start = edge.head;
    let mut opener = opener(&house);
    let mut writer = house.writer();
    let mut batch = seals(&house, &mut edge, 1);
    let next = seals(&house, &mut edge, 1);
    edge.head = start;
    batch.extend(seals(&house, &mut edge, 1));
    let (batch, next) = (opener.open(batch.into()), opener.open(next.into()));
    let taken = take(&house, &mut writer, &batch);
    assert_eq!(house.refusals(&taken), [(1, RefusalReason::Fork)]);
    let taken = take(&house, &mut writer, &next);
    assert_eq!(house.refusals(&taken), [(0, RefusalReason::OnHold)]);
    assert_eq!(house.stored(), 1);
}

#[test]
fn an_edge_that_was_added_since_is_known() {
    let house = House::new();
    let mut opener = opener(&house);
    assert_eq!(opener.open(Arc::from([])).len(), 0);
    let mut edge = house.edge("porta-nord-01");
    let opened = opener.open(seals(&house, &mut edge, 1).into());
    assert_eq!(
        house.receipts(&take(&house, &mut house.writer(), &opened)),
        [1]
    );
}

#[test]
fn records_that_came_on_several_connections_are_put_in_their_chains_order() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut batch = seals(&house, &mut edge, 6);
    let (even, odd): (Vec<_>, Vec<_>) = (0..6).partition(|at| at % 2 == 0);
    let mixed = odd.into_iter().chain(even).map(|at| batch[at].clone());
    let stranger = Message {
        topic: "varco/v1/edge/a/b/c".into(),
        bytes: Vec::new(),
    };
    batch = mixed.chain([stranger]).collect();
    let opened = opener(&house).open(batch.into()).in_chain_order();
    let taken = take(&house, &mut house.writer(), &opened);
    assert_eq!(house.receipts(&taken), [1, 2, 3, 4, 5, 6]);
    assert!(house.refusals(&taken).is_empty());
}

#[tokio::test]
async fn one_bad_message_among_many_neither_stops_nor_loses_the_others() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    house.refuse_poison(&mut edge);
    let batch: Vec<_> = (0..200)
        .map(|at| match at {
            120 => edge.poison(now),
            _ => edge.seal("AB123CD", now),
        })
        .collect();
    let opened = Arc::new(opener(&house).open(batch.into()));
    let writer = Arc::new(Mutex::new(house.writer()));
    let key = house.home.sealing_key().unwrap();
    let outcomes = batcher::store_opened(&writer, opened).await;
    let taken: Vec<_> = outcomes.into_iter().map(|o| o.sealed(&key)).collect();
    let mut receipts: Vec<_> = taken.iter().flat_map(|t| house.receipts(t)).collect();
    receipts.sort_unstable();
    let wanted: Vec<u64> = (2..=201).filter(|sequence| *sequence != 122).collect();
    assert_eq!(receipts, wanted);
    let refusals = taken.iter().flat_map(|t| house.refusals(t));
    let refusals: Vec<_> = refusals.collect();
    assert_eq!(
        refusals,
        [(0, RefusalReason::Malformed), (123, RefusalReason::Gap)]
    );
    assert_eq!(house.stored(), 200);
    assert_eq!(house.count("SELECT count(*) FROM chain"), 200);
}
