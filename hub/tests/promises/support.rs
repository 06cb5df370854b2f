//! A hub's home on a clock that stands, and edges that seal for it.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use varco_hub::machine::files;
use varco_hub::timekeeping::Clock as _;
use varco_hub::timekeeping::SetClock;
use varco_hub::timekeeping::SystemClock;

use tokio::sync::{Semaphore, broadcast, watch};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::boxes::desk::{self, BoxDeskError};
use varco_hub::boxes::registered::Claimed;
use varco_hub::certificates::tls;
use varco_hub::chains::place::Limits;
use varco_hub::chains::{self, ChainState};
use varco_hub::config::RETENTION_MAX;
use varco_hub::config::http_limits::HttpLimits;
use varco_hub::enrolment::adding::{self, NewEdge};
use varco_hub::enrolment::bundle::BundleSettings;
use varco_hub::evidence::EvidenceDesk;
use varco_hub::home::Home;
use varco_hub::hotlists::active::ActiveLists;
use varco_hub::hours::partition::Partition;
use varco_hub::intake::broker::Connected;
use varco_hub::intake::writer::{Message, Taken, Writer};
use varco_hub::lookups::store::TransitStore;
use varco_hub::opening::init::{self, InitReport, InitSettings};
use varco_hub::policy::rights::Rights;
use varco_hub::store::pool::ConnectionPool;
use varco_hub::web::connections::HttpConnections;
use varco_hub::web::edges::{EdgeView, views};
use varco_hub::web::enrolments::EnrolmentDesk;
use varco_hub::web::server::serve_on;
use varco_hub::web::signing_desk::SigningDesk;
use varco_hub::web::state::HubState;
use varco_proto::confidence::Confidence;
use varco_proto::envelope::{Sealed, Verified, open};
use varco_proto::ids::{Digest, EdgeId, GateId, TransitId};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::{Receipt, Refusal, RefusalReason};
use varco_proto::record::{ChainHead, Record, RecordBody};
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;
use varco_proto::transit::{
    CaptureTime, CharacterCandidate, ClockSource, CountryCandidate, PlateCrop, PlateRead, Transit,
};

#[allow(unused_imports, reason = "not every test program needs them")]
pub(crate) use crate::credentials::{Carrying, session_for, system_token, token_for, token_of};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How often a loop goes round: `VARCO_LOOPS` says another number.
pub(crate) fn loops(default: usize) -> usize {
    let wished = std::env::var("VARCO_LOOPS").ok();
    wished.map_or(default, |text| text.parse().unwrap())
}

pub(crate) struct House {
    folder: tempfile::TempDir,
    pub(crate) home: Home,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) init: InitReport,
    archive: Mutex<Option<TransitStore>>,
    pub(crate) companions: bool,
    pub(crate) http_limits: HttpLimits,
}

pub(crate) struct TestEdge {
    pub(crate) id: EdgeId,
    pub(crate) key: SealingKey,
    pub(crate) gate: GateId,
    pub(crate) head: ChainHead,
    made: u64,
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SetClock::at("2026-11-22T12:00:00Z".parse().unwrap());
        let home = Home::at(folder.path().join("home"));
        let settings = InitSettings {
            hosts: Vec::new(),
            bind: [127, 0, 0, 1].into(),
            broker_port: 1,
            http_port: 1,
            first_token_valid: Duration::from_secs(365 * 86_400),
        };
        let init = init::init(&home, &settings, clock.now()).unwrap();
        crate::backing::configure(&home);
        Self {
            folder,
            home,
            clock,
            init,
            archive: Mutex::default(),
            companions: false,
            http_limits: HttpLimits::default(),
        }
    }

    /// A house over a home that another process made.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn at(home: Home) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SetClock::at("2026-11-22T12:00:00Z".parse().unwrap());
        let settings = InitSettings {
            hosts: Vec::new(),
            bind: [127, 0, 0, 1].into(),
            broker_port: 1,
            http_port: 1,
            first_token_valid: Duration::from_secs(365 * 86_400),
        };
        let init = init::init(&home, &settings, clock.now()).unwrap();
        Self {
            folder,
            home,
            clock,
            init,
            archive: Mutex::default(),
            companions: false,
            http_limits: HttpLimits::default(),
        }
    }

    pub(crate) fn bundle(&self, id: &str) -> BundleSettings {
        BundleSettings {
            out: self.folder.path().join(id),
            broker_host: None,
            broker_port: None,
            camera_url: "rtsp://192.0.2.10:554/stream1".into(),
            camera_user: None,
            state_folder: "/var/lib/varco-edge".into(),
            models_folder: "/usr/lib/varco/models".into(),
            onnxruntime_file: None,
        }
    }

    pub(crate) fn edge(&self, id: &str) -> TestEdge {
        self.edge_at(id, "porta-nord")
    }

    pub(crate) fn edge_at(&self, id: &str, gate: &str) -> TestEdge {
        let edge: EdgeId = id.parse().unwrap();
        let gate: GateId = gate.parse().unwrap();
        let now = self.clock.now();
        let bundle = self.bundle(id);
        adding::add_edge(
            &self.home,
            NewEdge {
                id: &edge,
                gate: &gate,
                place: None,
            },
            &bundle,
            now,
        )
        .unwrap();
        let key = files::read(&bundle.out.join("signing.pk8")).unwrap();
        TestEdge {
            id: edge,
            key: SealingKey::from_pkcs8(&key).unwrap(),
            gate,
            head: ChainHead::START,
            made: 0,
        }
    }

    /// Believes an edge about a gate, as `edge allow` does.
    pub(crate) fn allow_gate(&self, edge: &TestEdge, gate: &str) {
        let claimed = Claimed::Gate(gate.parse().unwrap());
        self.allow(edge, claimed).unwrap();
    }

    pub(crate) fn allow(&self, edge: &TestEdge, claimed: Claimed) -> Result<usize, BoxDeskError> {
        let acting = Acting {
            actor: &Actor::console(),
            now: self.clock.now(),
            key: &self.home.sealing_key().unwrap(),
        };
        let mut main = self.home.open_main().unwrap();
        desk::allow(&mut main, &edge.id, &[claimed], &acting)
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::new(
            self.home.open_main().unwrap(),
            self.archive(),
            self.home.sealing_key().unwrap(),
            self.clock.clone(),
            Limits {
                term: RETENTION_MAX,
                ahead_max: Duration::from_secs(60),
            },
        )
        .watching(self.hotlists())
    }

    /// The lists, read anew.
    pub(crate) fn hotlists(&self) -> Arc<ActiveLists> {
        let main = self.home.open_main().unwrap();
        Arc::new(ActiveLists::load(&main, self.home.list_keys().unwrap().into()).unwrap())
    }

    /// The one store of this house's process.
    pub(crate) fn archive(&self) -> TransitStore {
        let mut archive = self.archive.lock().unwrap();
        let open = || {
            let config = self.home.config().unwrap();
            self.home.open_store(&config).unwrap()
        };
        archive.get_or_insert_with(open).clone()
    }

    /// The hours that have transits, oldest first.
    pub(crate) fn hours(&self) -> Vec<Partition> {
        if let Some(server) = self.archive().server() {
            return server.hours().unwrap();
        }
        let hour = |path: std::path::PathBuf| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            name.parse().unwrap()
        };
        self.hour_files().into_iter().map(hour).collect()
    }

    /// Where an edge's chain stands.
    pub(crate) fn chain(&self, edge: &EdgeId) -> ChainState {
        match self.archive().server() {
            Some(server) => server.chain(edge).unwrap(),
            None => chains::state(&self.home.open_main().unwrap(), edge).unwrap(),
        }
    }

    /// The edges as the page has them.
    pub(crate) fn edge_views(&self) -> Vec<EdgeView> {
        views(&self.home.open_main().unwrap(), self.archive().server()).unwrap()
    }

    /// The process begins anew, from the disk.
    pub(crate) fn restart(&self) {
        *self.archive.lock().unwrap() = None;
    }

    pub(crate) fn count(&self, sql: &str) -> i64 {
        if let Some(count) = crate::backing::count(&self.home, sql) {
            return count;
        }
        let main = self.home.open_main().unwrap();
        main.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// A line of the audit, as it is signed.
    pub(crate) fn audit_line(&self, sequence: i64) -> String {
        let main = self.home.open_main().unwrap();
        let sql = "SELECT line FROM audit WHERE sequence = ?";
        main.query_row(sql, [sequence], |row| row.get(0)).unwrap()
    }

    /// Transits that count.
    pub(crate) fn stored(&self) -> i64 {
        let transits = match self.archive().server() {
            Some(server) => server
                .counts()
                .unwrap()
                .iter()
                .map(|(_, count)| count)
                .sum(),
            None => self.archive().size().unwrap().transits,
        };
        i64::try_from(transits).unwrap()
    }

    /// The hours' files, oldest first.
    pub(crate) fn hour_files(&self) -> Vec<std::path::PathBuf> {
        let folder = std::fs::read_dir(self.home.partitions_folder()).unwrap();
        let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "sqlite"));
        files.sort();
        files
    }

    /// Stores a record, and makes the disk refuse what [`TestEdge::poison`] seals from then on.
    pub(crate) fn refuse_poison(&self, edge: &mut TestEdge) {
        let first = [edge.seal("AB120CD", self.clock.now())];
        self.writer().take(&first).unwrap();
        if crate::backing::refuse_poison(&self.home, self.hours()[0]) {
            return;
        }
        let hour = varco_hub::store::open(&self.hour_files()[0]).unwrap();
        hour.execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON rows WHEN length(NEW.envelope) > 3000
             BEGIN SELECT raise(ABORT, 'poison'); END",
        )
        .unwrap();
    }

    /// Opens answers with the hub's key, as an edge would.
    pub(crate) fn receipts(&self, taken: &Taken) -> Vec<u64> {
        let key = self.home.sealing_key().unwrap().opening_key();
        let receipts = taken
            .answers
            .iter()
            .filter(|answer| matches!(answer.topic, Topic::Receipt(_)))
            .map(|answer| open::<Receipt>(&answer.envelope, &key).unwrap());
        receipts
            .flat_map(|receipt| receipt.value().lines.clone())
            .map(|line| line.sequence)
            .collect()
    }

    pub(crate) fn refusals(&self, taken: &Taken) -> Vec<(u64, RefusalReason)> {
        let key = self.home.sealing_key().unwrap().opening_key();
        let refusals = taken
            .answers
            .iter()
            .filter(|answer| matches!(answer.topic, Topic::Refusal(_)))
            .map(|answer| open::<Refusal>(&answer.envelope, &key).unwrap());
        refusals
            .map(|refusal| (refusal.value().sequence, refusal.value().reason))
            .collect()
    }

    /// What extracts evidence, as hub.toml says.
    fn evidence(&self) -> EvidenceDesk {
        let config = self.home.config().unwrap();
        let witnesses = config.audit.witnesses.iter();
        let witnesses = witnesses.map(|witness| witness.key.clone()).collect();
        let key = self.home.access_key().unwrap();
        EvidenceDesk::new(key, config.stamping.as_ref(), witnesses).unwrap()
    }

    /// The real router over HTTPS on a free port.
    pub(crate) async fn serve(&self) -> Served {
        // Callers go by the machine's own clock, which may be far from the house's.
        let hosts = ["127.0.0.1".to_owned()];
        let issued = self.home.authority().unwrap();
        let issued = issued.server(&hosts, SystemClock.now()).unwrap();
        self.serve_as(tls::server(&issued.certificate_pem, &issued.key_pem).unwrap())
            .await
    }

    /// The same, with other certificates.
    pub(crate) async fn serve_as(&self, server_tls: rustls::ServerConfig) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (stop, stopping) = watch::channel(false);
        let (live, _) = broadcast::channel(16);
        let (alerts, news) = watch::channel(0);
        let state = HubState {
            main_pool: ConnectionPool::of(&self.home.main_database()),
            archive: self.archive(),
            key: self.home.sealing_key().unwrap(),
            clock: self.clock.clone(),
            live: live.clone(),
            alerts: news,
            hotlists: self.hotlists(),
            broker: Connected::default(),
            lookups: Arc::new(Semaphore::new(4)),
            results_max: 200,
            companions: self.companions,
            connections: HttpConnections::new(self.http_limits),
            judge: Arc::new(self.home.judge().unwrap()),
            case_keys: Arc::new(self.home.case_keys().unwrap()),
            webhook_key: Arc::new(self.home.webhook_key().unwrap()),
            enrolment: EnrolmentDesk::new(
                self.home.clone(),
                "127.0.0.1".to_owned(),
                1,
                Duration::from_secs(90 * 24 * 3600),
            ),
            rights: Arc::new(Rights::built_in().unwrap()),
            signing: SigningDesk::new(
                self.home.signing_key().unwrap(),
                &self.home.config().unwrap().signing,
            )
            .unwrap(),
            evidence: Arc::new(self.evidence()),
            stop: stopping.clone(),
        };
        let text = |path: std::path::PathBuf| files::read_text(&path).unwrap();
        let hub_state = state.clone();
        tokio::spawn(serve_on(listener, server_tls, state, stopping));
        let authority = text(self.home.authority_certificate());
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client(&authority).unwrap())
            .build()
            .unwrap();
        Served {
            url,
            token: self.init.token.clone().unwrap(),
            client,
            live,
            alerts,
            state: hub_state,
            stop,
        }
    }
}

pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) client: reqwest::Client,
    pub(crate) live: broadcast::Sender<Arc<Verified<Record>>>,
    pub(crate) alerts: watch::Sender<u64>,
    pub(crate) state: HubState,
    pub(crate) stop: watch::Sender<bool>,
}

impl Served {
    pub(crate) async fn look_up(&self, body: serde_json::Value) -> (u16, serde_json::Value) {
        let response = self
            .client
            .post(format!("{}/api/v1/lookups", self.url))
            .carrying(&self.token)
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }
}

impl TestEdge {
    pub(crate) fn transit(&mut self, plate: &str, at: UtcTime) -> Transit {
        self.made += 1;
        let confidence = Confidence::new(0.97).unwrap();
        let mut random = [7; 10];
        random[..8].copy_from_slice(&self.made.to_be_bytes());
        random[9] = u8::try_from(self.id.as_str().len()).unwrap();
        Transit {
            id: TransitId::from_parts(at.unix_ms(), random),
            camera: self.id.as_str().parse().unwrap(),
            gate: self.gate.clone(),
            captured_at: CaptureTime {
                at,
                uncertainty: Duration::from_millis(40),
                source: ClockSource::Camera,
            },
            first_seen: at,
            last_seen: at,
            direction: None,
            lane: None,
            travel: None,
            plate: PlateRead {
                text: plate.parse().unwrap(),
                confidence,
                characters: plate
                    .chars()
                    .map(|symbol| vec![CharacterCandidate { symbol, confidence }])
                    .collect(),
                agreeing_reads: 5,
                reads: 6,
                countries: vec![CountryCandidate {
                    country: "IT".into(),
                    confidence,
                }],
                rows: 1,
            },
            crop: PlateCrop {
                jpeg: vec![0xff, 0xd8, 1, 2, 3],
                width_px: 120,
                height_px: 30,
            },
            model_digest: Digest::of(b"model"),
            onboard: None,
        }
    }

    /// Seals the next record of this edge's chain.
    pub(crate) fn seal(&mut self, plate: &str, at: UtcTime) -> Message {
        let transit = self.transit(plate, at);
        self.seal_transit(transit)
    }

    /// A record that a house cannot hold, after [`House::refuse_poison`].
    pub(crate) fn poison(&mut self, at: UtcTime) -> Message {
        let mut transit = self.transit("ZZ999ZZ", at);
        transit.crop.jpeg.resize(3000, 7);
        self.seal_transit(transit)
    }

    pub(crate) fn seal_transit(&mut self, transit: Transit) -> Message {
        let sealed_at = transit.captured_at.at;
        let body = RecordBody::Transit(transit);
        let (head, sealed) = self.head.seal_next(&self.id, body, sealed_at, &self.key);
        self.head = head;
        self.message(&sealed)
    }

    pub(crate) fn message(&self, sealed: &Sealed) -> Message {
        Message {
            topic: Topic::Record(self.id.clone()).name(),
            bytes: sealed.envelope.clone(),
        }
    }
}
