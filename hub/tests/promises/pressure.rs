//! Strangers, streams and slow readers hold connections; a lookup still answers.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;
use varco_hub::certificates::tls;
use varco_hub::config::http_limits::HttpLimits;
use varco_hub::machine::files;
use varco_hub::machine::stopwatch::Stopwatch;

use crate::http::grounds;
use crate::support::{Carrying as _, House, Served};

type Tls = StreamOwned<ClientConnection, std::net::TcpStream>;

/// Longest wait for something that a fast machine does within seconds.
const SOON: Duration = Duration::from_secs(180);

async fn house_within(limits: HttpLimits) -> (House, Served) {
    let mut house = House::new();
    house.http_limits = limits;
    let mut edge = house.edge("porta-nord-01");
    let message = edge.seal("AB123CD", "2026-11-22T11:00:00Z".parse().unwrap());
    house.writer().take(&[message]).unwrap();
    let hub = house.serve().await;
    (house, hub)
}

fn address(hub: &Served) -> SocketAddr {
    hub.url["https://".len()..].parse().unwrap()
}

/// A socket from one of many addresses of this machine.
async fn socket(hub: &Served, from: u8, receive: Option<u32>) -> std::net::TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    if let Some(bytes) = receive {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.bind(([127, 0, 0, from], 0).into()).unwrap();
    let socket = socket
        .connect(address(hub))
        .await
        .unwrap()
        .into_std()
        .unwrap();
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

/// Sends this over TLS; none when the hub does not let it.
fn send(config: Arc<ClientConfig>, socket: std::net::TcpStream, text: &str) -> Option<Tls> {
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(config, name).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(text.as_bytes()).ok()?;
    stream.flush().ok()?;
    Some(stream)
}

fn believing(house: &House) -> Arc<ClientConfig> {
    let authority = files::read_text(&house.home.authority_certificate()).unwrap();
    Arc::new(tls::client(&authority).unwrap())
}

/// Twenty lookups; the median and the worst.
async fn lookups(hub: &Served) -> (Duration, Duration) {
    let mut times = Vec::new();
    for _ in 0..20 {
        let asked = Stopwatch::start();
        let (status, answer) = hub.look_up(grounds()).await;
        assert_eq!(
            (status, answer["results"].as_array().unwrap().len()),
            (200, 1)
        );
        times.push(asked.elapsed());
    }
    times.sort();
    (times[10], times[19])
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let since = Stopwatch::start();
    while !holds() {
        assert!(since.elapsed() < SOON, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c38_part_hundreds_of_idle_strangers_neither_delay_a_lookup_nor_keep_anybody_out() {
    let limits = HttpLimits {
        head_timeout: Duration::from_secs(120),
        ..HttpLimits::default()
    };
    let (house, hub) = house_within(limits).await;
    let alone = lookups(&hub).await;
    let known = hub.state.connections.counts().known;
    let config = believing(&house);
    let (mut silent, mut half) = (Vec::new(), Vec::new());
    for number in 0..300_u32 {
        let from = u8::try_from(2 + number % 20).unwrap();
        silent.push(socket(&hub, from, None).await);
        let (config, socket) = (Arc::clone(&config), socket(&hub, from, None).await);
        let head = "GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: ";
        let begun = tokio::task::spawn_blocking(move || send(config, socket, head));
        half.extend(begun.await.unwrap());
    }
    let counts = hub.state.connections.counts();
    assert!(counts.strangers <= limits.strangers_max, "{counts:?}");
    assert_eq!(counts.known, known, "who showed a token keeps the place");
    let beside = lookups(&hub).await;
    // A newcomer finds a place among the strangers.
    let again = reqwest::Client::builder()
        .tls_backend_preconfigured((*config).clone())
        .build()
        .unwrap();
    let page = again.get(format!("{}/healthz", hub.url)).send().await;
    assert_eq!(page.unwrap().status(), 200);
    println!(
        "a lookup alone: median {:?}, worst {:?}; beside 600 idle strangers: median {:?}, worst \
         {:?}",
        alone.0, alone.1, beside.0, beside.1
    );
    assert!(beside.1 < Duration::from_secs(10), "{beside:?}");
    drop((silent, half));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_half_of_it_goes_after_a_term() {
    let limits = HttpLimits {
        head_timeout: Duration::from_secs(2),
        ..HttpLimits::default()
    };
    let (house, hub) = house_within(limits).await;
    let config = believing(&house);
    let mut open = Vec::new();
    let mut silent = Vec::new();
    for text in [
        "",
        "GET /healthz HT",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: ",
    ] {
        for _ in 0..5 {
            silent.push(socket(&hub, 2, None).await);
            let (config, socket) = (Arc::clone(&config), socket(&hub, 2, None).await);
            let begun = tokio::task::spawn_blocking(move || send(config, socket, text));
            open.extend(begun.await.unwrap());
        }
    }
    // One more byte now and then does not buy time.
    let since = Stopwatch::start();
    while hub.state.connections.counts().strangers > 0 {
        assert!(since.elapsed() < SOON, "strangers are kept");
        for stream in &mut open {
            let _ = stream.write(b"b").and_then(|_| stream.flush());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    lookups(&hub).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c38_part_one_token_has_so_many_streams_and_a_lookup_still_answers() {
    let (_house, hub) = house_within(HttpLimits::default()).await;
    let alone = lookups(&hub).await;
    let live = format!(
        "{}/api/v1/transits/live?purpose=traffic&case_reference=PG%201",
        hub.url
    );
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..150 {
        let stream = hub.client.get(&live).carrying(&hub.token).send().await;
        let stream = stream.unwrap();
        if stream.status() == 200 {
            open.push(stream);
            continue;
        }
        assert_eq!(stream.status(), 429);
        let answer: Value = stream.json().await.unwrap();
        assert!(answer["error"].is_string() && answer["what_to_do"].is_string());
        refused += 1;
    }
    assert_eq!((open.len(), refused), (16, 134));
    let beside = lookups(&hub).await;
    println!(
        "a lookup alone: median {:?}, worst {:?}; beside 16 streams of 150 asked for: median {:?}, \
         worst {:?}",
        alone.0, alone.1, beside.0, beside.1
    );
    assert!(beside.1 < Duration::from_secs(10), "{beside:?}");
    drop(open);
    until("places of streams are kept", || {
        hub.state.connections.counts().streams == 0
    })
    .await;
    let again = hub.client.get(&live).carrying(&hub.token).send().await;
    assert_eq!(again.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c38_part_who_does_not_read_loses_the_connection_and_delays_no_lookup() {
    let limits = HttpLimits {
        head_timeout: Duration::from_secs(120),
        stalled_timeout: Duration::from_secs(3),
        ..HttpLimits::default()
    };
    let (house, hub) = house_within(limits).await;
    let config = believing(&house);
    let request = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(400);
    let mut slow = Vec::new();
    for _ in 0..8 {
        let (config, request) = (Arc::clone(&config), request.clone());
        let socket = socket(&hub, 2, Some(4096)).await;
        let begun = tokio::task::spawn_blocking(move || send(config, socket, &request));
        slow.extend(begun.await.unwrap());
    }
    assert!(!slow.is_empty());
    let beside = lookups(&hub).await;
    println!(
        "a lookup beside 8 slow readers: median {:?}, worst {:?}",
        beside.0, beside.1
    );
    assert!(beside.1 < Duration::from_secs(10), "{beside:?}");
    until("slow readers are kept", || {
        hub.state.connections.counts().strangers == 0
    })
    .await;
}
