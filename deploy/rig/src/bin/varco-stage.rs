//! A broker and a hub on this machine for the tests of the page in a browser: they run until the input ends.
//!
//! It first prints where they are, as one line of JSON. Each line of its input is a plate: a transit of it is sent
//! as an edge would, and once the hub has answered, `{"stored": PLATE}` is printed.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::io::BufRead as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use varco_rig::clock;
use varco_rig::house::{CameraAddress, EDGE, House, Programs};
use varco_rig::sender::{Sender, transit};

/// How long the hub may take to reach its broker.
const READY_WAIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// Runs a broker and a hub for tests, until the input ends.
#[derive(Debug, Parser)]
#[command(name = "varco-stage", version)]
struct StageArguments {
    /// An empty folder for all they write.
    #[arg(long)]
    folder: PathBuf,
    /// Lines that are put into the table `[signing]` of hub.toml before the hub starts.
    #[arg(long, default_value = "")]
    signing: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = StageArguments::parse();
    let camera = CameraAddress {
        url: "rtsp://127.0.0.1:9/none".into(),
        credentials: None,
    };
    let programs = Programs::find()?;
    let hub = programs.folder.join("varco-hub");
    let mut house = House::lay(&arguments.folder, programs, &camera)?;
    let config = house.hub_home().join("hub.toml");
    let text = std::fs::read_to_string(&config)?;
    let table = format!("[signing]\n{}", arguments.signing);
    std::fs::write(&config, text.replacen("[signing]\n", &table, 1))?;
    house.start_broker()?;
    house.start_hub()?;
    wait_until_ready(&mut house)?;
    let mut sender = Sender::connect(&house.bundle(), EDGE, house.broker_port()).await?;
    let where_they_are = serde_json::json!({
        "url": house.hub_url(), "home": house.hub_home(), "hub": hub,
        "authority": house.bundle().join("ca.crt"), "log": house.log("hub"),
    });
    println!("{where_they_are}");
    let mut number = 0_u64;
    for line in std::io::stdin().lock().lines() {
        let plate = line?;
        number += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let now = clock::now();
        let envelope = sender.seal(transit(&plate, now, random)?, now);
        sender.send(envelope).await?;
        sender.answer().await?;
        println!("{}", serde_json::json!({ "stored": plate }));
    }
    house.end()
}

/// A hub answers over HTTPS before it has its subscriptions, and the sender sends once only.
fn wait_until_ready(house: &mut House) -> anyhow::Result<()> {
    let begin = clock::instant();
    while begin.elapsed() < READY_WAIT {
        house.check_running()?;
        let log = std::fs::read_to_string(house.log("hub")).context("there is no log")?;
        if log.contains("connected to the broker") {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    bail!("the hub does not reach its broker within {READY_WAIT:?}");
}
