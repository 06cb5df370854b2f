//! The door at which cameras push, on real sockets: who gets in, and who keeps nobody out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use varco_edge::adapters::clock::SystemClock;
use varco_edge::adapters::http::{self, Bound, Door, DoorLogin, Serving};
use varco_edge::onboard::malformed::Malformed;
use varco_edge::onboard::part::Part;
use varco_edge::onboard::sink::{Answer, Sink};

const SECRET: &str = "invented-secret-of-the-axis-camera";
const USER: &str = "varco";
const PASSWORD: &str = "un cancello a sud";
/// Long enough for a noisy machine, and shorter than what a stranger is given.
const PATIENCE: Duration = Duration::from_secs(25);

/// Takes everything and counts it, by reader.
#[derive(Debug, Default)]
struct Taken(Mutex<Vec<usize>>);

impl Taken {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Sink for Taken {
    fn take(&self, reader: usize, _: &[Part]) -> Answer {
        // As a disk that is slow.
        std::thread::sleep(Duration::from_millis(50));
        self.0.lock().unwrap().push(reader);
        Answer::Taken
    }

    fn refused(&self, _: usize, why: Malformed) -> Answer {
        Answer::Malformed(why)
    }

    fn turned_away(&self, _: usize) {}
}

struct Stage {
    address: SocketAddr,
    sink: Arc<Taken>,
    serving: Serving,
}

fn door(reader: usize, camera: &str, login: DoorLogin, from: Option<&str>) -> Door {
    Door {
        reader,
        camera: camera.parse().unwrap(),
        login,
        from: from.map(|from| from.parse().unwrap()),
    }
}

fn serve() -> Stage {
    let own = || (USER.to_owned(), PASSWORD.to_owned());
    let doors = vec![
        door(0, "path", DoorLogin::Path(SECRET.to_owned()), None),
        door(1, "basic", DoorLogin::Basic(own().0, own().1), None),
        door(2, "digest", DoorLogin::Digest(own().0, own().1), None),
        door(
            3,
            "far",
            DoorLogin::Path(SECRET.to_owned()),
            Some("127.0.0.7"),
        ),
    ];
    let from: Vec<IpAddr> = doors.iter().filter_map(|door| door.from).collect();
    let sink = Arc::new(Taken::default());
    let shared: Arc<dyn Sink> = sink.clone();
    let router = http::push(doors, shared, SystemClock::shared(), &[7; 32]);
    let address = "127.0.0.1:0".parse().unwrap();
    let bound = Bound::new("listener.address", address, router, None).unwrap();
    let bound = bound.expecting(from);
    let address = bound.address().unwrap();
    let serving = Serving::default();
    let shared = serving.clone();
    tokio::spawn(async move { bound.serve(&shared).await });
    Stage {
        address,
        sink,
        serving,
    }
}

/// As a camera sends it, with these words more; gives the status.
async fn curl(stage: &Stage, path: &str, more: &[&str]) -> String {
    let mut curl = Command::new("curl");
    let within = PATIENCE.as_secs().to_string();
    curl.args([
        "-sS",
        "-o",
        "/dev/null",
        "-m",
        &within,
        "-w",
        "%{http_code}",
    ])
    .args(["-H", "Content-Type: application/json", "--data", "{}"])
    .args(more)
    .arg(format!("http://{}/push/{path}", stage.address));
    let run = tokio::task::spawn_blocking(move || curl.output().unwrap());
    String::from_utf8(run.await.unwrap().stdout).unwrap()
}

fn with_secret(camera: &str) -> String {
    format!("{camera}/{SECRET}")
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_only_the_right_secret_opens_each_kind_of_door() {
    let stage = serve();
    let (right, wrong) = (format!("{USER}:{PASSWORD}"), format!("{USER}:{PASSWORD}o"));
    let other = format!("varca:{PASSWORD}");
    for (path, more, status) in [
        (with_secret("path"), vec![], "200"),
        (format!("{}x", with_secret("path")), vec![], "404"),
        ("path/guessed".to_owned(), vec![], "404"),
        ("path".to_owned(), vec!["-u", &right], "404"),
        ("basic".to_owned(), vec!["-u", &right], "200"),
        ("basic".to_owned(), vec!["-u", &wrong], "401"),
        ("basic".to_owned(), vec!["-u", &other], "401"),
        ("basic".to_owned(), vec![], "401"),
        (with_secret("basic"), vec![], "404"),
        ("digest".to_owned(), vec!["--digest", "-u", &right], "200"),
        ("digest".to_owned(), vec!["--digest", "-u", &wrong], "401"),
        ("digest".to_owned(), vec!["--digest", "-u", &other], "401"),
        ("digest".to_owned(), vec!["-u", &right], "401"),
        ("nobody".to_owned(), vec!["-u", &right], "404"),
    ] {
        let before = stage.sink.count();
        assert_eq!(curl(&stage, &path, &more).await, status, "{path} {more:?}");
        let taken = usize::from(status == "200");
        assert_eq!(stage.sink.count(), before + taken, "{path} {more:?}");
    }
    stage.serving.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_a_camera_comes_from_its_own_address_alone() {
    let stage = serve();
    let far = with_secret("far");
    assert_eq!(
        curl(&stage, &far, &["--interface", "127.0.0.1"]).await,
        "403"
    );
    assert_eq!(
        curl(&stage, &far, &["--interface", "127.0.0.8"]).await,
        "403"
    );
    assert_eq!(stage.sink.count(), 0);
    assert_eq!(
        curl(&stage, &far, &["--interface", "127.0.0.7"]).await,
        "200"
    );
    assert_eq!(stage.sink.count(), 1);
    stage.serving.stop();
}

/// Connections that say this and then nothing.
fn silent(stage: &Stage, words: &str, count: usize) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = TcpStream::connect(stage.address).unwrap();
        // One that was closed already takes nothing.
        let _ = stream.write_all(words.as_bytes());
        stream
    };
    (0..count).map(open).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_hundreds_of_silent_strangers_keep_no_camera_out() {
    let stage = serve();
    let waiting = "POST /push/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    let known = "POST /push/basic HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    let mut strangers = silent(&stage, waiting, 8);
    assert_eq!(curl(&stage, &with_secret("path"), &[]).await, "200");
    for words in [waiting, known, "", "POST /push/ba"] {
        strangers.extend(silent(&stage, words, 100));
    }
    let login = format!("{USER}:{PASSWORD}");
    for _ in 0..3 {
        assert_eq!(curl(&stage, &with_secret("path"), &[]).await, "200");
        assert_eq!(curl(&stage, "basic", &["-u", &login]).await, "200");
        assert_eq!(
            curl(&stage, "digest", &["--digest", "-u", &login]).await,
            "200"
        );
    }
    assert_eq!(stage.sink.count(), 10);
    // The first of them were closed for those that came later.
    let first = &mut strangers[0];
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 1024];
    let closed = |read: std::io::Result<usize>| match read {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    };
    while !closed(first.read(&mut bytes)) {}
    stage.serving.stop();
}

/// A whole request, written at once.
fn request() -> String {
    let path = with_secret("path");
    format!(
        "POST /push/{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 2\r\n\r\n{{}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_a_connection_that_was_let_in_outlasts_those_of_strangers() {
    let stage = serve();
    let mut camera = silent(&stage, &request(), 1).remove(0);
    camera.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 1024];
    assert!(camera.read(&mut bytes).unwrap() > 0);
    let _strangers = silent(&stage, "", 300);
    camera.write_all(request().as_bytes()).unwrap();
    let count = camera.read(&mut bytes).unwrap();
    let answer = String::from_utf8_lossy(&bytes[..count]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stage.serving.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_what_was_read_is_taken_though_its_camera_does_not_wait() {
    let stage = serve();
    for hasty in silent(&stage, &request(), 5) {
        drop(hasty);
    }
    // One that says that it has said all still gets its answer.
    let mut half = silent(&stage, &request(), 1).remove(0);
    half.shutdown(Shutdown::Write).unwrap();
    half.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("taken"), "{answer}");
    let clock = SystemClock::shared();
    let begun = clock.monotonic();
    while stage.sink.count() < 6 && clock.monotonic() - begun < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stage.sink.count(), 6);
    stage.serving.stop();
}
