//! Cameras that read plates themselves: real messages to a real edge, found at a real hub.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use varco_rig::house::{broker_program, free_port};
use varco_rig::process::Process;

use crate::faults::{fill, namespaces, with_small_disk};
use crate::stage::{Stage, nobody, until};

const LONGEST: Duration = Duration::from_secs(60);
const PASSWORD: &str = "un cancello a sud";
const SECRET: &str = "invented-secret-of-the-axis-camera";

fn messages() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("edge/tests/messages")
}

struct Ports {
    push: u16,
    metrics: u16,
    broker: u16,
}

/// Gives the house's edge four readers.
fn with_readers(stage: &Stage) -> Ports {
    let ports = Ports {
        push: free_port().unwrap(),
        metrics: free_port().unwrap(),
        broker: free_port().unwrap(),
    };
    let bundle = stage.house.bundle();
    fs::write(bundle.join("reader.password"), PASSWORD).unwrap();
    fs::write(bundle.join("reader.secret"), SECRET).unwrap();
    let path = bundle.join("edge.toml");
    let text = fs::read_to_string(&path).unwrap();
    let own = "gate = \"porta-sud\"\nuser = \"varco\"\npassword_file = \"reader.password\"\n";
    let readers = format!(
        "[listener]\naddress = \"127.0.0.1:{}\"\n\
         [metrics]\naddress = \"127.0.0.1:{}\"\n\
         [[readers]]\nid = \"hik\"\nmaker = \"hikvision\"\nlogin = \"digest\"\n{own}\
         lanes = [\"corsia-1\", \"corsia-2\"]\nin = \"towards\"\n\
         [[readers]]\nid = \"axis\"\ngate = \"porta-sud\"\nmaker = \"axis\"\nlogin = \"path\"\n\
         secret_file = \"reader.secret\"\n\
         [[readers]]\nid = \"milesight\"\nmaker = \"milesight\"\nlogin = \"basic\"\n{own}\
         time_zone = \"Europe/Rome\"\n\
         [[readers]]\nid = \"onvif\"\ngate = \"porta-sud\"\nmaker = \"onvif\"\n\
         broker_host = \"127.0.0.1\"\nbroker_port = {}\ntopic = \"sud/onvif-ej/#\"\n",
        ports.push, ports.metrics, ports.broker
    );
    fs::write(&path, format!("{text}\n{readers}")).unwrap();
    // The edge was enrolled for one gate, and its readers stand at another.
    let allowed = stage.hub_says(&[
        "edge",
        "allow",
        varco_rig::house::EDGE,
        "--gate",
        "porta-sud",
    ]);
    allowed.unwrap();
    ports
}

/// As a camera sends it; gives the status and the body.
fn curl(words: &[&str]) -> (u16, String) {
    let output = Command::new("curl")
        .args(["-sS", "-m", "20", "-w", "\n%{http_code}"])
        .args(words)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or_default();
    (status.parse().unwrap_or(0), body.to_owned())
}

fn push(port: u16, path: &str, login: &[&str], body: &str, kind: &str) -> (u16, String) {
    let url = format!("http://127.0.0.1:{port}/push/{path}");
    let kind = format!("Content-Type: {kind}");
    let own = ["-H", &kind, "--data-binary", body, &url];
    curl(&[login, &own[..]].concat())
}

fn file(name: &str) -> String {
    format!("@{}", messages().join(name).display())
}

fn hikvision(port: u16, user: &str) -> (u16, String) {
    let kind = "multipart/form-data; boundary=MIME_boundary_invented";
    let login = ["--digest", "-u", user];
    push(port, "hik", &login, &file("hikvision.multipart"), kind)
}

async fn listening(port: u16) {
    until("the edge listens", LONGEST, async || {
        std::net::TcpStream::connect(("127.0.0.1", port))
            .ok()
            .map(drop)
    })
    .await;
}

/// The broker of a camera that publishes its events.
fn feed(stage: &Stage, port: u16) -> Process {
    let conf = stage.folder().join("feed.conf");
    let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
    fs::write(&conf, text).unwrap();
    let mut broker = Command::new(broker_program());
    let log = stage.folder().join("feed.log");
    Process::start("feed", broker.arg("-c").arg(&conf), &log).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_pushed_readings_are_found_with_their_reader_once_each_whatever_is_killed() {
    let mut stage = Stage::without_camera();
    let ports = with_readers(&stage);
    let broker = feed(&stage, ports.broker);
    stage.house.start().unwrap();
    listening(ports.push).await;

    let right = format!("varco:{PASSWORD}");
    let json = "application/json";
    let with_secret = format!("axis/{SECRET}");
    let basic = ["-u", &right];
    let axis = || push(ports.push, &with_secret, &[], &file("axis.json"), json);
    let milesight = || {
        push(
            ports.push,
            "milesight",
            &basic,
            &file("milesight.json"),
            json,
        )
    };
    // Until the clock's thread has looked once, readings wait, and are known when they are sealed.
    until("the first reading is sealed", LONGEST, async || {
        (hikvision(ports.push, &right) == (200, "taken before\n".into())).then_some(())
    })
    .await;
    assert_eq!(axis(), (200, "taken\n".into()));
    assert_eq!(milesight(), (200, "taken\n".into()));
    for again in [hikvision(ports.push, &right), axis(), milesight()] {
        assert_eq!(again, (200, "taken before\n".into()));
    }
    let event = messages().join("onvif-event.json");
    until("the broker passes the event on", LONGEST, async || {
        let mut publish = Command::new("mosquitto_pub");
        publish.args(["-p", &ports.broker.to_string(), "-q", "1"]);
        publish
            .args(["-t", "sud/onvif-ej/RuleEngine/Plates", "-f"])
            .arg(&event);
        assert!(publish.status().unwrap().success());
        (stage.stored().await.len() == 4).then_some(())
    })
    .await;

    strangers_are_turned_away(&stage, &ports);
    each_states_its_reader(&stage).await;

    let url = format!("http://127.0.0.1:{}/metrics", ports.metrics);
    let metrics = counted(&url);
    // The answer was lost in a power cut: the camera sends it again to an edge started anew.
    stage.house.take_edge().unwrap().kill().unwrap();
    stage.house.start_edge().unwrap();
    listening(ports.push).await;
    until("it is known again", LONGEST, async || {
        (hikvision(ports.push, &right) == (200, "taken before\n".into())).then_some(())
    })
    .await;
    let (_, after) = curl(&[&url]);
    assert!(after.contains("varco_edge_spool_refused 0\n"), "{after}");
    assert_eq!(stage.stored().await.len(), 4, "one event, one transit");

    let log = fs::read_to_string(stage.house.log("edge")).unwrap();
    for plate in ["IO123QU", "UQ456OI", "QI789UO", "OU321IQ"] {
        assert!(!log.contains(plate) && !metrics.contains(plate));
    }
    stage.house.end().unwrap();
    broker.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_a_full_disk_loses_no_reading_and_no_camera_has_to_send_again() {
    if !namespaces() {
        return;
    }
    let mut stage = Stage::lay_with(&nobody(), with_small_disk);
    let ports = with_readers(&stage);
    stage.house.start_edge().unwrap();
    listening(ports.push).await;
    let text = fs::read_to_string(messages().join("axis.json")).unwrap();
    let path = format!("axis/{SECRET}");
    let car = |number: u32| {
        let body = text.replace("\"1327\"", &format!("\"{number}\""));
        let body_file = stage.folder().join(format!("car-{number}.json"));
        fs::write(&body_file, body).unwrap();
        let body = format!("@{}", body_file.display());
        push(ports.push, &path, &[], &body, "application/json").0
    };
    until("the first is taken", LONGEST, async || {
        (car(1) == 200).then_some(())
    })
    .await;
    let [edge, _] = stage.house.process_ids();
    let own = stage.house.edge_state();
    let disk =
        Path::new(&format!("/proc/{}/root", edge.unwrap())).join(own.strip_prefix("/").unwrap());
    let filling = fill(&disk);
    // The spool's log may have room for a few more, and 256 records wait in memory: of these some are not
    // cars, as the alarm of a start.
    let refused = (2..1000).find(|number| car(*number) != 200).unwrap();
    assert!(refused > 240, "the memory has room for {refused}");
    assert_eq!(
        car(refused),
        503,
        "what can be kept nowhere is not called taken"
    );
    assert_eq!(car(1), 200, "what is sealed needs no room");
    assert_eq!(car(refused - 1), 200, "what waits in memory is known");
    fs::remove_file(filling).unwrap();
    until("there is room again", LONGEST, async || {
        (car(refused) == 200).then_some(())
    })
    .await;
    stage.house.start_broker().unwrap();
    stage.house.start_hub().unwrap();
    until("all are stored", LONGEST, async || {
        (stage.stored().await.len() == refused as usize).then_some(())
    })
    .await;
    stage.house.end().unwrap();
}

/// Whoever has not the right login, or sends nonsense, is told so and leaves nothing.
fn strangers_are_turned_away(stage: &Stage, ports: &Ports) {
    let json = "application/json";
    let with_secret = format!("axis/{SECRET}");
    assert_eq!(hikvision(ports.push, "varco:wrong").0, 401);
    assert_eq!(push(ports.push, "axis/guessed", &[], "{}", json).0, 404);
    assert_eq!(push(ports.push, "axis", &[], "{}", json).0, 404);
    assert_eq!(push(ports.push, "milesight", &[], "{}", json).0, 401);
    let (status, words) = push(ports.push, &with_secret, &[], "no json", json);
    assert!(status == 400 && words.contains("JSON"), "{status} {words}");
    let large = stage.folder().join("large");
    fs::write(&large, vec![b' '; 9 << 20]).unwrap();
    let large = format!("@{}", large.display());
    assert_eq!(push(ports.push, &with_secret, &[], &large, json).0, 413);
}

async fn each_states_its_reader(stage: &Stage) {
    let stored = stage.stored().await;
    let of = |maker: &str| {
        let mut all = stored.iter();
        all.find(|found| found.onboard["maker"] == maker).unwrap()
    };
    assert_eq!(of("Hikvision").plate, "IO123QU");
    assert!((of("Hikvision").confidence - 0.97).abs() < 1e-6);
    assert_eq!(of("Hikvision").onboard["confidence_said"], 97.0);
    assert_eq!(of("Axis").plate, "UQ456OI");
    assert_eq!(of("Milesight").plate, "QI789UO");
    assert_eq!(of("ONVIF").plate, "OU321IQ");
}

/// The metrics, with what has come so far.
fn counted(url: &str) -> String {
    let (status, metrics) = curl(&[url]);
    assert_eq!(status, 200);
    for line in [
        "varco_edge_transits_total{camera=\"hik\"} 1",
        "varco_edge_reader_messages_total{camera=\"axis\",outcome=\"malformed\"} 1",
        "varco_edge_reader_messages_total{camera=\"axis\",outcome=\"repeated\"} 1",
        "varco_edge_suspended 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    metrics
}

/// The Axis sample with a vehicle's number of its own.
fn numbered(stage: &Stage, number: u32) -> String {
    let text = fs::read_to_string(messages().join("axis.json")).unwrap();
    let body = text.replace("\"1327\"", &format!("\"{number}\""));
    let at = stage.folder().join(format!("axis-{number}.json"));
    fs::write(&at, body).unwrap();
    format!("@{}", at.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_c33_part_a_reading_pushed_while_the_edge_is_suspended_stays_on_the_box_until_the_release()
 {
    let mut stage = Stage::without_camera();
    let ports = with_readers(&stage);
    let contact = stage.with_cabinet();
    stage.house.start().unwrap();
    listening(ports.push).await;
    let path = format!("axis/{SECRET}");
    let car = |stage: &Stage, number: u32| {
        let body = numbered(stage, number);
        push(ports.push, &path, &[], &body, "application/json").0
    };
    until("the first is taken", LONGEST, async || {
        (car(&stage, 1) == 200).then_some(())
    })
    .await;
    until("the first is stored", LONGEST, async || {
        (stage.stored().await.len() == 1).then_some(())
    })
    .await;

    fs::write(&contact, "1\n").unwrap();
    let url = format!("http://127.0.0.1:{}/metrics", ports.metrics);
    until("the edge is suspended", LONGEST, async || {
        curl(&[&url])
            .1
            .contains("varco_edge_suspended 1\n")
            .then_some(())
    })
    .await;
    fs::write(&contact, "0\n").unwrap();
    // The camera is told that its reading is taken: it is sealed, and waits.
    assert_eq!((car(&stage, 2), car(&stage, 3)), (200, 200));
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(stage.stored().await.len(), 1, "nothing has left the box");
    assert!(curl(&[&url]).1.contains("varco_edge_spool_depth 2\n"));

    let purpose = ["--purpose", "our own fitter opened it"];
    let words = [&["edge", "release", varco_rig::house::EDGE], &purpose[..]].concat();
    stage.hub_says(&words).unwrap();
    until("what waited is stored", LONGEST, async || {
        (stage.stored().await.len() == 3).then_some(())
    })
    .await;
    stage.house.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c62_part_conform_judges_a_reader_that_pushes_to_it_and_seals_nothing() {
    let stage = Stage::without_camera();
    let ports = with_readers(&stage);
    let edge = varco_rig::house::Programs::find()
        .unwrap()
        .folder
        .join("varco-edge");
    let conform = |camera: &str| {
        let mut conform = Command::new(&edge);
        conform.args([
            "conform",
            "--seconds",
            "6",
            "--json",
            "--camera",
            camera,
            "--config",
        ]);
        conform.arg(stage.house.bundle().join("edge.toml"));
        tokio::task::spawn_blocking(move || conform.output().unwrap())
    };
    let judged = |output: &std::process::Output| -> Vec<(String, bool)> {
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let point = |point: &serde_json::Value| {
            let name = point["name"].as_str().unwrap().to_owned();
            (name, point["holds"].as_bool().unwrap())
        };
        answer["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(point)
            .collect()
    };
    let running = conform("hik");
    listening(ports.push).await;
    let right = format!("varco:{PASSWORD}");
    assert_eq!(hikvision(ports.push, "varco:wrong").0, 401);
    let (status, words) = hikvision(ports.push, &right);
    assert_eq!(status, 503, "the camera keeps it for the daemon: {words}");
    let output = running.await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("IO123QU"), "a plate is told");
    for (name, holds) in judged(&output) {
        // The sample is days old; all else of it is as it should be.
        assert_eq!(holds, name != "clock offset", "{name}: {text}");
    }
    let silent = conform("axis").await.unwrap();
    assert!(judged(&silent).iter().all(|(_, holds)| !holds));
    assert!(!stage.house.edge_state().join("spool.sqlite").exists());
}
