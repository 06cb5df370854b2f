//! Records in, receipts out: the hub's intake without a broker, against bare verifying and storing.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use rusqlite::{Connection, params};
use serde::Serialize;
use varco_hub::clock::SetClock;
use varco_hub::home::Home;
use varco_hub::intake::judge::Limits;
use varco_hub::intake::opening::Opener;
use varco_hub::intake::pool::Pool;
use varco_hub::intake::writer::{Message, Writer};
use varco_hub::places::edges::{self, Edge};
use varco_hub::setup::{self, InitSettings};
use varco_proto::envelope::open;
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::Receipt;
use varco_proto::record::{ChainHead, Record, RecordBody};
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;
use varco_rig::{clock, sender};

/// Records that an edge sends in a row when its link comes back.
const BURST: usize = 64;
const TERM: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Records of each pattern
    #[arg(long, default_value_t = 60_000)]
    records: usize,
    /// Edges that send them
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u16).range(1..))]
    edges: u16,
    /// Most records in one commit
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Links that the chains have before, all together
    #[arg(long, default_value_t = 0)]
    known: u32,
    /// Threads that check signatures [default: as many as there are cores]
    #[arg(long)]
    threads: Option<usize>,
}

/// One pattern of sending.
#[derive(Debug, Serialize)]
pub(crate) struct Intake {
    pattern: &'static str,
    per_second: f64,
    ratio_to_verify_only: f64,
    ratio_to_store_only: f64,
    /// Checking signatures alone, on one core.
    verify_only_per_second: f64,
    /// Opening envelopes alone, on one core.
    open_only_per_second: f64,
    /// Inserting the same bytes alone, as durably, in batches as large.
    store_only_per_second: f64,
    /// Seconds in which each stage of the intake was busy: they overlap.
    opening_s: f64,
    storing_s: f64,
    sealing_s: f64,
}

impl std::fmt::Display for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:<12} {:>7.0} /s   {:.2} of verifying on one core ({:.0} /s; opening {:.0} /s), {:.2} of a bare \
             durable insert ({:.0} /s); busy: opening {:.2} s, storing {:.2} s, sealing {:.2} s",
            self.pattern,
            self.per_second,
            self.ratio_to_verify_only,
            self.verify_only_per_second,
            self.open_only_per_second,
            self.ratio_to_store_only,
            self.store_only_per_second,
            self.opening_s,
            self.storing_s,
            self.sealing_s,
        )
    }
}

/// The lowest of all patterns first, for a program that wants one number.
pub(crate) fn json(all: &[Intake]) -> serde_json::Value {
    let lowest = |of: fn(&Intake) -> f64| all.iter().map(of).fold(f64::INFINITY, f64::min);
    serde_json::json!({
        "per_second": lowest(|i| i.per_second),
        "ratio_to_verify_only": lowest(|i| i.ratio_to_verify_only),
        "ratio_to_store_only": lowest(|i| i.ratio_to_store_only),
        "patterns": all,
    })
}

/// Measures both patterns.
///
/// # Errors
/// When a part does not work, or a record gets no receipt.
pub(crate) fn measure(settings: &Settings) -> anyhow::Result<Vec<Intake>> {
    Ok(vec![
        measure_pattern(settings, "bursts", BURST)?,
        measure_pattern(settings, "round robin", 1)?,
    ])
}

struct Sender {
    id: EdgeId,
    key: SealingKey,
    head: ChainHead,
}

fn measure_pattern(
    settings: &Settings,
    pattern: &'static str,
    in_a_row: usize,
) -> anyhow::Result<Intake> {
    let folder = tempfile::tempdir()?;
    let home = Home::at(folder.path().join("home"));
    let now = clock::now();
    let init = InitSettings {
        hosts: Vec::new(),
        bind: [127, 0, 0, 1].into(),
        broker_port: 1,
        http_port: 1,
    };
    setup::init(&home, &init, now)?;
    let mut senders = register(&home, settings, now)?;
    let messages = seal(&mut senders, settings.records, in_a_row, now)?;
    let batch = usize::from(settings.batch);

    let verify = verify_only(&senders, &messages)?;
    let opened = open_only(&senders, &messages)?;
    let store = store_only(folder.path(), &messages, batch)?;
    let busy = intake(&home, settings, &messages, now)?;
    // The floor again, as the neighbours may have changed meanwhile.
    let verify = (verify + verify_only(&senders, &messages)?) / 2.0;
    let per_second = rate(messages.len(), busy.all);
    Ok(Intake {
        pattern,
        per_second,
        ratio_to_verify_only: per_second / verify,
        ratio_to_store_only: per_second / store,
        verify_only_per_second: verify,
        open_only_per_second: opened,
        store_only_per_second: store,
        opening_s: busy.opening.as_secs_f64(),
        storing_s: busy.storing.as_secs_f64(),
        sealing_s: busy.sealing.as_secs_f64(),
    })
}

fn rate(count: usize, span: Duration) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from) / span.as_secs_f64()
}

fn register(home: &Home, settings: &Settings, now: UtcTime) -> anyhow::Result<Vec<Sender>> {
    let main = home.open_main()?;
    main.execute_batch("BEGIN")?;
    let per_edge = settings.known / u32::from(settings.edges);
    let mut senders = Vec::new();
    for number in 0..settings.edges {
        let id: EdgeId = format!("porta-nord-{number:04}").parse()?;
        let key = SealingKey::from_pkcs8(&SealingKey::generate()?)?;
        let edge = Edge {
            id: id.clone(),
            gate: "porta-nord".parse()?,
            opening_key: key.opening_key(),
            certificate_serial: number.to_be_bytes().to_vec(),
            registered_at: now,
            revoked_at: None,
            forked_at: None,
            report: None,
        };
        edges::register(&main, &edge)?;
        let mut head = ChainHead::START;
        if per_edge > 0 {
            head = ChainHead {
                sequence: u64::from(per_edge),
                digest: Digest::of(id.as_str().as_bytes()),
            };
        }
        senders.push(Sender { id, key, head });
    }
    main.execute_batch("COMMIT")?;
    drop(main);
    lay_chains(home, &senders, now)?;
    Ok(senders)
}

/// Chains as they are after days of traffic, written in one go.
fn lay_chains(home: &Home, senders: &[Sender], now: UtcTime) -> anyhow::Result<()> {
    let db = Connection::open(home.main_database())?;
    db.execute_batch("PRAGMA synchronous = OFF; BEGIN")?;
    let yesterday = (now - Duration::from_secs(24 * 3600)).unix_us();
    for sender in senders.iter().filter(|sender| sender.head.sequence > 0) {
        let last = i64::try_from(sender.head.sequence)?;
        let digest = sender.head.digest;
        db.prepare_cached(
            "WITH RECURSIVE place (at) AS
                (SELECT 1 UNION ALL SELECT at + 1 FROM place WHERE at < ?2)
             INSERT INTO chain_settled SELECT ?1, at,
                CASE at WHEN ?2 THEN ?3 ELSE randomblob(32) END, randomblob(32), ?4, ?4, 1,
                'transit' FROM place",
        )?
        .execute(params![
            sender.id.as_str(),
            last,
            digest.as_bytes(),
            yesterday
        ])?;
        db.prepare_cached("INSERT INTO heads VALUES (?1, ?2, ?3, ?4, ?2, 0)")?
            .execute(params![
                sender.id.as_str(),
                last,
                digest.as_bytes(),
                yesterday
            ])?;
    }
    db.execute_batch("COMMIT")?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// Seals records of all edges in turns, some in a row each.
fn seal(
    senders: &mut [Sender],
    count: usize,
    in_a_row: usize,
    now: UtcTime,
) -> anyhow::Result<Arc<[Message]>> {
    let mut transit = sender::transit("AB123CD", now, [0; 10])?;
    let mut messages = Vec::with_capacity(count);
    let edges = senders.len();
    for number in 0..count {
        let edge = &mut senders[number / in_a_row % edges];
        let at = now - Duration::from_millis(u64::try_from((count - number) % 3_000_000)?);
        // Plates and ids in no order, as on a road.
        let mixed = Digest::of(&number.to_be_bytes());
        let bytes = mixed.as_bytes();
        let mut random = [0; 10];
        random.copy_from_slice(&bytes[..10]);
        transit.id = varco_proto::ids::TransitId::from_parts(at.unix_ms(), random);
        let letter = |at: usize| char::from(b'A' + bytes[at] % 26);
        let digits = u32::from(bytes[20]) * 256 + u32::from(bytes[21]);
        let [a, b, c, d] = [10, 11, 12, 13].map(letter);
        let text = format!("{a}{b}{:03}{c}{d}", digits % 1000);
        for (symbol, place) in text.chars().zip(&mut transit.plate.characters) {
            place[0].symbol = symbol;
        }
        transit.plate.text = text.parse()?;
        transit.camera = edge.id.as_str().parse()?;
        transit.captured_at.at = at;
        (transit.first_seen, transit.last_seen) = (at, at);
        let body = RecordBody::Transit(transit.clone());
        let (head, sealed) = edge.head.seal_next(&edge.id, body, at, &edge.key);
        edge.head = head;
        messages.push(Message {
            topic: Topic::Record(edge.id.clone()).name(),
            bytes: sealed.envelope,
        });
    }
    Ok(messages.into())
}

/// A part of the messages is enough for the floors.
fn some(messages: &[Message]) -> &[Message] {
    &messages[..messages.len().min(20_000)]
}

fn verify_only(senders: &[Sender], messages: &[Message]) -> anyhow::Result<f64> {
    let prepared: Vec<_> = senders
        .iter()
        .zip(messages)
        .map(|(edge, message)| {
            let signature = edge.key.sign(&message.bytes);
            (edge.key.opening_key(), &message.bytes, signature)
        })
        .collect();
    let begin = clock::instant();
    let count = some(messages).len();
    for (key, bytes, signature) in prepared.iter().cycle().take(count) {
        ensure!(key.verifies(bytes, signature), "its own signature");
    }
    Ok(rate(count, begin.elapsed()))
}

fn open_only(senders: &[Sender], messages: &[Message]) -> anyhow::Result<f64> {
    let keys: std::collections::HashMap<_, _> = senders
        .iter()
        .map(|edge| {
            (
                Topic::Record(edge.id.clone()).name(),
                edge.key.opening_key(),
            )
        })
        .collect();
    let begin = clock::instant();
    for message in some(messages) {
        let key = keys.get(&message.topic).context("an edge of ours")?;
        open::<Record>(&message.bytes, key)?;
    }
    Ok(rate(some(messages).len(), begin.elapsed()))
}

fn store_only(folder: &Path, messages: &[Message], batch: usize) -> anyhow::Result<f64> {
    let db = Connection::open(folder.join("floor.sqlite"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE floor (bytes BLOB)",
    )?;
    let begin = clock::instant();
    for batch in messages.chunks(batch) {
        db.execute_batch("BEGIN IMMEDIATE")?;
        for message in batch {
            db.prepare_cached("INSERT INTO floor VALUES (?1)")?
                .execute([&message.bytes])?;
        }
        db.execute_batch("COMMIT")?;
    }
    Ok(rate(messages.len(), begin.elapsed()))
}

#[derive(Default)]
struct Busy {
    all: Duration,
    opening: Duration,
    storing: Duration,
    sealing: Duration,
}

/// The three stages as the hub's batcher runs them, without a broker at either end.
fn intake(
    home: &Home,
    settings: &Settings,
    messages: &[Message],
    now: UtcTime,
) -> anyhow::Result<Busy> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let pool = Arc::new(Pool::start(settings.threads.unwrap_or(cores))?);
    let key = home.sealing_key()?;
    let limits = Limits {
        term: TERM,
        ahead_max: Duration::from_secs(60),
    };
    let hub_clock = SetClock::at(now);
    let mut writer = Writer::new(
        home.open_main()?,
        home.partitions(),
        key.clone(),
        hub_clock,
        limits,
    );
    let mut opener = Opener::new(home.open_main()?, pool.clone());
    let batches: Vec<Arc<[Message]>> = messages
        .chunks(usize::from(settings.batch))
        .map(Arc::from)
        .collect();
    let mut busy = Busy::default();
    let begin = clock::instant();
    thread::scope(|scope| {
        let (opened, to_store) = sync_channel(1);
        let (stored, to_seal) = sync_channel(1);
        let opening = scope.spawn(move || {
            let mut spent = Duration::ZERO;
            for batch in batches {
                let begin = clock::instant();
                let batch = opener.open(batch);
                spent += begin.elapsed();
                if opened.send(batch).is_err() {
                    break;
                }
            }
            spent
        });
        let sealing = scope.spawn(move || {
            let (mut spent, mut answers) = (Duration::ZERO, Vec::new());
            for outcome in to_seal {
                let begin = clock::instant();
                let outcome: varco_hub::intake::answers::Outcome = outcome;
                answers.extend(outcome.sealed_by(&key, &pool).answers);
                spent += begin.elapsed();
            }
            (spent, answers)
        });
        for batch in to_store {
            let begin = clock::instant();
            stored.send(writer.take_opened(&batch)?)?;
            busy.storing += begin.elapsed();
        }
        drop(stored);
        let panicked = |_| anyhow!("a stage panicked");
        busy.opening = opening.join().map_err(panicked)?;
        let (spent, answers) = sealing.join().map_err(panicked)?;
        busy.sealing = spent;
        busy.all = begin.elapsed();
        let key = home.sealing_key()?.opening_key();
        let mut lines = 0;
        for answer in answers {
            lines += open::<Receipt>(&answer.envelope, &key)?.value().lines.len();
        }
        ensure!(
            lines == messages.len(),
            "{lines} of {} are receipted",
            messages.len()
        );
        Ok(busy)
    })
}
