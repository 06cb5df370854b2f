//! Second starts of hub and edge beside those at work, with a real broker between them.

use std::fs;
use std::time::Duration;

use varco_rig::house::{EDGE, free_port};
use varco_rig::sender::{Answer, Sender};

use crate::hubs::publish;
use crate::kill::stored_once_each;
use crate::stage::Stage;

/// Second starts; `VARCO_LOOPS` says another number.
const STARTS: u32 = 5;
/// Records sent before and after each.
const RECORDS: u32 = 20;

#[tokio::test]
async fn c22_part_second_starts_of_the_hub_cost_no_record_that_it_receipted() {
    let loops = std::env::var("VARCO_LOOPS").map(|text| text.parse().unwrap());
    let loops: u32 = loops.unwrap_or(STARTS);
    let (mut stage, mut sender) = Stage::with_sender().await;
    let config = stage.house.hub_home().join("hub.toml");
    for number in 0..loops {
        publish(&mut sender, number * RECORDS..(number + 1) * RECORDS).await;
        if number % 2 == 1 {
            // Another port does not make it another home.
            let text = fs::read_to_string(&config).unwrap();
            let line = text.lines().find(|line| line.starts_with("listen = "));
            let free = format!("listen = \"127.0.0.1:{}\"", free_port().unwrap());
            fs::write(&config, text.replace(line.unwrap(), &free)).unwrap();
        }
        let mut second = stage.house.hub_command();
        second.arg("run").arg("--home").arg(stage.house.hub_home());
        let second = second.output().unwrap();
        let said = String::from_utf8(second.stderr).unwrap();
        assert_eq!(second.status.code(), Some(75), "{said}");
        assert!(said.contains("is in use: `varco-hub run`"), "{said}");
    }
    receipted(&mut sender, u64::from(loops * RECORDS)).await;
    stage.house.take_hub().unwrap().end().unwrap();
    stored_once_each(&stage.house.hub_home(), u64::from(loops * RECORDS));
    stage.hub_says(&["audit", "verify"]).unwrap();
    stage.house.end().unwrap();
}

/// Waits for the receipts of all records up to one.
async fn receipted(sender: &mut Sender, last: u64) {
    let mut left: std::collections::BTreeSet<u64> = (1..=last).collect();
    while !left.is_empty() {
        match sender.answer().await.unwrap() {
            Answer::Receipt(receipt) => {
                for line in receipt.lines {
                    left.remove(&line.sequence);
                }
            }
            Answer::Refusal(refusal) => panic!("{EDGE}: {refusal:?}"),
        }
    }
}

#[tokio::test]
async fn a_second_edge_on_a_state_folder_says_who_runs_and_leaves_it_alone() {
    let mut stage = Stage::without_camera();
    stage.house.start_edge().unwrap();
    let lock = stage.house.edge_state().join("run.lock");
    crate::stage::until("the edge is at work", Duration::from_secs(20), async || {
        fs::read(&lock)
            .is_ok_and(|note| !note.is_empty())
            .then_some(())
    })
    .await;
    let mut second = stage.house.edge_command();
    let second = second.output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(75), "{said}");
    assert!(said.contains("is in use: `varco-edge run`"), "{said}");
    // A kill leaves no lock behind.
    stage.house.take_edge().unwrap().kill().unwrap();
    stage.house.start_edge().unwrap();
    let [edge, _] = stage.house.process_ids();
    let pid = edge.unwrap().to_string();
    crate::stage::until("the next edge works", Duration::from_secs(20), async || {
        let note = fs::read_to_string(&lock).unwrap_or_default();
        note.contains(&pid).then_some(())
    })
    .await;
    stage.house.check_running().unwrap();
    // It may not have come as far as to listen to signals.
    stage.house.take_edge().unwrap().kill().unwrap();
    stage.house.end().unwrap();
}
