//! Two hub processes of one home on one PostgreSQL.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::time::Duration;

use varco_rig::clock;
use varco_rig::house::EDGE;
use varco_rig::process::Process;
use varco_rig::sender::{Answer, Sender, transit};

use crate::cluster::Cluster;
use crate::stage::{Stage, until};

/// Waits of ten seconds after each of which the records without a receipt are sent again.
const SILENCES_MAX: u32 = 4;

/// Starts one of the hubs, and waits until it has its broker.
async fn start(stage: &Stage, number: u32) -> Process {
    let log = stage.folder().join(format!("hub-{number}.log"));
    fs::remove_file(&log).ok();
    let mut command = stage.house.hub_command();
    command
        .args(["run", "--hub", &number.to_string(), "--home"])
        .arg(stage.house.hub_home());
    let hub = Process::start("varco-hub", &mut command, &log).unwrap();
    until(
        "the hub has its broker",
        Duration::from_secs(30),
        async || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            text.contains("connected to the broker").then_some(())
        },
    )
    .await;
    hub
}

/// Sends records without waiting for anything; gives their envelopes by their places in the chain.
pub(crate) async fn publish(sender: &mut Sender, numbers: Range<u32>) -> BTreeMap<u64, Vec<u8>> {
    let mut sent = BTreeMap::new();
    for number in numbers {
        let mut random = [0; 10];
        random[..4].copy_from_slice(&number.to_be_bytes());
        let now = clock::now();
        let envelope = sender.seal(transit("AB123CD", now, random).unwrap(), now);
        sender.send(envelope.clone()).await.unwrap();
        sent.insert(sender.head.sequence, envelope);
    }
    sent
}

/// Waits for the receipt of each record. As an edge does, it sends again what stays without one,
/// and tells how many that were: the broker loses what it deals to a hub that died unnoticed.
async fn receipted(sender: &mut Sender, mut left: BTreeMap<u64, Vec<u8>>) -> usize {
    let mut again = 0;
    let mut silences = 0;
    while !left.is_empty() {
        match sender.answer().await {
            Ok(Answer::Receipt(receipt)) => {
                for line in receipt.lines {
                    left.remove(&line.sequence);
                }
            }
            Ok(Answer::Refusal(refusal)) => assert!(refusal.reason.is_stored(), "{refusal:?}"),
            Err(quiet) if silences == SILENCES_MAX => {
                panic!("{} records get no receipt: {quiet:#}", left.len())
            }
            Err(_) => {
                silences += 1;
                again += left.len();
                for envelope in left.values() {
                    sender.send(envelope.clone()).await.unwrap();
                }
            }
        }
    }
    again
}

fn links(cluster: &Cluster) -> String {
    cluster.sql("whole", "SELECT count(*) FROM links WHERE stored")
}

#[tokio::test]
async fn two_hub_processes_share_the_records_and_survive_the_death_of_either() {
    let cluster = Cluster::start();
    cluster.sql("public", "CREATE SCHEMA whole");
    let mut stage = Stage::without_camera();
    let path = stage.house.hub_home().join("hub.toml");
    let text = fs::read_to_string(&path).unwrap();
    let address = cluster.address("whole");
    let more = format!("\n[store]\npostgres = \"{address}\"\nhubs = 2\n");
    fs::write(&path, text + more.as_str()).unwrap();
    stage.house.start_broker().unwrap();
    let (first, second) = (start(&stage, 1).await, start(&stage, 2).await);
    cluster.sql(
        "whole",
        "CREATE TABLE writers (pid integer);
         CREATE FUNCTION wrote() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO writers VALUES (pg_backend_pid()); RETURN NULL; END $$;
         CREATE TRIGGER wrote AFTER INSERT ON links FOR EACH STATEMENT EXECUTE FUNCTION wrote()",
    );
    let port = stage.house.broker_port();
    let mut sender = Sender::connect(&stage.house.bundle(), EDGE, port)
        .await
        .unwrap();
    let sent = publish(&mut sender, 0..300).await;
    receipted(&mut sender, sent).await;
    assert_eq!(links(&cluster), "300");
    let writers = cluster.sql("whole", "SELECT count(DISTINCT pid) FROM writers");
    assert_eq!(writers, "2", "both stored some");

    first.kill().unwrap();
    let sent = publish(&mut sender, 300..350).await;
    receipted(&mut sender, sent).await;
    let first = start(&stage, 1).await;

    // The broker notices the other's death together with the records, and deals some to the dead.
    let broker = stage.house.take_broker().unwrap();
    broker.signal("STOP").unwrap();
    second.kill().unwrap();
    let sent = publish(&mut sender, 350..400).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    broker.signal("CONT").unwrap();
    let again = receipted(&mut sender, sent).await;
    println!("records dealt to the dead hub, and sent again: {again}");
    assert_eq!(links(&cluster), "400");
    assert_eq!(stage.stored().await.len(), 400);
    stage.hub_says(&["audit", "verify"]).unwrap();
    first.end().unwrap();
    broker.end().unwrap();
    stage.house.end().unwrap();
}
