//! Sealed records to the hub by way of an MQTT broker, and the hub's answers back: the only door
//! to rumqttc.
//!
//! The broker's own acknowledgement means nothing here: it may forget. What the spool holds is
//! sent oldest first, with a part of the window kept for the newest, and sent again until the hub's
//! receipt comes. Three tasks share the work,
//! because rumqttc stops for good when the task that polls it also waits for it to take a message.

mod answers;
mod tls;
mod trouble;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS, SubscribeFilter,
    TlsConfiguration, Transport,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use varco_proto::ids::EdgeId;
use varco_proto::keys::OpeningKey;
use varco_proto::topics::Topic;

use self::answers::{Answer, answer};
use self::window::Window;
use crate::adapters::clock::SharedClock;
use crate::adapters::random;
use crate::adapters::spool::Spool;
use crate::adapters::spool::error::SpoolError;
use crate::adapters::spool::shared::SharedSpool;
use crate::config::Hub;
use crate::logging::chain;
use varco_proto::backoff::Backoff;

pub use tls::TlsError;

/// Records on their way at once.
const WINDOW: u16 = 64;
/// Requests that wait for the connection: the window, the subscriptions and a status.
const REQUESTS_MAX: usize = 80;
/// Answers of the hub that wait to be taken.
const ANSWERS_MAX: usize = 256;
/// Largest MQTT packet in either direction, in bytes: an envelope has at most half of it.
const PACKET_BYTES_MAX: usize = 256 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const CONNECT_WAIT_S: u64 = 10;
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(15);
/// How often the sender looks for records whose receipt is late.
const LATE_CHECK: Duration = Duration::from_secs(1);
/// After this long without any answer of the hub, a warning is logged.
const SILENCE_LOGGED_AFTER: Duration = Duration::from_secs(60);
/// How often the edge says how it is.
const STATUS_EVERY: Duration = Duration::from_secs(60);
/// How often some of what the hub has on hold is tried again.
const ON_HOLD_TRIED_EVERY: Duration = Duration::from_secs(60);

/// How often it is asked whether something has changed that the hub should know at once.
const CHANGE_ASKED_EVERY: Duration = Duration::from_secs(1);

/// Reports how the edge is.
pub trait StatusSource: Send {
    /// Whether something has changed since the last status that the hub should know at once.
    fn has_changed(&mut self) -> bool {
        false
    }

    /// A sealed status; none when there cannot be one.
    fn sealed(&mut self) -> Option<Vec<u8>>;
}

impl<F: FnMut() -> Option<Vec<u8>> + Send> StatusSource for F {
    fn sealed(&mut self) -> Option<Vec<u8>> {
        self()
    }
}

/// Where and how to connect.
#[derive(Debug, Clone)]
pub struct UplinkSettings {
    edge: EdgeId,
    options: MqttOptions,
    broker: String,
    hub_key: OpeningKey,
    receipt_wait: Duration,
}

impl UplinkSettings {
    /// Reads the certificates; the private key comes in PEM, because its file is sealed.
    ///
    /// # Errors
    /// [`TlsError`] names the file and its key in the configuration.
    pub fn new(edge: &EdgeId, hub: &Hub, key_pem: &[u8]) -> Result<Self, TlsError> {
        let mut options = MqttOptions::new(edge.as_str(), &hub.broker_host, hub.broker_port);
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
                tls::client(hub, key_pem)?,
            )))
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(false)
            .set_inflight(WINDOW)
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        Ok(Self {
            edge: edge.clone(),
            options,
            broker: format!("{}:{}", hub.broker_host, hub.broker_port),
            hub_key: hub.hub_key,
            receipt_wait: hub.receipt_wait,
        })
    }

    fn connect(&self) -> (AsyncClient, EventLoop) {
        let (client, mut events) = AsyncClient::new(self.options.clone(), REQUESTS_MAX);
        events
            .network_options
            .set_connection_timeout(CONNECT_WAIT_S);
        (client, events)
    }
}

/// Connects once and takes leave, for `check`.
///
/// It logs in under a name of its own with a clean session, so that a running daemon keeps its
/// connection.
///
/// # Errors
/// What is wrong and what to do.
pub async fn probe(settings: &UplinkSettings) -> Result<(), String> {
    let mut settings = settings.clone();
    let name = format!("{}-check", settings.edge);
    settings.options.set_client_id(name).set_clean_session(true);
    let (client, mut events) = settings.connect();
    match events.poll().await {
        Ok(Event::Incoming(Packet::ConnAck(_))) => {}
        Ok(other) => return Err(format!("the broker answers with {other:?}")),
        Err(error) => return Err(trouble::words(&error)),
    }
    // With TLS 1.3 a refused certificate shows only after the handshake.
    let _ = client.try_disconnect();
    while let Ok(event) = events.poll().await {
        if matches!(event, Event::Outgoing(rumqttc::Outgoing::Disconnect)) {
            break;
        }
    }
    Ok(())
}

/// The running connection. Dropped, it stops at once.
#[derive(Debug)]
pub struct Uplink {
    tasks: Vec<JoinHandle<()>>,
    client: AsyncClient,
    link: watch::Receiver<u64>,
    renewed: watch::Sender<Option<UplinkSettings>>,
    shared: Arc<Shared>,
}

/// What the three tasks share.
#[derive(Debug)]
struct Shared {
    settings: UplinkSettings,
    spool: SharedSpool,
    clock: SharedClock,
    /// Wakes the sender: room in the window.
    room: Notify,
    /// Counts the times that everything is to be sent anew.
    anew: AtomicU64,
    /// Counts the hub's answers.
    answers: AtomicU64,
    /// The end is wanted: a closed connection is no trouble.
    stopping: AtomicBool,
}

impl Uplink {
    /// Starts to send what the spool holds. Needs a tokio runtime.
    #[must_use]
    pub fn start(
        settings: UplinkSettings,
        spool: SharedSpool,
        clock: SharedClock,
        status: Box<dyn StatusSource>,
    ) -> Self {
        let (client, events) = settings.connect();
        let (link_is, link) = watch::channel(0);
        let (renewed, renewals) = watch::channel(None);
        let (answer, answers) = mpsc::channel(ANSWERS_MAX);
        let shared = Arc::new(Shared {
            settings,
            spool,
            clock,
            room: Notify::new(),
            anew: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        });
        let tasks = vec![
            tokio::spawn(poll(
                Arc::clone(&shared),
                events,
                client.clone(),
                link_is,
                answer,
                renewals,
            )),
            tokio::spawn(take(Arc::clone(&shared), answers)),
            tokio::spawn(send(
                Arc::clone(&shared),
                client.clone(),
                link.clone(),
                status,
            )),
        ];
        Self {
            tasks,
            client,
            link,
            renewed,
            shared,
        }
    }

    /// Connects anew with the certificate of these settings. What was on its way is sent again.
    pub fn renew(&self, settings: &UplinkSettings) {
        self.renewed.send_replace(Some(settings.clone()));
    }

    /// Whether the broker holds the connection now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        *self.link.borrow() != 0
    }

    /// Waits until the spool is empty, at most `drain`, then takes leave of the broker. What is
    /// left stays in the spool.
    pub async fn stop(self, drain: Duration) {
        let emptied = async {
            while self.is_connected()
                && self
                    .shared
                    .spool
                    .depth()
                    .is_ok_and(|depth| depth.waiting > 0)
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(drain, emptied).await;
        self.shared.stopping.store(true, Ordering::Relaxed);
        if self.client.try_disconnect().is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Keeps the connection, and logs each trouble once.
async fn poll(
    shared: Arc<Shared>,
    mut events: EventLoop,
    client: AsyncClient,
    link_is: watch::Sender<u64>,
    answer: mpsc::Sender<Publish>,
    mut renewals: watch::Receiver<Option<UplinkSettings>>,
) {
    let broker = &shared.settings.broker;
    let topics = [
        Topic::Receipt(shared.settings.edge.clone()),
        Topic::Refusal(shared.settings.edge.clone()),
        Topic::Release(shared.settings.edge.clone()),
    ];
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
    let mut logged = String::new();
    let mut connections: u64 = 0;
    loop {
        let event = tokio::select! {
            event = events.poll() => event,
            Ok(()) = renewals.changed() => {
                let renewed = renewals.borrow_and_update().clone();
                if let Some(renewed) = renewed {
                    tracing::info!(%broker, "connecting with the renewed certificate");
                    link_is.send_replace(0);
                    events
                        .mqtt_options
                        .set_transport(renewed.options.transport());
                    events.clean();
                    events.pending.clear();
                }
                continue;
            }
        };
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // The broker may have forgotten the subscriptions, whatever it says.
                let filter = |topic: &Topic| SubscribeFilter::new(topic.name(), QoS::AtLeastOnce);
                if let Err(error) = client.try_subscribe_many(topics.iter().map(filter)) {
                    tracing::debug!(%error, "cannot subscribe");
                }
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                connections += 1;
                link_is.send_replace(connections);
                tracing::info!(%broker, "connected to the broker");
                backoff.reset();
                logged.clear();
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                if answer.send(publish).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(_) if shared.stopping.load(Ordering::Relaxed) => return,
            Err(error) => {
                link_is.send_replace(0);
                // The spool is the one place that remembers what is to be sent again.
                events.clean();
                events.pending.clear();
                let words = trouble::words(&error);
                if words == logged {
                    tracing::debug!(%broker, %error, "still no connection to the broker");
                } else {
                    tracing::warn!(%broker, "no connection to the broker, it is tried again: {words}");
                    logged = words;
                }
                tokio::time::sleep(backoff.wait(random::jitter())).await;
            }
        }
    }
}

/// Takes answers until the connection's task is gone.
async fn take(shared: Arc<Shared>, mut answers: mpsc::Receiver<Publish>) {
    while let Some(publish) = answers.recv().await {
        let key = shared.settings.hub_key;
        let work = move |spool: SharedSpool| Ok(answer(&spool, &publish, &key));
        match on_disk(&shared.spool, work).await {
            Ok(Answer::Room) => {}
            Ok(Answer::Anew) => {
                shared.anew.fetch_add(1, Ordering::Relaxed);
            }
            // What the hub did not say is no sign of life.
            Ok(Answer::Nothing) | Err(_) => continue,
        }
        shared.answers.fetch_add(1, Ordering::Relaxed);
        shared.room.notify_one();
    }
}

/// Sends what is due whenever there is something new, room in the window, a late receipt or a
/// new connection.
async fn send(
    shared: Arc<Shared>,
    client: AsyncClient,
    mut link: watch::Receiver<u64>,
    mut status: Box<dyn StatusSource>,
) {
    let mut window = Window::new(shared.settings.receipt_wait);
    let mut state = (0, 0);
    let mut silence = Silence::default();
    let (mut status_due, mut change_due) = (Duration::ZERO, Duration::ZERO);
    let mut on_hold_due = ON_HOLD_TRIED_EVERY;
    loop {
        let connection = *link.borrow_and_update();
        let now = shared.clock.monotonic();
        if connection != 0 {
            let anew = shared.anew.load(Ordering::Relaxed);
            if state != (connection, anew) {
                state = (connection, anew);
                window.forget();
            }
            let asked = now >= change_due;
            if asked {
                change_due = now + CHANGE_ASKED_EVERY;
            }
            if now >= status_due || (asked && status.has_changed()) {
                status_due = now + STATUS_EVERY;
                let topic = Topic::Status(shared.settings.edge.clone()).name();
                if let Some(sealed) = status.sealed() {
                    // A late status is worth nothing: the broker need not keep it.
                    let _ = client.publish(topic, QoS::AtMostOnce, false, sealed).await;
                }
            }
            if now >= on_hold_due {
                on_hold_due = now + ON_HOLD_TRIED_EVERY;
                let tried = on_disk(&shared.spool, |spool| spool.with(Spool::try_on_hold));
                if let Err(error) = tried.await {
                    tracing::error!(error = %chain(&error), "cannot read the spool");
                }
            }
            if let Err(error) = send_due(&shared, &client, &mut window).await {
                tracing::error!(error = %chain(&error), "cannot read the spool");
            }
            silence.watch(&shared, window.longest_wait(now));
        }
        tokio::select! {
            () = shared.spool.sealed() => {}
            () = shared.room.notified() => {}
            changed = link.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LATE_CHECK) => {}
        }
    }
}

async fn send_due(
    shared: &Arc<Shared>,
    client: &AsyncClient,
    window: &mut Window,
) -> Result<(), SpoolError> {
    let due = on_disk(&shared.spool, |spool| {
        spool.with(|s| s.due(usize::from(WINDOW)))
    });
    let due = due.await?;
    let topic = Topic::Record(shared.settings.edge.clone()).name();
    for sequence in window.due(&due, shared.clock.monotonic()) {
        let read = move |spool: SharedSpool| match spool.with(|s| s.envelope(sequence)) {
            Err(SpoolError::Damaged { sequence }) => {
                tracing::error!(
                    record.sequence = sequence,
                    "a record was damaged on the disk; it is let go, and the hub is told"
                );
                spool.give_up(sequence)?;
                Ok(None)
            }
            other => other,
        };
        let Some(envelope) = on_disk(&shared.spool, read).await? else {
            continue;
        };
        let sent = client.publish(&topic, QoS::AtLeastOnce, false, envelope);
        if sent.await.is_ok() {
            window.sent(sequence, shared.clock.monotonic());
        }
    }
    Ok(())
}

/// Disk work goes to the threads for it, so that it never holds up the connection.
async fn on_disk<T: Send + 'static>(
    spool: &SharedSpool,
    work: impl FnOnce(SharedSpool) -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    let spool = spool.clone();
    tokio::task::spawn_blocking(move || work(spool))
        .await
        .unwrap_or(Err(SpoolError::Stopping))
}

/// Logs once when records go out and nothing comes back: a broker drops what its ACL forbids
/// without a word.
#[derive(Debug, Default)]
struct Silence {
    answers: u64,
    logged: bool,
}

impl Silence {
    fn watch(&mut self, shared: &Shared, longest_wait: Duration) {
        let answers = shared.answers.load(Ordering::Relaxed);
        if answers != self.answers {
            self.answers = answers;
            self.logged = false;
        } else if longest_wait >= SILENCE_LOGGED_AFTER && !self.logged {
            self.logged = true;
            tracing::warn!(
                broker = %shared.settings.broker,
                waited_s = longest_wait.as_secs(),
                "the broker takes transits but the hub does not answer; check that varco-hub \
                 runs and that the broker's ACL lets this edge publish. Nothing is lost: they \
                 stay in the spool"
            );
        }
    }
}
