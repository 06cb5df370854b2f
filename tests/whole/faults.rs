//! The street's faults against real processes: a camera, a broker, a hub or a link that stops
//! answering without a word, and a disk that is full. Nothing sealed is lost or doubled, and work
//! goes on when the cause is gone; how soon is printed.
//!
//! The cut of the network and the small disk need namespaces (`unshare`); where the system
//! gives none, these two say so and prove nothing.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "how soon work goes on is for people to read"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use varco_rig::camera::clip::Clip;
use varco_rig::camera::{Camera, StreamSettings};
use varco_rig::clock;
use varco_rig::house::{CameraAddress, Programs, free_port};
use varco_rig::process::Process;

use crate::kill::{spool, stored_once_each};
use crate::stage::{Stage, street, until};

/// The promise: work goes on so soon once the cause is gone.
const RECOVERY: Duration = Duration::from_secs(5);
/// What a loaded machine may take; beyond it the test fails.
const LIMIT: Duration = Duration::from_secs(40);
/// Longest wait for what needs a vehicle to pass.
const LONGEST: Duration = Duration::from_secs(120);
/// Set in the process that a test starts again within a namespace.
const INSIDE: &str = "VARCO_TEST_IN_NAMESPACE";

/// A camera of its own process, which can be stopped and killed.
fn camera(stage: &Path, port: u16) -> Process {
    let programs = Programs::find().unwrap();
    let mut command = Command::new(programs.folder.join("varco-camera"));
    command
        .arg("--clip")
        .arg(street())
        .args(["--port", &port.to_string()]);
    Process::start("varco-camera", &mut command, &stage.join("camera.log")).unwrap()
}

fn address(port: u16) -> CameraAddress {
    CameraAddress {
        url: format!("rtsp://127.0.0.1:{port}/live"),
        credentials: None,
    }
}

/// How often the edge's log says this.
fn told(stage: &Stage, words: &str) -> usize {
    let text = fs::read_to_string(stage.house.log("edge")).unwrap_or_default();
    text.matches(words).count()
}

/// Waits until the edge says this once more than `before`, and prints how long it took.
async fn recovered(stage: &Stage, what: &str, words: &str, before: usize) {
    let begin = clock::instant();
    until(what, LIMIT, async || {
        (told(stage, words) > before).then_some(())
    })
    .await;
    report(what, begin);
}

fn report(what: &str, begin: Instant) {
    let took = begin.elapsed();
    let share = took.as_secs_f64() / RECOVERY.as_secs_f64();
    println!(
        "{what}: {:.2} s, {share:.2} of the promise",
        took.as_secs_f64()
    );
}

/// Waits until vehicles pass and are stored once more.
async fn goes_on(stage: &Stage) {
    let before = stage.stored().await.len();
    until("another transit is stored", LONGEST, async || {
        (stage.stored().await.len() > before).then_some(())
    })
    .await;
}

/// Ends camera and edge, and holds what was sealed against what is stored.
async fn nothing_is_lost_or_doubled(mut stage: Stage, state: &Path, camera: impl Sized) {
    drop(camera);
    until("the spool is empty", LONGEST, async || {
        (spool(state).1 == 0).then_some(())
    })
    .await;
    // What is still followed is sealed and sent when it ends.
    stage.house.take_edge().unwrap().end().unwrap();
    let (sealed, _) = spool(state);
    stored_once_each(&stage.house.hub_home(), sealed);
    assert_eq!(told(&stage, "LOST"), 0);
    stage.hub_says(&["audit", "verify"]).unwrap();
    stage.house.end().unwrap();
}

#[tokio::test]
async fn c22_k01_part_who_stops_answering_holds_up_nobody_for_long() {
    let port = free_port().unwrap();
    let mut stage = Stage::lay(&address(port));
    let mut eye = camera(stage.folder(), port);
    stage.house.start().unwrap();
    goes_on(&stage).await;
    let pause = Duration::from_secs(8);

    let before = told(&stage, FRAMES);
    eye.signal("STOP").unwrap();
    tokio::time::sleep(pause).await;
    eye.signal("CONT").unwrap();
    recovered(
        &stage,
        "frames after a camera that stood still",
        FRAMES,
        before,
    )
    .await;

    let before = told(&stage, FRAMES);
    eye.kill().unwrap();
    tokio::time::sleep(pause).await;
    eye = camera(stage.folder(), port);
    recovered(&stage, "frames after a camera that died", FRAMES, before).await;

    let broker = stage.house.take_broker().unwrap();
    broker.signal("STOP").unwrap();
    tokio::time::sleep(pause).await;
    broker.signal("CONT").unwrap();
    let begin = clock::instant();
    goes_on(&stage).await;
    report("a transit after a broker that stood still", begin);
    broker.kill().unwrap();
    let before = told(&stage, LINK);
    tokio::time::sleep(pause).await;
    stage.house.start_broker().unwrap();
    recovered(&stage, "the link after a broker that died", LINK, before).await;

    let hub = stage.house.take_hub().unwrap();
    hub.signal("STOP").unwrap();
    tokio::time::sleep(pause).await;
    hub.signal("CONT").unwrap();
    let begin = clock::instant();
    goes_on(&stage).await;
    report("a transit after a hub that stood still", begin);

    let edge = stage.house.take_edge().unwrap();
    edge.signal("STOP").unwrap();
    tokio::time::sleep(pause).await;
    edge.signal("CONT").unwrap();
    goes_on(&stage).await;
    edge.kill().unwrap();
    stage.house.start_edge().unwrap();
    goes_on(&stage).await;
    hub.end().unwrap();
    stage.house.start_hub().unwrap();
    let state = stage.house.edge_state();
    nothing_is_lost_or_doubled(stage, &state, eye).await;
}

/// A camera that gives nothing for so long is connected anew.
const STALLED_AFTER_S: u64 = 5;
/// What the edge says when a camera's frames begin.
const FRAMES: &str = "the camera sends frames";
/// What the edge says when its link stands.
const LINK: &str = "connected to the broker";

/// Runs a test of this program again in namespaces of its own: as root there, without a network.
/// False when this process is already inside, or when the system gives no namespaces.
fn ran_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        loopback("up");
        return false;
    }
    if !namespaces() {
        return true;
    }
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net", "--mount", "--"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "see above");
    true
}

/// Whether the system gives namespaces; says so when not.
pub(crate) fn namespaces() -> bool {
    let given = Command::new("unshare")
        .args([
            "--map-root-user",
            "--net",
            "--mount",
            "ip",
            "link",
            "set",
            "lo",
            "up",
        ])
        .output()
        .is_ok_and(|output| output.status.success());
    if !given {
        eprintln!("this system gives no namespaces: nothing is proved here");
    }
    given
}

fn loopback(state: &str) {
    let done = Command::new("ip")
        .args(["link", "set", "lo", state])
        .status();
    assert!(done.unwrap().success());
}

#[tokio::test]
async fn c22_part_a_cut_network_loses_nothing() {
    if ran_inside("faults::c22_part_a_cut_network_loses_nothing") {
        return;
    }
    let port = free_port().unwrap();
    let mut stage = Stage::lay(&address(port));
    let eye = camera(stage.folder(), port);
    stage.house.start().unwrap();
    goes_on(&stage).await;
    let state = stage.house.edge_state();
    for seconds in [3, 12] {
        // Nothing is refused and nothing is closed: packets are simply gone.
        loopback("down");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let (frames, sealed) = (told(&stage, FRAMES), spool(&state).0);
        loopback("up");
        let begin = clock::instant();
        if seconds > STALLED_AFTER_S {
            let what = "frames after a cut that ended the camera's connection";
            recovered(&stage, what, FRAMES, frames).await;
        }
        goes_on(&stage).await;
        report(
            &format!("a stored transit after {seconds} s without a network"),
            begin,
        );
        // One that was captured since, too.
        until("a transit sealed since", LONGEST, async || {
            (spool(&state).0 > sealed).then_some(())
        })
        .await;
        goes_on(&stage).await;
    }
    nothing_is_lost_or_doubled(stage, &state, eye).await;
}

/// A folder of programs in which the edge starts with a small disk of its own for its state.
pub(crate) fn with_small_disk(folder: &Path) -> Programs {
    let state = folder.join("edge-state");
    let real = Programs::find().unwrap();
    let programs = folder.join("programs");
    fs::create_dir(&programs).unwrap();
    symlink(real.folder.join("varco-hub"), programs.join("varco-hub")).unwrap();
    let script = programs.join("varco-edge");
    let edge = real.folder.join("varco-edge");
    let text = format!(
        "#!/bin/sh\nexec unshare --map-root-user --mount sh -c 'mkdir -p {state} && mount -t tmpfs \
         -o size=12m,mode=700 none {state} && exec {edge} \"$@\"' sh \"$@\"\n",
        state = state.display(),
        edge = edge.display(),
    );
    let mut file = File::create(&script).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    Programs {
        folder: programs,
        ..real
    }
}

/// Writes until the disk has no room; gives the file.
pub(crate) fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("fill");
    let mut file = File::create(&path).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![7; size]).is_err() {
            size /= 2;
        }
    }
    path
}

/// As [`spool`], of a copy: SQLite follows the link into the other namespace and loses itself.
fn copied(state: &Path) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["spool.sqlite", "spool.sqlite-wal"] {
        fs::copy(state.join(name), folder.path().join(name)).unwrap();
    }
    spool(folder.path())
}

#[tokio::test]
async fn c22_part_a_full_disk_holds_transits_back_and_loses_none() {
    if !namespaces() {
        return;
    }
    let clip = Clip::open(&street(), true).unwrap();
    let eye = Camera::start(Box::new(clip), &StreamSettings::default()).unwrap();
    let camera = CameraAddress {
        url: eye.url(),
        credentials: None,
    };
    let mut stage = Stage::lay_with(&camera, with_small_disk);
    stage.house.start_broker().unwrap();
    stage.house.start_hub().unwrap();
    stage.house.start_edge().unwrap();
    goes_on(&stage).await;

    let edge = stage.house.take_edge().unwrap();
    let state = PathBuf::from(format!("/proc/{}/root", edge.id()))
        .join(stage.house.edge_state().strip_prefix("/").unwrap());
    let file = fill(&state);
    until("transits are held in memory", LONGEST, async || {
        (told(&stage, "held in memory") > 0).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    fs::remove_file(file).unwrap();
    let begin = clock::instant();
    let before = copied(&state).0;
    until("what was held is sealed", LIMIT, async || {
        (copied(&state).0 > before).then_some(())
    })
    .await;
    report("sealing after a full disk", begin);
    goes_on(&stage).await;
    drop(eye);
    until("the spool is empty", LONGEST, async || {
        (copied(&state).1 == 0).then_some(())
    })
    .await;
    let (sealed, _) = copied(&state);
    stored_once_each(&stage.house.hub_home(), sealed);
    assert_eq!(told(&stage, "LOST"), 0);
    edge.end().unwrap();
    stage.house.end().unwrap();
}
