//! Intake end to end: from MQTT to the signed receipt, over a real broker with TLS.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use serde::Serialize;
use varco_proto::time::UtcTime;
use varco_rig::house::{CameraAddress, EDGE, GATE, House, Programs};
use varco_rig::sender::{Answer, Sender, transit};
use varco_rig::{clock, process};

use crate::spool::store_only;

/// Records that an edge has on their way, as the real one.
const WINDOW: usize = 64;
/// Longest that a record waits for the hub's first words.
const READY_MAX: Duration = Duration::from_secs(20);

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Edges that send at once, each with 64 records on their way
    #[arg(long, default_value_t = 16)]
    edges: usize,
    /// Records of each
    #[arg(long, default_value_t = 2000)]
    records: usize,
}

/// How fast it is.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// Sent and receipted.
    records: usize,
    /// From the first record sent to the last receipt opened.
    per_second: f64,
    /// Checking the same signatures alone, on one core.
    verify_only_per_second: f64,
    /// Inserting the same bytes alone, durably, in batches of 2048.
    store_only_per_second: f64,
    /// Against the first floor. Senders, broker and hub share the machine.
    ratio_to_verify_only: f64,
    /// Against the second.
    ratio_to_store_only: f64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} records: {:.0} /s from MQTT to receipt, {:.2} of verifying alone ({:.0} /s), {:.3} of \
             storing alone ({:.0} /s)",
            self.records,
            self.per_second,
            self.ratio_to_verify_only,
            self.verify_only_per_second,
            self.ratio_to_store_only,
            self.store_only_per_second
        )
    }
}

/// One edge with its records sealed.
struct Loaded {
    sender: Sender,
    envelopes: Vec<Vec<u8>>,
}

/// Measures it.
///
/// # Errors
/// When a program is missing, or a record gets no receipt.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(settings))
}

async fn measure(settings: &Settings) -> anyhow::Result<Figures> {
    let folder = tempfile::Builder::new().prefix("varco-bench-").tempdir()?;
    let nobody = CameraAddress {
        url: "rtsp://127.0.0.1:9/none".into(),
        credentials: None,
    };
    let mut house = House::lay(folder.path(), Programs::find()?, &nobody)?;
    let mut bundles = vec![(EDGE.to_owned(), house.bundle())];
    for number in 1..settings.edges {
        let name = format!("bench-{number:03}");
        let out = folder.path().join(&name);
        add_edge(&house, &name, &out)?;
        bundles.push((name, out));
    }
    house.start_broker()?;
    house.start_hub()?;
    wait_for_subscriptions(&house).await?;
    let mut edges = Vec::new();
    for (number, (name, bundle)) in bundles.iter().enumerate() {
        let sender = Sender::connect(bundle, name, house.broker_port()).await?;
        edges.push(load(sender, number, settings.records)?);
    }
    let verify_only_per_second = verify_only(&edges);
    let bytes: Vec<&[u8]> = edges
        .iter()
        .flat_map(|edge| &edge.envelopes)
        .map(Vec::as_slice)
        .collect();
    let store_only_per_second = store_only(folder.path(), &bytes)?;
    let records = bytes.len();
    let begun = clock::instant();
    let sending = edges.into_iter().map(|edge| tokio::spawn(send_all(edge)));
    for sent in sending.collect::<Vec<_>>() {
        sent.await??;
    }
    let per_second = rate(records, begun.elapsed());
    Ok(Figures {
        records,
        per_second,
        verify_only_per_second,
        store_only_per_second,
        ratio_to_verify_only: per_second / verify_only_per_second,
        ratio_to_store_only: per_second / store_only_per_second,
    })
}

fn add_edge(house: &House, name: &str, out: &PathBuf) -> anyhow::Result<()> {
    process::run(
        "varco-hub edge add",
        house
            .hub_command()
            .args(["edge", "add", name, "--gate", GATE, "--home"])
            .arg(house.hub_home())
            .arg("--out")
            .arg(out),
    )?;
    Ok(())
}

/// The hub answers over HTTPS before it has its subscriptions.
async fn wait_for_subscriptions(house: &House) -> anyhow::Result<()> {
    let begun = clock::instant();
    loop {
        let log = fs::read_to_string(house.log("hub")).unwrap_or_default();
        if log.contains("connected to the broker") {
            return Ok(());
        }
        ensure!(begun.elapsed() < READY_MAX, "the hub has no broker:\n{log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn load(mut sender: Sender, edge: usize, records: usize) -> anyhow::Result<Loaded> {
    let now: UtcTime = clock::now();
    let mut envelopes = Vec::with_capacity(records);
    for number in 0..records {
        let mut random = [0; 10];
        let (high, low) = random.split_at_mut(4);
        high.copy_from_slice(&u32::try_from(edge)?.to_be_bytes());
        for (to, from) in low.iter_mut().zip(u32::try_from(number)?.to_be_bytes()) {
            *to = from;
        }
        let plate = format!(
            "AB{:03}C{}",
            number % 1000,
            char::from(b'A' + u8::try_from(edge % 26)?)
        );
        envelopes.push(sender.seal(transit(&plate, now, random)?, now));
    }
    Ok(Loaded { sender, envelopes })
}

fn verify_only(edges: &[Loaded]) -> f64 {
    let signed: Vec<_> = edges
        .iter()
        .flat_map(|edge| {
            let key = edge.sender.key.opening_key();
            let some = edge.envelopes.iter().take(500);
            some.map(move |bytes| (key, bytes, edge.sender.key.sign(bytes)))
        })
        .collect();
    let begun = clock::instant();
    let held = signed
        .iter()
        .filter(|(key, bytes, signature)| key.verifies(bytes, signature))
        .count();
    rate(held, begun.elapsed())
}

/// Sends with a window, as an edge does, until every record is receipted.
async fn send_all(edge: Loaded) -> anyhow::Result<()> {
    let Loaded {
        mut sender,
        envelopes,
    } = edge;
    let (all, mut receipted, mut sent) = (envelopes.len(), 0, 0);
    let mut waiting = envelopes.into_iter();
    while receipted < all {
        while sent - receipted < WINDOW {
            let Some(envelope) = waiting.next() else {
                break;
            };
            sender.send(envelope).await?;
            sent += 1;
        }
        match sender.answer().await.context("a record has no receipt")? {
            Answer::Receipt(receipt) => receipted += receipt.lines.len(),
            Answer::Refusal(refusal) => anyhow::bail!("refused: {}", refusal.detail),
        }
    }
    Ok(())
}

fn rate(count: usize, span: Duration) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from) / span.as_secs_f64()
}
