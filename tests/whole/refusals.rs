//! What a hub refuses, over a real broker: nothing is stored, a reason is given and recorded.

use std::time::Duration;

use prost::Message as _;
use varco_proto::envelope::{ENVELOPE_BYTES_MAX, Payload};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::RefusalReason;
use varco_proto::record::{ChainHead, Record, RecordBody};
use varco_proto::wire;
use varco_rig::clock;
use varco_rig::house::EDGE;
use varco_rig::sender::{Answer, Sender, transit};

use crate::stage::{Stage, until};

const DAY: Duration = Duration::from_secs(86_400);

/// Waits for the next refusal, passing over receipts.
async fn refusal(sender: &mut Sender) -> RefusalReason {
    loop {
        if let Answer::Refusal(refusal) = sender.answer().await.unwrap() {
            assert!(!refusal.detail.contains("AB123CD"), "a plate in the detail");
            return refusal.reason;
        }
    }
}

async fn receipt(sender: &mut Sender) {
    loop {
        match sender.answer().await.unwrap() {
            Answer::Receipt(_) => return,
            Answer::Refusal(refusal) => assert!(refusal.reason.is_stored(), "{refusal:?}"),
        }
    }
}

#[tokio::test]
async fn a_malformed_envelope_is_refused() {
    let (stage, mut sender) = Stage::with_sender().await;
    sender.send(b"no envelope at all".to_vec()).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::Malformed);
    assert!(stage.stored().await.is_empty());
}

#[tokio::test]
async fn an_oversized_envelope_is_refused() {
    let (stage, mut sender) = Stage::with_sender().await;
    sender.send(vec![7; ENVELOPE_BYTES_MAX + 10]).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::Oversized);
    assert!(stage.stored().await.is_empty());
}

#[tokio::test]
async fn a_forged_envelope_is_refused() {
    let (stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    let forger = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
    let body = RecordBody::Transit(transit("AB123CD", now, [1; 10]).unwrap());
    let (_, sealed) = ChainHead::START.seal_next(&sender.edge, body, now, &forger);
    sender.send(sealed.envelope).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::BadSignature);

    let mut envelope = sender.seal(transit("AB123CD", now, [2; 10]).unwrap(), now);
    let middle = envelope.len() / 2;
    envelope[middle] ^= 1;
    sender.send(envelope).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::BadSignature);
    assert!(stage.stored().await.is_empty());
}

#[tokio::test]
async fn another_edges_record_is_refused() {
    let (stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    let body = RecordBody::Transit(transit("AB123CD", now, [1; 10]).unwrap());
    let other = "porta-sud-01".parse().unwrap();
    let (_, sealed) = ChainHead::START.seal_next(&other, body, now, &sender.key);
    sender.send(sealed.envelope).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::WrongEdge);
    assert!(stage.stored().await.is_empty());
}

#[tokio::test]
async fn a_replayed_envelope_is_receipted_again_and_never_stored_again() {
    let (stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    let envelope = sender.seal(transit("AB123CD", now, [1; 10]).unwrap(), now);
    sender.send(envelope.clone()).await.unwrap();
    receipt(&mut sender).await;
    sender.send(envelope).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::Replay);
    assert_eq!(stage.stored().await.len(), 1);
}

#[tokio::test]
async fn a_gap_is_recorded_and_what_came_is_stored() {
    let (stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    let first = sender.seal(transit("AB123CD", now, [1; 10]).unwrap(), now);
    let second = sender.seal(transit("AB124CD", now, [2; 10]).unwrap(), now);
    let third = sender.seal(transit("AB125CD", now, [3; 10]).unwrap(), now);
    sender.send(first).await.unwrap();
    receipt(&mut sender).await;
    sender.send(third).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::Gap);
    assert_eq!(stage.stored().await.len(), 2);
    sender.send(second).await.unwrap();
    let ten = Duration::from_secs(10);
    until("the gap is filled", ten, async || {
        (stage.stored().await.len() == 3).then_some(())
    })
    .await;
    stage.hub_says(&["audit", "verify"]).unwrap();
}

#[tokio::test]
async fn a_forked_chain_is_refused() {
    let (stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    let first = sender.seal(transit("AB123CD", now, [1; 10]).unwrap(), now);
    sender.send(first).await.unwrap();
    receipt(&mut sender).await;
    // A copy of the box seals another record at the same place.
    sender.head = ChainHead::START;
    let copy = sender.seal(transit("XX999XX", now, [2; 10]).unwrap(), now);
    sender.send(copy).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::Fork);
    // And goes on from there: nothing more of the edge is taken until a person has looked.
    let next = sender.seal(transit("XX998XX", now, [3; 10]).unwrap(), now);
    sender.send(next).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::OnHold);
    assert_eq!(stage.stored().await.len(), 1);
}

#[tokio::test]
async fn a_foreign_gate_waits_until_a_person_allows_it_and_comes_in_once() {
    let (stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    let mut claimed = transit("AB123CD", now, [1; 10]).unwrap();
    claimed.gate = "via-inventata-9".parse().unwrap();
    let foreign = sender.seal(claimed, now);
    let own = sender.seal(transit("AB124CD", now, [2; 10]).unwrap(), now);
    sender.send(foreign.clone()).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::OnHold);
    sender.send(own).await.unwrap();
    receipt(&mut sender).await;
    assert_eq!(stage.stored().await.len(), 1);
    let listed = stage.hub_says(&["edge", "list"]).unwrap();
    assert!(listed.contains("foreign-gate via-inventata-9"), "{listed}");
    let edge = sender.edge.to_string();
    let allow = ["edge", "allow", &edge, "--gate", "via-inventata-9"];
    stage.hub_says(&allow).unwrap();
    sender.send(foreign.clone()).await.unwrap();
    receipt(&mut sender).await;
    sender.send(foreign).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::Replay);
    assert_eq!(stage.stored().await.len(), 2);
    stage.hub_says(&["audit", "verify"]).unwrap();
}

#[tokio::test]
async fn c39_a_record_older_than_seven_days_is_refused() {
    let (stage, mut sender) = Stage::with_sender().await;
    let old = clock::now() - 7 * DAY - Duration::from_secs(5);
    let envelope = sender.seal(transit("AB123CD", old, [1; 10]).unwrap(), clock::now());
    sender.send(envelope).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::TooOld);
    assert!(stage.stored().await.is_empty());
}

#[tokio::test]
async fn a_record_from_the_future_is_refused() {
    let (stage, mut sender) = Stage::with_sender().await;
    let ahead = clock::now() + Duration::from_secs(3600);
    let envelope = sender.seal(transit("AB123CD", ahead, [1; 10]).unwrap(), clock::now());
    sender.send(envelope).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::FromTheFuture);
    assert!(stage.stored().await.is_empty());
}

#[tokio::test]
async fn a_revoked_edge_is_refused_at_once() {
    let (stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    let first = sender.seal(transit("AB123CD", now, [1; 10]).unwrap(), now);
    sender.send(first).await.unwrap();
    receipt(&mut sender).await;
    stage.hub_says(&["edge", "revoke", EDGE]).unwrap();
    let second = sender.seal(transit("AB124CD", now, [2; 10]).unwrap(), now);
    sender.send(second).await.unwrap();
    assert_eq!(refusal(&mut sender).await, RefusalReason::UnknownKey);
    assert_eq!(stage.stored().await.len(), 1);
}

#[tokio::test]
async fn c22_part_an_edge_reads_and_writes_its_own_topics_alone() {
    let (stage, mut honest) = Stage::with_sender().await;
    let bundle = stage.add_edge("porta-sud-01");
    let mut liar = Sender::connect(&bundle, "porta-sud-01", stage.house.broker_port())
        .await
        .unwrap();
    // It publishes on the other's topic: the broker lets it fall, and the hub hears nothing.
    let now = clock::now();
    let envelope = liar.seal(transit("AB123CD", now, [1; 10]).unwrap(), now);
    liar.edge = EDGE.parse().unwrap();
    liar.send(envelope).await.unwrap();
    // A true record sent after it is stored; the false one left no trace.
    let envelope = honest.seal(transit("AB124CD", now, [2; 10]).unwrap(), now);
    honest.send(envelope).await.unwrap();
    receipt(&mut honest).await;
    let stored = stage.stored().await;
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].plate, "AB124CD");
}

#[tokio::test]
async fn a_poisoned_record_does_not_stop_the_line() {
    let (stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    for number in 0..20_u8 {
        let edge_id = "x".repeat(usize::from(number) * 100);
        let record = wire::Record {
            edge_id,
            ..Default::default()
        };
        let payload = record.encode_to_vec();
        let signed = varco_proto::envelope::pre_authentication_encoding(Record::TYPE, &payload);
        let envelope = wire::Envelope {
            payload_type: Record::TYPE.into(),
            payload,
            key_id: Vec::new(),
            signature: sender.key.sign(&signed).to_vec(),
        };
        sender.send(envelope.encode_to_vec()).await.unwrap();
        assert_eq!(refusal(&mut sender).await, RefusalReason::Malformed);
    }
    let good = sender.seal(transit("AB123CD", now, [1; 10]).unwrap(), now);
    sender.send(good).await.unwrap();
    receipt(&mut sender).await;
    assert_eq!(stage.stored().await.len(), 1);
}
