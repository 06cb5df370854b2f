//! Readings from a broker: what cannot be taken at once is taken later.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use varco_edge::adapters::clock::SystemClock;
use varco_edge::adapters::feed::{self, FeedSettings};
use varco_edge::config::Feed;
use varco_edge::onboard::malformed::Malformed;
use varco_edge::onboard::part::Part;
use varco_edge::onboard::sink::{Answer, Sink};

const LONGEST: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(50);

/// Takes each message the third time that it comes, as a spool whose disk is full for a while.
#[derive(Debug, Default)]
struct Slow(Mutex<Tried>);

#[derive(Debug, Default)]
struct Tried {
    taken: Vec<Vec<u8>>,
    kept: Vec<Vec<u8>>,
    refused: HashMap<Vec<u8>, u32>,
}

impl Slow {
    fn try_once(&self, parts: &[Part], is_kept: bool) -> Answer {
        let mut tried = self.0.lock().unwrap();
        let bytes = parts[0].bytes.clone();
        let refused = tried.refused.entry(bytes.clone()).or_default();
        *refused += 1;
        if *refused < 3 {
            return Answer::Busy("the disk is full");
        }
        match is_kept {
            true => tried.kept.push(bytes),
            false => tried.taken.push(bytes),
        }
        Answer::Taken
    }
}

impl Sink for Slow {
    fn take(&self, _: usize, parts: &[Part]) -> Answer {
        self.try_once(parts, false)
    }

    fn take_kept(&self, _: usize, parts: &[Part]) -> Answer {
        self.try_once(parts, true)
    }

    fn refused(&self, _: usize, why: Malformed) -> Answer {
        Answer::Malformed(why)
    }

    fn turned_away(&self, _: usize) {}
}

struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("mosquitto")
            .env("PATH", format!("{path}:/usr/sbin"))
            .args(["-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(POLL);
        }
        Self { child, port }
    }

    fn publish(&self, more: &[&str], message: &str) {
        let mut publish = Command::new("mosquitto_pub");
        publish.args([
            "-p",
            &self.port.to_string(),
            "-t",
            "sud/axis",
            "-m",
            message,
        ]);
        assert!(publish.args(more).status().unwrap().success());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d03_part_a_brokers_message_is_acknowledged_only_when_it_is_taken() {
    let broker = Broker::start();
    let feed = Feed {
        broker_host: "127.0.0.1".to_owned(),
        broker_port: broker.port,
        topic: "sud/#".to_owned(),
        ca_file: None,
        credentials: None,
    };
    let settings = FeedSettings::new(0, &"sud".parse().unwrap(), "axis", &feed, None).unwrap();
    let sink = Arc::new(Slow::default());
    // Kept by the broker for whoever subscribes.
    broker.publish(&["-q", "1", "-r"], "kept");
    let running = tokio::spawn(feed::run(settings, sink.clone()));
    let clock = SystemClock::shared();
    let until = async |come: &dyn Fn(&Tried) -> bool| {
        let begun = clock.monotonic();
        while !come(&sink.0.lock().unwrap()) {
            assert!(clock.monotonic() - begun < LONGEST, "{:?}", sink.0);
            tokio::time::sleep(POLL).await;
        }
    };
    until(&|tried| tried.kept.contains(&b"kept".to_vec())).await;
    for quality in ["1", "0"] {
        broker.publish(&["-q", quality], quality);
        until(&|tried| tried.taken.contains(&quality.as_bytes().to_vec())).await;
    }
    running.abort();
}
