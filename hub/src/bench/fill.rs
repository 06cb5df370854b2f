//! Made-up transits in the store's own form, without the signatures that intake checks.

use crate::machine::stopwatch::Stopwatch;
use crate::opening::init;
use crate::opening::init::InitSettings;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::BenchSettings;
use crate::config::RETENTION_MAX;
use crate::config::postgres_address::Address;
use crate::home::Home;
use crate::hours::partition::{HOUR_US, Partition, Term};
use crate::lookups::store::TransitStore;
use crate::plates::plate::plate_of;
use crate::postgres::{Scratch, Server, Shelf};
use crate::store::sql::TransactionBehavior;
use crate::store::{self};
use crate::timekeeping::SystemClock;
use crate::transits::archive::Archive;
use crate::transits::entry::{Entry, Marks};
use crate::transits::names::{self, NameKind};
use crate::transits::rows::{Head, HourPlace};
use crate::transits::sealed::Sealed;

/// Times that a plate passes in a week, on average.
const PASSES_A_PLATE: u64 = 6;
/// Bytes of what stands for a sealed original, without its picture.
const ENVELOPE_BYTES: usize = 300;
/// Hours that the transits lie in: the term, but the one that is running.
const HOURS: i64 = 166;

/// A home with transits, and what to ask for.
pub(super) struct Filled {
    pub(super) home: Home,
    pub(super) store: TransitStore,
    /// The schema that the transits are in, when they are in PostgreSQL.
    pub(super) scratch: Option<Scratch>,
    pub(super) rows: u64,
    pub(super) cameras: u32,
    pub(super) fill_s: f64,
    pub(super) open_s: f64,
    pub(super) now: UtcTime,
    pub(super) bytes: u64,
}

/// Scrambles a number: the same gives the same, neighbours give strangers.
pub(super) fn scrambled(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The text of a made-up plate, in the form of Italian ones.
pub(super) fn plate(number: u64) -> String {
    const LETTERS: &[u8; 22] = b"ABCDEFGHJKLMNPRSTVWXYZ";
    let mut left = scrambled(number);
    let mut take = |of: u64| {
        let part = left % of;
        left /= of;
        part
    };
    let mut text = String::with_capacity(7);
    for place in 0..7 {
        if (2..5).contains(&place) {
            text.push(char::from(b'0' + u8::try_from(take(10)).unwrap_or(0)));
        } else {
            let letter = usize::try_from(take(22)).unwrap_or(0);
            text.push(LETTERS.get(letter).map_or('A', |byte| char::from(*byte)));
        }
    }
    text
}

/// The gate of most cameras.
pub(super) const GATE: &str = "gate";
/// The gate of a town that may have a term of its own.
pub(super) const GATE_OF_TOWN: &str = "gate-of-town";
/// One camera of so many is the town's.
const CAMERAS_A_TOWN: u32 = 12;
/// The first camera's number among the names; the edge and the gates come before.
const FIRST_CAMERA: u32 = 4;

/// The gate of a camera.
pub(super) fn gate_of(camera: u32) -> &'static str {
    if camera.is_multiple_of(CAMERAS_A_TOWN) {
        GATE_OF_TOWN
    } else {
        GATE
    }
}

/// How many different plates so many transits have.
pub(super) fn plates_of(rows: u64) -> u64 {
    (rows / PASSES_A_PLATE).max(1)
}

/// The name of a camera.
pub(super) fn camera(number: u32) -> String {
    format!("camera-{number:04}")
}

/// Makes a home and its transits, spread evenly over the term, and indexes them.
pub(super) fn fill(folder: &Path, settings: &BenchSettings) -> anyhow::Result<Filled> {
    let home = Home::at(folder.join("home"));
    let now = crate::timekeeping::Clock::now(&SystemClock);
    let init = InitSettings {
        hosts: Vec::new(),
        bind: [127, 0, 0, 1].into(),
        broker_port: 1,
        http_port: 1,
        first_token_valid: std::time::Duration::from_secs(86_400),
    };
    init::init(&home, &init, now)?;
    let scratch = settings
        .postgres
        .as_deref()
        .map(Scratch::make)
        .transpose()?;
    let begun = Stopwatch::start();
    match &scratch {
        None => fill_home(&home, settings, now)?,
        Some(scratch) => fill_server(&home, scratch, settings, now)?,
    }
    crate::machine::files::settle();
    let fill_s = begun.elapsed().as_secs_f64();
    let begun = Stopwatch::start();
    let store: TransitStore = match &scratch {
        None => home.open_archive(RETENTION_MAX)?.into(),
        Some(scratch) => open_server(&home, scratch)?.into(),
    };
    let there = store.size()?.transits;
    let open_s = begun.elapsed().as_secs_f64();
    anyhow::ensure!(there == settings.rows, "{there} transits are there");
    let bytes = match store.server() {
        None => bytes_in(&home.partitions_folder())?,
        Some(server) => server.bytes()?,
    };
    Ok(Filled {
        home,
        store,
        scratch,
        rows: settings.rows,
        cameras: settings.cameras,
        fill_s,
        open_s,
        now,
        bytes,
    })
}

/// One hub's side of the schema.
pub(super) fn open_server(home: &Home, scratch: &Scratch) -> anyhow::Result<Arc<Server>> {
    let address = Address::parse(scratch.address(), None)?;
    let settings = home.archive_settings(RETENTION_MAX);
    Ok(Arc::new(Server::open(settings, address)?))
}

/// Each hour of the term with the number of its first transit and how many it has.
fn hours(now: UtcTime, rows: u64) -> anyhow::Result<Vec<(Partition, u64, u32)>> {
    let running = Partition::of(now, Term::WHOLE).number();
    let hours = u64::try_from(HOURS)?;
    let hour = |ordinal| {
        let hour = Partition::from_number(running - HOURS + i64::try_from(ordinal)?);
        let (first, last) = (rows * ordinal / hours, rows * (ordinal + 1) / hours);
        Ok((hour, first, u32::try_from(last - first)?))
    };
    (0..hours).map(hour).collect()
}

fn fill_home(home: &Home, settings: &BenchSettings, now: UtcTime) -> anyhow::Result<()> {
    let archive = home.open_archive(RETENTION_MAX)?;
    let mut main = home.open_main()?;
    name_all(&main, settings.cameras)?;
    for (hour, first, count) in hours(now, settings.rows)? {
        write_hour(&archive, hour, first, count, settings)?;
        let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate)?;
        names::note_rows(&transaction, hour, count)?;
        transaction.commit()?;
    }
    Ok(())
}

fn fill_server(
    home: &Home,
    scratch: &Scratch,
    settings: &BenchSettings,
    now: UtcTime,
) -> anyhow::Result<()> {
    let server = open_server(home, scratch)?;
    let mut shelf = Shelf::of(Arc::clone(&server));
    let cameras: Vec<String> = (0..settings.cameras).map(camera).collect();
    let mut wanted = vec![
        (NameKind::Edge, "edge"),
        (NameKind::Gate, GATE),
        (NameKind::Gate, GATE_OF_TOWN),
    ];
    wanted.extend(cameras.iter().map(|name| (NameKind::Camera, name.as_str())));
    let numbers = shelf.numbers(&wanted)?;
    let number = |at: usize| numbers.get(at).copied().unwrap_or(0);
    for (hour, first, count) in hours(now, settings.rows)? {
        let mut transits = Vec::with_capacity(usize::try_from(count)?);
        for k in 0..count {
            let (mut head, envelope) = made_up(hour, first, k, count, settings)?;
            head.edge = number(0);
            head.entry.gate = number(usize::try_from(head.entry.gate)? - 1);
            head.entry.camera = number(usize::try_from(head.entry.camera)? - 1);
            transits.push((head, envelope));
        }
        shelf.put(hour, &transits, count)?;
    }
    Ok(())
}

fn bytes_in(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

fn name_all(main: &store::sql::Connection, cameras: u32) -> anyhow::Result<()> {
    main.execute_batch("BEGIN IMMEDIATE")?;
    names::keep(main, 1, NameKind::Edge, "edge")?;
    names::keep(main, 2, NameKind::Gate, GATE)?;
    names::keep(main, 3, NameKind::Gate, GATE_OF_TOWN)?;
    for number in 0..cameras {
        names::keep(
            main,
            number + FIRST_CAMERA,
            NameKind::Camera,
            &camera(number),
        )?;
    }
    main.execute_batch("COMMIT")?;
    Ok(())
}

fn write_hour(
    archive: &Archive,
    hour: Partition,
    first: u64,
    count: u32,
    settings: &BenchSettings,
) -> anyhow::Result<()> {
    let place: HourPlace = archive.place(hour)?;
    let connection = place.open()?;
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN IMMEDIATE")?;
    let (mut entries, mut ids) = (Vec::new(), Vec::new());
    for k in 0..count {
        let (head, envelope) = made_up(hour, first, k, count, settings)?;
        place.append(&connection, &head, &envelope)?;
        entries.push(head.entry);
        ids.push(head.id_mark());
    }
    connection.execute_batch("COMMIT")?;
    let (path, key) = (place.index_file(), &place.key);
    Sealed::write(&path, hour, key, count, entries, ids)?;
    Ok(())
}

/// The `k`th of the `count` transits of an hour, and what stands for its sealed original.
fn made_up(
    hour: Partition,
    first: u64,
    k: u32,
    count: u32,
    settings: &BenchSettings,
) -> anyhow::Result<(Head, Vec<u8>)> {
    let number = first + u64::from(k);
    let random = scrambled(number ^ (1 << 60));
    let offset = i64::from(k) * HOUR_US / i64::from(count.max(1));
    let camera = u32::try_from(scrambled(random) % u64::from(settings.cameras))?;
    let head = Head {
        entry: Entry {
            plate: plate_of(&plate(random % plates_of(settings.rows))),
            offset_us: u32::try_from(offset).context("offset")?,
            row: k + 1,
            camera: camera + FIRST_CAMERA,
            confidence: 250,
            marks: Marks::default(),
            country: *b"IT",
            gate: if gate_of(camera) == GATE { 2 } else { 3 },
        },
        id: [random.to_be_bytes(), scrambled(random).to_be_bytes()]
            .concat()
            .try_into()
            .unwrap_or_default(),
        edge: 1,
        sequence: number + 1,
        digest: Digest::of(&number.to_le_bytes()),
        received_at: hour.start(),
    };
    // Pictures and candidates do not repeat: what stands for them does not either.
    let mut envelope = vec![0; ENVELOPE_BYTES];
    for (to, from) in envelope.iter_mut().zip(random.to_le_bytes()) {
        *to = from;
    }
    Ok((head, envelope))
}
