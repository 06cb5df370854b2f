//! Systems that are told of alerts, and what becomes of those that do not listen. Real sockets; the
//! clock is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use varco_hub::alerts::deliveries::{self, DeliveryKind};
use varco_hub::alerts::webhook::{self, NewWebhook, WebhookState, WebhookView};
use varco_hub::machine::stopwatch::Stopwatch;
use varco_hub::timekeeping::Clock as _;
use varco_hub::transits::blocks;
use varco_hub::web::webhooks::deliver_regularly;
use varco_proto::time::UtcTime;

use crate::alerts::{Watched, watched};
use crate::support::{DAY, SECOND};

/// Longest wait for something that a fast machine does at once.
const SOON: Duration = Duration::from_secs(60);

/// A system that is told, over plain HTTP on this machine, with connections that are kept.
struct Receiver {
    url: String,
    heads: mpsc::UnboundedReceiver<String>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// Reads one request; none when the other side has gone.
async fn request(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = socket
            .read(&mut buffer)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length: usize = header(head, "content-length").parse().unwrap();
            if bytes.len() >= head.len() + 4 + length {
                return Some(head.to_owned());
            }
        }
    }
}

fn header(head: &str, name: &str) -> String {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found.next().unwrap().1.to_owned()
}

impl Receiver {
    /// One that answers with this status and these headers; with none, it never answers.
    async fn on(address: &str, answer: Option<&'static str>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}/alerts", listener.local_addr().unwrap());
        let (told, heads) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let told = told.clone();
                tokio::spawn(async move {
                    while let Some(head) = request(&mut socket).await {
                        let _ = told.send(head);
                        let Some(answer) = answer else {
                            // Until the hub gives up.
                            let _ = socket.read(&mut [0; 1]).await;
                            let _ = told.send("given up".to_owned());
                            return;
                        };
                        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                        let _ = socket.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        Self {
            url,
            heads,
            connections,
            task,
        }
    }

    async fn that_answers(answer: &'static str) -> Self {
        Self::on("127.0.0.1:0", Some(answer)).await
    }

    async fn that_hangs() -> Self {
        Self::on("127.0.0.1:0", None).await
    }

    async fn next(&mut self) -> String {
        let next = tokio::time::timeout(SOON, self.heads.recv()).await;
        next.expect("it is told").unwrap()
    }
}

impl Watched {
    fn webhook(&self, id: &str, url: &str) {
        let main = self.house.home.open_main().unwrap();
        let key = self.house.home.webhook_key().unwrap();
        let now = self.house.clock.now();
        webhook::make(
            &main,
            &key,
            NewWebhook {
                id,
                url,
                authority: None,
                lists: &[],
                body: &varco_hub::bodies::BodyId::owner(),
            },
            now,
        )
        .unwrap();
    }

    fn tell(&self) -> JoinHandle<()> {
        tokio::spawn(deliver_regularly(self.hub.state.clone()))
    }

    /// A listed vehicle passes, and intake says that alerts were raised.
    fn raises(&mut self) {
        self.passes("AB123CD");
        self.hub.alerts.send_modify(|count| *count += 1);
    }

    fn view(&self, id: &str) -> WebhookView {
        let main = self.house.home.open_main().unwrap();
        let all = webhook::all(&main).unwrap();
        all.into_iter().find(|webhook| webhook.id == id).unwrap()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let since = Stopwatch::start();
        while !holds(self) {
            assert!(since.elapsed() < SOON, "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn due(&self, at: UtcTime) -> Vec<String> {
        deliveries::due(&self.house.home.open_main().unwrap(), at).unwrap()
    }
}

#[tokio::test]
async fn c38_part_one_system_that_hangs_delays_no_other() {
    let mut good = Receiver::that_answers("204 No Content").await;
    let mut hangs = Receiver::that_hangs().await;
    let mut watched = watched("AB123CD\n").await;
    watched.webhook("good", &good.url);
    watched.webhook("hangs", &hangs.url);
    let telling = watched.tell();
    for _ in 0..30 {
        watched.raises();
        watched.house.clock.advance(SECOND);
    }
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(header(&good.next().await, "webhook-id"));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30, "each once");
    // An attempt lasts ten seconds at most; the first has not come to its end.
    let mut begun = 0;
    while let Ok(head) = hangs.heads.try_recv() {
        assert_ne!(head, "given up", "the good one had waited for it");
        begun += 1;
    }
    assert!(
        (1..=8).contains(&begun),
        "{begun} on their way to one that hangs"
    );
    // It hangs for an hour, and a vehicle passes each minute.
    let mut times = Vec::new();
    for _ in 0..60 {
        watched.house.clock.advance(SECOND * 60);
        watched.raises();
        let raised = Stopwatch::start();
        good.next().await;
        times.push(raised.elapsed());
    }
    times.sort();
    println!(
        "beside one that hangs: median {:?}, worst {:?}; {} connections",
        times[30],
        times[59],
        good.connections.load(Ordering::SeqCst)
    );
    assert!(times[30] < Duration::from_secs(5), "{times:?}");
    assert!(
        good.connections.load(Ordering::SeqCst) <= 8,
        "they are kept"
    );
    telling.abort();
}

#[tokio::test]
async fn c24_part_what_another_system_is_sent_stands_in_a_line_before_it_goes() {
    let mut system = Receiver::that_answers("204 No Content").await;
    let mut watched = watched("AB123CD\n").await;
    watched.webhook("centrale", &system.url);
    let telling = watched.tell();
    watched.raises();
    system.next().await;
    let sql = "SELECT line FROM audit WHERE action = 'alerts-sent'";
    let main = watched.house.home.open_main().unwrap();
    let line: String = main.query_row(sql, [], |row| row.get(0)).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["actor_kind"], "hub");
    assert_eq!(line["details"]["webhook"], "centrale");
    assert_eq!(line["details"]["alerts"][0]["list"], "rubate");
    assert_eq!(line["result_count"], 1);
    assert!(!line.to_string().contains("AB123CD"), "{line}");
    telling.abort();
}

#[tokio::test]
async fn a_system_that_is_gone_is_told_no_more_until_somebody_resumes_it() {
    let mut gone = Receiver::that_answers("410 Gone").await;
    let mut watched = watched("AB123CD\n").await;
    watched.webhook("old", &gone.url);
    let telling = watched.tell();
    watched.raises();
    gone.next().await;
    let ended = |watched: &Watched| watched.view("old").state == WebhookState::Gone;
    watched.until("it is ended", ended).await;
    watched.raises();
    let view = watched.view("old");
    assert_eq!((view.waiting, view.dropped), (0, 1), "nothing is queued");
    assert_eq!(view.last_failure.as_deref(), Some("it answered 410"));
    webhook::resume(&watched.house.home.open_main().unwrap(), "old").unwrap();
    assert_eq!(watched.view("old").state, WebhookState::Well);
    watched.raises();
    gone.next().await;
    telling.abort();
}

#[tokio::test]
async fn c01_part_a_block_between_an_alert_and_its_delivery_or_retry_keeps_it_from_being_told() {
    let mut busy = Receiver::that_answers("503 Service Unavailable").await;
    let mut watched = watched("AB123CD\n").await;
    watched.webhook("busy", &busy.url);
    let telling = watched.tell();
    watched.raises();
    busy.next().await;
    let failing = |watched: &Watched| watched.view("busy").state == WebhookState::Failing;
    watched.until("it is failing", failing).await;
    // The first was tried, the second waits behind it.
    watched.raises();
    assert_eq!(watched.view("busy").waiting, 2);
    let main = watched.house.home.open_main().unwrap();
    let transits = {
        let mut rows = main.prepare("SELECT transit FROM alerts").unwrap();
        let rows = rows.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        rows.map(|row| row.unwrap().try_into().unwrap())
            .collect::<Vec<[u8; 16]>>()
    };
    assert_eq!(transits.len(), 2);
    for transit in &transits {
        blocks::block(&main, transit, "istanza 9/2026", watched.house.clock.now()).unwrap();
    }
    watched.house.clock.advance(SECOND * 3600);
    let taken = |watched: &Watched| watched.view("busy").waiting == 0;
    watched.until("nothing is left to be told", taken).await;
    assert!(busy.heads.try_recv().is_err(), "neither was told");
    telling.abort();
}

#[tokio::test]
async fn when_a_system_wants_to_be_asked_again_is_honoured() {
    let mut busy = Receiver::that_answers("429 Too Many Requests\r\nretry-after: 120").await;
    let mut watched = watched("AB123CD\n").await;
    watched.webhook("busy", &busy.url);
    let telling = watched.tell();
    watched.raises();
    busy.next().await;
    let failing = |watched: &Watched| watched.view("busy").state == WebhookState::Failing;
    watched.until("it is failing", failing).await;
    let now = watched.house.clock.now();
    assert!(watched.due(now + SECOND * 119).is_empty());
    assert_eq!(watched.due(now + SECOND * 120), ["busy"]);
    // Also for what comes meanwhile.
    watched.raises();
    assert!(watched.due(now + SECOND * 119).is_empty());
    telling.abort();
}

#[tokio::test]
async fn one_that_takes_nothing_for_a_day_is_parked_told_and_taken_up_again_by_a_success() {
    let dead = Receiver::that_answers("204 No Content").await;
    let address = dead.url["http://".len()..]
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    dead.task.abort();
    let _ = dead.task.await;
    let mut watched = watched("AB123CD\n").await;
    watched.webhook("dead", &dead.url);
    let telling = watched.tell();
    watched.raises();
    let failing = |watched: &Watched| watched.view("dead").state == WebhookState::Failing;
    watched.until("it fails", failing).await;
    watched.house.clock.advance(DAY);
    let parked = |watched: &Watched| watched.view("dead").state == WebhookState::Parked;
    watched.until("it is parked", parked).await;
    let now = watched.house.clock.now();
    assert!(watched.due(now + SECOND * 3599).is_empty(), "once an hour");
    let ready = watched
        .hub
        .client
        .get(format!("{}/readyz", watched.hub.url));
    let ready: serde_json::Value = ready.send().await.unwrap().json().await.unwrap();
    let checks = ready["checks"].as_array().unwrap().iter();
    let mut found = checks.filter(|check| check["name"] == "webhooks");
    assert_eq!(found.next().unwrap()["state"], "warning");

    let mut alive = Receiver::on(&address, Some("204 No Content")).await;
    watched.raises();
    watched.house.clock.advance(SECOND * 3600);
    alive.next().await;
    alive.next().await;
    let well = |watched: &Watched| watched.view("dead").state == WebhookState::Well;
    watched.until("it is well", well).await;
    telling.abort();
}

#[tokio::test]
async fn an_alert_whose_term_is_over_is_not_told() {
    let mut receiver = Receiver::that_answers("204 No Content").await;
    let mut watched = watched("AB123CD\n").await;
    watched.webhook("late", &receiver.url);
    watched.passes("AB123CD");
    watched.house.clock.advance(DAY * 7 + SECOND);
    let telling = watched.tell();
    let none = |watched: &Watched| watched.view("late").waiting == 0;
    watched.until("it is let go of", none).await;
    assert!(receiver.heads.try_recv().is_err());
    telling.abort();
}

#[tokio::test]
async fn a_message_id_is_never_given_twice_also_after_a_restore() {
    let mut watched = watched("AB123CD\n").await;
    watched.webhook("centrale", "http://127.0.0.1:9/");
    let main = watched.house.home.open_main().unwrap();
    watched.passes("AB123CD");
    let id = || -> String {
        let sql = "SELECT message FROM webhook_deliveries WHERE kind = 'alert' AND reference = 1";
        main.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let first = id();
    // The database of before the alert, in which the same number is given again.
    main.execute_batch("DELETE FROM webhook_deliveries")
        .unwrap();
    let now = watched.house.clock.now();
    deliveries::enqueue(&main, "centrale", DeliveryKind::Alert, 1, now).unwrap();
    let second = id();
    assert_ne!(first, second);
    deliveries::enqueue(&main, "centrale", DeliveryKind::Alert, 1, now).unwrap();
    assert_eq!(id(), second, "noted once, with one id for every attempt");
}

#[tokio::test]
async fn a_queue_that_is_too_long_loses_its_oldest_and_says_so() {
    let watched = watched("AB123CD\n").await;
    watched.webhook("slow", "http://127.0.0.1:9/");
    let main = watched.house.home.open_main().unwrap();
    let now = watched.house.clock.now();
    main.execute_batch(
        "INSERT INTO alerts (transit, list, hour, priority, near, raised_at_us, digest, sealed)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
         SELECT randomblob(16), 'rubate', 1, 1, 0, 1, randomblob(32), x'00' FROM n",
    )
    .unwrap();
    for alert in 1..=12 {
        deliveries::enqueue(&main, "slow", DeliveryKind::Alert, alert, now).unwrap();
    }
    assert_eq!(
        deliveries::tidy(&main, 10).unwrap(),
        [("slow".to_owned(), 2)]
    );
    let view = watched.view("slow");
    assert_eq!((view.waiting, view.dropped), (10, 2));
    let oldest: i64 = main
        .query_row("SELECT min(reference) FROM webhook_deliveries", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(oldest, 3);
}
