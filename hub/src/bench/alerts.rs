//! Hotlists: what a list of many plates costs intake, and how soon somebody is told.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::sync::{Semaphore, broadcast, watch};
use varco_proto::record::RecordBody;
use varco_proto::transit::PlateRead;

use super::fill::{self, Filled, plate, scrambled};
use super::intake::{self, BURSTS, Pattern};
use super::senders::{self, Sender};
use super::{BenchSettings, Quantiles, number};
use crate::audit::acting::Acting;
use crate::audit::actor::Actor;
use crate::audit::purpose::Grounds;
use crate::bodies::BodyId;
use crate::certificates::tls;
use crate::config::http_limits::HttpLimits;
use crate::hotlists::active::ActiveLists;
use crate::hotlists::desk::{self, HotlistShelf, ListFile};
use crate::hotlists::import::How;
use crate::hotlists::list::Hotlist;
use crate::intake::broker::Connected;
use crate::intake::writer::Message;
use crate::machine::files;
use crate::machine::stopwatch::Stopwatch;
use crate::policy::rights::Rights;
use crate::store::pool::ConnectionPool;
use crate::timekeeping::{Clock as _, SystemClock};
use crate::web::connections::HttpConnections;
use crate::web::enrolments::EnrolmentDesk;
use crate::web::server::serve_on;
use crate::web::signing_desk::SigningDesk;
use crate::web::state::HubState;

/// Transits stored beforehand: alerts do not depend on how many.
const STORED: u64 = 100_000;
/// Alerts whose way is timed.
const ALERTS: usize = 300;
/// Reads held against the list for the time of one.
const READS: u64 = 200_000;
/// Longest wait for an alert.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What a list costs.
#[derive(Debug, Serialize)]
pub struct AlertFigures {
    /// Plates on the list.
    pub plates: usize,
    /// From the CSV to the commit.
    pub import_s: f64,
    /// From the database into memory: intake waits for it once after an import.
    pub load_s: f64,
    /// Memory that the loaded list takes.
    pub list_mib: f64,
    /// Holding one sure read against it.
    pub sure_read_us: f64,
    /// Holding one read with a doubt at each character against it.
    pub doubtful_read_us: f64,
    /// Intake with the list, against intake without it in the same run.
    pub ratio_to_no_list: f64,
    /// From the commit that stores a listed vehicle to its alert, with the picture, in the hands of
    /// somebody who listens over HTTPS.
    pub commit_to_event: Quantiles,
}

/// Measures it; `rows` are the plates on the list.
///
/// # Errors
/// When a part does not work, or an alert does not come.
pub fn alerts(settings: &BenchSettings) -> anyhow::Result<AlertFigures> {
    let folder = super::fill_folder(settings)?;
    let filled = fill::fill(
        folder.path(),
        &BenchSettings {
            rows: STORED,
            ..settings.clone()
        },
    )?;
    let mut senders = senders::register(&filled.home, "sender", settings.cameras, filled.now)?;
    let without = intake::pattern(&filled, &mut senders, BURSTS, 0, None)?;
    let begun = Stopwatch::start();
    import(&filled, settings.rows)?;
    let import_s = begun.elapsed().as_secs_f64();
    let begun = Stopwatch::start();
    let lists = ActiveLists::load(&filled.home.open_main()?, filled.home.list_keys()?.into())?;
    let lists = Arc::new(lists);
    let load_s = begun.elapsed().as_secs_f64();
    let with = intake::pattern(&filled, &mut senders, BURSTS, 0, Some(&lists))?;
    let first = senders.first().context("no senders")?;
    let read = senders::transit(first, filled.now, 7)?.plate;
    Ok(AlertFigures {
        plates: lists.current().matcher.len(),
        import_s,
        load_s,
        list_mib: number(u64::try_from(lists.current().matcher.bytes())?) / 1024.0 / 1024.0,
        sure_read_us: held(&lists, &read),
        doubtful_read_us: held(&lists, &doubtful(&read)),
        ratio_to_no_list: ratio(&with, &without),
        commit_to_event: told(&filled, &lists, &mut senders)?,
    })
}

fn ratio(with: &Pattern, without: &Pattern) -> f64 {
    // Each against its own floor, as the neighbours on the machine change.
    let share = |pattern: &Pattern| pattern.per_second / pattern.verify_only_per_second;
    share(with) / share(without)
}

fn import(filled: &Filled, plates: u64) -> anyhow::Result<()> {
    let mut main = filled.home.open_main()?;
    let list = Hotlist {
        id: "bench".parse()?,
        name: "Bench".into(),
        reason: "bench".into(),
        owner: "bench".into(),
        grounds: Grounds::stated(Some("public-safety"), Some("bench"))?,
        priority: 50,
        near: true,
        valid_from: filled.now,
        valid_to: filled.now + Duration::from_secs(86_400),
        seen_by: Vec::new(),
        made_at: filled.now,
        made_by: Actor::console().id().to_owned(),
        body: BodyId::owner(),
        closed_at: None,
        entries: 0,
        imported_at: None,
    };
    let acting = Acting {
        actor: &Actor::console(),
        now: filled.now,
        key: &*filled.home.sealing_key()?,
    };
    let keys = filled.home.list_keys()?;
    desk::make(&mut main, &keys, &list, &acting)?;
    // None of them is a plate that the bench's traffic has, but for the last.
    let mut file: String = (0..plates)
        .map(|n| format!("X{}\n", plate(scrambled(n))))
        .collect();
    file += "ZZ999ZZ\n";
    let shelf = HotlistShelf {
        keys: &keys,
        active: None,
        turns: None,
    };
    let file = ListFile {
        list: &list.id,
        bytes: file.as_bytes(),
        how: &How::default(),
    };
    desk::import(&mut main, &shelf, file, &acting)?;
    Ok(())
}

/// Microseconds that one read takes.
fn held(lists: &ActiveLists, read: &PlateRead) -> f64 {
    let current = lists.current();
    let now = SystemClock.now();
    let begun = Stopwatch::start();
    let mut read = read.clone();
    for number in 0..READS {
        if let Ok(text) = plate(number).parse() {
            read.text = text;
        }
        std::hint::black_box(current.matcher.matches(&read, now));
    }
    begun.elapsed().as_secs_f64() * 1e6 / number(READS)
}

/// The same read with another character held for possible at each place.
fn doubtful(read: &PlateRead) -> PlateRead {
    let mut read = read.clone();
    for candidates in &mut read.characters {
        let doubt = candidates.first().copied();
        candidates.extend(doubt.map(|first| varco_proto::transit::CharacterCandidate {
            symbol: if first.symbol == 'B' { '8' } else { 'B' },
            confidence: varco_proto::confidence::Confidence::saturating(0.2),
        }));
    }
    read
}

/// Listed vehicles pass one by one, and somebody listens.
fn told(
    filled: &Filled,
    lists: &Arc<ActiveLists>,
    senders: &mut [Sender],
) -> anyhow::Result<Quantiles> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("https://{}/api/v1/alerts/live", listener.local_addr()?);
        let (news, alerts) = watch::channel(0_u64);
        let (_stop, stopping) = watch::channel(false);
        let state = state(filled, lists, alerts, stopping.clone())?;
        let text = |path: std::path::PathBuf| files::read_text(&path);
        let home = &filled.home;
        let server = tls::server(&text(home.server_certificate())?, &text(home.server_key())?)?;
        tokio::spawn(serve_on(listener, server, state, stopping));
        let authority = text(home.authority_certificate())?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client(&authority)?)
            .build()?;
        let token = files::read_text(&home.token_file())?;
        let listening = client.get(url).bearer_auth(token.trim()).send().await?;
        ensure!(listening.status().is_success(), "nobody may listen");
        let mut events = listening.bytes_stream();
        let mut writer = intake::writer(filled, Arc::new(SystemClock))?.watching(Arc::clone(lists));
        let mut times = Vec::with_capacity(ALERTS);
        for number in 0..ALERTS {
            let message = listed(senders, u64::try_from(number)?)?;
            let taken = tokio::task::block_in_place(|| writer.take(&[message]))?;
            ensure!(!taken.answers.is_empty(), "a listed vehicle is not stored");
            let committed = Stopwatch::start();
            news.send_modify(|count| *count += 1);
            let mut text = String::new();
            while !(text.contains("event: alert") && text.ends_with("\n\n")) {
                let bytes = tokio::time::timeout(WAIT_MAX, events.next()).await?;
                let bytes = bytes.context("the stream ended")??;
                text += &String::from_utf8_lossy(&bytes);
            }
            times.push(committed.elapsed());
        }
        Ok(Quantiles::of(times))
    })
}

fn listed(senders: &mut [Sender], number: u64) -> anyhow::Result<Message> {
    let edge = senders.first_mut().context("no senders")?;
    let now = SystemClock.now();
    let mut transit = senders::transit(edge, now, scrambled(number | 1 << 50))?;
    transit.plate.text = "ZZ999ZZ".parse()?;
    for (candidates, symbol) in transit.plate.characters.iter_mut().zip("ZZ999ZZ".chars()) {
        for candidate in candidates {
            candidate.symbol = symbol;
        }
    }
    Ok(edge.seal(RecordBody::Transit(transit), now))
}

fn state(
    filled: &Filled,
    lists: &Arc<ActiveLists>,
    alerts: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<HubState> {
    let (live, _) = broadcast::channel(16);
    Ok(HubState {
        main_pool: ConnectionPool::of(&filled.home.main_database()),
        archive: filled.store.clone(),
        key: filled.home.sealing_key()?,
        clock: Arc::new(SystemClock),
        live,
        alerts,
        hotlists: Arc::clone(lists),
        broker: Connected::default(),
        lookups: Arc::new(Semaphore::new(4)),
        results_max: 200,
        companions: false,
        connections: HttpConnections::new(HttpLimits::default()),
        judge: Arc::new(filled.home.judge()?),
        case_keys: Arc::new(filled.home.case_keys()?),
        webhook_key: Arc::new(filled.home.webhook_key()?),
        enrolment: EnrolmentDesk::new(
            filled.home.clone(),
            "127.0.0.1".to_owned(),
            1,
            Duration::from_secs(86_400),
        ),
        rights: Arc::new(Rights::built_in()?),
        signing: SigningDesk::new(filled.home.signing_key()?, &filled.home.config()?.signing)?,
        stop,
    })
}
