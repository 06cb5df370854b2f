//! The links of the chains, wherever they stand: appended, moved in runs, let go at the end.

use varco_hub::chains::heads::RUN_LINKS;
use varco_hub::intake::writer::{Message, Writer};
use varco_hub::proof::verification;
use varco_hub::timekeeping::Clock as _;
use varco_proto::receipt::RefusalReason;

use crate::support::{DAY, House, SECOND, TestEdge};

pub(crate) fn seals(house: &House, edge: &mut TestEdge, count: usize) -> Vec<Message> {
    let now = house.clock.now();
    (0..count).map(|_| edge.seal("AB123CD", now)).collect()
}

pub(crate) fn known(house: &House) -> i64 {
    house.count("SELECT count(*) FROM chain")
}

fn prune_all(writer: &mut Writer) -> u64 {
    let mut links = 0;
    loop {
        let pruned = writer.prune().unwrap();
        links += pruned.links;
        if pruned.finished {
            return links;
        }
    }
}

pub(crate) fn whole(house: &House) {
    let verified = verification::verify(&house.home, house.clock.now()).unwrap();
    assert!(verified.intact, "{verified:?}");
}

#[test]
fn k04_a_hub_that_was_killed_judges_by_the_tables_as_it_did_by_its_memory() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let start = edge.head;
    let messages = seals(&house, &mut edge, 10);
    house.writer().take(&messages[..4]).unwrap();
    // Each writer is a hub started anew.
    let taken = house.writer().take(&messages[2..5]).unwrap();
    assert_eq!(house.receipts(&taken), [3, 4, 5]);
    assert_eq!(
        house.refusals(&taken),
        [(3, RefusalReason::Replay), (4, RefusalReason::Replay)]
    );
    let taken = house.writer().take(&messages[7..8]).unwrap();
    assert_eq!(house.refusals(&taken), [(8, RefusalReason::Gap)]);
    let taken = house.writer().take(&messages[5..]).unwrap();
    assert_eq!(house.receipts(&taken), [6, 7, 8, 9, 10]);
    assert_eq!(house.count("SELECT sum(missing) FROM gaps"), 0);
    assert_eq!(known(&house), 10);
    whole(&house);
    edge.head = start;
    let fork = edge.seal("ZZ999ZZ", house.clock.now());
    let taken = house.writer().take(&[fork]).unwrap();
    assert_eq!(house.refusals(&taken), [(1, RefusalReason::Fork)]);
}

#[test]
fn two_writers_in_turns_never_judge_by_a_stale_memory() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writers = [house.writer(), house.writer()];
    for number in 1..=20_u64 {
        let message = seals(&house, &mut edge, 1);
        let [one, other] = &mut writers;
        assert_eq!(house.receipts(&one.take(&message).unwrap()), [number]);
        let again = other.take(&message).unwrap();
        assert_eq!(house.refusals(&again), [(number, RefusalReason::Replay)]);
        writers.reverse();
    }
    assert_eq!((known(&house), house.stored()), (20, 20));
    whole(&house);
}

#[test]
fn a_fork_found_in_a_batch_shuts_the_rest_of_it_out() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let start = edge.head;
    let mut batch = seals(&house, &mut edge, 2);
    let third = seals(&house, &mut edge, 1);
    edge.head = start;
    batch.extend(seals(&house, &mut edge, 1));
    batch.extend(third);
    let taken = house.writer().take(&batch).unwrap();
    assert_eq!(house.receipts(&taken), [1, 2]);
    let wanted = [(1, RefusalReason::Fork), (0, RefusalReason::OnHold)];
    assert_eq!(house.refusals(&taken), wanted);
}

#[test]
fn c39_links_past_their_use_are_let_go_and_never_asked_for_again() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut silent = house.edge("porta-sud-1");
    let old = seals(&house, &mut edge, 3 * RUN_LINKS);
    let last = seals(&house, &mut silent, 1);
    let mut writer = house.writer();
    writer.take(&old).unwrap();
    writer.take(&last).unwrap();
    let all = known(&house);

    house.clock.advance(8 * DAY);
    assert_eq!(prune_all(&mut writer), 0, "a day longer than the term");
    assert_eq!(house.receipts(&writer.take(&old[..1]).unwrap()), [1]);
    house.clock.advance(SECOND);
    writer.expire(usize::MAX).unwrap();
    assert_eq!(i64::try_from(prune_all(&mut writer)).unwrap(), all - 2);
    assert_eq!(known(&house), 2, "the head of each stays");
    assert_eq!(prune_all(&mut writer), 0);

    for mut hub in [writer, house.writer()] {
        let taken = hub.take(&old[..1]).unwrap();
        assert_eq!(house.refusals(&taken), [(1, RefusalReason::TooOld)]);
        assert!(house.receipts(&taken).is_empty());
        assert_eq!(known(&house), 2, "its place is not opened again");
        // The silent one's head is known still: its next follows it, and a copy is found out.
        let again = hub.take(&last).unwrap();
        assert_eq!(house.receipts(&again), [1]);
    }
    let next = seals(&house, &mut edge, 1);
    let taken = house.writer().take(&next).unwrap();
    assert_eq!(house.receipts(&taken).len(), 1);
    assert!(
        house.refusals(&taken).is_empty(),
        "nothing pruned is missing"
    );
    assert_eq!(house.chain(&edge.id).missing, 0);
    whole(&house);
}

#[test]
fn what_fills_an_open_gap_is_taken_below_the_chains_end() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut writer = house.writer();
    let mut messages = seals(&house, &mut edge, 3);
    // The fourth is sealed with a capture of next week, by a box whose clock was ahead.
    messages.push(edge.seal("AB123CD", house.clock.now() + 9 * DAY));
    messages.extend(seals(&house, &mut edge, 3 * RUN_LINKS));
    let late = messages.remove(3);
    writer.take(&messages).unwrap();
    house.clock.advance(8 * DAY + SECOND);
    assert!(prune_all(&mut writer) > 0);
    house.clock.advance(DAY);
    let taken = writer.take(&[late]).unwrap();
    assert_eq!(house.receipts(&taken), [4]);
    assert_eq!(house.count("SELECT sum(missing) FROM gaps"), 0);
    let taken = writer.take(&messages[..1]).unwrap();
    assert_eq!(house.refusals(&taken), [(1, RefusalReason::TooOld)]);
}
