//! A hundred kills at random points of storing and of expiry. The one who is killed is a process of
//! its own: this test program, run again for `stores_until_it_is_killed` alone.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::purpose::Grounds;
use varco_hub::chains::place::Limits;
use varco_hub::home::Home;
use varco_hub::hotlists::active::ActiveLists;
use varco_hub::hotlists::desk::{self, HotlistShelf, ListFile};
use varco_hub::hotlists::import::How;
use varco_hub::hotlists::list::Hotlist;
use varco_hub::intake::writer::{Message, Writer};
use varco_hub::machine::random;
use varco_hub::proof::destruction;
use varco_hub::proof::verification;
use varco_hub::timekeeping::{Clock as _, SetClock};
use varco_proto::envelope::open;
use varco_proto::receipt::Receipt;
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;

use crate::support::{DAY, House};

const KILLS: usize = 100;
/// Records of a batch; each batch is of a moment of its own.
const BATCH: usize = 10;
/// Between two batches, on the clock that both processes reckon from the batch's number.
const STEP: Duration = Duration::from_secs(180);
const TERM: Duration = Duration::from_secs(6 * 3600);
/// Longest life of a process, from its start: most die while they store, some before.
const LIFE_MAX: Duration = Duration::from_millis(300);
const BATCHES: usize = 6000;
/// Most batches that one process stores, however fast it is; then it waits for its end.
const BATCHES_EACH: usize = BATCHES / KILLS - 1;

fn start() -> UtcTime {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn moment(batch: usize) -> UtcTime {
    start() + STEP * u32::try_from(batch).unwrap()
}

/// Every tenth vehicle is waited for.
fn plate(number: usize) -> String {
    if number.is_multiple_of(10) {
        "ZZ999ZZ".to_owned()
    } else {
        format!("AB{:03}CD", number % 1000)
    }
}

fn write_messages(path: &Path, messages: &[Message]) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for message in messages {
        let length = u32::try_from(message.bytes.len()).unwrap();
        file.write_all(&length.to_le_bytes()).unwrap();
        file.write_all(&message.bytes).unwrap();
    }
    file.flush().unwrap();
}

fn read_messages(path: &Path, topic: &str) -> Vec<Message> {
    let bytes = std::fs::read(path).unwrap();
    let (mut rest, mut messages) = (&bytes[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap();
        let (message, after) = after.split_at(length);
        messages.push(Message {
            topic: topic.to_owned(),
            bytes: message.to_vec(),
        });
        rest = after;
    }
    messages
}

/// Stores batch after batch, says after each how many records are receipted, and ends hours whose
/// term is over.
fn store_from(home: &Home, messages: &[Message], from: usize, said: impl Fn(usize)) {
    let clock = SetClock::at(moment(from));
    let config = home.config().unwrap();
    assert_eq!(config.retention, TERM);
    let archive = home.open_store(&config).unwrap();
    let main = home.open_main().unwrap();
    let lists = ActiveLists::load(&main, home.list_keys().unwrap().into()).unwrap();
    let key = home.sealing_key().unwrap();
    let limits = Limits {
        term: TERM,
        ahead_max: Duration::from_secs(60),
    };
    let writer = Writer::new(main, archive.clone(), key.clone(), clock.clone(), limits);
    let mut writer = writer.watching(lists.into());
    for (number, batch) in messages.chunks(BATCH).enumerate().skip(from) {
        clock.set(moment(number));
        let taken = writer.take(batch).unwrap();
        let receipts = taken
            .answers
            .iter()
            .filter(|a| matches!(a.topic, Topic::Receipt(_)));
        let lines = receipts.map(|answer| {
            let receipt = open::<Receipt>(&answer.envelope, &key.opening_key()).unwrap();
            receipt.value().lines.len()
        });
        assert_eq!(lines.sum::<usize>(), batch.len(), "batch {number}");
        said(number + 1);
        let expired = writer.expire(4).unwrap();
        archive.unlink(&expired.hours).unwrap();
        if number.is_multiple_of(40) {
            archive.seal_one_due(clock.now()).unwrap();
        }
    }
}

#[test]
#[ignore = "the process that is killed; k04_a_hundred_kills_lose_and_double_nothing runs it"]
fn stores_until_it_is_killed() {
    let of = |name: &str| std::env::var(name).unwrap();
    let home = Home::at(PathBuf::from(of("VARCO_KILL_HOME")));
    let messages = read_messages(
        Path::new(&of("VARCO_KILL_MESSAGES")),
        &of("VARCO_KILL_TOPIC"),
    );
    let from: usize = of("VARCO_KILL_FROM").parse().unwrap();
    let share = &messages[..(from + BATCHES_EACH) * BATCH];
    store_from(&home, share, from, |batches| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nreceipted {batches}").unwrap();
        out.flush().unwrap();
    });
    std::thread::sleep(LIFE_MAX * 10);
}

/// Runs a process for a random while, kills it, and gives how many batches it had receipted.
fn run_and_kill(house: &House, (file, topic): (&Path, &str), from: usize, life: Duration) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kills::stores_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env("VARCO_KILL_HOME", house.home.root())
        .env("VARCO_KILL_MESSAGES", file)
        .env("VARCO_KILL_TOPIC", topic)
        .env("VARCO_KILL_FROM", from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(life.mul_f64(random::fraction()));
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!told.contains("panicked"), "{told}");
    let lines = BufReader::new(&output.stdout[..]).lines();
    let receipted = lines.filter_map(|line| {
        let line = line.ok()?;
        line.strip_prefix("receipted ")?.parse().ok()
    });
    receipted.max().unwrap_or(from)
}

fn house_with_a_list() -> House {
    let house = House::new();
    let config = house.home.config_file();
    let text = std::fs::read_to_string(&config).unwrap();
    let shorter = text.replace("term_hours = 168", "term_hours = 6");
    assert_ne!(text, shorter);
    std::fs::write(&config, shorter).unwrap();
    let mut main = house.home.open_main().unwrap();
    let list = Hotlist {
        id: "rubate".parse().unwrap(),
        name: "Rubate".into(),
        reason: "furto".into(),
        owner: "Questura".into(),
        grounds: Grounds::stated(Some("public-safety"), Some("PG 1/2026")).unwrap(),
        priority: 50,
        near: false,
        valid_from: start(),
        valid_to: start() + DAY * 100,
        seen_by: Vec::new(),
        made_at: start(),
        made_by: "console".into(),
        body: varco_hub::bodies::BodyId::owner(),
        closed_at: None,
        entries: 0,
        imported_at: None,
    };
    let acting = Acting {
        actor: &Actor::console(),
        now: start(),
        key: &house.home.sealing_key().unwrap(),
    };
    let keys = house.home.list_keys().unwrap();
    desk::make(&mut main, &keys, &list, &acting).unwrap();
    let shelf = HotlistShelf {
        keys: &keys,
        active: None,
        turns: None,
    };
    let file = ListFile {
        list: &list.id,
        bytes: b"ZZ999ZZ\n",
        how: &How::default(),
    };
    desk::import(&mut main, &shelf, file, &acting).unwrap();
    house
}

#[test]
fn k04_a_hundred_kills_lose_and_double_nothing() {
    let house = house_with_a_list();
    let mut edge = house.edge("porta-nord-01");
    let messages: Vec<_> = (0..BATCHES * BATCH)
        .map(|number| edge.seal(&plate(number), moment(number / BATCH)))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("messages");
    write_messages(&file, &messages);
    let (mut receipted, mut fruitless, mut amid) = (0, 0, 0);
    let mut life = LIFE_MAX;
    for _ in 0..KILLS {
        let now = run_and_kill(&house, (&file, &messages[0].topic), receipted, life);
        fruitless += usize::from(now == receipted);
        let done = now - receipted == BATCHES_EACH;
        amid += usize::from(now > receipted && !done);
        receipted = now;
        if done {
            life = life.mul_f64(0.9); // a fast machine: the next is to die while it stores
        }
    }
    assert!(
        fruitless < KILLS,
        "no process lived long enough to store anything"
    );
    assert!(amid > 0, "no process was killed while it stored");
    // What comes after the last kill finds everything whole.
    let end = receipted + 10;
    store_from(&house.home, &messages[..end * BATCH], receipted, |_| {});
    let now = moment(end - 1);
    let cutoff = now - TERM;
    let living = |number: &usize| {
        let hour = varco_hub::hours::partition::Partition::of(
            moment(number / BATCH),
            varco_hub::hours::partition::Term::WHOLE,
        );
        hour.end() > cutoff
    };
    let stored: Vec<usize> = (0..end * BATCH).filter(living).collect();
    let listed = stored
        .iter()
        .filter(|number| number.is_multiple_of(10))
        .count();
    let count = |sql: &str| usize::try_from(house.count(sql)).unwrap();
    assert_eq!(house.stored(), i64::try_from(stored.len()).unwrap());
    assert_eq!(crate::backing::rows_on_disk(&house), house.stored());
    assert_eq!(count("SELECT count(*) FROM alerts"), listed);
    assert_eq!(count("SELECT count(DISTINCT transit) FROM alerts"), listed);
    let verified = verification::verify(&house.home, now).unwrap();
    assert!(verified.intact, "{verified:?}");
    assert_eq!(verified.transits, u64::try_from(stored.len()).unwrap());
    let proof = destruction::proof(&house.home, now).unwrap();
    assert!(proof.holds, "{proof:?}");
    let hours = (receipted * BATCH).saturating_sub(stored.len()) > 0;
    assert!(
        !hours || !proof.destroyed.is_empty(),
        "no hour came to its end"
    );
    println!(
        "{receipted} batches, {fruitless} kills before any, {} hours ended",
        proof.destroyed.len()
    );
}
