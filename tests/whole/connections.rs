//! A hub with several connections to its broker.

use std::fs;
use std::time::Duration;

use varco_rig::house::EDGE;
use varco_rig::sender::{Answer, Sender};

use crate::hubs::publish;
use crate::kill::stored_once_each;
use crate::stage::{Stage, until};

/// Writes how many connections the hub makes, and starts it.
async fn start_hub(stage: &mut Stage, connections: usize) {
    let path = stage.house.hub_home().join("hub.toml");
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| {
        if line.starts_with("connections = ") {
            format!("connections = {connections}\n")
        } else {
            format!("{line}\n")
        }
    });
    fs::write(&path, lines.collect::<String>()).unwrap();
    let connected = |stage: &Stage| {
        let log = fs::read_to_string(stage.house.log("hub")).unwrap_or_default();
        log.matches("connected to the broker").count()
    };
    let before = connected(stage);
    stage.house.start_hub().unwrap();
    until(
        "every connection is made",
        Duration::from_secs(20),
        async || {
            // The log may begin anew with the process.
            let now = connected(stage);
            (now == connections || now == before + connections).then_some(())
        },
    )
    .await;
}

/// Sends records and waits for the receipt of each.
async fn send(sender: &mut Sender, numbers: std::ops::Range<u32>) {
    let mut wanted = publish(sender, numbers).await;
    while !wanted.is_empty() {
        match sender.answer().await.unwrap() {
            Answer::Receipt(receipt) => {
                for line in receipt.lines {
                    wanted.remove(&line.sequence);
                }
            }
            // One that overtook another is stored, and the other asked for.
            Answer::Refusal(refusal) => assert!(refusal.reason.is_stored(), "{refusal:?}"),
        }
    }
}

#[tokio::test]
async fn two_connections_share_the_records_and_each_is_stored_once() {
    let mut stage = Stage::without_camera();
    stage.house.start_broker().unwrap();
    start_hub(&mut stage, 2).await;
    let port = stage.house.broker_port();
    let mut sender = Sender::connect(&stage.house.bundle(), EDGE, port)
        .await
        .unwrap();
    send(&mut sender, 0..300).await;
    stored_once_each(&stage.house.hub_home(), 300);
    // With one connection again, nothing goes to the other's share.
    stage.house.take_hub().unwrap().end().unwrap();
    start_hub(&mut stage, 1).await;
    send(&mut sender, 300..340).await;
    stored_once_each(&stage.house.hub_home(), 340);
    stage.hub_says(&["audit", "verify"]).unwrap();
    stage.house.end().unwrap();
}
