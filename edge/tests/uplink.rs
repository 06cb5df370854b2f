//! The uplink against a real Mosquitto that is killed and started again, and a hub that answers,
//! stays silent or lies.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, TlsConfiguration, Transport};
use varco_edge::adapters::clock::SystemClock;
use varco_edge::adapters::spool::Spool;
use varco_edge::adapters::spool::owner::Owner;
use varco_edge::adapters::spool::shared::{Keeping, SharedSpool};
use varco_edge::adapters::uplink::{StatusSource, TlsError, Uplink, UplinkSettings, probe};
use varco_edge::adapters::vault::{BoxKey, Purpose};
use varco_edge::config::Hub;
use varco_edge::config::SpoolLimits;
use varco_proto::confidence::Confidence;
use varco_proto::envelope::{open, seal};
use varco_proto::ids::{Digest, EdgeId, TransitId};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::{Receipt, ReceiptLine, Refusal, RefusalReason};
use varco_proto::record::{Record, RecordBody};
use varco_proto::time::UtcTime;
use varco_proto::topics::{RECORDS_FILTER, Topic};
use varco_proto::transit::{
    CaptureTime, CharacterCandidate, ClockSource, PlateCrop, PlateRead, Transit,
};

const EDGE: &str = "porta-nord-01";
const LONGEST: Duration = Duration::from_secs(40);

/// Certificates, broker and keys of one test.
struct House {
    folder: tempfile::TempDir,
    port: u16,
    broker: Option<Child>,
    edge_key: Arc<SealingKey>,
    hub_key: Arc<SealingKey>,
}

fn new_key() -> Arc<SealingKey> {
    Arc::new(SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap())
}

/// An authority with certificates for a server, a hub and the edge.
fn certificates(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    std::fs::write(folder.join("ca.crt"), authority.pem()).unwrap();
    let issuer = Issuer::new(params, authority_key);
    for (name, common) in [("server", "server"), ("hub", "hub"), ("edge", EDGE)] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, common);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

impl House {
    fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let at = folder.path().display();
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\ncafile {at}/ca.crt\ncertfile {at}/server.crt\n\
             keyfile {at}/server.key\nrequire_certificate true\nuse_identity_as_username true\n\
             max_queued_messages 0\n"
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let mut house = Self {
            folder,
            port,
            broker: None,
            edge_key: new_key(),
            hub_key: new_key(),
        };
        drop(free);
        house.start_broker();
        house
    }

    fn start_broker(&mut self) {
        let config = self.folder.path().join("mosquitto.conf");
        let broker = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(config)
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed: apt-get install mosquitto");
        self.broker = Some(broker);
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("mosquitto does not listen");
    }

    fn kill_broker(&mut self) {
        if let Some(mut broker) = self.broker.take() {
            broker.kill().unwrap();
            broker.wait().unwrap();
        }
    }

    fn hub(&self) -> Hub {
        let file = |name: &str| self.folder.path().join(name);
        Hub {
            broker_host: "127.0.0.1".to_owned(),
            broker_port: self.port,
            url: None,
            ca_file: file("ca.crt"),
            certificate_file: file("edge.crt"),
            key_file: file("edge.key"),
            hub_key: self.hub_key.opening_key(),
            receipt_wait: Duration::from_secs(1),
        }
    }

    fn spool(&self) -> SharedSpool {
        let folder = self.folder.path().join("state");
        let key = Arc::clone(&self.edge_key);
        let owner = Owner {
            edge: edge(),
            key,
            cipher: BoxKey::from_bytes([7; 32]).cipher(Purpose::Spool),
            limits: SpoolLimits::default(),
        };
        let spool = Spool::open(&folder, owner, UtcTime::from_unix_us(1)).unwrap();
        SharedSpool::new(spool, SystemClock::shared())
    }

    fn uplink(&self, spool: &SharedSpool) -> Uplink {
        let settings = settings(&self.hub()).unwrap();
        let no_status = Box::new(|| None);
        Uplink::start(settings, spool.clone(), SystemClock::shared(), no_status)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill_broker();
    }
}

fn settings(hub: &Hub) -> Result<UplinkSettings, TlsError> {
    let key = std::fs::read(&hub.key_file).unwrap();
    UplinkSettings::new(&edge(), hub, &key)
}

fn edge() -> EdgeId {
    EDGE.parse().unwrap()
}

/// How the hub of a test answers a record.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Store,
    Silence,
    Forged,
    Refuse(RefusalReason),
}

struct FakeHub {
    seen: Arc<Mutex<Vec<u64>>>,
    answer: Arc<Mutex<Answer>>,
    stop: Arc<AtomicBool>,
}

impl FakeHub {
    async fn start(house: &House, answer: Answer) -> Self {
        let hub = Self {
            seen: Arc::default(),
            answer: Arc::new(Mutex::new(answer)),
            stop: Arc::default(),
        };
        let read = |name: &str| std::fs::read(house.folder.path().join(name)).unwrap();
        let mut options = MqttOptions::new("hub", "127.0.0.1", house.port);
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Simple {
                ca: read("ca.crt"),
                alpn: None,
                client_auth: Some((read("hub.crt"), read("hub.key"))),
            }))
            .set_clean_session(false)
            .set_max_packet_size(256 * 1024, 256 * 1024);
        let (client, mut events) = AsyncClient::new(options, 1000);
        let (edge_key, hub_key) = (house.edge_key.opening_key(), Arc::clone(&house.hub_key));
        let (seen, answer) = (Arc::clone(&hub.seen), Arc::clone(&hub.answer));
        let stop = Arc::clone(&hub.stop);
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let mut ready = Some(ready);
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        client
                            .try_subscribe(RECORDS_FILTER, QoS::AtLeastOnce)
                            .unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        ready.take().map(|ready| ready.send(()));
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let record = open::<Record>(&publish.payload, &edge_key).unwrap();
                        let sequence = record.value().sequence;
                        seen.lock().unwrap().push(sequence);
                        let answer = *answer.lock().unwrap();
                        if let Some((topic, sealed)) =
                            answered(answer, sequence, record.digest(), &hub_key)
                        {
                            let name = topic.name();
                            let sent = client.try_publish(name, QoS::AtLeastOnce, false, sealed);
                            sent.unwrap();
                        }
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        tokio::time::timeout(LONGEST, is_ready)
            .await
            .unwrap()
            .unwrap();
        hub
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn seen(&self) -> Vec<u64> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn answered(
    answer: Answer,
    sequence: u64,
    digest: Digest,
    hub_key: &SealingKey,
) -> Option<(Topic, Vec<u8>)> {
    let now = UtcTime::from_unix_us(1);
    let receipt = Receipt {
        edge: edge(),
        lines: vec![ReceiptLine { sequence, digest }],
        stored_at: now,
    };
    match answer {
        Answer::Silence => None,
        Answer::Store => Some((Topic::Receipt(edge()), seal(&receipt, hub_key).envelope)),
        Answer::Forged => Some((Topic::Receipt(edge()), seal(&receipt, &new_key()).envelope)),
        Answer::Refuse(reason) => {
            let refusal = Refusal {
                edge: edge(),
                sequence,
                digest,
                reason,
                detail: String::new(),
                refused_at: now,
            };
            Some((Topic::Refusal(edge()), seal(&refusal, hub_key).envelope))
        }
    }
}

fn keep(spool: &SharedSpool, count: u8) {
    for number in 0..count {
        assert!(matches!(spool.keep(body(number)), Keeping::Sealed(_)));
    }
}

fn body(number: u8) -> RecordBody {
    let at = UtcTime::from_unix_us(1_800_000_000_000_000);
    let symbol = |symbol| {
        vec![CharacterCandidate {
            symbol,
            confidence: Confidence::ONE,
        }]
    };
    RecordBody::Transit(Transit {
        id: TransitId::from_parts(at.unix_ms(), [number; 10]),
        camera: "nord-1".parse().unwrap(),
        gate: "nord".parse().unwrap(),
        captured_at: CaptureTime {
            at,
            uncertainty: Duration::from_millis(100),
            source: ClockSource::Camera,
        },
        first_seen: at,
        last_seen: at,
        direction: None,
        lane: None,
        travel: None,
        plate: PlateRead {
            text: "AB123CD".parse().unwrap(),
            confidence: Confidence::ONE,
            characters: "AB123CD".chars().map(symbol).collect(),
            agreeing_reads: 3,
            reads: 4,
            countries: Vec::new(),
            rows: 1,
        },
        // Larger than rumqttc's own limit of 10 KiB.
        crop: PlateCrop {
            jpeg: [vec![0xff, 0xd8], vec![number; 30_000]].concat(),
            width_px: 100,
            height_px: 30,
        },
        model_digest: Digest::ZERO,
        onboard: None,
    })
}

/// Waits until something holds; the broker and the hub are real, so their time is too.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(LONGEST, waited).await;
    assert!(ended.is_ok(), "{what} within {LONGEST:?}");
}

fn waiting(spool: &SharedSpool) -> u64 {
    spool.depth().unwrap().waiting
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_empty_the_spool_and_most_of_the_way_is_for_the_oldest() {
    let house = House::new();
    let hub = FakeHub::start(&house, Answer::Store).await;
    let spool = house.spool();
    keep(&spool, 150);
    let uplink = house.uplink(&spool);
    until("an empty spool", || waiting(&spool) == 0).await;
    let first: Vec<u64> = hub.seen().into_iter().take(64).collect();
    let expected: Vec<u64> = (1..=48).chain(135..=150).collect();
    assert_eq!(first, expected, "one place in four is for the freshest");
    keep(&spool, 1);
    until("the newest too", || hub.seen().contains(&151)).await;
    uplink.stop(Duration::from_secs(5)).await;
    assert_eq!(waiting(&spool), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgets_everything_loses_nothing() {
    let mut house = House::new();
    let hub = FakeHub::start(&house, Answer::Silence).await;
    let spool = house.spool();
    keep(&spool, 100);
    let uplink = house.uplink(&spool);
    until("records at the hub", || hub.seen().len() >= 20).await;
    assert_eq!(waiting(&spool), 100, "only receipts delete");
    house.kill_broker();
    until("the loss noticed", || !uplink.is_connected()).await;
    hub.answers(Answer::Store);
    house.start_broker();
    until("an empty spool", || waiting(&spool) == 0).await;
    let mut seen = hub.seen();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_receipt_makes_the_record_go_again_and_a_forged_one_deletes_nothing() {
    let house = House::new();
    let hub = FakeHub::start(&house, Answer::Forged).await;
    let spool = house.spool();
    keep(&spool, 1);
    let _uplink = house.uplink(&spool);
    until("the record twice", || hub.seen().len() >= 2).await;
    assert_eq!(waiting(&spool), 1);
    hub.answers(Answer::Store);
    until("an empty spool", || waiting(&spool) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_is_kept_aside_and_a_gap_sends_all_again() {
    let house = House::new();
    let hub = FakeHub::start(&house, Answer::Refuse(RefusalReason::TooOld)).await;
    let spool = house.spool();
    keep(&spool, 2);
    let _uplink = house.uplink(&spool);
    until("both moved aside", || spool.depth().unwrap().refused == 2).await;
    assert_eq!(waiting(&spool), 0);
    hub.answers(Answer::Silence);
    keep(&spool, 2);
    until("both sent", || hub.seen().contains(&4)).await;
    hub.answers(Answer::Refuse(RefusalReason::Gap));
    let three = || hub.seen().iter().filter(|s| **s == 3).count();
    until("the third again and again", || three() >= 3).await;
    assert_eq!(waiting(&spool), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_broker_is_said_in_words() {
    let mut house = House::new();
    let say = async |hub: &Hub| {
        let settings = settings(hub).unwrap();
        probe(&settings).await
    };
    assert_eq!(say(&house.hub()).await, Ok(()));
    // Files of another authority: the edge must not trust the broker, nor the broker the edge.
    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    let mut wrong_ca = house.hub();
    wrong_ca.ca_file = other.path().join("ca.crt");
    let words = say(&wrong_ca).await.unwrap_err();
    assert!(words.contains("`hub.ca_file`"), "{words}");
    let mut refused = house.hub();
    refused.certificate_file = other.path().join("edge.crt");
    refused.key_file = other.path().join("edge.key");
    let words = say(&refused).await.unwrap_err();
    assert!(words.contains("certificate"), "{words}");
    house.kill_broker();
    let words = say(&house.hub()).await.unwrap_err();
    assert!(words.contains("nothing listens"), "{words}");
    let mut missing = house.hub();
    missing.ca_file = other.path().join("none.crt");
    let error = settings(&missing).unwrap_err();
    assert!(error.to_string().contains("none.crt"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn e03_what_passes_now_does_not_wait_for_the_backlog_to_drain() {
    let house = House::new();
    let hub = FakeHub::start(&house, Answer::Store).await;
    let spool = house.spool();
    for _ in 0..3 {
        keep(&spool, 200);
    }
    let _uplink = house.uplink(&spool);
    until("the first of the backlog", || hub.seen().contains(&40)).await;
    keep(&spool, 1);
    until("the fresh one", || hub.seen().contains(&601)).await;
    let before = hub.seen().into_iter().take_while(|s| *s != 601).count();
    assert!(before < 500, "it waited for {before} others");
    until("an empty spool", || waiting(&spool) == 0).await;
    let mut seen = hub.seen();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (1..=601).collect::<Vec<_>>());
}

/// Says that something has changed when the test does.
struct Changing {
    changed: Arc<AtomicBool>,
    told: Arc<std::sync::atomic::AtomicU64>,
}

impl StatusSource for Changing {
    fn has_changed(&mut self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    fn sealed(&mut self) -> Option<Vec<u8>> {
        self.changed.store(false, Ordering::Relaxed);
        self.told.fetch_add(1, Ordering::Relaxed);
        Some(vec![1])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_told_within_seconds_and_nothing_is_told_twice() {
    let house = House::new();
    let (changed, told) = (Arc::<AtomicBool>::default(), Arc::default());
    let status = Changing {
        changed: Arc::clone(&changed),
        told: Arc::clone(&told),
    };
    let settings = settings(&house.hub()).unwrap();
    let clock = SystemClock::shared();
    let _uplink = Uplink::start(settings, house.spool(), clock, Box::new(status));
    until("the first status", || told.load(Ordering::Relaxed) == 1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(told.load(Ordering::Relaxed), 1, "nothing has changed");
    changed.store(true, Ordering::Relaxed);
    let begun = SystemClock::shared();
    until("the change is told", || told.load(Ordering::Relaxed) == 2).await;
    assert!(begun.monotonic() < Duration::from_secs(10));
}
