//! Systemd's watchdog: fed only while every thread gets on.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use varco_rig::clock;
use varco_rig::house::Programs;
use varco_rig::process::Process;

use crate::stage::Stage;

/// What systemd would allow; a thread may stand still for half of it.
const WATCHDOG: Duration = Duration::from_secs(8);

#[test]
fn a_thread_that_stands_still_starves_the_watchdog() {
    let stage = Stage::without_camera();
    let contact = stage.with_cabinet();
    let path = stage.house.bundle().join("edge.toml");

    let socket = stage.folder().join("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    systemd
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut command = Command::new(Programs::find().unwrap().folder.join("varco-edge"));
    command
        .args(["run", "--config"])
        .arg(&path)
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    let log = stage.house.log("edge");
    let edge = Process::start("varco-edge", &mut command, &log).unwrap();
    let heard = |span: Duration| {
        let begun = clock::instant();
        let (mut text, mut buffer) = (String::new(), [0; 512]);
        while begun.elapsed() < span {
            if let Ok(length) = systemd.recv(&mut buffer) {
                text.push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        }
        text
    };
    let begun = clock::instant();
    let mut text = String::new();
    while !(text.contains("READY=1") && text.contains("WATCHDOG=1")) {
        text.push_str(&heard(Duration::from_secs(1)));
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "not ready: {text}"
        );
    }
    assert!(
        heard(Duration::from_secs(3)).contains("WATCHDOG=1"),
        "it is fed on"
    );

    // Reading a pipe that nobody writes to holds the guard's thread up, as a dead bus would.
    fs::remove_file(&contact).unwrap();
    let made = Command::new("mkfifo").arg(&contact).status().unwrap();
    assert!(made.success());
    let _ = heard(WATCHDOG);
    let after = heard(Duration::from_secs(5));
    assert!(
        !after.contains("WATCHDOG=1"),
        "a thread stands still: {after}"
    );
    edge.kill().unwrap();
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("the guard"),
        "the log names the thread:\n{log}"
    );
}
