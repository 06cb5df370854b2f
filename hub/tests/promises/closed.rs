//! The system is closed (C77, annex 3): what a hub's process listens at and goes out to, by its sockets.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use varco_hub::machine::files;
use varco_hub::machine::stopwatch::Stopwatch;

use crate::support::{House, SECOND};

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A socket of a process, as `/proc/PID/net` has it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Socket {
    family: &'static str,
    local: u16,
    remote: u16,
    listens: bool,
}

fn port(address: &str) -> u16 {
    u16::from_str_radix(address.rsplit(':').next().unwrap(), 16).unwrap()
}

/// The sockets of the internet that a process has open.
fn sockets(pid: u32) -> BTreeSet<Socket> {
    let mut own = BTreeSet::new();
    for fd in std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
    {
        let target = std::fs::read_link(fd.path()).map(|to| to.to_string_lossy().into_owned());
        if let Some(inode) = target
            .ok()
            .and_then(|to| to.strip_prefix("socket:[").map(str::to_owned))
        {
            own.insert(inode.trim_end_matches(']').to_owned());
        }
    }
    let mut all = BTreeSet::new();
    for family in ["tcp", "tcp6", "udp", "udp6"] {
        let table =
            std::fs::read_to_string(format!("/proc/{pid}/net/{family}")).unwrap_or_default();
        for row in table.lines().skip(1) {
            let columns: Vec<&str> = row.split_whitespace().collect();
            if own.contains(columns[9]) {
                all.insert(Socket {
                    family,
                    local: port(columns[1]),
                    remote: port(columns[2]),
                    listens: columns[3] == "0A",
                });
            }
        }
    }
    all
}

/// A new home whose ports are free ones; its broker's is held by the test.
fn closed_house(broker: u16, https: u16) -> House {
    let house = House::new();
    let file = house.home.config_file();
    let text = files::read_text(&file).unwrap();
    let text = text.replace(
        "listen = \"127.0.0.1:1\"",
        &format!("listen = \"127.0.0.1:{https}\""),
    );
    let text = text.replace("port = 1\n", &format!("port = {broker}\n"));
    files::write_private(&file, text.as_bytes()).unwrap();
    house
}

#[test]
fn c77_part_a_hub_as_it_is_set_up_listens_at_one_port_and_goes_out_to_its_broker_alone() {
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = broker.local_addr().unwrap().port();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let house = closed_house(at, free);
    let hub = Command::new(env!("CARGO_BIN_EXE_varco-hub"))
        .arg("--home")
        .arg(house.home.root())
        .arg("run")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut hub = Running(hub);
    let (connected, accepted) = std::sync::mpsc::channel();
    thread::spawn(move || {
        while let Ok((socket, _)) = broker.accept() {
            if connected.send(socket).is_err() {
                return;
            }
        }
    });
    let mut seen = BTreeSet::new();
    let (begun, mut asked) = (Stopwatch::start(), 0);
    while begun.elapsed() < Duration::from_secs(12) {
        seen.extend(sockets(hub.0.id()));
        assert!(hub.0.try_wait().unwrap().is_none(), "it runs");
        if std::net::TcpStream::connect(("127.0.0.1", free)).is_ok() {
            asked += 1;
        }
        thread::sleep(SECOND / 10);
    }
    assert!(asked > 10, "it was there to be asked: {seen:?}");
    let broker_met = accepted.try_iter().count();
    let listening: BTreeSet<u16> = seen
        .iter()
        .filter(|one| one.listens)
        .map(|one| one.local)
        .collect();
    assert_eq!(listening, BTreeSet::from([free]), "{seen:?}");
    // What it did not begin came to its own port.
    let out = seen.iter().filter(|one| !one.listens && one.local != free);
    let out: BTreeSet<(&str, u16)> = out.map(|one| (one.family, one.remote)).collect();
    assert!(out.iter().all(|one| *one == ("tcp", at)), "{out:?}");
    assert!(broker_met > 0, "it did look for its broker");
}
