//! The ways in for cameras that read plates themselves, over TLS on real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use varco_edge::adapters::clock::SystemClock;
use varco_edge::adapters::feed::{self, FeedSettings};
use varco_edge::adapters::http::{self, Bound, Door, DoorLogin, Serving};
use varco_edge::config::{Feed, ListenerTls};
use varco_edge::onboard::malformed::Malformed;
use varco_edge::onboard::part::Part;
use varco_edge::onboard::sink::{Answer, Sink};

const SECRET: &str = "invented-secret-of-the-axis-camera";
const LONGEST: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(100);

/// An authority, with certificates of a server on this box and of a camera.
fn authority(folder: &Path, name: &str) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}-ca.crt")), certificate.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for of in ["server", "camera"] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, of);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let file = |ending: &str| folder.join(format!("{name}-{of}.{ending}"));
        std::fs::write(file("crt"), certificate.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
    }
}

fn authorities() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path(), "ours");
    authority(folder.path(), "theirs");
    folder
}

/// Takes everything and keeps it.
#[derive(Debug, Default)]
struct Taken(Mutex<Vec<Vec<u8>>>);

impl Taken {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Sink for Taken {
    fn take(&self, _: usize, parts: &[Part]) -> Answer {
        let bytes = parts.iter().flat_map(|part| part.bytes.clone()).collect();
        self.0.lock().unwrap().push(bytes);
        Answer::Taken
    }

    fn refused(&self, _: usize, why: Malformed) -> Answer {
        Answer::Malformed(why)
    }

    fn turned_away(&self, _: usize) {}
}

/// Serves one camera's door over TLS.
fn serve(folder: &Path, asks: bool, sink: &Arc<Taken>, serving: &Serving) -> SocketAddr {
    let tls = http::tls(&ListenerTls {
        certificate_file: folder.join("ours-server.crt"),
        key_file: folder.join("ours-server.key"),
        client_ca_file: asks.then(|| folder.join("ours-ca.crt")),
    })
    .unwrap();
    let door = Door {
        reader: 0,
        camera: "axis".parse().unwrap(),
        login: DoorLogin::Path(SECRET.to_owned()),
        from: None,
    };
    let sink: Arc<dyn Sink> = sink.clone();
    let router = http::push(vec![door], sink, SystemClock::shared(), &[7; 32]);
    let address = "127.0.0.1:0".parse().unwrap();
    let bound = Bound::new("listener.address", address, router, Some(tls)).unwrap();
    let address = bound.address().unwrap();
    let serving = serving.clone();
    tokio::spawn(async move { bound.serve(&serving).await });
    address
}

/// As a camera sends it, with these words more.
async fn push(folder: &Path, scheme: &str, to: SocketAddr, more: &[&str]) -> Output {
    let mut curl = Command::new("curl");
    curl.current_dir(folder)
        .args(["-sS", "-m", "20", "-w", "%{http_code}", "--data", "{}"])
        .args([
            "-H",
            "Content-Type: application/json",
            "--cacert",
            "ours-ca.crt",
        ])
        .args(more)
        .arg(format!("{scheme}://{to}/push/axis/{SECRET}"));
    let run = tokio::task::spawn_blocking(move || curl.output().unwrap());
    run.await.unwrap()
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const OURS: [&str; 4] = ["--cert", "ours-camera.crt", "--key", "ours-camera.key"];
const THEIRS: [&str; 4] = ["--cert", "theirs-camera.crt", "--key", "theirs-camera.key"];

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_a_listener_that_asks_for_certificates_serves_those_of_its_authority_alone() {
    let folder = authorities();
    let folder = folder.path();
    let (sink, serving) = (Arc::new(Taken::default()), Serving::default());
    let address = serve(folder, true, &sink, &serving);
    for version in [&["--tlsv1.3"][..], &["--tls-max", "1.2"]] {
        let admitted = push(folder, "https", address, &[&OURS[..], version].concat()).await;
        assert_eq!(says(&admitted), "taken\n200", "{admitted:?}");
    }
    assert_eq!(sink.count(), 2);
    for stranger in [&[][..], &THEIRS] {
        let refused = push(folder, "https", address, stranger).await;
        assert!(!refused.status.success(), "{refused:?}");
        assert_eq!(says(&refused), "000", "not even an answer");
    }
    let clear = push(folder, "http", address, &[]).await;
    assert!(!says(&clear).ends_with("200"), "{clear:?}");
    assert_eq!(sink.count(), 2, "what was refused was not taken");
    serving.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_a_listener_with_a_certificate_of_its_own_proves_itself_to_cameras() {
    let folder = authorities();
    let folder = folder.path();
    let (sink, serving) = (Arc::new(Taken::default()), Serving::default());
    let address = serve(folder, false, &sink, &serving);
    let admitted = push(folder, "https", address, &[]).await;
    assert_eq!(says(&admitted), "taken\n200", "{admitted:?}");
    let wary = push(folder, "https", address, &["--cacert", "theirs-ca.crt"]).await;
    assert!(
        !wary.status.success(),
        "a camera that trusts another authority"
    );
    assert_eq!(sink.count(), 1);
    serving.stop();
}

#[test]
fn d03_part_files_that_do_not_go_together_are_refused_by_name() {
    let folder = authorities();
    let at = |name: &str| folder.path().join(name);
    let files = |certificate: &str, key: &str, ca: &str| ListenerTls {
        certificate_file: at(certificate),
        key_file: at(key),
        client_ca_file: Some(at(ca)),
    };
    for (files, word) in [
        (
            files("none.crt", "ours-server.key", "ours-ca.crt"),
            "listener.certificate_file",
        ),
        (
            files("ours-server.crt", "none.key", "ours-ca.crt"),
            "listener.key_file",
        ),
        (
            files("ours-server.crt", "ours-server.key", "ours-server.key"),
            "listener.client_ca_file",
        ),
        (
            files("ours-server.crt", "theirs-server.key", "ours-ca.crt"),
            "cannot be used together",
        ),
    ] {
        let error = http::tls(&files).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// A broker with TLS whose certificate is of this authority.
struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    fn start(folder: &Path, of: &str, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let at = |name: String| folder.join(name).display().to_string();
        let conf = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\ncafile {}\ncertfile {}\nkeyfile {}\n{more}",
            at("ours-ca.crt".to_owned()),
            at(format!("{of}-server.crt")),
            at(format!("{of}-server.key")),
        );
        let file = folder.join(format!("{of}.conf"));
        std::fs::write(&file, conf).unwrap();
        let mut program = Command::new("mosquitto");
        let path = std::env::var("PATH").unwrap_or_default();
        program
            .env("PATH", format!("{path}:/usr/sbin"))
            .arg("-c")
            .arg(file);
        program.stdout(Stdio::null()).stderr(Stdio::null());
        let child = program.spawn().unwrap();
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(POLL);
        }
        Self { child, port }
    }

    /// What edge and reader do with it.
    fn feed(&self, folder: &Path) -> FeedSettings {
        let feed = Feed {
            broker_host: "127.0.0.1".to_owned(),
            broker_port: self.port,
            topic: "sud/#".to_owned(),
            ca_file: Some(folder.join("ours-ca.crt")),
            credentials: None,
        };
        FeedSettings::new(0, &"sud".parse().unwrap(), "onvif", &feed, None).unwrap()
    }

    /// A camera publishes an event, kept by the broker for whoever subscribes.
    fn publish(&self, folder: &Path, ca: &str, more: &[&str]) -> bool {
        let mut publish = Command::new("mosquitto_pub");
        publish
            .current_dir(folder)
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        publish.args([
            "--cafile",
            ca,
            "-q",
            "1",
            "-r",
            "-t",
            "sud/plates",
            "-m",
            "{}",
        ]);
        publish
            .args(more)
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn fed(sink: &Taken, within: Duration) -> bool {
    let clock = SystemClock::shared();
    let begun = clock.monotonic();
    while sink.count() == 0 && clock.monotonic() - begun < within {
        tokio::time::sleep(POLL).await;
    }
    sink.count() > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_a_feed_over_tls_is_taken_from_the_broker_of_its_authority_alone() {
    let folder = authorities();
    let folder = folder.path();
    let ours = Broker::start(folder, "ours", "");
    assert!(ours.publish(folder, "ours-ca.crt", &[]));
    let sink = Arc::new(Taken::default());
    let running = tokio::spawn(feed::run(ours.feed(folder), sink.clone()));
    assert!(fed(&sink, LONGEST).await, "the event comes over TLS");
    running.abort();

    // Somebody else's broker, with an event that must not become a transit.
    let theirs = Broker::start(folder, "theirs", "");
    assert!(theirs.publish(folder, "theirs-ca.crt", &[]));
    let sink = Arc::new(Taken::default());
    let running = tokio::spawn(feed::run(theirs.feed(folder), sink.clone()));
    assert!(
        !fed(&sink, Duration::from_secs(4)).await,
        "a stranger's broker"
    );
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_a_broker_that_asks_the_edge_for_a_certificate_gives_it_nothing() {
    let folder = authorities();
    let folder = folder.path();
    // The feed has none to show: such a broker needs user and password instead.
    let broker = Broker::start(folder, "ours", "require_certificate true\n");
    assert!(
        !broker.publish(folder, "ours-ca.crt", &[]),
        "a camera without a certificate"
    );
    assert!(
        !broker.publish(folder, "ours-ca.crt", &THEIRS),
        "a camera of another authority"
    );
    assert!(broker.publish(folder, "ours-ca.crt", &OURS));
    let sink = Arc::new(Taken::default());
    let running = tokio::spawn(feed::run(broker.feed(folder), sink.clone()));
    assert!(!fed(&sink, Duration::from_secs(3)).await);
    running.abort();
}
